"""Commands around the manifests: plan files, standard input, samples and schemas, jq, init, completion, pages."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import select
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from support.patience import deadline
from support.server import Installation, installation

SECRET = "name: {name}\nversion: v1\ntype: secret\nsecret: {{type: key-value, acl: r, data: {{token: '{value}'}}}}\n"
VOLUME = (
    "name: {name}\nversion: v1beta\ntype: volume\nvolume: {{size: {size}, accessMode: ReadWriteMany, type: temp}}\n"
)
CANARY = "plan-canary-71"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("tools")) as made:
        yield made


def secret(name: str, value: str = "t0", more: str = "") -> str:
    return more + SECRET.format(name=name, value=value)


# --- plan files -------------------------------------------------------------------------------------------------------


def test_a_plan_is_applied_as_it_was_looked_at_or_not_at_all(server):
    file = server.write("planned/a.yaml", secret("plana") + "---\n" + secret("planb"))
    server.write("planned/b.yaml", secret("planc", CANARY))
    plan = server.work / "plan.json"
    done = server.ok("plan", "-f", str(server.work / "planned"), "-o", str(plan))
    assert done.out.splitlines()[-1] == "3 create"
    assert CANARY not in plan.read_text()
    applied = server.ok("apply", "--plan", str(plan))
    assert applied.err.count("...created") == 3
    stale = server.cli("apply", "--plan", str(plan))  # they exist now: not what was planned
    assert stale.code == 1
    assert "generation" in stale.err

    again = server.ok("plan", "-f", str(server.work / "planned"), "-o", str(plan), "-O", "json")
    assert [i["action"] for i in again.json] == ["unchanged"] * 3
    Path(file).write_text(secret("plana", more="description: changed\n") + "---\n" + secret("planb"))
    edited = server.cli("apply", "--plan", str(plan))
    assert edited.code == 1
    assert "secret:v1:plana:public is not what was planned: its document differs" in edited.err
    assert server.client().resource("secret", "plana", "public")["generation"] == 1

    server.ok("plan", "-f", str(server.work / "planned"), "-o", str(plan))
    server.ok("apply", "-f", server.write("other.yaml", secret("planb", more="description: of another\n")))
    moved = server.cli("apply", "--plan", str(plan))
    assert moved.code == 1
    assert "planb" in moved.err
    assert server.client().resource("secret", "plana", "public")["generation"] == 1  # all of it or nothing
    server.ok("plan", "-f", str(server.work / "planned"), "-o", str(plan))
    assert "...updated" in server.ok("apply", "--plan", str(plan)).err


def test_a_faulty_plan_is_not_kept_and_what_is_no_plan_is_refused(server):
    server.write("faulty.yaml", secret("Wrong"))
    done = server.cli("plan", "faulty.yaml", "-o", "faulty.json")
    assert (done.code, (server.work / "faulty.json").exists()) == (1, False)
    assert "was not written" in done.err
    for text, code in (("{}", 2), ("[", 2), ('{"form": "dataos-plan/9"}', 2)):
        server.write("no.json", text)
        refused = server.cli("apply", "--plan", "no.json")
        assert (refused.code, "Traceback" in refused.err) == (code, False)
    assert server.cli("apply", "--plan", "nosuch.json").code == 2
    assert server.cli("apply", "--plan", "no.json", "-f", "faulty.yaml").code == 2


# --- standard input, orders, numbers ------------------------------------------------------------------------------------


def test_manifests_come_from_standard_input_too(server):
    done = server.ok("apply", "-f", "-", input=secret("piped"))
    assert "applying(public) piped:v1:secret...created" in done.err
    broken = server.cli("validate", "-", input="name: x\n  bad: y\n")
    assert broken.code == 1
    assert "standard input:2" in broken.err
    assert server.cli("apply", "-f", "-", input="").code == 1
    server.ok("delete", "-f", "-", input=secret("piped"))


@pytest.mark.acceptance("ch01-AS16")
def test_a_folder_with_a_broken_file_is_applied_in_the_order_of_its_dependencies(server):
    job = "{stack: script, compute: runnable-default, stackSpec: {script: 'print(1)'}"
    flow = "name: {n}\nversion: v1\ntype: workflow\nworkflow:\n  dag:\n    - name: only\n      {what}\n"
    server.write("mixed/1-outer.yaml", flow.format(n="outer", what="workflow: inner"))
    uses = job + ", dataosSecrets: [{name: mixed-key, allKeys: true}]}"
    server.write("mixed/2-inner.yaml", flow.format(n="inner", what=f"spec: {uses}"))
    server.write("mixed/3-depot.yaml", "name: mixeddb\nversion: v2alpha\ntype: depot\ndepot:\n  type: POSTGRESQL\n"
                 "  secrets: [{name: mixeddb-r, allKeys: true}]\n  postgresql: {host: 127.0.0.1, port: 1, database: d}\n")  # fmt: skip
    server.write("mixed/4-broken.yaml", "name: broken\ntype: secret\n  version: v1\n")
    server.write("mixed/sub/5-secrets.yaml", secret("mixed-key") + "---\nname: mixeddb-r\nversion: v1\ntype: instance-secret\n"
                 "instance-secret: {type: key-value-properties, acl: r, data: {username: u, password: p}}\n")  # fmt: skip
    done = server.cli("apply", "-R", "-f", str(server.work / "mixed"), "-O", "json")
    assert done.code == 1
    assert "4-broken.yaml:3" in done.err
    assert done.err.splitlines()[-1].endswith('msg="failure applying resources"')
    made = [r["resource"]["id"] for r in done.json if r["action"] == "created"]
    assert sorted(made) == sorted([
        "secret:v1:mixed-key:public", "instance-secret:v1:mixeddb-r", "depot:v2alpha:mixeddb",
        "workflow:v1:inner:public", "workflow:v1:outer:public",
    ])  # fmt: skip
    place = made.index
    assert place("instance-secret:v1:mixeddb-r") < place("depot:v2alpha:mixeddb")
    assert place("secret:v1:mixed-key:public") < place("workflow:v1:inner:public") < place("workflow:v1:outer:public")
    (server.work / "mixed" / "4-broken.yaml").unlink()
    server.ok("delete", "-R", "-f", str(server.work / "mixed"))
    assert all(r["id"] not in made for r in server.client().resources())


@pytest.mark.parametrize("argv", [("log", "-t", "workflow", "-n", "x", "-l", "-5"), ("up", "--allow", "/nonexistent")])
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(server, argv):
    done = server.cli(*argv)
    assert done.code == 2
    assert "no such number of lines" in done.err or "/nonexistent does not exist" in done.err


def test_every_reading_command_speaks_json_and_yaml(server):
    server.ok("apply", "-f", server.write("spoken.yaml", secret("spoken")))
    for argv in (
        ("get", "-a"), ("history", "-t", "secret", "-n", "spoken"), ("workspace", "get"), ("user", "get", "-a"),
        ("user", "apikey", "get"), ("user", "changes", "get"), ("role", "get"), ("role", "changes", "get", "-i", "operator"),
        ("context", "list"), ("health",), ("version",), ("develop", "types"), ("develop", "types", "-t", "depot"),
        ("develop", "stack", "versions"), ("develop", "schema", "get", "api", "-t", "instance-scoped"),
        ("validate", "spoken.yaml"), ("plan", "spoken.yaml"), ("jq", "--filter", ".name", "spoken.yaml"),
        ("apply", "-d", "-f", "spoken.yaml"),
    ):  # fmt: skip
        as_json = server.ok(*argv, "-O", "json")
        as_yaml = yaml.safe_load(server.ok(*argv, "-O", "yaml").out)
        if as_yaml != as_json.json:  # something moved: an engine was begun anew
            as_json = server.ok(*argv, "-O", "json")
        assert as_yaml == as_json.json, argv
        assert server.ok(*argv).out.strip() or argv[0] in ("health",), argv
        assert server.cli(*argv, "-O", "xml").code == 2, argv


# --- samples and schemas ------------------------------------------------------------------------------------------------


@pytest.mark.acceptance("ch01-AS08")
def test_a_sample_passes_lint_and_nothing_is_stored(server):
    text = server.ok("develop", "generate", "-t", "service", "-n", "sampled").out
    done = server.ok("apply", "-l", "-f", server.write("sample.yaml", text))
    assert "sampled:v1:service...valid" in done.err
    assert "apply(public)...lint" in done.err
    assert done.err.splitlines()[-1].endswith('apply...nothing"')
    assert "cannot be applied yet" in done.err
    assert list(server.client().resources(name="sampled")) == []
    assert server.cli("apply", "-f", "sample.yaml").code == 1
    cron = server.ok("develop", "generate", "-t", "workflow").out.replace("30 4 * * *", "30 4 * *")
    broken = server.cli("apply", "-l", "-f", server.write("cron.yaml", cron))
    assert (broken.code, "cron" in broken.err) == (1, True)


@pytest.mark.acceptance("ch01-AS08")
def test_a_schema_is_printed_and_written(server):
    printed = server.ok("develop", "schema", "generate", "-t", "workflow", "-v", "v1").out
    schema = Draft202012Validator(json.loads(printed))
    sample = yaml.safe_load(server.ok("develop", "generate", "-t", "workflow").out)
    assert list(schema.iter_errors(sample)) == []
    del sample["workflow"]["dag"][0]["spec"]["stack"]
    assert list(schema.iter_errors(sample))
    assert server.ok("develop", "schema", "get", "resource", "-t", "workflow", "-v", "v1").out == printed
    server.ok("develop", "schema", "generate", "--all", "--strict", "-o", "schemas")
    folder = server.work / "schemas"
    assert {"manifest.json", "workflow.json", "workflow-v1.json", "depot-v2alpha.json"} <= {
        f.name for f in folder.iterdir()
    }
    assert (folder / "depots" / "s3.json").exists()
    assert json.loads((folder / "stacks" / "flare.json").read_text())["title"] == "stackSpec of flare"
    for argv in (
        ("-t", "nosuch"),
        ("-t", "workflow", "-v", "v9"),
        ("-v", "v1"),
        ("--all",),
        ("-t", "depot", "--stack", "flare"),
    ):
        done = server.cli("develop", "schema", "generate", *argv)
        assert done.code in (1, 2)
        assert done.out == ""


def test_the_api_is_printed_by_scope_with_all_that_it_refers_to(server):
    for scope, prefix in (("instance-scoped", "/api/v1/resources"), ("workspace-scoped", "/api/v1/workspaces/")):
        body = json.loads(server.ok("develop", "schema", "get", "api", "-t", scope).out)
        assert body["paths"]
        assert all(path.startswith(prefix) for path in body["paths"])
        for name in set(json.dumps(body).split('"#/components/schemas/')[1:]):
            assert name.split('"')[0] in body["components"]["schemas"]
    assert server.cli("develop", "schema", "get", "api", "-t", "all").code == 2


def test_jq_runs_over_documents_as_they_would_be_sent(server):
    file = server.write(
        "many.yaml", "name: a-${SUFFIX}\nversion: v1\ntype: secret\n---\nname: b\nversion: v1\ntype: secret\n"
    )
    done = server.ok("jq", "--filter", ".name", "-f", file, env={"SUFFIX": "x"})
    assert done.out == '"a-x"\n"b"\n'
    assert server.ok("jq", "-r", "--filter", ".name", file, "--disable-interpolation").out == "a-${SUFFIX}\nb\n"
    assert server.ok("jq", "--filter", "{name, type}", file, "-O", "json").json[1] == {"name": "b", "type": "secret"}
    wrong = server.cli("jq", "--filter", ".name | ", file)
    assert (wrong.code, "no jq program" in wrong.err, wrong.out) == (2, True, "")
    failed = server.cli("jq", "--filter", ".name.first", file)
    assert (failed.code, "many.yaml[0]" in failed.err) == (1, True)
    assert server.cli("jq", file).code == 2


# --- connections --------------------------------------------------------------------------------------------------------


@pytest.mark.acceptance("ch01-AS01")
def test_init_login_and_health_on_a_fresh_client(server, tmp_path):
    fresh = {"DATAOS_CONFIG_DIRECTORY": str(tmp_path / "client"), "DATAOS_HOME": str(tmp_path / "none")}
    before = server.cli("get", env=fresh)
    assert (before.code, "need to login" in before.err) == (3, True)
    host = server.url.removeprefix("http://")
    done = server.ok("init", env=fresh, input=f"y\nwork\n{server.url}/some/page\n")
    assert "initialization...complete" in done.err
    assert f"entered DataOS: work : {host}" in done.err
    (context,) = server.ok("context", "list", "-O", "json", env=fresh).json
    assert context == {"name": "work", "url": server.url, "active": True}
    early = server.cli("get", env=fresh)
    assert (early.code, "need to login" in early.err, "dataos login" in early.err) == (3, True, True)
    token = (server.home / "keys" / "admin.token").read_text()
    server.ok("login", env=fresh, input=token)
    health = server.ok("health", env=fresh)
    assert health.err.count("...OK") >= 3
    kept = tmp_path / "client" / "work" / ".dataos.cred.config"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    second = server.ok("init", env=fresh, input="n\n")
    assert "already" in second.err
    server.ok("init", env=fresh, input="y\nother\nhttps://data.example/\n")
    other = json.loads((tmp_path / "client" / "other" / ".dataos.cred.config").read_text())
    assert other["url"] == "https://data.example"
    assert server.cli("init", env=fresh, input="y\n").code == 2
    nothing = server.cli("login", env=fresh, input="")
    assert (nothing.code, "no token was given" in nothing.err) == (2, True)
    assert server.cli("init", env=fresh, input="perhaps\n").code == 2
    server.ok("context", "select", "-n", "work", env=fresh)
    server.ok("get", env=fresh)


# --- completion in a real shell -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def programs(server):
    """A folder with `dataos` as a user has it in the path."""
    folder = server.folder / "bin"
    folder.mkdir()
    program = folder / "dataos"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dataos.cli.main "$@"\n')
    program.chmod(0o755)
    return folder


def bash_completes(server: Installation, programs: Path, line: str) -> list[str]:
    """What bash puts into COMPREPLY for a line with the cursor at its end."""
    script = (
        'source <(dataos completion bash)\nread -ra COMP_WORDS <<< "$LINE"\n'
        '[[ "$LINE" == *" " ]] && COMP_WORDS+=("")\nCOMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))\n_dataos\n'
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    env = {**server.env, "PATH": f"{programs}:{server.env['PATH']}", "LINE": line}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=env, cwd=server.work, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_flags_types_and_names(server, programs):
    server.ok("apply", "-f", server.write("comp.yaml", secret("completed") + "---\n" + secret("complete-too")))
    assert bash_completes(server, programs, "dataos app") == ["apply"]
    assert bash_completes(server, programs, "dataos develop schema ") == ["generate", "get"]
    assert bash_completes(server, programs, "dataos apply --ato") == ["--atomic"]
    assert bash_completes(server, programs, "dataos get -t instance-") == ["instance-secret"]
    assert bash_completes(server, programs, "dataos get -t secret -n compl") == ["complete-too", "completed"]
    assert bash_completes(server, programs, "dataos get -w sand") == ["sandbox"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_at_a_terminal(server, programs):
    """The tabulator key in an interactive bash."""
    main, other = pty.openpty()
    env = {
        **server.env,
        "PATH": f"{programs}:{server.env['PATH']}",
        "PS1": "> ",
        "TERM": "dumb",
        "INPUTRC": "/dev/null",
    }
    process = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"], stdin=other, stdout=other, stderr=other, env=env, cwd=server.work,
        start_new_session=True,
    )  # fmt: skip
    os.close(other)
    seen = b""

    def until(text: bytes, limit: float = 60.0) -> None:
        nonlocal seen
        last = deadline(limit)
        while text not in seen:
            assert time.monotonic() < last, seen
            if select.select([main], [], [], 0.1)[0]:
                seen += os.read(main, 4096)
        seen = seen.split(text)[-1]

    try:
        os.write(main, b"source <(dataos completion bash); echo re''ady\n")
        until(b"ready")
        os.write(main, b"dataos workspace cre\t")
        until(b"workspace create ")
        os.write(main, b"\x15echo completing fi''les; touch known-file.yaml\n")
        until(b"completing files")
        os.write(main, b"dataos apply -f known-\t")
        until(b"apply -f known-file.yaml")
    finally:
        process.kill()
        process.wait()
        os.close(main)


def test_the_other_shells_get_a_script_too(server):
    for shell, word in (("zsh", "compdef"), ("fish", "complete -c dataos")):
        assert word in server.ok("completion", shell).out
        if shutil.which(shell):
            script = server.write(f"c.{shell}", server.ok("completion", shell).out)
            check = subprocess.run([shell, "-n", script], capture_output=True, text=True, check=False)
            assert check.returncode == 0, check.stderr
    assert server.cli("completion", "tcsh").code == 2


# --- pages and statements -----------------------------------------------------------------------------------------------


def test_doc_writes_a_page_for_each_command(server):
    server.ok("doc")
    folder = server.work / "dataos-ctl-docs"
    assert "--manifestFile" in (folder / "apply.md").read_text()
    assert "[develop schema generate](develop-schema-generate.md)" in (folder / "README.md").read_text()


def test_view_says_that_an_app_is_not_served(server):
    done = server.cli("view", "-a", "metis")
    assert (done.code, "serves no app `metis` yet" in done.err) == (1, True)
    assert server.cli("view", "-a", "nosuch").code == 2
    assert server.ok("view", "-a", "operations").out.strip() == f"{server.url}/operations"
    removed = server.cli("datanet", "get")
    assert (removed.code, "see the catalog" in removed.err) == (2, True)


def test_statements_one_after_the_other(server):
    text = "SELECT 1 AS a;\nSELECT nosuch;\nSELECT 2\n  AS b;\nquit\nSELECT 3 AS c;\n"
    done = server.cli("query-gateway", "connect", input=text)
    assert done.code == 1
    assert "nosuch" in done.err
    lines = [line.strip() for line in done.out.splitlines()]
    assert lines == ["a", "-", "1", "b", "-", "2"]
    assert server.ok("query-gateway", "connect", input="SELECT 5 AS five").out.split() == ["five", "----", "5"]


# --- binary secrets -----------------------------------------------------------------------------------------------------

READS = """
import hashlib, os, pathlib
folder = pathlib.Path(os.environ["DATAOS_SECRET_DIR"])
for file in sorted(folder.iterdir()):
    print(file.name, hashlib.sha256(file.read_bytes()).hexdigest())
