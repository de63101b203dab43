"""CREATE, ALTER, DROP, COMMENT, ANALYZE, CALL: statements that define things, by small parsers."""

from __future__ import annotations

from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from dataos.core.errors import DataOSError
from dataos.gateway import duckdb_types, problems, statements, types
from dataos.gateway.commands.constants import constant, properties
from dataos.gateway.commands.model import (
    AlterSchema,
    AlterTable,
    AlterView,
    Analyze,
    Call,
    ColumnDefinition,
    Command,
    Comment,
    CreateSchema,
    CreateTable,
    CreateView,
    DropSchema,
    DropTable,
    DropView,
    Execute,
    Like,
)
from dataos.gateway.commands.rows_parsing import column_list, named
from dataos.gateway.tokens import Reader


def create(reader: Reader) -> Command:
    """CREATE SCHEMA, TABLE, VIEW. Raises DataOSError `query.syntax`, `query.unsupported`."""
    reader.expect("CREATE")
    replace = reader.sequence("OR", "REPLACE")
    if reader.accept("TABLE"):
        return _create_table(reader, replace)
    if reader.accept("VIEW"):
        return _create_view(reader, replace)
    if not replace and reader.accept("SCHEMA"):
        return _create_schema(reader)
    raise _not_supported(reader, "CREATE", "CREATE SCHEMA, TABLE, TABLE AS, VIEW")


def _not_supported(reader: Reader, verb: str, supported: str) -> DataOSError:
    word = reader.word() or "this"
    return problems.at(
        reader.place(), "query.unsupported", f"{verb} {word} is not supported", f"supported: {supported}"
    )


def _exists_ok(reader: Reader) -> bool:
    return reader.sequence("IF", "NOT", "EXISTS")


def _create_schema(reader: Reader) -> CreateSchema:
    exists_ok = _exists_ok(reader)
    schema = named(reader, 2)
    if reader.accept("AUTHORIZATION"):
        raise problems.at(
            reader.place(),
            "query.unsupported",
            "AUTHORIZATION of a schema is not supported",
            "a schema belongs to its Lakehouse; who may do what in it is said by grants and policies",
        )
    found = properties(reader) if reader.accept("WITH") else {}
    reader.end()
    return CreateSchema(schema, exists_ok, found)


def _create_table(reader: Reader, replace: bool) -> CreateTable:
    exists_ok = _exists_ok(reader)
    if exists_ok and replace:
        raise problems.at(reader.place(), "query.syntax", "OR REPLACE and IF NOT EXISTS do not go together")
    table = named(reader)
    aliases: tuple[str, ...] | None = None
    elements: list[ColumnDefinition | Like] = []
    if reader.word() == "(":
        if reader.ahead() != "LIKE" and reader.ahead(2) in (",", ")"):
            aliases = column_list(reader)
        else:
            elements = _elements(reader)
    comment = reader.text() if reader.accept("COMMENT") else None
    found = properties(reader) if reader.accept("WITH") else {}
    if not reader.accept("AS"):
        if not elements:
            raise reader.wrong("'AS'" if aliases is not None else "'(' or 'AS'")
        reader.end()
        return CreateTable(table, exists_ok, replace, tuple(elements), comment, found)
    if elements:
        raise problems.at(reader.place(), "query.syntax", "CREATE TABLE ... AS takes names of columns, not their types")
    words = reader.rest()
    with_data = True
    tail = [w.text.upper() for w in words[-3:]]
    if tail[-2:] == ["WITH", "DATA"]:
        words = words[:-2]
    elif tail == ["WITH", "NO", "DATA"]:
        words, with_data = words[:-3], False
    if not words:
        raise reader.wrong("a query")
    query = statements.query(words, reader.source)
    return CreateTable(table, exists_ok, replace, (), comment, found, query, aliases, with_data)


def _elements(reader: Reader) -> list[ColumnDefinition | Like]:
    reader.expect("(")
    found: list[ColumnDefinition | Like] = []
    while True:
        if reader.word() == "LIKE":
            reader.expect("LIKE")
            table = named(reader)
            including = reader.sequence("INCLUDING", "PROPERTIES")
            if not including:
                reader.sequence("EXCLUDING", "PROPERTIES")
            found.append(Like(table, including))
        else:
            found.append(column(reader))
        if not reader.accept(","):
            break
    reader.expect(")")
    if sum(isinstance(e, Like) and e.properties for e in found) > 1:
        raise problems.at(reader.place(), "query.syntax", "Only one LIKE clause can specify INCLUDING PROPERTIES")
    return found


