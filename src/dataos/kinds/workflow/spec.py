"""What a Workflow manifest may say (ch03 2.1): a DAG of jobs and of nested Workflows, once or on a schedule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, cast
from zoneinfo import ZoneInfo

from dataos.core import names
from dataos.core.addresses import ResourceKey
from dataos.core.clock import to_us
from dataos.manifest import quantities, registry, schedules
from dataos.manifest.annotations import Shape, Words, filled, needs, one_needed, rules
from dataos.manifest.blocks import SecretUse
from dataos.manifest.documents import Context, KindReading, Reference
from dataos.manifest.runnables import Runnable, RunnableBlock, read_runnable
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

RetryStrategy = Literal["Always", "OnFailure", "OnError", "OnTransientError"]
ConcurrencyPolicy = Literal["Allow", "Forbid", "Replace"]
POLICIES: tuple[ConcurrencyPolicy, ...] = ("Allow", "Forbid", "Replace")
MAX_DEPTH = 8
"""Workflows inside Workflows."""
TRANSIENT_PATTERN = "TRANSIENT_ERROR_PATTERN"
"""Of a job's `envs`: a regular expression for failures that may pass."""
STRATEGIES: tuple[RetryStrategy, ...] = ("Always", "OnFailure", "OnError", "OnTransientError")


class RetryBlock(Spec):
    """`retry` of a job."""

    count: int = 0
    """How often a failed job is tried again."""
    strategy: Annotated[Text, Words(*STRATEGIES)] = "OnFailure"
    """After which failures it is tried again."""
    duration: Text | None = None
    """How long to wait before: `30s`."""
    max_duration: Text | None = None
    """No try begins later than this after the first."""


class WorkflowUse(Spec):
    """`workflow` of a node: another Workflow Resource."""

    name: Text
    """Name of the Workflow."""
    workspace: Text | None = None
    """Its workspace; this one's if left out."""


class JobEntry(Spec, json_schema_extra=rules(one_needed("spec", "file", "manifest", "workflow", "stack"))):
    """One entry of `dag`, as written."""

    name: Text
    """Name of the job, unique in the DAG."""
    title: Text = ""
    """Title for people."""
    description: Text = ""
    """What it does."""
    tags: tuple[Text, ...] = spelled(default=(), lone=True)
    """Tags of the job."""
    spec: Annotated[dict[str, Any], Shape(RunnableBlock)] | None = None
    """What runs: a stack and what it shall do."""
    file: Text | None = None
    """Path of a Workflow manifest to run as this node."""
    manifest: dict[str, Any] | None = None  # what the client put in for `file`
    """What the client put in for `file`."""
    workflow: Annotated[Any, Shape(WorkflowUse, text=True)] = None
    """Name of a Workflow to run as this node."""
    dependencies: tuple[Text, ...] = spelled("dependency", "dependsOn", default=(), lone=True)
    """Names of the jobs that must have succeeded before."""
    retry: RetryBlock | None = None
    """When and how often it is tried again."""
    gc_when_complete: bool = False
    """Has no effect: what a job used is cleared when it ends."""


class ScheduleBlock(Spec):
    """`schedule`, as written."""

    cron: Text
    """When it runs: five fields (minute hour day month weekday), or six or seven with seconds and years."""
    timezone: Text = ""
    """Time zone of the expression, for instance `Europe/Berlin`; UTC if left out."""
    concurrency_policy: Annotated[Text, Words(*POLICIES)] = "Allow"
    """What happens when a run is still going at the next tick."""
    end_on: Text | None = spelled("completeOn", default=None)
    """No tick at or after this time (RFC 3339)."""


class WorkflowSection(Spec, json_schema_extra=rules(needs("dag"), filled("dag"))):
    """The section as written."""

    title: Text = ""
    """Title for people."""
    log_level: Text | None = None
    """Log level of jobs that say none."""
    dataos_secrets: Annotated[Any, Shape(SecretUse, text=True, lone=True)] = None
    """Secrets of jobs that name none."""
    schedule: ScheduleBlock | None = None
    """When it runs by itself; once, when applied, if left out."""
    dag: tuple[JobEntry, ...] = spelled(default=(), lone=True)
    """The jobs and what they wait for."""


@dataclass(frozen=True)
class Retry:
    """How often and when a failed job is tried again. Times in seconds."""

    count: int = 0
    strategy: RetryStrategy = "OnFailure"
    delay_s: float = 0.0
    window_s: float | None = None


@dataclass(frozen=True)
class Schedule:
    """When it runs by itself. `end_us`: no tick at or after that moment (UTC microseconds)."""

    cron: str
    zone: str
    policy: ConcurrencyPolicy
    end_us: int | None = None


