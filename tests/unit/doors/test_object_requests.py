"""What S3 clients send, taken apart: framed content, ranges, access key ids, ids of uploads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from dataos.core.errors import DataOSError
from dataos.doors.objects import requests
from dataos.doors.objects.uploads import Uploads


def framed(chunks: list[bytes], signed: bool, trailer: bytes) -> bytes:
    mark = b";chunk-signature=" + b"0" * 64 if signed else b""
    return (
        b"".join(b"%x%s\r\n%s\r\n" % (len(c), mark, c) for c in chunks if c) + b"0" + mark + b"\r\n" + trailer + b"\r\n"
    )


async def arriving(content: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    """The same bytes in other pieces."""
    at = 0
    for cut in sorted({c % (len(content) + 1) for c in cuts}):
        yield content[at:cut]
        at = cut
    yield content[at:]


def taken(content: bytes, cuts: list[int], declared: int | None) -> bytes:
    async def take() -> bytes:
        return b"".join([piece async for piece in requests.unframed(arriving(content, cuts), declared)])

    return asyncio.run(take())


@given(
    st.lists(st.binary(max_size=40), max_size=6),
    st.booleans(),
    st.sampled_from([b"", b"x-amz-checksum-crc32:AAAAAA==\r\n"]),
    st.lists(st.integers(0, 500), max_size=12),
)
def test_framed_content_is_the_same_however_it_is_cut(
    chunks: list[bytes], signed: bool, trailer: bytes, cuts: list[int]
) -> None:
    whole = b"".join(chunks)
    assert taken(framed(chunks, signed, trailer), cuts, len(whole)) == whole


@given(st.binary(min_size=1, max_size=60), st.integers(1, 80), st.lists(st.integers(0, 200), max_size=5))
def test_content_that_ends_early_is_refused(data: bytes, missing: int, cuts: list[int]) -> None:
    content = framed([data], True, b"")
    end = content.rindex(b"0;chunk-signature")
    with pytest.raises(DataOSError) as error:
        taken(content[: max(0, end - missing)], cuts, len(data))
    assert error.value.problem.code == "objects.body"


@pytest.mark.parametrize("content", [b"zz\r\nab\r\n0\r\n\r\n", b"2\r\nabc\r\n0\r\n\r\n", b"5" * 5000, b"-2\r\nab"])
def test_content_that_is_not_framed_is_refused(content: bytes) -> None:
    with pytest.raises(DataOSError) as error:
        taken(content, [3], None)
    assert error.value.problem.code == "objects.body"


def test_content_of_another_length_than_announced_is_refused() -> None:
    with pytest.raises(DataOSError, match="3 bytes, and 4 were announced"):
        taken(framed([b"abc"], False, b""), [], 4)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 200))
def test_ranges_are_those_of_slices(first: int, last: int, size: int) -> None:
    data = bytes(n % 256 for n in range(size))
    wanted = data[first : last + 1]
    if last < first:
        assert requests.range_of(f"bytes={first}-{last}", size) is None
    elif not wanted:
        with pytest.raises(DataOSError):
            requests.range_of(f"bytes={first}-{last}", size)
    else:
        found = requests.range_of(f"bytes={first}-{last}", size)
        assert found is not None
        assert data[found[0] : found[1]] == wanted
    if last:
        assert requests.range_of(f"bytes=-{last}", size) == (max(0, size - last), size)
    for ignored in (None, "", "bytes=-", "lines=1-2", "bytes=0-1,3-4"):
        assert requests.range_of(ignored, size) is None


def test_the_access_key_id_is_the_token() -> None:
    scope = "Credential=at/te%2Fmpt:a1/20261128/us-east-1/s3/aws4_request"
    headers = Headers({"authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"})
    assert requests.is_signed(headers)
    assert requests.token_of(headers) == "at/te/mpt:a1"
    assert not requests.is_signed(Headers({"authorization": "Bearer x"}))
    for broken in ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=a/b/c", "AWS4-HMAC-SHA256 Credential=/1/2/3/4"):
        with pytest.raises(DataOSError) as error:
            requests.token_of(Headers({"authorization": broken}))
        assert error.value.problem.code == "auth.missing"


def test_an_upload_is_of_one_object_and_lies_in_its_folder(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "uploads")
    uploads.begin("a1", "s3://b/x")
    (tmp_path / "location").write_text("s3://b/x")
    for id_, location in (("a1", "s3://b/y"), ("..", "s3://b/x"), ("../uploads/a1", "s3://b/x"), ("", "s3://b/x")):
        with pytest.raises(DataOSError) as error:
            uploads.end(id_, location)
        assert error.value.problem.code == "objects.no_upload"
    uploads.end("a1", "s3://b/x")
    assert list((tmp_path / "uploads").iterdir()) == []
