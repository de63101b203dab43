"""A kind of another package: read, applied, looked at, deleted; and what happens when its package is gone."""

from __future__ import annotations

import os

import pytest

from support.server import installation, wait_until

TEXT = "name: drop\nversion: v1\ntype: landing\nworkspace: public\nlanding: {{path: {path}, keep: {keep}}}\n"


@pytest.fixture
def made(tmp_path):
    with installation(tmp_path) as installed:
        yield installed


def runtime(made):
    return made.client().resource("landing", "drop", "public")["runtime"]


def test_a_kind_of_another_package_works_like_one_of_ours(made):
    folder = made.work / "landing"
    file = made.write("l.yaml", TEXT.format(path=folder, keep="false"))
    assert made.ok("validate", "-f", file).code == 0
    made.ok("apply", "-f", file)
    wait_until(lambda: runtime(made) == "files:0", 10)
    (folder / "orders.csv").write_text("1")
    wait_until(lambda: runtime(made) == "files:1", 10)
    assert "drop" in made.ok("get", "-t", "Landings", "-w", "public").out
    made.ok("delete", "-t", "landing", "-n", "drop", "-w", "public")
    assert not folder.exists()


def test_its_faults_are_told_like_those_of_ours(made):
    offline = made.cli("validate", "-f", made.write("l.yaml", TEXT.format(path="relative", keep="false")))
    assert offline.code == 1
    assert "l.yaml:5" in offline.err
    assert "is not absolute" in offline.err
    refused = made.cli("apply", "-f", made.write("m.yaml", TEXT.format(path="/elsewhere", keep="false")))
    assert refused.code == 1
    assert "does not lie under an allowed folder" in refused.err
    assert "m.yaml:5" in refused.err


def test_a_kind_whose_package_is_broken_is_said_and_the_server_works_on(made):
    folder = made.work / "landing"
    made.ok("apply", "-f", made.write("l.yaml", TEXT.format(path=folder, keep="true")))
    wait_until(lambda: runtime(made) == "files:0", 10)
    made.ok("down")
    broken = made.folder / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import sys, types\n"
        "fake = types.ModuleType('dataos_landing_kind.controller')\n"
        "sys.modules['dataos_landing_kind.controller'] = fake\n"
    )
    made.env["PYTHONPATH"] = os.fspath(broken)
    made.up()
    wait_until(lambda: made.client().resource("landing", "drop", "public")["status"] == "error", 20)
    assert "no controller for type landing" in made.client().resource("landing", "drop", "public")["builder"]["info"]
    assert made.ok("query", "SELECT 1").code == 0
    del made.env["PYTHONPATH"]
    made.ok("down")
    made.up()
    wait_until(lambda: runtime(made) == "files:0", 20)
    assert made.client().resource("landing", "drop", "public")["status"] == "active"
