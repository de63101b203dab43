"""Statements that write rows of Lakehouse tables: INSERT, CREATE TABLE AS, UPDATE, DELETE, MERGE, TRUNCATE."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dataos.core.errors import DataOSError
from dataos.core.ids import AttemptId, RunId, UserId
from dataos.gateway import results
from dataos.gateway.asking import Statement
from dataos.gateway.gateway import Gateway, Limits
from dataos.gateway.relations import Decision, Relation, WriteDecision
from dataos.governance.exposure import AppliedFilter, AppliedMask
from dataos.governance.masking import Shape
from dataos.governance.policies import Filter, Mask
from dataos.governance.principals import AttemptScope, Principal
from dataos.lakehouse.views import PUBLISHED, AttemptView, TableRef
from integration.gateway.gateway_world import ALICE, World
from support.access import AllowAll, NoJournal


@pytest.fixture(autouse=True, scope="module")
def schema(world: World):
    world.rows("CREATE SCHEMA IF NOT EXISTS written")


def refused(world: World, sql: str, **options: Any) -> Any:
    with pytest.raises(DataOSError) as caught:
        world.rows(sql, schema="written", **options)
    return caught.value.problem


def rows(world: World, sql: str, **options: Any) -> list[list[Any]]:
    return world.rows(sql, **{"schema": "written", **options})


def fresh(
    world: World, name: str, columns: str = "id bigint, name varchar, amount decimal(10,2)", **options: Any
) -> None:
    rows(world, f"DROP TABLE IF EXISTS {name}")
    rows(world, f"CREATE TABLE {name} ({columns}) {options.get('tail', '')}")


def files_of(world: World, table: str) -> set[str]:
    """Parquet files that lie in a table's folder."""
    folder = world.do(world.catalog.pointer(PUBLISHED, TableRef("lakehouse", "written", table))).location
    return {str(p) for p in Path(folder).rglob("*.parquet")}


# --- insert -----------------------------------------------------------------------------------------------------------


def test_rows_of_a_query_are_inserted_by_place_or_by_name(world: World):
    fresh(world, "t")
    assert rows(world, "INSERT INTO t VALUES (1, 'a', 1.5), (2, NULL, NULL)") == [[2]]
    assert rows(world, "INSERT INTO t (amount, ID) SELECT 2.25, id FROM retail.orders WHERE id > 4") == [[1]]
    assert rows(world, "INSERT INTO t SELECT * FROM t WHERE false") == [[0]]
    expected = [[1, "a", "1.50"], [2, None, None], [5, None, "2.25"]]
    assert rows(world, "SELECT * FROM t ORDER BY id") == expected


def test_an_insert_tells_what_it_did(world: World):
    fresh(world, "t")
    result = world.do(world.gateway.run(Statement("INSERT INTO lakehouse.written.t (id) VALUES (1), (2)"), ALICE))
    assert (result.update_type, result.update_count) == ("INSERT", 2)
    assert [(c.name, c.type) for c in result.columns] == [("rows", "bigint")]
    world.do(result.aclose())