@dataclass(frozen=True)
class Nested:
    """A whole Workflow as a node: from a file (`spec`), or a Resource of its own (`target`)."""

    name: str
    spec: WorkflowSpec | None = None
    target: ResourceKey | None = None


@dataclass(frozen=True)
class Job:
    """One node of the DAG: a stack's job, or a nested Workflow. Exactly one of `runnable` and `nested` is there."""

    name: str
    title: str
    runnable: Runnable | None
    dependencies: tuple[str, ...]
    retry: Retry
    nested: Nested | None = None


@dataclass(frozen=True)
class WorkflowSpec:
    """Canonical Workflow."""

    title: str
    jobs: tuple[Job, ...]
    schedule: Schedule | None = None

    def job(self, name: str) -> Job:
        """A node by name."""
        return next(job for job in self.jobs if job.name == name)

    def at(self, path: str) -> WorkflowSpec:
        """The DAG at `a/b`: nested inside node b of what is nested inside node a. The empty path is this one."""
        found = self
        for name in filter(None, path.split("/")):
            nested = found.job(name).nested
            assert nested is not None and nested.spec is not None  # noqa: S101, PT018 - paths are of our making
            found = nested.spec
        return found

    def runnables(self) -> Iterator[tuple[str, Runnable]]:
        """All jobs of a stack with their path (`node/job`), those of nested files included."""
        for job in self.jobs:
            if job.runnable is not None:
                yield job.name, job.runnable
            elif job.nested is not None and job.nested.spec is not None:
                yield from ((f"{job.name}/{path}", found) for path, found in job.nested.spec.runnables())

    def targets(self) -> Iterator[ResourceKey]:
        """Workflow Resources that are nodes, those inside nested files included."""
        for job in self.jobs:
            if job.nested is not None and job.nested.target is not None:
                yield job.nested.target
            elif job.nested is not None and job.nested.spec is not None:
                yield from job.nested.spec.targets()


