"""Ways in which other systems are known to have leaked, and what the suite has found here: each a statement of its own.

The world is small and written out; each statement is judged by the oracles too, so that a case that leaks in another way
than the one it is about is seen as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dataos.governance.policies import AccessRule, DataRule, Filter, Mask
from leaks.expressions import Statement
from leaks.lab import Answer
from leaks.model import BIGINT, DATE, DEPOT, INTEGER, VARCHAR, Column, Part, Table, User, View, World, array, row
from leaks.oracles import Judge, Stage
from leaks.run import Runner

PEOPLE = Table(
    "People",
    (
        Column("id", BIGINT),
        Column("name", VARCHAR),
        Column("age", INTEGER),
        Column("region", VARCHAR),
        Column("address", row(city=VARCHAR, zip=VARCHAR)),
        Column("phones", array(VARCHAR)),
        Column("born", DATE),
    ),
    (
        (1, "zqann1w", 30, "emea", {"city": "zqoslo1w", "zip": "zq01501w"}, ["zqphone1w"], None),
        (2, "zqbob2w", 41, "amer", {"city": "zqrome2w", "zip": None}, ["zqphone2w", None], None),
        (3, "zqcyd3w", 52, "emea", None, None, None),
        (4, None, None, None, {"city": None, "zip": "zq53114w"}, [], None),
    ),
    old=((9, "zqold9w", 99, "amer", {"city": "zqoldcity9w", "zip": None}, ["zqoldphone9w"], None),),
)
ORDERS = Table(
    "orders",
    (Column("id", BIGINT), Column("person", BIGINT), Column("note", VARCHAR)),
    ((10, 1, "zqnote1w"), (11, 2, "zqnote2w"), (12, 2, "x")),
)
HIDDEN = Table(
    "secrets", (Column("id", BIGINT), Column("word", VARCHAR)), ((1, "zqsecret1w"),), old=((1, "zqsecret1w"),)
)
READER = "users:id:u0"


def mask(name: str, column: str, mask_: Mask, *, priority: int = 40, layer: str = "user", tags: Any = (READER,)) -> Any:
    """A policy on a column of People."""
    rule = DataRule(
        name,
        "mask",
        priority,
        tags,
        depot=DEPOT,
        collection="cases",
        dataset="people",
        column_names=(column,),
        mask=mask_,
        layer=layer,
    )
    return f"policy:{name}", rule


def only(name: str, column: str, operator: str, value: Any, priority: int = 40) -> Any:
    """A filter on People."""
    filters = (Filter(column, operator, value),)
    return f"policy:{name}", DataRule(
        name, "filter", priority, (READER,), depot=DEPOT, collection="cases", dataset="People", filters=filters
    )


def deny(name: str, path: str) -> Any:
    """A denial of a table or, with `#`, of a column."""
    return f"policy:{name}", AccessRule(name, ((READER,),), ("select", "read"), (f"dataos://{DEPOT}:cases/{path}",))


ALLOWED = (
    "policy:reads",
    AccessRule(
        "reads",
        ((READER,),),
        ("select", "read"),
        tuple(f"dataos://{DEPOT}:cases/{t}" for t in ("People", "orders")),
        allow=True,
    ),
)
REDACT = Mask("redact", replacement="***")
HASH = Mask("hash", algo="sha256")
USERS = tuple(User(f"u{n}", frozenset({"roles:id:user", f"users:id:u{n}"})) for n in range(2))
SEALED = View("sealed", "u1", True, (Part("secrets", ("id", "word")),))
NARROW = View("narrow", "u1", True, (Part("secrets", ("id",)),))
BASE = World(0, "cases", (PEOPLE, ORDERS, HIDDEN), USERS, (ALLOWED,), views=(SEALED, NARROW))


class Cases:
    """Statements over the world with some policies."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def under(self, *rules: Any, tags: Any = ()) -> None:
        """Put these policies in force beside the right to read."""
        self._stage.become(replace(BASE, rules=(ALLOWED, *rules), column_tags=frozenset(tags)))

    def ask(self, sql: str) -> Answer:
        """The answer, which no oracle objects to."""
        named = frozenset(t.name for t in (*BASE.tables, *BASE.views) if t.name.lower() in sql.lower())
        judge = Judge(self._stage)
        failure = judge.judge("u0", Statement(sql, tables=named))
        assert failure is None, f"{failure.oracle}: {failure.text}" if failure else ""
        return judge.answer

    def rows(self, sql: str) -> list[Any]:
        """The rows, sorted."""
        answer = self.ask(sql)
        assert not answer.failed, answer.message
        return sorted(answer.rows, key=repr)

    def code(self, sql: str) -> str:
        """What a refusal is called."""
        return self.ask(sql).code


