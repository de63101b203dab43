"""Writing Iceberg and Delta tables that lie in folders, without a catalog: rows of Parquet files in one commit.

A commit shows at once and to one writer only. Who comes second takes what the first one wrote into account and tries
again. A commit names the delivery's mark, so that an append is done once however often it is brought.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from dataos.core.errors import DataOSError, fail
from dataos.depots import deltawriting, icebergwriting, placing, tableformats
from dataos.depots.ports import Delivery, Fence, TableWriting, WriteMode
from dataos.depots.tableformats import Folder
from dataos.depots.tableplaces import Place


async def deliver(
    place: Place, folder: Folder, path: str, delivery: Delivery, table: TableWriting, fence: Fence
) -> None:
    """Bring a delivery's rows into the table at `path` of a depot's folder. Raises as `write`."""
    loop = asyncio.get_running_loop()
    names = await asyncio.to_thread(placing.staged, delivery.folder)
    files = [delivery.folder / name for name in names if name.endswith(".parquet")]

    def newest() -> str | None:
        return asyncio.run_coroutine_threadsafe(_newest(folder, path), loop).result()

    async def look() -> None:
        await fence()

    def fenced() -> None:
        asyncio.run_coroutine_threadsafe(look(), loop).result()

    current = await _newest(folder, path)
    other = "DELTA" if table.format == "iceberg" else "ICEBERG"
    if await tableformats.is_table(folder, other, path):
        raise fail("depot.table", f"{place.name} is a table of format {other.lower()}", hint="name another dataset")
    arguments = (place, current, files, delivery.mode, delivery.mark, table, fenced, newest)
    await asyncio.to_thread(write, *arguments)


async def _newest(folder: Folder, path: str) -> str | None:
    found = await tableformats.metadata_path(folder, path)
    return folder.place(found) if found is not None else None


def write(
    place: Place,
    current: str | None,
    files: Sequence[Path],
    mode: WriteMode,
    mark: str,
    table: TableWriting,
    fence: Callable[[], None],
    newest: Callable[[], str | None],
) -> None:
    """Bring the rows of Parquet files (all of one schema) into the table.

    `current` is the address of an Iceberg table's metadata file, None for a table that is to be made; `newest` looks
    again. `fence` is called right before the commit. Raises DataOSError `depot.table`, and what `fence` raises.
    """
    try:
        if table.format == "delta":
            deltawriting.write(place, files, mode, mark, table, fence)
        else:
            icebergwriting.write(place, current, files, mode, mark, table, fence, newest)
    except DataOSError:
        raise
    except Exception as error:  # noqa: BLE001 - both libraries raise many classes
        raise _problem(place, error) from None


def _problem(place: Place, error: Exception) -> DataOSError:
    """Words for a library's error; its own may show requests with their headers, so only known ones are repeated."""
    text = str(error)
    if isinstance(error, PermissionError) or "403" in text or "AccessDenied" in text:
        return fail("depot.credentials", f"{place.name} may not be written with the depot's credentials")
    if isinstance(error, OSError) and error.strerror:
        return fail("depot.path", f"{place.name} cannot be written: {error.strerror}", hint="is the disk full?")
    words = ("chema", "type", "column", "field", "partition")
    if any(word in text for word in words) and "http" not in text:
        return fail(
            "depot.table",
            f"{place.name} does not take these rows: {' '.join(text.split())[:500]}",
            hint="an append needs the table's own columns and types; an overwrite brings its own",
        )
    return fail(
        "depot.table", f"{place.name} cannot be written ({type(error).__name__})", hint="repeat it later", retry=10.0
    )
