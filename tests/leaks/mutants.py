"""The enforcer broken on purpose. The suite must notice each of these: else it would notice nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlglot import exp

from dataos.gateway import authority, gateway, naming, problems, securing
from dataos.gateway.commands import inserting, targets
from dataos.gateway.gateway import Gateway
from dataos.gateway.relations import Decision, IcebergScan, Relation, RowsScan
from dataos.governance import access, decisions, exposure, globs, knowing, masking, objects
from dataos.governance.exposure import AppliedMask, Exposure, ExposureIndex
from support.mutants import Mutants, Patch, nothing

MUTANTS = Mutants()
mutant = MUTANTS.mutant


# --- parts of a statement whose relations are not secured -----------------------------------------------------------------


def unmasked(decision: Decision) -> Decision:
    return replace(decision, shape=masking.Shape(decision.shape.denied, lambda _: None))


def unfiltered(decision: Decision) -> Decision:
    return replace(decision, filters=())


def _hole(patch: Patch, where: Callable[[exp.Table], bool], loosen: Callable[[Decision], Decision]) -> None:
    """Decisions about tables that stand somewhere are loosened."""
    places: set[Any] = set()
    plan, decide = Gateway._plan, Gateway._decide

    async def planned(self: Any, tree: exp.Query, names_: Any, session: Any) -> Any:
        places.clear()
        places.update(names_.source.of(t) for t in tree.find_all(exp.Table) if where(t))
        return await plan(self, tree, names_, session)

    async def decided(self: Any, wanted: Any, raw: Any, names_: Any) -> list[Decision]:
        found = await decide(self, wanted, raw, names_)
        return [loosen(d) if name.place in places else d for name, d in zip(wanted, found, strict=True)]

    patch.setattr(Gateway, "_plan", planned)
    patch.setattr(Gateway, "_decide", decided)


def _in_right_arm(table: exp.Table) -> bool:
    node: exp.Expr | None = table
    while node is not None and node.parent is not None:
        if isinstance(node.parent, exp.SetOperation) and node.arg_key == "expression":
            return True
        node = node.parent
    return False


def _scalar(table: exp.Table) -> bool:
    query = table.find_ancestor(exp.Subquery)
    return query is not None and not isinstance(
        query.parent, (exp.From, exp.Join, exp.Lateral, exp.CTE, exp.In, exp.Exists)
    )


def _again(table: exp.Table) -> bool:
    same = [t for t in table.root().find_all(exp.Table) if t.name.lower() == table.name.lower()]
    return same[0] is not table


_PLACES: dict[str, Callable[[exp.Table], bool]] = {
    "a WITH query": lambda t: t.find_ancestor(exp.CTE) is not None,
    "the right arm of a set operation": _in_right_arm,
    "EXISTS": lambda t: t.find_ancestor(exp.Exists) is not None,
    "IN": lambda t: t.find_ancestor(exp.In) is not None,
    "LATERAL": lambda t: t.find_ancestor(exp.Lateral) is not None,
    "the right side of a join": lambda t: isinstance(t.parent, exp.Join),
    "a scalar sub-query": _scalar,
    "a derived table": lambda t: isinstance(t.parent, exp.From) and t.find_ancestor(exp.Subquery) is not None,
    "a table's second place": _again,
    "a name in capitals": lambda t: t.name.isupper(),
    "a name with its catalog": lambda t: bool(t.catalog),
    "a sampled table": lambda t: t.args.get("sample") is not None,
    "a past version": lambda t: t.args.get("version") is not None,
    "a statement with windows": lambda t: t.root().find(exp.Window) is not None,
    "an outer join": lambda t: isinstance(t.parent, exp.Join) and t.parent.side in ("LEFT", "FULL"),
}
for _where, _test in _PLACES.items():
    MUTANTS[f"masks are forgotten: {_where}"] = lambda patch, test=_test: _hole(patch, test, unmasked)
for _where in (
    "a WITH query",
    "the right arm of a set operation",
    "EXISTS",
    "LATERAL",
    "a past version",
    "a scalar sub-query",
):
    MUTANTS[f"filters are forgotten: {_where}"] = lambda patch, test=_PLACES[_where]: _hole(patch, test, unfiltered)


@mutant("the source of a write is not secured")
def _(patch: Patch) -> None:
    decide, secured = Gateway._decide, Gateway.secured
    writing: list[bool] = []

    def opened(self: Any, *given: Any) -> Any:
        writing.append(True)
        return secured(self, *given)

    async def decided(self: Any, wanted: Any, raw: Any, names_: Any) -> list[Decision]:
        found = await decide(self, wanted, raw, names_)
        return [unfiltered(unmasked(d)) for d in found] if writing and writing.pop() else found

    patch.setattr(Gateway, "secured", opened)
    patch.setattr(Gateway, "_decide", decided)


@mutant("metadata tables are open")
def _(patch: Patch) -> None:
    decide = authority._decide

    def decided(known: Any, relation: Relation) -> Decision:
        return Decision() if isinstance(relation.scan, RowsScan) else decide(known, relation)

    patch.setattr(authority, "_decide", decided)


# --- masks and filters ----------------------------------------------------------------------------------------------------


@mutant("masks come before filters")
def _(patch: Patch) -> None:
    def conditions(applied: Any, relation: Relation, decision: Decision) -> list[exp.Expr]:
        found = [exp.Paren(this=each) for each in original(applied, relation, decision)]
        name = applied.filter.column.lower()
        type_ = next(securing.duckdb_types.of(c.type) for c in relation.columns if c.name.lower() == name)
        for column in [each for one in found for each in one.find_all(exp.Column)]:
            column.replace(exp.Paren(this=masking.project(column.copy(), type_, (name,), decision.shape)))
        return found

    original = securing._conditions
    patch.setattr(securing, "_conditions", conditions)


@mutant("NULL is masked too")
def _(patch: Patch) -> None:
    original = masking.masked

    def masked(value: exp.Expr, type_: exp.DataType, mask: Any) -> exp.Expr:
        found = original(value, type_, mask)
        return found.args["default"] if isinstance(found, exp.Case) and mask.operator == "redact" else found

    patch.setattr(masking, "masked", masked)


@mutant("a mask that does not fit shows the value")
def _(patch: Patch) -> None:
    original = masking.masked
    patch.setattr(
        masking,
        "masked",
        lambda value, type_, mask: original(value, type_, mask) if masking.fits(mask, type_) else value,
    )


@mutant("elements of lists are not masked")
def _(patch: Patch) -> None:
    patch.setattr(masking, "_listed", lambda value, each, depth: value)


@mutant("keys of maps are not masked")
def _(patch: Patch) -> None:
    original = masking._map

    def mapped(value: Any, type_: Any, path: Any, shape: masking.Shape, depth: int) -> exp.Expr:
        return original(
            value, type_, path, masking.Shape(shape.denied, lambda p: None if p[-1] == "key" else shape.masks(p)), depth
        )

    patch.setattr(masking, "_map", mapped)


@mutant("keyed digests are plain ones")
def _(patch: Patch) -> None:
    patch.setattr(masking, "KEYED", "sha256")


@mutant("a bucket shows its upper bound")
def _(patch: Patch) -> None:
    original = masking._bucket_number
    rises = lambda mask: replace(mask, buckets=(*mask.buckets[1:], mask.buckets[-1]))  # noqa: E731
    patch.setitem(masking._MAKERS, "bucket_number", lambda value, type_, mask: original(value, type_, rises(mask)))


@mutant("a random text is the value")
def _(patch: Patch) -> None:
    patch.setitem(masking._MAKERS, "rand_pattern", lambda value, type_, mask: value.copy())


@mutant("only the first filter counts")
def _(patch: Patch) -> None:
    patch.setattr(exposure, "_filters", lambda rules, original=exposure._filters: original(rules)[:1])


@mutant("who lacks an attribute sees every row")
def _(patch: Patch) -> None:
    original = masking.condition

    def condition(applied: Any, name: str, type_: Any, attributes: Mapping[str, Any]) -> exp.Expr:
        if applied.filter.attribute is not None and not attributes.get(applied.filter.attribute):
            return exp.true()
        return original(applied, name, type_, attributes)

    patch.setattr(masking, "condition", condition)


@mutant("rows whose value is NULL pass a filter")
def _(patch: Patch) -> None:
    original = masking.condition

    def condition(applied: Any, name: str, type_: Any, attributes: Mapping[str, Any]) -> exp.Expr:
        column = exp.Column(this=exp.to_identifier(name, quoted=True))
        return exp.Or(
            this=original(applied, name, type_, attributes), expression=exp.Is(this=column, expression=exp.Null())
        )

    patch.setattr(masking, "condition", condition)


@mutant("masks of parts are forgotten")
def _(patch: Patch) -> None:
    original = Exposure.mask
    patch.setattr(Exposure, "mask", lambda self, path, tags: original(self, path[:1], tags))


@mutant("a mask of a column does not hold for its parts")
def _(patch: Patch) -> None:
    def mask(self: Any, path: Any, tags: Any) -> AppliedMask | None:
        names = {".".join(path): self._names.get(".".join(path), [])}
        found = next(iter(names.values())) + [r for t in tags.get(path, ()) for r in self._tags.get(t, ())]
        best = min(exposure._winners(found), key=lambda r: (exposure._strictness(r), r.name)) if found else None
        passes = best is None or best.mask is None or best.mask.operator == "pass_through"
        return None if passes else AppliedMask(best.mask, best.name)

    patch.setattr(Exposure, "mask", mask)


@mutant("tags of columns do not mask")
def _(patch: Patch) -> None:
    original = Exposure.mask
    patch.setattr(Exposure, "mask", lambda self, path, tags: original(self, path, {}))


# --- which rules count ------------------------------------------------------------------------------------------------------


@mutant("the first rule that matches counts alone")
def _(patch: Patch) -> None:
    patch.setattr(exposure, "_winners", lambda rules: list(rules)[:1])


def _of_priority(choose: Callable[..., int]) -> Callable[[Any], Any]:
    """Rules of the priority that `choose` takes of all of them."""

    def winners(rules: Any) -> Any:
        known = list(rules)
        chosen = choose((r.priority for r in known), default=0)
        return [r for r in known if r.priority == chosen]

    return winners


@mutant("the worst priority wins")
def _(patch: Patch) -> None:
    patch.setattr(exposure, "_winners", _of_priority(max))


@mutant("layer user supersedes layer system")
def _(patch: Patch) -> None:
    patch.setattr(exposure, "_winners", _of_priority(min))


@mutant("the loosest mask of equal ones counts")
def _(patch: Patch) -> None:
    original = exposure._strictness
    patch.setattr(exposure, "_strictness", lambda rule: -original(rule))


@mutant("any tag is enough where all are asked for")
def _(patch: Patch) -> None:
    def concerns(self: Any, rule: Any, tags: frozenset[str]) -> bool:
        return any(any(g.matches(t) for t in tags) for g in self._users[rule.name])

    patch.setattr(ExposureIndex, "concerns", concerns)


@mutant("datasets of data policies match by exact case")
def _(patch: Patch) -> None:
    original = exposure.compile_glob

    def of_dataset(self: Any, dataset: Any) -> Any:
        every = [r for rules in self._exact.values() for r in rules] + [r for _, r in self._globs]
        names = (dataset.depot, dataset.collection, dataset.dataset)
        return tuple(
            r
            for r in every
            if all(original(g).matches(n) for g, n in zip((r.depot, r.collection, r.dataset), names, strict=True))
        )

    patch.setattr(ExposureIndex, "_of_dataset", of_dataset)


@mutant("a star crosses levels")
def _(patch: Patch) -> None:
    original = globs._Reader._stars

    def stars(self: Any, *, first: bool) -> str:
        found = original(self, first=first)
        return ".*" if found == "[^:]*" else found

    patch.setattr(globs._Reader, "_stars", stars)


@mutant("a negated set is a set")
def _(patch: Patch) -> None:
    original = globs._Reader._set
    patch.setattr(globs._Reader, "_set", lambda self: original(self).replace("(?!:)[^", "["))


# --- access -------------------------------------------------------------------------------------------------------------------


@mutant("denials are ignored")
def _(patch: Patch) -> None:
    original = access._View.match
    patch.setattr(
        access._View,
        "match",
        lambda self, predicate, thing, *, allow: original(self, predicate, thing, allow=allow) if allow else None,
    )


@mutant("denied columns are ignored")
def _(patch: Patch) -> None:
    patch.setattr(authority, "_denied", lambda *_: frozenset())


@mutant("denied parts of columns are ignored")
def _(patch: Patch) -> None:
    original = authority._denied
    patch.setattr(authority, "_denied", lambda *given: frozenset(p for p in original(*given) if len(p) == 1))


@mutant("denials match by exact case")
def _(patch: Patch) -> None:
    original = access._Objects.__init__
    patch.setattr(access._Objects, "__init__", lambda self, rules, *, fold: original(self, rules, fold=False))


@mutant("what allows matches in any case")
def _(patch: Patch) -> None:
    original = access._Objects.__init__
    patch.setattr(access._Objects, "__init__", lambda self, rules, *, fold: original(self, rules, fold=True))


@mutant("select or read is enough by tags")
def _(patch: Patch) -> None:
    original = knowing.readable

    def readable(policies: Any, tags: Any, name: Any, own: Any = ()) -> Any:
        allowed, rules = original(policies, tags, name, own)
        table = policies.decide(tags, ("select",), objects.table(name, own))
        return (allowed or (table.allowed and not rules[2:]), rules)

    patch.setattr(knowing, "readable", readable)


@mutant("one of a group's tags is enough")
def _(patch: Patch) -> None:
    patch.setattr(access._Groups, "add", lambda self, group, item: [self._by_member.add(g, ((), item)) for g in group])


@mutant("rules that are gone stay in force")
def _(patch: Patch) -> None:
    original = decisions._load

    def load(connection: Any, known: Any) -> Any:
        found = original(connection, known)
        return found.changed(
            found.version, {k: v for k, v in known.rules.items() if k not in found.rules and "leaks" not in k}
        )

    patch.setattr(decisions, "_load", load)


@mutant("decisions are remembered over changes of policies")
def _(patch: Patch) -> None:
    original = authority.PolicyAuthority._known
    remembered: dict[Any, Any] = {}

    async def known(self: Any, principal: Any, names: Sequence[Any]) -> Any:
        key = (principal.user_id, tuple(names))
        if key not in remembered:
            remembered[key] = await original(self, principal, names)
        return remembered[key]

    patch.setattr(authority.PolicyAuthority, "_known", known)


@mutant("tags of users are remembered")
def _(patch: Patch) -> None:
    original = authority.subject_tags
    remembered: dict[str, Any] = {}
    patch.setattr(authority, "subject_tags", lambda user, tags: remembered.setdefault(user, original(user, tags)))


@mutant("another user's tags are asked about")
def _(patch: Patch) -> None:
    original = authority.subject_tags
    before: list[Any] = []

    def tags(user: str, given: Any) -> Any:
        found = original(user, given)
        before.append(found)
        return found | before.pop(0) if len(before) > 1 else found

    patch.setattr(authority, "subject_tags", tags)


# --- what is told beside rows -----------------------------------------------------------------------------------------------


@mutant("DESCRIBE tells of all columns")
def _(patch: Patch) -> None:
    patch.setattr(naming.Names, "shown", naming.Names.relation)


@mutant("SHOW TABLES lists all tables")
def _(patch: Patch) -> None:
    async def tables(self: Any, catalog: str, schema: str, provider: Any) -> list[str]:
        return await provider.tables(catalog, schema, self.principal)

    patch.setattr(naming.Names, "tables", tables)


@mutant("a refusal spells a hidden table as it is")
def _(patch: Patch) -> None:
    async def decide(self: Any, wanted: Any, raw: Any, names_: Any) -> list[Decision]:
        found = await self._authority.decide(names_.principal, raw)
        for name, relation, decision in zip(wanted, raw, found, strict=True):
            if not decision.allowed:
                raise problems.forbidden(name.place, names_.principal, relation.full_name)
        return await original(self, wanted, raw, names_)

    original = Gateway._decide
    patch.setattr(Gateway, "_decide", decide)


@mutant("errors repeat the engine's words")
def _(patch: Patch) -> None:
    original = gateway.problems.from_engine

    def told(failure: Any, query_id: str) -> Any:
        found = original(failure, query_id)
        return type(found)(replace(found.problem, message=failure.text))

    patch.setattr(gateway.problems, "from_engine", told)


@mutant("names of hidden columns resolve")
def _(patch: Patch) -> None:
    patch.setattr(securing, "visible", lambda relations, decisions: list(relations))


# --- writes -------------------------------------------------------------------------------------------------------------------


@mutant("rows of a table with hidden parts are changed")
def _(patch: Patch) -> None:
    original = Decision.bites

    def bites(self: Decision, relation: Relation) -> bool:
        return not (isinstance(relation.scan, IcebergScan) and relation.scan.positions) and original(self, relation)

    patch.setattr(targets, "refuse_bitten", nothing)
    patch.setattr(Decision, "bites", bites)


@mutant("masked values go back into their table")
def _(patch: Patch) -> None:
    patch.setattr(inserting, "_refuse_masked_back", nothing)
