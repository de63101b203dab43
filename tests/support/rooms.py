"""Small real compositions for integration tests: a store, control with the kinds that need no process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from dataos.control.ports import Controller
from dataos.control.reconciler import Reconciler
from dataos.control.resources import Resources
from dataos.control.units import Manifests, ResourceUnits
from dataos.core.bell import Bell
from dataos.core.clock import SystemClock
from dataos.core.ids import RandomIds
from dataos.depots.resolver import Depots
from dataos.governance.identities import Identities
from dataos.governance.vault import Vault
from dataos.kinds.depot.controller import DepotController
from dataos.kinds.secret.controller import SecretController
from dataos.manifest.loader import load_text
from dataos.server import defaults
from dataos.store import upgrades
from dataos.store.database import Store
from support import stores

MASTER_KEY = bytes(range(32))


@dataclass
class Control:
    """Control over a real store."""

    store: Store
    vault: Vault
    identities: Identities
    resources: Resources
    reconciler: Reconciler
    depots: Depots
    folder: Path
    clock: SystemClock
    bell: Bell
    controllers: dict[str, Controller]

    async def settle(self, *keys: object) -> None:
        """Wait until nothing is due."""
        from dataos.store import work

        for _ in range(500):
            if await self.store.read(lambda c: work.claimable(c, SystemClock().now_us())) == 0:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("work remains")


@asynccontextmanager
async def control(folder: Path, controllers: dict[str, Controller] | None = None, loop: bool = True):
    """A running control plane on `folder`/store.db."""
    clock, ids, bell = SystemClock(), RandomIds(), Bell()
    store = Store(stores.url(folder), readers=2)
    upgrades.upgrade(store)
    vault = Vault(MASTER_KEY, clock)
    identities = Identities(MASTER_KEY, clock, ids)
    depots = Depots(store, vault, allowed_paths=[folder], connect_timeout_s=1.0)
    secrets = SecretController()
    known: dict[str, Controller] = {
        "secret": secrets,
        "instance-secret": secrets,
        "depot": DepotController(store, clock, depots, identities, str(folder)),
        **(controllers or {}),
    }
    resources = Resources(store, vault, identities, clock, ids, bell, known)
    units = ResourceUnits(store, clock, vault, Manifests(store), known, lambda _: None)
    reconciler = Reconciler(store, bell, clock, "test", {"resource": units})
    await store.write(identities.ensure_administrator)
    await store.write(defaults._workspaces, clock.now_us())
    task = asyncio.create_task(reconciler.run()) if loop else None
    try:
        yield Control(store, vault, identities, resources, reconciler, depots, folder, clock, bell, known)
    finally:
        reconciler.stop()
        if task is not None:
            await task
        store.close()


def document(text: str) -> dict:
    """The data of a single YAML document."""
    (loaded,) = load_text(text)
    return loaded.data


def no_checkpoint(_: str) -> None:
    """Nothing happens at crash points."""


Checkpoint = Callable[[str], None]
