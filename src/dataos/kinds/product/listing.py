"""Lists of products: cards, facets, search, order, pages (ch09 6.2). One read of a table; no source is asked."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.core.clock import rfc3339
from dataos.governance import objects, rules
from dataos.governance.principals import Principal
from dataos.kinds.product import quality, stages
from dataos.kinds.product.controller import is_editor, stage_of
from dataos.kinds.product.index import INPUT, OUTPUT
from dataos.store import tables
from dataos.store.database import batches

_p = tables.products
_f = tables.product_refs
_m = tables.product_marks
_SHOWN = [column for column in _p.c if column is not _p.c.contract]
_STAMP = (_p.c.uid, _p.c.updated_at, _p.c.owner, _p.c.draft, _p.c.resolved, _p.c.deleted_at)
"""What tells that a row has changed: a new generation, and what the platform itself writes."""
SORTS = ("title", "-title", "updated", "-updated", "created", "-created")


@dataclass(frozen=True)
class Wanted:
    """What a list asks for. Values of a facet are alternatives, but those of a custom group must all be there."""

    text: str = ""
    tiers: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    use_cases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    owner: str | None = None
    stages: tuple[str, ...] = ()
    favorite: bool = False
    recent: bool = False
    deleted: bool = False
    sort: str = "title"


@dataclass(frozen=True)
class Card:
    """A row with what was reckoned of it for this viewer."""

    row: sa.Row[Any]
    stage: str
    owner: str
    favorite_at: int | None
    opened_at: int | None


class Shelf:
    """The rows of products as lists need them. Decoded rows are kept, and read anew where they changed: decoding takes
    most of a list's time. May be used by many threads."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple[Any, ...], sa.Row[Any]]] = {}

    def rows(self, connection: sa.Connection, deleted: bool) -> list[sa.Row[Any]]:
        """All living products, or all deleted ones."""
        query = sa.select(*_STAMP).where(_p.c.deleted_at.is_not(None) if deleted else _p.c.deleted_at.is_(None))
        stamps = {stamp.uid: tuple(stamp) for stamp in connection.execute(query)}
        kept = self._kept
        found = {uid: old for uid, stamp in stamps.items() if (old := kept.get(uid)) is not None and old[0] == stamp}
        changed = [uid for uid in stamps if uid not in found]
        for some in batches(changed):
            for row in connection.execute(sa.select(*_SHOWN).where(_p.c.uid.in_(some))):
                found[row.uid] = (stamps[row.uid], row)
        if not deleted:
            self._kept = found
        return [row for _, row in found.values()]


def may_see(principal: Principal, row: sa.Row[Any]) -> bool:
    """Everybody who may open the Hub sees products; drafts only those who work on them (ch09 3.6)."""
    thing = objects.product(row.name, row.owner)
    if principal.attempt is not None:
        return False
    mine = str(principal.user_id)
    if mine == row.owner or any(user == mine and is_editor(role) for user, role in row.people):
        return True
    if rules.may(principal, rules.PRODUCTS, thing):
        return True
    return not row.draft and (rules.may(principal, rules.HUB) or rules.may(principal, rules.READ_PRODUCTS, thing))


def cards(
    connection: sa.Connection, shelf: Shelf, principal: Principal, wanted: Wanted, today: datetime.date
) -> list[Card]:
    """All that match, in order. Deprecated ones stand last; retired ones only where they are asked for."""
    rows = shelf.rows(connection, wanted.deleted)
    found = [c for c in _visible(connection, rows, principal, wanted, today) if _matches(c, wanted)]
    reverse = wanted.sort.startswith("-")
    key = wanted.sort.lstrip("-")
    if wanted.recent:
        return sorted(found, key=lambda c: -(c.opened_at or 0))
    found.sort(key=lambda c: c.row.name)
    keys: dict[str, Any] = {
        "title": lambda c: c.row.title.lower(),
        "updated": lambda c: c.row.updated_at,
        "created": lambda c: c.row.created_at,
    }
    found.sort(key=keys.get(key, keys["title"]), reverse=reverse)
    found.sort(key=lambda c: c.stage in (stages.DEPRECATED, stages.RETIRED))
    return found


