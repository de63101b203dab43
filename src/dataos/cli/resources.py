"""get, log, delete."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from dataos.cli.groups import ManifestFiles, Named, Reader, Redrawn, Server, command
from dataos.cli.options import Details, Target
from dataos.cli.output import Output
from dataos.client.api import Client
from dataos.core.addresses import display_id
from dataos.core.details import detailed
from dataos.core.errors import DataOSError, ExitCode, exit_code, fail
from dataos.manifest import registry

app = typer.Typer(add_completion=False, rich_markup_mode=None)


def redraw(rate: float, draw: Callable[[], int]) -> int:
    """Draw, wait, clear, draw: until Ctrl-C."""
    while True:
        draw()
        sys.stdout.flush()
        time.sleep(rate)
        if sys.stdout.isatty():
            sys.stdout.write("\x1b[2J\x1b[H")


@command(app, "get")
def get(
    named: Named,
    reader: Reader,
    redrawn: Redrawn,
    all: Annotated[bool, typer.Option("-a", "--all", help="Of all owners.")] = False,
    owner: Annotated[str | None, typer.Option("-o", "--owner", help="Of one owner.")] = None,
    details: Details = False,
    tags: Annotated[bool, typer.Option("--tags", help="Show tags.")] = False,
    un_sanitize: Annotated[
        bool, typer.Option("--unSanitize", help="With -d: secret values in clear (operators; written down).")
    ] = False,
) -> int:
    """List Resources, or show one named by -i, --id or -t -n."""
    out = reader.out()
    client = reader.client()

    def draw() -> int:
        out.talk("get...", "🔍")
        items = _found(client, named, all=all, owner=owner, details=details)
        if un_sanitize:
            items = [client.resource(*_key(r), unSanitize=True) for r in items]
        items.sort(key=lambda r: (r["workspace"] or "", r["type"], r["name"]))
        out.talk("get...complete", "🔍")
        if out.machine:
            out.data(items)
        elif details:
            for item in items:
                _show_details(item)
        else:
            headers = ["NAME", "VERSION", "TYPE", "WORKSPACE", "STATUS", "RUNTIME", "OWNER"]
            headers += ["TAGS"] if tags else []
            keys = [h.lower() for h in headers]
            out.table(headers, [[", ".join(r[k]) if k == "tags" else r[k] for k in keys] for r in items])
        return ExitCode.OK

    return redraw(redrawn.refresh_rate, draw) if redrawn.refresh else draw()


def _found(client: Client, named: Named, *, all: bool, owner: str | None, details: bool) -> list[dict[str, Any]]:
    """The one that is named, or all that match what is said of them."""
    target = named.find() if named.identifier or named.id or (named.type and named.name) else None
    if target is not None:
        return [_of_version(client.resource(*target.key), target)]
    wanted: dict[str, Any] = {
        "workspace": named.workspace,
        "name": named.name,
        "owner": owner,
        "version": named.version,
        "mine": not (all or owner or named.name),
    }
    if named.type:
        wanted["type"] = registry.canonical_type(named.type)
    items = [r for r in client.resources(**wanted) if not (named.workspace and r["workspace"] != named.workspace)]
    return [client.resource(*_key(r)) for r in items] if details else items


def _key(item: dict[str, Any]) -> tuple[str, str, str | None]:
    return item["type"], item["name"], item["workspace"]


def _show_details(item: dict[str, Any]) -> None:
    print("---")
    print(f"# {display_id(item['type'], item['version'], item['name'])}")
    print(f"# {item['id']}")
    Output("yaml").data(detailed(item))


@command(app, "log")
def log(
    named: Named,
    reader: Reader,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the run ends.")] = False,
    node: Annotated[str | None, typer.Option("--node", help="One node (or job), with all its attempts.")] = None,
    tail_lines: Annotated[int, typer.Option("-l", "--tailLines", help="Last lines of each node; -1 for all.")] = 300,
    container: Annotated[
        str | None, typer.Option("-c", "--container", help="Container: `main` is the only one.")
    ] = None,
    run: Annotated[str | None, typer.Option("--run", help="An older run, by its id (`dataos get runs`).")] = None,
) -> int:
    """Print the logs of the newest run of a runnable, or of any run."""
    out = reader.out()
    target = named.need()
    if container not in (None, "main"):
        raise fail("run.not_found", f"there is no container `{container}`", hint="containers: main")
    if tail_lines < -1:
        raise fail("usage.lines", f"-l {tail_lines}: there is no such number of lines", hint="-l 300, or -l -1 for all")
    if follow and out.machine:
        raise fail("usage.output", "-f goes on as text: it has no -O json or yaml", hint="leave one of them out")
    client = reader.client()
    check_version(client, target)
    body = client.log(*target.key, run=run, node=node, tail=tail_lines)
    if out.machine:
        out.data(body)
        return ExitCode.OK
    out.talk(f"log({target.workspace})...complete", "📃")
    for entry in body["nodes"]:
        print()
        out.table(["NODE NAME", "CONTAINER NAME", "ERROR"], [[entry["node"], "main", entry["error"]]])
        print("\n-------------------LOGS-------------------")
        sys.stdout.write(entry["text"])
    if not body["nodes"]:
        print("no logs yet: no job of the newest run has started (see `dataos get runtime` for the reason)")
    if follow:
        follow_log(client, target, node, body, run)
    return ExitCode.OK


def follow_log(client: Client, target: Target, node: str | None, body: dict[str, Any], run: str | None = None) -> None:
    """Print what comes after `body`, an answer of the log route, until the run ends."""
    offsets = {e["attempt"]: e["next"] for e in body["nodes"]}
    last = ""
    while True:
        body = client.log(*target.key, run=run, node=node, tail=-1, after=json.dumps(offsets))
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


@command(app, "delete")
def delete(
    named: Named,
    files: ManifestFiles,
    server: Server,
    force: Annotated[bool, typer.Option("--force", help="Also if something depends on it.")] = False,
) -> int:
    """Delete Resources named by -i, --id, -t -n, or all of a file in reverse order."""
    out = server.out()
    client = server.client()
    targets = files.targets(named.workspace) if files.manifest_file else [named.need()]
    out.talk("delete...", "🗑")
    failed: DataOSError | None = None
    for target in targets:
        where = f"({target.workspace})" if target.workspace else ""
        label = f"deleting{where} {display_id(target.type, target.version or '', target.name).replace('::', ':')}"
        out.talk(f"{label}...", "🗑")
        try:
            if not files.manifest_file:
                check_version(client, target, absent_is_fine=True)
            result = client.delete(*target.key, force=force)
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


def check_version(client: Client, target: Target, *, absent_is_fine: bool = False) -> None:
    """A Resource has one version: whoever names another means something else. Raises `resource.not_found`."""
    if target.version is None:
        return
    try:
        body = client.resource(target.type, target.name, target.workspace)
    except DataOSError as error:
        if absent_is_fine and error.problem.code == "resource.not_found":
            return
        raise
    _of_version(body, target)


def _of_version(body: dict[str, Any], target: Target) -> dict[str, Any]:
    if target.version not in (None, body["version"]):
        raise fail(
            "resource.not_found",
            f"{target.type} `{target.name}` has version {body['version']}, not {target.version}",
            hint="leave the version out, or name that one",
        )
    return body
