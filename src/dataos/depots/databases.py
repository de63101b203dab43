"""Databases behind drivers of Python's DB-API: what their adapters share.

A type says how to connect (`connect`), which statements tell its schemas, tables and columns, and what its driver's
errors mean. Each call opens one short-lived connection in a thread of its own pool. Drivers are imported at the first
use; an absent one is named with the extra that brings it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from dataos.core import binaries, names
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.depots.ports import AdapterContext, ColumnDescription, DepotEntry

T = TypeVar("T")

_ANSWER_TIMES = 3  # an answer may take this many times the wait for a connection


def driver(module: str, extra: str, entry: DepotEntry) -> Any:
    """A driver's module. Raises DataOSError `depot.driver` naming the extra to install."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise fail(
            "depot.driver",
            f"depot '{entry.name}' is of type {entry.type}: its driver is not installed on the server's machine",
            hint=f"pip install 'dataos[{extra}]' into the server's environment, then start it again",
        ) from None


def pick(credentials: Mapping[str, str], *keys: str) -> str | None:
    """The first of the keys that has a value, in any letter case."""
    folded = {k.lower(): v for k, v in credentials.items()}
    return next((folded[k.lower()] for k in keys if folded.get(k.lower())), None)


def login(entry: DepotEntry, credentials: Mapping[str, str]) -> tuple[str, str]:
    """User name and password. Raises DataOSError `depot.credentials` naming the key that is missing."""
    user, password = pick(credentials, "username", "user"), pick(credentials, "password")
    if user is None or password is None:
        raise fail(
            "depot.credentials",
            f"the secret of depot '{entry.name}' lacks `{'username' if user is None else 'password'}`",
            hint="it has the keys username and password",
        )
    return user, password


def allowed_file(entry: DepotEntry, allowed: Sequence[Path], what: str, value: str) -> Path:
    """A file that a manifest names, links followed: the server opens it for somebody else, so the fence of FILE depots
    holds. Raises DataOSError `depot.path`."""
    place = Path(os.path.realpath(value))
    if not any(a in place.parents for a in allowed):
        raise fail(
            "depot.path",
            f"depot '{entry.name}': {what} is outside the folders that this server may read",
            hint="allowed: "
            + (", ".join(str(a) for a in allowed) or "none")
            + "; add one with `dataos up --allow DIR` or the setting storage.allowed_paths",
        )
    return place


@contextlib.contextmanager
def certificate_file(credentials: Mapping[str, str]) -> Generator[Path | None]:
    """`ca_file` (PEM) of a secret as a file for a driver that wants one, for the time of a call; None without one."""
    content = pick(credentials, "ca_file")
    if content is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="dataos-") as folder:
        file = Path(folder) / "ca.pem"
        file.touch(mode=0o600)
        file.write_bytes(binaries.to_bytes(content))
        yield file


class DatabaseAdapter:
    """Collections are schemas (or databases), datasets their tables and views."""

    title: ClassVar[str]
    """The product's name, in messages."""
    module: ClassVar[str]
    """The driver."""
    extra: ClassVar[str] = ""
    """The extra of this package that brings it."""
    collections: ClassVar[str]
    """Statement: names of schemas."""
    datasets: ClassVar[str]
    """Statement with one parameter, the schema: names of tables and views."""
    columns: ClassVar[str]
    """Statement with two parameters, schema and table: name, type, nullable (true, 1, YES or Y), in order."""
    probe: ClassVar[str] = "SELECT 1"
    """The cheapest statement."""

    def __init__(self, context: AdapterContext) -> None:
        self._timeout_s = context.connect_timeout_s
        self._calls = context.calls
        self.allowed = tuple(Path(os.path.realpath(p)) for p in context.allowed_paths)

    def connect(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> Any:
        """A DB-API connection. Blocks. Raises the driver's errors, or DataOSError."""
        raise NotImplementedError

    def problem(self, entry: DepotEntry, error: BaseException, timeout_s: float) -> DataOSError:
        """A clear Problem for a driver's error, whose text may hold credentials and values."""
        return usual_problem(entry, self.title, self.where(entry), self.database(entry), error, timeout_s)

    def where(self, entry: DepotEntry) -> str:
        """`host:port`, for messages."""
        return f"{entry.location['host']}:{entry.location['port']}"

    def database(self, entry: DepotEntry) -> str:
        """The database that is named, or nothing."""
        return str(entry.location.get("database") or "")

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        await self.rows(entry, credentials, self.probe, (), timeout_s)

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        return sorted(str(row[0]) for row in await self.rows(entry, credentials, self.collections, ()))

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]:
        return sorted(str(row[0]) for row in await self.rows(entry, credentials, self.datasets, (collection,)))

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]:
        rows = await self.rows(entry, credentials, self.columns, (collection, dataset))
        if not rows:
            known = await self.list_datasets(entry, credentials, collection)
            raise fail(
                "depot.dataset_not_found",
                f"depot '{entry.name}' has no table '{collection}.{dataset}' that its user may read",
                hint=names.did_you_mean(dataset, known),
            )
        return [ColumnDescription(str(name), str(type_), _true(nullable)) for name, type_, nullable in rows]

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        text = f"{self.title.lower().replace(' ', '')}://{self.where(entry)}"
        if self.database(entry):
            text += f"/{self.database(entry)}"
        if udl.collection:
            text += f" {udl.collection}" + (f".{udl.dataset}" if udl.dataset else "")
        return text

    async def rows(
        self,
        entry: DepotEntry,
        credentials: Mapping[str, str],
        statement: str,
        values: Sequence[Any],
        timeout_s: float | None = None,
    ) -> list[Any]:
        """Rows of one statement on a fresh connection."""

        def ask(connection: Any) -> list[Any]:
            cursor = connection.cursor()
            try:
                if values:
                    cursor.execute(statement, tuple(values))
                else:
                    cursor.execute(statement)
                return list(cursor.fetchall())
            finally:
                cursor.close()

        return await self.connected(entry, credentials, ask, timeout_s)

    async def connected(
        self,
        entry: DepotEntry,
        credentials: Mapping[str, str],
        work: Callable[[Any], T],
        timeout_s: float | None = None,
    ) -> T:
        """Run `work` with a fresh connection, in a thread. Raises DataOSError only."""
        wait_s = timeout_s or self._timeout_s

        def call() -> T:
            try:
                connection = self.connect(entry, credentials, wait_s)
                with contextlib.closing(connection):
                    return work(connection)
            except DataOSError:
                raise
            except Exception as error:  # noqa: BLE001 - drivers share no base class; their text stays here
                raise self.problem(entry, error, wait_s) from None

        return await self._calls.run(entry.name, call, wait_s * (1 + _ANSWER_TIMES))


