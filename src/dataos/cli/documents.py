"""Manifest files as the commands read them: loaded, variables filled in, referenced files inlined."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dataos.cli.options import Target
from dataos.core.addresses import ResourceKey, display_id
from dataos.core.errors import DataOSError, Problem
from dataos.manifest import registry
from dataos.manifest.custom_stacks import CustomStack
from dataos.manifest.documents import read_manifest
from dataos.manifest.files import dereference
from dataos.manifest.interpolation import interpolate
from dataos.manifest.loader import Document, load_bytes, load_file
from dataos.manifest.nesting import nest
from dataos.manifest.packing import inline, pack
from dataos.manifest.sets import stacks_in
from dataos.manifest.specs import Reading

STDIN = "standard input"


@dataclass
class Loaded:
    """What files held: documents, and problems of files or documents that could not be used."""

    documents: list[Document]
    problems: list[Problem]
    warnings: list[Problem]

    def reading(self) -> Reading:
        """For one of the documents: it knows what the others define."""
        return Reading(stacks=self._stacks)

    @cached_property
    def _stacks(self) -> tuple[CustomStack, ...]:
        return stacks_in(document.data for document in self.documents)


def load(files: list[Path], recursive: bool, workspace: str | None, no_interpolation: bool) -> Loaded:
    """Read manifests: files, folders (with -R all `*.yaml` and `*.yml` below), `-` for standard input.

    Broken files become problems. Files that standard input names are looked for below the working folder.
    """
    loaded = Loaded([], [], [])
    for file in _expand(files, recursive, loaded.problems):
        try:
            documents = load_bytes(sys.stdin.buffer.read(), STDIN) if str(file) == "-" else load_file(file)
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
        elif file.exists() or str(file) == "-":
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
    for document in ordered(loaded.documents):
        reading = loaded.reading()
        manifest = read_manifest(document.data, reading, workspace)
        if manifest is None:
            found.append(_named(document, workspace, [document.located(p) for p in reading.problems]))
            continue
        found.append(Target(manifest.kind.type, manifest.meta.name, manifest.workspace, manifest.version))
    return list(reversed(found))


def _named(document: Document, workspace: str | None, problems: list[Problem]) -> Target:
    """What a faulty manifest names: type and name are enough to delete. Raises its problems if they are not there."""
    data = document.data if isinstance(document.data, dict) else {}
    kind = registry.find_kind(registry.canonical_type(str(data.get("type"))))
    name = data.get("name")
    if kind is None or not isinstance(name, str) or not name:
        raise DataOSError(problems)
    own = str(data.get("workspace") or workspace or "public")
    return Target(kind.type, name, None if kind.instance_level else own, None)


def ordered(documents: list[Document]) -> list[Document]:
    """One file's documents as they stand. Of several files: as given, what is depended on before what needs it."""
    if len({d.file for d in documents}) <= 1:
        return documents
    stacks = stacks_in(document.data for document in documents)
    keys = [_key(d, stacks) for d in documents]
    places = {key: position for position, (key, _) in enumerate(keys) if key is not None}
    waits = [{places[need] for need in needs if need in places} - {i} for i, (_, needs) in enumerate(keys)]
    done: list[int] = []
    left = list(range(len(documents)))
    while left:
        # the first one that waits for nothing that is left; in a circle just the first: the server tells the fault
        chosen = next((i for i in left if not waits[i].intersection(left)), left[0])
        left.remove(chosen)
        done.append(chosen)
    return [documents[i] for i in done]


def _key(document: Document, stacks: tuple[CustomStack, ...]) -> tuple[ResourceKey | None, set[ResourceKey]]:
    """What a document declares and what it needs. A faulty one needs nothing."""
    manifest = read_manifest(document.data, Reading(stacks=stacks))
    if manifest is None:
        return None, set()
    needs: set[ResourceKey] = set()
    for reference in manifest.references:
        target = reference.target
        if target.type == "?secret":  # the workspace's Secret or an Instance-Secret
            needs |= {replace(target, type="secret"), ResourceKey("instance-secret", target.name)}
        needs.add(target)
    return manifest.key, needs


def label(data: Any) -> str:
    """NAME:VERSION:TYPE of a document, faulty ones included."""
    if not isinstance(data, dict):
        return "a document"
    return display_id(str(data.get("type", "?")), str(data.get("version", "?")), str(data.get("name", "?")))
