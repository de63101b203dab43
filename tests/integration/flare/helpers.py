"""A catalog behind a real HTTP server, and Flare jobs run as processes against it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request

from dataos.core.errors import fail
from dataos.core.ids import AttemptId, RunId, UserId
from dataos.governance.principals import AttemptScope, Principal
from dataos.lakehouse.catalog import Catalog
from dataos.stacks.flare.driver import job as jobs
from dataos.stacks.flare.driver.output import Log
from dataos.store.database import Store
from support import nursery

WAREHOUSE = "lakehouse"


@dataclass
class Server:
    """A running catalog server. Tokens: `user`, or `attempt:<id>` for the view of an attempt."""

    url: str
    catalog: Catalog
    store: Store
    root: Path
    answers: dict[str, Any] = field(default_factory=dict[str, Any])  # address -> Arrow table, of POST /api/v1/inputs


@dataclass
class Done:
    """How a job ended."""

    code: int
    log: str
    result: dict[str, Any]

    @property
    def problem(self) -> dict[str, Any]:
        return self.result["problems"][0]


@dataclass
class Jobs:
    """Runs jobs; each is an attempt of its own."""

    server: Server
    folder: Path
    count: int = 0
    spark: str | None = None  # address of the Spark that runs them; None: Sail
    inside: bool = True  # on Spark: in this process (Sail's have one of their own)

    def run(
        self,
        spec: dict[str, Any],
        sources: dict[str, Any] | None = None,
        *,
        publish: bool = True,
        env: dict[str, str] | None = None,
        **more: Any,
    ) -> Done:
        """Run a job to its end. `sources`: input name -> files (list of paths), `table` or `query`."""
        self.count += 1
        attempt = f"a{self.count}"
        place = self.folder / attempt
        for name in ("config", "secret", "out", "scratch"):
            (place / name).mkdir(parents=True)
        (place / "config" / "job.json").write_bytes(self.body(spec, sources or {}, attempt, **more))
        (place / "secret" / "token").write_text(f"attempt:{attempt}")
        if self.spark is not None and self.inside:
            done = self._inside(place)
            if publish and done.code == 0:
                self.publish(attempt)
            return done
        whole = {
            **{k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "VIRTUAL_ENV")},
            "DATAOS_CONFIG_DIR": str(place / "config"),
            "DATAOS_SECRET_DIR": str(place / "secret"),
            "DATAOS_OUT_DIR": str(place / "out"),
            "DATAOS_TEMP_DIR": str(place / "scratch"),
            **(env or {}),
        }
        command = [sys.executable, "-m", "dataos.stacks.flare.driver"]
        done = nursery.run(command, env=whole, cwd=Path.cwd(), timeout=120, input=None)
        result = json.loads((place / "out" / "result.json").read_text())
        if publish and done.returncode == 0:
            self.publish(attempt)
        return Done(done.returncode, done.stdout + done.stderr, result)

    def _inside(self, place: Path) -> Done:
        """The driver's own way, without a process: starting one would take longer than a job."""
        from dataos.stacks.flare.driver.run import Run, utc_now

        job = jobs.load(place / "config", place / "secret")
        said = io.StringIO()
        moment = datetime.fromtimestamp(job.now_us / 1e6, UTC) if job.now_us else None
        run = Run(
            job,
            job.server,
            place / "scratch",
            place / "out",
            Log(job.log_level, said),
            (lambda: moment) if moment else utc_now,
        )
        with contextlib.redirect_stdout(said):
            ended_well = run.execute()
        run.result.write(place / "out")
        result = json.loads((place / "out" / "result.json").read_text())
        return Done(0 if ended_well else 1, said.getvalue(), result)

    def body(self, spec: dict[str, Any], sources: dict[str, Any], attempt: str, **more: Any) -> bytes:
        """job.json as the planner would write it."""
        job = spec.get("job", spec)
        resolved: dict[str, jobs.Source] = {}
        for entry in job.get("inputs", []):
            given = sources.get(entry["name"], "table")
            if given == "table":
                resolved[entry["name"]] = jobs.Source("table", **_table(entry["dataset"]))
            elif given == "query":
                resolved[entry["name"]] = jobs.Source("query")
            else:
                files = tuple(str(f) for f in given)
                resolved[entry["name"]] = jobs.Source("files", format=entry.get("format", "csv").lower(), files=files)
        targets = tuple(jobs.Target(**_table(o["dataset"]), branch=_branch(o)) for o in job.get("outputs", []))
        identity = {"workspace": "public", "workflow": "wf", "run": "r1", "job": "j", "attempt": attempt, "user": "me"}
        return jobs.dump(
            spec, resolved, targets, identity, **{"server": self.server.url, "threads": 2, "spark": self.spark, **more}
        )

    def publish(self, attempt: str) -> None:
        """What the server does when the job ended well."""
        import asyncio

        asyncio.run(self.server.catalog.prepare_publish(AttemptId(attempt)))
        self.server.store.write_sync(self.server.catalog.publish, AttemptId(attempt))


