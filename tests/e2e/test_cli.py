"""The CLI as a user meets it: what goes where, with which code (ch01 6, 8, 18, 20; ch02 5)."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
import yaml

from support.server import Done, Installation, installation, wait_until

ORDERS = """
name: ordersdb-r
version: v1
type: instance-secret
layer: user
description: read access to the orders database
instance-secret:
  type: key-value-properties
  acl: r
  data:
    username: ${ORDERS_DB_USER}
    password: ${ORDERS_DB_PASSWORD}
---
name: ordersdb
version: v2alpha
type: depot
layer: user
tags: [orders, retail]
description: operational orders database
depot:
  type: postgresql
  external: true
  secrets:
    - name: ordersdb-r
      allkeys: true
  postgresql:
    subprotocol: postgresql
    host: 127.0.0.1
    port: 1
    database: orders
"""
VALUES = {"ORDERS_DB_USER": "reader", "ORDERS_DB_PASSWORD": "p@ss"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("cli")) as made:
        yield made


def secret(name: str, data: str = "{a: b}", more: str = "") -> str:
    return f"name: {name}\nversion: v1\ntype: secret\n{more}secret:\n  type: key-value\n  acl: r\n  data: {data}\n"


def workflow(name: str, script: str = "print('done')", extra: str = "", more: str = "", version: str = "v1") -> str:
    return (
        f"name: {name}\nversion: {version}\ntype: workflow\n{more}workflow:\n  dag:\n    - name: only\n      spec:\n"
        f"        stack: script\n        compute: runnable-default\n        {extra}\n"
        f"        stackSpec: {{script: {json.dumps(script)}}}\n"
    )


def rows(done: Done) -> list[list[str]]:
    """The cells of a printed table, without its header."""
    return [[c.strip() for c in line.split("|")] for line in done.out.splitlines() if "|" in line][2:]


def messages(done: Done) -> list[str]:
    """The messages of progress lines, without icons."""
    return [re.sub(r"^[^\w]+", "", json.loads(m)) for m in re.findall(r'msg=(".*")$', done.err, re.MULTILINE)]


# --- applying, changing, deleting --------------------------------------------------------------------------------------


@pytest.mark.acceptance("ch01-AS02")
@pytest.mark.acceptance("ch01-AS03")
@pytest.mark.acceptance("ch01-AS04")
@pytest.mark.acceptance("ch02-AS06")
def test_a_secret_and_its_depot_are_created_changed_and_deleted_in_order(server):
    file = server.write("orders.yaml", ORDERS)
    done = server.ok("apply", "-f", file, env=VALUES)
    assert messages(done) == [
        "apply...",
        "applying ordersdb-r:v1:instance-secret...",
        "applying ordersdb-r:v1:instance-secret...created",
        "applying ordersdb:v2alpha:depot...",
        "applying ordersdb:v2alpha:depot...created",
        "apply...complete",
    ]
    server.ok("apply", "-f", file, "--wait", env=VALUES)
    listed = server.ok("get", "-t", "depot")
    assert ["ordersdb", "v2alpha", "depot", "", "active", "", "admin"] in rows(listed)

    again = server.ok("apply", "-f", file, env=VALUES)
    assert [m.rpartition("...")[2] for m in messages(again) if m.startswith("applying")] == ["", "unchanged"] * 2
    assert server.client().resource("depot", "ordersdb", None)["generation"] == 1
    file = server.write("orders.yaml", ORDERS.replace("operational orders", "new orders"))
    changed = server.ok("apply", "-f", file, env=VALUES)
    assert "applying ordersdb-r:v1:instance-secret...unchanged" in messages(changed)
    assert "applying ordersdb:v2alpha:depot...updated" in messages(changed)
    assert server.client().resource("depot", "ordersdb", None)["generation"] == 2
    rotated = server.ok("apply", "-f", file, env={**VALUES, "ORDERS_DB_PASSWORD": "other"})
    assert "applying ordersdb-r:v1:instance-secret...updated" in messages(rotated)

    refused = server.cli("delete", "-t", "instance-secret", "-n", "ordersdb-r")
    assert refused.code == 1
    assert "failure deleting instance resource" in refused.err
    assert "cannot delete resource, it is a dependency of 'depot:v2alpha:ordersdb'" in refused.err
    assert "--force" in refused.err
    assert messages(refused)[-1] == "delete...error"
    server.ok("delete", "-t", "depot", "-n", "ordersdb")
    server.ok("delete", "-t", "instance-secret", "-n", "ordersdb-r")
    nothing = server.ok("delete", "-t", "instance-secret", "-n", "ordersdb-r")
    assert messages(nothing)[-2].endswith("...nothing")
    assert server.cli("get", "-t", "depot", "-n", "ordersdb").code == 1


PASSWORDS = ["p@s$s{1}", "p@ss$word;1", "a'b\"c\\d%e", "$1 ${!json()} $(x)", "  spaces  ", "é漢😀"]


@pytest.mark.acceptance("ch01-AS02")
@pytest.mark.acceptance("ch02-AS07")
def test_values_arrive_byte_for_byte_with_and_without_interpolation(server):
    script = "import hashlib, os\nfor k in sorted(os.environ):\n    if k.startswith('P_'):\n        print(k, "
    script += "hashlib.sha256(os.environ[k].encode()).hexdigest())"
    uses = workflow("bytes", script, extra="dataosSecrets: [{name: bytes, allkeys: true}]")
    data = json.dumps({f"P_{i}": value for i, value in enumerate(PASSWORDS)}, ensure_ascii=False)
    want = [f"P_{i} {hashlib.sha256(value.encode()).hexdigest()}" for i, value in enumerate(PASSWORDS)]
    for flags in ((), ("--disable-interpolation",)):
        done = server.ok("apply", "-f", server.write("bytes.yaml", secret("bytes", data)), *flags)
        assert ("variable word not set" in done.err) == (flags == ())
        server.ok("apply", "-f", server.write("uses.yaml", uses), "-r", "--wait")
        assert server.client().log("workflow", "bytes", "public")["nodes"][0]["text"].splitlines() == want
        server.ok("delete", "-f", server.write("both.yaml", secret("bytes", data) + "\n---\n" + uses), *flags)


def test_a_variable_that_is_not_set_is_named_with_its_line_and_a_set_one_cannot_change_the_structure(server):
    file = server.write("v.yaml", secret("vars", "{a: $SET_HERE, b: $NOT_SET_HERE}"))
    done = server.ok("validate", file, "-O", "json", env={"SET_HERE": "x}, injected: {y"})
    (verdict,) = done.json
    assert [w["message"] for w in verdict["warnings"]] == [
        "variable NOT_SET_HERE not set (line 7); the text `$NOT_SET_HERE` stays as it is"
    ]
    server.ok("apply", "-f", file, env={"SET_HERE": "x}, injected: {y", "NOT_SET_HERE": "z"})
    shown = yaml.safe_load(server.ok("get", "-t", "secret", "-n", "vars", "-d").out)
    assert shown["secret"]["data"] == {"a": "****", "b": "****"}


@pytest.mark.acceptance("ch01-AS12")
def test_an_unknown_owner_becomes_the_caller_and_automatic_tags_are_exact(server):
    text = secret("owned", more="owner: nobody-known\ntags: [stores, 'dataos:layer:user', stores]\n")
    done = server.ok("apply", "-f", server.write("o.yaml", text))
    assert "owner `nobody-known` is not known here; `admin` owns it" in done.err
    shown = yaml.safe_load(server.ok("get", "-t", "secret", "-n", "owned", "-d").out)
    assert shown["owner"] == "admin"
    (row,) = server.ok("get", "-t", "secret", "-n", "owned", "-O", "json").json
    assert row["tags"] == [
        "stores", "dataos:type:resource", "dataos:resource:secret", "dataos:layer:user", "dataos:workspace:public",
    ]  # fmt: skip
    (depot,) = server.ok("get", "-t", "depot", "-n", "lakehouse", "-O", "json").json
    assert depot["tags"] == [
        "dataos:type:resource", "dataos:resource:depot", "dataos:layer:user", "dataos:type:cluster-resource",
    ]  # fmt: skip


def test_details_are_documents_that_can_be_applied_again(server):
    server.ok("apply", "-f", server.write("d.yaml", workflow("detailed")), "--wait")
    out = server.ok("get", "-t", "workflow", "-n", "detailed", "-d").out
    assert out.startswith("---\n# detailed:v1:workflow\n# workflow:v1:detailed:public\n")
    shown = yaml.safe_load(out)
    assert shown["status"]["runtimeState"] == {"status": "succeeded"}
    assert {"generation", "uid", "created", "stamp"} <= set(shown)
    assert list(shown)[:4] == ["name", "version", "type", "tags"]
    assert shown["tags"] == [
        "dataos:type:resource", "dataos:resource:workflow", "dataos:layer:user", "dataos:workspace:public",
    ]  # fmt: skip
    (process,) = shown["status"]["cloudKernelResources"]
    assert (process["kind"], process["status"], process["namespace"]) == ("Process", "succeeded", "public")
    assert shown["status"]["webServiceResources"] == []
    done = server.ok("apply", "-f", server.write("again.yaml", out))
    assert messages(done)[-2] == "applying(public) detailed:v1:workflow...unchanged"
    server.ok("apply", "-f", server.write("d.yaml", secret("masked")))
    shown = server.ok("get", "-t", "secret", "-n", "masked", "-d").out
    refused = server.cli("apply", "-f", server.write("again.yaml", shown))
    assert refused.code == 1
    assert "`****` is what is shown in the place of a secret value" in refused.err
    assert "secret.data.a" in refused.err


def test_a_superseded_version_is_announced_and_stored_as_the_new_one(server):
    done = server.ok("apply", "-f", server.write("old.yaml", workflow("oldstyle", version="v1beta1")), "--wait")
    assert "🚨" in done.err
    assert "v1beta1 has been replaced by versions v1 for type workflow" in done.err
    assert "please update as v1beta1 will be deprecated" in done.err
    assert "applying(public) oldstyle:v1:workflow...created" in messages(done)


def test_the_manifests_workspace_wins_over_the_flag_with_a_warning(server):
    done = server.ok(
        "apply", "-f", server.write("w.yaml", secret("placed", more="workspace: sandbox\n")), "-w", "public"
    )
    assert "the manifest's workspace `sandbox` wins over `-w public`" in done.err
    assert "applying(sandbox) placed:v1:secret...created" in messages(done)
    assert server.cli("get", "-t", "secret", "-n", "placed").code == 1
    assert server.ok("get", "-t", "secret", "-n", "placed", "-w", "sandbox", "-O", "json").json


# --- checking without storing ------------------------------------------------------------------------------------------


def test_lint_says_valid_and_stores_nothing(server):
    done = server.ok("apply", "-l", "-f", server.write("l.yaml", workflow("linted")))
    assert messages(done)[-3:] == [
        "applying(public) linted:v1:workflow...valid", "apply(public)...lint", "apply...nothing"
    ]  # fmt: skip
    assert server.cli("get", "-t", "workflow", "-n", "linted").code == 1


def test_a_verdict_for_each_document_with_its_place(server):
    folder = server.work / "verdicts"
    good = server.write("verdicts/a.yaml", secret("one") + "---\n" + secret("two").replace("acl: r", "alc: r"))
    server.write("verdicts/b.yml", "a: [")
    server.write("verdicts/deeper/c.yaml", secret("three", more="colour: red\n"))
    server.write("verdicts/notes.txt", "not a manifest")
    done = server.cli("validate", str(folder), "-O", "json")
    assert done.code == 1
    by_name = {v["name"]: v for v in done.json}
    assert all(set(v) == {"file", "document", "kind", "name", "ok", "errors", "warnings"} for v in done.json)
    assert [(v["document"], v["kind"], v["name"], v["ok"]) for v in done.json if v["file"] == good] == [
        (0, "secret", "one", True),
        (1, "secret", "two", False),
    ]
    error = next(e for e in by_name["two"]["errors"] if e["code"] == "manifest.unknown_key")
    assert (error["path"], error["line"], error["hint"]) == ("secret.alc", 14, "did you mean `acl`?")
    broken = by_name[None]
    assert (broken["file"], broken["ok"], broken["kind"]) == (str(folder / "b.yml"), False, None)
    assert "three" not in by_name
    below = server.cli("validate", "-R", "-f", str(folder), "-O", "json").json
    (three,) = [v for v in below if v["name"] == "three"]
    assert (three["ok"], [w["code"] for w in three["warnings"]]) == (True, ["manifest.unknown_key"])
    strict = server.cli("validate", str(folder / "deeper"), "--strict", "-O", "json")
    assert (strict.code, strict.json[0]["ok"]) == (1, False)


def test_validate_needs_no_server_and_no_login(tmp_path):
    with installation(tmp_path, start=False) as made:
        done = made.ok("validate", made.write("s.yaml", secret("s")))
        assert done.out == f"{made.work / 's.yaml'}[0] s secret...valid\n"
        assert made.cli("validate", made.write("s.yaml", "a: [")).code == 1
        assert not made.home.exists()
        assert not Path(made.env["DATAOS_CONFIG_DIRECTORY"]).exists()


def test_plan_shows_what_apply_would_do_and_does_nothing(server):
    before = [r["id"] for r in server.client().resources()]
    server.ok("apply", "-f", server.write("p.yaml", secret("planned") + "---\n" + secret("same")))
    server.write("plan/1.yaml", secret("planned", more="description: new\n") + "---\n" + secret("same"))
    server.write("plan/2.yaml", secret("fresh") + "---\n" + secret("Wrong"))
    server.write("plan/3.yaml", "a: [")
    done = server.cli("plan", "-f", str(server.work / "plan"))
    assert done.code == 1
    lines = done.out.splitlines()
    assert "~ planned:v1:secret  update" in lines
    assert "    description: None -> new" in lines
    assert "= same:v1:secret  unchanged" in lines
    assert "+ fresh:v1:secret  create" in lines
    assert "! Wrong:v1:secret  invalid" in lines
    assert lines[-1] == "1 create, 1 update, 1 unchanged, 1 invalid"
    assert "3.yaml:2:1" in done.err
    assert "2.yaml:9:1: name is invalid 'Wrong'" in done.err
    machine = server.cli("plan", "-f", str(server.work / "plan"), "-O", "json")
    assert machine.code == 1
    assert sorted(i["action"] for i in machine.json) == ["create", "invalid", "invalid", "unchanged", "update"]
    server.ok("plan", "-f", str(server.work / "p.yaml"))
    after = [r["id"] for r in server.client().resources()]
    assert set(after) - set(before) == {"secret:v1:planned:public", "secret:v1:same:public"}


def test_a_plan_knows_what_its_earlier_documents_make(server):
    file = server.write("together.yaml", ORDERS)
    done = server.ok("plan", file, env=VALUES)
    assert done.out.splitlines()[-1] == "2 create"
    assert server.client().json("GET", "/api/v1/resources?type=depot&name=ordersdb")["items"] == []


# --- codes, streams, looks ---------------------------------------------------------------------------------------------


def test_every_exit_code_means_what_it_says(server):
    file = server.write("c.yaml", secret("coded"))
    wrong = {"DATAOS_FQDN": server.url, "APIKEY": "wrong"}
    for code, argv, env in (
        (0, ("get",), {}),
        (0, ("delete", "-t", "secret", "-n", "nosuch"), {}),
        (1, ("get", "-t", "secret", "-n", "nosuch"), {}),
        (1, ("get", "-t", "nosuch"), {}),
        (1, ("apply", "-f", "nosuch.yaml"), {}),
        (1, ("get", "--url", "http://127.0.0.1:1"), {}),
        (1, ("query", "SELECT * FROM nosuch.a.b"), {}),
        (2, ("apply",), {}),
        (2, ("apply", "-f", file, "--nosuch"), {}),
        (2, ("apply", "-f", file, "-O", "xml"), {}),
        (2, ("get", "--url", "nosuch"), {}),
        (2, ("get", "-i", ":::"), {}),
        (2, ("nosuch",), {}),
        (2, ("log",), {}),
        (3, ("get",), wrong),
        (3, ("apply", "-f", file), wrong),
        (3, ("get", "--context", "nosuch"), {}),
        (3, ("get",), {"DATAOS_CONFIG_DIRECTORY": "/nonexistent", "DATAOS_HOME": "/nonexistent"}),
        (5, ("query", SLOW, "--timeout", "0.3"), {}),
    ):
        done = server.cli(*argv, env=env)
        assert done.code == code, (argv, done.err)
        assert "Traceback" not in done.err
        if code:
            assert done.out == ""
            assert done.err.strip()


SLOW = (
    "SELECT count(*) FROM UNNEST(sequence(1, 100000)) a(x) CROSS JOIN UNNEST(sequence(1, 100000)) b(y) "
    "CROSS JOIN UNNEST(sequence(1, 10000)) c(z)"
)


def test_without_a_login_the_places_tried_are_named(tmp_path):
    with installation(tmp_path, start=False) as made:
        done = made.cli("get")
        assert done.code == 3
        assert "no cred file, need to login" in done.err
        for place in ("dataos up", "DATAOS_FQDN", str(made.env["DATAOS_CONFIG_DIRECTORY"]), str(made.home)):
            assert place in done.err


def test_a_wrong_token_stops_a_folder_at_its_first_document_and_blames_no_file(server):
    server.write("many/a.yaml", secret("many-a"))
    server.write("many/b.yaml", secret("many-b"))
    done = server.cli("apply", "-f", str(server.work / "many"), env={"DATAOS_FQDN": server.url, "APIKEY": "wrong"})
    assert done.code == 3
    assert done.err.count("this token is not known here") == 1
    assert "a.yaml:1" not in done.err
    unreachable = server.cli("apply", "-f", str(server.work / "many"), "--url", "http://127.0.0.1:1")
    assert unreachable.code == 1
    assert unreachable.err.count("no server answers at http://127.0.0.1:1") == 1
    assert "a.yaml:1" not in unreachable.err


@pytest.mark.parametrize(
    "fqdn", ["{host}", "{host}/", "http://{host}", "http://{host}/", " {host} ", "http://{host}/poros/api"]
)
def test_a_key_and_a_host_are_enough_however_the_host_is_pasted(server, fqdn):
    token = (server.home / "keys" / "admin.token").read_text().strip()
    env = {
        "DATAOS_FQDN": fqdn.format(host=server.url.removeprefix("http://")),
        "USER_ID": "admin",
        "APIKEY": token,
        "DATAOS_CONFIG_DIRECTORY": "/nonexistent",
        "DATAOS_HOME": "/nonexistent",
    }
    assert server.ok("get", "-t", "depot", "-O", "json", env=env).json


def test_a_wait_that_takes_too_long_is_5_and_the_work_goes_on(server):
    text = workflow("patient", "import time\ntime.sleep(600)")
    done = server.cli("apply", "-f", server.write("p.yaml", text), "--wait", "--timeout", "4")
    assert done.code == 5
    assert "patient is still running" in done.err
    assert "dataos get runtime" in done.err
    assert server.client().resource("workflow", "patient", "public")["runtime"] == "running"
    server.ok("delete", "-t", "workflow", "-n", "patient")


@pytest.mark.acceptance("ch01-AS14")
def test_a_failing_job_is_an_active_resource_with_a_failed_run_and_its_reason_everywhere(server):
    text = workflow("broken", "import sys\nprint('what went wrong', file=sys.stderr)\nsys.exit(4)")
    done = server.cli("apply", "-f", server.write("b.yaml", text), "--wait")
    assert done.code == 1
    assert "exit code 4" in done.err
    assert ["broken", "v1", "workflow", "public", "active", "failed", "admin"] in rows(
        server.ok("get", "-t", "workflow")
    )
    runtime = server.ok("get", "runtime", "-t", "workflow", "-n", "broken")
    assert "exit code 4" in runtime.out
    log = server.ok("log", "-t", "workflow", "-n", "broken", "--node", "only-execute")
    assert "what went wrong" in log.out
    assert "LOGS" in log.out
    assert messages(log) == ["log(public)...complete"]


def test_a_folder_is_applied_in_order_and_a_broken_file_stops_only_itself(server):
    server.write("dir/1-workflow.yaml", workflow("ordered", extra="dataosSecrets: [{name: ordered, allkeys: true}]"))
    server.write("dir/2-broken.yaml", "name: x\n  version: v1\n")
    server.write("dir/sub/3-secret.yaml", secret("ordered"))
    done = server.cli("apply", "-R", "-f", str(server.work / "dir"), "-O", "json", "--wait")
    assert done.code == 1
    assert "2-broken.yaml:2" in done.err
    assert messages(done)[-1] == "failure applying resources"
    applied = [r for r in done.json if r["action"] != "error"]
    assert [(r["action"], r["resource"]["id"]) for r in applied] == [
        ("created", "secret:v1:ordered:public"),
        ("created", "workflow:v1:ordered:public"),
    ]
    (broken,) = [r for r in done.json if r["action"] == "error"]
    assert broken["file"].endswith("2-broken.yaml")
    assert applied[1]["resource"]["runtime"] == "succeeded"
    (server.work / "dir" / "2-broken.yaml").unlink()
    gone = server.ok("delete", "-R", "-f", str(server.work / "dir"))
    assert [m for m in messages(gone) if m.endswith("...deleted")] == [
        "deleting(public) ordered:v1:workflow...deleted",
        "deleting(public) ordered:v1:secret...deleted",
    ]


READERS = [
    ("get", "-a"),
    ("get", "-t", "depot", "-n", "lakehouse"),
    ("health",),
    ("query", "SELECT 1 AS a, 'x' AS b"),
]


@pytest.mark.parametrize("argv", READERS, ids=lambda a: " ".join(a))
def test_standard_output_carries_data_only(server, argv):
    done = server.ok(*argv, "-O", "json")
    assert json.loads(done.out) is not None
    if argv[0] not in ("query", "health"):
        assert yaml.safe_load(server.ok(*argv, "-O", "yaml").out) == json.loads(done.out)
        assert messages(done) == ["get...", "get...complete"]
    for line in server.ok(*argv).out.splitlines():
        assert "level=" not in line
        assert "..." not in line


def test_progress_is_for_people_on_the_error_stream_and_applying_prints_no_data(server):
    done = server.ok("apply", "-f", server.write("s.yaml", secret("streams")))
    assert done.out == ""
    for line in done.err.splitlines():
        assert re.fullmatch(r'time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=info msg=".*"', line), line
    (result,) = server.ok("apply", "-f", str(server.work / "s.yaml"), "-O", "json").json
    assert (result["action"], result["resource"]["id"]) == ("unchanged", "secret:v1:streams:public")


@pytest.mark.parametrize(("flags", "env"), [(("--no-icons",), {}), ((), {"NO_COLOR": "1"})])
def test_icons_and_colours_can_be_turned_off(server, flags, env):
    file = server.write("s.yaml", secret("plain", more="owner: nobody\n"))
    for argv, code in (
        (("apply", "-f", file), 0),
        (("get", "-t", "secret"), 0),
        (("delete", "-f", file), 0),
        (("apply", "-f", "nosuch.yaml"), 1),
        (("get", "-t", "nosuch"), 1),
        (("health",), 0),
    ):
        done = server.cli(*argv, *flags, env=env)
        assert done.code == code
        assert (done.out + done.err).isascii(), done.err
        assert "\x1b" not in done.out + done.err
    assert "🛠" in server.ok("apply", "-f", file).err
    assert "\x1b" not in server.ok("get").out


def test_flags_may_stand_anywhere_and_a_mistyped_word_is_guessed(server):
    server.ok("-t", "depot", "-n", "lakehouse", "get")
    server.ok("resource", "get", "-tdepot")
    server.ok("get", "--type=depot")
    done = server.cli("aply", "-f", "x.yaml")
    assert (done.code, "did you mean `apply`?" in done.err) == (2, True)
    assert "see: dataos apply --help" in server.cli("apply", "--nosuch").err
    assert "--manifestFile" in server.ok("apply", "--help").out
    assert "Usage" in server.ok("--help").out
    assert server.ok("help", "apply").out == server.ok("apply", "--help").out


def test_a_reader_that_goes_away_and_a_full_disk_end_quietly_or_with_a_reason(server):
    import subprocess
    import sys

    argv = [sys.executable, "-m", "dataos.cli.main", "get", "-a", "-O", "yaml"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=server.env, cwd=server.work)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(20) == 0
    assert "Error" not in said
    with open("/dev/full", "w") as full:
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, env=server.env, check=False, cwd=server.work)
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
    out = server.cli("query", "SELECT 1 AS a", "-O", "csv", "-o", "/nonexistent/x")
    assert (out.code, "/nonexistent/x: No such file" in out.err) == (1, True)


def test_a_pending_job_says_what_it_waits_for(server):
    text = workflow(
        "hungry", extra="resources: {requests: {cpu: '64', memory: 1Gi}}", script="import time\ntime.sleep(30)"
    )
    server.ok("apply", "-f", server.write("h.yaml", text))
    server.ok("apply", "-f", server.write("h2.yaml", text.replace("hungry", "hungrier")))

    def reason() -> str:
        return server.ok("get", "runtime", "-t", "workflow", "-n", "hungrier").out

    shown = wait_until(lambda: (t := reason()) and "CPU" in t and t, 10, "the reason")
    assert "pending" in shown
    for name in ("hungrier", "hungry"):
        server.ok("delete", "-t", "workflow", "-n", name)


def test_state_of_the_server_is_told_by_health_and_version(server):
    body = server.ok("health", "-O", "json").json
    assert body["ok"] is True
    assert {p["name"] for p in body["parts"]} >= {"store", "cluster miniature"}
    done = server.ok("version")
    assert re.fullmatch(r"dataos \S+\nserver \S+ at http://127\.0\.0\.1:\d+\n", done.out)


def test_up_and_down_may_be_repeated(tmp_path):
    made: Installation
    with installation(tmp_path) as made:
        pid = made.pid
        made.up()
        assert made.pid == pid
        made.ok("down")
        assert "nothing" in made.ok("down").err
        assert made.cli("get").code == 1
        made.up()
        assert made.pid != pid
        made.ok("get")
