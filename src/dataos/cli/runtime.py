"""get runtime, get runs, runtime pause|resume|stop|re-run|run, resource run."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from dataos.cli import documents, options
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
from dataos.cli.resources import Details, Refresh, RefreshRate, check_version, redraw
from dataos.client.api import Client
from dataos.core.addresses import display_id
from dataos.core.errors import DataOSError, ExitCode, Problem, exit_code, fail

app = typer.Typer(add_completion=False, rich_markup_mode=None)
FromFailed = Annotated[
    bool, typer.Option("--from-failed", help="Take over what succeeded in the newest run, run the rest.")
]


# --- showing ----------------------------------------------------------------------------------------------------------


@app.command("get-runtime")
def get_runtime(
    type: Type = None,
    name: Name = None,
    workspace: Workspace = None,
    identifier: IdentifierText = None,
    id: Id = None,
    version: Version = None,
    details: Details = False,
    node: Annotated[str | None, typer.Option("--node", help="One node (or job), with its attempts.")] = None,
    yaml: Annotated[bool, typer.Option("-y", "--yaml", help="The node as YAML.")] = False,
    run: Annotated[str | None, typer.Option("--run", help="An older run, by its id (`dataos get runs`).")] = None,
    refresh: Refresh = False,
    refresh_rate: RefreshRate = 5.0,
    output: Format = "table",
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Show how a runnable runs: jobs, schedule, progress, nodes, and why what waits or failed does."""
    if refresh:
        return redraw(
            refresh_rate, lambda: get_runtime(type, name, workspace, identifier, id, version, details, node, yaml,
                                              run, False, refresh_rate, output, url, context, no_icons)
        )  # fmt: skip
    out = options.output("yaml" if yaml else output, no_icons)
    named = options.need(identifier, id, type, name, workspace, version)
    client = options.client(url, context)
    check_version(client, named)
    if run is not None:
        body = client.run(named.type, named.name, named.workspace, run)
    else:
        body = client.runtime(named.type, named.name, named.workspace)
    shown: dict[str, Any] = body if node is None else _node(body, node)
    if out.machine or details:
        out.fmt = out.fmt if out.machine else "yaml"
        out.data(shown)
        return ExitCode.OK
    out.talk(f"{'node' if node else named.type}...complete", "🔍")
    if node is not None:
        _show_node(out, shown)
    else:
        _show_runtime(out, body)
    return ExitCode.OK


def _show_runtime(out: Output, body: dict[str, Any]) -> None:
    out.table(
        ["NAME", "VERSION", "TYPE", "WORKSPACE", "STATUS", "TITLE", "OWNER"],
        [_row(body, "name version type workspace status title owner")],
    )
    print()
    jobs = [[j["name"], j["stack"], j["title"], ",".join(j["dependencies"])] for j in body["jobs"]]
    out.table(["JOB NAME", "STACK", "JOB TITLE", "JOB DEPENDENCIES"], jobs)
    schedule = body.get("schedule")
    if schedule:
        print()
        out.table(["SCHEDULED RUNTIME", "LAST SCHEDULED TIME"], [[_next(body), schedule["last"]]])
        if schedule["skipped"]:
            print(f"\n  the last tick started nothing: {schedule['skipped']}")
    if body.get("paused"):
        print(f"\n  paused since {body['paused']['since']} by {body['paused']['by']}")
    run = body.get("run")
    if run:
        print()
        out.table(["RUNTIME", "PROGRESS", "STARTED", "FINISHED"], [_row(run, "state progress started finished")])
        if run["reason"]:
            print(f"\n  {run['reason']}")
    print()
    nodes = [
        [n["node"], n["job"], n["dataplane"], n["type"], len(n["attempts"]), n["phase"], n["reason"]]
        for n in body["nodes"]
    ]
    out.table(["NODE NAME", "JOB NAME", "DATA PLANE", "TYPE", "ATTEMPTS", "PHASE", "REASON"], nodes)


def _next(body: dict[str, Any]) -> str:
    if body["paused"]:
        return "paused"
    return f"next:{body['schedule']['next']}" if body["schedule"]["next"] else "ended"


