"""/heimdall of the reference: decisions, users and their tokens, secrets (ch01 12, ch02 2.4)."""

from __future__ import annotations

import base64
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends
from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from dataos.control.resources import Resources
from dataos.core import binaries
from dataos.core.addresses import ResourceKey
from dataos.core.errors import DataOSError, fail, http_status
from dataos.doors import answers, depot_service
from dataos.doors.authentication import Authenticate, users_only
from dataos.doors.depot_service import DepotSecrets
from dataos.governance import artifacts, objects, profiles, rules
from dataos.governance.identities import Identities
from dataos.governance.principals import Principal
from dataos.governance.users import Users
from dataos.kinds.secret.spec import SecretSpec
from dataos.manifest.documents import read_manifest
from dataos.manifest.specs import Reading
from dataos.store.database import Store

MAX_CONTEXTS = 1000


class _Asked(BaseModel):
    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class DecisionObject(_Asked):
    """What it is about: all of `tags` and `paths` are parts of one object."""

    tags: list[str] = []
    paths: list[str] = []


class DecisionContext(_Asked):
    """What is asked for."""

    predicate: str = Field(description="read, create, get, select, ...")
    object: DecisionObject = DecisionObject()
    metadata: dict[str, Any] | None = None


class PepContext(_Asked):
    """Who enforces the decision; the older names come from its Kotlin client."""

    user_agent: str | None = Field(default=None, validation_alias=AliasChoices("user_agent", "userAgent"))
    authorization_atom_id: str | None = Field(
        default=None, validation_alias=AliasChoices("authorization_atom_id", "atomId")
    )


_Pep = Annotated[PepContext | None, Field(validation_alias=AliasChoices("pep_context", "pepContext"))]


class AuthorizeBody(_Asked):
    """POST /heimdall/api/v1/authorize."""

    token: str = Field(description="Of the one who wants to do it.")
    context: DecisionContext | None = Field(default=None, description="Without one the token is looked at only.")
    pep_context: _Pep = None


class BatchBody(_Asked):
    """POST /heimdall/api/v1/authorize/batch."""

    token: str
    contexts: dict[str, DecisionContext] = Field(max_length=MAX_CONTEXTS)
    pep_context: _Pep = None


class DecisionUser(answers.Answer):
    """Whose token it was."""

    id: str
    data: dict[str, Any]
    tags: list[str]


class DecisionError(answers.Answer):
    """Why not."""

    status: int
    message: str


class Decision(answers.Answer):
    """`valid`: the token is one; `allow`: its user may do it."""

    allow: bool
    valid: bool
    result: DecisionUser | None
    error: DecisionError | None


class Decisions(answers.Answer):
    """By the keys of the question."""

    id: str | None
    tags: list[str]
    results: dict[str, Decision]


class HeimdallUser(answers.Answer):
    """A user in the reference's shape."""

    name: str
    type: str
    id: str
    email: str
    cid: str
    properties: list[answers.Property]
    federated_user_id: str | None
    federated_connector_id: str | None
    tags: list[str]
    links: dict[str, Any] = Field(alias="_links")


class HeimdallTag(answers.Answer):
    """A tag of a user."""

    tag: str
    assigner: str | None = Field(description="Who gave it; null where nobody wrote it down.")


class HeimdallToken(answers.Answer):
    """An API key. `data` would be the key: it is shown only when it is made."""

    name: str
    expiration: str | None
    type: str
    data: str | None
    user_id: str


class SecretEntry(answers.Answer):
    """One value."""

    key: str
    base64Value: str


class SecretData(answers.Answer):
    """A secret in clear."""

    id: str
    data: list[SecretEntry]
    links: dict[str, Any] = Field(alias="_links")


