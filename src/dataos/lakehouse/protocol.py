"""Forms of the Iceberg REST protocol that are not routes: error bodies, endpoint list, pages, request parts.

Source: the OpenAPI description of Apache Iceberg's REST catalog (1.10).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from dataos.core.errors import DataOSError, fail, http_status
from dataos.lakehouse import namespaces
from dataos.lakehouse.views import Loaded, TableRef

# The protocol's own statuses and exception names by problem code, looked up whole, then by leading parts.
_ERRORS: dict[str, tuple[int, str]] = {
    "auth.missing": (401, "NotAuthorizedException"),
    "auth.invalid": (401, "NotAuthorizedException"),
    "auth.expired": (419, "AuthenticationTimeoutException"),
    "auth.forbidden": (403, "ForbiddenException"),
    "auth": (401, "NotAuthorizedException"),
    "iceberg.not_found.warehouse": (404, "NoSuchWarehouseException"),
    "iceberg.not_found.namespace": (404, "NoSuchNamespaceException"),
    "iceberg.not_found.table": (404, "NoSuchTableException"),
    "iceberg.not_found.view": (404, "NoSuchViewException"),
    "iceberg.not_found": (404, "NotFoundException"),
    "iceberg.exists": (409, "AlreadyExistsException"),
    "iceberg.conflict.not_empty": (409, "NamespaceNotEmptyException"),
    "iceberg.conflict": (409, "CommitFailedException"),
    "iceberg.settled": (403, "ForbiddenException"),
    "iceberg.unsupported": (406, "UnsupportedOperationException"),
    "iceberg.invalid": (400, "BadRequestException"),
    "iceberg.storage": (503, "ServiceUnavailableException"),
    "iceberg.corrupt": (500, "InternalServerError"),
    "depot.unreachable": (503, "ServiceUnavailableException"),
    "depot.timeout": (503, "ServiceUnavailableException"),
    "depot": (500, "InternalServerError"),  # the bucket behind a warehouse
    "secret": (500, "InternalServerError"),
    "store": (503, "ServiceUnavailableException"),
    "request.too_large": (413, "BadRequestException"),
}

ENDPOINTS = (
    "GET /v1/{prefix}/namespaces",
    "POST /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "HEAD /v1/{prefix}/namespaces/{namespace}",
    "DELETE /v1/{prefix}/namespaces/{namespace}",
    "POST /v1/{prefix}/namespaces/{namespace}/properties",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "POST /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/register",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
    "POST /v1/{prefix}/tables/rename",
    "GET /v1/{prefix}/namespaces/{namespace}/views",
    "POST /v1/{prefix}/namespaces/{namespace}/views",
    "POST /v1/{prefix}/namespaces/{namespace}/register-view",
    "GET /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "POST /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "POST /v1/{prefix}/views/rename",
    "POST /v1/{prefix}/transactions/commit",
)

BEARER_SECRET = "bearer"  # noqa: S105 - it is no secret: the access key id is the token
"""What S3 clients sign with. The object door asks whose token the access key id is, and not for the signature."""

BUCKET_REGION = "us-east-1"
"""The region that S3 clients are told, whatever the bucket's own is: they talk to this server."""

_MAX_BODY = 64 << 20
_MAX_PAGE = 1000


def error_answer(error: DataOSError) -> JSONResponse:
    """`{"error": {message, type, code}}`, with the hint in the message and our own code as an extra member."""
    problem = error.problem
    status, kind = _lookup(problem.code)
    message = f"{problem.message} ({problem.hint})" if problem.hint else problem.message
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 503 and problem.retry is not None:
        headers["Retry-After"] = str(max(1, round(problem.retry)))
    body = {"message": message, "type": kind, "code": status, "dataos-code": problem.code}
    return JSONResponse({"error": body}, status, headers)


def _lookup(code: str) -> tuple[int, str]:
    parts = code.split(".")
    for end in range(len(parts), 0, -1):
        if found := _ERRORS.get(".".join(parts[:end])):
            return found
    status = http_status(code)
    return status, "InternalServerError" if status >= 500 else "BadRequestException"


