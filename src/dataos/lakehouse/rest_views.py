"""Routes of the Iceberg REST protocol about views, beside those of `rest`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dataos.governance.principals import Principal
from dataos.lakehouse import namespaces, protocol
from dataos.lakehouse.listings import Listings
from dataos.lakehouse.stored_views import StoredViews
from dataos.lakehouse.views import Loaded, TableRef, View

Enter = Callable[..., Awaitable[tuple[Principal, View]]]
Key = Callable[[Request, Principal], str | None]


class ViewRoutes:
    """One method per route. `enter` authenticates and authorises, `key` finds the idempotency key."""

    def __init__(self, views: StoredViews, enter: Enter, listings: Listings, key: Key) -> None:
        self._views = views
        self._enter = enter
        self._listings = listings
        self._key = key

    async def list_views(self, request: Request, warehouse: str, namespace: str) -> Response:
        name = namespaces.from_path(namespace)
        principal, view = await self._enter(request, "list", warehouse, name)
        known = await self._listings.shown(principal, warehouse, name, await self._views.list(view, warehouse, name))
        found, token = protocol.page(known, request)
        levels = list(namespaces.split(name))
        content = {"identifiers": [{"namespace": levels, "name": n} for n in found]}
        return JSONResponse(content if token is None else {**content, "next-page-token": token})

    async def create_view(self, request: Request, warehouse: str, namespace: str) -> Response:
        parsed = await protocol.body(request)
        ref = TableRef(warehouse, namespaces.from_path(namespace), protocol.member(parsed, "name", str))
        principal, view = await self._enter(request, "table.create", warehouse, ref.namespace, ref.name)
        made = await self._views.create(
            view,
            ref,
            protocol.member(parsed, "schema", dict),
            protocol.member(parsed, "view-version", dict),
            protocol.strings(parsed, "properties"),
            protocol.member(parsed, "location", str, None) or None,
            self._key(request, principal),
        )
        return _answer(made)

    async def register_view(self, request: Request, warehouse: str, namespace: str) -> Response:
        parsed = await protocol.body(request)
        ref = TableRef(warehouse, namespaces.from_path(namespace), protocol.member(parsed, "name", str))
        principal, view = await self._enter(request, "table.register", warehouse, ref.namespace, ref.name)
        location = protocol.member(parsed, "metadata-location", str)
        return _answer(await self._views.register(view, ref, location, self._key(request, principal)))

    async def load_view(self, request: Request, warehouse: str, namespace: str, name: str) -> Response:
        ref = TableRef(warehouse, namespaces.from_path(namespace), name)
        _, view = await self._enter(request, "table.read", warehouse, ref.namespace, name)
        return _answer(await self._views.load(view, ref))

    async def view_exists(self, request: Request, warehouse: str, namespace: str, name: str) -> Response:
        ref = TableRef(warehouse, namespaces.from_path(namespace), name)
        _, view = await self._enter(request, "table.read", warehouse, ref.namespace, name)
        await self._views.exists(view, ref)
        return Response(status_code=204)

    async def replace_view(self, request: Request, warehouse: str, namespace: str, name: str) -> Response:
        parsed = await protocol.body(request)
        ref = TableRef(warehouse, namespaces.from_path(namespace), name)
        principal, view = await self._enter(request, "table.write", warehouse, ref.namespace, name)
        requirements, updates = protocol.objects(parsed, "requirements"), protocol.objects(parsed, "updates")
        return _answer(await self._views.replace(view, ref, requirements, updates, self._key(request, principal)))

    async def drop_view(self, request: Request, warehouse: str, namespace: str, name: str) -> Response:
        ref = TableRef(warehouse, namespaces.from_path(namespace), name)
        principal, view = await self._enter(request, "table.drop", warehouse, ref.namespace, name)
        await self._views.drop(view, ref, self._key(request, principal))
        return Response(status_code=204)

    async def rename_view(self, request: Request, warehouse: str) -> Response:
        parsed = await protocol.body(request)
        source = protocol.identifier(warehouse, protocol.member(parsed, "source", dict))
        target = protocol.identifier(warehouse, protocol.member(parsed, "destination", dict))
        principal, view = await self._enter(request, "table.rename", warehouse, source.namespace, source.name)
        await self._enter(request, "table.create", warehouse, target.namespace, target.name)
        await self._views.rename(view, source, target, self._key(request, principal))
        return Response(status_code=204)


def _answer(loaded: Loaded) -> Response:
    return Response(protocol.loaded_body(loaded, {}), media_type="application/json")
