"""Views: kept by statements, put in the place of their names, with the rights of the user and what a definer lends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dataos.core.errors import DataOSError
from dataos.core.ids import UserId
from dataos.gateway import results
from dataos.gateway.asking import Statement
from dataos.gateway.gateway import Gateway, Limits
from dataos.gateway.relations import Decision, Relation, ViewScan
from dataos.governance.exposure import AppliedFilter, AppliedMask
from dataos.governance.masking import Shape
from dataos.governance.policies import Filter, Mask
from dataos.governance.principals import Principal
from dataos.lakehouse.stored_views import StoredViews
from dataos.lakehouse.views import PUBLISHED, TableRef
from integration.gateway.gateway_world import ALICE, World
from support.access import AllowAll, NoJournal

BOB = Principal(UserId("bob"))
_MASKS = {("amount",): AppliedMask(Mask("redact", replacement="0"), "hide")}
BITTEN = Decision(
    shape=Shape(frozenset(), _MASKS.get), filters=(AppliedFilter(Filter("customer", "equals", "ann"), "hide"),)
)


@pytest.fixture(autouse=True, scope="module")
def schema(world: World):
    world.rows("CREATE SCHEMA IF NOT EXISTS views")
    world.rows("CREATE TABLE IF NOT EXISTS views.base AS SELECT id, customer, amount FROM orders")


def rows(world: World, sql: str, **options: Any) -> list[list[Any]]:
    return world.rows(sql, **{"schema": "views", **options})


def refused(world: World, sql: str) -> Any:
    with pytest.raises(DataOSError) as caught:
        rows(world, sql)
    return caught.value.problem


def test_a_view_is_read_as_a_table_is(world: World):
    rows(world, "CREATE OR REPLACE VIEW big COMMENT 'large ones' AS SELECT id AS Number, amount FROM base WHERE id > 2")
    assert rows(world, "SELECT number FROM big ORDER BY 1") == [[3], [4], [5]]
    assert rows(
        world, "SELECT b.number, o.customer FROM retail.orders o JOIN big b ON o.id = b.number WHERE number = 3"
    ) == [[3, "ann"]]
    assert rows(world, "SELECT lakehouse.views.big.number FROM lakehouse.views.big WHERE views.big.number < 4") == [[3]]
    assert rows(world, "SELECT x FROM big AS v(x, y) WHERE y > 50") == [[5]]
    assert ["big"] in rows(world, "SHOW TABLES")
    assert rows(world, "DESCRIBE big") == [["number", "bigint", "", ""], ["amount", "decimal(10,2)", "", ""]]
    rows(world, "INSERT INTO base VALUES (6, 'new', 1)")
    assert rows(world, "SELECT count(*) FROM big") == [[4]]
    rows(world, "DELETE FROM base WHERE id = 6")


def test_names_in_a_view_mean_what_they_meant_where_it_was_made(world: World):
    rows(world, "CREATE OR REPLACE VIEW local AS SELECT count(*) AS n FROM base")
    assert world.rows("SELECT n FROM views.local", schema="retail") == [[5]]
    assert world.rows("WITH base AS (SELECT 1 AS x) SELECT n FROM views.local, base", schema="retail") == [[5]]
    rows(world, "CREATE OR REPLACE VIEW inner_with AS WITH base AS (SELECT 7 AS x) SELECT x FROM base")
    assert rows(world, "SELECT * FROM inner_with") == [[7]]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT region FROM lacking",
        "SELECT l.region FROM (VALUES 'x') AS a(region), LATERAL (SELECT region FROM lacking) AS l",
        "SELECT (SELECT max(region) FROM lacking) FROM (VALUES 'x') AS a(region)",
        "SELECT 1 FROM (VALUES 'x') AS a(region) WHERE EXISTS (SELECT 1 FROM over_lacking)",
    ],
)
def test_names_in_a_view_mean_nothing_that_stands_around_it(world: World, sql: str):
    rows(world, "CREATE TABLE shrinks (id bigint, region varchar)")
    rows(world, "INSERT INTO shrinks VALUES (1, 'y')")
    rows(world, "CREATE OR REPLACE VIEW lacking AS SELECT region FROM shrinks")
    rows(world, "CREATE OR REPLACE VIEW over_lacking AS SELECT region FROM lacking")
    assert rows(world, sql)
    rows(world, "ALTER TABLE shrinks DROP COLUMN region")
    problem = refused(world, sql)
    rows(world, "DROP TABLE shrinks")
    assert problem.code == "query.unknown_column"
    assert "'region' cannot be resolved" in problem.message


def test_what_joins_a_view_in_parentheses_sees_it(world: World):
    rows(world, "CREATE OR REPLACE VIEW joined AS SELECT id FROM base")
    assert rows(world, "SELECT count(*) FROM (joined JOIN base b ON joined.id = b.id)") == [[5]]
    assert rows(world, "SELECT a.id FROM ((SELECT 1 AS id) AS a JOIN joined ON joined.id = a.id)") == [[1]]


def test_views_of_views_and_views_that_read_themselves(world: World):
    rows(world, "CREATE OR REPLACE VIEW one AS SELECT id FROM base WHERE id < 4")
    rows(world, "CREATE OR REPLACE VIEW two AS SELECT a.id FROM one a JOIN one b ON a.id = b.id WHERE a.id > 1")
    assert rows(world, "SELECT id FROM two ORDER BY id") == [[2], [3]]
    rows(world, "CREATE OR REPLACE VIEW one AS SELECT id FROM base WHERE id = 3")
    assert rows(world, "SELECT id FROM two") == [[3]]
    problem = refused(world, "CREATE OR REPLACE VIEW one AS SELECT id FROM two")
    assert problem.code == "query.view"
    assert rows(world, "SELECT id FROM two") == [[3]]


def test_what_a_view_may_not_be_used_for(world: World):
    rows(world, "CREATE OR REPLACE VIEW plain AS SELECT id FROM base")
    assert "already exists" in refused(world, "CREATE VIEW plain AS SELECT 1 AS a").message
    assert refused(world, "CREATE TABLE plain (id bigint)").code == "query.exists"
    assert refused(world, "CREATE OR REPLACE VIEW base AS SELECT 1 AS a").code == "query.exists"
    for sql in (
        "INSERT INTO plain VALUES (1)",
        "DELETE FROM plain",
        "DROP TABLE plain",
        "ALTER TABLE plain DROP COLUMN id",
    ):
        assert "is a view" in refused(world, sql).message
    assert refused(world, "SELECT * FROM plain FOR VERSION AS OF 1").code == "query.unsupported"
    assert refused(world, "CREATE VIEW v2 AS SELECT 1 AS a, 2 AS a").code == "query.type"
    assert refused(world, "CREATE VIEW v2 AS SELECT nope FROM base").code == "query.unknown_column"
    assert refused(world, "CREATE VIEW v2 AS SELECT * FROM read_text('/etc/passwd')").code == "query.unsupported"
    assert refused(world, "DROP VIEW base").code == "query.unknown_relation"
    assert refused(world, "DROP VIEW nowhere").code == "query.unknown_relation"
    rows(world, "DROP VIEW IF EXISTS nowhere")


def test_a_view_is_shown_renamed_commented_and_dropped(world: World):
    rows(world, "CREATE OR REPLACE VIEW shown SECURITY INVOKER AS SELECT id FROM base")
    ((text,),) = rows(world, "SHOW CREATE VIEW shown")
    assert text == "CREATE VIEW lakehouse.views.shown\nSECURITY INVOKER AS\nSELECT id FROM base"
    rows(world, "COMMENT ON VIEW shown IS 'it''s one'")
    assert "COMMENT 'it''s one'" in rows(world, "SHOW CREATE VIEW shown")[0][0]
    rows(world, "DROP VIEW IF EXISTS other")
    rows(world, "ALTER VIEW shown RENAME TO other")
    assert rows(world, "SELECT count(*) FROM other") == [[5]]
    assert refused(world, "SELECT * FROM shown").code == "query.unknown_relation"
    assert refused(world, "ALTER VIEW other SET AUTHORIZATION admin").code == "query.unsupported"
    rows(world, "DROP VIEW other")
    assert refused(world, "SELECT * FROM other").code == "query.unknown_relation"


# --- rights -----------------------------------------------------------------------------------------------------------


class Rules(AllowAll):
    """`base` is for alice; whoever else reads it sees the rows of ann, and no amounts."""

    def __init__(self) -> None:
        self.trusted = {"alice"}

    async def decide(self, principal: Principal, relations: Sequence[Relation]) -> list[Decision]:
        return [self._one(str(principal.user_id), r, str(principal.user_id)) for r in relations]

    async def lend(self, principal: Principal, definer: str, relations: Sequence[Relation]) -> list[Decision]:
        return [self._one(definer, r, str(principal.user_id)) for r in relations]

    def _one(self, reader: str, relation: Relation, viewer: str) -> Decision:
        if relation.table == "closed":
            return Decision(allowed=False)
        if relation.table != "base" or isinstance(relation.scan, ViewScan):
            return Decision()
        return Decision(allowed=reader in self.trusted) if viewer == "alice" else self._bitten(reader)

    def _bitten(self, reader: str) -> Decision:
        return BITTEN if reader in self.trusted else Decision(allowed=False)


@pytest.fixture
def governed(world: World):
    rules = Rules()
    gateway = Gateway(
        world.engine,
        world.mounted,
        ids=world.catalog.ids,
        limits=Limits(timeout_s=30),
        authority=rules,
        journal=NoJournal(),
    )

    def run(sql: str, principal: Principal = ALICE) -> list[list[Any]]:
        async def run() -> list[list[Any]]:
            result = await gateway.run(Statement(sql, catalog="lakehouse", schema="views"), principal)
            return (await results.as_json(result))["rows"]

        return world.do(run())

    run.rules = rules  # type: ignore[attr-defined]
    return run


def forbidden(run: Any, sql: str, principal: Principal) -> Any:
    with pytest.raises(DataOSError) as caught:
        run(sql, principal)
    assert caught.value.problem.code == "query.forbidden"
    return caught.value.problem


def test_a_definer_lends_the_right_to_select_and_no_more(governed: Any):
    governed("CREATE OR REPLACE VIEW lent AS SELECT id, customer, amount FROM base")
    forbidden(governed, "SELECT * FROM base", BOB)
    assert governed("SELECT id, customer, amount FROM lent ORDER BY id", BOB) == [
        [1, "ann", "0.00"],
        [3, "ann", "0.00"],
    ]
    assert len(governed("SELECT * FROM lent")) == 5, "filters and masks are the reader's, and alice has none"
    governed("CREATE OR REPLACE VIEW over_it SECURITY INVOKER AS SELECT count(*) AS n FROM lent", BOB)
    assert governed("SELECT n FROM over_it", BOB) == [[2]]


def test_what_is_lent_is_asked_anew_at_each_use(governed: Any):
    governed("CREATE OR REPLACE VIEW lent AS SELECT id FROM base")
    assert governed("SELECT count(*) FROM lent", BOB) == [[2]]
    governed.rules.trusted = {"carol"}
    forbidden(governed, "SELECT count(*) FROM lent", BOB)
    forbidden(governed, "SELECT count(*) FROM lent", ALICE)


def test_an_invoker_view_lends_nothing(governed: Any):
    governed("CREATE OR REPLACE VIEW own SECURITY INVOKER AS SELECT id FROM base")
    assert len(governed("SELECT id FROM own")) == 5
    forbidden(governed, "SELECT id FROM own", BOB)


def test_a_view_of_somebody_without_the_right_lends_nothing(governed: Any):
    governed("CREATE OR REPLACE VIEW mine AS SELECT 1 AS id", BOB)
    with pytest.raises(DataOSError):
        governed("CREATE OR REPLACE VIEW mine AS SELECT id FROM base", BOB)


def test_whoever_changes_a_view_beside_the_gateway_takes_the_lent_right_away(world: World, governed: Any):
    """An Iceberg client that may write a view must not put text of its own under another one's rights."""
    governed("CREATE OR REPLACE VIEW laundered AS SELECT id FROM base WHERE false")
    views, ref = StoredViews(world.catalog), TableRef("lakehouse", "views", "laundered")
    assert world.do(views.definer(ref)) == "alice"
    text = [{"type": "sql", "sql": "SELECT id FROM base", "dialect": "trino"}]
    version = {"version-id": 9, "timestamp-ms": 1, "schema-id": 0, "summary": {}, "representations": text}
    updates = [
        {"action": "set-properties", "updates": {"dataos.owner": "alice", "dataos.security": "definer"}},
        {"action": "add-view-version", "view-version": {**version, "default-namespace": ["views"]}},
        {"action": "set-current-view-version", "view-version-id": -1},
    ]
    world.do(views.replace(PUBLISHED, ref, [], updates))
    forbidden(governed, "SELECT * FROM laundered", BOB)
    assert len(governed("SELECT * FROM laundered")) == 5


def test_another_dialect_is_said(world: World):
    views, ref = StoredViews(world.catalog), TableRef("lakehouse", "views", "spark_view")
    schema_ = {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "a", "required": False, "type": "int"}]}
    text = [{"type": "sql", "sql": "SELECT `a` FROM b", "dialect": "spark"}]
    version = {"version-id": 1, "timestamp-ms": 1, "schema-id": 0, "summary": {}, "representations": text}
    world.do(views.create(PUBLISHED, ref, schema_, {**version, "default-namespace": []}, {}))
    problem = refused(world, "SELECT * FROM spark_view")
    assert (problem.code, "dialect spark" in problem.message) == ("query.view", True)
    rows(world, "DROP VIEW spark_view")
