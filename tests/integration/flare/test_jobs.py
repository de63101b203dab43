"""Steps, assertions, previews, plans, and errors where they belong."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from integration.flare.helpers import Done, Jobs, Server, output, rows, spec, table

ORDERS = "id,name,amount,city\n1,ann,10,Rome\n2,bob,20,Oslo\n3,cy,-5,Rome\n4,,x,\n"
RAW = {"name": "orders", "dataset": "dataos://dropzone:none/orders.csv", "format": "csv"}


class Runner:
    """Jobs over one CSV of four orders."""

    def __init__(self, jobs: Jobs, server: Server, folder: Path) -> None:
        self.jobs = jobs
        self.server = server
        self.file = folder / "orders.csv"
        self.file.write_text(ORDERS)
        self.table = f"jobs.t{jobs.count}"

    def run(self, steps: dict[str, str], outputs: list[dict[str, Any]] | None = None, **job: Any) -> Done:
        if outputs is None:
            outputs = [output(list(steps)[-1], self.table)]
        more = {k: job.pop(k) for k in ("now_us", "env") if k in job}
        return self.jobs.run(spec([RAW], steps, outputs, **job), {"orders": [self.file]}, **more)

    def rows(self, *steps: str, **job: Any) -> list[tuple[Any, ...]]:
        done = self.run({f"s{i}": s for i, s in enumerate(steps)}, **job)
        assert done.code == 0, done.log
        return rows(self.server, self.table)

    def fails(self, *steps: str, **job: Any) -> dict[str, Any]:
        done = self.run({f"s{i}": s for i, s in enumerate(steps)}, **job)
        assert done.code == 1, done.log
        with pytest.raises(Exception, match="NoSuch"):
            table(self.server, self.table)
        assert "Job finished with error" in done.log
        return done.problem


@pytest.fixture
def runner(jobs: Jobs, server: Server, tmp_path: Path) -> Runner:
    return Runner(jobs, server, tmp_path)


# --- steps ------------------------------------------------------------------------------------------------------------


def test_steps_read_earlier_steps_across_elements(jobs: Jobs, server: Server, runner: Runner) -> None:
    job = spec([RAW], None, [output("total", runner.table)])
    job["job"]["steps"] = [
        {"sequence": [{"name": "rome", "sql": 'SELECT * FROM Orders WHERE city = "Rome";'}]},
        {"sequence": [None, {"name": "total", "sql": "SELECT count(*) AS n FROM ROME r WHERE R.city == 'Rome'"}]},
    ]
    done = jobs.run(job, {"orders": [runner.file]})
    assert done.code == 0, done.log
    assert rows(server, runner.table) == [(2,)]


def test_a_random_step_is_computed_once(runner: Runner) -> None:
    assert (
        runner.rows(
            "SELECT id, rand() AS r, uuid() AS u FROM orders",
            "SELECT a.r = b.r AND a.u = b.u AS same FROM s0 a JOIN s0 b ON a.id = b.id",
        )
        == [(True,)] * 4
    )


def test_one_instant_for_the_whole_run(runner: Runner) -> None:
    found = runner.rows(
        "SELECT now() AS a, current_date() AS d FROM orders LIMIT 1",
        "SELECT CAST(a AS STRING) AS a, CAST(current_timestamp AS STRING) AS b, d, unix_timestamp() AS u FROM s0",
        now_us=1704067200_000000,
    )
    assert [str(v) for v in found[0]] == ["2024-01-01 00:00:00", "2024-01-01 00:00:00", "2024-01-01", "1704067200"]


def test_statements_without_effect(runner: Runner) -> None:
    done = runner.run(
        {
            "kept": "SELECT * FROM orders",
            "cached": "CACHE TABLE kept",
            "analysed": "ANALYZE TABLE kept COMPUTE STATISTICS",
            "last": "SELECT id FROM kept",
        }
    )
    assert done.code == 0, done.log
    assert len(rows(runner.server, runner.table)) == 4


VALUES: list[tuple[str, str, Any]] = [
    ("double-quoted text", 'SELECT count(*) AS n FROM orders WHERE city = "Rome"', 2),
    ("==", "SELECT count(*) AS n FROM orders WHERE id == 1", 1),
    ("lateral view", "SELECT count(*) AS n FROM orders LATERAL VIEW explode(array(1, 2)) t AS x", 8),
    (
        "lateral view of nothing",
        "SELECT count(*) AS n FROM orders LATERAL VIEW explode(filter(array(1), v -> v > 1)) t AS x",
        0,
    ),
    (
        "lateral view outer",
        "SELECT count(*) AS n FROM orders LATERAL VIEW OUTER explode(filter(array(1), v -> v > 1)) t AS x",
        4,
    ),
    ("exploded map", "SELECT sum(v) AS n FROM orders LATERAL VIEW explode(map('a', 1, 'b', 2)) t AS k, v", 12),
    ("hints", "SELECT /*+ REPARTITION(3, city), BROADCAST(orders) */ count(*) AS n FROM orders", 4),
    ("cluster by", "SELECT count(*) AS n FROM (SELECT * FROM orders CLUSTER BY city)", 4),
    ("distribute by", "SELECT count(*) AS n FROM (SELECT * FROM orders DISTRIBUTE BY city SORT BY id)", 4),
    ("weekday of a Sunday", "SELECT weekday(DATE '2024-01-07') AS n FROM orders LIMIT 1", 6),
    ("weekday of a Monday", "SELECT weekday(DATE '2024-01-08') AS n FROM orders LIMIT 1", 0),
    ("try_to_date", "SELECT year(try_to_date('2024-02-03')) AS n FROM orders LIMIT 1", 2024),
    ("initcap", "SELECT initcap('x-y zED') AS n FROM orders LIMIT 1", "X-y Zed"),
    ("log", "SELECT CAST(round(log(exp(2))) AS INT) AS n FROM orders LIMIT 1", 2),
    ("fractions of seconds", "SELECT date_format(timestamp_seconds(1.5), 'ss.SSS') AS n FROM orders LIMIT 1", "01.500"),
    (
        "percentile_approx",
        "SELECT percentile_approx(x, 0.5) AS n FROM (SELECT explode(array(1, 2)) AS x FROM orders)",
        1.0,
    ),
    ("like any", "SELECT count(*) AS n FROM orders WHERE name LIKE ANY ('a%', 'b%')", 2),
    ("group by all", "SELECT max(n) AS n FROM (SELECT city, count(*) AS n FROM orders GROUP BY ALL)", 2),
    (
        "qualify",
        "SELECT count(*) AS n FROM (SELECT *, row_number() OVER (PARTITION BY city ORDER BY id) rn FROM orders QUALIFY rn = 1)",
        3,
    ),
    ("pivot", "SELECT Rome AS n FROM (SELECT city, id FROM orders) PIVOT (count(id) FOR city IN ('Rome'))", 2),
    (
        "range of days over dates",
        """SELECT max(s) AS n FROM (
            SELECT sum(1) OVER (ORDER BY d RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) AS s
            FROM (SELECT explode(array(DATE '2024-01-01', DATE '2024-01-05')) AS d FROM orders WHERE id = 1))""",
        1,
    ),
    ("from first", "FROM orders SELECT count(*) AS n", 4),
    ("cte over a view of its name", "WITH orders AS (SELECT 1 AS n FROM orders LIMIT 1) SELECT n FROM orders", 1),
    ("to_date with a format", "SELECT day(to_date('20240309', 'yyyyMMdd')) AS n FROM orders LIMIT 1", 9),
    (
        "date_format keeps quoted text",
        "SELECT date_format(DATE '2024-03-09', \"yyyy 'Y'\") AS n FROM orders LIMIT 1",
        "2024 Y",
    ),
    ("integers stay integers", "SELECT typeof(int(id) + 1) AS n FROM orders LIMIT 1", "int"),
    (
        "group by arithmetic",
        "SELECT max(n) AS n FROM (SELECT int(id) % 2 + 1 AS k, count(*) AS n FROM orders GROUP BY int(id) % 2 + 1)",
        2,
    ),
    (
        "group by sums",
        "SELECT sum(k) AS n FROM (SELECT int(id) + 1 AS k FROM orders GROUP BY int(id) + 1 ORDER BY int(id) + 1)",
        14,
    ),
    ("to_char keeps its format", "SELECT to_char(454, '00999') AS n FROM orders LIMIT 1", "00454"),
]


@pytest.mark.parametrize(("sql", "expected"), [v[1:] for v in VALUES], ids=[v[0] for v in VALUES])
def test_values_as_in_spark(runner: Runner, sql: str, expected: Any) -> None:
    assert runner.rows(sql) == [(expected,)]


# --- errors -----------------------------------------------------------------------------------------------------------

ERRORS: list[tuple[str, str, str, str, int, int]] = [
    ("SELECT id,\n  nmae\nFROM orders", "flare.unknown_column", "no column `nmae`", "did you mean `name`?", 2, 3),
    ("SELECT o.nmae FROM orders o", "flare.unknown_column", "no column `o.nmae`", "`name`", 1, 10),
    ("SELECT id + 1 AS n, n + 1 AS m FROM orders", "flare.unknown_column", "no column `n`", "name", 1, 18),
    ("SELECT upper(name FROM orders", "flare.sql_syntax", "SQL syntax error", "", 1, 14),
    ("SELECT id FROM\n  ordres", "flare.unknown_view", "no view `ordres`", "did you mean `orders`?", 2, 3),
]


@pytest.mark.parametrize(("sql", "code", "message", "hint", "line", "column"), ERRORS)
def test_errors_carry_their_place(
    runner: Runner, sql: str, code: str, message: str, hint: str, line: int, column: int
) -> None:
    problem = runner.fails(sql)
    assert problem["code"] == code
    assert message in problem["message"]
    assert hint in problem.get("hint", "")
    assert problem["path"] == "job.steps[0].sequence[0].sql"
    assert (problem["line"], problem["column"]) == (line, column) or message == "SQL syntax error"


RUNTIME: list[tuple[str, str, str]] = [
    ("SELECT CAST(amount AS INT) AS n FROM orders", "flare.cast", "the text 'x' cannot be cast to int"),
    ("SELECT 1 / (id - id) AS n FROM orders", "flare.", ""),
    (
        "SELECT id + 1 + amount AS n FROM (SELECT int(id) AS id, amount FROM orders)",
        "flare.types",
        "no arithmetic between",
    ),
    (
        "SELECT 2147483647 + int(id) AS n FROM orders",
        "flare.arithmetic",
        "integer overflow: 2147483648 does not fit int",
    ),
    (
        "SELECT a * b AS n FROM (SELECT int(id) * 100000 AS a, 100000 AS b FROM orders)",
        "flare.arithmetic",
        "integer overflow: 10000000000 does not fit int",
    ),
    ("SELECT to_date(name) AS d FROM orders", "flare.cast", "cannot be cast to date"),
]


@pytest.mark.parametrize(("sql", "code", "message"), RUNTIME)
def test_errors_while_computing_name_the_step(runner: Runner, sql: str, code: str, message: str) -> None:
    problem = runner.fails("SELECT * FROM orders", sql, "SELECT * FROM s1")
    assert problem["code"].startswith(code)
    assert message in problem["message"]
    assert problem["path"] == "job.steps[0].sequence[1].sql"
    assert problem["message"].startswith("step s1: ")


def test_an_engine_panic_does_not_hang(runner: Runner) -> None:
    problem = runner.fails("SELECT explode(map('a', 1)) FROM orders")
    assert problem["code"] == "flare.engine"
    assert "inline(map_entries(m))" in problem["hint"]


# --- assertions -------------------------------------------------------------------------------------------------------

CHECKS: list[tuple[dict[str, Any], list[tuple[str, float | None, bool]]]] = [
    ({"column": "id", "tests": ["min >= 1", "max = 4", "avg == 2.5", "sum <= 10"]},
     [("min >= 1", 1, True), ("max = 4", 4, True), ("avg == 2.5", 2.5, True), ("sum <= 10", 10, True)]),
    ({"column": "NAME", "tests": ["missing_count = 1", "missing_percentage < 0.3", "null_count == 1", "null_percentage > 0.3"]},
     [("missing_count = 1", 1, True), ("missing_percentage < 0.3", 0.25, True), ("null_count == 1", 1, True),
      ("null_percentage > 0.3", 0.25, False)]),
    ({"column": "name", "tests": ["avg_length > 2", "min_length = 2", "max_length = 3", "distinct_count = 3", "duplicate_count = 0"]},
     [("avg_length > 2", 8 / 3, True), ("min_length = 2", 2, True), ("max_length = 3", 3, True),
      ("distinct_count = 3", 3, True), ("duplicate_count = 0", 0, True)]),
    ({"column": "city", "tests": ["duplicate_count = 1"]}, [("duplicate_count = 1", 1, True)]),
    ({"column": "id", "filter": "city == 'Rome'", "tests": ["max != 4", "distinct_count = 2"]},
     [("max != 4", 3, True), ("distinct_count = 2", 2, True)]),
    ({"column": "name", "validFormat": {"regex": "^[a-c]+$"}, "tests": ["invalid_count = 2", "invalid_percentage <= 0.5", "regex_match = 1", "missing_count = 1"]},
     [("invalid_count = 2", 3, False), ("invalid_percentage <= 0.5", 0.75, False), ("regex_match = 1", 0, False),
      ("missing_count = 1", 1, True)]),
    ({"column": "id", "tests": ["stddev > 1", "variance > 1", "skewness < 1", "kurtosis < 5"]},
     [("stddev > 1", 1.2909944487358056, True), ("variance > 1", 5 / 3, True), ("skewness < 1", 0, True), ("kurtosis < 5", -1.36, True)]),
    ({"column": "amount", "tests": ["min >= -10"]}, [("min >= -10", None, False)]),
    ({"sql": "SELECT count(*) AS n, max(city) AS c FROM s0", "tests": ["n > 3", "N < 4", "c = 1"]},
     [("n > 3", 4, True), ("N < 4", 4, False), ("c = 1", None, False)]),
    ({"column": "id", "filter": "id > 100", "tests": ["missing_percentage = 0", "min > 0"]},
     [("missing_percentage = 0", 0, True), ("min > 0", None, False)]),
]  # fmt: skip


@pytest.mark.parametrize(("check", "expected"), CHECKS)
def test_metrics(runner: Runner, check: dict[str, Any], expected: list[tuple[str, float | None, bool]]) -> None:
    done = runner.run({"s0": "SELECT * FROM orders"}, [output("s0", runner.table, assertions=[check])])
    found = [(a["test"], a["value"], a["passed"]) for a in done.result["assertions"]]
    assert [(t, p) for t, _, p in found] == [(t, p) for t, _, p in expected]
    for (_, value, _), (_, wanted, _) in zip(found, expected, strict=True):
        assert value == (None if wanted is None else pytest.approx(wanted, abs=0.01))
    assert done.code == (0 if all(p for _, _, p in expected) else 1)


@pytest.mark.acceptance("ch04-AS03")
def test_failed_assertions_write_nothing_and_say_why(runner: Runner) -> None:
    first = output("s0", runner.table)
    second = output("s0", runner.table + "b", assertions=[{"column": "id", "tests": ["min > 1", "max < 9"]}])
    done = runner.run({"s0": "SELECT int(id) AS id FROM orders"}, [first, second])
    assert done.code == 1
    assert done.problem["code"] == "flare.assertions_failed"
    assert done.problem["message"].startswith(
        f"1 out of 2 assertions failed for dataset dataos://lakehouse:jobs/{runner.table[5:]}b. For more details"
    )
    assert done.problem["hint"] == "id: min > 1 (is 1)"
    assert "| id     | min > 1 | 1     | FAILED |" in done.log
    for name in (runner.table, runner.table + "b"):
        with pytest.raises(Exception, match="NoSuch"):
            table(runner.server, name)


def test_assertions_without_outputs(runner: Runner) -> None:
    done = runner.run({}, [], assertions=[{"column": "id", "tests": ["min = 1"]}])
    assert done.code == 0, done.log
    assert done.result["assertions"][0]["output"] == "orders"
    failed = runner.run({}, [], assertions=[{"sql": "SELECT count(*) AS n FROM orders", "tests": ["n = 5"]}])
    assert failed.code == 1
    assert "1 out of 1 assertions failed for dataset dataos://dropzone:none/orders.csv" in failed.problem["message"]


BAD_CHECKS: list[tuple[dict[str, Any], str, str]] = [
    ({"column": "idd", "tests": ["min > 0"]}, "`s0` has no column `idd`", "job.outputs[0].assertions[0].column"),
    ({"sql": "SELECT id AS n FROM s0", "tests": ["n > 0"]}, "gave 4 rows", "job.outputs[0].assertions[0].sql"),
    (
        {"column": "id", "filter": "nme = 1", "tests": ["min > 0"]},
        "no column `nme`",
        "job.outputs[0].assertions[0].filter",
    ),
]


@pytest.mark.parametrize(("check", "message", "path"), BAD_CHECKS)
def test_assertions_that_cannot_be_measured(runner: Runner, check: dict[str, Any], message: str, path: str) -> None:
    done = runner.run({"s0": "SELECT * FROM orders"}, [output("s0", runner.table, assertions=[check])])
    assert done.code == 1
    assert message in done.problem["message"]
    assert done.problem["path"] == path


# --- log --------------------------------------------------------------------------------------------------------------


def test_previews_and_plans(runner: Runner) -> None:
    done = runner.run({"s0": "SELECT id, city FROM orders"}, showPreviewLines=2, explain=True)
    assert done.code == 0, done.log
    assert "| id | city |" in done.log
    assert "only showing top 2 rows" in done.log
    assert "Plan" in done.log


def test_log_level(runner: Runner) -> None:
    job = spec([RAW], {"s0": "SELECT id FROM orders"}, [output("s0", runner.table)])
    quiet = runner.jobs.run(job, {"orders": [runner.file]}, log_level="ERROR")
    assert quiet.code == 0
    assert quiet.log == ""
    loud = runner.jobs.run({"job": {**job["job"], "logLevel": "debug"}}, {"orders": [runner.file]}, log_level="ERROR")
    assert "DEBUG" in loud.log


def test_the_token_is_nowhere(runner: Runner, tmp_path: Path) -> None:
    done = runner.run({"s0": "SELECT bad FROM orders"})
    assert "attempt:" not in done.log
    assert "attempt:" not in str(done.result)


def test_a_catalog_that_refuses(jobs: Jobs, runner: Runner) -> None:
    job = spec([RAW], {"s0": "SELECT id FROM orders"}, [output("s0", runner.table)])
    job["job"]["outputs"][0]["dataset"] = "dataos://elsewhere:sales/t?acl=rw"
    done = jobs.run(job, {"orders": [runner.file]})
    assert done.code == 1
    assert done.problem["code"].startswith("iceberg.not_found")


def test_no_server(jobs: Jobs, runner: Runner) -> None:
    job = spec([RAW], {"s0": "SELECT id FROM orders"}, [output("s0", runner.table)])
    done = jobs.run(job, {"orders": [runner.file]}, server="http://127.0.0.1:9")
    assert done.code == 1
    assert done.problem["code"] == "server.unreachable"
    assert done.problem["retry"] == 5.0


# --- many at once -----------------------------------------------------------------------------------------------------


@pytest.mark.acceptance("ch04-AS15")
def test_two_appends_at_once_both_land(runner: Runner, tmp_path: Path) -> None:
    made = runner.run({"s0": "SELECT id FROM orders WHERE id = 1"})
    assert made.code == 0
    held: list[str] = []

    def append(number: int) -> None:
        others = Jobs(runner.server, tmp_path / f"other{number}", count=runner.jobs.count + 1000 * number)
        job = spec([RAW], {"s0": f"SELECT id FROM orders WHERE id = {number}"},
                   [output("s0", runner.table, saveMode="append")])  # fmt: skip
        done = others.run(job, {"orders": [runner.file]}, publish=False)
        assert done.code == 0, done.log
        held.append(f"a{others.count}")

    threads = [threading.Thread(target=append, args=(n,)) for n in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for attempt in held:
        runner.jobs.publish(attempt)
    assert rows(runner.server, runner.table) == [("1",), ("2",), ("3",)]


# --- plumbing ---------------------------------------------------------------------------------------------------------


def test_text_that_is_read_often_is_kept_once(jobs: Jobs, server: Server, runner: Runner) -> None:
    names = [f"jobs.k{jobs.count}{i}" for i in range(3)]
    steps = {f"s{i}": f"SELECT id FROM orders WHERE id > {i}" for i in range(3)}
    done = jobs.run(spec([RAW], steps, [output(f"s{i}", n) for i, n in enumerate(names)]), {"orders": [runner.file]})
    assert done.code == 0, done.log
    assert [len(rows(server, n)) for n in names] == [4, 3, 2]
    assert list((runner.jobs.folder).glob("*/scratch/step-orders/*.parquet"))


def test_the_server_is_reached_through_a_unix_socket(
    jobs: Jobs, server: Server, runner: Runner, tmp_path: Path
) -> None:
    """As in the sandbox: no network, one socket."""
    path = tmp_path / "server.sock"
    port = int(server.url.rsplit(":", 1)[1])
    relay = subprocess.Popen([sys.executable, "-c", RELAY, str(path), str(port)])
    try:
        for _ in range(200):
            if path.exists():
                break
            time.sleep(0.02)
        done = jobs.run(
            spec([RAW], {"s0": "SELECT id FROM orders"}, [output("s0", runner.table)]),
            {"orders": [runner.file]},
            server="",
            env={"DATAOS_SERVER_SOCKET": str(path)},
        )
    finally:
        relay.kill()
        relay.wait()
    assert done.code == 0, done.log
    assert len(rows(server, runner.table)) == 4


RELAY = """
import socket, sys, threading
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1]); listener.listen(64)
def pump(a, b):
    try:
        while piece := a.recv(65536): b.sendall(piece)
    except OSError: pass
    for s in (a, b):
        try: s.shutdown(2)
        except OSError: pass
