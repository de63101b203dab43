"""Maintenance of one table: snapshots expire, what nothing names is deleted (ch06 4.3, ch04 3.16).

Each says what it would do without doing it (`dry_run`). Files go only after the commit that made them needless, by
notes of garbage: so neither a crash nor a backup's hold (`holds`) deletes too much or forgets something. What running
jobs hold or look at stays. Data files are rewritten by a program of its own, outside of the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from dataos.core.errors import fail
from dataos.core.ids import AttemptId
from dataos.lakehouse import holds, rows
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.files import contains, folded
from dataos.lakehouse.operations.committing import Changes
from dataos.lakehouse.views import PUBLISHED, AttemptView, Pointer, TableRef, View

if TYPE_CHECKING:
    from dataos.lakehouse.operations.contents import Contents
    from dataos.lakehouse.operations.plans import Plans

_DAY_MS = 24 * 3600 * 1000
ORPHAN_AGE_MS = 3 * _DAY_MS
_HINTS = frozenset({"version-hint.text"})
_SHOWN = 1000


@dataclass(frozen=True)
class Expired:
    """What went. Sizes in bytes; files count what no snapshot names any more."""

    snapshots: list[int]
    references: list[str]
    metadata_files: int = 0
    data_files: int = 0
    delete_files: int = 0
    size_bytes: int = 0
    kept_snapshots: int = 0

    def to_json(self, dry_run: bool) -> dict[str, Any]:
        """Ids as text."""
        return {
            "dryRun": dry_run,
            "snapshots": [str(i) for i in self.snapshots],
            "references": self.references,
            "snapshotsKept": self.kept_snapshots,
            "metadataFiles": self.metadata_files,
            "dataFiles": self.data_files,
            "deleteFiles": self.delete_files,
            "bytes": self.size_bytes,
        }


@dataclass(frozen=True)
class Orphans:
    """Files that nothing names. `paths` at most 1,000 of them."""

    files: int
    size_bytes: int
    older_than_ms: int
    paths: list[str] = field(default_factory=list[str])

    def to_json(self, dry_run: bool) -> dict[str, Any]:
        """As the API answers."""
        return {
            "dryRun": dry_run,
            "files": self.files,
            "bytes": self.size_bytes,
            "olderThanMillis": self.older_than_ms,
            "paths": self.paths,
        }


class Upkeep:
    """Maintenance over the catalog. Stateless."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._changes = Changes(catalog)

    async def has_loaded(self, attempt_id: AttemptId, ref: TableRef) -> bool:
        """True if an attempt looks at the table, or has changed it."""
        return await self._catalog.store.read(rows.is_held, AttemptView(attempt_id), ref)

    # --- snapshots --------------------------------------------------------------------------------------------------

    async def expire_snapshots(
        self,
        ref: TableRef,
        *,
        older_than_ms: int | None = None,
        snapshot_ids: Sequence[int] = (),
        retain_last: int | None = None,
        dry_run: bool = False,
        asked_by: AttemptId | None = None,
    ) -> Expired:
        """Expire snapshots of the published table and delete the files that only they named.

        Never the current one, nor what a branch or tag keeps. A running job goes on reading what it first saw, but for
        the one that asks.
        Raises DataOSError `dataset.expire`, `dataset.not_found.snapshot`, `iceberg.conflict`.
        """
        here = await self._catalog.pointer(PUBLISHED, ref)
        now_ms = self._catalog.clock.now_us() // 1000

        def plan(plans: Plans, metadata: Any) -> Any:
            options = plans.expiry.ExpireOptions(older_than_ms, tuple(snapshot_ids), retain_last)
            return plans.expiry.plan(metadata, options, now_ms)

        planned = await (self._changes.plan if dry_run else self._changes.change)(PUBLISHED, ref, plan)
        gone = planned.result
        held, _ = await self._catalog.store.read(rows.held_metadata, here.location, asked_by)
        after = await self._catalog.pointer(PUBLISHED, ref)
        needless, kept = await self._catalog.work(self._needless, here, after, set(gone.snapshots), held)
        # files may have been rewritten by who can write below the table's folder: they tell of that folder only
        if not dry_run and (paths := {p for p in needless.paths() if contains(here.location, p)}):
            await self._catalog.store.write(rows.add_garbage_files, paths, self._catalog.clock.now_us())
            self._catalog.checkpoint("iceberg.expired")
            await self._catalog.collect_garbage()
        return Expired(
            gone.snapshots,
            gone.references,
            len(needless.lists) + len(needless.manifests) + len(needless.statistics),
            len(needless.data),
            len(needless.deletes),
            sum(needless.data.values()) + sum(needless.deletes.values()),
            kept,
        )

    def _needless(self, before: Pointer, after: Pointer, gone: set[int], held: set[str]) -> tuple[Contents, int]:
        """What only the expired snapshots name, and how many snapshots stay."""
        plans, commits = self._changes.plans(), self._catalog.commits()
        old = commits.load(before.metadata_location)
        now = commits.load(after.metadata_location)
        kept = now.model_copy(update={"snapshots": [s for s in now.snapshots if s.snapshot_id not in gone]})
        files = self._catalog.files
        found = plans.contents.of_snapshots(files, [s for s in old.snapshots if s.snapshot_id in gone], old)
        if not gone:
            return found, len(kept.snapshots)
        statistics = {
            s.statistics_path for s in (*now.statistics, *now.partition_statistics) if s.snapshot_id not in gone
        }
        # what runs look at stays until maintenance finds it as orphans
        stays = plans.contents.named_by(files, [kept, *(commits.load(path) for path in sorted(held))])
        found.lists -= stays.lists
        found.statistics -= statistics
        for path in list(found.manifests):
            if path in stays.manifests:
                del found.manifests[path]
        plans.contents.read(files, found, found.manifests.values())
        found.data = {p: size for p, size in found.data.items() if p not in stays.data}
        found.deletes = {p: size for p, size in found.deletes.items() if p not in stays.deletes}
        return found, len(kept.snapshots)

    # --- files and manifests ----------------------------------------------------------------------------------------

    async def replace_files(
        self, view: View, ref: TableRef, base: int, added: Sequence[tuple[str, int]], removed: Sequence[str]
    ) -> dict[str, Any]:
        """Swap data files for others that hold the same rows, in one commit. Returns {snapshot, deleteFilesRemoved}.

        `base`: the snapshot that was read; `added`: (path, spec id) of manifests of the caller's own that list the new
        files, which are deleted when all is done; `removed`: paths as manifests spell them. Raises DataOSError
        `iceberg.conflict` if the table has changed where it was rewritten.
        """
        planned = await self._changes.change(
            view, ref, lambda plans, metadata: plans.replace_files(metadata, base, added, removed)
        )
        for path, _ in added:
            await self._catalog.work(self._catalog.files.delete, path)
        done: dict[str, Any] = planned.result
        return done

    async def rewrite_manifests(self, view: View, ref: TableRef, *, dry_run: bool = False) -> dict[str, Any]:
        """Put manifests together. Returns {before, after, entries}."""
        do = self._changes.plan if dry_run else self._changes.change
        planned = await do(view, ref, lambda plans, metadata: plans.rewrite_manifests(metadata, dry_run))
        done: dict[str, Any] = planned.result
        return done

    # --- orphans ----------------------------------------------------------------------------------------------------

    async def remove_orphans(
        self,
        ref: TableRef,
        *,
        older_than_ms: int | None = None,
        location: str | None = None,
        dry_run: bool = False,
    ) -> Orphans:
        """Delete files below the table's folder that no version of the table names and that are old enough.

        `older_than_ms`: UTC epoch milliseconds, three days ago if left out. Younger files may belong to a writer that
        has not committed yet. While jobs work on the table, nothing younger than the oldest of them is touched.
        Raises DataOSError `dataset.orphans`, `iceberg.conflict` (a backup holds files).
        """
        here = await self._catalog.pointer(PUBLISHED, ref)
        root = (await self._catalog.load_warehouse(ref.warehouse)).location
        now_us = self._catalog.clock.now_us()
        limit = older_than_ms if older_than_ms is not None else now_us // 1000 - ORPHAN_AGE_MS
        if limit > now_us // 1000:
            raise fail("dataset.orphans", f"olderThan {limit} lies in the future", hint="milliseconds since 1970, UTC")
        folder = (location or here.location).rstrip("/")
        if not contains(here.location, folder):
            raise fail(
                "dataset.orphans",
                f"{folder} does not lie in the table's folder, {here.location}",
                hint="leave the location out",
            )
        if await self._catalog.store.read(self._shares, ref, here):
            raise fail(
                "dataset.orphans",
                f"other tables or namespaces have their folders in or around the one of {ref}: what is an orphan there "
                "cannot be known",
                hint="create a new table, copy the rows into it and drop this one",
            )
        held, since_us = await self._catalog.store.read(rows.held_metadata, here.location)
        if since_us is not None:
            limit = min(limit, since_us // 1000)
        found = await self._catalog.work(self._old_files, folder, root, limit)
        known: set[str] = set()
        seen: set[str] = set()
        while found and here.metadata_location not in seen:  # a commit in between may name what looked like an orphan
            seen.add(here.metadata_location)
            known |= await self._catalog.work(self._known, {here.metadata_location, *held})
            here = await self._catalog.pointer(PUBLISHED, ref)
            more, _ = await self._catalog.store.read(rows.held_metadata, here.location)
            held |= more
        orphans = {path: size for path, size in found.items() if path not in known}
        if orphans and not dry_run:
            await self._catalog.store.read(self._refuse_held, now_us)
            await self._catalog.work(self._delete, list(orphans), root)
        return Orphans(len(orphans), sum(orphans.values()), limit, sorted(orphans)[:_SHOWN])

    @staticmethod
    def _shares(connection: sa.Connection, ref: TableRef, here: Pointer) -> bool:
        folder = folded(here.location)
        spaces = {folded(space) for space in rows.namespace_folders(connection, ref.warehouse)}
        covers = any(space == folder or space.startswith(f"{folder}/") for space in spaces)
        return covers or rows.location_in_use(connection, here.location, itself=False)

    def _old_files(self, folder: str, root: str, limit_ms: int) -> dict[str, int]:
        found = {p: size for p, changed_ms, size in self._catalog.files.walk(folder, root) if changed_ms < limit_ms}
        return {path: size for path, size in found.items() if path.rsplit("/", 1)[-1] not in _HINTS}

    def _known(self, locations: set[str]) -> set[str]:
        plans, commits = self._changes.plans(), self._catalog.commits()
        tables = {location: commits.load(location) for location in sorted(locations)}
        found = plans.contents.named_by(self._catalog.files, tables.values()).paths()
        for location, table in tables.items():
            found |= plans.contents.metadata_files(table, location)
        return {self._catalog.files.real(path) for path in found}

    def _delete(self, paths: list[str], root: str) -> None:
        real = self._catalog.files.real(root)  # as the paths are spelled
        for path in paths:
            self._catalog.files.delete(path, real)

    def _refuse_held(self, connection: sa.Connection, now_us: int) -> None:
        until = holds.until(connection, now_us)
        if until is not None:
            raise fail(
                "iceberg.conflict",
                "a backup holds all files for the moment: nothing was deleted",
                hint="try again when it is done; --dry-run shows what would go",
                retry=max(1.0, (until - now_us) / 1e6),
            )
