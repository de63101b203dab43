"""An installation with a secret and a table, and an empty one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import lakes
from support.care import SECRET, back_up
from support.server import Installation, installation


@contextmanager
def furnished(folder: Path) -> Iterator[Installation]:
    with installation(folder) as installed:
        installed.ok("apply", "-f", installed.write("s.yaml", SECRET))
        lakes.make_table(installed, "sales.orders", 1, 2)
        yield installed


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Installation]:
    with furnished(tmp_path / "first") as installed:
        yield installed


@pytest.fixture(scope="module")
def backup_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of such an installation, which is gone."""
    folder = tmp_path_factory.mktemp("backup")
    with furnished(folder / "first") as installed:
        back_up(installed, folder / "b")
    return folder / "b"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Installation]:
    """Another machine, so to say: nothing on it yet."""
    with installation(tmp_path / "second", start=False) as installed:
        yield installed
