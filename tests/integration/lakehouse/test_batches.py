"""Batches of streams: published with their position, once, whoever else goes on with the stream."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dataos.core.clock import SystemClock
from dataos.core.errors import DataOSError
from dataos.core.ids import AttemptId, RandomIds, RunId
from dataos.governance.principals import AttemptScope
from dataos.metadata.recording import Recorder
from dataos.store import tables
from dataos.workloads import states
from dataos.workloads.batches import Batches, Begun
from integration.lakehouse.helpers import Server, client, ids_of, rows

pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)


class Files:
    """Of programs that left nothing."""

    async def read_out(self, *_: Any) -> bytes | None:
        return None

    def out_folder(self, _: str) -> Path:
        raise AssertionError


@pytest.fixture
def batches(server: Server) -> Batches:
    def fill(connection: Any) -> None:
        resource = {"uid": "u", "live_key": "w", "type": "workflow", "workspace": "public", "name": "wf", "version": "v1",
                    "layer": "user", "owner": "me", "tags": [], "generation": 1, "observed_generation": 1, "stamp": "",
                    "status": "active", "runtime": "", "stage": "", "wanted": 1, "processed": 1, "info": "", "state": {},
                    "created_at": 1, "updated_at": 1}  # fmt: skip
        connection.execute(tables.resources.insert().values(**resource))
        for run in ("r1", "r2"):
            row = {"id": run, "uid": "u", "generation": 1, "trigger": run, "state": "running", "stopping": False}
            connection.execute(tables.runs.insert().values(**row, reason="", created_at=1))
            attempt = {"id": f"{run}-j-1", "run_id": run, "job": "j", "number": 1, "state": "running", "cpu": 1.0}
            connection.execute(tables.attempts.insert().values(**attempt, memory_bytes=1, reason="", created_at=1))

    server.store.write_sync(fill)
    rooms: Any = None
    runner: Any = Files()
    clock = SystemClock()
    recorder = Recorder(clock, "dataos", sends=False)
    return Batches(server.store, clock, RandomIds(), runner, server.catalog, rooms, recorder, lambda _: None)


A = AttemptScope("public", RunId("r1"), AttemptId("r1-j-1"))
B = AttemptScope("public", RunId("r2"), AttemptId("r2-j-1"))


def begin(batches: Batches, scope: AttemptScope = A, checkpoint: str = "/x") -> Begun:
    return asyncio.run(batches.begin(scope, checkpoint))


def commit(batches: Batches, begun: Begun, number: int, at: int, scope: AttemptScope = A) -> None:
    asyncio.run(batches.commit(scope, begun.stream, begun.turn, number, {"raw": {"0": str(at)}}))


def append(server: Server, table: str, *ids: int, scope: AttemptScope = A) -> None:
    client(server, f"attempt:{scope.attempt_id}").load_table(table).append(rows(*ids))


def refused(call: Any, code: str) -> None:
    with pytest.raises(DataOSError) as caught:
        call()
    assert caught.value.problem.code == code


def test_a_batch_is_published_with_its_position_and_the_view_begins_anew(
    server: Server, orders: str, batches: Batches
) -> None:
    begun = begin(batches)
    assert (begun.number, begun.state) == (0, {})
    append(server, orders, 3)
    assert ids_of(server, orders) == [1, 2]
    commit(batches, begun, 1, 10)
    assert ids_of(server, orders) == [1, 2, 3]
    client(server).load_table(orders).append(rows(4))
    assert ids_of(server, orders, f"attempt:{A.attempt_id}") == [1, 2, 3, 4], "it sees what others published since"
    append(server, orders, 5)
    commit(batches, begun, 2, 20)
    assert ids_of(server, orders) == [1, 2, 3, 4, 5]
    again = begin(batches)
    assert (again.number, again.state["raw"], again.stream) == (2, {"0": "20"}, begun.stream)
    assert ids_of(server, orders) == [1, 2, 3, 4, 5]
    query = tables.attempts.select().where(tables.attempts.c.id == A.attempt_id)
    kept = server.store.write_sync(lambda c: c.execute(query).mappings().one())
    assert kept["result"]["batches"] == 2
    assert kept["result"]["published"] == ["dataos://lakehouse:sales/orders"]


def test_a_commit_that_is_repeated_changes_nothing(server: Server, orders: str, batches: Batches) -> None:
    begun = begin(batches)
    append(server, orders, 3)
    commit(batches, begun, 1, 10)
    commit(batches, begun, 1, 10)
    assert ids_of(server, orders) == [1, 2, 3]


def test_to_begin_undoes_what_is_held(server: Server, orders: str, batches: Batches) -> None:
    begin(batches)
    append(server, orders, 3)
    begun = begin(batches)
    assert ids_of(server, orders, f"attempt:{A.attempt_id}") == [1, 2]
    append(server, orders, 4)
    commit(batches, begun, 1, 10)
    assert ids_of(server, orders) == [1, 2, 4]


def test_a_commit_that_was_given_up_publishes_no_position_without_its_rows(
    server: Server, orders: str, batches: Batches
) -> None:
    """Its answer was lost while it was still under way: the program has begun anew meanwhile, and what it held is
    undone."""
    late = begin(batches)
    append(server, orders, 3)
    begun = begin(batches)
    refused(lambda: commit(batches, late, 1, 10), "stream.out_of_order")
    assert "raw" not in begin(batches).state
    assert begun.number == 0


def test_two_runs_of_one_stream_do_not_double_it(server: Server, orders: str, batches: Batches) -> None:
    first, second = begin(batches), begin(batches, B)
    assert first.stream == second.stream
    append(server, orders, 3)
    append(server, orders, 3, scope=B)
    commit(batches, first, 1, 10)
    refused(lambda: commit(batches, second, 1, 10, B), "stream.out_of_order")
    second = begin(batches, B)
    assert (second.number, second.state["raw"]) == (1, {"0": "10"})
    append(server, orders, 4, scope=B)
    commit(batches, second, 2, 20, B)
    assert ids_of(server, orders) == [1, 2, 3, 4]


def test_a_reset_of_an_input_stops_the_batch_under_way(server: Server, orders: str, batches: Batches) -> None:
    begun = begin(batches)
    append(server, orders, 3)
    commit(batches, begun, 1, 10)
    assert server.store.write_sync(states.forget, "public", "wf", "j", "raw") == 1
    append(server, orders, 4)
    refused(lambda: commit(batches, begun, 2, 20), "stream.out_of_order")
    again = begin(batches)
    assert (again.number, "raw" in again.state) == (1, False)
    assert server.store.write_sync(states.forget, "public", "wf", None, None) == 0
    assert begin(batches).number == 0


def test_another_checkpoint_begins_anew(server: Server, orders: str, batches: Batches) -> None:
    begun = begin(batches)
    append(server, orders, 3)
    commit(batches, begun, 1, 10)
    other = begin(batches, checkpoint="/y")
    assert (other.number, other.state) == (0, {})
    assert other.stream != begun.stream


def test_an_attempt_that_has_ended_publishes_nothing(server: Server, orders: str, batches: Batches) -> None:
    begun = begin(batches)
    append(server, orders, 3)
    server.store.write_sync(lambda c: c.execute(tables.attempts.update().values(state="lost")) and None)
    refused(lambda: commit(batches, begun, 1, 10), "iceberg.settled")
    refused(lambda: begin(batches), "iceberg.settled")
    assert ids_of(server, orders) == [1, 2]
