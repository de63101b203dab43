"""The Iceberg REST protocol over the catalog, to be mounted under `/iceberg`.

A token of a job attempt opens that attempt's view: its commits are held until the run is published. Every route asks
`authorise` before it does anything. Errors take the protocol's own form.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dataos.core import logs
from dataos.core.errors import DataOSError, fail
from dataos.governance.principals import Principal
from dataos.lakehouse import branching, namespaces, protocol
from dataos.lakehouse.access import Authorise, OpenSight, Sight, allow_all
from dataos.lakehouse.catalog import Catalog
from dataos.lakehouse.files import in_bucket
from dataos.lakehouse.listings import Listings
from dataos.lakehouse.rest_views import ViewRoutes
from dataos.lakehouse.stored_views import StoredViews
from dataos.lakehouse.views import PUBLISHED, AttemptView, CommitRequest, CreateRequest, Loaded, TableRef, View

_log = logs.get(__name__)

Authenticate = Callable[[Request], Awaitable[Principal]]
_NAMESPACE = "/v1/{warehouse}/namespaces/{namespace}"
_TABLE = _NAMESPACE + "/tables/{table}"
_KEY_LIFETIME = "PT30M"


def _nobody(_: str) -> None:
    """Nobody counts the reports of clients."""


def router(
    catalog: Catalog,
    authenticate: Authenticate,
    authorise: Authorise = allow_all,
    sight: Sight | None = None,
    reported: Callable[[str], None] = _nobody,
) -> APIRouter:
    """All routes of the protocol. `authenticate` raises DataOSError `auth.*`; `sight` says what listings tell;
    `reported` hears the kind (scan, commit) of each metrics report."""
    listings = Listings(catalog, sight or OpenSight())
    routes = _Routes(catalog, authenticate, authorise, listings, reported)
    api = APIRouter(route_class=_Route, include_in_schema=False)

    def add(method: str, path: str, handler: Callable[..., Awaitable[Response]]) -> None:
        api.add_api_route(path, handler, methods=[method], response_model=None)

    add("GET", "/v1/config", routes.config)
    add("GET", "/v1/{warehouse}/namespaces", routes.list_namespaces)
    add("POST", "/v1/{warehouse}/namespaces", routes.create_namespace)
    add("GET", _NAMESPACE, routes.load_namespace)
    add("HEAD", _NAMESPACE, routes.namespace_exists)
    add("DELETE", _NAMESPACE, routes.drop_namespace)
    add("POST", _NAMESPACE + "/properties", routes.update_namespace)
    add("GET", _NAMESPACE + "/tables", routes.list_tables)
    add("POST", _NAMESPACE + "/tables", routes.create_table)
    add("POST", _NAMESPACE + "/register", routes.register_table)
    add("GET", _TABLE, routes.load_table)
    add("HEAD", _TABLE, routes.table_exists)
    add("POST", _TABLE, routes.commit_table)
    add("DELETE", _TABLE, routes.drop_table)
    add("POST", _TABLE + "/metrics", routes.report_metrics)
    add("POST", "/v1/{warehouse}/tables/rename", routes.rename_table)
    add("POST", "/v1/{warehouse}/transactions/commit", routes.commit_transaction)
    views = ViewRoutes(StoredViews(catalog), routes.enter, listings, _key)
    view = _NAMESPACE + "/views/{name}"
    add("GET", _NAMESPACE + "/views", views.list_views)
    add("POST", _NAMESPACE + "/views", views.create_view)
    add("POST", _NAMESPACE + "/register-view", views.register_view)
    add("GET", view, views.load_view)
    add("HEAD", view, views.view_exists)
    add("POST", view, views.replace_view)
    add("DELETE", view, views.drop_view)
    add("POST", "/v1/{warehouse}/views/rename", views.rename_view)
    return api


class _Route(APIRoute):
    """Answers failures in the protocol's form, whatever application the router is mounted in."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except DataOSError as error:
                return protocol.error_answer(error)
            except Exception as error:  # noqa: BLE001 - the boundary of a request
                _log.error("catalog request crashed", method=request.method, path=request.url.path, exc_info=error)
                return protocol.error_answer(fail("server.internal", "the catalog failed on this request"))

        return handle


