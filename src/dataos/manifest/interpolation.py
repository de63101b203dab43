"""Environment variables in manifests, filled in by the client before anything is sent (ch01 3.5, spec README).

Only variables that are set are replaced; an unset `$X` stays as it is, with a warning where it looks meant. Substituted
values are never scanned again and cannot change the structure: replacement happens on parsed scalars. Paths that a
stack declares opaque (SQL, mappings, templates) are left alone, and so are Stack manifests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

import yaml

from dataos.core.errors import Problem
from dataos.manifest import registry
from dataos.manifest.loader import Document, plain_value

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)")
_PLACEHOLDER = re.compile(r"\$\{\{[^}]*\}\}")
_LOOKS_MEANT = re.compile(r"[A-Z][A-Z0-9_]{2,}")


def interpolate(document: Document, environ: Mapping[str, str], workspace: str) -> list[Problem]:
    """Replace variables in place. Returns problems: warnings (`manifest.unset_variable`) and errors
    (`manifest.placeholder`), each with its line. `CURRENT_WORKSPACE` is always `workspace`."""
    if isinstance(document.data, dict) and _is_stack(cast("dict[str, Any]", document.data)):
        return []  # its templates and filters are programs
    known = {**environ, "CURRENT_WORKSPACE": workspace}
    found: list[Problem] = []
    document.data = _walk(document.node, document.data, known, frozenset(), found, document.file)
    return found


def _walk(
    node: yaml.Node,
    data: Any,
    known: Mapping[str, str],
    opaque: frozenset[str],
    found: list[Problem],
    file: str | None,
) -> Any:
    if isinstance(node, yaml.MappingNode) and isinstance(data, dict):
        values = cast("dict[str, Any]", data)
        if _is_stack(values) and any(k.lower() == "stack" for k in values):
            return values  # a Stack inside a Bundle
        opaque = opaque | _opaque_paths(values)
        for key, child in node.value:
            if key.value in values and key.value.lower() not in opaque:
                values[key.value] = _walk(child, values[key.value], known, opaque, found, file)
        return values
    if isinstance(node, yaml.SequenceNode) and isinstance(data, list):
        items = cast("list[Any]", data)
        return [_walk(n, item, known, opaque, found, file) for n, item in zip(node.value, items, strict=True)]
    if isinstance(node, yaml.ScalarNode) and isinstance(data, str):
        return _replace(node, data, known, found, file)
    return data


def _is_stack(values: dict[str, Any]) -> bool:
    return registry.canonical_type(str(values.get("type", ""))) == "stack"


def _opaque_paths(values: dict[str, Any]) -> frozenset[str]:
    stack = next((v for k, v in values.items() if k.lower() == "stack"), None)
    if not isinstance(stack, str):
        return frozenset()
    descriptor = registry.find_stack(re.split(r"[:+]", stack)[0])
    return frozenset(p.lower() for p in descriptor.opaque_paths) if descriptor else frozenset()


def _replace(node: yaml.ScalarNode, text: str, known: Mapping[str, str], found: list[Problem], file: str | None) -> Any:
    line = node.start_mark.line + 1
    placeholder = _PLACEHOLDER.search(text)
    if placeholder and node.style not in ("|", ">"):
        found.append(
            Problem(
                "manifest.placeholder",
                f"placeholder `{placeholder[0]}` not filled, line {line}",
                hint="replace it by a value, or by $NAME and set the variable NAME",
                file=file,
                line=line,
                column=node.start_mark.column + 1,
            )
        )
        return text
    replaced = False

    def substitute(match: re.Match[str]) -> str:
        nonlocal replaced
        name = match[1] or match[2]
        if name in known:
            replaced = True
            return known[name]
        if match[1] or _LOOKS_MEANT.fullmatch(name) or node.style != "'":
            found.append(
                Problem(
                    "manifest.unset_variable",
                    f"variable {name} not set (line {line}); the text `{match[0]}` stays as it is",
                    hint="set it, or apply with --disable-interpolation to keep the text without this notice",
                    file=file,
                    line=line,
                    column=node.start_mark.column + 1,
                )
            )
        return match[0]

    result = _VARIABLE.sub(substitute, text)
    return plain_value(result) if replaced and not node.style else result
