"""Compute: a named pool of capacity. On one machine there is nothing to build; who names it asks the store for it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dataos.control.ports import Made, Observed, ResourceView, service_record
from dataos.core.errors import Problem
from dataos.core.ids import UserId
from dataos.kinds.compute.spec import ComputeSpec
from dataos.manifest.documents import Manifest


class ComputeController:
    """The `compute` kind."""

    async def check(self, manifest: Manifest, actor: UserId) -> list[Problem]:
        """Nothing that the offline validation did not see."""
        return []

    async def reconcile(self, view: ResourceView) -> Observed:
        """Active at once: a Spark is looked for when a job needs it, and its absence is that job's error."""
        spec: ComputeSpec = view.manifest.spec
        info = f"purpose {spec.purpose}"
        if spec.spark is not None:
            info += f"; Flare jobs run on Apache Spark at {spec.spark}"
        return Observed(info=info, state=dict(view.state))

    async def delete(self, view: ResourceView) -> bool:
        """Nothing was made; those that name it keep it from being deleted (control)."""
        return True

    def made(self, connection: sa.Connection, row: sa.Row[Any]) -> Made:
        """What jobs are told of it."""
        return Made(kept=(service_record(row.name, "poros", "compute", f"/api/v1/resources/compute/{row.name}"),))
