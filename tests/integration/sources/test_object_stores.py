"""Object stores: S3 against a real server, faults against one that misbehaves, the others to their requests."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import ListType, LongType, NestedField, StringType, StructType

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError
from dataos.depots.objectstores import ObjectStoreAdapter
from dataos.depots.ports import AdapterContext, DepotEntry
from dataos.depots.types.abfss.adapter import AzureAdapter
from dataos.depots.types.file.adapter import FileAdapter
from dataos.depots.types.gcs.adapter import GcsAdapter
from dataos.depots.types.s3.adapter import S3Adapter
from support import s3

KEYS = {"accesskeyid": "AKIACANARY", "secretkey": "canary-secret"}
CONTEXT = AdapterContext((), 2.0)
EMPTY = b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>'


@pytest.fixture(scope="module")
def store() -> Iterator[s3.S3]:
    with s3.running() as running:
        running.bucket(
            "mill",
            {
                "raw/orders/2024/a.csv": b"id\n1\n",
                "raw/orders/2024/b.csv": b"id\n2\n",
                "raw/orders/2025/c.csv": b"id\n3\n",
                "raw/orders/2025/_SUCCESS": b"x",
                "raw/orders/.tmp/d.csv": b"id\n",
                "raw/orders/": b"",
                "raw/ü ä%20'.csv": b"x",
                "raw/orders.csv": b"beside",
                "other/e.csv": b"outside",
                "top.csv": b"top",
            },
        )
        yield running


def entry(store: s3.S3, **changes: Any) -> DepotEntry:
    location = {"bucket": "mill", "relativePath": "raw", "endpoint": store.endpoint, "scheme": "s3a"} | changes
    return DepotEntry("wool", "uid-1", "S3", location)


def adapter() -> S3Adapter:
    return S3Adapter(CONTEXT)


def keys(store: s3.S3, address: str, **changes: Any) -> list[str]:
    found = asyncio.run(adapter().objects(entry(store, **changes), KEYS, Udl.parse(f"dataos://wool:{address}")))
    return [o.key for o in found]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("orders/2024/a.csv", ["raw/orders/2024/a.csv"]),
        ("orders/2024", ["raw/orders/2024/a.csv", "raw/orders/2024/b.csv"]),
        ("orders/2024/", ["raw/orders/2024/a.csv", "raw/orders/2024/b.csv"]),
        ("none/orders", ["raw/orders/2024/a.csv", "raw/orders/2024/b.csv", "raw/orders/2025/c.csv"]),
        ("orders/*/*.csv", ["raw/orders/2024/a.csv", "raw/orders/2024/b.csv", "raw/orders/2025/c.csv"]),
        ("orders/20[2]4/?.csv", ["raw/orders/2024/a.csv", "raw/orders/2024/b.csv"]),
        ("none/*.csv", ["raw/orders.csv", "raw/ü ä%20'.csv"]),
        ("none/**/a.csv", ["raw/orders/2024/a.csv"]),
        ("none/orders/202*", ["raw/orders/2024/a.csv", "raw/orders/2024/b.csv", "raw/orders/2025/c.csv"]),
        ("orders/2025/_SUCCESS", ["raw/orders/2025/_SUCCESS"]),
        ("none/%C3%BC %C3%A4%2520'.csv", ["raw/ü ä%20'.csv"]),
    ],
)
def test_objects_of_an_address(store: s3.S3, address: str, expected: list[str]):
    assert keys(store, address) == expected


def test_an_object_tells_size_time_and_location(store: s3.S3):
    (found,) = asyncio.run(adapter().objects(entry(store), KEYS, Udl.parse("dataos://wool:orders/2024/a.csv")))
    assert (found.location, found.size_bytes) == ("s3://mill/raw/orders/2024/a.csv", 5)
    assert abs(found.modified_at.timestamp() - time.time()) < 3600


def test_listing_shows_folders_as_collections_and_what_is_below(store: s3.S3):
    async def look() -> None:
        made = adapter()
        await made.check(entry(store), KEYS, 2.0)
        assert await made.list_collections(entry(store), KEYS) == ["none", "orders"]
        assert await made.list_datasets(entry(store), KEYS, "none") == ["orders", "orders.csv", "ü ä%20'.csv"]
        assert await made.list_datasets(entry(store), KEYS, "orders") == ["2024", "2025"]
        assert await made.list_collections(entry(store, relativePath=""), KEYS) == ["none", "other", "raw"]
        place = await made.resolve(entry(store), Udl.parse("dataos://wool:orders/2024"))
        assert place == "s3a://mill/raw/orders/2024"

    asyncio.run(look())


def test_nothing_there_names_the_place_and_a_near_name(store: s3.S3):
    with pytest.raises(DataOSError) as caught:
        keys(store, "none/order.csv")
    assert caught.value.problem.code == "depot.path"
    assert "s3://mill/raw/order.csv" in caught.value.problem.message
    assert "orders.csv" in caught.value.problem.hint
    for absent in ("orders/1999", "orders/*.parquet", "absent/**"):
        with pytest.raises(DataOSError) as caught:
            keys(store, absent)
        assert caught.value.problem.code == "depot.path"
    with pytest.raises(DataOSError):
        asyncio.run(adapter().objects(entry(store), KEYS, Udl("wool", "none", "../other/e.csv")))


def test_many_pages_are_all_read(store: s3.S3):
    store.bucket("many", {f"p/{n:05}.csv": b"x" for n in range(1203)})
    assert len(keys(store, "none/p", bucket="many", relativePath="")) == 1203


def test_connection_settings_for_engines(store: s3.S3):
    made = adapter().object_store(entry(store, region="eu-north-1"), KEYS | {"awssessiontoken": "tok"})
    assert (made.kind, made.bucket, made.prefix, made.region) == ("s3", "mill", "raw", "eu-north-1")
    assert (made.endpoint, made.path_style) == (store.endpoint, True)
    assert made.credentials == {
        "access_key_id": "AKIACANARY",
        "secret_access_key": "canary-secret",
        "session_token": "tok",
    }
    assert "canary" not in repr(made).lower()
    bare = adapter().object_store(entry(store, endpoint="minio.mill:9000"), KEYS)
    assert bare.endpoint == "https://minio.mill:9000"
    with pytest.raises(DataOSError) as caught:
        adapter().object_store(entry(store), {"accesskeyid": "AKIACANARY"})
    assert caught.value.problem.code == "depot.credentials"
    assert "AKIACANARY" not in repr(caught.value.problem)


def test_the_environment_of_the_server_lends_no_rights(monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setitem(os.environ, name, "SERVERS-OWN")
    monkeypatch.setitem(os.environ, "AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with s3.answering(lambda n, path: (200, EMPTY)) as server:
        for secret in (KEYS, {}):
            asyncio.run(adapter().check(entry(s3.S3(server.endpoint)), secret, 2.0))
    signed, unsigned = server.requests
    assert "AKIACANARY" in signed[2]["authorization"]
    assert "x-amz-security-token" not in signed[2]
    assert "authorization" not in unsigned[2]


# --- faults --------------------------------------------------------------------------------------------------------


def fault(location: dict[str, Any], secret: dict[str, str] = KEYS, timeout_s: float = 1.0) -> tuple[str, str]:
    one = DepotEntry("wool", "uid-1", "S3", {"bucket": "mill", "relativePath": "", **location})
    with pytest.raises(DataOSError) as caught:
        asyncio.run(S3Adapter(AdapterContext((), timeout_s)).check(one, secret, timeout_s))
    problem = caught.value.problem
    assert problem.hint
    assert "canary" not in repr(problem).lower()
    assert caught.value.__cause__ is None
    return problem.code, problem.message


def test_what_is_absent_or_unreachable_is_said(store: s3.S3):
    assert fault({"endpoint": store.endpoint, "bucket": "absent"})[0] == "depot.no_such_database"
    code, message = fault({"endpoint": "http://127.0.0.1:1"})
    assert (code, "refused" in message) == ("depot.unreachable", True)
    code, message = fault({"endpoint": "http://nowhere.invalid"})
    assert (code, "not known" in message) == ("depot.unreachable", True)
    code, message = fault({"endpoint": store.endpoint.replace("http://", "https://")})
    assert (code, "TLS" in message) == ("depot.unreachable", True)


@pytest.mark.parametrize(
    ("status", "name", "expected"),
    [
        (403, "InvalidAccessKeyId", "depot.credentials"),
        (403, "SignatureDoesNotMatch", "depot.credentials"),
        (403, "AccessDenied", "depot.credentials"),
        (400, "ExpiredToken", "depot.credentials"),
        (403, "RequestTimeTooSkewed", "depot.credentials"),
        (301, "PermanentRedirect", "depot.unreachable"),
        (400, "AuthorizationHeaderMalformed", "depot.unreachable"),
    ],
)
def test_refusals_of_the_store_are_told_apart(status: int, name: str, expected: str):
    body = f"<Error><Code>{name}</Code><Message>AKIACANARY</Message></Error>".encode()
    with s3.answering(lambda n, path: (status, body)) as server:
        assert fault({"endpoint": server.endpoint})[0] == expected
        assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "name"), [(503, "SlowDown"), (500, "InternalError"), (429, "TooManyRequests")])
def test_throttling_is_retried_a_bounded_number_of_times(status: int, name: str):
    body = f"<Error><Code>{name}</Code></Error>".encode()
    with s3.answering(lambda n, path: (status, body)) as server:
        code, message = fault({"endpoint": server.endpoint}, timeout_s=3.0)
        assert (code, "overloaded" in message) == ("depot.unreachable", True)
        assert 2 <= len(server.requests) <= 6


def test_one_failure_among_answers_is_hidden_from_the_user():
    with s3.answering(
        lambda n, path: (503, b"<Error><Code>SlowDown</Code></Error>") if n == 0 else (200, EMPTY)
    ) as server:
        one = DepotEntry("wool", "uid-1", "S3", {"bucket": "mill", "endpoint": server.endpoint})
        asyncio.run(adapter().check(one, KEYS, 2.0))
        assert len(server.requests) == 2


def test_a_silent_store_is_a_timeout():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        code, _ = fault({"endpoint": f"http://127.0.0.1:{listener.getsockname()[1]}"}, timeout_s=0.3)
        assert code == "depot.timeout"


# --- tables --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a real Iceberg table (two schemas) and a Delta log."""
    root = tmp_path_factory.mktemp("tables")
    catalog = SqlCatalog("t", uri=f"sqlite:///{root}/catalog.db", warehouse=f"file://{root}")
    schema = Schema(
        NestedField(1, "id", LongType(), required=True),
        NestedField(2, "lines", ListType(3, StructType(NestedField(4, "sku", StringType())), element_required=False)),
    )
    catalog.create_namespace("sales")
    table = catalog.create_table("sales.orders", schema, location=f"file://{root}/sales/orders")
    with table.update_schema() as update:
        update.add_column("note", StringType())
    catalog.engine.dispose()
    (root / "sales" / "plain").mkdir()
    (root / "sales" / "plain" / "x.csv").write_text("x")
    log = root / "sales" / "delta" / "_delta_log"
    log.mkdir(parents=True)
    fields = [{"name": "a", "type": "integer", "nullable": True, "metadata": {}},
              {"name": "b", "type": {"type": "array", "elementType": "string", "containsNull": True}, "nullable": False, "metadata": {}}]  # fmt: skip
    action = {"metaData": {"id": "1", "schemaString": json.dumps({"type": "struct", "fields": fields})}}
    (log / f"{0:020}.json").write_text(json.dumps({"protocol": {}}) + "\n" + json.dumps(action) + "\n")
    (log / f"{1:020}.json").write_text(json.dumps({"commitInfo": {}}) + "\n")
    return root


