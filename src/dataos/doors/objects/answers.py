"""What the S3 protocol answers: XML documents and error codes. Source: Amazon S3 API reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from starlette.responses import Response

from dataos.core.errors import DataOSError, Problem

_XML = "application/xml"
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

# (HTTP status, S3's code) by problem code, looked up whole, then by leading parts. Clients retry SlowDown and
# ServiceUnavailable.
_ERRORS = {
    "auth.forbidden": (403, "AccessDenied"),
    "auth": (403, "InvalidAccessKeyId"),
    "iceberg.not_found.warehouse": (403, "AccessDenied"),
    "depot.path": (404, "NoSuchKey"),
    "depot.no_such_database": (404, "NoSuchBucket"),
    "depot.unreachable": (503, "ServiceUnavailable"),
    "depot.timeout": (503, "SlowDown"),
    "depot": (502, "InternalError"),
    "secret": (502, "InternalError"),
    "store": (503, "ServiceUnavailable"),
    "objects.no_key": (404, "NoSuchKey"),
    "objects.no_upload": (404, "NoSuchUpload"),
    "objects.exists": (412, "PreconditionFailed"),
    "objects.range": (416, "InvalidRange"),
    "objects.part": (400, "InvalidPart"),
    "objects.body": (400, "IncompleteBody"),
    "objects.full": (503, "SlowDown"),
    "objects.unsupported": (501, "NotImplemented"),
    "objects": (400, "InvalidRequest"),
}


def failure(error: DataOSError, path: str) -> Response:
    """S3's error document."""
    problem = error.problem
    status, code = _lookup(problem)
    message = f"{problem.message} ({problem.hint})" if problem.hint else problem.message
    body = document(
        "Error", [element("Code", code), element("Message", message), element("Resource", path)], namespace=False
    )
    return Response(body, status, media_type=_XML)


def _lookup(problem: Problem) -> tuple[int, str]:
    parts = problem.code.split(".")
    for end in range(len(parts), 0, -1):
        found = _ERRORS.get(".".join(parts[:end]))
        if found is not None:
            return found
    return 500, "InternalError"


def element(name: str, text: object) -> str:
    """One element with text."""
    return f"<{name}>{escape(str(text))}</{name}>"


def document(name: str, inner: Iterable[str], *, namespace: bool = True) -> bytes:
    """A whole document."""
    attribute = f' xmlns="{_NAMESPACE}"' if namespace else ""
    return f'<?xml version="1.0" encoding="UTF-8"?><{name}{attribute}>{"".join(inner)}</{name}>'.encode()


def xml(name: str, inner: Iterable[str]) -> Response:
    """An answer that is a document."""
    return Response(document(name, inner), media_type=_XML)


def listing(
    bucket: str,
    asked: Mapping[str, str],
    objects: Sequence[Mapping[str, Any]],
    folders: Sequence[str],
    next_token: str | None,
) -> Response:
    """ListObjectsV2. `objects`: {path, size, last_modified, e_tag} as obstore tells them."""
    encoded = asked.get("encoding-type") == "url"

    def spelled(key: str) -> str:
        return quote(key, safe="/") if encoded else key

    inner = [
        element("Name", bucket),
        element("Prefix", spelled(asked.get("prefix", ""))),
        element("MaxKeys", asked.get("max-keys", "1000")),
        element("KeyCount", len(objects) + len(folders)),
        element("IsTruncated", str(next_token is not None).lower()),
    ]
    if asked.get("delimiter"):
        inner.append(element("Delimiter", spelled(asked["delimiter"])))
    if encoded:
        inner.append(element("EncodingType", "url"))
    if next_token is not None:
        inner.append(element("NextContinuationToken", next_token))
    for found in objects:
        inner += [
            "<Contents>",
            element("Key", spelled(str(found["path"]))),
            element("LastModified", _moment(found["last_modified"])),
            element("ETag", found.get("e_tag") or '""'),
            element("Size", found["size"]),
            element("StorageClass", "STANDARD"),
            "</Contents>",
        ]
    for folder in folders:
        inner += ["<CommonPrefixes>", element("Prefix", spelled(folder)), "</CommonPrefixes>"]
    return xml("ListBucketResult", inner)


def object_headers(meta: Mapping[str, Any]) -> dict[str, str]:
    """Headers that tell of an object, without its length."""
    found = {
        "Last-Modified": format_datetime(meta["last_modified"].astimezone(UTC), usegmt=True),
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    }
    return {**found, "ETag": meta["e_tag"]} if meta.get("e_tag") else found


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
