"""PyFlare from outside of the server, with an API key (ch04 11, 16.7): programs run as they stand in the chapter."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

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
DEPOT = "name: landing\nversion: v1\ntype: depot\ndepot: {{type: FILE, file: {{path: {folder}}}}}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("pyflare")) as made:
        folder = Path(made.write("landing/orders.csv", ORDERS)).parent
        made.ok("apply", "-f", made.write("d.yaml", DEPOT.format(folder=folder)))
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


def test_files_and_databases_are_not_written_from_outside(server: Installation) -> None:
    done = program(
        server,
        BEGIN
        + """
            builder.with_depot("lakehouse", "rw").with_depot("landing", "rw").build_session()
            save("dataos://landing:none/out", load("dataos://lakehouse:retail/orders"), "csv")
            """,
    )
    assert done.code == 1
    assert "tables of a Lakehouse are written, and this is a depot of type FILE" in done.err
    assert "let the program be a job of a Workflow" in done.err


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
