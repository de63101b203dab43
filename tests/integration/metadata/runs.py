"""A metadata room on a real store, with runs of Workflows whose attempts start and end as a test says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dataos.core.clock import ManualClock
from dataos.depots import resolver
from dataos.depots.ports import DepotEntry
from dataos.governance import seeding
from dataos.governance.audit import Audit
from dataos.governance.decisions import DecisionPoint
from dataos.metadata.reading import Reading
from dataos.metadata.receiving import Receiver
from dataos.metadata.recording import About, Attempt, Recorder
from dataos.store import tables, upgrades
from dataos.store.database import Store
from support import stores
from support.principals import operator, principal

OPERATOR = operator()
ANN, BOB = principal("ann"), principal("bob")
DEPOTS = [
    DepotEntry("files", "f", "FILE", {"path": "/data/files"}),
    DepotEntry("shop", "s", "POSTGRESQL", {"host": "db", "port": 5432, "database": "retail"}),
    DepotEntry("lake", "l", "ICEBERG", {"warehouse": "lake"}),
]


@dataclass
class Room:
    """The room, and how to make runs in it."""

    store: Store
    clock: ManualClock
    recorder: Recorder
    reading: Reading
    receiver: Receiver
    count: int = 0
    known: set[str] = field(default_factory=set)

    def workflow(self, name: str, owner: str = "ann", parent: str | None = None, trigger: str = "apply") -> str:
        """A run of a Workflow; its id."""
        self.count += 1
        run_id = f"run{self.count:09}"
        now = self.clock.now_us()

        def write(connection: sa.Connection) -> None:
            if name not in self.known:
                connection.execute(tables.resources.insert().values(
                    uid=name, live_key=f"workflow/public/{name}", type="workflow", workspace="public", name=name,
                    version="v1", layer="user", owner=owner, tags=[], generation=1, observed_generation=1, stamp="-a",
                    status="active", runtime="", stage="building", wanted=1, processed=1, info="", state={},
                    created_at=now, updated_at=now))  # fmt: skip
                connection.execute(tables.generations.insert().values(
                    uid=name, generation=1, manifest={}, digest="", source={}, applied_by=owner, applied_at=now))  # fmt: skip
            connection.execute(tables.runs.insert().values(
                id=run_id, uid=name, generation=1, trigger=f"{trigger}:{self.count}" if trigger == "apply" else trigger,
                state="running", stopping=False, reason="", created_at=now, parent=parent))  # fmt: skip

        self.store.write_sync(write)
        self.known.add(name)
        return run_id

    def attempt(
        self, run_id: str, job: str, reads: Sequence[str] = (), writes: Sequence[str] = (), number: int = 1
    ) -> Attempt:
        return Attempt(f"{run_id}-{job}-{number}", run_id, job, number, reads, writes)

    def start(self, attempt: Attempt, **about: Any) -> None:
        self.store.write_sync(self.recorder.started, attempt, About(**{"stack": "flare", **about}))

    def end(self, attempt: Attempt, result: dict[str, Any], type_: str = "COMPLETE", reason: str = "") -> None:
        self.clock.advance(1)
        now = self.clock.now_us()
        self.store.write_sync(self.recorder.ended, attempt, type_, result, reason, now, now)

    def run(self, workflow: str, job: str, inputs: dict[str, str], outputs: dict[str, str], lines: dict[str, list[str]] | None = None,
            owner: str = "ann", columns: dict[str, str] | None = None, type_: str = "COMPLETE", **more: Any) -> Attempt:  # fmt: skip
        """A whole run of one job: inputs and outputs are view -> address; `lines`: `output.column` -> `input.column`s."""
        run_id = self.workflow(workflow, owner)
        attempt = self.attempt(run_id, job, list(inputs.values()), list(outputs.values()))
        self.start(attempt)
        shown = [{"name": n, "type": t} for n, t in (columns or {"id": "long", "x": "double"}).items()]
        result = {
            "inputs": [{"name": n, "address": a, "columns": shown} for n, a in inputs.items()],
            "outputs": [{"name": n, "address": a, "rows": 7, "columns": shown, **more} for n, a in outputs.items()],
            "lineage": [
                {"output": key.split(".")[0], "column": key.split(".")[1], "resolved": True,
                 "inputs": [{"input": s.split(".")[0], "column": s.split(".")[1]} for s in sources]}
                for key, sources in (lines or {}).items()
            ],
        }  # fmt: skip
        self.end(attempt, result, type_)
        return attempt

    def all_events(self) -> list[dict[str, Any]]:
        e = tables.lineage_events
        return self.store.read_sync(lambda c: list(c.execute(sa.select(e.c.body).order_by(e.c.seq)).scalars()))

    def events(self) -> list[dict[str, Any]]:
        """Those of jobs, without those of the Workflows around them."""
        return [e for e in self.all_events() if not is_workflow(e)]


def is_workflow(event: dict[str, Any]) -> bool:
    """Is it about a run of a Workflow?"""
    return event["job"].get("facets", {}).get("jobType", {}).get("jobType") == "DAG"


@contextmanager
def room(folder: Path, sends: bool = False) -> Iterator[Room]:
    """A room on a fresh store with three Depots."""
    store = Store(stores.url(folder), readers=1)
    upgrades.upgrade(store)
    clock = ManualClock()
    store.write_sync(seeding.ensure, clock.now_us())
    store.on_notes = Audit(store, clock, b"k" * 32).append
    for entry in DEPOTS:
        store.write_sync(resolver.register, entry)
    try:
        yield Room(
            store,
            clock,
            Recorder(clock, "dataos", sends),
            Reading(store, clock, DecisionPoint()),
            Receiver(store, clock, "dataos"),
        )
    finally:
        store.close()
