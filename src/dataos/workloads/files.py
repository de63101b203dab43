"""Bounds on what ended attempts leave on this machine: logs, and everything else (scratch, results, given files).

The oldest go first. What belongs to a run that has not ended is never touched, also not by a full disk. An attempt's
folder goes after its time (`Attempts.forget`); here only its contents do, earlier, when there is too much of them.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from dataos.core import logs
from dataos.processes.ports import Usage
from dataos.store import tables
from dataos.store.database import Store

_log = logs.get(__name__)
_a, _r = tables.attempts, tables.runs
_ENDED = ("succeeded", "failed", "aborted")
_OPEN = ("launching", "running")
_PAGE = 500


class Shedding(Protocol):
    """What a runner can do about the files of ended keys."""

    async def keys(self) -> list[str]:
        """All keys with files on this machine."""
        ...

    async def usage(self, key: str) -> Usage:
        """How much disk a key uses."""
        ...

    async def shed(self, key: str, *, log: bool) -> None:
        """Remove an ended key's log, or (false) everything but its log and records."""
        ...


@dataclass(frozen=True)
class FileQuotas:
    """In bytes. `free`: so much of the disk must stay free."""

    logs: int
    scratch: int
    free: int


@dataclass(frozen=True)
class _Ended:
    key: str
    finished_at: int
    usage: Usage


class AttemptFiles:
    """One per server. `root`: the folder whose disk must not fill up."""

    def __init__(self, store: Store, runner: Shedding, root: Path, quotas: FileQuotas) -> None:
        self._store = store
        self._runner = runner
        self._root = root
        self._quotas = quotas
        self._known: dict[str, Usage] = {}  # of ended attempts: their files change no more
        self.used = Usage(0, 0)
        """By ended attempts, when it was last looked at."""

    def free(self) -> int:
        """Bytes that this user may still write to the disk."""
        return shutil.disk_usage(self._root).free

    def closed(self) -> str:
        """Why no job may begin now; empty if one may."""
        if self._quotas.free <= 0:
            return ""
        left = self.free()
        if left >= self._quotas.free:
            return ""
        return (
            f"waits for disk space: {left >> 20} MiB of the server's disk are free, "
            f"{self._quotas.free >> 20} MiB must stay free (quotas.free_mib)"
        )

    async def trim(self) -> int:
        """Bring ended attempts under their quotas; returns how many lost files."""
        ended = await self._ended()
        self.used = Usage(sum(e.usage.log for e in ended), sum(e.usage.rest for e in ended))
        shed = 0
        for one in ended:  # oldest first
            low = self._quotas.free > 0 and self.free() < self._quotas.free
            rest = one.usage.rest and (low or self.used.rest > self._quotas.scratch)
            log = one.usage.log and (low or self.used.log > self._quotas.logs)
            for wanted, is_log in ((rest, False), (log, True)):
                if wanted:
                    await self._runner.shed(one.key, log=is_log)
            if rest or log:
                shed += 1
                left = Usage(0 if log else one.usage.log, 0 if rest else one.usage.rest)
                self._known[one.key] = left
                gone = Usage(one.usage.log - left.log, one.usage.rest - left.rest)
                self.used = Usage(self.used.log - gone.log, self.used.rest - gone.rest)
        if shed:
            _log.info("files of ended attempts went: they were over their quota", attempts=shed)
        return shed

    async def _ended(self) -> list[_Ended]:
        """Attempts on this machine that ended, of runs that ended, oldest first."""
        keys = await self._runner.keys()
        self._known = {key: usage for key, usage in self._known.items() if key in set(keys)}
        found: list[_Ended] = []
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE]
            for row in await self._store.read(_over, page):
                usage = self._known.get(row.id)
                if usage is None:
                    usage = self._known[row.id] = await self._runner.usage(row.id)
                found.append(_Ended(row.id, row.finished_at or 0, usage))
            await asyncio.sleep(0)
        return sorted(found, key=lambda e: e.finished_at)


def _over(connection: sa.Connection, keys: list[str]) -> list[sa.Row[Any, Any, Any]]:
    """Of these attempts, those that ended and whose run, and the runs above it, ended too or are forgotten."""
    rows = connection.execute(
        sa.select(_a.c.id, _a.c.finished_at, _a.c.run_id).where(_a.c.id.in_(keys), _a.c.state.not_in(_OPEN))
    ).all()
    is_open: dict[str, bool] = {}

    def goes_on(run_id: str) -> bool:
        if run_id not in is_open:
            run = connection.execute(sa.select(_r.c.state, _r.c.parent).where(_r.c.id == run_id)).first()
            above = run.parent.partition("/")[0] if run is not None and run.parent else None
            is_open[run_id] = run is not None and (run.state not in _ENDED or (above is not None and goes_on(above)))
        return is_open[run_id]

    return [row for row in rows if not goes_on(row.run_id)]
