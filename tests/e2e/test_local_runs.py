"""`develop start`: Flare jobs on this machine, without a server where they name none (ch04 10)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.server import Done, Installation, installation

PEOPLE = "id,name,at\n1,ada,2024-01-02\n2,bob,2023-05-06\n3,cid,2024-03-04\n"


@pytest.fixture
def alone(tmp_path: Path) -> Installation:
    """A client folder, and no server."""
    made = Installation(tmp_path)
    made.write("data/people.csv", PEOPLE)
    return made


def job(inputs: list[Any], steps: list[Any], outputs: list[Any], key: str = "stackSpec", **more: Any) -> dict[str, Any]:
    beside = more.pop("beside", {})
    body = {"inputs": inputs, "outputs": outputs, **({"steps": steps} if steps else {}), **more}
    return {"stack": "flare:7.0", "compute": "runnable-default", key: {"job": body}, "beside": beside}


def workflow(*jobs: dict[str, Any]) -> str:
    dag = [{"name": f"job-{n}", **j.pop("beside"), "spec": j} for n, j in enumerate(jobs)]
    return json.dumps({"name": "local", "version": "v1", "type": "workflow", "workflow": {"dag": dag}})


def sql(name: str, text: str) -> dict[str, Any]:
    return {"sequence": [{"name": name, "sql": text}]}


def start(where: Installation, text: str, *argv: str, **options: Any) -> Done:
    return where.cli(
        "develop",
        "start",
        "-s",
        "flare",
        "-f",
        where.write("wf.yaml", text),
        "-d",
        str(where.work / "data"),
        *argv,
        **options,
    )


def test_the_form_of_before_runs_as_it_is(alone: Installation) -> None:
    """ch04 10: the key `flare`, `inputType`, `/data/examples`, `depot: /dataout/` with sinks, jobs in their order."""
    file = {
        "name": "people",
        "inputType": "file",
        "file": {"path": "/data/examples/people.csv", "format": "csv", "isStream": False},
    }
    sink = [{"sequenceName": "few", "datasetName": "few", "outputName": "o", "outputType": "Parquet"}]
    first = job([file], [{**sql("few", "SELECT name, cast(id AS int) id FROM people WHERE at > '2024'"), "sink": sink}],
                [{"name": "o", "depot": "/dataout/"}], key="flare")  # fmt: skip
    second = job([{"name": "few", "dataset": "/dataout/few", "format": "parquet"}], [sql("n", "SELECT count(*) n FROM few")],
                 [{"name": "n", "dataset": "out/n", "format": "json"}], beside={"dependencies": "job-1"})  # fmt: skip
    done = start(alone, workflow(second, first), "-P", "14040")
    assert done.code == 0, done.out
    data = alone.work / "data"
    assert pq.read_table(data / "dataout" / "few").sort_by("id").to_pydict() == {"name": ["ada", "cid"], "id": [1, 3]}
    assert [json.loads(f.read_text()) for f in (data / "out" / "n").glob("*.json")] == [{"n": 2}]
    assert done.out.count("run complete") == 2
    assert "dataos://local" not in done.out + done.err
    assert str(data / "dataout" / "few") in done.out
    assert "-P has no effect" in done.err


def test_a_shell_looks_at_the_views(alone: Installation) -> None:
    text = workflow(job([{"name": "people", "dataset": "people.csv"}], [sql("few", "SELECT name FROM people")],
                        [{"name": "few", "dataset": "out", "format": "csv"}]))  # fmt: skip
    typed = 'tables\nspark.sql("SELECT count(*) AS n FROM few").show()\nspark.table("few").printSchema()\nexit\n'
    done = start(alone, text, "--shell", "--limit", "2", input=typed)
    assert done.code == 0, done.out
    assert "people\nfew\n" in done.out
    assert "|  2|" in done.out  # --limit
    assert "|-- name: string" in done.out
    assert (alone.work / "data" / "out" / "_SUCCESS").exists()


def test_explain_limit_and_one_job(alone: Installation) -> None:
    def one(name: str) -> dict[str, Any]:
        return job([{"name": "people", "dataset": "people.csv"}], [sql("few", "SELECT name FROM people")],
                   [{"name": "few", "dataset": name, "format": "csv", "options": {"compressionType": "gzip"}}])  # fmt: skip

    done = start(alone, workflow(one("a"), one("b")), "--explain", "--job", "job-1", "--limit", "1")
    assert done.code == 0, done.out
    assert "Physical Plan" in done.out
    assert not (alone.work / "data" / "a").exists()
    (file,) = (alone.work / "data" / "b").glob("*.csv.gz")
    assert gzip.decompress(file.read_bytes()).decode() == "name\nada\n"
    assert "did you mean `job-1`" in start(alone, workflow(one("a"), one("b")), "--job", "job1").out


def test_an_iceberg_folder_is_read(alone: Installation) -> None:
    from pyiceberg.catalog.sql import SqlCatalog

    place = alone.work / "data" / "lake"
    catalog = SqlCatalog("x", uri=f"sqlite:///{alone.work}/c.db", warehouse=f"file://{place}")
    catalog.create_namespace("shop")
    made = catalog.create_table("shop.orders", pa.schema([("id", pa.int64())]), location=f"file://{place}/shop/orders")
    made.append(pa.table({"id": [1, 2]}))
    entry = {
        "name": "o",
        "inputType": "file",
        "file": {
            "format": "iceberg",
            "warehousePath": "/data/examples/lake",
            "schemaName": "shop",
            "tableName": "orders",
        },
    }
    done = start(
        alone,
        workflow(
            job([entry], [sql("s", "SELECT sum(id) n FROM o")], [{"name": "s", "dataset": "s", "format": "json"}])
        ),
    )
    assert done.code == 0, done.out
    assert [json.loads(f.read_text()) for f in (alone.work / "data" / "s").glob("*.json")] == [{"n": 3}]


@pytest.mark.parametrize(
    ("entry", "target", "said"),
    [
        ({"dataset": "nothing.csv"}, {}, "Path does not exist: "),
        ({"dataset": "people.csv", "format": "iceberg"}, {}, "format `iceberg` is none of files"),
        ({"dataset": "people"}, {}, "tells no format"),
        ({"dataset": "people.csv"}, {"format": None}, "it names no format"),
        ({"dataset": "people.csv"}, {"format": "iceberg"}, "Iceberg tables are written to a Lakehouse"),
        ({"inputType": "jdbc", "jdbc": {"url": "jdbc:postgresql://h/d", "password": "s3cret"}}, {}, "reads and writes files itself, and jdbc through a depot"),
        ({"inputType": "file", "file": {"path": "s3a://b/x.csv"}}, {}, "reads s3a through a depot"),
        ({"dataset": "dataos://lakehouse:a/b"}, {}, "is on a server, and there is none"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(alone: Installation, entry: dict[str, Any], target: dict[str, Any], said: str) -> None:
    wanted = {k: v for k, v in {"name": "i", "dataset": "out", "format": "csv", **target}.items() if v is not None}
    done = start(alone, workflow(job([{"name": "i", **entry}], [], [wanted])))
    assert done.code == 1
    assert said in done.out
    assert "s3cret" not in done.out + done.err
    assert not (alone.work / "data" / "out").exists()


def test_faults_are_told_all_at_once_and_with_their_place(alone: Installation) -> None:
    text = workflow(job([{"name": "i", "dataset": "people.csv"}], [sql("s", "SELECT * FROM j"), sql("t", "SELECT nope(1)")],
                        [{"name": "x", "dataset": "o", "format": "csv"}]))  # fmt: skip
    done = start(alone, text)
    assert done.code == 1
    for part in (
        "there is no view `j`",
        "there is no function `nope`",
        "workflow.dag[0].spec.stackSpec.job.steps[0].sequence[0].sql",
    ):
        assert part in done.out


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("local")) as made:
        folder = Path(made.write("landing/people.csv", PEOPLE)).parent
        made.ok(
            "apply",
            "-f",
            made.write(
                "d.yaml", f"name: landing\nversion: v1\ntype: depot\ndepot: {{type: FILE, file: {{path: {folder}}}}}\n"
            ),
        )
        (made.work / "data").mkdir()
        yield made


def test_addresses_of_a_server_are_read_and_written_for_real(server: Installation) -> None:
    inputs = [{"name": "people", "dataset": "dataos://landing:none/people.csv", "format": "csv"}]
    text = workflow(
        job(inputs, [sql("few", "SELECT cast(id AS int) id FROM people")],
            [{"name": "few", "dataset": "dataos://lakehouse:try/few?acl=rw"}]),
        job([{"name": "few", "dataset": "dataos://lakehouse:try/few"}], [sql("n", "SELECT sum(id) n FROM few")],
            [{"name": "n", "dataset": "n", "format": "json"}], beside={"dependencies": ["job-0"]}),
    )  # fmt: skip
    done = start(server, text)
    assert done.code == 0, done.out
    assert server.ok("query", "SELECT count(*) AS n FROM lakehouse.try.few", "-O", "json").json == [{"n": 3}]
    assert [json.loads(f.read_text()) for f in (server.work / "data" / "n").glob("*.json")] == [{"n": 6}]
    assert server.client().connection.token.reveal() not in done.out + done.err
