"""From every released revision to this one, on both databases; crashes, two servers at once, newer stores, backups."""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from dataos.control import records
from dataos.control.resources import Resources
from dataos.core.addresses import ResourceKey
from dataos.core.bell import Bell
from dataos.core.clock import SystemClock
from dataos.core.errors import DataOSError
from dataos.core.ids import RandomIds
from dataos.governance.identities import Identities
from dataos.governance.vault import Vault
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.views import PUBLISHED, TableRef
from dataos.store import dumps, tables, upgrades
from dataos.store.database import Store
from support import stores

DATA = Path(__file__).parents[2] / "data"
RELEASED = sorted(DATA.glob("revision-*"))
NEWEST = upgrades.revisions()[-1]
HOME = "/srv/dataos/home"


@pytest.fixture
def empty(tmp_path, database):
    """A database without any table."""
    if database.server is not None:
        name = stores.fresh(database.server, template=False)
        database.known[tmp_path] = name
    opened = Store(stores.url(tmp_path))
    yield opened
    opened.close()


def at_revision(store: Store, folder: Path, home: Path | None = None) -> dict[str, int]:
    """Fill a store with a released dump, and leave it at that dump's revision."""
    file = folder / "store.jsonl.gz"
    if home is not None:
        text = gzip.decompress(file.read_bytes()).decode().replace(HOME, str(home))
        file = home / "dump.gz"
        file.write_bytes(gzip.compress(text.encode()))
    revision = dumps.revision_of(file)

    def fill(connection):
        upgrades._run(connection, revision, lambda _: None)
        return dumps.load(connection, file)

    return store.migrate(fill)


def count(store: Store) -> dict[str, int]:
    def ask(connection):
        found = sa.MetaData()
        found.reflect(connection)
        return {
            t.name: connection.execute(sa.select(sa.func.count()).select_from(t)).scalar() for t in found.sorted_tables
        }

    return store.read_sync(ask)


def revision(store: Store) -> str | None:
    return store.read_sync(upgrades.current)


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_a_released_store_has_rows_in_every_table_and_keeps_all_of_them(folder, empty, tmp_path):
    before = at_revision(empty, folder)
    assert all(before.values()), before
    made = upgrades.upgrade(empty, backups=tmp_path)
    assert (made is not None and made.exists()) == (dumps.revision_of(folder / "store.jsonl.gz") != NEWEST)
    after = count(empty)
    assert {name: after[name] for name in before} == before
    assert empty.read_sync(lambda c: compare_metadata(MigrationContext.configure(c), tables.metadata)) == []


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_resources_secrets_and_catalog_of_a_released_store_still_work(folder, empty, tmp_path):
    at_revision(empty, folder, tmp_path)
    upgrades.upgrade(empty, backups=tmp_path)
    clock, ids = SystemClock(), RandomIds()
    vault = Vault((folder / "master.key").read_bytes(), clock)
    assert empty.read_sync(vault.reveal, "instance-secret:ordersdb-r") == {
        "username": "reader",
        "password": f"secret-of-{folder.name[-4:]}",
    }
    row = empty.read_sync(records.find, ResourceKey("depot", "ordersdb"))
    assert row is not None
    assert "orders" in row.tags
    metadata = tmp_path / empty.read_sync(
        lambda c: c.execute(
            sa.select(tables.iceberg_tables.c.metadata_location).where(tables.iceberg_tables.c.name == "items")
        ).scalar_one()
    ).removeprefix(f"{tmp_path}/")
    metadata.parent.mkdir(parents=True)
    metadata.write_text((folder / "items.metadata.json").read_text().replace(HOME, str(tmp_path)))
    catalog = Catalog(empty, clock, ids)
    try:
        loaded = asyncio.run(catalog.load_table(PUBLISHED, TableRef("lakehouse", "shop", "items")))
        assert [field["name"] for field in json.loads(loaded.metadata)["schemas"][0]["fields"]][:2] == ["id", "name"]
    finally:
        catalog.close()
    # numbered rows go on after the highest one
    empty.write_sync(records.add_event, clock.now_us(), None, "test", "admin", {})
    resources = Resources(empty, vault, Identities(bytes(32), clock, ids), clock, ids, Bell(), {})
    shown = asyncio.run(resources.get(ResourceKey("depot", "ordersdb")))
    assert shown["manifest"]["depot"]["type"].lower() == "postgresql"


def test_a_dump_goes_from_one_database_into_the_other(empty, tmp_path, postgresql_server):
    at_revision(empty, DATA / "revision-0001")
    upgrades.upgrade(empty, backups=tmp_path)
    file = tmp_path / "all.jsonl.gz"
    empty.read_sync(dumps.write, file, NEWEST, "now")
    assert file.stat().st_mode & 0o777 == 0o600
    other = Store(stores.address(postgresql_server, stores.fresh(postgresql_server, template=False)))
    try:
        counts = upgrades.load(other, file)
        assert counts == {k: v for k, v in count(empty).items() if k != "alembic_version"}
        again = tmp_path / "again.jsonl.gz"
        other.read_sync(dumps.write, again, NEWEST, "now")
        assert sorted(gzip.decompress(again.read_bytes()).splitlines()) == sorted(
            gzip.decompress(file.read_bytes()).splitlines()
        )
        with pytest.raises(DataOSError, match="not empty"):
            upgrades.load(other, file)
    finally:
        other.close()