def loaded_body(loaded: Loaded, config: Mapping[str, str], *, current_refs_only: bool = False) -> bytes:
    """LoadTableResult. The metadata is passed on as it is on disk, without parsing it."""
    metadata = loaded.metadata
    if current_refs_only:
        parsed = json.loads(metadata)
        named = {ref["snapshot-id"] for ref in parsed.get("refs", {}).values()}
        parsed["snapshots"] = [s for s in parsed.get("snapshots", []) if s["snapshot-id"] in named]
        metadata = json.dumps(parsed).encode()
    head: dict[str, Any] = {"config": dict(config)}
    if loaded.metadata_location is not None:
        head["metadata-location"] = loaded.metadata_location
    return json.dumps(head).encode()[:-1] + b', "metadata": ' + metadata + b"}"


def bucket_access(request: Request) -> dict[str, str]:
    """Configuration of a client's S3 file access: this server, by the address and the token that the client came with.

    Names: Iceberg's S3FileIO and the REST description; `s3.region` is PyIceberg's.
    """
    token = request.headers.get("authorization", "").partition(" ")[2].strip() or request.headers.get("apikey", "")
    return {
        "s3.endpoint": str(request.base_url).rstrip("/"),
        "s3.access-key-id": token.strip(),
        "s3.secret-access-key": BEARER_SECRET,
        "s3.session-token": BEARER_SECRET,  # Trino takes no keys without one
        "s3.path-style-access": "true",
        "s3.region": BUCKET_REGION,
        "client.region": BUCKET_REGION,
    }


async def body(request: Request) -> dict[str, Any]:
    """The request's JSON object. Raises DataOSError `request.too_large`, `iceberg.invalid`."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > _MAX_BODY:
            raise fail("request.too_large", f"a request may have {_MAX_BODY >> 20} MiB")
    try:
        parsed = json.loads(content or b"{}")
    except ValueError as error:
        raise fail("iceberg.invalid", f"the body is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise fail("iceberg.invalid", "the body must be a JSON object")
    return parsed


def member(parsed: Mapping[str, Any], name: str, kind: type[Any], default: Any = ...) -> Any:
    """A member of a body, of the given type. Raises DataOSError `iceberg.invalid`."""
    value = parsed.get(name)
    if value is None and default is not ...:
        return default
    if not isinstance(value, kind):
        raise fail("iceberg.invalid", f"`{name}` must be a JSON {_JSON_NAMES.get(kind, kind.__name__)}")
    return value


_JSON_NAMES = {dict: "object", list: "array", str: "string", bool: "boolean"}


def objects(parsed: Mapping[str, Any], name: str) -> tuple[dict[str, Any], ...]:
    """A member that is a list of objects."""
    found = member(parsed, name, list, [])
    if not all(isinstance(item, dict) for item in found):
        raise fail("iceberg.invalid", f"`{name}` must be a list of objects")
    return tuple(found)


def strings(parsed: Mapping[str, Any], name: str) -> dict[str, str]:
    """A member that is a map of texts; numbers and booleans of careless clients become texts."""
    found = member(parsed, name, dict, {})
    return {str(k): v if isinstance(v, str) else json.dumps(v) for k, v in found.items() if v is not None}


def namespace_member(parsed: Mapping[str, Any], name: str = "namespace") -> str:
    """A member that names a namespace as a list of levels -> its text."""
    levels = member(parsed, name, list)
    if not all(isinstance(level, str) for level in levels):
        raise fail("iceberg.invalid", f"`{name}` must be a list of strings")
    return namespaces.join(levels)


def identifier(warehouse: str, parsed: Mapping[str, Any]) -> TableRef:
    """`{namespace, name}` of a table or view."""
    return TableRef(warehouse, namespace_member(parsed), member(parsed, "name", str))


def page(items: Sequence[str], request: Request) -> tuple[list[str], str | None]:
    """One page of sorted names and the token of the next. Without pageSize or pageToken: all of them.

    The token is the last name itself: it stays right while names come and go.
    """
    size_text, token = request.query_params.get("pageSize"), request.query_params.get("pageToken")
    if size_text is None and not token:
        return list(items), None
    try:
        size = min(max(1, int(size_text or _MAX_PAGE)), _MAX_PAGE)
        after = base64.b64decode(token.encode(), b"-_", validate=True).decode() if token else ""
    except ValueError as error:
        raise fail("iceberg.invalid", "pageSize must be a number, and pageToken one that was given out") from error
    rest = [item for item in items if item > after]
    if len(rest) <= size:
        return rest, None
    return rest[:size], base64.urlsafe_b64encode(rest[size - 1].encode()).decode()
