"""The server's side of `loading`: one process for each delivery of rows to a database.

Imports neither duckdb nor pyarrow: the server stays small.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dataos.core import logs
from dataos.core.errors import DataOSError, Problem, fail
from dataos.depots import placing
from dataos.depots.ports import DatabaseConnection, Delivery, Fence, required

_log = logs.get(__name__)
_MEMORY_MIB = 512
_COMMIT_S = 300.0


class DatabaseLoader:
    """Puts the rows of Parquet files into tables. `folder`: where a process has its files meanwhile (0700)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def load(self, target: DatabaseConnection, delivery: Delivery, fence: Fence) -> int | None:
        """Put all rows of a delivery's files into the table of its address, in one transaction that ends after `fence`.

        Overwrite takes all rows away that were there; the table itself stays, and is made where there is none. An
        append that was made before (same mark) changes nothing. Returns the rows; None where nothing was left to do.
        Raises DataOSError `depot.write`, `depot.unreachable`, `depot.dataset_not_found`, `flare.schema`, and what
        `fence` raises.
        """
        schema, table = required(delivery.udl)
        names = await asyncio.to_thread(placing.staged, delivery.folder)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="load-", dir=self._folder))
        order: dict[str, Any] = {
            "folder": str(folder),
            "mount": asdict(target),
            "schema": schema,
            "table": table,
            "files": [str(delivery.folder / name) for name in names],
            "mode": delivery.mode,
            "mark": delivery.mark,
            "memory_mib": _MEMORY_MIB,
        }
        try:
            return await self._run(order, delivery, fence)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _run(self, order: dict[str, Any], delivery: Delivery, fence: Fence) -> int | None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", "dataos.engines.duckdb.loading",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": order["folder"]}, cwd=order["folder"],
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None  # noqa: S101, PT018
        said = asyncio.create_task(process.stderr.read())
        try:
            process.stdin.write(json.dumps(order).encode() + b"\n")
            await process.stdin.drain()
            answer = await self._answer(process, delivery)
            if "already" in answer:
                return None
            await fence()
            process.stdin.write(b"go\n")
            await process.stdin.drain()
            async with asyncio.timeout(_COMMIT_S):
                return int((await self._answer(process, delivery))["done"])
        except (TimeoutError, ConnectionError) as error:
            raise self._broken(delivery) from error
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            if words := (await said).decode("utf-8", "replace").strip():
                _log.warning("a delivery's process said something", said=words[-2000:])

    async def _answer(self, process: asyncio.subprocess.Process, delivery: Delivery) -> dict[str, Any]:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        line = await process.stdout.readline()
        if not line:
            raise self._broken(delivery)
        answer: dict[str, Any] = json.loads(line)
        if "problem" in answer:
            problem = Problem.from_json(answer["problem"])
            message = f"output {delivery.udl}: {problem.message}"
            raise DataOSError(Problem.from_json({**problem.to_json(), "message": message}))
        if "failed" in answer:
            text = f"output {delivery.udl}: the database refused the rows: {answer['failed']}"
            if answer["unreachable"]:
                text = f"output {delivery.udl}: the database of depot '{delivery.udl.depot}' cannot be reached"
                raise fail("depot.unreachable", text, hint="is it running, and is the depot's secret right?", retry=5.0)
            raise fail("depot.write", text, hint="nothing was changed there: correct the rows, or the table")
        return answer

    @staticmethod
    def _broken(delivery: Delivery) -> DataOSError:
        text = f"output {delivery.udl}: the process that writes it ended"
        return fail("depot.write", text, hint="the server's log has its words; it is tried again", retry=5.0)
