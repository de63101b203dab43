"""An installation with a secret and a table, and an empty one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import lakes
from support.care import SECRET
from support.server import Installation, installation


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path / "first") as installed:
        installed.ok("apply", "-f", installed.write("s.yaml", SECRET))
        lakes.make_table(installed, "sales.orders", 1, 2)
        yield installed


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Installation]:
    """Another machine, so to say: nothing on it yet."""
    with installation(tmp_path / "second", start=False) as installed:
        yield installed
