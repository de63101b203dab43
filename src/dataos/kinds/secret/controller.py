"""Secrets have nothing to build: their values were sealed when they were applied."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dataos.control.ports import Made, Observed, ResourceView, service_record
from dataos.core.errors import Problem
from dataos.core.ids import UserId
from dataos.manifest.documents import Manifest


class SecretController:
    """Secret and Instance-Secret."""

    async def check(self, manifest: Manifest, actor: UserId) -> list[Problem]:
        """Nothing that the offline validation did not see."""
        return []

    async def reconcile(self, view: ResourceView) -> Observed:
        """Active at once."""
        return Observed(state=dict(view.state))

    async def delete(self, view: ResourceView) -> bool:
        """Control destroys the sealed values with the Resource."""
        return True

    def made(self, connection: sa.Connection, row: sa.Row[Any]) -> Made:
        """Its values are in the vault."""
        id_ = f"{row.name}_{row.workspace}" if row.workspace else row.name
        return Made(kept=(service_record(id_, "heimdall", "secret", f"/heimdall/api/v1/secrets/{id_}"),))
