"""Redis through redis-py. A collection is a database (`db0`), a dataset the part of its keys before the first `:`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.depots import databases
from dataos.depots.ports import AdapterContext, ColumnDescription, DepotEntry

_MOST_KEYS = 10_000


class RedisAdapter:
    """REDIS depots."""

    def __init__(self, context: AdapterContext) -> None:
        self._timeout_s = context.connect_timeout_s
        self._calls = context.calls

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        await self._ask(entry, credentials, lambda client: client.ping(), timeout_s)

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        return [f"db{int(entry.location.get('db') or 0)}"]

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]:
        if collection not in await self.list_collections(entry, credentials) and collection not in ("none", "default"):
            return []

        def look(client: Any) -> set[str]:
            found: set[str] = set()
            for number, key in enumerate(client.scan_iter(count=1000)):
                found.add(key.decode("utf-8", "replace").partition(":")[0])
                if number >= _MOST_KEYS:  # a look, not an inventory: it must not burden the server
                    break
            return found

        return sorted(await self._ask(entry, credentials, look, self._timeout_s))

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]:
        return [ColumnDescription("key", "string", False), ColumnDescription("value", "binary", True)]

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        where = entry.location
        text = f"redis://{where['host']}:{where['port']}/{where.get('db') or 0}"
        return text + (f" {udl.dataset}:*" if udl.dataset else "")

    async def _ask(self, entry: DepotEntry, credentials: Mapping[str, str], work: Any, timeout_s: float) -> Any:
        where = entry.location
        address = f"{where['host']}:{where['port']}"

        def call() -> Any:
            redis = databases.driver("redis", "redis", entry)
            client = redis.Redis(
                host=str(where["host"]),
                port=int(where["port"]),
                db=int(where.get("db") or 0),
                username=databases.pick(credentials, "username"),
                password=databases.pick(credentials, "password"),
                socket_connect_timeout=timeout_s,
                socket_timeout=timeout_s,
                client_name="dataos",
            )
            try:
                return work(client)
            except Exception as error:  # noqa: BLE001 - redis-py's text may hold commands
                raise _problem(entry, address, error, timeout_s) from None
            finally:
                client.close()

        return await self._calls.run(entry.name, call, timeout_s * 4)


def _problem(entry: DepotEntry, where: str, error: BaseException, timeout_s: float) -> DataOSError:
    text = str(error)
    if any(word in text for word in ("NOAUTH", "WRONGPASS", "uthenticat", "invalid username", "NOPERM")):
        return databases.refused_login(entry, where)
    if "invalid DB index" in text or "out of range" in text:
        return databases.no_database(entry, where, str(entry.location.get("db")))
    if "LOADING" in text or "MASTERDOWN" in text:
        text = f"depot '{entry.name}': {where} is starting"
        return fail("depot.unreachable", text, hint="repeat it later", retry=5.0)
    if databases.timed_out(error):
        return databases.too_slow(entry, where, timeout_s)
    return databases.unreachable(entry, "Redis", where, text)
