"""DuckDB files. A child process looks into them, because this one must not load the engine.

Only tables are shown: a view of such a file can name any file of this machine, and would be run by our engine.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.core.errors import fail
from dataos.depots import databases
from dataos.depots.ports import AdapterContext, ColumnDescription, DatabaseConnection, DepotEntry, EngineKind
from dataos.depots.types.jdbc.sqlite_file import database_file, no_database_file

_START_S = 10.0  # for the child, on a busy machine


class DuckdbAdapter:
    """JDBC depots with subprotocol duckdb; `database` is the file's path."""

    def __init__(self, context: AdapterContext) -> None:
        self._timeout_s = context.connect_timeout_s
        self._allowed = tuple(Path(os.path.realpath(p)) for p in context.allowed_paths)

    def engine_kind(self, entry: DepotEntry) -> EngineKind | None:
        """See `Attachable`."""
        return "duckdb"

    def connection(self, entry: DepotEntry, credentials: Mapping[str, str]) -> DatabaseConnection:
        """The file, links followed. Raises DataOSError `depot.path`."""
        return DatabaseConnection(kind="duckdb", path=str(database_file(entry, self._allowed)))

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        await self._ask(entry, timeout_s)

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        return sorted((await self._ask(entry, self._timeout_s))["schemas"])

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]:
        found = await self._ask(entry, self._timeout_s)
        return sorted(table for schema, table in found["tables"] if schema == collection)

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]:
        found = await self._ask(entry, self._timeout_s)
        rows = [c for c in found["columns"] if c[:2] == [collection, dataset]]
        if not rows:
            known = [table for schema, table in found["tables"] if schema == collection]
            raise fail(
                "depot.dataset_not_found",
                f"depot '{entry.name}' has no table '{collection}.{dataset}' (views of DuckDB files are not shown)",
                hint=names.did_you_mean(dataset, known),
            )
        return [ColumnDescription(name, type_, nullable) for _, _, name, type_, nullable in rows]

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        text = f"duckdb:{entry.location['database']}"
        return text + (f" {udl.collection}" + (f".{udl.dataset}" if udl.dataset else "") if udl.collection else "")

    async def _ask(self, entry: DepotEntry, timeout_s: float) -> dict[str, Any]:
        file = database_file(entry, self._allowed)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "dataos.depots.types.jdbc.duckdb_look",
            str(file),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        )
        try:
            async with asyncio.timeout(timeout_s + _START_S):
                output, _ = await process.communicate()
        except TimeoutError:
            raise databases.too_slow(entry, str(file), timeout_s) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        answer: dict[str, Any] = json.loads(output) if output else {"failed": "other"}
        failed = answer.get("failed")
        if failed == "locked":
            raise fail(
                "depot.unreachable",
                f"depot '{entry.name}': another program has {file} open for writing",
                hint="DuckDB files are read while nobody writes them: close it there, or read a copy",
                retry=10.0,
            )
        if failed == "version":
            raise fail(
                "depot.unsupported",
                f"depot '{entry.name}': {file} was written by a newer DuckDB than the one here",
                hint="write it with an older storage version",
            )
        if failed is not None:
            raise no_database_file(entry, "DuckDB")
        return answer
