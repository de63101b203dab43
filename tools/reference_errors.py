"""The page of error codes: every code that the source raises, with what it says and what to do."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from dataos.core import errors

SHOWN = 8
"""Texts shown of one code."""


def page(source: Path) -> str:
    """A section per area, and in it one per code."""
    found = codes(source)
    areas: dict[str, list[str]] = defaultdict(list)
    for code in sorted(found):
        areas[code.partition(".")[0]].append(code)
    head = (
        "# Error codes\n\nEvery problem that a command or the API answers with carries its code. `<...>` stands for what "
        "differs from case to case. The exit code is the CLI's.\n\n"
    )
    parts = [
        head,
        " · ".join(f"[{area}](#{area})" for area in areas),
        "\n",
    ]
    for area, members in areas.items():
        parts.append(f"\n## {area}\n")
        for code in members:
            parts.append(f"\n### {code}\n\nHTTP {errors.http_status(code)}, exit code {int(errors.exit_code(code))}.\n")
            texts = list(dict.fromkeys(t for t in found[code] if t[0]))
            if texts:
                parts.append("\n| what it says | what to do |\n|---|---|\n")
                parts += [f"| {_cell(said)} | {_cell(hint)} |\n" for said, hint in texts[:SHOWN]]
                if len(texts) > SHOWN:
                    parts.append(f"\nAnd {len(texts) - SHOWN} more.\n")
    return "".join(parts)


def codes(source: Path) -> dict[str, list[tuple[str, str]]]:
    """Code -> texts (message, hint) with `<name>` for what is filled in, in the order of the source."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for file in sorted(source.rglob("*.py")):
        for code, message, hint in _raised(ast.parse(file.read_text("utf-8"))):
            found[code].append((message, hint))
    return found


def _raised(tree: ast.AST) -> Iterator[tuple[str, str, str]]:
    named = _Named(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        keywords = {k.arg: k.value for k in node.keywords if k.arg}
        first = node.args[0] if node.args else None
        if name in ("fail", "Problem"):
            code, message = (
                first or keywords.get("code"),
                node.args[1] if len(node.args) > 1 else keywords.get("message"),
            )
        elif name in ("error", "warning", "notice") and "code" in keywords:  # Reading's own
            code, message = keywords["code"], node.args[1] if len(node.args) > 1 else None
        else:
            code, message = keywords.get("code"), None
        if isinstance(code, ast.Constant) and isinstance(code.value, str) and "." in code.value:
            yield code.value, _text(named.of(message)), _text(named.of(keywords.get("hint")))


class _Named:
    """Texts that got a name before they are used: a constant of the module, or a variable a few lines above."""

    def __init__(self, tree: ast.AST) -> None:
        self._known: dict[str, list[tuple[int, ast.AST]]] = defaultdict(list)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                self._known[node.targets[0].id].append((node.lineno, node.value))

    def of(self, node: ast.AST | None) -> ast.AST | None:
        """What a name stands for, if that is a text; else the node itself."""
        if not isinstance(node, ast.Name):
            return node
        above = [value for line, value in self._known[node.id] if line < node.lineno or node.id.strip("_").isupper()]
        return above[-1] if above and isinstance(above[-1], (ast.Constant, ast.JoinedStr, ast.BinOp)) else node


def _text(node: ast.AST | None) -> str:
    match node:
        case None:
            return ""
        case ast.Constant(value=value):
            return str(value)
        case ast.JoinedStr(values=values):
            return "".join(_text(value) for value in values)
        case ast.FormattedValue(value=value):
            return f"<{_name(value)}>"
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return _text(left) + _text(right)
        case ast.IfExp(body=body, orelse=other):
            return f"{_text(body)} / {_text(other)}".strip(" /")
        case _:
            return f"<{_name(node)}>"


def _name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name):
            return name.strip("_")
        case ast.Attribute(attr=name):
            return name.strip("_")
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))):
            return key or _name(value)
        case ast.Call(func=ast.Attribute(attr="join")):
            return "list"
        case ast.Call(args=[only]):
            return _name(only)
        case ast.Call(func=function):
            return _name(function)
        case _:
            return "..."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
