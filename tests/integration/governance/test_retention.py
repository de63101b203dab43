"""What is over goes: rows of the audit (and what is left can be verified), grants, keys, statements."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from dataos.core.errors import DataOSError
from dataos.gateway import journal
from dataos.governance import grants
from dataos.governance.audit import Audit, Entry
from dataos.governance.grants import Asked
from dataos.store import tables
from support.accounts import Accounts, accounts

DAY = 86_400
_a, _f = tables.audit, tables.facts


def run(tmp_path, test) -> None:
    with accounts(tmp_path) as here:
        asyncio.run(test(here))


async def put(here: Accounts, count: int) -> None:
    entries = [Entry("ida", "query", str(n), True) for n in range(count)]
    await here.store.write(here.audit.append, entries)


async def do(here: Accounts, statement: Any) -> None:
    await here.store.write(lambda connection: connection.execute(statement) and None)


async def aged(here: Accounts) -> None:
    """Six old rows that went, three younger ones and the row that tells of it."""
    await put(here, 6)
    here.clock.advance(20 * DAY)
    await put(here, 3)
    assert await here.audit.trim(10 * DAY) == 6


def test_old_rows_of_the_audit_go_and_the_rest_can_be_verified(tmp_path):
    async def test(here: Accounts) -> None:
        await aged(here)
        rows = await here.audit.listing()
        assert [r["seq"] for r in rows] == [7, 8, 9, 10]
        assert (rows[-1]["action"], rows[-1]["data"]) == ("audit.trimmed", {"up_to": 6, "rows": 6})
        found = await here.audit.verify()
        assert (found.broken, found.rows, found.removed) == (None, 4, 6)
        assert await here.audit.trim(10 * DAY) == 0
        here.clock.advance(20 * DAY)
        assert await here.audit.trim(10 * DAY) == 4  # and the row that tells of it is there to go on from
        await put(here, 1)
        found = await here.audit.verify()
        assert (found.broken, found.removed) == (None, 10)

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (_a.delete().where(_a.c.seq == 7), 7),
        (_a.delete(), 7),
        (_f.delete().where(_f.c.key == "audit.anchor"), 1),
        (_a.update().where(_a.c.seq == 7).values(actor="ben"), 7),
    ],
)
def test_a_start_that_somebody_cut_off_is_found(tmp_path, change: Any, broken: int):
    async def test(here: Accounts) -> None:
        await aged(here)
        await do(here, change)
        assert (await here.audit.verify()).broken == broken

    run(tmp_path, test)


def test_an_anchor_of_somebody_elses_is_found(tmp_path):
    async def test(here: Accounts) -> None:
        await aged(here)
        (row, *_) = await here.audit.listing()
        other = Audit(here.store, here.clock, b"another key")._seal(row["seq"], row["digest"])
        await do(here, _a.delete().where(_a.c.seq == row["seq"]))
        forged = f"{row['seq']} {row['digest']} {other}"
        await do(here, _f.update().where(_f.c.key == "audit.anchor").values(value=forged))
        assert (await here.audit.verify()).broken == 1

    run(tmp_path, test)


def test_rows_that_were_changed_are_not_removed(tmp_path):
    async def test(here: Accounts) -> None:
        await put(here, 4)
        await do(here, _a.update().where(_a.c.seq == 2).values(object="x"))
        here.clock.advance(20 * DAY)
        await put(here, 1)
        assert await here.audit.trim(10 * DAY) == 0
        assert (await here.audit.verify()).broken == 2

    run(tmp_path, test)


def test_more_rows_than_go_at_once_go_one_after_the_other(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dataos.governance.audit._MOST_TRIMMED", 4)

    async def test(here: Accounts) -> None:
        await put(here, 10)
        here.clock.advance(20 * DAY)
        await put(here, 1)
        assert await here.audit.trim(10 * DAY) == 10
        found = await here.audit.verify()
        assert (found.broken, found.removed) == (None, 10)

    run(tmp_path, test)


def test_grants_end_with_their_time_and_the_audit_says_so(tmp_path):
    async def test(here: Accounts) -> None:
        now = here.clock.now_us()
        for id_, days in (("short", 1), ("long", 9)):
            asked = Asked("read-audit", ("users:id:ida",), expires_at=now + days * DAY * 1_000_000)
            await here.store.write(grants.file, id_, asked, "ida", now)
            await here.store.write(grants.approve, id_, "admin", now)
        here.clock.advance(2 * DAY)
        assert await here.store.write(grants.expire, here.clock.now_us()) == 1
        left = [g["id"] for g in await here.store.read(grants.listing) if g["source"] == "api"]
        assert left == ["long"]
        (row,) = await here.audit.listing(action="grant.expired")
        assert (row["actor"], row["object"]) == ("dataos", "grant:short")

    run(tmp_path, test)


def test_keys_go_long_after_they_are_over(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida", password=None)
        for name, hours in (("short", 1), ("long", 24 * 30)):
            await here.store.write(here.users.create_key, "ida", "ida", name, hours * 3600.0)
        gone = await here.store.write(here.users.create_key, "ida", "ida", "gone", 24 * 30 * 3600.0)
        await here.store.write(here.users.delete_key, "ida", "gone")
        assert await here.store.write(here.identities.forget_keys, 5 * DAY) == 0
        here.clock.advance(6 * DAY)
        assert await here.store.write(here.identities.forget_keys, 5 * DAY) == 2
        assert [k["name"] for k in await here.store.read(here.users.keys, "ida")] == ["long"]
        with pytest.raises(DataOSError, match="not known"):
            await here.store.read(here.identities.authenticate, gone["token"])

    run(tmp_path, test)


def test_the_oldest_statements_that_ended_go(tmp_path):
    async def test(here: Accounts) -> None:
        def write(connection: sa.Connection) -> None:
            for number in range(10):
                row = {c.name: "" for c in tables.query_history.c} | {"timings": {}, "tables": []}
                row |= {"id": f"q{number}", "created_at": number, "finished_at": number if number else None}
                connection.execute(tables.query_history.insert().values(**{**row, "rows": None, "bytes": None}))

        await here.store.write(write)
        assert await journal.trim(here.store, 4) == 5
        left = await here.store.read(lambda c: sorted(c.execute(sa.select(tables.query_history.c.id)).scalars()))
        assert left == ["q0", "q6", "q7", "q8", "q9"]  # q0 goes on

    run(tmp_path, test)