_LIFTED = ("retry", "file", "dependencies", "dependency")
_SPEC_KEYS = (
    "stack",
    "stackSpec",
    "compute",
    "envs",
    "tags",
    "dataosSecrets",
    "secrets",
    "resources",
    "logLevel",
)


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical WorkflowSpec with references to Depots, Secrets and Workflows."""
    path: Path = (context.section,)
    before = len(reading.problems)
    own = ResourceKey("workflow", context.meta.name, context.workspace)
    spec = _Reader(reading, context.workspace, own).read(section, path, context.meta.title)
    if spec is None:
        return None
    references: list[Reference] = []
    secrets: list[Path] = []
    for _, runnable in spec.runnables():
        references += runnable.references
        for found in runnable.secret_paths:
            at = _as_written(section, found[1:])
            if at is None:  # kept unsealed otherwise
                hint = "write it below `dag[].spec`"
                reading.error(found, f"`{found[-1]}` stands where it cannot be sealed", hint=hint)
            else:
                secrets.append(at)
    if len(reading.problems) > before:
        return None
    references += [Reference(target, (*path, "dag")) for target in dict.fromkeys(spec.targets())]
    return KindReading(spec, tuple(references), tuple(secrets))


def _as_written(section: Any, path: Path) -> Path | None:
    """A path below the section in the spelling of the document: jobs may be lifted out of `spec`, a DAG be one job."""
    found: list[str | int] = []
    for part in path:
        if isinstance(part, int):
            if isinstance(section, list):
                found.append(part)
                section = cast("list[Any]", section)[part]
            continue
        block = cast("dict[str, Any]", section) if isinstance(section, dict) else {}
        key = part if part in block else next((k for k in block if k.casefold() == part.casefold()), None)
        if part == "spec" and not (key and block[key]):
            continue
        if key is None:
            return None
        found.append(key)
        section = block[key]
    return tuple(found)


class _Reader:
    """Reads a Workflow's section and the sections nested in it. `own`: the Resource, which must not name itself."""

    def __init__(self, reading: Reading, workspace: str | None, own: ResourceKey) -> None:
        self._reading = reading
        self._workspace = workspace
        self._own = own

    def read(self, section: Any, path: Path, title: str, depth: int = 0) -> WorkflowSpec | None:
        """The section at `path`. None after errors."""
        reading = self._reading
        before = len(reading.problems)
        spec = read_model(WorkflowSection, _prepare(section, reading, path), reading, path)
        if spec is None:
            return None
        schedule = None
        if spec.schedule is not None and depth:
            reading.warn((*path, "schedule"), "the schedule of a nested workflow has no effect")
        elif spec.schedule is not None:
            schedule = _schedule(spec.schedule, reading, (*path, "schedule"))
        if not spec.dag:
            reading.error((*path, "dag"), "`dag` needs at least one job", code="manifest.missing")
        jobs = [
            job
            for position, entry in enumerate(spec.dag)
            if (job := self._job(entry, spec, (*path, "dag", position), depth))
        ]
        _check_dag(spec.dag, reading, path)
        if len(reading.problems) > before:
            return None
        return WorkflowSpec(spec.title or title, tuple(jobs), schedule)

    def _job(self, entry: JobEntry, whole: WorkflowSection, path: Path, depth: int) -> Job | None:
        reading = self._reading
        if not names.matches(entry.name, names.DNS):
            reading.error((*path, "name"), names.rule_text("job name", entry.name, names.DNS), code="manifest.job_name")
        if entry.gc_when_complete:
            text = "`gcWhenComplete` changes nothing: a job's process and scratch go when it ends, its log is kept"
            reading.warn((*path, "gcWhenComplete"), text)
        retry = _retry(entry.retry, reading, (*path, "retry"))
        given = [
            key
            for key, value in (
                ("spec", entry.spec),
                ("file", entry.file or entry.manifest),
                ("workflow", entry.workflow),
            )
            if value is not None
        ]
        if len(given) > 1:
            reading.error(path, f"a job has one of `spec`, `file` and `workflow`, found {' and '.join(given)}")
            return None
        if entry.spec is None and given:
            nested = self._nested(entry, path, depth)
            if nested is None or retry is None:
                return None
            return Job(entry.name, entry.title or nested.name, None, entry.dependencies, retry, nested)
        if entry.spec is None:
            hint = "`spec` with a stack, `file` with the path of a Workflow, or `workflow` with the name of one"
            reading.error(path, "`spec` is required", code="manifest.missing", hint=hint)
            return None
        block = dict(entry.spec)
        if whole.log_level is not None:
            block.setdefault("logLevel", whole.log_level)
        if whole.dataos_secrets is not None:
            block.setdefault("dataosSecrets", whole.dataos_secrets)
        runnable = read_runnable(block, reading, (*path, "spec"), self._workspace)
        if runnable is None or retry is None:
            return None
        return Job(entry.name, entry.title or runnable.title, runnable, entry.dependencies, retry)

    def _nested(self, entry: JobEntry, path: Path, depth: int) -> Nested | None:
        reading = self._reading
        if depth + 1 >= MAX_DEPTH:
            reading.error(path, f"workflows are nested deeper than {MAX_DEPTH} levels")
            return None
        if entry.workflow is not None:
            return self._named(entry.workflow, (*path, "workflow"))
        if entry.manifest is None:
            reading.error(
                (*path, "file"),
                f"the file `{entry.file}` was not put in",
                code="manifest.file",
                hint="the `dataos` command reads such files; a program sends their content as `manifest` beside `file`",
            )
            return None
        where = (*path, "manifest")
        type_ = registry.canonical_type(str(entry.manifest.get("type", "")))
        if type_ != "workflow":
            found = f"type `{entry.manifest['type']}`" if entry.manifest.get("type") else "no type"
            reading.error((*path, "file"), f"`{entry.file or entry.name}` is no workflow: it has {found}")
            return None
        key = next((k for k in entry.manifest if k.lower() == "workflow"), None)
        if key is None:
            reading.error(where, "the section `workflow` is missing", code="manifest.missing")
            return None
        name = str(entry.manifest.get("name") or entry.name)
        spec = self.read(entry.manifest[key], (*where, key), str(entry.manifest.get("title") or name), depth + 1)
        return Nested(name, spec=spec) if spec is not None else None

    def _named(self, use: Any, path: Path) -> Nested | None:
        found = read_model(WorkflowUse, {"name": use} if isinstance(use, str) else use, self._reading, path)
        if found is None:
            return None
        target = ResourceKey("workflow", found.name, found.workspace or self._workspace)
        if target == self._own:
            self._reading.error(path, f"the workflow `{found.name}` names itself as a node", code="manifest.dag")
            return None
        return Nested(found.name, target=target)


def _schedule(block: ScheduleBlock, reading: Reading, path: Path) -> Schedule | None:
    cron = schedules.cron(block.cron, (*path, "cron"), reading)
    zone = schedules.timezone(block.timezone, (*path, "timezone"), reading)
    policy = one_of(block.concurrency_policy, POLICIES, (*path, "concurrencyPolicy"), reading, "concurrencyPolicy")
    end = None
    if block.end_on is not None and zone is not None:
        end = _moment(block.end_on, zone, reading, (*path, "endOn"))
    if cron is None or zone is None or policy is None or (block.end_on is not None and end is None):
        return None
    return Schedule(cron, zone, cast("ConcurrencyPolicy", policy), end)


