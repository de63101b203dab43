"""How much of each quota is used, for `/metrics` and `doctor`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dataos.core.settings import Settings
from dataos.processes.ports import Usage

NEAR = 0.9


@dataclass(frozen=True)
class Used:
    """One quota: setting, unit, what is used, what is allowed."""

    name: str
    unit: str
    used: float
    limit: float

    @property
    def is_near(self) -> bool:
        """Nearly full: for what has no upkeep of its own in time."""
        return self.limit > 0 and self.used >= NEAR * self.limit


@dataclass(frozen=True)
class Quotas:
    """Where to look. `attempts`: bytes of ended attempts' files as last measured."""

    settings: Settings
    logs: Path
    engines: Path
    attempts: Callable[[], Usage]


def measure(quotas: Quotas, rows: Mapping[str, int]) -> list[Used]:
    """All quotas; walks the folders of logs and spill."""
    q = quotas.settings.quotas
    files = quotas.attempts()
    server_log = sum(_size(file) for file in quotas.logs.glob("server.log*"))
    spill = sum(_size(Path(current, name)) for current, _, names in os.walk(quotas.engines) for name in names)
    spill_limit = quotas.settings.engine.spill_mib << 20
    return [
        Used("run_logs", "bytes", files.log, q.run_logs_mib << 20),
        Used("scratch", "bytes", files.rest, q.scratch_mib << 20),
        Used("server_log", "bytes", server_log, q.server_log_mib << 20),
        Used("engine_spill", "bytes", spill, spill_limit),
        Used("runs", "rows", rows.get("runs", 0), q.runs),
        Used("events", "rows", rows.get("events", 0), q.events),
        Used("idempotency_keys", "rows", rows.get("idempotency_keys", 0), q.idempotency_keys),
    ]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
