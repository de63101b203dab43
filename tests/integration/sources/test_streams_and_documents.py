"""Kafka, Redis, search, Pulsar, HTTP: real protocols on loopback; other drivers to what they are given."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from confluent_kafka import Producer
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError
from dataos.depots.ports import AdapterContext, DepotEntry
from dataos.depots.types.bigquery.adapter import BigqueryAdapter
from dataos.depots.types.elasticsearch.adapter import SearchAdapter
from dataos.depots.types.eventhub import events
from dataos.depots.types.eventhub.adapter import EventhubAdapter
from dataos.depots.types.http.adapter import HttpAdapter
from dataos.depots.types.jdbc.others import DatabricksAdapter, Db2Adapter
from dataos.depots.types.kafka.adapter import KafkaAdapter
from dataos.depots.types.mongodb.adapter import MongodbAdapter
from dataos.depots.types.mssql.adapter import MssqlAdapter
from dataos.depots.types.oracle.adapter import OracleAdapter
from dataos.depots.types.presto.adapter import PrestoAdapter
from dataos.depots.types.pulsar import adapter as pulsar_adapter
from dataos.depots.types.pulsar import messages as pulsar_messages
from dataos.depots.types.pulsar.adapter import PulsarAdapter
from dataos.depots.types.redis.adapter import RedisAdapter
from dataos.depots.types.redshift.adapter import RedshiftAdapter
from dataos.depots.types.snowflake.adapter import SnowflakeAdapter
from support import redis, s3

CONTEXT = AdapterContext((), 2.0)
LOGIN = {"username": "ida", "password": "pass-canary"}


def entry(type_: str, **location: Any) -> DepotEntry:
    return DepotEntry("source", "u", type_, location)


def problem(work: Any) -> Any:
    with pytest.raises(DataOSError) as caught:
        asyncio.run(work)
    assert "canary" not in repr(caught.value.problem)
    assert caught.value.__cause__ is None
    return caught.value.problem


# --- Kafka ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def brokers() -> Iterator[list[str]]:
    """Mock brokers of librdkafka itself: they speak the protocol on loopback."""
    producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 2})
    for topic in ("orders", "looms", "__offsets"):
        producer.produce(topic, b"x")
    producer.flush(10)
    yield [f"{b.host}:{b.port}" for b in producer.list_topics(timeout=10).brokers.values()]
    del producer


def test_kafka_topics_are_datasets_with_partitions(brokers: list[str]):
    made, one = KafkaAdapter(CONTEXT), entry("KAFKA", brokers=brokers)

    async def look() -> None:
        await made.check(one, {}, 2.0)
        assert await made.list_collections(one, {}) == ["default"]
        assert await made.list_datasets(one, {}, "default") == ["looms", "orders"]
        columns = {c.name: c.native_type for c in await made.describe(one, {}, "default", "orders")}
        assert columns["partition"] == "int (0 to 3)"
        assert list(columns) == ["key", "value", "topic", "partition", "offset", "timestamp"]

    asyncio.run(look())
    wrong = problem(made.describe(one, {}, "default", "order"))
    assert (wrong.code, "orders" in wrong.hint) == ("depot.dataset_not_found", True)


def test_kafka_faults():
    made = KafkaAdapter(AdapterContext((), 0.5))
    assert problem(made.check(entry("KAFKA", brokers=["127.0.0.1:1"]), {}, 1.0)).code in (
        "depot.unreachable",
        "depot.timeout",
    )
    odd = entry("KAFKA", brokers=["127.0.0.1:1"], params={"no.such.setting": "1"})
    assert problem(made.check(odd, {}, 0.5)).code == "depot.unsupported"


def test_kafka_settings_come_from_secret_and_params(tmp_path: Path):
    made = KafkaAdapter(AdapterContext((tmp_path,), 1.0))
    one = entry(
        "KAFKA",
        brokers=["a:1", "b:2"],
        params={"kafka.session.timeout.ms": 9000, "plugin.library.paths": "/x", "client.id": "y"},
    )
    settings = made.settings(one, LOGIN | {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512"})
    assert settings == {
        "bootstrap.servers": "a:1,b:2",
        "client.id": "dataos",
        "session.timeout.ms": "9000",
        "security.protocol": "SASL_SSL",
        "sasl.username": "ida",
        "sasl.password": "pass-canary",
        "sasl.mechanism": "SCRAM-SHA-512",
    }
    with pytest.raises(DataOSError) as caught:
        made.settings(one, {"username": "ida", "security_protocol": "SASL_PLAINTEXT"})
    assert caught.value.problem.code == "depot.credentials"
    outside = entry("KAFKA", brokers=["a:1"], params={"ssl.ca.location": "/etc/passwd"})
    with pytest.raises(DataOSError) as caught:
        made.settings(outside, {})
    assert caught.value.problem.code == "depot.path"


def test_event_hubs_are_asked_by_their_kafka_endpoint():
    made, one = EventhubAdapter(CONTEXT), entry("EVENTHUB", endpoint="sb://mill.servicebus.windows.net/")
    settings = made.settings(one, {"eh_shared_access_key_name": "root", "eh_shared_access_key": "k-canary"})
    assert settings["bootstrap.servers"] == "mill.servicebus.windows.net:9093"
    assert settings["sasl.username"] == "$ConnectionString"
    assert (
        settings["sasl.password"]
        == "Endpoint=sb://mill.servicebus.windows.net/;SharedAccessKeyName=root;SharedAccessKey=k-canary"
    )
    assert settings["security.protocol"] == "SASL_SSL"
    with pytest.raises(DataOSError) as caught:
        made.settings(one, {"eh_shared_access_key_name": "root"})
    assert caught.value.problem.code == "depot.credentials"
    secret = {"eh_shared_access_key_name": "root", "eh_shared_access_key": "k-canary"}
    emulator = {"endpoint": "sb://localhost:9192/", "params": {"security.protocol": "SASL_PLAINTEXT"}}
    settings = made.settings(entry("EVENTHUB", **emulator), secret)
    assert (settings["bootstrap.servers"], settings["security.protocol"]) == ("localhost:9192", "SASL_PLAINTEXT")
    with pytest.raises(DataOSError) as caught:
        made.settings(entry("EVENTHUB", endpoint="sb://x/", params={"security.protocol": "PLAINTEXT"}), secret)
    assert caught.value.problem.code == "depot.unsupported"


class Event:
    """A message as confluent-kafka gives it."""

    def __init__(self, headers: list[tuple[str, bytes | None]] | None) -> None:
        self._headers = headers

    def headers(self) -> Any:
        return self._headers

    def key(self) -> bytes:
        return b"k"

    def value(self) -> bytes:
        return b"v"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 12

    def timestamp(self) -> tuple[int, int]:
        return 2, 1000


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"plain", '"plain"'),
        (b"", '""'),
        (None, "null"),
        (b"\xa1\x05order", '"order"'),
        (b"\xb1\x00\x00\x00\x05order", '"order"'),
        (b"\xa3\x03sym", '"sym"'),
        (b"\x81" + (-2).to_bytes(8, "big", signed=True), "-2"),
        (b"\x82\x3f\xf8\x00\x00\x00\x00\x00\x00", "1.5"),
        (b"\xa1\x09order", "[-95, 9, 111, 114, 100, 101, 114]"),
        (b"\xff\x01", "[-1, 1]"),
    ],
)
def test_properties_of_events_are_json_whichever_client_wrote_them(data: bytes | None, shown: str):
    reading = events.Reading(None, {}, "t", {}, False, 1.0)
    columns = dict(zip(reading.columns(False).names, reading.values([Event([("p", data)])]), strict=True))
    assert columns["properties"] == [[("p", shown)]]
    assert (columns["partition"], columns["offset"], columns["sequenceNumber"]) == (["3"], ["12"], [12])
    assert (columns["partitionKey"], columns["publisher"]) == (["k"], [None])


def test_rows_are_events(tmp_path: Path):
    def sent(**columns: Any) -> list[dict[str, Any]]:
        pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
        return list(events.records([tmp_path / "rows.parquet"]))

    assert sent(body=["a", None], partitionKey=["k", None]) == [{"value": b"a", "key": b"k"}, {"value": None}]
    assert sent(Body=[b"a"], partitionId=["1"]) == [{"value": b"a", "partition": 1}]
    texts = pa.array([[("kind", "x")]], pa.map_(pa.string(), pa.string()))
    assert sent(body=["a"], properties=texts) == [{"value": b"a", "headers": [("kind", b"x")]}]
    assert sent(body=["a"], other=[1]) == [{"value": b'{"body": "a", "other": 1}'}]
    for wrong in ({"partitionId": ["1"], "partitionKey": ["k"]}, {"partitionId": ["one"]}):
        with pytest.raises(DataOSError) as caught:
            sent(body=["a"], **wrong)
        assert caught.value.problem.code == "depot.write"


# --- Redis ---------------------------------------------------------------------------------------------------------


def test_redis_shows_prefixes_of_keys():
    if redis.installed() is None:
        pytest.skip(redis.WHY)
    import redis as client

    with redis.running() as server:
        with client.Redis("127.0.0.1", server.port, db=2, password=server.password) as filled:
            filled.mset({"loom:1": "a", "loom:2": "b", "mill": "c"})
        made, one = RedisAdapter(CONTEXT), entry("REDIS", host="127.0.0.1", port=server.port, db=2)
        secret = {"password": server.password}
        asyncio.run(made.check(one, secret, 2.0))
        assert asyncio.run(made.list_collections(one, secret)) == ["db2"]
        assert asyncio.run(made.list_datasets(one, secret, "db2")) == ["loom", "mill"]
        assert problem(made.check(one, {"password": "wrong-canary"}, 2.0)).code == "depot.credentials"
        assert problem(made.check(one, {}, 2.0)).code == "depot.credentials"
        far = entry("REDIS", host="127.0.0.1", port=server.port, db=99)
        assert problem(made.check(far, secret, 2.0)).code == "depot.no_such_database"
    assert problem(made.check(one, secret, 2.0)).code == "depot.unreachable"


# --- HTTP: search, Pulsar, plain --------------------------------------------------------------------------------------


def test_search_indexes_and_their_fields():
    def answer(_: int, path: str) -> tuple[int, bytes]:
        if path.startswith("/_cat/indices"):
            return 200, json.dumps([{"index": "looms"}, {"index": ".security"}]).encode()
        if path == "/looms/_mapping":
            inner = {"properties": {"id": {"type": "long"}, "at": {"properties": {"day": {"type": "date"}}}}}
            return 200, json.dumps({"looms": {"mappings": inner}}).encode()
        return 200, b"{}"

    with s3.answering(answer, "application/json") as server:
        made, one = SearchAdapter(CONTEXT), entry("OPENSEARCH", nodes=["127.0.0.1:1", server.endpoint])
        asyncio.run(made.check(one, LOGIN, 2.0))  # the first node is down: the second answers
        assert asyncio.run(made.list_datasets(one, LOGIN, "default")) == ["looms"]
        columns = asyncio.run(made.describe(one, LOGIN, "default", "looms"))
        assert [(c.name, c.native_type) for c in columns] == [("id", "long"), ("at.day", "date")]
        assert problem(made.describe(one, LOGIN, "default", "loom")).code == "depot.dataset_not_found"
        assert all(r[2]["authorization"].startswith("Basic ") for r in server.requests)


@pytest.mark.parametrize(
    ("status", "expected", "requests"),
    [
        (401, "depot.credentials", 1),
        (403, "depot.credentials", 1),
        (302, "depot.unreachable", 1),
        (503, "depot.unreachable", 3),
    ],
)
def test_refusals_over_http_are_told_apart_and_busy_ones_retried(status: int, expected: str, requests: int):
    with s3.answering(lambda n, path: (status, b"canary")) as server:
        assert (
            problem(SearchAdapter(CONTEXT).check(entry("ELASTICSEARCH", nodes=[server.endpoint]), LOGIN, 2.0)).code
            == expected
        )
        assert len(server.requests) == requests


def test_pulsar_namespaces_and_topics():
    def answer(_: int, path: str) -> tuple[int, bytes]:
        found: Any = ["public/default", "public/mill"]
        if path.endswith("/partitioned"):
            found = ["persistent://public/mill/parts"]
        elif "/persistent/" in path:
            found = ["persistent://public/mill/looms", "persistent://public/mill/parts-partition-0"]
        return 200, json.dumps(found).encode()

    with s3.answering(answer, "application/json") as server:
        made = PulsarAdapter(CONTEXT)
        one = entry("PULSAR", adminUrl=server.endpoint, serviceUrl="pulsar://p:6650", tenant="public")
        asyncio.run(made.check(one, {"token": "tok"}, 2.0))
        assert asyncio.run(made.list_collections(one, {})) == ["default", "mill"]
        assert asyncio.run(made.list_datasets(one, {}, "mill")) == ["looms", "parts"]
        assert server.requests[0][2]["authorization"] == "Bearer tok"
        place = asyncio.run(made.resolve(one, Udl.parse("dataos://source:mill/looms")))
        assert place == "pulsar://p:6650 persistent://public/mill/looms"


def test_what_pulsars_client_is_given():
    made = PulsarAdapter(CONTEXT)
    one = entry(
        "PULSAR", adminUrl="http://p:8080", serviceUrl="pulsar+ssl://p:6651", tenant="t", params={"listenerName": "out"}
    )
    settings = made.settings(one, {"token": "t-canary"}, "/tmp/ca.pem")
    assert settings == {
        "service_url": "pulsar+ssl://p:6651", "operation_timeout_seconds": 4, "connection_timeout_ms": 2000,
        "tls_validate_hostname": True, "tls_trust_certs_file_path": "/tmp/ca.pem", "listener_name": "out",
        "stats_interval_in_seconds": 0, "token": "t-canary", "login": None,
    }  # fmt: skip
    assert made.settings(one, LOGIN)["login"] == ("ida", "pass-canary")


def _partitions(_: int, path: str) -> tuple[int, bytes]:
    return (200, b'{"partitions": 0}') if path.endswith("/partitions") else (404, b"{}")


async def _first(made: PulsarAdapter, one: DepotEntry, secret: dict[str, str]) -> bytes:
    spans = {-1: ("1:-1", "1:5")}
    return await anext(made.entries(one, secret, Udl.parse("dataos://source:default/t"), spans))


def test_faults_of_pulsars_client_are_told_without_its_text(monkeypatch: pytest.MonkeyPatch):
    with s3.answering(_partitions, "application/json") as server:
        made = PulsarAdapter(AdapterContext((), 0.5))
        one = entry("PULSAR", adminUrl=server.endpoint, serviceUrl="pulsar://127.0.0.1:1", tenant="public")
        found = problem(_first(made, one, {"token": "tok-canary"}))
        assert found.code in ("depot.unreachable", "depot.timeout")
        assert found.retry is not None
        wrong = problem(made.ledgers(one, {}, Udl("source", "default", None)))
        assert wrong.code == "manifest.address"
        monkeypatch.setitem(sys.modules, "pulsar", None)
        absent = problem(_first(made, one, {}))
        assert absent.code == "depot.driver"
        assert "pip install 'dataos[pulsar]'" in absent.hint
    with s3.answering(lambda n, path: (404, b"{}"), "application/json") as server:
        one = entry("PULSAR", adminUrl=server.endpoint, serviceUrl="pulsar://127.0.0.1:1", tenant="public")
        assert problem(_first(made, one, {})).code == "depot.dataset_not_found"


def test_nothing_but_topics_is_asked_of_pulsars_admin_service():
    with s3.answering(lambda n, path: (200, b'{"version": 3, "type": "STRING"}'), "application/json") as server:
        made = PulsarAdapter(CONTEXT)
        one = entry("PULSAR", adminUrl=server.endpoint, serviceUrl="pulsar://p:1", tenant="public")
        for subject in ("../tenants", "../..", "default/..", "a/b/c", "default", "/x"):
            found = problem(made.schema_of(one, {}, None, subject, "latest"))
            assert found.code in ("request.invalid", "depot.dataset_not_found")
        assert problem(made.schema_of(one, {}, None, "default/t", "..")).code == "depot.dataset_not_found"
        assert problem(made.list_datasets(one, {}, "..")).code == "depot.dataset_not_found"
        assert problem(made.ledgers(one, {}, Udl("source", "..", ".."))).code == "depot.dataset_not_found"
        assert server.requests == []
        assert asyncio.run(made.schema_of(one, {}, 3, "default/a b?c", "latest")).type == "STRING"
        assert server.requests[0][1] == "/admin/v2/schemas/public/default/a%20b%3Fc/schema/3"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("AuthenticationError", "depot.credentials"),
        ("AuthorizationError", "depot.credentials"),
        ("IncompatibleSchema", "depot.schema_refused"),
        ("TopicNotFound", "depot.dataset_not_found"),
        ("MessageTooBig", "depot.write"),
        ("ConnectError", "depot.unreachable"),
        ("Timeout", "depot.timeout"),
    ],
)
def test_errors_of_pulsars_client_have_codes(name: str, code: str):
    import pulsar

    one = entry("PULSAR", adminUrl="http://p", serviceUrl="pulsar://p:6650", tenant="t")
    for error in (getattr(pulsar, name)("canary"), pulsar_messages.Refused(f"Result.{name}")):
        found = pulsar_adapter.problem(one, error, 2.0).problem
        assert found.code == code
        assert "canary" not in repr(found)


def test_http_asks_the_base_address_and_cannot_be_listed():
    with s3.answering(lambda n, path: (404, b"")) as server:
        made = HttpAdapter(CONTEXT)
        one = entry("HTTP", baseUrl=server.endpoint + "/files", headers={"accept": "text/csv"}, queryParams={"v": "2"})
        asyncio.run(made.check(one, {"token": "tok"}, 2.0))
        method, path, headers = server.requests[0]
        assert (method, path, headers["accept"], headers["authorization"]) == (
            "GET",
            "/files?v=2",
            "text/csv",
            "Bearer tok",
        )
    assert problem(made.list_collections(one, {})).code == "depot.unsupported"
    assert problem(made.check(one, {}, 1.0)).code == "depot.unreachable"
    assert problem(made.check(entry("HTTP", baseUrl="http://nowhere.invalid"), {}, 2.0)).code == "depot.unreachable"


# --- drivers that are extras: what they are given ----------------------------------------------------------------------

GIVEN: dict[str, tuple[Any, dict[str, Any], dict[str, str], dict[str, Any]]] = {
    "mssql": (
        MssqlAdapter,
        {"host": "sql", "port": 1433, "database": "erp", "params": {"encrypt": "false"}},
        LOGIN,
        {"server": "sql", "port": "1433", "user": "ida", "password": "pass-canary", "database": "erp",
         "encryption": "request", "read_only": True, "login_timeout": 2},
    ),
    "oracle": (
        OracleAdapter,
        {"host": "ora", "port": 1521, "service": "PRICES", "params": {}},
        LOGIN,
        {"host": "ora", "port": 1521, "service_name": "PRICES", "protocol": "tcp", "user": "ida"},
    ),
    "redshift": (
        RedshiftAdapter,
        {"host": "rs", "port": 5439, "database": "dev", "params": {"sslmode": "verify-full"}},
        LOGIN,
        {"host": "rs", "port": 5439, "database": "dev", "ssl": True, "sslmode": "verify-full", "timeout": 6},
    ),
    "snowflake": (
        SnowflakeAdapter,
        {"url": "mill.snowflakecomputing.com", "warehouse": "WH", "database": "YARN", "role": "PUBLIC"},
        LOGIN,
        {"account": "mill", "host": "mill.snowflakecomputing.com", "warehouse": "WH", "database": "YARN",
         "role": "PUBLIC", "user": "ida", "password": "pass-canary", "login_timeout": 2},
    ),
    "presto": (
        PrestoAdapter,
        {"host": "trino", "port": 8443, "catalog": "hive", "schema": "default", "params": {}},
        LOGIN,
        {"host": "trino", "port": 8443, "catalog": "hive", "user": "ida", "http_scheme": "https", "max_attempts": 2},
    ),
    "databricks": (
        DatabricksAdapter,
        {"host": "adb", "port": 443, "database": "main", "params": {"httpPath": "/sql/1.0/w"}},
        {"token": "t-canary"},
        {"server_hostname": "adb", "_port": 443, "http_path": "/sql/1.0/w", "access_token": "t-canary", "catalog": "main"},
    ),
    "mongodb": (
        MongodbAdapter,
        {"subprotocol": "mongodb", "nodes": ["m1:27017", "m2"], "params": {"tls": "1", "replicaSet": "rs0"}},
        LOGIN,
        {"host": "mongodb://m1:27017,m2", "tls": True, "replicaSet": "rs0", "username": "ida",
         "password": "pass-canary", "serverSelectionTimeoutMS": 2000},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVEN)
def test_what_a_driver_is_given(name: str):
    kind, location, secret, expected = GIVEN[name]
    settings = kind(CONTEXT).settings(entry(name.upper(), **location), secret, 2.0)
    assert {k: settings.get(k) for k in expected} == expected


def test_a_snowflake_key_is_opened_with_its_passphrase():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"open"),
    ).decode()
    made, one = SnowflakeAdapter(CONTEXT), entry("SNOWFLAKE", **GIVEN["snowflake"][1])
    settings = made.settings(one, {"username": "ida", "key": pem, "passphrase": "open"}, 2.0)
    loaded = serialization.load_der_private_key(settings["private_key"], None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    assert loaded.private_numbers() == key.private_numbers()
    for wrong in ({"key": pem, "passphrase": "shut"}, {"key": "canary"}, {"key": pem, "password": "canary"}):
        with pytest.raises(DataOSError) as caught:
            made.settings(one, {"username": "ida", **wrong}, 2.0)
        assert caught.value.problem.code == "depot.credentials"
        assert "canary" not in repr(caught.value.problem)


def test_db2_refuses_values_that_would_begin_another_setting():
    made = Db2Adapter(CONTEXT)
    one = entry("JDBC", subprotocol="db2", host="db2", port=50000, database="MILL", params={"sslConnection": "true"})
    text = made.settings(one, LOGIN, 2.0)
    assert "HOSTNAME=db2;PORT=50000;PROTOCOL=TCPIP;UID=ida;PWD=pass-canary;" in text
    assert "SECURITY=SSL;" in text
    with pytest.raises(DataOSError) as caught:
        made.settings(one, {"username": "ida", "password": "x;HOSTNAME=evil"}, 2.0)
    assert caught.value.problem.code == "depot.credentials"
    assert "evil" not in repr(caught.value.problem)


DRIVERS = {
    "MSSQL": (MssqlAdapter, "pymssql", "mssql", GIVEN["mssql"][1], LOGIN),
    "ORACLE": (OracleAdapter, "oracledb", "oracle", GIVEN["oracle"][1], LOGIN),
    "REDSHIFT": (RedshiftAdapter, "redshift_connector", "redshift", GIVEN["redshift"][1], LOGIN),
    "SNOWFLAKE": (SnowflakeAdapter, "snowflake.connector", "snowflake", GIVEN["snowflake"][1], LOGIN),
    "PRESTO": (PrestoAdapter, "trino.dbapi", "trino", GIVEN["presto"][1], LOGIN),
    "KAFKA": (KafkaAdapter, "confluent_kafka.admin", "kafka", {"brokers": ["a:1"]}, {}),
    "REDIS": (RedisAdapter, "redis", "redis", {"host": "h", "port": 1}, {}),
    "MONGODB": (MongodbAdapter, "pymongo", "mongodb", GIVEN["mongodb"][1], LOGIN),
    "BIGQUERY": (BigqueryAdapter, "google.cloud.bigquery", "bigquery", {}, {"json_keyfile": '{"private_key": "x"}'}),
}


@pytest.mark.parametrize("type_", DRIVERS)
def test_an_absent_driver_names_the_extra_that_brings_it(type_: str, monkeypatch: pytest.MonkeyPatch):
    from dataos.manifest.depot_types import DEPOT_TYPES

    kind, module, extra, location, secret = DRIVERS[type_]
    monkeypatch.setitem(sys.modules, module, None)
    found = problem(kind(CONTEXT).check(entry(type_, **location), secret, 1.0))
    assert found.code == "depot.driver"
    assert f"pip install 'dataos[{extra}]'" in found.hint
    assert DEPOT_TYPES[type_].extra == extra


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Login failed for user 'ida' canary", "depot.credentials"),
        ("ORA-01017: invalid username/password canary", "depot.credentials"),
        ("Cannot open database canary", "depot.no_such_database"),
        ("permission denied for table canary", "depot.credentials"),
        ("connection timed out canary", "depot.timeout"),
        ("could not connect: connection refused canary", "depot.unreachable"),
        ("SSL: CERTIFICATE_VERIFY_FAILED canary", "depot.unreachable"),
    ],
)
def test_what_drivers_say_is_matched_and_not_repeated(text: str, expected: str, monkeypatch: pytest.MonkeyPatch):
    fake = types.ModuleType("pymssql")

    def connect(**_: Any) -> None:
        raise RuntimeError(text)

    fake.connect = connect  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pymssql", fake)
    found = problem(MssqlAdapter(CONTEXT).check(entry("MSSQL", **GIVEN["mssql"][1]), LOGIN, 1.0))
    assert found.code == expected


def test_bigquery_takes_the_project_of_its_key():
    made = BigqueryAdapter(CONTEXT)
    key = json.dumps({"private_key": "x", "project_id": "from-key"})
    assert made.settings(entry("BIGQUERY"), {"json_keyfile": key})[0] == "from-key"
    assert made.settings(entry("BIGQUERY", project="mill"), {"json_keyfile": key})[0] == "mill"
    with pytest.raises(DataOSError) as caught:
        made.settings(entry("BIGQUERY"), {"json_keyfile": "{canary"})
    assert caught.value.problem.code == "depot.credentials"


def test_a_private_certificate_is_trusted_where_the_secret_brings_its_authority(tmp_path: Path):
    import http.server
    import ssl
    import threading

    from cryptography import x509
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - dt.timedelta(1), now + dt.timedelta(1)
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (tmp_path / "c.pem").write_bytes(pem + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))  # fmt: skip

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        one = entry("ELASTICSEARCH", nodes=[f"https://localhost:{server.server_port}"])
        made = SearchAdapter(CONTEXT)
        refused = problem(made.check(one, LOGIN, 2.0))
        assert (refused.code, "TLS" in refused.message) == ("depot.unreachable", True)
        asyncio.run(made.check(one, LOGIN | {"ca_file": pem.decode()}, 2.0))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
