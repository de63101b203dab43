"""Rows into a Delta table, in one commit that names the delivery as an application transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dataos.core.errors import fail
from dataos.depots.ports import TableWriting, WriteMode
from dataos.depots.tableplaces import TRIES, Place, rows

if TYPE_CHECKING:
    from deltalake import DeltaTable


def write(
    place: Place,
    files: Sequence[Path],
    mode: WriteMode,
    mark: str,
    table: TableWriting,
    fence: Callable[[], None],
) -> None:
    from deltalake import CommitProperties, Transaction, write_deltalake
    from deltalake.exceptions import CommitFailedError

    options = dict(place.delta)
    for attempt in range(TRIES):
        there = _delta_table(place.location, options)
        if there is not None and mode == "append" and there.transaction_version(mark) is not None:
            return
        partitions = [p.column for p in table.partitions]
        if there is not None and partitions and mode == "append":
            _same_partitions(place, there.metadata().partition_columns, partitions)
        version = (there.transaction_version(mark) or 0) + 1 if there is not None else 1
        fence()
        try:
            write_deltalake(
                there if there is not None else place.location,
                rows(files),
                mode=mode,
                partition_by=partitions or None,
                schema_mode="overwrite" if mode == "overwrite" else None,
                configuration=dict(table.properties) if there is None else None,
                storage_options=options if there is None else None,
                commit_properties=CommitProperties(app_transactions=[Transaction(mark, version)]),
            )
            return
        except CommitFailedError:
            if attempt == TRIES - 1:
                raise


def _delta_table(location: str, options: dict[str, str]) -> DeltaTable | None:
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:  # `is_deltatable` would hold the interpreter's lock while it asks
        return DeltaTable(location, storage_options=options)
    except TableNotFoundError:
        return None


def _same_partitions(place: Place, known: Sequence[str], wanted: Sequence[str]) -> None:
    if list(known) != list(wanted):
        raise fail(
            "depot.table",
            f"{place.name} is partitioned by {', '.join(known) or 'nothing'}, not by {', '.join(wanted)}",
            hint="leave partitions out (an append takes the table's own), or overwrite the table",
        )
