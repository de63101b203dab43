"""Rows into tables, out of them, and changed: Arrow batches in, one commit each.

A statement that fails or is cancelled deletes what it wrote; what a killed server leaves is found by the maintenance of
orphans, and the folder of a table that was not made yet by garbage collection. Callers: the gateway. Knows no SQL and
no policy.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dataos.core.errors import DataOSError, fail
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.operations.committing import Changes
from dataos.lakehouse.views import CommitRequest, CreateRequest, TableRef, View

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table.metadata import TableMetadata

    from dataos.lakehouse.operations.changes import Planned
    from dataos.lakehouse.operations.plans import Plans
    from dataos.lakehouse.writing.datafiles import DataFileWriter

Batches = AsyncIterator[Any]
"""Arrow record batches: the table's columns in their order."""


@dataclass(frozen=True)
class Standing:
    """A table as a statement found it."""

    ref: TableRef
    uuid: str
    schema_id: int
    snapshot_id: int | None
    metadata: TableMetadata

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns, in their order."""
        return tuple(f.name for f in self.metadata.schema().fields)

    @property
    def identity(self) -> None:
        """Its rows are named by file and position."""
        return

    @property
    def telling(self) -> bool:
        """It has no keys whose errors would tell of rows."""
        return False

    async def aclose(self) -> None:
        """Nothing is held."""


class TableRows:
    """Writes rows over the catalog. Stateless."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._changes = Changes(catalog)

    async def stand(self, view: View, ref: TableRef) -> Standing:
        """A table before it is written. Raises DataOSError `iceberg.not_found.table`, `iceberg.unsupported`."""
        await self._catalog.load_table(view, ref)  # an attempt goes on with what it saw first
        here = await self._catalog.pointer(view, ref)
        metadata = await self._catalog.work(lambda: self._catalog.commits().load(here.metadata_location))
        if metadata.format_version >= 3:
            raise fail(
                "iceberg.unsupported",
                f"table `{ref}` has format version {metadata.format_version}, whose rows are numbered: SQL statements "
                "write tables of versions 1 and 2 only",
                hint="write it with an engine that numbers rows, as Apache Spark does, through the Iceberg catalog",
            )
        return Standing(ref, here.uuid, metadata.current_schema_id, metadata.current_snapshot_id, metadata)

    async def append(self, view: View, at: Standing, batches: Batches) -> int:
        """Add rows; how many. Others may have added some meanwhile.

        Raises DataOSError `iceberg.null`, `iceberg.value`, `iceberg.conflict` (the columns have changed meanwhile).
        """
        writer = await self._writer(at.metadata)
        return await self._written(view, at, writer, batches, frozenset, None)

    async def change(
        self, view: View, at: Standing, changes: Batches, survivors: Callable[[Sequence[str]], Batches]
    ) -> int:
        """Delete, update and insert rows in one commit on the snapshot that was read; how many.

        `changes`: columns file, position, action (`positions`) and the row as it becomes; `survivors`: rows of the
        named files with their file and position, which is asked once all changes are known. Raises as `append`, and
        `iceberg.row_twice`, `iceberg.conflict` if anybody else has committed meanwhile.
        """
        writer = await self._writer(at.metadata)
        files, _ = await self.files(at)
        known = await self._catalog.work(lambda: _parts().positions.Changes(files))

        async def rows() -> AsyncIterator[Any]:
            async for batch in changes:
                if (new := await self._catalog.work(known.take, batch)) is not None:
                    yield new
            if open_ := known.partly():
                async for batch in survivors(open_):
                    if (kept := await self._catalog.work(known.kept, batch)) is not None:
                        yield kept

        await self._written(view, at, writer, rows(), known.files, at.snapshot_id)
        return int(known.count)

    async def empty(self, view: View, at: Standing) -> int | None:
        """Take all rows away; how many they were, None where delete files make that uncertain."""
        files, deletes = await self.files(at)
        writer = await self._writer(at.metadata)
        await self._written(view, at, writer, _nothing(), lambda: frozenset(files), at.snapshot_id)
        return None if deletes else sum(files.values())

    async def files(self, at: Standing) -> tuple[dict[str, int], bool]:
        """Data files of main with their rows as written; are some of those deleted by delete files?"""
        found: tuple[dict[str, int], bool] = await self._catalog.work(
            lambda: _parts().rowchanges.live_files(self._catalog.files, at.metadata)
        )
        return found

    async def create(self, view: View, request: CreateRequest, batches: Batches | None) -> int:
        """Make a table, with rows in one commit if there are some; how many.

        Raises DataOSError `iceberg.exists.table`, `iceberg.not_found.namespace`, and as `append`.
        """
        if batches is None:
            await self._catalog.create_table(view, request)
            return 0
        staged = await self._catalog.create_table(view, request, stage=True)
        metadata: TableMetadata = await self._catalog.work(_parse, staged.metadata)
        writer = await self._writer(metadata)
        try:
            files = await self._fill(writer, batches)
            self._catalog.checkpoint("sql.rows-written")
            updates = await self._catalog.work(self._whole, metadata, files)
            commit = CommitRequest(request.ref, ({"type": "assert-create"},), updates)
            await _commit(writer, self._catalog.commit(view, [commit]))
        except BaseException:
            if not writer.kept:
                await self._catalog.work(self._catalog.files.delete_folder, metadata.location)
            raise
        return writer.rows

    # --- how --------------------------------------------------------------------------------------------------------

    async def _writer(self, metadata: TableMetadata) -> DataFileWriter:
        name = self._catalog.ids.uid()
        made: DataFileWriter = await self._catalog.work(
            lambda: _parts().datafiles.DataFileWriter(self._catalog.files, metadata, name)
        )
        return made

    async def _fill(self, writer: DataFileWriter, batches: Batches) -> list[DataFile]:
        try:
            async for batch in batches:
                await self._catalog.work(writer.write, batch)
            return await self._catalog.work(writer.finish)
        except BaseException:
            await self._catalog.work(writer.discard)
            raise

    async def _written(
        self,
        view: View,
        at: Standing,
        writer: DataFileWriter,
        batches: Batches,
        removed: Callable[[], frozenset[str]],
        read: int | None,
    ) -> int:
        files = await self._fill(writer, batches)
        gone = removed()
        if not files and not gone:
            return 0
        self._catalog.checkpoint("sql.rows-written")

        def plan(plans: Plans, metadata: TableMetadata) -> Planned:
            del plans
            _same_table(at, metadata)
            return _parts().rowchanges.change(
                self._catalog.files, metadata, files, gone, self._catalog.ids.uid(), self._now_ms(), read
            )

        try:
            await _commit(writer, self._changes.change(view, at.ref, plan))
        except BaseException:
            if not writer.kept:
                await self._catalog.work(writer.discard)
            raise
        return writer.rows

    def _whole(self, metadata: TableMetadata, files: Sequence[DataFile]) -> tuple[Mapping[str, Any], ...]:
        """All of a new table's metadata as updates of the protocol, with its first snapshot."""
        planned = _parts().rowchanges.change(
            self._catalog.files, metadata, files, frozenset(), self._catalog.ids.uid(), self._now_ms(), None
        )
        return (*_making(metadata), *planned.updates)

    def _now_ms(self) -> int:
        return self._catalog.clock.now_us() // 1000


