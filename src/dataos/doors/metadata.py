"""Lineage and what else is known of data, under /api/v1. Addresses stand in paths as they are, or percent-encoded:
`/api/v1/lineage/dataos://lake:retail/orders`; `dataos://` may be left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.governance.exposure import DatasetName
from dataos.governance.principals import Principal
from dataos.metadata.reading import Reading, Wanted, Way
from dataos.metadata.receiving import Receiver

_MOST_BYTES = 4 << 20
_OWN = re.compile(r"dataos:/*")
Address = Path(description="dataos://depot:collection/dataset", max_length=4000)


class Node(answers.Answer):
    """A dataset on the way."""

    address: str
    restricted: bool = Field(description="Policies hide it: `address` is no name, and the rest is empty.")
    up: int | None = Field(description="Steps upstream of what was asked for; null: it is not upstream.")
    down: int | None = Field(description="Steps downstream.")
    columns: list[str] = Field(description="Which of its columns are on the way of the asked column.")
    title: str
    description: str
    owner: str
    rowsWritten: int | None = Field(description="How many the last run wrote.")
    writtenAt: str | None


class Maker(answers.Answer):
    """The job of an edge, and its newest run."""

    namespace: str
    name: str
    workspace: str | None
    workflow: str | None
    job: str | None
    stack: str | None
    state: str | None = Field(description="COMPLETE, FAIL or ABORT")
    lastRun: str | None
    lastAt: str | None


class Edge(answers.Answer):
    """A job made `to` of `from`; `to` null: it only reads."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    from_: str = Field(alias="from")
    to: str | None
    direction: str = Field(description="up or down, seen from what was asked for")
    resolved: bool = Field(description="False: which columns become which is not known.")
    run: str = Field(description="The newest successful run that went this way.")
    at: str
    since: str
    job: Maker
    columns: list[list[str]] | None = Field(default=None, description="[from, to] pairs, where they were asked for.")


class Lineage(answers.Answer):
    """Ways of data."""

    address: str
    column: str | None
    direction: str
    depth: int
    truncated: bool = Field(description="There is more beyond this depth.")
    nodes: list[Node]
    edges: list[Edge]


class Summary(answers.Answer):
    """A dataset."""

    address: str
    title: str
    description: str
    owner: str = Field(description="Whose job wrote it last; empty: nobody's did.")
    tags: list[str]
    rowsWritten: int | None = Field(description="How many the last run wrote.")
    version: str = Field(description="Meta version: the first number counts changes of columns.")
    writtenBy: dict[str, str] | None
    writtenAt: str | None
    seenAt: str
    created: str
    updated: str


class DatasetColumn(answers.Answer):
    """A column."""

    name: str
    type: str
    description: str = ""
    tags: list[str]


class Suggestion(answers.Answer):
    """A tag that a profile suggests."""

    column: str
    tag: str
    confidence: float = Field(description="0 to 1")
    state: str = Field(description="suggested, accepted or discarded")
    decidedBy: str | None


class Dataset(Summary):
    """All that is known of a dataset but values."""

    columns: list[DatasetColumn]
    suggestions: list[Suggestion]
    profile: dict[str, Any] | None
    quality: dict[str, int]


class Profile(answers.Answer):
    """Statistics of a dataset."""

    address: str
    at: str
    job: dict[str, str]
    level: str
    filters: list[str]
    rows: int
    columns: list[dict[str, Any]]
    correlations: list[dict[str, Any]]
    history: list[dict[str, Any]] = Field(description="Rows over time: {at, rows, level, filters}")


class Quality(answers.Answer):
    """A test with its newest result."""

    name: str
    column: str | None
    test: str
    status: str = Field(description="success or failed")
    value: float | None
    at: str
    job: dict[str, str]
    recent: list[dict[str, Any]]


class Version(answers.Answer):
    """What was known of a dataset at a time."""

    version: str
    at: str
    by: str
    changes: list[str]
    state: dict[str, Any]


class Decision(BaseModel):
    """POST .../labels."""

    model_config = ConfigDict(extra="forbid")
    column: str = Field(min_length=1, max_length=300)
    tag: str = Field(min_length=1, max_length=300)
    decision: Literal["accept", "discard"]


