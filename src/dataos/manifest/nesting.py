"""`file` of a Workflow's node: the client reads that manifest and puts it in as `manifest` (ch03 0.3, 2.1).

A file that holds a bare job (a mapping with `stack`) becomes the node's `spec`. Nested files may name further files;
a circle through files is an error. Each place is looked for beside the naming manifest first, then in the working
folder.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any, cast

from dataos.core.errors import DataOSError, Problem
from dataos.manifest import registry
from dataos.manifest.loader import Document, load_file
from dataos.manifest.specs import Path, render

Prepare = Callable[[Document, FilePath], list[Problem]]
"""Fills in variables and other files of a nested document, in place."""


def nest(document: Document, file: FilePath, prepare: Prepare, trail: tuple[FilePath, ...] = ()) -> list[Problem]:
    """Put in the Workflow files that a document names. Returns problems (`manifest.file`, and those of the files)."""
    data = document.data
    if not isinstance(data, dict) or registry.canonical_type(str(data.get("type", ""))) != "workflow":
        return []
    problems: list[Problem] = []
    trail = (*trail, file.resolve())
    for key, section in cast("dict[str, Any]", data).items():
        if key.lower() != "workflow" or not isinstance(section, dict):
            continue
        dag: Any = section.get("dag")
        for position, job in enumerate(cast("list[Any]", dag if isinstance(dag, list) else [])):
            if not isinstance(job, dict):
                continue
            node = cast("dict[str, Any]", job)
            path: Path = (key, "dag", position, "file")
            if isinstance(node.get("spec"), dict) and isinstance(node["spec"].get("file"), str):
                node.setdefault("file", node["spec"].pop("file"))  # a known slip: `file` belongs beside `spec`
                if not node["spec"]:
                    del node["spec"]
            if isinstance(node.get("file"), str) and "manifest" not in node:
                problems += _put_in(document, node, path, file, prepare, trail)
    return problems


def _put_in(
    document: Document, node: dict[str, Any], path: Path, file: FilePath, prepare: Prepare, trail: tuple[FilePath, ...]
) -> list[Problem]:
    """Fill one node. The problems of a nested file carry that file and its lines."""

    def at(text: str) -> list[Problem]:
        line, column = document.place(path)
        return [Problem("manifest.file", text, path=render(path), file=document.file, line=line, column=column)]

    place = FilePath(node["file"])
    tried = list(dict.fromkeys([file.parent / place, FilePath.cwd() / place]))
    found = next((t for t in tried if t.is_file()), None)
    if found is None:
        return at(f"file `{place}` was not found; tried: " + ", ".join(str(t) for t in tried))
    if found.resolve() in trail:
        names = [t.name for t in (*trail[trail.index(found.resolve()) :], found)]
        return at("workflow files form a circle: " + " -> ".join(names))
    try:
        documents = load_file(found)
    except DataOSError as error:
        return list(error.problems)
    if len(documents) != 1:
        return at(f"file `{place}` holds {len(documents)} documents; a node needs one")
    inner = documents[0]
    if not isinstance(inner.data, dict):
        return at(f"file `{place}` is no workflow")
    problems = prepare(inner, found)
    problems += nest(inner, found, prepare, trail)
    content = cast("dict[str, Any]", inner.data)
    if "stack" in content and "type" not in content:
        node["spec"] = content
        del node["file"]
    elif registry.canonical_type(str(content.get("type", ""))) != "workflow":
        problems += at(f"file `{place}` is no workflow: its type is `{content.get('type', 'missing')}`")
    else:
        node["manifest"] = content
    return problems
