"""Decisions where much is asked: thousands of policies, and a store that does not answer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from dataos.core.errors import DataOSError, fail, http_status
from dataos.gateway.authority import PolicyAuthority
from dataos.gateway.relations import Column, IcebergScan, Relation
from dataos.governance import decisions, objects, seeding
from dataos.governance.decisions import DecisionPoint, Policies
from dataos.governance.exposure import DatasetName
from dataos.governance.policies import AccessObject, AccessRule, DataRule, Mask
from dataos.store import tables
from dataos.store.database import Store, sqlite_url
from support.principals import principal

EMPTY = Relation("lakehouse", "retail", "t", (Column("a", "bigint"),), IcebergScan("/x", None, "/x"))


class Silent:
    """A store that never answers."""

    async def look(self, *_: Any) -> Any:
        await asyncio.Event().wait()


class Broken:
    """A store that is gone."""

    async def look(self, *_: Any) -> Any:
        raise fail("store.unavailable", "it is gone")


@pytest.mark.parametrize("store", [Silent(), Broken()])
def test_nothing_is_shown_within_a_second_while_the_store_cannot_be_read(store: Any):
    authority = PolicyAuthority(cast("Store", store), DecisionPoint())
    eve = principal("eve", "analyst")
    with pytest.raises(DataOSError) as raised:
        asyncio.run(authority.decide(eve, [EMPTY]))
    assert raised.value.problem.code == "policy.unavailable"
    assert http_status(raised.value.problem.code) == 503


def test_of_ten_thousand_policies_the_last_denial_counts():
    def rule(number: int, allow: bool) -> AccessRule:
        path = f"dataos://lakehouse:retail/t{number}"
        return AccessRule(
            f"p{number}{allow}", (("roles:id:analyst",),), ("select",), (path,), (), allow, "user", "policy"
        )

    rules = {f"p{n}": rule(n, True) for n in range(10_000)} | {"last": rule(9_999, False)}
    policies = Policies(1, rules, {})
    tags = frozenset({"roles:id:analyst"})
    assert not policies.decide(tags, ("select",), AccessObject(paths=("dataos://lakehouse:retail/T9999",))).allowed
    for number in range(1000):
        thing = AccessObject(paths=(f"dataos://lakehouse:retail/t{number}",))
        assert policies.decide(tags, ("select",), thing).allowed
    assert not policies.exposure(tags, DatasetName("lakehouse", "retail", "t1")).filters


def test_the_last_of_many_files_is_asked_about_with_its_tags(tmp_path: Path):
    names = [DatasetName("files", "none", f"part-{number}.csv") for number in range(1201)]
    mask = DataRule("no-mails", "mask", 1, ("roles:id:analyst",), column_tags=("PII.Email",), mask=Mask("redact"))
    tag = {"address": objects.address(names[-1]), "column": "mail", "tag": "PII.Email", "source": "user:ann"}

    def furnish(connection: sa.Connection) -> None:
        seeding.ensure(connection, 0)
        user = {"id": "eve", "name": "Eve", "email": "eve@example.com", "type": "person", "created_at": 0}
        connection.execute(tables.users.insert().values(tags=["roles:id:analyst"], **user))
        decisions.write(connection, {"policy:no-mails": mask})
        connection.execute(tables.dataset_tags.insert().values(**tag))

    store = Store(sqlite_url(tmp_path / "store.db"))
    try:
        store.write_sync(tables.metadata.create_all)
        store.write_sync(furnish)
        authority = PolicyAuthority(store, DecisionPoint())
        eve = principal("eve", "analyst")
        assert "no-mails" in asyncio.run(authority.hiding_of(eve, names))
        assert "no-mails" not in asyncio.run(authority.hiding_of(eve, names[:-1]))
    finally:
        store.close()
