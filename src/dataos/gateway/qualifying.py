"""Step 2, second half: every table name to a relation of our catalog, every column to its column.

Base tables are found by our own walk over WITH scopes and replaced by internal names (`__dt_r<n>`), so that nothing
else can be meant by them; SQLGlot's qualifier then resolves columns over a schema that holds exactly these relations.
What it cannot resolve is an error here, with Trino's words and near names.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlglot import exp
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.annotate_types import TypeAnnotator
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from dataos.core import names
from dataos.core.errors import DataOSError
from dataos.gateway import functions, problems, types
from dataos.gateway.problems import Source
from dataos.gateway.relations import Relation, Version
from dataos.gateway.statements import function_name

PREFIX = "__dt_r"
LENDER = "dt_lender"
"""Mark, in a table node's meta, of who lends the right to select it."""
TARGET = "dt_target"
"""Mark, in a table node's meta, of the table that a statement changes."""
BELOW = "dt_below"
"""Mark, in a table node's meta, of one that a view reads: messages do not tell of its columns."""
VIEW = "dt_view"
"""Mark, in a sub-query's meta, that it stands for a view: its names mean nothing that stands around it."""
SHOWN = "dt_shown"
"""The names of a view's columns, in the meta of the sub-query that stands for it."""


@dataclass(frozen=True)
class TableName:
    """A table as a statement names it: up to three parts, letter case as written. `target`: the one that it changes;
    `lender`: who lends the right to select it."""

    parts: tuple[str, ...]
    place: tuple[int | None, int | None]
    version: Version | None = None
    target: bool = False
    lender: str | None = None


@dataclass
class Qualified:
    """A statement whose names are all resolved. `relations[i]` stands for the table `__dt_r<i>`."""

    tree: exp.Query
    relations: list[Relation]
    names: list[str]  # output columns, as clients see them
    used: list[frozenset[str]] = field(default_factory=list[frozenset[str]])  # columns per relation, lower case
    origins: list[tuple[int, str] | None] = field(default_factory=list[tuple[int, str] | None])
    """Per output column: the relation and column that it is, if it is one."""


Resolver = Callable[[list[TableName]], Awaitable[list[Relation]]]
"""Relations as the principal may know them, in the order of the names: asked once a statement."""


async def run(tree: exp.Query, source: Source, resolver: Resolver) -> Qualified:
    """Resolve all names. Raises DataOSError `query.unknown_relation`, `query.unknown_column`, `query.ambiguous`."""
    tree = _values_as_selects(tree)
    _name_unnests(tree)
    _name_outputs(tree)
    found = base_tables(tree)
    relations = await resolver([table_name(table, source) for table in found])
    known: dict[str, object] = {}
    offered = _shown_by_views(tree) if any(table.meta.get(BELOW) for table in found) else []
    for number, (table, relation) in enumerate(zip(found, relations, strict=True)):
        columns = {c.name.lower(): types.data_type(c.type) for c in relation.columns}
        if len(columns) != len(relation.columns):
            raise source.refuse(
                table,
                "query.unsupported",
                f"Table '{relation.full_name}' has columns whose names differ in letter case only",
                "rename one of them at the source",
            )
        known[f"{PREFIX}{number}"] = columns
        if not table.meta.get(BELOW):
            offered.append(columns)
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(relation.table.lower(), quoted=True)))
            table.meta["dt_full"] = (relation.catalog.lower(), relation.schema.lower(), relation.table.lower())
        for key in ("db", "catalog", "version"):
            table.set(key, None)
        table.set("this", exp.to_identifier(f"{PREFIX}{number}"))
    _drop_full_qualifiers(tree)
    schema = MappingSchema(known, dialect="trino", normalize=False)
    try:
        qualified = qualify(
            tree, schema=schema, dialect="trino", expand_alias_refs=False, validate_qualify_columns=True
        )
        _qualify_having(qualified, relations)
        _Annotator(schema).annotate(qualified)
    except OptimizeError as error:
        raise _unresolved(error, source, tree, relations, offered) from error
    except SqlglotError as error:
        raise problems.unsupported(source, None, "this statement", "it could not be analysed") from error
    _verify_columns(qualified, source, relations, offered)
    return Qualified(
        qualified, relations, _output_names(qualified), _used(qualified, len(relations)), _origins(qualified)
    )


