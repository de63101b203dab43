"""Back up, restore, move, rotate: with real servers, under load, and killed at every named point."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import lakes
from support.crashes import care_until
from support.server import Installation, installation, processes_of, wait_until

PASSPHRASE = "correct horse battery"
SECRET = """
name: orders
version: v1
type: secret
secret: {type: key-value, acl: r, data: {user: CANARY-VALUE}}
"""
DEPOT = """
name: landing
version: v2alpha
type: depot
layer: user
depot:
  type: FILE
  file: {path: PATH}
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path / "first") as installed:
        installed.ok("apply", "-f", installed.write("s.yaml", SECRET))
        lakes.make_table(installed, "sales.orders", 1, 2)
        yield installed


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Installation]:
    """Another machine, so to say: nothing on it yet."""
    with installation(tmp_path / "second", start=False) as installed:
        yield installed


def back_up(made: Installation, file: Path, *flags: str):
    if "--without-keys" not in flags:
        flags = (*flags, "--passphrase-file", "-")
    return made.ok("backup", "-f", str(file), *flags, "-O", "json", input=f"{PASSPHRASE}\n").json


def restore(made: Installation, file: Path, *flags: str):
    if "--without-keys" not in flags:
        flags = (*flags, "--passphrase-file", "-")
    return made.ok("restore", str(file), *flags, "-O", "json", input=f"{PASSPHRASE}\n")


def revealed(made: Installation) -> str:
    return made.ok("get", "-t", "secret", "-n", "orders", "-w", "public", "-d", "--unSanitize").out


# --- backup and restore -------------------------------------------------------------------------------------------------


def test_a_backup_of_a_running_server_is_a_whole_installation_elsewhere(made, other, tmp_path):
    file = tmp_path / "b.dataos"
    body = back_up(made, file)
    assert (body["tables"], body["keys"], body["incomplete"], body["warnings"]) == (1, "sealed", [], [])
    assert b"CANARY-VALUE" not in file.read_bytes()
    made.stop()
    shutil.rmtree(made.home)  # nothing of the restored one may need it
    restore(other, file)
    other.up()
    assert lakes.ids_of(other) == [1, 2]
    assert "CANARY-VALUE" in revealed(other)
    assert other.ok("query", "SELECT count(*) AS n FROM lakehouse.sales.orders", "-O", "json").json == [{"n": 2}]
    assert other.cli("apply", "-f", other.write("s.yaml", SECRET)).err.count("unchanged") == 1
    catalog = lakes.catalog(other)
    catalog.load_table("sales.orders").append(lakes.rows(3))
    assert lakes.ids_of(other) == [1, 2, 3]


def test_a_backup_beside_writers_holds_every_table_whole(made, other, tmp_path):
    """Commits, new tables, drops with purge and rewrites go on while backups are made; each backup is whole."""
    ended = threading.Event()
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            catalog = lakes.catalog(made)
            catalog.create_table(f"sales.w{number}", lakes.rows().schema)
            round_ = 0
            while not ended.is_set():
                round_ += 1
                catalog.load_table(f"sales.w{number}").append(lakes.rows(round_))
                if round_ % 3 == 0:
                    catalog.load_table(f"sales.w{number}").overwrite(lakes.rows(round_))
                name = f"sales.gone{number}"
                catalog.create_table(name, lakes.rows().schema).append(lakes.rows(round_))
                catalog.purge_table(name)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(2)]
    for writer in writers:
        writer.start()
    try:
        files = []
        for number in range(4):
            files.append(tmp_path / f"b{number}.dataos")
            assert back_up(made, files[-1])["incomplete"] == []
    finally:
        ended.set()
        for writer in writers:
            writer.join()
    assert failures == []
    restore(other, files[-1])
    other.up()
    catalog = lakes.catalog(other)
    names = catalog.list_tables("sales")
    assert ("sales", "orders") in names
    for name in names:
        table = catalog.load_table(name)
        for snapshot in table.snapshots():
            table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()


def test_deletions_wait_for_a_backup_and_go_on_after_one_that_died(made, tmp_path):
    care_until(made, "backup.store-copied", "backup", "--file", str(tmp_path / "b"), "--without-keys")
    location = Path(lakes.catalog(made).load_table("sales.orders").location())
    lakes.catalog(made).purge_table("sales.orders")
    assert any(location.rglob("*.parquet")), "purged under a hold"
    back_up(made, tmp_path / "b")  # what the dead one left is in nobody's way
    assert sorted(f.name for f in tmp_path.iterdir()) == ["b", "first"]


