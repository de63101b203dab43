"""The object door as an S3 client sees it: boto3, against a warehouse in a bucket."""

from __future__ import annotations

import hashlib
import socket
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from integration.lakehouse.helpers import USER, Server
from support.s3 import S3

pytestmark = pytest.mark.parametrize("place", ["bucket"], indirect=True)
BIG = bytes(range(256)) * 4096 * 20  # 20 MiB


def s3_client(server: Server, token: str = USER) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.url.removesuffix("/iceberg"),
        aws_access_key_id=token,
        aws_secret_access_key="anything",
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


@pytest.fixture
def bucket(place: str) -> str:
    return place.removeprefix("s3://").partition("/")[0]


def code(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    answer: Any = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_objects_go_in_and_out_whole_and_in_part(server: Server, bucket: str, object_store: S3) -> None:
    client, key = s3_client(server), "tables/ns/t/data/a b+ü=%41.parquet"
    client.put_object(Bucket=bucket, Key=key, Body=BIG)
    assert object_store.read(bucket, key) == BIG
    found = client.get_object(Bucket=bucket, Key=key)
    assert found["ContentLength"] == len(BIG)
    assert found["Body"].read() == BIG
    for asked, wanted in {
        "bytes=0-9": BIG[:10],
        "bytes=9000000-18000000": BIG[9000000:18000001],
        "bytes=-7": BIG[-7:],
        f"bytes={len(BIG) - 3}-": BIG[-3:],
        f"bytes={len(BIG) - 3}-{len(BIG) + 50}": BIG[-3:],
    }.items():
        part = client.get_object(Bucket=bucket, Key=key, Range=asked)
        assert part["Body"].read() == wanted, asked
        assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
    with pytest.raises(ClientError) as error:
        client.get_object(Bucket=bucket, Key=key, Range=f"bytes={len(BIG)}-")
    assert code(error) == ("InvalidRange", 416)
    head = client.head_object(Bucket=bucket, Key=key)
    assert head["ContentLength"] == len(BIG)
    client.put_object(Bucket=bucket, Key="tables/empty", Body=b"")
    assert client.get_object(Bucket=bucket, Key="tables/empty")["Body"].read() == b""
    client.delete_object(Bucket=bucket, Key=key)
    client.delete_object(Bucket=bucket, Key=key)
    with pytest.raises(ClientError) as error:
        client.get_object(Bucket=bucket, Key=key)
    assert code(error) == ("NoSuchKey", 404)


def test_what_is_there_is_not_overwritten_where_the_client_says_so(server: Server, bucket: str) -> None:
    client = s3_client(server)
    client.put_object(Bucket=bucket, Key="tables/one", Body=b"1", IfNoneMatch="*")
    for body in (b"2", BIG):
        with pytest.raises(ClientError) as error:
            client.put_object(Bucket=bucket, Key="tables/one", Body=body, IfNoneMatch="*")
        assert code(error) == ("PreconditionFailed", 412)
    assert client.get_object(Bucket=bucket, Key="tables/one")["Body"].read() == b"1"


def test_an_upload_in_parts(server: Server, bucket: str, object_store: S3, tmp_path: Any) -> None:
    client, key = s3_client(server), "tables/ns/t/data/big"
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    parts = {n: BIG[(n - 1) * 6_000_000 : n * 6_000_000] for n in (1, 2, 3, 4)}
    tags: dict[int, str] = {}
    for number in (3, 1, 4, 2, 2):  # any order, and one twice
        body = parts[number]
        tags[number] = client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)["ETag"]
    assert tags[2].strip('"') == hashlib.md5(parts[2], usedforsecurity=False).hexdigest()
    with pytest.raises(ClientError):
        client.head_object(Bucket=bucket, Key=key)
    wrong = {"Parts": [{"PartNumber": 1, "ETag": tags[2]}]}
    with pytest.raises(ClientError) as error:
        client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload=wrong)
    assert code(error) == ("InvalidPart", 400)
    named = {"Parts": [{"PartNumber": n, "ETag": tags[n]} for n in sorted(tags)]}
    client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload=named)
    assert object_store.read(bucket, key) == BIG[:24_000_000]
    assert list((tmp_path / "uploads").iterdir()) == []
    other = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    client.upload_part(Bucket=bucket, Key=key, UploadId=other, PartNumber=1, Body=b"x")
    client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=other)
    for id_ in (other, "..", upload):
        with pytest.raises(ClientError) as error:
            client.upload_part(Bucket=bucket, Key=key, UploadId=id_, PartNumber=1, Body=b"x")
        assert code(error) == ("NoSuchUpload", 404), (id_, error.value)


