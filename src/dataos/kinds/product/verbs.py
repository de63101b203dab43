"""What is done to products besides applying them: deprecate, delete with the Bundle, marks of users, asking access."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from dataos.control import inbox, records
from dataos.control.resources import ApplyRequest, ApplyResult, Resources
from dataos.core.addresses import ResourceKey, Udl
from dataos.core.clock import Clock, from_us
from dataos.core.errors import fail
from dataos.core.ids import Ids
from dataos.governance import grants, rules
from dataos.governance.decisions import DecisionPoint
from dataos.governance.grants import Asked, GrantValue
from dataos.governance.principals import Principal
from dataos.kinds.product import contract, index, listing, neighbours
from dataos.kinds.product.controller import CONSUMED_US, is_editor, stored_manifest
from dataos.kinds.product.spec import ProductSpec
from dataos.manifest.documents import Manifest
from dataos.metadata import sighting
from dataos.store import tables
from dataos.store.database import Store

_USE_CASE = "read-specific-dataset"
_m = tables.product_marks


def key_of(name: str) -> ResourceKey:
    """The Resource that a product is."""
    return ResourceKey("data", name)


class Verbs:
    """One per server."""

    def __init__(self, store: Store, clock: Clock, ids: Ids, resources: Resources, point: DecisionPoint) -> None:
        self._store = store
        self._point = point
        self._clock = clock
        self._ids = ids
        self._resources = resources

    async def find(
        self, principal: Principal, name: str, version: str | None = None
    ) -> tuple[Manifest, dict[str, Any]]:
        """The stored manifest of a product that the caller may see. Raises DataOSError `resource.not_found`."""

        def read(connection: sa.Connection) -> tuple[Manifest, dict[str, Any]]:
            row = index.living(connection, name)
            if row is None or not listing.may_see(principal, row):
                raise fail("resource.not_found", f"no data product `{name}`", hint="dataos product get -a lists them")
            if version is not None and row.version != version:
                hint = f"it has version {row.version}"
                raise fail("resource.not_found", f"no data product `{name}` of version {version}", hint=hint)
            _, manifest, document = stored_manifest(connection, name)
            return manifest, document

        return await self._store.read(read)

    async def deprecate(
        self, principal: Principal, name: str, replaced_by: str | None, retire_on: str | None
    ) -> tuple[ApplyResult, list[dict[str, Any]]]:
        """Mark a product as deprecated by a new generation; who used it in the last 30 days hears of it. Returns what
        was stored, and these consumers with their statements by dataset. Raises as an apply."""
        manifest, stored = await self.find(principal, name)
        if manifest.spec.draft:
            raise fail("product.draft", f"`{name}` is a draft: nobody uses it", hint=f"dataos product delete -n {name}")
        document = copy.deepcopy(stored)
        section = document[manifest.section_key]
        data_key = next((k for k in section if k.lower() == "data"), None)
        data = section[data_key] if data_key is not None and section[data_key] is not None else section
        today = from_us(self._clock.now_us()).date().isoformat()
        life: dict[str, Any] = {
            "stage": "deprecated",
            "deprecatedOn": today,
            "retireOn": retire_on,
            "replacedBy": replaced_by,
        }
        data["lifecycle"] = {key: value for key, value in life.items() if value is not None}
        request = ApplyRequest(document=document, actor=principal.user_id, principal=principal)
        result = await self._resources.apply(request)
        spec: ProductSpec = manifest.spec
        since = self._clock.now_us() - CONSUMED_US
        used = await self._store.read(neighbours.consumers, contract.outputs_of(spec), since)
        return result, [{"user": user, "datasets": datasets} for user, datasets in sorted(used.items())]

    async def cleanup(self, name: str) -> list[str]:
        """What a deletion with --cascade removes: the product, its Bundle and that one's members, last first."""

        def read(connection: sa.Connection) -> list[str]:
            row = index.living(connection, name)
            keys = [] if row is None else [r.target for r in index.refs(connection, row.uid) if r.side == index.BUNDLE]
            found = [r for k in keys if (r := records.find(connection, index.key_of(k))) is not None]
            return [records.summary(below)["id"] for r in found for below in reversed(records.family(connection, r))]

        return await self._store.read(read)

    async def delete(self, principal: Principal, name: str, *, force: bool, cascade: bool) -> dict[str, Any]:
        """Remove a product, with `cascade` its Bundle too: {result, removed}. Raises `resource.in_use` naming who
        depends on it."""
        removed = await self.cleanup(name) if cascade else []
        bundles = [id_ for id_ in removed if id_.startswith("bundle:")]
        result = await self._resources.delete(key_of(name), principal.user_id, force=force, principal=principal)
        for id_ in bundles[-1:]:  # the product's own: those within go with it
            key = ResourceKey("bundle", id_.split(":")[2])
            await self._resources.delete(key, principal.user_id, force=force, principal=principal)
        return {"result": result, "removed": removed}

    # --- of one user ------------------------------------------------------------------------------------------------

    async def mark(
        self, principal: Principal, name: str, *, favorite: bool | None = None, opened: bool = False
    ) -> None:
        """Star or unstar a product, or remember that it was opened. Raises `resource.not_found`."""

        def write(connection: sa.Connection) -> None:
            row = index.living(connection, name)
            if row is None or not listing.may_see(principal, row):
                raise fail("resource.not_found", f"no data product `{name}`")
            key = {"user": str(principal.user_id), "uid": row.uid}
            now = self._clock.now_us()
            change: dict[str, Any] = {"opened_at": now} if opened else {}
            if favorite is not None:
                change["favorite_at"] = now if favorite else None
            where = (_m.c.user == key["user"], _m.c.uid == key["uid"])
            if connection.execute(_m.update().where(*where).values(**change)).rowcount == 0:
                connection.execute(_m.insert().values(**{"favorite_at": None, "opened_at": None, **key, **change}))

        await self._store.write(write)

    async def notices(self, principal: Principal, unread: bool, limit: int) -> list[dict[str, Any]]:
        """The caller's inbox."""
        return await self._store.read(inbox.listing, str(principal.user_id), unread, limit)

    async def read_notices(self, principal: Principal, id_: str | None) -> int:
        """Mark as read."""
        return await self._store.write(inbox.mark_read, str(principal.user_id), id_, self._clock.now_us())

    async def ask(self, principal: Principal, name: str, reason: str, datasets: Sequence[str]) -> dict[str, Any]:
        """Ask for access to datasets of a product: a Grant request, and a notice for owner and developers. Raises
        `resource.not_found`, `request.invalid`, `auth.forbidden`."""
        rules.require(principal, f"ask for access to product `{name}`", rules.REQUEST_GRANTS)
        manifest, _ = await self.find(principal, name)
        spec: ProductSpec = manifest.spec
        known = [str(d.address) for d in (*spec.outputs, *spec.inputs) if d.address is not None]
        wanted = list(dict.fromkeys(str(Udl.parse(d)) for d in datasets)) or contract.outputs_of(spec)
        strange = [d for d in wanted if d not in known]
        if strange or not wanted:
            what = ", ".join(strange) or "nothing"
            hidden = await self._store.read(self._hidden, principal, known)
            shown = ", ".join(d for d in known if d not in hidden)
            hint = f"datasets: {shown}" if shown else ""
            raise fail("request.invalid", f"{what} is no dataset of `{name}`", hint=hint)
        user = str(principal.user_id)
        values = tuple(v for address in wanted for v in _values(address))
        id_ = str(self._ids.uid())

        def write(connection: sa.Connection) -> dict[str, Any]:
            now = self._clock.now_us()
            asked = Asked(_USE_CASE, (f"users:id:{user}",), values, user, reason, "hub")
            grants.file(connection, id_, asked, user, now)
            row = index.living(connection, name)
            assert row is not None  # noqa: S101 - it was found above
            people = {row.owner, *(p for p, role in row.people if is_editor(role))} - {user}
            text = f"{user} asks for access to {', '.join(wanted)}: {reason}"
            data = {"request": id_, "datasets": wanted}
            for person in sorted(people):
                inbox.tell(connection, person, "product.access", manifest.id, text, data, now)
            return {"id": id_, "state": grants.REQUESTED, "datasets": wanted, "told": sorted(people)}

        return await self._store.write(write)

    def _hidden(self, connection: sa.Connection, principal: Principal, addresses: Sequence[str]) -> set[str]:
        return sighting.unknown(connection, self._point.now(connection), principal, addresses)


def _values(address: str) -> list[GrantValue]:
    udl = Udl.parse(address)
    place = (udl.depot, udl.collection or "", udl.dataset or "")
    return [
        GrantValue("ds-read", tuple(zip(("depot", "collection", "dataset"), place, strict=True))),
        GrantValue("minerva-table-read", tuple(zip(("catalog", "schema", "table"), place, strict=True))),
    ]
