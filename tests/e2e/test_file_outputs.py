"""Outputs that are files: folders of this machine and object stores, whole or not at all, once however often."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from support import s3
from support.server import NO_SANDBOX, Installation, installation, wait_until

DEPOT = """\
name: {name}
version: v1
type: depot
depot: {{type: FILE, file: {{path: {folder}}}}}
"""
ID_DOWN = {"mode": "global", "columns": [{"name": "id", "order": "desc"}]}
ORDERS = (
    'id,region,amount,at\n1,eu,10.5,2024-01-02 03:04:05\n2,us,,2024-01-03 00:00:00\n3,eu,"x,""y",2024-01-04 00:00:00\n'
)


@pytest.fixture(scope="module")
def store() -> Iterator[s3.S3]:
    with s3.running() as made:
        made.bucket("shop", {"raw/in/orders.csv": ORDERS.encode(), "raw/in/_hidden.csv": b"no"})
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, store: s3.S3) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("outputs")) as made:
        folder = Path(made.write("landing/orders.csv", ORDERS)).parent
        made.ok("apply", "-f", made.write("d1.yaml", DEPOT.format(name="landing", folder=folder)))
        (folder.parent / "exports").mkdir()
        made.ok("apply", "-f", made.write("d2.yaml", DEPOT.format(name="exports", folder=folder.parent / "exports")))
        made.ok("apply", "--disable-interpolation", "-f", made.write("b.yaml", s3.depot(store.endpoint)))
        yield made


@pytest.fixture
def exports(server: Installation) -> Path:
    return Path(server.write("x", "")).parent / "exports"


def workflow(name: str, target: str, format_: str, sql: str = "select * from orders", **options: object) -> str:
    source = options.pop("source", "dataos://landing:none/orders.csv")
    body = {
        "name": name,
        "version": "v1",
        "type": "workflow",
        "workflow": {
            "dag": [
                {
                    "name": "export",
                    "spec": {
                        "stack": "flare:7.0",
                        "stackSpec": {
                            "job": {
                                "inputs": [{"name": "orders", "dataset": source, "format": "csv"}],
                                "steps": [{"sequence": [{"name": "final", "sql": sql}]}],
                                "outputs": [
                                    {"name": "final", "dataset": target, "format": format_, "options": options}
                                ],
                            }
                        },
                    },
                }
            ]
        },
    }
    return json.dumps(body)


def run(server: Installation, name: str, *args: object, **options: object) -> None:
    server.ok("apply", "-f", server.write(f"{name}.yaml", workflow(name, *args, **options)), "--wait")


def again(server: Installation, name: str) -> None:
    named = ("-t", "workflow", "-n", name, "-w", "public")
    before = server.ok("get", "runtime", *named, "-O", "json").json["run"]["id"]
    server.ok("runtime", "run", *named)

    def done() -> bool:
        run = server.ok("get", "runtime", *named, "-O", "json").json["run"]
        return run["id"] != before and run["state"] in ("succeeded", "failed")

    wait_until(done, what="the run's end", timeout=90)
    assert server.ok("get", "runtime", *named, "-O", "json").json["run"]["state"] == "succeeded"


def seen(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_parquet_goes_into_a_folder_and_is_replaced_whole(server: Installation, exports: Path) -> None:
    run(server, "pq", "dataos://exports:shop/orders?acl=rw", "parquet", "select id, region from orders")
    folder = exports / "shop" / "orders"
    first = seen(folder)
    assert "_SUCCESS" in first
    assert pq.read_table(folder).sort_by("id").to_pydict() == {"id": ["1", "2", "3"], "region": ["eu", "us", "eu"]}
    assert (folder / first[1]).stat().st_mode & 0o044  # others may read what was exported
    again(server, "pq")
    second = seen(folder)
    assert set(first) & set(second) == {"_SUCCESS"}
    assert pq.read_table(folder).num_rows == 3
    assert [p.name for p in folder.parent.iterdir()] == ["orders"]


def test_append_adds_files_and_keeps_those_of_others(server: Installation, exports: Path) -> None:
    (exports / "shop" / "all").mkdir(parents=True)
    (exports / "shop" / "all" / "mine.csv").write_text("id\n9\n")
    run(server, "ap", "dataos://exports:shop/all?acl=rw", "csv", "select id from orders", saveMode="append")
    again(server, "ap")
    folder = exports / "shop" / "all"
    texts = [p.read_text() for p in sorted(folder.glob("*.csv"))]
    assert sorted(texts) == sorted(["id\n9\n", "id\n1\n2\n3\n", "id\n1\n2\n3\n"])


def test_csv_as_its_options_say_it(server: Installation, exports: Path) -> None:
    sql = (
        "select cast(id as int) id, amount, cast(at as timestamp) at, cast(at as date) d, cast(null as string) n, '' e"
        " from orders"
    )
    run(
        server,
        "cs",
        "dataos://exports:shop/cs?acl=rw",
        "csv",
        sql,
        sort={"mode": "global", "columns": [{"name": "id", "order": "desc"}]},
    )
    (file,) = (exports / "shop" / "cs").glob("*.csv")
    assert file.read_text().splitlines() == [
        "id,amount,at,d,n,e",
        '3,"x,""y",2024-01-04T00:00:00.000Z,2024-01-04,,""',
        '2,,2024-01-03T00:00:00.000Z,2024-01-03,,""',
        '1,10.5,2024-01-02T03:04:05.000Z,2024-01-02,,""',
    ]
    extra = {
        "sep": ";",
        "header": "false",
        "nullValue": "NA",
        "dateFormat": "dd.MM.yyyy",
        "timestampFormat": "yyyy/MM/dd HH:mm",
    }
    run(server, "cs2", "dataos://exports:shop/cs2?acl=rw", "csv", sql, extraOptions=extra, compressionType="gzip")
    (file,) = (exports / "shop" / "cs2").glob("*.csv.gz")
    lines = sorted(gzip.decompress(file.read_bytes()).decode().splitlines())
    assert lines[0] == "1;10.5;2024/01/02 03:04;02.01.2024;NA;"


def test_folders_of_partitions_come_back_as_columns(server: Installation, exports: Path) -> None:
    sql = "select id, region || '/a=b c%' as region, cast(at as date) as day from orders"
    for kind in ("csv", "json", "parquet"):
        name = f"part-{kind}"
        run(server, name, f"dataos://exports:shop/{name}?acl=rw", kind, sql, partitionBy=["region", "day"])
        server.ok(
            "apply", "--wait", "-f",
            server.write(
                f"{name}-back.yaml",
                workflow(
                    f"{name}-back", f"dataos://lakehouse:back/{kind}?acl=rw", "iceberg",
                    "select id, region, day from orders", source=f"dataos://exports:shop/{name}",
                ).replace('"format": "csv"', f'"format": "{kind}"', 1),
            ),
        )  # fmt: skip
        rows = server.ok("query", f"SELECT id, region, day FROM lakehouse.back.{kind} ORDER BY id", "-O", "json").json
        assert [(r["id"], r["region"], r["day"]) for r in rows] == [
            ("1", "eu/a=b c%", "2024-01-02"), ("2", "us/a=b c%", "2024-01-03"), ("3", "eu/a=b c%", "2024-01-04"),
        ]  # fmt: skip


def test_an_empty_answer_is_a_folder_that_says_so(server: Installation, exports: Path) -> None:
    for kind in ("csv", "json", "parquet"):
        run(server, f"no-{kind}", f"dataos://exports:shop/no-{kind}?acl=rw", kind, "select id from orders where id > 5")
    assert pq.read_table(exports / "shop" / "no-parquet").schema.names == ["id"]
    (file,) = (exports / "shop" / "no-csv").glob("*.csv")
    assert file.read_text() == "id\n"
    assert "_SUCCESS" in seen(exports / "shop" / "no-json")


WIDE = """
    select cast(id as int) id, region, cast(id as bigint) * 10000000000 big, cast(1.5 as decimal(10, 2)) dec,
      cast(id = '1' as boolean) ok, cast(at as timestamp) at, cast(at as date) day,
      case when id = '2' then null else cast(id as double) / 4 end part
    from orders
