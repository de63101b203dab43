"""Workspaces: where workspace-level Resources live (ch01 7). Shipped ones stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from dataos.control import records
from dataos.core import names
from dataos.core.clock import Clock, rfc3339
from dataos.core.errors import fail
from dataos.governance import objects, rules
from dataos.governance.principals import Principal
from dataos.store import tables
from dataos.store.database import Store

SHIPPED = ("public", "sandbox", "system")
VERSION = "v1beta1"
_w = tables.workspaces
_r = tables.resources
_INSIDE = sa.select(_r.c.uid).where(_r.c.workspace == sa.bindparam("of_workspace"), _r.c.live_key.is_not(None)).limit(1)


class Workspaces:
    """Creates, lists and removes workspaces."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list(self, layer: str | None = None) -> list[dict[str, Any]]:
        """All workspaces, by name."""
        return await self._store.read(self._list, layer)

    @staticmethod
    def _list(connection: sa.Connection, layer: str | None) -> list[dict[str, Any]]:
        query = sa.select(_w).order_by(_w.c.name)
        if layer is not None:
            query = query.where(_w.c.layer == layer)
        return [_workspace(row) for row in connection.execute(query)]

    async def get(self, name: str) -> dict[str, Any]:
        """One workspace. Raises DataOSError `workspace.not_found`."""
        return await self._store.read(self._get, name)

    @staticmethod
    def _get(connection: sa.Connection, name: str) -> dict[str, Any]:
        row = connection.execute(sa.select(_w).where(_w.c.name == name)).first()
        if row is None:
            known = list(connection.execute(sa.select(_w.c.name)).scalars())
            raise fail(
                "workspace.not_found",
                f"workspace `{name}` does not exist",
                hint=names.did_you_mean(name, known) or "workspaces: " + ", ".join(known),
            )
        return _workspace(row)

    async def create(
        self,
        principal: Principal,
        name: str,
        *,
        layer: str = "user",
        description: str = "",
        labels: Mapping[str, str] | None = None,
        tags: Iterable[str] = (),
    ) -> dict[str, Any]:
        """Make a workspace, owned by the caller. Raises `workspace.invalid`, `workspace.exists`, `auth.forbidden`."""
        rules.require(principal, f"create workspace `{name}`", rules.WORKSPACES, objects.workspace(name, layer))
        if not names.matches(name, names.DNS, names.MAX_WORKSPACE):
            raise fail("workspace.invalid", names.rule_text("workspace", name, names.DNS, names.MAX_WORKSPACE))
        if layer not in ("user", "system"):
            raise fail("workspace.invalid", f"layer `{layer}` is not allowed", hint="allowed: user, system")
        automatic = _automatic(name, layer)
        own = [t for t in dict.fromkeys(tags) if t not in automatic]
        values = {
            "name": name,
            "layer": layer,
            "description": description,
            "owner": principal.user_id,
            "labels": dict(labels or {}),
            "tags": [*own, *automatic],
            "created_at": self._clock.now_us(),
        }
        return await self._store.write(self._create, values)

    def _create(self, connection: sa.Connection, values: dict[str, Any]) -> dict[str, Any]:
        if connection.execute(sa.select(_w.c.name).where(_w.c.name == values["name"])).first():
            raise fail("workspace.exists", f"workspace `{values['name']}` exists already")
        connection.execute(_w.insert().values(**values))
        data = {"id": f"workspace:{VERSION}:{values['name']}"}
        records.add_event(connection, values["created_at"], None, "workspace.created", values["owner"], data)
        return self._get(connection, values["name"])

    async def delete(self, principal: Principal, name: str) -> bool:
        """Remove an empty workspace. False if there was none. Raises `workspace.in_use`, `workspace.shipped`."""
        layer = await self._store.read(self._layer, name)
        rules.require(principal, f"delete workspace `{name}`", rules.WORKSPACES, objects.workspace(name, layer))
        if name in SHIPPED:
            raise fail("workspace.shipped", f"workspace `{name}` comes with the installation and stays")
        return await self._store.write(self._delete, principal, name)

    @staticmethod
    def _layer(connection: sa.Connection, name: str) -> str:
        """Of a workspace; `user` if there is none of that name."""
        return str(connection.execute(sa.select(_w.c.layer).where(_w.c.name == name)).scalar() or "user")

    def forget_empty(self, connection: sa.Connection, name: str, actor: str) -> bool:
        """Remove a workspace that holds nothing, for whoever made it; a shipped one, or one that is in use, stays."""
        if name in SHIPPED or connection.execute(_INSIDE, {"of_workspace": name}).first() is not None:
            return False
        return self._remove(connection, name, actor)

    def _delete(self, connection: sa.Connection, principal: Principal, name: str) -> bool:
        inside = connection.execute(
            sa.select(_r).where(_r.c.workspace == name, _r.c.live_key.is_not(None)).order_by(_r.c.live_key).limit(11)
        ).all()
        if inside:
            ids = [records.summary(row)["id"] for row in inside[:10]]
            more = ", ..." if len(inside) > 10 else ""
            raise fail(
                "workspace.in_use",
                f"workspace `{name}` is not empty: {', '.join(ids)}{more}",
                hint=f"delete what it holds first (dataos get -a -w {name}), or use --force",
            )
        return self._remove(connection, name, str(principal.user_id))

    def _remove(self, connection: sa.Connection, name: str, actor: str) -> bool:
        done = connection.execute(_w.delete().where(_w.c.name == name))
        if done.rowcount:
            data = {"id": f"workspace:{VERSION}:{name}"}
            records.add_event(connection, self._clock.now_us(), None, "workspace.deleted", actor, data)
        return bool(done.rowcount)


def _automatic(name: str, layer: str) -> list[str]:
    shipped = "default" if name in SHIPPED else "not-default"
    return [
        "dataos:type:workspace",
        f"dataos:type:workspace:{shipped}",
        f"dataos:layer:{layer}",
        f"dataos:workspace:{name}",
    ]


def _workspace(row: sa.Row[Any]) -> dict[str, Any]:
    return {
        "name": row.name,
        "version": VERSION,
        "layer": row.layer,
        "owner": row.owner,
        "description": row.description,
        "labels": row.labels or {},
        "tags": row.tags,
        "created": rfc3339(row.created_at),
        "status": "active",
    }
