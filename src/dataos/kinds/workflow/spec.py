"""What a Workflow manifest may say (ch03 2.1). One-off DAGs run here; schedules and nested files come later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

from dataos.core import names
from dataos.manifest import quantities
from dataos.manifest.documents import Context, KindReading, Reference
from dataos.manifest.runnables import Runnable, read_runnable
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

RetryStrategy = Literal["Always", "OnFailure", "OnError", "OnTransientError"]
STRATEGIES: tuple[RetryStrategy, ...] = ("Always", "OnFailure", "OnError", "OnTransientError")


class RetryBlock(Spec):
    """`retry` of a job."""

    count: int = 0
    strategy: Text = "OnFailure"
    duration: Text | None = None
    max_duration: Text | None = None


class JobEntry(Spec):
    """One entry of `dag`, as written."""

    name: Text
    title: Text = ""
    description: Text = ""
    tags: tuple[Text, ...] = spelled(default=(), lone=True)
    spec: dict[str, Any] | None = None
    file: Text | None = None
    dependencies: tuple[Text, ...] = spelled("dependency", "dependsOn", default=(), lone=True)
    retry: RetryBlock | None = None
    gc_when_complete: bool = False


class WorkflowSection(Spec):
    """The section as written."""

    title: Text = ""
    log_level: Text | None = None
    dataos_secrets: Any = None
    schedule: Any = None
    dag: tuple[JobEntry, ...] = spelled(default=(), lone=True)


@dataclass(frozen=True)
class Retry:
    """How often and when a failed job is tried again. Times in seconds."""

    count: int = 0
    strategy: RetryStrategy = "OnFailure"
    delay_s: float = 0.0
    window_s: float | None = None


@dataclass(frozen=True)
class Job:
    """One node of the DAG."""

    name: str
    title: str
    runnable: Runnable
    dependencies: tuple[str, ...]
    retry: Retry


@dataclass(frozen=True)
class WorkflowSpec:
    """Canonical one-off Workflow."""

    title: str
    jobs: tuple[Job, ...]


_LIFTED = ("retry", "file", "dependencies", "dependency")
_SPEC_KEYS = (
    "stack",
    "stackSpec",
    "compute",
    "flare",
    "envs",
    "tags",
    "dataosSecrets",
    "secrets",
    "resources",
    "logLevel",
)


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical WorkflowSpec with references to Depots and Secrets."""
    path: Path = (context.section,)
    before = len(reading.problems)
    prepared = _prepare(section, reading, path)
    spec = read_model(WorkflowSection, prepared, reading, path)
    if spec is None:
        return None
    if spec.schedule is not None:
        reading.error(
            (*path, "schedule"),
            "schedules are not supported yet",
            code="manifest.unsupported",
            hint="leave `schedule` out to run it once; schedules come with part 2 (docs/roadmap.md)",
        )
    if not spec.dag:
        reading.error((*path, "dag"), "`dag` needs at least one job", code="manifest.missing")
    jobs = [
        job
        for position, entry in enumerate(spec.dag)
        if (job := _job(entry, spec, reading, (*path, "dag", position), context.workspace))
    ]
    _check_dag(spec.dag, reading, path)
    if len(reading.problems) > before:
        return None
    references: tuple[Reference, ...] = tuple(r for job in jobs for r in job.runnable.references)
    return KindReading(WorkflowSpec(spec.title or context.meta.title, tuple(jobs)), references)


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
            job["spec"] = {k: job.pop(k) for k in list(job) if k in _SPEC_KEYS}
        elif isinstance(inner, dict):
            spec = dict(cast("dict[str, Any]", inner))
            for key in _LIFTED:
                if key in spec:
                    reading.warn((*where, "spec", key), f"`{key}` belongs beside `spec`", code="manifest.variant")
                    job.setdefault(key, spec.pop(key))
            job["spec"] = spec
        jobs.append(job)
    return {**whole, "dag": jobs}


def _job(entry: JobEntry, whole: WorkflowSection, reading: Reading, path: Path, workspace: str | None) -> Job | None:
    if not names.matches(entry.name, names.DNS):
        reading.error(
            (*path, "name"),
            names.rule_text("job name", entry.name, names.DNS),
            code="manifest.job_name",
        )
    if entry.file is not None:
        reading.error(
            (*path, "file"),
            "nested workflows are not supported yet",
            code="manifest.unsupported",
            hint="part 2 brings them",
        )
        return None
    if entry.spec is None:
        reading.error(path, "`spec` is required", code="manifest.missing")
        return None
    block = dict(entry.spec)
    if whole.log_level is not None:
        block.setdefault("logLevel", whole.log_level)
    if whole.dataos_secrets is not None:
        block.setdefault("dataosSecrets", whole.dataos_secrets)
    runnable = read_runnable(block, reading, (*path, "spec"), workspace)
    retry = _retry(entry.retry, reading, (*path, "retry"))
    if runnable is None or retry is None:
        return None
    return Job(entry.name, entry.title or runnable.title, runnable, entry.dependencies, retry)


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
