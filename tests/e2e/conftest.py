"""Real databases, for the files of end-to-end tests that read or write them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import mysql, postgres


@pytest.fixture(scope="module")
def pg() -> Iterator[postgres.Postgres]:
    with postgres.running() as made:
        yield made


@pytest.fixture(scope="module")
def my() -> Iterator[mysql.Mysql]:
    if mysql.installed() is None:
        pytest.skip(mysql.WHY)
    with mysql.running() as made:
        made.run("CREATE DATABASE shop")
        yield made