def test_a_dump_that_was_cut_off_is_refused_and_nothing_loaded(empty, tmp_path):
    lines = gzip.decompress((DATA / "revision-0001" / "store.jsonl.gz").read_bytes()).splitlines(keepends=True)
    file = tmp_path / "cut.gz"
    for kept in (lines[:-1], lines[:-5] + lines[-1:]):
        file.write_bytes(gzip.compress(b"".join(kept)))
        with pytest.raises(DataOSError) as caught:
            upgrades.load(empty, file)
        assert caught.value.problem.code == "store.dump"
        assert revision(empty) is None
    whole = (DATA / "revision-0001" / "store.jsonl.gz").read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataOSError):
        upgrades.load(empty, file)
    assert count(empty) == {}


def test_a_newer_store_is_refused_and_left_alone(empty, tmp_path):
    upgrades.upgrade(empty, backups=tmp_path)
    version = sa.table("alembic_version", sa.column("version_num"))
    empty.write_sync(lambda c: c.execute(version.update().values(version_num="9999")))
    before = count(empty)
    with pytest.raises(DataOSError) as caught:
        upgrades.upgrade(empty, backups=tmp_path)
    assert caught.value.problem.code == "store.newer"
    assert count(empty) == before


def test_three_backups_stay_and_each_is_the_store_before(empty, tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    for moment in range(5):
        (folder / f"store.db.0000-before-0001.2020010{moment}T000000").write_text("old")
        (folder / f"store.0000-before-0001.2020010{moment}T000000.jsonl.gz").write_text("old")
    before = at_revision(empty, DATA / "revision-0001")
    made = upgrades.upgrade(empty, backups=folder)
    assert made is not None
    kept = sorted(f.name for f in folder.iterdir() if f.name.endswith(".gz") == made.name.endswith(".gz"))
    assert len(kept) == 3
    assert made.name in kept
    if empty.is_sqlite:
        copy = sqlite3.connect(made)
        assert copy.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
        assert copy.execute("SELECT count(*) FROM resources").fetchone() == (before["resources"],)
        copy.close()
    else:
        assert dumps.revision_of(made) == "0001"
        assert json.loads(gzip.decompress(made.read_bytes()).splitlines()[-1])["end"] == before


def test_without_a_place_for_the_backup_nothing_is_upgraded(empty, tmp_path):
    at_revision(empty, DATA / "revision-0001")
    with pytest.raises(DataOSError) as caught:
        upgrades.upgrade(empty, backups=tmp_path / "missing")
    assert caught.value.problem.code == "store.backup"
    assert revision(empty) == "0001"


CRASH = """
import os, signal, sys
from pathlib import Path
from dataos.store import upgrades
from dataos.store.database import Store
def checkpoint(name):
    if name == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
upgrades.upgrade(Store(os.environ["STORE"]), backups=Path(sys.argv[2]), watch_s=0.1, checkpoint=checkpoint)
"""


@pytest.mark.parametrize("point", ["store.backed-up", "store.revision-applied", "store.migrated"])
def test_a_crash_leaves_the_revision_before_and_the_next_start_goes_on(point, empty, tmp_path):
    before = at_revision(empty, DATA / "revision-0001")
    died = subprocess.run(
        [sys.executable, "-c", CRASH, point, str(tmp_path)],
        env={"STORE": stores.url(tmp_path), "PATH": "/usr/bin:/bin"},
        timeout=60,
        check=False,
    )
    assert died.returncode == -9
    assert revision(empty) == "0001"
    assert {k: v for k, v in count(empty).items() if k != "alembic_version"} == before
    upgrades.upgrade(empty, backups=tmp_path, watch_s=0.1)
    assert revision(empty) == upgrades.revisions()[-1]


def test_servers_that_start_at_once_upgrade_once(empty, tmp_path, database):
    if database.server is None:
        pytest.skip("a home on SQLite has one server")
    at_revision(empty, DATA / "revision-0001")
    made: list[Path | None] = []
    faults: list[BaseException] = []

    def start() -> None:
        one = Store(stores.url(tmp_path))
        try:
            made.append(upgrades.upgrade(one, backups=tmp_path))
        except BaseException as error:  # noqa: BLE001 - shown below
            faults.append(error)
        finally:
            one.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len([m for m in made if m is not None]) == 1
    assert revision(empty) == upgrades.revisions()[-1]


def test_a_store_that_a_living_server_works_with_is_not_upgraded(empty, tmp_path, database):
    if database.server is None:
        pytest.skip("a home on SQLite has one server")
    upgrades.upgrade(empty, backups=tmp_path)
    version = sa.table("alembic_version", sa.column("version_num"))
    empty.write_sync(lambda c: c.execute(version.update().values(version_num="0001")))
    s = tables.servers
    row = {"incarnation": "x", "state": "running", "seen_at": 0, "started_at": 0, "host": "h", "version": "0"}
    empty.write_sync(lambda c: c.execute(s.insert().values(id="a", beat=1, url="http://one:8080", **row)))
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.05):
            empty.write_sync(lambda c: c.execute(s.update().values(beat=s.c.beat + 1)))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(DataOSError) as caught:
            upgrades.upgrade(empty, backups=tmp_path, watch_s=0.5)
    finally:
        stop.set()
        thread.join()
    assert caught.value.problem.code == "store.in_use"
    assert "http://one:8080" in caught.value.problem.message
