"""Who may do what to tables by the catalog's own protocol, to their files, and to raw data of Depots: no filter or mask
can be put into these, so they are open where policies hide nothing, and closed where they hide anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from dataos.core.addresses import ResourceKey, Udl
from dataos.core.errors import DataOSError, fail
from dataos.depots.ports import DepotEntry
from dataos.depots.resolver import Depots
from dataos.depots.types.iceberg.adapter import warehouse as warehouse_of
from dataos.gateway import types
from dataos.gateway.authority import PolicyAuthority
from dataos.gateway.relations import Column
from dataos.governance import objects
from dataos.governance.exposure import DatasetName
from dataos.governance.noting import Noted
from dataos.governance.policies import AccessObject
from dataos.governance.principals import Principal
from dataos.lakehouse.access import Authorise
from dataos.lakehouse.descriptions import type_text
from dataos.lakehouse.views import PUBLISHED, AttemptView, Loaded, TableRef, View
from dataos.manifest.depot_types import FILE_STORES

_WRITES = {
    "table.create": ("create", "write"),
    "table.write": ("update", "write"),
    "table.rename": ("update", "write"),
    "table.register": ("create", "write"),
    "table.drop": ("delete",),
    "namespace.create": ("create", "write"),
    "namespace.update": ("update", "write"),
    "namespace.drop": ("delete",),
}

_SHOWING = ("table.write", "table.rename")
"""Changes whose answer tells of the table, or after which it may be read by another name."""


class Tables(Protocol):
    """Of the catalog."""

    async def load_table(self, view: View, ref: TableRef, *, pin: bool = True) -> Loaded: ...


class DirectAccess:
    """An `Authorise` (`lakehouse.access`). `reach`: what a job's plan lets it do besides."""

    def __init__(
        self, depots: Depots, catalog: Tables, authority: PolicyAuthority, reach: Authorise, noted: Noted
    ) -> None:
        self._noted = noted
        self._depots = depots
        self._catalog = catalog
        self._authority = authority
        self._reach = reach

    async def __call__(
        self, principal: Principal, action: str, warehouse: str, namespace: str | None, table: str | None
    ) -> None:
        """Raises DataOSError `auth.forbidden` naming the policies and the doors that serve the table, and `store.*`
        where the audit cannot be written."""
        await self._reach(principal, action, warehouse, namespace, table)
        if action == "list":
            return
        if principal.attempt is not None and table is None and action in ("table.read", "table.write"):
            return  # files of a table that the job is about to make: its plan was asked above
        depot = await self._depot(warehouse)
        base = (table or "").partition("@")[0].partition("$")[0]
        name = DatasetName(depot, namespace or "", base)
        await self._check(principal, action, warehouse, name, table)
        await self._noted.allowed(principal, action, objects.address(name))

    async def known(self, principal: Principal, warehouse: str, names: Sequence[tuple[str, str]]) -> list[bool]:
        """See `lakehouse.access.Sight`."""
        depot = await self._depot(warehouse)
        found = await self._authority.may_list(principal, [DatasetName(depot, *name) for name in names])
        return [
            open_ or (not table and await self._planned(principal, warehouse, namespace))
            for open_, (namespace, table) in zip(found, names, strict=True)
        ]

    async def makes(self, principal: Principal, warehouse: str, namespace: str) -> bool:
        """See `lakehouse.access.Sight`."""
        whole = DatasetName(await self._depot(warehouse), namespace, "")
        return await self._authority.writable(principal, whole) or await self._planned(principal, warehouse, namespace)

    async def _planned(self, principal: Principal, warehouse: str, namespace: str) -> bool:
        """Does a job's plan write there?"""
        if principal.attempt is None:
            return False
        try:
            await self._reach(principal, "table.write", warehouse, namespace, None)
        except DataOSError as error:
            if error.problem.code != "auth.forbidden":
                raise
            return False
        return True

    async def _check(
        self, principal: Principal, action: str, warehouse: str, name: DatasetName, table: str | None
    ) -> None:
        if action in _WRITES:
            self._check_write(principal, action, name)
            if table is None or action == "table.create":
                return
        elif name.collection and table is None:
            return  # what a namespace is called is told with the list
        elif not await self._authority.readable(principal, name):
            raise _forbidden(principal, f"read {objects.address(name)}", "read-specific-dataset", ())
        elif table is None:  # files of no table, or of many
            hiding = await self._authority.hiding_any(principal, name.depot)
            if hiding:
                raise _hidden(principal, action, name, hiding)
        if table is None:
            return
        if action in _SHOWING:
            await self._check_sight(principal, action, warehouse, name)
        columns = await self._columns(principal, warehouse, name, pin=True)
        hiding = await self._authority.hiding(principal, name, columns)
        if hiding:
            raise _hidden(principal, action, name, hiding)

    async def _check_sight(self, principal: Principal, action: str, warehouse: str, name: DatasetName) -> None:
        """What is changed by these doors is told, lies open to the job that changes it, or gets a name by which others
        may read it: it is for those who may read it. What a job has made itself nobody else has written."""
        if await self._authority.readable(principal, name):
            return
        if principal.attempt is not None and not await self._is_published(warehouse, name):
            return
        what = f"{_WRITES[action][0]} {objects.address(name)} by this door, which shows what is there"
        raise _forbidden(principal, what, "read-specific-dataset", ())

    async def _is_published(self, warehouse: str, name: DatasetName) -> bool:
        try:
            await self._catalog.load_table(PUBLISHED, TableRef(warehouse, name.collection, name.dataset), pin=False)
        except DataOSError as error:
            if error.problem.code.startswith("iceberg.not_found"):
                return False
            raise
        return True

    async def hiding(self, principal: Principal, udl: Udl) -> tuple[str, ...]:
        """Policies that hide parts of a dataset; none: it may be read as it lies there.

        Raises DataOSError `auth.forbidden` if none of it may be read."""
        name = _name(udl)
        entry = await self._depots.get(udl.depot)
        if not await self._authority.readable(principal, name):
            raise _forbidden(principal, f"read {udl}", "read-specific-dataset", ())
        if entry.type == "ICEBERG":
            columns = await self._columns(principal, warehouse_of(entry), name)
            return await self._authority.hiding(principal, name, columns)
        found = await self._authority.hiding(principal, name, None)
        if not found and await self._authority.hiding_any(principal, entry.name):
            found = await self._authority.hiding_of(principal, await self._meant(entry, udl))
        return found

    async def _meant(self, entry: DepotEntry, udl: Udl) -> list[DatasetName]:
        """Every dataset that an address reads, by each name that a policy may have for it: folders and patterns stand
        for their files, and some parts of an address may be left out or written otherwise."""
        files = [f"{udl.collection}/{udl.dataset or ''}" if udl.collection != "none" else udl.dataset or ""]
        if entry.type in FILE_STORES:
            try:
                files += await self._depots.below(udl)
            except DataOSError as error:
                if error.problem.code != "depot.path":  # nothing is there
                    raise
        return [name for file in files for name in _names_of(entry, file)]

    async def check_readable(self, principal: Principal, udl: Udl) -> None:
        """Data of a Depot, as it lies there. Raises DataOSError `auth.forbidden`."""
        hiding = await self.hiding(principal, udl)
        if hiding:
            raise _hidden(principal, "table.read", _name(udl), hiding)
        await self._noted.allowed(principal, "depot.read", str(udl))

    async def check_credential(self, principal: Principal, depot: str) -> None:
        """A Depot's own credential, which opens all of it. Raises DataOSError `auth.forbidden` naming what hides any
        of it."""
        whole = DatasetName(depot, "*", "*")
        hiding = await self._authority.hiding_any(principal, depot)
        if hiding or not await self._authority.readable(principal, whole):
            why = (
                f"policies {', '.join(f'`{p}`' for p in hiding)} hide parts of it"
                if hiding
                else "not all of it is open"
            )
            raise fail(
                "auth.forbidden",
                f"Forbidden: user {principal.user_id} may not use the credentials of depot `{depot}`: {why}",
                hint="read it by SQL (`dataos query`, POST /api/v1/query), or as an input of a Flare job",
            )
        await self._noted.allowed(principal, "depot.credential", f"dataos://{depot}")

    async def is_open(self, principal: Principal, depot: str, *, to_write: bool = False) -> bool:
        """May the principal read (and write) all of a Depot, with nothing hidden?"""
        readable = await self._authority.readable(principal, DatasetName(depot, "*", "*"))
        if not readable or await self._authority.hiding_any(principal, depot):
            return False
        return not to_write or await self._authority.open_to_write(principal, depot)

    async def check_values(self, principal: Principal, holder: ResourceKey) -> None:
        """Secret values that a Resource holds. Raises DataOSError `auth.forbidden` as `check_credential`, for each
        Depot that they open."""
        for depot in await self._depots.opened_by(str(holder)):
            await self.check_credential(principal, depot)

    async def check_writable(self, principal: Principal, udl: Udl) -> None:
        """Raises DataOSError `auth.forbidden` if the principal may not write there, or sees not all that is there."""
        name = _name(udl)
        self._check_write(principal, "table.write", name)
        entry = await self._depots.get(udl.depot)
        if entry.type != "ICEBERG":
            for other in await self._meant(entry, udl):
                self._check_write(principal, "table.write", other, denied_only=True)
        columns: Sequence[Column] = ()
        if entry.type == "ICEBERG":
            columns = await self._columns(principal, warehouse_of(entry), name)
            if await self._is_published(warehouse_of(entry), name):
                await self._check_sight(principal, "table.write", warehouse_of(entry), name)
        hiding = await self._authority.hiding(principal, name, columns)
        if hiding:
            raise _hidden(principal, "table.write", name, hiding)
        await self._noted.allowed(principal, "depot.write", str(udl))

    @staticmethod
    def _check_write(principal: Principal, action: str, name: DatasetName, *, denied_only: bool = False) -> None:
        tags = objects.dataset(name).tags
        decision = principal.decide(_WRITES[action], AccessObject(tags, objects.paths(name)))
        if not decision.allowed and (decision.rules or not denied_only):
            use_case = "manage-specific-dataset" if action != "table.drop" else "roles:id:operator"
            raise _forbidden(principal, f"{_WRITES[action][0]} {objects.address(name)}", use_case, decision.rules)

    async def _depot(self, warehouse: str) -> str:
        """The Depot by which policies name a warehouse. Without one nobody may."""
        entries = await self._depots.list()
        for entry in entries:
            if entry.type == "ICEBERG" and warehouse_of(entry) == warehouse:
                return entry.name
        raise fail("auth.forbidden", f"no Depot names warehouse `{warehouse}`", hint="policies speak of Depots")

    async def _columns(
        self, principal: Principal, warehouse: str, name: DatasetName, *, pin: bool = False
    ) -> Sequence[Column]:
        """Every column that the table has or had: old snapshots show what was renamed or dropped. `pin`: the job goes
        on with this state of the table."""
        view = AttemptView(principal.attempt.attempt_id) if principal.attempt is not None else PUBLISHED
        try:
            loaded = await self._catalog.load_table(view, TableRef(warehouse, name.collection, name.dataset), pin=pin)
        except DataOSError as error:
            if error.problem.code.startswith("iceberg.not_found"):
                return ()
            raise
        metadata: dict[str, Any] = json.loads(loaded.metadata)
        found: dict[tuple[str, str], Column] = {}
        for schema in metadata.get("schemas") or [metadata.get("schema", {"fields": []})]:
            for field in schema["fields"]:
                type_ = types.from_iceberg(type_text(field["type"]))
                found[(field["name"], type_)] = Column(field["name"], type_)
        return tuple(found.values())


