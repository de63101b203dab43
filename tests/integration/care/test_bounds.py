"""Rows and files that grow by themselves have upper bounds; what is in use stays."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from dataos.control import bounds
from dataos.control.bounds import Bounds
from dataos.kinds.workflow import keeping
from dataos.processes.ports import Usage
from dataos.store import tables
from dataos.store.database import Store
from dataos.workloads.files import AttemptFiles, FileQuotas
from support import stores
from support.stores import database, postgresql_server  # noqa: F401

DAY = 86_400_000_000
NOW = 100 * DAY


@pytest.fixture
def store(tmp_path):
    opened = Store(stores.url(tmp_path))
    opened.write_sync(tables.metadata.create_all)
    yield opened
    opened.close()


def put(store: Store, table: sa.Table, *rows: dict) -> None:
    store.write_sync(lambda c: c.execute(table.insert(), list(rows)))


def column(store: Store, what: sa.Column) -> list:
    return sorted(store.read_sync(lambda c: c.execute(sa.select(what)).scalars().all()))


def resource(store: Store, uid: str, generation: int = 1) -> None:
    put(
        store,
        tables.resources,
        {
            "uid": uid, "live_key": f"workflow/public/{uid}", "type": "workflow", "workspace": "public", "name": uid,
            "version": "v1", "layer": "user", "owner": "admin", "tags": [], "generation": generation,
            "observed_generation": 1, "stamp": "", "status": "active", "runtime": "", "stage": "building", "wanted": 1,
            "processed": 1, "info": "", "state": {}, "created_at": 1, "updated_at": 1,
        },
    )  # fmt: skip


def run(uid: str, name: str, state: str, at: int, generation: int = 1, parent: str | None = None) -> dict:
    return {
        "id": name, "uid": uid, "generation": generation, "trigger": name, "state": state, "stopping": False,
        "reason": "", "created_at": at, "started_at": at, "finished_at": at, "parent": parent, "path": None,
    }  # fmt: skip


def attempt(name: str, run_id: str, state: str, at: int) -> dict:
    return {
        "id": name, "run_id": run_id, "job": name, "number": 1, "state": state, "cpu": 1.0, "memory_bytes": 1,
        "reason": "", "exit_code": 0, "result": {}, "created_at": at, "started_at": at, "finished_at": at,
        "server": None,
    }  # fmt: skip


def trim(store: Store, **limits: int) -> dict[str, int]:
    wanted = {"events": 10**6, "idempotency_keys": 10**6, "generations": 10**6} | limits
    return asyncio.run(bounds.trim(store, Bounds(**wanted), NOW))


def test_the_oldest_events_and_answers_go(store):
    put(store, tables.events, *({"at": n, "uid": None, "kind": "x", "actor": "a", "data": {}} for n in range(2500)))
    put(
        store,
        tables.idempotency,
        *({"key": f"k{n:02}", "request": "", "answer": {}, "created_at": n} for n in range(30)),
    )
    removed = trim(store, events=100, idempotency_keys=7)
    assert (removed["events"], removed["idempotency_keys"]) == (2400, 23)
    assert column(store, tables.events.c.at) == list(range(2400, 2500))
    assert column(store, tables.idempotency.c.key) == [f"k{n}" for n in range(23, 30)]
    assert trim(store, events=100, idempotency_keys=7)["events"] == 0


def test_generations_that_runs_were_made_of_and_the_newest_ones_stay(store):
    resource(store, "w", generation=10)
    put(
        store,
        tables.generations,
        *(
            {
                "uid": "w",
                "generation": n,
                "manifest": {},
                "digest": "",
                "source": {},
                "applied_by": "a",
                "applied_at": 1,
            }
            for n in range(1, 11)
        ),
    )
    put(store, tables.runs, run("w", "r", "succeeded", 1, generation=2))
    assert trim(store, generations=3)["generations"] == 6
    assert column(store, tables.generations.c.generation) == [2, 8, 9, 10]


def test_spent_tokens_and_closed_views_go_when_nothing_needs_them(store):
    put(store, tables.users, {"id": "u", "name": "u", "type": "person", "tags": [], "created_at": 1})
    token = {"user_id": "u", "name": "", "scope": {}, "created_at": 1, "expires_at": None}
    put(
        store,
        tables.tokens,
        {**token, "id": "old", "digest": "1", "kind": "attempt", "revoked_at": NOW - 8 * DAY},
        {**token, "id": "young", "digest": "2", "kind": "attempt", "revoked_at": NOW - DAY},
        {**token, "id": "open", "digest": "3", "kind": "attempt", "revoked_at": None},
        {**token, "id": "key", "digest": "4", "kind": "apikey", "revoked_at": NOW - 80 * DAY},
    )
    resource(store, "w")
    put(store, tables.runs, run("w", "r", "succeeded", 1))
    put(store, tables.attempts, attempt("known", "r", "succeeded", 1))
    view = {"outcome": "published", "tables": []}
    put(
        store,
        tables.publications,
        {**view, "attempt_id": "forgotten", "settled_at": NOW - 8 * DAY},
        {**view, "attempt_id": "known", "settled_at": NOW - 8 * DAY},
        {**view, "attempt_id": "young", "settled_at": NOW},
    )
    trim(store)
    assert column(store, tables.tokens.c.id) == ["key", "open", "young"]
    assert column(store, tables.publications.c.attempt_id) == ["known", "young"]


def test_the_oldest_ended_runs_of_all_go_with_what_is_below_them(store):
    resource(store, "v")
    resource(store, "w")
    put(
        store,
        tables.runs,
        run("v", "open", "running", 0),
        *(run("w", f"r{n:02}", "succeeded", n) for n in range(1, 60)),
    )
    put(store, tables.runs, run("w", "inner", "succeeded", 1, parent="r01/a"))
    job = {"position": 0, "state": "succeeded", "attempt": 1, "reason": ""}
    put(store, tables.jobs, {**job, "run_id": "r01", "name": "a"}, {**job, "run_id": "r59", "name": "a"})
    put(store, tables.attempts, attempt("r01-a-1", "r01", "succeeded", 1))
    assert asyncio.run(keeping.prune_runs(store, 10)) == 50
    assert column(store, tables.runs.c.id) == ["open", *(f"r{n}" for n in range(51, 60))]
    assert column(store, tables.jobs.c.run_id) == ["r59"]
    assert column(store, tables.attempts.c.id) == []


class Files:
    """A runner's folders, as sizes."""

    def __init__(self, **sizes: tuple[int, int]) -> None:
        self.sizes = {name: Usage(*pair) for name, pair in sizes.items()}
        self.asked = 0

    async def keys(self) -> list[str]:
        return sorted(self.sizes)

    async def usage(self, key: str) -> Usage:
        self.asked += 1
        return self.sizes[key]

    async def shed(self, key: str, *, log: bool) -> None:
        known = self.sizes[key]
        self.sizes[key] = Usage(0, known.rest) if log else Usage(known.log, 0)

    def left(self) -> dict[str, tuple[int, int]]:
        return {name: (u.log, u.rest) for name, u in self.sizes.items()}


