"""Views of a world: drawn by seed, written as SQL, and worked out in plain Python for each who may ask.

What holds (`docs/howto/sql-statements.md`): filters and masks are those of who asks, on every table below; a view that
lends gives its owner's right to select of this very moment, and nothing else; what is denied to who asks stays denied;
a view of whose own name a rule hides anything is closed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from dataos.governance.policies import AccessRule
from leaks import enforcer
from leaks.enforcer import Seen
from leaks.model import BIGINT, DEPOT, VARCHAR, Column, Part, Table, User, View, World

_CLOSED = Seen(Table("closed", (Column("id", BIGINT),), ()), bites=True, broken=True)
GHOST = "u9"
"""Owns views, and is no user."""


def draw(world: World) -> World:
    """The world with views, in half of all; and with a rule that gives them to somebody who may read no more."""
    chance = random.Random(f"views {world.seed}")
    if chance.random() >= 0.5:
        return world
    views: list[View] = []
    for number in range(chance.randrange(1, 4)):
        owner = GHOST if chance.random() < 0.06 else chance.choice(world.users).id
        sources = [t.name for t in world.tables]
        if views and chance.random() < 0.4:
            parts = (_part(replace(world, views=tuple(views)), chance, views[-1].name),)
        elif chance.random() < 0.25:
            parts = tuple(Part(chance.choice(sources), ("id", "region")) for _ in range(2))
        else:
            parts = (_part(world, chance, chance.choice(sources)),)
        views.append(View(f"v{number}", owner, chance.random() < 0.65, parts))
    subjects = ((chance.choice(("roles:id:user", *(f"users:id:{u.id}" for u in world.users))),),)
    paths = (chance.choice((f"dataos://{DEPOT}:{world.schema}/v*", f"dataos://{DEPOT}:{world.schema}/v0")),)
    given = AccessRule("views", subjects, ("read", "select"), paths, allow=True)
    rules = [*world.rules, ("policy:views", given)]
    if chance.random() < 0.6:  # what nobody may lend
        table = world.table(chance.choice(views[0].parts).source)
        path = f"dataos://{table.depot}:{world.schema}/{table.name}"
        subject = f"users:id:{chance.choice(world.users).id}"
        rules.append(("policy:closed", AccessRule("closed", ((subject,),), ("select", "read"), (path,))))
    return replace(world, views=tuple(views), rules=tuple(rules))


def _part(world: World, chance: random.Random, source: str) -> Part:
    names = [c.name for c in _raw(world, source)]
    chosen = {"id", *chance.sample(names, chance.randrange(1, len(names) + 1))}
    above = chance.choice((None, None, 0, 2)) if "id" in names else None
    return Part(source, tuple(n for n in names if n in chosen), above)


def _view(world: World, name: str) -> View | None:
    return next((v for v in world.views if v.name == name), None)


def _raw(world: World, name: str) -> tuple[Column, ...]:
    """The columns of a table or view before any rule."""
    view = _view(world, name)
    return world.table(name).columns if view is None else declared(world, view).columns


def declared(world: World, view: View) -> Table:
    """The view as its definition says it is: a table without rows."""
    first = view.parts[0]
    columns = [Column(c.name.lower(), c.type) for c in _raw(world, first.source) if c.name in first.columns]
    if len(view.parts) > 1:
        columns = [Column("id", BIGINT), Column("region", VARCHAR)]
    return Table(view.name, tuple(columns), ())


def text(world: World, view: View) -> str:
    """The statement that makes it."""
    made = " UNION ALL ".join(_select(world, view, part) for part in view.parts)
    security = "DEFINER" if view.lends else "INVOKER"
    return f'CREATE OR REPLACE VIEW {DEPOT}.{world.schema}."{view.name}" SECURITY {security} AS {made}'


def _select(world: World, view: View, part: Part) -> str:
    depot = DEPOT if _view(world, part.source) else world.table(part.source).depot
    several = len(view.parts) > 1
    shown = [f'"{c}" AS "{c.lower()}"' for c in part.columns]
    shown = [f"CAST({c} AS bigint) AS {c}" if c == "id" else f"{c} AS {c}" for c in part.columns] if several else shown
    where = f" WHERE id > {part.above}" if part.above is not None else ""
    return f'SELECT {", ".join(shown)} FROM {depot}.{world.schema}."{part.source}"{where}'


# --- what they show -------------------------------------------------------------------------------------------------------


def see(world: World, user: User, view: View, lender: str | None = None) -> Seen | None:
    """What somebody sees of a view; None: it does not exist for him, `broken`: it is refused."""
    named = declared(world, view)
    if not enforcer.may(world, user, named, lender):
        return None
    if enforcer.closed(world, user, named, lender):
        return _CLOSED
    below = view.owner if view.lends else lender
    found: list[Seen] = []
    for part in view.parts:
        source = _source(world, user, part.source, below)
        if source is None or source.broken:
            return _CLOSED
        there = {c.name for c in source.table.columns}
        if not {*part.columns, *(("id",) if part.above is not None else ())} <= there:
            return _CLOSED  # a column that it names is hidden
        found.append(_selected(source, part))
    return found[0] if len(found) == 1 else _together(found)


def _source(world: World, user: User, name: str, lender: str | None) -> Seen | None:
    view = _view(world, name)
    if view is not None:
        return see(world, user, view, lender)
    return enforcer.see(world, user, world.table(name), lender)


def _selected(source: Seen, part: Part) -> Seen:
    columns = source.table.columns
    places = [i for i, c in enumerate(columns) if c.name in part.columns]
    by = next((i for i, c in enumerate(columns) if c.name == "id"), 0)
    rows = [r for r in source.table.rows if part.above is None or (r[by] is not None and r[by] > part.above)]
    table = Table(
        part.source,
        tuple(Column(columns[i].name.lower(), columns[i].type) for i in places),
        tuple(tuple(r[i] for i in places) for r in rows),
    )
    names = {c.name for c in table.columns}
    return replace(
        source,
        table=table,
        random={n: p for n, p in source.random.items() if n in names},
        masked=frozenset(source.masked & names),
        hidden_columns=(),
    )


def _together(found: Sequence[Seen]) -> Seen:
    rows = tuple(r for s in found for r in s.table.rows)
    table = Table("both", (Column("id", BIGINT), Column("region", VARCHAR)), rows)
    random_ = {"region": None} if any("region" in s.random for s in found) else {}
    masked = frozenset[str]().union(*(s.masked for s in found))
    return Seen(table, dict(random_), any(s.bites for s in found), False, masked)


def lent(world: World, user: User, table: Table) -> bool:
    """Might a view show the user something of a table that he may not read?"""
    below: set[str] = set()
    for view in world.views:  # sources come before those that read them
        sources = {p.source for p in view.parts}
        if table.name in sources or sources & below:
            below.add(view.name)
            if any(v.lends and enforcer.may(world, user, table, v.owner) for v in world.views):
                return True
    return False
