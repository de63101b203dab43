"""validate, plan, apply, create, update."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from dataos.cli import documents, options
from dataos.cli.options import Context, File, Format, NoIcons, NoInterpolation, Recursive, Url, Workspace
from dataos.cli.output import Output
from dataos.client.api import Client
from dataos.core.addresses import display_id
from dataos.core.errors import DataOSError, ExitCode, Problem, exit_code, fail
from dataos.manifest import registry
from dataos.manifest.documents import Manifest, read_manifest
from dataos.manifest.loader import Document, report, source_lines
from dataos.manifest.specs import Reading

app = typer.Typer(add_completion=False, rich_markup_mode=None)
Files = Annotated[list[Path] | None, typer.Argument(help="Manifest files or folders.", show_default=False)]
Strict = Annotated[bool, typer.Option("--strict", help="Treat every warning as an error.")]


def _paths(command: str, files: list[Path] | None, named: list[Path] | None) -> list[Path]:
    paths = [*(named or []), *(files or [])]
    if not paths:
        raise fail("usage.file", "name a manifest file or folder", hint=f"dataos {command} -f FILE, or -R -f FOLDER")
    return paths


@app.command()
def validate(
    files: Files = None,
    manifest_file: File = None,
    recursive: Recursive = False,
    disable_interpolation: NoInterpolation = False,
    workspace: Workspace = None,
    output: Format = "table",
    strict: Strict = False,
    no_icons: NoIcons = False,
) -> int:
    """Check manifests offline: syntax, schema, references inside. Needs no server.

    With -O json prints one object per document: {file, document, kind, name, ok, errors, warnings}.
    """
    out = options.output(output, no_icons)
    loaded = documents.load(_paths("validate", files, manifest_file), recursive, workspace, disable_interpolation)
    results = [_verdict_of_file(p) for p in loaded.problems]
    for document in loaded.documents:
        reading = Reading()
        manifest = read_manifest(document.data, reading, workspace)
        errors, warnings = report(document, reading)
        warnings += [w for w in loaded.warnings if w.file == document.file and document.index == 0]
        results.append(_verdict(document, manifest, errors, warnings, strict))
    if out.machine:
        out.data(results)
    else:
        for result in results:
            _show_verdict(out, result)
    return ExitCode.OK if all(r["ok"] for r in results) else ExitCode.FAILED


def _verdict(
    document: Document, manifest: Manifest | None, errors: list[Problem], warnings: list[Problem], strict: bool
) -> dict[str, Any]:
    data = document.data if isinstance(document.data, dict) else {}
    return {
        "file": document.file,
        "document": document.index,
        "kind": manifest.kind.type if manifest else str(data.get("type") or "") or None,
        "name": str(data.get("name") or "") or None,
        "ok": manifest is not None and not (strict and warnings),
        "errors": [e.to_json() for e in errors],
        "warnings": [w.to_json() for w in warnings],
    }


def _verdict_of_file(problem: Problem) -> dict[str, Any]:
    body = problem.to_json()
    return {
        "file": problem.file, "document": 0, "kind": None, "name": None, "ok": False, "errors": [body], "warnings": []
    }  # fmt: skip


def _show_verdict(out: Output, result: dict[str, Any]) -> None:
    label = f"{result['file']}[{result['document']}] {result['name'] or ''} {result['kind'] or ''}".rstrip()
    for warning in result["warnings"]:
        out.problem(Problem.from_json(warning), warning=True)
    for error in result["errors"]:
        out.problem(Problem.from_json(error))
    print(f"{label}...{'valid' if result['ok'] else 'invalid'}")


@app.command()
def plan(
    files: Files = None,
    manifest_file: File = None,
    recursive: Recursive = False,
    disable_interpolation: NoInterpolation = False,
    workspace: Workspace = None,
    output: Format = "table",
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Show what apply would do, by the same code: create, update (with the changes), unchanged, invalid."""
    out = options.output(output, no_icons)
    loaded = documents.load(_paths("plan", files, manifest_file), recursive, workspace, disable_interpolation)
    ordered = _ordered(loaded.documents)
    answer = options.client(url, context).json(
        "POST", "/api/v1/plan", body={"documents": [d.data for d in ordered], "workspace": workspace}
    )
    items = answer["items"]
    failed = bool(loaded.problems)
    for document, item in zip(ordered, items, strict=True):
        item["file"] = document.file
        item["errors"] = [document.located(Problem.from_json(e)).to_json() for e in item["errors"]]
        failed = failed or item["action"] == "invalid"
    if out.machine:
        out.data([*items, *[{"action": "invalid", "errors": [p.to_json()]} for p in loaded.problems]])
        return ExitCode.FAILED if failed else ExitCode.OK
    options.report(out, loaded.problems, loaded.warnings)
    signs = {"create": "+", "update": "~", "unchanged": "=", "invalid": "!"}
    for document, item in zip(ordered, items, strict=True):
        print(f"{signs[item['action']]} {_label(document.data)}  {item['action']}")
        for change in item.get("changes", []):
            print(f"    {change['path']}: {_short(change['from'])} -> {_short(change['to'])}")
        for error in item["errors"]:
            out.problem(Problem.from_json(error))
    counts = {a: sum(1 for i in items if i["action"] == a) for a in signs}
    print(", ".join(f"{n} {a}" for a, n in counts.items() if n) or "nothing to do")
    return ExitCode.FAILED if failed else ExitCode.OK


