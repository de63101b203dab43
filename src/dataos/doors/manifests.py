"""Manifests as people write them: plan and apply of a YAML text, with each fault at its line and column."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from dataos.control.resources import ApplyRequest
from dataos.core.errors import DataOSError, Problem
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.doors.resources import ResourceRooms, plan_documents
from dataos.governance.principals import Principal
from dataos.manifest.documents import read_manifest
from dataos.manifest.loader import MAX_BYTES, Document, load_text, report, source_lines
from dataos.manifest.sets import located_in, stacks_in
from dataos.manifest.specs import Reading


class TextBody(BaseModel):
    """POST /api/v1/manifests/plan, /apply."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(max_length=MAX_BYTES, description="One or more YAML documents, as they are meant: nothing of an "
                      "environment or of other files is filled in.")  # fmt: skip
    workspace: str | None = Field(default=None, description="For documents that name none.")


def router(rooms: ResourceRooms, authenticate: Authenticate) -> APIRouter:
    """Routes of manifests as text."""
    api = APIRouter(prefix="/api/v1/manifests", tags=["manifests"])
    user = users_only(authenticate, "work with Resources")

    @api.post("/plan", responses=answers.ok(answers.Items[answers.PlanItem]))
    async def plan(body: TextBody, principal: Principal = Depends(user)) -> Any:
        """What applying the text would do; nothing is stored. A text that is no YAML is a failure with its line."""
        documents = load_text(body.text)
        items = await plan_documents(rooms, [d.data for d in documents], body.workspace, principal)
        for document, item in zip(documents, items, strict=True):
            for key in ("errors", "warnings"):
                item[key] = [document.located(Problem.from_json(p)).to_json() for p in item[key]]
            item["warnings"] = [*(w.to_json() for w in document.warnings), *item["warnings"]]
        return {"items": items}

    @api.post("/apply", responses=answers.ok(answers.Items[answers.Applied]))
    async def apply(body: TextBody, principal: Principal = Depends(user)) -> Any:
        """Create or update what the text declares: all of it, or nothing."""
        documents = load_text(body.text)
        _check(documents, body.workspace)
        requests = [
            ApplyRequest(
                document=document.data,
                actor=principal.user_id,
                workspace=body.workspace,
                source={"file": None, "lines": source_lines(document)},
                principal=principal,
            )
            for document in documents
        ]
        try:
            results = await rooms.resources.apply_all(requests)
        except DataOSError as error:
            raise DataOSError(_located(documents, p) for p in error.problems) from error
        return {"items": [result.to_json() for result in results]}

    return api


def _check(documents: list[Document], workspace: str | None) -> None:
    """Raises DataOSError with the faults of all documents, each at its place: the store would know the first's only."""
    stacks = stacks_in(document.data for document in documents)
    faults: list[Problem] = []
    for document in documents:
        reading = Reading(stacks=stacks)
        if read_manifest(document.data, reading, workspace) is None:
            faults += report(document, reading)[0]
    if faults:
        raise DataOSError(faults)


def _located(documents: list[Document], problem: Problem) -> Problem:
    return documents[0].located(problem) if len(documents) == 1 else located_in(documents, problem)