@pytest.fixture(scope="module")
def cases(runner: Runner) -> Iterator[Cases]:
    stage = Stage(runner.lab(), BASE)
    yield Cases(stage)
    stage.close()


# --- public cases -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT address.city FROM People",
        "SELECT p.address.city FROM People p",
        "SELECT x.c FROM (SELECT address AS a FROM People) y CROSS JOIN LATERAL (SELECT y.a.city AS c) x",
        "SELECT a.city FROM (SELECT element_at(array_agg(address ORDER BY id), 1) AS a FROM People)",
        "SELECT max(address.city) FROM People",
    ],
)
def test_trino_15659_a_mask_on_a_nested_field_holds(cases: Cases, sql: str):
    cases.under(mask("city", "address.city", REDACT))
    assert {value for value, *_ in cases.rows(sql)} <= {"***", None}


def test_trino_12390_a_filter_works_on_a_column_that_may_not_be_selected(cases: Cases):
    cases.under(only("emea", "region", "equals", "emea"), deny("no-region", "People#region"))
    assert cases.rows("SELECT id FROM People") == [(1,), (3,)]
    assert cases.code("SELECT region FROM People") == "query.unknown_column"
    assert cases.code("SELECT id FROM People WHERE region = 'amer'") == "query.unknown_column"


def test_trino_21359_a_statement_asks_for_decisions_once(cases: Cases, runner: Runner, monkeypatch: pytest.MonkeyPatch):
    cases.under(mask("name", "name", REDACT))
    authority = runner.lab().governed.authority
    asked: list[int] = []
    original = authority.decide

    async def decide(principal: Any, relations: Any) -> Any:
        asked.append(len(relations))
        return await original(principal, relations)

    monkeypatch.setattr(authority, "decide", decide)
    stage = cases._stage
    stage.ask(
        "u0", "SELECT p.*, o.* FROM People p JOIN orders o ON o.person = p.id WHERE p.id IN (SELECT id FROM People)"
    )
    assert asked == [3]


def test_cube_10803_and_11934_a_rule_without_content_opens_nothing(cases: Cases):
    empty = AccessRule("empty", (), ("select", "read"), (f"dataos://{DEPOT}:cases/*",), allow=True)
    nobody = AccessRule("nobody", ((),), ("select", "read"), (f"dataos://{DEPOT}:cases/*",), allow=True)
    cases.under(("policy:empty", empty), ("policy:nobody", nobody))
    assert cases.code("SELECT * FROM secrets") == "query.forbidden"
    bare = DataRule("bare", "filter", 40, (), depot=DEPOT, collection="cases", dataset="People")
    cases.under(("policy:bare", bare), only("emea", "region", "equals", "emea", priority=99))
    assert cases.rows("SELECT id FROM People") == [(1,), (3,)]