@pytest.fixture(params=["FILE", "S3"])
def tabular(request: pytest.FixtureRequest, tables: Path, store: s3.S3) -> tuple[Any, DepotEntry, dict[str, str]]:
    if request.param == "FILE":
        return FileAdapter(AdapterContext((tables,), 2.0)), DepotEntry("lake", "u", "FILE", {"path": str(tables)}), {}
    store.bucket("tables", {f.relative_to(tables).as_posix(): f.read_bytes() for f in tables.rglob("*") if f.is_file()})
    return adapter(), entry(store, bucket="tables", relativePath=""), KEYS


def with_format(entry: DepotEntry, format_: str) -> DepotEntry:
    return DepotEntry(entry.name, entry.uid, entry.type, {**entry.location, "format": format_})


def test_tables_of_a_format_are_listed_and_described(tabular: tuple[Any, DepotEntry, dict[str, str]]):
    made, plain, secret = tabular

    async def look() -> None:
        iceberg, delta = with_format(plain, "ICEBERG"), with_format(plain, "DELTA")
        assert await made.list_datasets(iceberg, secret, "sales") == ["orders"]
        assert await made.list_datasets(delta, secret, "sales") == ["delta"]
        assert await made.list_datasets(plain, secret, "sales") == ["delta", "orders", "plain"]
        columns = await made.describe(iceberg, secret, "sales", "orders")
        assert [(c.name, c.native_type, c.nullable) for c in columns] == [
            ("id", "long", False),
            ("lines", "list<struct<4: sku: optional string>>", True),
            ("note", "string", True),
        ]
        columns = await made.describe(delta, secret, "sales", "delta")
        assert [(c.name, c.native_type, c.nullable) for c in columns] == [
            ("a", "integer", True),
            ("b", "array<string>", False),
        ]

    asyncio.run(look())
    with pytest.raises(DataOSError) as caught:
        asyncio.run(made.describe(with_format(plain, "ICEBERG"), secret, "sales", "ordrs"))
    assert caught.value.problem.code == "depot.dataset_not_found"
    assert "orders" in caught.value.problem.hint
    with pytest.raises(DataOSError) as caught:
        asyncio.run(made.describe(plain, secret, "sales", "plain"))
    assert caught.value.problem.code == "depot.unsupported"


