"""Plan files: what `plan` found, so that `apply --plan` does that and nothing else.

A plan names files, a digest of each document and the generation that each Resource had. It holds no values: those of
secrets are not even part of the digests, which could be guessed back.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from dataos.core.errors import DataOSError, Problem, fail
from dataos.manifest.documents import read_manifest
from dataos.manifest.loader import Document
from dataos.manifest.specs import Reading

_FORM = "dataos-plan/1"


@dataclass(frozen=True)
class Plan:
    """A plan as it was written. `items`: {id, action, digest, generation}, in the order in which they are applied."""

    files: list[Path]
    recursive: bool
    disable_interpolation: bool
    workspace: str | None
    server: str
    items: list[dict[str, Any]]


def write(file: Path, plan: Plan) -> None:
    """Keep a plan."""
    body = {
        "form": _FORM,
        "files": [str(f.absolute()) for f in plan.files],
        "recursive": plan.recursive,
        "disableInterpolation": plan.disable_interpolation,
        "workspace": plan.workspace,
        "server": plan.server,
        "items": plan.items,
    }
    file.write_text(json.dumps(body, indent=2) + "\n", "utf-8")


def read(file: Path) -> Plan:
    """A plan that was kept. Raises DataOSError `usage.plan`."""
    try:
        body: Any = json.loads(file.read_text("utf-8"))
        if body["form"] != _FORM:
            raise fail(
                "usage.plan", f"{file} is a plan of the form {body['form']}", hint="make it anew: dataos plan -o FILE"
            )
        return Plan(
            [Path(f) for f in body["files"]],
            bool(body["recursive"]),
            bool(body["disableInterpolation"]),
            body["workspace"],
            str(body["server"]),
            cast("list[dict[str, Any]]", body["items"]),
        )
    except OSError as error:
        raise fail("usage.plan", f"cannot read {file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise fail("usage.plan", f"{file} is no plan", hint="make one: dataos plan -f MANIFESTS -o FILE") from error


def items_of(ordered: list[Document], answers: list[dict[str, Any]], workspace: str | None) -> list[dict[str, Any]]:
    """What a plan keeps of each document, from the answer of the plan route."""
    return [
        {
            "id": answer["resource"]["id"],
            "action": answer["action"],
            "generation": answer["resource"]["generation"],
            "digest": digest(document, workspace),
        }
        for document, answer in zip(ordered, answers, strict=True)
    ]


def check(plan: Plan, ordered: list[Document], server: str) -> None:
    """Raises DataOSError `plan.stale` with everything that differs from what was planned."""
    again = "make the plan anew, and look at it"
    problems: list[Problem] = []
    if server != plan.server:
        problems.append(Problem("plan.stale", f"the plan is for {plan.server}, not for {server}", hint=again))
    if len(ordered) != len(plan.items):
        text = f"the plan has {len(plan.items)} documents, the files hold {len(ordered)} now"
        problems.append(Problem("plan.stale", text, hint=again))
    for document, item in zip(ordered, plan.items, strict=False):
        if digest(document, plan.workspace) != item["digest"]:
            text = f"{item['id']} is not what was planned: its document differs"
            problems.append(Problem("plan.stale", text, hint=again, file=document.file))
    if problems:
        raise DataOSError(problems)


def digest(document: Document, workspace: str | None) -> str:
    """Of a document as it is sent, without the values of its secrets."""
    data: Any = json.loads(json.dumps(document.data, default=str))
    manifest = read_manifest(document.data, Reading(), workspace)
    for path in manifest.secret_paths if manifest else ():
        place = data[manifest.section_key] if manifest else data
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = ""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
