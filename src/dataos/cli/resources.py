"""get, log, delete."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from dataos.cli import options
from dataos.cli.options import (
    Context,
    File,
    Format,
    Id,
    IdentifierText,
    Name,
    NoIcons,
    NoInterpolation,
    Recursive,
    Type,
    Url,
    Version,
    Workspace,
)
from dataos.cli.output import Output
from dataos.client.api import Client
from dataos.core.addresses import display_id
from dataos.core.errors import DataOSError, ExitCode, exit_code, fail
from dataos.manifest import registry

app = typer.Typer(add_completion=False, rich_markup_mode=None)
Details = Annotated[bool, typer.Option("-d", "--details", help="Everything, as YAML.")]
Refresh = Annotated[bool, typer.Option("-r", "--refresh", help="Draw again and again until Ctrl-C.")]
RefreshRate = Annotated[float, typer.Option("--refreshRate", min=0.1, help="Seconds between two drawings.")]


def redraw(rate: float, draw: Callable[[], int]) -> int:
    """Draw, wait, clear, draw: until Ctrl-C."""
    while True:
        draw()
        sys.stdout.flush()
        time.sleep(rate)
        if sys.stdout.isatty():
            sys.stdout.write("\x1b[2J\x1b[H")


@app.command("get")
def get(
    type: Type = None,
    name: Name = None,
    workspace: Workspace = None,
    identifier: IdentifierText = None,
    id: Id = None,
    version: Version = None,
    all: Annotated[bool, typer.Option("-a", "--all", help="Of all owners.")] = False,
    owner: Annotated[str | None, typer.Option("-o", "--owner", help="Of one owner.")] = None,
    details: Details = False,
    tags: Annotated[bool, typer.Option("--tags", help="Show tags.")] = False,
    refresh: Refresh = False,
    refresh_rate: RefreshRate = 5.0,
    un_sanitize: Annotated[
        bool, typer.Option("--unSanitize", help="With -d: secret values in clear (operators; written down).")
    ] = False,
    output: Format = "table",
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """List Resources, or show one named by -i, --id or -t -n."""
    out = options.output(output, no_icons)
    client = options.client(url, context)
    if refresh:
        return redraw(
            refresh_rate, lambda: get(type, name, workspace, identifier, id, version, all, owner, details, tags,
                                      False, refresh_rate, un_sanitize, output, url, context, no_icons)
        )  # fmt: skip
    out.talk("get...", "🔍")
    named = (
        options.target(identifier, id, type, name, workspace, version)
        if (identifier or id or (type and name))
        else None
    )
    if named is not None:
        items = [_of_version(client.resource(named.type, named.name, named.workspace), named)]
    else:
        wanted: dict[str, Any] = {"workspace": workspace, "name": name, "owner": owner, "version": version}
        wanted["mine"] = not (all or owner or name)
        if type:
            wanted["type"] = registry.canonical_type(type)
        items = [r for r in client.resources(**wanted) if not (workspace and r["workspace"] != workspace)]
        if details:
            items = [client.resource(r["type"], r["name"], r["workspace"]) for r in items]
    if un_sanitize:
        items = [client.resource(r["type"], r["name"], r["workspace"], unSanitize=True) for r in items]
    items.sort(key=lambda r: (r["workspace"] or "", r["type"], r["name"]))
    out.talk("get...complete", "🔍")
    if out.machine:
        out.data(items)
    elif details:
        for item in items:
            _show_details(item)
    else:
        headers = ["NAME", "VERSION", "TYPE", "WORKSPACE", "STATUS", "RUNTIME", "OWNER"] + (["TAGS"] if tags else [])
        keys = [h.lower() for h in headers]
        out.table(headers, [[", ".join(r[k]) if k == "tags" else r[k] for k in keys] for r in items])
    return ExitCode.OK


def _show_details(item: dict[str, Any]) -> None:
    print("---")
    print(f"# {display_id(item['type'], item['version'], item['name'])}")
    print(f"# {item['id']}")
    manifest = dict(item.get("manifest") or {})
    shown = {
        **manifest,
        "generation": item["generation"],
        "uid": item["uid"],
        "created": item["created"],
        "stamp": item["stamp"],
        "status": {
            "aggregateStatus": item["status"],
            "builderState": item["builder"],
            "runtimeState": {"status": item["runtime"]},
        },
    }
    Output("yaml").data(shown)


@app.command("log")
def log(
    type: Type = None,
    name: Name = None,
    workspace: Workspace = None,
    identifier: IdentifierText = None,
    id: Id = None,
    version: Version = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the run ends.")] = False,
    node: Annotated[str | None, typer.Option("--node", help="One node (or job), with all its attempts.")] = None,
    tail_lines: Annotated[int, typer.Option("-l", "--tailLines", help="Last lines of each node; -1 for all.")] = 300,
    container: Annotated[
        str | None, typer.Option("-c", "--container", help="Container: `main` is the only one.")
    ] = None,
    run: Annotated[str | None, typer.Option("--run", help="An older run, by its id (`dataos get runs`).")] = None,
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Print the logs of the newest run of a runnable, or of any run."""
    out = options.output("table", no_icons)
    named = options.need(identifier, id, type, name, workspace, version)
    if container not in (None, "main"):
        raise fail("run.not_found", f"there is no container `{container}`", hint="containers: main")
    client = options.client(url, context)
    check_version(client, named)
    body = client.log(named.type, named.name, named.workspace, run=run, node=node, tail=tail_lines)
    out.talk(f"log({named.workspace})...complete", "📃")
    for entry in body["nodes"]:
        print()
        out.table(["NODE NAME", "CONTAINER NAME", "ERROR"], [[entry["node"], "main", entry["error"]]])
        print("\n-------------------LOGS-------------------")
        sys.stdout.write(entry["text"])
    if not body["nodes"]:
        print("no logs yet: no job of the newest run has started (see `dataos get runtime` for the reason)")
    if follow:
        follow_log(client, named, node, body, run)
    return ExitCode.OK