def column(reader: Reader) -> ColumnDefinition:
    """name type [NOT NULL] [COMMENT c] [WITH (...)]."""
    token = reader.peek()
    name = reader.identifier()
    kind = type_(reader, ",", "NOT", "NULL", "DEFAULT", "COMMENT", "WITH")
    nullable = True
    if reader.sequence("NOT", "NULL"):
        nullable = False
    elif reader.word() == "DEFAULT":
        raise problems.at(reader.place(), "query.unsupported", "DEFAULT of a column is not supported")
    else:
        reader.accept("NULL")
    comment = reader.text() if reader.accept("COMMENT") else None
    if reader.accept("WITH") and (found := properties(reader)):
        raise problems.at(
            reader.place(),
            "query.unsupported",
            f"column property '{next(iter(found))}' is not supported",
            "columns have no properties here",
        )
    return ColumnDefinition(name, kind, nullable, comment, token.start if token is not None else 0)


def type_(reader: Reader, *until: str) -> exp.DataType:
    """A type as Trino writes it. Raises DataOSError `query.syntax` for what is none."""
    place = reader.place()
    words = reader.slice(*until, what="a type")
    while reader.word() == "WITH" and reader.ahead() == "TIME":  # of a timestamp, and no clause
        words += [reader.take(), reader.take(), reader.take()]
        if reader.peek() is not None and reader.word() not in (*until, ")"):
            words += reader.slice(*until)
    text = reader.source.text[words[0].start : words[-1].end + 1]
    found = types.data_type(text)
    inner = list(found.find_all(exp.DataType))
    if types.kind(found) is None or any(t.this not in duckdb_types.CASTABLE for t in inner):
        raise problems.at(place, "query.type", f"Unknown type: {text}", "as in bigint, decimal(10, 2), array(varchar)")
    return found


def _create_view(reader: Reader, replace: bool) -> CreateView:
    view = named(reader)
    comment = reader.text() if reader.accept("COMMENT") else None
    security = "definer"
    if reader.accept("SECURITY"):
        security = reader.word().lower()
        reader.expect("DEFINER", "INVOKER")
    if reader.word() == "(":
        raise problems.at(
            reader.place(), "query.unsupported", "names of a view's columns are not supported here", "SELECT x AS name"
        )
    reader.expect("AS")
    first = reader.peek()
    words = reader.rest()
    query = statements.query(words, reader.source)
    text = reader.source.text[first.start if first else 0 : words[-1].end + 1]
    return CreateView(view, replace, comment, security, query, text)


def drop(reader: Reader) -> Command:
    """DROP SCHEMA, TABLE, VIEW."""
    reader.expect("DROP")
    if not (kind := reader.word()) or not reader.accept("SCHEMA", "TABLE", "VIEW"):
        raise _not_supported(reader, "DROP", "DROP SCHEMA, TABLE, VIEW")
    exists_ok = reader.sequence("IF", "EXISTS")
    name = named(reader, 2 if kind == "SCHEMA" else 3)
    if kind == "SCHEMA":
        cascade = reader.accept("CASCADE")
        if not cascade:
            reader.accept("RESTRICT")
        reader.end()
        return DropSchema(name, exists_ok, cascade)
    reader.end()
    return DropTable(name, exists_ok) if kind == "TABLE" else DropView(name, exists_ok)


def alter(reader: Reader) -> Command:
    """ALTER SCHEMA, TABLE, VIEW."""
    reader.expect("ALTER")
    if reader.accept("SCHEMA"):
        schema = named(reader, 2)
        if reader.sequence("SET", "AUTHORIZATION"):
            return _end(reader, AlterSchema(schema, None, _owner(reader)))
        reader.expect("RENAME")
        reader.expect("TO")
        return _end(reader, AlterSchema(schema, reader.identifier()))
    if reader.accept("VIEW"):
        view = named(reader)
        if reader.sequence("SET", "AUTHORIZATION"):
            return _end(reader, AlterView(view, None, _owner(reader)))
        reader.expect("RENAME")
        reader.expect("TO")
        return _end(reader, AlterView(view, named(reader)))
    if not reader.accept("TABLE"):
        raise _not_supported(reader, "ALTER", "ALTER SCHEMA, TABLE, VIEW")
    exists_ok = reader.sequence("IF", "EXISTS")
    table = named(reader)
    if reader.accept("EXECUTE"):
        return _execute(reader, table)
    action, details = _action(reader)
    return _end(reader, AlterTable(table, exists_ok, action, details))


def _end(reader: Reader, made: Command) -> Command:
    reader.end()
    return made


def _owner(reader: Reader) -> str:
    if reader.word() in ("USER", "ROLE") and reader.ahead():
        reader.take()
    return reader.identifier()


