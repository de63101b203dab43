"""References to local files in manifests, read by the client before anything is sent (ch01 3.5).

Secrets' `files` are merged into `data`; a Flare step's `sqlFile` becomes `sql`. Paths are looked for beside the
manifest first, then in the working folder; a file that is not found is an error naming both places.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any, cast

from dataos.core.errors import Problem
from dataos.manifest import registry
from dataos.manifest.loader import Document
from dataos.manifest.specs import Path, render

MAX_BYTES = 1 << 20


def dereference(document: Document, beside: FilePath) -> list[Problem]:
    """Inline what the document refers to, in place. Returns problems (`manifest.file`)."""
    if not isinstance(document.data, dict):
        return []
    problems: list[Problem] = []
    data = cast("dict[str, Any]", document.data)
    if registry.canonical_type(str(data.get("type", ""))) in ("secret", "instance-secret"):
        for key, section in data.items():
            if isinstance(section, dict):
                _merge_files(document, cast("dict[str, Any]", section), (key,), beside, problems)
    else:
        _inline_sql(document, data, (), beside, problems)
    return problems


def _merge_files(
    document: Document, section: dict[str, Any], path: Path, beside: FilePath, problems: list[Problem]
) -> None:
    for spelling in ("files", "file"):
        files = section.get(spelling)
        if not isinstance(files, dict):
            continue
        values: dict[str, Any] = dict(section.get("data") or {})
        for name, place in cast("dict[str, Any]", files).items():
            content = _read(document, str(place), (*path, spelling, name), beside, problems)
            if content is not None:
                values[name] = content
        section["data"] = values
        del section[spelling]


def _inline_sql(document: Document, node: Any, path: Path, beside: FilePath, problems: list[Problem]) -> None:
    if isinstance(node, dict):
        values = cast("dict[str, Any]", node)
        if isinstance(values.get("sqlFile"), str):
            content = _read(document, values["sqlFile"], (*path, "sqlFile"), beside, problems)
            if content is not None:
                del values["sqlFile"]
                values["sql"] = content
        for key, value in values.items():
            _inline_sql(document, value, (*path, key), beside, problems)
    elif isinstance(node, list):
        for position, value in enumerate(cast("list[Any]", node)):
            _inline_sql(document, value, (*path, position), beside, problems)


def _read(document: Document, place: str, path: Path, beside: FilePath, problems: list[Problem]) -> str | None:
    tried = [beside / place, FilePath.cwd() / place] if not FilePath(place).is_absolute() else [FilePath(place)]
    line, column = document.place(path)
    for candidate in tried:
        if candidate.is_file():
            try:
                if candidate.stat().st_size > MAX_BYTES:
                    text = f"{candidate} is larger than {MAX_BYTES >> 20} MiB"
                    break
                return candidate.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                text = f"cannot read {candidate}: {error}"
                break
    else:
        text = f"file `{place}` was not found; tried: " + ", ".join(str(t) for t in dict.fromkeys(tried))
    problems.append(Problem("manifest.file", text, path=render(path), file=document.file, line=line, column=column))
    return None
