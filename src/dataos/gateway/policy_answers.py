"""Answers about policy: why, what would change, and what nobody protects (ch08 15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.core.names import folded
from dataos.depots.resolver import Depots
from dataos.depots.types.iceberg.adapter import warehouse as warehouse_of
from dataos.governance import access, explaining, identities, knowing, objects
from dataos.governance.decisions import DecisionPoint, Policies
from dataos.governance.exposure import ColumnPath, DatasetName
from dataos.governance.policies import AccessObject, AccessRule, Rule
from dataos.governance.principals import OPERATOR_TAG, subject_tags
from dataos.lakehouse.descriptions import TableInfo
from dataos.lakehouse.views import PUBLISHED, View
from dataos.store import tables
from dataos.store.database import Store

_t = tables.dataset_tags
_MOST_QUERIES = 5000
_MOST_DATASETS = 500
Tags = dict[ColumnPath, frozenset[str]]


class Columns(Protocol):
    """Who knows the columns of a dataset (names, in lower case)."""

    async def __call__(self, udl: Udl) -> Sequence[str]: ...


@dataclass(frozen=True)
class _Person:
    id: str
    tags: frozenset[str]


class PolicyAnswers:
    """Asked by operators, and by everybody about himself."""

    def __init__(self, store: Store, point: DecisionPoint, columns: Columns) -> None:
        self._store = store
        self._point = point
        self._columns = columns

    async def explain(self, user: str, predicate: str, object_: str) -> dict[str, Any]:
        """Which policies match and which decides; of a dataset also what the user sees of each column and which rows.

        `object_`: an address, an API path, or a tag. Raises DataOSError `user.not_found`."""
        policies = await self._store.read(self._point.now)
        person = await self._store.read(_person, user)
        if not object_.startswith("dataos://"):
            thing = AccessObject(paths=(object_,)) if object_.startswith("/") else AccessObject(tags=(object_,))
            found = explaining.access(policies, person.tags, (predicate,), thing)
            return {
                "user": user,
                "predicate": predicate,
                "object": object_,
                **found.to_json(),
                "columns": [],
                "filters": [],
            }
        return await self._explain_dataset(policies, person, predicate, object_)

    async def _explain_dataset(
        self, policies: Policies, person: _Person, predicate: str, object_: str
    ) -> dict[str, Any]:
        address, _, column = object_.partition("#")
        udl = Udl.parse(address)
        name = DatasetName(udl.depot, udl.collection or "", (udl.dataset or "").partition("@")[0])
        tags = await self._store.read(_tags, objects.address(name))
        own = tags.get(("",), frozenset())
        reads = predicate in objects.READ_TABLE
        thing = AccessObject((*objects.table(name, own).tags, *objects.dataset(name).tags), objects.paths(name))
        found = explaining.access(policies, person.tags, objects.READ_TABLE if reads else (predicate,), thing)
        answer = found.to_json()
        if reads:
            answer["allowed"], decided = knowing.readable(policies, person.tags, name, own)
            answer["decidedBy"] = list(decided)
        paths = await self._paths(udl, tags)
        if column:
            paths = [p for p in paths if p[0] == column.lower().split(".")[0] or ".".join(p) == column.lower()]
        return {
            "user": person.id,
            "predicate": predicate,
            "object": object_,
            **answer,
            "columns": explaining.columns(policies, person.tags, name, paths, tags) if answer["allowed"] else [],
            "filters": explaining.filters(policies, person.tags, name) if answer["allowed"] else [],
        }

    # --- what is in force -------------------------------------------------------------------------------------------

    async def rules(self, user: str | None = None) -> list[dict[str, Any]]:
        """Every rule that decides now, but those of grants; with `user` those that concern that one.

        Raises DataOSError `user.not_found`."""
        policies = await self._store.read(self._point.now)
        found = [rule for key, rule in sorted(policies.rules.items()) if not key.startswith("grant:")]
        if user is not None:
            person = await self._store.read(_person, user)
            found = [rule for rule in found if _concerns(policies, rule, person)]
        return [explaining.in_force(rule) for rule in found]

    async def reach(self, policy: str) -> dict[str, Any]:
        """Whom a policy concerns, and which of the datasets and columns that are known here.

        Raises DataOSError `policy.not_in_force`."""
        policies = await self._store.read(self._point.now)
        rule = next((r for key, r in policies.rules.items() if r.name == policy and not key.startswith("grant:")), None)
        if rule is None:
            hint = "it is archived, or there is no such policy"
            raise fail("policy.not_in_force", f"policy `{policy}` is not in force", hint=hint)
        people = await self._store.read(_people)
        users = [p.id for p in people if _concerns(policies, rule, p)]
        known = await self._store.read(_known)
        found: list[dict[str, Any]] = []
        for address, tags in sorted(known.items()):
            columns = _reached(policies, rule, address, tags)
            if columns is not None and len(found) < _MOST_DATASETS:
                found.append({"dataset": address, "columns": columns})
        return {"policy": policy, "users": users, "datasets": found}

    async def _paths(self, udl: Udl, tags: Mapping[ColumnPath, Any]) -> list[ColumnPath]:
        try:
            known = [(c.lower(),) for c in await self._columns(udl)]
        except DataOSError:
            known = []
        return list(dict.fromkeys([*known, *(path for path in tags if path != ("",))]))

    # --- what would change ------------------------------------------------------------------------------------------

    async def simulate(self, changes: Mapping[str, Rule | None]) -> dict[str, Any]:
        """Who would gain and lose what if these rules were in force, against what was really asked (query history)."""
        before = await self._store.read(self._point.now)
        after = before.changed(before.version + 1, changes)
        asked = await self._store.read(_asked)
        people = {p.id: p for p in await self._store.read(_people)}
        gains: list[dict[str, Any]] = []
        loses: list[dict[str, Any]] = []
        for user, name, times in asked:
            person = people.get(user)
            if person is None:
                continue
            tags = await self._store.read(_tags, objects.address(name))
            paths = await self._paths(Udl(name.depot, name.collection, name.dataset), tags)
            old, new = (self._seen(p, person, name, paths, tags) for p in (before, after))
            entry = {"user": user, "dataset": objects.address(name), "statements": times}
            for key in sorted(set(old) | set(new)):
                if old.get(key) == new.get(key):
                    continue
                was, will = old.get(key, "nothing"), new.get(key, "nothing")
                change = {**entry, "what": key, "before": was, "after": will}
                (gains if _rank(will) > _rank(was) else loses).append(change)
        return {"gains": gains, "loses": loses, "statements": sum(times for _, _, times in asked)}

    @staticmethod
    def _seen(
        policies: Policies, person: _Person, name: DatasetName, paths: Sequence[ColumnPath], tags: Tags
    ) -> dict[str, str]:
        allowed, _ = knowing.readable(policies, person.tags, name, tags.get(("",), ()))
        if not allowed:
            return {"dataset": "denied"}
        found = {"dataset": "allowed"}
        filters = explaining.filters(policies, person.tags, name)
        found["rows"] = " AND ".join(sorted(f["filter"] for f in filters)) or "all"
        for column in explaining.columns(policies, person.tags, name, paths, tags):
            found[f"column {column['column']}"] = column["mask"] or column["shown"]
        return found

    # --- what nobody protects ---------------------------------------------------------------------------------------

    async def coverage(self, address: str | None) -> dict[str, Any]:
        """Columns that carry tags and are shown in clear to somebody who is no operator, with those people."""
        policies = await self._store.read(self._point.now)
        people = [p for p in await self._store.read(_people) if OPERATOR_TAG not in p.tags]
        found: list[dict[str, Any]] = []
        covered = 0
        for dataset, tags in (await self._store.read(_tagged, address)).items():
            name = DatasetName.of(Udl.parse(dataset))
            for path in sorted(p for p in tags if p != ("",)):
                seen = [p.id for p in people if self._in_clear(policies, p, name, path, tags)]
                if seen:
                    column = {"dataset": dataset, "column": ".".join(path), "tags": sorted(tags[path])}
                    found.append({**column, "inClear": sorted(seen)})
                else:
                    covered += 1
        return {"uncovered": found, "covered": covered}

    async def viewers(self, address: str, column: str) -> list[dict[str, Any]]:
        """What each user sees of one column: {user, shown, mask, policy}."""
        policies = await self._store.read(self._point.now)
        udl = Udl.parse(address)
        name = DatasetName.of(udl)
        tags = await self._store.read(_tags, objects.address(name))
        path = tuple(column.lower().split("."))
        known = await self._paths(udl, tags)
        if known and path[:1] not in known and path not in known:
            raise fail("metadata.not_found", f"{address} has no column `{column}`")
        found: list[dict[str, Any]] = []
        for person in await self._store.read(_people):
            allowed, rules = knowing.readable(policies, person.tags, name, tags.get(("",), ()))
            seen = {"user": person.id, "shown": "no access", "mask": None, "policy": rules[0] if rules else None}
            if allowed:
                (one,) = explaining.columns(policies, person.tags, name, [path], tags)
                seen |= {key: one[key] for key in ("shown", "mask", "policy")}
            found.append(seen)
        return found

    @staticmethod
    def _in_clear(policies: Policies, person: _Person, name: DatasetName, path: ColumnPath, tags: Tags) -> bool:
        allowed, _ = knowing.readable(policies, person.tags, name, tags.get(("",), ()))
        return allowed and explaining.columns(policies, person.tags, name, [path], tags)[0]["shown"] == "raw"


def _concerns(policies: Policies, rule: Rule, person: _Person) -> bool:
    if isinstance(rule, AccessRule):
        return access.concerns(rule, person.tags)
    return policies.data.concerns(rule, person.tags)


def _reached(policies: Policies, rule: Rule, address: str, tags: Tags) -> list[str] | None:
    """The columns of a dataset that a rule names or selects; None: it does not speak of any of it."""
    name = DatasetName.of(Udl.parse(address))
    if isinstance(rule, AccessRule):
        thing = AccessObject(
            (*objects.table(name, tags.get(("",), frozenset())).tags, *objects.dataset(name).tags), objects.paths(name)
        )
        if access.speaks_of(rule, thing):
            return []
        parts = (path for path in sorted(tags) if path != ("",))
        return [".".join(p) for p in parts if access.speaks_of(rule, objects.column(name, p, tags[p]))] or None
    if rule not in policies.data.of_dataset(name):
        return None
    if rule.type == "filter":
        return sorted({f.column for f in rule.filters})
    names = {folded(n) for n in rule.column_names}
    chosen = [
        path
        for path, held in tags.items()
        if path != ("",) and (folded(".".join(path)) in names or held.intersection(rule.column_tags))
    ]
    return sorted(".".join(path) for path in chosen) or None


def _rank(shown: str) -> int:
    """How much is seen; filters of rows and masks count as less than everything."""
    if shown in ("denied", "nothing"):
        return 0
    return 2 if shown in ("raw", "all", "allowed") else 1


def _person(connection: sa.Connection, user: str) -> _Person:
    return _Person(user, identities.tags_of(connection, user))


def _people(connection: sa.Connection) -> list[_Person]:
    rows = connection.execute(sa.select(tables.users).order_by(tables.users.c.id))
    return [_Person(row.id, subject_tags(row.id, row.tags)) for row in rows]


def _tags(connection: sa.Connection, address: str) -> Tags:
    return _tagged(connection, address).get(address, {})


def _tagged(connection: sa.Connection, address: str | None) -> dict[str, Tags]:
    query = sa.select(_t.c.address, _t.c.column, _t.c.tag).distinct()
    if address is not None:
        query = query.where(_t.c.address == address)
    found: dict[str, dict[ColumnPath, set[str]]] = {}
    for row in connection.execute(query):
        path = tuple(row.column.lower().split("."))
        found.setdefault(row.address, {}).setdefault(path, set()).add(row.tag)
    return {a: {p: frozenset(t) for p, t in of.items()} for a, of in found.items()}


def _known(connection: sa.Connection) -> dict[str, Tags]:
    """Datasets of this installation with their columns, and the tags of each."""
    d = tables.datasets
    found = _tagged(connection, None)
    for row in connection.execute(sa.select(d.c.address, d.c.columns).where(d.c.depot != "")):
        tags = found.setdefault(row.address, {})
        for column in row.columns or ():
            tags.setdefault((str(column["name"]).lower(),), frozenset())
    return found


def _asked(connection: sa.Connection) -> list[tuple[str, DatasetName, int]]:
    """Who asked which dataset, how often, of the newest statements."""
    q = tables.query_history
    found: dict[tuple[str, DatasetName], int] = {}
    rows = connection.execute(sa.select(q.c.user, q.c.tables).order_by(q.c.created_at.desc()).limit(_MOST_QUERIES))
    for row in rows:
        for table in row.tables:
            name = DatasetName(table["catalog"], table["schema"], table["table"].partition("$")[0].partition("@")[0])
            found[(row.user, name)] = found.get((row.user, name), 0) + 1
    return [(user, name, times) for (user, name), times in found.items()]


class KnownColumns:
    """Columns as the catalog has them, else as the newest run left them."""

    def __init__(self, store: Store, depots: Depots, catalog: Described) -> None:
        self._store = store
        self._depots = depots
        self._catalog = catalog

    async def __call__(self, udl: Udl) -> Sequence[str]:
        """Names of a dataset's columns. Raises DataOSError if it is not there."""
        entry = await self._depots.get(udl.depot)
        if entry.type == "ICEBERG" and udl.collection and udl.dataset:
            found = await self._catalog.describe_table(
                PUBLISHED, warehouse_of(entry), udl.collection, udl.dataset.partition("@")[0]
            )
            return [c.name for c in found.columns]
        columns = await self._store.read(_kept_columns, str(udl))
        return [str(c["name"]) for c in columns]


class Described(Protocol):
    """Of the catalog."""

    async def describe_table(
        self, view: View, warehouse: str, namespace: str, table: str, snapshot: int | str | None = None
    ) -> TableInfo: ...


def _kept_columns(connection: sa.Connection, address: str) -> list[dict[str, Any]]:
    d = tables.datasets
    return connection.execute(sa.select(d.c.columns).where(d.c.address == address)).scalar() or []
