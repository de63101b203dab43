"""What a Resource was: its generations, the way back to one of them, and undoing a deletion within 30 days.

Going back is going on: an old manifest is stored as the next generation, checked like any other, so that history only
grows. Secret values go back with it (the vault keeps each version); those of a deleted Resource are gone for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from dataos.control import records
from dataos.control.generations import ApplyRequest, Generations, check_generation, read_stored
from dataos.control.ports import Controller
from dataos.control.showing import diff, masked
from dataos.core import names
from dataos.core.addresses import ResourceKey
from dataos.core.bell import Bell
from dataos.core.clock import Clock, rfc3339
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import UserId
from dataos.governance import rules
from dataos.governance.principals import Principal
from dataos.manifest.documents import Manifest
from dataos.store import tables
from dataos.store.database import Store

_r = tables.resources
_g = tables.generations


class History:
    """Generations of living Resources, and of deleted ones while they are kept."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        bell: Bell,
        generations: Generations,
        controllers: Mapping[str, Controller],
        keep_deleted_s: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._bell = bell
        self._generations = generations
        self._controllers = controllers
        self._keep_us = int(keep_deleted_s * 1e6)

    async def list(self, key: ResourceKey, principal: Principal | None = None) -> dict[str, Any]:
        """Generations, newest first: {id, uid, state: living | deleted, items: [{generation, appliedBy, ...}]}.

        Raises DataOSError `resource.not_found` if there is none, living or kept.
        """
        return await self._store.read(self._list, key, principal)

    def _list(self, connection: sa.Connection, key: ResourceKey, principal: Principal | None) -> dict[str, Any]:
        row = self._find(connection, key, principal)
        _check_read(connection, row, principal)
        rows = connection.execute(sa.select(_g).where(_g.c.uid == row.uid).order_by(_g.c.generation)).all()
        items: list[dict[str, Any]] = []
        before: Any = None
        for found in rows:
            items.append(
                {
                    "generation": found.generation,
                    "current": found.generation == row.generation and row.deleted_at is None,
                    "appliedBy": found.applied_by,
                    "appliedAt": rfc3339(found.applied_at),
                    "cause": found.cause or ("create" if found.generation == 1 else "apply"),
                    "file": found.source.get("file"),
                    "changes": [] if before is None else diff(before, found.manifest, []),
                }
            )
            before = found.manifest
        return {
            "id": records.summary(row)["id"],
            "uid": row.uid,
            "state": "living" if row.live_key else "deleted",
            "deletedAt": rfc3339(row.deleted_at) if row.deleted_at else None,
            "items": items[::-1],
        }

    async def get(self, key: ResourceKey, generation: int, principal: Principal | None = None) -> dict[str, Any]:
        """One generation's manifest, secret values masked. Raises `resource.generation`, `auth.forbidden`."""
        return await self._store.read(self._get, key, generation, principal)

    def _get(
        self, connection: sa.Connection, key: ResourceKey, generation: int, principal: Principal | None
    ) -> dict[str, Any]:
        row = self._find(connection, key, principal)
        _check_read(connection, row, principal)
        stored = self._stored(connection, row, generation)
        return {
            "id": records.summary(row)["id"],
            "generation": generation,
            "appliedBy": stored.applied_by,
            "appliedAt": rfc3339(stored.applied_at),
            "manifest": masked(stored.manifest),
        }

    async def rollback(
        self, key: ResourceKey, to: int | None, principal: Principal, expected: int | None = None
    ) -> dict[str, Any]:
        """Store an old generation as the next one; of a deleted Resource: bring it back.

        `to`: a generation; None: the one before (of a deleted Resource: its last). Raises DataOSError with every
        problem that the old manifest would have today, `resource.generation`, `secret.gone`.
        """
        manifest, request = await self._store.read(self._prepare, key, to, principal)
        controller = self._controllers.get(manifest.kind.type)
        problems = list(manifest.unsupported)
        if controller is not None:
            problems += await controller.check(manifest, request.actor)
        if problems:
            raise DataOSError(problems)
        answer = await self._store.write(self._rollback, key, to, principal, expected)
        self._bell.ring()
        return answer

    def _prepare(
        self, connection: sa.Connection, key: ResourceKey, to: int | None, principal: Principal
    ) -> tuple[Manifest, ApplyRequest]:
        row = self._find(connection, key, principal)
        stored = self._stored(connection, row, self._goal(row, to))
        manifest = read_stored(stored.manifest)
        request = ApplyRequest(document=stored.manifest, actor=UserId(principal.user_id), principal=principal)
        about = records.thing(connection, row)
        rules.require_own(principal, row.owner, f"roll back {manifest.id}", rules.MANAGE, about)
        self._generations.check_authority(connection, request, manifest)
        problems = self._generations.check_references(connection, manifest, principal=principal)
        if row.live_key is None and manifest.secret_paths:
            problems.append(
                Problem(
                    "secret.gone",
                    f"the secret values of {manifest.id} were destroyed when it was deleted",
                    hint="apply its manifest again, with the values",
                )
            )
        if problems:
            raise DataOSError(problems)
        return manifest, request

    def _rollback(
        self, connection: sa.Connection, key: ResourceKey, to: int | None, principal: Principal, expected: int | None
    ) -> dict[str, Any]:
        manifest, _ = self._prepare(connection, key, to, principal)
        row = self._find(connection, key, principal)
        check_generation(manifest.id, row.generation, expected)
        if row.deleting_at is not None and row.live_key is not None:
            raise fail(
                "resource.conflict", f"{manifest.id} is still being deleted", hint="repeat in a moment", retry=1.0
            )
        if row.parent_uid is not None:
            raise fail(
                "resource.managed",
                f"{manifest.id} is managed by another Resource",
                hint="roll back the Resource that made it",
            )
        goal = self._goal(row, to)
        stored = self._stored(connection, row, goal)
        now = self._clock.now_us()
        undelete = row.live_key is None
        if undelete:
            self._revive(connection, row, manifest, now)
        current = self._stored(connection, row, row.generation)
        if not undelete and current.digest == stored.digest:
            return {"action": "unchanged", "resource": records.summary(row), "from": goal}
        sealed = self._generations.reseal(connection, manifest, stored.manifest)
        cause = f"undelete from {goal}" if undelete else f"rollback to {goal}"
        fresh = self._generations.write(
            connection, row.uid, manifest, sealed, stored.digest, principal.user_id, stored.source, cause
        )
        kind = "undeleted" if undelete else "rolled-back"
        records.add_event(
            connection,
            now,
            row.uid,
            kind,
            principal.user_id,
            {"generation": fresh.generation, "to": goal, "id": manifest.id},
        )
        return {"action": kind, "resource": records.summary(fresh), "from": goal}

    def _revive(self, connection: sa.Connection, row: sa.Row[Any], manifest: Manifest, now: int) -> None:
        """The row lives again under its name. What the controller observed is over: it looks anew. What was asked for
        and what was dealt with of that stays, or a run would be made twice, or one that is asked for later never."""
        connection.execute(
            _r.update()
            .where(_r.c.uid == row.uid)
            .values(
                live_key=records.live_key(manifest.key),
                deleting_at=None,
                deleted_at=None,
                observed_generation=0,
                runtime="",
                wanted=0,
                processed=0,
                state={key: row.state[key] for key in ("reruns", "ran") if key in row.state},
                updated_at=now,
            )
        )

    def _find(self, connection: sa.Connection, key: ResourceKey, principal: Principal | None) -> sa.Row[Any]:
        row = records.find(connection, key)
        if row is not None:
            return row
        since = self._clock.now_us() - self._keep_us
        at_place = _r.c.workspace.is_(None) if key.workspace is None else _r.c.workspace == key.workspace
        found = connection.execute(
            sa.select(_r)
            .where(_r.c.type == key.type, at_place, _r.c.name == key.name, _r.c.deleted_at >= since)
            .order_by(_r.c.deleted_at.desc())
            .limit(1)
        ).first()
        if found is None:
            known = records.names_of(connection, key.type, key.workspace, principal)
            days = self._keep_us / 86_400e6
            raise fail(
                "resource.not_found",
                f"no {key.type} `{key.name}`"
                + (f" in workspace {key.workspace}" if key.workspace else "")
                + f", and none was deleted within {days:g} days",
                hint=names.did_you_mean(key.name, known),
            )
        return found

    @staticmethod
    def _goal(row: sa.Row[Any], to: int | None) -> int:
        if to is not None:
            return to
        return row.generation if row.live_key is None else row.generation - 1

    @staticmethod
    def _stored(connection: sa.Connection, row: sa.Row[Any], generation: int) -> sa.Row[Any]:
        stored = records.manifest_of(connection, row.uid, generation)
        if stored is None:
            known = connection.execute(
                sa.select(sa.func.min(_g.c.generation), sa.func.max(_g.c.generation)).where(_g.c.uid == row.uid)
            ).one()
            raise fail(
                "resource.generation",
                f"{records.summary(row)['id']} has no generation {generation}",
                hint=f"it has {known[0]} to {known[1]}: see `dataos history`",
            )
        return stored


def _check_read(connection: sa.Connection, row: sa.Row[Any], principal: Principal | None) -> None:
    """None: the platform itself."""
    if principal is not None:
        about = records.thing(connection, row)
        rules.require_own(principal, row.owner, f"read {row.type} `{row.name}`", rules.READ, about)
