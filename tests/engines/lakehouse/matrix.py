"""Apache Spark and Trino as clients of the catalog: the interface of `integration/lakehouse/engines.py`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from typing import Any

from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.session import SparkSession
from trino.dbapi import connect

from integration.lakehouse.engines import Row, Sail
from integration.lakehouse.helpers import WAREHOUSE, Server

_names = count(1)


class Spark(Sail):
    """Spark SQL: the same statements as over Sail, in a session whose catalog has one token."""


@contextmanager
def spark(address: str, server: Server, token: str) -> Generator[Spark]:
    """A session of an Apache Spark."""
    session: Any = SparkSession.builder.channelBuilder(DefaultChannelBuilder(address)).create()
    own = f"spark.sql.catalog.{WAREHOUSE}"
    session.conf.set("spark.sql.session.timeZone", "UTC")
    for key, value in {"type": "rest", "uri": server.url, "warehouse": WAREHOUSE, "token": token}.items():
        session.conf.set(f"{own}.{key}", value)
    session.conf.set(f"{own}.cache-enabled", "false")
    session.conf.set(own, "org.apache.iceberg.spark.SparkCatalog")
    try:
        yield Spark(session)
    finally:
        session.stop()


class Trino:
    """A Trino with a catalog of its own for one token."""

    def __init__(self, port: int, catalog: str) -> None:
        self._catalog = catalog
        self._cursor: Any = connect(host="127.0.0.1", port=port, user="test", timezone="UTC").cursor()

    def run(self, statement: str) -> list[Any]:
        """Any statement's rows."""
        return self._cursor.execute(statement).fetchall()

    def create(self, table: str) -> None:
        self.run(
            f"CREATE TABLE {self._catalog}.{table} (id BIGINT, ts TIMESTAMP(6), s VARCHAR) "
            "WITH (partitioning = ARRAY['month(ts)'])"
        )

    def append(self, table: str, rows: list[Row]) -> None:
        self.run(f"INSERT INTO {self._catalog}.{table} VALUES {self._values(rows)}")

    def replace(self, table: str, rows: list[Row]) -> None:
        """Trino has no overwrite: the table is made anew in one commit."""
        columns = f"SELECT CAST(id AS BIGINT) AS id, CAST(ts AS TIMESTAMP(6)) AS ts, CAST(s AS VARCHAR) AS s FROM (VALUES {self._values(rows)}) AS d (id, ts, s)"
        made = f"CREATE OR REPLACE TABLE {self._catalog}.{table} WITH (partitioning = ARRAY['month(ts)']) AS {columns}"
        self.run(made)

    def delete(self, table: str, id_: int) -> None:
        self.run(f"DELETE FROM {self._catalog}.{table} WHERE id = {id_}")

    def read(self, table: str) -> list[Row]:
        return sorted(tuple(r) for r in self.run(f"SELECT id, ts, s FROM {self._catalog}.{table}"))  # type: ignore[misc]

    @staticmethod
    def _values(rows: list[Row]) -> str:
        def text(value: str | None) -> str:
            return "NULL" if value is None else "'" + value.replace("'", "''") + "'"

        def moment(value: datetime) -> str:
            return f"TIMESTAMP '{value.isoformat(sep=' ', timespec='microseconds')}'"

        return ", ".join(f"({i}, {moment(t)}, {text(s)})" for i, t, s in rows)


@contextmanager
def trino(port: int, server: Server, token: str) -> Generator[Trino]:
    """A catalog of a Trino, dropped at the end."""
    name = f"lake{next(_names)}"
    properties = {
        "iceberg.catalog.type": "rest",
        "iceberg.rest-catalog.uri": server.url,
        "iceberg.rest-catalog.warehouse": WAREHOUSE,
        "iceberg.rest-catalog.security": "OAUTH2",
        "iceberg.rest-catalog.oauth2.token": token,
        "fs.hadoop.enabled": "true",
        "iceberg.rest-catalog.vended-credentials-enabled": "true",
        "fs.native-s3.enabled": "true",
        "s3.endpoint": server.url.removesuffix("/iceberg"),
        "s3.path-style-access": "true",
        "s3.region": "us-east-1",
    }
    listed = ", ".join(f"\"{k}\" = '{v}'" for k, v in properties.items())
    engine = Trino(port, name)
    engine.run(f"CREATE CATALOG {name} USING iceberg WITH ({listed})")
    try:
        yield engine
    finally:
        engine.run(f"DROP CATALOG {name}")
