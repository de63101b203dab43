"""Units of work over SQLite (WAL, one writer) or PostgreSQL (many servers).

A unit of work is a plain function `fn(connection, ...)` that runs inside one transaction in a worker thread:
`await store.write(fn, ...)` commits when it returns and rolls back when it raises; `await store.read(fn, ...)` sees one
snapshot. The function must not do other I/O, and must be fit to run again: on PostgreSQL transactions are SERIALIZABLE,
and one that met another is repeated from its start. On SQLite all writes go through one thread, so `BEGIN IMMEDIATE`
never waits for another writer of ours.

`await store.look(fn, ...)` is `read` for a few rows by their keys, which a statement does several times: SQLite has
them at once, in less time than it takes to hand over to a worker thread and back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.pool import QueuePool

from dataos.core.errors import DataOSError, fail
from dataos.core.secrecy import Secret

P = ParamSpec("P")
T = TypeVar("T")

RING_CHANNEL = "dataos_ring"
"""The NOTIFY channel on which servers tell each other of due work."""

_AT_ONCE = "dataos_at_once"
_RING = "dataos.ring"
_NOTES = "dataos.notes"
_ATTEMPTS = 40
"""How often a transaction that met another is tried: with the back-off below about 20 s in all."""
_UNIQUE_ATTEMPTS = 3
"""A unique key that a check did not see may come from a transaction beside ours; the same again is a fault."""
_FAIL_FAST_S = 0.5
_UPGRADE_LOCK = 0x646174616F73
_CONNECT_S = 5
_POOL_WAIT_S = 10.0
_MOST_NAMED = 500


class _TakesLonger(Exception):
    """What was begun in the event loop's thread is to be done in another one."""


def takes_longer(connection: sa.Connection) -> None:
    """Said inside of a unit of work before it does more than to read a few rows by their keys: if it runs in the event
    loop's thread (`Store.look`), it begins again in a worker thread."""
    if connection.get_execution_options().get(_AT_ONCE):
        raise _TakesLonger