print([l for l in (folder / "stores").read_text().splitlines()] if (folder / "stores").exists() else "")
"""
USES_STORES = """
name: {name}
version: v1
type: workflow
workflow:
  dag:
    - name: only
      spec:
        stack: script
        compute: runnable-default
        dataosSecrets: [{{name: stores, allKeys: true, consumptionType: {how}}}]
        stackSpec: {{script: {script}}}
"""


def test_a_key_store_arrives_byte_for_byte_and_is_never_a_variable(server):
    content = bytes(range(256)) + b"\xfe\xed\xfe\xed"
    (server.work / "tls").mkdir()
    (server.work / "tls" / "trust.jks").write_bytes(content)
    text = "name: stores\nversion: v1\ntype: secret\nsecret:\n  type: certificate\n  acl: r\n"
    text += "  files: {truststoreLocation: ./tls/trust.jks}\n"
    server.ok("apply", "-f", server.write("stores.yaml", text))
    digest = hashlib.sha256(content).hexdigest()
    for how in ("file", "propFile"):
        manifest = USES_STORES.format(name=f"uses-{how.lower()}", how=how, script=json.dumps(READS))
        server.ok("apply", "-f", server.write("uses.yaml", manifest), "--wait")
        log = server.client().log("workflow", f"uses-{how.lower()}", "public")["nodes"][0]["text"]
        assert f"stores_truststoreLocation {digest}" in log
        if how == "propFile":
            assert "['truststoreLocation=stores_truststoreLocation']" in log
    manifest = USES_STORES.format(name="uses-env", how="envVars", script="'1'")
    refused = server.cli("apply", "-f", server.write("uses.yaml", manifest))
    assert refused.code == 1
    assert "key `truststoreLocation` of secret `stores` is binary" in refused.err
    assert "consumptionType: file" in refused.err
    shown = server.ok("get", "-t", "secret", "-n", "stores", "-d", "--unSanitize").out
    assert "data:application/octet-stream;base64," in shown


def test_a_compute_that_is_missing_is_named_with_those_that_ship_and_a_manifest(server):
    text = USES_STORES.format(name="lost", how="file", script="'1'").replace("runnable-default", "runable-default")
    done = server.cli("apply", "-f", server.write("lost.yaml", text))
    assert done.code == 1
    assert "not found: runable-default:compute" in done.err
    hint = next(line for line in done.err.splitlines() if "these ship" in line)
    assert "runnable-default, query-default" in hint
    manifest = yaml.safe_load(hint[hint.index("{name:") : hint.index(", or `dataos develop")])
    server.ok("validate", server.write("compute.yaml", yaml.safe_dump(manifest)))


# --- scenarios of the chapters that need a whole installation -----------------------------------------------------------

SOURCE_SECRET = "name: {name}\nversion: v1\ntype: instance-secret\ninstance-secret:\n  type: key-value-properties\n  acl: {acl}\n  data: {{username: reader, password: {value}}}\n"
SOURCE = "name: {name}\nversion: v2alpha\ntype: depot\ndepot:\n  type: POSTGRESQL\n  external: true\n  secrets: [{secrets}]\n  postgresql: {{host: 127.0.0.1, port: 1, database: shop}}\n"


@pytest.mark.acceptance("ch02-AS01")
@pytest.mark.acceptance("ch02-AS02")
def test_a_source_needs_its_read_secret_and_shows_no_value(server):
    value = "shop-canary-88"
    write_only = SOURCE_SECRET.format(name="shopdb-rw", acl="rw", value=value)
    only = SOURCE.format(name="shopdb", secrets="{name: shopdb-rw, allKeys: true}")
    refused = server.cli("apply", "-f", server.write("shop.yaml", write_only + "---\n" + only))
    assert refused.code == 1
    assert "invalid depot, missing a secret reference with acl: r" in refused.err
    assert server.cli("get", "-t", "depot", "-n", "shopdb").code == 1
    both = SOURCE.format(name="shopdb", secrets="{name: shopdb-r, allKeys: true}, {name: shopdb-rw, allKeys: true}")
    text = "---\n".join([SOURCE_SECRET.format(name="shopdb-r", acl="r", value=value), write_only, both])
    done = server.ok("apply", "-f", server.write("shop.yaml", text), "--wait")
    listed = server.ok("get", "-t", "depot", "-n", "shopdb")
    assert [c.strip() for c in listed.out.splitlines()[-1].split("|")][1:5] == ["v2alpha", "depot", "", "active"]
    for argv in (
        ("get", "-t", "instance-secret", "-n", "shopdb-r", "-d"), ("get", "-a", "-O", "json"), ("get", "-a", "-d"),
        ("history", "-t", "instance-secret", "-n", "shopdb-r", "--generation", "1"), ("events",),
        ("apply", "-l", "-f", "shop.yaml"), ("plan", "shop.yaml", "-O", "json"),
    ):  # fmt: skip
        shown = server.ok(*argv)
        assert value not in shown.out + shown.err, argv
    assert value not in done.out + done.err + server.server_log()
    server.ok("delete", "-f", "shop.yaml")


@pytest.mark.acceptance("ch02-AS21")
def test_a_depot_whose_name_is_no_catalog_is_never_half_made(server):
    secret_ = SOURCE_SECRET.format(name="shop-r", acl="r", value="x")
    depot = SOURCE.format(name="shop-depot", secrets="{name: shop-r, allKeys: true}")
    done = server.cli("apply", "-f", server.write("hyphen.yaml", secret_ + "---\n" + depot))
    assert done.code == 1
    assert "hyphen.yaml:9:1: name is invalid 'shop-depot'" in done.err
    assert "[a-z]([a-z0-9]*)" in done.err
    assert "it is a catalog in SQL" in done.err
    assert [r["name"] for r in server.client().resources(type="depot") if "shop" in r["name"]] == []
    server.ok("delete", "-t", "instance-secret", "-n", "shop-r")


@pytest.mark.acceptance("ch01-AS17")
def test_an_expired_key_is_said_to_be_one(server):
    server.ok("user", "create", "-t", "application", "-u", "short-bot", "-n", "short")
    key = server.ok("user", "apikey", "create", "-i", "short-bot", "-d", "3 s", "-O", "json").json["token"]
    env = {"USER_ID": "short-bot", "APIKEY": key, "DATAOS_FQDN": server.url}
    server.ok("get", "-t", "workflow", "-w", "public", env=env)
    time.sleep(3.2)
    late = server.cli("get", "-t", "workflow", "-w", "public", env=env)
    assert (late.code, "this token has expired" in late.err) == (3, True)


ONCE = """
name: {name}
version: v1
type: workflow
workflow:
  dag:
    - name: only
      spec:
        stack: script
        compute: runnable-default
        resources: {{requests: {{cpu: '{cpu}', memory: 1Gi}}}}
        stackSpec: {{script: {script}}}
