"""PyFlare from outside of the server, with an API key (ch04 11, 16.7): programs run as they stand in the chapter."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import subprocess
import sys
import tarfile
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads
import pytest
from deltalake import DeltaTable, write_deltalake

from support.server import Done, Installation, installation

CHAPTER = """
from pyflare.sdk import load, save, session_builder
spark = (session_builder.SparkSessionBuilder(log_level="INFO")
         .with_spark_conf([("spark.app.name", "shop"), ("spark.master", "local[*]")])
         .with_user_apikey(token).with_dataos_fqdn(fqdn)
         .with_depot(depot_name="lakehouse", acl="rw").build_session())
df = load(name="dataos://lakehouse:retail/orders", format="iceberg")
save(name="dataos://lakehouse:retail/orders_2024", dataframe=df.filter("year(order_date)=2024"),
     format="iceberg", mode="overwrite",
     options={"iceberg": {"partition": [{"type": "bucket", "column": "store_id", "bucket_count": 4}]}})
spark.stop()
"""
BEGIN = """
from pyflare.sdk import *
from pyflare.sdk import session_builder
builder = session_builder.SparkSessionBuilder("WARN").with_user_apikey(token).with_dataos_fqdn(fqdn)
"""
ORDERS = "id,store_id,order_date,amount\n1,7,2024-01-02,1.5\n2,8,2023-05-06,2.5\n3,9,2024-03-04,3.5\n"
BOOKS = (
    "name: books\nversion: v1\ntype: depot\ndepot: {{type: JDBC, jdbc: {{subprotocol: sqlite, database: {file}}}}}\n"
)
LAKES = "name: lakes\nversion: v1\ntype: depot\ndepot: {{type: FILE, file: {{path: {folder}, format: DELTA}}}}\n"
DEPOT = "name: landing\nversion: v1\ntype: depot\ndepot: {{type: FILE, file: {{path: {folder}}}}}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("pyflare")) as made:
        folder = Path(made.write("landing/orders.csv", ORDERS)).parent
        made.ok("apply", "-f", made.write("d.yaml", DEPOT.format(folder=folder)))
        with sqlite3.connect(made.work / "books.db") as books:
            books.execute("CREATE TABLE totals (store_id INTEGER, total REAL)")
        made.ok("apply", "-f", made.write("b.yaml", BOOKS.format(file=made.work / "books.db")))
        (made.work / "lakes").mkdir()
        made.ok("apply", "-f", made.write("l.yaml", LAKES.format(folder=made.work / "lakes")))
        done = program(
            made,
            BEGIN
            + """
            builder.with_depot("lakehouse", "rw").with_readers(["dataos://landing:none/orders.csv"]).build_session()
            df = load("dataos://landing:none/orders.csv", "csv", options={"inferSchema": "true"})
            save("dataos://lakehouse:retail/orders", df, mode="overwrite")
            """,
        )
        assert done.code == 0, done.err
        yield made


def key_of(server: Installation) -> str:
    return json.loads(server.ok("user", "apikey", "create", "-n", "pyflare", "-d", "1h", "-O", "json").out)["token"]


def program(server: Installation, text: str, token: str | None = None) -> Done:
    """Run a Python program as a notebook would: outside of the server, `token` and `fqdn` being known."""
    head = f"token = {(token or server.client().connection.token.reveal())!r}\nfqdn = {server.url!r}\n"
    lines = "\n".join(textwrap.dedent(part) for part in text.split("\n\n"))
    done = subprocess.run(
        [sys.executable, "-c", head + _dedented(lines)],
        capture_output=True, text=True, timeout=120, cwd=server.work, check=False,
        env={k: v for k, v in server.env.items() if not k.startswith("DATAOS_")},
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def _dedented(text: str) -> str:
    """Programs are written indented below a beginning that is not."""
    return "\n".join(line[12:] if line.startswith(" " * 12) else line for line in text.splitlines())


def rows(server: Installation, sql: str) -> list[dict[str, object]]:
    return server.ok("query", sql, "-O", "json").json


@pytest.mark.acceptance("ch04-AS20")
def test_the_program_of_the_chapter_runs_unchanged(server: Installation) -> None:
    """ch04-AS20: with an API key, from outside."""
    done = program(server, CHAPTER, key_of(server))
    assert done.code == 0, done.err
    assert rows(server, "SELECT id, store_id, amount FROM lakehouse.retail.orders_2024 ORDER BY id") == [
        {"id": 1, "store_id": 7, "amount": 1.5},
        {"id": 3, "store_id": 9, "amount": 3.5},
    ]
    assert list((server.home / "warehouse").rglob("orders_2024*/**/store_id_bucket=*/*.parquet"))
    assert not list(Path("/tmp").glob("pyflare-*/input-dataset_1.parquet"))


@pytest.mark.acceptance("ch04-AS20")
def test_a_depot_that_is_not_in_the_session(server: Installation) -> None:
    """ch04-AS20: InvalidInputException, and nothing is read."""
    done = program(server, CHAPTER.replace('.with_depot(depot_name="lakehouse", acl="rw")', ""))
    assert done.code == 1
    assert "InvalidInputException: Depot not loaded in current session: lakehouse" in done.err


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('builder.with_depot("lakehuose").build_session()', "InvalidInputException: Something went wrong in depot metadata API for depot: lakehuose with status code: 404"),
        ('builder.with_user_apikey("wrong").with_depot("lakehouse").build_session()', "InvalidInputException: Something went wrong in depot metadata API for depot: lakehouse with status code: 401"),
        ('builder.with_dataos_fqdn("127.0.0.1:9").with_depot("lakehouse").build_session()', "InvalidInputException: no server answers at http://127.0.0.1:9"),
        ("session_builder.SparkSessionBuilder().with_user_apikey(token).build_session()", "MissingEnvironmentVariable: no server"),
        ("session_builder.SparkSessionBuilder().with_dataos_fqdn(fqdn).build_session()", "MissingEnvironmentVariable: no API key"),
        ('load("dataos://lakehouse:retail/orders")', "MissingElementException: there is no session"),
        ('builder.with_depot("lakehouse", "x")', "InvalidInputException: acl `x` is not allowed"),
    ],
)  # fmt: skip
def test_a_session_that_cannot_be(server: Installation, body: str, said: str) -> None:
    done = program(server, BEGIN + body)
    assert done.code == 1
    assert said in done.err
    assert server.client().connection.token.reveal() not in done.err + done.out


def test_reading_and_writing_in_every_form(server: Installation) -> None:
    done = program(
        server,
        BEGIN
        + """
            spark = builder.with_depot("lakehouse", acl="rw").with_depot("landing").build_session()
            orders = "dataos://lakehouse:retail/orders"
            target = "dataos://lakehouse:retail/copies"
            df = load(orders, "iceberg")
            assert "__metadata" not in df.columns
            save(target, df.where("id < 3"), "iceberg")
            save(target, df.where("id = 3"), "iceberg")
            assert sorted(r.id for r in load(target).collect()) == [1, 2, 3]
            merge = {"onClause": "target.id = source.id", "whenClause": "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"}
            new = df.selectExpr("id + 1 AS id", "store_id", "order_date", "amount * 10 AS amount")
            save(target, new, "iceberg", mode="overwrite", options={"iceberg": {"merge": merge, "table_properties": {"a.b": "c"}}, "fanout-enabled": "true", "compression": "gzip"})
            assert {r.id: r.amount for r in load(target).collect()} == {1: 1.5, 2: 15.0, 3: 25.0, 4: 35.0}
            few = load(orders, "iceberg", query="SELECT count(*) AS n FROM lakehouse.retail.orders WHERE id > 1")
            assert [tuple(r) for r in few.collect()] == [(2,)]
            minerva_input("per_store", "SELECT store_id, sum(amount) AS total FROM lakehouse.retail.orders GROUP BY store_id", cluster_name="miniature")
            assert [r.total for r in spark.sql("SELECT total FROM per_store ORDER BY total").collect()] == [1.5, 2.5, 3.5]
            for what, kind in (
                (lambda: load("dataos://lakehouse:retail/nope"), PyflareReadException),
                (lambda: load(orders, "csv"), PyflareReadException),
                (lambda: load("dataos://landing:none/none.csv"), PyflareReadException),
                (lambda: load("dataos:////x"), InvalidInputException),
                (lambda: save(target, df.selectExpr("id", "1 AS more"), "iceberg"), PyflareWriteException),
                (lambda: save(target, df, "iceberg", mode="upsert"), PyflareWriteException),
                (lambda: save("dataos://landing:none/out", df, "csv"), InvalidInputException),
                (lambda: save(target), MissingElementException),
            ):
                try:
                    what()
                except kind as error:
                    print(f"{kind.__name__}: {error}")
                else:
                    raise SystemExit("nothing was raised")
            assert load(target).count() == 4
            """,
    )
    assert done.code == 0, done.err
    said = done.out.splitlines()
    assert len(said) == 8
    assert "the data has id, more" in said[4]
    assert "call with_depot" in said[6]


def test_one_session_after_another(server: Installation) -> None:
    done = program(
        server,
        BEGIN
        + """
            for n in (1, 2, 3):
                spark = builder.with_depot("lakehouse").build_session()
                assert load("dataos://lakehouse:retail/orders").distinct().count() == 3
                if n != 2:
                    spark.stop()
            """,
    )
    assert done.code == 0, done.err


WRITES = """
builder.with_depot("lakehouse").with_depot("landing", "rw").with_depot("books", "rw").with_depot("lakes", "rw").build_session()
totals = load("dataos://lakehouse:retail/orders").groupBy("store_id").sum("amount").withColumnRenamed("sum(amount)", "total")
save("dataos://landing:out/totals", totals.orderBy("store_id").coalesce(1), "csv", mode="overwrite", options={"header": "true"})
save("dataos://landing:out/parts", totals, "parquet", options={"partitionBy": "store_id"})
save("dataos://books:main/totals", totals)
save("dataos://lakes:shop/totals", totals, "delta", mode="overwrite")
save("dataos://lakes:shop/totals", totals, "delta", mode="append")
"""


def test_files_databases_and_tables_in_folders_are_written(server: Installation) -> None:
    """Through the server, which alone has credentials: all of a writing, or nothing."""
    done = program(server, BEGIN + WRITES)
    assert done.code == 0, done.err
    made = pads.dataset(server.work / "landing" / "out" / "totals", format="csv").to_table().to_pylist()
    assert sorted(r["total"] for r in made) == [1.5, 2.5, 3.5]
    parts = pads.dataset(server.work / "landing" / "out" / "parts", partitioning="hive").to_table()
    assert sorted(parts["store_id"].to_pylist()) == [7, 8, 9]
    with sqlite3.connect(server.work / "books.db") as books:
        assert sorted(books.execute("SELECT * FROM totals")) == [(7, 1.5), (8, 2.5), (9, 3.5)]
    table = DeltaTable(str(server.work / "lakes" / "shop" / "totals")).to_pyarrow_table()
    assert sorted(table["store_id"].to_pylist()) == [7, 7, 8, 8, 9, 9]
    assert not list((server.home / "uploads").glob("handed-*"))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ('save("dataos://landing:none/out", df)', "names no format"),
        ('save("dataos://lakes:shop/x", df, "iceberg")', "holds delta tables"),
        ('save("dataos://landing:../out", df, "csv")', "\\.\\."),
        ('save("dataos://landing:none/out", df.selectExpr("map(1, id) AS m"), "csv")', "CSV cannot hold"),
    ],
)
def test_what_cannot_be_written_is_said_and_nothing_is(server: Installation, call: str, said: str) -> None:
    before = sorted(p.name for p in (server.work / "landing").rglob("*"))
    begin = 'builder.with_depot("lakehouse").with_depot("landing", "rw").with_depot("lakes", "rw").build_session()\n'
    done = program(server, BEGIN + begin + f'df = load("dataos://lakehouse:retail/orders")\n{call}\n')
    assert done.code == 1, done.out
    assert re.search(f"(PyflareWrite|InvalidInput)Exception: .*{said}", done.err), done.err[-2000:]
    assert sorted(p.name for p in (server.work / "landing").rglob("*")) == before


def archive(*files: tuple[str, bytes | None], output: dict[str, Any] | None = None) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        body = json.dumps({"output": output, "name": "a-name-of-mine"}).encode() if output else None
        for name, content in [*([("output.json", body)] if body else []), *files]:
            info = tarfile.TarInfo(name)
            info.size = len(content or b"")
            info.type = tarfile.REGTYPE if content is not None else tarfile.SYMTYPE
            info.linkname = "" if content is not None else "/etc/passwd"
            tar.addfile(info, io.BytesIO(content or b""))
    return made.getvalue()


OUT = {"name": "x", "dataset": "dataos://landing:hostile/x?acl=rw", "format": "csv"}


@pytest.mark.parametrize(
    "body",
    [
        b"no archive at all",
        b"",
        archive(("outputs/0/a.csv", b"id\n1\n")),
        archive(("../a.csv", b"x"), output=OUT),
        archive(("outputs/0/../../../a.csv", b"x"), output=OUT),
        archive(("/tmp/a.csv", b"x"), output=OUT),
        archive(("outputs/0/a.csv", None), output=OUT),
        archive(("outputs/0/a.csv", b"1"), ("outputs/0/a.csv", b"2"), output=OUT),
        archive(("outputs/0/a.csv", b"x"), output=OUT)[:700],
    ],
)
def test_archives_that_are_none(server: Installation, body: bytes) -> None:
    request = urllib.request.Request(  # noqa: S310 - an address of our own server
        f"{server.url}/api/v1/outputs",
        data=body,
        headers={
            "Authorization": f"Bearer {server.client().connection.token.reveal()}",
            "Content-Type": "application/x-tar",
        },
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=20)  # noqa: S310
    answer = json.loads(caught.value.read())
    assert caught.value.code == 400, answer
    assert not (server.work / "landing" / "hostile").exists()
    assert not list((server.home / "uploads").glob("handed-*"))


def test_others_than_operators_write_nothing(server: Installation) -> None:
    server.ok("user", "create", "-t", "application", "-u", "bot", "-n", "Bot")
    key = server.ok("user", "apikey", "create", "-i", "bot", "-d", "1h", "-O", "json").json["token"]
    request = urllib.request.Request(  # noqa: S310 - an address of our own server
        f"{server.url}/api/v1/outputs", data=archive(output=OUT), headers={"Authorization": f"Bearer {key}"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=20)  # noqa: S310
    assert caught.value.code == 403
    caught.value.close()


def test_tables_in_folders_are_read(server: Installation) -> None:
    """The query engine reads Iceberg and Delta tables in place."""
    folder = server.work / "deltas"
    write_deltalake(str(folder / "shop" / "stores"), pa.table({"id": [1, 2]}))
    place = f"{{path: {folder}, format: DELTA}}"
    manifest = f"name: deltas\nversion: v1\ntype: depot\ndepot: {{type: FILE, file: {place}}}\n"
    server.ok("apply", "-f", server.write("deltas.yaml", manifest))
    done = program(
        server,
        BEGIN
        + """
            builder.with_depot("deltas").build_session()
            assert sorted(r.id for r in load("dataos://deltas:shop/stores", "delta").collect()) == [1, 2]
            assert load("dataos://deltas:shop/stores").count() == 2
            load("dataos://deltas:shop/stores", "csv")
            """,
    )
    assert done.code == 1
    assert "PyflareReadException: depot 'deltas' holds delta tables: format `csv` cannot be read from it" in done.err


def test_programs_of_before(server: Installation) -> None:
    """ch04 11, older style: inputs and outputs by view."""
    done = program(
        server,
        """
            from pyflare import logger, sdk, session
            log = logger.get("shop", "INFO")
            spark = session(api_key=token, dataos_url=fqdn, inputs={"orders": "dataos://lakehouse:retail/orders"},
                            outputs={"big": "dataos://lakehouse:retail/big"}, spark_conf_options=[("spark.app.name", "x")])
            spark.sql("SELECT * FROM orders WHERE amount > 2").createOrReplaceTempView("big")
            sdk.save(name="big", format="iceberg", mode="overwrite", options={"compression": "snappy"})
            log.info("saved")
            """,
    )
    assert done.code == 0, done.err
    assert "shop: saved" in done.err.replace("INFO  shop", "shop:") or "saved" in done.err
    assert [r["id"] for r in rows(server, "SELECT id FROM lakehouse.retail.big ORDER BY id")] == [2, 3]
