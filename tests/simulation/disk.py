"""The store of a simulation: the real tables and units of work over one SQLite database in memory, with its faults.

Every unit of work happens at one moment, and its caller hears of it at a later one. In between a server may die, or the
connection may break: then nobody knows whether it happened. What it changed is noted by triggers, in the same
transaction, and handed to the model in the order of the commits.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from dataos.control.reconciler import Reconciler
from dataos.core.clock import ManualClock
from dataos.core.errors import DataOSError, fail
from dataos.core.ids import SeededIds
from dataos.governance.identities import Identities
from dataos.server import defaults
from dataos.store import database, servers, tables, upgrades
from dataos.store.database import Store

if TYPE_CHECKING:
    from simulation.servers import Life
    from simulation.world import World

MASTER_KEY = bytes(range(32))

_CHANGED = {
    # table: (event, columns that matter, what is noted)
    "generations+": "NEW.uid, NEW.generation, NEW.cause, json_extract(NEW.manifest, '$.description'), NEW.applied_by",
    "resources+": "NEW.uid, NEW.live_key, NEW.type",
    "resources-": "OLD.uid",
    "runs+": "NEW.id, NEW.uid, NEW.generation, NEW.trigger, NEW.parent, NEW.path",
    "runs-": "OLD.id",
    "jobs+": "NEW.run_id, NEW.name, NEW.state",
    "attempts+": "NEW.id, NEW.run_id, NEW.job, NEW.number, NEW.server",
    "schedules+": "NEW.uid, NEW.timing, NEW.next_at, NEW.last_at, NEW.paused_at",
    "events+": "NEW.seq, NEW.uid, NEW.kind, NEW.actor, NEW.data",
}
_UPDATED = {
    ("resources", "live_key"): "NEW.uid, OLD.live_key, NEW.live_key",
    ("resources", "deleting_at"): "NEW.uid, OLD.deleting_at, NEW.deleting_at",
    ("resources", "generation"): "NEW.uid, OLD.generation, NEW.generation",
    ("resources", "status"): "NEW.uid, OLD.status, NEW.status",
    ("runs", "state"): "NEW.id, OLD.state, NEW.state",
    ("runs", "stopping"): "NEW.id, OLD.stopping, NEW.stopping",
    ("jobs", "state"): "NEW.run_id, NEW.name, OLD.state, NEW.state, NEW.reason",
    ("attempts", "state"): "NEW.id, OLD.state, NEW.state, NEW.reason",
    ("schedules", "next_at"): "NEW.uid, NEW.timing, NEW.next_at, NEW.last_at, NEW.paused_at",
    ("schedules", "paused_at"): "NEW.uid, NEW.timing, NEW.next_at, NEW.last_at, NEW.paused_at",
    ("schedules", "timing"): "NEW.uid, NEW.timing, NEW.next_at, NEW.last_at, NEW.paused_at",
}

_CLAIM = Reconciler._claim
_ANY_DUE = "SELECT 1 FROM work WHERE due_at <= ? AND (lease_until IS NULL OR lease_until < ?) LIMIT 1"

Change = tuple[Any, ...]
"""(what, up to six values): `generations+`, `runs.state`, ..."""


def template() -> bytes:
    """An empty installation, as bytes of a SQLite database, with the triggers that note what changes."""
    engine = database._sqlite_engine(sa.make_url("sqlite+pysqlite://"), write=True)
    ids = SeededIds(0)
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (upgrades.revisions()[-1],))
        columns = ", ".join("abcdef")
        connection.exec_driver_sql(f"CREATE TABLE simulated (n INTEGER PRIMARY KEY, what TEXT, {columns})")
        for what, values in _CHANGED.items():
            verb = "INSERT" if what.endswith("+") else "DELETE"
            _trigger(connection, what[:-1], verb, "", what, values)
        for (table, column), values in _UPDATED.items():
            when = f"WHEN OLD.{column} IS NOT NEW.{column}"
            _trigger(connection, table, f"UPDATE OF {column}", when, f"{table}.{column}", values)
        clock = ManualClock()
        Identities(MASTER_KEY, clock, ids).ensure_administrator(connection)
        defaults._workspaces(connection, clock.now_us())
        connection.exec_driver_sql("DELETE FROM simulated")
    raw = engine.raw_connection()
    try:
        image: bytes = raw.driver_connection.serialize()
    finally:
        raw.close()
        engine.dispose()
    return image


def _trigger(connection: sa.Connection, table: str, verb: str, when: str, what: str, values: str) -> None:
    names = ", ".join("abcdef"[: len(_split(values))])
    name = "note_" + what.replace("+", "_added").replace("-", "_gone").replace(".", "_")
    connection.exec_driver_sql(
        f"CREATE TRIGGER {name} AFTER {verb} ON {table} {when} BEGIN "
        f"INSERT INTO simulated (what, {names}) VALUES ('{what}', {values}); END"
    )


def _split(values: str) -> list[str]:
    """Top-level commas."""
    parts, depth = [""], 0
    for letter in values:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


class Disk:
    """The one database of a process; each simulation begins with the template's content."""

    def __init__(self) -> None:
        self._image = template()
        self._engine = sa.create_engine("sqlite+pysqlite://", poolclass=StaticPool, hide_parameters=True)
        self.connection = self._engine.connect()
        self.raw = cast("sqlite3.Connection", self.connection.connection.dbapi_connection)
        self.raw.isolation_level = None  # as in the real store, transactions are begun by hand: in `begin`

    def begin(self) -> sa.Transaction:
        """A transaction; the real store's is one statement of its own, which this spares."""
        self.raw.execute("BEGIN")
        return self.connection.begin()

    def reset(self) -> None:
        """As new."""
        self.put_back(self._image)

    def close(self) -> None:
        """The end of the process's database."""
        self.connection.close()
        self._engine.dispose()

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """A look from outside of the simulation."""
        return self.raw.execute(sql, values).fetchall()

    def image(self) -> bytes:
        """All bytes of the database."""
        return self.raw.serialize()

    def put_back(self, image: bytes) -> None:
        """As it was then."""
        if self.connection.in_transaction():
            self.connection.rollback()
        self.raw.deserialize(image)
        self.raw.execute("PRAGMA foreign_keys=ON")


