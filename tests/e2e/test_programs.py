"""A job of a Workflow that is a Python program with PyFlare (ch04 11): one run, as of any Flare job."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.server import NO_SANDBOX, Done, Installation, installation

ORDERS = "id,store_id,order_date,amount\n1,7,2024-01-02,1.5\n2,8,2023-05-06,2.5\n3,9,2024-03-04,3.5\n"
DEPOT = "name: {name}\nversion: v1\ntype: depot\ndepot: {{type: FILE, file: {{path: {folder}{more}}}}}\n"
DATABASE = (
    "name: books\nversion: v1\ntype: depot\ndepot: {{type: JDBC, jdbc: {{subprotocol: sqlite, database: {file}}}}}\n"
)
SHOP = """
from pyflare.sdk import load, save, session_builder
spark = (session_builder.SparkSessionBuilder(log_level="INFO")
         .with_spark_conf([("spark.app.name", "shop"), ("spark.master", "local[*]")])
         .with_user_apikey("any").with_dataos_fqdn("no.such.host")
         .with_depot(depot_name="lakehouse", acl="rw").build_session())
df = load(name="dataos://lakehouse:retail/orders", format="iceberg")
save(name="dataos://lakehouse:retail/orders_2024", dataframe=df.filter("year(order_date)=2024"),
     format="iceberg", mode="overwrite",
     options={"iceberg": {"partition": [{"type": "bucket", "column": "store_id", "bucket_count": 4}]}})
spark.stop()
"""
BEGIN = "from pyflare.sdk import *\nfrom pyflare.sdk import session_builder\nspark = session_builder.SparkSessionBuilder().build_session()\n"
ORDERS_TABLE = {"name": "orders", "dataset": "dataos://lakehouse:retail/orders"}


@contextmanager
def shop(folder: Path, env: dict[str, str] | None = None) -> Generator[Installation]:
    """An installation with depots and a table of orders."""
    with installation(folder, env=env or {}) as made:
        folder = Path(made.write("landing/orders.csv", ORDERS)).parent
        for name, more in (("landing", ""), ("deltas", ", format: delta")):
            place = folder.parent / name
            place.mkdir(exist_ok=True)
            made.ok("apply", "-f", made.write(f"{name}.yaml", DEPOT.format(name=name, folder=place, more=more)))
        file = folder.parent / "books.db"
        with sqlite3.connect(file) as books:
            books.execute("CREATE TABLE totals (store_id INTEGER, total REAL)")
        made.ok("apply", "-f", made.write("books.yaml", DATABASE.format(file=file)))
        done = run(
            made,
            BEGIN + 'save("orders", load("file", options={"inferSchema": "true"}))',
            [{"name": "file", "dataset": "dataos://landing:none/orders.csv", "format": "csv"}],
            [{"name": "orders", "dataset": "dataos://lakehouse:retail/orders?acl=rw"}],
        )
        assert done.code == 0, done.err + log(made)
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with shop(tmp_path_factory.mktemp("programs")) as made:
        yield made


def run(
    server: Installation, program: str, inputs: list[Any], outputs: list[Any], name: str = "prog", **job: Any
) -> Done:
    body: dict[str, Any] = {"inputs": inputs, "outputs": outputs, "program": program, **job}
    spec = {"stack": "flare:7.0", "stackSpec": {"job": body}}
    manifest = {
        "name": name,
        "version": "v1",
        "type": "workflow",
        "workflow": {"dag": [{"name": "shape", "spec": spec}]},
    }
    return server.cli("apply", "--wait", "-r", "-f", server.write(f"{name}.json", json.dumps(manifest)))


def log(server: Installation, name: str = "prog") -> str:
    return server.cli("log", "-t", "workflow", "-w", "public", "-n", name).out


def rows(server: Installation, sql: str) -> list[dict[str, Any]]:
    return server.ok("query", sql, "-O", "json").json


@pytest.mark.acceptance("ch04-AS20")
def test_the_program_of_the_chapter_runs_in_a_workflow_unchanged(server: Installation) -> None:
    """ch04-AS20: server and key are those of the run, whatever the program names."""
    target = {"name": "y2024", "dataset": "dataos://lakehouse:retail/orders_2024?acl=rw", "title": "Of 2024"}
    done = run(server, SHOP, [ORDERS_TABLE], [target], "chapter")
    assert done.code == 0, done.err + log(server, "chapter")
    assert rows(server, "SELECT id, store_id FROM lakehouse.retail.orders_2024 ORDER BY id") == [
        {"id": 1, "store_id": 7}, {"id": 3, "store_id": 9},
    ]  # fmt: skip
    assert list((server.home / "warehouse").rglob("orders_2024*/**/store_id_bucket=*/*.parquet"))
    edges = server.ok("lineage", "dataos://lakehouse:retail/orders_2024", "-O", "json").out
    assert "dataos://lakehouse:retail/orders" in edges


EVERYWHERE = """
orders = load("dataos://lakehouse:retail/orders")
assert "__metadata" not in orders.columns
totals = orders.groupBy("store_id").sum("amount").withColumnRenamed("sum(amount)", "total")
save("dataos://landing:out/totals", totals.orderBy("store_id").coalesce(1), "csv", mode="overwrite", options={"header": "true"})
save("delta", totals)
save("dataos://books:main/totals", totals)
for year in (2023, 2024):
    save("dataos://lakehouse:retail/by_year", orders.where(f"year(order_date) = {year}"), "iceberg")
