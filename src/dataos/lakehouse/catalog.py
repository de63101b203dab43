"""The catalog: namespaces, tables and their commits, over the store and the warehouse's files.

A commit writes a new metadata file first and then moves the table's pointer in one unit of work, if the pointer is
still where the commit began. Seen through an attempt's view the pointer is a held one (`dataos.lakehouse.runs`).
Callers: the REST router, the Lakehouse controller, attempts, the gateway. Knows no HTTP and no policy.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, fail
from dataos.core.ids import AttemptId, Ids
from dataos.lakehouse import descriptions, namespaces, rows, runs
from dataos.lakehouse.caches import MetadataCache
from dataos.lakehouse.descriptions import TableInfo
from dataos.lakehouse.files import Files, LocalFiles, below, contains, in_bucket
from dataos.lakehouse.rows import MovedError, Warehouse
from dataos.lakehouse.views import (
    PUBLISHED,
    AttemptView,
    Change,
    CommitRequest,
    CreateRequest,
    Loaded,
    Pointer,
    PublishedTable,
    TableRef,
    View,
)
from dataos.store.database import Store

if TYPE_CHECKING:
    from dataos.lakehouse.commits import Commits, Staged

P = ParamSpec("P")
T = TypeVar("T")

_TRIES = 10
_STAGED_US = 24 * 3600 * 1_000_000
_CACHE_BYTES = 32 << 20


def _nothing(_: str) -> None:
    """The checkpoint of a server that is not under test."""


Renamed = Callable[[sa.Connection, TableRef, TableRef], None]
"""A table, and what it is going to be called."""


def _nobody_told(connection: sa.Connection, old: TableRef, new: TableRef) -> None:
    """Nothing is kept of tables besides the catalog."""


class Catalog:
    """The one door to Iceberg tables. Stateless but for caches of immutable files."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        checkpoint: Callable[[str], None] = _nothing,
        files: Files | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.ids = ids
        self.checkpoint = checkpoint
        self.files: Files = files or LocalFiles()
        self._workers = ThreadPoolExecutor(4, thread_name_prefix="lakehouse")
        self._cache = MetadataCache(_CACHE_BYTES)
        self._commits: Commits | None = None
        self._loading = Lock()
        self._renamed: Renamed = _nobody_told
        self._roots: dict[str, str] = {}

    def close(self) -> None:
        """Wait for file work in progress."""
        self._workers.shutdown(wait=True)

    def commits(self) -> Commits:
        """The part that imports PyIceberg; call it in a worker thread. The only late import of our own code."""
        with self._loading:
            if self._commits is None:
                from dataos.lakehouse.commits import Commits

                self._commits = Commits(self.files, self.ids.uid)
            return self._commits

    async def work(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking file work in the catalog's own small pool."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, lambda: fn(*args, **kwargs))

    # --- warehouses -------------------------------------------------------------------------------------------------

    def register_warehouse(
        self,
        connection: sa.Connection,
        name: str,
        uid: str,
        location: str | Path,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        """Make or change a warehouse, in the caller's unit of work. `location` is an absolute folder.

        Raises DataOSError `iceberg.exists.warehouse` if it has tables at another location.
        """
        rows.register_warehouse(connection, name, uid, str(location), properties or {}, self.clock.now_us())

    def overlapping_warehouse(self, connection: sa.Connection, name: str, location: str) -> str | None:
        """Another warehouse that lies at, above or below a location, in the caller's unit of work."""
        return rows.overlapping_warehouse(connection, name, location)

    def on_rename(self, told: Renamed) -> None:
        """Have somebody told, in the unit of work, before a table gets another name."""
        self._renamed = told

    async def place_of(self, view: View, warehouse: str, location: str) -> tuple[str | None, str | None]:
        """Namespace and table in whose folder a location lies; the namespace alone in the folder where the view's run
        makes tables of it (`run_folder`); neither elsewhere."""
        return await self.store.read(_place_of, view, warehouse, location)

    def drop_warehouse(self, connection: sa.Connection, name: str) -> None:
        """Forget a warehouse and its pointers, in the caller's unit of work. Files stay."""
        rows.drop_warehouse(connection, name)

    async def list_warehouses(self) -> list[str]:
        """All warehouses' names."""
        return await self.store.read(rows.warehouses)

    async def load_warehouse(self, name: str) -> Warehouse:
        """Raises DataOSError `iceberg.not_found.warehouse`."""
        return await self.store.read(rows.warehouse, name)

    # --- namespaces -------------------------------------------------------------------------------------------------

    async def list_namespaces(self, view: View, warehouse: str, parent: str | None = None) -> list[str]:
        """Texts of all namespaces, or of the children of one (ancestors that exist only by their children count)."""
        found = await self.store.read(rows.namespaces, view, warehouse)
        if parent is None:
            return list(found)
        below = {n for n in found if n.startswith(parent + ".")}
        if parent not in found and not below:
            await self.store.read(rows.namespace, view, warehouse, parent)
        depth = len(namespaces.split(parent)) + 1
        return sorted({namespaces.join(namespaces.split(n)[:depth]) for n in below})

    async def load_namespace(self, view: View, warehouse: str, namespace: str) -> dict[str, str]:
        """Its properties; `location` is always among them. Raises DataOSError `iceberg.not_found.namespace`."""

        def read(connection: sa.Connection) -> dict[str, str]:
            root = rows.warehouse(connection, warehouse).location
            found = rows.namespace(connection, view, warehouse, namespace)
            return {**found, "location": _run_folder(root, namespace, view)}

        return await self.store.read(read)

    async def create_namespace(
        self,
        view: View,
        warehouse: str,
        namespace: str,
        properties: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> dict[str, str]:
        """Returns its properties. Raises DataOSError `iceberg.exists.namespace`, `iceberg.invalid`."""
        namespaces.join(namespaces.split(namespace))
        own = {k: v for k, v in (properties or {}).items() if k != "location"}
        await self.unit(key, rows.create_namespace, view, warehouse, namespace, own, self.clock.now_us())
        return await self.load_namespace(view, warehouse, namespace)

    async def ensure_namespace(self, view: View, warehouse: str, namespace: str) -> None:
        """Create it if it is missing."""
        try:
            await self.create_namespace(view, warehouse, namespace)
        except DataOSError as error:
            if error.problem.code != "iceberg.exists.namespace":
                raise

    async def drop_namespace(self, view: View, warehouse: str, namespace: str, key: str | None = None) -> None:
        """Raises DataOSError `iceberg.not_found.namespace`, `iceberg.conflict.not_empty`, `iceberg.unsupported`."""
        await self.unit(key, rows.drop_namespace, view, warehouse, namespace)

    async def rename_namespace(self, view: View, warehouse: str, namespace: str, new_name: str) -> None:
        """Give a namespace another name, with its tables and views; their files stay where they are.

        Raises DataOSError `iceberg.not_found.namespace`, `iceberg.exists.namespace`, `iceberg.unsupported` (in a run).
        """
        namespaces.join(namespaces.split(new_name))
        await self.store.write(self._rename_namespace, view, warehouse, namespace, new_name)

    def _rename_namespace(
        self, connection: sa.Connection, view: View, warehouse: str, namespace: str, new_name: str
    ) -> None:
        for old in rows.namespaces(connection, view, warehouse):
            if old == namespace or old.startswith(f"{namespace}."):
                new = new_name + old[len(namespace) :]
                for table in rows.list_tables(connection, view, warehouse, old):
                    self._renamed(connection, TableRef(warehouse, old, table), TableRef(warehouse, new, table))
        rows.rename_namespace(connection, view, warehouse, namespace, new_name, self.clock.now_us())

    async def update_namespace(
        self,
        view: View,
        warehouse: str,
        namespace: str,
        updates: Mapping[str, str],
        removals: Sequence[str],
        key: str | None = None,
    ) -> dict[str, list[str]]:
        """Returns {updated, removed, missing}. `location` is the catalog's own and stays."""
        if both := sorted(set(updates) & set(removals)):
            raise fail("iceberg.invalid", f"properties both set and removed: {', '.join(both)}")

        def change(connection: sa.Connection) -> dict[str, list[str]]:
            own = rows.namespace(connection, view, warehouse, namespace)
            missing = [r for r in removals if r not in own]
            kept = {k: v for k, v in own.items() if k not in removals}
            new = {k: v for k, v in updates.items() if k != "location"}
            rows.set_namespace(connection, view, warehouse, namespace, kept | new)
            return {"updated": list(new), "removed": [r for r in removals if r in own], "missing": missing}

        return await self.unit(key, change)

    # --- looking at tables ------------------------------------------------------------------------------------------

    async def list_tables(self, view: View, warehouse: str, namespace: str) -> list[str]:
        """Names, sorted. Raises DataOSError `iceberg.not_found.namespace`."""
        return await self.store.read(rows.list_tables, view, warehouse, namespace)

    async def pointer(self, view: View, ref: TableRef) -> Pointer:
        """Where a table stands. Raises DataOSError `iceberg.not_found.table` (or `.namespace`, `.warehouse`)."""

        def read(connection: sa.Connection) -> Pointer:
            found = rows.pointer(connection, view, ref)
            if found is None:
                raise rows.not_found(connection, view, ref)
            return found

        return await self.store.look(read)

    async def pointers(self, view: View, refs: Sequence[TableRef]) -> dict[TableRef, Pointer | None]:
        """Where several tables stand at one moment; None for those that are not there."""
        return await self.store.read(rows.pointers, view, refs)

    async def table_exists(self, view: View, ref: TableRef) -> bool:
        """True if the table is there in this view."""
        return (await self.pointers(view, [ref]))[ref] is not None

    async def spelled(self, view: View, ref: TableRef) -> TableRef | None:
        """A table as the catalog spells it: the one of exactly this name, else the only one in any letter case."""
        return await self.store.read(rows.spelled, view, ref)

    async def load_table(self, view: View, ref: TableRef, *, pin: bool = True) -> Loaded:
        """A table's metadata as it is on disk. An attempt goes on seeing a table as it first loaded it; without `pin`
        this load is none of those.

        Raises as `pointer`, and `iceberg.corrupt`.
        """
        if pin and isinstance(view, AttemptView) and not await self.store.read(rows.is_held, view, ref):
            with contextlib.suppress(MovedError):  # then another load of this attempt has pinned it
                await self.store.write(rows.pin, view, ref, self.clock.now_us())
        found = await self.pointer(view, ref)
        return Loaded(found.metadata_location, await self._metadata(found.metadata_location))

    async def describe_table(
        self, view: View, warehouse: str, namespace: str, table: str, snapshot: int | str | None = None
    ) -> TableInfo:
        """What is known of a table, as of now or of a snapshot id, branch or tag.

        Raises as `load_table`, and `iceberg.not_found.snapshot`.
        """
        loaded = await self.load_table(view, TableRef(warehouse, namespace, table))
        location = loaded.metadata_location or ""
        return self._cache.described(location, snapshot, loaded.metadata)

    async def snapshot_at(self, view: View, ref: TableRef, timestamp_us: int) -> int:
        """The snapshot that was current at a moment. Raises as `load_table`, and `iceberg.not_found.snapshot`."""
        loaded = await self.load_table(view, ref)
        return await self.work(lambda: descriptions.snapshot_at(json.loads(loaded.metadata), timestamp_us))

    async def refuse_links(self, warehouse: str, location: str) -> None:
        """Raise DataOSError `iceberg.links` where a table's folder holds links, or lies behind one: they lead to files
        of others. Asked before anybody reads or writes there."""
        if in_bucket(location):
            return
        root = self._roots.get(warehouse)
        if root is None or not contains(root, location):
            root = self._roots[warehouse] = (await self.load_warehouse(warehouse)).location
        await self.work(self.files.refuse_links, location, root)

    async def clear_links(self, folders: Sequence[str]) -> None:
        """Remove links and the like from folders that a job may write to. Raises DataOSError `iceberg.links` if there
        were some: what the job did is not to be published."""
        removed = await self.work(self.files.clear_links, folders) if folders else []
        if removed:
            raise fail(
                "iceberg.links",
                f"the job left {len(removed)} things in folders of tables that are no plain files: "
                + ", ".join(removed[:3]),
                hint="a table's folder holds plain files and folders only; a job's own files go to its DATAOS_TEMP_DIR",
            )

    async def locations(self, view: View, refs: Sequence[TableRef]) -> dict[TableRef, str]:
        """Folders of the tables that are there."""
        return {ref: p.location for ref, p in (await self.pointers(view, refs)).items() if p is not None}

    async def _metadata(self, location: str) -> bytes:
        found = self._cache.get(location)
        if found is None:
            found = await self.work(self.files.read, location)
            self._cache.put(location, found)
        return found

    # --- changing tables --------------------------------------------------------------------------------------------

    async def create_table(
        self, view: View, request: CreateRequest, *, stage: bool = False, key: str | None = None
    ) -> Loaded:
        """Make an empty table; with `stage` only its metadata, for a later commit that asserts creation.

        Raises DataOSError `iceberg.exists.table`, `iceberg.not_found.namespace`, `iceberg.invalid`.
        """
        ref = request.ref
        if (done := await self.replay(key)) is not None and not stage:
            return await self._loaded(done[0])
        namespaces.check(ref.name, "table")
        location = await self.store.read(self._new_location, view, request)
        staged = await self.work(lambda: self.commits().create(request, location, write=not stage))
        if stage:
            due = self.clock.now_us() + _STAGED_US
            await self.store.write(rows.add_garbage, location, None, due)
            return Loaded(None, staged.metadata)
        await self._apply_once(view, [Change(ref, None, staged.pointer, grew=False)], [staged], key, _exists(ref))
        return self._done(staged)

    async def run_folder(self, view: View, warehouse: str, namespace: str) -> str:
        """Where new tables of a run lie: no table of others is in there. Outside of runs the namespace's folder."""
        root = (await self.load_warehouse(warehouse)).location
        return _run_folder(root, namespace, view)

    def _new_location(self, connection: sa.Connection, view: View, request: CreateRequest) -> str:
        root = rows.warehouse(connection, request.ref.warehouse).location
        rows.check_open(connection, view)
        rows.namespace(connection, view, request.ref.warehouse, request.ref.namespace)
        if rows.pointer(connection, view, request.ref) is not None:
            raise _exists(request.ref)
        rows.refuse_view(connection, request.ref)
        home = _run_folder(root, request.ref.namespace, view)
        location = (request.location or "").rstrip("/")
        # a location derived from the namespace's: a table made again would find the files of the dropped one
        if location in ("", f"{home}/{request.ref.name}"):
            return f"{home}/{namespaces.folder(request.ref.name)}-{self.ids.uid().replace('-', '')[:12]}"
        return claimed(connection, view, request.ref, location)

    async def register_table(
        self, view: View, ref: TableRef, metadata_location: str, *, overwrite: bool = False, key: str | None = None
    ) -> Loaded:
        """Take up a table by its metadata file, which lies below the warehouse's root as all its files do.

        Raises DataOSError `iceberg.exists.table`, `iceberg.invalid` (outside, or another table's folder).
        """
        if (done := await self.replay(key)) is not None:
            return await self._loaded(done[0])
        namespaces.check(ref.name, "table")
        root = (await self.load_warehouse(ref.warehouse)).location
        staged = await self.work(lambda: self.commits().register(metadata_location, root))

        def change(connection: sa.Connection) -> list[str]:
            here = rows.pointer(connection, view, ref)
            if here is not None and not overwrite:
                raise _exists(ref)
            if here is None or here.location != staged.pointer.location:
                claimed(connection, PUBLISHED, ref, staged.pointer.location)  # a run may take up what was there
            base = here.metadata_location if here else None
            rows.forget_garbage_below(connection, staged.pointer.location)
            moved = Change(ref, base, staged.pointer, grew=False, origin=metadata_location)
            rows.apply(connection, view, [moved], self.clock.now_us())
            return [metadata_location]

        await self.unit(key, change)
        return self._done(staged)

    async def drop_table(self, view: View, ref: TableRef, *, purge: bool = False, key: str | None = None) -> None:
        """Forget a table; with `purge` its files are deleted soon after. Raises as `pointer`."""

        def drop(connection: sa.Connection) -> list[str]:
            here = rows.pointer(connection, view, ref)
            if here is None:
                raise rows.not_found(connection, view, ref)
            change = Change(ref, here.metadata_location, None, purge=purge)
            rows.apply(connection, view, [change], self.clock.now_us())
            return []

        self.checkpoint("iceberg.before-commit")
        await self.unit(key, drop)
        self.checkpoint("iceberg.after-commit")

    async def rename_table(self, view: View, source: TableRef, target: TableRef, key: str | None = None) -> None:
        """Raises as `pointer`, and `iceberg.exists.table`, `iceberg.invalid` (another warehouse)."""
        namespaces.check(target.name, "table")
        if source.warehouse != target.warehouse:
            raise fail("iceberg.invalid", "a table cannot be renamed into another warehouse")

        def rename(connection: sa.Connection) -> list[str]:
            here = rows.pointer(connection, view, source)
            if here is None:
                raise rows.not_found(connection, view, source)
            rows.namespace(connection, view, target.warehouse, target.namespace)
            if rows.pointer(connection, view, target) is not None:
                raise _exists(target)
            origin = rows.origin(connection, view, source, here)
            self._renamed(connection, source, target)
            changes = [
                Change(target, None, here, grew=False, origin=origin),
                Change(source, here.metadata_location, None, renamed=True),
            ]
            rows.apply(connection, view, changes, self.clock.now_us())
            return []

        await self.unit(key, rename)

    async def commit(self, view: View, requests: Sequence[CommitRequest], key: str | None = None) -> list[Loaded]:
        """Apply commits to one or more tables, all or none. Results are in the order of the requests.

        A commit that asserts creation makes a staged table. Where a pointer moved in between, the requirements are
        checked against the new state and the updates applied to it, as the protocol allows. Raises DataOSError
        `iceberg.conflict` (a requirement does not hold), `iceberg.not_found.table`, `iceberg.invalid`,
        `iceberg.unsupported`, `iceberg.settled`.
        """
        if (done := await self.replay(key)) is not None:
            return [await self._loaded(location) for location in done]
        refs = [r.ref for r in requests]
        if len(set(refs)) != len(refs):
            raise fail("iceberg.invalid", "a transaction may name each table once")
        attempt_id = view.attempt_id if isinstance(view, AttemptView) else None
        for _ in range(_TRIES):
            roots, found = await self.store.read(self._bases, view, requests)
            staged: list[Staged] = []

            def stage(staged: list[Staged] = staged, found: Any = found, roots: Any = roots) -> None:
                commits = self.commits()
                for request in requests:
                    root = roots[request.ref.warehouse]
                    staged.append(commits.stage(request, found[request.ref], root, attempt_id))

            try:
                await self.work(stage)
                changes = [_change(r.ref, found[r.ref], s) for r, s in zip(requests, staged, strict=True)]
                self.checkpoint("iceberg.before-commit")
                await self._apply(view, changes, staged, key)
            except MovedError:
                await self._discard(staged, found)
                continue
            except DataOSError as error:
                if not error.problem.code.startswith("store."):  # there the outcome is not known
                    await self._discard(staged, found)
                raise
            self.checkpoint("iceberg.after-commit")
            return [self._done(s) for s in staged]
        raise fail(
            "iceberg.conflict",
            f"{', '.join(map(str, refs))}: too many commits at the same time",
            hint="load the table again and retry",
            retry=1.0,
        )

    def _bases(
        self, connection: sa.Connection, view: View, requests: Sequence[CommitRequest]
    ) -> tuple[dict[str, str], dict[TableRef, Pointer | None]]:
        rows.check_open(connection, view)
        found = rows.pointers(connection, view, [r.ref for r in requests])
        for request in requests:
            creates = any(r.get("type") == "assert-create" for r in request.requirements)
            if found[request.ref] is None and not creates:
                raise rows.not_found(connection, view, request.ref)
            if creates:
                namespaces.check(request.ref.name, "table")
                rows.namespace(connection, view, request.ref.warehouse, request.ref.namespace)
        names = {r.ref.warehouse for r in requests}
        return {name: rows.warehouse(connection, name).location for name in names}, found

    # --- how changes become true ------------------------------------------------------------------------------------

    async def _apply(self, view: View, changes: list[Change], staged: Sequence[Staged], key: str | None) -> None:
        def apply(connection: sa.Connection) -> list[str]:
            for change in changes:
                if change.new is not None and change.base is None:
                    claimed(connection, view, change.ref, change.new.location)
            rows.apply(connection, view, changes, self.clock.now_us())
            return [s.pointer.metadata_location for s in staged]

        await self.unit(key, apply)

    async def _apply_once(
        self, view: View, changes: list[Change], staged: Sequence[Staged], key: str | None, moved: DataOSError
    ) -> None:
        self.checkpoint("iceberg.before-commit")
        try:
            await self._apply(view, changes, staged, key)
        except MovedError:
            for one in staged:
                await self.work(self.files.delete_folder, one.pointer.location)
            raise moved from None
        self.checkpoint("iceberg.after-commit")

    async def unit(
        self, key: str | None, fn: Callable[Concatenate[sa.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """One write, done once per idempotency key; its result must be JSON."""

        def unit(connection: sa.Connection) -> Any:
            if key is None:
                return fn(connection, *args, **kwargs)
            done = rows.replay(connection, key)
            if done is not None:
                return done["result"]
            result = fn(connection, *args, **kwargs)
            rows.remember(connection, key, {"result": result}, self.clock.now_us())
            return result

        try:
            return await self.store.write(unit)
        except IntegrityError:
            # PostgreSQL: the same call, sent again, ran beside this one and was first
            done = await self.store.read(rows.replay, key) if key is not None else None
            if done is None:
                raise
            return done["result"]

    async def replay(self, key: str | None) -> list[str] | None:
        """What a mutation with this idempotency key answered before, or None."""
        done = await self.store.read(rows.replay, key) if key is not None else None
        return None if done is None else done["result"]

    async def _loaded(self, metadata_location: str) -> Loaded:
        return Loaded(metadata_location, await self._metadata(metadata_location))

    def _done(self, staged: Staged) -> Loaded:
        self._cache.put(staged.pointer.metadata_location, staged.metadata)
        return Loaded(staged.pointer.metadata_location, staged.metadata)

    async def _discard(self, staged: Sequence[Staged], bases: Mapping[TableRef, Pointer | None]) -> None:
        kept = {p.metadata_location for p in bases.values() if p is not None}
        for one in staged:
            if one.pointer.metadata_location not in kept:
                await self.work(self.files.delete, one.pointer.metadata_location)

    # --- run transactions (dataos.lakehouse.runs) -------------------------------------------------------------------

    async def prepare_publish(self, attempt_id: AttemptId) -> None:
        """Before `publish`: bring held appends onto bases that moved.

        Raises DataOSError `iceberg.conflict` without `retry`: the run must start again.
        """
        await runs.prepare(self, attempt_id)

    def publish(self, connection: sa.Connection, attempt_id: AttemptId) -> list[PublishedTable]:
        """Make an attempt's tables everybody's, in the caller's unit of work, and close its view. Once: a second call
        changes nothing and returns what the first did.

        Raises DataOSError `iceberg.conflict`, with `retry` where `prepare_publish` can help; `iceberg.settled` if the
        attempt was abandoned.
        """
        self.checkpoint("iceberg.before-publish")
        published = runs.publish(connection, attempt_id, self.clock.now_us())
        self.checkpoint("iceberg.after-publish")
        return published

    def publish_batch(self, connection: sa.Connection, attempt_id: AttemptId) -> list[PublishedTable]:
        """As `publish`, for an attempt that goes on: its view stays open, and begins anew on what is published now.

        Raises DataOSError `iceberg.conflict` as `publish`, `iceberg.settled` if the view was closed.
        """
        self.checkpoint("iceberg.before-publish")
        published = runs.publish_batch(connection, attempt_id, self.clock.now_us())
        self.checkpoint("iceberg.after-publish")
        return published

    def drop_batch(self, connection: sa.Connection, attempt_id: AttemptId) -> bool:
        """Let an attempt begin anew on what is published now; True if it held anything. The files go with the next
        `collect_garbage`. Raises DataOSError `iceberg.settled`."""
        return runs.abandon_batch(connection, attempt_id, self.clock.now_us())

    async def abandon(self, attempt_id: AttemptId) -> None:
        """Drop what an attempt holds, with its files, and close its view. A published one stays published."""
        await self.store.write(self.drop, attempt_id)
        await self.collect_garbage()

    def drop(self, connection: sa.Connection, attempt_id: AttemptId) -> None:
        """As `abandon`, in the caller's unit of work; the files go with the next `collect_garbage`."""
        runs.abandon(connection, attempt_id, self.clock.now_us())

    async def collect_garbage(self) -> int:
        """Delete due files that no living table uses; how many notes were settled."""
        return await runs.collect_garbage(self)

    async def sweep(self, live: Callable[[sa.Connection], Sequence[AttemptId]]) -> list[AttemptId]:
        """Abandon every attempt that holds something and is not alive; delete due garbage. Returns the abandoned.

        `live` is asked in the same transaction: another server may open an attempt at any time.
        """
        gone = await self.store.write(
            lambda connection: runs.abandon_others(connection, set(live(connection)), self.clock.now_us())
        )
        await runs.collect_garbage(self)
        return gone


def _change(ref: TableRef, base: Pointer | None, staged: Staged) -> Change:
    return Change(
        ref,
        base.metadata_location if base else None,
        staged.pointer,
        appends_only=staged.appends_only,
        grew=base is not None,
    )


def _run_folder(root: str, namespace: str, view: View) -> str:
    home = rows.namespace_folder(root, namespace)
    if not isinstance(view, AttemptView):
        return home
    return f"{home}/run-{hashlib.sha256(view.attempt_id.encode()).hexdigest()[:12]}"


def _place_of(connection: sa.Connection, view: View, warehouse: str, location: str) -> tuple[str | None, str | None]:
    table = rows.table_at(connection, view, location)
    if table is not None:
        return table.namespace, table.name
    if isinstance(view, AttemptView):
        root = rows.warehouse(connection, warehouse).location
        for namespace in rows.namespaces(connection, view, warehouse):
            if contains(_run_folder(root, namespace, view), location):
                return namespace, None
    return None, None


def claimed(connection: sa.Connection, view: View, ref: TableRef, location: str) -> str:
    """The location of a table that is to be made, as it is kept: below the warehouse's root (a run's: below its own
    folder), and neither in nor around the folder of another table, view or namespace. Raises DataOSError
    `iceberg.invalid`."""
    root = rows.warehouse(connection, ref.warehouse).location
    own = rows.namespace_folder(root, ref.namespace)
    location = below(root, location, f"the location of {ref}")
    # a run makes tables where no file of others can be
    within = _run_folder(root, ref.namespace, view) if isinstance(view, AttemptView) else root
    folders = rows.namespace_folders(connection, ref.warehouse) | {own}
    around = max((f for f in folders if location.startswith(f"{f}/")), key=len, default=own)
    inside = any(f == location or f.startswith(f"{location}/") for f in folders)
    if inside or around != own or not location.startswith(f"{within}/"):
        raise fail(
            "iceberg.invalid",
            f"the location of {ref} must lie below {within} and in no folder of another namespace; got {location}",
            hint="leave the location out and the catalog chooses one; register a table in the namespace whose folder "
            "it lies in, and rename it then",
        )
    if rows.location_in_use(connection, location):
        raise fail(
            "iceberg.invalid",
            f"{location} is the folder of a living table or view, lies in one or holds one",
            hint="two tables cannot share files: leave the location out",
        )
    return location


def _exists(ref: TableRef) -> DataOSError:
    return fail("iceberg.exists.table", f"table `{ref}` exists already", hint="drop it first, or write into it")
