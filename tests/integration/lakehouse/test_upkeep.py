"""Maintenance: what expires and what is deleted, and above all what is not."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from pathlib import Path
from typing import Any

import fastavro
import pytest

from dataos.core.errors import DataOSError
from dataos.core.ids import AttemptId
from dataos.lakehouse import holds
from dataos.lakehouse.operations.datasets import Datasets
from dataos.lakehouse.operations.upkeep import Expired, Orphans, Upkeep
from dataos.lakehouse.views import PUBLISHED, TableRef
from integration.lakehouse.helpers import WAREHOUSE, Server, client, ids_of, rows

ORDERS = TableRef(WAREHOUSE, "sales", "orders")
FUTURE_US = 1 << 60


def load(server: Server, token: str = "user") -> Any:  # noqa: S107 - a word of the test's server
    return client(server, token).load_table("sales.orders")


def expire(server: Server, **options: Any) -> Expired:
    return asyncio.run(Upkeep(server.catalog).expire_snapshots(ORDERS, **options))


def clean(server: Server, **options: Any) -> Orphans:
    return asyncio.run(Upkeep(server.catalog).remove_orphans(ORDERS, **options))


def refused(code: str, call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(DataOSError) as raised:
        call(*args, **kwargs)
    assert raised.value.problem.code == code, raised.value
    return raised.value.problem.message


def files(server: Server) -> set[Path]:
    return {p for p in server.root.rglob("*") if p.is_file()}


def named(server: Server) -> set[Path]:
    """All that the published table names, read by PyIceberg and not by us."""
    table = load(server)
    found = {table.metadata_location, *(e.metadata_file for e in table.metadata.metadata_log)}
    for snapshot in table.metadata.snapshots:
        found.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            found.add(manifest.manifest_path)
            found |= {e.data_file.file_path for e in manifest.fetch_manifest_entry(table.io, discard_deleted=True)}
    return {Path(p.removeprefix("file://")) for p in found}


def now_ms() -> int:
    return int(time.time() * 1000) + 1


def age(path: Path, days: float) -> None:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


def test_expiry_deletes_what_only_old_snapshots_name(server: Server, orders: str) -> None:
    load(server).overwrite(rows(3))
    load(server).append(rows(4))
    time.sleep(0.002)
    before = files(server)
    planned = expire(server, older_than_ms=now_ms() - 1, dry_run=True)
    assert files(server) == before
    assert len(load(server).metadata.snapshots) == 4  # append, delete, append, append
    done = expire(server, older_than_ms=now_ms() - 1)
    assert done == planned
    assert (len(done.snapshots), done.kept_snapshots, done.data_files) == (3, 1, 1)
    assert ids_of(server, orders) == [3, 4]
    gone = before - files(server)
    assert len(gone) == done.data_files + done.metadata_files
    assert named(server) <= files(server)
    assert files(server) - named(server) == set()
    assert sum(1 for p in gone if p.suffix == ".parquet") == 1
    assert expire(server, older_than_ms=now_ms() - 1).snapshots == []


def rewritten(manifest: Path, file: Path) -> None:
    """The manifest as somebody leaves it who can write there: its rows lie in that file, it says."""
    with manifest.open("rb") as opened:
        reader = fastavro.reader(opened)
        entries: list[Any] = list(reader)
        schema, told = reader.writer_schema, dict(reader.metadata)
    for entry in entries:
        entry["data_file"]["file_path"] = str(file)
    told = {k: v for k, v in told.items() if not k.startswith("avro.")}
    with manifest.open("wb") as opened:
        fastavro.writer(opened, schema, entries, metadata=told)


def test_manifests_that_were_rewritten_delete_nothing_of_others(server: Server, orders: str) -> None:
    """Of files that lie elsewhere an expiry deletes none."""
    other = client(server).create_table("sales.others", rows().schema)
    other.append(rows(7))
    theirs = next(Path(t.file.file_path.removeprefix("file://")) for t in other.scan().plan_files())
    (old,) = load(server).current_snapshot().manifests(load(server).io)
    load(server).overwrite(rows(3))
    time.sleep(0.002)
    rewritten(Path(old.manifest_path.removeprefix("file://")), theirs)
    assert expire(server, older_than_ms=now_ms() - 1).kept_snapshots == 1
    assert theirs.is_file()
    assert ids_of(server, "sales.others") == [7]


def test_a_run_that_rewrote_its_metadata_deletes_nothing_of_others(server: Server, orders: str) -> None:
    """It says that its table is the whole warehouse, and its rows lie in another; then it is abandoned."""
    other = client(server).create_table("sales.others", rows().schema)
    other.append(rows(7))
    theirs = next(Path(t.file.file_path.removeprefix("file://")) for t in other.scan().plan_files())
    job = client(server, "attempt:a1")
    job.load_table(orders).append(rows(3))
    held = job.load_table(orders)
    mine = next(
        m
        for m in held.current_snapshot().manifests(held.io)
        if m.added_snapshot_id == held.metadata.current_snapshot_id
    )
    rewritten(Path(mine.manifest_path.removeprefix("file://")), theirs)
    metadata = Path(held.metadata_location.removeprefix("file://"))
    body = json.loads(metadata.read_text())
    metadata.write_text(json.dumps({**body, "location": str(server.root)}))
    server.catalog.commits()._parsed.clear()  # pyright: ignore[reportPrivateUsage] - as after a restart
    asyncio.run(server.catalog.abandon(AttemptId("a1")))
    assert not metadata.exists()
    assert theirs.is_file()


def test_what_branches_and_tags_keep(server: Server, orders: str) -> None:
    do = Datasets(server.catalog)
    first = load(server).current_snapshot().snapshot_id
    for n in range(3, 8):
        load(server).append(rows(n))
    ids = [s.snapshot_id for s in load(server).metadata.snapshots]
    asyncio.run(do.create_reference(PUBLISHED, ORDERS, "v1", "tag", first))
    asyncio.run(do.create_reference(PUBLISHED, ORDERS, "stage", "branch", ids[3], {"min-snapshots-to-keep": 2}))
    asyncio.run(do.create_reference(PUBLISHED, ORDERS, "old", "branch", ids[1], {"max-ref-age-ms": 1}))
    time.sleep(0.005)
    done = expire(server, older_than_ms=now_ms() - 1)
    assert done.references == ["old"]
    # main keeps its head, stage two, the tag one
    assert [s.snapshot_id for s in load(server).metadata.snapshots] == [first, ids[2], ids[3], ids[5]]
    assert ids_of(server, orders) == [1, 2, 3, 4, 5, 6, 7]
    assert len(load(server).scan(snapshot_id=first).to_arrow()) == 2
    assert "current" in refused("dataset.expire", expire, server, snapshot_ids=[ids[5]])
    assert "`v1`" in refused("dataset.expire", expire, server, snapshot_ids=[first])
    refused("dataset.not_found.snapshot", expire, server, snapshot_ids=[1])
    refused("dataset.expire", expire, server, older_than_ms=now_ms() + 60_000)
    assert expire(server, snapshot_ids=[ids[2]]).snapshots == [ids[2]]
    assert load(server).metadata.snapshot_by_id(ids[3]) is not None


def test_the_defaults_are_those_of_the_table(server: Server, orders: str) -> None:
    for n in range(3, 8):
        load(server).append(rows(n))
    assert expire(server).snapshots == []  # younger than five days
    asyncio.run(
        Datasets(server.catalog).add_properties(
            PUBLISHED,
            ORDERS,
            {"history.expire.max-snapshot-age-ms": "1", "history.expire.min-snapshots-to-keep": "4"},
        )
    )
    time.sleep(0.005)
    assert len(expire(server).snapshots) == 2
    assert expire(server, older_than_ms=now_ms() - 1, retain_last=4).snapshots == []
    assert len(expire(server, older_than_ms=now_ms() - 1, retain_last=2).snapshots) == 2


def test_a_tag_made_meanwhile_keeps_its_snapshot(server: Server, orders: str) -> None:
    """A client that looked before the tag was there may not take its snapshot away."""
    from pyiceberg.exceptions import CommitFailedException

    first = load(server).current_snapshot().snapshot_id
    load(server).append(rows(3))
    stale = load(server)
    asyncio.run(Datasets(server.catalog).create_reference(PUBLISHED, ORDERS, "v1", "tag", first))
    with pytest.raises(CommitFailedException, match="v1"):
        stale.maintenance.expire_snapshots().by_id(first).commit()
    assert load(server).metadata.refs["v1"].snapshot_id == first


def test_a_running_job_keeps_what_it_looks_at(server: Server, orders: str) -> None:
    attempt = "attempt:a1"
    job = load(server, attempt)
    load(server).overwrite(rows(3))
    time.sleep(0.002)
    done = expire(server, older_than_ms=now_ms() - 1)
    assert len(done.snapshots) == 2
    assert done.data_files == 0
    assert sorted(job.scan().to_arrow()["id"].to_pylist()) == [1, 2]
    for path in files(server):
        age(path, 5)
    assert clean(server).files == 0
    asyncio.run(server.catalog.abandon(AttemptId("a1")))
    found = clean(server)
    assert found.files > 0
    assert files(server) == named(server)


def test_the_job_that_asks_is_no_reason_to_keep(server: Server, orders: str) -> None:
    load(server, "attempt:a1")
    load(server).overwrite(rows(3))
    time.sleep(0.002)
    assert expire(server, older_than_ms=now_ms() - 1, asked_by=AttemptId("a1")).data_files == 1


def test_a_backup_holds_what_expires(server: Server, orders: str) -> None:
    load(server).overwrite(rows(3))
    time.sleep(0.002)
    before = files(server)
    server.store.write_sync(holds.hold, "backup", FUTURE_US)
    done = expire(server, older_than_ms=now_ms() - 1)
    assert done.data_files == 1
    assert files(server) >= before
    for path in before:
        age(path, 5)
    assert clean(server, dry_run=True).files == done.data_files + done.metadata_files
    refused("iceberg.conflict", clean, server)
    assert files(server) >= before
    server.store.write_sync(holds.release, "backup")
    asyncio.run(server.catalog.collect_garbage())
    assert files(server) == named(server)


def test_files_of_a_table_that_is_registered_again_are_no_garbage(server: Server, orders: str) -> None:
    load(server).overwrite(rows(3))
    old = load(server).metadata.metadata_log[-1].metadata_file
    time.sleep(0.002)
    server.store.write_sync(holds.hold, "backup", FUTURE_US)
    expire(server, older_than_ms=now_ms() - 1)
    do = Datasets(server.catalog)
    asyncio.run(do.drop(PUBLISHED, ORDERS))
    asyncio.run(do.register(PUBLISHED, ORDERS, old))
    server.store.write_sync(holds.release, "backup")
    asyncio.run(server.catalog.collect_garbage())
    assert ids_of(server, orders) == [1, 2]
    assert named(server) <= files(server)


def test_orphans(server: Server, orders: str) -> None:
    table = load(server)
    table.append(rows(3))
    folder = Path(table.location())
    made = [folder / "data" / "lost.parquet", folder / "metadata" / "lost-m0.avro", folder / "deep" / "x" / ".draft"]
    young = folder / "data" / "young.parquet"
    hint = folder / "metadata" / "version-hint.text"
    outside = server.root / "lost.parquet"
    for path in [*made, young, hint, outside]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    for path in files(server) - {young}:
        age(path, 4)
    planned = clean(server, dry_run=True)
    assert (planned.files, planned.size_bytes) == (3, 15)
    assert {Path(p) for p in planned.paths} == set(made)
    assert all(path.exists() for path in made)
    only = clean(server, location=str(folder / "data"))
    assert only.paths == [str(made[0])]
    assert clean(server).files == 2
    assert not any(path.exists() for path in made)
    assert all(path.exists() for path in (young, hint, outside))
    assert ids_of(server, orders) == [1, 2, 3]
    refused("dataset.orphans", clean, server, location=str(server.root))
    refused("dataset.orphans", clean, server, location=str(folder / ".." / "other"))
    refused("dataset.orphans", clean, server, older_than_ms=now_ms() + 60_000)


def test_paths_of_engines_in_other_spellings_are_known(server: Server, orders: str, tmp_path: Path) -> None:
    """A warehouse behind a link: names in manifests and on disk differ, files are the same."""
    real = tmp_path / "real"
    real.mkdir()
    link = tmp_path / "link"
    link.symlink_to(real)
    server.store.write_sync(server.catalog.register_warehouse, "linked", "uid-2", link)
    from pyiceberg.catalog import load_catalog

    linked = load_catalog("x", type="rest", uri=server.url, warehouse="linked", token="user")
    linked.create_namespace("sales")
    linked.create_table("sales.orders", rows().schema).append(rows(1))
    for path in real.rglob("*"):
        age(path, 4)
    ref = TableRef("linked", "sales", "orders")
    assert asyncio.run(Upkeep(server.catalog).remove_orphans(ref)).files == 0
    assert len(linked.load_table("sales.orders").scan().to_arrow()) == 1


@pytest.mark.parametrize("seed", range(6))
def test_after_any_history_everything_named_is_there(server: Server, orders: str, seed: int) -> None:
    """Random writes, branches, rollbacks, expiry and cleaning: every snapshot that is left can be read."""
    choice = random.Random(seed)
    do = Datasets(server.catalog)
    for number in range(12):
        ids = [s.snapshot_id for s in load(server).metadata.snapshots]
        match choice.choice(["append", "append", "overwrite", "delete", "branch", "back", "expire", "expire", "clean"]):
            case "append":
                load(server).append(rows(*range(number * 10, number * 10 + 3)))
            case "overwrite":
                load(server).overwrite(rows(number))
            case "delete":
                if there := ids_of(server, orders):
                    load(server).delete(f"id = {choice.choice(there)}")
            case "branch":
                asyncio.run(do.create_reference(PUBLISHED, ORDERS, f"b{number}", "branch", choice.choice(ids)))
                load(server).append(rows(-number), branch=f"b{number}")
            case "back":
                asyncio.run(do.set_snapshot(PUBLISHED, ORDERS, choice.choice(ids)))
            case "expire":
                time.sleep(0.002)
                expire(server, older_than_ms=now_ms() - 1, retain_last=choice.randint(1, 3))
            case _:
                for path in files(server):
                    age(path, 4)
                clean(server)
        table = load(server)
        for snapshot in table.metadata.snapshots:
            table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()
    time.sleep(0.002)
    expire(server, older_than_ms=now_ms() - 1)
    for path in files(server):
        age(path, 4)
    clean(server)
    assert files(server) == named(server)


def test_a_server_that_dies_after_expiring_leaves_nothing_behind(server: Server, orders: str) -> None:
    load(server).overwrite(rows(3))
    time.sleep(0.002)
    before = files(server)

    def die(point: str) -> None:
        if point == "iceberg.expired":
            raise SystemExit(point)

    server.catalog.checkpoint = die
    with pytest.raises(SystemExit):
        expire(server, older_than_ms=now_ms() - 1)
    server.catalog.checkpoint = lambda _: None
    assert files(server) >= before
    asyncio.run(server.catalog.collect_garbage())  # as the next server does
    assert files(server) == named(server)
    assert ids_of(server, orders) == [3]
