"""What a browser carries of a login under way, and whom claims name: on a real store, without a provider."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dataos.core.errors import DataOSError
from dataos.core.ids import RandomIds
from dataos.core.loginsettings import OidcSettings
from dataos.governance import federation
from dataos.governance.federation import Person
from dataos.governance.login import LoginParts
from dataos.governance.oidc import Provider
from dataos.governance.principals import OPERATOR_TAG
from dataos.governance.provider_login import Flow, ProviderLogin, Waiting
from support.accounts import Accounts, accounts

SETTINGS = OidcSettings(issuer="http://127.0.0.1:9", create_persons=True)


def made(here: Accounts) -> ProviderLogin:
    parts = LoginParts(here.users, here.sessions, None, None, None)  # type: ignore[arg-type]
    provider = Provider(SETTINGS, None, here.clock)
    return ProviderLogin(here.store, here.clock, RandomIds(), here.identities, parts, provider, SETTINGS)


def refused(call: Any) -> str:
    with pytest.raises(DataOSError) as caught:
        call()
    return caught.value.problem.code


def test_a_cookie_counts_for_its_own_state_as_it_is_and_in_its_time(tmp_path):
    with accounts(tmp_path) as here:
        login = made(here)
        flow = Flow(
            "state-one", here.clock.now_us() + 600_000_000, "/hub", Waiting("http://127.0.0.1:9/x", "c" * 43, "s")
        )
        cookie = login._sign(flow)
        assert login.read_flow("state-one", cookie) == flow
        body, _, mark = cookie.partition(".")
        for state, carried in (
            ("state-two", cookie),
            ("state-one", None),
            ("state-one", ""),
            ("state-one", body),
            ("state-one", f"{body}."),
            ("state-one", f"{body}.{mark[:-1]}"),
            ("state-one", f"{body[:-4]}AAAA.{mark}"),
            ("state-one", f"\u00e9.{mark}"),
        ):
            assert refused(lambda state=state, carried=carried: login.read_flow(state, carried)) == "login.flow"
        here.clock.advance(601)
        assert refused(lambda: login.read_flow("state-one", cookie)) == "login.flow"


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("ida", "ida"),
        ("Ida.Lund@example.org", "ida.lund"),
        ("CORP\\ida", "corp-ida"),
        ("__x__", "x"),
        ("Ægir Óskarsson", "gir-skarsson"),
        ("@example.org", ""),
        ("x" * 60, "x" * 48),
        ("a" * 47 + "-b", "a" * 47),
    ],
)
def test_ids_are_made_of_names(text, id_):
    assert federation.person_id(text) == id_


@pytest.mark.parametrize(
    ("claims", "groups"),
    [
        ({"groups": ["a", 7, None, "b"]}, ("a", "b")),
        ({"groups": "a"}, ("a",)),
        ({"groups": ["\ud800", "\x00", "x\x00y"]}, ("xy",)),
        ({"groups": {"a": 1}}, ()),
        ({}, ()),
    ],
)
def test_groups_in_every_form_that_occurs(claims, groups):
    assert federation.read_person({"sub": "s", **claims}, SETTINGS).groups == groups


def test_claims_that_name_nobody_are_refused():
    for claims in ({}, {"sub": ""}, {"sub": 7}, {"sub": "\x00"}, {"sub": "\u00e9"}, {"sub": "x" * 256}):
        assert refused(lambda claims=claims: federation.read_person(claims, SETTINGS)) == "login.untrusted"


def test_groups_give_and_take_what_they_may(tmp_path):
    async def test(here: Accounts) -> None:
        settings = OidcSettings(
            issuer="http://127.0.0.1:9",
            create_persons=True,
            group_tags={"bosses": (OPERATOR_TAG,), "odd": ("nowhere:at:all",)},
        )

        async def log_in(*groups: str, name: str = "ida") -> set[str]:
            person = Person("s-1", name, "Ida", "", groups)
            user = await here.store.write(lambda c: federation.admit(c, here.users, here.clock, person, settings))
            return set((await here.store.read(here.users.get, user))["tags"])

        first = await log_in("bosses", "odd", "data-dev")
        assert {OPERATOR_TAG, "roles:id:data-dev"} <= first
        assert "nowhere:at:all" not in first
        assert OPERATOR_TAG not in await log_in("data-dev")
        # who was the last operator stays it, whatever the provider says
        await log_in("bosses")
        await here.store.write(here.users.remove_tags, "ida", "admin", [OPERATOR_TAG])
        assert OPERATOR_TAG in await log_in()
        await here.store.write(here.users.add_tags, "ida", "admin", [OPERATOR_TAG])
        assert OPERATOR_TAG not in await log_in()
        assert await log_in(name="") == {"roles:id:user", "users:id:ida"}

    with accounts(tmp_path) as here:
        asyncio.run(test(here))


def test_a_person_without_a_usable_name_cannot_come_into_being(tmp_path):
    with accounts(tmp_path) as here:
        person = Person("s-2", "", "?", "", ())
        admit = lambda c: federation.admit(c, here.users, here.clock, person, SETTINGS)  # noqa: E731
        assert refused(lambda: here.store.write_sync(admit)) == "login.unknown_person"
        taken = Person("s-3", "admin", "?", "", ())
        admit_taken = lambda c: federation.admit(  # noqa: E731
            c,
            here.users,
            here.clock,
            taken,
            OidcSettings(issuer="http://127.0.0.1:9", link_persons=True, create_persons=True),
        )
        assert refused(lambda: here.store.write_sync(admit_taken)) == "login.unknown_person"
