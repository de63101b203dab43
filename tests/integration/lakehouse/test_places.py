"""Where tables may lie: no table reaches the files of another, of a namespace or of whatever a link leads to."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from dataos.core.errors import DataOSError
from dataos.core.ids import AttemptId
from dataos.lakehouse import rows as units
from dataos.lakehouse.files import LocalFiles
from dataos.lakehouse.operations.upkeep import Orphans, Upkeep
from dataos.lakehouse.views import PUBLISHED, AttemptView, CreateRequest, TableRef
from dataos.store import tables
from integration.lakehouse.helpers import WAREHOUSE, Server, client, ids_of, rows
from support.lakes import creation

BASE = f"/v1/{WAREHOUSE}"
SCHEMA = {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "id", "required": False, "type": "long"}]}
FOREIGN = (
    "retail",
    "./retail",
    "/retail",
    "x/../retail",
    "retail/new",
    "retail/inner",
    "empty",
    "deep",
    "deep/in",
    "deep/in/x",
)
"""Folders of others, below the root, as a table of `lab` could name them."""


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    user = client(server)
    for name in ("retail", "lab", "empty", "deep.in", "lab.inner"):
        user.create_namespace(tuple(name.split(".")))
    user.create_table("retail.customers", rows().schema).append(rows(7))
    with httpx.Client(base_url=server.url, headers={"Authorization": "Bearer user"}) as opened:
        yield opened


def create(http: httpx.Client, location: str, name: str = "t", namespace: str = "lab", **more: Any) -> httpx.Response:
    body = {"name": name, "schema": SCHEMA, "location": location, **more}
    return http.post(f"{BASE}/namespaces/{namespace}/tables", json=body)


def clean(server: Server, table: str, **options: Any) -> Orphans:
    ref = TableRef(WAREHOUSE, *table.split("."))
    options = {"older_than_ms": int(time.time() * 1000), **options}
    return asyncio.run(Upkeep(server.catalog).remove_orphans(ref, **options))


def garbage(server: Server, location: str) -> None:
    server.store.write_sync(units.add_garbage, location, None, 0)
    asyncio.run(server.catalog.collect_garbage())


def move(server: Server, table: str, location: str) -> None:
    """Make it a table of before there was one spelling."""
    known = tables.iceberg_tables
    at = (known.c.namespace == table.split(".")[0], known.c.name == table.split(".")[1])
    server.store.write_sync(lambda c: c.execute(known.update().where(*at).values(location=location)))


# --- folders of others ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["", "file://", "file:"])
@pytest.mark.parametrize("inner", FOREIGN)
def test_no_table_is_made_in_or_around_a_folder_of_others(
    http: httpx.Client, server: Server, inner: str, scheme: str
) -> None:
    location = f"{scheme}{server.root}/{inner}"
    before = sorted(server.root.rglob("*"))
    for answer in (
        create(http, location),
        create(http, location, **{"stage-create": True}),
        http.post(f"{BASE}/namespaces/lab/tables/t", json=creation(location, SCHEMA)),
    ):
        assert answer.status_code == 400, answer.text
    assert http.head(f"{BASE}/namespaces/lab/tables/t").status_code == 404
    assert [p for p in sorted(server.root.rglob("*")) if p.is_file()] == [p for p in before if p.is_file()]


@pytest.mark.parametrize(
    "inner", ["lab", "lab/inner", "lab/inner/t", "lab/./t", "lab//t", "lab/x/../t", "?etail/t", "la%62/t"]
)
def test_in_its_own_namespace_too_a_table_has_a_folder_of_its_own(
    http: httpx.Client, server: Server, inner: str
) -> None:
    assert create(http, f"{server.root}/{inner}").status_code == 400
    assert (
        http.post(f"{BASE}/namespaces/lab/tables/t", json=creation(f"{server.root}/{inner}", SCHEMA)).status_code == 400
    )


@pytest.mark.parametrize("inner", ["lab/mine", "lab/deep/mine", "free/mine", "mine", "retailer", "lab/mine/"])
def test_other_folders_may_be_chosen_and_are_kept_in_one_spelling(
    http: httpx.Client, server: Server, inner: str
) -> None:
    for number, scheme in enumerate(("", "file://")):
        location = f"{scheme}{server.root}/{inner.rstrip('/')}{number}{'/' * inner.endswith('/')}"
        made = create(http, location, f"t{number}")
        assert made.status_code == 200, made.text
        expected = f"{server.root}/{inner.rstrip('/')}{number}"
        assert made.json()["metadata"]["location"] == expected
        assert (
            asyncio.run(server.catalog.pointer(PUBLISHED, TableRef(WAREHOUSE, "lab", f"t{number}"))).location
            == expected
        )
        staged = http.post(f"{BASE}/namespaces/lab/tables/s{number}", json=creation(f"{location.rstrip('/')}s", SCHEMA))
        assert staged.status_code == 200, staged.text
        assert staged.json()["metadata"]["location"] == f"{expected}s"
        client(server).load_table(f"lab.s{number}").append(rows(number).select(["id"]))
        assert ids_of(server, f"lab.s{number}") == [number]


def test_no_table_is_registered_out_of_a_folder_of_others(http: httpx.Client, server: Server) -> None:
    where = http.get(f"{BASE}/namespaces/retail/tables/customers").json()["metadata-location"]
    http.delete(f"{BASE}/namespaces/retail/tables/customers")
    body = {"name": "stolen", "metadata-location": where}
    assert http.post(f"{BASE}/namespaces/lab/register", json=body).status_code == 400
    forged = server.root / "lab" / "forged" / "metadata" / "00000-x.metadata.json"
    forged.parent.mkdir(parents=True)
    for place in ("", "./retail", "/retail", "retail"):
        known = json.loads(Path(where).read_text())
        known["location"] = f"{server.root}/{place}" if place else known["location"].replace("/retail/", "/./retail/")
        forged.write_text(json.dumps(known))
        for path in (str(forged), where.replace("/retail/", "/./retail/")):
            answer = http.post(f"{BASE}/namespaces/lab/register", json={**body, "metadata-location": path})
            assert answer.status_code == 400, answer.text
    answer = http.post(f"{BASE}/namespaces/retail/register", json={**body, "metadata-location": f"file://{where}"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["metadata-location"] == where
    assert ids_of(server, "retail.stolen") == [7]


def test_no_view_is_registered_out_of_a_folder_of_others(http: httpx.Client, server: Server) -> None:
    version = {
        "version-id": 1,
        "timestamp-ms": 1,
        "schema-id": 0,
        "summary": {},
        "representations": [{"type": "sql", "sql": "SELECT 1", "dialect": "trino"}],
        "default-namespace": ["lab"],
    }
    made = http.post(
        f"{BASE}/namespaces/lab/views", json={"name": "v", "schema": SCHEMA, "view-version": version}
    ).json()
    forged = Path(made["metadata-location"])
    http.delete(f"{BASE}/namespaces/lab/views/v")
    for place in ("retail", "./retail", "lab", "/lab", "empty"):
        forged.write_text(json.dumps({**made["metadata"], "location": f"{server.root}/{place}"}))
        body = {"name": "w", "metadata-location": str(forged)}
        assert http.post(f"{BASE}/namespaces/lab/register-view", json=body).status_code == 400, place


def test_a_namespaces_folder_is_no_tables(http: httpx.Client, server: Server) -> None:
    assert create(http, f"{server.root}/free").status_code == 200
    for namespace in (["free"], ["free", "below"]):
        answer = http.post(f"{BASE}/namespaces", json={"namespace": namespace})
        assert answer.status_code == 400, answer.text
    with pytest.raises(DataOSError, match="would have the folder"):
        asyncio.run(server.catalog.rename_namespace(PUBLISHED, WAREHOUSE, "empty", "free"))
    assert http.post(f"{BASE}/namespaces", json={"namespace": ["freer"]}).status_code == 200


def test_a_namespace_does_not_choose_its_folder(http: httpx.Client, server: Server) -> None:
    elsewhere = {"location": f"{server.root}/retail"}
    assert http.post(f"{BASE}/namespaces", json={"namespace": ["eves"], "properties": elsewhere}).status_code == 200
    http.post(f"{BASE}/namespaces/eves/properties", json={"updates": elsewhere, "removals": []})
    assert http.get(f"{BASE}/namespaces/eves").json()["properties"]["location"].startswith(f"{server.root}/eves/")
    made = http.post(f"{BASE}/namespaces/eves/tables", json={"name": "t", "schema": SCHEMA}).json()
    assert made["metadata"]["location"].startswith(f"{server.root}/eves/t-")


def test_a_run_makes_tables_in_its_own_folder_only(http: httpx.Client, server: Server) -> None:
    with httpx.Client(base_url=server.url, headers={"Authorization": "Bearer attempt:a1"}) as job:
        for place in ("lab/mine", "free", "retail/x"):
            location = f"{server.root}/{place}"
            assert create(job, location).status_code == 400
            assert job.post(f"{BASE}/namespaces/lab/tables/t", json=creation(location, SCHEMA)).status_code == 400, (
                place
            )
        own = asyncio.run(server.catalog.run_folder(AttemptView(AttemptId("a1")), WAREHOUSE, "lab"))
        assert job.post(f"{BASE}/namespaces/lab/tables/t", json=creation(f"{own}/t", SCHEMA)).status_code == 200


@pytest.mark.parametrize("place", ["bucket"], indirect=True)
def test_in_buckets_too(server: Server, place: str) -> None:
    user = client(server)
    for name in ("retail", "lab"):
        user.create_namespace(name)
    for inner in ("retail", "retail/x", "lab", "./retail", "/retail", "lab/../retail"):
        request = CreateRequest(TableRef(WAREHOUSE, "lab", "t"), SCHEMA, location=f"{place}/{inner}")
        with pytest.raises(DataOSError) as refused:
            asyncio.run(server.catalog.create_table(PUBLISHED, request))
        assert refused.value.problem.code == "iceberg.invalid"


@pytest.mark.parametrize("spelling", ["./retail", "/retail", "x/../retail", "retail/"])
def test_what_was_made_before_deletes_nothing_of_others(http: httpx.Client, server: Server, spelling: str) -> None:
    """A table that claims another namespace's folder is in the store already; garbage may name such a folder too."""
    location = f"{server.root}/{spelling}"
    assert create(http, f"{server.root}/lab/old", "old").status_code == 200
    move(server, "lab.old", location)
    with pytest.raises(DataOSError, match="other tables or namespaces"):
        clean(server, "lab.old", dry_run=True)
    customers = asyncio.run(server.catalog.pointer(PUBLISHED, TableRef(WAREHOUSE, "retail", "customers"))).location
    assert server.store.read_sync(units.location_in_use, customers.replace("/retail/", "/./retail/"))
    assert server.store.read_sync(units.location_in_use, f"{customers}/x")
    http.delete(f"{BASE}/namespaces/lab/tables/old")
    garbage(server, location)
    garbage(server, f"{server.root}/./empty")
    garbage(server, str(server.root))
    assert ids_of(server, "retail.customers") == [7]
    left = server.store.read_sync(lambda c: c.execute(sa.select(tables.iceberg_garbage)).all())
    assert left == []


