"""Benches: statements that people keep in the Workbench, for themselves or shared.

A bench is a text. Whoever opens it runs it as himself: what it returns is decided for him, not for who wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from dataos.core.clock import Clock, rfc3339
from dataos.core.errors import fail
from dataos.core.ids import Ids
from dataos.governance.principals import Principal
from dataos.store import tables
from dataos.store.database import Store

MOST = 1000
"""Benches of one owner."""
_EXCERPT = 240
_b = tables.benches
_LISTED = (*(c for c in _b.c if c.name != "sql"), sa.func.substr(_b.c.sql, 1, _EXCERPT).label("excerpt"))


class Sharing(StrEnum):
    """Who reads a bench besides its owner."""

    PRIVATE = "private"
    ALL = "all"
    TAGS = "tags"


@dataclass(frozen=True)
class Bench:
    """What its owner says of it. `tags`: of users, where it is shared by them."""

    name: str
    sql: str
    cluster: str | None = None
    sharing: Sharing = Sharing.PRIVATE
    tags: Sequence[str] = ()


class Benches:
    """All of an installation."""

    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    async def listing(self, principal: Principal) -> list[dict[str, Any]]:
        """Those that the principal may read, the newest change first; of the text only its beginning."""

        def read(connection: sa.Connection) -> list[dict[str, Any]]:
            near = (_b.c.owner == str(principal.user_id)) | (_b.c.sharing != Sharing.PRIVATE.value)
            query = sa.select(*_LISTED).where(near).order_by(_b.c.updated_at.desc(), _b.c.id)
            return [
                _shown(row) | {"excerpt": row.excerpt} for row in connection.execute(query) if _reads(principal, row)
            ]

        return await self._store.read(read)

    async def get(self, principal: Principal, id_: str) -> dict[str, Any]:
        """One with its text. Raises DataOSError `bench.not_found`."""
        row = await self._store.read(_readable, principal, id_)
        return _shown(row) | {"sql": row.sql}

    async def create(self, principal: Principal, bench: Bench) -> dict[str, Any]:
        """Keep a new one. Raises DataOSError `bench.conflict`, `bench.full`."""
        id_ = str(self._ids.uid())

        def write(connection: sa.Connection) -> None:
            owner = str(principal.user_id)
            count = connection.execute(sa.select(sa.func.count()).where(_b.c.owner == owner)).scalar_one()
            if count >= MOST:
                raise fail("bench.full", f"{owner} has {MOST:,} benches, the most that are kept", hint="delete some")
            _check_name(connection, owner, bench.name, None)
            now = self._clock.now_us()
            stamps = {"version": 1, "created_at": now, "updated_at": now}
            connection.execute(_b.insert().values(id=id_, owner=owner, **_values(bench), **stamps))

        await self._store.write(write)
        return await self.get(principal, id_)

    async def update(self, principal: Principal, id_: str, bench: Bench, version: int) -> dict[str, Any]:
        """Replace one's own; `version`: the one that was read. Raises DataOSError `bench.not_found`,
        `auth.forbidden`, `bench.conflict`."""

        def write(connection: sa.Connection) -> None:
            row = _readable(connection, principal, id_)
            if row.owner != principal.user_id:
                raise fail(
                    "auth.forbidden",
                    f"Forbidden: bench `{row.name}` is {row.owner}'s",
                    hint="only its owner changes it: save yours as a new one",
                )
            if row.version != version:
                raise fail(
                    "bench.conflict",
                    f"bench `{row.name}` was changed meanwhile: it has version {row.version}, not {version}",
                    hint="open it again, or save yours as a new one",
                )
            _check_name(connection, row.owner, bench.name, id_)
            change = {**_values(bench), "version": version + 1, "updated_at": self._clock.now_us()}
            connection.execute(_b.update().where(_b.c.id == id_).values(**change))

        await self._store.write(write)
        return await self.get(principal, id_)

    async def delete(self, principal: Principal, id_: str) -> None:
        """Forget one's own; an operator forgets any that he reads. Raises DataOSError `bench.not_found`,
        `auth.forbidden`."""

        def write(connection: sa.Connection) -> None:
            row = _readable(connection, principal, id_)
            if row.owner != principal.user_id and not principal.is_operator:
                raise fail(
                    "auth.forbidden",
                    f"Forbidden: bench `{row.name}` is {row.owner}'s",
                    hint="only its owner or an operator deletes it",
                )
            connection.execute(_b.delete().where(_b.c.id == id_))

        await self._store.write(write)


def _readable(connection: sa.Connection, principal: Principal, id_: str) -> sa.Row[Any]:
    row = connection.execute(sa.select(_b).where(_b.c.id == id_)).first()
    if row is None or not _reads(principal, row):
        raise fail("bench.not_found", f"no bench `{id_}`", hint="it was deleted, or is not shared with you")
    return row


def _reads(principal: Principal, row: sa.Row[Any]) -> bool:
    if row.owner == principal.user_id or row.sharing == Sharing.ALL:
        return True
    return row.sharing == Sharing.TAGS and not principal.subject_tags.isdisjoint(row.tags)


def _check_name(connection: sa.Connection, owner: str, name: str, but: str | None) -> None:
    same = sa.select(_b.c.id).where(_b.c.owner == owner, _b.c.name == name)
    if any(found != but for found in connection.execute(same).scalars()):
        raise fail(
            "bench.conflict", f"you have a bench `{name}` already", hint="change that one, or choose another name"
        )


def _values(bench: Bench) -> dict[str, Any]:
    tags = sorted(set(bench.tags)) if bench.sharing == Sharing.TAGS else []
    return {
        "name": bench.name,
        "sql": bench.sql,
        "cluster": bench.cluster,
        "sharing": bench.sharing.value,
        "tags": tags,
    }


def _shown(row: sa.Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "owner": row.owner,
        "name": row.name,
        "cluster": row.cluster,
        "sharing": row.sharing,
        "tags": row.tags,
        "version": row.version,
        "created": rfc3339(row.created_at),
        "updated": rfc3339(row.updated_at),
    }