@pytest.fixture
def ended(store) -> Store:
    """Attempts a, b, c of ended runs, in this order of ends; d ended in a run that goes on, e in a nested run below
    that one; f runs."""
    resource(store, "w")
    put(
        store, tables.runs, run("w", "ra", "succeeded", 1), run("w", "rb", "failed", 2), run("w", "rc", "aborted", 3),
        run("w", "rd", "running", 4), run("w", "re", "succeeded", 0, parent="rd/x"),
    )  # fmt: skip
    put(
        store, tables.attempts, attempt("a", "ra", "succeeded", 1), attempt("b", "rb", "failed", 2),
        attempt("c", "rc", "aborted", 3), attempt("d", "rd", "succeeded", 0), attempt("e", "re", "succeeded", 0),
        attempt("f", "rd", "running", 0),
    )  # fmt: skip
    return store


def test_the_oldest_files_go_and_none_of_a_run_that_goes_on(ended, tmp_path):
    files = Files(**dict.fromkeys("abcdef", (10, 100)))
    kept = AttemptFiles(ended, files, tmp_path, FileQuotas(logs=25, scratch=150, free=0))
    assert asyncio.run(kept.trim()) == 2
    assert files.left() == {"a": (0, 0), "b": (10, 0), "c": (10, 100), **dict.fromkeys("def", (10, 100))}
    assert kept.used == Usage(20, 100)
    files.asked = 0
    assert asyncio.run(kept.trim()) == 0
    assert files.asked == 0, "ended attempts are measured once"


def test_a_full_disk_takes_all_that_ended_and_lets_nothing_begin(ended, tmp_path):
    files = Files(**dict.fromkeys("abcdef", (10, 100)))
    kept = AttemptFiles(ended, files, tmp_path, FileQuotas(logs=10**9, scratch=10**9, free=1 << 60))
    assert "quotas.free_mib" in kept.closed()
    asyncio.run(kept.trim())
    assert files.left() == {**dict.fromkeys("abc", (0, 0)), **dict.fromkeys("def", (10, 100))}
    assert AttemptFiles(ended, files, tmp_path, FileQuotas(1, 1, 0)).closed() == ""
