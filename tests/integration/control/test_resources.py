"""The verbs over a real store: apply, plan, delete, history, sealing."""

import asyncio

import pytest
import sqlalchemy as sa

from dataos.control import records
from dataos.control.ports import Observed
from dataos.control.resources import ApplyRequest
from dataos.core.addresses import ResourceKey
from dataos.core.errors import DataOSError
from dataos.core.ids import UserId
from dataos.depots.resolver import Depots
from dataos.store import tables
from support import stores
from support.rooms import control, document

ADMIN = UserId("admin")
CANARY = "canary-7d1f0a"
SECRET = f"""
name: ordersdb-r
version: v1
type: instance-secret
description: one
instance-secret: {{type: key-value-properties, acl: r, data: {{username: u, password: {CANARY}}}}}
"""
DEPOT = """
name: ordersdb
version: v2alpha
type: depot
tags: [orders, retail]
depot:
  type: postgresql
  external: true
  secrets: [{name: ordersdb-r, allkeys: true}]
  postgresql: {host: 127.0.0.1, port: 1, database: orders}
"""


def request(text, **more):
    return ApplyRequest(document=document(text), actor=ADMIN, **more)


def run(scenario, tmp_path):
    async def wrapped():
        async with control(tmp_path) as rooms:
            await scenario(rooms)

    asyncio.run(wrapped())


async def refused(call, code):
    with pytest.raises(DataOSError) as caught:
        await call
    assert code in [p.code for p in caught.value.problems], caught.value.problems
    return caught.value.problems


@pytest.mark.acceptance("ch01-AS03")
def test_a_second_apply_is_unchanged_and_a_change_makes_a_generation(tmp_path):
    async def scenario(rooms):
        first = await rooms.resources.apply(request(SECRET))
        again = await rooms.resources.apply(request(SECRET))
        changed = await rooms.resources.apply(request(SECRET.replace("one", "two")))
        assert [r.action for r in (first, again, changed)] == ["created", "unchanged", "updated"]
        assert (again.resource["generation"], changed.resource["generation"]) == (1, 2)
        old = await rooms.store.read(records.manifest_of, changed.resource["uid"], 1)
        assert old.manifest["description"] == "one"

    run(scenario, tmp_path)


def test_a_changed_secret_value_is_a_change_though_the_stored_manifest_hides_it(tmp_path):
    async def scenario(rooms):
        await rooms.resources.apply(request(SECRET))
        changed = await rooms.resources.apply(request(SECRET.replace(CANARY, "other")))
        assert changed.action == "updated"
        values = await rooms.store.read(rooms.vault.reveal, "instance-secret:ordersdb-r")
        assert values == {"username": "u", "password": "other"}

    run(scenario, tmp_path)


@pytest.mark.acceptance("ch02-AS07")
@pytest.mark.parametrize("value", ["p@ss$word;1", "p@s$s{1}", "ünï=\n#'\"", " leading", "007"])
def test_values_round_trip_byte_exact(tmp_path, value):
    async def scenario(rooms):
        body = document(SECRET)
        body["instance-secret"]["data"]["password"] = value
        await rooms.resources.apply(ApplyRequest(document=body, actor=ADMIN))
        values = await rooms.store.read(rooms.vault.reveal, "instance-secret:ordersdb-r")
        assert values["password"] == value

    run(scenario, tmp_path)


def test_secret_values_are_nowhere_in_the_database_or_in_answers(tmp_path):
    async def scenario(rooms):
        result = await rooms.resources.apply(request(SECRET))
        shown = await rooms.resources.get(ResourceKey("instance-secret", "ordersdb-r"))
        assert CANARY not in f"{result} {shown}"
        assert shown["manifest"]["instance-secret"]["data"]["password"] == "****"
        inline = DEPOT.replace(
            "secrets: [{name: ordersdb-r, allkeys: true}]",
            f"connectionSecret: [{{acl: rw, data: {{username: u, password: {CANARY}}}}}]",
        ).replace("name: ordersdb\n", "name: old\n")
        await rooms.resources.apply(request(inline))
        await rooms.settle()
        assert (await rooms.depots.credentials("old", "rw"))["password"] == CANARY

    run(scenario, tmp_path)
    dump = stores.text_of(tmp_path)
    assert "old" in dump
    assert CANARY not in dump
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert CANARY.encode() not in file.read_bytes(), file


