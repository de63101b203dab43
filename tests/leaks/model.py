"""What a world of the leak suite is made of: plain values, written down before anything runs.

Rules are spelled with the product's own records (`AccessRule`, `DataRule`: values without behaviour), so that the
gateway's decision point and the suite's own enforcer read the very same thing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dataos.governance.policies import AccessRule, DataRule

DEPOT = "lakehouse"
SOURCES = (DEPOT, "postgresql", "iceberg", "delta")
"""Depots in which tables of worlds may lie: the lakehouse, a database, folders with Iceberg and with Delta tables."""


@dataclass(frozen=True)
class Type:
    """A Trino type. `parts`: fields of a row (name, type), or the types of array and map."""

    name: str
    parts: tuple[tuple[str, Type], ...] = ()

    @property
    def nested(self) -> bool:
        """Has it parts?"""
        return bool(self.parts)

    def of(self, part: str) -> Type:
        """The type of a part."""
        return next(t for n, t in self.parts if n == part)

    def __str__(self) -> str:
        if self.name == "row":
            return f"row({', '.join(f'{quoted(n)} {t}' for n, t in self.parts)})"
        return f"{self.name}({', '.join(str(t) for _, t in self.parts)})" if self.parts else self.name


def row(**fields: Type) -> Type:
    """A row."""
    return Type("row", tuple(fields.items()))


def array(element: Type) -> Type:
    """An array."""
    return Type("array", (("element", element),))


def map_(key: Type, value: Type) -> Type:
    """A map. Its values are lists of pairs."""
    return Type("map", (("key", key), ("value", value)))


BOOLEAN, INTEGER, BIGINT, REAL, DOUBLE = (Type(t) for t in ("boolean", "integer", "bigint", "real", "double"))
DECIMAL, VARCHAR, VARBINARY, UUID = (Type(t) for t in ("decimal(10,2)", "varchar", "varbinary", "uuid"))
DATE, TIME, TIMESTAMP, INSTANT = (Type(t) for t in ("date", "time(6)", "timestamp(6)", "timestamp(6) with time zone"))
NUMBERS = (INTEGER, BIGINT, REAL, DOUBLE, DECIMAL)
SCALARS = (BOOLEAN, INTEGER, BIGINT, REAL, DOUBLE, DECIMAL, VARCHAR, VARBINARY, UUID, DATE, TIME, TIMESTAMP, INSTANT)


def keeps(depot: str, type_: Type) -> bool:
    """Can a source hold values of a type as they are?"""
    if depot == "postgresql":
        return type_ in SCALARS or type_ in (array(VARCHAR), array(INTEGER))
    if depot == "delta":
        return type_.name not in ("uuid", "time(6)") and all(keeps(depot, t) for _, t in type_.parts)
    return True


Path = tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """A column as the source spells it."""

    name: str
    type: Type


@dataclass(frozen=True)
class Table:
    """A table. `rows` are tuples in the order of `columns`; a row value is a dict, a map a list of pairs.

    `old`: the rows of an earlier snapshot, which the tag `old` names; None: there is one snapshot only. `depot`: where
    it lies."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    old: tuple[tuple[Any, ...], ...] | None = None
    depot: str = DEPOT


@dataclass(frozen=True)
class Part:
    """A SELECT of a view: columns (as the source spells them) of a table or view, where `id` is more than `above`."""

    source: str
    columns: tuple[str, ...]
    above: int | None = None


@dataclass(frozen=True)
class View:
    """A view of the lakehouse: one SELECT, or several under each other of `id` and `region`. `lends`: with the rights of
    its owner, who may be nobody's user any more."""

    name: str
    owner: str
    lends: bool
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class User:
    """Somebody who asks."""

    id: str
    tags: frozenset[str]
    email: str | None = None
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class World:
    """Tables of one schema, users, and what is in force."""

    seed: int
    schema: str
    tables: tuple[Table, ...]
    users: tuple[User, ...]
    rules: tuple[tuple[str, AccessRule | DataRule], ...] = ()
    column_tags: frozenset[tuple[str, str, str]] = frozenset()
    """(table, column or path, tag); an empty path: the table itself."""
    views: tuple[View, ...] = ()

    def table(self, name: str) -> Table:
        """The table of a name, in any letter case."""
        return next(t for t in self.tables if t.name.lower() == name.lower())

    def user(self, id_: str) -> User:
        """The user of an id."""
        return next(u for u in self.users if u.id == id_)

    def with_user(self, user: User) -> World:
        """The user, changed."""
        return replace(self, users=tuple(user if u.id == user.id else u for u in self.users))


def quoted(name: str) -> str:
    """A name as SQL has it."""
    plain = name.isascii() and name.islower() and name.isidentifier() and name not in _WORDS
    return name if plain else '"' + name.replace('"', '""') + '"'


_WORDS = frozenset({"select", "from", "where", "order", "group", "value", "user", "table", "end", "in"})


def show(world: World) -> str:
    """The world as text, for reports."""
    lines = [f"schema {world.schema}"]
    for table in world.tables:
        lines.append(
            f"  table {table.depot}.{table.name} ({', '.join(f'{quoted(c.name)} {c.type}' for c in table.columns)})"
        )
        lines += [f"    {row_!r}" for row_ in table.rows]
        lines += [f"    old: {row_!r}" for row_ in table.old or ()]
    lines += [f"  {view}" for view in world.views]
    lines += [f"  user {u.id} {sorted(u.tags)} email={u.email} properties={dict(u.properties)}" for u in world.users]
    lines += [f"  {key}: {rule}" for key, rule in world.rules]
    lines += [f"  tag {tag} on {table} {path}" for table, path, tag in sorted(world.column_tags)]
    return "\n".join(lines)
