"""The clauses of a merge: guarded as SQL of a step is, written for the engine (ch04 3.11)."""

from __future__ import annotations

import pytest

from dataos.core.errors import DataOSError
from dataos.manifest.specs import Reading
from dataos.stacks.flare import merging
from dataos.stacks.flare import spec as flare


@pytest.mark.parametrize(
    ("when", "written", "stars"),
    [
        ("matched then update set *", "WHEN MATCHED THEN UPDATE SET *", True),
        ("WHEN NOT MATCHED THEN INSERT *;", "WHEN NOT MATCHED THEN INSERT *", True),
        ("MATCHED THEN UPDATE SET old.x = new.x", "WHEN MATCHED THEN UPDATE SET old.x = new.x", False),
        ("matched and new.op = 'D' then delete", "WHEN MATCHED AND new.op = 'D' THEN DELETE", False),
        ("not matched by source then delete", "WHEN NOT MATCHED BY SOURCE THEN DELETE", False),
        (
            "not matched then insert (id, n) values (new.id, upper(new.n))",
            "WHEN NOT MATCHED THEN INSERT (id, n) VALUES (new.id, upper(new.n))",
            False,
        ),
    ],
)
def test_clauses(when: str, written: str, stars: bool):
    made = merging.check("old.id = new.id", when)
    assert made.whens.upper() == written.upper()
    assert (made.stars, made.old, made.new) == (stars, "old", "new")


def test_the_aliases_of_pyflare():
    made = merging.check("target.id = source.id AND target.day = source.day", "matched then update set *")
    assert (made.old, made.new) == ("target", "source")


@pytest.mark.parametrize(
    ("on", "when", "code", "message"),
    [
        ("old.id = new.id", "matched then frobnicate", "flare.sql_syntax", ""),
        ("old.id = new.id", "then update set *", "flare", ""),
        ("old.id = new.id", "", "flare", ""),
        ("old.id = new.id", "matched then update set * ; drop table x", "flare", ""),
        ("old.id = ", "matched then update set *", "flare.sql_syntax", ""),
        (
            "old.id = (select max(id) from secrets)",
            "matched then update set *",
            "flare.unknown_view",
            "no view `secrets`",
        ),
        ("old.id = new.id", "matched and exists (select 1 from t2) then delete", "flare.unknown_view", "no view `t2`"),
        (
            "old.id = new.id",
            "matched then update set old.x = read_files('/etc')",
            "flare.sql_refused",
            "reaches outside",
        ),
        ("o.id = new.id", "matched then update set *", "flare.merge", "not `o`"),
        ("old.id = source.id", "matched then update set *", "flare.merge", "mix"),
    ],
)
def test_what_is_no_merge(on: str, when: str, code: str, message: str):
    with pytest.raises(DataOSError) as caught:
        merging.check(on, when)
    assert caught.value.problem.code.startswith(code)
    assert message in caught.value.problem.message


def test_faults_have_the_place_inside_their_clause():
    merge = {"onClause": "old.id = new.id", "whenClause": "matched then update set old.x = nope(new.x)"}
    output = {"name": "a", "dataset": "dataos://lakehouse:retail/t?acl=rw", "options": {"merge": merge}}
    reading = Reading()
    inputs = [{"name": "a", "dataset": "dataos://lakehouse:retail/s"}]
    flare.read({"job": {"inputs": inputs, "outputs": [output]}}, reading, ())
    (problem,) = reading.problems
    assert problem.path == "job.outputs[0].options.iceberg.merge.whenClause"
    assert (problem.line, problem.column) == (1, merge["whenClause"].index("nope") + 1)
