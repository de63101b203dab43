"""What somebody tries who may make tables of her own: to have their folders, or links in them, reach files of others."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.policies.test_hostile import Scene, flare, scene  # noqa: F401 - fixture
from support.lakes import creation
from support.server import NO_SANDBOX

REST = "/iceberg/v1/lakehouse/namespaces"
SCHEMA = {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "a", "required": False, "type": "long"}]}
sandboxed = pytest.mark.skipif(
    bool(NO_SANDBOX), reason="programs are not sandboxed here: only those whom one trusts run any"
)


def warehouse(at: Scene) -> Path:
    return Path(at.op.get(f"{REST}/lab").json()["properties"]["location"]).parents[1]


def folder_of(at: Scene, table: str) -> Path:
    namespace, name = table.split(".")
    return Path(at.op.get(f"{REST}/{namespace}/tables/{name}").json()["metadata"]["location"])


def orphans(at: Scene, table: str, **more: Any) -> Any:
    body = {
        "address": f"dataos://lakehouse:{table.replace('.', '/')}",
        "olderThanMillis": int(time.time() * 1000),
        **more,
    }
    return at.clean(at.eve.post("/api/v1/datasets/clean-orphans", json=body))


@pytest.fixture
def table(scene: Scene, request: pytest.FixtureRequest) -> Iterator[str]:  # noqa: F811
    """A table of hers with one row."""
    name = request.node.name.partition("[")[0].removeprefix("test_")[:30]
    assert scene.ask(f"CREATE TABLE lakehouse.lab.{name} AS SELECT bigint '9' AS id").status_code == 200
    yield f"lab.{name}"
    scene.op.post("/api/v1/query", json={"sql": f"DROP TABLE lakehouse.lab.{name}"})


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["{w}/retail", "{w}/./retail", "{w}//retail", "file://{w}/retail", "{w}/x/../retail",
                                      "{w}/nobodys/../retail", "{w}/retail/new", "file:{w}/./lab"])  # fmt: skip
def test_her_table_has_no_folder_of_others(scene: Scene, spelling: str):  # noqa: F811
    """By the catalog, staged, by a commit that creates, and by SQL: the collection that she may not list."""
    location = spelling.format(w=warehouse(scene))
    body = {"name": "evil", "schema": SCHEMA, "location": location}
    for more in ({}, {"stage-create": True}):
        answer = scene.clean(scene.eve.post(f"{REST}/lab/tables", json={**body, **more}))
        assert answer.status_code == 400, answer.text
    answer = scene.clean(scene.eve.post(f"{REST}/lab/tables/evil", json=creation(location, SCHEMA)))
    assert answer.status_code == 400, answer.text
    answer = scene.ask(f"CREATE TABLE lakehouse.lab.evil (a bigint) WITH (location = '{location}')")
    assert answer.status_code == 400, answer.text
    assert scene.op.head(f"{REST}/lab/tables/evil").status_code == 404


def test_a_dropped_table_takes_no_namespace_with_it(scene: Scene):  # noqa: F811
    """A table whose folder is another namespace's, dropped: the folder stays. The namespace has no table yet, or one."""
    for sql in ("CREATE SCHEMA lakehouse.victim", "CREATE TABLE lakehouse.victim.t AS SELECT 1 AS a",
                "CREATE SCHEMA lakehouse.empty"):  # fmt: skip
        assert scene.ask(sql, scene.op).status_code == 200
    root = warehouse(scene)
    for place in ("victim", "./victim", "empty", "./empty", "/empty"):
        sql = f"CREATE TABLE lakehouse.lab.boom (a bigint) WITH (location = '{root}/{place}')"
        assert scene.ask(sql).status_code == 400
        scene.ask("DROP TABLE lakehouse.lab.boom")
    assert scene.rows("SELECT * FROM lakehouse.victim.t", scene.op) == [[1]]
    assert scene.ask("CREATE TABLE lakehouse.empty.t AS SELECT 2 AS a", scene.op).status_code == 200
    assert scene.rows("SELECT * FROM lakehouse.empty.t", scene.op) == [[2]]


def test_her_own_folders_stay_hers_to_choose(scene: Scene):  # noqa: F811
    root = warehouse(scene)
    for number, place in enumerate(("lab/chosen", "elsewhere/chosen")):
        name = f"lakehouse.lab.chosen{number}"
        assert scene.ask(f"CREATE TABLE {name} (a bigint) WITH (location = '{root}/{place}')").status_code == 200
        assert scene.ask(f"INSERT INTO {name} VALUES (5)").status_code == 200
        assert scene.rows(f"SELECT * FROM {name}") == [[5]]
        assert folder_of(scene, f"lab.chosen{number}") == root / place
        assert scene.ask(f"DROP TABLE {name}").status_code == 200


# --- links ------------------------------------------------------------------------------------------------------------

