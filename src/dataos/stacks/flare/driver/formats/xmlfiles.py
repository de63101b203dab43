"""XML: a row an element, as Spark reads and writes it (attributes `_a`, text `_VALUE`, repeated elements as arrays).

Rows come as they are parsed; the files are read twice unless a schema is given: once for the types, once for the rows.
Entities of a document's own are refused: they can name files and grow without bound.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from dataos.core.errors import fail
from dataos.stacks.flare import structures
from dataos.stacks.flare.driver.formats import model
from dataos.stacks.flare.driver.formats.arrowtypes import arrow_of
from dataos.stacks.flare.driver.formats.model import BATCH_ROWS, Content, Options, Wanted, flag, mode_of
from dataos.stacks.flare.driver.formats.text import encoding_of, packed

_PIECE = 1 << 20
_MOST_LEVELS = 100
_NAME = re.compile(r"[^\W\d][\w.\-]*")
_LONG = re.compile(r"[+-]?[0-9]{1,19}")
_DOUBLE = re.compile(r"[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)


@dataclass
class Node:
    """An element below a row: its text, attributes and children in order."""

    text: str = ""
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    children: list[tuple[str, Node]] = field(default_factory=list[tuple[str, "Node"]])


@dataclass(frozen=True)
class _Style:
    row_tag: str | None
    prefix: str
    value_tag: str
    skip_attributes: bool
    no_namespace: bool
    trim: bool
    null: str | None
    encoding: str | None

    @classmethod
    def of(cls, options: Options) -> _Style:
        named = options.get("charset") or options.get("encoding")
        prefix = options.get("attributeprefix", "_")
        value_tag = options.get("valuetag", "_VALUE")
        if not value_tag or value_tag == prefix:
            raise fail("flare.option", f"`valueTag` is `{value_tag}`", hint="name a column for the text of elements")
        return cls(
            row_tag=options.get("rowtag") or None,
            prefix=prefix,
            value_tag=value_tag,
            skip_attributes=flag(options, "excludeattribute"),
            no_namespace=flag(options, "ignorenamespace"),
            trim=flag(options, "ignoresurroundingspaces", default=True),
            null=options.get("nullvalue"),
            encoding=encoding_of(options) if named else None,
        )


def read(wanted: Wanted) -> Content:
    """Rows are the elements named `rowTag`; without it, the children of each file's root."""
    import pyarrow as pa

    style = _Style.of(wanted.options)
    mode = mode_of(wanted.options)
    for key in ("timestampformat", "dateformat"):
        if key in wanted.options and wanted.schema is None:
            wanted.notice(f"`{key}` has an effect with a schema only; without one ISO 8601 is known")
    if wanted.schema is not None:
        shape = _asked(wanted.schema, wanted.options)
    else:
        shape = _Shape("struct")
        infer = flag(wanted.options, "inferschema", default=True)
        for path in wanted.files:
            for node, _ in _rows(path, style, mode, wanted.notice):
                made = _shape_of(node, style, infer)
                shape = _merge(
                    style, shape, made if made.kind == "struct" else _Shape("struct", {style.value_tag: made})
                )
        if shape.kind != "struct" or not shape.fields:
            what = f"no element <{style.row_tag}>" if style.row_tag else "no rows"
            hint = "`rowTag` names the element of a row" if style.row_tag else "set `rowTag`"
            raise fail("flare.file", f"{', '.join(wanted.files[:3])}: {what}", hint=hint)
    schema = pa.schema([pa.field(n, _arrow(s)) for n, s in shape.ordered()])

    def batches() -> Iterator[Any]:
        held: list[dict[str, Any]] = []
        dropped = 0
        for path in wanted.files:
            for number, (node, line) in enumerate(_rows(path, style, mode, _ignored), 1):
                try:
                    held.append(_struct(node, shape, style, strict=mode != "permissive"))
                except ValueError as error:
                    if mode == "dropmalformed":
                        dropped += 1
                        continue
                    raise fail(
                        "flare.file",
                        f"{path}: row {number}, line {line}: {error}",
                        hint="correct the file or the schema, or set `mode: PERMISSIVE` (NULL) or `DROPMALFORMED`",
                    ) from error
                if len(held) >= BATCH_ROWS:
                    yield pa.RecordBatch.from_pylist(held, schema=schema)
                    held = []
        if dropped:
            wanted.notice(f"{dropped} malformed rows were left out (mode DROPMALFORMED)")
        if held:
            yield pa.RecordBatch.from_pylist(held, schema=schema)

    return Content(schema, batches())


