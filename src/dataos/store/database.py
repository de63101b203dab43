"""Units of work over SQLite (WAL, one writer) or PostgreSQL.

A unit of work is a plain function `fn(connection, ...)` that runs inside one transaction in a worker thread:
`await store.write(fn, ...)` commits when it returns and rolls back when it raises; `await store.read(fn, ...)` sees one
snapshot. The function must not do other I/O. On SQLite all writes go through one thread, so `BEGIN IMMEDIATE` never
waits for another writer of ours; on PostgreSQL the same functions run in a small pool.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.pool import QueuePool

from dataos.core.errors import DataOSError, fail

P = ParamSpec("P")
T = TypeVar("T")


class Store:
    """The open database. Built once by the server's composition; passed to every room that keeps state."""

    def __init__(self, url: str, *, readers: int = 4) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._writer = _sqlite_engine(self.url, write=True)
            self._reader = _sqlite_engine(self.url, write=False)
        else:
            self._writer = self._reader = sa.create_engine(
                self.url, poolclass=QueuePool, pool_size=readers + 2, pool_pre_ping=True, hide_parameters=True
            )
        writers = 1 if self.is_sqlite else 2
        self._write_pool = ThreadPoolExecutor(writers, thread_name_prefix="store-write")
        self._read_pool = ThreadPoolExecutor(readers, thread_name_prefix="store-read")

    async def write(self, fn: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(connection, ...)` in one read-write transaction; its result is returned after the commit.

        Raises DataOSError `store.full`, `store.damaged` or `store.unavailable` when the database itself fails.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._write_pool, lambda: self.write_sync(fn, *args, **kwargs)
        )

    async def read(self, fn: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(connection, ...)` over one consistent snapshot."""
        return await asyncio.get_running_loop().run_in_executor(
            self._read_pool, lambda: self.read_sync(fn, *args, **kwargs)
        )

    def write_sync(self, fn: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `write`, in the calling thread: for start-up, and for worker threads that hold no event loop."""
        try:
            with self._writer.begin() as connection:
                return fn(connection, *args, **kwargs)
        except exc.DBAPIError as error:
            known = _store_error(error)
            if known is None:
                raise
            raise known from error

    def read_sync(self, fn: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `read`, in the calling thread."""
        try:
            with self._reader.begin() as connection:
                return fn(connection, *args, **kwargs)
        except exc.DBAPIError as error:
            known = _store_error(error)
            if known is None:
                raise
            raise known from error

    def close(self) -> None:
        """Wait for units of work in progress, then close the connections."""
        self._write_pool.shutdown(wait=True)
        self._read_pool.shutdown(wait=True)
        self._writer.dispose()
        self._reader.dispose()


def _store_error(error: exc.DBAPIError) -> DataOSError | None:
    text = str(error.orig)
    if "not a database" in text or "malformed" in text:
        return fail(
            "store.damaged",
            f"the store is damaged: {text[:200]}",
            hint="restore store.db from a backup; nothing was changed",
        )
    if not isinstance(error, (exc.OperationalError, exc.InterfaceError)):
        return None  # a broken rule of the schema, or a statement of ours that is wrong: not the database's state
    if "full" in text or "No space" in text:
        return fail(
            "store.full",
            "the store's disk is full: nothing was changed",
            hint="free space under the home folder (`dataos` keeps it in store.db) and repeat the call",
            retry=10.0,
        )
    return fail(
        "store.unavailable",
        f"the store did not answer: {text[:200]}",
        hint="its disk may be full or failing; the call may be repeated"
        if "I/O error" in text
        else "look at the server's log; the call may be repeated",
        retry=1.0,
    )


def _sqlite_engine(url: sa.URL, *, write: bool) -> sa.Engine:
    in_memory = url.database in (None, "", ":memory:") or "mode=memory" in str(url)
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1 if in_memory else 16,
        max_overflow=-1 if not in_memory else 0,
        connect_args={"check_same_thread": False, "timeout": 30.0},
        hide_parameters=True,  # values of a failed statement must not reach a log
    )

    def prepare(dbapi_connection: sqlite3.Connection, _record: Any) -> None:
        dbapi_connection.isolation_level = None  # transactions are begun below, not by the driver's guessing
        cursor = dbapi_connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def sqlite_url(path: Path) -> str:
    """SQLAlchemy URL of a SQLite file."""
    return f"sqlite+pysqlite:///{path}"