INLINE = [
    "connectionSecret: [{acl: rw, values: {username: u, password: %s}}]",
    "connectionSecrets: {acl: rw, data: {username: u, password: %s}}",
    "connectionSecret: [{acl: rw, data: null, username: u, password: %s}]",
    "secrets: [{name: ordersdb-r}, {acl: rw, data: {username: u, password: %s}}]",
    "secrets: null\n  connectionSecret: [{acl: r, data: {username: v, password: x}}, {acl: rw, data: {username: u, password: %s}}]",
]


@pytest.mark.parametrize("form", INLINE)
def test_inline_credentials_of_every_form_are_sealed_and_reach_the_depot(tmp_path, form):
    async def scenario(rooms):
        await rooms.resources.apply(request(SECRET))
        text = DEPOT.replace("secrets: [{name: ordersdb-r, allkeys: true}]", form % CANARY)
        assert text != DEPOT
        await rooms.resources.apply(request(text))
        await rooms.settle()
        assert await rooms.depots.credentials("ordersdb", "rw") == {"username": "u", "password": CANARY}
        assert CANARY not in str(await rooms.resources.get(ResourceKey("depot", "ordersdb")))

    run(scenario, tmp_path)
    assert CANARY not in stores.text_of(tmp_path)


def test_a_secret_in_a_list_of_one_serves_its_depot(tmp_path):
    async def scenario(rooms):
        body = document(SECRET)
        body["instance-secret"] = [body["instance-secret"]]
        await rooms.resources.apply(ApplyRequest(document=body, actor=ADMIN))
        await rooms.resources.apply(request(DEPOT))
        await rooms.settle()
        assert (await rooms.depots.credentials("ordersdb", "r"))["password"] == CANARY

    run(scenario, tmp_path)


def test_kinds_without_a_controller_are_refused_at_apply_and_planned_with_a_warning(tmp_path):
    async def scenario(rooms):
        plane = "{name: p, version: v1, type: dataplane, dataplane: {}}"
        assert await refused(rooms.resources.apply(request(plane)), "kind.unsupported")

    run(scenario, tmp_path)


def test_a_resource_cannot_go_while_something_needs_what_it_takes_along(tmp_path):
    async def scenario(rooms):
        parent = ResourceKey("depot", "parent")
        text = f"{{name: parent, version: v2alpha, type: depot, depot: {{type: FILE, file: {{path: {tmp_path}}}}}}}"
        made = await rooms.resources.apply(request(text))
        await rooms.resources.apply(request(SECRET, parent_uid=made.resource["uid"]))
        await rooms.resources.apply(request(DEPOT))
        (problem,) = await refused(rooms.resources.delete(parent, ADMIN), "resource.in_use")
        assert "'depot:v2alpha:ordersdb'" in problem.message
        assert await rooms.resources.delete(ResourceKey("depot", "ordersdb"), ADMIN) == "deleted"
        assert await rooms.resources.delete(parent, ADMIN) == "deleted"

    run(scenario, tmp_path)


@pytest.mark.acceptance("ch01-AS04")
@pytest.mark.acceptance("ch02-AS06")
def test_a_secret_cannot_go_while_a_depot_needs_it(tmp_path):
    async def scenario(rooms):
        secret, depot = ResourceKey("instance-secret", "ordersdb-r"), ResourceKey("depot", "ordersdb")
        await rooms.resources.apply(request(SECRET))
        await rooms.resources.apply(request(DEPOT))
        problems = await refused(rooms.resources.delete(secret, ADMIN), "resource.in_use")
        assert problems[0].message == (
            "failure deleting instance resource : cannot delete resource, it is a dependency of "
            "'depot:v2alpha:ordersdb'"
        )
        assert await rooms.resources.delete(depot, ADMIN) == "deleted"
        assert await rooms.resources.delete(secret, ADMIN) == "deleted"
        assert await rooms.resources.delete(secret, ADMIN) == "nothing"
        with pytest.raises(DataOSError):
            await rooms.store.read(rooms.vault.reveal, "instance-secret:ordersdb-r")

    run(scenario, tmp_path)


