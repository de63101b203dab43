"""Policies and the audit, of statements that write tables of a mounted database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.retail import Lake, access, mask

DEPOT = {"name": "till", "version": "v2alpha", "type": "depot"}
SOLD = "till.main.sold"


@pytest.fixture(scope="module")
def till(lake: Lake) -> Iterator[Path]:
    file = Path(lake.server.work) / "till.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE sold (id bigint, email varchar(40))")
        connection.execute("CREATE TABLE keyed (id bigint PRIMARY KEY, email varchar(40))")
        connection.execute("INSERT INTO sold VALUES (1, 'ann@x.org')")
    connection.close()
    section = {"type": "JDBC", "jdbc": {"subprotocol": "sqlite", "database": str(file)}}
    lake.apply({**DEPOT, "depot": section})
    yield file
    lake.delete("depot", "till")


def asked(file: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(file)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_who_may_write_what_is_decided_and_audited(lake: Lake, till: Path):
    lake.apply(access("till-readers", [["roles:id:analyst"]], "dataos://till:main/*"))
    problem = lake.refused(lake.ana, f"INSERT INTO {SOLD} VALUES (2, 'ana')")
    assert "the predicate" in problem["message"]
    writes = access("till-writers", [["roles:id:analyst"]], "dataos://till:main/*", predicates=("insert", "update"))
    lake.apply(writes)
    assert lake.rows(lake.ana, f"INSERT INTO {SOLD} VALUES (2, 'ana')") == [[1]]
    assert lake.rows(lake.ana, f"UPDATE {SOLD} SET email = upper(email) WHERE id = 2") == [[1]]
    assert "the predicate" in lake.refused(lake.ana, f"DROP TABLE {SOLD}")["message"]
    hidden = mask("till-mask", "email", "redact")
    hidden["policy"]["data"]["dataset_id"] = SOLD
    keyed = mask("keyed-mask", "email", "redact")
    keyed["policy"]["data"]["dataset_id"] = "till.main.keyed"
    lake.apply(hidden)
    lake.apply(keyed)
    assert lake.rows(lake.ana, f"SELECT email FROM {SOLD} WHERE id = 2") == [["REDACTED"]]
    assert lake.rows(lake.ana, f"INSERT INTO {SOLD} VALUES (3, 'more')") == [[1]]
    assert "masked values" in lake.refused(lake.ana, f"INSERT INTO {SOLD} SELECT * FROM {SOLD}")["message"]
    assert "errors would tell" in lake.refused(lake.ana, "INSERT INTO till.main.keyed VALUES (1, 'x')")["message"]
    for sql in (f"UPDATE {SOLD} SET id = 0", f"DELETE FROM {SOLD}"):
        assert "filters or masks are in effect" in lake.refused(lake.ana, sql)["message"]
    assert asked(till, "SELECT * FROM sold ORDER BY id") == [(1, "ann@x.org"), (2, "ANA"), (3, "more")]
    audit = lake.server.ok("audit", "get", "--actor", "ana", "-O", "json").json
    told = [(r["action"], r["object"]) for r in audit if r["object"].startswith("till.")]
    assert told.count(("write", SOLD)) == 3, told
    assert all("till-writers" in r["policies"] for r in audit if r["action"] == "write" and r["allowed"])
    query = "SELECT count(*) FROM gateway.public.query WHERE query LIKE 'UPDATE till.%'"
    assert lake.rows(lake.op, query) != [[0]]
    lake.delete("policy", "till-readers", "till-writers", "till-mask", "keyed-mask")
