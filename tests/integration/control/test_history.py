"""History, rollback, undelete, expected generations, repeated calls, sets, workspaces, events, upkeep."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import sqlalchemy as sa

from dataos.control.events import EventFilter, Events
from dataos.control.history import History
from dataos.control.resources import ApplyRequest
from dataos.control.upkeep import Upkeep
from dataos.control.workspaces import Workspaces
from dataos.core.addresses import ResourceKey
from dataos.core.errors import DataOSError
from dataos.core.ids import UserId
from dataos.governance.principals import Principal
from dataos.store import tables
from support.principals import operator, principal
from support.rooms import control, document

ADMIN = UserId("admin")
OPERATOR = operator(ADMIN)
BOB = principal("bob", "data-dev")
SECRET = ResourceKey("secret", "tok", "public")
DAY_S = 86_400.0


def secret(value: str = "one", name: str = "tok", more: str = "") -> str:
    return f"""
name: {name}
version: v1
type: secret
workspace: public
{more}
secret: {{type: key-value, acl: r, data: {{word: {value}}}}}
"""


DEPOT = """
name: plain
version: v2alpha
type: depot
description: first
depot: {type: postgresql, external: true, secrets: [{name: src, allkeys: true}], postgresql: {host: 127.0.0.1, port: 1, database: d}}
"""
SOURCE = """
name: src
version: v1
type: instance-secret
instance-secret: {type: key-value-properties, acl: r, data: {username: u, password: p}}
"""


def request(text: str, principal: Principal = OPERATOR, **more) -> ApplyRequest:
    return ApplyRequest(document=document(text), actor=principal.user_id, principal=principal, **more)


def run(scenario, tmp_path):
    async def wrapped():
        async with control(tmp_path) as rooms:
            await scenario(rooms)

    asyncio.run(wrapped())


def history(rooms) -> History:
    return History(rooms.store, rooms.clock, rooms.bell, rooms.resources.generations, rooms.controllers, 30 * DAY_S)


async def refused(call, code):
    with pytest.raises(DataOSError) as caught:
        await call
    assert code in [p.code for p in caught.value.problems], caught.value.problems
    return caught.value


@pytest.mark.acceptance("ch01-AS03")
def test_every_generation_is_kept_and_going_back_is_a_new_one_with_its_old_secret(tmp_path):
    async def scenario(rooms):
        await rooms.resources.apply(request(secret("word-1")))
        await rooms.resources.apply(request(secret("two")))
        past = history(rooms)
        listed = await past.list(SECRET)
        assert [i["generation"] for i in listed["items"]] == [2, 1]
        assert [c["path"] for c in listed["items"][0]["changes"]] == ["secret.data.word"]
        assert "word-1" not in str(listed)
        done = await past.rollback(SECRET, None, OPERATOR)
        assert (done["action"], done["resource"]["generation"]) == ("rolled-back", 3)
        shown = await rooms.resources.reveal(SECRET, OPERATOR)
        assert shown["manifest"]["secret"]["data"]["word"] == "word-1"
        assert (await past.rollback(SECRET, 1, OPERATOR))["action"] == "unchanged"
        assert (await rooms.resources.apply(request(secret("word-1")))).action == "unchanged"
        await refused(past.rollback(SECRET, 9, OPERATOR), "resource.generation")
        await refused(past.rollback(SECRET, 1, OPERATOR, expected=1), "resource.generation_conflict")
        await refused(past.rollback(SECRET, 1, BOB), "auth.forbidden")

    run(scenario, tmp_path)


def test_a_deleted_resource_comes_back_and_secret_values_do_not(tmp_path):
    async def scenario(rooms):
        key = ResourceKey("depot", "plain")
        await rooms.resources.apply_all([request(SOURCE), request(DEPOT)])
        uid = (await rooms.resources.get(key))["uid"]
        assert await rooms.resources.delete(key, ADMIN) == "deleted"
        past = history(rooms)
        assert (await past.list(key))["state"] == "deleted"
        done = await past.rollback(key, None, OPERATOR)
        assert (done["action"], done["resource"]["uid"]) == ("undeleted", uid)
        await rooms.settle(key)
        assert (await rooms.resources.get(key))["generation"] == 2
        for gone in (key, ResourceKey("instance-secret", "src")):
            assert await rooms.resources.delete(gone, ADMIN) == "deleted"
        await refused(past.rollback(ResourceKey("instance-secret", "src"), None, OPERATOR), "secret.gone")
        # what the old manifest refers to must be there today
        await refused(past.rollback(key, None, OPERATOR), "resource.dependency")

    run(scenario, tmp_path)


def test_verbs_and_expected_generations_never_overwrite_silently(tmp_path):
    async def scenario(rooms):
        apply = rooms.resources.apply
        await refused(apply(request(secret(), mode="update")), "resource.not_found")
        await refused(apply(request(secret(), expected_generation=1)), "resource.generation_conflict")
        await apply(request(secret(), mode="create", expected_generation=0))
        await refused(apply(request(secret("two"), mode="create")), "resource.exists")
        both = await asyncio.gather(
            apply(request(secret("left"), expected_generation=1)),
            apply(request(secret("right"), expected_generation=1)),
            return_exceptions=True,
        )
        lost = [r for r in both if isinstance(r, DataOSError)]
        assert [e.problem.code for e in lost] == ["resource.generation_conflict"]
        assert (await rooms.resources.get(SECRET))["generation"] == 2

    run(scenario, tmp_path)


def test_a_repeated_call_changes_nothing_and_its_key_fits_one_request(tmp_path):
    async def scenario(rooms):
        apply = rooms.resources.apply
        first = await apply(request(secret("word-1")), key="k")
        await apply(request(secret("two")))
        again = await apply(request(secret("word-1")), key="k")
        assert again.to_json() == first.to_json()
        assert (await rooms.resources.get(SECRET))["generation"] == 2
        await refused(apply(request(secret("three")), key="k"), "request.idempotency")

        def rows(connection):
            return connection.execute(sa.select(tables.idempotency)).all()

        assert "word-1" not in str(await rooms.store.read(rows))

    run(scenario, tmp_path)


def test_a_set_is_stored_whole_or_not_at_all(tmp_path):
    async def scenario(rooms):
        broken = DEPOT.replace("name: src,", "name: srcc,")
        error = await refused(rooms.resources.apply_all([request(SOURCE), request(broken)]), "resource.dependency")
        assert {(p.type, p.name) for p in error.problems} == {("depot", "plain")}
        assert (await rooms.resources.list(_any()))[0] == []
        results = await rooms.resources.apply_all([request(SOURCE), request(DEPOT)])
        assert [r.action for r in results] == ["created", "created"]
        # a conflict in the last document undoes the first
        late = [request(SOURCE.replace("password: p", "password: q")), request(DEPOT, expected_generation=7)]
        await refused(rooms.resources.apply_all(late), "resource.generation_conflict")
        assert (await rooms.resources.get(ResourceKey("instance-secret", "src")))["generation"] == 1

    run(scenario, tmp_path)


def _any():
    from dataos.control.records import Filter

    return Filter()


def test_others_may_do_what_they_own_and_nothing_else(tmp_path):
    async def scenario(rooms):
        def users(connection):
            for name in ("bob", "eve"):
                connection.execute(
                    tables.users.insert().values(id=name, name=name, type="person", tags=[], created_at=1)
                )

        await rooms.store.write(users)
        resources = rooms.resources
        await resources.apply(request(secret(), BOB))
        eve = principal("eve", "data-dev")
        await refused(resources.apply(request(secret("x"), eve)), "auth.forbidden")
        await refused(resources.delete(SECRET, eve.user_id, principal=eve), "auth.forbidden")
        await refused(resources.apply(request(secret(name="y", more="owner: bob"), eve)), "auth.forbidden")
        await refused(resources.apply(request(secret(name="y", more="layer: system"), eve)), "auth.forbidden")
        await refused(resources.apply(request(secret(name="y").replace("public", "system"), eve)), "auth.forbidden")
        await refused(resources.apply(request(DEPOT.replace("src", "nothing"), eve)), "resource.dependency")
        await resources.apply(request(SOURCE))
        await refused(resources.apply(request(DEPOT, eve)), "auth.forbidden")
        await refused(resources.reveal(SECRET, BOB), "auth.forbidden")
        error = await refused(resources.apply(request(secret("x"), eve)), "auth.forbidden")
        assert "use case" in error.problem.hint
        assert await resources.delete(SECRET, BOB.user_id, principal=BOB) == "deleted"

    run(scenario, tmp_path)


def test_workspaces_are_made_filled_and_removed_when_empty(tmp_path):
    async def scenario(rooms):
        spaces = Workspaces(rooms.store, rooms.clock)
        inside = secret().replace("public", "learn")
        error = await refused(rooms.resources.apply(request(inside)), "resource.workspace")
        assert "workspace create -n learn" in error.problem.hint
        await refused(spaces.create(BOB, "learn"), "auth.forbidden")
        made = await spaces.create(OPERATOR, "learn", labels={"team": "x"}, tags=["mine"])
        assert made["tags"] == [
            "mine",
            "dataos:type:workspace",
            "dataos:type:workspace:not-default",
            "dataos:layer:user",
            "dataos:workspace:learn",
        ]
        await refused(spaces.create(OPERATOR, "learn"), "workspace.exists")
        await refused(spaces.create(OPERATOR, "Not_ok"), "workspace.invalid")
        await rooms.resources.apply(request(inside))
        error = await refused(spaces.delete(OPERATOR, "learn"), "workspace.in_use")
        assert "secret:v1:tok:learn" in error.problem.message
        await rooms.resources.delete(ResourceKey("secret", "tok", "learn"), ADMIN)
        assert await spaces.delete(OPERATOR, "learn") is True
        assert await spaces.delete(OPERATOR, "learn") is False
        await refused(spaces.delete(OPERATOR, "public"), "workspace.shipped")

    run(scenario, tmp_path)


def test_a_reader_of_events_misses_none_and_sees_none_twice(tmp_path):
    async def scenario(rooms):
        events = Events(rooms.store, rooms.clock)
        for number in range(12):
            await rooms.resources.apply(request(secret(f"v{number}")))
        await rooms.settle(SECRET)
        seen: list[int] = []
        after = 0
        while page := (await events.page(EventFilter(), after, 5))["items"]:
            seen += [e["seq"] for e in page]
            after = seen[-1]
        newest = await events.newest(EventFilter(type="secret", name="tok"), 1000)
        assert seen == sorted(set(seen))
        assert {e["seq"] for e in newest["items"]} <= set(seen)
        assert sum(e["kind"] in ("created", "updated") for e in newest["items"]) == 12

    run(scenario, tmp_path)


def test_upkeep_forgets_what_was_deleted_long_ago_and_nothing_else(tmp_path):
    async def scenario(rooms):
        await rooms.resources.apply(request(secret()))
        await rooms.resources.apply(request(secret(name="stays")))
        await rooms.resources.delete(SECRET, ADMIN)
        upkeep = Upkeep(
            rooms.store, rooms.clock, rooms.resources, keep_finished_s=0, keep_deleted_s=DAY_S, keep_events_s=DAY_S
        )
        assert (await upkeep.run())["purged"] == 0
        await rooms.settle()
        last = await rooms.store.read(lambda c: c.execute(sa.select(sa.func.max(tables.events.c.seq))).scalar_one())
        short = Upkeep(
            rooms.store, rooms.clock, rooms.resources, keep_finished_s=0, keep_deleted_s=-1.0, keep_events_s=DAY_S
        )
        assert (await short.run())["purged"] == 1
        assert (await short.run())["purged"] == 0
        e = tables.events
        newest = await rooms.store.read(lambda c: c.execute(sa.select(sa.func.max(e.c.seq))).scalar_one())
        assert newest == last, "numbers of events are not given again: readers go on from the newest"
        await refused(history(rooms).list(SECRET), "resource.not_found")
        assert (await rooms.resources.get(replace(SECRET, name="stays")))["generation"] == 1

    run(scenario, tmp_path)
