"""What programs outside of the server write to depots, under /api/v1: where it goes, and the files themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from dataos.core.addresses import Udl
from dataos.doors import answers
from dataos.doors.answers import Answer
from dataos.doors.authentication import Authenticate
from dataos.governance import rules
from dataos.governance.principals import Principal

_STACK = "flare"
TAR = "application/x-tar"
_ARCHIVE = {"required": True, "content": {TAR: {"schema": {"type": "string", "format": "binary"}}}}


class PlaceBody(BaseModel):
    """POST /api/v1/outputs/place."""

    model_config = ConfigDict(extra="forbid")
    output: dict[str, Any] = Field(description="As one of a Flare job's `outputs`.")
    name: str = Field(min_length=8, max_length=100, description="Of this writing: what has it is written once.")


class Target(Answer):
    """Where the program leaves what it writes."""

    target: dict[str, Any] = Field(description="Folder in the archive, format and mark of its files.")


class Written(Answer):
    """It is there."""

    written: str = Field(description="The address.")


class Addressed(Protocol):
    """Of `workloads.ports.Handover`."""

    @property
    def address(self) -> str: ...


class Placing(Protocol):
    """Of `workloads.ports.Placed`."""

    @property
    def target(self) -> Mapping[str, Any]: ...

    @property
    def handover(self) -> Addressed: ...


class Hands(Protocol):
    """What takes the files (`workloads.handing`)."""

    async def place(self, stack: str, output: Mapping[str, Any], name: str) -> Placing: ...

    async def take(
        self,
        stack: str,
        named: Callable[[str], str],
        archive: AsyncIterator[bytes],
        check: Callable[[str], Awaitable[None]],
    ) -> str: ...


class Writes(Protocol):
    """Who may write where (`gateway.direct`)."""

    async def check_writable(self, principal: Principal, udl: Udl) -> None: ...


def router(hands: Hands, access: Writes, authenticate: Authenticate) -> APIRouter:
    """Both routes."""
    api = APIRouter(prefix="/api/v1", tags=["queries"])

    async def writer(request: Request) -> Principal:
        principal = await authenticate(request)
        rules.require_user(principal, "hand files over")
        return principal

    def own(principal: Principal, name: str) -> str:
        return f"outside/{principal.user_id}/{name}"

    @api.post("/outputs/place", responses=answers.ok(Target))
    async def place(body: PlaceBody, principal: Principal = Depends(writer)) -> dict[str, Any]:
        """Where an output goes that is no table of a Lakehouse, and how its files are to be."""
        placed = await hands.place(_STACK, body.output, own(principal, body.name))
        await access.check_writable(principal, Udl.parse(placed.handover.address))
        return {"target": dict(placed.target)}

    @api.post("/outputs", responses=answers.ok(Written), openapi_extra={"requestBody": _ARCHIVE})
    async def outputs(request: Request, principal: Principal = Depends(writer)) -> dict[str, Any]:
        """Bring files where an output says: a tar archive of `output.json`, the body of `place`, and of the files below
        the folder that it named."""

        async def check(address: str) -> None:
            await access.check_writable(principal, Udl.parse(address))

        return {"written": await hands.take(_STACK, lambda name: own(principal, name), request.stream(), check)}

    return api
