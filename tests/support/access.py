"""Access without policies, and statements without a journal, for tests of what comes after these."""

from __future__ import annotations

from collections.abc import Sequence

from dataos.core.addresses import ResourceKey, Udl
from dataos.core.errors import DataOSError
from dataos.core.ids import UserId
from dataos.gateway.journal import Asked
from dataos.gateway.relations import Decision, Relation, WriteDecision
from dataos.governance.exposure import DatasetName
from dataos.governance.principals import Principal


class OpenAccess:
    """A `DataAccess` that lets everybody everywhere."""

    async def hiding(self, user: UserId, address: Udl) -> tuple[str, ...]:
        return ()

    async def check_readable(self, user: UserId, address: Udl) -> None:
        """Nothing is refused."""

    async def check_writable(self, user: UserId, address: Udl) -> None:
        """Nothing is refused."""

    async def check_values(self, user: UserId, holder: ResourceKey) -> None:
        """Nothing is refused."""


class AllowAll:
    """An `Authority` that shows everything to everybody."""

    async def decide(self, principal: Principal, relations: Sequence[Relation]) -> list[Decision]:
        return [Decision() for _ in relations]

    async def lend(self, principal: Principal, definer: str, relations: Sequence[Relation]) -> list[Decision]:
        return await self.decide(principal, relations)

    async def may_read(self, principal: Principal, names: Sequence[DatasetName]) -> list[bool]:
        return [True for _ in names]

    async def check_cluster(self, principal: Principal, cluster: str) -> None:
        """Nothing is refused."""

    async def decide_write(self, principal: Principal, target: Relation | str, action: str) -> WriteDecision:
        return WriteDecision()


class NoJournal:
    """A `Journal` that keeps nothing."""

    async def queued(self, asked: Asked, reason: str) -> None:
        """Nothing is kept."""

    def lasting(self, asked: Asked) -> None:
        """Nothing is kept."""

    async def opened(self, asked: Asked) -> None:
        """Nothing is kept."""

    async def intended(self, asked: Asked, action: str, thing: str) -> None:
        """Nothing is kept."""

    async def refused(self, asked: Asked, error: DataOSError) -> None:
        """Nothing is kept."""

    async def derived(
        self, user: str, query_id: str, target: str, columns: Sequence[tuple[str, str]], sources: Sequence[str]
    ) -> None:
        """Nothing is kept."""

    def closed(self, asked: Asked, state: str, error: str, rows: int | None, bytes_: int) -> None:
        """Nothing is kept."""
