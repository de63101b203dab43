"""Run transactions: what a job attempt commits is held, and published together or not at all.

`iceberg_overlays` says what an attempt sees under a name, and what was published there at its first touch. Publishing
moves all pointers in one unit of work if each published pointer is still at that base. An attempt's view is closed by
publish or abandon: a late commit of a stray process is refused. A stream's view stays open after `publish_batch`, and
begins anew there: it holds nothing, and sees what is published by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from dataos.core import logs
from dataos.core.errors import DataOSError, fail
from dataos.core.ids import AttemptId
from dataos.lakehouse import rows
from dataos.lakehouse.files import contains
from dataos.lakehouse.rows import MovedError
from dataos.lakehouse.views import AttemptView, Pointer, PublishedTable, TableRef
from dataos.store import tables

if TYPE_CHECKING:
    from dataos.lakehouse.catalog import Catalog

_log = logs.get(__name__)
_o = tables.iceberg_overlays
_on = tables.iceberg_overlay_namespaces
_n = tables.iceberg_namespaces
_t = tables.iceberg_tables
_p = tables.publications
_TRIES = 10

# Statements of every attempt's end, built once: building one costs more than running it.
_ATTEMPT = sa.bindparam("attempt")
_HELD = sa.select(_o).where(_o.c.attempt_id == _ATTEMPT).order_by(_o.c.warehouse, _o.c.namespace, _o.c.name)
_HELD_NAMESPACES = sa.select(_on).where(_on.c.attempt_id == _ATTEMPT)
_LET_GO = _o.delete().where(_o.c.attempt_id == _ATTEMPT)
_LET_NAMESPACES_GO = _on.delete().where(_on.c.attempt_id == _ATTEMPT)
_SETTLED = sa.select(_p).where(_p.c.attempt_id == _ATTEMPT)
_SETTLE = _p.insert()
_HOLDERS = [sa.select(table.c.attempt_id).distinct() for table in (_o, _on)]


@dataclass(frozen=True)
class Held:
    """One overlay row with the pointer that is published under its name now."""

    ref: TableRef
    pointer: Pointer | None
    base: str | None
    origin: str | None
    appends_only: bool
    purge: bool
    published: Pointer | None

    @property
    def moved(self) -> bool:
        """True if another one published under this name since the attempt's first touch."""
        return (self.published.metadata_location if self.published else None) != self.base


def held(connection: sa.Connection, attempt_id: AttemptId) -> list[Held]:
    """All that an attempt changed, by name. Tables that it only read (pinned ones) are left out."""
    found: list[Held] = []
    for row in connection.execute(_HELD, {"attempt": attempt_id}).all():
        if row.metadata_location is not None and row.metadata_location == row.base_metadata_location:
            continue
        ref = TableRef(row.warehouse, row.namespace, row.name)
        published = connection.execute(
            sa.select(_t).where(_t.c.warehouse == ref.warehouse, _t.c.namespace == ref.namespace, _t.c.name == ref.name)
        ).first()
        found.append(
            Held(
                ref=ref,
                pointer=Pointer(row.uuid, row.location, row.metadata_location) if row.metadata_location else None,
                base=row.base_metadata_location,
                origin=row.origin_metadata_location,
                appends_only=row.appends_only,
                purge=row.purge,
                published=Pointer(published.uuid, published.location, published.metadata_location)
                if published
                else None,
            )
        )
    return found


# --- publish ----------------------------------------------------------------------------------------------------------


async def prepare(catalog: Catalog, attempt_id: AttemptId) -> None:
    """Re-apply held appends whose base moved, until none is behind. Nothing to do for a settled attempt.

    Raises DataOSError `iceberg.conflict` without `retry` where a change cannot be re-applied.
    """
    for _ in range(_TRIES):
        behind = [h for h in await catalog.store.read(held, attempt_id) if h.moved]
        if not behind:
            return
        for one in behind:
            await _rebase(catalog, attempt_id, one)
    # still behind: publish will say so, and its caller comes back


