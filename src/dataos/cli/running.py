"""resource run: create, wait for the end, delete again (ch01 8.3)."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from dataos.cli import options
from dataos.cli.groups import Server, command
from dataos.cli.options import File, NoInterpolation, Recursive, Workspace
from dataos.cli.output import Output
from dataos.client.api import Client
from dataos.core.errors import DataOSError, ExitCode, Problem, exit_code, fail

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True)
class Wish:
    """What a run shall come to. Times in seconds; words are values of RUNTIME."""

    start_s: float
    run_s: float
    running: str
    success: tuple[str, ...]
    failure: tuple[str, ...]
    stream_logs: bool


@command(app, "resource-run")
def resource_run(
    server: Server,
    manifest_file: File = None,
    recursive: Recursive = False,
    disable_interpolation: NoInterpolation = False,
    workspace: Workspace = None,
    config_file: Annotated[
        Path | None,
        typer.Option("-c", "--configFile", help="YAML with values of these flags; flags on the line win."),
    ] = None,
    start_timeout: Annotated[
        str | None, typer.Option("--run-start-timeout-duration", help="Longest wait until it runs; default: 2m0s.")
    ] = None,
    run_timeout: Annotated[
        str | None, typer.Option("--run-timeout-duration", help="Longest wait until it ended; default: 5m0s.")
    ] = None,
    run_string: Annotated[
        str | None, typer.Option("--run-string", help="RUNTIME that means: it runs; default: running.")
    ] = None,
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
) -> int:
    """Create what a file declares, wait for the end of the run, delete it again. It must not exist before."""
    out = server.out()
    config = _read_config(config_file)
    wish = Wish(
        start_s=options.seconds(start_timeout or config.get("run-start-timeout-duration", "2m0s")),
        run_s=options.seconds(run_timeout or config.get("run-timeout-duration", "5m0s")),
        running=run_string or config.get("run-string", "running"),
        success=_strings(success_strings or config.get("success-strings"), "succeeded"),
        failure=_strings(failure_strings or config.get("failure-strings"), "failed", "aborted"),
        stream_logs=stream_logs or config.get("stream-logs", False),
    )
    workspace = workspace or config.get("workspace")
    delete_failed = delete_failed or config.get("delete-on-failure", False)
    keep_succeeded = keep_succeeded or config.get("do-not-delete-on-success", False)
    files = manifest_file or [Path(f) for f in _listed(config.get("manifestFile"))]
    if not files:
        raise fail("usage.file", "name a manifest file", hint="dataos resource run -f FILE")
    from dataos.cli import documents

    loaded = documents.load(
        files, recursive, workspace, disable_interpolation or config.get("disable-interpolation", False)
    )
    options.report(out, loaded.problems, loaded.warnings)
    if loaded.problems:
        return exit_code(loaded.problems[0].code) or ExitCode.FAILED
    client = server.client()
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
                code = _wait(out, client, resource, wish)
    except DataOSError as error:
        options.report(out, list(error.problems), [])
        code = exit_code(error.problem.code) or ExitCode.FAILED
    keep = keep_succeeded if code is ExitCode.OK else keep_failed and not delete_failed
    for resource in () if keep else reversed(made):
        result = client.delete(resource["type"], resource["name"], resource["workspace"])
        out.talk(f"deleting {resource['id']}...{result}", "🗑")
    out.talk(f"run...{'complete' if code is ExitCode.OK else 'error'}", "💨", "INFO" if code is ExitCode.OK else "WARN")
    return code


_TEXTS = ("workspace", "run-start-timeout-duration", "run-timeout-duration", "run-string")
_LISTS = ("manifestFile", "success-strings", "failure-strings")
_SWITCHES = (
    "disable-interpolation",
    "stream-logs",
    "do-not-delete-on-failure",
    "delete-on-failure",
    "do-not-delete-on-success",
)


def _read_config(file: Path | None) -> dict[str, Any]:
    """Values by flag, without its dashes. Raises DataOSError `usage.config` naming every fault."""
    if file is None:
        return {}
    from dataos.manifest.loader import load_file

    documents = load_file(file)
    body: Any = documents[0].data if documents else {}
    if not isinstance(body, dict) or len(documents) > 1:
        raise fail("usage.config", f"{file} is no mapping of flags to values", hint="write `run-timeout-duration: 10m`")
    found = cast("dict[str, Any]", body)
    problems: list[Problem] = []
    for key, value in found.items():
        if key not in (*_TEXTS, *_LISTS, *_SWITCHES):
            known = ", ".join((*_TEXTS, *_LISTS, *_SWITCHES))
            problems.append(
                Problem("usage.config", f"{file}: `{key}` is no flag of this command", hint=f"known: {known}")
            )
        elif key in _SWITCHES and not isinstance(value, bool):
            problems.append(Problem("usage.config", f"{file}: `{key}` is true or false"))
        elif key in _TEXTS and not isinstance(value, (str, int)):
            problems.append(Problem("usage.config", f"{file}: `{key}` is a text"))
    if problems:
        raise DataOSError(problems)
    return {k: str(v) if k in _TEXTS else v for k, v in found.items()}


def _listed(value: Any) -> list[str]:
    items = cast("list[Any]", value) if isinstance(value, list) else [] if value is None else [value]
    return [str(item) for item in items]


def _strings(given: Any, *default: str) -> tuple[str, ...]:
    """`[succeeded,done]`, as the reference prints its defaults, or repeated flags."""
    if not given:
        return default
    return tuple(options.comma_separated([text.strip("[]") for text in _listed(given)]))


def _wait(out: Output, client: Client, resource: dict[str, Any], wish: Wish) -> ExitCode:
    """Wait for the start, then for the end; print logs on the way."""
    key = (resource["type"], resource["name"], resource["workspace"])
    log = _Log(client, key) if wish.stream_logs else None
    begun = False
    deadline = time.monotonic() + wish.start_s
    pause = 0.05
    while True:
        body = client.resource(*key)
        runtime = str(body["runtime"])
        if log is not None:
            log.print_new()
        if runtime in wish.success:
            return ExitCode.OK
        if runtime in wish.failure or (body["status"] == "error" and body["settled"]):
            reason = (client.runtime(*key).get("run") or {}).get("reason") or body["builder"]["info"]
            out.problem(Problem("run.failed", f"{resource['name']} is {runtime or body['status']}: {reason}"))
            return ExitCode.FAILED
        if not begun and runtime.startswith(wish.running):
            begun = True
            deadline = time.monotonic() + wish.run_s
            out.talk(f"{resource['name']}...{runtime}", "💨")
        if time.monotonic() > deadline:
            limit = f"did not end within {wish.run_s:g} s" if begun else f"did not start within {wish.start_s:g} s"
            hint = "--run-timeout-duration sets the longest wait" if begun else _why_not(client, key, body)
            out.problem(Problem("wait.timeout", f"{resource['name']} {limit}: it is {runtime or 'pending'}", hint=hint))
            return ExitCode.TIMEOUT
        time.sleep(pause)
        pause = min(0.5, pause * 1.5)


def _why_not(client: Client, key: tuple[str, str, str | None], body: dict[str, Any]) -> str:
    """What a run that has not begun waits for."""
    runtime = client.runtime(*key)
    reasons = [(runtime.get("run") or {}).get("reason"), *(node["reason"] for node in runtime["nodes"])]
    return next((reason for reason in reasons if reason), body["builder"]["info"])


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