class SimulatedStore(Store):
    """What one life of a server sees of the store."""

    def __init__(self, world: World, life: Life) -> None:
        self._world = world
        self._life = life
        self.url = sa.make_url("sqlite+pysqlite://" if world.climate.alone else "postgresql://db/dataos")
        self.is_sqlite = world.climate.alone
        self.on_ring = nobody

    async def write(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return await self._call(True, fn, args, kwargs)

    async def write_deferred(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return await self._call(True, fn, args, kwargs, deferred=True)

    async def read(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return await self._call(False, fn, args, kwargs)

    async def _call(
        self, write: bool, fn: Callable[..., Any], args: Any, kwargs: Any, *, deferred: bool = False
    ) -> Any:
        life, weather = self._life, self._world.weather
        life.live()
        name = getattr(fn, "__qualname__", "")
        delay, after = weather.latency(name), weather.latency()
        if fn in (servers.beat, servers.declare_lost) and delay + after > self._world.ttl_s / 2:
            self._world.cut.add(life.machine.id)  # its sign of life does not reach the others: as good as cut off
        if write and weather.steals:
            delay = self._steal(delay)
        await asyncio.sleep(delay)
        life.live()
        fault = weather.store_fault(life, name, write=write)
        if fault == "before":
            await asyncio.sleep(after)
            life.live()
            raise away()
        if fault == "full":
            raise fail("store.full", "the store's disk is full: nothing was changed", retry=10.0)
        waits = write and not deferred
        if waits and self._world.power is not None:
            self._world.power.before_write()
            life.live()
        result = self._once(write, fn, args, kwargs, twice=fault == "twice")
        if waits and self._world.power is not None:
            self._world.power.after_write()
        if after:
            await asyncio.sleep(after)
            life.live()
        if fault == "after":
            raise away()
        return result

    def _steal(self, delay: float) -> float:
        """A look stands still before its write, and its lease runs out: somebody else looks meanwhile."""
        task = asyncio.current_task()
        unit = task.get_name() if task is not None else ""
        held = self._world.disk.rows("SELECT 1 FROM work WHERE unit = ? AND lease_until IS NOT NULL", unit)
        if not held:
            return delay
        self._world.weather.steals -= 1
        self._world.trace(self._life.name, "loses its lease on", unit)
        self._world.disk.raw.execute("UPDATE work SET lease_until = 0 WHERE unit = ?", (unit,))
        self._world.ring_all()
        return 20.0 * self._world.weather.pick(1.0)

    def write_sync(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return self._once(True, fn, args, kwargs)

    def read_sync(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return self._once(False, fn, args, kwargs)

    def close(self) -> None:
        pass

    def _once(self, write: bool, fn: Callable[..., Any], args: Any, kwargs: Any, *, twice: bool = False) -> Any:
        world, life = self._world, self._life
        connection, raw = world.disk.connection, world.disk.raw
        if getattr(fn, "__func__", None) is _CLAIM and not args[2]:
            # most of a simulation is this: where nothing is due, one plain question tells so
            now = args[0]
            if raw.execute(_ANY_DUE, (now, now)).fetchone() is None:
                return [], raw.execute("SELECT min(due_at) FROM work WHERE due_at > ?", (now,)).fetchone()[0]
        before = raw.total_changes
        if twice:  # a unit of work that met another is undone and repeated (store/NOTES.md)
            transaction = world.disk.begin()
            try:
                fn(connection, *args, **kwargs)
            except (DataOSError, asyncio.CancelledError):
                pass
            finally:
                transaction.rollback()
            life.live()
            before = raw.total_changes
        connection.info.pop(database._RING, None)
        transaction = world.disk.begin()
        try:
            result = fn(connection, *args, **kwargs)
        except DataOSError as error:
            transaction.rollback()
            world.model.refused(life, fn, error)
            raise
        except BaseException:
            transaction.rollback()
            raise
        changes: list[Change] = []
        if raw.total_changes != before:
            if not write:
                transaction.rollback()
                world.fault("store", f"a unit of work that reads changed something: {fn}")
                raise AssertionError(fn)
            changes = raw.execute("SELECT what, a, b, c, d, e, f FROM simulated ORDER BY n").fetchall()
            if changes:
                raw.execute("DELETE FROM simulated")
        transaction.commit()
        if write:
            world.loop.now_us += 1  # no two commits at one moment
            world.model.committed(life, fn, changes, result)
        if connection.info.pop(database._RING, False):
            if self.is_sqlite:
                self.on_ring()
            else:
                world.ring_all()
        return result


def nobody() -> None:
    """Nobody waits for work."""


def away() -> DataOSError:
    """What a caller hears when the answer of the database does not come."""
    return fail("store.unavailable", "the store did not answer: its connection broke (simulated)", retry=1.0)
