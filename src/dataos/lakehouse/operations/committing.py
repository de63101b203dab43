"""One planned change of one table, committed: planned again where somebody else was first, or refused.

Each is a `Catalog.commit` whose requirements say what the plan looked at, so nothing is overwritten unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dataos.core.errors import DataOSError
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.views import CommitRequest, TableRef, View

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

    from dataos.lakehouse.operations.changes import Planned
    from dataos.lakehouse.operations.plans import Plans

_TRIES = 8


class Changes:
    """Looks at tables and changes them, with planners that are loaded late."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def plans(self) -> Plans:
        """What imports PyIceberg; call it in a worker thread."""
        from dataos.lakehouse.operations.plans import Plans

        return Plans(self._catalog.files, self._catalog.commits(), self._catalog.ids.uid, self._catalog.clock.now_us)

    async def look(self, view: View, ref: TableRef, look: Callable[[Plans, TableMetadata], Any]) -> Any:
        """What `look` finds in the table's metadata, read in a worker thread."""
        here = await self._catalog.pointer(view, ref)
        return await self._catalog.work(
            lambda: look(self.plans(), self._catalog.commits().load(here.metadata_location))
        )

    plan = look

    async def change(self, view: View, ref: TableRef, plan: Callable[[Plans, TableMetadata], Planned]) -> Planned:
        """Commit what `plan` says, once. Raises DataOSError as the plan does, and `iceberg.*`."""
        tries = 0
        while True:
            tries += 1
            here = await self._catalog.pointer(view, ref)
            planned: Planned = await self.look(view, ref, plan)
            if not planned.updates:
                return planned
            uuid = {"type": "assert-table-uuid", "uuid": here.uuid}
            request = CommitRequest(ref, (uuid, *planned.requirements), planned.updates)
            try:
                await self._catalog.commit(view, [request])
            except DataOSError as error:
                code = error.problem.code
                if not code.startswith("store."):  # there the outcome is not known
                    for path in planned.written:
                        await self._catalog.work(self._catalog.files.delete, path)
                if code != "iceberg.conflict" or tries == _TRIES:
                    raise
                continue
            return planned
