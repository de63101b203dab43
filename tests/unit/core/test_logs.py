"""The log's file stays below its bound, whoever writes to it, and no line is lost that a reader would miss."""

from __future__ import annotations

import json
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


TOLD = """
import logging
from dataos.core import logs
early = logs.get("before")
logs.configure(json=True)
logs.bind(request="r1")
log = logs.get("x")
log.debug("not told")
log.info("ours", number=1, path="ü")
early.warning("early")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
logging.getLogger("library").warning("theirs %s", "too")
logging.getLogger("httpx").info("noise")
"""


def test_our_lines_and_those_of_libraries_are_one_log():
    ran = subprocess.run([sys.executable, "-c", TOLD], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    told = [(line["event"], line["level"], line["request"]) for line in lines]
    assert told == [
        ("ours", "info", "r1"),
        ("early", "warning", "r1"),
        ("failed", "error", "r1"),
        ("theirs too", "warning", "r1"),
    ]
    assert (lines[0]["number"], lines[0]["path"]) == (1, "ü")
    assert "ZeroDivisionError" in lines[2]["exception"]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert ran.stdout == ""