def _shown_by_views(tree: exp.Query) -> list[Collection[str]]:
    """Columns of the views that a statement names."""
    return [query.meta[SHOWN] for query in tree.find_all(exp.Subquery) if SHOWN in query.meta]


def base_tables(tree: exp.Expr) -> list[exp.Table]:
    """Tables that are no reference to a WITH relation in scope, in order of appearance."""
    found: list[exp.Table] = []
    _base_tables(tree, frozenset(), found)
    return found


def _base_tables(node: exp.Expr, visible: frozenset[str], found: list[exp.Table]) -> None:
    with_ = node.args.get("with_")
    if isinstance(with_, exp.With):
        for cte in with_.expressions:
            name = cte.alias.lower()
            _base_tables(cte.this, visible | {name} if with_.args.get("recursive") else visible, found)
            visible = visible | {name}
    if isinstance(node, exp.Table):
        bare = not node.args.get("db") and not node.args.get("catalog")
        if not (bare and node.name.lower() in visible):
            found.append(node)
    for key, value in node.args.items():
        if key == "with_":
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, exp.Expr):
                _base_tables(child, visible, found)


def table_name(table: exp.Table, source: Source) -> TableName:
    """What a table's node names. Raises DataOSError `query.unsupported` for a version that is no constant."""
    parts = tuple(p.name for p in (table.args.get("catalog"), table.args.get("db"), table.this) if p is not None)
    target = bool(table.meta.get(TARGET))
    return TableName(parts, source.of(table), _version(table, source), target, table.meta.get(LENDER))


def _version(table: exp.Table, source: Source) -> Version | None:
    version = table.args.get("version")
    if version is None:
        return None
    value = version.expression
    if version.name.upper() == "VERSION" and isinstance(value, exp.Literal):
        return Version(reference=value.name) if value.is_string else Version(snapshot_id=int(value.name))
    moment = _moment(value)
    if version.name.upper() == "TIMESTAMP" and moment is not None:
        return Version(timestamp_us=moment)
    raise problems.unsupported(
        source,
        version,
        f"FOR {version.name.upper()} AS OF this value",
        "a constant: VERSION AS OF 123 or 'main', TIMESTAMP AS OF TIMESTAMP '2026-01-31 12:00:00 UTC'",
    )


def _moment(value: exp.Expr | None) -> int | None:
    """UTC epoch microseconds of a constant date or time, without a zone UTC; None for anything else."""
    if isinstance(value, exp.Cast) and value.to.this in _MOMENTS:
        value = value.this
    if not isinstance(value, exp.Literal) or not value.is_string:
        return None
    text = value.name.strip()
    if text.upper().endswith(" UTC"):
        text = text[:-4] + "+00:00"
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1e6)


_MOMENTS = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ)


def _values_as_selects(tree: exp.Query) -> exp.Query:
    """VALUES as a query of its own becomes SELECT * FROM (VALUES ...), with Trino's column names `_col0`..."""
    for values in list(tree.find_all(exp.Values)):
        width = len(values.expressions[0].expressions) if isinstance(values.expressions[0], exp.Tuple) else 1
        columns = [exp.to_identifier(f"_col{i}", quoted=True) for i in range(width)]
        alias = values.args.get("alias")
        if alias is not None:
            if not alias.args.get("columns"):
                alias.set("columns", columns)
            continue
        inner = values.copy()
        inner.set("alias", exp.TableAlias(this=exp.to_identifier("_values", quoted=True), columns=columns))
        select = exp.Select(expressions=[exp.Star()], from_=exp.From(this=inner))
        parent = values.parent
        if isinstance(parent, (exp.From, exp.Join)):
            values.replace(inner)
        elif parent is None:
            return select
        else:
            values.replace(select)
    return tree


