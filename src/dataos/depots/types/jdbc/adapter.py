"""JDBC depots: the subprotocol chooses who answers. SQLite and DuckDB files are depots of this type, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from dataos.core.addresses import Udl
from dataos.core.errors import fail
from dataos.depots.ports import (
    Adapter,
    AdapterContext,
    Attachable,
    ColumnDescription,
    DatabaseConnection,
    DepotEntry,
    EngineKind,
)
from dataos.depots.rowwriting.writer import RowWriter, TakesRows
from dataos.manifest import registry

_PLACE = "dataos.depots.types"
_BY_SUBPROTOCOL = {
    "mysql": f"{_PLACE}.mysql.adapter:MysqlAdapter",
    "mariadb": f"{_PLACE}.mysql.adapter:MysqlAdapter",
    "postgresql": f"{_PLACE}.postgresql.adapter:PostgresqlAdapter",
    "sqlserver": f"{_PLACE}.mssql.adapter:MssqlAdapter",
    "oracle:thin": f"{_PLACE}.oracle.adapter:OracleAdapter",
    "redshift": f"{_PLACE}.redshift.adapter:RedshiftAdapter",
    "databricks-jdbc": f"{_PLACE}.jdbc.others:DatabricksAdapter",
    "db2": f"{_PLACE}.jdbc.others:Db2Adapter",
    "sqlite": f"{_PLACE}.jdbc.sqlite_file:SqliteAdapter",
    "duckdb": f"{_PLACE}.jdbc.duckdb_file:DuckdbAdapter",
}


class JdbcAdapter:
    """Hands each call to the adapter of the depot's subprotocol."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._made: dict[str, Adapter] = {}

    def engine_kind(self, entry: DepotEntry) -> EngineKind | None:
        """See `Attachable`; None for subprotocols that the engine cannot attach."""
        if str(entry.location.get("subprotocol")) not in _BY_SUBPROTOCOL:
            return None
        inner = self._inner(entry)
        return inner.engine_kind(entry) if isinstance(inner, Attachable) else None

    def connection(self, entry: DepotEntry, credentials: Mapping[str, str]) -> DatabaseConnection:
        """See `Attachable`. Ask `engine_kind` before."""
        return cast("Attachable", self._inner(entry)).connection(entry, credentials)

    def writer(self, entry: DepotEntry, credentials: Mapping[str, str]) -> RowWriter:
        """See `TakesRows`. Raises DataOSError `depot.unsupported` for subprotocols whose tables are not written."""
        inner = self._inner(entry)
        if not isinstance(inner, TakesRows):
            raise fail("depot.unsupported", f"tables of depot '{entry.name}' are not written by SQL statements")
        return inner.writer(entry, credentials)

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        await self._inner(entry).check(entry, credentials, timeout_s)

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        return await self._inner(entry).list_collections(entry, credentials)

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]:
        return await self._inner(entry).list_datasets(entry, credentials, collection)

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]:
        return await self._inner(entry).describe(entry, credentials, collection, dataset)

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        return await self._inner(entry).resolve(entry, udl)

    def _inner(self, entry: DepotEntry) -> Adapter:
        subprotocol = str(entry.location.get("subprotocol"))
        dotted = _BY_SUBPROTOCOL.get(subprotocol)
        if dotted is None:
            raise fail(
                "depot.unsupported",
                f"depot '{entry.name}' is of type JDBC with subprotocol `{subprotocol}`, which has no driver here",
                hint="subprotocols with one: " + ", ".join(_BY_SUBPROTOCOL),
            )
        if dotted not in self._made:
            self._made[dotted] = cast("Adapter", registry.resolve(dotted)(self._context))
        return self._made[dotted]