def test_without_keys_secrets_are_lost_and_the_rest_is_there(made, other, tmp_path):
    file = tmp_path / "b.dataos"
    body = back_up(made, file, "--without-keys")
    assert [w["code"] for w in body["warnings"]] == ["backup.no_keys"]
    done = restore(other, file, "--without-keys")
    assert "all secret values and API keys are lost" in done.err
    other.up()
    assert lakes.ids_of(other) == [1, 2]
    refused = other.cli("get", "-t", "secret", "-n", "orders", "-w", "public", "-d", "--unSanitize")
    assert refused.code == 1
    assert "apply the secret again" in refused.err
    other.ok("apply", "-f", other.write("s.yaml", SECRET))
    assert "CANARY-VALUE" in revealed(other)


def test_without_data_the_files_are_brought_by_hand_and_moved_then(made, other, tmp_path):
    file = tmp_path / "b.dataos"
    back_up(made, file, "--without-data")
    made.ok("down")
    done = restore(other, file)
    assert "this backup holds no table files" in done.err
    refused = other.cli("up", "--port", "0")
    assert refused.code == 1
    assert "dataos home relocate" in refused.err
    shutil.copytree(made.home / "warehouse", other.home / "warehouse")
    shutil.rmtree(made.home)
    other.ok("home", "relocate")
    other.up()
    assert lakes.ids_of(other) == [1, 2]


LAKE = """
name: far
version: v1alpha
type: lakehouse
workspace: public
lakehouse:
  type: iceberg
  iceberg:
    storage: {depotName: far, type: file, file: {path: PATH}}
"""


def test_a_warehouse_outside_the_home_comes_along_and_the_original_is_left_alone(made, other, tmp_path):
    place = made.work / "lake"
    made.ok("apply", "-f", made.write("l.yaml", LAKE.replace("PATH", str(place))), "--wait")
    lakes.make_table(made, "far.things", 7, 8, warehouse="far")
    back_up(made, tmp_path / "b")
    before = {f: f.read_bytes() for f in place.rglob("*") if f.is_file()}
    done = restore(other, tmp_path / "b")
    assert "lakehouse far (public)" in done.err
    other.up()
    lakes.catalog(other, "far").load_table("far.things").append(lakes.rows(9))
    assert lakes.ids_of(other, "far.things", "far") == [7, 8, 9]
    assert {f: f.read_bytes() for f in place.rglob("*") if f.is_file()} == before
    assert lakes.ids_of(made, "far.things", "far") == [7, 8]
    wait_until(lambda: other.client().resource("lakehouse", "far", "public")["status"] == "active", 20)


def test_a_broken_table_is_named_and_the_backup_is_made(made, tmp_path):
    lakes.make_table(made, "sales.broken", 5)
    location = Path(lakes.catalog(made).load_table("sales.broken").location())
    next(location.rglob("*.parquet")).unlink()
    done = made.cli("backup", "-f", str(tmp_path / "b"), "--without-keys")
    assert done.code == 1
    assert "lakehouse.sales.broken: 1 files are missing" in done.err
    assert (tmp_path / "b").exists()


def test_refusals(made, other, tmp_path):
    file = tmp_path / "b.dataos"
    back_up(made, file)
    again = made.cli("backup", "-f", str(file), "--without-keys")
    assert (again.code, "exists already" in again.err) == (1, True)
    inside = made.cli("backup", "-f", str(made.home / "files" / "b"), "--without-keys")
    assert (inside.code, "part of the backup" in inside.err) == (1, True)
    short = made.cli("backup", "-f", str(tmp_path / "c"), "--passphrase-file", "-", input="short\n")
    assert (short.code, "at least 8" in short.err) == (1, True)
    unasked = made.cli("backup", "-f", str(tmp_path / "c"), input="")
    assert (unasked.code, "--without-keys" in unasked.err) == (2, True)
    living = made.cli("restore", str(file), "--passphrase-file", "-", input=PASSPHRASE)
    assert (living.code, "not empty" in living.err) == (1, True)
    wrong = other.cli("restore", str(file), "--passphrase-file", "-", input="another long phrase")
    assert (wrong.code, "cannot be opened with that passphrase" in wrong.err) == (1, True)
    missing = other.cli("restore", str(tmp_path / "nothing"))
    assert (missing.code, "there is no file" in missing.err) == (1, True)
    file.write_bytes(file.read_bytes()[:30_000])
    cut = other.cli("restore", str(file), "--passphrase-file", "-", input=PASSPHRASE)
    assert (cut.code, "no whole backup" in cut.err) == (1, True)
    assert not other.home.exists()
    empty = other.cli("backup", "-f", str(tmp_path / "d"), "--without-keys")
    assert (empty.code, "there is no home" in empty.err) == (1, True)


