"""Grants: a request from the moment they are stored, or at once a grant where whoever applies them may approve."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dataos.control.ports import Made, Observed, ResourceView, service_record
from dataos.core.clock import Clock
from dataos.core.errors import Problem
from dataos.core.ids import Ids, UserId
from dataos.governance import grants, rules
from dataos.governance.grants import Asked, GrantValue
from dataos.governance.principals import Principal
from dataos.kinds.grant.spec import GrantSpec
from dataos.manifest.documents import Manifest
from dataos.store.database import Store


class GrantController:
    """The `grant` kind."""

    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    async def check(self, manifest: Manifest, actor: UserId) -> list[Problem]:
        """Use-case, atoms, variables and subjects that are not there."""
        return await self._store.read(grants.check, _asked(manifest, "", str(actor)))

    def check_authority(self, principal: Principal, manifest: Manifest) -> None:
        """Everybody may ask; to approve is of those who govern."""
        spec: GrantSpec = manifest.spec
        if spec.approve:
            rules.require(principal, f"approve {manifest.id}", rules.GOVERNANCE)
        else:
            rules.require(principal, f"request {manifest.id}", rules.REQUEST_GRANTS)

    def check_removal(self, principal: Principal, row: sa.Row[Any]) -> None:
        """Who asked may give it back."""
        rules.require_own(principal, row.owner, f"delete grant `{row.name}`", rules.GOVERNANCE)

    def stored(self, connection: sa.Connection, manifest: Manifest, uid: str, actor: str) -> None:
        """File the request, anew if it changed; approve it where the manifest says so."""
        spec: GrantSpec = manifest.spec
        grants.delete_of(connection, uid, actor)
        id_ = str(self._ids.uid())
        now = self._clock.now_us()
        grants.file(connection, id_, _asked(manifest, uid, actor), actor, now)
        if spec.approve:
            grants.approve(connection, id_, actor, now)

    def removed(self, connection: sa.Connection, uid: str, name: str, actor: str) -> None:
        """What it allowed ends."""
        grants.delete_of(connection, uid, actor)

    async def reconcile(self, view: ResourceView) -> Observed:
        """Tell how the request stands."""
        row = await self._store.read(grants.of_resource, str(view.uid))
        state = row.state if row is not None else "deleted"
        decided = f" by {row.decision}" if row is not None and row.decision else ""
        return Observed(info=f"{state}{decided}", state=dict(view.state))

    async def delete(self, view: ResourceView) -> bool:
        """It ended with the call."""
        return True

    def made(self, connection: sa.Connection, row: sa.Row[Any]) -> Made:
        """The request, and how it was decided."""
        found = grants.of_resource(connection, row.uid)
        if found is None:
            return Made()
        return Made(kept=(service_record(found.id, "heimdall", "grant", f"/heimdall/api/v1/grants/{found.id}"),))


def _asked(manifest: Manifest, uid: str, actor: str) -> Asked:
    spec: GrantSpec = manifest.spec
    return Asked(
        spec.use_case,
        spec.subjects,
        tuple(GrantValue(v.atom, v.variables) for v in spec.values),
        spec.requester or spec.manage_as_user or actor,
        spec.notes,
        "poros",
        uid,
    )
