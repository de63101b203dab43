"""What goes wrong while a job reads and writes: sources that fail half-way, keys that are revoked, a disk that fills
up, other writers. Retries are bounded, messages say what to do, and nothing is half-written."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import postgres, s3
from support.server import Installation, installation, wait_until

POSTGRES = """\
name: shop-r
version: v1
type: instance-secret
instance-secret: {{type: key-value-properties, acl: r, data: {{username: {user}, password: "{password}"}}}}
---
name: shop
version: v2alpha
type: depot
depot:
  type: POSTGRESQL
  postgresql: {{host: 127.0.0.1, port: {port}, database: postgres}}
  secrets: [{{name: shop-r, allKeys: true}}]
"""
FILES = 6


@pytest.fixture(scope="module")
def way() -> Iterator[s3.Faulty]:
    with s3.running() as store:
        content = "id,name\n" + "".join(f"{n},name {n}\n" for n in range(20_000))
        store.bucket("shop", {f"raw/orders/{n}.csv": content.encode() for n in range(FILES)})
        with s3.faulty(store) as made:
            yield made


@pytest.fixture(scope="module")
def pg() -> Iterator[postgres.Postgres]:
    with postgres.running() as made:
        made.run(
            "CREATE TABLE big AS SELECT n AS id, repeat(md5(n::text), 8) AS filler FROM generate_series(1, 400000) n",
            "CREATE VIEW slow AS SELECT * FROM big WHERE CASE id WHEN 200000 THEN pg_sleep(1) IS NOT NULL ELSE true END",
        )
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, way: s3.Faulty, pg: postgres.Postgres) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("faults")) as made:
        made.ok("apply", "--disable-interpolation", "-f", made.write("b.yaml", s3.depot(way.endpoint)))
        text = POSTGRES.format(user=pg.user, password=pg.password, port=pg.port)
        made.ok("apply", "--disable-interpolation", "-f", made.write("p.yaml", text))
        yield made


@pytest.fixture(autouse=True)
def well(way: s3.Faulty) -> Iterator[None]:
    yield
    way.rule = lambda method, path: None
    way.seen.clear()


CSV = {"dataset": "dataos://store:none/orders", "format": "csv"}
TABLE = {"dataset": "dataos://shop:public/slow"}
"""Half of the rows come at once, the others a second later."""


def workflow(name: str, source: dict[str, str], *targets: dict[str, object], retry: int = 0) -> str:
    spec = {
        "stack": "flare:7.0",
        "stackSpec": {
            "job": {
                "inputs": [{"name": "rows", **source}],
                "steps": [{"sequence": [{"name": "final", "sql": "select * from rows"}]}],
                "outputs": [{"name": "final", **t} for t in targets],
            }
        },
    }
    job: dict[str, object] = {"name": "j", "spec": spec}
    if retry:
        job["retry"] = {"count": retry, "strategy": "OnTransientError"}
    return json.dumps({"name": name, "version": "v1", "type": "workflow", "workflow": {"dag": [job]}})


def lake(name: str) -> dict[str, object]:
    return {"dataset": f"dataos://lakehouse:faults/{name}?acl=rw", "format": "iceberg"}


def rows(server: Installation, name: str) -> int | None:
    done = server.cli("query", f"SELECT count(*) AS n FROM lakehouse.faults.{name}", "-O", "json")
    return done.json[0]["n"] if done.code == 0 else None


def run(server: Installation, name: str, text: str) -> tuple[int, str]:
    done = server.cli("apply", "-f", server.write(f"{name}.yaml", text), "--re-run", "--wait", timeout=240)
    assert s3.SECRET not in done.out + done.err + server.server_log()
    return done.code, done.err


def attempts(server: Installation, name: str) -> int:
    found = server.ok("get", "runtime", "-t", "workflow", "-n", name, "-w", "public", "-O", "json").json
    return len(found["nodes"][0]["attempts"])


class Nth:
    """A rule for the n-th GET of an object, and for those after it as far as `times` goes."""

    def __init__(self, nth: int, fault: float, times: int = 10**6, method: str = "GET") -> None:
        self.nth, self.fault, self.left, self.method = nth, fault, times, method
        self.lock = threading.Lock()

    def __call__(self, method: str, path: str) -> int | float | None:
        with self.lock:
            if method != self.method or ("/orders/" not in path and method == "GET"):
                return None
            self.nth -= 1
            if self.nth > 0 or self.left <= 0:
                return None
            self.left -= 1
            return self.fault


@pytest.mark.parametrize("fault", [500, 503, 0.4], ids=["out of order", "throttled", "breaks off"])
def test_a_store_that_fails_for_a_moment_is_asked_again(server: Installation, way: s3.Faulty, fault: float) -> None:
    name = f"moment{str(fault).replace('.', '')}"
    way.rule = Nth(3, fault, times=2)
    code, err = run(server, name, workflow(name, CSV, lake(name)))
    assert code == 0, err
    assert rows(server, name) == FILES * 20_000


@pytest.mark.parametrize(
    ("fault", "said", "tried"),
    [(503, "overloaded or out of order", 2), (403, "refuses the keys of the depot's secret", 1)],
    ids=["throttled for good", "keys revoked"],
)
def test_a_store_that_fails_for_good_ends_the_job(
    server: Installation, way: s3.Faulty, fault: int, said: str, tried: int
) -> None:
    """What may pass is retried as the job says, what cannot pass is not."""
    name = f"good{fault}"
    way.rule = Nth(4, fault)
    code, err = run(server, name, workflow(name, CSV, lake(name), retry=1))
    assert code == 1
    assert said in err
    assert rows(server, name) is None
    assert attempts(server, name) == tried


@pytest.mark.parametrize("fault", [503, 403])
def test_a_store_that_takes_no_files_leaves_no_output_at_all(server: Installation, way: s3.Faulty, fault: int) -> None:
    """Files are brought before the tables of the run are published: neither shows."""
    name = f"put{fault}"
    way.rule = Nth(1, fault, method="PUT")
    files = {"dataset": f"dataos://store:out/{name}?acl=rw", "format": "parquet"}
    code, err = run(server, name, workflow(name, CSV, lake(name), files))
    assert code == 1
    assert "s3://shop" in err
    assert rows(server, name) is None
    way.rule = lambda method, path: None
    listed = server.cli("depot", "ls", f"dataos://store:out/{name}")
    assert listed.code != 0
    again = workflow(name, CSV, lake(name), files).replace("select *", "select id, name")
    code, err = run(server, name, again)
    assert code == 0, err
    assert rows(server, name) == FILES * 20_000


def test_a_database_that_goes_down_while_it_is_read_is_read_again_by_the_retry(
    server: Installation, pg: postgres.Postgres
) -> None:
    text = workflow("down", TABLE, lake("down"), retry=3)
    server.ok("apply", "-f", server.write("down.yaml", text))
    killed = 0
    with pg.connect("postgres") as connection:
        connection.autocommit = True

        def cut() -> bool:
            nonlocal killed
            sql = (
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE query ILIKE 'COPY%slow%' AND state = 'active' AND wait_event = 'PgSleep'"
            )
            (found,) = connection.execute(sql.encode()).fetchone() or (0,)
            killed += found
            return killed > 0

        wait_until(cut, what="the database was read", timeout=90)

    def ended() -> bool:
        found = server.ok("get", "runtime", "-t", "workflow", "-n", "down", "-w", "public", "-O", "json").json
        return found["run"]["state"] in ("succeeded", "failed")

    wait_until(ended, what="the run's end", timeout=180)
    named = ("-t", "workflow", "-n", "down", "-w", "public")
    assert rows(server, "down") == 400_000, server.ok("get", "runtime", *named, "-O", "json").out
    assert attempts(server, "down") >= 2


def test_writers_of_one_table_at_once_lose_no_row(server: Installation) -> None:
    names = [f"beside{n}" for n in range(3)]
    append = {**lake("beside"), "options": {"saveMode": "append"}}
    one = {"dataset": "dataos://store:none/orders/0.csv", "format": "csv"}
    assert run(server, "beside", workflow("beside", one, lake("beside")))[0] == 0
    for name in names:
        server.ok("apply", "-f", server.write(f"{name}.yaml", workflow(name, one, append)))

    def ended() -> bool:
        found = [
            server.ok("get", "runtime", "-t", "workflow", "-n", n, "-w", "public", "-O", "json").json["run"]["state"]
            for n in names
        ]
        return all(state in ("succeeded", "failed") for state in found)

    wait_until(ended, what="the runs' ends", timeout=240)
    assert rows(server, "beside") == 4 * 20_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Installation]:
    """An installation whose home has a disk of 160 MiB of its own."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    (tmp_path / "disk").mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "mode=0700,size=160m", "tmpfs", str(tmp_path / "disk")]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
    try:
        env = {"DATAOS_HOME": str(tmp_path / "disk" / "home"), "DATAOS_QUOTAS__FREE_MIB": "1"}
        with installation(tmp_path, env=env) as made:
            yield made
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path / "disk")], check=True)


