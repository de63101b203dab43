"""Where tables of worlds lie: the lakehouse, a database, folders with tables in files. Each writes a table as its own
clients would, and says how the platform finds it."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pyarrow as pa
from deltalake import write_deltalake
from psycopg import sql as psql
from pyiceberg import types as iceberg
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import ArrowProjectionVisitor, schema_to_pyarrow
from pyiceberg.schema import Schema

from dataos.core import nestednulls
from dataos.depots.ports import DepotEntry
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.views import PUBLISHED, TableRef
from leaks.model import DEPOT, Column, Table, Type
from support.postgres import Postgres

_PLAIN = {
    "boolean": iceberg.BooleanType(), "integer": iceberg.IntegerType(), "bigint": iceberg.LongType(),
    "real": iceberg.FloatType(), "double": iceberg.DoubleType(), "decimal(10,2)": iceberg.DecimalType(10, 2),
    "varchar": iceberg.StringType(), "varbinary": iceberg.BinaryType(), "uuid": iceberg.UUIDType(),
    "date": iceberg.DateType(), "time(6)": iceberg.TimeType(), "timestamp(6)": iceberg.TimestampType(),
    "timestamp(6) with time zone": iceberg.TimestamptzType(),
}  # fmt: skip
_POSTGRESQL = {
    "boolean": "boolean", "integer": "integer", "bigint": "bigint", "real": "real", "double": "double precision",
    "decimal(10,2)": "numeric(10,2)", "varchar": "text", "varbinary": "bytea", "uuid": "uuid", "date": "date",
    "time(6)": "time(6)", "timestamp(6)": "timestamp(6)", "timestamp(6) with time zone": "timestamptz(6)",
    "array(varchar)": "text[]", "array(integer)": "integer[]",
}  # fmt: skip


class Source(Protocol):
    """A depot of the laboratory."""

    @property
    def entry(self) -> DepotEntry: ...

    @property
    def secret(self) -> dict[str, str]:
        """What opens it; empty: nothing is needed."""
        ...

    def write(self, schema: str, name: str, table: Table) -> None:
        """Make a table, in the place of one of that name."""
        ...

    def drop(self, schema: str, name: str) -> None:
        """Take it away."""
        ...


class Lakehouse:
    """Iceberg tables of the platform's catalog. The earlier snapshot of a table is named by the tag `old`."""

    def __init__(self, catalog: Catalog, warehouse: Path, do: Callable[..., Any]) -> None:
        self._catalog = catalog
        self._iceberg = SqlCatalog("leaks", uri="sqlite:///:memory:", warehouse=f"file://{warehouse}")
        self._do = do
        self._schemas: set[str] = set()
        self._there: set[TableRef] = set()
        self._written = 0

    @property
    def entry(self) -> DepotEntry:
        return DepotEntry(DEPOT, "u1", "ICEBERG", {"warehouse": DEPOT})

    @property
    def secret(self) -> dict[str, str]:
        return {}

    def schema(self, schema: str) -> None:
        """Make it."""
        if schema not in self._schemas:
            self._iceberg.create_namespace(schema)
            self._do(self._catalog.ensure_namespace(PUBLISHED, DEPOT, schema))
            self._schemas.add(schema)

    def write(self, schema: str, name: str, table: Table) -> None:
        self.schema(schema)
        self._written += 1
        made = self._iceberg.create_table((schema, f"{name}-{self._written}"), schema_of(table.columns))
        fill(made, table)
        ref = TableRef(DEPOT, schema, name)
        self._do(self._catalog.register_table(PUBLISHED, ref, made.metadata_location, overwrite=ref in self._there))
        self._there.add(ref)

    def drop(self, schema: str, name: str) -> None:
        self._do(self._catalog.drop_table(PUBLISHED, TableRef(DEPOT, schema, name)))
        self._there.discard(TableRef(DEPOT, schema, name))

    def close(self) -> None:
        """No more of it."""
        self._iceberg.engine.dispose()


class Database:
    """Tables of a PostgreSQL database."""

    def __init__(self, server: Postgres, database: str) -> None:
        self._server = server
        self._database = database
        server.run(f'CREATE DATABASE "{database}"')
        self._connection = server.connect(database)

    @property
    def entry(self) -> DepotEntry:
        location = {"host": self._server.host, "port": self._server.port, "database": self._database, "params": {}}
        return DepotEntry("postgresql", "u2", "POSTGRESQL", location, {"r": ("instance-secret:postgresql",)})

    @property
    def secret(self) -> dict[str, str]:
        return {"username": self._server.user, "password": self._server.password}

    def write(self, schema: str, name: str, table: Table) -> None:
        with self._connection.transaction():
            self._connection.execute(psql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(psql.Identifier(schema)))
            create(self._connection, (schema, name), table)

    def drop(self, schema: str, name: str) -> None:
        self._connection.execute(psql.SQL("DROP TABLE IF EXISTS {}").format(psql.Identifier(schema, name)))

    def close(self) -> None:
        """No more of it."""
        self._connection.close()
        self._server.run(f'DROP DATABASE IF EXISTS "{self._database}" WITH (FORCE)')


