"""Maintenance of datasets under /api/v1/datasets: expire, clean-orphans (ch06 4.3), for people and for jobs.

A job may ask for tables that it has loaded, which its plan named.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from dataos.core.clock import Clock
from dataos.core.errors import fail
from dataos.core.ids import AttemptId
from dataos.doors import answers
from dataos.doors.answers import Answer
from dataos.doors.authentication import Authenticate, users_only
from dataos.doors.datasets import DatasetDoor, view_of
from dataos.governance.principals import Principal
from dataos.lakehouse.operations import moments
from dataos.lakehouse.operations.upkeep import Upkeep
from dataos.lakehouse.views import TableRef
from dataos.workloads.compactions import Compactions


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    address: str = Field(description="dataos://depot:collection/dataset")
    dryRun: bool = Field(default=False, description="Only say what would be done.")


class _CutBody(_Body):
    olderThanMillis: int | str | None = Field(default=None, description="UTC epoch milliseconds.")
    olderThanTimestamp: str | None = Field(default=None, description="A time (UTC without a zone), or an age: 7d.")


class ExpireBody(_CutBody):
    """Which snapshots expire; without anything what the table's properties say, else those older than five days."""

    snapshotIds: list[str] = Field(default=[], description="Only these, if no cut-off is given.")
    retainLast: int | None = Field(
        default=None, ge=1, description="Newest of each branch that stay whatever their age."
    )


class OrphansBody(_CutBody):
    """Which files that no version of the table names are deleted; those older than three days if nothing is said."""

    location: str | None = Field(default=None, description="A folder in the table's folder.")


class ManifestsBody(_Body):
    """Whose manifests are put together."""


class NewManifest(BaseModel):
    """A manifest of the caller's own that lists new data files."""

    model_config = ConfigDict(extra="forbid")
    path: str
    specId: int = Field(ge=0)


class ReplaceBody(BaseModel):
    """Data files that hold the same rows as others."""

    model_config = ConfigDict(extra="forbid")
    address: str = Field(description="dataos://depot:collection/dataset")
    baseSnapshot: str = Field(pattern=r"^\d{1,19}$", description="The snapshot that was read.")
    added: list[NewManifest]
    removed: list[str] = Field(min_length=1, description="Data files, as manifests spell them.")


class Replaced(Answer):
    """The commit that replaced the files."""

    snapshot: str
    deleteFilesRemoved: int = Field(description="Delete files that applied to nothing any more.")


class Manifests(Answer):
    """Manifests of the current snapshot, before and after."""

    dryRun: bool
    before: int
    after: int
    entries: int = Field(description="Files that were moved from manifest to manifest.")


class CompactBody(_Body):
    """How data files are rewritten; sizes in bytes."""

    strategy: Literal["binpack", "sort"] = "binpack"
    sortOrder: str | None = Field(default=None, description="id DESC NULLS LAST, ... or zorder(a, b)")
    where: str | None = Field(default=None, description="Only files that may hold such rows.")
    targetFileSizeBytes: int = Field(default=512 << 20, ge=1 << 10)
    maxFileGroupSizeBytes: int = Field(default=100 << 30, ge=1 << 20)
    rewriteAll: bool = False
    partialProgress: bool = Field(default=False, description="Commit group by group.")
    partialProgressMaxCommits: int = Field(default=10, ge=1)

    def options(self) -> dict[str, Any]:
        """As the program takes them."""
        return {
            "strategy": self.strategy,
            "sort_order": self.sortOrder,
            "where": self.where,
            "target_bytes": self.targetFileSizeBytes,
            "max_group_bytes": self.maxFileGroupSizeBytes,
            "rewrite_all": self.rewriteAll,
            "partial_progress": self.partialProgress,
            "max_commits": self.partialProgressMaxCommits,
        }


class Started(Answer):
    """A rewrite that has begun."""

    id: str


class Rewritten(Answer):
    """Counts of a rewrite; bytes of data files."""

    filesBefore: int
    filesAfter: int
    bytesBefore: int
    bytesAfter: int
    filesRewritten: int
    filesWritten: int
    rows: int
    deleteFilesRemoved: int
    commits: int
    failed: list[str] = Field(description="With partial progress: parts that were not committed.")


class Compaction(Answer):
    """How far a rewrite is."""

    state: str = Field(description="running, done or failed")
    log: str
    next: int = Field(description="Where the log goes on: `after` of the next call.")
    result: Rewritten | None
    problems: list[answers.Fault]