def _name_unnests(tree: exp.Query) -> None:
    """UNNEST without column aliases: one column an argument, named by its position."""
    for unnest in tree.find_all(exp.Unnest):
        alias = unnest.args.get("alias")
        if alias is not None and alias.args.get("columns"):
            continue
        columns = [exp.to_identifier(f"_col{i}", quoted=True) for i in range(len(unnest.expressions))]
        if unnest.args.get("offset"):
            unnest.set("offset", exp.to_identifier(f"_col{len(columns)}", quoted=True))
        name = alias.this if alias is not None and alias.this else exp.to_identifier("_unnest", quoted=True)
        unnest.set("alias", exp.TableAlias(this=name, columns=columns))


def _name_outputs(tree: exp.Query) -> None:
    """Trino names an expression without alias by its position; keep aliases as written for the caller."""
    for select in tree.find_all(exp.Select):
        for position, projection in enumerate(select.expressions):
            if isinstance(projection, exp.Alias):
                projection.args["alias"].meta["dt_written"] = projection.alias
            elif not isinstance(projection, (exp.Column, exp.Star, exp.Dot)):
                select.expressions[position].replace(
                    exp.Alias(this=projection.copy(), alias=exp.to_identifier(f"_col{position}", quoted=True))
                )


def _output_names(tree: exp.Query) -> list[str]:
    first: exp.Expr = tree
    while not isinstance(first, exp.Select):
        first = first.this
    shown: list[str] = []
    for projection in first.expressions:
        alias = projection.args.get("alias")
        written = alias.meta.get("dt_written") if isinstance(alias, exp.Identifier) else None
        shown.append(written or projection.alias_or_name)
    return shown


def _origins(tree: exp.Query) -> list[tuple[int, str] | None]:
    first: exp.Expr = tree
    while not isinstance(first, exp.Select):
        first = first.this
    tables = {
        t.alias_or_name: int(t.name[len(PREFIX) :])
        for t in _from_items(first)
        if isinstance(t, exp.Table) and t.name.startswith(PREFIX)
    }
    found: list[tuple[int, str] | None] = []
    for projection in first.expressions:
        value = projection.this if isinstance(projection, exp.Alias) else projection
        known = tables.get(value.table) if isinstance(value, exp.Column) else None
        found.append((known, value.name) if known is not None else None)
    return found


def _drop_full_qualifiers(tree: exp.Query) -> None:
    """`c.s.t.x` and `s.t.x` mean column x of a table without alias; SQLGlot's qualifier wants `t.x`."""
    for column in list(tree.find_all(exp.Column)):
        parts = [p.name.lower() for p in column.parts]
        if len(parts) < 3:
            continue
        scope = column.find_ancestor(exp.Select)
        while scope is not None:
            if _strip(column, parts, scope):
                break
            scope = scope.find_ancestor(exp.Select)


def _strip(column: exp.Column, parts: list[str], select: exp.Select) -> bool:
    from_ = select.args.get("from_")
    tables = [from_.this] if from_ is not None else []
    tables += [join.this for join in select.args.get("joins") or []]
    for table in tables:
        full = table.meta.get("dt_full") if isinstance(table, (exp.Table, exp.Subquery)) else None
        if full is None:
            continue
        for length in (3, 2):
            if tuple(parts[:length]) == full[-length:] and len(parts) > length:
                rest = column.parts[length:]
                base: exp.Expr = exp.Column(this=rest[0].copy(), table=exp.to_identifier(full[-1], quoted=True))
                for field_ in rest[1:]:
                    base = exp.Dot(this=base, expression=field_.copy())
                column.replace(base)
                return True
    return False


def _used(tree: exp.Query, count: int) -> list[frozenset[str]]:
    """Columns of each relation that the statement names anywhere, also outside its output (WHERE, JOIN, ORDER BY)."""
    used: list[set[str]] = [set() for _ in range(count)]
    aliases: dict[str, list[int]] = {}
    for table in tree.find_all(exp.Table):
        if table.name.startswith(PREFIX):
            aliases.setdefault(table.alias_or_name, []).append(int(table.name[len(PREFIX) :]))
    for column in tree.find_all(exp.Column):
        # An alias may stand for different relations in different scopes: count the column to each of them.
        for number in aliases.get(column.table, []):
            used[number].add(column.name)
    return [frozenset(u) for u in used]


