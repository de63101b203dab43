"""Files of attempts go when their time is over, or when their run is forgotten; nothing else does."""

from __future__ import annotations

import asyncio

from dataos.processes.ports import Isolation, Launch
from dataos.store import tables
from integration.workflow.world import world

RUN = "abcdefghij01"


def test_files_of_old_and_of_forgotten_attempts_go(tmp_path):
    async def main() -> None:
        async with world(tmp_path) as w:
            hour = 3_600_000_000
            now = w.clock.now_us()
            ended = {f"{RUN}-old-1": ("failed", now - 2 * hour), f"{RUN}-new-1": ("succeeded", now - hour // 2)}
            rows = {**ended, f"{RUN}-open-1": ("running", None)}
            for key in [*rows, f"{RUN}-forgotten-job-12", "engine-1"]:
                await w.runner.start(key, Launch(argv=("/bin/true",), isolation=Isolation.PLATFORM))
            values = [
                {
                    "id": key, "run_id": RUN, "job": key.split("-")[1], "number": 1, "state": state, "cpu": 1.0,
                    "memory_bytes": 1, "reason": "", "created_at": 0, "finished_at": finished,
                }
                for key, (state, finished) in rows.items()
            ]  # fmt: skip
            await w.store.write(lambda c: c.execute(tables.attempts.insert(), values))
            assert await w.attempts.forget(3600) == 2
            assert sorted(await w.runner.keys()) == [f"{RUN}-new-1", f"{RUN}-open-1", "engine-1"]
            assert await w.attempts.forget(3600) == 0

    asyncio.run(main())
