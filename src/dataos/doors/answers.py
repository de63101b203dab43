"""What the API answers, for its description (OpenAPI). Answers themselves are made by the rooms and are not checked at
run time (a listing of thousands would be walked twice); tests compare both on every route.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class Answer(BaseModel):
    """Base of all answers: no other keys come."""

    model_config = ConfigDict(extra="forbid")


class Fault(Answer):
    """One problem."""

    code: str = Field(description="Stable and dotted: docs/reference/errors.md lists all.")
    message: str
    hint: str | None = Field(default=None, description="What to do next.")
    type: str | None = None
    name: str | None = None
    path: str | None = Field(default=None, description="Where in the manifest or in the request.")
    file: str | None = None
    line: int | None = None
    column: int | None = None
    retry: float | None = Field(default=None, description="Seconds after which the same call may succeed.")


class Faults(Answer):
    """Every failure. The status follows from the code of the first."""

    errors: list[Fault] = Field(min_length=1)
    warnings: list[Fault]


class Page(Answer, Generic[T]):
    """One page; `next` goes into the next call, null: it is the last."""

    items: list[T]
    next: str | int | None


class Items(Answer, Generic[T]):
    """A whole list."""

    items: list[T]


class Builder(Answer):
    """How far the Resource is built."""

    stage: str
    numberOfWantedResources: str
    numberOfProcessedResources: str
    info: str


class Summary(Answer):
    """A Resource without its manifest."""

    id: str = Field(description="TYPE:VERSION:NAME[:WORKSPACE]")
    name: str
    version: str
    type: str
    workspace: str | None = Field(description="null for instance-level types.")
    owner: str
    layer: str
    tags: list[str]
    generation: int
    uid: str
    created: str
    updated: str
    stamp: str
    status: str = Field(description="pending, active, error or deleting")
    runtime: str = Field(description="As ch01 5.2: running, succeeded, failed, next:<time>, ...")
    builder: Builder
    settled: bool = Field(description="The newest generation was looked at.")


class KernelObject(Answer):
    """Something that runs for a Resource."""

    name: str
    namespace: str
    version: str
    kind: str
    resource: str
    dataplane: str
    status: str


class WebRecord(Answer):
    """Something that a service of the platform keeps for a Resource."""

    id: str
    service: str
    type: str
    self: str
    status: str


class Resource(Summary):
    """A Resource with its manifest."""

    manifest: dict[str, Any] | None = Field(description="Secret values are masked.")
    cloudKernelResources: list[KernelObject]
    webServiceResources: list[WebRecord]


class Planned(Answer):
    """What is known of a Resource that may not be there yet."""

    id: str
    name: str
    type: str
    version: str
    workspace: str | None
    generation: int = Field(description="The newest one now; 0: it is not there.")


class Change(Answer):
    """One difference of two manifests."""

    path: str
    from_: Any = Field(alias="from")
    to: Any


class Applied(Answer):
    """What an apply did."""

    action: str = Field(description="created, updated, unchanged, re-run or valid")
    resource: Summary | Planned
    changes: list[Change]
    warnings: list[Fault]


class PlanItem(Answer):
    """What an apply would do."""

    action: str = Field(description="create, update, unchanged or invalid")
    resource: Planned | None
    changes: list[Change]
    warnings: list[Fault]
    errors: list[Fault]
    members: list[dict[str, Any]] = Field(default=[], description="Of a Bundle: {action, resource, changes} of each.")


class Deleted(Answer):
    """How a deletion went."""

    result: str = Field(description="deleted, deleting or nothing")


class Generation(Answer):
    """One line of a history."""

    generation: int
    current: bool
    appliedBy: str
    appliedAt: str
    cause: str
    file: str | None
    changes: list[Change]


class History(Answer):
    """Generations, newest first."""

    id: str
    uid: str
    state: str
    deletedAt: str | None
    items: list[Generation]


class StoredGeneration(Answer):
    """One generation's manifest."""

    id: str
    generation: int
    appliedBy: str
    appliedAt: str
    manifest: dict[str, Any]


class RolledBack(Answer):
    """What a rollback did."""

    model_config = ConfigDict(extra="allow")
    action: str
    resource: Summary


class Observation(BaseModel):
    """A kind's own shape: `get runtime`, logs, runs."""

    model_config = ConfigDict(extra="allow")


class Runtime(Observation):
    """Jobs, newest run and nodes of a runnable, beside what a Resource says."""

    id: str
    runtime: str


class LogNode(Observation):
    """What one attempt of a node wrote."""

    node: str
    attempt: str
    text: str
    next: int


class Log(Observation):
    """Logs of a run."""

    nodes: list[LogNode]