class Decided(answers.Answer):
    """What became of a suggestion."""

    address: str
    column: str
    tag: str
    state: str


class Viewer(Protocol):
    """What policies hide of a dataset from somebody (`gateway.authority`)."""

    async def hidden_columns(
        self, principal: Principal, name: DatasetName, columns: Sequence[str]
    ) -> tuple[frozenset[str], bool]:
        """Those of the columns of which anything is hidden, and whether rows are, or all of it."""
        ...


def router(reading: Reading, receiver: Receiver, viewer: Viewer, authenticate: Authenticate) -> APIRouter:
    """Routes of lineage and metadata."""
    api = APIRouter(prefix="/api/v1", tags=["metadata"])
    user = users_only(authenticate, "read metadata")
    _lineage(api, reading, receiver, user)
    _datasets(api, reading, viewer, user)
    return api


async def _check_rows(viewer: Viewer, principal: Principal, address: str, columns: Sequence[str]) -> frozenset[str]:
    """The columns of which the viewer may see no measures. Raises DataOSError `auth.forbidden` where rows are hidden:
    what was measured of all rows is told to nobody who sees some of them."""
    name = _dataset_name(address)
    if name is None:
        return frozenset()
    hidden, rows = await viewer.hidden_columns(principal, name, columns)
    if rows:
        raise fail(
            "auth.forbidden",
            f"Forbidden: user {principal.user_id} may not read measures of {address}: policies hide rows of it, or all",
            hint="measure what you see of it with SQL",
        )
    return hidden


async def _check_column(viewer: Viewer, principal: Principal, address: str, column: str) -> None:
    if column.lower() in await _check_rows(viewer, principal, address, [column]):
        text = f"Forbidden: policies hide values of `{column}` of {address} from user {principal.user_id}"
        raise fail("auth.forbidden", text, hint="whoever governs may change its tags")


def _dataset_name(address: str) -> DatasetName | None:
    """None: a dataset of another producer, which no policy knows."""
    try:
        return DatasetName.of(Udl.parse(address))
    except DataOSError:
        return None


def _lineage(api: APIRouter, reading: Reading, receiver: Receiver, user: Authenticate) -> None:
    @api.get("/lineage/events", responses=answers.ok(answers.Page[dict[str, Any]]))
    async def events(
        after: int = Query(default=0, ge=0, le=1 << 60, description="The `next` of the page before."),
        limit: int = Query(default=100, ge=1, le=1000),
        job: str | None = Query(
            default=None, max_length=1000, description="Name of a job, or of a Workflow and its jobs."
        ),
        run: str | None = Query(default=None, max_length=40, description="UUID of a run."),
        principal: Principal = Depends(user),
    ) -> Any:
        """OpenLineage run events, oldest first: all for operators, for others those of what they own."""
        return await reading.events(principal, after, limit, job, run)

    @api.post("/lineage", status_code=201, responses={201: {"model": answers.Counted, "description": "Kept."}})
    async def receive(request: Request, principal: Principal = Depends(user)) -> Any:
        """Take OpenLineage run events of another producer: one, or a list."""
        raw = await request.body()
        if len(raw) > _MOST_BYTES:
            raise fail("request.too_large", f"more than {_MOST_BYTES >> 20} MiB of events", hint="send them in parts")
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise fail("request.invalid", "the body is no JSON", hint="one run event, or a list of them") from error
        return {"count": await receiver.receive(body, principal)}

    @api.get("/lineage/{address:path}", responses=answers.ok(Lineage))
    async def lineage(
        address: str = Address,
        direction: Literal["up", "down", "both"] = "both",
        depth: int = Query(default=20, ge=1, le=100, description="Steps from dataset to dataset."),
        column: str | None = Query(default=None, max_length=300, description="Only where this column goes."),
        columns: bool = Query(default=False, description="Answer all known pairs of columns."),
        principal: Principal = Depends(user),
    ) -> Any:
        """Where a dataset comes from, and what is made of it, as of the newest successful runs."""
        return await reading.lineage(principal, Way(_address(address), direction, depth, column or None, columns))


