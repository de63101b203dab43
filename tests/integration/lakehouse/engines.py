"""Three unmodified clients of the catalog behind one small interface. Rows are (id, ts, s) tuples."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pytest

from integration.lakehouse.helpers import USER, WAREHOUSE, Server, client
from support.patience import deadline
from support.ports import free_port

Row = tuple[int, datetime, str | None]


class Engine(Protocol):
    """What the matrix asks of a client."""

    def create(self, table: str) -> None:
        """An empty table partitioned by month(ts)."""
        ...

    def append(self, table: str, rows: list[Row]) -> None: ...

    def replace(self, table: str, rows: list[Row]) -> None:
        """Replace all rows; readers see the old or the new ones."""
        ...

    def delete(self, table: str, id_: int) -> None: ...

    def read(self, table: str) -> list[Row]: ...


class PyIceberg:
    """The Python client."""

    def __init__(self, server: Server, token: str) -> None:
        self._catalog = client(server, token)

    def create(self, table: str) -> None:
        if importlib.util.find_spec("pyiceberg_core") is None:
            pytest.skip("PyIceberg writes month partitions with pyiceberg-core only, which is not installed")
        from pyiceberg.partitioning import PartitionField, PartitionSpec
        from pyiceberg.schema import Schema
        from pyiceberg.transforms import MonthTransform
        from pyiceberg.types import LongType, NestedField, StringType, TimestampType

        schema = Schema(
            NestedField(1, "id", LongType()), NestedField(2, "ts", TimestampType()), NestedField(3, "s", StringType())
        )
        spec = PartitionSpec(PartitionField(2, 1000, MonthTransform(), "ts_month"))
        self._catalog.create_table(table, schema, partition_spec=spec)

    def append(self, table: str, rows: list[Row]) -> None:
        self._catalog.load_table(table).append(self._arrow(rows))

    def replace(self, table: str, rows: list[Row]) -> None:
        self._catalog.load_table(table).overwrite(self._arrow(rows))

    def delete(self, table: str, id_: int) -> None:
        self._catalog.load_table(table).delete(f"id = {id_}")

    def read(self, table: str) -> list[Row]:
        found = self._catalog.load_table(table).scan().to_arrow().to_pylist()
        return sorted((r["id"], r["ts"], r["s"]) for r in found)

    @staticmethod
    def _arrow(rows: list[Row]) -> Any:
        import pyarrow as pa

        schema = pa.schema([("id", pa.int64()), ("ts", pa.timestamp("us")), ("s", pa.string())])
        return pa.Table.from_pylist([{"id": i, "ts": t, "s": s} for i, t, s in rows], schema=schema)


class DuckDB:
    """The REST catalog, attached."""

    def __init__(self, server: Server, token: str) -> None:
        import duckdb

        if importlib.util.find_spec("duckdb_extension_httpfs") is None:
            pytest.skip("DuckDB attaches a REST catalog with its httpfs extension only, which is not installed")
        self._connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
        for name in ("avro", "httpfs", "iceberg"):
            spec = importlib.util.find_spec(f"duckdb_extension_{name}")
            assert spec is not None
            assert spec.submodule_search_locations is not None
            root = Path(next(iter(spec.submodule_search_locations)))
            self._connection.execute(f"LOAD '{root}/extensions/v{duckdb.__version__}/{name}.duckdb_extension'")
        self._connection.execute(
            f"ATTACH '{WAREHOUSE}' AS lake (TYPE iceberg, ENDPOINT '{server.url}', TOKEN '{token}')"
        )

    def create(self, table: str) -> None:
        self._connection.execute(
            f"CREATE TABLE lake.{table} (id BIGINT, ts TIMESTAMP, s VARCHAR) PARTITIONED BY (month(ts))"
        )

    def append(self, table: str, rows: list[Row]) -> None:
        self._connection.executemany(f"INSERT INTO lake.{table} VALUES (?, ?, ?)", rows)

    def replace(self, table: str, rows: list[Row]) -> None:
        self._connection.execute("BEGIN")
        self._connection.execute(f"DELETE FROM lake.{table}")
        self.append(table, rows)
        self._connection.execute("COMMIT")

    def delete(self, table: str, id_: int) -> None:
        self._connection.execute(f"DELETE FROM lake.{table} WHERE id = {id_}")

    def read(self, table: str) -> list[Row]:
        return sorted(self._connection.execute(f"SELECT id, ts, s FROM lake.{table}").fetchall())


class Sail:
    """Spark SQL over a Sail process of its own, as a job has one."""

    def __init__(self, spark: Any) -> None:
        self._spark = spark

    def create(self, table: str) -> None:
        self.run(
            f"CREATE TABLE {WAREHOUSE}.{table} (id BIGINT, ts TIMESTAMP_NTZ, s STRING)"
            " USING iceberg PARTITIONED BY (months(ts))"
        )

    def append(self, table: str, rows: list[Row]) -> None:
        self.run(f"INSERT INTO {WAREHOUSE}.{table} {self._values(rows)}")

    def replace(self, table: str, rows: list[Row]) -> None:
        self.run(f"INSERT OVERWRITE {WAREHOUSE}.{table} {self._values(rows)}")

    def delete(self, table: str, id_: int) -> None:
        self.run(f"DELETE FROM {WAREHOUSE}.{table} WHERE id = {id_}")

    def read(self, table: str) -> list[Row]:
        return sorted(tuple(r) for r in self.run(f"SELECT id, ts, s FROM {WAREHOUSE}.{table}"))  # type: ignore[misc]

    def run(self, statement: str) -> list[Any]:
        """Any statement's rows."""
        return self._spark.sql(statement).collect()

    @staticmethod
    def _values(rows: list[Row]) -> str:
        texts = [f"({i}, TIMESTAMP_NTZ'{t.isoformat(sep=' ')}', {s!r})".replace("None", "NULL") for i, t, s in rows]
        return "VALUES " + ", ".join(texts)


