"""Every test of this folder runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.metadata.runs import Room, room
from support.stores import database, postgresql_server  # noqa: F401


@pytest.fixture
def known(tmp_path: Path, database: object) -> Iterator[Room]:  # noqa: F811
    with room(tmp_path) as made:
        yield made