async def _rebase(catalog: Catalog, attempt_id: AttemptId, one: Held) -> None:
    if one.pointer is None or one.published is None or one.origin is None or not one.appends_only:
        raise conflict(one, retry=None)
    pointer, published, origin = one.pointer, one.published, one.origin
    if published.uuid != pointer.uuid:
        raise conflict(one, retry=None)
    staged = await catalog.work(lambda: catalog.commits().rebase(pointer.metadata_location, origin, published))
    if staged is None:
        raise conflict(one, retry=None)

    def store(connection: sa.Connection) -> bool:
        if rows.outcome(connection, attempt_id) is not None:
            return False
        done = connection.execute(
            _o.update()
            .where(
                _o.c.attempt_id == attempt_id,
                _o.c.warehouse == one.ref.warehouse,
                _o.c.namespace == one.ref.namespace,
                _o.c.name == one.ref.name,
                _o.c.metadata_location == pointer.metadata_location,
            )
            .values(
                metadata_location=staged.pointer.metadata_location,
                base_metadata_location=published.metadata_location,
                origin_metadata_location=published.metadata_location,
                updated_at=catalog.clock.now_us(),
            )
        )
        return done.rowcount == 1

    stored = await catalog.store.write(store)
    if not stored and staged.pointer != published:
        await catalog.work(catalog.files.delete, staged.pointer.metadata_location)
    if stored:
        # the data files live on in the new snapshot; the manifests around them were written anew
        root = (await catalog.load_warehouse(one.ref.warehouse)).location
        await catalog.work(_delete_metadata, catalog, root, pointer.metadata_location, origin)
    _log.info("held appends moved to a newer base", attempt=attempt_id, table=str(one.ref))


def publish(connection: sa.Connection, attempt_id: AttemptId, now_us: int) -> list[PublishedTable]:
    """Move all held pointers and close the attempt's view, in the caller's unit of work."""
    row = connection.execute(_SETTLED, {"attempt": attempt_id}).first()
    if row is not None:
        if row.outcome == "published":
            return [PublishedTable(TableRef(*t["ref"]), t["metadata_location"]) for t in row.tables]
        raise fail(
            "iceberg.settled",
            f"attempt {attempt_id} was {row.outcome}: its tables cannot be published",
            hint="start the run again",
        )
    published = _move(connection, attempt_id, now_us)
    _settle(connection, attempt_id, "published", published, now_us)
    return published


def publish_batch(connection: sa.Connection, attempt_id: AttemptId, now_us: int) -> list[PublishedTable]:
    """Move all held pointers and leave the attempt's view open, in the caller's unit of work. Raises as `publish`."""
    rows.check_open(connection, AttemptView(attempt_id))
    return _move(connection, attempt_id, now_us)


def _move(connection: sa.Connection, attempt_id: AttemptId, now_us: int) -> list[PublishedTable]:
    """Make what an attempt holds everybody's, and let go of it."""
    _publish_namespaces(connection, attempt_id, now_us)
    published: list[PublishedTable] = []
    for one in held(connection, attempt_id):
        if one.moved:
            raise conflict(one, retry=0.0)
        _check_namespace(connection, one)
        try:
            rows.swap(connection, one.ref, one.base, one.pointer, now_us)
        except MovedError:
            raise conflict(one, retry=0.0) from None
        if (
            one.purge
            and one.published is not None
            and (one.pointer is None or one.pointer.location != one.published.location)
        ):
            rows.add_garbage(connection, one.published.location, None, now_us)
        published.append(PublishedTable(one.ref, one.pointer.metadata_location if one.pointer else None))
    connection.execute(_LET_GO, {"attempt": attempt_id})
    return published


def _publish_namespaces(connection: sa.Connection, attempt_id: AttemptId, now_us: int) -> None:
    for row in connection.execute(_HELD_NAMESPACES, {"attempt": attempt_id}).all():
        there = connection.execute(
            sa.select(_n.c.name).where(_n.c.warehouse == row.warehouse, _n.c.name == row.name)
        ).first()
        if there is None:
            connection.execute(
                _n.insert().values(warehouse=row.warehouse, name=row.name, properties=row.properties, created_at=now_us)
            )
    connection.execute(_LET_NAMESPACES_GO, {"attempt": attempt_id})


def _check_namespace(connection: sa.Connection, one: Held) -> None:
    found = connection.execute(
        sa.select(_n.c.name).where(_n.c.warehouse == one.ref.warehouse, _n.c.name == one.ref.namespace)
    ).first()
    if found is None:
        raise conflict(one, retry=None)


def conflict(one: Held, *, retry: float | None) -> DataOSError:
    """The error of a table that somebody else published in between."""
    if one.base is None:
        what = "was created by another run or client"
    elif one.published is None:
        what = "was dropped by another run or client"
    else:
        what = "was changed by another run or client"
    return fail(
        "iceberg.conflict",
        f"table `{one.ref}` {what} while this run worked on it; nothing of the run was published",
        hint="the run starts again on the new state; runs that overwrite one table are better put in order",
        name=str(one.ref),
        retry=retry,
    )


# --- abandon ----------------------------------------------------------------------------------------------------------


def abandon(connection: sa.Connection, attempt_id: AttemptId, now_us: int) -> bool:
    """Close an attempt's view and note what it held as garbage. False if it was settled before."""
    if rows.outcome(connection, attempt_id) is not None:
        return False
    _let_go(connection, attempt_id, now_us)
    _settle(connection, attempt_id, "abandoned", [], now_us)
    return True


