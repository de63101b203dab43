"""Functions of the author's own, called from the SQL of steps (ch04 3.17). Written in Python.

The reference takes Scala, which would have to be compiled; no engine here is given a compiler, so Scala is refused by
name. Names, numbers of arguments and types are known before the job runs; the code itself runs in the job alone.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from dataos.core.errors import DataOSError
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled
from dataos.stacks.flare import functions, structures
from dataos.stacks.flare.blocks import NAME

_MAX_SOURCE = 256 << 10
_TYPES = {
    "str": "STRING", "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "bytes": "BINARY", "date": "DATE",
    "datetime": "TIMESTAMP", "Decimal": "DECIMAL(38, 18)",
}  # fmt: skip


class _Entry(Spec):
    """A function with the type of its values."""

    python: Text = spelled("source", "code", "lambda")
    """A lambda, or a text that defines the function."""
    return_type: Text | None = spelled("returns", "returntype", default=None)
    """Type of its values, as in SQL."""


@dataclass(frozen=True)
class Arity:
    """How many arguments a function takes. `most` None: any number."""

    least: int
    most: int | None

    def __str__(self) -> str:
        if self.most is None:
            return f"{self.least} or more arguments"
        number = str(self.least) if self.least == self.most else f"{self.least} to {self.most}"
        return f"{number} argument{'' if number == '1' else 's'}"


@dataclass(frozen=True)
class Udf:
    """One function. `source` is Python: `entry` names what it defines, or is None for a lambda. `returns` is a type
    of SQL."""

    name: str
    source: str
    entry: str | None
    returns: str
    arity: Arity
    path: Path


Udfs = Mapping[str, Arity]
"""Names in lower case, as the guard of SQL asks for them."""


def read(data: Any, reading: Reading, path: Path) -> tuple[Udf, ...]:
    """The functions of `udfs`; what is wrong with each is in `reading`."""
    if not data:
        return ()
    if not isinstance(data, dict):
        hint = "for instance udfs: {shout: 'lambda value: value.upper()'}"
        reading.error(path, "`udfs` must be a mapping of names to functions", hint=hint, code="flare.udf")
        return ()
    found: dict[str, Udf] = {}
    for name, entry in cast("dict[str, Any]", data).items():
        where = (*path, name)
        made = _one(str(name), entry, reading, where)
        if made is None:
            continue
        if made.name.lower() in found:
            hint = "names are told apart without regard to letter case"
            reading.error(where, f"two UDFs are named `{name}`", hint=hint, code="flare.duplicate_name")
        found[made.name.lower()] = made
    return tuple(found.values())


def arities(udfs: tuple[Udf, ...], named: Any = None) -> dict[str, Arity]:
    """As the guard of SQL asks for them. `named`: the section as written: what is faulty in it has a name all the
    same, and who calls it is not at fault too."""
    known = cast("dict[str, Any]", named) if isinstance(named, dict) else {}
    return {**{str(n).lower(): Arity(0, None) for n in known}, **{u.name.lower(): u.arity for u in udfs}}


def _one(name: str, entry: Any, reading: Reading, path: Path) -> Udf | None:
    if not NAME.fullmatch(name):
        hint = "letters, digits and `_`, beginning with a letter or `_`"
        reading.error(path, f"`{name}` cannot name a function", hint=hint, code="flare.name")
        return None
    if name.lower() in functions.ALLOWED | functions.REACHES_OUT | functions.NEEDS_SPARK:
        hint = "choose another name"
        reading.error(path, f"`{name}` is a function of Spark's own", hint=hint, code="flare.udf")
        return None
    returns: str | None = None
    if isinstance(entry, dict):
        block = read_model(_Entry, entry, reading, path)
        if block is None:
            return None
        source = block.python
        if block.return_type:
            returns = _type(block.return_type, reading, (*path, "returnType"))
            if returns is None:
                return None
    else:
        source = "" if entry is None else str(entry)
    return _python(name, source, returns, reading, path)


def _type(text: str, reading: Reading, path: Path) -> str | None:
    try:
        columns = structures.columns_of(structures.ddl_of(f"value {text}", "spark"))
    except DataOSError as error:
        hint = "a type of SQL: string, bigint, double, decimal(10, 2), date, array<string>..."
        reading.error(path, f"`{text}` is no type: {error.problem.message}", hint=hint, code="flare.udf")
        return None
    if len(columns) != 1:
        reading.error(path, f"`{text}` is no type", hint="struct<a: int, b: string> for several", code="flare.udf")
        return None
    return columns[0][1]


def _python(name: str, source: str, returns: str | None, reading: Reading, path: Path) -> Udf | None:
    text = source.strip()
    if not text or len(text) > _MAX_SOURCE:
        what = "empty" if not text else f"longer than {_MAX_SOURCE >> 10} KiB"
        reading.error(path, f"the UDF `{name}` is {what}", code="flare.udf")
        return None
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if "=>" in text:
            reading.error(
                path,
                f"Scala UDF `{name}` needs engine: spark and a Scala compiler, and jobs have no compiler",
                hint=f"write it in Python: {name}: 'lambda value: ...'; docs/howto/write-udfs.md",
                code="flare.udf",
            )
            return None
        at: dict[str, Any] = {}
        if isinstance(error, SyntaxError) and error.lineno is not None:
            at = {"line": error.lineno, "column": error.offset or 1}
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        reading.error(path, f"the UDF `{name}` is no Python: {what}", code="flare.udf", **at)
        return None
    if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr) and isinstance(tree.body[0].value, ast.Lambda):
        return Udf(name, text, None, returns or "STRING", _arity(tree.body[0].value.args), path)
    defined = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    chosen = defined.get(name) or (next(iter(defined.values())) if len(defined) == 1 else None)
    if chosen is None:
        reading.error(
            path,
            f"the UDF `{name}` defines no function `{name}`" + (f", but {', '.join(defined)}" if defined else ""),
            hint=f"write a lambda, or `def {name}(value): ...`",
            code="flare.udf",
        )
        return None
    returns = returns or (_annotated(chosen.returns) if chosen.returns is not None else "STRING")
    if returns is None:
        hint = "give `returnType`, as a type of SQL"
        reading.error(path, f"the UDF `{name}`: its annotation tells no type of SQL", hint=hint, code="flare.udf")
        return None
    return Udf(name, text, chosen.name, returns, _arity(chosen.args), path)


def _arity(args: ast.arguments) -> Arity:
    most = len(args.posonlyargs) + len(args.args)
    return Arity(most - len(args.defaults), None if args.vararg else most)


def _annotated(node: ast.expr) -> str | None:
    """The type of SQL of an annotation: `int`, `str | None`, `list[float]`, `dict[str, int]`; None: it tells none."""
    match node:
        case ast.Constant(value=str(text)):
            try:
                return _annotated(ast.parse(text, mode="eval").body)
            except SyntaxError:
                return None
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _TYPES.get(name)
        case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(value=None)):
            return _annotated(left)
        case ast.BinOp(left=ast.Constant(value=None), op=ast.BitOr(), right=right):
            return _annotated(right)
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            return _annotated(inner)
        case ast.Subscript(value=ast.Name(id="list"), slice=inner):
            element = _annotated(inner)
            return None if element is None else f"ARRAY<{element}>"
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[key, value])):
            pair = _annotated(key), _annotated(value)
            return None if None in pair else f"MAP<{pair[0]}, {pair[1]}>"
        case _:
            return None
