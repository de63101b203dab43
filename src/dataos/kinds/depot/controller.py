"""Depot: register the location and the vault ids of its secrets with the resolver, and look whether it answers.

Reaching the source is observed, not required (ch02 1.14): a Depot whose source is down is still `active`; its info says
when it was looked at and what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.control import records
from dataos.control.ports import Made, Observed, ResourceView, service_record
from dataos.core.addresses import ResourceKey
from dataos.core.clock import Clock, rfc3339
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import UserId
from dataos.depots import placement, resolver
from dataos.depots.ports import DepotEntry
from dataos.depots.resolver import Depots
from dataos.depots.types.jdbc.spec import FILES
from dataos.governance.identities import Identities
from dataos.governance.principals import OPERATOR_TAG
from dataos.kinds.depot.credentials import SecretReference
from dataos.kinds.depot.spec import DepotSpec
from dataos.lakehouse import rows as lakes
from dataos.manifest.documents import Manifest
from dataos.manifest.specs import render
from dataos.store.database import Store

_LOOK_AGAIN_S = 300.0
_RETRY_S = 30.0


@dataclass(frozen=True)
class _Secrets:
    """Vault ids by purpose."""

    by_acl: dict[str, tuple[str, ...]]


class DepotController:
    """The `depot` kind."""

    def __init__(self, store: Store, clock: Clock, depots: Depots, identities: Identities, home: str) -> None:
        self._store = store
        self._clock = clock
        self._depots = depots
        self._identities = identities
        self._home = home

    async def check(self, manifest: Manifest, actor: UserId) -> list[Problem]:
        """A read secret is there; a place on this machine is allowed and there. Reach is observed later, not here."""
        spec: DepotSpec = manifest.spec
        problems: list[Problem] = []
        try:
            secrets = await self._store.read(_secrets, manifest)
        except DataOSError as error:
            return list(error.problems)
        own = spec.type == "ICEBERG"  # a Lakehouse reads with what it writes with
        if spec.secrets and not spec.inline and "r" not in secrets.by_acl and not own:
            problems.append(
                Problem(
                    "depot.no_read_secret",
                    "invalid depot, missing a secret reference with acl: r",
                    hint="apply an Instance-Secret with acl: r and name it below `secrets`",
                    path=f"{manifest.section_key}.secrets",
                )
            )
        file = spec.type == "JDBC" and spec.location_data.get("subprotocol") in FILES
        if spec.type == "FILE" or file:
            place = ("jdbc", "database") if file else ("file", "path")
            try:
                entry = DepotEntry(manifest.meta.name, "", spec.type, spec.location_data)
                await self._depots.check_entry(entry, {})
            except DataOSError as error:
                problems += [
                    Problem(p.code, p.message, hint=p.hint, path=render((manifest.section_key, *place)))
                    for p in error.problems
                    if p.code == "depot.path" or not file  # a database that is locked now is observed later
                ]
        return problems or await self._store.read(self._check_place, manifest, actor)

    def _check_place(self, connection: sa.Connection, manifest: Manifest, actor: UserId) -> list[Problem]:
        """Policies speak of Depots by name: a second name for a place, or for somebody's login, is for operators."""
        if self._identities.principal(connection, str(actor)).is_operator:
            return []
        spec: DepotSpec = manifest.spec
        name = manifest.meta.name
        secrets = _secrets(connection, manifest)
        entry = DepotEntry(name, "", spec.type, spec.location_data, secrets.by_acl)
        known = [e for e in resolver.list_entries(connection) if e.name != name]
        problems: list[Problem] = []
        places = placement.of(entry)
        taken = [f"depot `{e.name}`" for e in known if placement.overlap(places, placement.of(e))]
        taken += [
            f"the Lakehouse `{warehouse}`"
            for warehouse, location in lakes.locations(connection).items()
            if placement.overlap(places, (placement.warehouse(location),))
            or (warehouse != name and placement.overlap(places, (f"warehouse:{warehouse}/",)))
        ]
        if not taken and any(placement.folder(self._home).startswith(p) for p in places):
            taken = ["the server's own home"]
        if taken:
            text = f"depot `{name}` would be another name for data of {', '.join(taken)}"
            hint = f"use that Depot, choose a place of its own, or let an operator (tag {OPERATOR_TAG}) apply it"
            problems.append(Problem("depot.overlap", text, hint=hint, path=manifest.section_key))
        for ids in secrets.by_acl.values():
            for id_ in ids:
                problems += _foreign_login(connection, manifest, id_, str(actor), known)
        return problems

    async def reconcile(self, view: ResourceView) -> Observed:
        """Register, then look whether the source answers."""
        spec: DepotSpec = view.manifest.spec
        name = view.manifest.meta.name
        await self._store.write(self._register, view, spec)
        looked = rfc3339(self._clock.now_us())
        state: dict[str, Any] = {**view.state, "checked": looked}
        try:
            await self._depots.check(name)
        except DataOSError as error:
            state["connection"] = "failed"
            info = f"connection checked {looked}: {error.problem.message}"
            return Observed(info=info, state=state, again_s=_RETRY_S)
        state["connection"] = "ok"
        return Observed(info=f"connection checked {looked}: ok", state=state, again_s=_LOOK_AGAIN_S)

    def _register(self, connection: sa.Connection, view: ResourceView, spec: DepotSpec) -> None:
        view.lease.check(connection)
        secrets = _secrets(connection, view.manifest)
        resolver.register(
            connection,
            DepotEntry(
                name=view.manifest.meta.name,
                uid=view.uid,
                type=spec.type,
                location=spec.location_data,
                secrets=secrets.by_acl,
                generation=view.generation,
            ),
        )

    async def delete(self, view: ResourceView) -> bool:
        """Forget the registration. Data stays where it is."""
        await self._store.write(resolver.forget, view.manifest.meta.name)
        return True

    def made(self, connection: sa.Connection, row: sa.Row[Any]) -> Made:
        """What statements call it: a catalog of the gateway."""
        return Made(kept=(service_record(row.name, "gateway", "catalog", f"/api/v1/resources/depot/{row.name}"),))