def test_the_passphrase_is_in_no_process_argument(made, tmp_path):
    """It reaches the process that seals by standard input."""
    seen: list[bytes] = []

    def watch() -> None:
        while not ended.is_set():
            for pid in processes_of(tmp_path):
                try:
                    seen.append(Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes())
                except OSError:
                    continue

    ended = threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    back_up(made, tmp_path / "b")
    ended.set()
    watcher.join()
    assert any(b"dataos.server.care" in text for text in seen)
    assert not any(PASSPHRASE.encode() in text for text in seen)
    assert PASSPHRASE not in made.server_log()


BACKUP_POINTS = ["backup.held", "backup.store-copied", "backup.files-copied", "backup.before-name"]


@pytest.mark.parametrize("point", BACKUP_POINTS)
def test_a_killed_backup_leaves_no_file_of_that_name(made, other, tmp_path, point):
    file = tmp_path / "b.dataos"
    care_until(made, point, "backup", "--file", str(file), input=f"{PASSPHRASE}\n")
    assert not file.exists()
    back_up(made, file)
    assert not [f for f in tmp_path.iterdir() if f.name.startswith(".b")]
    restore(other, file)
    other.up()
    assert lakes.ids_of(other) == [1, 2]


RESTORE_POINTS = [
    "restore.extracted", "restore.unpacked", "relocation.manifest", "relocation.list", "relocation.metadata",
    "restore.moved", "restore.before-name",
]  # fmt: skip


@pytest.mark.parametrize("point", RESTORE_POINTS)
def test_a_killed_restore_leaves_no_home(made, other, tmp_path, point):
    file = tmp_path / "b.dataos"
    back_up(made, file)
    care_until(other, point, "restore", "--file", str(file), input=f"{PASSPHRASE}\n")
    assert not other.home.exists()
    restore(other, file)
    other.up()
    assert lakes.ids_of(other) == [1, 2]
    assert not [f for f in other.home.parent.iterdir() if "restoring" in f.name]


def test_a_job_that_ran_when_the_backup_was_made_starts_again_in_the_restored_home(made, other, tmp_path):
    script = (
        "import os, pathlib, time; pathlib.Path(os.environ['DATAOS_OUT_DIR'], 'ran').write_text('x'); time.sleep(SLEEP)"
    )
    text = f"""
name: w
version: v1
type: workflow
workflow:
  dag:
    - name: a
      spec:
        stack: script
        compute: runnable-default
        stackSpec:
          rerunnable: true
          script: "{script.replace("SLEEP", "4")}"
"""
    made.ok("apply", "-f", made.write("w.yaml", text))
    wait_until(lambda: list((made.home / "work").glob("*/out/ran")), 20)
    back_up(made, tmp_path / "b")
    restore(other, tmp_path / "b")
    other.up()
    wait_until(lambda: other.client().resource("workflow", "w", "public")["runtime"] == "succeeded", 40, "the run")
    (node,) = other.client().runtime("workflow", "w", "public")["nodes"]
    assert [a["state"] for a in node["attempts"]] == ["lost", "succeeded"]


# --- relocation ---------------------------------------------------------------------------------------------------------


