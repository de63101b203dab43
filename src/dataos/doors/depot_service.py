"""The Depot Service of the reference under /ds (ch02 1.10): depots, addresses, secrets by purpose.

Depots are the Resources of /api/v1: what is written here is an apply of a changed manifest. Datasets have a module of
their own. Secret values leave only for operators, each time written down, and may not be stored on the way.
"""

from __future__ import annotations

import base64
from typing import Any, Literal, cast

import sqlalchemy as sa
from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from dataos.control import records
from dataos.control.resources import ApplyRequest, Resources
from dataos.core import binaries
from dataos.core.addresses import ResourceKey, Udl
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, fail
from dataos.depots import connections
from dataos.depots.ports import Acl, DepotEntry
from dataos.depots.resolver import Depots
from dataos.doors import answers
from dataos.doors.authentication import Authenticate, users_only
from dataos.gateway.direct import DirectAccess
from dataos.governance import objects, rules
from dataos.governance.principals import Principal
from dataos.manifest import registry
from dataos.store.database import Store


class SecretEntry(answers.Answer):
    """One value in clear, encoded."""

    key: str
    base64Value: str


class DepotSecret(answers.Answer):
    """The credentials of a depot for one purpose."""

    data: list[SecretEntry]


class AddressInfo(answers.Answer):
    """What an address means."""

    depot: str
    type: str
    collection: str | None
    dataset: str | None
    format: str | None
    external: bool
    is_archived: bool
    source: str | None
    connection: dict[str, Any] = Field(description="By type, as ch02 1.10 lists; without credentials.")


class DepotResponse(answers.Observation):
    """A depot; its location stands below the section of its type."""

    name: str
    type: str
    external: bool
    owners: list[str]
    description: str
    meta: dict[str, str]
    source: str | None
    isArchived: bool
    archivalMessage: str | None
    createdAt: str
    updatedAt: str


class DepotRequest(BaseModel):
    """A depot to make or to change; `secrets` are kept if they are not given."""

    model_config = ConfigDict(extra="allow")
    type: str
    external: bool = False
    owners: list[str] = []
    description: str = ""
    meta: dict[str, str] = {}
    source: str | None = None


class Archived(BaseModel):
    """PATCH .../archived"""

    model_config = ConfigDict(extra="forbid")
    isArchived: bool
    archivalMessage: str | None = None


class DepotSecrets:
    """Credentials of depots in clear: for operators only, and written down."""

    def __init__(self, store: Store, depots: Depots, clock: Clock, access: DirectAccess) -> None:
        self._store = store
        self._depots = depots
        self._clock = clock
        self._access = access

    async def reveal(self, name: str, acl: Acl, principal: Principal) -> dict[str, str]:
        """Pairs of a purpose. Raises DataOSError `auth.forbidden` (also where policies hide anything of the depot),
        `depot.not_found`, `secret.not_found` (none)."""
        rules.require(
            principal,
            f"read the secret of depot `{name}` with acl {acl}",
            rules.SECRETS,
            objects.secret(f"{name}_{acl}"),
        )
        await self._access.check_credential(principal, name)
        return await self._store.write(self._reveal, name, acl, principal)

    def _reveal(self, connection: sa.Connection, name: str, acl: Acl, principal: Principal) -> dict[str, str]:
        entry = self._depots.find_in(connection, name)
        if not entry.secrets.get(acl) and not (acl == "r" and entry.secrets.get("rw")):
            hint = "name an Instance-Secret with this acl below the Depot's `secrets`"
            raise fail("secret.not_found", f"depot '{name}' has no secret with acl: {acl}", hint=hint)
        values = self._depots.credentials_in(connection, name, acl)
        data = {"depot": name, "acl": acl}
        records.add_event(connection, self._clock.now_us(), entry.uid, "revealed", principal.user_id, data)
        return values

    async def find_id(self, id_: str) -> tuple[str, Acl] | None:
        """Depot and purpose of an id `<depot>_r` or `<depot>_rw`, if there is such a depot."""
        name, _, acl = id_.rpartition("_")
        if acl not in ("r", "rw") or not name:
            return None
        known = {entry.name for entry in await self._depots.list()}
        return (name, acl) if name in known else None


