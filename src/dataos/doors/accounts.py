"""What operators decide about a user beside tags: whether it may act, its properties, which person at the login
provider it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from dataos.core.clock import Clock
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.governance import federation, profiles, rules, standing
from dataos.governance.principals import Principal
from dataos.governance.standing import Ongoing
from dataos.governance.users import Users
from dataos.store.database import Store


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StateBody(_Body):
    """PUT /api/v1/users/{id}/state."""

    state: Literal["active", "disabled"]


class PropertiesBody(_Body):
    """PUT /api/v1/users/{id}/properties."""

    properties: dict[str, str] = Field(description="Set beside those that are there.")


class KeysBody(_Body):
    """Properties to take away."""

    keys: list[str]


class FederationBody(_Body):
    """PUT /api/v1/users/{id}/federation."""

    federated_user_id: str | None = Field(
        pattern=r"^[\x20-\x7e]{1,255}$", description="The provider's `sub` of the person; null takes it away."
    )


class UserState(answers.Answer):
    """Whether a user may act."""

    id: str
    state: str
    changed: bool
    stopping: int = Field(description="Runs of the user's Workflows that are being stopped.")


class Properties(answers.Answer):
    """All properties of a user."""

    id: str
    properties: dict[str, str]


def router(
    store: Store,
    users: Users,
    clock: Clock,
    stop_runs: Callable[[sa.Connection, str], int],
    ongoing: Ongoing,
    connector: str,
    authenticate: Authenticate,
) -> APIRouter:
    """Routes of a user's standing and record. `stop_runs` asks what runs as a user to end, in the transaction that
    disables it."""
    api = APIRouter(prefix="/api/v1/users/{id}", tags=["identities"])

    user = users_only(authenticate, "work with identities")

    @api.put("/state", responses=answers.ok(UserState))
    async def state(id: str, body: StateBody, principal: Principal = Depends(user)) -> Any:
        """Disable a user, or enable it again. Disabled: its tokens are refused, and what runs as it ends."""
        rules.require(principal, f"disable or enable user {id}", rules.USERS)

        def write(connection: sa.Connection) -> tuple[bool, int]:
            standing.check_reach(principal, users.get(connection, id), f"disable or enable user {id}")
            changed = standing.set_state(connection, clock, principal.user_id, id, body.state)
            stopping = stop_runs(connection, id) if changed and body.state == standing.DISABLED else 0
            return changed, stopping

        changed, stopping = await store.write(write)
        ongoing.look()
        return {"id": id, "state": body.state, "changed": changed, "stopping": stopping}

    @api.put("/properties", responses=answers.ok(Properties))
    async def set_properties(id: str, body: PropertiesBody, principal: Principal = Depends(user)) -> Any:
        """Set properties of a user; filters of policies may ask for them."""
        rules.require(principal, f"set properties of user {id}", rules.USERS)

        def write(connection: sa.Connection) -> dict[str, str]:
            users.get(connection, id)
            return profiles.set_properties(connection, clock, principal.user_id, id, body.properties)

        return {"id": id, "properties": await store.write(write)}

    @api.post("/properties/remove", responses=answers.ok(Properties))
    async def remove_properties(id: str, body: KeysBody, principal: Principal = Depends(user)) -> Any:
        """Take properties of a user away."""
        rules.require(principal, f"remove properties of user {id}", rules.USERS)

        def write(connection: sa.Connection) -> dict[str, str]:
            users.get(connection, id)
            return profiles.remove_properties(connection, clock, principal.user_id, id, body.keys)

        return {"id": id, "properties": await store.write(write)}

    @api.put("/federation", responses=answers.ok(answers.User))
    async def federate(id: str, body: FederationBody, principal: Principal = Depends(user)) -> Any:
        """Say which person at the login provider a user is: who logs in there as that one is this user here."""
        rules.require(principal, f"link user {id} to a login provider", rules.USERS)

        def write(connection: sa.Connection) -> dict[str, Any]:
            found = users.get(connection, id)
            standing.check_reach(principal, found, f"link user {id} to a login provider")
            federation.link(connection, clock, principal.user_id, found, connector, body.federated_user_id)
            return users.get(connection, id)

        return await store.write(write)

    return api
