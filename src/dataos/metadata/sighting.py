"""Which datasets somebody may know of, and how much of each: the one answer for lineage, catalog, products and tags."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import sqlalchemy as sa

from dataos.governance import knowing, rules
from dataos.governance.decisions import Policies
from dataos.governance.knowing import Sight
from dataos.governance.principals import Principal
from dataos.store import tables
from dataos.store.database import batches

_d = tables.datasets


def unknown(connection: sa.Connection, policies: Policies, principal: Principal, addresses: Iterable[str]) -> set[str]:
    """Those of which the principal may not know: he may not read them, no job of his wrote them, he does not govern."""
    if governs(principal):
        return set()
    hidden = knowing.unreadable(connection, policies, principal.subject_tags, addresses)
    return hidden - _written_by(connection, principal, hidden)


def sights(
    connection: sa.Connection, policies: Policies, principal: Principal, addresses: Iterable[str]
) -> dict[str, Sight]:
    """How much there is for the principal of datasets of which he may know. Who governs knows all columns, for tags."""
    found = knowing.sights(connection, policies, principal.subject_tags, addresses)
    if governs(principal):
        return {address: replace(sight, denied=lambda _: False) for address, sight in found.items()}
    return found


def governs(principal: Principal) -> bool:
    """May he write policies? Who may only read them, as developers may, knows of data what they leave him."""
    return rules.may(principal, rules.GOVERNANCE) or rules.may(principal, rules.DATA_POLICIES)


def _written_by(connection: sa.Connection, principal: Principal, addresses: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for some in batches(list(addresses)):
        query = sa.select(_d.c.address).where(_d.c.address.in_(some), _d.c.owner == str(principal.user_id))
        found.update(connection.execute(query).scalars())
    return found