# --- other vendors, to the requests that they get ---------------------------------------------------------------------


def test_azure_requests_are_signed_with_the_account_key():
    listing = b"<?xml version='1.0'?><EnumerationResults><Blobs></Blobs><NextMarker/></EnumerationResults>"
    location = {
        "account": "mill",
        "container": "looms",
        "relativePath": "raw",
        "endpointSuffix": "dfs.core.windows.net",
    }
    one = DepotEntry("azure", "u", "ABFSS", location)
    secret = {"azurestorageaccountname": "mill", "azurestorageaccountkey": "Y2FuYXJ5"}
    made = AzureAdapter(CONTEXT).object_store(one, secret)
    assert (made.endpoint, made.location("a")) == (
        "https://mill.blob.core.windows.net",
        "abfss://looms@mill.dfs.core.windows.net/a",
    )
    assert "Y2FuYXJ5" not in repr(made)
    with s3.answering(lambda n, path: (200, listing)) as server:
        asyncio.run(_Azure(CONTEXT, server.endpoint).check(one, secret, 2.0))
    method, path, headers = server.requests[0]
    assert (method, path.startswith("/looms?")) == ("GET", True)
    assert headers["authorization"].startswith("SharedKey mill:")
    for wrong in (
        {"azurestorageaccountname": "other", "azurestorageaccountkey": "Y2FuYXJ5"},
        {"azurestorageaccountname": "mill"},
    ):
        with pytest.raises(DataOSError) as caught:
            AzureAdapter(CONTEXT).object_store(one, wrong)
        assert caught.value.problem.code == "depot.credentials"


