"""Writing Iceberg and Delta tables that lie in folders, without a catalog: rows of Parquet files in one commit.

A commit shows at once and to one writer only. Who comes second takes what the first one wrote into account and tries
again. A commit names the delivery's mark, so that an append is done once however often it is brought.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dataos.core.errors import DataOSError, fail
from dataos.depots import deltawriting, icebergwriting, placing, tableformats
from dataos.depots.ports import Delivery, Fence, TableWriting
from dataos.depots.tableformats import Folder
from dataos.depots.tableplaces import Place, Writing


async def deliver(
    place: Place, folder: Folder, path: str, delivery: Delivery, table: TableWriting, fence: Fence
) -> None:
    """Bring a delivery's rows into the table at `path` of a depot. Raises DataOSError `depot.*`; and as `fence`."""
    loop = asyncio.get_running_loop()
    names = await asyncio.to_thread(placing.staged, delivery.folder)
    files = [delivery.folder / name for name in names if name.endswith(".parquet")]

    def newest() -> str | None:
        return asyncio.run_coroutine_threadsafe(_newest(folder, path), loop).result()

    async def look() -> None:
        await fence()

    def fenced() -> None:
        asyncio.run_coroutine_threadsafe(look(), loop).result()

    other = "DELTA" if table.format == "iceberg" else "ICEBERG"
    if await tableformats.is_table(folder, other, path):
        raise fail("depot.table", f"{place.name} is a table of format {other.lower()}", hint="name another dataset")
    writing = Writing(place, files, delivery.mode, delivery.mark, table, fenced)
    await asyncio.to_thread(_write, writing, newest)


async def _newest(folder: Folder, path: str) -> str | None:
    found = await tableformats.metadata_path(folder, path)
    return folder.place(found) if found is not None else None


def _write(writing: Writing, newest: Callable[[], str | None]) -> None:
    try:
        if writing.table.format == "delta":
            deltawriting.write(writing)
        else:
            icebergwriting.write(writing, newest)
    except DataOSError:
        raise
    except Exception as error:  # noqa: BLE001 - both libraries raise many classes
        raise _problem(writing.place, error) from None


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