def follow_log(
    client: Client, named: options.Target, node: str | None, body: dict[str, Any], run: str | None = None
) -> None:
    """Print what comes after `body`, an answer of the log route, until the run ends."""
    offsets = {e["attempt"]: e["next"] for e in body["nodes"]}
    last = ""
    while True:
        body = client.log(
            named.type, named.name, named.workspace, run=run, node=node, tail=-1, after=json.dumps(offsets)
        )
        for entry in body["nodes"]:
            if entry["text"]:
                if entry["node"] != last:
                    print(f"\n--- {entry['node']} (attempt {entry['number']})")
                    last = entry["node"]
                sys.stdout.write(entry["text"])
                sys.stdout.flush()
            offsets[entry["attempt"]] = entry["next"]
        if body.get("state") in (None, "succeeded", "failed", "aborted"):
            return
        time.sleep(0.3)


@app.command("delete")
def delete(
    type: Type = None,
    name: Name = None,
    workspace: Workspace = None,
    identifier: IdentifierText = None,
    id: Id = None,
    version: Version = None,
    manifest_file: File = None,
    recursive: Recursive = False,
    disable_interpolation: NoInterpolation = False,
    force: Annotated[bool, typer.Option("--force", help="Also if something depends on it.")] = False,
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Delete Resources named by -i, --id, -t -n, or all of a file in reverse order."""
    out = options.output("table", no_icons)
    client = options.client(url, context)
    targets = (
        _of_files(manifest_file, recursive, workspace, disable_interpolation)
        if manifest_file
        else [options.need(identifier, id, type, name, workspace, version)]
    )
    out.talk("delete...", "🗑")
    failed: DataOSError | None = None
    for item in targets:
        where = f"({item.workspace})" if item.workspace else ""
        label = f"deleting{where} {display_id(item.type, item.version or '', item.name).replace('::', ':')}"
        out.talk(f"{label}...", "🗑")
        try:
            if not manifest_file:
                check_version(client, item, absent_is_fine=True)
            result = client.delete(item.type, item.name, item.workspace, force=force)
        except DataOSError as error:
            for problem in error.problems:
                out.problem(problem)
            out.talk(f"{label}...error", "🗑", "WARN")
            failed = failed or error
            continue
        out.talk(f"{label}...{result}", "🗑")
    if failed is not None:
        out.talk("delete...error", "🗑", "WARN")
        return exit_code(failed.problem.code)
    out.talk("delete...complete", "🗑")
    return ExitCode.OK


def _of_files(files: list[Any], recursive: bool, workspace: str | None, raw: bool) -> list[options.Target]:
    from dataos.cli.documents import targets  # reading manifests costs start-up time that other calls need not pay

    return targets(files, recursive, workspace, raw)


def check_version(client: Client, named: options.Target, *, absent_is_fine: bool = False) -> None:
    """A Resource has one version: whoever names another means something else. Raises `resource.not_found`."""
    if named.version is None:
        return
    try:
        body = client.resource(named.type, named.name, named.workspace)
    except DataOSError as error:
        if absent_is_fine and error.problem.code == "resource.not_found":
            return
        raise
    _of_version(body, named)


def _of_version(body: dict[str, Any], named: options.Target) -> dict[str, Any]:
    if named.version not in (None, body["version"]):
        raise fail(
            "resource.not_found",
            f"{named.type} `{named.name}` has version {body['version']}, not {named.version}",
            hint="leave the version out, or name that one",
        )
    return body