# --- links ------------------------------------------------------------------------------------------------------------


def linked(server: Server, http: httpx.Client) -> tuple[Path, Path]:
    """A table of the attacker's, and the folder of retail.customers."""
    client(server).create_table("lab.mine", rows().schema).append(rows(1))
    mine = Path(http.get(f"{BASE}/namespaces/lab/tables/mine").json()["metadata"]["location"])
    return mine, Path(http.get(f"{BASE}/namespaces/retail/tables/customers").json()["metadata"]["location"])


def test_clean_orphans_follows_no_link(http: httpx.Client, server: Server) -> None:
    mine, theirs = linked(server, http)
    stray = theirs / "data" / "stray.parquet"
    stray.write_bytes(b"x")
    (mine / "link").symlink_to(theirs)
    (mine / "deep").mkdir()
    (mine / "deep" / "link").symlink_to(server.root / "retail")
    (mine / "data" / "file").symlink_to(stray)
    for inner in ("link", "link/data", "deep/link"):
        with pytest.raises(DataOSError, match="reached by a link"):
            clean(server, "lab.mine", location=f"{mine}/{inner}", dry_run=False)
    found = clean(server, "lab.mine", older_than_ms=int(time.time() * 1000))
    assert found.paths == [f"{os.path.realpath(mine)}/data/file"]
    assert stray.exists()
    assert not (mine / "data" / "file").is_symlink()
    assert ids_of(server, "retail.customers") == [7]


