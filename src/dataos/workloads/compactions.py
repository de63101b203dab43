"""Rewrites of a table's data files that somebody asks for now (`dataos dataset compact`).

The files are read and written by a program of ours in a process of its own, with a memory limit, as the user who asked.
Nothing is remembered here: a restarted server finds the process and its result by the key again.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import Ids
from dataos.governance import rules
from dataos.governance.identities import Identities
from dataos.governance.principals import Principal
from dataos.lakehouse import namespaces
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.files import in_bucket, plain
from dataos.lakehouse.views import PUBLISHED, TableRef
from dataos.processes.ports import Isolation, Launch, Mount, Phase, ProcessRunner
from dataos.store.database import Store

_MODULE = "dataos.stacks.flare.driver.upkeep"
_PREFIX = "compact-"
_MEMORY_BYTES = 2 << 30
_TIMEOUT_S = 6 * 3600.0
_KEPT_US = 3600 * 1_000_000
_AT_ONCE = 2
_LOOK_S = 0.2
RESULT_FILE = "result.json"


@dataclass(frozen=True)
class Look:
    """How far a rewrite is. `log` goes on at byte `next`; `result` when it is done."""

    state: str  # running | done | failed
    log: str
    next: int
    result: dict[str, Any] | None = None
    problems: tuple[Problem, ...] = ()


class Compactions:
    """Starts rewrites and tells how far they are. One per server."""

    def __init__(
        self, store: Store, clock: Clock, ids: Ids, runner: ProcessRunner, catalog: Catalog, identities: Identities
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._runner = runner
        self._catalog = catalog
        self._identities = identities

    async def start(
        self, principal: Principal, ref: TableRef, address: str, options: Mapping[str, Any], *, dry_run: bool = False
    ) -> str:
        """Start a rewrite; returns its id. `options`: those of the program (`rewriting.Options`).

        Raises DataOSError `iceberg.not_found.table`, `dataset.busy`, `process.*`.
        """
        here = await self._catalog.pointer(PUBLISHED, ref)
        running = await self._sweep()
        if running >= _AT_ONCE:
            raise fail("dataset.busy", f"{running} rewrites run already", hint="try again when one has ended", retry=10)
        id_ = self._ids.uid()
        until = self._clock.now_us() + int((_TIMEOUT_S + 600) * 1e6)
        token = await self._store.write(self._identities.issue, principal.user_id, _PREFIX + id_, expires_at=until)
        body = {
            "warehouse": ref.warehouse,
            "namespace": list(namespaces.split(ref.namespace)),
            "table": ref.name,
            "address": address,
            "options": dict(options),
            "memory_bytes": _MEMORY_BYTES,
            "dry_run": dry_run,
        }
        mounts: tuple[Mount, ...] = ()
        if not in_bucket(here.location):
            await self._catalog.refuse_links(ref.warehouse, here.location)
            folder = Path(plain(here.location))
            mounts = (Mount(folder, str(folder), writable=True),)
        launch = Launch(
            argv=(sys.executable, "-m", _MODULE),
            isolation=Isolation.PLATFORM,
            files={"config/upkeep.json": json.dumps(body).encode(), "secret/token": token.encode()},
            mounts=mounts,
            memory_bytes=_MEMORY_BYTES,
            timeout_s=_TIMEOUT_S,
        )
        try:
            await self._runner.start(_PREFIX + id_, launch)
        except DataOSError:
            await self._store.write(self._identities.end_key, _PREFIX + id_)
            raise
        return id_

    async def rewrite(
        self, principal: Principal, ref: TableRef, address: str, options: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Start a rewrite and wait for it; its counts. Raises as `start`, and DataOSError `dataset.*`, `iceberg.*`.

        It goes on if nobody waits any more: what it commits holds the same rows.
        """
        id_ = await self.start(principal, ref, address, options)
        while (found := await self._look(id_)).state == "running":
            await asyncio.sleep(_LOOK_S)
        if found.result is None:
            raise DataOSError(found.problems)
        return found.result

    async def look(self, principal: Principal, id_: str, after: int = 0) -> Look:
        """How far it is, for who started it and operators. Raises DataOSError `dataset.not_found.compaction`."""
        owner = await self._store.read(self._identities.maker_of_key, _PREFIX + id_)
        if not (rules.may(principal, rules.MAINTAIN) or (owner is not None and rules.owns(principal, owner))):
            raise _missing(id_)
        return await self._look(id_, after)

    async def _look(self, id_: str, after: int = 0) -> Look:
        key = _PREFIX + id_
        known = key in await self._runner.keys()
        found = await self._runner.observe(key) if known else None
        if found is None or found.phase is Phase.ABSENT:
            raise _missing(id_)
        raw, offset = await self._runner.read_log(key, offset=after)
        log = raw.decode("utf-8", "replace")
        if found.phase in (Phase.STARTING, Phase.RUNNING):
            return Look("running", log, offset)
        await self._store.write(self._identities.end_key, key)
        written = await self._runner.read_out(key, RESULT_FILE)
        answer: dict[str, Any] = json.loads(written) if written else {}
        if isinstance(answer.get("result"), dict):
            return Look("done", log, offset, answer["result"])
        problems = tuple(Problem.from_json(p) for p in answer.get("problems", []))
        why = found.reason or f"exit code {found.exit_code}"
        return Look("failed", log, offset, None, problems or (Problem("dataset.rewrite", f"the rewrite ended: {why}"),))

    async def _sweep(self) -> int:
        """Forget what ended long ago; how many run."""
        running = 0
        for key in await self._runner.keys():
            if not key.startswith(_PREFIX):
                continue
            found = await self._runner.observe(key)
            if found.phase in (Phase.STARTING, Phase.RUNNING):
                running += 1
            elif (found.ended_at or 0) < self._clock.now_us() - _KEPT_US:
                await self._store.write(self._identities.end_key, key)
                await self._runner.remove(key)
        return running


def _missing(id_: str) -> DataOSError:
    hint = "its answer is kept an hour, for who started it"
    return fail("dataset.not_found.compaction", f"there is no rewrite {id_}", hint=hint)
