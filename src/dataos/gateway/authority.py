"""The decision point as the gateway asks it: once a statement, for all relations, with the rules and column tags of
this very moment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from dataos.core.errors import DataOSError, fail
from dataos.core.ids import UserId
from dataos.core.names import folded
from dataos.gateway import types
from dataos.gateway.relations import Column, Decision, Relation, RowsScan, WriteDecision
from dataos.governance import knowing, masking, objects
from dataos.governance.decisions import DecisionPoint, Policies
from dataos.governance.exposure import AppliedMask, ColumnPath, DatasetName, Exposure
from dataos.governance.globs import compile_glob
from dataos.governance.knowing import ColumnTags
from dataos.governance.principals import Principal, subject_tags
from dataos.store import tables
from dataos.store.database import Store, batches

WRITE_PREDICATES = {
    "create": ("create", "write"),
    "create_view": ("create", "write"),
    "create_schema": ("create", "write"),
    "drop": ("delete",),
    "drop_view": ("delete",),
    "drop_schema": ("delete",),
}
"""What lets somebody do a thing to a dataset; everything else is `update` or `write`."""
_LONGEST_S = 1.0
_FEW = 30
_t = tables.dataset_tags
_USER = sa.select(tables.users).where(tables.users.c.id == sa.bindparam("user"))


@dataclass(frozen=True)
class _Known:
    """What one statement's decisions are made of, of one version of the store."""

    policies: Policies
    user_tags: frozenset[str]
    attributes: Mapping[str, tuple[str, ...]]
    tags: Mapping[str, ColumnTags]  # by address of the dataset, in lower case

    def tags_of(self, name: DatasetName) -> ColumnTags:
        """By column; its own are under `("",)`."""
        return self.tags.get(objects.address(name), {})

    def exposure(self, name: DatasetName) -> Exposure:
        """Filters and masks."""
        return self.policies.exposure(self.user_tags, name)

    def readable(self, name: DatasetName) -> tuple[bool, tuple[str, ...]]:
        """As `readable`."""
        return knowing.readable(self.policies, self.user_tags, name, self.tags_of(name).get(("",), ()))

    def writable(self, name: DatasetName) -> bool:
        """As `writable`."""
        thing = objects.dataset(name, self.tags_of(name).get(("",), ()))
        ways = (("create", "write"), ("update", "write"))
        return any(self.policies.decide(self.user_tags, predicates, thing).allowed for predicates in ways)


