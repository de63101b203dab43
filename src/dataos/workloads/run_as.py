"""What a job may reach: as much as the user as whom it runs, asked at apply and again at each start."""

from __future__ import annotations

from typing import Protocol

from dataos.core.addresses import ResourceKey, Udl
from dataos.core.ids import UserId
from dataos.governance.identities import Identities
from dataos.governance.principals import Principal
from dataos.store.database import Store


class DataAccess(Protocol):
    """What planners ask."""

    async def hiding(self, user: UserId, address: Udl) -> tuple[str, ...]:
        """Policies that hide parts of a dataset from a user; none: it may be read as it lies there.

        Raises DataOSError `auth.forbidden` if the user may read none of it."""
        ...

    async def check_readable(self, user: UserId, address: Udl) -> None:
        """Raises DataOSError `auth.forbidden` if the user may not read all of it as it lies there."""
        ...

    async def check_writable(self, user: UserId, address: Udl) -> None:
        """Raises DataOSError `auth.forbidden` if the user may not write there."""
        ...

    async def check_values(self, user: UserId, holder: ResourceKey) -> None:
        """Raises DataOSError `auth.forbidden` if secret values of a Resource open a Depot of which policies hide
        anything from the user."""
        ...


class Direct(Protocol):
    """Of `gateway.direct`."""

    async def hiding(self, principal: Principal, udl: Udl) -> tuple[str, ...]: ...

    async def check_readable(self, principal: Principal, udl: Udl) -> None: ...

    async def check_writable(self, principal: Principal, udl: Udl) -> None: ...

    async def check_values(self, principal: Principal, holder: ResourceKey) -> None: ...


class RunAs:
    """Asks for a user by id."""

    def __init__(self, store: Store, identities: Identities, direct: Direct) -> None:
        self._store = store
        self._identities = identities
        self._direct = direct

    async def hiding(self, user: UserId, address: Udl) -> tuple[str, ...]:
        """As `DataAccess`."""
        return await self._direct.hiding(await self._principal(user), address)

    async def check_readable(self, user: UserId, address: Udl) -> None:
        """As `DataAccess`."""
        await self._direct.check_readable(await self._principal(user), address)

    async def check_writable(self, user: UserId, address: Udl) -> None:
        """As `DataAccess`."""
        await self._direct.check_writable(await self._principal(user), address)

    async def check_values(self, user: UserId, holder: ResourceKey) -> None:
        """As `DataAccess`."""
        await self._direct.check_values(await self._principal(user), holder)

    async def _principal(self, user: UserId) -> Principal:
        return await self._store.read(self._identities.principal, str(user))
