"""Incremental inputs: windows, remembered bounds, values in SQL (ch04 3.8, 6.5; ch04-AS04)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from integration.flare.helpers import Done, Jobs, Server, output, rows, spec

HEAD = "id,at,name\n"
FIRST = HEAD + "1,2024-01-05 10:00:00,ann\n2,2024-01-20 10:00:00,bob\n"
SECOND = FIRST + "2,2024-02-02 10:00:00,BOB\n3,2024-02-03 10:00:00,cy\n4,2024-03-09 10:00:00,di\n"
SINCE: dict[str, Any] = {
    "context": "all_changes",
    "sql": "SELECT * FROM all_changes WHERE CAST(at AS TIMESTAMP) > '$|since|' AND CAST(at AS TIMESTAMP) <= '$|until|'",
    "keys": [
        {"name": "since", "sql": "SELECT CAST('2024-01-01 00:00:00' AS TIMESTAMP)"},
        {"name": "until", "sql": "SELECT CAST('$|since|' AS TIMESTAMP) + INTERVAL '1' MONTH"},
    ],
    "state": [{"key": "since", "value": "until"}],
}
UPSERT = {"onClause": "old.id = new.id", "whenClause": "matched then update set * when not matched then insert *"}


class Source:
    """A CSV that grows, read by windows into a table."""

    def __init__(self, jobs: Jobs, server: Server, folder: Path) -> None:
        self.jobs, self.server = jobs, server
        self.file = folder / "changes.csv"
        self.table = f"inc.t{jobs.count}"

    def run(
        self,
        text: str,
        incremental: dict[str, Any],
        state: dict[str, str] | None = None,
        now_us: int | None = None,
        **options: Any,
    ) -> Done:
        self.file.write_text(text)
        entry = {"name": "changes", "dataset": "dataos://dropzone:none/changes.csv", "format": "csv",
                 "incremental": incremental}  # fmt: skip
        job = spec([entry], None, [output("changes", self.table, **options)])
        return self.jobs.run(job, {"changes": [self.file]}, state={"changes": state} if state else {}, now_us=now_us)


@pytest.fixture
def source(jobs: Jobs, server: Server, tmp_path: Path) -> Source:
    return Source(jobs, server, tmp_path)


def test_each_run_reads_the_window_after_the_last_one(source: Source, server: Server) -> None:
    done = source.run(FIRST, SINCE, merge=UPSERT)
    assert done.code == 0, done.log
    assert "since = 2024-01-01 00:00:00, until = 2024-02-01 00:00:00" in done.log
    assert done.result["state"] == {"changes": {"since": "2024-02-01 00:00:00"}}
    assert rows(server, source.table, "id", "name") == [("1", "ann"), ("2", "bob")]
    done = source.run(SECOND, SINCE, done.result["state"]["changes"], merge=UPSERT)
    assert done.code == 0, done.log
    assert "since = 2024-02-01 00:00:00 (remembered)" in done.log
    assert done.result["state"] == {"changes": {"since": "2024-03-01 00:00:00"}}
    assert rows(server, source.table, "id", "name") == [("1", "ann"), ("2", "BOB"), ("3", "cy")]


def test_without_state_every_run_reads_the_same_window(source: Source, server: Server) -> None:
    more = {**SINCE, "state": []}
    assert source.run(SECOND, more).result["state"] == {}
    assert source.run(SECOND, more).code == 0
    assert rows(server, source.table, "id") == [("1",), ("2",)]


def test_numbers_and_texts_stand_in_sql_without_quotes(source: Source, server: Server) -> None:
    window = {
        "context": "c",
        "sql": "SELECT * FROM c WHERE id > $|last| AND 1 = $|one| AND name <> $|who|",
        "keys": [
            {"name": "one", "sql": "SELECT 1"},
            {"name": "last", "sql": "SELECT coalesce(max(CAST(id AS INT)) - 2, 0) FROM c"},
            {"name": "who", "sql": 'SELECT "d\'i"'},
        ],
    }
    done = source.run(SECOND, window)
    assert done.code == 0, done.log
    assert rows(server, source.table, "id") == [("3",), ("4",)]


def test_a_failed_run_remembers_nothing_new(source: Source) -> None:
    done = source.run(FIRST, SINCE, assertions=[{"column": "id", "tests": ["max < 2"]}])
    assert done.code == 1
    assert done.result["problems"]
    assert "assertions failed" in done.problem["message"]


def test_a_key_without_a_value_says_so(source: Source) -> None:
    window = {"context": "c", "sql": "SELECT * FROM c WHERE id > $|a|", "keys": [{"name": "a", "sql": "SELECT NULL"}]}
    done = source.run(FIRST, window)
    assert done.problem["code"] == "flare.incremental"
    assert "the key `a` answers no value" in done.problem["message"]


CHANGES = HEAD + "1,2024-01-05 10:00:00,ann\n2,2024-03-01 12:30:00,bob\n3,2024-03-02 10:00:00,cy\n"
UNTIL_NOW: dict[str, Any] = {
    **SINCE,
    "keys": [
        {"name": "since", "sql": "SELECT CAST('2024-01-01 00:00:00' AS TIMESTAMP)"},
        {"name": "today", "sql": "SELECT current_timestamp()"},
        {"name": "until", "sql": "SELECT CAST('$|today|' AS TIMESTAMP) - INTERVAL '1' MINUTE"},
    ],
}


def at(text: str) -> int:
    """Microseconds of a moment, as a job is told it."""
    return int(datetime.fromisoformat(text + "+00:00").timestamp() * 1e6)


def test_a_clock_that_was_set_back_loses_nothing(source: Source, server: Server) -> None:
    """A run whose clock was ahead remembered a time to come: what came in meanwhile is not passed over in silence."""
    done = source.run(CHANGES, UNTIL_NOW, now_us=at("2024-03-01 12:00:00"), saveMode="append")
    assert done.result["state"] == {"changes": {"since": "2024-03-01 11:59:00"}}
    back = source.run(
        CHANGES, UNTIL_NOW, {"since": "2024-03-01 11:59:00"}, now_us=at("2024-03-01 11:00:00"), saveMode="append"
    )
    assert back.code == 1
    assert back.problem["code"] == "flare.incremental"
    assert "the window ends (until = 2024-03-01 10:59:00) before it begins (since = 2024-03-01 11:59:00" in back.log
    assert back.result["state"] == {}
    again = source.run(
        CHANGES, UNTIL_NOW, {"since": "2024-03-01 11:59:00"}, now_us=at("2024-03-03 00:00:00"), saveMode="append"
    )
    assert again.code == 0, again.log
    assert rows(server, source.table, "id") == [("1",), ("2",), ("3",)]


def test_bounds_of_the_data_may_go_back(source: Source, server: Server) -> None:
    """A source that was emptied begins anew."""
    window = {
        "context": "c",
        "sql": "SELECT * FROM c WHERE CAST(id AS INT) > $|last| AND CAST(id AS INT) <= $|top|",
        "keys": [
            {"name": "last", "sql": "SELECT 0"},
            {"name": "top", "sql": "SELECT coalesce(max(CAST(id AS INT)), 0) FROM c"},
        ],
        "state": [{"key": "last", "value": "top"}],
    }
    done = source.run(HEAD, window, {"last": "4"})
    assert done.code == 0, done.log
    assert done.result["state"] == {"changes": {"last": "0"}}


# --- a query as input -------------------------------------------------------------------------------------------------

QUERY = "SELECT store_id, sum(amount) AS revenue FROM lakehouse.retail.orders GROUP BY 1"


def test_the_answer_of_a_query_is_an_input(jobs: Jobs, server: Server) -> None:
    import pyarrow as pa

    server.answers[QUERY] = pa.table({"store_id": [1, 2], "revenue": [10.5, 20.0]})
    entry = {"name": "sales", "query": QUERY + " ;", "options": {"cluster": "system", "SSL": "true", "driver": "x.Y"}}
    name = f"inc.q{jobs.count}"
    done = jobs.run(
        spec([entry], {"big": "SELECT * FROM sales WHERE revenue > 15"}, [output("big", name)]), {"sales": "query"}
    )
    assert done.code == 0, done.log
    assert rows(server, name) == [(2, 20.0)]
    (told,) = done.result["inputs"]
    assert (told["name"], told["address"], told["rows"]) == ("sales", "query of sales", 2)
    assert told["sources"] == ["dataos://lakehouse:retail/orders"]
