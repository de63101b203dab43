"""Changes of what governs and the audit come true together, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from dataos.core.errors import DataOSError, fail
from dataos.governance import artifacts, grants
from dataos.governance.grants import Asked
from support.accounts import Accounts, accounts


def run(tmp_path, test) -> None:
    with accounts(tmp_path) as here:
        asyncio.run(test(here))


async def told(here: Accounts) -> list[tuple[str, str, str]]:
    return [(r["actor"], r["action"], r["object"]) for r in await here.audit.listing()]


def full(_: sa.Connection, notes: Sequence[Any]) -> None:
    raise fail("store.full", "no room")


def test_users_tags_keys_roles_and_grants_are_told_with_who_did_it(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida", password=None)
        await here.store.write(here.users.add_tags, "admin", "ida", ["roles:id:operator"])
        made = await here.store.write(here.users.create_key, "ida", "ida", "ci", 3600.0)
        await here.store.write(here.users.delete_key, "ida", "ci")
        await here.store.write(artifacts.create, "role", {"name": "Steward"}, "ida", 1)
        await here.store.write(artifacts.delete, "role", "steward", "ida")
        asked = Asked("read-audit", ("users:id:ida",))
        await here.store.write(grants.file, "g1", asked, "ida", 1)
        await here.store.write(grants.approve, "g1", "admin", 2)
        await here.store.write(grants.delete, "g1", "admin")
        assert await told(here) == [
            ("admin", "user.created", "user:ida"),
            ("admin", "user.tags-added", "user:ida"),
            ("admin", "role.tags-added", "role:operator"),
            ("ida", "user.key-created", "user:ida"),
            ("ida", "user.key-deleted", "user:ida"),
            ("ida", "role.created", "role:steward"),
            ("ida", "role.deleted", "role:steward"),
            ("ida", "grant.requested", "grant:g1"),
            ("admin", "grant.approved", "grant:g1"),
            ("admin", "grant.removed", "grant:g1"),
        ]
        rows = await here.audit.listing()
        assert made["token"] not in str(rows)
        assert rows[-2]["data"]["use_case"] == "read-audit"
        assert (await here.audit.verify()).broken is None

    run(tmp_path, test)


def test_a_change_that_cannot_be_audited_is_not_made(tmp_path):
    async def test(here: Accounts) -> None:
        await here.person("ida", password=None)
        before = await told(here)
        here.store.on_notes = full
        with pytest.raises(DataOSError, match="no room"):
            await here.store.write(here.users.add_tags, "admin", "ida", ["roles:id:operator"])
        here.store.on_notes = here.audit.append
        assert "roles:id:operator" not in (await here.store.read(here.users.get, "ida"))["tags"]
        assert await told(here) == before

    run(tmp_path, test)


def test_what_is_undone_is_not_audited_with_what_comes_next(tmp_path):
    async def test(here: Accounts) -> None:
        def half(connection: sa.Connection) -> None:
            here.users.create(connection, "admin", id="gone", name="Gone", type="person")
            raise fail("user.invalid", "no")

        with pytest.raises(DataOSError, match="no"):
            await here.store.write(half)
        await here.person("ida", password=None)
        assert await told(here) == [("admin", "user.created", "user:ida")]

    run(tmp_path, test)


def test_who_holds_the_machine_is_told_as_such(tmp_path):
    async def test(here: Accounts) -> None:
        await here.store.write(here.identities.reset_token)
        assert await told(here) == [("machine", "user.token-reset", "user:admin")]

    run(tmp_path, test)
