"""Rows into a Delta table, in one commit that names the delivery as an application transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataos.core.errors import fail
from dataos.depots.tableplaces import TRIES, Place, Writing

if TYPE_CHECKING:
    from deltalake import DeltaTable


def write(writing: Writing) -> None:
    """Bring the rows into the table, which is made if need be. Raises DataOSError `depot.table`, what the fence raises,
    and what the library does."""
    from deltalake import CommitProperties, Transaction, write_deltalake
    from deltalake.exceptions import CommitFailedError

    place, mode, mark = writing.place, writing.mode, writing.mark
    partitions = [p.column for p in writing.table.partitions]
    options = dict(place.delta)
    for attempt in range(TRIES):
        there = _delta_table(place.location, options)
        done = there.transaction_version(mark) if there is not None else None
        if there is not None and mode == "append":
            if done is not None:
                return
            if partitions:
                _same_partitions(place, there.metadata().partition_columns, partitions)
        writing.fence()
        try:
            write_deltalake(
                there if there is not None else place.location,
                writing.rows(),
                mode=mode,
                partition_by=partitions or None,
                schema_mode="overwrite" if mode == "overwrite" else None,
                configuration=dict(writing.table.properties) if there is None else None,
                storage_options=options if there is None else None,
                commit_properties=CommitProperties(app_transactions=[Transaction(mark, (done or 0) + 1)]),
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
