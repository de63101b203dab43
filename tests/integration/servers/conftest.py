"""Real servers on one real PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import postgres, stores
from support.server import Installation
from support.stores import postgresql_server  # noqa: F401


@pytest.fixture
def address(postgresql_server: postgres.Postgres) -> Iterator[str]:  # noqa: F811
    """A fresh, empty database, as store.url without its password."""
    name = stores.fresh(postgresql_server, template=False)
    yield f"postgresql://{postgresql_server.user}@{postgresql_server.host}:{postgresql_server.port}/{name}"
    postgresql_server.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


Joining = Callable[..., Installation]


@pytest.fixture
def join(tmp_path: Path, address: str, postgresql_server: postgres.Postgres) -> Iterator[Joining]:  # noqa: F811
    """`join("a")` makes an installation on the shared store; the master key of the first is copied to the others."""
    made: list[Installation] = []

    def add(
        name: str, *, start: bool = True, share_key: bool = True, env: dict[str, str] | None = None
    ) -> Installation:
        folder = tmp_path / name
        folder.mkdir()
        one = Installation(
            folder,
            {
                "DATAOS_STORE__URL": address,
                "DATAOS_STORE__PASSWORD": postgresql_server.password,
                "DATAOS_STORAGE__ALLOWED_PATHS": str(tmp_path),
                **(env or {}),
            },
        )
        if made and share_key:
            keys = one.home / "keys"
            keys.mkdir(parents=True, mode=0o700)
            shutil.copy(made[0].home / "keys" / "master.key", keys / "master.key")
        made.append(one)
        if start:
            one.up()
        return one

    yield add
    for one in made:
        one.stop()
