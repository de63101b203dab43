"""Iceberg views of the catalog: SQL that is kept under a name, with its versions. One name space with tables.

As tables, a view is a metadata file and a pointer to it that moves in one unit of work. Views are published at once: a
job may read them and not change them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from dataos.core.errors import DataOSError, fail
from dataos.core.names import as_spelled
from dataos.lakehouse import namespaces, rows, view_documents
from dataos.lakehouse.catalog import Catalog, claimed
from dataos.lakehouse.files import below, contains
from dataos.lakehouse.rows import MovedError
from dataos.lakehouse.views import AttemptView, Loaded, Pointer, TableRef, View
from dataos.store.database import takes_longer

_TRIES = 10
Json = dict[str, Any]


class StoredViews:
    """Views over the catalog. Stateless."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def list(self, view: View, warehouse: str, namespace: str) -> list[str]:
        """Names, sorted. Raises DataOSError `iceberg.not_found.namespace`."""

        def read(connection: sa.Connection) -> list[str]:
            rows.namespace(connection, view, warehouse, namespace)
            return rows.list_views(connection, warehouse, namespace)

        return await self._catalog.store.read(read)

    async def load(self, view: View, ref: TableRef) -> Loaded:
        """Raises DataOSError `iceberg.not_found.view` (or `.namespace`), `iceberg.corrupt`."""
        here = await self._pointer(view, ref)
        return Loaded(
            here.metadata_location, await self._catalog.work(self._catalog.files.read, here.metadata_location)
        )

    async def definer(self, ref: TableRef) -> str | None:
        """The user whose right to select a view lends; None for nobody's."""
        return await self._catalog.store.read(rows.view_definer, ref)

    async def find(self, view: View, warehouse: str, namespace: str, name: str) -> tuple[TableRef, Json] | None:
        """A view by its name in any letter case, with its metadata; None if there is none, or several."""

        def read(connection: sa.Connection) -> tuple[TableRef, Pointer] | None:
            if rows.pointer(connection, view, TableRef(warehouse, namespace, name)) is not None:
                return None  # most names are tables
            takes_longer(connection)
            space = as_spelled(rows.namespaces(connection, view, warehouse), namespace)
            known = as_spelled(rows.list_views(connection, warehouse, space), name) if space is not None else None
            if space is None or known is None:
                return None
            ref = TableRef(warehouse, space, known)
            here = rows.view_pointer(connection, ref)
            return (ref, here) if here is not None else None

        found = await self._catalog.store.look(read)
        if found is None:
            return None
        content = await self._catalog.work(self._catalog.files.read, found[1].metadata_location)
        metadata: Json = json.loads(content)
        return found[0], metadata

    async def exists(self, view: View, ref: TableRef) -> None:
        """Raises DataOSError `iceberg.not_found.view`."""
        await self._pointer(view, ref)

    async def create(
        self,
        view: View,
        ref: TableRef,
        schema: Mapping[str, Any],
        version: Mapping[str, Any],
        properties: Mapping[str, str],
        location: str | None = None,
        key: str | None = None,
        definer: str | None = None,
    ) -> Loaded:
        """`definer`: the user whose right to select it lends. Raises DataOSError `iceberg.exists.view`,
        `iceberg.exists.table`, `iceberg.invalid`."""
        _refuse_held(view)
        if (done := await self._catalog.replay(key)) is not None:
            return await self._loaded(done[0])
        namespaces.check(ref.name, "view")
        uuid = self._catalog.ids.uid()
        folder = await self._catalog.store.read(self._new_location, view, ref, location, uuid)
        made = view_documents.create(uuid, folder, schema, version, properties, self._catalog.clock.now_us() // 1000)
        return await self._write(ref, None, made, 0, key, definer)

    async def register(self, view: View, ref: TableRef, metadata_location: str, key: str | None = None) -> Loaded:
        """Take up a view by its metadata file below the warehouse."""
        _refuse_held(view)
        if (done := await self._catalog.replay(key)) is not None:
            return await self._loaded(done[0])
        namespaces.check(ref.name, "view")
        root = (await self._catalog.load_warehouse(ref.warehouse)).location
        metadata_location = below(root, metadata_location, "its metadata file")
        found = await self._loaded(metadata_location)
        made: dict[str, Any] = json.loads(found.metadata)
        view_documents.check(made)
        folder = below(root, made["location"], "its folder")
        if not metadata_location.startswith(f"{folder}/"):
            raise fail("iceberg.invalid", f"{metadata_location} does not lie in its view's folder {folder}")
        await self._catalog.work(self._catalog.files.secure, metadata_location, folder)
        pointer = Pointer(made["view-uuid"], folder, metadata_location)

        def change(connection: sa.Connection) -> list[str]:
            rows.namespace(connection, view, ref.warehouse, ref.namespace)
            if rows.view_pointer(connection, ref) is None:
                claimed(connection, view, ref, folder)
            rows.forget_garbage_below(connection, pointer.location)
            rows.swap_view(connection, ref, None, pointer, self._catalog.clock.now_us())
            return [metadata_location]

        try:
            await self._catalog.unit(key, change)
        except MovedError:
            raise _exists(ref) from None
        return found

    async def replace(
        self,
        view: View,
        ref: TableRef,
        requirements: Sequence[Mapping[str, Any]],
        updates: Sequence[Mapping[str, Any]],
        key: str | None = None,
        definer: str | None = None,
    ) -> Loaded:
        """Change a view: usually a new version. Without a `definer` it lends nobody's rights from now on.

        Raises DataOSError `iceberg.conflict`, and as `create`.
        """
        _refuse_held(view)
        if (done := await self._catalog.replay(key)) is not None:
            return await self._loaded(done[0])
        for _ in range(_TRIES):
            here = await self._pointer(view, ref)
            base: dict[str, Any] = json.loads(
                await self._catalog.work(self._catalog.files.read, here.metadata_location)
            )
            view_documents.require(base, requirements)
            made = view_documents.change(base, updates, self._catalog.clock.now_us() // 1000)
            number = int(here.metadata_location.rsplit("/", 1)[-1].split("-")[0]) + 1
            try:
                return await self._write(ref, here, made, number, key, definer)
            except MovedError:
                continue
        raise fail("iceberg.conflict", f"{ref}: too many commits at the same time", hint="retry", retry=1.0)

    async def drop(self, view: View, ref: TableRef, key: str | None = None) -> None:
        """Forget a view with its files. Raises DataOSError `iceberg.not_found.view`."""
        _refuse_held(view)

        def change(connection: sa.Connection) -> list[str]:
            here = _need(connection, view, ref)
            now = self._catalog.clock.now_us()
            rows.swap_view(connection, ref, here.metadata_location, None, now)
            rows.add_garbage(connection, here.location, None, now)
            return []

        await self._catalog.unit(key, change)

    async def rename(self, view: View, source: TableRef, target: TableRef, key: str | None = None) -> None:
        """Raises DataOSError `iceberg.not_found.view`, `iceberg.exists.view`, `iceberg.exists.table`."""
        _refuse_held(view)
        namespaces.check(target.name, "view")
        if source.warehouse != target.warehouse:
            raise fail("iceberg.invalid", "a view cannot be renamed into another warehouse")

        def change(connection: sa.Connection) -> list[str]:
            here = _need(connection, view, source)
            rows.namespace(connection, view, target.warehouse, target.namespace)
            now = self._catalog.clock.now_us()
            try:
                rows.swap_view(connection, target, None, here, now, rows.view_definer(connection, source))
            except MovedError:
                raise _exists(target) from None
            rows.swap_view(connection, source, here.metadata_location, None, now)
            return []

        await self._catalog.unit(key, change)

    # --- how ---------------------------------------------------------------------------------------------------------

    async def _pointer(self, view: View, ref: TableRef) -> Pointer:
        return await self._catalog.store.read(_need, view, ref)

    async def _loaded(self, location: str) -> Loaded:
        return Loaded(location, await self._catalog.work(self._catalog.files.read, location))

    def _new_location(
        self, connection: sa.Connection, view: View, ref: TableRef, location: str | None, uuid: str
    ) -> str:
        root = rows.warehouse(connection, ref.warehouse).location
        rows.namespace(connection, view, ref.warehouse, ref.namespace)
        if rows.view_pointer(connection, ref) is not None:
            raise _exists(ref)
        if location is not None and not contains(root, location):
            raise fail("iceberg.invalid", f"the location of {ref} must lie below {root}", hint="leave it out")
        # a folder of its own each time: a view made again must not find the files of the dropped one
        home = rows.namespace_folder(root, ref.namespace)
        folder = f"{home}/{namespaces.folder(ref.name)}-{uuid.replace('-', '')[:12]}"
        if rows.in_a_table(connection, folder):
            raise fail("iceberg.invalid", f"{home} is the folder of a table", hint="choose another namespace")
        return folder

    async def _write(
        self,
        ref: TableRef,
        base: Pointer | None,
        made: Mapping[str, Any],
        number: int,
        key: str | None,
        definer: str | None,
    ) -> Loaded:
        path = f"{made['location']}/metadata/{number:05d}-{self._catalog.ids.uid()}.metadata.json"
        content = json.dumps(made, ensure_ascii=False).encode()
        await self._catalog.work(self._catalog.files.write_new, path, content)
        pointer = Pointer(made["view-uuid"], made["location"], path)

        def change(connection: sa.Connection) -> list[str]:
            old = base.metadata_location if base else None
            rows.swap_view(connection, ref, old, pointer, self._catalog.clock.now_us(), definer)
            return [path]

        try:
            await self._catalog.unit(key, change)
        except (MovedError, DataOSError) as error:
            if isinstance(error, MovedError) or not error.problem.code.startswith("store."):
                await self._catalog.work(self._catalog.files.delete, path)
            if base is None and isinstance(error, MovedError):
                raise _exists(ref) from None
            raise
        return Loaded(path, content)


def _need(connection: sa.Connection, view: View, ref: TableRef) -> Pointer:
    found = rows.view_pointer(connection, ref)
    if found is None:
        rows.namespace(connection, view, ref.warehouse, ref.namespace)
        hint = "list the namespace to see its views"
        raise fail("iceberg.not_found.view", f"there is no view `{ref}`", hint=hint)
    return found


def _exists(ref: TableRef) -> DataOSError:
    return fail("iceberg.exists.view", f"view `{ref}` exists already", hint="replace it, or drop it first")


def _refuse_held(view: View) -> None:
    if isinstance(view, AttemptView):
        raise fail(
            "iceberg.unsupported",
            "a job cannot change views: that could not be held back until it succeeds",
            hint="do it outside of a run, with your own token",
        )