def test_a_home_is_moved_with_its_tables_and_its_depots(made, tmp_path):
    (made.home / "files" / "in").mkdir()
    (made.home / "files" / "in" / "a.csv").write_text("id\n1\n")
    made.ok("apply", "-f", made.write("d.yaml", DEPOT.replace("PATH", str(made.home / "files" / "in"))), "--wait")
    made.ok("down")
    done = made.ok("home", "relocate", str(tmp_path / "elsewhere" / "home"))
    assert "depot landing" in done.err
    assert "DATAOS_HOME=" in done.err
    old = made.home
    assert not old.exists()
    made.env["DATAOS_HOME"] = str(tmp_path / "elsewhere" / "home")
    made.up()
    assert lakes.ids_of(made) == [1, 2]
    assert "CANARY-VALUE" in revealed(made)
    lakes.catalog(made).load_table("sales.orders").append(lakes.rows(3))
    assert made.ok("query", "SELECT count(*) AS n FROM lakehouse.sales.orders", "-O", "json").json == [{"n": 3}]
    depot = wait_until(
        lambda: (d := made.client().resource("depot", "landing", None))["builder"]["info"].endswith("ok") and d, 20
    )
    assert depot["status"] == "active"


def test_a_home_that_was_moved_by_hand_says_what_to_do(made, tmp_path):
    made.ok("down")
    shutil.move(made.home, tmp_path / "moved")
    made.env["DATAOS_HOME"] = str(tmp_path / "moved")
    refused = made.cli("up", "--port", "0")
    assert refused.code == 1
    assert f"DATAOS_HOME={tmp_path / 'moved'} dataos home relocate" in refused.err
    made.ok("home", "relocate")
    made.up()
    assert lakes.ids_of(made) == [1, 2]
    made.ok("down")
    assert "nothing" in made.ok("home", "relocate").err


def test_a_running_server_or_job_keeps_a_home_where_it_is(made, tmp_path):
    refused = made.cli("home", "relocate", str(tmp_path / "x"))
    assert (refused.code, "already runs" in refused.err) == (1, True)
    text = "name: w\nversion: v1\ntype: workflow\nworkflow:\n  dag:\n    - name: a\n      spec:\n        stack: script\n        compute: runnable-default\n        stackSpec:\n          script: 'import time; time.sleep(20)'\n"
    made.ok("apply", "-f", made.write("w.yaml", text))
    wait_until(lambda: list((made.home / "work").glob("*/shim.json")), 20)
    made.ok("down")
    refused = made.cli("home", "relocate", str(tmp_path / "x"))
    assert (refused.code, "1 jobs of this home still run" in refused.err) == (1, True)
    assert not (tmp_path / "x").exists()
    made.up()


def test_places_that_cannot_be(made, tmp_path):
    made.ok("down")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    for place, text in (
        (tmp_path / "full", "not an empty folder"),
        (made.home / "inner", "lies inside"),
        (tmp_path / "mit Abstand", "cannot lie at"),
    ):
        refused = made.cli("home", "relocate", str(place))
        assert (refused.code, text in refused.err) == (1, True), refused.err
    made.up()
    assert lakes.ids_of(made) == [1, 2]


MOVE_POINTS = [
    "relocation.marked", "relocation.at-new-place", "relocation.manifest", "relocation.list", "relocation.metadata",
    "relocation.files-done", "relocation.rows-done", "relocation.recorded",
]  # fmt: skip


@pytest.mark.parametrize("point", MOVE_POINTS)
def test_a_killed_relocation_is_finished_by_the_same_command(made, tmp_path, point):
    made.ok("down")
    new = tmp_path / "new"
    care_until(made, point, "relocate", "--to", str(new))
    for place in (made.home, new):
        if place.exists():
            half = made.cli("up", "--port", "0", env={"DATAOS_HOME": str(place)})
            assert (half.code, "dataos home relocate" in half.err) == (1, True), half.err
    made.ok("home", "relocate", str(new))
    made.env["DATAOS_HOME"] = str(new)
    made.up()
    assert lakes.ids_of(made) == [1, 2]
    assert "CANARY-VALUE" in revealed(made)


@pytest.mark.parametrize(
    "point", [None, "relocation.copied", "relocation.at-new-place", "relocation.files-done", "relocation.recorded"]
)
@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second file system here")
def test_to_another_file_system_the_old_home_is_whole_until_the_new_one_is(made, point):
    new = Path("/dev/shm") / f"dataos-test-{made.pid}"
    made.ok("down")
    before = {f.relative_to(made.home): f.read_bytes() for f in (made.home / "warehouse").rglob("*") if f.is_file()}
    try:
        if point is not None:
            care_until(made, point, "relocate", "--to", str(new))
            after = {
                f.relative_to(made.home): f.read_bytes() for f in (made.home / "warehouse").rglob("*") if f.is_file()
            }
            assert after == before
        old = made.home
        made.ok("home", "relocate", str(new))
        assert not old.exists()
        made.env["DATAOS_HOME"] = str(new)
        made.up()
        assert lakes.ids_of(made) == [1, 2]
        assert "CANARY-VALUE" in revealed(made)
    finally:
        made.stop()
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(new.with_name(f".{new.name}.moving"), ignore_errors=True)


