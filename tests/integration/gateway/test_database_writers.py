"""Statements that write tables of databases, beside others who write them, and under policies."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dataos.core.errors import DataOSError
from dataos.core.ids import AttemptId, RunId, UserId
from dataos.depots.types.mysql.writing import MysqlWriter
from dataos.gateway.relations import Decision, Relation
from dataos.governance.principals import AttemptScope, Principal
from integration.gateway.database_world import KEYS, Database, gateway
from integration.gateway.test_writing import Rules
from support.access import AllowAll, NoJournal

# --- others who write -------------------------------------------------------------------------------------------------


def test_no_update_is_lost_between_many_writers(db: Database):
    """Each adds one to a counter, again and again; whoever is told of a conflict repeats."""
    db.fresh("counters", "id bigint PRIMARY KEY, n bigint")
    db.ask("INSERT INTO counters VALUES (1, 0), (2, 0)")
    done: list[int] = []

    async def add(number: int) -> None:
        for _ in range(4):
            for _ in range(60):
                try:
                    await db.run(f"UPDATE counters SET n = n + 1 WHERE id = {number % 2 + 1}")
                except DataOSError as error:
                    assert error.problem.code in ("depot.conflict", "depot.locked"), error
                    continue
                done.append(number)
                break

    async def every() -> None:
        await asyncio.gather(*(add(n) for n in range(4)))

    stop = threading.Event()
    past: list[int] = []

    def outside() -> None:
        """An application that knows nothing of us."""
        while not stop.wait(0.15):
            db.ask("UPDATE counters SET n = n + 100 WHERE id = 1")
            past.append(1)

    other = threading.Thread(target=outside)
    other.start()
    try:
        db.world.do(every())
    finally:
        stop.set()
        other.join()
    total = sum(row[0] for row in db.ask("SELECT n FROM counters"))
    assert past
    assert total == len(done) + 100 * len(past)
    assert len(done) == 16


class Meddler(AllowAll):
    """Lets a test do something when the statement has begun and not read yet, or not been written yet."""

    def __init__(self, at: str, work: Callable[[], object]) -> None:
        self._at, self._work = at, work

    async def decide(self, principal: Principal, relations: Sequence[Relation]) -> list[Decision]:
        if self._at == "before reading":
            await asyncio.to_thread(self._work)
        return await super().decide(principal, relations)


class Journal(NoJournal):
    """As `Meddler`: what is noted of a write is noted after it was read."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work

    async def intended(self, asked: Any, action: str, thing: str) -> None:
        await asyncio.to_thread(self._work)


@pytest.mark.parametrize("when", ["before reading", "before writing"])
@pytest.mark.parametrize("key", ["primary", "none"])
@pytest.mark.parametrize("what", ["UPDATE t SET n = n + 100 WHERE id = 1", "DELETE FROM t WHERE id = 1", "back"])
def test_a_row_that_somebody_changes_meanwhile_is_a_conflict(db: Database, when: str, key: str, what: str):
    if key == "none" and db.depot == "mydb":
        key = "unique"
    db.fresh("t", KEYS[key])
    db.ask("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)")
    changes = [what] if what != "back" else ["UPDATE t SET n = 5 WHERE id = 1", "UPDATE t SET n = 1 WHERE id = 1"]

    def meddle() -> None:
        for change in changes:
            db.ask(change)

    made = gateway(db, Meddler(when, meddle), Journal(meddle) if when == "before writing" else None)
    sql = "UPDATE t SET n = n + 1, name = 'mine'"
    if what.startswith("DELETE"):  # the statement runs again, on what is left
        assert db.do(sql, gateway=made) == [[1]]
        assert db.ask("SELECT * FROM t") == [(2, "mine", 3)]
        return
    problem = db.refused(sql, gateway=made)
    assert problem.code == "depot.conflict"
    assert "run it again" in problem.hint
    assert db.ask("SELECT count(*) FROM t WHERE name = 'mine'") == [(0,)]


