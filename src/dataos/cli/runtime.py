"""get runtime, get runs, runtime pause|resume|stop|re-run|run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dataos.cli.groups import ManifestFiles, Named, Reader, Redrawn, Server, command
from dataos.cli.options import Details, Target
from dataos.cli.output import Output
from dataos.cli.resources import check_version, redraw
from dataos.client.api import Client
from dataos.core.addresses import display_id
from dataos.core.errors import DataOSError, ExitCode, exit_code, fail

app = typer.Typer(add_completion=False, rich_markup_mode=None)
FromFailed = Annotated[
    bool, typer.Option("--from-failed", help="Take over what succeeded in the newest run, run the rest.")
]
AnyRun = Annotated[str | None, typer.Option("--run", help="An older run, by its id (`dataos get runs`).")]


# --- showing ----------------------------------------------------------------------------------------------------------


@command(app, "get-runtime")
def get_runtime(
    named: Named,
    reader: Reader,
    redrawn: Redrawn,
    details: Details = False,
    node: Annotated[str | None, typer.Option("--node", help="One node (or job), with its attempts.")] = None,
    yaml: Annotated[bool, typer.Option("-y", "--yaml", help="The node as YAML.")] = False,
    run: AnyRun = None,
) -> int:
    """Show how a runnable runs: jobs, schedule, progress, nodes, and why what waits or failed does."""
    out = reader.out()
    if yaml:
        out.fmt = "yaml"
    target = named.need()
    client = reader.client()

    def draw() -> int:
        check_version(client, target)
        body = client.run(*target.key, run) if run is not None else client.runtime(*target.key)
        shown: dict[str, Any] = body if node is None else _node(body, node)
        if out.machine or details:
            out.fmt = out.fmt if out.machine else "yaml"
            out.data(shown)
            return ExitCode.OK
        out.talk(f"{'node' if node else target.type}...complete", "🔍")
        if node is not None:
            _show_node(out, shown)
        else:
            _show_runtime(out, body)
        return ExitCode.OK

    return redraw(redrawn.refresh_rate, draw) if redrawn.refresh else draw()


def _show_runtime(out: Output, body: dict[str, Any]) -> None:
    out.table(
        ["NAME", "VERSION", "TYPE", "WORKSPACE", "STATUS", "TITLE", "OWNER"],
        [_row(body, "name version type workspace status title owner")],
    )
    print()
    if "members" in body:
        _show_members(out, body)
        return
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


def _show_members(out: Output, body: dict[str, Any]) -> None:
    if body["schedule"]:
        out.table(["STATE", "NEXT CREATE", "NEXT DELETE"], [_row(body["schedule"], "state create delete")])
        print()
    rows = [[*_row(m, "id resource status runtime"), ",".join(m["dependencies"]), m["reason"]] for m in body["members"]]
    out.table(["ID", "RESOURCE", "STATUS", "RUNTIME", "DEPENDENCIES", "REASON"], rows)


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


@command(app, "get-runs")
def get_runs(
    named: Named,
    reader: Reader,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 20,
) -> int:
    """List the runs of a Workflow, newest first: what started them, how they ended."""
    out = reader.out()
    target = named.need("workflow")
    client = reader.client()
    check_version(client, target)
    items: list[dict[str, Any]] = []
    before: str | None = None
    while len(items) < limit:
        page = client.runs(*target.key, limit=min(1000, limit - len(items)), before=before)
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


@command(app, "runtime-pause")
def pause(named: Named, files: ManifestFiles, server: Server) -> int:
    """Hold a Workflow: no ticks of its schedule, and no job that has not begun. What runs goes on to its end."""
    return _ask("pause", _targets(named, files), server)


@command(app, "runtime-resume")
def resume(named: Named, files: ManifestFiles, server: Server) -> int:
    """Let a paused Workflow go on. Ticks that passed meanwhile are not made up for."""
    return _ask("resume", _targets(named, files), server)


@command(app, "runtime-stop")
def stop(named: Named, files: ManifestFiles, server: Server) -> int:
    """End the runs of a Workflow that go on (`aborted`). Its schedule stays."""
    return _ask("stop", _targets(named, files), server)


@command(app, "runtime-re-run")
def rerun(named: Named, files: ManifestFiles, server: Server, from_failed: FromFailed = False) -> int:
    """Run a Workflow once more."""
    return _ask("re-run", _targets(named, files), server, from_failed)


@command(app, "runtime-run")
def run(named: Named, files: ManifestFiles, server: Server, from_failed: FromFailed = False) -> int:
    """Run a Workflow now; a schedule goes on unchanged."""
    return _ask("run", _targets(named, files), server, from_failed)


@command(app, "runtime-state")
def state(
    named: Named,
    reader: Reader,
    job: Annotated[str | None, typer.Option("--job", help="One job.")] = None,
    input_: Annotated[str | None, typer.Option("--input", help="One input of it.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Forget it: the next run begins anew.")] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value: let the next run begin there. Needs --job and --input."),
    ] = None,
) -> int:
    """Show, set or reset what jobs remember between runs: how far incremental inputs have come."""
    out = reader.out()
    target = named.need("workflow")
    client = reader.client()
    if reset and set_:
        raise fail("usage.state", "--reset and --set do not go together", hint="set overwrites what is there")
    if input_ is not None and job is None:
        raise fail("usage.state", "--input needs --job", hint="two jobs may have inputs of one name")
    if reset:
        count = client.reset_state(*target.key, job=job, input=input_)
        out.talk(f"runtime state...reset ({count} {'input' if count == 1 else 'inputs'})", "💨")
        return ExitCode.OK
    if set_:
        return _set_state(out, client, target, job, input_, set_)
    found = [s for s in client.states(*target.key) if job in (None, s["job"]) and input_ in (None, s["input"])]
    if out.machine:
        out.data(found)
        return ExitCode.OK
    rows = [[s["job"], s["input"], k, v, s["run"], s["updated"]] for s in found for k, v in sorted(s["state"].items())]
    out.table(["JOB", "INPUT", "KEY", "VALUE", "RUN ID", "UPDATED"], rows)
    return ExitCode.OK


def _set_state(
    out: Output, client: Client, target: Target, job: str | None, input_: str | None, pairs: list[str]
) -> int:
    if job is None or input_ is None:
        raise fail("usage.state", "--set needs --job and --input", hint="they say whose value it is")
    split = [pair.partition("=") for pair in pairs]
    values = {key: value for key, _, value in split}
    wrong = next((p for p in pairs if "=" not in p or p.startswith("=")), None)
    if wrong is not None:
        raise fail("usage.state", f"`{wrong}` is no key=value", hint="for instance --set start=2024-01-01")
    merged = client.set_state(*target.key, job, input_, values)["state"]
    out.talk(f"runtime state...set {', '.join(f'{k}={v}' for k, v in sorted(merged.items()))}", "💨")
    return ExitCode.OK


def _targets(named: Named, files: ManifestFiles) -> list[Target]:
    """What flags name, or the Workflows of files in their order."""
    if not files.manifest_file:
        return [named.need("workflow")]
    found = list(reversed(files.targets(named.workspace)))
    return [t for t in found if t.type == "workflow"] or found


def _ask(verb: str, targets: list[Target], server: Server, from_failed: bool = False) -> int:
    out = server.out()
    client = server.client()
    out.talk(f"runtime {verb}...", "💨")
    failed: DataOSError | None = None
    for target in targets:
        where = f"({target.workspace})" if target.workspace else ""
        label = f"{verb}{where} {display_id(target.type, target.version or '', target.name).replace('::', ':')}"
        try:
            check_version(client, target)
            answer = client.ask_runtime(*target.key, verb, from_failed=from_failed)
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