while True:
    near, _ = listener.accept()
    far = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    for pair in ((near, far), (far, near)): threading.Thread(target=pump, args=pair, daemon=True).start()
"""


def test_a_job_file_of_another_version(jobs: Jobs, tmp_path: Path) -> None:
    done = jobs.run({"job": {}}, {}, version=99)
    assert done.code == 1
    assert done.problem["code"] == "flare.job"


# --- step functions ---------------------------------------------------------------------------------------------------


def with_functions(runner: Runner, sql: str, *functions: dict[str, Any], **job: Any) -> Done:
    body = spec([RAW], {"s0": sql}, [output("s0", runner.table)], **job)
    body["job"]["steps"][0]["sequence"][0]["functions"] = list(functions)
    return runner.jobs.run(body, {"orders": [runner.file]})


@pytest.mark.acceptance("ch04-AS12")
def test_functions_of_a_step_work_one_after_the_other(server: Server, runner: Runner) -> None:
    """ch04-AS12: one of each family in a chain, on a real job; the lineage goes through them."""
    keys = ["id", "customer_name", "phone", "ssn", "at", "mail_domain", "code"]
    total = "sum(amount) as amount"
    done = with_functions(
        runner,
        "SELECT id, name, amount, '1-877-267-2323' AS phone, '000-12-3251' AS ssn, array('x', 'y') AS tags, "
        "'2020-03-01T05:07:38Z' AS at, 'a@b.example' AS mail FROM orders WHERE id < 3",
        {"name": "rename", "column": "name", "asColumn": "Customer Name"},
        {"name": "cleanse_column_names"},
        {"name": "set_type", "columns": {"amount": "int"}},
        {"name": "hash", "column": "phone", "algo": "MD5"},
        {"name": "mask_number", "column": "ssn", "pattern": "XXX-XX-####"},
        {"name": "flatten", "column": "tags", "asColumn": "tag"},
        {"name": "drop", "columns": ["tags"]},
        {"name": "split_email", "column": "mail"},
        {"name": "any_timestamp", "column": "at", "asColumn": "at", "timezone": "Asia/Kolkata"},
        {"name": "encode", "algo": "base32", "column": "amount", "asColumn": "code"},
        {"name": "pivot", "groupBy": keys, "column": "tag", "aggregateExpression": total},
        {"name": "unpivot", "columns": ["x", "y"], "pivotColumns": "*", "keyColumnName": "tag", "valueColumnName": "n"},
    )
    assert done.code == 0, done.log
    found = table(server, runner.table).scan().to_arrow().to_pylist()
    ann = [r for r in found if r["customer_name"] == "ann"]
    assert sorted((r["tag"], r["n"]) for r in ann) == [("x", 10), ("y", 10)]
    assert {r["phone"] for r in ann} == {"75cb2eeea30b8b577e33ca26e8a308c8"}
    assert {(r["ssn"], r["mail_domain"], r["code"]) for r in ann} == {("XXX-XX-3251", "b.example", "GEYA====")}
    assert {r["at"].strftime("%Y-%m-%d %H:%M:%S") for r in ann} == {"2020-03-01 10:37:38"}
    lineage = {e["output"] + "." + e["column"]: e["inputs"] for e in done.result["lineage"]}
    assert lineage["s0.customer_name"] == [{"input": "orders", "column": "name"}]
    assert {"input": "orders", "column": "amount"} in lineage["s0.n"]


def test_a_function_that_does_not_fit_names_step_function_and_column(runner: Runner) -> None:
    done = with_functions(
        runner, "SELECT * FROM orders", {"name": "snake_case"}, {"name": "trim", "column": "nam", "method": "trim"}
    )
    assert done.code == 1
    assert done.problem["message"] == "step s0: function 2, trim: there is no column `nam`"
    assert done.problem["path"] == "job.steps[0].sequence[0].functions[1]"
    assert "name" in done.problem["hint"]


def test_a_value_that_is_none_of_the_type_fails(runner: Runner) -> None:
    done = with_functions(runner, "SELECT * FROM orders", {"name": "set_type", "columns": {"amount": "int"}})
    assert done.code == 1
    assert "the text 'x' cannot be cast to int" in done.problem["message"]


def test_random_ids_are_the_same_in_every_output(server: Server, runner: Runner) -> None:
    outputs = [output("a", f"{runner.table}a"), output("b", f"{runner.table}b")]
    body = spec([RAW], {"a": "SELECT id FROM orders", "b": "SELECT key FROM a"}, outputs)
    body["job"]["steps"][0]["sequence"][0]["functions"] = [{"name": "generate_uuid", "asColumn": "key"}]
    done = runner.jobs.run(body, {"orders": [runner.file]})
    assert done.code == 0, done.log
    assert rows(server, f"{runner.table}a", "key") == rows(server, f"{runner.table}b", "key")
