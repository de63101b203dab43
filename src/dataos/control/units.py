"""Resources as reconciled units: load what is wanted, ask the kind's controller, write what it observed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from dataos.control import records
from dataos.control.generations import read_stored
from dataos.control.ports import Controller, Observed, Outcome, ResourceView
from dataos.core import logs
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import Uid, UserId
from dataos.governance.vault import Vault
from dataos.manifest.documents import Manifest
from dataos.store import tables, work
from dataos.store.database import Store
from dataos.store.work import Lease, StaleLease

_log = logs.get(__name__)
_r = tables.resources
_UPDATE = _r.update().where(_r.c.uid == sa.bindparam("of_uid"))
_RETRY_S = 5.0
_LEAVING_S = 0.2


class Manifests:
    """Stored generations as canonical manifests, parsed once each (a generation never changes)."""

    def __init__(self, store: Store, limit: int = 4096) -> None:
        self._store = store
        self._limit = limit
        self._known: dict[tuple[str, int], Manifest] = {}

    async def get(self, uid: str, generation: int) -> Manifest:
        """Raises DataOSError `resource.generation` if it is not there or cannot be read by this version."""
        found = self._known.get((uid, generation))
        return found if found is not None else await self._store.read(self.read, uid, generation)

    def read(self, connection: sa.Connection, uid: str, generation: int) -> Manifest:
        """As `get`, over an open connection."""
        found = self._known.get((uid, generation))
        if found is not None:
            return found
        row = records.manifest_of(connection, uid, generation)
        if row is None:
            raise fail("resource.generation", f"generation {generation} of {uid} is not in the store")
        manifest = read_stored(row.manifest)
        if len(self._known) >= self._limit:
            with contextlib.suppress(StopIteration, KeyError, RuntimeError):  # another thread made room
                del self._known[next(iter(self._known))]
        self._known[(uid, generation)] = manifest
        return manifest


class _Missing:
    """Stands in for the controller of a kind whose package is gone, or cannot be loaded."""

    async def check(self, manifest: Manifest, actor: UserId) -> list[Problem]:
        return [_missing(manifest)]

    async def reconcile(self, view: ResourceView) -> Observed:
        raise DataOSError(_missing(view.manifest))

    async def delete(self, view: ResourceView) -> bool:
        raise DataOSError(_missing(view.manifest))


def _missing(manifest: Manifest) -> Problem:
    return Problem(
        "kind.missing",
        f"the server has no controller for type {manifest.kind.type}",
        hint="install the package of that type beside the server again; if it is there, the server's log says why its "
        "controller could not be made",
    )


class ResourceUnits:
    """The handler of `resource:` units."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        vault: Vault,
        manifests: Manifests,
        controllers: Mapping[str, Controller],
        checkpoint: Callable[[str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._manifests = manifests
        self._controllers = controllers
        self._checkpoint = checkpoint

    async def reconcile(self, unit_id: str, lease: Lease) -> Outcome:
        """One look at a Resource."""
        self._checkpoint("control.claimed")
        row, manifest = await self._store.read(self._load, unit_id)
        if row is None or manifest is None:
            return Outcome()
        logs.bind(resource=manifest.id)
        controller = self._controllers.get(row.type) or _Missing()
        view = ResourceView(
            uid=Uid(row.uid),
            manifest=manifest,
            generation=row.generation,
            observed_generation=row.observed_generation,
            owner=UserId(row.owner),
            state=row.state,
            lease=lease,
        )
        if row.deleting_at is not None:
            return await self._delete(controller, view)
        try:
            observed = await controller.reconcile(view)
        except StaleLease:
            raise
        except DataOSError as error:
            _log.warning("resource failed", code=error.problem.code, error=str(error))
            observed = Observed(
                status="error",
                stage="error",
                processed=0,
                info=error.problem.message,
                state=dict(row.state),
                again_s=error.problem.retry or _RETRY_S,
            )
        except Exception as error:  # noqa: BLE001 - named boundary: a controller's bug becomes a visible state
            _log.error("controller crashed", exc_info=error)
            info = f"internal failure ({type(error).__name__}): see the server's log"
            observed = Observed(
                status="error", stage="error", processed=0, info=info, state=dict(row.state), again_s=_RETRY_S
            )
        return Outcome(
            observed.again_s, lambda connection: self._write(connection, view, observed), observed.again_at_us
        )

    def _load(self, connection: sa.Connection, uid: str) -> tuple[sa.Row[Any] | None, Manifest | None]:
        row = records.by_uid(connection, uid)
        if row is None or row.deleted_at is not None:
            return None, None
        return row, self._manifests.read(connection, row.uid, row.generation)

    async def _delete(self, controller: Controller, view: ResourceView) -> Outcome:
        self._checkpoint("control.deleting")
        if not await controller.delete(view):
            return Outcome(_LEAVING_S)
        self._checkpoint("control.before-deleted")
        return Outcome(write=lambda connection: self._forget(connection, view))

    def _forget(self, connection: sa.Connection, view: ResourceView) -> None:
        view.lease.check(connection)
        now = self._clock.now_us()
        connection.execute(
            _r.update()
            .where(_r.c.uid == view.uid)
            .values(live_key=None, deleted_at=now, updated_at=now, status="deleted", runtime="")
        )
        connection.execute(tables.references.delete().where(tables.references.c.uid == view.uid))
        connection.execute(tables.watches.delete().where(tables.watches.c.uid == view.uid))
        gone = records.by_uid(connection, view.uid)
        if gone is not None:
            self._tell_others(connection, gone, records.live_key(view.manifest.key), now)
        for vault_id in view.manifest.sealed_values():
            self._vault.destroy(connection, vault_id)
        records.add_event(connection, now, view.uid, "deleted", records.PLATFORM, {"id": view.manifest.id})

    def _write(self, connection: sa.Connection, view: ResourceView, observed: Observed) -> None:
        view.lease.check(connection)
        row = records.by_uid(connection, view.uid)
        if row is None:
            return
        now = self._clock.now_us()
        # a re-run may have been asked for while the controller looked: that counter is the verbs', not the controller's
        state = {**observed.state, "reruns": row.state.get("reruns", 0)}
        newer = row.generation != view.generation
        values: dict[str, Any] = {
            "observed_generation": view.generation,
            "runtime": observed.runtime,
            "stage": observed.stage,
            "wanted": observed.wanted,
            "processed": observed.processed,
            "info": observed.info[:2000],
            "state": state,
        }
        if not newer:
            values["status"] = observed.status
        if any(getattr(row, name) != value for name, value in values.items()):  # most looks find what they left
            connection.execute(_UPDATE, {"of_uid": view.uid, "updated_at": now, **values})
        if not newer and (row.status != observed.status or row.runtime != observed.runtime):
            data = {"status": observed.status, "runtime": observed.runtime, "info": observed.info[:500]}
            records.add_event(connection, now, view.uid, "status", records.PLATFORM, data)
            self._tell_others(connection, row, row.live_key or "", now)

    @staticmethod
    def _tell_others(connection: sa.Connection, row: sa.Row[Any], key: str, now: int) -> None:
        """What made it, and what watches for it, may wait for what it came to."""
        uids = [row.parent_uid] if row.parent_uid is not None else []
        for uid in dict.fromkeys([*uids, *records.watchers(connection, key)]):
            work.wake(connection, f"resource:{uid}", now)