def abandon_batch(connection: sa.Connection, attempt_id: AttemptId, now_us: int) -> bool:
    """Note what an attempt holds as garbage and leave its view open. True if it held anything. Raises DataOSError
    `iceberg.settled`."""
    rows.check_open(connection, AttemptView(attempt_id))
    return _let_go(connection, attempt_id, now_us)


def _let_go(connection: sa.Connection, attempt_id: AttemptId, now_us: int) -> bool:
    held_rows: list[Any] = list(connection.execute(_HELD, {"attempt": attempt_id}))
    connection.execute(_LET_GO, {"attempt": attempt_id})
    connection.execute(_LET_NAMESPACES_GO, {"attempt": attempt_id})
    for row in held_rows:
        rows.discard(connection, row, None, now_us)
    return any(row.metadata_location != row.base_metadata_location for row in held_rows)


def abandon_others(connection: sa.Connection, live: set[AttemptId], now_us: int) -> list[AttemptId]:
    """Abandon all attempts that hold something and are not alive."""
    holders = {AttemptId(a) for holders in _HOLDERS for a in connection.execute(holders).scalars()}
    gone = sorted(holders - live)
    for attempt_id in gone:
        abandon(connection, attempt_id, now_us)
    return gone


def _settle(
    connection: sa.Connection, attempt_id: AttemptId, outcome: str, published: list[PublishedTable], now_us: int
) -> None:
    listed = [
        {"ref": [t.ref.warehouse, t.ref.namespace, t.ref.name], "metadata_location": t.metadata_location}
        for t in published
    ]
    row = {"attempt_id": attempt_id, "outcome": outcome, "tables": listed, "settled_at": now_us}
    connection.execute(_SETTLE, row)


# --- garbage ----------------------------------------------------------------------------------------------------------

_KEY_LIFE_US = 3600 * 1_000_000


class _Roots:
    """Of the warehouses: below them no link is followed to what is deleted."""

    def __init__(self, locations: Mapping[str, str]) -> None:
        self._all = sorted(locations.values(), key=len, reverse=True)

    def of(self, path: str) -> str:
        """The root above a path; of a warehouse that is forgotten `/`, so that there no link is followed at all."""
        return next((root for root in self._all if contains(root, path)), "/")


async def collect_garbage(catalog: Catalog) -> int:
    """Delete due files that no living table uses; returns how many notes were settled. Safe to repeat and to kill."""
    now = catalog.clock.now_us()
    done = 0
    roots = _Roots(await catalog.store.read(rows.locations))
    while True:
        due = await catalog.store.write(rows.due_garbage, now)
        lone = [path for path, base in due if base == rows.LONE_FILE]
        if lone:
            away = await catalog.work(_delete_files, catalog, roots, lone)
            await catalog.store.write(rows.put_off_garbage, sorted(away), now)
            await catalog.store.write(_forget_all, [path for path in lone if path not in away])
            done += len(lone) - len(away)
        for path, base in due:
            if base == rows.LONE_FILE:
                continue
            try:
                if base is not None:
                    await catalog.work(_delete_difference, catalog, roots, path, base)
                else:
                    await catalog.work(catalog.files.delete_folder, path, roots.of(path))
            except DataOSError as error:
                _log.warning("garbage is left for later", path=path, error=str(error))
                await catalog.store.write(rows.put_off_garbage, [path], now)
                continue
            await catalog.store.write(rows.forget_garbage, path)
            done += 1
        if not due:
            break
    await catalog.store.write(rows.forget_results, now - _KEY_LIFE_US)
    return done


def _delete_files(catalog: Catalog, roots: _Roots, paths: list[str]) -> set[str]:
    """Those that could not be deleted: their bucket does not answer, or nothing opens it any more."""
    away: set[str] = set()
    for path in paths:
        try:
            catalog.files.delete(path, roots.of(path))
        except DataOSError as error:
            _log.warning("garbage is left for later", path=path, error=str(error))
            away.add(path)
    return away


def _forget_all(connection: sa.Connection, paths: list[str]) -> None:
    for path in paths:
        rows.forget_garbage(connection, path)


def _delete_difference(catalog: Catalog, roots: _Roots, held_location: str, origin: str) -> None:
    try:
        metadata, data = catalog.commits().difference(held_location, origin)
    except DataOSError as error:
        if not error.problem.code.startswith("iceberg.") or error.problem.code == "iceberg.not_found.warehouse":
            raise  # its bucket cannot be reached
        # its folder was purged meanwhile: nothing is left to delete
        _log.info("abandoned metadata is gone already", metadata=held_location, error=str(error))
        return
    for path in sorted(data) + sorted(metadata):
        catalog.files.delete(path, roots.of(path))


def _delete_metadata(catalog: Catalog, root: str, held_location: str, origin: str) -> None:
    metadata, _ = catalog.commits().difference(held_location, origin)
    for path in sorted(metadata):
        catalog.files.delete(path, root)
