"""Disabled users: refused at once, whatever goes on for them ends; operators that remain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from dataos.core.errors import DataOSError
from dataos.core.ids import AttemptId, RunId, UserId
from dataos.core.secrecy import Secret
from dataos.governance import standing
from dataos.governance.identities import ADMINISTRATOR
from dataos.governance.principals import OPERATOR_TAG, AttemptScope
from dataos.governance.standing import Ongoing
from support.accounts import GOOD, Accounts, accounts


def run(tmp_path, test) -> None:
    with accounts(tmp_path) as here:
        asyncio.run(test(here))


async def refusal(call) -> str:
    with pytest.raises(DataOSError) as caught:
        await call
    return caught.value.problem.code


async def set_state(here: Accounts, user: str, state: str, actor: str = "admin") -> bool:
    return await here.store.write(standing.set_state, here.clock, actor, user, state)


def test_all_tokens_of_a_disabled_user_are_refused_until_it_is_enabled(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida")
        scope = AttemptScope("public", RunId("r"), AttemptId("r-j-1"))
        tokens = [
            await here.enter("ida"),
            (await here.store.write(here.users.create_key, "ida", "ida", None, 3600.0))["token"],
            await here.store.write(here.identities.attempt_token, UserId("ida"), scope),
        ]
        invited = (await here.login.invite("admin", "ida"))["token"]
        assert await set_state(here, "ida", "disabled")
        assert not await set_state(here, "ida", "disabled")
        for token in tokens:
            assert await refusal(here.who(token)) == "auth.disabled"
        assert await refusal(here.enter("ida")) == "auth.disabled"
        assert await refusal(here.enter("ida", "wrong horses")) == "login.refused"
        assert await refusal(here.login.with_invitation(invited, Secret(GOOD), "a")) == "login.invitation"
        assert (await here.store.read(here.users.get, "ida"))["state"] == "disabled"
        assert await set_state(here, "ida", "active")
        for token in tokens:
            await here.who(token)
        assert (await here.changes("ida"))[:2] == ["enabled", "disabled"]
        assert await refusal(set_state(here, "ida", "away")) == "user.state"

    run(tmp_path, test)


def test_the_last_operator_who_can_act_stays(tmp_path):
    async def test(here: Accounts) -> None:
        assert await refusal(set_state(here, "admin", "disabled")) == "user.last"
        await here.person("ida", OPERATOR_TAG)
        await set_state(here, "ida", "disabled")
        for change in (
            set_state(here, "admin", "disabled"),
            here.store.write(here.users.remove_tags, "admin", "admin", [OPERATOR_TAG]),
        ):
            assert await refusal(change) == "user.last"
        await set_state(here, "ida", "active")
        await set_state(here, "admin", "disabled", "ida")
        for change in (
            set_state(here, "ida", "disabled"),
            here.store.write(here.users.remove_tags, "ida", "ida", [OPERATOR_TAG]),
            here.store.write(here.users.delete, "ida", "ida"),
        ):
            assert await refusal(change) == "user.last"

    run(tmp_path, test)


def test_who_holds_the_machine_gets_in_whatever_operators_did(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("eve", OPERATOR_TAG)
        await here.store.write(here.users.remove_tags, "eve", "admin", [OPERATOR_TAG])
        await set_state(here, "admin", "disabled", "eve")
        token = await here.store.write(here.identities.reset_token)
        principal = await here.who(token)
        assert principal.user_id == ADMINISTRATOR
        assert principal.is_operator

    run(tmp_path, test)


async def endless(seen: list[int]) -> AsyncIterator[int]:
    try:
        while True:
            seen.append(len(seen))
            yield len(seen)
            await asyncio.sleep(0.001)
    finally:
        seen.append(-1)


async def silent() -> AsyncIterator[int]:
    yield 1
    await asyncio.Event().wait()


@pytest.mark.parametrize("gone", ["disabled", "deleted"])
@pytest.mark.parametrize("source", ["endless", "silent", "work"])
def test_what_goes_on_ends_with_its_user_and_nobody_elses(tmp_path, source, gone):
    async def test(here: Accounts) -> None:
        await here.person("ida")
        await here.person("bea")
        ongoing = Ongoing(here.store, every_s=0.01)
        keeper = asyncio.create_task(ongoing.keep())
        seen: list[int] = []

        async def consume(user: str) -> None:
            if source == "work":
                await ongoing.during(user, asyncio.Event().wait())
            pieces = ongoing.stream(user, endless(seen) if source == "endless" else silent())
            async for _ in pieces:
                pass

        his, hers = asyncio.create_task(consume("ida")), asyncio.create_task(consume("bea"))
        await asyncio.sleep(0.05)
        assert not his.done()
        if gone == "disabled":
            await set_state(here, "ida", "disabled")
        else:
            await here.store.write(here.users.delete, "admin", "ida")
        async with asyncio.timeout(5):
            assert await refusal(his) == "auth.disabled"
        await asyncio.sleep(0.05)
        assert not hers.done()
        assert source != "endless" or seen.count(-1) == 1
        hers.cancel()
        keeper.cancel()
        await asyncio.gather(hers, keeper, return_exceptions=True)
        assert not ongoing._going_on

    run(tmp_path, test)


def test_what_ends_by_itself_is_handed_on_as_it_is(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida")
        ongoing = Ongoing(here.store)

        async def three() -> AsyncIterator[int]:
            for number in range(3):
                yield number

        async def broken() -> AsyncIterator[int]:
            yield 0
            raise ValueError("x")

        assert [n async for n in ongoing.stream("ida", three())] == [0, 1, 2]
        with pytest.raises(ValueError):
            _ = [n async for n in ongoing.stream("ida", broken())]
        assert await ongoing.during("ida", asyncio.sleep(0, "done")) == "done"
        task = asyncio.create_task(ongoing.during("ida", asyncio.Event().wait()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not ongoing._going_on

    run(tmp_path, test)


def test_a_store_that_is_away_ends_nothing(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida")
        ongoing = Ongoing(here.store, every_s=0.01)
        original = here.store.read

        async def away(*_):
            raise DataOSError(standing.disabled().problem)

        here.store.read = away
        keeper = asyncio.create_task(ongoing.keep())
        task = asyncio.create_task(ongoing.during("ida", asyncio.Event().wait()))
        await asyncio.sleep(0.1)
        assert not task.done()
        here.store.read = original
        await set_state(here, "ida", "disabled")
        async with asyncio.timeout(5):
            assert await refusal(task) == "auth.disabled"
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)

    run(tmp_path, test)


def test_properties_and_the_content_id_follow_each_other(tmp_path):
    from dataos.governance import profiles

    async def test(here: Accounts) -> None:
        await here.person("ida")
        read = lambda: here.store.read(here.users.get, "ida")  # noqa: E731
        change = lambda given: here.store.write(profiles.set_properties, here.clock, "admin", "ida", given)  # noqa: E731
        first = (await read())["cid"]
        assert await change({"region": "emea", "cost-center": "7"}) == {"region": "emea", "cost-center": "7"}
        second = await read()
        assert second["properties"] == [{"key": "cost-center", "value": "7"}, {"key": "region", "value": "emea"}]
        assert second["cid"] != first
        await change({"region": "emea"})
        assert (await read())["cid"] == second["cid"]
        remove = lambda keys: here.store.write(profiles.remove_properties, here.clock, "admin", "ida", keys)  # noqa: E731
        assert await refusal(remove(["colour"])) == "user.property"
        await remove(["region", "cost-center"])
        assert (await read())["cid"] == first
        for bad in (
            {"9": "x"},
            {"a b": "x"},
            {"": "x"},
            {"a": "x" * 1001},
            {"a": "\ud800"},
            {"a": "x\ny"},
            {f"k{n}": "" for n in range(101)},
        ):
            assert await refusal(change(bad)) == "user.property"
        rows = await here.store.read(here.users.changes, "user:ida")
        assert [(r["change"], r["properties"]) for r in rows[:2]] == [
            ("properties removed", ["cost-center", "region"]),
            ("properties set", ["cost-center", "region"]),
        ]

    run(tmp_path, test)


def test_nobody_gets_into_the_account_of_somebody_who_may_do_more(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida")
        await here.person("opal", OPERATOR_TAG)
        ida, opal = await here.who(await here.enter("ida")), await here.who(await here.enter("opal"))
        read = lambda user: here.store.read(here.users.get, user)  # noqa: E731
        with pytest.raises(DataOSError) as caught:
            standing.check_reach(ida, await read("admin"), "set a password")
        assert caught.value.problem.code == "auth.forbidden"
        standing.check_reach(ida, await read("ida"), "set a password")
        standing.check_reach(opal, await read("admin"), "set a password")
        await here.person("bea")
        standing.check_reach(ida, await read("bea"), "set a password")

    run(tmp_path, test)
