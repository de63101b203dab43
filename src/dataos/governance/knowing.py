"""Who may know of a dataset: its name, columns, tags and the ways of its data are for those who may read any of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError
from dataos.governance import objects
from dataos.governance.decisions import Policies
from dataos.governance.exposure import ColumnPath, DatasetName
from dataos.governance.policies import AccessObject, Decision
from dataos.store import tables
from dataos.store.database import batches

RESTRICTED = "restricted dataset"
"""What stands for a dataset of which a reader may not know (ch09 10)."""
_t = tables.dataset_tags
_TAGS = sa.select(_t.c.address, _t.c.column, _t.c.tag).where(
    _t.c.address.in_(sa.bindparam("addresses", expanding=True))
)

ColumnTags = Mapping[ColumnPath, frozenset[str]]


def column_tags(connection: sa.Connection, addresses: Sequence[str]) -> dict[str, ColumnTags]:
    """The tags of columns, and of parts of them, as decisions read them: by dataset, whose own are under `("",)`."""
    found: dict[str, dict[ColumnPath, set[str]]] = {}
    for some in batches(addresses):
        for row in connection.execute(_TAGS, {"addresses": list(some)}):
            of = found.setdefault(row.address, {})
            for path in {(row.column.lower(),), tuple(row.column.lower().split("."))}:
                of.setdefault(path, set()).add(row.tag)
    return {address: {path: frozenset(tags) for path, tags in of.items()} for address, of in found.items()}


def readable(
    policies: Policies, tags: frozenset[str], name: DatasetName, own: Iterable[str] = ()
) -> tuple[bool, tuple[str, ...]]:
    """May a dataset be queried, and by which rules? `own`: the dataset's tags. (ch08 3.2)

    A rule that names its address is enough, be it for `select` or `read`; by tags both are needed, `select` of the
    table and `read` of the dataset. A denial of either denies.
    """
    by_address, table, dataset = found = decisions(policies, tags, name, own)
    denied_by = denying(found)
    if denied_by:
        return False, denied_by
    if by_address.allowed:
        return True, by_address.rules
    return table.allowed and dataset.allowed, (*table.rules, *dataset.rules)


def decisions(
    policies: Policies, tags: frozenset[str], name: DatasetName, own: Iterable[str]
) -> tuple[Decision, Decision, Decision]:
    """By its address, as a table, and as a dataset."""
    return (
        policies.decide(tags, objects.READ_TABLE, AccessObject(paths=objects.paths(name))),
        policies.decide(tags, ("select",), objects.table(name, own)),
        policies.decide(tags, ("read",), objects.dataset(name, own)),
    )


def denying(found: Iterable[Decision]) -> tuple[str, ...]:
    """The rules that deny; a decision without rules only lacks one that allows."""
    return next((d.rules for d in found if not d.allowed and d.rules), ())


def unreadable(
    connection: sa.Connection, policies: Policies, tags: frozenset[str], addresses: Iterable[str]
) -> set[str]:
    """Those of the addresses whose datasets somebody with these tags may not read. What is no address of ours, as a
    dataset of another producer, is nobody's to hide."""
    names = _named(addresses)
    own = column_tags(connection, [objects.address(n) for n in names.values()])
    return {
        address
        for address, name in names.items()
        if not readable(policies, tags, name, own.get(objects.address(name), {}).get(("",), ()))[0]
    }


@dataclass(frozen=True)
class Sight:
    """How much of a dataset there is for somebody. `whole`: all rows, so that their number may be told."""

    whole: bool
    denied: Callable[[str], bool]
    """Is there no such column for him? Parts of columns are named with dots."""


def sights(
    connection: sa.Connection, policies: Policies, user: frozenset[str], addresses: Iterable[str]
) -> dict[str, Sight]:
    """What somebody with these tags sees of each dataset. What is no address of ours has nothing to hide."""
    wanted = list(addresses)
    names = _named(wanted)
    tagged = column_tags(connection, [objects.address(n) for n in names.values()])
    found = dict.fromkeys(wanted, Sight(whole=True, denied=lambda _: False))
    for address, name in names.items():
        found[address] = _sight(policies, user, name, tagged.get(objects.address(name), {}))
    return found


def _sight(policies: Policies, user: frozenset[str], name: DatasetName, tags: ColumnTags) -> Sight:
    @cache
    def denied(column: str) -> bool:
        path = tuple(column.lower().split("."))
        parts = (path[:end] for end in range(1, len(path) + 1))
        things = (objects.column(name, part, tags.get(part, ())) for part in parts)
        return any(policies.access.denying(user, objects.READ_TABLE, thing) is not None for thing in things)

    allowed, _ = readable(policies, user, name, tags.get(("",), ()))
    return Sight(whole=allowed and not policies.exposure(user, name).filters, denied=denied)


def _named(addresses: Iterable[str]) -> dict[str, DatasetName]:
    """Those that are addresses of ours."""
    found: dict[str, DatasetName] = {}
    for address in addresses:
        if address.startswith("dataos://"):
            try:
                found[address] = DatasetName.of(Udl.parse(address))
            except DataOSError:
                continue
    return found