def test_cube_11934_two_rules_do_not_show_each_others_values(cases: Cases):
    cases.under(
        only("emea", "region", "equals", "emea"), only("no-3", "id", "not_equals", 3), mask("name", "name", HASH)
    )
    shown = cases.rows("SELECT id, name FROM People")
    assert [i for i, _ in shown] == [1]
    assert shown[0][1] != "zqann1w"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM People UNION ALL SELECT note FROM orders",
        "SELECT note FROM orders UNION ALL SELECT name FROM People",
        "WITH orders AS (SELECT name AS note FROM People) SELECT note FROM orders",
        "SELECT d.n FROM (SELECT p.name AS n FROM People AS p) AS d",
        "SELECT x FROM People CROSS JOIN UNNEST(ARRAY[name]) AS u(x)",
        "SELECT (SELECT max(p.name) FROM People p WHERE p.id = o.person) FROM orders o",
        "SELECT name FROM orders o JOIN LATERAL (SELECT name FROM People p WHERE p.id = o.person) l ON true",
        "SELECT coalesce(name, '') FROM People",
        "SELECT CAST(ROW(name) AS row(x varchar)).x FROM People",
        "SELECT json_format(CAST(ARRAY[name] AS json)) FROM People",
        'SELECT "NAME" FROM "PEOPLE"',
        "SELECT first_value(name) OVER (ORDER BY id) FROM People",
        "SELECT listagg(name, ',') WITHIN GROUP (ORDER BY id) FROM People",
    ],
)
def test_bytebase_omni_286_a_mask_holds_by_every_way(cases: Cases, sql: str):
    cases.under(mask("name", "name", REDACT))
    assert "zqann" not in repr(cases.rows(sql))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM People WHERE name = 'zqann1w'",
        "SELECT id FROM People WHERE name LIKE 'zqa%'",
        "SELECT id FROM People WHERE name IN ('zqann1w')",
        "SELECT p.id FROM People p JOIN (VALUES 'zqann1w') v(n) ON p.name = v.n",
        "SELECT 1 FROM orders WHERE EXISTS (SELECT 1 FROM People WHERE name = 'zqann1w')",
        "SELECT id FROM People WHERE CASE WHEN name = 'zqann1w' THEN 1 / 0 ELSE 0 END = 1",
        "SELECT name FROM People GROUP BY name HAVING name = 'zqann1w'",
        "SELECT id FROM People ORDER BY nullif(name, 'zqann1w'), id LIMIT 0",
    ],
)
def test_bytebase_20288_masked_values_cannot_be_probed(cases: Cases, sql: str):
    cases.under(mask("name", "name", REDACT))
    assert cases.rows(sql) == []


def test_doris_66770_a_policy_that_cannot_be_applied_is_no_policy_without_effect(cases: Cases):
    for rule in (
        only("gone", "no_such_column", "equals", 1),
        only("odd", "age", "equals", "x"),
        only("late", "born", "equals", "x"),
    ):
        cases.under(rule)
        assert cases.code("SELECT id FROM People") == "policy.filter"
        assert cases.rows("SELECT count(*) FROM orders") == [(3,)]


def test_personal_data_are_not_rebuilt_by_groups(cases: Cases):
    cases.under(mask("name", "name", REDACT), mask("age", "age", Mask("bucket_number", buckets=(0.0, 50.0))))
    assert cases.rows("SELECT count(*) FROM People WHERE name IS NOT NULL GROUP BY name") == [(3,)]
    assert cases.rows("SELECT age, count(*) FROM People GROUP BY age") == [(0, 2), (50, 1), (None, 1)]
    assert cases.rows("SELECT count(DISTINCT name), count(DISTINCT age) FROM People") == [(1, 2)]
    assert cases.rows("SELECT grouping(name), count(*) FROM People GROUP BY ROLLUP (name)") == [(0, 1), (0, 3), (1, 4)]


# --- what the suite found here ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["secrets", "SECRETS", '"secrets"', "secrets FOR VERSION AS OF 'old'", "secrets FOR VERSION AS OF 'nothing'",
     "secrets FOR TIMESTAMP AS OF TIMESTAMP '1990-01-01 00:00:00'", '"secrets$files"', '"secrets@side"'],
)  # fmt: skip
def test_a_table_that_may_not_be_read_is_refused_as_one_that_is_not_there(cases: Cases, name: str):
    cases.under()
    there = cases.ask(f"SELECT * FROM {name}")
    absent = cases.ask(f"SELECT * FROM {name}".replace("secrets", "nothing").replace("SECRETS", "NOTHING"))
    assert there.code == absent.code == "query.forbidden"
    assert there.message.lower().replace("secrets", "nothing") == absent.message.lower()
    assert there.message.count("SECRETS") == name.count("SECRETS"), "its spelling is told"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM secrets a JOIN nothing b ON true",
        "SELECT 1 FROM secrets a JOIN secrets FOR VERSION AS OF 'nothing' b ON true",
        'SELECT 1 FROM secrets a CROSS JOIN "secrets$files" b',
        "SELECT 1 FROM nothing a JOIN sealed b ON true",
        "SELECT 1 FROM orders a JOIN nothing b ON true JOIN sealed c ON true",
    ],
)
def test_what_is_refused_first_does_not_tell_what_is_there(cases: Cases, sql: str):
    cases.under()
    there = cases.ask(sql)
    absent = cases.ask(sql.replace("secrets", "absence").replace("sealed", "absent"))
    assert there.code == absent.code == "query.forbidden"
    assert there.message == absent.message.replace("absence", "secrets").replace("absent", "sealed")