@pytest.mark.parametrize("when", ["before reading", "before writing"])
@pytest.mark.parametrize("what", ["n = n + 100", "name = IF(BINARY name = 'a', 'A', 'a')", "ratio = ratio + 0.25"])
def test_a_mysql_that_does_not_look_itself_is_asked_twice(
    writing: dict[str, Database], monkeypatch: pytest.MonkeyPatch, when: str, what: str
):
    """MySQL, and MariaDB of old, have no `innodb_snapshot_isolation`."""
    db = writing["mydb"]
    db.ask("DROP TABLE IF EXISTS t", "CREATE TABLE t (id int PRIMARY KEY, name varchar(9), n bigint, ratio float)")
    db.ask("INSERT INTO t VALUES (1, 'a', 1, 16777.25), (2, 'b', 2, NULL)")
    connect = MysqlWriter.connect

    def without(self: MysqlWriter) -> None:
        connect(self)
        self.run("SET SESSION innodb_snapshot_isolation = OFF")

    monkeypatch.setattr(MysqlWriter, "connect", without)

    def meddle() -> None:
        db.ask(f"UPDATE t SET {what} WHERE id = 1")

    made = gateway(db, Meddler(when, meddle), Journal(meddle) if when == "before writing" else None)
    assert db.refused("UPDATE t SET n = n * 2", gateway=made).code == "depot.conflict"
    assert db.ask("SELECT n FROM t WHERE id = 2") == [(2,)]


def test_rows_that_nobody_touches_are_no_conflict(db: Database):
    """But in SQLite, which tells of files and not of rows."""
    db.fresh("t", KEYS["primary"])
    db.ask("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)")
    made = gateway(db, AllowAll(), Journal(lambda: db.ask("UPDATE t SET n = n + 1 WHERE id = 2")))
    if db.depot == "lite":
        assert db.refused("UPDATE t SET n = 0 WHERE id = 1", gateway=made).code == "depot.conflict"
        return
    assert db.do("UPDATE t SET n = 0 WHERE id = 1", gateway=made) == [[1]]
    assert db.ask("SELECT n FROM t ORDER BY id") == [(0,), (3,)]


# --- rights -----------------------------------------------------------------------------------------------------------


def test_policies_decide_what_may_be_written(db: Database):
    for name, more in (("secret", ""), ("keyed_secret", " PRIMARY KEY"), ("closed", ""), ("opened", " PRIMARY KEY")):
        db.fresh(name, f"id bigint{more}, name varchar(20)")
    db.ask("DROP TABLE IF EXISTS copied", "INSERT INTO secret VALUES (1, 'hidden'), (2, 'masked')")
    db.ask("INSERT INTO keyed_secret VALUES (1, 'hidden')")
    authority = Rules()
    made = gateway(db, authority)

    def forbidden(sql: str) -> str:
        problem = db.refused(sql, gateway=made)
        assert problem.code == "query.forbidden", problem
        return problem.message

    assert db.do("INSERT INTO opened SELECT * FROM secret", gateway=made) == [[1]]
    assert db.ask("SELECT * FROM opened") == [(2, "***")], "what is read for a write is secured too"
    assert db.do("INSERT INTO secret VALUES (3, 'new')", gateway=made) == [[1]]
    assert "masked values" in forbidden("INSERT INTO secret SELECT id, name FROM secret")
    assert "whose errors would tell of rows" in forbidden("INSERT INTO keyed_secret VALUES (1, 'guess')")
    for sql in ("UPDATE secret SET id = 1", "DELETE FROM secret", "TRUNCATE TABLE secret",
                "ALTER TABLE secret ADD COLUMN x bigint"):  # fmt: skip
        assert "filters or masks are in effect" in forbidden(sql)
    assert "the predicate 'insert'" in forbidden("INSERT INTO closed VALUES (1, '')")
    assert "the predicate 'drop'" in forbidden("DROP TABLE closed")
    db.do("CREATE TABLE copied AS SELECT * FROM secret", gateway=made)
    assert {row[1] for row in db.ask("SELECT * FROM copied")} == {"***"}
    assert (f"{db.depot}.{db.schema}.copied", "create") in authority.asked
    assert db.ask("SELECT id, name FROM secret ORDER BY id") == [(1, "hidden"), (2, "masked"), (3, "new")]