def test_force_deletes_what_is_needed(tmp_path):
    async def scenario(rooms):
        await rooms.resources.apply(request(SECRET))
        await rooms.resources.apply(request(DEPOT))
        assert (
            await rooms.resources.delete(ResourceKey("instance-secret", "ordersdb-r"), ADMIN, force=True) == "deleted"
        )

    run(scenario, tmp_path)


@pytest.mark.acceptance("ch02-AS02")
def test_a_depot_with_only_a_write_secret_is_refused_with_the_known_text(tmp_path):
    async def scenario(rooms):
        await rooms.resources.apply(request(SECRET.replace("acl: r,", "acl: rw,")))
        problems = await refused(rooms.resources.apply(request(DEPOT)), "depot.no_read_secret")
        assert problems[0].message == "invalid depot, missing a secret reference with acl: r"
        assert (await rooms.resources.list(records.Filter(type="depot")))[0] == []

    run(scenario, tmp_path)


def test_a_missing_reference_stores_nothing_and_suggests_near_names(tmp_path):
    async def scenario(rooms):
        await rooms.resources.apply(request(SECRET.replace("name: ordersdb-r", "name: ordersdb-rr")))
        problems = await refused(rooms.resources.apply(request(DEPOT)), "resource.dependency")
        assert problems[0].message == "invalid resource dependency, not found: ordersdb-r:instance-secret"
        assert "ordersdb-rr" in problems[0].hint
        assert (await rooms.resources.list(records.Filter(type="depot")))[0] == []

    run(scenario, tmp_path)


def test_a_missing_workspace_names_itself(tmp_path):
    async def scenario(rooms):
        text = "name: s\nversion: v1\ntype: secret\nworkspace: salse\nsecret: {type: key-value, acl: r, data: {a: b}}\n"
        problems = await refused(rooms.resources.apply(request(text)), "resource.workspace")
        assert "salse" in problems[0].message

    run(scenario, tmp_path)


@pytest.mark.acceptance("ch01-AS12")
def test_an_unknown_owner_becomes_the_caller_and_automatic_tags_are_exact(tmp_path):
    async def scenario(rooms):
        result = await rooms.resources.apply(request(DEPOT_WITH_OWNER))
        assert result.resource["owner"] == "admin"
        assert "nobody-known" in result.warnings[-1].message
        assert result.resource["tags"] == [
            "orders",
            "dataos:type:resource",
            "dataos:resource:secret",
            "dataos:layer:user",
            "dataos:workspace:sandbox",
        ]

    run(scenario, tmp_path)


DEPOT_WITH_OWNER = """
name: s
version: v1
type: secret
owner: nobody-known
workspace: sandbox
tags: [orders, "dataos:type:resource"]
secret: {type: key-value, acl: r, data: {a: b}}
"""


@pytest.mark.acceptance("ch01-AS02")
@pytest.mark.acceptance("ch02-AS01")
def test_a_depot_whose_source_is_down_is_active_and_says_what_it_found(tmp_path):
    async def scenario(rooms):
        await rooms.resources.apply(request(SECRET))
        await rooms.resources.apply(request(DEPOT))
        for _ in range(400):
            shown = await rooms.resources.get(ResourceKey("depot", "ordersdb"))
            if shown["settled"]:
                break
            await asyncio.sleep(0.01)
        assert (shown["version"], shown["status"], shown["runtime"]) == ("v2alpha", "active", "")
        assert "127.0.0.1" in shown["builder"]["info"]

    run(scenario, tmp_path)


