"""Actions of a job on tables that it reads (ch04 6.8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from dataos.client.api import Client
from dataos.core.errors import fail
from dataos.stacks.flare import sql
from dataos.stacks.flare.actions import Planned
from dataos.stacks.flare.driver.catalog import Catalog, has_vectors
from dataos.stacks.flare.driver.engine import Engine, table_name
from dataos.stacks.flare.driver.job import Job
from dataos.stacks.flare.driver.output import Log
from dataos.stacks.flare.engines import EngineName
from dataos.stacks.flare.model import Input


def act(
    planned: Planned, job: Job, server: str, engine: Engine, catalog: Catalog, client: Client, entry: Input,
    views: Sequence[str], now: datetime, scratch: Path, log: Log,
) -> dict[str, Any]:  # fmt: skip
    """Do one action. Returns its counts. `views`: what its condition may name."""
    source = job.sources[entry.name]
    if planned.action is None:
        condition = sql.check_condition(planned.delete_where, views, now, engine.name).text
        name = table_name(source.warehouse, source.namespace, source.table)
        known = catalog.find(source.warehouse, source.namespace, source.table)
        if engine.name is EngineName.SAIL and known is not None and has_vectors(known, known.snapshot):
            raise fail(
                "stack.unsupported",
                f"{entry.address} has deletion vectors (format version 3): the embedded engine cannot delete from it",
                hint="let Apache Spark run the job (a Compute with a Spark address)",
            )
        before = engine.run(f"SELECT count(1) FROM {name}")[0][0]
        engine.run(f"DELETE FROM {name} AS target WHERE {condition}")
        return {"rowsDeleted": before - engine.run(f"SELECT count(1) FROM {name}")[0][0]}
    from pyiceberg.catalog import load_catalog

    from dataos.stacks.flare.driver.upkeep import actions

    tables = load_catalog(
        "dataos",
        type="rest",
        uri=f"{server}/iceberg",
        warehouse=source.warehouse,
        token=job.token.reveal(),
    )
    memory = (job.memory_bytes or 1 << 30) // 2
    return actions.run(
        planned.action,
        str(entry.address),
        lambda: tables.load_table((*source.namespace, source.table)),
        client,
        log.info,
        memory_bytes=memory,
        scratch=scratch,
    )
