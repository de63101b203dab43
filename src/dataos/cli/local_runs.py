"""develop start: a Workflow's Flare jobs on this machine (ch01 8.3, ch04 10)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from dataos.cli import options
from dataos.cli.groups import Server, command
from dataos.cli.options import File, NoInterpolation, Recursive
from dataos.core.errors import DataOSError, ExitCode, Problem, exit_code, fail
from dataos.manifest import registry

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_PROGRAM = "dataos.stacks.flare.standalone"


@command(app, "develop-start")
def start(
    server: Server,
    manifest_file: File = None,
    recursive: Recursive = False,
    disable_interpolation: NoInterpolation = False,
    stack: Annotated[str, typer.Option("-s", "--stack", help="The stack that runs: flare, flare:7.0.")] = "flare",
    image: Annotated[str | None, typer.Option("-i", "--image", help="Has no effect: no image is needed.")] = None,
    data: Annotated[
        Path, typer.Option("-d", "--dataDir", help="Folder of local paths (`/data/examples/`); default: this one.")
    ] = Path(),
    port: Annotated[int | None, typer.Option("-P", "--port", help="Has no effect: the engine has no pages.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Most rows of each input; 0: all.")] = 0,
    job: Annotated[str | None, typer.Option("--job", help="Run this job of the Workflow only.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print the plan of each step.")] = False,
    shell: Annotated[bool, typer.Option("--shell", help="A Python shell over the views afterwards.")] = False,
    no_shell: Annotated[bool, typer.Option("--no-shell", help="No shell, on a terminal either.")] = False,
) -> int:
    """Run the Flare jobs of a Workflow on this machine. Local paths need no server; writing is done for real."""
    from dataos.cli import documents

    out = server.out()
    found = registry.find_stack(stack.partition(":")[0].strip().lower())
    if found is None or found.name != "flare":
        raise fail("usage.stack", f"a local run is of the stack flare, not `{stack}`", hint="-s flare")
    files = manifest_file or []
    if not files:
        raise fail("usage.file", "name a manifest file", hint="dataos develop start -f FILE -d FOLDER")
    folder = data.expanduser().absolute()
    if not folder.is_dir():
        raise fail("usage.folder", f"{folder} is no folder", hint="-d names the folder of the data")
    loaded = documents.load(files, recursive, None, disable_interpolation)
    options.report(out, loaded.problems, loaded.warnings)
    if loaded.problems:
        return exit_code(loaded.problems[0].code) or ExitCode.FAILED
    workflows = [d for d in loaded.documents if isinstance(d.data, dict) and "workflow" in d.data]
    if len(workflows) != 1:
        raise fail("usage.file", f"the files hold {len(workflows)} Workflows", hint="a local run is of one Workflow")
    for flag, given in (("-i", image), ("-P", port)):
        if given:
            out.talk(f"{flag} has no effect: jobs run on the embedded engine of this installation", level="WARN")
    document: Any = workflows[0].data
    request: dict[str, Any] = {
        "document": document,
        "folder": str(folder),
        "limit": limit,
        "explain": explain,
        "only": job,
        "shell": not no_shell and (shell or (sys.stdin.isatty() and sys.stdout.isatty())),
        **_server(server, document),
    }
    return _run(request)


def _server(server: Server, document: Any) -> dict[str, Any]:
    """The server whose addresses the jobs name; none is needed where they name none."""
    text = json.dumps(document)
    if "dataos://" not in text and '"query"' not in text:
        return {"server": None, "why": "the job names no address"}
    try:
        found = server.client().connection
    except DataOSError as error:
        return {"server": None, "why": error.problem.message}
    return {"server": {"url": found.url, "token": found.token.reveal(), "source": found.source}}


def _run(request: dict[str, Any]) -> int:
    fd, name = tempfile.mkstemp(prefix="dataos-request-")  # 0600; the program takes it away
    with os.fdopen(fd, "w") as file:
        json.dump(request, file)
    try:
        done = subprocess.run([sys.executable, "-m", _PROGRAM, name], check=False)
    except KeyboardInterrupt:
        return ExitCode.FAILED
    finally:
        Path(name).unlink(missing_ok=True)
    if done.returncode < 0:
        raise DataOSError(Problem("flare.local", f"the run was ended by signal {-done.returncode}"))
    return done.returncode
