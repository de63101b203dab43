"""What an S3 client sends: who it says it is, the range that it wants, and the content, however it is framed.

Sources: Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)" and "Signature calculations for
the Authorization header: transferring payload in multiple chunks".
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import unquote

from starlette.datastructures import Headers

from dataos.core.errors import fail

SIGNED = "AWS4-HMAC-SHA256"
_CREDENTIAL = re.compile(r"Credential=([^,\s]+)")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_LENGTH = re.compile(rb"([0-9A-Fa-f]{1,16})[;\r]")
_MOST_LINE = 4096


def is_signed(headers: Headers) -> bool:
    """True for a request of the S3 protocol: no other client of this server signs so."""
    return headers.get("authorization", "").startswith(SIGNED)


def token_of(headers: Headers) -> str:
    """The access key id: `<id>/<date>/<region>/s3/aws4_request`. Raises DataOSError `auth.missing`."""
    found = _CREDENTIAL.search(headers.get("authorization", ""))
    scope = unquote(found[1]) if found else ""
    parts = scope.rsplit("/", 4)
    if len(parts) != 5 or not parts[0]:
        raise fail("auth.missing", "the request names no access key id", hint="the access key id is a DataOS token")
    return parts[0]


def range_of(text: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last, of `size`; None: the whole object (no range, or one to be ignored).

    Raises DataOSError `objects.range` if nothing of it is there.
    """
    found = _RANGE.fullmatch((text or "").strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
        if found[2] and int(found[2]) < int(found[1]):
            return None  # it says nothing that can be understood: RFC 9110 14.1.1
    if start >= end:
        raise fail("objects.range", f"{text} lies outside of an object of {size} bytes")
    return start, end


def is_framed(headers: Headers) -> bool:
    """True if the content comes in chunks that are signed, or followed by a checksum."""
    return headers.get("x-amz-content-sha256", "").startswith("STREAMING-")


async def unframed(body: AsyncIterator[bytes], declared: int | None) -> AsyncIterator[bytes]:
    """The content of `aws-chunked` framing: `<hex size>[;chunk-signature=...]CRLF <data> CRLF ... 0 CRLF [trailers]`.

    `declared`: bytes of content that the client announced. Raises DataOSError `objects.body`.
    """
    buffer = bytearray()
    seen = 0

    async def more() -> None:
        try:
            buffer.extend(await anext(body))
        except StopAsyncIteration:
            raise fail("objects.body", "the content ends in the middle of a chunk") from None

    while True:
        while (end := buffer.find(b"\r\n")) < 0:
            if len(buffer) > _MOST_LINE:
                raise fail("objects.body", "a chunk has no length")
            await more()
        length = _LENGTH.match(buffer)
        if length is None:
            raise fail("objects.body", "a chunk has no length")
        left = int(length[1], 16)
        del buffer[: end + 2]
        if left == 0:
            break
        seen += left
        while left:
            if not buffer:
                await more()
            piece = bytes(buffer[:left])
            del buffer[: len(piece)]
            left -= len(piece)
            if piece:
                yield piece
        while len(buffer) < 2:
            await more()
        if not buffer.startswith(b"\r\n"):
            raise fail("objects.body", "a chunk is longer than it says")
        del buffer[:2]
    async for _ in body:
        pass  # checksums behind the content
    if declared is not None and seen != declared:
        raise fail("objects.body", f"the content has {seen} bytes, and {declared} were announced")