"""
NESTED = ", array(id, region) list, named_struct('a', cast(id as int), 'b', region) st, map('k', id) tags from orders"


@pytest.mark.parametrize(
    ("kind", "options", "name"),
    [
        ("orc", {}, "*.snappy.orc"),
        ("orc", {"compressionType": "gzip"}, "*.gz.orc"),
        ("avro", {}, "*.avro"),
        ("avro", {"extraOptions": {"compression": "zstandard"}, "sort": ID_DOWN}, "*.avro"),
        ("xml", {"extraOptions": {"rootTag": "orders", "rowTag": "order"}}, "*.xml"),
        ("xml", {"compressionType": "gzip", "sort": ID_DOWN}, "*.xml.gz"),
        ("xlsx", {"extraOptions": {"sheetName": "Orders"}}, "*.xlsx"),
    ],
)
def test_other_formats_there_and_back(server: Installation, exports: Path, kind, options, name) -> None:
    """ch04 3.5, 3.6: what was written has its values and types when it is read."""
    nested = kind in ("orc", "avro")
    target = f"{kind}-{len(options)}"
    sql = WIDE.replace("\n    from orders\n", NESTED) if nested else WIDE
    run(server, target, f"dataos://exports:shop/{target}?acl=rw", kind.upper(), sql, **options)
    (file,) = (exports / "shop" / target).glob(name)
    assert file.stat().st_size > 100
    back = workflow(
        f"{target}-back", f"dataos://lakehouse:back/{kind}{len(options)}?acl=rw", "iceberg", "select * from orders",
        source=f"dataos://exports:shop/{target}",
    ).replace('"format": "csv"', f'"format": "{kind}", "options": {{"inferSchema": "true"}}', 1)  # fmt: skip
    server.ok("apply", "--wait", "-f", server.write("back.yaml", back))
    extra = ", list, st, tags" if nested else ""
    rows = server.ok(
        "query", f"SELECT id, region, big, dec, ok, at, day, part{extra} FROM lakehouse.back.{kind}{len(options)} ORDER BY id",
        "-O", "json",
    ).json  # fmt: skip
    expected = [
        {"id": 1, "region": "eu", "big": 10**10, "ok": True, "day": "2024-01-02", "part": 0.25},
        {"id": 2, "region": "us", "big": 2 * 10**10, "ok": False, "day": "2024-01-03", "part": None},
        {"id": 3, "region": "eu", "big": 3 * 10**10, "ok": False, "day": "2024-01-04", "part": 0.75},
    ]
    assert [{k: r[k] for k in expected[0]} for r in rows] == expected
    assert {float(r["dec"]) for r in rows} == {1.5}
    assert rows[0]["at"].startswith("2024-01-02 03:04:05")
    if nested:
        assert (rows[0]["list"], rows[0]["st"], rows[0]["tags"]) == (["1", "eu"], [1, "eu"], {"k": "1"})


def test_text_there_and_back(server: Installation, exports: Path) -> None:
    sql = "select concat_ws(';', id, region) as value, region from orders"
    run(server, "tx", "dataos://exports:shop/tx?acl=rw", "text", sql, partitionBy=["region"], compressionType="gzip")
    files = sorted((exports / "shop" / "tx").rglob("*.txt.gz"))
    assert [f.parent.name for f in files] == ["region=eu", "region=us"]
    assert sorted(gzip.decompress(files[0].read_bytes()).decode().splitlines()) == ["1;eu", "3;eu"]
    back = workflow(
        "tx-back", "dataos://lakehouse:back/tx?acl=rw", "iceberg", source="dataos://exports:shop/tx"
    ).replace('"format": "csv"', '"format": "text"', 1)
    server.ok("apply", "--wait", "-f", server.write("back.yaml", back))
    rows = server.ok("query", "SELECT value, region FROM lakehouse.back.tx ORDER BY value", "-O", "json").json
    assert [(r["value"], r["region"]) for r in rows] == [("1;eu", "eu"), ("2;us", "us"), ("3;eu", "eu")]


@pytest.mark.parametrize("kind", ["orc", "avro", "xml", "xlsx", "text"])
def test_an_empty_answer_of_other_formats_has_its_columns(server: Installation, exports: Path, kind: str) -> None:
    run(server, f"no-{kind}", f"dataos://exports:shop/no-{kind}?acl=rw", kind, "select id from orders where id > 5")
    names = [n for n in seen(exports / "shop" / f"no-{kind}") if n != "_SUCCESS"]
    assert len(names) == 1
    if kind == "orc":
        assert orc.ORCFile(exports / "shop" / "no-orc" / names[0]).schema.names == ["id"]


@pytest.mark.parametrize("place", ["dataos://landing:none/orders.avsc", "dataos://store:none/schemas/orders.ddl"])
def test_a_schema_at_an_address_is_read_at_each_run(server: Installation, store: s3.S3, place: str) -> None:
    """ch04 3.4: `schemaPath`, in a folder and in a store of objects."""
    fields = [{"name": n, "type": "string"} for n in ("region", "amount", "at")]
    avro = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}, *fields]}
    server.write("landing/orders.avsc", json.dumps(avro))
    store.put("shop", "raw/schemas/orders.ddl", b"id bigint, region string, amount string, at string")
    name = "sc" + place[9]
    text = workflow(name, f"dataos://lakehouse:back/{name}?acl=rw", "iceberg").replace(
        '"format": "csv"', f'"format": "csv", "schemaPath": "{place}"', 1
    )
    server.ok("apply", "--wait", "-f", server.write("sc.yaml", text))
    rows = server.ok(
        "query", f"SELECT sum(id) AS n, typeof(max(id)) AS t FROM lakehouse.back.{name}", "-O", "json"
    ).json
    assert rows == [{"n": 6, "t": "bigint"}]
    done = server.cli(
        "apply", "-f", server.write("sc.yaml", text.replace("orders.avsc", "no.avsc").replace(".ddl", ".no"))
    )
    assert done.code == 1
    assert "schemaPath" in done.err + done.out


def test_from_a_bucket_and_into_one(server: Installation, store: s3.S3) -> None:
    sql = "select id, cast(amount as double) amount from orders where id < 3"
    run(server, "s3", "dataos://store:out/orders?acl=rw", "json", sql, source="dataos://store:none/in")
    first = store.keys("shop", "raw/out/")
    assert [k.rpartition("/")[2] for k in first if "part-" not in k] == ["_SUCCESS"]
    texts = [store.read("shop", k).decode() for k in first if "part-" in k]
    assert sorted(json.dumps(json.loads(x)) for t in texts for x in t.splitlines()) == [
        '{"id": "1", "amount": 10.5}',
        '{"id": "2"}',
    ]
    again(server, "s3")
    second = store.keys("shop", "raw/out/")
    assert len(second) == len(first)
    assert not set(first) & set(second) - {"raw/out/orders/_SUCCESS"}
    run(
        server,
        "s3a",
        "dataos://store:out/orders?acl=rw",
        "json",
        sql,
        source="dataos://store:none/in/*.csv",
        saveMode="append",
    )
    third = store.keys("shop", "raw/out/")
    assert set(second) < set(third)


@pytest.mark.parametrize(
    ("target", "format_", "options", "said"),
    [
        ("dataos://exports:shop/x?acl=rw", "", {}, "names no format"),
        ("dataos://lakehouse:shop/x?acl=rw", "csv", {}, "holds Iceberg tables, not csv files"),
        ("dataos://exports:shop/x?acl=rw", "csv", {"iceberg": {"properties": {"a": "b"}}}, "written as csv files"),
        ("dataos://exports:shop/x?acl=rw", "iceberg", {"extraOptions": {"branch": "b"}}, "`branch` is of Lakehouse tables"),
        ("dataos://exports:shop/x/y?acl=rw", "iceberg", {}, "Invalid dataset found"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_apply(server: Installation, target, format_, options, said) -> None:
    text = workflow("bad", target, format_, **options)
    done = server.cli("apply", "-f", server.write("bad.yaml", text))
    assert done.code == 1
    assert said in done.err + done.out


@pytest.mark.parametrize(
    ("sql", "options", "said"),
    [
        ("select map('a', 1) m from orders", {}, "column `m` is map<string,int>, which CSV cannot hold"),
        ("select id from orders", {"partitionBy": ["id"]}, "all columns are in `partitionBy`"),
        ("select id from orders", {"partitionBy": ["ix"]}, "the partition column `ix` does not exist"),
        ("select id from orders", {"extraOptions": {"compression": "lzo"}}, "compression `lzo` is not allowed for csv"),
        ("select id, region from orders", {"kind": "text"}, "text files hold one column of strings"),
        ("select array(1) a from orders", {"kind": "xlsx"}, "column `a` is array<int>, which XLSX cannot hold"),
        ("select 1 as `a b` from orders", {"kind": "xml"}, "column `a b` cannot name an element of XML"),
        ("select map(1, 2) m from orders", {"kind": "avro"}, "column `m` is a map whose keys are no strings"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_before_anything_is_written(server, exports: Path, sql, options, said) -> None:
    name = f"misfit-{abs(hash(said)) % 1000}"
    text = workflow(name, "dataos://exports:shop/misfit?acl=rw", options.pop("kind", "csv"), sql, **options)
    done = server.cli("apply", "--wait", "-f", server.write(f"{name}.yaml", text))
    assert done.code == 1
    assert said in done.err + done.out
    assert not (exports / "shop" / "misfit").exists()


def test_functions_of_the_author_run_in_the_sandbox(server: Installation) -> None:
    """ch04 3.17: no network, nothing of the server's home, nothing of its environment."""
    source = f"""
import os, socket

def attempt(what: str) -> str:
    try:
        if what == "home":
            return "read " + str(len(os.listdir({str(server.home / "keys")!r})))
        if what == "store":
            return "read " + str(len(open({str(server.home / "store.db")!r}, "rb").read()))
        if what == "network":
            socket.create_connection(("127.0.0.1", {server.url.rpartition(":")[2]}), 2).close()
            return "connected"
        return "pid" if os.getpid() < 1000 else "many"
    except OSError as error:
        return type(error).__name__
"""
    body = json.loads(
        workflow(
            "udf", "dataos://lakehouse:back/tried?acl=rw", "iceberg", "select what, attempt(what) as got from asked"
        )
    )
    job = body["workflow"]["dag"][0]["spec"]["stackSpec"]["job"]
    job["udfs"] = {"attempt": source}
    asked = "select explode(array('home', 'store', 'network')) as what from orders limit 3"
    job["steps"][0]["sequence"].insert(0, {"name": "asked", "sql": asked})
    server.ok("apply", "--wait", "-f", server.write("udf.yaml", json.dumps(body)))
    rows = server.ok("query", "SELECT DISTINCT what, got FROM lakehouse.back.tried ORDER BY what", "-O", "json").json
    if NO_SANDBOX:
        pytest.skip(NO_SANDBOX)
    assert {r["what"]: r["got"] for r in rows} == {
        "home": "FileNotFoundError", "store": "FileNotFoundError", "network": "ConnectionRefusedError",
    }  # fmt: skip
