"""What control asks of a kind, and what a kind may use in return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import sqlalchemy as sa

from dataos.core.addresses import ResourceKey
from dataos.core.errors import Problem
from dataos.core.ids import Uid, UserId
from dataos.governance.principals import Principal
from dataos.manifest.documents import Manifest
from dataos.store.work import Lease


@dataclass(frozen=True)
class ResourceView:
    """A living Resource as its controller sees it: what is wanted, and what it observed last time."""

    uid: Uid
    manifest: Manifest
    generation: int
    observed_generation: int
    owner: UserId
    state: dict[str, Any]
    lease: Lease


@dataclass(frozen=True)
class Observed:
    """What a controller found: written by control, once per look. The next look comes `again_s` seconds later, or at
    the moment `again_at_us` (UTC microseconds), which keeps where writing takes its time; both None: when woken."""

    status: str = "active"
    runtime: str = ""
    stage: str = "building"
    wanted: int = 1
    processed: int = 1
    info: str = "builder is finished with work for now"
    state: dict[str, Any] = field(default_factory=dict[str, Any])
    again_s: float | None = None
    again_at_us: int | None = None


class Controller(Protocol):
    """Makes one kind's wishes true. Level-triggered: each call looks at what is wanted and what is, and takes the next
    idempotent step; it survives death between any two lines."""

    async def check(self, manifest: Manifest, actor: UserId) -> list[Problem]:
        """Validation that needs the server (existence, permissions, reach). Nothing is stored yet."""
        ...

    async def reconcile(self, view: ResourceView) -> Observed:
        """The next step towards the manifest. A raised DataOSError becomes status `error` and is retried."""
        ...

    async def delete(self, view: ResourceView) -> bool:
        """The next step of cleaning up. True when nothing is left."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What a look at a unit came to; the next one comes as `Observed` says.
    `write` runs in the transaction that gives the lease back; it checks the lease first. It must be something that the
    next look would come to again (`Store.write_deferred`)."""

    again_s: float | None = None
    write: Callable[[sa.Connection], None] | None = None
    again_at_us: int | None = None


class UnitHandler(Protocol):
    """Reconciles one sort of unit (Resources, runs, jobs)."""

    async def reconcile(self, unit_id: str, lease: Lease) -> Outcome:
        """Take the next step."""
        ...


@runtime_checkable
class Adviser(Protocol):
    """The ability of kinds whose warnings the server knows better than the offline validation."""

    async def advise(self, manifest: Manifest, actor: UserId, warnings: list[Problem]) -> list[Problem]:
        """The warnings that whoever applies a manifest, which passed `check`, shall see instead of these."""
        ...


@runtime_checkable
class Providing(Protocol):
    """The ability of kinds whose reconciliation makes other Resources, which manifests beside it may name already."""

    def provides(self, manifest: Manifest) -> Sequence[ResourceKey]:
        """What it will make."""
        ...


@runtime_checkable
class Gathering(Protocol):
    """The ability of kinds that make Resources out of their manifest: a plan shows these too."""

    async def foresee(self, manifest: Manifest, actor: UserId) -> list[dict[str, Any]]:
        """What an apply of the manifest, which passed `check`, would do to each member: {action, resource, changes}."""
        ...


@runtime_checkable
class Registering(Protocol):
    """The ability of kinds that are there for others from the moment they are stored."""

    def stored(self, connection: sa.Connection, manifest: Manifest, uid: str, actor: str) -> None:
        """A generation is being stored: in the same transaction. Raises DataOSError, which undoes it."""
        ...

    def removed(self, connection: sa.Connection, uid: str, name: str, actor: str) -> None:
        """It is being deleted: in the same transaction. Raises DataOSError, which undoes it."""
        ...


@runtime_checkable
class Governing(Registering, Protocol):
    """The ability of kinds that are in force from the moment they are stored: rules of who may do what."""

    def check_authority(self, principal: Principal, manifest: Manifest) -> None:
        """May the principal store this? Raises DataOSError `auth.forbidden`."""
        ...

    def check_removal(self, principal: Principal, row: sa.Row[Any]) -> None:
        """May the principal delete the Resource in this row? Raises DataOSError `auth.forbidden`."""
        ...


@runtime_checkable
class Shared(Registering, Protocol):
    """The ability of kinds that several people edit: whom a Resource names, he needs no policy that allows it."""

    def editors(self, connection: sa.Connection, row: sa.Row[Any]) -> frozenset[str]:
        """Users who may change the Resource in this row, its owner among them."""
        ...

    def check_change(
        self, connection: sa.Connection, principal: Principal, manifest: Manifest, row: sa.Row[Any] | None
    ) -> None:
        """What else a change needs. Raises DataOSError `auth.forbidden`."""
        ...

    def holders(self, connection: sa.Connection, row: sa.Row[Any]) -> list[str]:
        """Who depends on the Resource in this row besides Resources that refer to it, for people."""
        ...


@dataclass(frozen=True)
class Made:
    """What stands for a Resource elsewhere (ch01 3.2): what runs for it, and what services keep for it."""

    running: tuple[dict[str, str], ...] = ()
    kept: tuple[dict[str, str], ...] = ()


def kernel_object(name: str, namespace: str, kind: str, resource: str, status: str = "created") -> dict[str, str]:
    """One entry of `cloudKernelResources`."""
    shown = {"name": name, "namespace": namespace, "version": "v1", "kind": kind, "resource": resource}
    return {**shown, "dataplane": "hub", "status": status}


def service_record(id_: str, service: str, type_: str, address: str) -> dict[str, str]:
    """One entry of `webServiceResources`. `address`: where the service answers for it."""
    return {"id": id_, "service": service, "type": type_, "self": address, "status": "created"}


@runtime_checkable
class Maker(Protocol):
    """The ability of kinds of which something else is made: `get -d` shows it."""

    def made(self, connection: sa.Connection, row: sa.Row[Any]) -> Made:
        """Of the Resource in this row of the store."""
        ...


@runtime_checkable
class Observable(Protocol):
    """The ability of kinds that run: what `get runtime` and `log` show."""

    async def runtime(self, uid: str, manifest: Manifest) -> dict[str, Any]:
        """Jobs, newest run and nodes, as JSON."""
        ...

    async def log(
        self, uid: str, manifest: Manifest, node: str | None, tail: int, after: Mapping[str, int]
    ) -> dict[str, Any]:
        """{nodes: [{node, attempt, state, text, next}]}: the last `tail` lines (-1: all), or what came after the byte
        offsets in `after` (by attempt id). Raises DataOSError `run.not_found` for an unknown node."""
        ...
