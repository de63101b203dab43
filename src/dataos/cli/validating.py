"""validate: manifests checked offline."""

from __future__ import annotations

from typing import Any

import typer

from dataos.cli.groups import Manifests, Printed, command
from dataos.cli.options import Strict
from dataos.cli.output import Output
from dataos.core.errors import ExitCode, Problem
from dataos.manifest.documents import Manifest, read_manifest
from dataos.manifest.loader import Document, report

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@command(app, "validate")
def validate(manifests: Manifests, printed: Printed, strict: Strict = False) -> int:
    """Check manifests offline: syntax, schema, references inside. Needs no server.

    With -O json prints one object per document: {file, document, kind, name, ok, errors, warnings}.
    """
    out = printed.out()
    loaded = manifests.load("validate")
    results = [_verdict_of_file(p) for p in loaded.problems]
    for document in loaded.documents:
        reading = loaded.reading()
        manifest = read_manifest(document.data, reading, manifests.workspace)
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