@dataclass(frozen=True)
class How:
    """What an apply, create or update was asked to do besides the documents."""

    workspace: str | None
    mode: str = "apply"
    lint: bool = False
    rerun: bool = False
    strict: bool = False
    atomic: bool = False
    expected: int | None = None
    key: str | None = None

    def body(self, document: Document) -> dict[str, Any]:
        """The request of one document."""
        return {
            "document": document.data,
            "workspace": self.workspace,
            "dryRun": self.lint,
            "rerun": self.rerun,
            "mode": self.mode,
            "expectedGeneration": self.expected,
            "source": {"file": document.file, "lines": source_lines(document)},
        }


Expected = Annotated[
    int | None,
    typer.Option("--expect-generation", help="Refuse unless this is the newest generation (0: none); one document."),
]
Key = Annotated[
    str | None,
    typer.Option("--idempotency-key", help="Repeat safely: the same key and documents are stored once."),
]


@app.command()
def apply(
    files: Files = None,
    manifest_file: File = None,
    recursive: Recursive = False,
    disable_interpolation: NoInterpolation = False,
    workspace: Workspace = None,
    lint: Annotated[bool, typer.Option("-l", "--lint", help="Validate on the server, store nothing.")] = False,
    de_ref: Annotated[bool, typer.Option("-d", "--de-ref", help="Print the documents as sent; apply nothing.")] = False,
    re_run: Annotated[bool, typer.Option("-r", "--re-run", help="Run runnables once more.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="As --lint.")] = False,
    atomic: Annotated[bool, typer.Option("--atomic", help="All documents or none.")] = False,
    expect_generation: Expected = None,
    idempotency_key: Key = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until active, and until runs ended.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="Longest wait (seconds).")] = 600.0,
    output: Format = "table",
    strict: Strict = False,
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Apply manifests: create or update Resources. Accepted ones are durable when this returns.

    Documents of a folder are ordered by what they depend on. Independent documents go on after a failure (with
    --atomic none is stored then); the exit code is 1 if any failed, 5 if --wait ran out of time.
    """
    out = options.output(output, no_icons)
    loaded = documents.load(_paths("apply", files, manifest_file), recursive, workspace, disable_interpolation)
    if de_ref:
        return _print_documents(out, loaded)
    how = How(
        workspace=workspace,
        lint=lint or dry_run,
        rerun=re_run,
        strict=strict,
        atomic=atomic,
        expected=expect_generation,
        key=idempotency_key,
    )
    return _send(out, options.client(url, context), loaded, how, timeout if wait else None)


@app.command("resource-create")
def create(
    files: Files = None,
    manifest_file: File = None,
    recursive: Recursive = False,
    disable_interpolation: NoInterpolation = False,
    workspace: Workspace = None,
    output: Format = "table",
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Create Resources; one that exists already is an error."""
    out = options.output(output, no_icons)
    loaded = documents.load(
        _paths("resource create", files, manifest_file), recursive, workspace, disable_interpolation
    )
    return _send(out, options.client(url, context), loaded, How(workspace, mode="create"))


@app.command()
def update(
    files: Files = None,
    manifest_file: File = None,
    recursive: Recursive = False,
    disable_interpolation: NoInterpolation = False,
    workspace: Workspace = None,
    expect_generation: Expected = None,
    output: Format = "table",
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Update Resources; one that does not exist is an error."""
    out = options.output(output, no_icons)
    loaded = documents.load(_paths("update", files, manifest_file), recursive, workspace, disable_interpolation)
    how = How(workspace, mode="update", expected=expect_generation)
    return _send(out, options.client(url, context), loaded, how)


def _print_documents(out: Output, loaded: documents.Loaded) -> int:
    """De-reference: what would be sent, with variables and files filled in."""
    options.report(out, loaded.problems, loaded.warnings)
    if out.machine:
        out.data([d.data for d in loaded.documents])
    else:
        for document in loaded.documents:
            print("---")
            Output("yaml").data(document.data)
    return ExitCode.FAILED if loaded.problems else ExitCode.OK


def _send(out: Output, client: Client, loaded: documents.Loaded, how: How, wait_s: float | None = None) -> int:
    """Send documents one by one, or as one set; say how each went; wait for them if asked."""
    verb = how.mode
    if how.expected is not None and len(loaded.documents) != 1:
        raise fail("usage.expected", "--expect-generation goes with exactly one document")
    out.talk(f"{verb}...", "🛠")
    options.report(out, loaded.problems, loaded.warnings)
    failures = list(loaded.problems) or (list(loaded.warnings) if how.strict else [])
    results: list[dict[str, Any]] = [
        {"action": "error", "errors": [p.to_json()], "file": p.file} for p in loaded.problems
    ]
    applied: list[tuple[dict[str, Any], Document]] = []
    ordered = _ordered(loaded.documents)
    if how.atomic:
        if not failures:
            applied, failures = _send_set(out, client, ordered, how)
            results += [result for result, _ in applied]
        results += [{"action": "error", "errors": [p.to_json() for p in failures]}] if failures else []
    else:
        for position, document in enumerate(ordered):
            try:
                results.append(_apply_one(out, client, document, how, position))
                applied.append((results[-1], document))
            except DataOSError as error:
                failures += error.problems
                errors = [p.to_json() for p in error.problems]
                results.append({"action": "error", "errors": errors, "file": document.file})
                if error.problem.code.startswith(_NOT_IN_THE_FILE):
                    break
    if wait_s is not None and not how.lint:
        try:
            failures += _wait(out, client, applied, wait_s, how.rerun)
        except KeyboardInterrupt:
            out.talk(f"{verb}...interrupted: what was applied goes on, see `dataos get`", "🛠", "WARN")
            raise
    if out.machine:
        out.data(results)
    if failures:
        out.talk(f"{verb}...error", "🛠", "WARN")
        out.talk(f"failure {_DOING[verb]} resources", level="ERRO")
        return exit_code(failures[0].code) or ExitCode.FAILED
    if how.lint:
        out.talk(f"{verb}({how.workspace or 'public'})...lint", "🛠")
    out.talk(f"{verb}...nothing" if how.lint else f"{verb}...complete", "🛠")
    return ExitCode.OK


_DOING = {"apply": "applying", "create": "creating", "update": "updating"}


def _send_set(
    out: Output, client: Client, ordered: list[Document], how: How
) -> tuple[list[tuple[dict[str, Any], Document]], list[Problem]]:
    """All documents in one call: all are stored, or none is."""
    failures: list[Problem] = []
    warnings: list[Problem] = []
    for document in ordered:
        reading = Reading()
        manifest = read_manifest(document.data, reading, how.workspace)
        errors, noticed = report(document, reading)
        failures += errors if manifest is None else (noticed if how.strict else [])
        warnings += noticed
    if failures:
        options.report(out, failures, [w for w in warnings if w not in failures])
        return [], failures
    try:
        answer = client.json(
            "POST",
            "/api/v1/apply-set",
            body={"documents": [how.body(d) for d in ordered]},
            headers={"Idempotency-Key": how.key} if how.key else None,
            timeout_s=600.0,
        )
    except DataOSError as error:
        failures = [_located_in(ordered, p) for p in error.problems]
        options.report(out, failures, [])
        return [], failures
    applied: list[tuple[dict[str, Any], Document]] = []
    options.report(out, [], warnings)
    for document, item in zip(ordered, answer["items"], strict=True):
        resource = item["resource"]
        where = f"({resource['workspace']})" if resource["workspace"] else ""
        label = f"applying{where} {display_id(resource['type'], resource['version'], resource['name'])}"
        out.talk(f"{label}...{item['action']}", "🔧")
        applied.append(({**item, "file": document.file}, document))
    return applied, []


def _located_in(ordered: list[Document], problem: Problem) -> Problem:
    """A problem of a set names its Resource: the document that declares that one knows the line."""
    for document in ordered:
        data = document.data if isinstance(document.data, dict) else {}
        if data.get("name") == problem.name and registry.canonical_type(str(data.get("type"))) == problem.type:
            return document.located(problem)
    return problem


_NOT_IN_THE_FILE = ("auth.missing", "auth.invalid", "auth.expired", "server.", "store.", "wait.")
"""What no change of a manifest mends: it has no place in the file, and the next document would meet it again."""


def _apply_one(out: Output, client: Client, document: Document, how: How, position: int) -> dict[str, Any]:
    reading = Reading()
    manifest = read_manifest(document.data, reading, how.workspace)
    errors, warnings = report(document, reading)
    label = _progress_label(document, manifest, _DOING[how.mode])
    out.talk(f"{label}...", "🔧")
    if manifest is None or (how.strict and warnings):
        options.report(out, errors, warnings)
        out.talk(f"{label}...error", "🔧", "WARN")
        raise DataOSError(errors or warnings)
    try:
        answer = client.json(
            "POST",
            "/api/v1/apply",
            body=how.body(document),
            headers={"Idempotency-Key": f"{how.key}/{position}"} if how.key else None,
        )
    except DataOSError as error:
        located = [p if p.code.startswith(_NOT_IN_THE_FILE) else document.located(p) for p in error.problems]
        said = {(p.code, p.path) for p in located}
        options.report(out, located, [w for w in warnings if (w.code, w.path) not in said])
        out.talk(f"{label}...error", "🔧", "WARN")
        raise DataOSError(located) from error
    noticed = [document.located(Problem.from_json(w)) for w in answer["warnings"]]
    for warning in dict.fromkeys([*warnings, *noticed]):
        out.problem(warning, warning=True)
    out.talk(f"{label}...{answer['action']}", "🔧")
    return {**answer, "file": document.file}


def _progress_label(document: Document, manifest: Manifest | None, doing: str) -> str:
    if manifest is None:
        return f"{doing} {_label(document.data)}"
    where = f"({manifest.workspace})" if manifest.workspace else ""
    return f"{doing}{where} {display_id(manifest.kind.type, manifest.version, manifest.meta.name)}"


def _label(data: Any) -> str:
    if not isinstance(data, dict):
        return "a document"
    return display_id(str(data.get("type", "?")), str(data.get("version", "?")), str(data.get("name", "?")))


def _wait(
    out: Output, client: Client, applied: list[tuple[dict[str, Any], Document]], timeout: float, rerun: bool
) -> list[Problem]:
    """Wait for each applied Resource: active, and its run ended. Returns what went wrong."""
    deadline = time.monotonic() + timeout
    failures: list[Problem] = []
    for result, document in applied:
        resource = result["resource"]
        try:
            found = _wait_one(out, client, resource, document, deadline)
            failures += found
            if found and result["action"] == "unchanged" and not rerun:
                out.talk(f"{resource['name']} is unchanged and did not run anew: -r runs it once more", level="WARN")
            result["resource"] = client.resource(resource["type"], resource["name"], resource["workspace"])
        except DataOSError as error:
            if error.problem.code != "resource.not_found":
                raise
            failures.append(Problem("resource.not_found", f"{resource['name']} was deleted while this waited for it"))
            out.problem(failures[-1])
    return failures


def _wait_one(
    out: Output, client: Client, resource: dict[str, Any], document: Document, deadline: float
) -> list[Problem]:
    pause = 0.05
    shown = ""
    while True:
        body = client.resource(resource["type"], resource["name"], resource["workspace"])
        runs = resource["type"] == "workflow" and body["status"] == "active"
        waits = body["runtime"].startswith("next:") or body["runtime"] == "paused"  # a schedule: nothing runs now
        ended = not runs or waits or body["runtime"] in ("succeeded", "failed", "aborted")
        if body["status"] == "error" and body["settled"]:
            return [_wait_problem(out, resource, body["builder"]["info"])]
        if body["status"] == "active" and body["settled"] and ended:
            if body["runtime"] in ("failed", "aborted"):
                return _run_problems(out, client, resource, document, body)
            return []
        if runs:
            shown = _show_progress(out, client, resource, shown)
        if time.monotonic() > deadline:
            state = body["runtime"] or body["status"]
            where = f" -w {resource['workspace']}" if resource["workspace"] else ""
            command = f"dataos get{' runtime' if runs else ''} -t {resource['type']} -n {resource['name']}{where}"
            problem = Problem(
                "wait.timeout", f"{resource['name']} is still {state}", hint=f"it goes on: see `{command}`"
            )
            out.problem(problem)
            return [problem]
        time.sleep(pause)
        pause = min(0.5, pause * 1.5)


def _show_progress(out: Output, client: Client, resource: dict[str, Any], shown: str) -> str:
    runtime = client.runtime(resource["type"], resource["name"], resource["workspace"])
    run = runtime.get("run") or {}
    active = ", ".join(n["job"] for n in runtime["nodes"] if n["phase"] == "running")
    text = f"{resource['name']}: {run.get('progress', '')} {active}".rstrip()
    if text != shown:
        out.talk(text, "💨")
    return text


def _run_problems(
    out: Output, client: Client, resource: dict[str, Any], document: Document, body: dict[str, Any]
) -> list[Problem]:
    """What the failed jobs of the run said, with the place in the file where they say it of a part of the manifest."""
    runtime = client.runtime(resource["type"], resource["name"], resource["workspace"])
    problems = [
        Problem.from_json(p)
        for node in runtime["nodes"]
        if node["phase"] == "failed" and node["attempts"]
        for p in (node["attempts"][-1]["result"] or {}).get("problems", [])
    ]
    reason = (runtime.get("run") or {}).get("reason") or body["runtime"]
    found = [document.located(p) if p.path else p for p in problems] or [
        Problem("run.failed", f"{resource['name']}: {reason}", hint=f"dataos log -t workflow -n {resource['name']}")
    ]
    for problem in found:
        out.problem(problem)
    return found


def _wait_problem(out: Output, resource: dict[str, Any], info: str) -> Problem:
    problem = Problem("resource.error", f"{resource['name']}: {info}", type=resource["type"], name=resource["name"])
    out.problem(problem)
    return problem


_ORDER = {"instance-secret": 0, "secret": 0, "depot": 1, "lakehouse": 2, "cluster": 3, "workflow": 4}


def _ordered(documents: list[Document]) -> list[Document]:
    """Files as given, each file's documents in file order; across files, what is depended on first (ch01 6.2)."""
    files = {d.file for d in documents}
    if len(files) <= 1:
        return documents
    return sorted(
        documents, key=lambda d: _ORDER.get(str(d.data.get("type", "")).lower() if isinstance(d.data, dict) else "", 9)
    )


def _short(value: Any) -> str:
    text = str(value).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."
