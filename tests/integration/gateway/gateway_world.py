"""A small world for gateway tests: a lakehouse with real Iceberg tables, a real PostgreSQL, a real engine process."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

from dataos.core.clock import SystemClock
from dataos.core.ids import RandomIds, UserId
from dataos.depots import resolver
from dataos.depots.ports import DepotEntry
from dataos.engines.duckdb.supervisor import DuckdbEngine
from dataos.engines.ports import EngineOptions
from dataos.gateway import results
from dataos.gateway.answer import QueryResult
from dataos.gateway.asking import Statement
from dataos.gateway.gateway import Gateway, Limits
from dataos.gateway.mounting import MountedDepots
from dataos.governance.principals import Principal
from dataos.governance.vault import Vault
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.listing import Listing
from dataos.lakehouse.views import PUBLISHED, TableRef
from dataos.store import tables
from dataos.store.database import Store, sqlite_url
from support import postgres as pg
from support.access import AllowAll, NoJournal

T = TypeVar("T")

ALICE = Principal(UserId("alice"))


class World:
    """Everything the gateway needs, on one event loop."""

    def __init__(self, folder: Path, server: pg.Postgres) -> None:
        self.folder = folder
        self.server = server
        self.loop = asyncio.new_event_loop()
        self.store = Store(sqlite_url(folder / "store.db"))
        self.store.write_sync(tables.metadata.create_all)
        clock, ids = SystemClock(), RandomIds()
        self.vault = Vault(b"v" * 32, clock)
        self.catalog = Catalog(self.store, clock, ids)
        self.warehouse = folder / "warehouse"
        self.warehouse.mkdir()
        self.store.write_sync(self.catalog.register_warehouse, "lakehouse", "uid-l", self.warehouse)
        self.depots = resolver.Depots(
            self.store,
            self.vault,
            allowed_paths=[folder / "files"],
            connect_timeout_s=5,
            lakehouse=Listing(self.catalog),
        )
        self.pyiceberg = SqlCatalog("t", uri=f"sqlite:///{folder}/pyiceberg.db", warehouse=f"file://{self.warehouse}")
        self.engine = DuckdbEngine(
            "miniature",
            run_folder=folder / "run",
            spill_folder=folder / "spill",
            ids=ids,
            options=EngineOptions(memory_mib=512, threads=2),
        )
        self.mounted = MountedDepots(self.depots, self.catalog, clock)
        self.gateway = Gateway(
            self.engine,
            self.mounted,
            ids=ids,
            limits=Limits(timeout_s=30, max_rows=100_000),
            authority=AllowAll(),
            journal=NoJournal(),
        )
        self._depots()
        self._tables()
        self.do(self.engine.start(self.do(self.mounted.access())))

    def _depots(self) -> None:
        secret = {"username": self.server.user, "password": self.server.password}
        self.store.write_sync(self.vault.seal, "instance-secret:shop-r", secret)
        location = {"host": self.server.host, "port": self.server.port, "database": "shop", "params": {}}
        entries = [
            DepotEntry("lakehouse", "u1", "ICEBERG", {"warehouse": "lakehouse"}),
            DepotEntry("shop", "u2", "POSTGRESQL", location, {"r": ("instance-secret:shop-r",)}),
            DepotEntry("drop", "u3", "FILE", {"path": str(self.folder / "files"), "format": None}),
        ]
        for entry in entries:
            self.store.write_sync(resolver.register, entry)

    def _tables(self) -> None:
        self.pyiceberg.create_namespace("retail")
        self.write("orders", ORDERS)
        self.write("things", THINGS)
        self.write("empty", ORDERS.slice(0, 0))

    def write(self, name: str, rows: pa.Table, append: bool = False) -> None:
        """Make (or append to) an Iceberg table and publish it in our catalog."""
        identifier = ("retail", name)
        table = (
            self.pyiceberg.load_table(identifier) if append else self.pyiceberg.create_table(identifier, rows.schema)
        )
        if rows.num_rows:
            table.append(rows)
        ref = TableRef("lakehouse", "retail", name)
        self.do(self.catalog.ensure_namespace(PUBLISHED, "lakehouse", "retail"))
        self.do(self.catalog.register_table(PUBLISHED, ref, table.metadata_location, overwrite=append))

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def query(self, sql: str, **options: Any) -> dict[str, Any]:
        result: QueryResult = await self.gateway.run(Statement(sql, **{**DEFAULTS, **options}), ALICE)
        return await results.as_json(result)

    def rows(self, sql: str, **options: Any) -> list[list[Any]]:
        return self.do(self.query(sql, **options))["rows"]

    def close(self) -> None:
        self.do(self.engine.close())
        self.catalog.close()
        self.pyiceberg.engine.dispose()
        self.store.close()
        self.loop.close()


DEFAULTS = {"catalog": "lakehouse", "schema": "retail"}

_AMOUNTS = ["10.00", "20.50", "5.25", None, "100.00"]
_DAYS = [dt.date(2024, 1, 31), dt.date(2024, 2, 29), dt.date(2024, 3, 1), dt.date(2024, 3, 15), None]
ORDERS = pa.table(
    {
        "id": pa.array([1, 2, 3, 4, 5], pa.int64()),
        "customer": pa.array(["ann", "bob", "ann", None, "Cid"]),
        "amount": pa.array([None if a is None else Decimal(a) for a in _AMOUNTS], pa.decimal128(10, 2)),
        "qty": pa.array([3, 0, 7, 2, None], pa.int32()),
        "day": pa.array(_DAYS, pa.date32()),
        "at": pa.array(
            [dt.datetime(2024, 1, 1, 10, 30, 15, 250_000) + dt.timedelta(hours=30 * i) for i in range(5)],
            pa.timestamp("us"),
        ),
        "price": pa.array([1.5, -2.5, 0.0, 3.25, None], pa.float64()),
        "ok": pa.array([True, False, None, True, False]),
    }
)
THINGS = pa.table(
    {
        "id": pa.array([1, 2], pa.int64()),
        "tags": pa.array([["a", "b", None], []], pa.list_(pa.string())),
        "counts": pa.array([[("x", 1), ("y", 2)], None], pa.map_(pa.string(), pa.int64())),
        "place": pa.array([{"city": "Rom", "zip": 1}, None], pa.struct([("city", pa.string()), ("zip", pa.int64())])),
        "items": pa.array(
            [[{"sku": "s1", "n": 2}, {"sku": "s2", "n": 1}], None],
            pa.list_(pa.struct([("sku", pa.string()), ("n", pa.int64())])),
        ),
    }
)


SHOP = (
    "CREATE TABLE customers (name text PRIMARY KEY, city text, score numeric(5,1), joined timestamptz, info jsonb, "
    "key uuid, tags text[]);"
    "INSERT INTO customers VALUES ('ann', 'Oslo', 7.5, '2024-01-01 12:00+02', '{\"a\": 1}', "
    "'00000000-0000-0000-0000-000000000001', '{x,y}'), ('bob', 'Bern', 3.0, NULL, NULL, NULL, NULL);"
    'CREATE SCHEMA "Mixed";'
    'CREATE TABLE "Mixed"."Case" ("Key" int, other text);'
    'INSERT INTO "Mixed"."Case" VALUES (1, \'one\');'
    'CREATE TABLE clash ("A" int, a int)'
)