def _ignored(_: str) -> None:
    """Said in the first pass."""


def _rows(path: str, style: _Style, mode: str, notice: Callable[[str], None]) -> Iterator[tuple[Node, int]]:
    """Each row with the line where it begins."""
    parser = _Parser(style, path)
    try:
        with open(path, "rb") as file:
            if not file.peek(1):
                raise fail("flare.file", f"{path} is empty", hint="write the file again")
            while piece := file.read(_PIECE):
                parser.feed(piece)
                yield from parser.taken()
        parser.feed(b"", final=True)
    except OSError as error:
        raise model.unreadable(path, error) from error
    except expat.ExpatError as error:
        yield from parser.taken()
        text = f"{path}: line {error.lineno}: {expat.errors.messages[error.code]}"
        if mode != "dropmalformed":
            hint = "correct the file, or set `mode: DROPMALFORMED` to keep what stands before"
            raise fail("flare.file", text, hint=hint) from error
        notice(f"{text}; what follows was left out (mode DROPMALFORMED)")
    yield from parser.taken()


class _Parser:
    """Events of expat as rows."""

    def __init__(self, style: _Style, path: str) -> None:
        self._style = style
        self._path = path
        self._parser = expat.ParserCreate(style.encoding)
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.EntityDeclHandler = self._entity
        self._depth = 0
        self._open: list[Node] = []
        self._line = 0
        self._rows: list[tuple[Node, int]] = []

    def feed(self, piece: bytes, final: bool = False) -> None:
        """Parse on. Raises ExpatError, DataOSError."""
        self._parser.Parse(piece, final)

    def taken(self) -> list[tuple[Node, int]]:
        """Rows that were whole since the last call."""
        found, self._rows = self._rows, []
        return found

    def _name(self, name: str) -> str:
        return name.rpartition(":")[2] if self._style.no_namespace else name

    def _entity(self, name: str, *_: Any) -> None:
        hint = "write the text itself"
        raise fail("flare.file", f"{self._path} declares the entity `{name}`, which is not read", hint=hint)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        name = self._name(name)
        is_row = not self._open and (
            name == self._style.row_tag if self._style.row_tag is not None else self._depth == 2
        )
        if not is_row and not self._open:
            return
        if len(self._open) >= _MOST_LEVELS:
            raise fail("flare.file", f"{self._path}: elements are nested more than {_MOST_LEVELS} levels deep")
        node = Node()
        if not self._style.skip_attributes:
            for key, value in attributes.items():
                if self._style.no_namespace and (key == "xmlns" or key.startswith("xmlns:")):
                    continue
                node.attributes[self._style.prefix + self._name(key)] = value
        if is_row:
            self._line = self._parser.CurrentLineNumber
        else:
            self._open[-1].children.append((name, node))
        self._open.append(node)

    def _end(self, _: str) -> None:
        self._depth -= 1
        if self._open:
            node = self._open.pop()
            if not self._open:
                self._rows.append((node, self._line))

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1].text += text


# --- types ------------------------------------------------------------------------------------------------------------

Kind = Literal["null", "long", "double", "boolean", "date", "timestamp", "string", "struct", "array", "map", "arrow"]


@dataclass
class _Shape:
    """A type: of a leaf, of an element with fields, or of several elements of one name. `arrow`: of a schema."""

    kind: Kind
    fields: dict[str, _Shape] = field(default_factory=dict[str, "_Shape"])
    element: _Shape | None = None
    arrow: Any = None
    keep_order: bool = False

    def ordered(self) -> list[tuple[str, _Shape]]:
        """Fields as they come out: in order of their names, or as the schema has them."""
        return list(self.fields.items()) if self.keep_order else sorted(self.fields.items())


