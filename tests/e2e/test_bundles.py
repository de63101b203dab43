"""Bundles on a real server, driven by the CLI: ch03 scenario 14; ch01 scenario 19."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from support.crashes import start_until, wait_dead
from support.server import Installation, installation, wait_until
from support.workflows import job, workflow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("bundles")) as made:
        yield made


def depot(name: str, secret: str = "") -> str:
    given = f"  secrets: [{{name: {secret}, allkeys: true}}]\n" if secret else ""
    section = "depot:\n  type: postgresql\n  external: true\n  postgresql: {host: 127.0.0.1, port: 1, database: d}\n"
    return f"name: {name}\nversion: v2alpha\ntype: depot\n{section}{given}"


def secret(name: str, value: str = "one") -> str:
    return f"name: {name}\nversion: v1\ntype: secret\nsecret: {{type: key-value, acl: r, data: {{k: {value}}}}}\n"


def key(name: str) -> str:
    data = "instance-secret: {type: key-value-properties, acl: r, data: {username: u, password: p}}"
    return f"name: {name}\nversion: v1\ntype: instance-secret\n{data}\n"


def item(id_: str, manifest: str, more: str = "") -> str:
    return f"- id: {id_}\n{textwrap.indent(more, '  ')}  spec:\n{textwrap.indent(manifest.strip(), '    ')}\n"


def bundle(name: str, *items: str, more: str = "") -> str:
    inside = textwrap.indent("".join(items), "    ")
    return f"name: {name}\nversion: v1beta\ntype: bundle\nbundle:\n{textwrap.indent(more, '  ')}  resources:\n{inside}"


def apply(server: Installation, text: str, *flags: str, name: str = "bundle.yaml") -> Any:
    return server.ok("apply", "--disable-interpolation", "-f", server.write(name, text), *flags)


def resource(server: Installation, type_: str, name: str, workspace: str | None = None) -> dict[str, Any] | None:
    wanted = {"type": type_, "name": name, **({"workspace": workspace} if workspace else {})}
    found = [r for r in server.client().resources(**wanted) if r["name"] == name]
    return found[0] if found else None


def status(server: Installation, name: str) -> str:
    found = resource(server, "bundle", name)
    return str(found["status"]) if found and found["settled"] else "unsettled"


def active(server: Installation, name: str) -> None:
    wait_until(lambda: status(server, name) == "active", what=f"{name} active")


def members(server: Installation, name: str) -> dict[str, dict[str, Any]]:
    return {m["id"]: m for m in server.client().runtime("bundle", name, None)["members"]}


def happened(server: Installation, kind: str) -> list[str]:
    return [e["id"] for e in server.client().json("GET", "/api/v1/events?limit=5000")["items"] if e["kind"] == kind]


SPACE = "workspaces:\n  - {name: NAME, description: a team, layer: user, tags: [retail], labels: {purpose: demo}}\n"
PUBLIC = "  - {name: public, layer: user}\n"
AFTER_LOAD = "workspace: retail\ndependencyConditions:\n  - {resourceId: load, runtime: {is: [succeeded]}}\n"


@pytest.mark.acceptance("ch03-AS14")
@pytest.mark.acceptance("ch01-AS19")
def test_members_come_in_order_and_go_in_reverse_with_their_workspace(server: Installation) -> None:
    text = bundle(
        "shop",
        item("tail", secret("tail"), AFTER_LOAD),
        item(
            "load",
            workflow("load", job("a", "import time\ntime.sleep(4)")),
            "workspace: retail\ndependencies: [db]\n",
        ),
        item("db", depot("shopfiles", "shopkey")),
        item("key", key("shopkey")),
        more=SPACE.replace("NAME", "retail") + PUBLIC,
    )
    apply(server, text)
    wait_until(lambda: members(server, "shop")["load"]["runtime"] == "running", what="load runs")
    waiting = members(server, "shop")["tail"]
    assert (waiting["status"], waiting["dependencies"]) == ("absent", ["load"])
    said = "waiting for load: status=active, runtime=running"
    wait_until(lambda: members(server, "shop")["tail"]["reason"].startswith(said), what="the reason is told")
    assert (resource(server, "bundle", "shop") or {})["status"] == "pending"
    shown = server.ok("get", "runtime", "-t", "bundle", "-n", "shop").out
    assert "workflow:v1:load:retail" in shown
    assert "waiting for load" in shown
    active(server, "shop")
    made = happened(server, "created")
    order = [made.index(i) for i in ("depot:v2alpha:shopfiles", "workflow:v1:load:retail", "secret:v1:tail:retail")]
    assert order == sorted(order)
    assert any(w["name"] == "retail" and w["labels"] == {"purpose": "demo"} for w in workspaces(server))

    refused = server.cli("delete", "-t", "workflow", "-n", "load", "-w", "retail")
    assert refused.code == 1
    assert "'secret:v1:tail:retail'" in refused.out + refused.err, "dependants are named"
    assert "'bundle:v1beta:shop'" in refused.out + refused.err

    server.ok("delete", "-t", "bundle", "-n", "shop")
    wait_until(lambda: resource(server, "bundle", "shop") is None, what="the bundle goes")
    gone = happened(server, "deleted")
    order = [gone.index(i) for i in ("secret:v1:tail:retail", "workflow:v1:load:retail", "depot:v2alpha:shopfiles")]
    assert order == sorted(order)
    names = {w["name"] for w in workspaces(server)}
    assert "retail" not in names, "made for the bundle, and empty"
    assert "public" in names, "one that ships stays"


def workspaces(server: Installation) -> list[dict[str, Any]]:
    return list(server.client().json("GET", "/api/v1/workspaces")["items"])


@pytest.mark.acceptance("ch03-AS14")
def test_a_workspace_that_was_there_or_holds_others_stays(server: Installation) -> None:
    server.ok("workspace", "create", "-n", "before")
    both = SPACE.replace("NAME", "mixed") + "  - {name: before, layer: user}\n"
    apply(server, bundle("spaces", item("s", secret("s"), "workspace: mixed\n"), more=both))
    active(server, "spaces")
    apply(server, secret("stranger"), "-w", "mixed", name="stranger.yaml")
    server.ok("delete", "-t", "bundle", "-n", "spaces")
    wait_until(lambda: resource(server, "bundle", "spaces") is None)
    assert {"before", "mixed"} <= {w["name"] for w in workspaces(server)}
    assert resource(server, "secret", "stranger", "mixed")


def test_an_update_touches_what_changed_and_removes_what_is_dropped(server: Installation) -> None:
    def text(b: str, *more: str) -> str:
        return bundle("upd", item("a", secret("upda")), item("b", secret("updb", b)), *more)

    apply(server, text("one", item("c", secret("updc"), "dependencies: [b]\n")))
    active(server, "upd")
    changed = server.write("bundle.yaml", text("two", item("d", secret("updd"))))
    planned = server.ok("plan", "--disable-interpolation", "-f", changed)
    for line in ("= secret:v1:upda:public  unchanged", "~ secret:v1:updb:public  update", "+ secret:v1:updd:public  create",
                 "- secret:v1:updc:public  delete"):  # fmt: skip
        assert line in planned.out, planned.out
    server.ok("apply", "--disable-interpolation", "-f", changed)
    active(server, "upd")
    generations = {n: (resource(server, "secret", n) or {}).get("generation") for n in ("upda", "updb", "updc", "updd")}
    assert generations == {"upda": 1, "updb": 2, "updc": None, "updd": 1}
    assert server.ok("apply", "--disable-interpolation", "-f", changed).out.count("unchanged") >= 0
    assert (resource(server, "secret", "updb") or {})["generation"] == 2


def test_a_value_that_is_secret_arrives_in_the_member_and_is_nowhere_in_clear(server: Installation) -> None:
    apply(server, bundle("hush", item("s", secret("hushed", "canary-5be1"))))
    active(server, "hush")
    shown = server.ok("get", "-t", "bundle", "-n", "hush", "-d").out
    assert "canary-5be1" not in shown
    assert "****" in shown
    clear = server.client().json("GET", "/api/v1/resources/secret/hushed?workspace=public&unSanitize=true")
    assert clear["manifest"]["secret"]["data"]["k"] == "canary-5be1"
    assert b"canary-5be1" not in (server.home / "store.db").read_bytes()


def test_one_failure_blocks_only_its_dependants_and_a_repair_goes_on_there(server: Installation) -> None:
    apply(server, secret("lent"), "-w", "public", name="lent.yaml")
    fails = "import pathlib, sys\nsys.exit(0 if pathlib.Path('/nowhere').exists() else 1)"
    text = bundle(
        "partly",
        item("ok", secret("partok")),
        item("bad", workflow("partbad", job("j", fails))),
        item("after", secret("partafter"), AFTER_LOAD.replace("load", "bad").replace("workspace: retail\n", "")),
    )
    apply(server, text)
    wait_until(lambda: members(server, "partly")["bad"]["runtime"] == "failed", what="the job fails")
    assert resource(server, "secret", "partok")
    assert resource(server, "secret", "partafter") is None
    assert "runtime=failed" in members(server, "partly")["after"]["reason"]
    runs = server.client().runs("workflow", "partbad", "public")["items"]
    apply(server, text, "-r")
    wait_until(lambda: len(server.client().runs("workflow", "partbad", "public")["items"]) > len(runs), what="retried")
    apply(server, text.replace("/nowhere", "/"), "-r")
    active(server, "partly")
    assert resource(server, "secret", "partafter")
    assert (resource(server, "secret", "partok") or {})["generation"] == 1, "what went well is not touched"


def test_what_is_wrong_with_a_member_is_said_with_its_place_and_nothing_is_stored(server: Installation) -> None:
    text = bundle("wrong", item("s", secret("wrongs"), "workspace: nowhere\n"), item("d", depot("wrong-name")))
    refused = server.cli("apply", "-f", server.write("wrong.yaml", text))
    assert refused.code == 1
    assert "wrong.yaml:" in refused.err
    assert resource(server, "bundle", "wrong") is None
    lone = bundle("wrong", item("s", secret("wrongs"), "workspace: nowhere\n"))
    refused = server.cli("apply", "-f", server.write("wrong.yaml", lone))
    assert "workspace `nowhere` does not exist" in refused.err
    assert "wrong.yaml:" in refused.err


def person(server: Installation, name: str, *tags: str) -> dict[str, str]:
    """Environment of another user."""
    server.ok("user", "create", "-u", name, "-n", name.title(), "--tags", ",".join(tags))
    made = server.ok("user", "apikey", "create", "-i", name, "-O", "json").json
    return {"DATAOS_FQDN": server.url, "USER_ID": name, "APIKEY": made["token"]}


def test_it_acts_with_its_owners_rights_and_takes_nothing_of_others(server: Installation) -> None:
    jon = person(server, "jon", "roles:id:data-dev")
    apply(server, secret("mine"), "-w", "public", name="mine.yaml")
    taken = server.write("taken.yaml", bundle("taken", item("s", secret("mine", "other"))))
    refused = server.cli("apply", "--disable-interpolation", "-f", taken, env=jon)
    assert refused.code in (1, 4)
    assert resource(server, "bundle", "taken") is None
    other = server.write("other.yaml", bundle("other", item("s", secret("others")), more="manageAsUser: admin\n"))
    refused = server.cli("apply", "--disable-interpolation", "-f", other, env=jon)
    assert refused.code in (1, 4)
    assert "run-as-user" in refused.err
    apply(server, bundle("first", item("s", secret("claimed"))), name="first.yaml")
    active(server, "first")
    second = server.write("second.yaml", bundle("second", item("s", secret("claimed"))))
    refused = server.cli("apply", "--disable-interpolation", "-f", second)
    assert refused.code == 1
    assert "is part of bundle:v1beta:first already" in refused.err


def test_a_member_that_something_outside_needs_keeps_the_bundle(server: Installation) -> None:
    apply(
        server,
        bundle("base", item("k", key("basekey")), item("db", depot("basefiles", "basekey"), "dependencies: [k]\n")),
    )
    active(server, "base")
    apply(server, depot("outsider", "basekey"), name="outside.yaml")
    refused = server.cli("delete", "-t", "bundle", "-n", "base")
    assert refused.code == 1
    assert "depot:v2alpha:outsider" in refused.err
    server.ok("delete", "-t", "depot", "-n", "outsider")
    server.ok("delete", "-t", "bundle", "-n", "base")
    wait_until(lambda: resource(server, "depot", "basefiles") is None)


def test_bundles_in_bundles_and_a_member_that_was_there_before(server: Installation) -> None:
    apply(server, secret("early"), "-w", "public", name="early.yaml")
    inner = bundle("inner", item("deep", secret("deep")), item("early", secret("early")))
    done = apply(server, bundle("outer", item("in", inner), item("last", secret("lastly"), "dependencies: [in]\n")))
    active(server, "outer")
    assert resource(server, "secret", "deep")
    assert done
    server.ok("delete", "-t", "bundle", "-n", "outer")
    wait_until(lambda: resource(server, "bundle", "outer") is None)
    assert [resource(server, t, n) for t, n in (("bundle", "inner"), ("secret", "deep"), ("secret", "early"))] == [
        None
    ] * 3


def test_a_schedule_creates_and_removes(server: Installation) -> None:
    every = "schedule:\n  initialState: create\n  timezone: Asia/Kolkata\n  create: [{cron: '* * * * *'}]\n"
    apply(server, bundle("clock", item("s", secret("clocked")), more=every))
    wait_until(lambda: status(server, "clock") == "active")
    found = server.client().runtime("bundle", "clock", None)
    assert found["schedule"]["create"].endswith("+05:30")
    assert found["runtime"].startswith("next:")
    wait_until(lambda: resource(server, "secret", "clocked"), timeout=75, what="the create tick")
    gone = every.replace("initialState: create", "initialState: delete").replace("create:", "delete:")
    apply(server, bundle("clock", item("s", secret("clocked")), more=gone))
    assert resource(server, "secret", "clocked"), "the change of the text removes nothing"
    wait_until(lambda: resource(server, "secret", "clocked") is None, timeout=75, what="the delete tick")
    assert status(server, "clock") == "active"


@pytest.mark.parametrize(("point", "nth"), [("bundle.member-applied", 1), ("bundle.member-applied", 2)])
def test_a_server_that_dies_in_the_middle_goes_on(tmp_path: Any, point: str, nth: int) -> None:
    with installation(tmp_path, start=False) as made:
        process = start_until(made, point, nth)
        text = bundle(
            "crash",
            item("a", secret("ca")),
            item("b", secret("cb"), "workspace: fresh\ndependencies: [a]\n"),
            item("c", secret("cc"), "dependencies: [b]\n"),
            more=SPACE.replace("NAME", "fresh"),
        )
        made.cli("apply", "--disable-interpolation", "-f", made.write("crash.yaml", text))
        wait_dead(process)
        again = start_until(made, "bundle.members-removed")
        active(made, "crash")
        assert all(m["status"] == "active" for m in members(made, "crash").values())
        assert [(resource(made, "secret", n) or {})["generation"] for n in ("ca", "cb", "cc")] == [1, 1, 1]
        made.cli("delete", "-t", "bundle", "-n", "crash")
        wait_dead(again)
        made.up()
        wait_until(lambda: resource(made, "bundle", "crash") is None, what="the deletion ends")
        assert not any(resource(made, "secret", n) for n in ("ca", "cb", "cc"))
        assert "fresh" not in {w["name"] for w in workspaces(made)}
