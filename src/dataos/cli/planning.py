"""plan: what apply would do."""

from __future__ import annotations

from typing import Any

import typer

from dataos.cli import documents, options
from dataos.cli.groups import Manifests, Reader, command
from dataos.core.errors import ExitCode, Problem

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@command(app, "plan")
def plan(manifests: Manifests, reader: Reader) -> int:
    """Show what apply would do, by the same code: create, update (with the changes), unchanged, invalid."""
    out = reader.out()
    loaded = manifests.load("plan")
    ordered = documents.ordered(loaded.documents)
    answer = reader.client().json(
        "POST", "/api/v1/plan", body={"documents": [d.data for d in ordered], "workspace": manifests.workspace}
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
        print(f"{signs[item['action']]} {documents.label(document.data)}  {item['action']}")
        for change in item.get("changes", []):
            print(f"    {change['path']}: {_short(change['from'])} -> {_short(change['to'])}")
        for error in item["errors"]:
            out.problem(Problem.from_json(error))
    counts = {a: sum(1 for i in items if i["action"] == a) for a in signs}
    print(", ".join(f"{n} {a}" for a, n in counts.items() if n) or "nothing to do")
    return ExitCode.FAILED if failed else ExitCode.OK


def _short(value: Any) -> str:
    text = str(value).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."