def _leaf(text: str, infer: bool) -> _Shape:
    if text == "" or not infer:
        return _Shape("null" if text == "" else "string")
    if _LONG.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        return _Shape("long")
    if _DOUBLE.fullmatch(text) or text in ("NaN", "Infinity", "-Infinity"):
        return _Shape("double")
    if text.lower() in ("true", "false"):
        return _Shape("boolean")
    for kind, pattern, made in (("date", _DATE, _date), ("timestamp", _TIME, _moment)):
        if pattern.fullmatch(text):
            try:
                made(text)
            except ValueError:
                continue
            return _Shape(kind)  # type: ignore[arg-type]
    return _Shape("string")


def _shape_of(node: Node, style: _Style, infer: bool) -> _Shape:
    """The type of an element, of its own values only."""
    text = node.text.strip()
    if not node.attributes and not node.children:
        return _leaf(_trimmed(node.text, style), infer)
    fields = {k: _leaf(_trimmed(v, style), infer) for k, v in node.attributes.items()}
    seen: set[str] = set()
    for name, child in node.children:
        made = _shape_of(child, style, infer)
        if name in seen:
            known = fields[name]
            inner = known.element if known.kind == "array" and known.element is not None else known
            fields[name] = _Shape("array", element=_merge(style, inner, made))
        else:
            seen.add(name)
            fields[name] = _merge(style, fields[name], made) if name in fields else made
    if text:
        fields[style.value_tag] = _leaf(_trimmed(node.text, style), infer)
    return _Shape("struct", fields)


def _merge(style: _Style, one: _Shape, other: _Shape) -> _Shape:
    """A type that holds the values of both."""
    if one.kind == "null":
        return other
    if other.kind == "null":
        return one
    if "array" in (one.kind, other.kind):
        left = one.element if one.kind == "array" else one
        right = other.element if other.kind == "array" else other
        assert left is not None and right is not None  # noqa: S101, PT018 - arrays have one
        return _Shape("array", element=_merge(style, left, right))
    if one.kind == "struct" and other.kind == "struct":
        fields = dict(one.fields)
        for name, shape in other.fields.items():
            fields[name] = _merge(style, fields[name], shape) if name in fields else shape
        return _Shape("struct", fields)
    if "struct" in (one.kind, other.kind):
        struct, leaf = (one, other) if one.kind == "struct" else (other, one)
        known = struct.fields.get(style.value_tag)
        if known is None:
            return _Shape("string")  # elements in one place, text in another: as Spark does, the markup
        return _Shape("struct", {**struct.fields, style.value_tag: _merge(style, known, leaf)})
    if one.kind == other.kind:
        return one
    kinds = {one.kind, other.kind}
    if kinds == {"long", "double"}:
        return _Shape("double")
    return _Shape("timestamp") if kinds == {"date", "timestamp"} else _Shape("string")


def _asked(ddl: str, options: Options) -> _Shape:
    """The type of rows that a schema describes. Dates and times with a format of their own come as text."""
    fields: dict[str, _Shape] = {}
    for name, kind in structures.columns_of(ddl):
        has_format = (kind == "DATE" and "dateformat" in options) or (
            kind == "TIMESTAMP" and "timestampformat" in options
        )
        fields[name] = _of_arrow(arrow_of("STRING" if has_format else kind))
    return _Shape("struct", fields, keep_order=True)


def _of_arrow(kind: Any) -> _Shape:
    import pyarrow as pa

    t = pa.types
    if t.is_struct(kind):
        inside = {(f := kind.field(i)).name: _of_arrow(f.type) for i in range(kind.num_fields)}
        return _Shape("struct", inside, keep_order=True)
    if t.is_list(kind):
        return _Shape("array", element=_of_arrow(kind.value_type))
    if t.is_map(kind):
        return _Shape("map", element=_of_arrow(kind.item_type), arrow=kind)
    return _Shape("arrow", arrow=kind)


def _arrow(shape: _Shape) -> Any:
    import pyarrow as pa

    match shape.kind:
        case "struct":
            return pa.struct([pa.field(n, _arrow(s)) for n, s in shape.ordered()])
        case "array":
            assert shape.element is not None  # noqa: S101 - arrays have one
            return pa.list_(_arrow(shape.element))
        case "map" | "arrow":
            return shape.arrow
        case _:
            return {
                "long": pa.int64(), "double": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(),
                "timestamp": pa.timestamp("us", tz="UTC"),
            }.get(shape.kind, pa.string())  # fmt: skip