def test_a_folder_that_became_a_link_is_left_alone(http: httpx.Client, server: Server) -> None:
    mine, theirs = linked(server, http)
    there = sorted(theirs.rglob("*"))
    shutil.rmtree(mine / "data")
    (mine / "data").symlink_to(theirs / "data")
    files = LocalFiles()
    for path in there:
        if path.is_file():
            files.delete(str(mine / "data" / path.name), str(server.root))
    shutil.rmtree(mine, ignore_errors=True)
    mine.symlink_to(theirs)
    with pytest.raises(DataOSError, match="reached by a link"):
        clean(server, "lab.mine")
    with pytest.raises(DataOSError, match="reached by a link"):
        asyncio.run(server.catalog.refuse_links(WAREHOUSE, str(mine)))
    files.delete_folder(f"{mine}/data", str(server.root))
    server.store.write_sync(
        units.add_garbage_files, [str(mine / p.relative_to(theirs)) for p in there if p.is_file()], 0
    )
    http.delete(f"{BASE}/namespaces/lab/tables/mine", params={"purgeRequested": "true"})
    asyncio.run(server.catalog.collect_garbage())
    assert sorted(theirs.rglob("*")) == there


def test_links_in_a_tables_folder_are_refused_and_removed(http: httpx.Client, server: Server) -> None:
    mine, theirs = linked(server, http)

    def refuse() -> None:
        asyncio.run(server.catalog.refuse_links(WAREHOUSE, str(mine)))

    refuse()
    time.sleep(0.15)  # so that what is known by now is trusted
    refuse()
    data = next((mine / "data").glob("*.parquet"))
    data.unlink()
    data.symlink_to(next((theirs / "data").glob("*.parquet")))
    with pytest.raises(DataOSError) as refused:
        refuse()
    assert refused.value.problem.code == "iceberg.links"
    (mine / "a" / "b").mkdir(parents=True)
    (mine / "a" / "b" / "folder").symlink_to(theirs)
    os.mkfifo(mine / "a" / "pipe")
    with pytest.raises(DataOSError, match="3 things"):
        asyncio.run(server.catalog.clear_links([str(mine)]))
    asyncio.run(server.catalog.clear_links([str(mine)]))
    refuse()
    assert ids_of(server, "retail.customers") == [7]


def test_a_warehouse_behind_a_link_is_a_warehouse(server: Server, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    server.store.write_sync(server.catalog.register_warehouse, "linked", "uid-2", tmp_path / "link")
    asyncio.run(server.catalog.create_namespace(PUBLISHED, "linked", "n"))
    request = CreateRequest(TableRef("linked", "n", "t"), SCHEMA)
    made = json.loads(asyncio.run(server.catalog.create_table(PUBLISHED, request)).metadata)["location"]
    asyncio.run(server.catalog.refuse_links("linked", made))
    stray = Path(made) / "data" / "stray"
    stray.write_bytes(b"x")
    os.utime(stray, (1, 1))
    ask = {"older_than_ms": int(time.time() * 1000)}
    assert asyncio.run(Upkeep(server.catalog).remove_orphans(request.ref, **ask)).files == 1
    assert not stray.exists()
    asyncio.run(server.catalog.drop_table(PUBLISHED, request.ref, purge=True))
    asyncio.run(server.catalog.collect_garbage())
    assert not Path(made).exists()
