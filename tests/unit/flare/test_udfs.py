"""`job.udfs`: what is understood, what is refused, and where (ch04 3.17)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.core.errors import DataOSError
from dataos.manifest.specs import Reading
from dataos.stacks.flare import sql, udfs
from dataos.stacks.flare.engines import EngineName


def read(data: Any) -> tuple[tuple[udfs.Udf, ...], list[Any]]:
    reading = Reading()
    return udfs.read(data, reading, ("job", "udfs")), reading.problems


@pytest.mark.parametrize(
    ("entry", "returns", "arity"),
    [
        ("lambda value: value.upper()", "STRING", "1 argument"),
        ("lambda a, b=1, *c: a", "STRING", "1 or more arguments"),
        ({"python": "lambda a, b=1: a + b", "returnType": "bigint"}, "BIGINT", "1 to 2 arguments"),
        ({"source": "lambda: 1", "returns": "decimal(10, 2)"}, "DECIMAL(10, 2)", "0 arguments"),
        ("import math\n\ndef f(x: float) -> float:\n    return math.sqrt(x)\n", "DOUBLE", "1 argument"),
        ("def helper(x): return x\ndef f(x) -> 'int | None': return helper(x)", "BIGINT", "1 argument"),
        ("def other(x) -> list[str]: return [x]", "ARRAY<STRING>", "1 argument"),
        ("def f(x) -> dict[str, float]: return {}", "MAP<STRING, DOUBLE>", "1 argument"),
        ("from datetime import date\ndef f(x) -> date | None: return None", "DATE", "1 argument"),
    ],
)
def test_what_is_understood(entry: Any, returns: str, arity: str) -> None:
    (found,), problems = read({"f": entry})
    assert problems == []
    assert (found.name, found.returns, str(found.arity)) == ("f", returns, arity)


@pytest.mark.parametrize(
    ("data", "said", "path"),
    [
        (
            {"shout": "(value: String) => value.toUpperCase()"},
            "Scala UDF `shout` needs engine: spark",
            "job.udfs.shout",
        ),
        ({"f": "lambda x: ("}, "the UDF `f` is no Python", "job.udfs.f"),
        ({"f": ""}, "the UDF `f` is empty", "job.udfs.f"),
        ({"f": None}, "the UDF `f` is empty", "job.udfs.f"),
        ({"f": "x = 1"}, "defines no function `f`", "job.udfs.f"),
        ({"f": "def a(x): ...\ndef b(x): ..."}, "defines no function `f`, but a, b", "job.udfs.f"),
        ({"upper": "lambda x: x"}, "`upper` is a function of Spark's own", "job.udfs.upper"),
        ({"a b": "lambda x: x"}, "`a b` cannot name a function", "job.udfs"),
        ({"f": {"python": "lambda x: x", "returnType": "strng"}}, "`strng` is no type", "job.udfs.f.returnType"),
        ({"f": "def f(x) -> Thing: ..."}, "its annotation tells no type of SQL", "job.udfs.f"),
        ({"f": "lambda x: x", "F": "lambda x: x"}, "two UDFs are named `F`", "job.udfs.F"),
        (["lambda x: x"], "`udfs` must be a mapping", "job.udfs"),
    ],
)
def test_what_is_refused(data: Any, said: str, path: str) -> None:
    _, problems = read(data)
    assert len(problems) == 1
    assert said in problems[0].message
    assert problems[0].path.startswith(path)


def test_who_calls_a_faulty_one_is_not_at_fault_too() -> None:
    data = {"f": "lambda x: ("}
    found, _ = read(data)
    assert sql.check("SELECT f(1, 2, 3) FROM v", ("v",), udfs=udfs.arities(found, data)).text


def test_faults_of_python_have_their_line() -> None:
    _, (problem,) = read({"f": "def f(x):\n    return x +\n"})
    assert (problem.line, "invalid syntax" in problem.message) == (2, True)


def test_the_guard_knows_them_and_counts_arguments() -> None:
    own = {"shout": udfs.Arity(1, 2)}
    checked = sql.check("SELECT Shout(a) AS b FROM v", ("v",), udfs=own)
    assert checked.text == "SELECT Shout(a) AS b FROM v"
    assert checked.costly
    for engine in EngineName:
        with pytest.raises(DataOSError, match="the UDF `shout` takes 1 to 2 arguments, not 3"):
            sql.check("SELECT shout(1, 2, 3) FROM v", ("v",), engine=engine, udfs=own)
    with pytest.raises(DataOSError) as caught:
        sql.check("SELECT shuot(a) FROM v", ("v",), udfs=own)
    assert "shout" in caught.value.problem.hint
    with pytest.raises(DataOSError, match="no function `shout`"):
        sql.check("SELECT shout(a) FROM v", ("v",))


@given(
    st.dictionaries(
        st.text(max_size=10), st.one_of(st.text(max_size=80), st.none(), st.integers(), st.lists(st.text()))
    )
)
def test_any_text_is_a_function_or_refused(data: dict[str, Any]) -> None:
    found, problems = read(data)
    assert len(found) + len(problems) >= len(data)