def _true(value: Any) -> bool:
    return str(value).strip().upper() in ("YES", "Y", "TRUE", "1")


def refused_login(entry: DepotEntry, where: str) -> DataOSError:
    """User name or password are wrong."""
    return fail(
        "depot.credentials",
        f"depot '{entry.name}': {where} refuses the user name or password of its secret",
        hint="correct the Instance-Secret and apply it again, then the Depot",
    )


def refused_right(entry: DepotEntry) -> DataOSError:
    """The user may not read something."""
    return fail("depot.credentials", f"depot '{entry.name}': its user may not read this", hint="grant it SELECT")


def no_database(entry: DepotEntry, where: str, database: str) -> DataOSError:
    """The database is not there."""
    text = f"depot '{entry.name}': there is no database '{database}' at {where}"
    return fail("depot.no_such_database", text, hint="correct `database`")


def too_slow(entry: DepotEntry, where: str, timeout_s: float) -> DataOSError:
    """No answer in time."""
    return fail(
        "depot.timeout",
        f"depot '{entry.name}': {where} did not answer within {timeout_s:g} s",
        hint="is the host right, and does a firewall let this machine through?",
        retry=5.0,
    )


def unreachable(entry: DepotEntry, title: str, where: str, text: str) -> DataOSError:
    """No connection; `text` is the driver's, matched only."""
    folded = text.lower()
    why, hint = "the connection failed", "is the server running, and are host and port right?"
    if any(word in folded for word in ("name or service", "getaddrinfo", "nodename", "not known", "resolve")):
        why = "the host name is not known"
    elif "refused" in folded:
        why = "it refused the connection"
    elif any(word in folded for word in ("ssl", "tls", "certificate")):
        why, hint = "it and the TLS settings of the depot do not go together", "look at the depot's `params` for TLS"
    message = f"depot '{entry.name}': cannot reach {title} at {where}: {why}"
    return fail("depot.unreachable", message, hint=hint, retry=5.0)


_LOGIN = ("login failed", "invalid username", "incorrect username", "authentication failed", "ora-01017", "18456",
          "password authentication", "invalid credentials", "unauthorized", "401", "invalid_grant", "1017",
          "could not deserialize key", "incorrect password", "jwt token is invalid")  # fmt: skip
_RIGHT = ("permission denied", "access denied", "ora-00942", "insufficient privileges", "403", "not authorized")
_ABSENT = ("cannot open database", "does not exist or not authorized", "unknown database", "no such database",
           "ora-12514", "ora-12505", "4060", 'database "', "not found: project")  # fmt: skip


def usual_problem(
    entry: DepotEntry, title: str, where: str, database: str, error: BaseException, timeout_s: float
) -> DataOSError:
    """What most drivers' words come to. They are matched only: they may hold credentials and values."""
    text = str(error).lower()
    if any(word in text for word in _LOGIN):
        return refused_login(entry, where)
    if any(word in text for word in _ABSENT):
        return no_database(entry, where, database)
    if any(word in text for word in _RIGHT):
        return refused_right(entry)
    if timed_out(error):
        return too_slow(entry, where, timeout_s)
    return unreachable(entry, title, where, text)


def timed_out(error: BaseException) -> bool:
    """True for what drivers say when nothing answers."""
    text = str(error).lower()
    return isinstance(error, TimeoutError) or "timed out" in text or "timeout" in text
