"""The log's file stays below its bound, whoever writes to it, and no line is lost that a reader would miss."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, pathlib, sys
from dataos.core import logs
logs.configure(json=True, rotate=logs.Rotation(pathlib.Path(sys.argv[1]), int(sys.argv[2])))
log = logs.get("x")
for number in range(int(sys.argv[3])):
    log.info("line", number=number)
os.write(2, b"raw\\n")
"""


def write(file, limit: int, count: int, target=None) -> None:
    with open(target or file, "ab") as out:
        subprocess.run(
            [sys.executable, "-c", PROGRAM, str(file), str(limit), str(count)], stderr=out, stdout=out, check=True
        )


def test_the_newest_lines_stay(tmp_path):
    file = tmp_path / "server.log"
    write(file, 40_000, 3000)
    files = [file, *(tmp_path / f"server.log.{n}" for n in (1, 2, 3))]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert sum(f.stat().st_size for f in files) <= 44_000
    text = "".join(f.read_text() for f in reversed(files))
    lines = text.splitlines()
    assert lines[-1] == "raw"
    numbers = [int(line.split('"number": ')[1].split(",")[0].rstrip("}")) for line in lines[:-1]]
    assert numbers == list(range(numbers[0], 3000))
    assert all(f.stat().st_mode & 0o077 == 0 for f in files[:1])


def test_what_goes_elsewhere_is_not_rotated(tmp_path):
    (tmp_path / "server.log").write_text("of an earlier start\n")
    write(tmp_path / "server.log", 10_000, 500, tmp_path / "other")
    assert (tmp_path / "server.log").read_text() == "of an earlier start\n"
    assert not (tmp_path / "server.log.1").exists()
