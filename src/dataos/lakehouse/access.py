"""The question that everything which reaches tables from outside asks first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dataos.governance.principals import Principal

Authorise = Callable[[Principal, str, str, str | None, str | None], Awaitable[None]]
"""(principal, action, warehouse, namespace, table); raises DataOSError `auth.forbidden`. Actions: `list`,
`namespace.read|create|update|drop`, `table.read|create|write|drop|rename|register`."""


async def allow_all(_: Principal, _action: str, _warehouse: str, _namespace: str | None, _table: str | None) -> None:
    """The hook of an installation without policies."""