def create(connection: psycopg.Connection, place: tuple[str, str], table: Table) -> None:
    """Make a table in PostgreSQL, in the place of one of that name."""
    name = psql.Identifier(*place)
    columns = [
        psql.SQL("{} {}").format(psql.Identifier(c.name), psql.SQL(_POSTGRESQL[str(c.type)]))  # pyright: ignore[reportArgumentType]
        for c in table.columns
    ]
    connection.execute(psql.SQL("DROP TABLE IF EXISTS {}").format(name))
    connection.execute(psql.SQL("CREATE TABLE {} ({})").format(name, psql.SQL(", ").join(columns)))
    if table.rows and table.columns:
        marks = psql.SQL(", ").join([psql.Placeholder()] * len(table.columns))
        with connection.cursor() as cursor:
            cursor.executemany(psql.SQL("INSERT INTO {} VALUES ({})").format(name, marks), table.rows)


class Folders:
    """Tables that lie in folders: of Iceberg, or of Delta."""

    def __init__(self, depot: str, root: Path) -> None:
        self._depot = depot
        self._root = root
        root.mkdir(parents=True)
        self._iceberg = SqlCatalog(depot, uri="sqlite:///:memory:", warehouse=f"file://{root}")
        self._written = 0

    @property
    def entry(self) -> DepotEntry:
        return DepotEntry(
            self._depot, f"u-{self._depot}", "FILE", {"path": str(self._root), "format": self._depot.upper()}
        )

    @property
    def secret(self) -> dict[str, str]:
        return {}

    def write(self, schema: str, name: str, table: Table) -> None:
        self.drop(schema, name)
        place = self._root / schema / name
        described = schema_of(table.columns)
        if self._depot == "delta":
            shape = schema_to_pyarrow(described, include_field_ids=False)  # with Iceberg's the engine finds no column
            write_deltalake(str(place), arrow(table.columns, table.rows, shape))
            return
        self._written += 1
        self._iceberg.create_namespace_if_not_exists(schema)
        made = self._iceberg.create_table((schema, f"{name}-{self._written}"), described, location=f"file://{place}")
        fill(made, table)

    def drop(self, schema: str, name: str) -> None:
        shutil.rmtree(self._root / schema / name, ignore_errors=True)

    def close(self) -> None:
        """No more of it."""
        self._iceberg.engine.dispose()


# --- Iceberg ----------------------------------------------------------------------------------------------------------


def fill(made: Any, table: Table) -> None:
    """Write a table's rows into an Iceberg table that is new."""
    nestednulls.keep(ArrowProjectionVisitor)
    shape = schema_to_pyarrow(made.schema())
    if table.old is None:
        made.append(arrow(table.columns, table.rows, shape))
        return
    made.append(arrow(table.columns, table.old, shape))
    snapshot = made.current_snapshot()
    assert snapshot is not None
    made.manage_snapshots().create_tag(snapshot.snapshot_id, "old").commit()
    with warnings.catch_warnings():  # PyIceberg warns where there were no rows to replace
        warnings.simplefilter("ignore", UserWarning)
        made.overwrite(arrow(table.columns, table.rows, shape))


def schema_of(columns: Sequence[Column]) -> Schema:
    """The Iceberg schema of columns."""
    count = iter(range(1, 10_000))
    fields = [(next(count), c) for c in columns]
    return Schema(*(iceberg.NestedField(n, c.name, _type(c.type, count)) for n, c in fields))


def _type(type_: Type, count: Any) -> Any:
    if type_.name == "row":
        numbers = [(next(count), name, part) for name, part in type_.parts]
        return iceberg.StructType(*(iceberg.NestedField(n, name, _type(part, count)) for n, name, part in numbers))
    if type_.name == "array":
        return iceberg.ListType(next(count), _type(type_.of("element"), count), element_required=False)
    if type_.name == "map":
        key, value = next(count), next(count)
        of_key, of_value = _type(type_.of("key"), count), _type(type_.of("value"), count)
        return iceberg.MapType(key, of_key, value, of_value, value_required=False)
    return _PLAIN[type_.name]


def arrow(columns: Sequence[Column], rows: Sequence[tuple[Any, ...]], shape: pa.Schema) -> pa.Table:
    """Rows as Arrow has them."""
    arrays: list[Any] = []
    for position, (column, field) in enumerate(zip(columns, shape, strict=True)):
        values = [_storable(r[position], column.type) for r in rows]
        arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=shape)


def _storable(value: Any, type_: Type) -> Any:
    if value is None:
        return None
    if type_.name == "uuid":
        return value.bytes
    if type_.name == "row":
        return {name: _storable(value[name], part) for name, part in type_.parts}
    if type_.name == "array":
        return [_storable(v, type_.of("element")) for v in value]
    if type_.name == "map":
        return [(_storable(k, type_.of("key")), _storable(v, type_.of("value"))) for k, v in value]
    return value