def entries(depot: str, acl: str, values: dict[str, str]) -> list[dict[str, str]]:
    """The wire form (ch02 2.4): one entry of `key=value` lines, and what is binary as entries of their own."""
    binary = {key: f"{depot}_{key}" for key, value in values.items() if binaries.is_binary(value)}
    lines = "".join(f"{key}={binary.get(key, value)}\n" for key, value in values.items())
    files = [_entry(entry, binaries.to_bytes(values[key])) for key, entry in binary.items()]
    return [_entry(f"{depot}-{acl}", lines.encode()), *files]


def _entry(key: str, content: bytes) -> dict[str, str]:
    return {"key": key, "base64Value": base64.b64encode(content).decode("ascii")}


def router(
    store: Store, depots: Depots, resources: Resources, secrets: DepotSecrets, authenticate: Authenticate
) -> APIRouter:
    """Routes under /ds/api/v2, but those of datasets."""
    api = APIRouter(prefix="/ds/api/v2", tags=["depot-service"])
    user = users_only(authenticate, "work with Depots")
    manifests = _Manifests(store, resources)

    @api.get("/depots", responses=answers.ok(dict[str, DepotResponse]))
    async def listing(_: Principal = Depends(user)) -> Any:
        """All depots, by name."""
        return {entry.name: await manifests.shown(entry) for entry in await depots.list()}

    @api.get("/depots/{depot}", responses=answers.ok(DepotResponse))
    async def get(depot: str, _: Principal = Depends(user)) -> Any:
        """One depot."""
        return await manifests.shown(await depots.get(depot))

    @api.put("/depots/{depot}", responses=answers.ok(DepotResponse))
    async def put(depot: str, body: DepotRequest, principal: Principal = Depends(user)) -> Any:
        """Make a depot, or change it: what a new manifest says is applied."""
        return await manifests.put(depot, body, principal)

    @api.patch("/depots/{depot}/archived", responses=answers.ok(DepotResponse))
    async def archive(depot: str, body: Archived, principal: Principal = Depends(user)) -> Any:
        """Say that a depot is not to be used any more, or that it is again. It still works."""
        change = {"archived": body.isArchived, "archivalMessage": body.archivalMessage if body.isArchived else None}
        return await manifests.change(depot, lambda section: section.update(change), principal)

    @api.get("/depots/{depot}/meta", responses=answers.ok(dict[str, str]))
    async def meta(depot: str, _: Principal = Depends(user)) -> Any:
        """Free metadata."""
        return (await manifests.shown(await depots.get(depot)))["meta"]

    @api.patch("/depots/{depot}/meta", responses=answers.ok(dict[str, str]))
    async def add_meta(depot: str, body: dict[str, str] = Body(), principal: Principal = Depends(user)) -> Any:
        """Set some of it."""
        return (await manifests.change(depot, lambda s: _meta(s).update(body), principal))["meta"]

    @api.delete("/depots/{depot}/meta", responses=answers.ok(dict[str, str]))
    async def drop_meta(depot: str, key: str = Query(), principal: Principal = Depends(user)) -> Any:
        """Unset one key."""
        return (await manifests.change(depot, lambda s: _meta(s).pop(key, None), principal))["meta"]

    @api.get("/depots/{depot}/owners", responses=answers.ok(list[str]))
    async def owners(depot: str, _: Principal = Depends(user)) -> Any:
        """The owner first, then those who were added."""
        return (await manifests.shown(await depots.get(depot)))["owners"]

    @api.put("/depots/{depot}/owners/{owner}", responses=answers.ok(list[str]))
    async def add_owner(depot: str, owner: str, principal: Principal = Depends(user)) -> Any:
        """Add one. Only the Resource's own owner has rights of it in this version."""

        def add(section: dict[str, Any]) -> None:
            if owner not in _owners(section):
                section["owners"] = [*_owners(section), owner]

        return (await manifests.change(depot, add, principal))["owners"]

    @api.delete("/depots/{depot}/owners/{owner}", responses=answers.ok(list[str]))
    async def drop_owner(depot: str, owner: str, principal: Principal = Depends(user)) -> Any:
        """Remove one that was added."""

        def drop(section: dict[str, Any]) -> None:
            section["owners"] = [o for o in _owners(section) if o != owner]

        return (await manifests.change(depot, drop, principal))["owners"]

    @api.get("/resolve", responses=answers.ok(AddressInfo))
    async def resolve(
        address: str = Query(description="dataos://depot[:collection[/dataset]]", max_length=4000),
        _: Principal = Depends(user),
    ) -> Any:
        """What an address means: type, place, connection settings without credentials."""
        udl = Udl.parse(address)
        await depots.resolve(udl)  # the acl that is asked for can be served, the place is allowed
        entry = await depots.get(udl.depot)
        shown = await manifests.shown(entry)
        return {
            "depot": entry.name,
            "type": entry.type,
            "collection": udl.collection,
            "dataset": udl.dataset,
            "format": entry.location.get("format") or ("ICEBERG" if entry.type == "ICEBERG" else None),
            "external": shown["external"],
            "is_archived": shown["isArchived"],
            "source": shown["source"],
            "connection": connections.connection(entry, udl),
        }

    @api.get("/depots/{depot}/secrets", responses=answers.ok(DepotSecret))
    async def secrets_of(
        depot: str, acl: Literal["r", "rw"] = "r", principal: Principal = Depends(user)
    ) -> JSONResponse:
        """Credentials of a depot for a purpose: operators only, written down. 404: it has none."""
        values = await secrets.reveal(depot, acl, principal)
        return JSONResponse({"data": entries(depot, acl, values)}, headers={"Cache-Control": "no-store"})

    @api.get("/secrets/{secret}", responses=answers.ok(dict[str, str]))
    async def secret(secret: str, principal: Principal = Depends(user)) -> JSONResponse:
        """Pairs of `<depot>_r` or `<depot>_rw`, decoded: operators only, written down."""
        rules.require(principal, f"read the secret `{secret}`", rules.SECRETS, objects.secret(secret))
        found = await secrets.find_id(secret)
        if found is None:
            raise fail("secret.not_found", f"there is no secret `{secret}`", hint="ids read [depot]_r and [depot]_rw")
        return JSONResponse(await secrets.reveal(*found, principal), headers={"Cache-Control": "no-store"})

    return api