assert load("dataos://lakehouse:retail/by_year").count() == 3
n = minerva_input("n", "SELECT count(*) AS n FROM lakehouse.retail.orders")
assert n.collect()[0].n == 3 and spark.table("n").count() == 1
print("all is saved")
"""


def test_it_writes_files_databases_and_tables_in_one_run(server: Installation) -> None:
    outputs = [
        {"name": "files", "dataset": "dataos://landing:out/totals?acl=rw", "format": "csv", "options": {"saveMode": "overwrite"}},
        {"name": "delta", "dataset": "dataos://deltas:shop/totals?acl=rw"},
        {"name": "books", "dataset": "dataos://books:main/totals?acl=rw"},
        {"name": "years", "dataset": "dataos://lakehouse:retail/by_year?acl=rw"},
    ]  # fmt: skip
    done = run(server, BEGIN + EVERYWHERE, [ORDERS_TABLE], outputs, "everywhere")
    assert done.code == 0, done.err + log(server, "everywhere")
    assert "all is saved" in log(server, "everywhere")
    files = list((server.work / "landing" / "out" / "totals").rglob("*.csv"))
    assert {f.read_text().splitlines()[0] for f in files} == {"store_id,total"}
    assert sorted(line for f in files for line in f.read_text().splitlines()[1:]) == ["7,1.5", "8,2.5", "9,3.5"]
    want = [{"store_id": 7, "total": 1.5}, {"store_id": 8, "total": 2.5}, {"store_id": 9, "total": 3.5}]
    assert rows(server, "SELECT store_id, total FROM deltas.shop.totals ORDER BY store_id") == want
    assert rows(server, "SELECT store_id, total FROM books.main.totals ORDER BY store_id") == want
    assert rows(server, "SELECT count(*) AS n FROM lakehouse.retail.by_year") == [{"n": 3}]
    again = run(server, BEGIN + 'save("copy", load("d"))', [{"name": "d", "dataset": "dataos://deltas:shop/totals"}],
                [{"name": "copy", "dataset": "dataos://lakehouse:retail/from_delta?acl=rw"}], "back")  # fmt: skip
    assert again.code == 0, again.err + log(server, "back")
    assert rows(server, "SELECT count(*) AS n FROM lakehouse.retail.from_delta") == [{"n": 3}]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("1 / 0", "the program, line 6: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "the program ended with 3"),
        ('save("second", load("orders").selectExpr("nothing"))', "there is no column `nothing`"),
        ('load("dataos://lakehouse:retail/others")', "InvalidInputException: dataos://lakehouse:retail/others is not among the `inputs` of the job"),
        ('save("dataos://lakehouse:retail/thrid", load("orders"))', "is not among the `outputs` of the job"),
        ('load("dataos://books:main/totals")', "Depot not loaded in current session: books"),
        ('load("orders", "csv")', "is read as iceberg in this job, not as csv"),
        ('minerva_input("m", "SELECT * FROM lakehouse.retail.orders_2024")', "dataos://lakehouse:retail/orders_2024 is not among the `inputs`"),
        ("pass", "the program ended without saving dataos://lakehouse:retail/second"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ('try:\n    save("second", load("orders"))\nexcept Exception: pass', "1 out of 1 assertions failed for dataset dataos://lakehouse:retail/second"),
    ],
)  # fmt: skip
def test_a_program_that_fails_leaves_nothing(server: Installation, body: str, said: str) -> None:
    first = {"name": "first", "dataset": "dataos://lakehouse:retail/first?acl=rw"}
    second = {
        "name": "second",
        "dataset": "dataos://lakehouse:retail/second?acl=rw",
        "assertions": [{"sql": "SELECT max(id) AS top FROM second", "tests": ["top < 3"]}],
    }
    program = f'{BEGIN}save("first", load("orders"))\n\n{body}\n'
    done = run(server, program, [ORDERS_TABLE], [first, second], "failing")
    assert done.code == 1
    assert said in done.err + done.out + log(server, "failing")
    for name in ("first", "second"):
        assert server.cli("query", f"SELECT * FROM lakehouse.retail.{name}").code == 1


@pytest.mark.skipif(bool(NO_SANDBOX), reason=NO_SANDBOX or "")
def test_a_program_is_in_a_sandbox_and_has_the_token_of_its_run(server: Installation) -> None:
    key = server.client().connection.token.reveal()
    program = BEGIN + (
        "import os, socket\n"
        f"found = [os.path.exists({str(server.home / 'state')!r}), os.path.exists({str(server.work)!r})]\n"
        "try:\n    socket.create_connection(('127.0.0.1', 22), 1)\nexcept OSError as error: found.append(type(error).__name__)\n"
        f"text = open(os.environ['DATAOS_SECRET_DIR'] + '/token').read()\nfound.append({key!r} in text)\n"
        "save('out', spark.createDataFrame([(str(found),)], 'found string'))\n"
    )
    target = {"name": "out", "dataset": "dataos://lakehouse:retail/sandboxed?acl=rw"}
    done = run(server, program, [], [target], "boxed")
    assert done.code == 0, done.err + log(server, "boxed")
    found = rows(server, "SELECT found FROM lakehouse.retail.sandboxed")
    assert found == [{"found": "[False, False, 'ConnectionRefusedError', False]"}]


def test_a_program_in_a_file_of_its_own_is_read_at_apply(server: Installation) -> None:
    server.write("shape.py", BEGIN + 'save("out", spark.range(3))\n')
    manifest = """\
