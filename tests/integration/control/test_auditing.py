"""What people did to Resources comes into the audit once, whatever happens in between."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
import sqlalchemy as sa

from dataos.control import bounds
from dataos.control.auditing import Auditing
from dataos.control.records import PLATFORM, add_event
from dataos.control.resources import ApplyRequest
from dataos.core.bell import Bell
from dataos.core.errors import DataOSError, fail
from dataos.core.ids import UserId
from dataos.governance.audit import Audit
from dataos.store import tables
from dataos.store.database import Store
from support.patience import FACTOR
from support.rooms import control, document

KEY = bytes(range(32))
SECRET = """
name: shop
version: v1
type: secret
secret: {{type: key-value-properties, acl: r, data: {{username: u, password: canary-{}}}}}
"""


def run(scenario, tmp_path):
    async def wrapped():
        async with control(tmp_path) as rooms:
            await scenario(rooms)

    asyncio.run(wrapped())


async def does(rooms, actor: str, kind: str, name: str = "orders") -> None:
    data = {"id": f"workspace:v1:{name}"}
    await rooms.store.write(add_event, rooms.clock.now_us(), None, kind, actor, data)


async def told(audit: Audit) -> list[tuple[str, str, str]]:
    return [(r["actor"], r["action"], r["object"]) for r in await audit.listing()]


async def until(count: int, audit: Audit) -> None:
    async with asyncio.timeout(10 * FACTOR):
        while len(await audit.listing()) < count:
            await asyncio.sleep(0.02)


def test_what_people_do_is_told_and_what_the_platform_does_is_not(tmp_path):
    async def scenario(rooms):
        audit = Audit(rooms.store, rooms.clock, KEY)
        await does(rooms, "ida", "workspace.created")
        await does(rooms, PLATFORM, "status")
        await does(rooms, "ben", "deleting")
        await Auditing(rooms.store, audit, Bell()).write()
        assert await told(audit) == [
            ("ida", "workspace.created", "workspace:v1:orders"),
            ("ben", "resource.deleted", "workspace:v1:orders"),
        ]
        assert (await audit.listing())[0]["data"]["event"] == 1
        assert (await audit.verify()).broken is None

    run(scenario, tmp_path)


def test_a_change_of_a_resource_names_it_and_its_generation(tmp_path):
    async def scenario(rooms):
        audit = Audit(rooms.store, rooms.clock, KEY)
        for word in ("one", "two"):
            await rooms.resources.apply(ApplyRequest(document=document(SECRET.format(word)), actor=UserId("ida")))
        await Auditing(rooms.store, audit, Bell()).write()
        created, updated = await audit.listing(actor="ida")
        assert (created["action"], updated["action"]) == ("resource.created", "resource.updated")
        assert created["object"] == updated["object"] == "secret:v1:shop:public"
        assert [created["data"]["generation"], updated["data"]["generation"]] == [1, 2]
        assert "canary" not in str((created, updated))

    run(scenario, tmp_path)


def test_a_bell_has_it_told_at_once(tmp_path):
    async def scenario(rooms):
        audit, bell = Audit(rooms.store, rooms.clock, KEY), Bell()
        keeping = asyncio.create_task(Auditing(rooms.store, audit, bell, every_s=3600).keep())
        await asyncio.sleep(0.1)
        await does(rooms, "ida", "workspace.created")
        bell.ring()
        await until(1, audit)
        keeping.cancel()

    run(scenario, tmp_path)


class Failing(Audit):
    """An audit whose store fails the first times."""

    failures = 2

    def append(self, connection: sa.Connection, entries: Any) -> None:
        super().append(connection, entries)
        if self.failures:
            self.failures -= 1
            raise fail("store.full", "no room")


def test_what_could_not_be_told_is_told_later(tmp_path):
    async def scenario(rooms):
        audit = Failing(rooms.store, rooms.clock, KEY)
        await does(rooms, "ida", "workspace.created")
        auditing = Auditing(rooms.store, audit, Bell(), every_s=0.02)
        with pytest.raises(DataOSError):
            await auditing.write()
        assert await audit.listing() == []
        keeping = asyncio.create_task(auditing.keep())
        await until(1, audit)
        keeping.cancel()
        assert await told(audit) == [("ida", "workspace.created", "workspace:v1:orders")]

    run(scenario, tmp_path)


def test_several_servers_tell_each_thing_once(tmp_path):
    async def scenario(rooms):
        """More than a page, while more comes; each server has its own connections."""
        stores = [Store(rooms.store.url.render_as_string(hide_password=False)) for _ in range(2)]
        audits = [Audit(store, rooms.clock, KEY) for store in stores]
        for number in range(250):
            await does(rooms, "ida", "workspace.created", f"w{number}")
        keeping = [
            asyncio.create_task(Auditing(store, audit, Bell(), every_s=0.01).keep())
            for store, audit in zip(stores, audits, strict=True)
        ]
        for number in range(250, 300):
            await does(rooms, "ida", "workspace.created", f"w{number}")
        await until(300, audits[0])
        await asyncio.sleep(0.1)
        for task in keeping:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        said = [r["object"] for r in await audits[0].listing()]
        assert sorted(said) == sorted(f"workspace:v1:w{n}" for n in range(300))
        assert (await audits[0].verify()).broken is None
        for store in stores:
            store.close()

    run(scenario, tmp_path)


def test_what_is_not_told_yet_is_not_forgotten(tmp_path):
    async def scenario(rooms):
        await does(rooms, "ida", "workspace.created")
        for _ in range(5):
            await does(rooms, PLATFORM, "status")
        await bounds.trim(rooms.store, bounds.Bounds(2, 1000, 1000), rooms.clock.now_us())
        kinds = await rooms.store.read(lambda c: list(c.execute(sa.select(tables.events.c.kind)).scalars()))
        assert kinds == ["workspace.created", "status", "status"]

    run(scenario, tmp_path)
