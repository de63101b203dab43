"""Direct access in the audit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dataos.core.errors import DataOSError, fail
from dataos.core.ids import AttemptId, RunId, UserId
from dataos.governance.audit import Entry
from dataos.governance.noting import Noted
from dataos.governance.principals import AttemptScope, Principal

ANA = Principal(UserId("ana"), ())
JOB = Principal(UserId("ana"), (), AttemptScope(RunId("r"), AttemptId("r-1"), "public"))
TABLE = "dataos://lakehouse:retail/customers"


class Book:
    """An audit that may be closed."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.closed = False

    async def write(self, entry: Entry, beside: Any = None) -> None:
        if self.closed:
            raise fail("store.unavailable", "away")
        self.entries.append(entry)


def test_reads_once_a_minute_and_changes_always():
    now, book = [0.0], Book()
    audit: Any = book
    noted = Noted(audit, lambda: now[0])

    async def scenario() -> None:
        for moment in (0, 10, 59, 61):
            now[0] = moment
            await noted.allowed(ANA, "table.read", TABLE)
            await noted.allowed(ANA, "table.write", TABLE)
            await noted.allowed(JOB, "table.write", TABLE)

    asyncio.run(scenario())
    assert [e.action for e in book.entries].count("table.read") == 2
    assert [e.action for e in book.entries].count("table.write") == 4
    assert {(e.actor, e.object, e.allowed) for e in book.entries} == {("ana", TABLE, True)}


def test_what_cannot_be_audited_must_not_happen_and_is_tried_again():
    book = Book()
    audit: Any = book
    noted = Noted(audit, lambda: 0.0)
    book.closed = True
    with pytest.raises(DataOSError):
        asyncio.run(noted.allowed(ANA, "table.read", TABLE))
    book.closed = False
    asyncio.run(noted.allowed(ANA, "table.read", TABLE))
    assert len(book.entries) == 1