class _Manifests:
    """Depots as their manifests say, and changes of those."""

    def __init__(self, store: Store, resources: Resources) -> None:
        self._store = store
        self._resources = resources

    async def shown(self, entry: DepotEntry) -> dict[str, Any]:
        """DepotResponse of a depot; of a Lakehouse's own, what the Lakehouse says."""
        body = await self._store.read(self._body, entry.uid)
        section: dict[str, Any] = {}
        if body["type"] == "depot":
            found = await self._resources.get(ResourceKey("depot", body["name"]))
            section = _section(found["manifest"])
            body["description"] = found["manifest"].get("description")
        descriptor = registry.find_depot_type(entry.type)
        name = descriptor.sections[0] if descriptor and descriptor.sections else entry.type.lower()
        folded = {k.lower(): v for k, v in section.items()}
        return {
            "name": entry.name,
            "type": entry.type,
            "external": str(folded.get("external", "false")).lower() == "true",
            "owners": [body["owner"], *(o for o in _owners(section) if o != body["owner"])],
            "description": str(folded.get("description") or body.get("description") or ""),
            "meta": {str(k): str(v) for k, v in (folded.get("meta") or {}).items()},
            "source": folded.get("source") or entry.name,
            "isArchived": bool(folded.get("archived")),
            "archivalMessage": folded.get("archivalmessage"),
            "createdAt": body["created"],
            "updatedAt": body["updated"],
            name: dict(entry.location),
        }

    def _body(self, connection: sa.Connection, uid: str) -> dict[str, Any]:
        row = records.by_uid(connection, uid)
        if row is None:
            raise fail("depot.not_found", "the depot went away a moment ago", hint="repeat it")
        return records.summary(row)

    async def change(self, depot: str, work: Any, principal: Principal) -> dict[str, Any]:
        """Apply the depot's manifest with a changed section."""
        key = ResourceKey("depot", depot)
        rules.require(principal, f"change depot `{depot}`", rules.DEPOTS)
        body = await self._resources.get(key)
        document = body["manifest"]
        if _has_inline(_section(document)):  # what is masked may not be applied
            document = (await self._resources.reveal(key, principal))["manifest"]
        work(_section(document))
        await self._apply(document, principal, body["generation"])
        return await self._after(depot)

    async def put(self, depot: str, asked: DepotRequest, principal: Principal) -> dict[str, Any]:
        """Apply what a DepotRequest says; credentials that are there stay."""
        rules.require(principal, f"change depot `{depot}`", rules.DEPOTS)
        section: dict[str, Any] = {**(asked.model_extra or {}), **asked.model_dump(include={"type", "external"})}
        section |= {"description": asked.description, "meta": asked.meta}
        if asked.source is not None:
            section["source"] = asked.source
        key, generation, version, owner = ResourceKey("depot", depot), 0, "v2alpha", None
        try:
            body = await self._resources.get(key)
            before = _section(body["manifest"])
            if _has_inline(before):
                before = _section((await self._resources.reveal(key, principal))["manifest"])
            kept = ("secrets", "secret", "dataossecrets", "connectionsecret", "connectionsecrets", "owners")
            section = {**{k: v for k, v in before.items() if k.lower() in kept}, **section}
            generation, version, owner = body["generation"], body["version"], body["owner"]
        except DataOSError as error:
            if error.problem.code != "resource.not_found":
                raise
        if asked.owners:
            section["owners"] = asked.owners
        document: dict[str, Any] = {"name": depot, "version": version, "type": "depot", "depot": section}
        if owner or asked.owners:
            document["owner"] = owner or asked.owners[0]
        await self._apply(document, principal, generation)
        return await self._after(depot)

    async def _apply(self, document: dict[str, Any], principal: Principal, generation: int) -> None:
        await self._resources.apply(
            ApplyRequest(
                document=document,
                actor=principal.user_id,
                principal=principal,
                expected_generation=generation,
            )
        )

    async def _after(self, depot: str) -> dict[str, Any]:
        """The depot as its new manifest says it; the resolver may know it a moment later."""
        body = await self._resources.get(ResourceKey("depot", depot))
        section = _section(body["manifest"])
        descriptor = registry.find_depot_type(str(section.get("type")))
        type_ = descriptor.name if descriptor else str(section.get("type"))
        shown = await self.shown(DepotEntry(depot, body["uid"], type_, {}))
        folded = {k.lower(): v for k, v in section.items()}
        for name in (*(descriptor.sections if descriptor else ()), "spec", "specs"):
            if folded.get(name):
                return {**shown, descriptor.sections[0] if descriptor else name: folded[name]}
        return shown


def _section(document: dict[str, Any]) -> dict[str, Any]:
    key = next((k for k in document if k.lower() == "depot"), None)
    return document[key] if key is not None and isinstance(document[key], dict) else {}


def _has_inline(section: dict[str, Any]) -> bool:
    blocks = [v for k, v in section.items() if k.lower() in ("connectionsecret", "connectionsecrets", "secrets")]
    return any("data" in str(block) or "values" in str(block) or "acl" in str(block) for block in blocks)


def _owners(section: dict[str, Any]) -> list[str]:
    return [str(o) for o in section.get("owners") or []]


def _meta(section: dict[str, Any]) -> dict[str, Any]:
    """The map itself, made if it is not there."""
    if not isinstance(section.get("meta"), dict):
        section["meta"] = {}
    return cast("dict[str, Any]", section["meta"])
