"""Bring the database to this version's schema. Alembic is imported only where the revision differs (start-up time).

The rule: only forward; one transaction from the found revision to the newest, so that a crash leaves either; one server
at a time; never under a living server; never without a backup of what was there.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from dataos.core import logs
from dataos.core.clock import Clock, SystemClock, from_us
from dataos.core.errors import fail
from dataos.store import dumps
from dataos.store.database import Store

_log = logs.get(__name__)
FOLDER = Path(__file__).parent / "migrations"
KEEP = 3
"""How many backups of the same kind stay."""


def revisions() -> list[str]:
    """All revision ids, oldest first (file names `<id>_<what>.py`)."""
    return sorted(f.name.split("_")[0] for f in (FOLDER / "versions").glob("[0-9]*.py"))


def current(connection: sa.Connection) -> str | None:
    """The revision of the open database; None for an empty one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version = sa.table("alembic_version", sa.column("version_num"))
    return connection.execute(sa.select(version.c.version_num)).scalar()


def upgrade(
    store: Store,
    *,
    backups: Path | None = None,
    watch_s: float = 4.0,
    clock: Clock | None = None,
    checkpoint: Callable[[str], None] = lambda _: None,
) -> Path | None:
    """Run what is missing; returns the backup that was made before, if there was something to back up.

    `backups`: the folder for backups (SQLite's default: beside its file; a PostgreSQL store is not upgraded without
    one). `watch_s`: how long other servers are watched for a sign of life. Raises DataOSError `store.newer` for a
    database of a newer version, `store.in_use` while another server works with it, `store.backup`.
    """
    known = revisions()
    if _found(store, known) == known[-1]:
        return None
    with store.exclusively():
        found = _found(store, known)  # another server may have done it while this one waited
        if found == known[-1]:
            return None
        made = None
        if found is not None:
            _refuse_while_in_use(store, watch_s)
            made = _backup(store, found, known[-1], backups, clock or SystemClock())
            _log.info("upgrading the store", found=found, to=known[-1], backup=str(made))
        checkpoint("store.backed-up")
        store.migrate(lambda connection: _run(connection, "head", checkpoint))
        return made


def load(store: Store, file: Path, *, to_head: bool = True) -> dict[str, int]:
    """Fill an empty store from a dump and bring it to this version's schema (`to_head` false: leave it at the dump's
    revision). Returns rows by table, as in the dump.

    Raises DataOSError `store.dump` for a damaged file or a store that is not empty, `store.newer`.
    """
    revision = dumps.revision_of(file)
    if revision not in revisions():
        raise _newer(revision, revisions()[-1])

    def fill(connection: sa.Connection) -> dict[str, int]:
        if current(connection) is not None:
            raise fail("store.dump", "the store is not empty: nothing was loaded", hint="name an empty database")
        _run(connection, revision, lambda _: None)
        return dumps.load(connection, file)

    with store.exclusively():
        counts = store.migrate(fill)
        if not to_head:
            return counts
        store.migrate(lambda connection: _run(connection, "head", lambda _: None))
    return counts


def _found(store: Store, known: list[str]) -> str | None:
    found = store.read_sync(current)
    if found is not None and found not in known:
        raise _newer(found, known[-1])
    return found


def _newer(found: str, newest: str) -> Exception:
    return fail(
        "store.newer",
        f"the store was written by a newer version (revision {found}; this version knows up to {newest})",
        hint="start the newer version, or restore the backup made before the upgrade",
    )


def _refuse_while_in_use(store: Store, watch_s: float) -> None:
    living = find_living(store, watch_s)
    if living:
        raise fail(
            "store.in_use",
            f"the store needs an upgrade, and servers of the earlier version work with it: {', '.join(living)}",
            hint="stop them (`dataos down`), then start this one: it upgrades the store",
            retry=watch_s,
        )


def find_living(store: Store, watch_s: float) -> list[str]:
    """Addresses of the servers that work with the store, found by watching it for `watch_s` seconds. SQLite has one
    server, which holds the home's lock: none is told."""
    if store.is_sqlite:
        return []

    def beats(connection: sa.Connection) -> dict[str, tuple[int, str]]:
        if not sa.inspect(connection).has_table("servers"):
            return {}
        s = sa.table("servers", sa.column("id"), sa.column("beat"), sa.column("url"), sa.column("state"))
        rows = connection.execute(sa.select(s).where(s.c.state == "running")).all()
        return {row.id: (row.beat, row.url) for row in rows}

    before = store.read_sync(beats)
    if not before:
        return []
    time.sleep(watch_s)
    after = store.read_sync(beats)
    return sorted(url for server, (beat, url) in after.items() if before.get(server, (beat, ""))[0] != beat)


def _backup(store: Store, found: str, to: str, folder: Path | None, clock: Clock) -> Path:
    moment = from_us(clock.now_us()).strftime("%Y%m%dT%H%M%S")
    if store.is_sqlite:
        source = Path(store.url.database or "")
        folder = folder or source.parent
        made = folder / f"{source.name}.{found}-before-{to}.{moment}"
        _copy_sqlite(source, made)
        pattern = f"{source.name}.*-before-*"
    else:
        if folder is None:
            raise fail(
                "store.backup",
                "the store needs an upgrade, and no folder was named for the backup before it",
                hint="start a server: it keeps backups in its home",
            )
        made = folder / f"store.{found}-before-{to}.{moment}.jsonl.gz"
        store.read_sync(dumps.write, made, found, moment)
        pattern = "store.*-before-*.jsonl.gz"
    # by their names' moment, not by revision: that is the order in which they were made
    kept = sorted(folder.glob(pattern), key=lambda file: file.name.split("-before-")[1].split(".")[1])
    for old in kept[:-KEEP]:
        old.unlink(missing_ok=True)
    return made


def _copy_sqlite(source: Path, target: Path) -> None:
    """SQLite's own online backup: whole although somebody may write meanwhile, synced, and named only then."""
    beside = target.with_name(f".{target.name}.new")
    try:
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        one, other = sqlite3.connect(source), sqlite3.connect(beside)
        try:
            one.backup(other)
        finally:
            one.close()
            other.close()
        with open(beside, "rb+") as written:
            os.fsync(written.fileno())
        beside.replace(target)
    except (OSError, sqlite3.Error) as error:
        beside.unlink(missing_ok=True)
        raise fail(
            "store.backup",
            f"cannot back up {source} before its upgrade: {error}",
            hint="nothing was changed; make room beside it, and start again",
        ) from error


def _run(connection: sa.Connection, target: str, checkpoint: Callable[[str], None]) -> None:
    from alembic import command, config  # heavy, and only needed when the schema changes

    settings = config.Config()
    settings.set_main_option("script_location", str(FOLDER))
    settings.attributes["connection"] = connection
    settings.attributes["checkpoint"] = checkpoint
    command.upgrade(settings, target)
    checkpoint("store.migrated")
