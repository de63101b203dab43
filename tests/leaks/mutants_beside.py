"""The enforcer broken beside the lakehouse's tables and the answers: views, databases, folders, what is kept of statements."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dataos.core.ids import UserId
from dataos.gateway import authority, historytables, naming
from dataos.gateway.authority import PolicyAuthority
from dataos.gateway.gateway import Gateway
from dataos.gateway.providers.lakehouse import LakehouseProvider
from dataos.gateway.relations import DatabaseScan, Decision, DeltaScan, Relation, ViewScan
from dataos.governance.exposure import ExposureIndex
from dataos.governance.principals import Principal
from dataos.metadata import statements
from leaks import views
from leaks.model import DEPOT
from leaks.mutants import unfiltered, unmasked
from support.mutants import Mutants, Patch, nothing

MUTANTS = Mutants()
mutant = MUTANTS.mutant


# --- views, and other places --------------------------------------------------------------------------------------------------


@mutant("a view lends what is denied by name")
def _(patch: Patch) -> None:
    def lent(mine: Any, theirs: Any, relation: Relation) -> Decision:
        allowed, rules = theirs.readable(authority._dataset(relation))
        return authority._exposed(mine, relation, rules) if allowed else Decision(allowed=False)

    patch.setattr(authority, "_lent", lent)


@mutant("a view shows what its owner sees")
def _(patch: Patch) -> None:
    async def lend(self: Any, principal: Any, definer: str, relations: Any) -> list[Decision]:
        return await self.decide(Principal(UserId(definer)), relations)

    patch.setattr(PolicyAuthority, "lend", lend)


@mutant("an owner without rights lends them")
def _(patch: Patch) -> None:
    patch.setattr(authority, "_lent", lambda mine, theirs, relation: authority._exposed(mine, relation, ()))


@mutant("an owner who is no user any more lends rights")
def _(patch: Patch) -> None:
    original = PolicyAuthority.lend

    async def lend(self: Any, principal: Any, definer: str, relations: Any) -> list[Decision]:
        found = await original(self, principal, definer, relations)
        known = await self._known(principal, [authority._dataset(r) for r in relations])
        lost = definer == views.GHOST
        return [authority._exposed(known, r, ()) for r in relations] if lost else found

    patch.setattr(PolicyAuthority, "lend", lend)


@mutant("a view without its owner's rights lends them too")
def _(patch: Patch) -> None:
    original = LakehouseProvider.view

    async def view(self: Any, catalog: str, schema: str, table: str, principal: Any) -> Relation | None:
        found = await original(self, catalog, schema, table, principal)
        if found is None or not isinstance(found.scan, ViewScan):
            return found
        return replace(found, scan=replace(found.scan, definer=found.scan.definer or "u0"))

    patch.setattr(LakehouseProvider, "view", view)


@mutant("policies on the name of a view are forgotten")
def _(patch: Patch) -> None:
    async def check(*_: Any) -> bool:
        return True

    patch.setattr(Gateway, "_check_view", check)


def _of_scan(patch: Patch, kind: type[Any], loosen: Callable[[Decision], Decision]) -> None:
    """Decisions about relations of a kind are loosened."""
    original = authority._exposed

    def exposed(known: Any, relation: Relation, rules: Any) -> Decision:
        found = original(known, relation, rules)
        return loosen(found) if isinstance(relation.scan, kind) else found

    patch.setattr(authority, "_exposed", exposed)


for _what, _scan in {"databases": DatabaseScan, "Delta folders": DeltaScan}.items():
    MUTANTS[f"filters are forgotten: {_what}"] = lambda patch, kind=_scan: _of_scan(patch, kind, unfiltered)
    MUTANTS[f"masks are forgotten: {_what}"] = lambda patch, kind=_scan: _of_scan(patch, kind, unmasked)


@mutant("policies know the lakehouse only")
def _(patch: Patch) -> None:
    original = ExposureIndex._of_dataset
    patch.setattr(
        ExposureIndex, "_of_dataset", lambda self, dataset: original(self, dataset) if dataset.depot == DEPOT else ()
    )


@mutant("the history shows the statements of all")
def _(patch: Patch) -> None:
    original = historytables._queries
    patch.setitem(historytables._READ, "query", lambda connection, user: original(connection, None))


@mutant("the audit shows the statements of all")
def _(patch: Patch) -> None:
    original = historytables._audit
    patch.setitem(historytables._READ, "query_audit", lambda connection, user: original(connection, None))


@mutant("tags do not come with data")
def _(patch: Patch) -> None:
    patch.setattr(statements.inheritance, "spread", nothing)


@mutant("what is refused first tells what is there")
def _(patch: Patch) -> None:
    original = Gateway._decide

    async def decide(self: Any, wanted: Any, raw: Any, names_: Any) -> list[Decision]:
        caller = sys._getframe(1).f_locals  # the resolver, which may have failed at one of what it wants
        failing = len(raw) < len(caller["wanted"])
        return [] if failing else await original(self, wanted, raw, names_)

    patch.setattr(Gateway, "_decide", decide)


@mutant("information_schema lists the columns of all tables")
def _(patch: Patch) -> None:
    patch.setattr(naming.Names, "shown", naming.Names.relation)
    patch.setattr(
        naming.Names, "tables", lambda self, catalog, schema, provider: provider.tables(catalog, schema, self.principal)
    )
