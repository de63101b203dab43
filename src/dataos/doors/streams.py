"""What the program of a stream asks under /api/v1: where its sources stand, where it stands, and to publish a batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.depots.ports import MessageSchema
from dataos.doors import answers
from dataos.doors.answers import Answer
from dataos.doors.authentication import Authenticate
from dataos.governance.principals import AttemptScope, Principal
from dataos.workloads.states import State


class Begun(Protocol):
    """Where a stream stands."""

    @property
    def stream(self) -> str: ...

    @property
    def number(self) -> int: ...

    @property
    def state(self) -> State: ...

    @property
    def turn(self) -> int: ...


class Batches(Protocol):
    """What publishes batches (`workloads.batches`)."""

    async def begin(self, scope: AttemptScope, checkpoint: str) -> Begun: ...

    async def commit(
        self, scope: AttemptScope, stream: str, turn: int, number: int, state: Mapping[str, Any]
    ) -> None: ...


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PositionBody(_Body):
    """POST /api/v1/inputs/position."""

    address: str = Field(description="dataos://depot:collection/dataset")
    branch: str = Field(default="main", description="Of a table.")
    atUs: int | None = Field(default=None, description="Of a topic: tell the offsets of this moment too (UTC).")


class BeginBody(_Body):
    """POST /api/v1/stream/begin."""

    checkpoint: str = Field(max_length=4000, description="What the positions belong to: another one begins anew.")


class CommitBody(_Body):
    """POST /api/v1/stream/commit."""

    stream: str
    turn: int = Field(description="As `begin` answered last.")
    batch: int = Field(ge=1, description="The number after the batch that was published last.")
    state: dict[str, dict[str, str]] = Field(description="Input -> name -> value, of all inputs that moved.")


class SchemaBody(_Body):
    """POST /api/v1/inputs/schema."""

    address: str = Field(description="dataos://depot:collection/topic")
    id: int | None = Field(default=None, ge=0, description="Of the schema; without it the subject's is meant.")
    subject: str = Field(default="", max_length=1000, description="Usually [topic]-value.")
    version: str = Field(default="latest", max_length=20)


class NewSchemaBody(_Body):
    """POST /api/v1/outputs/schema."""

    address: str = Field(description="dataos://depot:collection/topic")
    subject: str = Field(min_length=1, max_length=1000)
    schema_: str = Field(alias="schema", max_length=1 << 20, description="An Avro schema, as JSON text.")


class Schema(Answer):
    """A schema of a registry."""

    id: int
    type: str = Field(description="AVRO, PROTOBUF, JSON.")
    schema_: str = Field(alias="schema")
    references: list[list[Any]] = Field(description="[name, subject, version] of the schemas that it names.")


class SchemaId(Answer):
    """Under which number a registry knows a schema."""

    id: int


class Position(Answer):
    """Where a source stands; one of the four is there."""

    files: list[list[Any]] | None = Field(default=None, description="[path, bytes, modified (UTC microseconds)]")
    partitions: dict[str, list[int | None]] | None = Field(
        default=None, description="Number -> [oldest offset, next offset, offset of the moment]"
    )
    ledgers: dict[str, dict[str, Any]] | None = Field(
        default=None, description="Number -> {ledgers: [[id, entries, bytes]], last: [ledger, entry]}"
    )
    table: str | None = Field(default=None, description="Id of the newest snapshot.")


class StreamPosition(Answer):
    """Where a stream stands."""

    stream: str
    turn: int = Field(description="Which beginning of this job it is.")
    batch: int = Field(description="Published last; 0: none.")
    state: dict[str, dict[str, str]]


class Committed(Answer):
    """The batch is published."""

    batch: int


class Registry(Protocol):
    """Schemas of messages (`depots.resolver`)."""

    async def message_schema(self, udl: Udl, number: int | None, subject: str, version: str) -> MessageSchema: ...

    async def register_schema(self, udl: Udl, subject: str, schema: str) -> int: ...

    async def topic_of_subject(self, udl: Udl, subject: str) -> Udl | None: ...

    async def topics_of_schema(self, udl: Udl, number: int | None, subject: str, version: str) -> list[Udl]: ...


class Raw(Protocol):
    """Who may read and write data as it lies there (`gateway.direct`)."""

    async def check_readable(self, principal: Principal, udl: Udl) -> None: ...

    async def check_writable(self, principal: Principal, udl: Udl) -> None: ...

    async def is_open(self, principal: Principal, depot: str, *, to_write: bool = False) -> bool: ...


def router(
    look: Callable[[Udl, str, int | None], Awaitable[dict[str, Any]]],
    batches: Batches,
    registry: Registry,
    access: Raw,
    authenticate: Authenticate,
) -> APIRouter:
    """Routes of streams; `look` tells where a source stands."""
    api = APIRouter(prefix="/api/v1", tags=["queries"])

    async def job(request: Request) -> AttemptScope:
        principal = await authenticate(request)
        if principal.attempt is None:
            raise fail("auth.forbidden", "only a job's program does this", hint="apply a Workflow")
        return principal.attempt

    @api.post("/inputs/position", responses=answers.ok(Position))
    async def position(body: PositionBody, principal: Principal = Depends(authenticate)) -> Any:
        """Where a source of streams stands: its files, its partitions, or its snapshot."""
        await access.check_readable(principal, Udl.parse(body.address))
        return await look(Udl.parse(body.address), body.branch, body.atUs)

    @api.post("/inputs/schema", responses=answers.ok(Schema))
    async def schema(body: SchemaBody, principal: Principal = Depends(authenticate)) -> Any:
        """A schema of the registry of a topic's depot."""
        udl = Udl.parse(body.address)
        await access.check_readable(principal, udl)
        await _check_schema(registry, access, principal, udl, body)
        found = await registry.message_schema(udl, body.id, body.subject, body.version)
        return {"id": found.id, "type": found.type, "schema": found.schema, "references": list(found.references)}

    @api.post("/outputs/schema", responses=answers.ok(SchemaId))
    async def register(body: NewSchemaBody, principal: Principal = Depends(authenticate)) -> Any:
        """The id of a schema in the registry of a topic's depot, made where it is new."""
        udl = Udl.parse(body.address)
        await access.check_writable(principal, udl)
        topic = await registry.topic_of_subject(udl, body.subject)
        if topic is not None and topic != udl:
            await access.check_writable(principal, topic)
        if topic is None and not await access.is_open(principal, udl.depot, to_write=True):
            what = f"register a schema under the subject `{body.subject[:80]}`, which is none of topic {udl}"
            raise _forbidden(principal, what)
        return {"id": await registry.register_schema(udl, body.subject, body.schema_)}

    @api.post("/stream/begin", responses=answers.ok(StreamPosition))
    async def begin(body: BeginBody, scope: AttemptScope = Depends(job)) -> Any:
        """Undo what the job holds, and say how far its stream has come."""
        begun = await batches.begin(scope, body.checkpoint)
        return {"stream": begun.stream, "turn": begun.turn, "batch": begun.number, "state": begun.state}

    @api.post("/stream/commit", responses=answers.ok(Committed))
    async def commit(body: CommitBody, scope: AttemptScope = Depends(job)) -> Any:
        """Publish what the job holds, with how far its stream has come. Again: changes nothing."""
        await batches.commit(scope, body.stream, body.turn, body.batch, body.state)
        return {"batch": body.batch}

    return api


async def _check_schema(registry: Registry, access: Raw, principal: Principal, udl: Udl, body: SchemaBody) -> None:
    """A schema tells what messages look like: it is for those who may read a topic that has it, or all of the Depot."""
    if await access.is_open(principal, udl.depot):
        return
    topics = await registry.topics_of_schema(udl, body.id, body.subject, body.version)
    if udl in topics:
        return
    for topic in topics:
        try:
            await access.check_readable(principal, topic)
        except DataOSError as error:
            if error.problem.code != "auth.forbidden":
                raise
        else:
            return
    which = f"schema {body.id}" if body.id is not None else f"subject `{body.subject[:80]}`"
    raise _forbidden(principal, f"read {which} of a schema registry: it is none of topic {udl}")


def _forbidden(principal: Principal, action: str) -> DataOSError:
    return fail(
        "auth.forbidden",
        f"Forbidden: user {principal.user_id} may not {action}",
        hint="a topic has the subjects [topic]-value, [topic]-key, and [topic]-[record] with the record's namespace; "
        "other names need a right to the whole Depot",
    )