def _table(address: str) -> dict[str, Any]:
    from dataos.core.addresses import Udl

    udl = Udl.parse(address)
    return {"warehouse": udl.depot, "namespace": tuple((udl.collection or "").split(".")), "table": udl.dataset or ""}


def _branch(written: dict[str, Any]) -> str:
    options = written.get("options", {})
    return str(options.get("branch") or options.get("extraOptions", {}).get("branch") or "")


async def authenticate(request: Request) -> Principal:
    """The test's own tokens."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token.startswith("attempt:"):
        scope = AttemptScope("public", RunId("run"), AttemptId(token.removeprefix("attempt:")))
        return Principal(UserId("job"), attempt=scope)
    if token != "user":
        raise fail("auth.invalid", "unknown token")
    return Principal(UserId("user"))


def client(server: Server) -> Any:
    """A user's PyIceberg."""
    from pyiceberg.catalog import load_catalog

    return load_catalog("test", type="rest", uri=f"{server.url}/iceberg", warehouse=WAREHOUSE, token="user")


def table(server: Server, name: str) -> Any:
    """A published table, as a user's PyIceberg sees it."""
    return client(server).load_table(name)


def rows(server: Server, name: str, *columns: str) -> list[tuple[Any, ...]]:
    """All rows of a published table, sorted by their text; without the system column."""
    found = table(server, name).scan().to_arrow()
    if "__metadata" in found.column_names:
        found = found.drop_columns(["__metadata"])
    chosen = found.select(list(columns)) if columns else found
    return sorted((tuple(r.values()) for r in chosen.to_pylist()), key=str)


def columns(server: Server, name: str) -> list[str]:
    """Names of a published table's columns in order, without the system column."""
    return [f.name for f in table(server, name).schema().fields if f.name != "__metadata"]


def spec(
    inputs: list[dict[str, Any]],
    steps: dict[str, str] | None = None,
    outputs: list[dict[str, Any]] | None = None,
    **job: Any,
) -> dict[str, Any]:
    """A stackSpec."""
    body: dict[str, Any] = {"inputs": inputs, **job}
    if steps:
        body["steps"] = [{"sequence": [{"name": n, "sql": s} for n, s in steps.items()]}]
    if outputs:
        body["outputs"] = outputs
    return {"job": body}


def output(name: str, table: str = "sales.t", **options: Any) -> dict[str, Any]:
    """An output into the test's Lakehouse."""
    namespace, _, last = table.rpartition(".")
    made: dict[str, Any] = {
        "name": name,
        "dataset": f"dataos://{WAREHOUSE}:{namespace}/{last}?acl=rw",
        "format": "Iceberg",
    }
    checks = options.pop("assertions", None)
    if checks:
        made["assertions"] = checks
    if options:
        made["options"] = options
    return made