def _qualify_having(tree: exp.Query, relations: list[Relation]) -> None:
    """SQLGlot takes a name in HAVING for the output of that name; Trino means the column."""
    for having in tree.find_all(exp.Having):
        select = having.parent
        if not isinstance(select, exp.Select):
            continue
        for column in having.find_all(exp.Column):
            if column.table or column.find_ancestor(exp.Select) is not select:
                continue
            offering = [item for item in _from_items(select) if item.alias_or_name and _offers(item, column, relations)]
            if len(offering) == 1:
                column.set("table", exp.to_identifier(offering[0].alias_or_name, quoted=True))


def _verify_columns(
    tree: exp.Query, source: Source, relations: list[Relation], offered: Sequence[Collection[str]]
) -> None:
    """Every column stands for a column of a source in its scope. SQLGlot leaves some unresolved without a word."""
    for column in tree.find_all(exp.Column):
        if not column.table:
            if not _names_an_output(column):
                raise _unknown(column, column.name, source, offered)
            continue
        found = _source_of(column)
        if found is None and _in_view(column):
            raise _unknown(column, column.name, source, offered)
        if found is None or not _offers(found, column, relations):
            raise _unknown(column, f"{column.table}.{column.name}", source, offered)


def _unknown(node: exp.Expr, name: str, source: Source, offered: Sequence[Collection[str]]) -> DataOSError:
    """`offered`: the columns of each thing that the statement itself names."""
    hint = _near(name.rpartition(".")[2], offered)
    return source.refuse(node, "query.unknown_column", f"Column '{name}' cannot be resolved", hint)


def _near(name: str, offered: Sequence[Collection[str]]) -> str:
    return names.did_you_mean(name.lower(), {column for columns in offered for column in columns})


def _names_an_output(column: exp.Column) -> bool:
    """ORDER BY may name an output of its own query."""
    order = column.find_ancestor(exp.Order)
    query = order.parent if order is not None else None
    return isinstance(query, exp.Query) and column.name in query.named_selects


def _around(node: exp.Expr) -> exp.Expr | None:
    """What a node stands in; None at the edge of a statement, and of a view's text in it."""
    parent = node.parent
    edge = isinstance(parent, exp.Subquery) and parent.meta.get(VIEW) and node.arg_key == "this"
    return None if edge else parent


def _in_view(node: exp.Expr | None) -> bool:
    while node is not None and node.parent is not None:
        if _around(node) is None:
            return True
        node = node.parent
    return False


def _source_of(column: exp.Column) -> exp.Expr | None:
    """The FROM item of that alias in the nearest query around the column that has one; of a view's column, in the
    view."""
    outer: list[exp.Expr] = []
    node: exp.Expr | None = column
    joined = False
    while node is not None:
        if not joined:  # what is joined to an item in parentheses stands in it, and sees it
            outer.append(node)
        joined = node.arg_key == "joins"
        if isinstance(node, exp.Select):
            for item in _from_items(node):
                # An item is no source for what stands inside itself (a LATERAL sees what comes before it).
                if item.alias_or_name == column.table and not any(item is o for o in outer):
                    return item
        node = _around(node)
    return None


def correlated(query: exp.Expr) -> bool:
    """Does a part of a qualified statement name what stands around it?"""
    inside = {id(node) for node in query.walk()}
    found = (_source_of(column) for column in query.find_all(exp.Column) if column.table)
    return any(item is not None and id(item) not in inside for item in found)