class Run(Observation):
    """One run of a Workflow."""

    id: str
    state: str
    progress: str


class JobState(Answer):
    """What one input of a job remembers between runs."""

    job: str
    input: str
    state: dict[str, str]
    run: str = Field(default="", description="Which run wrote it; empty: a person did.")
    updated: str = ""


class Counted(Answer):
    """How many."""

    count: int


class Asked(Answer):
    """What a verb did."""

    verb: str
    result: str = Field(description="done or unchanged")
    resource: str
    runs: list[str]


class Workspace(Answer):
    """One workspace."""

    name: str
    version: str
    layer: str
    owner: str
    description: str
    labels: dict[str, str]
    tags: list[str]
    created: str
    status: str


class Event(Answer):
    """Something that happened."""

    seq: int
    at: str
    kind: str
    actor: str
    uid: str | None
    id: str | None
    data: dict[str, Any]


class Removed(Answer):
    """Ids of what went."""

    removed: list[str]


class Property(Answer):
    """A property of a user."""

    key: str
    value: str


class User(Answer):
    """A person or an application."""

    id: str
    name: str
    type: str
    email: str
    tags: list[str]
    created: str
    state: str = Field(description="active or disabled")
    cid: str = Field(description="Content id: another one after each change.")
    properties: list[Property]
    federated_user_id: str | None = Field(description="The login provider's own id of the person.")
    federated_connector_id: str | None


class Tags(Answer):
    """Tags of a user."""

    id: str
    tags: list[str]


class Key(Answer):
    """An API key, without the key itself."""

    name: str
    type: str
    expiration: str | None
    expired: bool
    created: str
    user_id: str


class NewKey(Answer):
    """An API key; the only answer that holds it."""

    token: str
    name: str
    type: str
    expiration: str | None
    user_id: str


class IdentityChange(Observation):
    """Something that happened to a user or role."""

    at: str
    change: str
    by: str


class Role(Answer):
    """A shipped role."""

    id: str
    name: str
    description: str
    tag: str


class Column(Answer):
    """A column of an answer."""

    name: str
    type: str


class SqlSession(Answer):
    """What goes on from statement to statement; the next call sends it back."""

    catalog: str | None
    schema_: str | None = Field(alias="schema")
    prepared: dict[str, str]
    properties: dict[str, str]
    timeZone: str | None
    inTransaction: bool


class Rows(Answer):
    """The answer of a statement."""

    query_id: str
    columns: list[Column]
    rows: list[list[Any]]
    truncated: bool
    updateType: str | None = Field(default=None, description="What a statement did that changes something: INSERT.")
    updateCount: int | None = Field(default=None, description="The rows that it changed.")
    session: SqlSession | None = Field(default=None, description="The session, if the statement changed it.")
    warnings: list[Fault] | None = None
    rowCount: int | None = Field(default=None, description="Of a part: the rows of the whole answer.")


class HealthPart(Observation):
    """One part of the server."""

    name: str
    ok: bool


class Health(Answer):
    """Whether all parts are well."""

    ok: bool
    parts: list[HealthPart]


class Alive(Answer):
    """The process answers."""

    ok: bool


class ReadyPart(Answer):
    """One part of the server. `detail` is for operators."""

    name: str
    ok: bool
    detail: str | None = None


class Ready(Answer):
    """Whether the server can do its work; with status 503 if it cannot."""

    ok: bool
    parts: list[ReadyPart]


class Finding(Answer):
    """One check of `doctor`."""

    name: str
    state: str = Field(description="ok, warn or fail")
    detail: str
    mend: str = Field(description="The command or step that mends it; empty where nothing has to be done.")


class Version(Answer):
    """Version of the server."""

    version: str
    api: str


FAILURES: dict[int | str, dict[str, Any]] = {
    "default": {"model": Faults, "description": "A failure; its code says which."},
}
"""Of every route."""


def ok(model: Any, description: str = "Done", **content: Any) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route that answers this."""
    return {200: {"model": model, "description": description, **content}}


F = TypeVar("F", bound=Callable[..., Any])


def scoped(api: APIRouter, method: str, path: str, model: Any) -> Callable[[F], F]:
    """A route of instance-level Resources and the same of those in a workspace (`workspace` is None for the first)."""

    def register(function: F) -> F:
        for place in (path, "/workspaces/{workspace}" + path):
            api.add_api_route(place, function, methods=[method.upper()], responses=ok(model))
        return function

    return register


def operation_id(route: APIRoute) -> str:
    """`resources_get`, `resources_get_in_workspace`: what programs that are made of the description call it."""
    tag = str(route.tags[0]) if route.tags else "server"
    return f"{tag}_{route.name}" + ("_in_workspace" if "/workspaces/{workspace}/" in route.path else "")
