"""`/metrics`: what is counted while the server works (`core.meters`), and what the store and the disk say now."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest

import dataos
from dataos.control import bounds
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError
from dataos.core.meters import Meters
from dataos.server import usage
from dataos.store import tables
from dataos.store.database import Store

LAST_BACKUP = "last-backup"
_OPEN_JOBS = ("pending", "running")
_REASONS = (
    ("disk space", "disk"),
    ("its turn", "turn"),
    ("memory", "memory"),
    ("CPU", "cpu"),
    ("run ", "run"),
)


@dataclass(frozen=True)
class Facts:
    """What one look at the store found. Times in seconds."""

    resources: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    runs: Counter[str] = field(default_factory=Counter[str])
    jobs_waiting: Counter[str] = field(default_factory=Counter[str])
    jobs_running: int = 0
    due: int = 0
    oldest_due_s: float = 0.0
    failing: int = 0
    schedules: int = 0
    paused: int = 0
    schedule_lag_s: float = 0.0
    servers: Counter[str] = field(default_factory=Counter[str])
    rows: dict[str, int] = field(default_factory=dict[str, int])
    last_backup_us: int | None = None


def look(connection: sa.Connection, now_us: int) -> Facts:
    """One snapshot of everything that is asked of the store."""
    r, runs, j, w, s = tables.resources, tables.runs, tables.jobs, tables.work, tables.schedules
    count = sa.func.count()
    living = connection.execute(
        sa.select(r.c.type, r.c.status, count).where(r.c.live_key.is_not(None)).group_by(r.c.type, r.c.status)
    )
    resources: Counter[tuple[str, str]] = Counter({(row[0], row[1]): row[2] for row in living})
    by_state = connection.execute(sa.select(runs.c.state, count).where(runs.c.parent.is_(None)).group_by(runs.c.state))
    waiting: Counter[str] = Counter()
    for reason, number in connection.execute(
        sa.select(j.c.reason, count).where(j.c.state == "pending").group_by(j.c.reason)
    ):
        waiting[_class_of(reason)] += number
    running = connection.execute(sa.select(count).select_from(j).where(j.c.state == "running")).scalar_one()
    is_due = sa.and_(w.c.due_at <= now_us, sa.or_(w.c.lease_until.is_(None), w.c.lease_until < now_us))
    due, oldest = connection.execute(sa.select(count, sa.func.min(w.c.due_at)).where(is_due)).one()
    failing = connection.execute(sa.select(count).select_from(w).where(w.c.failures > 0)).scalar_one()
    ticking = sa.and_(s.c.next_at.is_not(None), s.c.paused_at.is_(None))
    living_only = sa.select(r.c.uid).where(r.c.uid == s.c.uid, r.c.live_key.is_not(None)).exists()
    schedules, next_at = connection.execute(
        sa.select(count, sa.func.min(s.c.next_at)).where(ticking, living_only)
    ).one()
    paused = connection.execute(sa.select(count).select_from(s).where(s.c.paused_at.is_not(None))).scalar_one()
    states = connection.execute(sa.select(tables.servers.c.state, count).group_by(tables.servers.c.state))
    backup = connection.execute(sa.select(tables.facts.c.value).where(tables.facts.c.key == LAST_BACKUP)).scalar()
    return Facts(
        resources=resources,
        runs=Counter({row[0]: row[1] for row in by_state}),
        jobs_waiting=waiting,
        jobs_running=running,
        due=due,
        oldest_due_s=max(0.0, (now_us - (oldest if oldest is not None else now_us)) / 1e6),
        failing=failing,
        schedules=schedules,
        paused=paused,
        schedule_lag_s=max(0.0, (now_us - (next_at if next_at is not None else now_us)) / 1e6),
        servers=Counter({row[0]: row[1] for row in states}),
        rows=bounds.counts(connection),
        last_backup_us=int(backup) if backup else None,
    )


def _class_of(reason: str) -> str:
    return next((name for text, name in _REASONS if text in reason), "other" if reason else "new")


class Gauges:
    """Puts counters and gauges together. `engines`: (name, pid) of those that run; `quotas`: what is used of what."""

    def __init__(
        self,
        meters: Meters,
        store: Store,
        clock: Clock,
        home: Path,
        engines: Callable[[], Sequence[tuple[str, int | None]]],
        quotas: usage.Quotas,
    ) -> None:
        self._meters = meters
        self._store = store
        self._clock = clock
        self._home = home
        self._engines = engines
        self._quotas = quotas

    async def text(self) -> bytes:
        """The page. Where the store does not answer, what needs it is left out and `dataos_store_up` is 0."""
        facts: Facts | None = None
        with contextlib.suppress(DataOSError):
            facts = await self._store.read(look, self._clock.now_us())
        return await asyncio.to_thread(self._render, facts)

    def _render(self, facts: Facts | None) -> bytes:
        asked = CollectorRegistry()
        asked.register(_Families(list(self._families(facts))))
        counted = generate_latest(self._meters.registry)
        return counted.removesuffix(b"# EOF\n") + generate_latest(asked)

    def _families(self, facts: Facts | None) -> Iterator[Metric]:
        info = InfoMetricFamily("dataos_build", "The version that runs.")
        info.add_metric([], {"version": dataos.__version__})
        yield info
        yield _one("dataos_store_up", "1 if the store answers.", 1.0 if facts is not None else 0.0)
        disk = shutil.disk_usage(self._home)
        yield _one("dataos_disk_free_bytes", "Free on the disk of the home.", disk.free)
        yield _one("dataos_disk_size_bytes", "Size of the disk of the home.", disk.total)
        yield _many(
            "dataos_engine_resident_memory_bytes",
            "Memory of an engine's process.",
            "cluster",
            {name: _memory(pid) for name, pid in self._engines() if pid},
        )
        yield _many(
            "dataos_engine_up",
            "1 if an engine's process runs.",
            "cluster",
            {name: 1.0 if pid else 0.0 for name, pid in self._engines()},
        )
        if facts is None:
            return
        yield _pairs("dataos_resources", "Living Resources.", ("type", "status"), facts.resources)
        yield _many("dataos_runs", "Runs in the store, by state.", "state", facts.runs)
        yield _many("dataos_jobs_waiting", "Jobs that wait to begin, by reason.", "reason", facts.jobs_waiting)
        yield _one("dataos_jobs_running", "Jobs under way.", facts.jobs_running)
        yield _one("dataos_work_due", "Units that are due and that nobody looks at.", facts.due)
        yield _one("dataos_work_oldest_due_seconds", "For how long the oldest of them is due.", facts.oldest_due_s)
        yield _one("dataos_work_failing", "Units whose last look failed.", facts.failing)
        yield _one("dataos_schedules", "Schedules that tick.", facts.schedules)
        yield _one("dataos_schedules_paused", "Workflows that are paused.", facts.paused)
        yield _one("dataos_schedule_lag_seconds", "By how much the latest tick is overdue.", facts.schedule_lag_s)
        yield _many("dataos_servers", "Servers of this store, by state.", "state", facts.servers)
        if facts.last_backup_us is not None:
            text = "When the last backup of a home of this store was made (seconds since 1970)."
            yield _one("dataos_last_backup_timestamp_seconds", text, facts.last_backup_us / 1e6)
        used = usage.measure(self._quotas, facts.rows)
        yield _many(
            "dataos_quota_used", "What is used of a quota, in its own unit.", "quota", {u.name: u.used for u in used}
        )
        yield _many("dataos_quota_limit", "The quota.", "quota", {u.name: u.limit for u in used})


class _Families:
    """Ready-made families as a collector."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        """All of them."""
        return self._families


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _many(name: str, text: str, label: str, values: dict[str, Any] | Counter[str]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], float(value))
    return family


def _pairs(name: str, text: str, labels: tuple[str, str], values: Counter[tuple[str, str]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    for key, value in sorted(values.items()):
        family.add_metric(list(key), float(value))
    return family


def _memory(pid: int | None) -> float:
    """Resident memory of a process in bytes; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * float(os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, IndexError):
        return 0.0