# --- key rotation -------------------------------------------------------------------------------------------------------


def master_key(made: Installation) -> bytes:
    return (made.home / "keys" / "master.key").read_bytes()


@pytest.mark.parametrize("up", [True, False])
def test_a_rotated_key_opens_everything_and_the_old_one_nothing(made, up):
    old = master_key(made)
    key = made.ok("user", "apikey", "create", "-n", "ci", "-O", "json").json
    if not up:
        made.ok("down")
    body = made.ok("admin", "rotate-key", "-O", "json").json
    assert (body["keys"], body["servers"]) == (1, [])
    assert master_key(made) != old
    assert sorted(f.name for f in (made.home / "keys").iterdir()) == ["admin.token", "master.key"]
    if not up:
        made.up()
    assert "CANARY-VALUE" in revealed(made)
    assert made.cli("apply", "-f", made.write("s.yaml", SECRET)).err.count("unchanged") == 1
    made.ok("apply", "-f", made.write("s2.yaml", SECRET.replace("orders", "later")))
    made.ok("get", "--url", made.url, env={"APIKEY": key["token"] if "token" in key else key["apikey"]})
    made.ok("down")
    made.up()
    assert "CANARY-VALUE" in revealed(made)
    made.ok("down")
    (made.home / "keys" / "master.key").write_bytes(old)
    refused = made.cli("up", "--port", "0")
    assert (refused.code, "is not the one" in refused.err) == (1, True)


def test_secrets_are_applied_and_read_while_keys_rotate(made):
    ended = threading.Event()
    failures: list[str] = []

    def apply(number: int) -> None:
        round_ = 0
        while not ended.is_set():
            round_ += 1
            text = SECRET.replace("orders", f"s{number}").replace("CANARY-VALUE", f"v{round_}")
            done = made.cli("apply", "-f", made.write(f"s{number}.yaml", text))
            if done.code:
                failures.append(done.err)
            shown = made.cli("get", "-t", "secret", "-n", f"s{number}", "-w", "public", "-d", "--unSanitize")
            if f"v{round_}" not in shown.out:
                failures.append(shown.err + shown.out)

    workers = [threading.Thread(target=apply, args=(n,)) for n in range(2)]
    for worker in workers:
        worker.start()
    for _ in range(4):
        made.ok("admin", "rotate-key")
    ended.set()
    for worker in workers:
        worker.join()
    assert failures == []
    assert "CANARY-VALUE" in revealed(made)


ROTATE_POINTS = ["rotation.key-written", "rotation.wrapped", "rotation.committed", "rotation.saved"]


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("point", ROTATE_POINTS)
def test_a_killed_rotation_leaves_everything_open(made, point, up):
    if not up:
        made.ok("down")
    care_until(made, point, "rotate-key")
    if not up:
        made.up()
    assert "CANARY-VALUE" in revealed(made)
    made.ok("apply", "-f", made.write("s2.yaml", SECRET.replace("orders", "later")))
    made.ok("admin", "reset-token")
    made.ok("admin", "rotate-key")
    made.ok("down")
    made.up()
    assert "CANARY-VALUE" in revealed(made)
    assert sorted(f.name for f in (made.home / "keys").iterdir()) == ["admin.token", "master.key"]


def test_a_backup_holds_the_key_of_its_store_and_reset_token_works_after_a_rotation(made, other, tmp_path):
    made.ok("admin", "rotate-key")
    back_up(made, tmp_path / "b")
    made.ok("admin", "rotate-key")
    made.ok("admin", "reset-token")
    made.ok("get")
    restore(other, tmp_path / "b")
    other.up()
    assert "CANARY-VALUE" in revealed(other)
    assert json.loads((other.home / "home.json").read_text())["path"] == str(other.home.resolve())