class Noting(NoJournal):
    """Keeps what is noted before it is done, and of what data is made."""

    def __init__(self, fails: bool = False) -> None:
        self.noted: list[tuple[str, ...]] = []
        self.fails = fails

    async def intended(self, asked: Any, action: str, thing: str) -> None:
        self.noted.append((action, thing))
        if self.fails:
            raise DataOSError(_full())

    async def derived(
        self, user: str, query_id: str, target: str, columns: Sequence[tuple[str, str]], sources: Sequence[str]
    ) -> None:
        self.noted.append(("derived", target, *sources))


def _full() -> Any:
    from dataos.core.errors import Problem

    return Problem("store.full", "the disk is full")


def test_what_cannot_be_audited_is_not_done_and_tags_come_with_data(db: Database):
    db.fresh("t", "id bigint PRIMARY KEY, n bigint")
    db.fresh("s", "id bigint PRIMARY KEY, n bigint")
    db.ask("INSERT INTO s VALUES (1, 1)")
    noted = Noting()
    made = gateway(db, AllowAll(), noted)
    place = f"dataos://{db.depot}:{db.schema}"
    db.do("INSERT INTO t SELECT * FROM s", gateway=made)
    db.do("UPDATE t SET n = 5", gateway=made)
    db.ask("DROP TABLE IF EXISTS u")
    db.do("CREATE TABLE u AS SELECT * FROM t", gateway=made)
    full = f"{db.depot}.{db.schema}"
    assert noted.noted == [
        ("derived", f"{place}/t", f"{place}/s"),
        ("insert", f"{full}.t"),
        ("change", f"{full}.t"),
        ("derived", f"{place}/u", f"{place}/t"),
        ("create", f"{full}.u"),
    ]
    broken = gateway(db, AllowAll(), Noting(fails=True))
    for sql in ("INSERT INTO t VALUES (2, 2)", "DELETE FROM t", "TRUNCATE TABLE t", "DROP TABLE t"):
        assert db.refused(sql, gateway=broken).code == "store.full"
    assert db.ask("SELECT * FROM t") == [(1, 5)]


def test_a_depot_without_credentials_for_writing_says_so(writing: dict[str, Database]):
    writing["pgdb"].fresh("t", "id bigint PRIMARY KEY")
    for sql in ("INSERT INTO t VALUES (1)", "UPDATE t SET id = 1", "CREATE TABLE x (a bigint)", "DROP TABLE t"):
        problem = writing["readonly"].refused(sql)
        assert problem.code == "depot.read_only"
        assert "acl: rw" in problem.hint
        problem = writing["visited"].refused(sql)
        assert problem.code == "depot.credentials", problem
        assert "may not do this: " in problem.message
    assert writing["readonly"].do("SELECT count(*) FROM t") == [[0]]


def test_a_job_writes_by_its_outputs(db: Database):
    db.fresh("t", "id bigint PRIMARY KEY")
    job = Principal(UserId("alice"), attempt=AttemptScope("public", RunId("run-1"), AttemptId("attempt-1")))
    problem = db.refused("INSERT INTO t VALUES (1)", principal=job)
    assert problem.code == "query.unsupported"
    assert "by its outputs" in problem.message
    assert db.ask("SELECT count(*) FROM t") == [(0,)]


def test_planning_a_write_writes_nothing(db: Database):
    db.fresh("t", "id bigint PRIMARY KEY")
    db.do("EXPLAIN INSERT INTO t VALUES (1)")
    db.do("EXPLAIN DELETE FROM t")
    assert db.ask("SELECT count(*) FROM t") == [(0,)]
    db.do("EXPLAIN ANALYZE INSERT INTO t VALUES (1)")
    assert db.ask("SELECT id FROM t") == [(1,)]
