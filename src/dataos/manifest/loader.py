"""YAML text -> documents that remember where every value stood.

YAML 1.2 core scalars; a plain scalar becomes a number only where its text is that number's canonical form, so that
`version: 7.10`, `007` and `1e3` keep their text (ch01 3.4). Duplicate keys: the last wins, with a warning. Tabs used as
indentation, alias bombs, over-long files and non-UTF-8 bytes are refused with their place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

import yaml

from dataos.core.errors import DataOSError, Problem, fail
from dataos.manifest.specs import Path, Reading

MAX_BYTES = 4 << 20
"""A manifest file larger than this is refused: it is data, not a declaration."""

MAX_NODES = 200_000
"""Values of one file after aliases are expanded (a YAML bomb is stopped here)."""

_INT = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")
_TRUE = ("true", "True", "TRUE")
_FALSE = ("false", "False", "FALSE")
_NULL = ("", "~", "null", "Null", "NULL")

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class Document:
    """One YAML document: plain JSON data, and the node tree for places. `index` counts from 0 within the file."""

    data: Any
    node: yaml.Node
    file: str | None = None
    index: int = 0
    warnings: list[Problem] = field(default_factory=list[Problem])
    lines: tuple[str, ...] = field(default=(), repr=False)  # of the whole file

    def place(self, path: Path) -> tuple[int, int]:
        """1-based line and column of the value at `path`, or of its nearest known ancestor."""
        node: yaml.Node = self.node
        best = node
        for part in path:
            found = _child(node, part)
            if found is None:
                break
            key_node, node = found
            best = key_node
        return best.start_mark.line + 1, best.start_mark.column + 1

    def part(self, path: Path, data: Any) -> Document | None:
        """The value `data` at `path` as a document of its own: what is found in it keeps its place in the file."""
        node: yaml.Node = self.node
        for key in path:
            found = _child(node, key)
            if found is None:
                return None
            node = found[1]
        return Document(data, node, self.file, self.index, [], self.lines)

    def scalar_start(self, path: Path) -> tuple[int, int] | None:
        """Where the text of the scalar at `path` begins (for errors inside SQL): line and column of its first
        character; for a block scalar the line after the indicator, column of its indentation + 1."""
        node: yaml.Node = self.node
        for part in path:
            found = _child(node, part)
            if found is None:
                return None
            node = found[1]
        if not isinstance(node, yaml.ScalarNode):
            return None
        mark = node.start_mark
        if node.style in ("|", ">"):
            following = self.lines[mark.line + 1 :]
            first = next((line for line in following if line.strip()), "")
            return mark.line + 2, len(first) - len(first.lstrip()) + 1
        return mark.line + 1, mark.column + 1 + (1 if node.style else 0)

    def located(self, problem: Problem) -> Problem:
        """The problem with file, line and column filled in from its path. A line and column that it has already count
        inside the text at its path (SQL), if it names no file yet."""
        if problem.line is not None:
            start = self.scalar_start(parse_path(problem.path)) if problem.path and problem.file is None else None
            return inside(problem, start, self.file) if start else problem.at(file=self.file)
        line, column = self.place(parse_path(problem.path or ""))
        return problem.at(file=self.file, line=line, column=column)


def inside(problem: Problem, start: tuple[int, int], file: str | None) -> Problem:
    """A problem whose line and column count inside a text, in terms of the file in which that text begins at `start`.
    (Every line of a block scalar is indented alike; the lines of other texts are rarely more than one.)"""
    line, column = start
    return replace(
        problem,
        file=file,
        line=line + (problem.line or 1) - 1,
        column=None if problem.column is None else problem.column + column - 1,
    )


def parse_path(text: str) -> Path:
    """The inverse of `specs.render`."""
    parts: list[str | int] = []
    for number, quoted, plain in re.findall(r"""\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([^.\[\]]+)""", text):
        parts.append(int(number) if number else str(json.loads(quoted)) if quoted else plain)
    return tuple(parts)


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode) and isinstance(part, str):
        exact = [(k, v) for k, v in node.value if isinstance(k, yaml.ScalarNode) and k.value == part]
        loose = [(k, v) for k, v in node.value if isinstance(k, yaml.ScalarNode) and k.value.lower() == part.lower()]
        return (exact or loose or [None])[-1]
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def load_file(file: FilePath, shown: str | None = None) -> list[Document]:
    """All documents of a file. Raises DataOSError `manifest.unreadable`, `manifest.encoding`, those of `load_text`."""
    shown = shown or str(file)
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise _too_large(shown, size)
        raw = file.read_bytes()
    except OSError as error:
        raise fail("manifest.unreadable", f"cannot read {shown}: {error.strerror}", file=shown) from error
    return load_bytes(raw, shown)


def load_bytes(raw: bytes, shown: str) -> list[Document]:
    """As `load_file`, of what was read already. `shown`: how messages name it."""
    if len(raw) > MAX_BYTES:
        raise _too_large(shown, len(raw))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise fail(
            "manifest.encoding",
            f"{shown} is not UTF-8: byte 0x{raw[error.start]:02x} at line {line}",
            hint="save the file as UTF-8",
            file=shown,
            line=line,
        ) from error
    return load_text(text, shown)


def load_text(text: str, file: str | None = None) -> list[Document]:
    """All documents of a text; a document that is a list of manifests counts as several.

    Raises DataOSError: `manifest.syntax`, `manifest.tab`, `manifest.too_large`, `manifest.empty`.
    """
    if len(text) > MAX_BYTES:
        raise _too_large(file or "the manifest", len(text))
    nodes = _compose(text, file)
    lines = tuple(text.splitlines())
    documents: list[Document] = []
    budget = [MAX_NODES]
    try:
        for node in nodes:
            items: list[yaml.Node] = node.value if isinstance(node, yaml.SequenceNode) else [node]
            for item in items:
                warnings: list[Problem] = []
                data = to_data(item, file, warnings, budget)
                if data is not None:
                    documents.append(Document(data, item, file, len(documents), warnings, lines))
    except RecursionError as error:
        raise fail(
            "manifest.too_large", "the manifest is nested too deeply, or an alias holds itself", file=file
        ) from error
    if not documents:
        raise fail("manifest.empty", f"{file or 'the text'} holds no manifest", file=file)
    return documents


def _too_large(shown: str, size: int) -> DataOSError:
    return fail(
        "manifest.too_large",
        f"{shown} is {size / 1048576:.1f} MiB; a manifest may have {MAX_BYTES >> 20} MiB",
        hint="split it into several files, and keep data out of manifests",
        file=shown,
    )


def _compose(text: str, file: str | None) -> list[yaml.Node]:
    try:
        return [node for node in yaml.compose_all(text, Loader=_Loader) if node is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise DataOSError(_syntax_problem(error, text, line, mark.column + 1 if mark else 1, file)) from error
    except yaml.YAMLError as error:  # a reader error: a character that YAML does not allow
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1
        raise fail("manifest.syntax", f"not YAML: {str(error).splitlines()[0]}", file=file, line=line) from error
    except RecursionError as error:
        raise fail("manifest.too_large", "the manifest is nested too deeply", file=file) from error


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, line: int, column: int, file: str | None) -> Problem:
    lines = text.splitlines()
    for number in (line, line - 1):
        if 0 < number <= len(lines) and re.match(r"\s*\t", lines[number - 1]):
            return Problem(
                "manifest.tab",
                f"line {number}: tab used for indentation",
                hint="YAML indents with spaces",
                file=file,
                line=number,
                column=1,
            )
    problem = (error.problem or error.context or "not YAML").strip()
    hint = ""
    if re.search(r"cron\s*:\s*\*", lines[line - 1] if line <= len(lines) else ""):
        hint = "quote the cron expression"
    return Problem("manifest.syntax", f"not YAML: {problem}", hint=hint, file=file, line=line, column=column)


def to_data(node: yaml.Node, file: str | None, warnings: list[Problem], budget: list[int]) -> Any:
    """Plain JSON data of a node. `budget[0]` counts down over all nodes, aliases expanded."""
    budget[0] -= 1
    if budget[0] < 0:
        raise fail(
            "manifest.too_large",
            f"the manifest expands to more than {MAX_NODES:,} values",
            hint="do not nest YAML aliases",
            file=file,
            line=node.start_mark.line + 1,
        )
    if isinstance(node, yaml.ScalarNode):
        return scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [to_data(item, file, warnings, budget) for item in node.value]
    result: dict[str, Any] = {}
    for key, value in _pairs(node):
        if not isinstance(key, yaml.ScalarNode):
            raise fail(
                "manifest.syntax",
                "a key must be a plain word, not a list or mapping",
                file=file,
                line=key.start_mark.line + 1,
            )
        if key.value in result:
            warnings.append(
                Problem(
                    "manifest.duplicate_key",
                    f"key `{key.value}` stands twice; the last one counts",
                    file=file,
                    line=key.start_mark.line + 1,
                    column=key.start_mark.column + 1,
                )
            )
        result[key.value] = to_data(value, file, warnings, budget)
    return result


def _pairs(node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    own = list(node.value)
    for key, value in own:  # YAML merge keys: what is written out wins over what is merged
        if key.tag == "tag:yaml.org,2002:merge":
            for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(source, yaml.MappingNode):
                    written = {k.value for k, _ in own}
                    yield from ((k, v) for k, v in _pairs(source) if k.value not in written)
    yield from ((k, v) for k, v in own if k.tag != "tag:yaml.org,2002:merge")


def scalar(node: yaml.ScalarNode) -> Any:
    """The value of a scalar node: text, unless it is plain and its text is canonical for another type."""
    text: str = node.value
    if node.style:  # None or '' for plain text, by parser
        return text
    if text in _NULL:
        return None
    return plain_value(text)


def plain_value(text: str) -> Any:
    """The value of unquoted text, null aside."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INT.fullmatch(text) and text != "-0" and len(text) < 19:
        return int(text)
    if _FLOAT.fullmatch(text) and repr(float(text)) == text:
        return float(text)
    return text


def source_lines(document: Document, keys: frozenset[str] = frozenset({"sql", "query"})) -> dict[str, tuple[int, int]]:
    """Where the text of each scalar named `sql` or `query` begins: rendered path -> (line, column)."""
    found: dict[str, tuple[int, int]] = {}

    def walk(data: Any, path: Path) -> None:
        if isinstance(data, dict):
            for key, value in data.items():
                walk(value, (*path, key))
        elif isinstance(data, list):
            for position, value in enumerate(data):
                walk(value, (*path, position))
        elif path and path[-1] in keys and isinstance(data, str):
            start = document.scalar_start(path)
            if start:
                from_path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
                found[from_path] = start

    walk(document.data, ())
    return found


def report(document: Document, reading: Reading) -> tuple[list[Problem], list[Problem]]:
    """Errors and warnings of a reading with their places, in line order; the loader's own warnings included."""
    errors = [document.located(p) for p in reading.problems]
    warnings = document.warnings + [document.located(p) for p in [*reading.warnings, *reading.unsupported]]
    order = lambda p: (p.line or 0, p.column or 0)  # noqa: E731
    return sorted(errors, key=order), sorted(warnings, key=order)