class Expired(Answer):
    """What expired, and the files that nothing names any more."""

    dryRun: bool
    snapshots: list[str]
    references: list[str] = Field(description="Branches and tags that had outlived their time.")
    snapshotsKept: int
    metadataFiles: int
    dataFiles: int
    deleteFiles: int
    bytes: int


class Orphans(Answer):
    """What was (or would be) deleted."""

    dryRun: bool
    files: int
    bytes: int
    olderThanMillis: int = Field(description="Files that changed later were left alone.")
    paths: list[str] = Field(description="The first thousand.")


def router(
    upkeep: Upkeep, compactions: Compactions, door: DatasetDoor, clock: Clock, authenticate: Authenticate
) -> APIRouter:
    """Routes of maintenance."""
    api = APIRouter(prefix="/api/v1/datasets", tags=["datasets"])

    async def enter(principal: Principal, address: str) -> tuple[TableRef, AttemptId | None]:
        _, ref = await door.enter(principal, "table.write", address)
        attempt = principal.attempt.attempt_id if principal.attempt is not None else None
        if attempt is not None and not await upkeep.has_loaded(attempt, ref):
            raise fail("auth.forbidden", f"a job may not maintain {ref}: it has not loaded it", hint="make it an input")
        return ref, attempt

    @api.post("/expire", responses=answers.ok(Expired))
    async def expire(body: ExpireBody, principal: Principal = Depends(authenticate)) -> Any:
        """Expire snapshots, and delete the files that only they named."""
        ref, attempt = await enter(principal, body.address)
        done = await upkeep.expire_snapshots(
            ref,
            older_than_ms=moments.cut_off(body.olderThanMillis, body.olderThanTimestamp, clock.now_us() // 1000),
            snapshot_ids=_ids(body.snapshotIds),
            retain_last=body.retainLast,
            dry_run=body.dryRun,
            asked_by=attempt,
        )
        return done.to_json(body.dryRun)

    @api.post("/clean-orphans", responses=answers.ok(Orphans))
    async def clean_orphans(body: OrphansBody, principal: Principal = Depends(authenticate)) -> Any:
        """Delete files in the table's folder that nothing names."""
        ref, _ = await enter(principal, body.address)
        done = await upkeep.remove_orphans(
            ref,
            older_than_ms=moments.cut_off(body.olderThanMillis, body.olderThanTimestamp, clock.now_us() // 1000),
            location=body.location,
            dry_run=body.dryRun,
        )
        return done.to_json(body.dryRun)

    @api.post("/rewrite-manifests", responses=answers.ok(Manifests))
    async def rewrite_manifests(body: ManifestsBody, principal: Principal = Depends(authenticate)) -> Any:
        """Put manifests together, so that fewer are opened to plan a query."""
        ref, _ = await enter(principal, body.address)
        done = await upkeep.rewrite_manifests(view_of(principal), ref, dry_run=body.dryRun)
        return {"dryRun": body.dryRun, **done}

    @api.post("/replace-files", responses=answers.ok(Replaced))
    async def replace_files(body: ReplaceBody, principal: Principal = Depends(authenticate)) -> Any:
        """Swap data files for others that hold the same rows: how a program that rewrites files commits them."""
        ref, _ = await enter(principal, body.address)
        added = [(one.path, one.specId) for one in body.added]
        return await upkeep.replace_files(view_of(principal), ref, int(body.baseSnapshot), added, body.removed)

    user = users_only(authenticate, "start a rewrite")

    @api.post("/compact", responses=answers.ok(Started))
    async def compact(body: CompactBody, principal: Principal = Depends(user)) -> Any:
        """Begin to rewrite data files: small ones are put together, deletes applied, rows sorted."""
        ref, _ = await enter(principal, body.address)
        done = await compactions.start(principal, ref, body.address, body.options(), dry_run=body.dryRun)
        return {"id": done}

    @api.get("/compactions/{id}", responses=answers.ok(Compaction))
    async def compaction(
        id: str, after: int = Query(default=0, ge=0, le=1 << 53), principal: Principal = Depends(user)
    ) -> Any:
        """How far a rewrite is, for who started it. Its answer is kept an hour."""
        found = await compactions.look(principal, id, after)
        problems = [p.to_json() for p in found.problems]
        return {
            "state": found.state,
            "log": found.log,
            "next": found.next,
            "result": found.result,
            "problems": problems,
        }

    return api


def _ids(texts: list[str]) -> list[int]:
    broken = [text for text in texts if not text.strip().isdigit()]
    if broken:
        raise fail("dataset.expire", f"snapshotIds holds what is no id of a snapshot: {', '.join(broken)}")
    return [int(text) for text in texts]
