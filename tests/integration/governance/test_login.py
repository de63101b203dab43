"""Passwords, sessions, invitations and waiting, on a real store."""

from __future__ import annotations

import asyncio
import json

import pytest
import sqlalchemy as sa

from dataos.core.errors import DataOSError
from dataos.core.loginsettings import AuthSettings
from dataos.core.secrecy import Secret
from dataos.governance.passwords import Hasher
from dataos.store import tables
from support.accounts import GOOD, Accounts, accounts


def run(tmp_path, test, **more) -> None:
    with accounts(tmp_path, **more) as here:
        asyncio.run(test(here))


async def refusal(call) -> DataOSError:
    with pytest.raises(DataOSError) as caught:
        await call
    return caught.value


def test_a_password_opens_a_session_that_ends_by_itself(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida", "roles:id:data-dev")
        session = await here.login.with_password("ida", Secret(GOOD), "10.0.0.1")
        assert (session["type"], session["name"], session["user_id"]) == ("session", "password", "ida")
        principal = await here.who(session["token"])
        assert principal.user_id == "ida"
        assert "roles:id:data-dev" in principal.tags
        here.clock.advance(12 * 3600 - 1)
        await here.who(session["token"])
        here.clock.advance(1)
        assert (await refusal(here.who(session["token"]))).problem.code == "auth.expired"
        dump = await here.store.read(
            lambda c: json.dumps(
                [[str(v) for v in r] for t in tables.metadata.sorted_tables for r in c.execute(sa.select(t))]
            )
        )
        assert GOOD not in dump
        assert session["token"] not in dump

    run(tmp_path, test)


def test_a_wrong_password_an_unknown_user_and_one_without_are_the_same(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida")
        await here.person("bare", password=None)
        await here.store.write(here.users.create, "admin", id="bot", name="Bot", type="application")
        said = [
            (await refusal(here.enter(user, "three black horses"))).problem.to_json()
            for user in ("ida", "nobody", "bare", "bot")
        ]
        assert all(s == said[0] for s in said)
        assert said[0]["code"] == "login.refused"
        cause = await refusal(here.login.set_password("admin", "bot", Secret(GOOD), None, address="a", token=""))
        assert cause.problem.code == "user.password"

    run(tmp_path, test)


def test_a_new_password_ends_the_other_sessions_and_needs_the_old_one(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida")
        mine, other = await here.enter("ida"), await here.enter("ida")
        key = (await here.store.write(here.users.create_key, "ida", "ida", None, 3600.0))["token"]
        change = lambda new, old: here.login.set_password(  # noqa: E731
            "ida", "ida", Secret(new), old and Secret(old), address="10.0.0.1", token=mine
        )
        assert (await refusal(change("four grey horses", None))).problem.code == "login.refused"
        assert (await refusal(change("four grey horses", "wrong horses!"))).problem.code == "login.refused"
        assert (await refusal(change("ida", GOOD))).problem.code == "user.password"
        await here.who(other)
        assert await change("four grey horses", GOOD) == 1
        await here.who(mine)
        await here.who(key)
        assert (await refusal(here.who(other))).problem.code == "auth.expired"
        assert (await refusal(here.enter("ida"))).problem.code == "login.refused"
        assert (await here.changes("ida"))[:3] == ["sessions ended", "password set", "key created"]
        # by an operator: all of them
        count = await here.login.set_password("admin", "ida", Secret(GOOD), None, address="10.0.0.1", token="dk_x")
        assert count == 1
        assert (await refusal(here.who(mine))).problem.code == "auth.expired"

    run(tmp_path, test)


def test_tries_wait_longer_and_longer_and_a_right_one_begins_anew(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida")
        waits = []
        for _ in range(8):
            error = await refusal(here.enter("ida", "wrong horses"))
            assert error.problem.code == "login.refused"
            blocked = await refusal(here.enter("ida")) if len(waits) >= 4 else None
            if blocked is not None:
                assert blocked.problem.code == "login.too_many"
                here.clock.advance(blocked.problem.retry)
            waits.append(blocked.problem.retry if blocked is not None else 0)
        assert waits == [0, 0, 0, 0, 1, 2, 4, 8]
        await here.enter("ida")
        for _ in range(4):
            assert (await refusal(here.enter("ida", "wrong horses"))).problem.code == "login.refused"
        await here.enter("ida")

    run(tmp_path, test)


def test_strangers_can_slow_a_person_down_but_not_lock_them_out(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida")
        for number in range(50):
            assert (
                await refusal(here.enter("ida", "wrong horses", f"10.1.{number}.1"))
            ).problem.code == "login.refused"
        error = await refusal(here.enter("ida", address="10.0.0.1"))
        assert error.problem.code == "login.too_many"
        assert error.problem.retry <= 60
        for number in range(50, 60):
            here.clock.advance(60)
            assert (
                await refusal(here.enter("ida", "wrong horses", f"10.1.{number}.1"))
            ).problem.code == "login.refused"
        here.clock.advance(60)
        await here.enter("ida", address="10.0.0.1")

    run(tmp_path, test)


def test_one_address_cannot_go_through_all_users_nor_help_itself_by_an_account_of_its_own(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("eve")
        codes = []
        for number in range(40):
            codes.append((await refusal(here.enter(f"user-{number}", "wrong horses"))).problem.code)
            if codes[-1] == "login.refused":
                try:
                    await here.enter("eve")
                except DataOSError as error:
                    codes.append(error.problem.code)
        assert codes.count("login.refused") == 20
        assert codes.count("login.too_many") == 21
        await here.enter("eve", address="10.0.0.2")

    run(tmp_path, test)


def test_tries_at_the_same_moment_count_before_they_are_made(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida")
        answers = await asyncio.gather(*(refusal(here.enter("ida", f"wrong horses {n}")) for n in range(12)))
        codes = [a.problem.code for a in answers]
        assert codes.count("login.refused") == 5
        assert codes.count("login.too_many") == 7

    run(tmp_path, test)


def test_two_servers_share_the_count(tmp_path):
    async def test(here: Accounts) -> None:
        other = Accounts(here.store, clock=here.clock)
        await here.person("ida")
        for one in (here, other, here, other, here):
            assert (await refusal(one.enter("ida", "wrong horses"))).problem.code == "login.refused"
        assert (await refusal(other.enter("ida"))).problem.code == "login.too_many"

    run(tmp_path, test)


def test_an_invitation_is_good_once_and_for_a_short_time(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida", password=None)
        made = await here.login.invite("admin", "ida")
        token = made["token"]
        assert len(token) > 40
        weak = await refusal(here.login.with_invitation(token, Secret("short"), "10.0.0.1"))
        assert weak.problem.code == "user.password"
        session = await here.login.with_invitation(token, Secret(GOOD), "10.0.0.1")
        assert (await here.who(session["token"])).user_id == "ida"
        again = await refusal(here.login.with_invitation(token, Secret("four grey horses"), "10.0.0.1"))
        assert again.problem.code == "login.invitation"
        await here.enter("ida")

        late = (await here.login.invite("admin", "ida"))["token"]
        here.clock.advance(600)
        assert (await refusal(here.login.with_invitation(late, Secret(GOOD), "a"))).problem.code == "login.invitation"
        first = (await here.login.invite("admin", "ida"))["token"]
        second = (await here.login.invite("admin", "ida"))["token"]
        assert (await refusal(here.login.with_invitation(first, Secret(GOOD), "a"))).problem.code == "login.invitation"
        both = await asyncio.gather(
            *(here.login.with_invitation(second, Secret(f"horses number {n}"), "b") for n in range(2)),
            return_exceptions=True,
        )
        assert sorted(isinstance(b, DataOSError) for b in both) == [False, True]
        assert (await refusal(here.login.invite("admin", "nobody"))).problem.code == "user.not_found"

    run(tmp_path, test)


def test_an_old_hash_is_made_anew_at_the_next_login(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida")
        query = sa.select(tables.passwords.c.hash)
        before = await here.store.read(lambda c: c.execute(query).scalar_one())
        dearer = Accounts(here.store, clock=here.clock, hasher=Hasher(20, 2))
        await dearer.enter("ida")
        after = await here.store.read(lambda c: c.execute(query).scalar_one())
        assert "m=19456,t=1" in before
        assert "m=20480,t=2" in after
        await dearer.enter("ida")

    run(tmp_path, test)


def test_logging_out_ends_one_session_and_an_api_key_is_none(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida")
        one, two = await here.enter("ida"), await here.enter("ida")
        assert len(await here.store.read(here.sessions.list, "ida")) == 2
        assert await here.store.write(here.sessions.end, one) == "ida"
        assert (await refusal(here.who(one))).problem.code == "auth.expired"
        await here.who(two)
        key = (await here.store.write(here.users.create_key, "ida", "ida", None, 3600.0))["token"]
        assert (await refusal(here.store.write(here.sessions.end, key))).problem.code == "login.no_session"
        assert await here.store.write(here.sessions.end_all, "admin", "ida") == 1
        await here.who(key)

    run(tmp_path, test)


def test_passwords_can_be_switched_off(tmp_path):
    async def test(here: Accounts) -> None:
        await here.store.write(here.users.create, "admin", id="ida", name="Ida", type="person")
        for call in (
            here.enter("ida"),
            here.login.invite("admin", "ida"),
            here.login.with_invitation("di_x", Secret(GOOD), "a"),
            here.login.set_password("admin", "ida", Secret(GOOD), None, address="a", token=""),
        ):
            assert (await refusal(call)).problem.code == "login.off"

    run(tmp_path, test, settings=AuthSettings(passwords=False))


def test_what_is_over_is_removed_and_a_deleted_user_leaves_nothing(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida")
        await here.enter("ida")
        await here.login.invite("admin", "ida")
        await refusal(here.enter("ida", "wrong horses"))
        here.clock.advance(40 * 3600)
        await here.login.forget()
        count = lambda t: here.store.read(lambda c: c.execute(sa.select(sa.func.count()).select_from(t)).scalar())  # noqa: E731
        assert await count(tables.login_failures) == 0
        assert await count(tables.invitations) == 0
        sessions = sa.select(sa.func.count()).where(tables.tokens.c.kind == "session")
        assert await here.store.read(lambda c: c.execute(sessions).scalar()) == 0
        await here.login.invite("admin", "ida")
        await here.store.write(here.users.delete, "admin", "ida")
        assert await count(tables.passwords) == 0
        assert await count(tables.invitations) == 0

    run(tmp_path, test)
