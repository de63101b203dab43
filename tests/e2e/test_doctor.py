"""`dataos doctor`: every fault that is made here is found, with a command that mends it; the rest stays well."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from support import lakes, streams
from support.server import Installation, installation, wait_until

COPY = streams.workflow(
    "copied",
    [{"name": "orders", "dataset": "dataos://lakehouse:sales/orders", "format": "Iceberg"}],
    "SELECT * FROM orders",
    [streams.table("copied")],
)
SECRET = "name: s\nversion: v1\ntype: secret\nsecret: {type: key-value, acl: r, data: {a: b}}\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A stopped installation with a secret and a table; tests work on copies that they move to."""
    with installation(tmp_path_factory.mktemp("base")) as made:
        made.ok("apply", "-f", made.write("s.yaml", SECRET))
        lakes.make_table(made, "sales.orders", 1, 2)
        wait_until(lambda: made.client().resource("cluster", "miniature", "system")["status"] == "active", 30)
        made.ok("backup", "-f", str(made.folder / "b"), "--without-keys")
        made.ok("down")
        yield made


@pytest.fixture
def made(base, tmp_path):
    """A copy of the home, stopped."""
    with installation(tmp_path, start=False) as one:
        shutil.copytree(base.home, one.home, ignore=shutil.ignore_patterns("run"))
        os.chmod(one.home, 0o700)
        one.ok("home", "relocate")
        yield one


def findings(made: Installation, *, code: int | None = None) -> dict[str, list[dict]]:
    done = made.cli("doctor", "-O", "json")
    items = json.loads(done.out)["items"]
    failed = any(i["state"] == "fail" for i in items)
    assert done.code == (1 if failed else 0), done.err
    if code is not None:
        assert done.code == code, done.out
    assert all(i["mend"] or i["state"] == "ok" for i in items), "every fault has something that mends it"
    found: dict[str, list[dict]] = {}
    for item in items:
        found.setdefault(item["name"], []).append(item)
    return found