name: filed
version: v1
type: workflow
workflow:
  dag:
    - name: shape
      spec:
        stack: flare:7.0
        stackSpec:
          job:
            programFile: {file}
            outputs: [{{name: out, dataset: "dataos://lakehouse:retail/filed?acl=rw"}}]
"""
    server.ok("apply", "--wait", "-f", server.write("filed.yaml", manifest.format(file="shape.py")))
    assert rows(server, "SELECT count(*) AS n FROM lakehouse.retail.filed") == [{"n": 3}]
    done = server.cli("apply", "-f", server.write("filed.yaml", manifest.format(file="none.py")))
    assert done.code == 1
    assert "file `none.py` was not found" in done.err


def test_an_incremental_input_of_a_program_goes_on_where_the_last_run_ended(server: Installation) -> None:
    window = {
        "context": "raw", "sql": "SELECT * FROM raw WHERE id > $|last| AND id <= $|top|",
        "keys": [{"name": "last", "sql": "SELECT 0"}, {"name": "top", "sql": "SELECT max(id) FROM raw WHERE id < $|last| + 3"}],
        "state": [{"key": "last", "value": "top"}],
    }  # fmt: skip
    entry = {**ORDERS_TABLE, "incremental": window}
    target = {"name": "out", "dataset": "dataos://lakehouse:retail/windows?acl=rw"}
    for expected in (2, 3):
        done = run(server, BEGIN + 'save("out", load("orders").select("id"))', [entry], [target], "windows")
        assert done.code == 0, done.err + log(server, "windows")
        assert rows(server, "SELECT count(*) AS n FROM lakehouse.retail.windows") == [{"n": expected}]


def test_a_job_that_writes_elsewhere_than_before_says_so(server: Installation) -> None:
    """ch04 6.2: outputs under the same job name are bound anew, with a notice."""
    for name, said in (("bound1", False), ("bound1", False), ("bound2", True), ("bound2", False)):
        target = {"name": "out", "dataset": f"dataos://lakehouse:retail/{name}?acl=rw"}
        done = run(server, BEGIN + 'save("out", spark.range(1))', [], [target], "binding")
        assert done.code == 0, done.err
        assert ("does not write dataos://lakehouse:retail/bound1" in done.err) is said
    assert rows(server, "SELECT count(*) AS n FROM lakehouse.retail.bound1") == [{"n": 2}]
