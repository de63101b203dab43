"""The question that everything which reaches tables from outside asks first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from dataos.governance.principals import Principal

Authorise = Callable[[Principal, str, str, str | None, str | None], Awaitable[None]]
"""(principal, action, warehouse, namespace, table); raises DataOSError `auth.forbidden`. Actions: `list`,
`namespace.read|create|update|drop`, `table.read|create|write|drop|rename|register`."""


async def allow_all(_: Principal, _action: str, _warehouse: str, _namespace: str | None, _table: str | None) -> None:
    """The hook of an installation without policies."""


class Sight(Protocol):
    """What listings tell of a warehouse, and to whom."""

    async def known(self, principal: Principal, warehouse: str, names: Sequence[tuple[str, str]]) -> list[bool]:
        """May the principal know of these, each a namespace and a name in it (empty: all that is in it)? Whoever may
        make or change something there may."""
        ...

    async def makes(self, principal: Principal, warehouse: str, namespace: str) -> bool:
        """May the principal make or change tables there?"""
        ...


class OpenSight:
    """The `Sight` of an installation without policies."""

    async def known(self, principal: Principal, warehouse: str, names: Sequence[tuple[str, str]]) -> list[bool]:
        return [True for _ in names]

    async def makes(self, principal: Principal, warehouse: str, namespace: str) -> bool:
        return True