def store(made: Installation, *statements: str) -> None:
    with closing(sqlite3.connect(made.home / "store.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_all_is_well_down_and_up(made):
    down = findings(made, code=0)
    assert [i["state"] for i in down["server"]] == ["warn"]
    others = [i for name, items in down.items() for i in items if name != "server"]
    assert [i for i in others if i["state"] != "ok"] == []
    made.up()
    up = findings(made, code=0)
    wait_until(lambda: "engine" in findings(made), 20)
    assert {"store", "keys", "warehouses", "tables", "version", "quotas", "clock"} - set(up) <= {"clock"}
    assert [i for items in up.values() for i in items if i["state"] != "ok"] == []
    shown = made.ok("doctor")
    assert "STATE | CHECK" in shown.out
    assert made.ok("doctor", "-O", "yaml").out.startswith("items:")


def test_a_stranger_is_refused(made):
    made.up()
    key = made.ok("user", "create", "-n", "Eve", "-u", "eve", "-O", "json").json
    token = made.ok("user", "apikey", "create", "-i", key["id"], "-n", "k", "-O", "json").json["token"]
    refused = made.cli("doctor", "--url", made.url, env={"APIKEY": token})
    assert refused.code == 4
    assert "Maintain the Installation" in refused.err


def test_no_home(tmp_path):
    one = Installation(tmp_path)
    found = findings(one, code=1)
    assert "there is no home" in found["home"][0]["detail"]


def test_faults_of_home_and_keys(made):
    (made.home / "keys").chmod(0o755)
    (made.home / "keys" / "admin.token").chmod(0o644)
    found = findings(made, code=1)
    assert "can be entered by others" in found["home"][0]["detail"]
    assert found["home"][0]["mend"] == f"chmod -R go-rwx {made.home}"
    assert found["token file"][0]["state"] == "fail"
    (made.home / "keys").chmod(0o700)
    (made.home / "keys" / "admin.token").unlink()
    (made.home / "keys" / "master.key").write_bytes(os.urandom(32))
    found = findings(made, code=1)
    assert "is not the one that this store's secrets are sealed with" in found["keys"][0]["detail"]
    assert found["token file"][0]["mend"] == "dataos admin reset-token"
    (made.home / "keys" / "master.key").unlink()
    assert "no secret can be opened" in findings(made, code=1)["keys"][0]["detail"]
    assert not (made.home / "keys" / "master.key").exists(), "doctor changes nothing"


def test_a_token_of_another_store_and_a_secret_that_does_not_open(made):
    (made.home / "keys" / "admin.token").write_text("dk_strange\n")
    store(made, "UPDATE vault SET wrapped_key = x'00112233445566778899aabbccddeeff00112233445566778899aabb'")
    found = findings(made, code=1)
    assert "not known here" in found["token file"][0]["detail"]
    assert "1 secrets cannot be opened: secret:s:public" in found["keys"][0]["detail"]


def test_faults_of_the_store(made):
    store(made, "UPDATE alembic_version SET version_num = '9999'")
    assert "revision 9999" in findings(made, code=1)["store"][0]["detail"]
    store(made, "UPDATE alembic_version SET version_num = '0001'")
    found = findings(made, code=1)["store"][0]
    assert ("the upgrade to" in found["detail"], found["mend"]) == (True, "dataos up")


def test_a_damaged_store(made):
    file = made.home / "store.db"
    content = bytearray(file.read_bytes())
    for at in range(4096 * 3, len(content), 4096):
        content[at : at + 300] = os.urandom(300)
    file.write_bytes(content)
    found = findings(made, code=1)["store"][0]
    assert "damaged" in found["detail"]
    assert "restore" in found["mend"]


def test_a_missing_table_of_the_schema(made):
    store(made, "DROP TABLE schedules")
    assert "schedules" in findings(made, code=1)["store"][0]["detail"]


def test_faults_of_the_lakehouse(made):
    folder = next((made.home / "warehouse").rglob("*.metadata.json")).parent
    for file in folder.glob("*.metadata.json"):
        file.unlink()
    found = findings(made, code=1)
    assert "lakehouse.sales.orders" in found["tables"][0]["detail"]
    shutil.move(made.home / "warehouse", made.home / "away")
    found = findings(made, code=1)
    assert found["warehouse lakehouse"][0]["state"] == "fail"


def test_a_moved_home_and_one_half_moved(made, tmp_path):
    made.env["DATAOS_HOME"] = str(tmp_path / "moved")
    shutil.move(tmp_path / "home", tmp_path / "moved")
    found = findings(made, code=1)["home"][0]
    assert found["mend"] == f"DATAOS_HOME={made.home} dataos home relocate"
    (made.home / "moving.json").write_text('{"pairs": []}')
    assert "not finished" in findings(made, code=1)["home"][0]["detail"]


def test_a_taken_port_a_server_that_was_killed_and_one_that_hangs(made):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        made.env["DATAOS_LISTEN__PORT"] = str(taken.getsockname()[1])
        assert "--port" in findings(made, code=0)["port"][0]["mend"]
    del made.env["DATAOS_LISTEN__PORT"]
    made.up()
    made.kill()
    found = findings(made, code=0)
    assert found["server file"][0]["mend"] == "dataos up"


def test_resources_and_schedules_that_are_stuck(made):
    old = int((time.time() - 3600) * 1e6)
    store(
        made,
        f"UPDATE resources SET status = 'pending', updated_at = {old} WHERE type = 'secret'",
        f"UPDATE resources SET status = 'error', updated_at = {old} WHERE type = 'cluster'",
        f"INSERT INTO schedules (uid, timing, next_at, skipped) SELECT uid, 'x', {old}, '' FROM resources WHERE type = 'secret'",
        "INSERT INTO work (unit, due_at, fence, wakes, failures, error) VALUES ('resource:x', 1, 1, 1, 5, 'it broke')",
        f"UPDATE servers SET state = 'lost', seen_at = {old}",
        f"INSERT OR REPLACE INTO facts (key, value) VALUES ('last-backup', '{int((time.time() - 40 * 86400) * 1e6)}')",
        "INSERT OR REPLACE INTO facts (key, value) VALUES ('master-key-handover', '{\"servers\": [\"gone\"]}')",
    )
    found = findings(made, code=0)
    details = " ".join(i["detail"] for i in found["resources"])
    assert "cluster miniature (system)" in details
    assert "pending for more than 10 minutes: secret s (public)" in details
    assert "it broke" in details
    assert "overdue, by up to 36" in found["schedules"][0]["detail"]
    assert found["servers"][0]["state"] == "warn"
    assert "40 days ago" in found["backup"][0]["detail"]
    assert "gone" in found["key rotation"][0]["detail"]


def test_low_disk_and_quotas(made):
    made.env |= {"DATAOS_QUOTAS__FREE_MIB": str(1 << 30), "DATAOS_QUOTAS__SERVER_LOG_MIB": "1"}
    (made.home / "logs" / "server.log").write_bytes(b"x" * 1_000_000)
    found = findings(made, code=1)
    assert "below quotas.free_mib" in found["disk"][0]["detail"]
    assert "server_log 95 %" in found["quotas"][0]["detail"]


def test_processes_that_nobody_knows(made):
    made.up()
    script = "name: w\nversion: v1\ntype: workflow\nworkflow:\n  dag:\n    - name: a\n      spec:\n        stack: script\n        compute: runnable-default\n        stackSpec:\n          script: 'import time; time.sleep(60)'\n"
    made.ok("apply", "-f", made.write("w.yaml", script))
    wait_until(lambda: list((made.home / "work").glob("*/shim.json")), 20)
    made.kill()
    store(made, "UPDATE attempts SET state = 'failed'")
    (made.home / "work" / ".old-123").mkdir()
    found = findings(made)
    assert "1 processes run that no attempt knows" in found["processes"][0]["detail"]
    assert found["scratch"][0]["state"] == "warn"


def test_a_program_that_waits_for_its_next_job_is_no_leftover(made):
    """Its folder has no job yet."""
    made.up()
    made.ok("apply", "--wait", "-f", made.write("w.yaml", COPY))
    wait_until(lambda: [e for e in (made.home / "work").iterdir() if e.name.startswith(".new-")], 20)
    assert "scratch" not in findings(made, code=0)


def test_versions_differ(made, tmp_path):
    made.up()
    site = tmp_path / "older"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import dataos\ndataos.__version__ = '0.0.9'\n")
    done = made.cli("doctor", "-O", "json", env={"PYTHONPATH": str(site)})
    (found,) = [i for i in json.loads(done.out)["items"] if i["name"] == "version"]
    assert (found["state"], "0.0.9" in found["detail"]) == ("warn", True)
    assert Path(made.home / "store.db").exists()