def _from_items(select: exp.Select) -> list[exp.Expr]:
    from_ = select.args.get("from_")
    heads = [from_.this] if from_ is not None else []
    heads += [join.this for join in select.args.get("joins") or []] + list(select.args.get("laterals") or [])
    items: list[exp.Expr] = []
    for head in heads:
        item = head
        items.append(item)
        while isinstance(item, exp.Subquery) and isinstance(item.this, (exp.Table, exp.Subquery)):  # in parentheses
            item = item.this
            items.append(item)
        items += [join.this for join in item.args.get("joins") or []]
    return items


def _offers(item: exp.Expr, column: exp.Column, relations: list[Relation]) -> bool:
    if isinstance(item, exp.Table) and item.name.startswith(PREFIX):
        return column.name in {c.name.lower() for c in relations[int(item.name[len(PREFIX) :])].columns}
    alias = item.args.get("alias")
    renamed = [c.name for c in alias.args.get("columns") or []] if isinstance(alias, exp.TableAlias) else []
    if isinstance(item, exp.Unnest) and isinstance(item.args.get("offset"), exp.Identifier):
        renamed.append(item.args["offset"].name)
    if renamed:
        return column.name in renamed
    query = item.this if isinstance(item, exp.Lateral) else item
    if isinstance(query, exp.Subquery):
        return column.name in query.named_selects
    return isinstance(item, exp.Table)  # a WITH relation: the engine resolves it against the WITH's own columns


_NAMED = re.compile(r"[Cc]olumn(?:: (.+)| '(.*?)'(?: could not be resolved| \(|$))")


def _unresolved(
    error: OptimizeError,
    source: Source,
    tree: exp.Query,
    relations: list[Relation],
    offered: Sequence[Collection[str]],
) -> DataOSError:
    text = str(error)
    match = _NAMED.search(text)
    name = (match[1] or match[2]) if match else ""
    named = [c for c in tree.find_all(exp.Column) if c.name.lower() == name.lower()]
    twice = next((c for c in named if not c.table and _offered_twice(c, relations)), None)
    node = twice or next(iter(named), None)
    qualifier = re.search(r"for table: '([^']*)'", text)
    if "mbiguous" in text or (twice is not None and not qualifier):
        return source.refuse(node, "query.ambiguous", f"Column '{name}' is ambiguous", "write table.column")
    shown = f"{qualifier[1]}.{name}" if qualifier else name
    if not name:
        return problems.at((None, None), "query.unknown_column", "a column cannot be resolved")
    hint = _near(name, offered)
    return source.refuse(node, "query.unknown_column", f"Column '{shown}' cannot be resolved", hint)


def _offered_twice(column: exp.Column, relations: list[Relation]) -> bool:
    select = column.find_ancestor(exp.Select)
    count = 0
    for item in _from_items(select) if select is not None else []:
        with_ = _with_relation(item)
        if with_ is not None:
            count += column.name in (with_.alias_column_names or with_.this.named_selects)
        elif item.alias_or_name:
            count += _offers(item, column, relations)
    return count > 1


def _with_relation(item: exp.Expr) -> exp.CTE | None:
    """What a FROM item names, if that is a WITH relation."""
    if not isinstance(item, exp.Table) or item.name.startswith(PREFIX):
        return None
    query = item.find_ancestor(exp.Query)
    while query is not None:
        with_ = query.args.get("with_")
        for cte in reversed(with_.expressions) if isinstance(with_, exp.With) else []:
            if cte.alias.lower() == item.name.lower():
                return cte
        query = query.find_ancestor(exp.Query)
    return None


def _arithmetic(operator: str) -> Callable[[TypeAnnotator, exp.Expr], exp.Expr]:
    def annotate(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
        left, right = node.args.get("this"), node.args.get("expression")
        result = types.arithmetic(operator, _type(left), _type(right))
        if result is None and operator in "+-":
            result = _temporal(left, right)
        return annotator._set_type(node, result)  # pyright: ignore[reportPrivateUsage]

    return annotate


def _type(node: exp.Expr | None) -> exp.DataType | None:
    return node.type if node is not None and isinstance(node.type, exp.DataType) else None


def _temporal(left: exp.Expr | None, right: exp.Expr | None) -> exp.DataType | None:
    moments = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.TIME)
    kinds = types.kind(left), types.kind(right)
    if kinds[0] in moments and kinds[1] not in moments:
        return _type(left)
    if kinds[1] in moments and kinds[0] not in moments:
        return _type(right)
    return types.data_type("interval day to second") if kinds[0] in moments else None


