"""Reading `incremental`, and values in its SQL (ch04 3.8)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from dataos.manifest.specs import Reading
from dataos.stacks.flare import incremental, parsing, sql

GOOD: dict[str, Any] = {
    "context": "c",
    "sql": "select * from c where at > '$|since|' and id > $|low| and 1 = $|low|",
    "keys": [
        {"name": "since", "sql": "select now()"},
        {"name": "low", "sql": "select max(id) from c where x = '$|since|'"},
    ],
    "state": [{"key": "since", "value": "low"}],
}


def read(**changes: Any) -> tuple[incremental.Increment | None, Reading]:
    reading = Reading()
    return incremental.read({**GOOD, **changes}, reading, ("incremental",)), reading


def test_a_block_is_read():
    made, reading = read()
    assert not reading.problems
    assert made is not None
    assert [k.name for k in made.keys] == ["since", "low"]
    assert made.state == {"since": "low"}
    lone, _ = read(keys=GOOD["keys"][:1], sql="select * from c", state={"key": "since", "value": "since"})
    assert lone is not None
    assert lone.state == {"since": "since"}


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"context": "my view"}, "incremental.context", "cannot name a view"),
        ({"sql": "select * from d"}, "incremental.sql", "no view `d`"),
        ({"sql": "select * from c where a = $|sinse|"}, "incremental.sql", "names no key"),
        ({"sql": "delete from c"}, "incremental.sql", "a step is a SELECT"),
        (
            {"keys": [{"name": "low", "sql": "select $|since|"}, *GOOD["keys"][:1]]},
            "incremental.keys[0].sql",
            "names no key",
        ),
        ({"keys": [*GOOD["keys"], GOOD["keys"][0]]}, "incremental.keys[2].name", "two keys"),
        ({"state": [{"key": "since", "value": "select max(id) from c"}]}, "incremental.state[0].value", "names no key"),
        ({"state": [{"key": "until", "value": "since"}]}, "incremental.state[0].key", "names no key"),
    ],
)
def test_faults_have_their_place(changes: dict[str, Any], path: str, message: str):
    made, reading = read(**changes)
    assert made is None
    assert path in [p.path for p in reading.problems]
    assert any(message in p.message for p in reading.problems)


@given(st.text(max_size=40))
def test_no_value_leaves_its_place(value: str):
    for text in (
        "SELECT * FROM c WHERE a = '$|v|'",
        "SELECT * FROM c WHERE a = $|v|",
        'SELECT * FROM c WHERE a = "$|v|"',
    ):
        filled = incremental.fill(text, {"v": value})
        (tree,) = parsing.parse(filled)
        condition = tree.args["where"].this
        assert isinstance(condition, exp.EQ)
        literal = condition.expression
        if isinstance(literal, exp.Literal) and literal.is_string:
            assert literal.name == value
        else:
            assert not literal.find(exp.Column, exp.Select)
        sql.check(filled, ("c",))
