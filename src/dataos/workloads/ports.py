"""What a Stack offers to the runnables (Workflow jobs today; Services and Workers later).

A stack is a folder `stacks/<name>/` with `spec.py` (what a stackSpec may say; imports core and manifest only),
`plan.py` (a `StackPlanner`: stackSpec -> Plan) and, if ours, the program that runs inside the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from dataos.core.errors import Problem
from dataos.core.ids import AttemptId, RunId, UserId
from dataos.processes.ports import Launch
from dataos.workloads.run_as import DataAccess

if TYPE_CHECKING:
    from dataos.depots.ports import DatabaseConnection, Delivery, Fence
    from dataos.depots.resolver import Depots
    from dataos.lakehouse.catalog import Catalog
    from dataos.workloads.computes import Computes

RESULT_FILE = "result.json"
"""What a job may leave in its out folder: {inputs, outputs, assertions, lineage, problems} (see `JobResult`)."""


@dataclass(frozen=True)
class JobRequest:
    """One job, as the runnable's manifest declares it, with the identity it runs as."""

    workspace: str
    resource: str  # name of the Workflow
    resource_id: str  # workflow:v1:load-orders:sales
    job: str
    run_as: UserId
    stack_spec: Mapping[str, Any]  # as written, plain JSON
    path: str  # of stackSpec in the manifest: workflow.dag[0].spec.stackSpec
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    log_level: str = "INFO"
    cpu: float | None = None  # as asked in the manifest; None: the stack's default
    memory_bytes: int | None = None
    timeout_s: float | None = None
    compute: str = "runnable-default"
    wrote: tuple[str, ...] = ()  # addresses that its newest try wrote, for `Adviser`; empty: it never ran


@dataclass(frozen=True)
class AttemptRequest:
    """One try at a job. `token` opens the attempt's view of the catalog and the server's API."""

    job: JobRequest
    run_id: RunId
    attempt_id: AttemptId
    number: int
    token: str
    state: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    """What the job remembers of earlier runs: input -> name -> value (`workloads.states`)."""


@dataclass(frozen=True)
class Handover:
    """Files that a program leaves below `folder` of its out folder; the server puts them where the address says once
    the program has ended well (`workloads.deliveries`)."""

    folder: str
    address: str
    mode: str  # overwrite | append
    mark: str  # the same for each try of the job: what an earlier one brought is replaced
    table: Mapping[str, Any] | None = None  # fields of `depots.ports.TableWriting`: the rows go into a table


@dataclass(frozen=True)
class Plan:
    """What will run, what it touches, and what a lost attempt may do."""

    launch: Launch
    reads: tuple[str, ...] = ()  # addresses
    writes: tuple[str, ...] = ()
    rerunnable: bool = False  # all effects are held until publish: a lost attempt may be started again
    deliveries: tuple[Handover, ...] = ()  # what its program leaves for places other than Lakehouses
    by_batch: bool = False  # it publishes batches (`workloads.batches`), and leaves nothing to bring at its end


class Loader(Protocol):
    """What puts rows into tables of databases."""

    async def load(self, target: DatabaseConnection, delivery: Delivery, fence: Fence) -> int | None:
        """Put all rows of a delivery's files into a table, in one transaction that ends after `fence`. None: this
        delivery was made before. Raises DataOSError."""
        ...


@dataclass(frozen=True)
class Rooms:
    """The lower rooms that planners may ask. Built once by the server."""

    depots: Depots
    catalog: Catalog
    access: DataAccess
    loader: Loader | None = None
    computes: Computes | None = None
    """None: only what ships is there (tests of stacks that need none)."""


class StackPlanner(Protocol):
    """stackSpec -> Plan. Stateless; one instance serves all jobs."""

    async def check(self, job: JobRequest, rooms: Rooms) -> list[Problem]:
        """What only the server can know at apply: depots exist and can do it, nothing refused by this installation.
        Problem paths start at `job.path`. The offline part is the stack's `spec.py`."""
        ...

    async def plan(self, attempt: AttemptRequest, rooms: Rooms) -> Plan:
        """The launch of one attempt. Raises DataOSError if the world changed since apply."""
        ...


@runtime_checkable
class Adviser(Protocol):
    """The ability of planners to say at apply what whoever applies a job should know and need not change."""

    async def advise(self, job: JobRequest, rooms: Rooms) -> list[Problem]:
        """Notices; paths as `check` gives them. Called for jobs that passed `check`."""
        ...


@dataclass(frozen=True)
class Placed:
    """Where a program outside of the server leaves what it writes. `target`: for the program, as JSON."""

    target: Mapping[str, Any]
    handover: Handover


@runtime_checkable
class Placer(Protocol):
    """The ability of planners to say where an output of a program goes that is no job."""

    async def place(self, output: Mapping[str, Any], name: str, rooms: Rooms) -> Placed:
        """`output`: as the stack's manifests have it; `name`: what has the same one is brought once. Raises
        DataOSError where it cannot go there; paths start at the output."""
        ...


@dataclass(frozen=True)
class JobResult:
    """What a job reported about itself in `RESULT_FILE`; every field may be absent.

    inputs: [{name, address, sources?, rows?, columns: [{name, type}]}], `sources` being addresses that a query names;
    outputs: [{name, address, rows, operation, columns, reads: [input], title, description, tags,
    columnTags: [{column, tags}]}];
    assertions: [{output, address, column?, test, value, passed}];
    lineage: [{output, column, inputs: [{input, column, address?}], resolved}];
    profile: {address, level, filters, rows, columns, correlations, labels}, or none; sql: the text of its steps;
    state: {input: {name: value}}, what the job is to remember;
    problems: [Problem JSON], where `path` is relative to stackSpec and `line`/`column` count inside that scalar's text.
    """

    inputs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    outputs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    assertions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    lineage: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    problems: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