def _call(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    name = function_name(node) or ""
    arguments = node.expressions
    result: exp.DataType | None = None
    if name in ("$subscript", "element_at"):
        base = _type(arguments[0])
        kind = types.kind(base) if base else None
        if base is not None and kind is exp.DType.ARRAY and base.expressions:
            result = base.expressions[0]
        elif base is not None and kind is exp.DType.MAP and len(base.expressions) == 2:
            result = base.expressions[1]
    elif name == "sum":
        result = _sum_type(arguments[0])
    elif name == "avg":
        inner = _inner(arguments[0])
        kind = types.kind(inner)
        result = _type(inner) if kind is exp.DType.DECIMAL else types.data_type("double") if kind else None
    elif name == "mod":
        result = types.arithmetic("%", _type(arguments[0]), _type(arguments[1]))
    elif name in ("map", "map_agg") and len(arguments) == 2:
        result = _map_type(arguments, name == "map")
    elif name in ("map_keys", "map_values"):
        base = _type(arguments[0])
        if base is not None and types.kind(base) is exp.DType.MAP and len(base.expressions) == 2:
            result = _array_of(base.expressions[0 if name == "map_keys" else 1])
    elif name in ("$nfc", "$trim"):
        result = types.data_type("varchar")
    else:
        function = functions.find(name, len(arguments))
        result = functions.returned(function, arguments) if function else None
    return annotator._set_type(node, result.copy() if result is not None else None)  # pyright: ignore[reportPrivateUsage]


def _array_of(element: exp.DataType) -> exp.DataType:
    return exp.DataType(this=exp.DType.ARRAY, expressions=[element.copy()], nested=True)


def _map_type(arguments: list[exp.Expr], of_arrays: bool) -> exp.DataType | None:
    parts = [_type(a) for a in arguments]
    if of_arrays:
        parts = [p.expressions[0] if p is not None and p.expressions else None for p in parts]
    if any(p is None or types.kind(p) is None for p in parts):
        return None
    return exp.DataType(this=exp.DType.MAP, expressions=[p.copy() for p in parts if p is not None], nested=True)


def _inner(node: exp.Expr) -> exp.Expr:
    while isinstance(node, (exp.Distinct, exp.Order)):
        node = node.expressions[0] if isinstance(node, exp.Distinct) else node.this
    return node


def _sum_type(argument: exp.Expr) -> exp.DataType | None:
    inner = _inner(argument)
    kind = types.kind(inner)
    if kind in types.INTEGERS:
        return types.data_type("bigint")
    if kind in types.FLOATS:
        return _type(inner)
    digits = types.digits(_type(inner))
    return types.decimal(types.MAX_DIGITS, digits[1]) if digits else None


def _literal(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    type_ = types.data_type("varchar") if node.is_string else types.literal(node.name)
    return annotator._set_type(node, type_)  # pyright: ignore[reportPrivateUsage]


def _wrapped(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    return annotator._set_type(node, _type(node.this))  # pyright: ignore[reportPrivateUsage]


def _Annotator(schema: MappingSchema) -> TypeAnnotator:
    metadata = dict(schema.dialect.EXPRESSION_METADATA) if schema.dialect else {}
    for class_, operator in ((exp.Add, "+"), (exp.Sub, "-"), (exp.Mul, "*"), (exp.Div, "/"), (exp.Mod, "%")):
        metadata[class_] = {"annotator": _arithmetic(operator)}
    metadata[exp.Anonymous] = {"annotator": _call}
    metadata[exp.Literal] = {"annotator": _literal}
    for class_ in (exp.Filter, exp.WithinGroup, exp.Window, exp.IgnoreNulls, exp.RespectNulls):
        metadata[class_] = {"annotator": _wrapped}
    return TypeAnnotator(schema, expression_metadata=metadata)