def _name(udl: Udl) -> DatasetName:
    return DatasetName(udl.depot, udl.collection or "", (udl.dataset or "").partition("@")[0].partition("$")[0])


def _names_of(entry: DepotEntry, file: str) -> list[DatasetName]:
    """The names of a file by its path below the Depot's root, or of a topic."""
    parts = [p for p in file.split("/") if p]
    rest = "/".join(parts[1:])
    found = [DatasetName(entry.name, "none", "/".join(parts)), DatasetName(entry.name, (*parts, "none")[0], rest)]
    if entry.type not in FILE_STORES:  # a topic: some have one collection, which may be called anything
        found += [DatasetName(entry.name, collection, rest) for collection in ("default", "none")]
    return list(dict.fromkeys(found))


def _forbidden(principal: Principal, action: str, use_case: str, policies: Sequence[str]) -> DataOSError:
    if policies:
        hint = f"policy {', '.join(f'`{p}`' for p in policies)} denies it"
    elif use_case.startswith("roles:"):
        hint = f"it needs the tag `{use_case}`"
    else:
        hint = f"missing use case `{use_case}`: ask for a grant of it"
    return fail("auth.forbidden", f"Forbidden: user {principal.user_id} may not {action}", hint=hint)


def _hidden(principal: Principal, action: str, name: DatasetName, policies: Sequence[str]) -> DataOSError:
    verb = "read raw" if action == "table.read" else "change"
    return fail(
        "auth.forbidden",
        f"Forbidden: user {principal.user_id} may not {verb} {objects.address(name)}: policies "
        f"{', '.join(f'`{p}`' for p in policies)} hide rows or values of it",
        hint="ask by SQL (`dataos query`, POST /api/v1/query), which shows what the policies leave",
    )