async def _nothing() -> AsyncIterator[Any]:
    for batch in ():
        yield batch


async def _commit(writer: DataFileWriter, work: Coroutine[Any, Any, Any]) -> None:
    """A commit that was begun is waited for: the files of one that succeeded, or of which nothing is known, stay."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        writer.kept = task.exception() is None
        raise
    except DataOSError as error:
        writer.kept = error.problem.code.startswith("store.")
        raise
    writer.kept = True


def _parts() -> ModuleType:
    from dataos.lakehouse.writing import parts

    return parts


def _parse(content: bytes) -> TableMetadata:
    from pyiceberg.table.metadata import TableMetadataUtil

    return TableMetadataUtil.parse_raw(content.decode())


def _same_table(at: Standing, metadata: TableMetadata) -> None:
    if str(metadata.table_uuid) != at.uuid or metadata.current_schema_id != at.schema_id:
        raise fail(
            "iceberg.conflict",
            f"the columns of table `{at.ref}` have changed while the statement ran",
            hint="run it again",
            retry=0.0,
        )


def _making(metadata: TableMetadata) -> tuple[Mapping[str, Any], ...]:
    def body(model: Any) -> Any:
        return model.model_dump(mode="json", by_alias=True)

    return (
        {"action": "assign-uuid", "uuid": str(metadata.table_uuid)},
        {"action": "upgrade-format-version", "format-version": metadata.format_version},
        {"action": "set-location", "location": metadata.location},
        {"action": "add-schema", "schema": body(metadata.schema())},
        {"action": "set-current-schema", "schema-id": -1},
        {"action": "add-spec", "spec": body(metadata.spec())},
        {"action": "set-default-spec", "spec-id": -1},
        {"action": "add-sort-order", "sort-order": body(metadata.sort_order())},
        {"action": "set-default-sort-order", "sort-order-id": -1},
        {"action": "set-properties", "updates": dict(metadata.properties)},
    )
