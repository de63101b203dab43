"""Where the plan lets views go: tables of Lakehouses, and files that the server brings to their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataos.client.api import Client
from dataos.stacks.flare import tagging
from dataos.stacks.flare.driver import avromessages, pulsarmessages
from dataos.stacks.flare.driver.catalog import Table
from dataos.stacks.flare.driver.filewriters import FileWriters
from dataos.stacks.flare.driver.job import Target
from dataos.stacks.flare.driver.output import Log, Result
from dataos.stacks.flare.driver.writers import Writers
from dataos.stacks.flare.model import Output


@dataclass(frozen=True)
class Prepared:
    """A view that fits its destination: the table that is there, if any, and the select list of what is written."""

    table: Table | None
    chosen: Sequence[str]


class Destinations:
    """Writes views of one run to their targets, and tells of it in the run's result."""

    def __init__(self, tables: Writers, files: FileWriters, out: Path, client: Client, log: Log) -> None:
        """`out`: the job's out folder; `client`: of the server."""
        self._tables = tables
        self._files = files
        self._out = out
        self._client = client
        self._log = log

    def prepare(self, output: Output, target: Target) -> Prepared:
        """Compare a view with its target. Raises DataOSError where it does not fit: nothing is changed then."""
        if target.kind == "table":
            return Prepared(*self._tables.prepare(output, target))
        return Prepared(None, self._files.prepare(output, target))

    def write(self, output: Output, target: Target, ready: Prepared, reads: Sequence[str], result: Result) -> None:
        """Write a view. `reads`: names of the inputs that it stands on. Raises DataOSError, and as the engine."""
        self._log.info(f"writing {output.name} to {output.address} ({output.mode})")
        with result.timed(f"output {output.name}"):
            if target.kind == "table":
                written = self._tables.write(output, target, ready.table, ready.chosen)
            else:
                written = self._files.write(output, target, ready.chosen)
                if target.messages == "kafkaavro":
                    avromessages.encode(self._out / target.folder, output, self._client)
                elif target.messages == "pulsar":
                    pulsarmessages.encode(self._out / target.folder, output, self._client)
        rows = "rows unknown" if written.rows is None else f"{written.rows} rows"
        self._log.info(f"{output.address}: {rows}{', new table' if written.created else ''}")
        result.outputs.append(
            {
                "name": output.name,
                "address": str(output.address),
                "rows": written.rows,
                "operation": written.operation,
                "columns": written.columns,
                "title": output.title,
                "description": output.description,
                "tags": list(output.tags),
                "columnTags": self._tags(output, written.columns),
                "reads": list(reads),
            }
        )

    def _tags(self, output: Output, columns: list[dict[str, str]]) -> list[dict[str, Any]]:
        """Tags of the columns that were written."""
        found = tagging.resolve(output.column_tags, [c["name"] for c in columns])
        for name in found.unknown:
            self._log.warning(f"{output.address}: columnTags names the column `{name}`, which is not there")
        return [{"column": column, "tags": tags} for column, tags in found.tags.items()]