def test_a_disk_that_fills_up_under_a_job_ends_the_job_and_the_next_one_works(small: Installation) -> None:
    content = "id,name\n" + "".join(f"{n},{os.urandom(24).hex()}\n" for n in range(150_000))
    folder = Path(small.write("landing/a.csv", content)).parent
    depot = f"name: landing\nversion: v1\ntype: depot\ndepot: {{type: FILE, file: {{path: {folder}}}}}\n"
    small.ok("apply", "-f", small.write("d.yaml", depot))
    text = workflow("full", {"dataset": "dataos://landing:none/a.csv", "format": "csv"}, lake("full"))
    filler = small.home.parent / "filler"
    free = os.statvfs(small.home).f_bavail * os.statvfs(small.home).f_frsize
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as out:
        left = free - (3 << 20)
        while left > 0:
            left -= out.write(b"\0" * min(left, 1 << 20))
    done = small.cli("apply", "-f", small.write("full.yaml", text), "--wait", "--timeout", "100", timeout=150)
    assert done.code == 1, done.err
    assert "Traceback" not in done.err
    assert any(words in done.err for words in ("disk is full", "No space left", "no space left")), done.err
    filler.unlink()
    assert small.cli("query", "SELECT count(*) FROM lakehouse.faults.full").code == 1
    small.ok("apply", "-f", small.write("full.yaml", text), "-r", "--wait", timeout=150)
    found = small.ok("query", "SELECT count(*) AS n FROM lakehouse.faults.full", "-O", "json").json
    assert found[0]["n"] == 150_000


def test_a_job_waits_while_the_disk_has_less_room_than_must_stay_free(small: Installation) -> None:
    small.ok("down")
    small.env["DATAOS_QUOTAS__FREE_MIB"] = "10000"
    small.up()
    folder = Path(small.write("landing/a.csv", "id\n1\n")).parent
    depot = f"name: landing\nversion: v1\ntype: depot\ndepot: {{type: FILE, file: {{path: {folder}}}}}\n"
    small.ok("apply", "-f", small.write("d.yaml", depot))
    text = workflow("waits", {"dataset": "dataos://landing:none/a.csv", "format": "csv"}, lake("waits"))
    small.ok("apply", "-f", small.write("waits.yaml", text))

    def reason() -> str:
        named = ("-t", "workflow", "-n", "waits", "-w", "public")
        return small.ok("get", "runtime", *named, "-O", "json").json["nodes"][0]["reason"] or ""

    wait_until(lambda: "waits for disk space" in reason(), what="the reason", timeout=60)