class _Routes:
    """One method per route. `warehouse`, `namespace` and `table` come from the path."""

    def __init__(
        self,
        catalog: Catalog,
        authenticate: Authenticate,
        authorise: Authorise,
        listings: Listings,
        reported: Callable[[str], None],
    ) -> None:
        self._catalog = catalog
        self._authenticate = authenticate
        self._authorise = authorise
        self._listings = listings
        self._reported = reported

    async def enter(
        self,
        request: Request,
        action: str,
        warehouse: str,
        namespace: str | None = None,
        table: str | None = None,
    ) -> tuple[Principal, View]:
        """Who asks, and through which view, once they may. Raises DataOSError `auth.*`."""
        principal = await self._authenticate(request)
        await self._authorise(principal, action, warehouse, namespace, table)
        view: View = AttemptView(principal.attempt.attempt_id) if principal.attempt else PUBLISHED
        return principal, view

    # --- configuration ----------------------------------------------------------------------------------------------

    async def config(self, request: Request) -> Response:
        principal = await self._authenticate(request)
        name = request.query_params.get("warehouse", "")
        if not name:
            known = await self._catalog.list_warehouses()
            if len(known) != 1:
                raise fail(
                    "iceberg.invalid",
                    f"say which warehouse: {', '.join(known) or 'there is none'}",
                    hint="the client's `warehouse` property",
                )
            name = known[0]
        await self._authorise(principal, "list", name, None, None)
        warehouse = await self._catalog.load_warehouse(name)
        access = protocol.bucket_access(request) if in_bucket(warehouse.location) else {}
        return JSONResponse(
            {
                "defaults": {**warehouse.properties, **access},
                "overrides": {"prefix": name},
                "endpoints": list(protocol.ENDPOINTS),
                "idempotency-key-lifetime": _KEY_LIFETIME,
            }
        )

    # --- namespaces -------------------------------------------------------------------------------------------------

    async def list_namespaces(self, request: Request, warehouse: str) -> Response:
        principal, view = await self.enter(request, "list", warehouse)
        parent = request.query_params.get("parent") or None
        if parent is not None:
            found = await self._listings.children(principal, view, warehouse, namespaces.from_path(parent))
        else:
            found = await self._listings.top(principal, view, warehouse)
        names, token = protocol.page(found, request)
        return _listing({"namespaces": [list(namespaces.split(n)) for n in names]}, token)

    async def create_namespace(self, request: Request, warehouse: str) -> Response:
        parsed = await protocol.body(request)
        namespace = protocol.namespace_member(parsed)
        principal, view = await self.enter(request, "namespace.create", warehouse, namespace)
        properties = await self._catalog.create_namespace(
            view, warehouse, namespace, protocol.strings(parsed, "properties"), _key(request, principal)
        )
        return JSONResponse({"namespace": list(namespaces.split(namespace)), "properties": properties})

    async def load_namespace(self, request: Request, warehouse: str, namespace: str) -> Response:
        name = namespaces.from_path(namespace)
        principal, view = await self.enter(request, "namespace.read", warehouse, name)
        properties = await self._catalog.load_namespace(view, warehouse, name)
        # Sail derives a new table's location from this one, and writes a CTAS there whatever the catalog answers:
        # a fresh folder each time keeps a table that is made again from the files of the dropped one
        properties["location"] += f"/{self._catalog.ids.uid().replace('-', '')[:12]}"
        properties = await self._listings.properties(principal, view, warehouse, name, properties)
        return JSONResponse({"namespace": list(namespaces.split(name)), "properties": properties})

    async def namespace_exists(self, request: Request, warehouse: str, namespace: str) -> Response:
        name = namespaces.from_path(namespace)
        _, view = await self.enter(request, "namespace.read", warehouse, name)
        await self._catalog.load_namespace(view, warehouse, name)
        return Response(status_code=204)

    async def drop_namespace(self, request: Request, warehouse: str, namespace: str) -> Response:
        name = namespaces.from_path(namespace)
        principal, view = await self.enter(request, "namespace.drop", warehouse, name)
        await self._catalog.drop_namespace(view, warehouse, name, _key(request, principal))
        return Response(status_code=204)

    async def update_namespace(self, request: Request, warehouse: str, namespace: str) -> Response:
        name = namespaces.from_path(namespace)
        principal, view = await self.enter(request, "namespace.update", warehouse, name)
        parsed = await protocol.body(request)
        removals: list[str] = protocol.member(parsed, "removals", list, [])
        done = await self._catalog.update_namespace(
            view, warehouse, name, protocol.strings(parsed, "updates"), removals, _key(request, principal)
        )
        return JSONResponse(done)

    # --- tables -----------------------------------------------------------------------------------------------------

    async def list_tables(self, request: Request, warehouse: str, namespace: str) -> Response:
        name = namespaces.from_path(namespace)
        principal, view = await self.enter(request, "list", warehouse, name)
        found = await self._catalog.list_tables(view, warehouse, name)
        names, token = protocol.page(await self._listings.shown(principal, warehouse, name, found), request)
        levels = list(namespaces.split(name))
        return _listing({"identifiers": [{"namespace": levels, "name": n} for n in names]}, token)

    async def create_table(self, request: Request, warehouse: str, namespace: str) -> Response:
        parsed = await protocol.body(request)
        ref = TableRef(warehouse, namespaces.from_path(namespace), protocol.member(parsed, "name", str))
        principal, view = await self.enter(request, "table.create", warehouse, ref.namespace, ref.name)
        create = CreateRequest(
            ref=ref,
            schema=protocol.member(parsed, "schema", dict),
            partition_spec=protocol.member(parsed, "partition-spec", dict, None),
            write_order=protocol.member(parsed, "write-order", dict, None),
            location=protocol.member(parsed, "location", str, None) or None,
            properties=protocol.strings(parsed, "properties"),
        )
        stage = protocol.member(parsed, "stage-create", bool, False)
        made = await self._catalog.create_table(view, create, stage=stage, key=_key(request, principal))
        return _loaded(made, access=_access(request, made))

    async def register_table(self, request: Request, warehouse: str, namespace: str) -> Response:
        parsed = await protocol.body(request)
        ref = TableRef(warehouse, namespaces.from_path(namespace), protocol.member(parsed, "name", str))
        principal, view = await self.enter(request, "table.register", warehouse, ref.namespace, ref.name)
        loaded = await self._catalog.register_table(
            view,
            ref,
            protocol.member(parsed, "metadata-location", str),
            overwrite=protocol.member(parsed, "overwrite", bool, False),
            key=_key(request, principal),
        )
        return _loaded(loaded, access=_access(request, loaded))

    async def load_table(self, request: Request, warehouse: str, namespace: str, table: str) -> Response:
        ref = TableRef(warehouse, namespaces.from_path(namespace), table)
        ref, branch = await self._table(request, "table.read", ref)
        _, view = await self.enter(request, "table.read", warehouse, ref.namespace, ref.name)
        loaded = await self._catalog.load_table(view, ref)
        if branch is not None:
            loaded = await self._catalog.work(branching.as_main, self._catalog.files, loaded, ref, branch)
        tag = f'"{(loaded.metadata_location or "").rsplit("/", 1)[-1]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        refs_only = request.query_params.get("snapshots") == "refs"
        access = _access(request, loaded)
        return _loaded(loaded, {"ETag": tag}, access=access, current_refs_only=refs_only)

    async def table_exists(self, request: Request, warehouse: str, namespace: str, table: str) -> Response:
        ref = TableRef(warehouse, namespaces.from_path(namespace), table)
        ref, branch = await self._table(request, "table.read", ref)
        _, view = await self.enter(request, "table.read", warehouse, ref.namespace, ref.name)
        await self._catalog.pointer(view, ref)
        if branch is not None:
            branching.head(await self._catalog.load_table(view, ref), ref, branch)
        return Response(status_code=204)

    async def commit_table(self, request: Request, warehouse: str, namespace: str, table: str) -> Response:
        parsed = await protocol.body(request)
        ref = TableRef(warehouse, namespaces.from_path(namespace), table)
        ref, branch = await self._table(request, "table.write", ref)
        principal, view = await self.enter(request, "table.write", warehouse, ref.namespace, ref.name)
        commit = _commit(ref, parsed)
        if branch is not None:
            commit = branching.to_branch(commit, await self._catalog.load_table(view, ref), branch)
        (done,) = await self._catalog.commit(view, [commit], _key(request, principal))
        if branch is not None:
            done = await self._catalog.work(branching.as_main, self._catalog.files, done, ref, branch)
        return _loaded(done)

    async def _table(self, request: Request, action: str, ref: TableRef) -> tuple[TableRef, str | None]:
        """The table that a name means, and the branch that it asks for (`branching`)."""
        table, branch = branching.split(ref)
        if branch is not None:
            _, view = await self.enter(request, action, ref.warehouse, ref.namespace, table.name)
            try:
                await self._catalog.pointer(view, ref)
            except DataOSError as error:
                if not error.problem.code.startswith("iceberg.not_found"):
                    raise
                return table, branch
        return ref, None

    async def drop_table(self, request: Request, warehouse: str, namespace: str, table: str) -> Response:
        ref = TableRef(warehouse, namespaces.from_path(namespace), table)
        principal, view = await self.enter(request, "table.drop", warehouse, ref.namespace, table)
        purge = request.query_params.get("purgeRequested", "false").lower() == "true"
        await self._catalog.drop_table(view, ref, purge=purge, key=_key(request, principal))
        return Response(status_code=204)

    async def rename_table(self, request: Request, warehouse: str) -> Response:
        parsed = await protocol.body(request)
        source = protocol.identifier(warehouse, protocol.member(parsed, "source", dict))
        target = protocol.identifier(warehouse, protocol.member(parsed, "destination", dict))
        principal, view = await self.enter(request, "table.rename", warehouse, source.namespace, source.name)
        await self._authorise(principal, "table.create", warehouse, target.namespace, target.name)
        await self._catalog.rename_table(view, source, target, _key(request, principal))
        return Response(status_code=204)

    async def commit_transaction(self, request: Request, warehouse: str) -> Response:
        parsed = await protocol.body(request)
        principal, view = await self.enter(request, "list", warehouse)
        commits: list[CommitRequest] = []
        for change in protocol.objects(parsed, "table-changes"):
            ref = protocol.identifier(warehouse, protocol.member(change, "identifier", dict))
            await self._authorise(principal, "table.write", warehouse, ref.namespace, ref.name)
            commits.append(_commit(ref, change))
        if commits:
            await self._catalog.commit(view, commits, _key(request, principal))
        return Response(status_code=204)

    async def report_metrics(self, request: Request, warehouse: str, namespace: str, table: str) -> Response:
        name = namespaces.from_path(namespace)
        await self.enter(request, "table.read", warehouse, name, table)
        parsed = await protocol.body(request)
        self._reported(str(parsed.get("report-type", "")).removesuffix("-report"))
        return Response(status_code=204)


