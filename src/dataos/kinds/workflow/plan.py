"""The DAG's next step as a pure function (architecture 2: Workflow owns its DAG as a pure `plan_next`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dataos.kinds.workflow.spec import Job, Retry


class JobState(StrEnum):
    """Where a job of a run stands."""

    WAITING = "waiting"  # for its dependencies
    PENDING = "pending"  # ready: for admission, or for the time of its retry
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"  # never started: a dependency failed, or the run was stopped
    ABORTED = "aborted"


class RunState(StrEnum):
    """Where a run stands (ch03 0.4)."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"


ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.SKIPPED, JobState.ABORTED})
_BEGUN = frozenset({JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED, JobState.ABORTED})
RUN_ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.ABORTED})


@dataclass(frozen=True)
class Next:
    """What to do now: jobs to make ready, jobs that will never start, and the state of the run."""

    ready: tuple[str, ...]
    skip: tuple[str, ...]
    state: RunState
    reason: str = ""


def plan_next(jobs: Sequence[Job], states: Mapping[str, JobState], stopping: bool, paused: bool = False) -> Next:
    """Decide the next step of a run from its jobs' states (ch03 2.2).

    A job is ready when all its dependencies succeeded and the Workflow is not paused. After a failure, or when the run
    is being stopped, nothing new starts, what runs already may end, and what waits is skipped. The run is pending until
    a job has begun.
    """
    failed = [j.name for j in jobs if states[j.name] is JobState.FAILED]
    aborted = [j.name for j in jobs if states[j.name] is JobState.ABORTED]
    halted = bool(failed or aborted or stopping)
    ready: list[str] = []
    skip: list[str] = []
    for job in jobs:
        if states[job.name] is not JobState.WAITING:
            continue
        if halted:
            skip.append(job.name)
        elif not paused and all(states[d] is JobState.SUCCEEDED for d in job.dependencies):
            ready.append(job.name)
    after = {**states, **dict.fromkeys(ready, JobState.PENDING), **dict.fromkeys(skip, JobState.SKIPPED)}
    if any(state not in ENDED for state in after.values()):
        begun = any(state in _BEGUN for state in after.values())
        return Next(tuple(ready), tuple(skip), RunState.RUNNING if begun else RunState.PENDING)
    if failed:
        return Next((), tuple(skip), RunState.FAILED, f"job {failed[0]} failed")
    if aborted or stopping:
        return Next((), tuple(skip), RunState.ABORTED, "stopped")
    return Next((), tuple(skip), RunState.SUCCEEDED)


class Failure(StrEnum):
    """Why an attempt ended badly."""

    FAILED = "failed"  # the program itself ended with an error
    ERROR = "error"  # the platform could not start, keep or publish it
    TRANSIENT = "transient"  # known to pass: conflict, timeout, unreachable
    PERMANENT = "permanent"  # trying again cannot help: bad input that the job itself reported as such


def should_retry(retry: Retry, failure: Failure, tries: int, elapsed_s: float) -> bool:
    """True if a job that was tried `tries` times (>= 1) over `elapsed_s` seconds should be tried again (ch03 2.1)."""
    if tries > retry.count:
        return False
    if retry.window_s is not None and elapsed_s + retry.delay_s > retry.window_s:
        return False
    wanted = {
        "Always": set(Failure),
        "OnFailure": {Failure.FAILED, Failure.TRANSIENT, Failure.PERMANENT, Failure.ERROR},
        "OnError": {Failure.ERROR, Failure.TRANSIENT},
        "OnTransientError": {Failure.TRANSIENT},
    }[retry.strategy]
    return failure in wanted


def retry_wait_s(not_before_us: int | None, now_us: int, retry: Retry) -> float:
    """Seconds until a retry may begin; 0 if it may. Never longer than the rule's delay: a moment that is further away
    was reckoned before the clock was set back."""
    left_s = ((not_before_us or 0) - now_us) / 1e6
    return left_s if 0 < left_s <= retry.delay_s else 0.0