class PolicyAuthority:
    """Decisions by the policies in force."""

    def __init__(self, store: Store, point: DecisionPoint) -> None:
        self._store = store
        self._point = point

    async def decide(self, principal: Principal, relations: Sequence[Relation]) -> list[Decision]:
        """One decision a relation, in order. Raises DataOSError `policy.unavailable` if the rules cannot be read,
        `policy.filter` for one that cannot be applied."""
        if not relations:
            return []
        known = await self._known(principal, [_dataset(r) for r in relations])
        return [_decide(known, relation) for relation in relations]

    async def lend(self, principal: Principal, definer: str, relations: Sequence[Relation]) -> list[Decision]:
        """As `decide`, of what a definer's view reads: the definer lends the right to select, filters and masks are
        those of the principal, and what is denied to the principal by name stays denied.

        A definer who is no user any more, or is disabled, lends nothing. Raises DataOSError `policy.*`.
        """
        names = [_dataset(r) for r in relations]
        mine = await self._known(principal, names)
        try:
            theirs = await self._known(Principal(UserId(definer)), names)
        except DataOSError as error:
            if not error.problem.code.startswith("auth."):
                raise
            return [Decision(allowed=False) for _ in relations]
        return [_lent(mine, theirs, relation) for relation in relations]

    async def may_read(self, principal: Principal, names: Sequence[DatasetName]) -> list[bool]:
        """May this principal know of these datasets?"""
        known = await self._known(principal, names)
        return [known.readable(name)[0] for name in names]

    async def may_list(self, principal: Principal, names: Sequence[DatasetName]) -> list[bool]:
        """May this principal know of these datasets, or make or change them?"""
        known = await self._known(principal, names)
        return [known.readable(name)[0] or known.writable(name) for name in names]

    async def writable(self, principal: Principal, name: DatasetName) -> bool:
        """May this principal make or change a dataset?"""
        return (await self._known(principal, [name])).writable(name)

    async def decide_write(self, principal: Principal, target: Relation | str, action: str) -> WriteDecision:
        """May this principal do one thing to a relation, or to the full name of what is not there yet?"""
        if isinstance(target, str):
            catalog, schema, table = (*target.split(".", 2), "", "")[:3]
            name = DatasetName(catalog, schema, table)
        else:
            name = _dataset(target)
        known = await self._known(principal, [name])
        tags = known.tags_of(name)
        predicates = WRITE_PREDICATES.get(action, ("update", "write"))
        decision = known.policies.decide(known.user_tags, predicates, objects.dataset(name, tags.get(("",), ())))
        bites = not isinstance(target, str) and _decide(known, target).bites(target)
        return WriteDecision(decision.allowed, bites, decision.rules, predicates[-1])

    async def readable(self, principal: Principal, name: DatasetName) -> bool:
        """May this principal read any of a dataset?"""
        return all(await self.may_read(principal, [name]))

    async def hiding(
        self, principal: Principal, name: DatasetName, columns: Sequence[Column] | None
    ) -> tuple[str, ...]:
        """The policies that hide rows, columns or values of a dataset from this principal; none: it sees everything.

        `columns` None: nobody knows them, and whatever might hide one of them counts."""
        known = await self._known(principal, [name])
        tags = known.tags_of(name)
        exposure = known.exposure(name)
        found = [applied.policy for applied in exposure.filters]
        if columns is None:
            paths = [*tags, ()] if exposure.has_masks else []
            found += exposure.masking(tags)
        else:
            paths = [path for column in columns for path in _paths(column)]
            masks = [exposure.mask(path, tags) for path in paths] if exposure.has_masks else []
            found += [m.policy for m in masks if m is not None]
        if known.policies.access.can_deny(known.user_tags, objects.READ_TABLE):
            things = [objects.column(name, path, tags.get(path, ())) for path in paths]
            denials = [known.policies.access.denying(known.user_tags, objects.READ_TABLE, t) for t in things]
            found += [d.name for d in denials if d is not None]
        return tuple(dict.fromkeys(found))

    async def hidden_columns(
        self, principal: Principal, name: DatasetName, columns: Sequence[str]
    ) -> tuple[frozenset[str], bool]:
        """Those of the columns (in lower case) of which policies hide anything from this principal, parts of them too;
        and whether they hide rows, or all of it."""
        known = await self._known(principal, [name])
        tags = known.tags_of(name)
        exposure = known.exposure(name)
        allowed, _ = known.readable(name)
        named = exposure.paths | frozenset(tags)
        found: set[str] = set()
        for column in dict.fromkeys(c.lower() for c in columns):
            paths = {(column,), *(p for p in named if folded(p[0]) == folded(column))}
            masked = any(exposure.mask(p, tags) is not None for p in paths)
            things = (objects.column(name, p, tags.get(p, ())) for p in paths)
            if masked or any(known.policies.access.denying(known.user_tags, objects.READ_TABLE, t) for t in things):
                found.add(column)
        return frozenset(found), bool(exposure.filters) or not allowed

    async def hiding_of(self, principal: Principal, names: Sequence[DatasetName]) -> tuple[str, ...]:
        """The policies that deny, or hide parts of, any of many datasets whose columns nobody knows."""
        every = list(dict.fromkeys(names))
        found: list[str] = []
        for some in batches(every):
            known = await self._known(principal, some)
            for name in some:
                allowed, rules = known.readable(name)
                exposure = known.exposure(name)
                found += () if allowed else rules
                found += [f.policy for f in exposure.filters]
                found += exposure.masking(known.tags_of(name))
        return tuple(dict.fromkeys(found))

    async def hiding_any(self, principal: Principal, depot: str) -> tuple[str, ...]:
        """The policies that hide anything of any dataset of a Depot from this principal."""
        known = await self._known(principal, [])
        given = frozenset(await self._store.read(_tags_of_depot, depot))
        found = known.policies.data.touching(known.user_tags, depot, given)
        found += _denying_any(known, objects.READ_TABLE, depot)
        return tuple(dict.fromkeys(found))

    async def open_to_write(self, principal: Principal, depot: str) -> bool:
        """May this principal change every dataset of a Depot?"""
        known = await self._known(principal, [])
        ways = ("update", "write")
        allowed = known.policies.decide(known.user_tags, ways, objects.dataset(DatasetName(depot, "*", "*"))).allowed
        return allowed and not _denying_any(known, ways, depot)

    async def check_cluster(self, principal: Principal, cluster: str) -> None:
        """May this principal run statements there? Raises DataOSError `query.forbidden`, `policy.unavailable`."""
        known = await self._known(principal, [])
        gateway = known.policies.decide(known.user_tags, ("execute",), objects.system("gateway"))
        allowed = known.policies.decide(known.user_tags, ("select", "read"), objects.cluster(cluster))
        if not (gateway.allowed and allowed.allowed):
            missing = "minerva-cluster-access" if gateway.allowed else "run-query-gateway"
            raise fail(
                "query.forbidden",
                f"Access Denied: Cannot execute query: User {principal.user_id} is forbidden to access Cluster: "
                f"{cluster}!",
                hint=f"missing use case `{missing}` for this Cluster: ask for a grant of it, or name another Cluster",
            )

    async def _known(self, principal: Principal, names: Sequence[DatasetName]) -> _Known:
        addresses = list(dict.fromkeys(objects.address(n) for n in names))
        try:
            async with asyncio.timeout(_LONGEST_S):
                if len(addresses) > _FEW:  # lists of a whole catalog
                    return await self._store.read(self._read, principal, addresses)
                return await self._store.look(self._read, principal, addresses)
        except TimeoutError:
            raise _unavailable("it did not answer within a second") from None
        except DataOSError as error:
            if error.problem.code.startswith("store."):
                raise _unavailable("it cannot be read") from error
            raise

    def _read(self, connection: sa.Connection, principal: Principal, addresses: Sequence[str]) -> _Known:
        policies = self._point.now(connection)
        user = connection.execute(_USER, {"user": str(principal.user_id)}).first()
        if user is None or user.disabled_at is not None:
            raise fail("auth.invalid", f"user `{principal.user_id}` is not known here any more", hint="log in anew")
        tags = knowing.column_tags(connection, addresses)
        return _Known(policies, subject_tags(user.id, user.tags), attributes(user), tags)


