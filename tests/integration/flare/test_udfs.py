"""Functions of the author's, in the SQL of steps (ch04 3.17): the same on both engines."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from integration.flare.helpers import Done, Jobs, Server, output, rows, spec, table

CSV = "id,name\n1,ada\n2,\n3,grace\n"
SLUG = """
import re

_NOT = re.compile(r"[^a-z]+")

def clean(text):
    return _NOT.sub("-", text.lower()).strip("-")

def slug(text: str | None, prefix: str = "x") -> str | None:
    return None if text is None else f"{prefix}-{clean(text)}"
"""


def run(jobs: Jobs, tmp_path: Path, steps: dict[str, str], udfs: dict[str, Any], target: str, **job: Any) -> Done:
    file = tmp_path / "a.csv"
    file.write_text(CSV)
    entry = {"name": "people", "dataset": "dataos://dropzone:none/a.csv", "format": "csv"}
    last = list(steps)[-1]
    return jobs.run(spec([entry], steps, [output(last, target)], udfs=udfs, **job), {"people": [file]})


def test_they_are_called_from_sql(jobs: Jobs, server: Server, tmp_path: Path) -> None:
    own = {
        "shout": "lambda value: None if value is None else value.upper() + '!'",
        "slug": SLUG,
        "half": {"python": "lambda n: n / 2", "returnType": "double"},
        "price": {"python": "lambda n: __import__('decimal').Decimal(n) / 4", "returnType": "decimal(10, 2)"},
        "parts": {"python": "lambda t: {'n': len(t or ''), 'letters': list(t or '')}",
                  "returnType": "struct<n: int, letters: array<string>>"},
        "count_it": "lambda value: len(value or '')",
    }  # fmt: skip
    steps = {
        "one": "SELECT cast(id AS int) id, Shout(name) s, slug(name) a, slug(name, 'y') b FROM people WHERE half(cast(id AS int)) > 0.5",
        "two": "SELECT id, s, a, b, half(id) h, price(id) p, parts(s).n n, size(parts(s).letters) l, count_it(s) t FROM one",
    }
    done = run(jobs, tmp_path, steps, own, "udfs.all")
    assert done.code == 0, done.log
    assert rows(server, "udfs.all") == [
        (2, None, None, None, 1.0, Decimal("0.50"), 0, 0, "0"),
        (3, "GRACE!", "x-grace", "y-grace", 1.5, Decimal("0.75"), 6, 6, "6"),
    ]
    assert {f.name: str(f.field_type) for f in table(server, "udfs.all").schema().fields}["p"] == "decimal(10, 2)"
    traced = (
        {(r["output"], r["column"]) if "column" in r else None for r in done.result["lineage"]}
        if done.result["lineage"]
        else {1}
    )
    assert traced


@pytest.mark.parametrize(
    ("source", "said", "hint"),
    [
        ("lambda value: value.upper()", "the UDF `f`, line 1: AttributeError: 'NoneType'", "a value may be NULL"),
        ("def f(value):\n    raise ValueError('no ' + repr(value))", "the UDF `f`, line 2: ValueError: no ", "correct"),
        ({"python": "lambda value: 'x'", "returnType": "int"}, "the UDF `f` answered 'x', which is no INT", "correct"),
        ("import no_such_module\ndef f(value): return 1", "cannot be made: ModuleNotFoundError", "must be installed"),
    ],
)
def test_what_fails_in_them_is_said_with_its_line(
    jobs: Jobs, tmp_path: Path, source: Any, said: str, hint: str
) -> None:
    done = run(jobs, tmp_path, {"one": "SELECT f(name) AS x FROM people"}, {"f": source}, "udfs.never")
    assert done.code == 1
    assert done.problem["code"] == "flare.udf"
    assert said in done.problem["message"]
    assert hint in done.problem["hint"]
    assert done.result["outputs"] == []


def test_a_step_that_calls_one_is_computed_once(jobs: Jobs, server: Server, tmp_path: Path) -> None:
    """Two outputs read it: the function is called once for each row."""
    calls = tmp_path / "calls"
    source = f"def f(value):\n    with open({str(calls)!r}, 'a') as file:\n        file.write('x')\n    return value"
    file = tmp_path / "a.csv"
    file.write_text(CSV)
    entry = {"name": "people", "dataset": "dataos://dropzone:none/a.csv", "format": "csv"}
    steps = {"one": "SELECT f(id) AS x FROM people", "two": "SELECT x FROM one", "three": "SELECT x AS y FROM one"}
    wanted = [output("two", "udfs.two"), output("three", "udfs.three")]
    done = jobs.run(spec([entry], steps, wanted, udfs={"f": source}), {"people": [file]})
    assert done.code == 0, done.log
    assert calls.read_text() == "xxx"


def test_they_are_called_from_assertions(jobs: Jobs, server: Server, tmp_path: Path) -> None:
    """In the filter and in the SQL of an assertion, of an output and of the job; a failing one fails before anything is
    written."""
    file = tmp_path / "a.csv"
    file.write_text(CSV)
    entry = {"name": "people", "dataset": "dataos://dropzone:none/a.csv", "format": "csv"}
    own = {"is_long": {"python": "lambda t: t is not None and len(t) > 3", "returnType": "boolean"}}

    def load(least: int, target: str, **job: Any) -> Done:
        checks = [
            {"column": "name", "filter": "is_long(name)", "tests": [f"distinct_count >= {least}"]},
            {"sql": "SELECT count(*) AS n FROM made WHERE is_long(name)", "tests": ["n == 1"]},
        ]
        written = output("made", target, assertions=checks)
        steps = {"made": "SELECT * FROM people"}
        return jobs.run(spec([entry], steps, [written], udfs=own, **job), {"people": [file]})

    done = load(1, "udfs.checked", assertions=[{"sql": "SELECT count_if(is_long(name)) AS n FROM people", "tests": ["n = 1"]}])  # fmt: skip
    assert done.code == 0, done.log
    assert len(rows(server, "udfs.checked")) == 3
    done = load(2, "udfs.unchecked")
    assert (done.code, done.problem["code"]) == (1, "flare.assertions_failed")
    done = load(1, "udfs.unchecked", assertions=[{"sql": "SELECT is_long(name, 1) AS n FROM people", "tests": ["n = 1"]}])  # fmt: skip
    assert (done.code, done.problem["code"], done.problem["path"]) == (1, "flare.udf", "job.assertions[0].sql")
