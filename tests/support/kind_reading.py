"""Reads a section as a whole manifest of its kind."""

from __future__ import annotations

import copy
from typing import Any

from dataos.manifest import registry
from dataos.manifest.documents import Manifest, read_manifest
from dataos.manifest.specs import Reading


def read(type_: str, section: Any, **meta: Any) -> tuple[Manifest | None, Reading]:
    """The manifest (None after problems) and everything found."""
    document = {"name": "wool1", "version": registry.KINDS[type_].versions[0], "type": type_, type_: section, **meta}
    reading = Reading()
    return read_manifest(document, reading), reading


def good(type_: str, section: Any, **meta: Any) -> Manifest:
    """The manifest; fails with the problems if there are any."""
    manifest, reading = read(type_, section, **meta)
    assert manifest is not None, reading.problems
    return manifest


def faults(type_: str, section: Any, **meta: Any) -> dict[str | None, str]:
    """Path -> message and hint of every problem."""
    manifest, reading = read(type_, section, **meta)
    assert manifest is None
    return {p.path: f"{p.message} | {p.hint}" for p in reading.problems}


def put(section: dict, path: str, value: Any = None) -> dict:
    """A copy with the value at a dotted path replaced, or taken away for None. Numbers are list positions."""
    whole = copy.deepcopy(section)
    inner: Any = whole
    *way, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    for part in way:
        inner = inner[part] if isinstance(part, int) else inner.setdefault(part, {})
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return whole