def _action(reader: Reader) -> tuple[str, dict[str, Any]]:
    if reader.sequence("RENAME", "TO"):
        return "rename", {"name": named(reader)}
    if reader.sequence("RENAME", "COLUMN"):
        exists_ok = reader.sequence("IF", "EXISTS")
        column_, _ = _path(reader)
        reader.expect("TO")
        return "rename_column", {"column": column_, "name": reader.identifier(), "exists_ok": exists_ok}
    if reader.sequence("ADD", "COLUMN"):
        exists_ok = _exists_ok(reader)
        return "add_column", {"column": column(reader), "exists_ok": exists_ok}
    if reader.sequence("DROP", "COLUMN"):
        exists_ok = reader.sequence("IF", "EXISTS")
        return "drop_column", {"column": _path(reader)[0], "exists_ok": exists_ok}
    if reader.sequence("ALTER", "COLUMN"):
        return _alter_column(reader)
    if reader.sequence("SET", "AUTHORIZATION"):
        return "owner", {"owner": _owner(reader)}
    if reader.sequence("SET", "PROPERTIES"):
        return "properties", {"properties": _set_properties(reader)}
    raise reader.wrong(
        "'ADD COLUMN' or 'ALTER COLUMN' or 'DROP COLUMN' or 'EXECUTE' or 'RENAME' or 'SET AUTHORIZATION' or "
        "'SET PROPERTIES'"
    )


def _path(reader: Reader) -> tuple[str, int]:
    """A column, or a field of a struct: a.b.c."""
    parts, start = reader.name(32)
    return ".".join(parts), start


def _alter_column(reader: Reader) -> tuple[str, dict[str, Any]]:
    column_, _ = _path(reader)
    if reader.sequence("SET", "DATA", "TYPE"):
        return "column_type", {"column": column_, "type": type_(reader)}
    if reader.sequence("DROP", "NOT", "NULL"):
        return "column_nullable", {"column": column_, "nullable": True}
    if reader.sequence("SET", "NOT", "NULL"):
        return "column_nullable", {"column": column_, "nullable": False}
    raise reader.wrong("'SET DATA TYPE' or 'SET NOT NULL' or 'DROP NOT NULL'")


def _set_properties(reader: Reader) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while True:
        key = _key(reader)
        reader.expect("=")
        found[key] = None if reader.accept("DEFAULT") else constant(reader)
        if not reader.accept(","):
            return found


def _key(reader: Reader) -> str:
    token = reader.peek()
    if token is not None and token.token_type == TokenType.STRING:
        return reader.text()
    return ".".join(reader.name(32)[0])


def _execute(reader: Reader, table: Any) -> Execute:
    procedure = reader.identifier()
    arguments: dict[str, Any] = {}
    if reader.accept("("):
        while reader.word() != ")":
            key = reader.identifier()
            arrow(reader)
            arguments[key] = constant(reader)
            if not reader.accept(","):
                break
        reader.expect(")")
    where = None
    if reader.accept("WHERE"):
        words = reader.slice(what="a condition")
        where = reader.source.text[words[0].start : words[-1].end + 1]
    reader.end()
    return Execute(table, procedure, arguments, where)


def arrow(reader: Reader) -> None:
    """=>, in whatever tokens it comes."""
    if reader.word() == "=>":
        reader.take()
    else:
        reader.expect("=")
        reader.expect(">")


def call(reader: Reader) -> Call:
    """CALL [c.][s.]procedure(a, name => v)."""
    reader.expect("CALL")
    procedure = named(reader)
    reader.expect("(")
    positional: list[Any] = []
    arguments: dict[str, Any] = {}
    while reader.word() != ")":
        if reader.ahead() in ("=>", "=") and reader.word():
            key = reader.identifier()
            arrow(reader)
            arguments[key] = constant(reader)
        elif arguments:
            raise reader.wrong("name => value")
        else:
            positional.append(constant(reader))
        if not reader.accept(","):
            break
    reader.expect(")")
    reader.end()
    return Call(procedure, tuple(positional), arguments)


def comment(reader: Reader) -> Comment:
    """COMMENT ON TABLE | VIEW | COLUMN name IS 'text' | NULL."""
    reader.expect("COMMENT")
    reader.expect("ON")
    kind = reader.word().lower()
    reader.expect("TABLE", "VIEW", "COLUMN")
    name = named(reader, 4 if kind == "column" else 3)
    if kind == "column" and len(name.parts) < 2:
        raise reader.wrong("'.': a column is named with its table")
    reader.expect("IS")
    text = None if reader.accept("NULL") else reader.text()
    reader.end()
    return Comment(kind, name, text)


def analyze(reader: Reader) -> Analyze:
    """ANALYZE t [WITH (...)]."""
    reader.expect("ANALYZE")
    table = named(reader)
    found = properties(reader) if reader.accept("WITH") else {}
    reader.end()
    return Analyze(table, found)
