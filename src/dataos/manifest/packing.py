"""Files that the client puts into a manifest before it is sent: a Bundle's items, `configs`, a Database's migrations.

A Bundle's item with `file` gets the manifest as its `spec`, prepared as if it stood alone; what stands inside a Bundle
is prepared too. A value of `configs` that is no file is the content itself (ch03 1.1). Folders of `migrate.includes`
become scripts of `includesInline`, in lexical order and before those that stand there (ch03 13). Places are looked for
beside the manifest first, then in the working folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path as FilePath
from typing import Any, cast

from dataos.core.errors import DataOSError, Problem
from dataos.manifest import registry
from dataos.manifest.loader import Document, load_file
from dataos.manifest.specs import Path, render

Prepare = Callable[[Document, FilePath, bool], list[Problem]]
"""Fills in everything else of a document, in place. True: its variables too (what comes from another file); the outer
document's were filled in already, and values that came from variables are not looked through again."""

MAX_BYTES = 1 << 20
MAX_SCRIPTS = 2000


def inline(document: Document, file: FilePath) -> list[Problem]:
    """Put in `configs` and migrations. Returns problems: `manifest.file` is an error, `manifest.notice` a warning."""
    if not isinstance(document.data, dict):
        return []
    data = cast("dict[str, Any]", document.data)
    problems: list[Problem] = []
    match registry.canonical_type(str(data.get("type", ""))):
        case "service" | "worker" as type_:
            for key, block in _sections(data, type_):
                problems += _configs(document, block, (key,), file)
        case "workflow":
            for key, section in _sections(data, "workflow"):
                for position, job in _mappings(section.get("dag")):
                    if isinstance(job.get("spec"), dict):
                        where: Path = (key, "dag", position, "spec")
                        problems += _configs(document, cast("dict[str, Any]", job["spec"]), where, file)
        case "database":
            for key, section in _sections(data, "database"):
                problems += _migrations(document, section, (key,), file)
        case _:
            pass
    return problems


def pack(document: Document, file: FilePath, prepare: Prepare, trail: tuple[FilePath, ...] = ()) -> list[Problem]:
    """Put the files that a Bundle names into it. Returns problems as `inline`, and those of the files."""
    if not isinstance(document.data, dict):
        return []
    data = cast("dict[str, Any]", document.data)
    if registry.canonical_type(str(data.get("type", ""))) != "bundle":
        return []
    trail = trail or (file.resolve(),)
    return [
        problem
        for key, section in _sections(data, "bundle")
        for problem in _items(document, section, (key,), file, prepare, trail)
    ]


