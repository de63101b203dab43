"""apply, create, update."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from dataos.cli import documents, options, plans, waiting
from dataos.cli.documents import Loaded
from dataos.cli.groups import Manifests, Reader, command
from dataos.cli.options import Strict
from dataos.cli.output import Output
from dataos.client.api import Client
from dataos.core.addresses import display_id
from dataos.core.errors import DataOSError, ExitCode, Problem, exit_code, fail
from dataos.manifest.documents import Manifest, read_manifest
from dataos.manifest.loader import Document, report, source_lines
from dataos.manifest.sets import located_in
from dataos.manifest.specs import Reading

app = typer.Typer(add_completion=False, rich_markup_mode=None)
Expected = Annotated[
    int | None,
    typer.Option("--expect-generation", help="Refuse unless this is the newest generation (0: none); one document."),
]
Key = Annotated[
    str | None,
    typer.Option("--idempotency-key", help="Repeat safely: the same key and documents are stored once."),
]


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
    generations: tuple[int, ...] = ()  # of a plan: the expected one of each document

    def body(self, document: Document, position: int = 0) -> dict[str, Any]:
        """The request of one document of the set."""
        expected = self.generations[position] if self.generations else self.expected
        return {
            "document": document.data,
            "workspace": self.workspace,
            "dryRun": self.lint,
            "rerun": self.rerun,
            "mode": self.mode,
            "expectedGeneration": expected,
            "source": {"file": document.file, "lines": source_lines(document)},
        }


@command(app, "apply")
def apply(
    manifests: Manifests,
    reader: Reader,
    lint: Annotated[bool, typer.Option("-l", "--lint", help="Validate on the server, store nothing.")] = False,
    de_ref: Annotated[bool, typer.Option("-d", "--de-ref", help="Print the documents as sent; apply nothing.")] = False,
    re_run: Annotated[bool, typer.Option("-r", "--re-run", help="Run runnables once more.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="As --lint.")] = False,
    atomic: Annotated[bool, typer.Option("--atomic", help="All documents or none.")] = False,
    expect_generation: Expected = None,
    idempotency_key: Key = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until active, and until runs ended.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="Longest wait (seconds).")] = 600.0,
    strict: Strict = False,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="Do what `plan -o FILE` found, all of it and nothing else.")
    ] = None,
) -> int:
    """Apply manifests: create or update Resources. Accepted ones are durable when this returns.

    Documents of a folder are ordered by what they depend on. Independent documents go on after a failure (with
    --atomic none is stored then); the exit code is 1 if any failed, 5 if --wait ran out of time. `-f -` reads
    standard input.
    """
    out = reader.out()
    if plan is not None:
        if manifests.paths():
            raise fail("usage.plan", "a plan names its own files", hint="leave the files out, or --plan")
        return _apply_plan(out, reader.client(), plans.read(plan), timeout if wait else None)
    loaded = manifests.load("apply")
    if de_ref:
        return _print_documents(out, loaded)
    how = How(
        workspace=manifests.workspace,
        lint=lint or dry_run,
        rerun=re_run,
        strict=strict,
        atomic=atomic,
        expected=expect_generation,
        key=idempotency_key,
    )
    return _send(out, reader.client(), loaded, how, timeout if wait else None)


@command(app, "resource-create")
def create(manifests: Manifests, reader: Reader) -> int:
    """Create Resources; one that exists already is an error."""
    out = reader.out()
    loaded = manifests.load("resource create")
    return _send(out, reader.client(), loaded, How(manifests.workspace, mode="create"))


@command(app, "update")
def update(manifests: Manifests, reader: Reader, expect_generation: Expected = None) -> int:
    """Update Resources; one that does not exist is an error."""
    out = reader.out()
    loaded = manifests.load("update")
    how = How(manifests.workspace, mode="update", expected=expect_generation)
    return _send(out, reader.client(), loaded, how)


def _apply_plan(out: Output, client: Client, plan: plans.Plan, wait_s: float | None) -> int:
    """All documents of a plan, as one set, each with the generation that the plan saw."""
    loaded = documents.load(plan.files, plan.recursive, plan.workspace, plan.disable_interpolation)
    if loaded.problems:
        raise DataOSError(loaded.problems)
    plans.check(plan, documents.ordered(loaded.documents), client.connection.url)
    generations = tuple(int(item["generation"]) for item in plan.items)
    how = How(workspace=plan.workspace, atomic=True, generations=generations)
    return _send(out, client, loaded, how, wait_s)


def _print_documents(out: Output, loaded: Loaded) -> int:
    """De-reference: what would be sent, with variables and files filled in."""
    options.report(out, loaded.problems, loaded.warnings)
    if out.machine:
        out.data([d.data for d in loaded.documents])
    else:
        for document in loaded.documents:
            print("---")
            Output("yaml").data(document.data)
    return ExitCode.FAILED if loaded.problems else ExitCode.OK


def _send(out: Output, client: Client, loaded: Loaded, how: How, wait_s: float | None = None) -> int:
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
    ordered = documents.ordered(loaded.documents)
    if how.atomic:
        if not failures:
            applied, failures = _send_set(out, client, ordered, how, loaded)
            results += [result for result, _ in applied]
        results += [{"action": "error", "errors": [p.to_json() for p in failures]}] if failures else []
    else:
        for position, document in enumerate(ordered):
            try:
                results.append(_apply_one(out, client, document, how, position, loaded.reading()))
                applied.append((results[-1], document))
            except DataOSError as error:
                failures += error.problems
                errors = [p.to_json() for p in error.problems]
                results.append({"action": "error", "errors": errors, "file": document.file})
                if error.problem.code.startswith(_NOT_IN_THE_FILE):
                    break
    if wait_s is not None and not how.lint:
        try:
            failures += waiting.wait(out, client, applied, wait_s, how.rerun)
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
    out: Output, client: Client, ordered: list[Document], how: How, loaded: Loaded
) -> tuple[list[tuple[dict[str, Any], Document]], list[Problem]]:
    """All documents in one call: all are stored, or none is."""
    failures: list[Problem] = []
    warnings: list[Problem] = []
    for document in ordered:
        reading = loaded.reading()
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
            body={"documents": [how.body(d, i) for i, d in enumerate(ordered)]},
            headers={"Idempotency-Key": how.key} if how.key else None,
            timeout_s=600.0,
        )
    except DataOSError as error:
        failures = [located_in(ordered, p) for p in error.problems]
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


_NOT_IN_THE_FILE = ("auth.missing", "auth.invalid", "auth.expired", "server.", "store.", "wait.")
"""What no change of a manifest mends: it has no place in the file, and the next document would meet it again."""


def _apply_one(
    out: Output, client: Client, document: Document, how: How, position: int, reading: Reading
) -> dict[str, Any]:
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
        return f"{doing} {documents.label(document.data)}"
    where = f"({manifest.workspace})" if manifest.workspace else ""
    return f"{doing}{where} {display_id(manifest.kind.type, manifest.version, manifest.meta.name)}"
