"""Refusals in the audit: each call once a minute, few calls of one caller, the rest as a count."""

from __future__ import annotations

import asyncio

from dataos.governance.refusals import MOST, Refusals
from support.accounts import Accounts, accounts


def run(tmp_path, test) -> None:
    with accounts(tmp_path) as here:
        asyncio.run(test(here, Refusals(here.audit, here.clock)))


async def told(here: Accounts) -> list[tuple[str, str, int]]:
    rows = await here.audit.listing(action="refused", allowed=False)
    return [(r["actor"], r["object"], r["data"].get("count", 1)) for r in rows]


def test_the_same_call_has_a_row_once_a_minute_and_a_count(tmp_path):
    async def test(here: Accounts, refusals: Refusals) -> None:
        for _ in range(500):
            await refusals.tell("ida", "GET /a", "r")
        await refusals.tell("ben", "GET /a", "r")
        assert await told(here) == [("ida", "GET /a", 1), ("ben", "GET /a", 1)]
        await refusals.tell_counted()
        assert len(await told(here)) == 2  # the minute is not over
        here.clock.advance(61)
        await refusals.tell("ida", "GET /a", "r")
        assert (await told(here))[2:] == [("ida", "more calls", 499), ("ida", "GET /a", 1)]

    run(tmp_path, test)


def test_many_calls_of_one_caller_have_few_rows(tmp_path):
    async def test(here: Accounts, refusals: Refusals) -> None:
        for number in range(1000):
            await refusals.tell("ida", f"GET /a/{number}", "r")
        assert len(await told(here)) == MOST
        here.clock.advance(61)
        await refusals.tell_counted()
        assert (await told(here))[-1] == ("ida", "more calls", 1000 - MOST)
        await refusals.tell_counted()
        assert len(await told(here)) == MOST + 1

    run(tmp_path, test)


def test_a_path_that_no_store_takes_is_told_without_it(tmp_path):
    async def test(here: Accounts, refusals: Refusals) -> None:
        await refusals.tell("ida", "GET /a\0b\n" + "c" * 1000, "r")
        ((_, call, _),) = await told(here)
        assert call.startswith("GET /a?b?ccc") and len(call) == 300

    run(tmp_path, test)
