"""Move a home: by command and by hand, to another file system, and killed at every named point."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support import lakes
from support.care import DEPOT, revealed
from support.crashes import care_until
from support.server import wait_until
from support.workflows import job, workflow


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
    text = workflow("w", job("a", "import time; time.sleep(20)"))
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