@pytest.mark.parametrize(
    ("sql", "code", "words"),
    [
        ("INSERT INTO t VALUES (1)", "query.type", "too few data columns"),
        ("INSERT INTO t VALUES (1, 'a', 1.5, 2)", "query.type", "too many data columns"),
        ("INSERT INTO t (id) VALUES ('x')", "query.type", "column id of lakehouse.written.t is bigint"),
        ("INSERT INTO t (name) VALUES (1)", "query.type", "the query gives integer"),
        ("INSERT INTO t (amount) SELECT 1.234", "query.type", "decimal(10,2)"),
        ("INSERT INTO t (nope) VALUES (1)", "query.unknown_column", "'nope'"),
        ("INSERT INTO t (id, ID) VALUES (1, 2)", "query.syntax", "named more than once"),
        ("INSERT INTO t (amount) VALUES (123456789012)", "query.invalid_cast", ""),
        ("INSERT INTO nope VALUES (1)", "query.unknown_relation", "'lakehouse.written.nope' does not exist"),
        ("INSERT INTO shop.public.customers (name) VALUES ('x')", "depot.read_only", "no secret with acl: rw"),
        ("INSERT INTO t SELECT id, nope, 1 FROM t", "query.unknown_column", "nope"),
        ("INSERT INTO t (id) SELECT 1 / 0", "query.division_by_zero", ""),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(world: World, sql: str, code: str, words: str):
    fresh(world, "t")
    before = files_of(world, "t")
    problem = refused(world, sql)
    assert problem.code == code
    assert words in problem.message
    assert rows(world, "SELECT count(*) FROM t") == [[0]]
    assert files_of(world, "t") == before


def test_null_goes_where_it_may(world: World):
    fresh(world, "t", "id bigint NOT NULL, name varchar, tags array(varchar), place row(city varchar, zip bigint)")
    rows(world, "INSERT INTO t VALUES (1, NULL, NULL, NULL)")
    rows(world, "INSERT INTO t (id, tags) SELECT 2, NULL")
    problem = refused(world, "INSERT INTO t (name) VALUES ('x')")
    assert problem.code == "iceberg.null"
    assert "NULL value not allowed for NOT NULL column: id" in problem.message
    assert refused(world, "UPDATE t SET id = NULL").code == "iceberg.null"
    assert rows(world, "SELECT * FROM t ORDER BY id") == [[1, None, None, None], [2, None, None, None]]


def test_values_of_every_type_come_back(world: World):
    types = {
        "a": ("boolean", "true"),
        "b": ("integer", "7"),
        "c": ("bigint", "8"),
        "d": ("real", "REAL '1.5'"),
        "e": ("double", "2.5e0"),
        "f": ("decimal(38,4)", "DECIMAL '12.3456'"),
        "g": ("date", "DATE '2024-02-29'"),
        "h": ("time(6)", "TIME '10:11:12.5'"),
        "i": ("timestamp(6)", "TIMESTAMP '2024-02-29 10:11:12.123456'"),
        "j": ("timestamp(6) with time zone", "TIMESTAMP '2024-02-29 10:11:12 UTC'"),
        "k": ("varchar", "'ÿ''x'"),
        "l": ("varbinary", "X'00ff'"),
        "m": ("uuid", "UUID '00000000-0000-0000-0000-000000000001'"),
        "n": ("array(row(x bigint, y array(varchar)))", "ARRAY[ROW(1, ARRAY['p', NULL])]"),
        "o": ("map(varchar, decimal(5,2))", "MAP(ARRAY['q'], ARRAY[1.25])"),
        "p": ("row(u varchar, v row(w integer))", "ROW('r', ROW(3))"),
    }
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in types.items())
    values = ", ".join(value for _, value in types.values())
    fresh(world, "every", columns)
    rows(world, f"INSERT INTO every VALUES ({values})")
    rows(world, f"INSERT INTO every VALUES ({', '.join('NULL' for _ in types)})")
    wanted = rows(world, "SELECT * FROM every WHERE a")
    assert wanted[0][:3] == [True, 7, 8]
    assert wanted[0][12] == "00000000-0000-0000-0000-000000000001"
    rows(world, "CREATE TABLE every2 AS SELECT * FROM every")
    rows(world, "UPDATE every2 SET b = b WHERE a IS NULL OR a")  # every file is written anew
    assert rows(world, "SELECT * FROM every2 WHERE a") == wanted
    assert rows(world, "SELECT count(*) FROM every2 WHERE a IS NULL AND n IS NULL AND p IS NULL") == [[1]]
    assert rows(world, "DESCRIBE every2") == rows(world, "DESCRIBE every")


def test_two_inserts_at_once_both_land(world: World):
    fresh(world, "t")

    async def both() -> None:
        await asyncio.gather(*(run(world, f"INSERT INTO t (id) VALUES ({i})") for i in range(4)))

    world.do(both())
    assert rows(world, "SELECT id FROM t ORDER BY id") == [[0], [1], [2], [3]]


async def run(world: World, sql: str, principal: Principal = ALICE, gateway: Gateway | None = None) -> Any:
    result = await (gateway or world.gateway).run(Statement(sql, catalog="lakehouse", schema="written"), principal)
    return await results.as_json(result)


# --- create table as --------------------------------------------------------------------------------------------------


def test_a_table_is_made_of_a_query(world: World):
    rows(world, "DROP TABLE IF EXISTS made")
    created = "CREATE TABLE made (k, Total) COMMENT 'sums' WITH (partitioning = ARRAY['k']) AS "
    assert rows(world, created + "SELECT customer, sum(amount) FROM retail.orders GROUP BY customer") == [[4]]
    assert rows(world, "SELECT k, total FROM made ORDER BY k") == [
        ["Cid", "100.00"],
        ["ann", "15.25"],
        ["bob", "20.50"],
        [None, None],
    ]
    assert len(rows(world, 'SELECT * FROM "made$files"')) == 4
    problem = refused(world, "CREATE TABLE made AS SELECT 1 AS a")
    assert (problem.code, problem.line, problem.column) == ("query.exists", 1, 14)
    assert rows(world, "CREATE TABLE IF NOT EXISTS made AS SELECT 1 AS a") == [[0]]
    assert refused(world, "CREATE TABLE IF NOT EXISTS nowhere.made AS SELECT 1 AS a").code == "query.unknown_relation"


def test_with_no_data_only_the_columns_are_made(world: World):
    rows(world, "DROP TABLE IF EXISTS bare")
    rows(world, "CREATE TABLE bare AS SELECT * FROM retail.orders WITH NO DATA")
    assert rows(world, "SELECT count(*) FROM bare") == [[0]]
    assert rows(world, "DESCRIBE bare") == rows(world, "DESCRIBE retail.orders")


@pytest.mark.parametrize("tail", ["SELECT id / 0 AS a FROM retail.orders", "SELECT 1 AS a, 2 AS A", "SELECT 1"])
def test_a_failed_create_leaves_nothing(world: World, tail: str):
    (world.warehouse / "written").mkdir(exist_ok=True)  # no table may have been made before
    before = set((world.warehouse / "written").rglob("*.parquet"))
    folders = set((world.warehouse / "written").iterdir())
    if tail == "SELECT 1":
        tail = "SELECT CAST(NULL AS interval day to second) AS a"
    refused(world, f"CREATE TABLE failed AS {tail}")
    assert refused(world, "SELECT * FROM failed").code == "query.unknown_relation"
    assert set((world.warehouse / "written").rglob("*.parquet")) == before
    assert set((world.warehouse / "written").iterdir()) == folders


def test_many_rows_go_through_in_pieces(world: World):
    rows(world, "DROP TABLE IF EXISTS many")
    made = (
        "CREATE TABLE many WITH (\"write.target-file-size-bytes\" = '65536', partitioning = ARRAY['bucket(n, 3)']) AS "
    )
    assert rows(world, f"{made} SELECT a.n * 1000 + b.n AS n FROM UNNEST(sequence(0, 299)) a(n) "
                f"CROSS JOIN UNNEST(sequence(0, 999)) b(n)") == [[300_000]]  # fmt: skip
    assert rows(world, "SELECT count(*), count(DISTINCT n), sum(n) FROM many") == [[300_000, 300_000, 44999850000]]
    assert rows(world, "SELECT count(*) FROM many WHERE n = 123456") == [[1]]


# --- update, delete, merge --------------------------------------------------------------------------------------------


def test_right_sides_are_computed_of_the_old_row(world: World):
    fresh(world, "t", "a bigint, b bigint")
    rows(world, "INSERT INTO t VALUES (1, 2), (3, 4)")
    assert rows(world, "UPDATE t SET a = b, b = a WHERE a = 1") == [[1]]
    assert rows(world, "SELECT * FROM t ORDER BY a") == [[2, 1], [3, 4]]
    assert rows(world, "UPDATE t SET a = a + (SELECT max(b) FROM t)") == [[2]]
    assert rows(world, "SELECT a FROM t ORDER BY a") == [[6], [7]]
    assert rows(world, "UPDATE t SET a = 0 WHERE a > 100") == [[0]]


def test_rows_of_which_a_condition_is_unknown_stay(world: World):
    fresh(world, "t", "a bigint, b bigint")
    rows(world, "INSERT INTO t VALUES (1, 1), (NULL, 2), (3, 3)")
    assert rows(world, "DELETE FROM t WHERE a <> 1") == [[1]]
    assert rows(world, "DELETE FROM t WHERE a NOT IN (7, NULL)") == [[0]]
    assert rows(world, "DELETE FROM t WHERE NOT EXISTS (SELECT 1 FROM retail.orders o WHERE o.id = t.b)") == [[0]]
    assert rows(world, "SELECT b FROM t ORDER BY b") == [[1], [2]]
    assert rows(world, "DELETE FROM t") == [[2]]
    assert rows(world, "SELECT count(*) FROM t") == [[0]]


def test_only_touched_files_are_written_anew(world: World):
    fresh(world, "t")
    for number in range(3):
        rows(world, f"INSERT INTO t (id) VALUES ({number}), ({number + 10})")
    before = {r[0] for r in rows(world, 'SELECT file_path FROM "t$files"')}
    rows(world, "DELETE FROM t WHERE id = 1")
    after = {r[0] for r in rows(world, 'SELECT file_path FROM "t$files"')}
    assert len(before & after) == 2
    assert rows(world, "SELECT id FROM t ORDER BY id") == [[0], [2], [10], [11], [12]]
    rows(world, "DELETE FROM t WHERE id IN (2, 12)")
    assert len(rows(world, 'SELECT * FROM "t$files"')) == 2, "a file without rows goes"
    assert rows(world, 'SELECT operation FROM "t$snapshots"')[-2:] == [["overwrite"], ["delete"]]


def test_a_merge_takes_the_first_clause_that_holds(world: World):
    fresh(world, "t", "id bigint, name varchar, n bigint")
    rows(world, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', NULL)")
    merged = """
        MERGE INTO t AS old USING (VALUES (1, 10), (2, 20), (3, 30), (4, 40), (7, 70), (8, NULL)) AS new (id, n)
        ON old.id = new.id
        WHEN MATCHED AND new.n > 30 THEN DELETE
        WHEN MATCHED AND old.name = 'b' THEN UPDATE SET name = old.name || '!', n = old.n + new.n
        WHEN MATCHED AND new.id = 3 THEN UPDATE SET n = NULL
        WHEN NOT MATCHED AND new.n IS NULL THEN INSERT (id, name) VALUES (new.id, 'none')
        WHEN NOT MATCHED THEN INSERT VALUES (new.id, 'new', new.n)
    """
    assert rows(world, merged) == [[5]]
    assert rows(world, "SELECT * FROM t ORDER BY id") == [
        [1, "a", 1],
        [2, "b!", 22],
        [3, "c", None],
        [7, "new", 70],
        [8, "none", None],
    ]


def test_a_target_row_with_two_source_rows_is_refused(world: World):
    fresh(world, "t", "id bigint, n bigint")
    rows(world, "INSERT INTO t VALUES (1, 1), (2, 2)")
    merged = (
        "MERGE INTO t USING (VALUES (1, 10), (1, 11)) s(id, n) ON t.id = s.id WHEN MATCHED {} THEN UPDATE SET n = s.n"
    )
    problem = refused(world, merged.format(""))
    assert problem.code == "iceberg.row_twice"
    assert "MERGE_TARGET_ROW_MULTIPLE_MATCHES" in problem.message
    assert rows(world, "SELECT n FROM t ORDER BY n") == [[1], [2]]
    assert rows(world, merged.format("AND s.n = 11")) == [[1]], "only one of them would change it"


def test_a_column_added_later_is_null_in_older_files_and_can_be_set(world: World):
    fresh(world, "t", "id bigint")
    rows(world, "INSERT INTO t VALUES (1), (2)")
    rows(world, "ALTER TABLE t ADD COLUMN more varchar")
    assert rows(world, "SELECT * FROM t ORDER BY id") == [[1, None], [2, None]]
    assert rows(world, "UPDATE t SET more = 'x' WHERE id = 2") == [[1]]
    assert rows(world, "SELECT * FROM t ORDER BY id") == [[1, None], [2, "x"]]


def test_a_table_of_version_one_is_written_too_and_of_three_refused(world: World):
    fresh(world, "one", "id bigint", tail="WITH (format_version = 1)")
    rows(world, "INSERT INTO one VALUES (1), (2)")
    assert rows(world, "DELETE FROM one WHERE id = 1") == [[1]]
    assert rows(world, "UPDATE one SET id = id + 1") == [[1]]
    assert rows(world, "SELECT * FROM one") == [[3]]
    fresh(world, "three", "id bigint", tail="WITH (format_version = 3)")
    problem = refused(world, "INSERT INTO three VALUES (1)")
    assert problem.code == "iceberg.unsupported"
    assert "format version 3" in problem.message


def test_truncate_takes_all_rows(world: World):
    fresh(world, "t")
    rows(world, "INSERT INTO t (id) VALUES (1), (2)")
    assert rows(world, "TRUNCATE TABLE t") == [[True]]
    assert rows(world, "SELECT count(*) FROM t") == [[0]]
    assert rows(world, "TRUNCATE TABLE t") == [[True]]


def test_a_writer_that_comes_between_is_not_overwritten(world: World):
    """An UPDATE that another one overtook is computed again on what is there now."""
    fresh(world, "t", "id bigint, n bigint")
    rows(world, "INSERT INTO t VALUES (1, 0)")

    async def all_of_them() -> None:
        await asyncio.gather(*(run(world, "UPDATE t SET n = n + 1") for _ in range(3)))

    world.do(all_of_them())
    assert rows(world, "SELECT n FROM t") == [[3]]


# --- runs, policies, cancelling ---------------------------------------------------------------------------------------


def test_a_job_writes_into_its_runs_view(world: World):
    fresh(world, "t", "id bigint")
    rows(world, "INSERT INTO t VALUES (1)")
    attempt = AttemptId("attempt-sql-1")
    job = Principal(UserId("alice"), attempt=AttemptScope("public", RunId("run-1"), attempt))
    world.do(run(world, "INSERT INTO t VALUES (2)", job))
    world.do(run(world, "UPDATE t SET id = id * 10", job))
    world.do(run(world, "CREATE TABLE of_job AS SELECT * FROM t", job))
    assert sorted(world.do(run(world, "SELECT * FROM of_job", job))["rows"]) == [[10], [20]]
    assert rows(world, "SELECT * FROM t") == [[1]]
    assert refused(world, "SELECT * FROM of_job").code == "query.unknown_relation"
    view = AttemptView(attempt)
    assert world.do(world.catalog.table_exists(view, TableRef("lakehouse", "written", "of_job")))
    world.store.write_sync(world.catalog.publish, attempt)
    assert rows(world, "SELECT * FROM t ORDER BY id") == [[10], [20]]
    assert rows(world, "SELECT count(*) FROM of_job") == [[2]]
    rows(world, "DROP TABLE of_job")


class Rules(AllowAll):
    """An authority with one bitten table (`secret`: a filter and a mask) and one that may not be written at all."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def decide(self, principal: Principal, relations: Sequence[Relation]) -> list[Decision]:
        stars = AppliedMask(Mask("redact", replacement="***"), "hide")
        shape = Shape(frozenset(), lambda path: stars if path == ("name",) else None)
        bitten = Decision(shape=shape, filters=(AppliedFilter(Filter("id", "not_equals", 1), "hide"),))
        return [bitten if r.table == "secret" else Decision() for r in relations]

    async def decide_write(self, principal: Principal, target: Relation | str, action: str) -> WriteDecision:
        name = target if isinstance(target, str) else target.full_name
        self.asked.append((name, action))
        if name.endswith("closed"):
            return WriteDecision(allowed=False, missing=action)
        return WriteDecision(bites=name.endswith("secret"), policies=("hide",))


def test_policies_decide_what_may_be_written(world: World):
    fresh(world, "secret")
    fresh(world, "closed")
    fresh(world, "open")
    rows(world, "INSERT INTO secret VALUES (1, 'hidden', 1), (2, 'masked', 2)")
    authority = Rules()
    gateway = Gateway(
        world.engine,
        world.mounted,
        ids=world.catalog.ids,
        limits=Limits(timeout_s=30),
        authority=authority,
        journal=NoJournal(),
    )

    def governed(sql: str) -> Any:
        return world.do(run(world, sql, gateway=gateway))["rows"]

    def forbidden(sql: str) -> str:
        with pytest.raises(DataOSError) as caught:
            governed(sql)
        assert caught.value.problem.code == "query.forbidden"
        return caught.value.problem.message

    assert governed("INSERT INTO open SELECT * FROM secret") == [[1]], "what is read for a write is secured too"
    assert rows(world, "SELECT id, name FROM open") == [[2, "***"]]
    assert governed("INSERT INTO secret VALUES (3, 'new', 3)") == [[1]]
    assert "masked values" in forbidden("INSERT INTO secret (id, name) SELECT id, name FROM secret")
    assert governed("INSERT INTO secret (id) SELECT id + 10 FROM secret WHERE id = 2") == [[1]]
    for sql in ("UPDATE secret SET id = 1", "DELETE FROM secret", "TRUNCATE TABLE secret"):
        assert "filters or masks are in effect" in forbidden(sql)
    merged = "MERGE INTO secret t USING open o ON t.id = o.id WHEN NOT MATCHED THEN INSERT (id) VALUES (o.id)"
    assert "filters or masks" in forbidden(merged)
    assert "Cannot insert lakehouse.written.closed: the predicate 'insert'" in forbidden(
        "INSERT INTO closed VALUES (1, '', 1)"
    )
    governed("UPDATE open SET name = 'x' WHERE id IN (SELECT id FROM secret)")
    governed("CREATE TABLE copied AS SELECT * FROM secret")
    assert {r[1] for r in rows(world, "SELECT * FROM copied")} == {"***", None}
    assert ("lakehouse.written.copied", "create") in authority.asked
    rows(world, "DROP TABLE copied")


def test_a_cancelled_statement_leaves_nothing(world: World):
    fresh(world, "t", "n bigint")
    before = files_of(world, "t")
    long = "INSERT INTO t SELECT a.n FROM UNNEST(sequence(1, 10000)) a(n) CROSS JOIN UNNEST(sequence(1, 10000)) b(n)"

    async def cancelled() -> None:
        task = asyncio.ensure_future(run(world, long))
        for _ in range(400):
            await asyncio.sleep(0.01)
            if files_of_now(world, before):
                break
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    world.do(cancelled())
    assert files_of(world, "t") == before
    assert rows(world, "SELECT count(*) FROM t") == [[0]]
    assert rows(world, "INSERT INTO t VALUES (1)") == [[1]]


def files_of_now(world: World, before: set[str]) -> bool:
    return any(str(p) not in before for p in (world.warehouse / "written").rglob("t-*/data/*.parquet"))


def test_a_timeout_is_kept(world: World):
    fresh(world, "t", "n bigint")
    long = "INSERT INTO t SELECT a.n FROM UNNEST(sequence(1, 10000)) a(n) CROSS JOIN UNNEST(sequence(1, 10000)) b(n)"
    assert refused(world, long, timeout_s=0.5).code == "query.timeout"
    assert rows(world, "SELECT count(*) FROM t") == [[0]]
