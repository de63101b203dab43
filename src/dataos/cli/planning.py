"""plan: what apply would do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dataos.cli import documents, options, plans
from dataos.cli.groups import Manifests, Reader, command
from dataos.core.errors import ExitCode, Problem, fail

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@command(app, "plan")
def plan(
    manifests: Manifests,
    reader: Reader,
    keep: Annotated[
        Path | None, typer.Option("-o", "--out", help="Keep the plan in this file, for `apply --plan FILE`.")
    ] = None,
) -> int:
    """Show what apply would do, by the same code: create, update (with the changes), unchanged, invalid."""
    out = reader.out()
    loaded = manifests.load("plan")
    ordered = documents.ordered(loaded.documents)
    client = reader.client()
    answer = client.json(
        "POST", "/api/v1/plan", body={"documents": [d.data for d in ordered], "workspace": manifests.workspace}
    )
    items = answer["items"]
    failed = bool(loaded.problems)
    for document, item in zip(ordered, items, strict=True):
        item["file"] = document.file
        for key in ("errors", "warnings"):
            item[key] = [document.located(Problem.from_json(p)).to_json() for p in item[key]]
        failed = failed or item["action"] == "invalid"
    if keep is not None and failed:
        out.talk(f"{keep} was not written: the plan has faults", level="WARN")
    elif keep is not None:
        _keep(keep, manifests, plans.items_of(ordered, items, manifests.workspace), client.connection.url)
    if out.machine:
        out.data([*items, *[{"action": "invalid", "errors": [p.to_json()]} for p in loaded.problems]])
        return ExitCode.FAILED if failed else ExitCode.OK
    options.report(out, loaded.problems, loaded.warnings)
    signs = {"create": "+", "update": "~", "unchanged": "=", "invalid": "!"}
    for document, item in zip(ordered, items, strict=True):
        print(f"{signs[item['action']]} {documents.label(document.data)}  {item['action']}")
        for change in item.get("changes", []):
            print(f"    {change['path']}: {_short(change['from'])} -> {_short(change['to'])}")
        _show_members(item.get("members", []))
        for warning in item["warnings"]:  # what is not built yet is among them: apply refuses it
            out.problem(Problem.from_json(warning), warning=True)
        for error in item["errors"]:
            out.problem(Problem.from_json(error))
    counts = {a: sum(1 for i in items if i["action"] == a) for a in signs}
    print(", ".join(f"{n} {a}" for a, n in counts.items() if n) or "nothing to do")
    return ExitCode.FAILED if failed else ExitCode.OK


def _show_members(members: list[dict[str, Any]], indent: str = "    ") -> None:
    signs = {"create": "+", "update": "~", "unchanged": "=", "delete": "-", "invalid": "!"}
    for member in members:
        print(f"{indent}{signs[member['action']]} {member['resource']['id']}  {member['action']}")
        for change in member["changes"]:
            print(f"{indent}    {change['path']}: {_short(change['from'])} -> {_short(change['to'])}")
        _show_members(member.get("members", []), indent + "    ")


def _keep(file: Path, manifests: Manifests, items: list[dict[str, Any]], server: str) -> None:
    files = manifests.paths()
    if any(str(f) == "-" for f in files):
        raise fail("usage.plan", "a plan of standard input could not be applied later", hint="name files")
    kept = plans.Plan(files, manifests.recursive, manifests.disable_interpolation, manifests.workspace, server, items)
    plans.write(file, kept)


def _short(value: Any) -> str:
    text = str(value).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."
