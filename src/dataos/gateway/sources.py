"""Columns of mounted databases: their Trino types from the source's own, and how the engine must read them.

A *reading* is the form in which a column enters a secured relation. MySQL evaluates filters that reach it with its own
collations (`'abc' = 'ABC'`), so texts are read through an expression that the engine does not hand down; numbers and
dates go down. Unsigned and huge integers become the types that Trino has for them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from dataos.depots.rowwriting.facts import CTID, Identity
from dataos.gateway import types
from dataos.gateway.relations import Column

READINGS: dict[str, str] = {
    "text": "compared, sorted and grouped by the engine only",
    "SMALLINT": "unsigned TINYINT",
    "INTEGER": "unsigned SMALLINT",
    "BIGINT": "unsigned INTEGER",
    "DECIMAL(20, 0)": "unsigned BIGINT",
    "DECIMAL(38, 0)": "HUGEINT",
    "VARCHAR": "enumerations, bits, unions",
}
"""Form -> for what."""

_UNSIGNED = {"tinyint": "SMALLINT", "smallint": "INTEGER", "int": "BIGINT", "mediumint": "INTEGER",
             "bigint": "DECIMAL(20, 0)"}  # fmt: skip
_MYSQL = {
    "tinyint": "tinyint",
    "smallint": "smallint",
    "mediumint": "integer",
    "int": "integer",
    "integer": "integer",
    "bigint": "bigint",
    "year": "integer",
    "float": "real",
    "double": "double",
    "date": "date",
    "datetime": "timestamp(6)",
    "timestamp": "timestamp(6)",
    "binary": "varbinary",
    "varbinary": "varbinary",
    "tinyblob": "varbinary",
    "blob": "varbinary",
    "mediumblob": "varbinary",
    "longblob": "varbinary",
}
_MYSQL_TEXTS = frozenset(
    {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json", "uuid", "inet4", "inet6",
     "time"}
)  # fmt: skip
_GEOMETRIES = frozenset(
    {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
     "geometrycollection", "geomcollection"}
)  # fmt: skip
_DUCKDB_READINGS = {"UTINYINT": "SMALLINT", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT", "UBIGINT": "DECIMAL(20, 0)",
                    "HUGEINT": "DECIMAL(38, 0)", "UHUGEINT": "DECIMAL(38, 0)", "BIT": "VARCHAR"}  # fmt: skip


def column(kind: str, name: str, native: str, nullable: bool) -> tuple[Column, str]:
    """The column as Trino's type says it, and the form in which it is read (empty: as the engine does)."""
    if kind == "mysql":
        type_, form = _from_mysql(native)
    elif kind == "sqlite":
        type_, form = from_sqlite(native), ""
    elif kind == "duckdb":
        type_, form = types.from_duckdb(native), _duckdb_reading(native)
    else:
        type_, form = types.from_postgresql(native), ""
    return Column(name, type_, nullable), form


def read(name: str, form: str) -> exp.Expr:
    """The expression that reads a column in a form, under its own name."""
    value: exp.Expr = exp.Column(this=exp.to_identifier(name, quoted=True))
    if form == "text":
        value = exp.Paren(this=exp.DPipe(this=value, expression=exp.Literal.string("")))
    elif form:
        value = exp.Cast(this=value, to=exp.DataType.build(form, dialect="duckdb"))
    return exp.Alias(this=value, alias=exp.to_identifier(name, quoted=True))


def row_name(identity: Identity, columns: Sequence[Column]) -> exp.Expr:
    """The texts that name a row, as a JSON array; bytes in hex."""
    named: list[exp.Expr] = []
    binary = {c.name for c in columns if c.type == "varbinary"}
    for name in identity.columns or (identity.own,):
        value: exp.Expr = exp.Column(this=exp.to_identifier(name, quoted=True))
        if name in binary:
            value = exp.Anonymous(this="hex", expressions=[value])
        named.append(exp.Cast(this=value, to=exp.DataType.build("varchar")))
    listed = exp.Anonymous(this="list_value", expressions=named)
    made = exp.Anonymous(this="to_json", expressions=[listed])
    return exp.Cast(this=made, to=exp.DataType.build("varchar"))


def with_ctid(catalog: str, schema: str, table: str, columns: Sequence[str]) -> exp.Expr:
    """A PostgreSQL table, read whole by PostgreSQL, with the place of each row, which the engine does not tell."""

    def quoted(name: str) -> str:
        return exp.to_identifier(name, quoted=True).sql("postgres")

    listed = ", ".join([f"ctid::text AS {quoted(CTID)}", *(quoted(c) for c in columns)])
    query = f"SELECT {listed} FROM {quoted(schema)}.{quoted(table)}"
    arguments = [exp.Literal.string(catalog), exp.Literal.string(query)]
    return exp.Table(this=exp.Anonymous(this="postgres_query", expressions=arguments))


def _from_mysql(native: str) -> tuple[str, str]:
    """`int(10) unsigned` -> bigint, read as BIGINT. Source: how DuckDB's mysql extension reads each type."""
    text = native.strip().lower()
    match = re.match(r"([a-z0-9]+)(?:\((.*?)\))?", text)
    word, inner = (match[1], match[2] or "") if match else (text, "")
    if word in _UNSIGNED and "unsigned" in text:
        form = _UNSIGNED[word]
        return {"SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint"}.get(form, "decimal(20,0)"), form
    if word == "decimal":
        digits, _, scale = inner.partition(",")
        if digits.isdigit() and int(digits) <= types.MAX_DIGITS:
            return f"decimal({digits},{scale.strip() or '0'})", ""
        return "double", ""
    if word == "bit":
        return ("boolean" if inner in ("", "1") else "varbinary"), ""
    if word in _MYSQL_TEXTS:
        return "varchar", "text"
    if word in _GEOMETRIES:
        return "varbinary", ""
    return _MYSQL.get(word, "unknown"), ""


def from_sqlite(native: str) -> str:
    """Trino's type for a declared type of SQLite. Source: the order in which DuckDB's sqlite extension looks at it."""
    text = native.strip().lower()
    if "int" in text:
        return "bigint"
    if any(word in text for word in ("char", "clob", "text")):
        return "varchar"
    if "blob" in text or not text:
        return "varbinary"
    if any(word in text for word in ("real", "floa", "doub")) or text.startswith(("dec", "num")):
        return "double"
    if text == "date":
        return "date"
    if text.startswith(("time", "datetime")):
        return "timestamp(6)"
    return "bigint" if text.startswith("bool") else "varchar"


def _duckdb_reading(native: str) -> str:
    if native.startswith(("ENUM(", "UNION(")):
        return "VARCHAR"
    return _DUCKDB_READINGS.get(native, "")
