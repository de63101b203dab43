"""Addresses become real places: what is checked at apply, and what a job may see."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dataos.core.clock import SystemClock
from dataos.core.errors import DataOSError, Problem
from dataos.core.ids import AttemptId, RandomIds, RunId, UserId
from dataos.depots.ports import DepotEntry
from dataos.depots.resolver import Depots, register
from dataos.governance.vault import Vault
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.listing import Listing
from dataos.lakehouse.views import PUBLISHED, CreateRequest, TableRef
from dataos.processes.ports import Isolation
from dataos.stacks.flare.plan import FlarePlanner
from dataos.store import tables
from dataos.store.database import Store, sqlite_url
from dataos.workloads.ports import AttemptRequest, JobRequest, Plan, Rooms
from integration.flare.helpers import output, spec
from support.access import OpenAccess


@dataclass
class World:
    """Depots dropzone (FILE), orderzdb (POSTGRESQL), lakehouse (ICEBERG) with one table sales.known."""

    folder: Path
    rooms: Rooms
    known: str

    def job(self, stack_spec: dict[str, Any], **more: Any) -> JobRequest:
        return JobRequest(
            workspace="public", resource="wf", resource_id="workflow:v1:wf:public", job="load", run_as=UserId("me"),
            stack_spec=stack_spec, path="workflow.dag[0].spec.stackSpec", **more,
        )  # fmt: skip

    def check(self, stack_spec: dict[str, Any]) -> list[Problem]:
        return asyncio.run(FlarePlanner().check(self.job(stack_spec), self.rooms))

    def plan(self, stack_spec: dict[str, Any], **more: Any) -> Plan:
        attempt = AttemptRequest(self.job(stack_spec, **more), RunId("r1"), AttemptId("r1-load-1"), 1, "canary-token")
        return asyncio.run(FlarePlanner().plan(attempt, self.rooms))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    for name in ("landing", "warehouse"):
        (tmp_path / name).mkdir()
    (tmp_path / "landing" / "a.csv").write_text("id\n1\n")
    (tmp_path / "landing" / "b.csv").write_text("id\n2\n")
    (tmp_path / "landing" / "orders.csv.zip").write_bytes(b"")
    (tmp_path / "landing" / "secret.txt").write_text("canary")
    store = Store(sqlite_url(tmp_path / "store.db"))
    store.write_sync(tables.metadata.create_all)
    catalog = Catalog(store, SystemClock(), RandomIds())
    store.write_sync(catalog.register_warehouse, "lakehouse", "uid", tmp_path / "warehouse")
    depots = Depots(
        store,
        Vault(bytes(32), SystemClock()),
        allowed_paths=[tmp_path],
        connect_timeout_s=1,
        lakehouse=Listing(catalog),
    )
    for name, kind, location in (
        ("dropzone", "FILE", {"path": str(tmp_path / "landing")}),
        ("orderzdb", "POSTGRESQL", {"host": "localhost"}),
        ("lakehouse", "ICEBERG", {"warehouse": "lakehouse"}),
        ("searching", "ELASTICSEARCH", {"nodes": ["localhost:9200"]}),
        ("events", "PULSAR", {"adminUrl": "http://localhost:1", "serviceUrl": "pulsar://localhost:2", "tenant": "t"}),
        ("hub", "EVENTHUB", {"endpoint": "sb://localhost/"}),
    ):
        store.write_sync(register, DepotEntry(name, f"uid-{name}", kind, location))

    async def make() -> str:
        await catalog.ensure_namespace(PUBLISHED, "lakehouse", "sales")
        ref = TableRef("lakehouse", "sales", "known")
        schema = {
            "type": "struct",
            "schema-id": 0,
            "fields": [{"id": 1, "name": "id", "required": False, "type": "long"}],
        }
        await catalog.create_table(PUBLISHED, CreateRequest(ref, schema))
        return (await catalog.locations(PUBLISHED, [ref]))[ref]

    known = asyncio.run(make())
    yield World(tmp_path, Rooms(depots, catalog, OpenAccess()), known.removeprefix("file://"))
    catalog.close()
    store.close()


def csv(dataset: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": "a", "dataset": dataset, **more}]


GOOD = [
    csv("dataos://dropzone:none/a.csv"),
    csv("dataos://dropzone:none/orders.csv.zip"),
    csv("dataos://dropzone:none/*.csv", format="csv"),
    csv("dataos://dropzone:none/later*.csv", format="csv"),
    csv("dataos://orderzdb:public/orders"),
    csv("dataos://orderzdb:public/orders", format="Postgres"),
    csv("dataos://lakehouse:sales/made_by_an_earlier_job"),
    csv("dataos://events:none/orders", isStream=False),
    csv(
        "dataos://events:none/orders", isStream=False, format="Pulsar", options={"startingOffsets": '{"orders": "1:2"}'}
    ),
    csv("dataos://hub:default/orders", isStream=False),
    csv("dataos://hub:default/orders", isStream=False, format="EventHub"),
]


@pytest.mark.parametrize("inputs", GOOD)
def test_what_is_right_has_no_problems(world: World, inputs: list[dict[str, Any]]) -> None:
    assert world.check(spec(inputs, None, [output("a")])) == []


BAD = [
    (csv("dataos://dropzne:none/a.csv"), "depot.not_found", "invalid resource dependency, not found: dropzne:depot"),
    (csv("dataos://dropzone:none/c.csv"), "depot.path", "Path does not exist: dataos://dropzone:none/c.csv"),
    (csv("dataos://dropzone:none/data"), "flare.format", "names no format"),
    (csv("dataos://dropzone:none/a.csv", format="iceberg"), "flare.format", "format `iceberg` cannot be read from it"),
    (csv("dataos://lakehouse:sales/known", format="csv"), "flare.format", "format `csv` cannot be read from it"),
    (csv("dataos://searching:default/a"), "depot.unsupported", "is of type ELASTICSEARCH, which cannot yet be read by"),
    (csv("dataos://events:none/a"), "flare.streaming", "a topic is read as a stream, and the job has no `streaming`"),
    (csv("dataos://hub:default/a", format="kafkajson", isStream=False), "flare.format", "format `kafkajson` cannot be"),
    (
        csv("dataos://events:none/a", format="eventhub", isStream=False),
        "flare.format",
        "format `eventhub` cannot be read",
    ),
]


@pytest.mark.parametrize(("inputs", "code", "message"), BAD)
def test_inputs_are_checked(world: World, inputs: list[dict[str, Any]], code: str, message: str) -> None:
    (problem,) = world.check(spec(inputs, None, [output("a")]))
    assert problem.code == code
    assert message in problem.message
    assert problem.path == "workflow.dag[0].spec.stackSpec.job.inputs[0].dataset"


@pytest.mark.parametrize(
    ("dataset", "options", "said"),
    [
        ("dataos://hub:default/a", {"eventhubs.startingposition": '{"offset": "77"}'}, "AMQP"),
        ("dataos://events:none/a", {"startingOffsets": "12"}, "`startingOffsets`: it is earliest, latest, or"),
        ("dataos://events:none/a", {"topicsPattern": "a.*"}, "`topicsPattern` is not taken"),
    ],
)
def test_options_that_only_the_depot_explains_are_checked(
    world: World, dataset: str, options: dict[str, str], said: str
) -> None:
    (problem,) = world.check(spec(csv(dataset, isStream=False, options=options), None, [output("a")]))
    assert problem.code == "flare.option"
    assert said in problem.message
    (key,) = options
    assert problem.path is not None
    assert problem.path.startswith("workflow.dag[0].spec.stackSpec.job.inputs[0].options")
    assert key in problem.path


def test_near_names_of_depots(world: World) -> None:
    (problem,) = world.check(spec(csv("dataos://dropzne:none/a.csv"), None, [output("a")]))
    assert problem.hint == "did you mean `dropzone`?"


@pytest.mark.parametrize(
    ("dataset", "code", "said"),
    [
        ("dataos://dropzone:none/out?acl=rw", "flare.format", "add `format`: csv, json, parquet"),
        ("dataos://searching:none/out?acl=rw", "depot.unsupported", "types that can: FILE, POSTGRESQL, ICEBERG"),
        ("dataos://events:none/out?acl=rw csv", "flare.format", "leave `format` out, or write `pulsar`"),
        ("dataos://hub:default/out?acl=rw pulsar", "flare.format", "leave `format` out, or write `eventhub`"),
    ],
)
def test_an_output_goes_where_it_can(world: World, dataset: str, code: str, said: str) -> None:
    place, _, form = dataset.partition(" ")
    out = {"name": "a", "dataset": place, **({"format": form} if form else {})}
    (problem,) = world.check(spec(csv("dataos://dropzone:none/a.csv"), None, [out]))
    assert problem.code == code
    assert problem.path == "workflow.dag[0].spec.stackSpec.job.outputs[0].dataset"
    assert said in problem.hint


def test_files_are_left_for_the_server_to_bring(world: World) -> None:
    """The job sees no place to write to; a second try of the same run has the same mark, another run has not."""
    out = {"name": "a", "dataset": "dataos://dropzone:x/y/z?acl=rw", "format": "CSV", "options": {"saveMode": "Append"}}
    stack_spec = spec(csv("dataos://dropzone:none/a.csv"), None, [out])
    first, second = world.plan(stack_spec), world.plan(stack_spec)
    assert first.deliveries == second.deliveries
    (handover,) = first.deliveries
    assert (handover.address, handover.mode) == ("dataos://dropzone:x/y/z", "append")
    assert not any(m.writable for m in first.launch.mounts)


def test_a_job_sees_its_files_and_its_table_only(world: World) -> None:
    plan = world.plan(spec(csv("dataos://dropzone:none/*.csv", format="csv"), None, [output("a", "sales.known")]))
    seen = {(str(m.source), m.target, m.writable) for m in plan.launch.mounts}
    landing = world.folder / "landing"
    assert seen == {
        (str(landing / "a.csv"), str(landing / "a.csv"), False),
        (str(landing / "b.csv"), str(landing / "b.csv"), False),
        (world.known, world.known, True),
    }
    assert plan.launch.isolation is Isolation.PLATFORM
    assert plan.launch.server_access
    assert plan.rerunnable
    assert (plan.reads, plan.writes) == (("dataos://dropzone:none/*.csv",), ("dataos://lakehouse:sales/known",))


def test_the_author_s_own_functions_need_a_sandbox(world: World) -> None:
    """ch04 3.17: code of users."""
    body = spec(csv("dataos://dropzone:none/a.csv"), {"s": "SELECT f(id) AS x FROM a"}, [output("s", "sales.known")])
    body["job"]["udfs"] = {"f": "lambda value: value"}
    assert world.plan(body).launch.isolation is Isolation.USER


def test_a_schema_at_an_address_is_one_file_that_the_job_sees(world: World) -> None:
    body = spec(
        [{**csv("dataos://dropzone:none/a.csv")[0], "schemaPath": "dataos://dropzone:none/s.ddl"}],
        None,
        [output("a", "sales.known")],
    )
    (problem,) = world.check(body)
    assert problem.path == "workflow.dag[0].spec.stackSpec.job.inputs[0].schemaPath"
    place = world.folder / "landing" / "s.ddl"
    place.write_text("id BIGINT")
    assert world.check(body) == []
    plan = world.plan(body)
    assert str(place) in {str(m.source) for m in plan.launch.mounts}
    assert json.loads(plan.launch.files["config/job.json"])["sources"]["a"]["schema"] == str(place)
    body["job"]["inputs"][0]["schemaPath"] = "dataos://dropzone:none/*.csv"
    assert "names 2 files" in world.check(body)[0].message


def test_a_new_table_is_made_in_the_runs_own_folder_and_reading_stays_reading(world: World) -> None:
    plan = world.plan(spec(csv("dataos://lakehouse:sales/known"), None, [output("a", "sales.fresh")]))
    (known, fresh) = [(str(m.source), m.writable) for m in plan.launch.mounts]
    assert known == (world.known, False)
    assert (Path(fresh[0]).parent, fresh[1]) == (world.folder / "warehouse" / "sales", True)
    assert Path(fresh[0]).name.startswith("run-"), "no table of others is in it"


def test_a_table_that_is_read_and_written_is_writable(world: World) -> None:
    plan = world.plan(spec(csv("dataos://lakehouse:sales/known"), None, [output("a", "sales.known")]))
    assert [(str(m.source), m.writable) for m in plan.launch.mounts] == [(world.known, True)]


def test_the_token_goes_into_a_secret_file_only(world: World) -> None:
    plan = world.plan(spec(csv("dataos://dropzone:none/a.csv"), None, [output("a")]))
    assert plan.launch.files["secret/token"] == b"canary-token"
    others = [plan.launch.argv, dict(plan.launch.env), plan.launch.files["config/job.json"]]
    assert "canary-token" not in repr(others)


def test_sizes_reach_the_launch(world: World) -> None:
    body = spec(csv("dataos://dropzone:none/a.csv"), None, [output("a")])
    plan = world.plan({**body, "driver": {"cores": 1, "memory": "1g"}, "executor": {"cores": 2, "memory": "1g"}})
    assert (plan.launch.cpu, plan.launch.memory_bytes) == (2.0, (2048 + 384) << 20)
    assert json.loads(plan.launch.files["config/job.json"])["threads"] == 2
    asked = world.plan(body, cpu=0.5, memory_bytes=1 << 30)
    assert (asked.launch.cpu, asked.launch.memory_bytes) == (0.5, 1 << 30)


def test_many_files_are_seen_through_their_folder(world: World) -> None:
    folder = world.folder / "landing" / "many"
    folder.mkdir()
    for number in range(100):
        (folder / f"{number}.csv").write_text("id\n1\n")
    plan = world.plan(spec(csv("dataos://dropzone:many/*.csv", format="csv"), None, [output("a", "sales.known")]))
    assert (str(folder), False) in [(str(m.source), m.writable) for m in plan.launch.mounts]
    assert len(json.loads(plan.launch.files["config/job.json"])["sources"]["a"]["files"]) == 100


def test_an_input_that_vanished_since_apply(world: World) -> None:
    with pytest.raises(DataOSError) as caught:
        world.plan(spec(csv("dataos://lakehouse:sales/gone"), None, [output("a")]))
    assert caught.value.problem.code == "flare.input"
    assert caught.value.problem.path == "workflow.dag[0].spec.stackSpec.job.inputs[0].dataset"
