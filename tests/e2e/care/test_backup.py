"""Back up and restore: with real servers, under load, and killed at every named point."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest

from support import lakes
from support.care import PASSPHRASE, SECRET, back_up, restore, revealed
from support.crashes import care_until
from support.server import processes_of, wait_until
from support.workflows import job, workflow


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
def test_a_killed_restore_leaves_no_home(backup_file, other, point):
    care_until(other, point, "restore", "--file", str(backup_file), input=f"{PASSPHRASE}\n")
    assert not other.home.exists()
    restore(other, backup_file)
    other.up()
    assert lakes.ids_of(other) == [1, 2]
    assert not [f for f in other.home.parent.iterdir() if "restoring" in f.name]


def test_a_job_that_ran_when_the_backup_was_made_starts_again_in_the_restored_home(made, other, tmp_path):
    script = (
        "import os, pathlib, time; pathlib.Path(os.environ['DATAOS_OUT_DIR'], 'ran').write_text('x'); time.sleep(4)"
    )
    text = workflow("w", job("a", script, extra="          rerunnable: true"))
    made.ok("apply", "-f", made.write("w.yaml", text))
    wait_until(lambda: list((made.home / "work").glob("*/out/ran")), 20)
    back_up(made, tmp_path / "b")
    restore(other, tmp_path / "b")
    other.up()
    wait_until(lambda: other.client().resource("workflow", "w", "public")["runtime"] == "succeeded", 40, "the run")
    (node,) = other.client().runtime("workflow", "w", "public")["nodes"]
    assert [a["state"] for a in node["attempts"]] == ["lost", "succeeded"]


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
