"""Batches of streams: a program that goes on for long publishes what it did so far, with how far it has come.

A stream is a loop of runs inside one attempt (docs/decisions/0012). Each batch is a transaction: the tables that the
attempt holds are published, and the position of each input is kept, in one unit of work; then the attempt's view begins
anew. So wherever a program or a server dies, either the batch is published and its position kept, or neither is. What
a batch leaves for other places is brought before that, under a mark that is the same each time the batch is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, fail
from dataos.core.ids import Ids
from dataos.governance.principals import AttemptScope
from dataos.lakehouse.catalog import Catalog
from dataos.metadata.recording import Recorder
from dataos.processes.ports import ProcessRunner
from dataos.store import tables
from dataos.store.database import Store
from dataos.workloads import deliveries, states
from dataos.workloads.attempts import OPEN, WRITABLE, owner_of, recorded, result_of
from dataos.workloads.ports import Rooms
from dataos.workloads.states import State, Stream

_a = tables.attempts
_TRIES = 8


@dataclass(frozen=True)
class Begun:
    """Where a stream stands: the number of its last published batch (0: none), and the position of each input.

    `turn`: which beginning of the attempt this is. A commit of an earlier one, still under way, publishes nothing: what
    it would publish is undone.
    """

    stream: str
    number: int
    state: State
    turn: int


class Batches:
    """One per server; programs of attempts ask it, each for its own."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        runner: ProcessRunner,
        catalog: Catalog,
        rooms: Rooms,
        recorder: Recorder,
        checkpoint: Callable[[str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._runner = runner
        self._catalog = catalog
        self._rooms = rooms
        self._recorder = recorder
        self._checkpoint = checkpoint

    async def begin(self, scope: AttemptScope, checkpoint: str) -> Begun:
        """Undo what the attempt holds, and say where its stream stands. A position belongs to its `checkpoint`: under
        another one the stream begins anew, with its next published batch.

        Raises DataOSError `iceberg.settled` if the attempt has ended.
        """
        fresh = str(self._ids.uid())

        def write(connection: sa.Connection) -> tuple[bool, Begun]:
            row = self._open(connection, scope)
            dropped = self._catalog.drop_batch(connection, scope.attempt_id)
            turn = int((row.result or {}).get("turn", 0)) + 1
            self._note(connection, row, turn=turn)
            owner = owner_of(connection, scope.run_id)
            known = states.load_stream(connection, *owner, row.job)
            if known is None or known.checkpoint != checkpoint:
                # remembered at once: what a batch delivers elsewhere is marked by it, also if that batch is done again
                known = Stream(fresh, 0, checkpoint)
                states.begin_stream(connection, *owner, row.job, scope.run_id, known, self._clock.now_us())
                return dropped, Begun(known.id, 0, {}, turn)
            return dropped, Begun(known.id, known.number, states.load(connection, *owner, row.job), turn)

        dropped, begun = await self._store.write(write)
        if dropped:
            await self._catalog.collect_garbage()
        return begun

    async def commit(self, scope: AttemptScope, stream: str, turn: int, number: int, state: Mapping[str, Any]) -> None:
        """Publish what the attempt holds as batch `number` of its stream, with its position. Once: again changes
        nothing.

        Raises DataOSError `iceberg.conflict` (begin anew), `iceberg.settled` (the attempt has ended),
        `stream.out_of_order`, and what deliveries raise.
        """
        result = await result_of(self._runner, scope.attempt_id)
        row, done = await self._store.read(self._standing, scope, stream, turn, number)
        if done:
            return
        await self._catalog.clear_links((row.result or {}).get(WRITABLE, ()))
        await self._deliver(scope, row, stream, number)
        for _ in range(_TRIES):
            try:
                await self._catalog.prepare_publish(scope.attempt_id)
                self._checkpoint("streams.before-commit")
                await self._store.write(self._publish, scope, stream, turn, number, state, result)
                self._checkpoint("streams.after-commit")
                return
            except DataOSError as error:
                if error.problem.code != "iceberg.conflict" or error.problem.retry is None:
                    raise
        raise fail("iceberg.conflict", "its tables kept changing while a batch was being published", retry=1.0)

    # --- units of work ----------------------------------------------------------------------------------------------

    def _standing(
        self, connection: sa.Connection, scope: AttemptScope, stream: str, turn: int, number: int
    ) -> tuple[sa.Row[Any], bool]:
        """The attempt's row, and whether it published that batch already."""
        row = self._open(connection, scope)
        known = states.load_stream(connection, *owner_of(connection, scope.run_id), row.job)
        own: Mapping[str, Any] = row.result or {}
        mine = known is not None and known.id == stream and own.get("turn") == turn
        if mine and own.get("batch") == number:
            return row, True
        if known is None or not mine or number != known.number + 1:
            stands = "it has not begun" if known is None else f"its last batch is {known.number}"
            raise fail(
                "stream.out_of_order",
                f"batch {number} of a stream cannot be published: {stands}",
                hint="its state was reset or another run went on with it: the stream is read anew from there",
            )
        return row, False

    def _publish(
        self,
        connection: sa.Connection,
        scope: AttemptScope,
        stream: str,
        turn: int,
        number: int,
        state: Mapping[str, Any],
        result: Mapping[str, Any],
    ) -> None:
        row, done = self._standing(connection, scope, stream, turn, number)
        if done:
            return  # an answer of the store was lost on its way
        published = [str(t) for t in self._catalog.publish_batch(connection, scope.attempt_id)]
        workspace, resource = owner_of(connection, scope.run_id)
        now = self._clock.now_us()
        if not states.advance(connection, workspace, resource, row.job, scope.run_id, number, state, now):
            raise fail("request.invalid", "what a batch is to remember is no state of inputs")
        known = row.result or {}
        batches = int(known.get("batches", 0)) + 1
        published = list(dict.fromkeys([*known.get("published", ()), *published]))
        self._note(connection, row, batch=number, batches=batches, published=published)
        if batches == 1:
            self._recorder.goes_on(connection, recorded(row), result, now, row.started_at)

    @staticmethod
    def _note(connection: sa.Connection, row: sa.Row[Any], **more: Any) -> None:
        """Write down beside the attempt's plan."""
        connection.execute(_a.update().where(_a.c.id == row.id).values(result={**(row.result or {}), **more}))

    def _open(self, connection: sa.Connection, scope: AttemptScope) -> sa.Row[Any]:
        row = connection.execute(sa.select(_a).where(_a.c.id == scope.attempt_id)).first()
        if row is None or row.state not in OPEN:
            raise fail(
                "iceberg.settled",
                f"attempt {scope.attempt_id} has ended: it may change nothing any more",
                hint="a new attempt has its own token",
            )
        return row

    # --- outside of the store ---------------------------------------------------------------------------------------

    async def _deliver(self, scope: AttemptScope, row: sa.Row[Any], stream: str, number: int) -> None:
        if not deliveries.any_of(row.result):
            return

        async def fence() -> None:
            await self._store.read(self._open, scope)

        out = self._runner.out_folder(scope.attempt_id)
        await deliveries.bring(self._rooms, row.result, out, fence, (stream, number))
        self._checkpoint("streams.delivered")