def _denying_any(known: _Known, predicates: Sequence[str], depot: str) -> list[str]:
    """The policies that deny one of `predicates` to any dataset of a Depot."""
    start = folded(f"dataos://{depot}")
    found: list[str] = []
    for rule in known.policies.access.denials(known.user_tags, predicates):
        prefixes = [compile_glob(folded(p)).prefix for p in rule.paths]
        if rule.tags or any(start.startswith(p) or p.startswith(start) for p in prefixes):
            found.append(rule.name)
    return found


def _tags_of_depot(connection: sa.Connection, depot: str) -> list[str]:
    mine = _t.c.address.startswith(f"dataos://{depot}:", autoescape=True)
    return list(connection.execute(sa.select(_t.c.tag).where(mine, _t.c.column != "").distinct()).scalars())


def attributes(user: Any) -> dict[str, tuple[str, ...]]:
    """What filters may compare columns with: id, name, email, type, and properties."""
    found: dict[str, tuple[str, ...]] = {
        key: (value,) for key in ("id", "name", "email", "type") if (value := getattr(user, key)) is not None
    }
    for entry in getattr(user, "properties", None) or ():
        key, value = str(entry.get("key", "")), entry.get("value")
        if key and key not in ("id", "name", "email", "type") and value is not None:
            found[key] = (*found.get(key, ()), str(value))
    return found


def _dataset(relation: Relation) -> DatasetName:
    return DatasetName(relation.catalog, relation.schema, relation.dataset or relation.table)


def _decide(known: _Known, relation: Relation) -> Decision:
    allowed, rules = known.readable(_dataset(relation))
    if not allowed:
        return Decision(allowed=False, policies=rules)
    return _exposed(known, relation, rules)


def _exposed(known: _Known, relation: Relation, rules: tuple[str, ...]) -> Decision:
    """What a principal sees of a relation that it may read."""
    name = _dataset(relation)
    tags = known.tags_of(name)
    exposure = known.exposure(name)
    scan = relation.scan
    columns = scan.tells_of if isinstance(scan, RowsScan) and scan.tells_of else relation.columns
    past = dict(relation.past)
    denied = _denied(known, name, columns, tags, past)
    applied: dict[ColumnPath, AppliedMask] = {}

    def mask(path: ColumnPath) -> AppliedMask | None:
        found = exposure.strictest((path, *past.get(path, ())), tags)
        if found is not None:
            applied[path] = found
        return found

    shape = masking.Shape(denied, mask if exposure.has_masks else _nothing)
    return Decision(shape=shape, filters=exposure.filters, attributes=known.attributes, policies=rules, applied=applied)


def _lent(mine: _Known, theirs: _Known, relation: Relation) -> Decision:
    name = _dataset(relation)
    tags = mine.tags_of(name)
    own = tags.get(("",), ())
    allowed, rules = knowing.readable(theirs.policies, theirs.user_tags, name, own)
    denying = knowing.denying(knowing.decisions(mine.policies, mine.user_tags, name, own))
    if denying or not allowed:
        return Decision(allowed=False, policies=denying or rules)
    exposed = _exposed(mine, relation, rules)
    denied = exposed.shape.denied | _denied(theirs, name, relation.columns, tags, dict(relation.past))
    return replace(exposed, shape=masking.Shape(denied, exposed.shape.masks))


def _nothing(_: ColumnPath) -> None:
    return None


def _denied(
    known: _Known,
    name: DatasetName,
    columns: Sequence[Column],
    tags: ColumnTags,
    past: Mapping[ColumnPath, Sequence[ColumnPath]],
) -> frozenset[ColumnPath]:
    """Columns, and parts of them, that an access policy denies."""
    if not known.policies.access.can_deny(known.user_tags, objects.READ_TABLE):
        return frozenset()
    found: set[ColumnPath] = set()
    for column in columns:
        for path in _paths(column):
            things = (objects.column(name, p, tags.get(p, ())) for p in (path, *past.get(path, ())))
            if any(known.policies.access.denying(known.user_tags, objects.READ_TABLE, t) for t in things):
                found.add(path)
    return frozenset(found)


def _paths(column: Column) -> list[ColumnPath]:
    return masking.parts(types.shared(column.type), (column.name.lower(),))


def _unavailable(why: str) -> DataOSError:
    return fail(
        "policy.unavailable",
        f"the policies are kept in the store, and {why}: nothing is shown without them",
        hint="repeat the statement; `dataos health` says how the store is",
        retry=1.0,
    )