@contextmanager
def sail(server: Server, token: str = USER) -> Iterator[Sail]:
    """A Sail process that knows the warehouse under one token."""
    port = free_port()
    catalogs = (
        '[{type="memory",name="sail",initial_database=["default"]},'
        f'{{type="iceberg-rest",name="{WAREHOUSE}",uri="{server.url}",warehouse="{WAREHOUSE}",'
        f'bearer_access_token="{token}"}}]'
    )
    objects = {
        "AWS_ENDPOINT": server.url.removesuffix("/iceberg"),
        "AWS_ACCESS_KEY_ID": token,
        "AWS_SECRET_ACCESS_KEY": "bearer",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
    }
    env = {
        **os.environ,
        **objects,
        "SAIL_CATALOG__LIST": catalogs,
        "SAIL_CATALOG__DEFAULT_CATALOG": '"sail"',
        "RUST_LOG": "error",
    }
    program = (
        f"from pysail.spark import SparkConnectServer\nSparkConnectServer('127.0.0.1', {port}).start(background=False)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], env=env)
    try:
        until = deadline(20)
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.02)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pyspark.sql import SparkSession

            spark = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create()
            spark.conf.set("spark.sql.session.timeZone", "UTC")
            try:
                yield Sail(spark)
            finally:
                spark.stop()
    finally:
        process.kill()
        process.wait()


Opener = Callable[["Server", str], AbstractContextManager[Engine]]


@dataclass
class Clients:
    """The clients of a matrix, by name: what opens one with a token."""

    known: dict[str, Opener]

    def readers(self) -> list[str]:
        """Those that can read here."""
        return list(self.known)

    def open(self, name: str, server: Server, token: str = USER) -> AbstractContextManager[Engine]:
        """One of them, until the end of the `with`."""
        return self.known[name](server, token)


def embedded() -> dict[str, Opener]:
    """The clients that need no process of their own. DuckDB needs its httpfs extension to attach a REST catalog."""
    found: dict[str, Opener] = {"pyiceberg": lambda s, t: nullcontext(PyIceberg(s, t)), "sail": sail}
    if importlib.util.find_spec("duckdb_extension_httpfs"):
        found["duckdb"] = lambda s, t: nullcontext(DuckDB(s, t))
    return found
