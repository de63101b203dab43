"""MongoDB through PyMongo. A collection of a depot is a database, a dataset one of its collections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.depots import databases
from dataos.depots.ports import AdapterContext, ColumnDescription, DepotEntry

_SYSTEM = ("admin", "config", "local")
_SAMPLED = 100
_FILES = ("tlscafile", "tlscertificatekeyfile", "tlscrlfile")


class MongodbAdapter:
    """MONGODB depots."""

    def __init__(self, context: AdapterContext) -> None:
        self._timeout_s = context.connect_timeout_s
        self._calls = context.calls
        self._allowed = context.allowed_paths

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        await self._ask(entry, credentials, lambda client: client.list_database_names(), timeout_s)

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        found = await self._ask(entry, credentials, lambda c: c.list_database_names(), self._timeout_s)
        return sorted(name for name in found if name not in _SYSTEM)

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]:
        if collection in _SYSTEM:
            return []
        found = await self._ask(entry, credentials, lambda c: c[collection].list_collection_names(), self._timeout_s)
        return sorted(name for name in found if not name.startswith("system."))

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]:
        """Fields of some documents: MongoDB keeps no schema."""
        known = await self.list_datasets(entry, credentials, collection)
        if dataset not in known:
            raise fail(
                "depot.dataset_not_found",
                f"depot '{entry.name}' has no collection '{collection}.{dataset}' that its user may read",
                hint=names.did_you_mean(dataset, known),
            )
        documents = await self._ask(
            entry, credentials, lambda c: list(c[collection][dataset].find().limit(_SAMPLED)), self._timeout_s
        )
        fields: dict[str, set[str]] = {}
        for document in documents:
            for name, value in document.items():
                fields.setdefault(str(name), set()).add(type(value).__name__)
        return [
            ColumnDescription(name, " or ".join(sorted(kinds - {"NoneType"})) or "null", name != "_id")
            for name, kinds in fields.items()
        ]

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        where = entry.location
        text = f"{where['subprotocol']}://{','.join(where['nodes'])}"
        return text + (f" {udl.collection}" + (f".{udl.dataset}" if udl.dataset else "") if udl.collection else "")

    def settings(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> dict[str, Any]:
        """What MongoClient gets. Raises DataOSError `depot.path` for files that are not allowed."""
        where = entry.location
        made: dict[str, Any] = {"host": f"{where['subprotocol']}://{','.join(where['nodes'])}"}
        for key, value in dict(where.get("params") or {}).items():
            text = str(value)
            if str(key).lower() in _FILES:
                text = str(databases.allowed_file(entry, self._allowed, f"params.{key}", text))
            made[str(key)] = {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), text)
        user, password = databases.pick(credentials, "username"), databases.pick(credentials, "password")
        if user is not None:
            made |= {"username": user, "password": password or ""}
        wait = max(1, int(timeout_s * 1000))
        return made | {
            "appname": "dataos",
            "serverSelectionTimeoutMS": wait,
            "connectTimeoutMS": wait,
            "socketTimeoutMS": wait * 3,
            "retryReads": False,
        }

    async def _ask(self, entry: DepotEntry, credentials: Mapping[str, str], work: Any, timeout_s: float) -> Any:
        where = ",".join(str(n) for n in entry.location["nodes"])

        def call() -> Any:
            pymongo = databases.driver("pymongo", "mongodb", entry)
            with databases.certificate_file(credentials) as certificates:
                files = {"tls": True, "tlsCAFile": str(certificates)} if certificates else {}
                try:
                    with pymongo.MongoClient(**self.settings(entry, credentials, timeout_s), **files) as client:
                        return work(client)
                except DataOSError:
                    raise
                except Exception as error:  # noqa: BLE001 - PyMongo's text holds topology and commands
                    raise _problem(entry, where, error, timeout_s) from None

        return await self._calls.run(entry.name, call, timeout_s * 4)


def _problem(entry: DepotEntry, where: str, error: BaseException, timeout_s: float) -> DataOSError:
    text = str(error)
    code = getattr(error, "code", None)
    if code in (18, 8000) or "Authentication failed" in text or "requires authentication" in text:
        return databases.refused_login(entry, where)
    if code == 13 or "not authorized" in text:
        return databases.refused_right(entry)
    if "Unknown option" in text or "ConfigurationError" in type(error).__name__:
        return fail(
            "depot.unsupported",
            f"depot '{entry.name}': its `params` hold an option that the client does not take",
            hint="params are options of MongoDB connection strings",
        )
    if "refused" in text or "Name or service" in text or "SSL" in text or "getaddrinfo" in text:
        return databases.unreachable(entry, "MongoDB", where, text)
    if databases.timed_out(error) or "ServerSelection" in type(error).__name__:
        return databases.too_slow(entry, where, timeout_s)
    return databases.unreachable(entry, "MongoDB", where, text)