def batches(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Parts of these values, each few enough to be named in one statement."""
    for start in range(0, len(values), _MOST_NAMED):
        yield values[start : start + _MOST_NAMED]


def ring_after_commit(connection: sa.Connection) -> None:
    """Tell all servers, when this transaction commits, that there is work."""
    connection.info[_RING] = True


def note_before_commit(connection: sa.Connection, note: object) -> None:
    """Have a note of what this transaction does written down in it, just before it commits (`Store.on_notes`)."""
    connection.info.setdefault(_NOTES, []).append(note)


class Store:
    """The open database. Built once by the server's composition; passed to every room that keeps state."""

    def __init__(
        self,
        url: str,
        *,
        readers: int = 4,
        password: Secret | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.url = store_url(url, password)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._jitter = jitter
        self._at_once: sa.Engine | None = None
        self.meter: Callable[[str, float], None] = lambda kind, seconds: None
        """Hears of each unit of work that was awaited: `read` or `write`, and how long it took."""
        self.on_ring: Callable[[], None] = lambda: None
        """Called in any thread after a commit that made something due, on SQLite; on PostgreSQL NOTIFY tells
        (store.listening)."""
        self.on_notes: Callable[[sa.Connection, Sequence[Any]], None] = _nobody_takes_notes
        """Writes down what `note_before_commit` collected, in the transaction; what it raises undoes all of it."""
        self._down_until = 0.0  # monotonic; after a failed connection the next calls fail at once for a moment
        self._down = threading.Lock()
        if self.is_sqlite:
            self._writer = _sqlite_engine(self.url, write=True)
            self._deferring = (
                self._writer if _in_memory(self.url) else _sqlite_engine(self.url, write=True, synchronous="NORMAL")
            )
            self._reader = _sqlite_engine(self.url, write=False)
            if not _in_memory(self.url):
                self._at_once = _sqlite_engine(self.url, write=False, wait_s=0).execution_options(**{_AT_ONCE: True})
        else:
            self._writer = self._deferring = _postgresql_engine(self.url, 2 * readers)
            self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        writers = 1 if self.is_sqlite else readers
        self._write_pool = ThreadPoolExecutor(writers, thread_name_prefix="store-write")
        self._read_pool = ThreadPoolExecutor(readers, thread_name_prefix="store-read")
        self._check_pool = ThreadPoolExecutor(1, thread_name_prefix="store-check")

    async def write(self, fn: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(connection, ...)` in one read-write transaction; its result is returned after the commit.

        Raises DataOSError `store.full`, `store.read_only`, `store.damaged` or `store.unavailable` when the database
        itself fails.
        """
        return await self._in("write", self._write_pool, lambda: self.write_sync(fn, *args, **kwargs))

    async def write_deferred(
        self, fn: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `write`; on SQLite without waiting for the disk. It survives the death of this process; a loss of power
        may take it, with everything that was written after it up to the next `write`. For what the next start finds out
        again by itself. On PostgreSQL it waits: a crash of the database must not take leases from servers that live.
        """
        return await self._in("write", self._write_pool, lambda: self._write_sync(self._deferring, fn, *args, **kwargs))

    async def read(self, fn: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(connection, ...)` over one consistent snapshot."""
        return await self._in("read", self._read_pool, lambda: self.read_sync(fn, *args, **kwargs))

    async def look(self, fn: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `read`, for a few rows by their keys: on a SQLite file at once, in the event loop's thread. What turns out
        to be more (`takes_longer`), or has to wait, is done as `read` does it."""
        if self._at_once is not None:
            began = time.perf_counter()
            with contextlib.suppress(_TakesLonger, exc.DBAPIError):  # `read` meets a failure again, and says it
                found = self._once(self._at_once, fn, *args, **kwargs)
                self.meter("read", time.perf_counter() - began)
                return found
        return await self.read(fn, *args, **kwargs)

    async def _in(self, kind: str, pool: ThreadPoolExecutor, call: Callable[[], T]) -> T:
        began = time.perf_counter()
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, call)
        finally:
            self.meter(kind, time.perf_counter() - began)

    def write_sync(self, fn: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `write`, in the calling thread: for start-up, and for worker threads that hold no event loop."""
        return self._write_sync(self._writer, fn, *args, **kwargs)

    def _write_sync(
        self,
        engine: sa.Engine,
        fn: Callable[Concatenate[sa.Connection, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._once(engine, fn, *args, **kwargs)
            except exc.DBAPIError as error:
                again = _ATTEMPTS if _met_another(error) else _UNIQUE_ATTEMPTS if _is_duplicate(error) else 0
                if self.is_sqlite or attempt >= again:
                    raise self._known(error) from error
            # Not all at once again; the longer it goes on, the wider apart.
            time.sleep(self._jitter() * min(1.0, 0.005 * 2**attempt))
        raise AssertionError("unreachable")  # the last attempt returns or raises

    def read_sync(self, fn: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `read`, in the calling thread."""
        try:
            return self._once(self._reader, fn, *args, **kwargs)
        except exc.DBAPIError as error:
            raise self._known(error) from error

    def migrate(self, fn: Callable[[sa.Connection], T]) -> T:
        """Run a change of the schema in one transaction, without limits on its time. On SQLite references are checked
        at its end instead of at each statement: tables are rebuilt by it."""
        try:
            with self._writer.connect() as connection:
                if self.is_sqlite:
                    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
                    connection.rollback()
                else:
                    connection.execution_options(isolation_level="READ COMMITTED")
                try:
                    with connection.begin():
                        if not self.is_sqlite:
                            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                        result = fn(connection)
                        if self.is_sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
                            raise fail("store.damaged", f"rows of the store refer to rows that are gone: {broken[:3]}")
                    return result
                finally:
                    connection.invalidate()  # its settings are not what other units of work expect
        except exc.DBAPIError as error:
            raise self._known(error) from error

    @contextlib.contextmanager
    def exclusively(self) -> Generator[None, None, None]:
        """Held by one server at a time: the others wait here. On SQLite a home has one server (its lock)."""
        if self.is_sqlite:
            yield
            return
        try:
            with self._writer.connect() as connection:
                # Not in the transaction that it protects: that one must not begin before the wait is over.
                connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.exec_driver_sql("SET lock_timeout = 0")
                connection.exec_driver_sql("SET statement_timeout = 0")
                connection.exec_driver_sql("SET idle_in_transaction_session_timeout = 0")
                connection.execute(sa.select(sa.func.pg_advisory_lock(_UPGRADE_LOCK)))
                try:
                    yield
                finally:
                    connection.invalidate()  # its end is the lock's end
        except exc.DBAPIError as error:
            raise self._known(error) from error

    def find_damage(self) -> list[str]:
        """What SQLite itself finds wrong with its file, reading all of it; PostgreSQL looks after its own files."""
        if not self.is_sqlite:
            return []

        def check(connection: sa.Connection) -> list[str]:
            found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(10)")]
            lost = {str(row[0]) for row in connection.exec_driver_sql("PRAGMA foreign_key_check").all()}
            return [f for f in found if f != "ok"] + [f"rows of {t} refer to rows that are gone" for t in sorted(lost)]

        return self.read_sync(check)

    async def problem(self, within_s: float = 3.0) -> str:
        """What is wrong with the database now, in words; empty when it answers. For health: asked beside the pools,
        so that it answers while they are busy."""

        def ask(engine: sa.Engine) -> None:
            self._once(engine, lambda connection: connection.execute(sa.select(1)))

        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within_s):
                await loop.run_in_executor(self._check_pool, ask, self._reader)
        except TimeoutError:
            return f"it did not answer within {within_s:g} s"
        except exc.DBAPIError as error:
            return str(self._known(error))
        except DataOSError as error:
            return str(error)
        return ""

    def close(self) -> None:
        """Wait for units of work in progress, then close the connections."""
        self._write_pool.shutdown(wait=True)
        self._read_pool.shutdown(wait=True)
        self._check_pool.shutdown(wait=True)
        self._writer.dispose()
        self._deferring.dispose()
        self._reader.dispose()
        if self._at_once is not None:
            self._at_once.dispose()

    def _once(
        self,
        engine: sa.Engine,
        fn: Callable[Concatenate[sa.Connection, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        if time.monotonic() < self._down_until:
            raise _unavailable("its connection failed a moment ago")
        try:
            with engine.begin() as connection:
                connection.info.pop(_RING, None)
                connection.info.pop(_NOTES, None)
                result = fn(connection, *args, **kwargs)
                if notes := connection.info.pop(_NOTES, None):
                    self.on_notes(connection, notes)
                rung = connection.info.pop(_RING, False)
                if rung and not self.is_sqlite:
                    # Part of the transaction: delivered when it commits, and only then.
                    connection.execute(sa.select(sa.func.pg_notify(RING_CHANNEL, "")))
        except exc.TimeoutError as error:
            raise _unavailable("all connections to it are in use") from error
        if rung and self.is_sqlite:
            self.on_ring()
        return result

    def _known(self, error: exc.DBAPIError) -> Exception:
        if not self.is_sqlite and error.statement is None and _state(error) is None:
            with self._down:  # no connection could be opened: it is away, or the way to it is
                self._down_until = time.monotonic() + _FAIL_FAST_S
        known = _store_error(error)
        if self.is_sqlite and known is not None and known.problem.code == "store.read_only":
            for engine in filter(None, (self._writer, self._deferring, self._reader, self._at_once)):
                engine.dispose()  # what was opened to read only stays so, also when the disk may be written again
        return known or error


def _nobody_takes_notes(_: sa.Connection, notes: Sequence[Any]) -> None:
    raise AssertionError(f"nobody was told to write down what changes here: {len(notes)} notes")


def store_url(url: str, password: Secret | None = None) -> sa.URL:
    """The setting `store.url` as a URL with our driver. Raises DataOSError `settings.invalid`, without the password."""
    try:
        made = sa.make_url(url)
        backend = made.get_backend_name()
    except (exc.ArgumentError, ValueError):  # their texts repeat the URL
        made, backend = None, ""
    if made is None or backend not in ("sqlite", "postgresql", "postgres"):
        raise fail(
            "settings.invalid",
            "setting store.url: neither a PostgreSQL nor a SQLite URL",
            hint="write postgresql://user@host:5432/database, or postgresql://user@/database?host=/run/postgresql for "
            "a local socket; the password goes into DATAOS_STORE__PASSWORD or store.password_file",
        )
    if backend == "sqlite":
        return made
    made = made.set(drivername="postgresql+psycopg")
    return made.set(password=password.reveal()) if password is not None else made


def _state(error: exc.DBAPIError) -> str | None:
    """The five characters by which PostgreSQL names a failure; None from SQLite, or where no server answered."""
    return getattr(error.orig, "sqlstate", None)


def _met_another(error: exc.DBAPIError) -> bool:
    return _state(error) in ("40001", "40P01")  # serialization failure, deadlock


def _is_duplicate(error: exc.DBAPIError) -> bool:
    return _state(error) == "23505"


def _unavailable(what: str) -> DataOSError:
    return fail(
        "store.unavailable",
        f"the store did not answer: {what}",
        hint="look at the database and at the server's log; the call may be repeated",
        retry=1.0,
    )


def _store_error(error: exc.DBAPIError) -> DataOSError | None:
    text, state = str(error.orig), _state(error)
    if state is None and ("not a database" in text or "malformed" in text):
        return fail(
            "store.damaged",
            f"the store is damaged: {text[:200]}",
            hint="restore store.db from a backup; nothing was changed",
        )
    if not isinstance(error, (exc.OperationalError, exc.InterfaceError)) and state != "25006":
        return None  # a broken rule of the schema, or a statement of ours that is wrong: not the database's state
    if state == "53100" or (state is None and ("disk is full" in text or "No space" in text)):
        return fail(
            "store.full",
            "the store's disk is full: nothing was changed",
            hint="free space under the home folder (`dataos` keeps it in store.db) and repeat the call"
            if state is None
            else "free space on the database server's disk and repeat the call",
            retry=10.0,
        )
    if state == "25006" or "readonly database" in text or "attempt to write a readonly" in text:
        return fail(
            "store.read_only",
            "the store can be read but not written: nothing was changed",
            hint="the home's disk is mounted read-only, or store.db belongs to somebody else"
            if state is None
            else "the address of store.url leads to a standby: let it lead to the primary",
            retry=10.0,
        )
    if state is None and "I/O error" in text:
        return fail(
            "store.unavailable",
            f"the store did not answer: {text[:200]}",
            hint="its disk may be full or failing; the call may be repeated",
            retry=1.0,
        )
    return _unavailable(" ".join(text.split())[:200])


def _postgresql_engine(url: sa.URL, size: int) -> sa.Engine:
    return sa.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=4,  # worker threads of other rooms
        pool_timeout=_POOL_WAIT_S,
        pool_pre_ping=True,  # a restart of PostgreSQL leaves dead connections behind
        isolation_level="SERIALIZABLE",
        hide_parameters=True,
        connect_args=postgresql_arguments(url),
    )


def postgresql_arguments(url: sa.URL) -> dict[str, Any]:
    """What every connection to PostgreSQL is opened with, unless the URL says otherwise: bounds on waiting."""
    wanted: dict[str, Any] = {
        "connect_timeout": _CONNECT_S,
        "application_name": "dataos",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
        # A server that hangs must not hold what others wait for.
        "options": "-c lock_timeout=20s -c statement_timeout=120s -c idle_in_transaction_session_timeout=60s",
    }
    return {key: value for key, value in wanted.items() if key not in url.query}


def _sqlite_engine(url: sa.URL, *, write: bool, synchronous: str = "FULL", wait_s: float = 30.0) -> sa.Engine:
    in_memory = _in_memory(url)
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1 if in_memory else 16,
        max_overflow=-1 if not in_memory else 0,
        connect_args={"check_same_thread": False, "timeout": wait_s},
        hide_parameters=True,  # values of a failed statement must not reach a log
    )

    def prepare(dbapi_connection: sqlite3.Connection, _record: Any) -> None:
        dbapi_connection.isolation_level = None  # transactions are begun below, not by the driver's guessing
        cursor = dbapi_connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={synchronous}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def _in_memory(url: sa.URL) -> bool:
    return url.database in (None, "", ":memory:") or "mode=memory" in str(url)


def sqlite_url(path: Path) -> str:
    """SQLAlchemy URL of a SQLite file."""
    return f"sqlite+pysqlite:///{path}"