PLANT = """
def plant(t: int) -> int:
    import os
    import subprocess
    done = 0
    for source, name in ({pairs}):
        for make in (os.symlink, os.link):
            try:
                make(source, name)
                done += 1
            except OSError:
                pass
    subprocess.run(["ln", "-s", {root!r}, {folder!r} + "/by-ln"])
    return done
"""
WAIT = """
def plant(t: int) -> int:
    import os
    import time
    open({folder!r} + "/waits", "w").close()
    until = time.time() + 60
    while not os.path.lexists({folder!r} + "/data/link") and time.time() < until:
        time.sleep(0.05)
    return 7
"""


def job(source: str, table: str) -> dict[str, Any]:
    name = f"dataos://lakehouse:{table.replace('.', '/')}"
    return flare("plant", {"udfs": {"plant": source}, "inputs": [{"name": "c", "dataset": name}],
                           "outputs": [{"name": "o", "dataset": f"{name}?acl=rw", "format": "iceberg",
                                        "options": {"saveMode": "append"}}],
                           "steps": [{"sequence": [{"name": "o", "sql": "SELECT cast(plant(cast(id AS int)) AS bigint) "
                                                                        "AS id FROM c"}]}]})  # fmt: skip


@sandboxed
def test_her_jobs_leave_no_links(scene: Scene, table: str):  # noqa: F811
    """A function of a job makes links in the folder of its table: to a folder and to a file of others, by name and by
    inode, by Python and by another program."""
    folder, root = folder_of(scene, table), warehouse(scene)
    secret = next((folder_of(scene, "retail.salaries") / "data").glob("*.parquet"))
    pairs = [(str(root / "retail"), f"{folder}/link"), (str(secret), f"{folder}/data/link.parquet"),
             ("/etc/passwd", f"{folder}/data/passwd")]  # fmt: skip
    source = PLANT.format(pairs=", ".join(map(str, pairs)), root=str(root / "retail"), folder=str(folder))
    found = scene.run("plants", job(source, table))
    assert found["state"] == "succeeded", found["log"]
    assert scene.rows(f"SELECT id FROM lakehouse.{table} ORDER BY id") == [[0], [9]]
    assert [p for p in folder.rglob("*") if p.is_symlink()] == []


@sandboxed
def test_a_link_that_came_while_her_job_ran_ends_it_unpublished(scene: Scene, table: str):  # noqa: F811
    """As above, where the kernel lets her make links: the run fails, and they are gone."""
    folder = folder_of(scene, table)
    secret = next((folder_of(scene, "retail.salaries") / "data").glob("*.parquet"))

    def plant() -> None:
        until = time.monotonic() + 60
        while not (folder / "waits").exists() and time.monotonic() < until:
            time.sleep(0.05)
        with contextlib.suppress(OSError):
            (folder / "data" / "link").symlink_to(secret)

    thread = threading.Thread(target=plant)
    thread.start()
    found = scene.run("waits", job(WAIT.format(folder=str(folder)), table))
    thread.join()
    assert found["state"] == "failed", found["log"]
    assert not (folder / "data" / "link").is_symlink()
    assert scene.rows(f"SELECT id FROM lakehouse.{table}") == [[9]]
    assert secret.exists()


def test_links_in_her_tables_are_not_read(scene: Scene, table: str):  # noqa: F811
    """A data file of hers became a link to one of others: SELECT, a job, and what tidies up do not go there."""
    folder = folder_of(scene, table)
    secrets = folder_of(scene, "retail.salaries")
    assert scene.rows(f"SELECT * FROM lakehouse.{table}") == [[9]]
    time.sleep(0.2)
    mine = next((folder / "data").glob("*.parquet"))
    content = mine.read_bytes()
    mine.unlink()
    mine.symlink_to(next((secrets / "data").glob("*.parquet")))
    answer = scene.ask(f"SELECT * FROM lakehouse.{table}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["code"] == "iceberg.links"
    answer = scene.ask(f"SELECT * FROM lakehouse.{table} a JOIN lakehouse.{table} b ON a.id = b.id")
    assert answer.status_code == 400
    mine.unlink()
    mine.write_bytes(content)
    os.symlink(secrets, folder / "link")
    for inner in ("link", "link/data", "link/../link"):
        answer = orphans(scene, table, location=f"{folder}/{inner}", dryRun=False)
        assert answer.status_code in (400, 422), answer.text
    shown = orphans(scene, table, dryRun=True)
    assert str(secrets) not in shown.text
    found = scene.run("reads-link", job("def plant(t: int) -> int:\n    return t\n", table))
    assert found["state"] == "failed", found["log"]
    (folder / "link").unlink()
    assert scene.rows(f"SELECT * FROM lakehouse.{table}") == [[9]]
    assert len(scene.rows("SELECT * FROM lakehouse.retail.salaries", scene.op)) == 1
