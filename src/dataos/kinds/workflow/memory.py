"""What the jobs of a Workflow remember between runs, as its owner sees and changes it (`workloads.states` keeps it)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dataos.control.records import add_event, find, thing
from dataos.core.addresses import ResourceKey
from dataos.core.clock import Clock, rfc3339
from dataos.core.errors import DataOSError, fail
from dataos.governance import rules
from dataos.governance.principals import Principal
from dataos.store.database import Store
from dataos.workloads import states


class Memory:
    """One per server. A Workflow that was deleted is remembered too: operators see and change that."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def show(self, key: ResourceKey, principal: Principal) -> list[dict[str, Any]]:
        """[{job, input, state, run, updated}]. Raises DataOSError `auth.forbidden`, `kind.no_runtime`,
        `resource.not_found`."""

        def read(connection: sa.Connection) -> list[dict[str, Any]]:
            row = self._check(connection, key, principal, "read what it remembers")
            found = states.listing(connection, key.workspace or "", key.name)
            if row is None and not found:
                raise _not_found(key)
            return found

        found = await self._store.read(read)
        return [{**row, "updated": rfc3339(row.pop("updatedAt"))} for row in found]

    async def reset(self, key: ResourceKey, principal: Principal, job: str | None, name: str | None) -> int:
        """Let all jobs, one job or one of its inputs begin anew; how many inputs that were. Raises as `show`."""

        def write(connection: sa.Connection) -> int:
            row = self._check(connection, key, principal, "reset what it remembers")
            count = states.forget(connection, key.workspace or "", key.name, job, name)
            if count and row is not None:
                data = {"job": job, "input": name, "inputs": count}
                add_event(connection, self._clock.now_us(), row.uid, "runtime.state-reset", principal.user_id, data)
            return count

        return await self._store.write(write)

    async def change(
        self, key: ResourceKey, principal: Principal, job: str, name: str, values: dict[str, str]
    ) -> dict[str, str]:
        """Set values of one input; the others stay. Returns all of them. Raises as `show`, and `request.invalid`."""

        def write(connection: sa.Connection) -> dict[str, str]:
            row = self._check(connection, key, principal, "change what it remembers")
            if row is None:
                raise _not_found(key)
            now = self._clock.now_us()
            known = states.load(connection, key.workspace or "", key.name, job).get(name, {})
            merged = {**known, **values}
            if not states.save(connection, key.workspace or "", key.name, job, "", {name: merged}, now):
                raise fail("request.invalid", "too much to remember", hint="values are texts of some characters")
            states.touch_stream(connection, key.workspace or "", key.name, job)
            data = {"job": job, "input": name, "keys": sorted(values)}
            add_event(connection, now, row.uid, "runtime.state-set", principal.user_id, data)
            return merged

        return await self._store.write(write)

    @staticmethod
    def _check(connection: sa.Connection, key: ResourceKey, principal: Principal, what: str) -> Any:
        if key.type != "workflow":
            raise fail(
                "kind.no_runtime",
                f"type {key.type} remembers nothing",
                hint="only workflows do",
                type=key.type,
                name=key.name,
            )
        row = find(connection, key)
        if row is None:
            rules.require(principal, f"{what}, of a Workflow that is not there", rules.MAINTAIN)
        else:
            what = f"{what}: workflow {key.name}"
            rules.require_own(principal, row.owner, what, rules.MANAGE, thing(connection, row))
        return row


def _not_found(key: ResourceKey) -> DataOSError:
    text = f"no workflow `{key.name}` in workspace {key.workspace}"
    return fail("resource.not_found", text, type=key.type, name=key.name)