def router(
    store: Store,
    identities: Identities,
    users: Users,
    secrets: Resources,
    depots: DepotSecrets,
    authenticate: Authenticate,
) -> APIRouter:
    """Routes under /heimdall/api/v1."""
    api = APIRouter(prefix="/heimdall/api/v1", tags=["heimdall"])

    user = users_only(authenticate, "work with identities")

    async def check_atom(pep: PepContext | None) -> None:
        """The atom that an enforcement point says it asks for must exist."""
        atom = pep.authorization_atom_id if pep is not None else None
        if atom and atom not in await store.read(artifacts.atoms):
            raise fail("request.invalid", f"atom not found with id {atom}", hint="GET /api/v1/governance/providers")

    async def principal_of(token: str) -> Principal | DecisionError:
        if not token.strip():
            return DecisionError(status=400, message="token is empty")
        try:
            return await store.look(identities.authenticate, token)
        except DataOSError as error:
            return DecisionError(status=http_status(error.problem.code), message=error.problem.message)

    @api.post("/authorize", responses=answers.ok(Decision))
    async def authorize(body: AuthorizeBody, _: Principal = Depends(user)) -> Any:
        """May the owner of a token do something? By the policies in force."""
        await check_atom(body.pep_context)
        return _decide(await principal_of(body.token), body.context).model_dump(mode="json")

    @api.post("/authorize/batch", responses=answers.ok(Decisions))
    async def authorize_batch(body: BatchBody, _: Principal = Depends(user)) -> Any:
        """As `authorize`, for several questions about one token."""
        await check_atom(body.pep_context)
        who = await principal_of(body.token)
        results = {key: _decide(who, context).model_dump(mode="json") for key, context in body.contexts.items()}
        known = who if isinstance(who, Principal) else None
        return {
            "id": known.user_id if known else None,
            "tags": sorted(known.tags) if known else [],
            "results": results,
        }

    @api.get("/users", responses=answers.ok(answers.Page[HeimdallUser]))
    async def users_list(_: Principal = Depends(user)) -> Any:
        """All users."""
        return {"items": [_user(u) for u in await store.read(users.list)], "next": None}

    @api.get("/users/{id}", responses=answers.ok(HeimdallUser))
    async def users_get(id: str, _: Principal = Depends(user)) -> Any:
        """One user."""
        return _user(await store.read(users.get, id))

    @api.get("/users/{id}/tags", responses=answers.ok(answers.Items[HeimdallTag]))
    async def tags(id: str, _: Principal = Depends(user)) -> Any:
        """Tags of a user, each with who gave it."""
        found = await store.read(users.get, id)
        given = await store.read(profiles.assigners, id)
        return {"items": [{"tag": tag, "assigner": given.get(tag)} for tag in found["tags"]]}

    @api.get("/users/{id}/tokens", responses=answers.ok(answers.Items[HeimdallToken]))
    async def tokens(id: str, principal: Principal = Depends(user)) -> Any:
        """API keys of a user, without the keys themselves."""
        rules.require_own(principal, id, f"see the API keys of user {id}", rules.TOKENS)
        found = await store.read(users.keys, id)
        keys = ("name", "expiration", "type", "user_id")
        return {"items": [{**{k: key[k] for k in keys}, "data": None} for key in found]}

    @api.get("/secrets/{id}", responses=answers.ok(SecretData))
    async def secret(id: str, principal: Principal = Depends(user)) -> JSONResponse:
        """Values of an Instance-Secret (`<name>`), a Secret (`<name>_<workspace>`) or a Depot (`<name>_r`): operators
        only, written down."""
        rules.require(principal, f"read the secret values of `{id}`", rules.SECRETS, objects.secret(id))
        links = {"self": f"/heimdall/api/v1/secrets/{id}"}
        depot = await depots.find_id(id)
        if depot is not None:
            data = depot_service.entries(*depot, await depots.reveal(*depot, principal))
            return JSONResponse({"id": id, "data": data, "_links": links}, headers={"Cache-Control": "no-store"})
        body = await secrets.reveal(_secret_key(id), principal, objects.secret(id))
        manifest = read_manifest(body["manifest"], Reading(), body["workspace"])
        if manifest is None:
            raise fail("secret.unreadable", f"secret `{id}` is stored in a form that this version cannot read")
        spec = cast("SecretSpec", manifest.spec)
        shown = {"id": id, "data": _entries(body["name"], spec), "_links": links}
        return JSONResponse(shown, headers={"Cache-Control": "no-store"})

    return api


def _decide(who: Principal | DecisionError, asked: DecisionContext | None) -> Decision:
    if isinstance(who, DecisionError):
        return Decision(allow=False, valid=False, result=None, error=who)
    result = DecisionUser(id=who.user_id, data={}, tags=sorted(who.tags))
    if asked is None:
        return Decision(allow=True, valid=True, result=result, error=None)
    if rules.allows(who, asked.predicate, asked.object.paths, asked.object.tags):
        return Decision(allow=True, valid=True, result=result, error=None)
    text = f"Forbidden: user {who.user_id} may not {asked.predicate} this: no policy allows it"
    return Decision(allow=False, valid=True, result=result, error=DecisionError(status=403, message=text))


def _user(found: dict[str, Any]) -> dict[str, Any]:
    links = {name: f"/heimdall/api/v1/users/{found['id']}{path}" for name, path in _LINKS.items()}
    return {**{key: found[key] for key in HeimdallUser.model_fields if key != "links"}, "_links": links}


_LINKS = {"self": "", "tags": "/tags", "tokens": "/tokens"}


def _secret_key(id_: str) -> ResourceKey:
    """A name holds no `_`: what follows one is the workspace."""
    name, sign, workspace = id_.partition("_")
    return ResourceKey("secret", name, workspace) if sign else ResourceKey("instance-secret", name)


def _entries(name: str, spec: SecretSpec) -> list[dict[str, str]]:
    """`key-value-properties` are one entry named after the secret; what is binary is an entry of its own."""
    values = {key: value or "" for key, value in spec.data.items()}
    if spec.type != "key-value-properties":
        return [_entry(key, binaries.to_bytes(value)) for key, value in values.items()]
    binary = {key: f"{name}_{key}" for key, value in values.items() if binaries.is_binary(value)}
    lines = "".join(f"{key}={binary.get(key, value)}\n" for key, value in values.items())
    files = [_entry(entry, binaries.to_bytes(values[key])) for key, entry in binary.items()]
    return [_entry(name, lines.encode()), *files]


def _entry(key: str, content: bytes) -> dict[str, str]:
    return {"key": key, "base64Value": base64.b64encode(content).decode("ascii")}