def _node(body: dict[str, Any], node: str) -> dict[str, Any]:
    for found in body["nodes"]:
        if node in (found["node"], found["job"]):
            return found
    known = ", ".join(n["node"] for n in body["nodes"]) or "none yet: no run has begun"
    raise fail("run.not_found", f"{body['name']} has no node `{node}`", hint=f"nodes: {known}")


def _show_node(out: Output, node: dict[str, Any]) -> None:
    out.table(
        ["NODE NAME", "JOB NAME", "TYPE", "PHASE", "STARTED", "FINISHED"],
        [_row(node, "node job type phase started finished")],
    )
    if node["reason"]:
        print(f"\n  {node['reason']}")
    print()
    rows = [_row(a, "number state exitCode started finished reason") for a in node["attempts"]]
    out.table(["ATTEMPT", "CONTAINER STATE", "EXIT CODE", "STARTED", "FINISHED", "REASON"], rows)


@app.command("get-runs")
def get_runs(
    type: Type = None,
    name: Name = None,
    workspace: Workspace = None,
    identifier: IdentifierText = None,
    id: Id = None,
    version: Version = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 20,
    output: Format = "table",
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """List the runs of a Workflow, newest first: what started them, how they ended."""
    out = options.output(output, no_icons)
    named = options.need(identifier, id, type or "workflow", name, workspace, version)
    client = options.client(url, context)
    check_version(client, named)
    items: list[dict[str, Any]] = []
    before: str | None = None
    while len(items) < limit:
        page = client.runs(named.type, named.name, named.workspace, limit=min(1000, limit - len(items)), before=before)
        items += page["items"]
        before = page["next"]
        if before is None:
            break
    if out.machine:
        out.data(items)
        return ExitCode.OK
    keys = "id trigger scheduled state progress started finished reason"
    out.table(
        ["RUN ID", "TRIGGER", "SCHEDULED TIME", "STATE", "PROGRESS", "STARTED", "FINISHED", "REASON"],
        [_row(item, keys) for item in items],
    )
    return ExitCode.OK


def _row(body: dict[str, Any], keys: str) -> list[Any]:
    return [body[k] for k in keys.split()]


# --- asking -----------------------------------------------------------------------------------------------------------


@app.command("runtime-pause")
def pause(
    type: Type = None,
    name: Name = None,
    workspace: Workspace = None,
    identifier: IdentifierText = None,
    id: Id = None,
    version: Version = None,
    manifest_file: File = None,
    recursive: Recursive = False,
    disable_interpolation: NoInterpolation = False,
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Hold a Workflow: no ticks of its schedule, and no job that has not begun. What runs goes on to its end."""
    targets = _targets(identifier, id, type, name, workspace, version, manifest_file, recursive, disable_interpolation)
    return _ask("pause", targets, url, context, no_icons)


@app.command("runtime-resume")
def resume(
    type: Type = None,
    name: Name = None,
    workspace: Workspace = None,
    identifier: IdentifierText = None,
    id: Id = None,
    version: Version = None,
    manifest_file: File = None,
    recursive: Recursive = False,
    disable_interpolation: NoInterpolation = False,
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Let a paused Workflow go on. Ticks that passed meanwhile are not made up for."""
    targets = _targets(identifier, id, type, name, workspace, version, manifest_file, recursive, disable_interpolation)
    return _ask("resume", targets, url, context, no_icons)


@app.command("runtime-stop")
def stop(
    type: Type = None,
    name: Name = None,
    workspace: Workspace = None,
    identifier: IdentifierText = None,
    id: Id = None,
    version: Version = None,
    manifest_file: File = None,
    recursive: Recursive = False,
    disable_interpolation: NoInterpolation = False,
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """End the runs of a Workflow that go on (`aborted`). Its schedule stays."""
    targets = _targets(identifier, id, type, name, workspace, version, manifest_file, recursive, disable_interpolation)
    return _ask("stop", targets, url, context, no_icons)


@app.command("runtime-re-run")
def rerun(
    type: Type = None,
    name: Name = None,
    workspace: Workspace = None,
    identifier: IdentifierText = None,
    id: Id = None,
    version: Version = None,
    manifest_file: File = None,
    recursive: Recursive = False,
    disable_interpolation: NoInterpolation = False,
    from_failed: FromFailed = False,
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Run a Workflow once more."""
    targets = _targets(identifier, id, type, name, workspace, version, manifest_file, recursive, disable_interpolation)
    return _ask("re-run", targets, url, context, no_icons, from_failed)


@app.command("runtime-run")
def run(
    type: Type = None,
    name: Name = None,
    workspace: Workspace = None,
    identifier: IdentifierText = None,
    id: Id = None,
    version: Version = None,
    manifest_file: File = None,
    recursive: Recursive = False,
    disable_interpolation: NoInterpolation = False,
    from_failed: FromFailed = False,
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Run a Workflow now; a schedule goes on unchanged."""
    targets = _targets(identifier, id, type, name, workspace, version, manifest_file, recursive, disable_interpolation)
    return _ask("run", targets, url, context, no_icons, from_failed)


def _targets(
    identifier: str | None,
    id_: str | None,
    type_: str | None,
    name: str | None,
    workspace: str | None,
    version: str | None,
    files: list[Path] | None,
    recursive: bool,
    raw: bool,
) -> list[options.Target]:
    """What flags name, or the Workflows of files in their order."""
    if files:
        found = list(reversed(documents.targets(files, recursive, workspace, raw)))
        workflows = [t for t in found if t.type == "workflow"]
        return workflows or found
    return [options.need(identifier, id_, type_ or "workflow", name, workspace, version)]


def _ask(
    verb: str,
    targets: list[options.Target],
    url: str | None,
    context: str | None,
    no_icons: bool,
    from_failed: bool = False,
) -> int:
    out = options.output("table", no_icons)
    client = options.client(url, context)
    out.talk(f"runtime {verb}...", "💨")
    failed: DataOSError | None = None
    for named in targets:
        where = f"({named.workspace})" if named.workspace else ""
        label = f"{verb}{where} {display_id(named.type, named.version or '', named.name).replace('::', ':')}"
        try:
            check_version(client, named)
            answer = client.ask_runtime(named.type, named.name, named.workspace, verb, from_failed=from_failed)
        except DataOSError as error:
            for problem in error.problems:
                out.problem(problem)
            out.talk(f"{label}...error", "💨", "WARN")
            failed = failed or error
            continue
        runs = f" (run {', '.join(answer['runs'])})" if answer["runs"] else ""
        out.talk(f"{label}...{answer['result']}{runs}", "💨")
    if failed is not None:
        out.talk(f"runtime {verb}...error", "💨", "WARN")
        return exit_code(failed.problem.code)
    out.talk(f"runtime {verb}...complete", "💨")
    return ExitCode.OK


# --- resource run -----------------------------------------------------------------------------------------------------


@app.command("resource-run")
def resource_run(
    manifest_file: File = None,
    recursive: Recursive = False,
    disable_interpolation: NoInterpolation = False,
    workspace: Workspace = None,
    start_timeout: Annotated[
        str, typer.Option("--run-start-timeout-duration", help="Longest wait until it runs.")
    ] = "2m0s",
    run_timeout: Annotated[str, typer.Option("--run-timeout-duration", help="Longest wait until it ended.")] = "5m0s",
    run_string: Annotated[str, typer.Option("--run-string", help="RUNTIME that means: it runs.")] = "running",
    success_strings: Annotated[
        list[str] | None, typer.Option("--success-strings", help="RUNTIMEs that mean success; default: succeeded.")
    ] = None,
    failure_strings: Annotated[
        list[str] | None, typer.Option("--failure-strings", help="RUNTIMEs that mean failure; default: failed.")
    ] = None,
    stream_logs: Annotated[bool, typer.Option("--stream-logs", help="Print the logs while it runs.")] = False,
    keep_failed: Annotated[
        bool, typer.Option("--do-not-delete-on-failure", help="Keep it if it failed: so it is anyway.")
    ] = True,
    delete_failed: Annotated[bool, typer.Option("--delete-on-failure", help="Delete it also if it failed.")] = False,
    keep_succeeded: Annotated[
        bool, typer.Option("--do-not-delete-on-success", help="Keep it if it succeeded.")
    ] = False,
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Create what a file declares, wait for the end of the run, delete it again. It must not exist before."""
    out = options.output("table", no_icons)
    success = _strings(success_strings, ["succeeded"])
    failure = _strings(failure_strings, ["failed", "aborted"])
    start_s, run_s = options.seconds(start_timeout), options.seconds(run_timeout)
    if not manifest_file:
        raise fail("usage.file", "name a manifest file", hint="dataos resource run -f FILE")
    loaded = documents.load(manifest_file, recursive, workspace, disable_interpolation)
    options.report(out, loaded.problems, loaded.warnings)
    if loaded.problems:
        return exit_code(loaded.problems[0].code) or ExitCode.FAILED
    client = options.client(url, context)
    out.talk("run...", "💨")
    made: list[dict[str, Any]] = []
    code = ExitCode.OK
    try:
        for document in loaded.documents:
            answer = client.apply(document.data, workspace=workspace, mode="create")
            made.append(answer["resource"])
            out.talk(f"creating {answer['resource']['id']}...{answer['action']}", "🔧")
        for resource in made:
            if resource["type"] == "workflow" and code is ExitCode.OK:
                code = _wait(out, client, resource, start_s, run_s, run_string, success, failure, stream_logs)
    except DataOSError as error:
        options.report(out, list(error.problems), [])
        code = exit_code(error.problem.code) or ExitCode.FAILED
    keep = keep_succeeded if code is ExitCode.OK else keep_failed and not delete_failed
    for resource in () if keep else reversed(made):
        result = client.delete(resource["type"], resource["name"], resource["workspace"])
        out.talk(f"deleting {resource['id']}...{result}", "🗑")
    out.talk(f"run...{'complete' if code is ExitCode.OK else 'error'}", "💨", "INFO" if code is ExitCode.OK else "WARN")
    return code


def _strings(given: list[str] | None, default: list[str]) -> list[str]:
    """`[succeeded,done]`, as the reference prints its defaults, or repeated flags."""
    return options.comma_separated([text.strip("[]") for text in given]) if given else default


def _wait(
    out: Output,
    client: Client,
    resource: dict[str, Any],
    start_s: float,
    run_s: float,
    run_string: str,
    success: list[str],
    failure: list[str],
    stream_logs: bool,
) -> ExitCode:
    """Wait for the start, then for the end; print logs on the way."""
    key = (resource["type"], resource["name"], resource["workspace"])
    log = _Log(client, key) if stream_logs else None
    begun = False
    deadline = time.monotonic() + start_s
    pause = 0.05
    while True:
        body = client.resource(*key)
        runtime = str(body["runtime"])
        if log is not None:
            log.print_new()
        if runtime in success:
            return ExitCode.OK
        if runtime in failure or (body["status"] == "error" and body["settled"]):
            reason = (client.runtime(*key).get("run") or {}).get("reason") or body["builder"]["info"]
            out.problem(Problem("run.failed", f"{resource['name']} is {runtime or body['status']}: {reason}"))
            return ExitCode.FAILED
        if not begun and runtime.startswith(run_string):
            begun = True
            deadline = time.monotonic() + run_s
            out.talk(f"{resource['name']}...{runtime}", "💨")
        if time.monotonic() > deadline:
            limit = f"did not end within {run_s:g} s" if begun else f"did not start within {start_s:g} s"
            hint = body["builder"]["info"] if not begun else "--run-timeout-duration sets the longest wait"
            out.problem(Problem("wait.timeout", f"{resource['name']} {limit}: it is {runtime or 'pending'}", hint=hint))
            return ExitCode.TIMEOUT
        time.sleep(pause)
        pause = min(0.5, pause * 1.5)


class _Log:
    """Prints what comes new in the logs of a Resource's newest run."""

    def __init__(self, client: Client, key: tuple[str, str, str | None]) -> None:
        self._client = client
        self._key = key
        self._offsets: dict[str, int] = {}
        self._node = ""

    def print_new(self) -> None:
        """To stdout, with a line that names the node where it changes."""
        body = self._client.log(*self._key, tail=-1, after=json.dumps(self._offsets))
        for entry in body["nodes"]:
            if entry["text"]:
                if entry["attempt"] != self._node:
                    print(f"--- {entry['node']} (attempt {entry['number']})")
                    self._node = entry["attempt"]
                sys.stdout.write(entry["text"])
                sys.stdout.flush()
            self._offsets[entry["attempt"]] = entry["next"]
