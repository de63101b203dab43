"""References to local files in manifests, read by the client before anything is sent (ch01 3.5).

Secrets' `files` are merged into `data` (what is no text as core/binaries.py says); of a Flare job a step's `sqlFile`
becomes `sql`, its `programFile` `program`, an input's `schemaPath` that is no address `schemaString`, and a file that
is named in `steps` that step.
Paths are looked for beside the manifest first, then in the working folder; a file that is not found is an error
naming both places.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any, cast

from dataos.core import binaries
from dataos.core.errors import DataOSError, Problem
from dataos.manifest import registry
from dataos.manifest.loader import Document, load_text
from dataos.manifest.specs import Path, render

MAX_BYTES = 1 << 20


def dereference(document: Document, beside: FilePath) -> list[Problem]:
    """Inline what the document refers to, in place. Returns problems (`manifest.file`)."""
    if not isinstance(document.data, dict):
        return []
    problems: list[Problem] = []
    data = cast("dict[str, Any]", document.data)
    type_ = registry.canonical_type(str(data.get("type", "")))
    for key, section in data.items():
        if type_ in ("secret", "instance-secret"):
            for part, where in _entries(section, (key,)):
                _merge_files(document, part, where, beside, problems)
        elif type_ == "depot" and key.lower() == "depot" and isinstance(section, dict):
            for inner, credentials in cast("dict[str, Any]", section).items():
                if inner.lower() in _INLINE:
                    for part, where in _entries(credentials, (key, inner)):
                        _merge_files(document, part, where, beside, problems)
    if type_ not in ("secret", "instance-secret"):
        _inline_sql(document, data, (), beside, problems)
    return problems


_INLINE = frozenset({"connectionsecret", "connectionsecrets", "secrets", "secret"})


def _entries(block: Any, path: Path) -> list[tuple[dict[str, Any], Path]]:
    """The mappings of a list with their paths, or the lone mapping."""
    if isinstance(block, dict):
        return [(cast("dict[str, Any]", block), path)]
    items = cast("list[Any]", block) if isinstance(block, list) else []
    return [(cast("dict[str, Any]", item), (*path, i)) for i, item in enumerate(items) if isinstance(item, dict)]


def _merge_files(
    document: Document, section: dict[str, Any], path: Path, beside: FilePath, problems: list[Problem]
) -> None:
    """Put the content of files below `data`. A lone path is named after its file (ch02 2.2)."""
    for spelling in [k for k in section if k.lower() in ("files", "file", "key_json")]:
        files = section[spelling]
        if isinstance(files, str):
            name = "key_json" if spelling.lower() == "key_json" else FilePath(files).name
            wanted = {name: (files, (*path, spelling))}
        elif isinstance(files, dict):
            entries = cast("dict[str, Any]", files)
            wanted = {name: (str(place), (*path, spelling, name)) for name, place in entries.items()}
        else:
            continue
        holder = next((k for k in section if k.lower() in ("data", "values")), "data")
        written = section.get(holder)
        if written is not None and not isinstance(written, dict):
            continue  # the kind's reader says what is wrong with it
        values = dict(cast("dict[str, Any]", written or {}))
        for name, (place, where) in wanted.items():
            raw = _read(document, place, where, beside, problems)
            if raw is not None:
                values[name] = binaries.to_text(raw)
        section[holder] = values
        del section[spelling]


def _inline_sql(document: Document, node: Any, path: Path, beside: FilePath, problems: list[Problem]) -> None:
    if isinstance(node, dict):
        values = cast("dict[str, Any]", node)
        for key, becomes in (("sqlFile", "sql"), ("programFile", "program")):
            if isinstance(place := values.get(key), str):
                raw = _read(document, place, (*path, key), beside, problems)
                if raw is not None and (text := _text(document, raw, place, (*path, key), problems)) is not None:
                    del values[key]
                    values[becomes] = text
        schema = values.get("schemaPath")
        if isinstance(schema, str) and "://" not in schema and not values.get("schemaString"):
            where = (*path, "schemaPath")
            raw = _read(document, schema, where, beside, problems)
            if raw is not None and (text := _text(document, raw, schema, where, problems)) is not None:
                del values["schemaPath"]
                values["schemaString"] = text
        if "inputs" in values and isinstance(values.get("steps"), list):
            _inline_steps(document, values["steps"], (*path, "steps"), beside, problems)
        for key, value in values.items():
            _inline_sql(document, value, (*path, key), beside, problems)
    elif isinstance(node, list):
        for position, value in enumerate(cast("list[Any]", node)):
            _inline_sql(document, value, (*path, position), beside, problems)


def _inline_steps(document: Document, steps: list[Any], path: Path, beside: FilePath, problems: list[Problem]) -> None:
    """Put the content of step files in their places."""
    for position, step in enumerate(steps):
        where = (*path, position)
        if not isinstance(step, str):
            continue
        raw = _read(document, step, where, beside, problems)
        text = _text(document, raw, step, where, problems) if raw is not None else None
        if text is None:
            continue
        try:
            found = load_text(text, step)
        except DataOSError as error:
            problems += error.problems
            continue
        if len(found) != 1 or not isinstance(found[0].data, dict):
            line, column = document.place(where)
            message = f"{step} is no step: a mapping with `sequence`"
            problems.append(
                Problem("manifest.file", message, path=render(where), file=document.file, line=line, column=column)
            )
            continue
        steps[position] = found[0].data


def _text(document: Document, raw: bytes, place: str, path: Path, problems: list[Problem]) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = document.place(path)
        text = f"{place} is not UTF-8: {error.reason} at byte {error.start}"
        problems.append(Problem("manifest.file", text, path=render(path), file=document.file, line=line, column=column))
        return None


def _read(document: Document, place: str, path: Path, beside: FilePath, problems: list[Problem]) -> bytes | None:
    tried = [beside / place, FilePath.cwd() / place] if not FilePath(place).is_absolute() else [FilePath(place)]
    line, column = document.place(path)
    for candidate in tried:
        if candidate.is_file():
            try:
                if candidate.stat().st_size > MAX_BYTES:
                    text = f"{candidate} is larger than {MAX_BYTES >> 20} MiB"
                    break
                return candidate.read_bytes()
            except OSError as error:
                text = f"cannot read {candidate}: {error}"
                break
    else:
        text = f"file `{place}` was not found; tried: " + ", ".join(str(t) for t in dict.fromkeys(tried))
    problems.append(Problem("manifest.file", text, path=render(path), file=document.file, line=line, column=column))
    return None