class _Azure(AzureAdapter):
    """Its endpoint is the account's public host: here a server of the test."""

    def __init__(self, context: AdapterContext, endpoint: str) -> None:
        super().__init__(context)
        self._endpoint = endpoint

    def object_store(self, entry: DepotEntry, credentials: Any) -> Any:
        from dataclasses import replace

        return replace(super().object_store(entry, credentials), endpoint=self._endpoint)


def test_gcs_takes_a_key_file_or_its_parts():
    one = DepotEntry("photos", "u", "GCS", {"bucket": "mill-photos", "relativePath": "yarn"})
    gcs = GcsAdapter(CONTEXT)
    parts = {"email": "a@b.example", "privatekey": "-----BEGIN\\nX", "privatekeyid": "7"}
    body = json.loads(gcs.object_store(one, parts).credentials["service_account"])
    assert (body["client_email"], body["private_key"]) == ("a@b.example", "-----BEGIN\nX")
    for wrong in ({"gcskey_json": "{"}, {"gcskey_json": "{}"}, {"projectid": "p"}):
        with pytest.raises(DataOSError) as caught:
            gcs.object_store(one, wrong)
        assert caught.value.problem.code == "depot.credentials"
    with s3.answering(lambda n, path: (200, EMPTY)) as server:
        key = {
            "gcs_base_url": server.endpoint,
            "disable_oauth": True,
            "client_email": "",
            "private_key": "",
            "private_key_id": "",
        }
        asyncio.run(gcs.check(one, {"gcskey_json": json.dumps(key)}, 2.0))
    assert server.requests[0][1].startswith("/mill%2Dphotos?list-type=2&prefix=yarn")
    with pytest.raises(DataOSError) as caught:
        asyncio.run(gcs.check(one, {"gcskey_json": json.dumps({"private_key": "canary"})}, 2.0))
    assert caught.value.problem.code == "depot.credentials"
    assert "canary" not in repr(caught.value.problem)


def test_each_vendor_shares_the_one_adapter():
    assert all(issubclass(kind, ObjectStoreAdapter) for kind in (S3Adapter, AzureAdapter, GcsAdapter))
