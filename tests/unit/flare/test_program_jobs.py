"""`job.program`: what is understood, what is refused, and where (ch04 11)."""

from __future__ import annotations

from typing import Any

import pytest

from dataos.manifest.specs import Reading
from dataos.stacks.flare import spec

OUTPUT = {"name": "out", "dataset": "dataos://lakehouse:shop/out?acl=rw"}
INPUT = {"name": "orders", "dataset": "dataos://lakehouse:shop/orders"}


def read(**job: Any) -> tuple[spec.FlareSpec | None, list[Any]]:
    reading = Reading()
    body = {"inputs": [INPUT], "outputs": [OUTPUT], "program": "print(1)\n", **job}
    return spec.read({"job": {k: v for k, v in body.items() if v is not None}}, reading), reading.problems


def test_a_program_stands_in_place_of_steps() -> None:
    found, problems = read()
    assert problems == []
    assert found is not None
    assert (found.program, found.steps) == ("print(1)\n", ())
    assert found.outputs[0].mode == "append"  # PyFlare's own default


def test_it_may_read_nothing_and_be_told_how_to_write() -> None:
    found, problems = read(inputs=None, outputs=[{**OUTPUT, "options": {"saveMode": "Overwrite"}}])
    assert problems == []
    assert found is not None
    assert found.outputs[0].mode == "overwrite"


@pytest.mark.parametrize(
    ("job", "path", "said"),
    [
        ({"program": "x = ("}, "job.program", "the program is no Python: '(' was never closed"),
        ({"program": " \n"}, "job.program", "the program is empty"),
        ({"program": "x = '\0'"}, "job.program", "the program is no Python"),
        ({"program": None, "programFile": "a.py"}, "job.programFile", "the program `a.py` was not put into the manifest"),
        ({"steps": [{"sequence": [{"name": "a", "sql": "SELECT 1 a"}]}]}, "job.steps", "`steps` has no place"),
        ({"udfs": {"f": "lambda x: x"}}, "job.udfs", "`udfs` has no place"),
        ({"profile": {"level": "basic"}}, "job.profile", "`profile` has no place"),
        ({"rewriteDataset": {"mode": "full"}}, "job.rewriteDataset", "`rewriteDataset` has no place"),
        ({"assertions": [{"column": "a", "tests": ["max > 1"]}]}, "job.assertions", "`assertions` has no place"),
        ({"inputs": [{**INPUT, "isStream": True}]}, "job.inputs[0].isStream", "a program reads what there is"),
    ],
)  # fmt: skip
def test_what_is_refused(job: dict[str, Any], path: str, said: str) -> None:
    found, problems = read(**job)
    assert found is None
    assert any(p.path == path and said in p.message for p in problems), [(p.path, p.message) for p in problems]


def test_a_syntax_error_has_its_line() -> None:
    _, problems = read(program="a = 1\nif a\n    pass\n")
    assert [(p.code, p.line) for p in problems] == [("flare.program", 2)]
