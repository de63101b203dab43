"""history, rollback, events."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dataos.cli.groups import Named, Reader, command
from dataos.cli.options import Name, Type, Workspace
from dataos.cli.output import Output
from dataos.client.api import resource_path
from dataos.core.errors import ExitCode
from dataos.manifest import registry

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@command(app, "history")
def history(
    named: Named,
    reader: Reader,
    generation: Annotated[int | None, typer.Option("--generation", help="Show this generation's manifest.")] = None,
) -> int:
    """Show the generations of a Resource, newest first; also of one deleted within the last 30 days."""
    out = reader.out()
    target = named.need()
    client = reader.client()
    path = resource_path(*target.key) + "/history"
    if generation is not None:
        body = client.json("GET", f"{path}/{generation}")
        if not out.machine:
            print(f"# {body['id']}, generation {generation}, by {body['appliedBy']} at {body['appliedAt']}")
            Output("yaml").data(body["manifest"])
            return ExitCode.OK
        out.data(body)
        return ExitCode.OK
    body = client.json("GET", path)
    if out.machine:
        out.data(body)
        return ExitCode.OK
    gone = f" (deleted at {body['deletedAt']}: `rollback` brings it back)" if body["state"] == "deleted" else ""
    out.talk(f"history of {body['id']}{gone}", "🕘")
    rows = [
        [
            ("* " if item["current"] else "  ") + str(item["generation"]),
            item["appliedAt"],
            item["appliedBy"],
            item["cause"],
            item["file"],
            _changes(item["changes"]),
        ]
        for item in body["items"]
    ]
    out.table(["GENERATION", "APPLIED AT", "APPLIED BY", "CAUSE", "FILE", "CHANGED"], rows)
    return ExitCode.OK


def _changes(changes: list[dict[str, Any]]) -> str:
    paths = [c["path"] for c in changes]
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


@command(app, "rollback")
def rollback(
    named: Named,
    reader: Reader,
    to_generation: Annotated[
        int | None, typer.Option("--to-generation", help="Generation to go back to; the one before if left out.")
    ] = None,
    expect_generation: Annotated[
        int | None, typer.Option("--expect-generation", help="Refuse unless this is the newest generation.")
    ] = None,
) -> int:
    """Store an old generation as the next one. Of a deleted Resource: bring it back (without secret values)."""
    out = reader.out()
    target = named.need()
    client = reader.client()
    out.talk("rollback...", "⏪")
    body = client.json(
        "POST",
        resource_path(*target.key) + "/rollback",
        body={"toGeneration": to_generation, "expectedGeneration": expect_generation},
    )
    resource = body["resource"]
    if out.machine:
        out.data(body)
    out.talk(
        f"{resource['id']}...{body['action']} (generation {body['from']} is now generation {resource['generation']})",
        "⏪",
    )
    out.talk("rollback...complete", "⏪")
    return ExitCode.OK


@command(app, "events")
def events(
    reader: Reader,
    type: Type = None,
    name: Name = None,
    workspace: Workspace = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="Newest events to show first.")] = 50,
    kind: Annotated[str | None, typer.Option("--kind", help="One kind, for instance created.")] = None,
) -> int:
    """Show what happened, oldest first. With -O json one object a line, so that programs can follow."""
    out = reader.out()
    client = reader.client()
    wanted = {"type": registry.canonical_type(type) if type else None, "name": name, "workspace": workspace}
    params: dict[str, Any] = {**wanted, "kind": kind, "limit": limit}
    page = client.json("GET", "/api/v1/events", params=params)
    _show_events(out, page["items"])
    while follow:
        params |= {"after": page["next"], "wait": 20, "limit": 1000}
        page = client.json("GET", "/api/v1/events", params=params, timeout_s=60.0)
        _show_events(out, page["items"])
    return ExitCode.OK


def _show_events(out: Output, items: list[dict[str, Any]]) -> None:
    for item in items:
        if out.machine:
            Output(out.fmt).data([item] if out.fmt == "yaml" else item)
        else:
            data = {k: v for k, v in item["data"].items() if k != "id" and v not in ("", None)}
            more = " ".join(f"{k}={v}" for k, v in data.items())
            print(
                f"{item['at']}  {item['kind']:<12} {item['id'] or ''}  by {item['actor']}  {more}".rstrip(), flush=True
            )