def _secrets(connection: sa.Connection, manifest: Manifest) -> _Secrets:
    """Which vault ids serve which purpose: the referenced secret's own acl decides (ch02 1.5)."""
    spec: DepotSpec = manifest.spec
    found: dict[str, tuple[str, ...]] = {}
    for reference in spec.secrets:
        key = _key(reference)
        acl = _acl(connection, key)
        found[acl] = (*found.get(acl, ()), str(key))
    for inline in spec.inline:
        found[inline.acl] = (*found.get(inline.acl, ()), f"{manifest.key}{inline.suffix}")
    return _Secrets(found)


def _foreign_login(
    connection: sa.Connection, manifest: Manifest, id_: str, actor: str, known: Sequence[DepotEntry]
) -> list[Problem]:
    """A login that opens another Depot, given to this one by somebody who does not own it."""
    using = [e.name for e in known if any(id_ in ids for ids in e.secrets.values())]
    row = records.find(connection, ResourceKey(*id_.split(":", 2)))
    owner = row.owner if row is not None else ""
    if not using or owner == actor:
        return []
    return [
        Problem(
            "depot.overlap",
            f"secret `{id_}` of `{owner}` opens depot {', '.join(f'`{n}`' for n in using)}: a second Depot with "
            "it would pass by the policies on that one",
            hint=f"use credentials of your own, or let an operator (tag {OPERATOR_TAG}) apply it",
            path=f"{manifest.section_key}.secrets",
        )
    ]


def _key(reference: SecretReference) -> ResourceKey:
    if reference.workspace:
        return ResourceKey("secret", reference.name, reference.workspace)
    return ResourceKey("instance-secret", reference.name)


def _acl(connection: sa.Connection, key: ResourceKey) -> str:
    row = records.find(connection, key)
    stored = records.manifest_of(connection, row.uid, row.generation) if row is not None else None
    if stored is None:
        raise fail("resource.dependency", f"invalid resource dependency, not found: {key.name}:{key.type}")
    for section_key in (key.type, "secret"):
        section = next((v for k, v in stored.manifest.items() if k.lower() == section_key), None)
        if section is not None:
            section = section[0] if isinstance(section, list) else section
            return str(next((v for k, v in section.items() if k.lower() == "acl"), "r")).strip().lower()
    return "r"
