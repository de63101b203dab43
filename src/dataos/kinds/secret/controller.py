"""Secrets have nothing to build: their values were sealed when they were applied."""

from __future__ import annotations

from dataos.control.ports import Observed, ResourceView
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