def _sections(data: dict[str, Any], type_: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, section in data.items():
        if key.lower() == type_ and isinstance(section, dict):
            yield key, cast("dict[str, Any]", section)


def _mappings(items: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for position, item in enumerate(cast("list[Any]", items) if isinstance(items, list) else []):
        if isinstance(item, dict):
            yield position, cast("dict[str, Any]", item)


def _problem(document: Document, path: Path, text: str, code: str = "manifest.file", hint: str = "") -> Problem:
    line, column = document.place(path)
    return Problem(code, text, hint=hint, path=render(path), file=document.file, line=line, column=column)


def _places(place: str, file: FilePath) -> list[FilePath]:
    return list(dict.fromkeys([file.parent / place, FilePath.cwd() / place]))


def _missing(document: Document, path: Path, what: str, place: str, tried: list[FilePath]) -> Problem:
    shown = ", ".join(str(t) for t in tried)
    return _problem(document, path, f"{what} `{place}` was not found; tried: {shown}")


def _is(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except OSError:  # a name that is too long is no file
        return False


def _text(file: FilePath) -> str:
    """Raises OSError, ValueError."""
    if file.stat().st_size > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES >> 20} MiB")
    return file.read_text("utf-8")


# --- configs ----------------------------------------------------------------------------------------------------------


def _configs(document: Document, block: dict[str, Any], path: Path, file: FilePath) -> list[Problem]:
    problems: list[Problem] = []
    for key in [k for k in block if k.lower() in ("configs", "config")]:
        configs = block[key]
        for name, value in cast("dict[str, Any]", configs).items() if isinstance(configs, dict) else ():
            where = (*path, key, name)
            if not isinstance(value, str) or not value.strip() or "\n" in value:
                continue
            tried = _places(value.strip(), file)
            found = next((t for t in tried if _is(t.is_file)), None)
            if found is not None:
                try:
                    configs[name] = _text(found)
                except (OSError, ValueError) as error:
                    problems.append(_problem(document, where, f"cannot read {found}: {error}"))
            elif value.startswith(("./", "../", "/")):
                hint = "tried: " + ", ".join(str(t) for t in tried)
                text = f"`{value}` is no file: it is taken as the content of `{name}` itself"
                problems.append(_problem(document, where, text, "manifest.notice", hint))
    return problems


# --- migrations -------------------------------------------------------------------------------------------------------


def _migrations(document: Document, section: dict[str, Any], path: Path, file: FilePath) -> list[Problem]:
    migrate = next((v for k, v in section.items() if k.lower() == "migrate"), None)
    if not isinstance(migrate, dict):
        return []
    block = cast("dict[str, Any]", migrate)
    key = next((k for k in block if k.lower() in ("includes", "include")), None)
    inline = next((k for k in block if k.lower() == "includesinline"), "includesInline")
    if key is None or not block[key]:
        return []
    folders = cast("list[Any]", block[key] if isinstance(block[key], list) else [block[key]])
    scripts: dict[str, str] = {}
    problems: list[Problem] = []
    for position, folder in enumerate(folders):
        where: Path = (*path, "migrate", key, position)
        tried = _places(str(folder), file)
        found = next((t for t in tried if _is(t.exists)), None)
        if found is None:
            problems.append(_missing(document, where, "folder", str(folder), tried))
            continue
        names = [p for p in found.iterdir() if p.suffix == ".sql" and p.is_file()] if found.is_dir() else [found]
        if not names or len(names) > MAX_SCRIPTS:
            problems.append(_problem(document, where, f"{found} holds {len(names)} `.sql` files"))
            continue
        for script in sorted(names, key=lambda p: p.name):
            if script.name in scripts:
                problems.append(_problem(document, where, f"two folders hold a script `{script.name}`"))
            try:
                scripts[script.name] = _text(script)
            except (OSError, ValueError) as error:
                problems.append(_problem(document, where, f"cannot read {script}: {error}"))
    own = block.get(inline) or {}
    own = {"inline": own} if isinstance(own, str) else own
    if not problems and isinstance(own, dict):
        for twice in scripts.keys() & own.keys():
            problems.append(_problem(document, (*path, "migrate", inline, twice), f"`{twice}` is a file as well"))
        del block[key]
        block[inline] = {**scripts, **cast("dict[str, Any]", own)}
    return problems


# --- items of a Bundle ------------------------------------------------------------------------------------------------


def _items(
    document: Document,
    section: dict[str, Any],
    path: Path,
    file: FilePath,
    prepare: Prepare,
    trail: tuple[FilePath, ...],
) -> list[Problem]:
    problems: list[Problem] = []
    for key in [k for k in section if k.lower() in ("resources", "resource")]:
        for position, item in _mappings(section[key]):
            where: Path = (*path, key, position)
            if isinstance(item.get("file"), str) and item.get("spec") is None:
                problems += _put_in(document, item, (*where, "file"), file, prepare, trail)
            elif isinstance(item.get("spec"), dict):
                inner = document.part((*where, "spec"), item["spec"])
                if inner is not None:
                    problems += [*prepare(inner, file, False), *pack(inner, file, prepare, trail)]
    return problems


def _put_in(
    document: Document, item: dict[str, Any], path: Path, file: FilePath, prepare: Prepare, trail: tuple[FilePath, ...]
) -> list[Problem]:
    place = str(item["file"])
    tried = _places(place, file)
    found = next((t for t in tried if _is(t.is_file)), None)
    if found is None:
        return [_missing(document, path, "file", place, tried)]
    if found.resolve() in trail:
        names = [t.name for t in (*trail[trail.index(found.resolve()) :], found)]
        return [_problem(document, path, "bundle files form a circle: " + " -> ".join(names))]
    try:
        documents = load_file(found)
    except DataOSError as error:
        return list(error.problems)
    if len(documents) != 1:
        return [_problem(document, path, f"file `{place}` holds {len(documents)} documents; an item needs one")]
    inner = documents[0]
    problems = [*prepare(inner, found, True), *pack(inner, found, prepare, (*trail, found.resolve()))]
    if not isinstance(inner.data, dict):
        return [*problems, _problem(document, path, f"file `{place}` holds no manifest")]
    item["spec"] = inner.data
    del item["file"]
    return problems
