"""The tutorial, exactly as printed: each file saved, each block of commands run, in a shell and in order."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from support.server import Installation

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"


@pytest.fixture
def shell(tmp_path):
    """Runs a text in the tutorial's folder, with `dataos` on the PATH."""
    made = Installation(tmp_path, env={"DATAOS_LISTEN__PORT": "0"})
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "dataos"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dataos.cli.main "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    env = {**made.env, "PATH": f"{programs}:{made.env['PATH']}"}

    def run(text: str, folder: Path) -> str:
        done = subprocess.run(
            ["/bin/sh", "-euc", text], cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    yield run
    made.cli("down")


def test_every_step_of_the_tutorial_works_as_printed(shell, tmp_path):
    folder = tmp_path
    written = ""
    for before, kind, block in re.findall(r"(.*?)```(\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL):
        if kind == "yaml":
            (name,) = re.findall(r"Save as `([\w.]+)`", before)
            (folder / name).write_text(block)
        else:
            written += shell(block, folder)
            folder = tmp_path / "coffee"
    assert "Alfama | 265.6" in written
    assert "Baixa  | 123.5" in written
    assert "3 rows, new table" in written
    assert (folder / "sales.parquet").read_bytes().startswith(b"PAR1")
