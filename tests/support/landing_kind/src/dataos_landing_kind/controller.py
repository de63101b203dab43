"""Makes the folder, counts what lies in it, and takes it away again."""

from __future__ import annotations

import asyncio
import shutil

from dataos.control.ports import Observed, ResourceView
from dataos.core.errors import Problem
from dataos.core.ids import UserId
from dataos.kinds.rooms import KindRooms
from dataos.manifest.documents import Manifest
from dataos_landing_kind.spec import LandingSpec

_LOOK_S = 1.0


class LandingController:
    """The `landing` kind."""

    def __init__(self, rooms: KindRooms) -> None:
        self._allowed = rooms.allowed_paths

    async def check(self, manifest: Manifest, actor: UserId) -> list[Problem]:
        """Only the server knows where folders may lie."""
        spec: LandingSpec = manifest.spec
        if any(spec.folder.resolve().is_relative_to(root) for root in self._allowed):
            return []
        allowed = ", ".join(map(str, self._allowed))
        message = f"{spec.folder} does not lie under an allowed folder"
        return [Problem("landing.path", message, hint=f"allowed: {allowed}", path=f"{manifest.section_key}.path")]

    async def reconcile(self, view: ResourceView) -> Observed:
        """Make what is missing, say what is there. Safe to repeat from any line."""
        spec: LandingSpec = view.manifest.spec
        count = await asyncio.to_thread(_count, spec)
        return Observed(runtime=f"files:{count}", state=dict(view.state), again_s=_LOOK_S)

    async def delete(self, view: ResourceView) -> bool:
        """True when nothing is left to do."""
        spec: LandingSpec = view.manifest.spec
        if not spec.keep:
            await asyncio.to_thread(shutil.rmtree, spec.folder, ignore_errors=True)
        return True


def _count(spec: LandingSpec) -> int:
    spec.folder.mkdir(parents=True, exist_ok=True)
    return sum(1 for entry in spec.folder.iterdir() if entry.is_file())
