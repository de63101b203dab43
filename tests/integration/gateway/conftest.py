"""Fixtures of the gateway tests; the world itself stands in `gateway_world`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.gateway.database_world import db, writing  # noqa: F401
from integration.gateway.gateway_world import SHOP, World
from support import postgres as pg
from support.mysql import mariadb  # noqa: F401


@pytest.fixture(scope="session")
def server() -> Iterator[pg.Postgres]:
    with pg.running() as running:
        running.run("CREATE DATABASE shop")
        with running.connect("shop") as connection:
            connection.execute(SHOP.encode())
        yield running


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, server: pg.Postgres) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"), server)
    yield made
    made.close()
