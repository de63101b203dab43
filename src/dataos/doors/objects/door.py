"""The door itself: objects of Lakehouses' buckets are read, written, listed and taken away.

Every request is judged as one on the table whose folder it names, by the same question as the Iceberg REST routes ask.
What no engine or Iceberg client needs is refused: versions, access lists, copies, buckets.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dataos.core import logs
from dataos.core.errors import DataOSError, fail
from dataos.core.ids import Ids
from dataos.depots import transfers
from dataos.doors.objects import answers, requests
from dataos.doors.objects.uploads import Uploads, content
from dataos.doors.observing import call_of
from dataos.governance.principals import Principal
from dataos.lakehouse.access import Authorise, allow_all
from dataos.lakehouse.buckets import Buckets, Kept
from dataos.lakehouse.files import SCHEME
from dataos.lakehouse.protocol import BUCKET_REGION
from dataos.lakehouse.views import PUBLISHED, AttemptView, View

_log = logs.get(__name__)

Identify = Callable[[str], Awaitable[Principal]]
"""Principal of a token. Raises DataOSError `auth.*`."""

PlaceOf = Callable[[View, str, str], Awaitable[tuple[str | None, str | None]]]
"""(view, warehouse, location) -> namespace and table in whose folder it lies (`Catalog.place_of`)."""

_MOST_KEYS = 1000
_HELD = 16 << 20  # bytes of content that are sent by one request
_MOST_DOCUMENT = 4 << 20
_WRITES = frozenset({"PUT", "POST", "DELETE"})
_SUBRESOURCES = frozenset({
    "accelerate", "acl", "analytics", "attributes", "cors", "encryption", "inventory", "legal-hold", "lifecycle",
    "logging", "metrics", "notification", "object-lock", "ownershipControls", "partNumberMarker", "policy",
    "policyStatus", "publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select", "session",
    "tagging", "torrent", "versionId", "versioning", "versions", "website",
})  # fmt: skip


@dataclass(frozen=True)
class Place:
    """What a request names. `key` is empty for the bucket itself."""

    bucket: str
    key: str

    @property
    def location(self) -> str:
        """Its address as tables name it."""
        return f"{SCHEME}{self.bucket}/{self.key}" if self.key else f"{SCHEME}{self.bucket}"


class ObjectDoor:
    """An ASGI middleware: requests that are signed as S3's are end here, all others go on."""

    def __init__(
        self,
        app: ASGIApp,
        buckets: Buckets,
        place_of: PlaceOf,
        identify: Identify,
        uploads: Uploads,
        ids: Ids,
        authorise: Authorise = allow_all,
    ) -> None:
        self._app = app
        self._buckets = buckets
        self._place_of = place_of
        self._identify = identify
        self._uploads = uploads
        self._ids = ids
        self._authorise = authorise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not requests.is_signed(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except DataOSError as error:
            answer = answers.failure(error, request.url.path)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the boundary of a request
            _log.error("object request crashed", method=request.method, path=request.url.path, exc_info=error)
            answer = answers.failure(
                fail("server.internal", "the object door failed on this request"), request.url.path
            )
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        principal = await self._identify(requests.token_of(request.headers))
        call_of(request.scope).actor = principal.user_id
        logs.bind(actor=principal.user_id, run=principal.attempt.run_id if principal.attempt is not None else None)
        bucket, _, key = request.url.path.lstrip("/").partition("/")
        place, asked = Place(bucket, key), dict(request.query_params)
        refused = sorted(_SUBRESOURCES & set(asked))
        if refused or "x-amz-copy-source" in request.headers:
            raise _unsupported(f"`{refused[0]}`" if refused else "copies on the store's side")
        if not bucket:
            raise _unsupported("lists of buckets")
        if not key:
            return await self._on_bucket(request, principal, place, asked)
        kept = await self._open(principal, place, write=request.method in _WRITES)
        if request.method in ("GET", "HEAD") and "uploadId" not in asked:
            return await self._guarded(kept, self._read(request, kept, place))
        if request.method == "PUT" and "uploadId" in asked:
            return await self._take_part(request, place, asked)
        if request.method == "PUT":
            return await self._guarded(kept, self._write(request, kept, place))
        if request.method == "POST" and "uploads" in asked:
            return await self._begin(place)
        if request.method == "POST" and "uploadId" in asked:
            return await self._guarded(kept, self._complete(request, kept, place, asked["uploadId"]))
        if request.method == "DELETE" and "uploadId" in asked:
            await asyncio.to_thread(self._uploads.end, asked["uploadId"], place.location)
            return Response(status_code=204)
        if request.method == "DELETE":
            await asyncio.to_thread(kept.bucket.delete, [place.key])
            return Response(status_code=204)
        raise _unsupported(f"{request.method} of an object with {', '.join(asked) or 'no parameters'}")

    async def _open(self, principal: Principal, place: Place, *, write: bool) -> Kept:
        """The bucket behind a place, for one who may go there. Raises DataOSError `auth.forbidden`, as `find`."""
        if place.key and any(part in ("", ".", "..") for part in place.key.rstrip("/").split("/")):
            raise fail("objects.key", f"the key `{place.key}` has empty parts, `.` or `..`")
        kept = await asyncio.to_thread(self._buckets.find, place.location)
        namespace, table = await self._placed(principal, kept, place)
        await self._authorise(principal, "table.write" if write else "table.read", kept.warehouse, namespace, table)
        return kept

    async def _placed(self, principal: Principal, kept: Kept, place: Place) -> tuple[str | None, str | None]:
        view = AttemptView(principal.attempt.attempt_id) if principal.attempt is not None else PUBLISHED
        return await self._place_of(view, kept.warehouse, place.location)

    async def _guarded(self, kept: Kept, work: Awaitable[Response]) -> Response:
        """An answer, with the store's failures in our words."""
        try:
            return await work
        except (DataOSError, ClientDisconnect):
            raise
        except Exception as error:
            found = kept.bucket.failure(error)
            if found is None:
                raise
            raise found from None  # obstore's text shows requests and headers

    # --- buckets ----------------------------------------------------------------------------------------------------

    async def _on_bucket(
        self, request: Request, principal: Principal, place: Place, asked: Mapping[str, str]
    ) -> Response:
        if request.method == "POST" and "delete" in asked:
            return await self._delete_many(request, principal, place)
        if request.method in ("GET", "HEAD") and "list-type" not in asked:
            roots = await asyncio.to_thread(self._buckets.of_bucket, place.bucket)
            if not roots:
                raise fail("depot.no_such_database", f"no Lakehouse keeps its tables in bucket `{place.bucket}`")
            if "location" in asked:
                return answers.xml("LocationConstraint", [])
            if request.method == "HEAD":
                return Response(headers={"x-amz-bucket-region": BUCKET_REGION})
        if request.method == "GET" and asked.get("list-type") == "2":
            return await self._list(principal, place, asked)
        raise _unsupported(f"{request.method} of a bucket with {', '.join(asked) or 'no parameters'}")

    async def _list(self, principal: Principal, place: Place, asked: Mapping[str, str]) -> Response:
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        if delimiter not in ("", "/"):
            raise _unsupported("delimiters other than `/`")
        kept = await self._open(principal, Place(place.bucket, prefix.rstrip("/")), write=False)
        try:
            most = max(1, min(int(asked.get("max-keys") or _MOST_KEYS), _MOST_KEYS))
            token = asked.get("continuation-token")
            after = base64.urlsafe_b64decode(token).decode() if token else asked.get("start-after", "")
        except ValueError:
            raise fail("objects.request", "max-keys is a number, and a continuation-token one that was given") from None
        folder = prefix.rpartition("/")[0]  # obstore's prefixes are whole folders
        if not prefix.endswith("/") and await self._placed(principal, kept, Place(place.bucket, prefix)) != (
            await self._placed(principal, kept, Place(place.bucket, folder))
        ):
            prefix += "/"  # a table's folder, and no other whose name begins as this one's

        async def walk() -> Response:
            import obstore

            found: list[Mapping[str, Any]] = []
            if delimiter:
                listed = await obstore.list_with_delimiter_async(kept.bucket.client, folder or None)
                folders = [f"{p.rstrip('/')}/" for p in listed["common_prefixes"]]
                inner = sorted(p for p in folders if p.startswith(prefix))
                found = [m for m in listed["objects"] if str(m["path"]).startswith(prefix)]
                return answers.listing(place.bucket, asked, sorted(found, key=lambda m: str(m["path"])), inner, None)
            stream = obstore.list(kept.bucket.client, folder or None, offset=after or None, chunk_size=_MOST_KEYS)
            async for chunk in stream:
                found += [m for m in chunk if str(m["path"]).startswith(prefix)]
                if len(found) > most:
                    break
            rest = None
            if len(found) > most:
                rest = base64.urlsafe_b64encode(str(found[most - 1]["path"]).encode()).decode()
            return answers.listing(place.bucket, asked, found[:most], [], rest)

        return await self._guarded(kept, walk())

    async def _delete_many(self, request: Request, principal: Principal, place: Place) -> Response:
        document = await _document(request)
        keys = [str(node.text or "") for node in document.iterfind("{*}Object/{*}Key")]
        quiet = (document.findtext("{*}Quiet") or "").strip().lower() == "true"
        by_root: dict[str, tuple[Kept, list[str]]] = {}
        done: list[str] = []
        for key in keys:
            try:
                kept = await self._open(principal, Place(place.bucket, key), write=True)
            except DataOSError as error:
                done += [
                    "<Error>", answers.element("Key", key), answers.element("Code", "AccessDenied"),
                    answers.element("Message", error.problem.message), "</Error>",
                ]  # fmt: skip
                continue
            by_root.setdefault(kept.root, (kept, []))[1].append(key)
            if not quiet:
                done += ["<Deleted>", answers.element("Key", key), "</Deleted>"]
        for kept, some in by_root.values():
            await asyncio.to_thread(kept.bucket.delete, some)
        return answers.xml("DeleteResult", done)

    # --- objects ----------------------------------------------------------------------------------------------------

    async def _read(self, request: Request, kept: Kept, place: Place) -> Response:
        import obstore

        client = kept.bucket.client
        try:
            meta: Mapping[str, Any] = await obstore.head_async(client, place.key)
        except FileNotFoundError:
            raise fail("objects.no_key", f"{place.location} is not there") from None
        size, tag = int(meta["size"]), meta["e_tag"]
        headers = answers.object_headers(meta)
        if request.headers.get("if-match", tag) not in (tag, "*"):
            raise fail("objects.exists", f"{place.location} is another one by now")
        if request.headers.get("if-none-match") in (tag, "*"):
            return Response(status_code=304, headers=headers)
        if request.method == "HEAD":
            return Response(headers={**headers, "Content-Length": str(size)})
        part = requests.range_of(request.headers.get("range"), size)
        start, end = part or (0, size)
        headers["Content-Length"] = str(end - start)
        if part is not None:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        body = transfers.pieces(client, place.key, start, end, tag) if end > start else _nothing()
        # the first piece now: a failure that comes later can only cut the answer off
        first = await anext(body, b"")
        return StreamingResponse(_chain(first, body), 206 if part else 200, headers)

    async def _write(self, request: Request, kept: Kept, place: Place) -> Response:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        client: Any = kept.bucket.client
        create = request.headers.get("if-none-match") == "*"
        body = _body(request)
        held = bytearray()
        async for piece in body:
            held += piece
            if len(held) > _HELD:
                break
        try:
            if len(held) <= _HELD:
                mode = "create" if create else "overwrite"
                done = await obstore.put_async(client, place.key, bytes(held), mode=mode, use_multipart=False)
            else:
                if create and await asyncio.to_thread(kept.bucket.size, place.key) is not None:
                    raise fail("objects.exists", f"{place.location} is there already")
                done = await obstore.put_async(client, place.key, _chain(bytes(held), body))
        except AlreadyExistsError:
            raise fail("objects.exists", f"{place.location} is there already") from None
        return Response(headers={"ETag": str(done.get("e_tag") or '""')})

    # --- uploads in parts -------------------------------------------------------------------------------------------

    async def _begin(self, place: Place) -> Response:
        id_ = self._ids.uid()
        await asyncio.to_thread(self._uploads.begin, id_, place.location)
        inner = [("Bucket", place.bucket), ("Key", place.key), ("UploadId", id_)]
        return answers.xml("InitiateMultipartUploadResult", [answers.element(*pair) for pair in inner])

    async def _take_part(self, request: Request, place: Place, asked: Mapping[str, str]) -> Response:
        number = asked.get("partNumber", "")
        if not number.isdecimal() or not 1 <= int(number) <= 10_000:
            raise fail("objects.part", "partNumber is a number from 1 to 10000")
        tag = await self._uploads.take(asked["uploadId"], place.location, int(number), _body(request))
        return Response(headers={"ETag": f'"{tag}"'})

    async def _complete(self, request: Request, kept: Kept, place: Place, id_: str) -> Response:
        import obstore

        document = await _document(request)
        wanted: list[tuple[int, str]] = []
        for node in document.iterfind("{*}Part"):
            number, tag = (node.findtext(f"{{*}}{name}") or "" for name in ("PartNumber", "ETag"))
            if not number.isdecimal() or not tag.strip('"').isalnum():
                raise fail("objects.part", "each part has a PartNumber and an ETag")
            wanted.append((int(number), tag.strip('"')))
        parts = await asyncio.to_thread(self._uploads.parts, id_, place.location, wanted)
        done: Any = await obstore.put_async(kept.bucket.client, place.key, content(parts))
        await asyncio.to_thread(self._uploads.end, id_, place.location)
        inner = [
            ("Location", f"{request.base_url}{place.bucket}/{place.key}"),
            ("Bucket", place.bucket),
            ("Key", place.key),
            ("ETag", done.get("e_tag") or '""'),
        ]
        return answers.xml("CompleteMultipartUploadResult", [answers.element(*pair) for pair in inner])


def _body(request: Request) -> AsyncIterator[bytes]:
    """The content that a request brings, whole. Raises DataOSError `objects.body`."""
    if requests.is_framed(request.headers):
        declared = request.headers.get("x-amz-decoded-content-length", "")
        return requests.unframed(request.stream(), int(declared) if declared.isdecimal() else None)
    return request.stream()


async def _document(request: Request) -> ElementTree.Element:
    found = bytearray()
    async for piece in _body(request):
        found += piece
        if len(found) > _MOST_DOCUMENT:
            raise fail("objects.request", f"the document has more than {_MOST_DOCUMENT >> 20} MiB")
    if b"<!" in found:
        raise fail("objects.request", "the document may not declare types or entities")
    try:
        return ElementTree.fromstring(bytes(found))  # noqa: S314 - without declarations there is nothing to expand
    except ElementTree.ParseError as error:
        raise fail("objects.request", f"the document is not XML: {error}") from None


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    if first:
        yield first
    async for piece in rest:
        yield piece


async def _nothing() -> AsyncGenerator[bytes]:
    return
    yield b""


def _unsupported(what: str) -> DataOSError:
    return fail(
        "objects.unsupported",
        f"this server has no {what}",
        hint="it serves what engines and Iceberg clients need of Lakehouses' buckets; other tools ask the store itself",
    )