def test_lists_come_in_pages_and_by_folder(server: Server, bucket: str) -> None:
    client = s3_client(server)
    keys = [f"tables/ns/t/data/part-{n:02}" for n in range(7)] + ["tables/ns/t/metadata/m", "tables/ns/t-2/x"]
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"1")
    pages = client.get_paginator("list_objects_v2")
    found = [
        o["Key"]
        for page in pages.paginate(Bucket=bucket, Prefix="tables/", PaginationConfig={"PageSize": 2})
        for o in page["Contents"]
    ]
    assert found == sorted(keys)
    one = client.list_objects_v2(Bucket=bucket, Prefix="tables/ns/t", Delimiter="/")
    assert [p["Prefix"] for p in one["CommonPrefixes"]] == ["tables/ns/t-2/", "tables/ns/t/"]
    some = client.list_objects_v2(Bucket=bucket, Prefix="tables/ns/t/data/part-0")
    assert [o["Key"] for o in some["Contents"]] == keys[:7]
    gone = client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in [*keys, "elsewhere/x"]]})
    assert sorted(d["Key"] for d in gone["Deleted"]) == sorted(keys)
    assert [e["Key"] for e in gone["Errors"]] == ["elsewhere/x"]


def test_only_lakehouses_are_reached_and_only_with_a_token(server: Server, bucket: str, object_store: S3) -> None:
    object_store.put(bucket, "secret.txt", b"private")
    client = s3_client(server)
    for asked in (
        {"Bucket": bucket, "Key": "secret.txt"},
        {"Bucket": bucket, "Key": "tables/../secret.txt"},
        {"Bucket": bucket, "Key": "tablesx/secret.txt"},
        {"Bucket": "another", "Key": "tables/x"},
    ):
        for call in (client.get_object, client.put_object, client.delete_object):
            with pytest.raises(ClientError) as error:
                call(**asked)
            assert code(error)[1] in (400, 403), asked
    assert object_store.read(bucket, "secret.txt") == b"private"
    with pytest.raises(ClientError) as error:
        client.list_objects_v2(Bucket=bucket)
    assert code(error) == ("AccessDenied", 403)
    with pytest.raises(ClientError) as error:
        s3_client(server, "nobody").get_object(Bucket=bucket, Key="tables/x")
    assert code(error) == ("InvalidAccessKeyId", 403)
    with pytest.raises(ClientError) as error:
        client.get_object_acl(Bucket=bucket, Key="tables/x")
    assert code(error) == ("NotImplemented", 501)


def test_an_answer_to_content_that_was_not_asked_for_ends_the_connection(server: Server, bucket: str) -> None:
    """A client that waits for `100 Continue` sends no content after a refusal: what follows is another request."""
    host, _, port = server.url.removeprefix("http://").removesuffix("/iceberg").partition(":")
    signed = "AWS4-HMAC-SHA256 Credential=nobody/1/2/s3/aws4_request, SignedHeaders=host, Signature=0"
    asked = f"PUT /{bucket}/tables/x HTTP/1.1\r\nHost: {host}\r\nAuthorization: {signed}\r\n"
    with socket.create_connection((host, int(port)), 10) as link:
        link.sendall(f"{asked}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n".encode())
        answer = b""
        while piece := link.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"connection: close" in answer.lower()