def _moment(text: str, zone: str, reading: Reading, path: Path) -> int | None:
    """UTC microseconds of an RFC 3339 time; one without an offset is read in the schedule's zone."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        reading.error(path, f"endOn `{text}` is no RFC 3339 time", hint="write 2030-12-31T23:59:59Z")
        return None
    if moment.tzinfo is None:
        reading.warn(path, f"endOn `{text}` has no offset and is read in {zone}", hint="write 2030-12-31T23:59:59Z")
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    return to_us(moment)


def _prepare(section: Any, reading: Reading, path: Path) -> Any:
    """Bring misplaced keys of jobs to their place: siblings of an empty `spec` into it, retry and file out of it."""
    if not isinstance(section, dict) or not isinstance(section.get("dag"), list):
        return cast("Any", section)
    whole = cast("dict[str, Any]", section)
    jobs: list[Any] = []
    for position, entry in enumerate(cast("list[Any]", whole["dag"])):
        where = (*path, "dag", position)
        if not isinstance(entry, dict):
            reading.error(where, "a job must be a mapping with name and spec")
            continue
        job = dict(cast("dict[str, Any]", entry))
        inner = job.get("spec")
        if inner is None and "stack" in job:
            reading.warn(where, "`spec` is empty: the keys beside it are read as its content", code="manifest.variant")
            job["spec"] = {k: job.pop(k) for k in list(job) if k in _SPEC_KEYS or registry.find_stack(k)}
        elif isinstance(inner, dict):
            spec = dict(cast("dict[str, Any]", inner))
            for key in _LIFTED:
                if key in spec:
                    reading.warn((*where, "spec", key), f"`{key}` belongs beside `spec`", code="manifest.variant")
                    job.setdefault(key, spec.pop(key))
            job["spec"] = spec
        jobs.append(job)
    return {**whole, "dag": jobs}


def _retry(block: RetryBlock | None, reading: Reading, path: Path) -> Retry | None:
    if block is None:
        return Retry()
    if block.count < 1:
        reading.error((*path, "count"), f"count must be more than 0, found {block.count}")
    strategy = one_of(block.strategy, STRATEGIES, (*path, "strategy"), reading, "strategy")
    delay = quantities.duration(block.duration, (*path, "duration"), reading)
    window = quantities.duration(block.max_duration, (*path, "maxDuration"), reading)
    if strategy is None:
        return None
    return Retry(block.count, cast("RetryStrategy", strategy), delay or 0.0, window)


def _check_dag(dag: tuple[JobEntry, ...], reading: Reading, path: Path) -> None:
    known = [entry.name for entry in dag]
    for position, entry in enumerate(dag):
        where = (*path, "dag", position)
        if known.index(entry.name) != position:
            reading.error((*where, "name"), f"job name `{entry.name}` is used twice", code="manifest.duplicate_job")
        for dependency in entry.dependencies:
            if dependency not in known:
                reading.error(
                    (*where, "dependencies"),
                    f"failure matching dag step: {entry.name} cannot proceed: it depends on `{dependency}`, "
                    "which is no job of this workflow",
                    code="manifest.dag",
                    hint=names.did_you_mean(dependency, [k for k in known if k != entry.name]),
                )
    cycle = find_cycle({entry.name: entry.dependencies for entry in dag})
    if cycle:
        position = known.index(cycle[0])
        reading.error(
            (*path, "dag", position, "dependencies"),
            f"failure matching dag step: {cycle[0]} cannot proceed: its dependencies form a cycle "
            + " -> ".join([*cycle, cycle[0]]),
            code="manifest.dag",
            hint="remove one of these dependencies",
        )


def find_cycle(graph: dict[str, tuple[str, ...]]) -> list[str] | None:
    """The nodes of one cycle, in order, or None. Unknown dependencies are ignored."""
    done: set[str] = set()
    for start in graph:
        trail: list[str] = []
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            node, leaving = stack.pop()
            if leaving:
                trail.pop()
                done.add(node)
                continue
            if node in done:
                continue
            if node in trail:
                return trail[trail.index(node) :]
            trail.append(node)
            stack.append((node, True))
            for dependency in graph.get(node, ()):
                if dependency in trail:
                    return trail[trail.index(dependency) :]
                if dependency in graph and dependency not in done:
                    stack.append((dependency, False))
    return None