# --- values -----------------------------------------------------------------------------------------------------------


def _trimmed(text: str, style: _Style) -> str:
    return text.strip() if style.trim else text


def _struct(node: Node, shape: _Shape, style: _Style, strict: bool) -> dict[str, Any]:
    """The fields of an element. Raises ValueError naming the field whose text is none of its type."""
    made: dict[str, Any] = {}
    for name, kind in shape.fields.items():
        if name in node.attributes:
            made[name] = _value(node.attributes[name], kind, style, strict, name)
        elif name == style.value_tag and not any(n == name for n, _ in node.children):
            made[name] = _value(node.text.strip(), kind, style, strict, name) if node.text.strip() else None
        else:
            found = [child for n, child in node.children if n == name]
            if kind.kind == "array":
                assert kind.element is not None  # noqa: S101 - arrays have one
                made[name] = [_of_node(c, kind.element, style, strict, name) for c in found] or None
            else:
                made[name] = _of_node(found[-1], kind, style, strict, name) if found else None
    return made


def _of_node(node: Node, shape: _Shape, style: _Style, strict: bool, name: str) -> Any:
    if shape.kind == "struct":
        if not node.attributes and not node.children and not node.text.strip():
            return None
        return _struct(node, shape, style, strict)
    if shape.kind == "map":
        assert shape.element is not None  # noqa: S101 - maps have one
        pairs: list[tuple[str, Any]] = [
            (k, _value(v, shape.element, style, strict, name)) for k, v in node.attributes.items()
        ]
        return pairs + [(n, _of_node(c, shape.element, style, strict, n)) for n, c in node.children]
    if node.children:  # a leaf is wanted, the file has elements
        if strict and shape.kind != "string" and shape.arrow is not None:
            raise ValueError(f"<{name}> holds elements, where the schema has {shape.arrow}")
        return _markup(node) if shape.kind == "string" else None
    return _value(node.text, shape, style, strict, name)


def _markup(node: Node) -> str:
    """What an element holds, as XML: its elements, then its text."""
    inner = "".join(f"<{name}{_attributes(child)}>{_markup(child)}</{name}>" for name, child in node.children)
    return inner + escape(node.text.strip())


def _attributes(node: Node) -> str:
    return "".join(f" {key.lstrip('_')}={quoteattr(value)}" for key, value in node.attributes.items())


def _value(text: str, shape: _Shape, style: _Style, strict: bool, name: str) -> Any:
    text = _trimmed(text, style)
    if style.null is not None and text == style.null:
        return None
    try:
        return _converted(text, shape)
    except (ValueError, ArithmeticError) as error:
        if not strict:
            return None
        raise ValueError(f"`{text[:60]}` of <{name}> is no {shape.arrow or shape.kind}") from error


def _converted(text: str, shape: _Shape) -> Any:
    kind = shape.kind
    if kind in ("string", "null"):
        return text
    if kind == "arrow":
        return _of_type(text, shape.arrow)
    if text == "":
        return None
    match kind:
        case "long":
            return int(text)
        case "double":
            return float(text)
        case "boolean":
            return text.lower() == "true"
        case "date":
            return _date(text)
        case _:
            return _moment(text)


def _of_type(text: str, kind: Any) -> Any:
    from decimal import Decimal

    import pyarrow as pa

    t = pa.types
    if t.is_string(kind):
        return text
    if text == "":
        return None
    if t.is_integer(kind):
        value = int(text)
        if not -(2 ** (kind.bit_width - 1)) <= value < 2 ** (kind.bit_width - 1):
            raise ValueError(text)
        return value
    if t.is_floating(kind):
        value = float(text)
        if math.isinf(value) and "inf" not in text.lower():
            raise ValueError(text)
        return value
    if t.is_boolean(kind):
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError(text)
        return text.lower() in ("true", "1")
    if t.is_decimal(kind):
        value = round(Decimal(text), kind.scale)
        if abs(value) >= Decimal(10) ** (kind.precision - kind.scale):
            raise ValueError(text)
        return value
    if t.is_date(kind):
        return _date(text)
    if t.is_timestamp(kind):
        moment = _moment(text)
        return moment if kind.tz else moment.replace(tzinfo=None)
    if t.is_binary(kind):
        return text.encode()
    raise ValueError(text)


