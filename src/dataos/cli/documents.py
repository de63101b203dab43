"""Manifest files as the commands read them: loaded, variables filled in, referenced files inlined."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataos.cli.options import Target
from dataos.core.addresses import display_id
from dataos.core.errors import DataOSError, Problem
from dataos.manifest import registry
from dataos.manifest.documents import read_manifest
from dataos.manifest.files import dereference
from dataos.manifest.interpolation import interpolate
from dataos.manifest.loader import Document, load_file
from dataos.manifest.nesting import nest
from dataos.manifest.packing import inline, pack
from dataos.manifest.specs import Reading


@dataclass
class Loaded:
    """What files held: documents, and problems of files or documents that could not be used."""

    documents: list[Document]
    problems: list[Problem]
    warnings: list[Problem]


def load(files: list[Path], recursive: bool, workspace: str | None, no_interpolation: bool) -> Loaded:
    """Read manifests: files, or folders (with -R all `*.yaml` and `*.yml` below). Broken files become problems."""
    loaded = Loaded([], [], [])
    for file in _expand(files, recursive, loaded.problems):
        try:
            documents = load_file(file)
        except DataOSError as error:
            loaded.problems += error.problems
            continue
        for document in documents:
            _prepare(document, file, workspace, no_interpolation, loaded)
    return loaded


def _prepare(document: Document, file: Path, workspace: str | None, raw: bool, loaded: Loaded) -> None:
    own: Any = document.data.get("workspace") if isinstance(document.data, dict) else None

    def fill(part: Document, place: Path, fresh: bool = True) -> list[Problem]:
        found = [] if raw or not fresh else interpolate(part, os.environ, str(own or workspace or "public"))
        return [*found, *dereference(part, place.parent), *inline(part, place)]

    def whole(part: Document, place: Path, fresh: bool) -> list[Problem]:
        return [*fill(part, place, fresh), *nest(part, place, fill)]

    found = [*whole(document, file, True), *pack(document, file, whole)]
    errors = [p for p in found if p.code in _ERRORS]
    loaded.warnings += [p for p in found if p not in errors]
    if errors:
        loaded.problems += errors
    else:
        loaded.documents.append(document)


_ERRORS = tuple(f"manifest.{x}" for x in ("placeholder", "file", "syntax", "unreadable", "empty", "too_large"))


def _expand(files: list[Path], recursive: bool, problems: list[Problem]) -> list[Path]:
    found: list[Path] = []
    for file in files:
        if file.is_dir():
            pattern = "**/*" if recursive else "*"
            inside = sorted(p for p in file.glob(pattern) if p.suffix in (".yaml", ".yml") and p.is_file())
            if not inside:
                problems.append(
                    Problem(
                        "manifest.unreadable", f"{file} holds no .yaml or .yml file", hint="use -R to look into folders"
                    )
                )
            found += inside
        elif file.exists():
            found.append(file)
        else:
            problems.append(Problem("manifest.unreadable", f"{file} does not exist", file=str(file)))
    return found


def targets(files: list[Path], recursive: bool, workspace: str | None, raw: bool) -> list[Target]:
    """The Resources that files declare, in the order in which they can be deleted."""
    loaded = load(files, recursive, workspace, raw)
    if loaded.problems:
        raise DataOSError(loaded.problems)
    found: list[Target] = []
    for document in loaded.documents:
        reading = Reading()
        manifest = read_manifest(document.data, reading, workspace)
        if manifest is None:
            found.append(_named(document, workspace, [document.located(p) for p in reading.problems]))
            continue
        found.append(Target(manifest.kind.type, manifest.meta.name, manifest.workspace, manifest.version))
    order = {"workflow": 0, "cluster": 1, "lakehouse": 2, "depot": 3}
    found.reverse()
    return sorted(found, key=lambda t: order.get(t.type, 9)) if len({d.file for d in loaded.documents}) > 1 else found


def _named(document: Document, workspace: str | None, problems: list[Problem]) -> Target:
    """What a faulty manifest names: type and name are enough to delete. Raises its problems if they are not there."""
    data = document.data if isinstance(document.data, dict) else {}
    kind = registry.find_kind(registry.canonical_type(str(data.get("type"))))
    name = data.get("name")
    if kind is None or not isinstance(name, str) or not name:
        raise DataOSError(problems)
    own = str(data.get("workspace") or workspace or "public")
    return Target(kind.type, name, None if kind.instance_level else own, None)


_ORDER = {"instance-secret": 0, "secret": 0, "depot": 1, "lakehouse": 2, "cluster": 3, "workflow": 4}


def ordered(documents: list[Document]) -> list[Document]:
    """Files as given, each file's documents in file order; across files, what is depended on first (ch01 6.2)."""
    files = {d.file for d in documents}
    if len(files) <= 1:
        return documents
    return sorted(
        documents, key=lambda d: _ORDER.get(str(d.data.get("type", "")).lower() if isinstance(d.data, dict) else "", 9)
    )


def label(data: Any) -> str:
    """NAME:VERSION:TYPE of a document, faulty ones included."""
    if not isinstance(data, dict):
        return "a document"
    return display_id(str(data.get("type", "?")), str(data.get("version", "?")), str(data.get("name", "?")))
