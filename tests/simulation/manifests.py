"""Manifests of a simulation, and what they mean in the model's own terms: no code of the product reads them here.

Each new content carries a marker as its description, by which the model knows it again in the store.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dataos.core.clock import from_us, to_us

CANARY = "canary"


@dataclass(frozen=True)
class Every:
    """Ticks at a fixed distance."""

    cron: str
    zone: str
    period_s: int
    phase_s: int = 0

    def next(self, after_us: int) -> int:
        period, phase = self.period_s * 1_000_000, self.phase_s * 1_000_000
        return ((after_us - phase) // period + 1) * period + phase


@dataclass(frozen=True)
class Daily:
    """One tick on each day at a wall-clock time; where the clocks leave it out, at the moment of the change."""

    cron: str
    zone: str
    at: time

    def next(self, after_us: int) -> int:
        day = from_us(after_us).astimezone(ZoneInfo(self.zone)).date() - timedelta(days=1)
        while True:
            tick = self._on(day)
            if tick > after_us:
                return tick
            day += timedelta(days=1)

    def _on(self, day: date) -> int:
        zone = ZoneInfo(self.zone)
        local = datetime.combine(day, self.at, zone)
        moment = local.astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
            return to_us(moment)
        before = local.utcoffset()
        while (moment - timedelta(minutes=1)).astimezone(zone).utcoffset() != before:
            moment -= timedelta(minutes=1)
        return to_us(moment)


Cron = Every | Daily

CRONS: tuple[Cron, ...] = (
    Every("* * * * *", "UTC", 60),
    Every("*/10 * * * * *", "UTC", 10),
    Every("*/5 * * * *", "Europe/Berlin", 300),
    Every("*/30 * * * *", "Australia/Lord_Howe", 1800),
    Every("0 * * * *", "Asia/Kolkata", 3600, 1800),
    Daily("30 2 * * *", "Europe/Berlin", time(2, 30)),
    Daily("15 1 * * *", "America/New_York", time(1, 15)),
    Daily("30 2 * * *", "America/New_York", time(2, 30)),
    Daily("0 2 * * *", "Australia/Lord_Howe", time(2, 0)),
    Daily("0 0 * * *", "UTC", time(0, 0)),
)


@dataclass(frozen=True)
class RetryRule:
    """`retry` of a job."""

    count: int
    strategy: str
    delay_s: int


@dataclass(frozen=True)
class JobDoc:
    """A node of a DAG."""

    name: str
    after: tuple[str, ...] = ()
    retry: RetryRule | None = None
    limit_s: int | None = None
    dry: bool = False
    rerunnable: bool = True
    secret: str | None = None
    inner: tuple[JobDoc, ...] = ()  # a nested Workflow from a file
    target: str | None = None  # a nested Workflow by name

    @property
    def nested(self) -> bool:
        return bool(self.inner) or self.target is not None

    def data(self) -> dict[str, Any]:
        body: dict[str, Any] = {"name": self.name}
        if self.after:
            body["dependencies"] = list(self.after)
        if self.retry is not None:
            body["retry"] = {
                "count": self.retry.count,
                "strategy": self.retry.strategy,
                "duration": f"{self.retry.delay_s}s",
            }
        if self.inner:
            dag = [job.data() for job in self.inner]
            body["file"] = "inner.yaml"
            body["manifest"] = {"name": "inner", "version": "v1", "type": "workflow", "workflow": {"dag": dag}}
        elif self.target:
            body["workflow"] = self.target
        else:
            spec: dict[str, Any] = {
                "stack": "script",
                "compute": "runnable-default",
                "stackSpec": {"script": "pass", "rerunnable": self.rerunnable},
            }
            if self.limit_s is not None:
                spec["timeLimit"] = f"{self.limit_s}s"
            if self.dry:
                spec["dryRun"] = True
            if self.secret:
                spec["dataosSecrets"] = [{"name": self.secret, "allkeys": True}]
            body["spec"] = spec
        return body


@dataclass(frozen=True)
class Doc:
    """One manifest. `key`: type/workspace/name, as the store writes it."""

    type: str
    name: str
    marker: str
    jobs: tuple[JobDoc, ...] = ()
    cron: Cron | None = None
    policy: str = "Allow"
    refers: tuple[str, ...] = field(default=())  # keys
    canary: str = ""

    @property
    def key(self) -> str:
        return key_of(self.type, self.name)

    def at(self, path: str | None) -> tuple[JobDoc, ...]:
        """The jobs of the DAG at a path of nodes."""
        jobs = self.jobs
        for name in filter(None, (path or "").split("/")):
            jobs = next(job for job in jobs if job.name == name).inner
        return jobs

    def leaves(self) -> Iterator[JobDoc]:
        """Jobs of a stack, those inside files included."""
        todo = list(self.jobs)
        while todo:
            job = todo.pop()
            if job.inner:
                todo += job.inner
            elif not job.nested:
                yield job

    @property
    def all_dry(self) -> bool:
        """Nothing is ever started."""
        leaves = list(self.leaves())
        return bool(leaves) and all(j.dry for j in leaves) and not any(j.target for j in self._all())

    def _all(self) -> Iterator[JobDoc]:
        todo = list(self.jobs)
        while todo:
            job = todo.pop()
            todo += job.inner
            yield job

    def data(self) -> dict[str, Any]:
        body: dict[str, Any] = {"name": self.name, "version": "v1", "type": self.type, "description": self.marker}
        match self.type:
            case "secret" | "instance-secret":
                values = {"username": "u", "password": self.canary}
                body[self.type] = {"type": "key-value-properties", "acl": "r", "data": values}
            case "depot":
                body["version"] = "v2alpha"
                secrets = [{"name": ref.rpartition("/")[2], "allkeys": True} for ref in self.refers]
                body["depot"] = {
                    "type": "postgresql",
                    "external": True,
                    "secrets": secrets,
                    "postgresql": {"host": "127.0.0.1", "port": 1, "database": "d"},
                }
            case _:
                section: dict[str, Any] = {"dag": [job.data() for job in self.jobs]}
                if self.cron is not None:
                    section["schedule"] = {
                        "cron": self.cron.cron,
                        "timezone": self.cron.zone,
                        "concurrencyPolicy": self.policy,
                    }
                body["workflow"] = section
        if self.type in ("secret", "workflow"):
            body["workspace"] = "public"
        return body


def key_of(type_: str, name: str) -> str:
    """The key of a living Resource."""
    return f"{type_}/{'public' if type_ in ('secret', 'workflow') else ''}/{name}"


WORKFLOWS = ("w0", "w1", "w2", "w3")
NAMES = {
    "secret": ("s0", "s1"),
    "instance-secret": ("i0",),
    "depot": ("d0",),
    "workflow": WORKFLOWS,
}


def draw(type_: str, name: str, marker: str, rng: random.Random) -> Doc:
    """Some manifest."""
    if type_ in ("secret", "instance-secret"):
        return Doc(type_, name, marker, canary=f"{CANARY}-{marker}")
    if type_ == "depot":
        return Doc(type_, name, marker, refers=(key_of("instance-secret", "i0"),))
    jobs = _dag(rng, name, 0)
    refers = tuple(dict.fromkeys(_references(jobs)))
    cron = rng.choice((*CRONS[:2], *CRONS)) if rng.random() < 0.5 else None
    policy = rng.choice(("Allow", "Forbid", "Replace"))
    return Doc(type_, name, marker, jobs, cron, policy if cron else "Allow", refers)


def _references(jobs: tuple[JobDoc, ...]) -> Iterator[str]:
    for job in jobs:
        yield from _references(job.inner)
        if job.target:
            yield key_of("workflow", job.target)
        if job.secret:
            yield key_of("secret", job.secret)


_SHAPES: tuple[tuple[tuple[str, ...], ...], ...] = (
    ((),),
    ((),),
    ((), ("a",)),
    ((), ()),
    ((), ("a",), ("a",), ("b", "c")),
    ((), (), ("a", "b")),
)


def _dag(rng: random.Random, name: str, depth: int) -> tuple[JobDoc, ...]:
    jobs: list[JobDoc] = []
    for letter, after in zip("abcd", rng.choice(_SHAPES), strict=False):
        retry = None
        if rng.random() < 0.5:
            strategy = rng.choice(("Always", "OnFailure", "OnError", "OnTransientError"))
            retry = RetryRule(rng.choice((1, 2, 3)), strategy, rng.choice((0, 1, 5, 30)))
        share = rng.random()
        if share < 0.08 and depth < 2:
            jobs.append(JobDoc(letter, after, retry, inner=_dag(rng, name, depth + 1)))
        elif share < 0.15 and name != WORKFLOWS[-1]:  # names of later ones only: no circles
            later = WORKFLOWS[WORKFLOWS.index(name) + 1 :]
            jobs.append(JobDoc(letter, after, retry, target=rng.choice(later)))
        else:
            jobs.append(
                JobDoc(
                    letter,
                    after,
                    retry,
                    limit_s=rng.choice((None, None, 1, 5, 60)),
                    dry=rng.random() < 0.05,
                    rerunnable=rng.random() < 0.6,
                    secret=rng.choice(NAMES["secret"]) if rng.random() < 0.05 else None,
                )
            )
    return tuple(jobs)
