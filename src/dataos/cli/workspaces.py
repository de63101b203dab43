"""workspace create|get|delete, maintenance collect-garbage."""

from __future__ import annotations

from typing import Annotated

import typer

from dataos.cli import options
from dataos.cli.groups import Reader, Server, command
from dataos.core.errors import ExitCode, fail

app = typer.Typer(add_completion=False, rich_markup_mode=None)
WorkspaceName = Annotated[str, typer.Option("-n", "--name", help="Name of the workspace.")]


@command(app, "workspace-create")
def create(
    server: Server,
    name: WorkspaceName,
    description: Annotated[str, typer.Option("-d", "--description", help="What it is for.")] = "",
    layer: Annotated[str, typer.Option("-l", "--layer", help="user or system.")] = "user",
    labels: Annotated[list[str] | None, typer.Option("--labels", help="k=v,k=v")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tags", help="a,b")] = None,
    version: Annotated[str, typer.Option("-v", "--version", help="v1beta1")] = "v1beta1",
) -> int:
    """Make a workspace."""
    out = server.out()
    if version != "v1beta1":
        raise fail("usage.version", f"a workspace has version v1beta1, not {version}")
    label = f"workspace create({name}:{layer})"
    out.talk(f"{label}...", "🛠")
    body = {
        "name": name,
        "layer": layer,
        "description": description,
        "labels": _labels(options.comma_separated(labels)),
        "tags": options.comma_separated(tags),
    }
    server.client().json("POST", "/api/v1/workspaces", body=body)
    out.talk(f"{label}...created", "🛠")
    return ExitCode.OK


def _labels(pairs: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise fail("usage.labels", f"`{pair}` is no label", hint="write --labels key=value,key=value")
        found[key] = value
    return found


@command(app, "workspace-get")
def get(
    reader: Reader, layer: Annotated[str | None, typer.Option("-l", "--layer", help="user or system.")] = None
) -> int:
    """List workspaces."""
    out = reader.out()
    items = reader.client().json("GET", "/api/v1/workspaces", params={"layer": layer})["items"]
    if out.machine:
        out.data(items)
        return ExitCode.OK
    rows = [[w["name"], w["layer"], w["owner"], w["description"], ", ".join(w["tags"]), w["status"]] for w in items]
    out.table(["NAME", "LAYER", "OWNER", "DESCRIPTION", "TAGS", "STATUS"], rows)
    return ExitCode.OK


@command(app, "workspace-delete")
def delete(
    server: Server,
    name: WorkspaceName,
    force: Annotated[bool, typer.Option("--force", help="Delete what it holds first.")] = False,
) -> int:
    """Remove a workspace; it must be empty, unless --force."""
    out = server.out()
    client = server.client()
    label = f"workspace delete({name})"
    out.talk(f"{label}...", "🗑")
    if force:
        for item in reversed([r for r in client.resources(workspace=name) if r["workspace"] == name]):
            result = client.delete(item["type"], item["name"], name, force=True)
            out.talk(f"deleting({name}) {item['name']}:{item['version']}:{item['type']}...{result}", "🗑")
    result = client.json("DELETE", f"/api/v1/workspaces/{name}")["result"]
    out.talk(f"{label}...{result}", "🗑")
    return ExitCode.OK


@command(app, "maintenance-collect-garbage")
def collect_garbage(
    reader: Reader,
    duration: Annotated[str, typer.Option("-d", "--duration", help="Ended longer ago than that, e.g. 168h.")] = "168h",
    layer: Annotated[str, typer.Option("-l", "--layer", help="user or system.")] = "user",
    kubeconfig: Annotated[str | None, typer.Option("-k", "--kubeconfig", help="Has no effect here.")] = None,
) -> int:
    """Delete one-shot workflows of a layer that ended long ago. Active and scheduled ones stay."""
    out = reader.out()
    if kubeconfig:
        out.talk("-k has no effect: nothing of this runs on Kubernetes here", level="WARN")
    body = {"older_s": options.seconds(duration), "layer": layer}
    removed = reader.client().json("POST", "/api/v1/maintenance/collect-garbage", body=body)["removed"]
    if out.machine:
        out.data({"removed": removed})
    else:
        for id_ in removed:
            print(id_)
        out.talk(f"collect-garbage...{len(removed)} removed", "🗑")
    return ExitCode.OK
