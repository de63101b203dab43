"""Streams on a running installation: Workflows that read folders, tables and topics, and what they wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml

from support.server import Installation, wait_until

CHECKPOINT = "dataos://lakehouse:sys/checkpoints/lines?acl=rw"


def workflow(
    name: str, inputs: list[dict[str, Any]], sql: str | None, outputs: list[dict[str, Any]], **job: Any
) -> str:
    """A manifest of one Flare job. `sql` makes the view `made`."""
    body: dict[str, Any] = {"inputs": inputs, "outputs": outputs, **job}
    if sql is not None:
        body["steps"] = [{"sequence": [{"name": "made", "sql": sql}]}]
    spec = {"stack": "flare:7.0", "compute": "runnable-default", "stackSpec": {"job": body}}
    dag = [{"name": "stream", "spec": spec}]
    return yaml.safe_dump({"name": name, "version": "v1", "type": "workflow", "workflow": {"dag": dag}})


def table(name: str, **options: Any) -> dict[str, Any]:
    """An output into the Lakehouse, of the view `made`."""
    made: dict[str, Any] = {"name": "made", "dataset": f"dataos://lakehouse:live/{name}?acl=rw", "format": "iceberg"}
    return {**made, "options": options} if options else made


def trigger(mode: str | None = "AvailableNow", **more: Any) -> dict[str, Any]:
    """The block `streaming`."""
    return {"checkpointLocation": CHECKPOINT, **({"triggerMode": mode} if mode else {}), **more}


def put(folder: Path, name: str, ids: range) -> None:
    """A CSV file of ids that appears whole."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{name}.new"
    draft.write_text("id,text\n" + "".join(f"{i},row {i}\n" for i in ids))
    os.rename(draft, folder / name)


def ids(made: Installation, name: str) -> list[int]:
    """The ids in a table, sorted; empty while it is not there."""
    done = made.cli("query", f"SELECT id FROM lakehouse.live.{name} ORDER BY id", "-O", "json")
    return [int(r["id"]) for r in json.loads(done.out)] if done.code == 0 else []


def state(made: Installation, name: str) -> dict[str, dict[str, str]]:
    """What a Workflow's stream remembers, by input."""
    return {s["input"]: s["state"] for s in made.client().states("workflow", name, "public")}


def ended(made: Installation, name: str, timeout: float = 90) -> dict[str, Any]:
    """The Workflow once its newest run has ended."""

    def look() -> dict[str, Any] | None:
        body = made.client().resource("workflow", name, "public")
        return body if body["settled"] and body["runtime"] in ("succeeded", "failed", "aborted") else None

    return wait_until(look, timeout, f"the end of {name}")


def run(made: Installation, name: str, *rest: Any, **job: Any) -> dict[str, Any]:
    """Apply a Workflow (`workflow`) and wait for the end of its run."""
    made.cli("apply", "-f", made.write(f"{name}.yaml", workflow(name, *rest, **job)), "-r", "--wait")
    return ended(made, name)


def rerun(made: Installation, name: str) -> dict[str, Any]:
    """Run it once more, to its end."""
    before = made.client().runs("workflow", name, "public")["items"][0]["id"]
    made.ok("runtime", "run", "-t", "workflow", "-n", name, "-w", "public")
    wait_until(lambda: made.client().runs("workflow", name, "public")["items"][0]["id"] != before, 20, "the new run")
    return ended(made, name)


def log(made: Installation, name: str) -> str:
    """The log of its newest run."""
    return "".join(n["text"] for n in made.client().log("workflow", name, "public", tail=-1)["nodes"])