def _datasets(api: APIRouter, reading: Reading, viewer: Viewer, user: Authenticate) -> None:
    @api.get("/metadata/datasets", responses=answers.ok(answers.Page[Summary]))
    async def listing(
        q: str | None = Query(default=None, max_length=300, description="Part of an address, title or description."),
        depot: str | None = Query(default=None, max_length=300),
        tag: str | None = Query(default=None, max_length=300, description="Of the dataset or of one of its columns."),
        owner: str | None = Query(default=None, max_length=300),
        after: str | None = Query(default=None, max_length=4000, description="The `next` of the page before."),
        limit: int = Query(default=100, ge=1, le=1000),
        principal: Principal = Depends(user),
    ) -> Any:
        """Datasets that jobs read and write, of which the caller may read anything."""
        return await reading.listing(principal, Wanted(q, depot, tag, owner), after, limit)

    @api.get("/metadata/datasets/{address:path}/profile", responses=answers.ok(Profile))
    async def profile(
        address: str = Address,
        days: float = Query(default=90.0, gt=0, le=10_000, description="How far the history of rows goes back."),
        principal: Principal = Depends(user),
    ) -> Any:
        """The newest profile. For the dataset's owner and operators: it holds values; of columns from which policies
        hide anything, it says nothing."""
        found = await reading.profile(_address(address), principal, days)
        names = [str(c.get("name", "")) for c in found["columns"]]
        hidden = await _check_rows(viewer, principal, found["address"], names)
        found["columns"] = [c for c in found["columns"] if str(c.get("name", "")).lower() not in hidden]
        if hidden:  # they say what pairs of columns, and conditions, have to do with each other
            found["correlations"], found["filters"] = [], []
            found["history"] = [{**h, "filters": []} for h in found["history"]]
        return found

    @api.get("/metadata/datasets/{address:path}/quality", responses=answers.ok(answers.Items[Quality]))
    async def quality(
        address: str = Address,
        status: Literal["success", "failed"] | None = None,
        principal: Principal = Depends(user),
    ) -> Any:
        """Results of assertions. For the dataset's owner and operators."""
        items = await reading.quality(_address(address), principal, status)
        columns = [str(i["column"]) for i in items if i["column"]]
        hidden = await _check_rows(viewer, principal, _address(address), columns)
        return {"items": [i for i in items if not hidden or (i["column"] and i["column"].lower() not in hidden)]}

    @api.get("/metadata/datasets/{address:path}/versions", responses=answers.ok(answers.Items[Version]))
    async def versions(
        address: str = Address, limit: int = Query(default=50, ge=1, le=1000), principal: Principal = Depends(user)
    ) -> Any:
        """What was known of it, newest first."""
        return {"items": await reading.versions(principal, _address(address), limit)}

    @api.post("/metadata/datasets/{address:path}/labels", responses=answers.ok(Decided))
    async def decide(body: Decision, address: str = Address, principal: Principal = Depends(user)) -> Any:
        """Accept or discard a tag that a profile suggests. For the dataset's owner and operators, who see the column as
        it is: a tag could show it to them."""
        await _check_column(viewer, principal, _address(address), body.column)
        return await reading.decide(_address(address), principal, body.column, body.tag, body.decision == "accept")

    @api.get("/metadata/datasets/{address:path}", responses=answers.ok(Dataset))
    async def dataset(address: str = Address, principal: Principal = Depends(user)) -> Any:
        """Columns, texts, tags, suggestions; how it stands with profile and quality."""
        return await reading.dataset(principal, _address(address))


def _address(text: str) -> str:
    """The address as the store has it. What is none may be a dataset of another producer."""
    own = _OWN.match(text)
    whole = f"dataos://{text[own.end() :]}" if own else text
    if own is None and "://" not in text:
        whole = f"dataos://{text}"
    if not whole.startswith("dataos://"):
        return whole
    try:
        udl = Udl.parse(whole)
    except DataOSError as error:
        raise fail(
            "metadata.address", f"{whole} is no address", hint="dataos://[depot]:[collection]/[dataset]"
        ) from error
    if not udl.collection or not udl.dataset:
        raise fail("metadata.address", f"{whole} names no dataset", hint="dataos://[depot]:[collection]/[dataset]")
    return str(Udl(udl.depot, udl.collection, udl.dataset))
