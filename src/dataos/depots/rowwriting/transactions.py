"""One statement's writes, for callers on the event loop: a thread of its own, which ends with it.

A statement that is cancelled has the database stop what it does and give up all of it. A commit that was begun is
waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from dataos.core import logs
from dataos.core.errors import DataOSError, fail
from dataos.depots.ports import EngineKind
from dataos.depots.rowwriting import values
from dataos.depots.rowwriting.facts import Clause, TableFacts
from dataos.depots.rowwriting.writer import RowWriter

T = TypeVar("T")
_log = logs.get(__name__)
_CLOSE_S = 10.0
Batches = AsyncIterator[Any]
KEY, ACTION, VALUES = 0, 2, 3
"""Columns of a batch of changes: what names the row, the number of its clause (from 1), and where the table's begin."""


class Transaction:
    """Use it as a context: what is not committed at its end is given up."""

    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="depot-write")
        self._closed = False
        self.facts: TableFacts | None = None

    @property
    def kind(self) -> EngineKind:
        """Which database it is."""
        return self._writer.kind

    async def __aenter__(self) -> Transaction:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give up what is not committed. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._writer.close)
        self._thread.shutdown(wait=False)
        await asyncio.wait({future}, timeout=_CLOSE_S)

    async def stand(self, schema: str, table: str) -> TableFacts:
        """Begin, and look at the table. Raises DataOSError `depot.*`, `query.unsupported` for what is no table."""

        def work() -> TableFacts:
            self._writer.connect()
            return self._writer.stand(schema, table)

        self.facts = await self._call(work)
        return self.facts

    async def append(self, columns: Sequence[str], batches: Batches) -> int:
        """Add rows; how many. Raises DataOSError `depot.*`, and what reading raises."""
        count = await self._added(columns, batches)
        await self._call(self._writer.finish)
        await self.commit()
        return count

    async def change(self, clauses: Sequence[Clause], columns: Sequence[str], changes: Batches) -> int:
        """Delete, update and insert rows; how many. `columns`: those of the table, as batches have them from VALUES on.

        Raises DataOSError `depot.row_twice`, `depot.conflict`, and as `append`.
        """
        places = [[VALUES + columns.index(c) for c in clause.columns] for clause in clauses]
        async for batch in changes:
            await self._call(self._take, clauses, places, batch)
        count = await self._call(self._writer.change)
        await self.commit()
        return count

    def _take(self, clauses: Sequence[Clause], places: Sequence[Sequence[int]], batch: Any) -> None:
        import pyarrow.compute

        pc: Any = pyarrow.compute
        actions = batch.column(ACTION)
        for number in sorted(pc.unique(actions).to_pylist()):
            clause = clauses[number - 1]
            rows = batch.filter(pc.equal(actions, number))
            keys = values.keys(rows.column(KEY)) if clause.action != "insert" else None
            self._writer.take(number, clause, keys, rows.select(places[number - 1]))

    async def create(
        self,
        schema: str,
        table: str,
        columns: Sequence[tuple[str, str, bool, str | None]],
        comment: str | None,
        batches: Batches | None,
    ) -> int:
        """Make a table, with rows if there are some; how many. Raises DataOSError `depot.exists`, and as `append`."""
        await self._call(self._writer.connect)
        await self._call(self._writer.make, schema, table, columns, comment)
        names = [name for name, *_ in columns]
        count = await self._added(names, batches) if batches is not None else 0
        await self._call(self._writer.finish)
        await self.commit()
        return count

    async def define(self, work: Callable[[RowWriter], T]) -> T:
        """Do something to a table or schema. Raises DataOSError `depot.*`, `query.unsupported`."""

        def done() -> T:
            self._writer.connect()
            self._writer.begin()
            self._writer.settle()
            answer = work(self._writer)
            self._writer.finish()
            return answer

        answer = await self._call(done)
        await self.commit()
        return answer

    async def empty(self) -> None:
        """Take all rows of the table away."""
        assert self.facts is not None  # noqa: S101 - `stand` was called
        await self._call(self._writer.settle)
        await self._call(self._writer.empty, self.facts.schema, self.facts.table)
        await self.commit()

    async def commit(self) -> None:
        """Let all of it be seen. Raises DataOSError `depot.outcome_unknown` if the connection failed meanwhile."""
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._writer.commit)
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait({future})
            raise
        except DataOSError:
            raise
        except Exception as error:
            if not self._writer.is_answer(error):
                raise
            if self._writer.refusal(error) is not None:
                raise self._writer.problem(error) from None
            raise fail(
                "depot.outcome_unknown",
                f"depot '{self._writer.entry.name}': the connection failed while the statement was committed: whether "
                "it was done is not known",
                hint="look at the table before you run it again",
            ) from None

    async def _added(self, columns: Sequence[str], batches: Batches) -> int:
        count = 0
        async for batch in batches:
            if batch.num_rows:
                count += await self._call(self._writer.append, columns, batch)
        return count

    async def _call(self, work: Callable[..., T], *arguments: Any) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*arguments))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.to_thread(self._abort)
            await asyncio.wait({future}, timeout=_CLOSE_S)
            raise
        except DataOSError:
            raise
        except Exception as error:
            if not self._writer.is_answer(error):
                raise
            raise self._writer.problem(error) from None

    def _abort(self) -> None:
        try:
            self._writer.abort()
        except Exception as error:  # noqa: BLE001 - drivers share no base class; closing the connection ends it too, only later
            _log.warning("database_call_not_stopped", depot=self._writer.entry.name, error=type(error).__name__)