def _date(text: str) -> dt.date:
    return dt.date.fromisoformat(text[:10])


def _moment(text: str) -> dt.datetime:
    made = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return made.astimezone(dt.UTC) if made.tzinfo else made.replace(tzinfo=dt.UTC)


# --- writing ----------------------------------------------------------------------------------------------------------


def write(batches: Iterator[Any], schema: Any, target: Path, options: Options, codec: str) -> int:
    """Elements as Spark writes them: NULL is no element. Raises DataOSError `flare.types`, `flare.option`."""
    root = options.get("roottag", "ROWS")
    row_tag = options.get("rowtag", "ROW")
    style = _Out(options.get("attributeprefix", "_"), options.get("valuetag", "_VALUE"), options.get("nullvalue"))
    for name in (root.split()[0] if root.split() else "", row_tag):
        if not _NAME.fullmatch(name):
            raise fail("flare.option", f"`{name}` cannot name an element", hint="letters, digits, `_`, `-` and `.`")
    for column in schema:
        style.check(column.name, column.type, column.name)
    rows = 0
    with packed(target, codec) as file:
        head = options.get("declaration", 'version="1.0" encoding="UTF-8" standalone="yes"')
        if head:
            file.write(f"<?xml {head}?>\n".encode())
        file.write(f"<{root}>\n".encode())
        for batch in batches:
            for row in batch.to_pylist():
                rows += 1
                file.write(style.element(row_tag, row, 1).encode())
        file.write(f"</{root.split()[0]}>\n".encode())
    return rows


@dataclass(frozen=True)
class _Out:
    prefix: str
    value_tag: str
    null: str | None

    def check(self, name: str, kind: Any, place: str) -> None:
        """Names and types that XML can have. Raises DataOSError `flare.types`."""
        import pyarrow as pa

        bare = name.removeprefix(self.prefix) if self.prefix else name
        if not _NAME.fullmatch(bare):
            hint = "rename it in the step's SQL"
            raise fail("flare.types", f"column `{place}` cannot name an element of XML", hint=hint)
        if pa.types.is_struct(kind):
            for field_ in (kind.field(i) for i in range(kind.num_fields)):
                self.check(field_.name, field_.type, f"{place}.{field_.name}")

    def element(self, name: str, value: Any, depth: int) -> str:
        """One element, or one for each value of a list; empty for NULL."""
        indent = "    " * depth
        if isinstance(value, list) and not _is_map(value):
            return "".join(self.element(name, v, depth) for v in value)
        if value is None:
            return "" if self.null is None else f"{indent}<{name}>{escape(self.null)}</{name}>\n"
        if isinstance(value, dict) or _is_map(value):
            return self._nested(name, dict(value), depth)
        return f"{indent}<{name}>{escape(_text(value))}</{name}>\n"

    def _nested(self, name: str, values: Mapping[str, Any], depth: int) -> str:
        indent = "    " * depth
        attributes = inner = text = ""
        for key, value in values.items():
            if key == self.value_tag:
                text = "" if value is None else escape(_text(value))
            elif self.prefix and key.startswith(self.prefix) and not isinstance(value, dict | list):
                if value is not None:
                    attributes += f" {key[len(self.prefix) :]}={quoteattr(_text(value))}"
            else:
                inner += self.element(str(key), value, depth + 1)
        if not inner:
            tail = f">{text}</{name}>" if text else "/>"
            return f"{indent}<{name}{attributes}{tail}\n"
        return f"{indent}<{name}{attributes}>{text}\n{inner}{indent}</{name}>\n"


def _is_map(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, tuple) for v in value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex().upper()
    if isinstance(value, dt.datetime):
        text = value.replace(tzinfo=None).isoformat(timespec="milliseconds")
        return f"{text}Z" if value.tzinfo else text
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value)
