"""Rows in = rows out: streams under kills at random moments, of servers, supervisors and programs, by a seed."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from e2e.test_streams import DEPOT, LINES, SQL
from support import streams
from support.server import NO_SANDBOX, Installation, below, installation, shims, wait_until

ROUNDS = int(os.environ.get("DATAOS_STREAM_KILLS", "8"))


def kill_program(made: Installation) -> None:
    """The driver itself, if it is up."""
    layers = 0 if NO_SANDBOX else 2
    for shim in shims(made):
        found = below(shim)
        if len(found) > layers:
            os.kill(found[-1], signal.SIGKILL)


def kill_shim(made: Installation) -> None:
    for shim in shims(made):
        os.kill(shim, signal.SIGKILL)


def kill_server(made: Installation) -> None:
    made.kill()
    made.up()


@pytest.mark.parametrize("seed", [11, 12])
def test_rows_in_are_rows_out(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with installation(tmp_path) as made:
        folder = made.work / "data" / "lines"
        folder.mkdir(parents=True)
        made.ok("apply", "-f", made.write("depot.yaml", DEPOT.format(path=made.work / "data")))
        out = {"name": "made", "dataset": "dataos://landing:none/out?acl=rw", "format": "csv"}
        text = streams.workflow(
            "chaos", [{**LINES, "options": {"maxFilesPerTrigger": 2}}], SQL, [streams.table("chaos"), out],
            streaming=streams.trigger(None),
        )  # fmt: skip
        text = text.replace("  - name: stream\n", "  - name: stream\n    retry: {count: 100, strategy: Always}\n", 1)
        assert "retry" in text
        made.ok("apply", "-f", made.write("chaos.yaml", text))
        count = 0
        for number in range(ROUNDS):
            for _ in range(chance.randint(1, 3)):
                streams.put(folder, f"{number}-{count}.csv", range(count, count + 5))
                count += 5
            time.sleep(chance.uniform(0.0, 4.0))
            chance.choice([kill_program, kill_shim, kill_server])(made)
        try:
            wait_until(lambda: len(streams.ids(made, "chaos")) >= count, 120, "all rows")
        finally:
            told = streams.log(made, "chaos")
        assert streams.ids(made, "chaos") == list(range(count)), told
        written = [x for f in (made.work / "data" / "out").glob("*.csv") for x in f.read_text().splitlines()[1:]]
        assert sorted(int(x.partition(",")[0]) for x in written) == list(range(count))
        made.ok("runtime", "stop", "-t", "workflow", "-n", "chaos", "-w", "public")
        assert streams.ended(made, "chaos")["runtime"] == "aborted"
        assert streams.ids(made, "chaos") == list(range(count))
