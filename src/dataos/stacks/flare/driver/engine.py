"""The embedded engine: a Sail server inside this process, and a session of it.

Everything heavy (pysail, pyspark) is imported here and at first use: a job that fails early never pays for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataos.core.secrecy import Secret
from dataos.stacks.flare.quoting import quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_CATALOGS = "SAIL_CATALOG__LIST"
_PREFIX = "dw_"
_LEAST_POOL = 128 << 20


class Engine:
    """One Sail and one session. `warehouses` become catalogs that SQL of ours can name and SQL of steps cannot."""

    def __init__(
        self, server: str, token: Secret, warehouses: Iterable[str], *, threads: int, memory_bytes: int, scratch: Path
    ) -> None:
        entries = ['{type="memory",name="sail",initial_database=["default"]}']
        for name in sorted(set(warehouses)):
            entries.append(
                f'{{type="iceberg-rest",name="{_PREFIX}{name}",uri="{server}/iceberg",warehouse="{name}",'
                f'bearer_access_token="{token.reveal()}"}}'
            )
        os.environ.setdefault("RUST_LOG", "error")
        os.environ["SAIL_CATALOG__DEFAULT_CATALOG"] = '"sail"'
        os.environ[_CATALOGS] = f"[{','.join(entries)}]"
        if threads > 0:
            os.environ.setdefault("SAIL_EXECUTION__DEFAULT_PARALLELISM", str(threads))
        if memory_bytes > 0:
            # What sorts, joins and aggregates may hold before they spill. The rest is for what the pool does not count:
            # this interpreter, decoded files on their way in, Parquet pages on their way out.
            pool = max(_LEAST_POOL, memory_bytes // 2)
            os.environ.setdefault("SAIL_RUNTIME__MEMORY_POOL__TYPE", "fair")
            os.environ.setdefault("SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE", str(pool))
        spill = scratch / "spill"
        spill.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("SAIL_RUNTIME__TEMPORARY_FILES__PATHS", f'["{spill}"]')
        from pysail.spark import SparkConnectServer

        self._sail = SparkConnectServer("127.0.0.1", 0)
        self._sail.start(background=True)
        self.session = self._connect()
        os.environ.pop(_CATALOGS, None)  # the session has its catalogs; no child needs the token

    def _connect(self) -> SparkSession:
        from pyspark.sql import SparkSession

        address: Any = self._sail.listening_address
        session = SparkSession.builder.remote(f"sc://{address[0]}:{address[1]}").getOrCreate()  # pyright: ignore[reportAttributeAccessIssue]
        session.conf.set("spark.sql.session.timeZone", "UTC")
        return session

    def sql(self, text: str) -> DataFrame:
        """A relation, not computed yet. Its `schema` is analysed at first look."""
        return self.session.sql(text)

    def run(self, text: str) -> list[Any]:
        """Compute a statement; its rows."""
        return self.session.sql(text).collect()

    def close(self) -> None:
        """End the session and the server."""
        self.session.stop()
        self._sail.stop()


def table_name(warehouse: str, namespace: Iterable[str], table: str) -> str:
    """The engine's name of a Lakehouse table."""
    return ".".join(quoted(part) for part in (_PREFIX + warehouse, *namespace, table))