def _key(request: Request, principal: Principal) -> str | None:
    key = request.headers.get("idempotency-key")
    if not key:
        return None
    if len(key) > 200:
        raise fail("iceberg.invalid", "an Idempotency-Key may have 200 characters")
    caller = principal.attempt.attempt_id if principal.attempt else principal.user_id
    return f"{caller}\n{request.method} {request.url.path}\n{key}"


def _commit(ref: TableRef, parsed: dict[str, Any]) -> CommitRequest:
    return CommitRequest(ref, protocol.objects(parsed, "requirements"), protocol.objects(parsed, "updates"))


def _access(request: Request, loaded: Loaded) -> dict[str, str]:
    """How the client reaches a table's files in a bucket: through this server's own object door, as who it is. The keys
    of the bucket stay here."""
    location = loaded.metadata_location or str(json.loads(loaded.metadata)["location"])
    return protocol.bucket_access(request) if in_bucket(location) else {}


def _listing(content: dict[str, Any], token: str | None) -> Response:
    return JSONResponse(content if token is None else {**content, "next-page-token": token})


def _loaded(
    loaded: Loaded,
    headers: dict[str, str] | None = None,
    *,
    access: Mapping[str, str] | None = None,
    current_refs_only: bool = False,
) -> Response:
    content = protocol.loaded_body(loaded, access or {}, current_refs_only=current_refs_only)
    return Response(content, media_type="application/json", headers=headers)
