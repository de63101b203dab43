"""Statements that change something are in the audit before they do it; what cannot be audited is not done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dataos.core.clock import SystemClock
from dataos.core.errors import DataOSError, fail
from dataos.gateway import results
from dataos.gateway.asking import Statement
from dataos.gateway.gateway import Gateway, Limits
from dataos.gateway.journal import StoredJournal
from dataos.governance.audit import Audit, Entry
from integration.gateway.gateway_world import ALICE, World
from support.access import AllowAll


class Flaky(Audit):
    """An audit that loses rows of some action."""

    lost: str = ""

    async def write(self, entry: Entry, beside: Any = None) -> None:
        if entry.action == self.lost:
            raise fail("store.full", "no room for the audit")
        await super().write(entry, beside)


class Here:
    """A gateway with a journal, on a schema of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.audit = Flaky(world.store, SystemClock(), b"k" * 32)
        self.gateway = Gateway(
            world.engine,
            world.mounted,
            ids=world.catalog.ids,
            limits=Limits(timeout_s=30),
            authority=AllowAll(),
            journal=StoredJournal(world.store, SystemClock(), self.audit, lambda *_: None, "s"),
        )
        self._seen = len(world.do(self.audit.listing(limit=10_000)))

    def rows(self, sql: str) -> list[list[Any]]:
        async def ask() -> dict[str, Any]:
            asked = Statement(sql, catalog="lakehouse", schema="audited")
            return await results.as_json(await self.gateway.run(asked, ALICE))

        return self._world.do(ask())["rows"]

    def refused(self, sql: str) -> str:
        with pytest.raises(DataOSError) as caught:
            self.rows(sql)
        return caught.value.problem.code

    def told(self) -> list[tuple[str, str, str]]:
        """(action, object, what) of the rows since the last look."""
        rows = self._world.do(self.audit.listing(limit=10_000))
        fresh, self._seen = rows[self._seen :], len(rows)
        return [(r["action"], r["object"], _what(r["data"])) for r in fresh]


def _what(data: dict[str, Any]) -> str:
    return data.get("intended") or " ".join(filter(None, (data.get("outcome"), data.get("code"))))


@pytest.fixture
def here(world: World) -> Iterator[Here]:
    made = Here(world)
    made.rows("CREATE SCHEMA audited")
    made.rows("CREATE TABLE t (id bigint)")
    made.told()
    yield made
    made.audit.lost = ""
    made.rows("DROP SCHEMA audited CASCADE")


T = "lakehouse.audited.t"
WRITES = [
    ("INSERT INTO t VALUES (1)", "insert", T),
    ("UPDATE t SET id = 2", "change", T),
    ("MERGE INTO t USING (VALUES (2)) s (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET id = 3", "change", T),
    ("DELETE FROM t WHERE id = 3", "change", T),
    ("TRUNCATE TABLE t", "truncate", T),
    ("CREATE TABLE made AS SELECT 1 AS id", "create", "lakehouse.audited.made"),
    ("CREATE TABLE empty (id bigint)", "create", "lakehouse.audited.empty"),
    ("ALTER TABLE t ADD COLUMN name varchar", "alter", T),
    ("COMMENT ON TABLE t IS 'x'", "comment", T),
    ("ALTER TABLE made RENAME TO named", "rename to audited.named", "lakehouse.audited.made"),
    ("CREATE VIEW v AS SELECT id FROM t", "create view", "lakehouse.audited.v"),
    ("DROP VIEW v", "drop view", "lakehouse.audited.v"),
    ("DROP TABLE named", "drop", "lakehouse.audited.named"),
]


def test_each_write_is_audited_before_and_after(here: Here):
    for sql, what, thing in WRITES:
        here.rows("INSERT INTO t (id) VALUES (2), (3)")
        here.told()
        here.rows(sql)
        first, *_, last = here.told()
        assert first == ("write", thing, what), sql
        assert (last[0], last[2]) == ("query", "done"), sql


def test_what_cannot_be_audited_is_not_done(here: Here):
    here.rows("INSERT INTO t VALUES (1)")
    here.audit.lost = "write"
    for sql, _, thing in WRITES:
        if thing == T or "CREATE" in sql:
            assert here.refused(sql) == "store.full", sql
    here.audit.lost = ""
    assert here.rows("SELECT * FROM t") == [[1]]
    assert here.rows("SHOW TABLES FROM audited") == [["t"]]


def test_a_write_whose_outcome_cannot_be_audited_still_says_what_it_did(here: Here):
    here.audit.lost = "query"
    assert here.rows("INSERT INTO t VALUES (7), (8)") == [[2]]
    here.audit.lost = ""
    assert here.told() == [("write", T, "insert")]


def test_a_write_that_fails_is_told_with_its_outcome(here: Here):
    here.rows("CREATE TABLE strict (id bigint NOT NULL)")
    here.told()
    code = here.refused("INSERT INTO strict SELECT nullif(id, 3) FROM lakehouse.retail.orders")
    intended, outcome = here.told()
    assert intended == ("write", "lakehouse.audited.strict", "insert")
    assert outcome == ("query", "lakehouse.retail.orders", f"failed {code}")
    assert here.rows("SELECT count(*) FROM strict") == [[0]]


def test_what_only_reads_or_explains_intends_nothing(here: Here):
    here.rows("SELECT * FROM t")
    here.rows("EXPLAIN INSERT INTO t VALUES (1)")
    assert [action for action, _, _ in here.told()] == ["query", "query"]


def test_a_query_that_fails_while_it_runs_is_audited_as_allowed(here: Here):
    assert here.refused("SELECT 1 / (id - id) FROM lakehouse.retail.orders") == "query.division_by_zero"
    assert here.told() == [("query", "lakehouse.retail.orders", "")]


def test_no_row_leaves_that_cannot_be_audited(here: Here):
    here.audit.lost = "query"
    assert here.refused("SELECT * FROM lakehouse.retail.orders") == "store.full"
    assert here.refused("SELECT 1 / (id - id) FROM lakehouse.retail.orders") == "query.division_by_zero"
    here.audit.lost = ""
    assert here.told() == []