"""


@pytest.mark.acceptance("ch01-AS15")
def test_a_run_that_does_not_start_in_time_is_said_to_be_one(server):
    server.ok(
        "apply",
        "-f",
        server.write("holds.yaml", ONCE.format(name="holds", cpu=64, script="'import time; time.sleep(60)'")),
    )
    file = server.write("waits.yaml", ONCE.format(name="waits", cpu=64, script="'1'"))
    done = server.cli("resource", "run", "-f", file, "--run-start-timeout-duration", "2s", "--delete-on-failure")
    server.ok("delete", "-t", "workflow", "-n", "holds")
    assert done.code == 5
    assert "waits did not start within 2 s" in done.err
    assert "CPU" in done.err  # why


def test_resource_run_takes_its_flags_from_a_file_and_those_on_the_line_win(server):
    server.write("runs.yaml", ONCE.format(name="fromfile", cpu="100m", script="\"print('said')\""))
    config = "manifestFile: runs.yaml\nworkspace: sandbox\nstream-logs: true\nrun-timeout-duration: 2m\nsuccess-strings: [succeeded]\n"
    done = server.ok("resource", "run", "-c", server.write("run.config", config), "--do-not-delete-on-success")
    assert "said" in done.out
    assert server.ok("get", "-t", "workflow", "-w", "sandbox", "-n", "fromfile", "-O", "json").json
    server.ok("delete", "-t", "workflow", "-w", "sandbox", "-n", "fromfile")
    done = server.ok("resource", "run", "-c", "run.config", "-w", "public")
    assert "workflow:v1:fromfile:public" in done.err
    for text, said in (
        ("nosuch: 1\n", "`nosuch` is no flag"),
        ("stream-logs: perhaps\n", "true or false"),
        ("- a\n- b\n", "no mapping"),
    ):
        wrong = server.cli("resource", "run", "-c", server.write("wrong.config", text), "-f", "runs.yaml")
        assert (wrong.code, said in wrong.err) == (2, True), wrong.err
    assert server.cli("resource", "run").code == 2


@pytest.mark.acceptance("ch01-AS14")
def test_logs_are_cut_to_their_end_or_whole_and_are_data_too(server):
    server.ok(
        "apply",
        "-f",
        server.write("long.yaml", ONCE.format(name="long", cpu="100m", script="'for i in range(400): print(i)'")),
        "--wait",
    )
    key = ("log", "-t", "workflow", "-n", "long")

    def lines(*more: str) -> list[str]:
        return [line for line in server.ok(*key, *more).out.splitlines() if line.isdigit()]

    assert lines() == [str(i) for i in range(100, 400)]
    assert lines("-l", "-1") == [str(i) for i in range(400)]
    assert lines("-l", "2", "--node", "only") == ["398", "399"]
    assert lines("-c", "main", "-l", "1") == ["399"]
    assert server.cli(*key, "-c", "init").code == 1
    assert server.ok(*key, "-O", "json").json["nodes"][0]["text"].startswith("100\n")
    assert server.cli(*key, "-f", "-O", "json").code == 2