def allow(user: str, table: str) -> Any:
    """The right to read one thing."""
    paths = (f"dataos://{DEPOT}:cases/{table}",)
    return f"policy:{user}-{table}", AccessRule("may", ((f"users:id:{user}",),), ("select", "read"), paths, allow=True)


def test_a_view_lends_its_owners_right_of_this_moment_and_nothing_else(cases: Cases):
    given, owned = allow("u0", "sealed"), allow("u1", "secrets")
    hidden = DataRule(
        "word", "mask", 40, (READER,), depot=DEPOT, collection="cases", dataset="secrets", column_names=("word",),
        mask=REDACT,
    )  # fmt: skip
    cases.under(given, owned)
    assert cases.rows("SELECT * FROM sealed") == [(1, "zqsecret1w")]
    cases.under(given, owned, ("policy:word", hidden))
    assert cases.rows("SELECT * FROM sealed") == [(1, "***")]
    assert cases.rows("SELECT id FROM sealed WHERE word = 'zqsecret1w'") == []
    for rules in ((given,), (owned,), (given, owned, deny("no", "secrets")), (given, owned, deny("no", "sealed"))):
        cases.under(*rules)
        assert cases.code("SELECT * FROM sealed") == "query.forbidden"


def test_a_row_without_a_part_keeps_its_other_names(cases: Cases):
    cases.under(deny("no-zip", "People#address.ZIP"))
    assert ("address", "row(city varchar)", "", "") in cases.rows("DESCRIBE People")
    assert cases.code("SELECT address.zip FROM People") != ""


def test_a_past_version_is_filtered_and_masked(cases: Cases):
    cases.under(mask("name", "name", REDACT), only("amer", "region", "not_equals", "amer"))
    assert cases.rows("SELECT name FROM People FOR VERSION AS OF 'old'") == []
    cases.under(mask("name", "name", REDACT))
    assert cases.rows("SELECT name FROM People FOR VERSION AS OF 'old'") == [("***",)]


def test_metadata_of_a_table_with_hidden_parts_are_withheld(cases: Cases):
    cases.under(mask("name", "name", REDACT))
    for kind in ("files", "snapshots", "partitions", "history", "entries", "manifests", "refs"):
        assert cases.code(f'SELECT * FROM "People${kind}"') == "query.forbidden"


def test_a_name_in_having_is_the_column(cases: Cases):
    cases.under()
    assert cases.rows("SELECT region FROM People GROUP BY region HAVING region = 'emea'") == [("emea",)]
    assert cases.rows("SELECT region, max(age) AS age FROM People GROUP BY region HAVING max(age) > 45") == [
        ("emea", 52)
    ]


def test_no_rows_are_counted_as_none(cases: Cases):
    cases.under(only("nobody", "id", "equals", 0))
    assert cases.rows("SELECT count_if(age > 1), count_if(age > 1) FILTER (WHERE id > 0) FROM People") == [(0, 0)]
    assert cases.rows("SELECT count_if(DISTINCT person > 1) FROM orders") == [(1,)]


def test_a_filter_that_cannot_be_applied_does_not_tell_its_value(cases: Cases):
    cases.under(only("age", "age", "not_equals", "zqnote1w"))
    for sql in ("SELECT id FROM People", "SELECT 1 FROM People WHERE false", "EXPLAIN SELECT id FROM People"):
        answer = cases.ask(sql)
        assert answer.code == "policy.filter"
        assert "zqnote1w" not in answer.message


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nothing FROM narrow",
        "SELECT word FROM narrow",
        "SELECT narrow.word FROM narrow",
        "SELECT word FROM narrow a JOIN narrow b ON a.id = b.id",
        "SELECT wrd, o.id FROM narrow JOIN orders o ON true",
        'SELECT "two words" FROM narrow',
    ],
)
def test_what_cannot_be_resolved_beside_a_view_does_not_tell_columns_below_it(cases: Cases, sql: str):
    cases.under(allow("u0", "narrow"), allow("u1", "secrets"))
    answer = cases.ask(sql)
    assert answer.code == "query.unknown_column"
    assert "word" not in answer.message.partition("known:")[2]
