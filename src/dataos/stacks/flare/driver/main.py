"""Run the job that the environment names, exit 0 or 1."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from dataos.core.errors import DataOSError
from dataos.stacks.flare.driver import job as jobs
from dataos.stacks.flare.driver.forwarder import Forwarder
from dataos.stacks.flare.driver.output import Log, Result
from dataos.stacks.flare.driver.run import Run, utc_now


def load() -> None:
    """Import what every job needs. Outside of a sandbox, whose Python is read-only, that keeps its bytecode too."""
    import pandas  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import pyarrow.parquet  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import pysail.spark  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import pyspark.sql.connect.session  # noqa: F401  # pyright: ignore[reportUnusedImport]


def wait() -> None:
    """Load what a job needs, then wait to be told which one this process is for; end if there is none."""
    load()
    told = sys.stdin.buffer.readline()
    if not told:
        os._exit(0)
    os.environ.clear()
    os.environ.update(json.loads(told))


def main() -> int:
    """Run the job of this process's environment."""
    out = Path(os.environ["DATAOS_OUT_DIR"])
    scratch = Path(os.environ["DATAOS_TEMP_DIR"])
    try:
        job = jobs.load(Path(os.environ["DATAOS_CONFIG_DIR"]), Path(os.environ["DATAOS_SECRET_DIR"]))
    except DataOSError as error:
        result = Result()
        result.add(error)
        result.write(out)
        Log().error(str(error))
        return 1
    forwarder = None
    server = job.server
    if not server:
        forwarder = Forwarder(os.environ["DATAOS_SERVER_SOCKET"])
        server = forwarder.url
    moment = datetime.fromtimestamp(job.now_us / 1e6, UTC) if job.now_us else None
    run = Run(job, server, scratch, out, Log(job.log_level), (lambda: moment) if moment else utc_now)
    done = False
    try:
        done = run.execute()
    finally:
        run.result.write(out)
        if forwarder is not None:
            forwarder.close()
    return 0 if done else 1


def run() -> NoReturn:
    """All of the process's life."""
    if "DATAOS_WAITS" in os.environ:
        wait()
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # the engine's threads need no farewell; waiting for them costs time and may hang
    os._exit(code)