def _visible(
    connection: sa.Connection, rows: Sequence[sa.Row[Any]], principal: Principal, wanted: Wanted, today: datetime.date
) -> list[Card]:
    of_user = sa.select(_m).where(_m.c.user == str(principal.user_id))
    marks = {row.uid: row for row in connection.execute(of_user)}
    u = tables.users
    people = {row.id: row.name for row in connection.execute(sa.select(u.c.id, u.c.name))}
    found: list[Card] = []
    for row in rows:
        if not may_see(principal, row):
            continue
        mark = marks.get(row.uid)
        stage = stage_of(row, today)
        if stage == stages.RETIRED and not wanted.deleted and stages.RETIRED not in wanted.stages:
            continue
        favorite, opened = (mark.favorite_at, mark.opened_at) if mark is not None else (None, None)
        found.append(Card(row, stage, people.get(row.owner, row.owner), favorite, opened))
    return found


def _matches(card: Card, wanted: Wanted) -> bool:
    row = card.row
    custom = set(row.custom_tags)
    return (
        (not wanted.favorite or card.favorite_at is not None)
        and (not wanted.recent or card.opened_at is not None)
        and (not wanted.stages or card.stage in wanted.stages)
        and (wanted.owner is None or row.owner == wanted.owner)
        and all(
            not values or not values.isdisjoint(found)
            for values, found in (
                (set(wanted.tiers), row.tiers),
                (set(wanted.domains), row.domains),
                (set(wanted.use_cases), row.use_cases),
            )
        )
        and all(tag in custom for tag in wanted.tags)
        and (not wanted.text or all(word in _searched(card) for word in wanted.text.lower().split()))
    )


def _searched(card: Card) -> str:
    row = card.row
    parts: Iterable[str] = (
        row.name, row.title, row.description, row.owner, card.owner, *row.tiers, *row.domains, *row.use_cases,
        *row.custom_tags,
    )  # fmt: skip
    return "\n".join(parts).lower()


def shown(card: Card, badges: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A card."""
    row = card.row
    return {
        "id": f"data:{row.version}:{row.name}",
        "name": row.name,
        "version": row.version,
        "title": row.title,
        "description": row.description,
        "tiers": row.tiers,
        "domains": row.domains,
        "useCases": row.use_cases,
        "tags": row.custom_tags,
        "owner": row.owner,
        "ownerName": card.owner,
        "stage": card.stage,
        "status": "active" if row.resolved and not row.draft else "pending",
        "ports": row.ports,
        "quality": dict(badges),
        "favorite": card.favorite_at is not None,
        "openedAt": rfc3339(card.opened_at),
        "updated": rfc3339(row.updated_at),
        "banner": stages.banner(row.lifecycle, card.stage),
    }


def badges_of(connection: sa.Connection, uids: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Newest quality of each category, by product."""
    query = sa.select(_f.c.uid, _f.c.target).where(_f.c.uid.in_(list(uids)), _f.c.side.in_([INPUT, OUTPUT]))
    of: dict[str, list[str]] = {}
    for row in connection.execute(query):
        of.setdefault(row.uid, []).append(row.target)
    results = quality.newest(connection, {a for addresses in of.values() for a in addresses})
    return {
        uid: quality.badges([r for a in dict.fromkeys(addresses) for r in results.get(a, ())])
        for uid, addresses in of.items()
    }


def facets(found: Sequence[Card]) -> list[dict[str, Any]]:
    """Filter groups with their values and how many products have each, in the order in which they are shown."""
    groups: list[tuple[str, str, Counter[str]]] = [
        ("tier", "Tier", Counter(v for c in found for v in set(c.row.tiers))),
        ("domain", "Domain", Counter(v for c in found for v in set(c.row.domains))),
        ("usecase", "Usecase", Counter(v for c in found for v in set(c.row.use_cases))),
    ]
    custom: dict[str, Counter[str]] = {}
    for card in found:
        for tag in card.row.custom_tags:
            group, _, value = tag.partition(".")
            custom.setdefault(group, Counter())[value] += 1
    groups += [(f"tag.{group}", group, values) for group, values in sorted(custom.items())]
    groups += [
        ("owner", "Owner", Counter(c.row.owner for c in found)),
        ("stage", "Stage", Counter(c.stage for c in found)),
    ]
    names = {c.row.owner: c.owner for c in found}
    return [
        {
            "id": id_,
            "title": title,
            "values": [
                {"value": value, "title": names.get(value, value) if id_ == "owner" else value, "count": count}
                for value, count in sorted(values.items(), key=lambda v: v[0].lower())
            ],
        }
        for id_, title, values in groups
        if values
    ]