def test_plan_tells_create_update_and_unchanged_and_shows_changes_without_secrets(tmp_path):
    async def scenario(rooms):
        assert (await rooms.resources.plan(request(SECRET))).action == "create"
        await rooms.resources.apply(request(SECRET))
        assert (await rooms.resources.plan(request(SECRET))).action == "unchanged"
        planned = await rooms.resources.plan(request(SECRET.replace("one", "two").replace(CANARY, "swordfish")))
        assert planned.action == "update"
        assert {"path": "description", "from": "one", "to": "two"} in planned.changes
        assert CANARY not in str(planned)
        assert "swordfish" not in str(planned)

    run(scenario, tmp_path)


def test_a_dry_run_stores_nothing(tmp_path):
    async def scenario(rooms):
        assert (await rooms.resources.apply(request(SECRET, dry_run=True))).action == "valid"
        assert (await rooms.resources.list(records.Filter()))[0] == []
        assert await rooms.store.read(lambda c: c.execute(sa.select(tables.vault)).all()) == []

    run(scenario, tmp_path)


def test_names_are_unique_per_type_and_workspace_and_free_again_after_deletion(tmp_path):
    async def scenario(rooms):
        text = "name: s\nversion: v1\ntype: secret\nsecret: {type: key-value, acl: r, data: {a: b}}\n"
        one = await rooms.resources.apply(request(text, workspace="public"))
        two = await rooms.resources.apply(request(text, workspace="sandbox"))
        assert one.resource["uid"] != two.resource["uid"]
        assert await rooms.resources.delete(ResourceKey("secret", "s", "public"), ADMIN) == "deleted"
        three = await rooms.resources.apply(request(text, workspace="public"))
        assert (three.action, three.resource["generation"]) == ("created", 1)
        assert three.resource["uid"] != one.resource["uid"]

    run(scenario, tmp_path)


def test_concurrent_applies_of_one_name_all_land_in_order(tmp_path):
    async def scenario(rooms):
        results = await asyncio.gather(
            *[rooms.resources.apply(request(SECRET.replace("one", f"d{i}"))) for i in range(20)]
        )
        assert sorted(r.resource["generation"] for r in results) == list(range(1, 21))
        assert [r.action for r in results].count("created") == 1

    run(scenario, tmp_path)


def test_events_tell_what_happened(tmp_path):
    async def scenario(rooms):
        await rooms.resources.apply(request(SECRET))
        await rooms.settle()
        await rooms.resources.delete(ResourceKey("instance-secret", "ordersdb-r"), ADMIN)
        kinds = await rooms.store.read(
            lambda c: list(c.execute(sa.select(tables.events.c.kind).order_by(tables.events.c.seq)).scalars())
        )
        assert kinds == ["created", "status", "deleting", "deleted"]

    run(scenario, tmp_path)


FILES = """
name: {name}
version: v2alpha
type: depot
depot: {{type: file, external: true, file: {{path: {path}}}}}
"""
COMPUTE = """
name: reader
version: v1beta
type: compute
compute: {dataplane: hub, purpose: runnable, nodePool: {nodeSelector: {a: b}, tolerations: []}}
"""


class NeedsDepot:
    """A kind whose manifests need the Depot `raw`."""

    def __init__(self) -> None:
        self.depots: Depots | None = None

    async def check(self, manifest, actor):
        try:
            await self.depots.get("raw")
        except DataOSError as error:
            return list(error.problems)
        return []

    async def reconcile(self, view):
        return Observed()

    async def delete(self, view):
        return True


def test_what_needs_a_depot_that_is_on_its_way_waits_for_it(tmp_path):
    kind = NeedsDepot()

    async def scenario():
        async with control(tmp_path, {"compute": kind}, loop=False) as rooms:
            kind.depots = rooms.depots
            (tmp_path / "raw").mkdir()
            await refused(rooms.resources.apply(request(COMPUTE)), "depot.not_found")
            await rooms.resources.apply(request(FILES.format(name="raw", path=tmp_path / "raw")))
            applying = asyncio.create_task(rooms.resources.apply(request(COMPUTE)))
            await asyncio.sleep(0.3)
            assert not applying.done()
            looking = asyncio.create_task(rooms.reconciler.run())
            assert (await applying).action == "created"
            rooms.reconciler.stop()
            await looking

    asyncio.run(scenario())
