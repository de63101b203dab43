"""A warehouse in a bucket: unmodified clients reach its files through the object door, as who they are."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from dataos.core.ids import AttemptId
from dataos.lakehouse.operations.upkeep import Upkeep
from dataos.lakehouse.views import PUBLISHED, TableRef
from dataos.store import tables
from integration.lakehouse.helpers import WAREHOUSE, Server, client, ids_of, rows
from support.ports import free_port
from support.s3 import S3

pytestmark = pytest.mark.parametrize("place", ["bucket"], indirect=True)


def test_what_was_abandoned_or_purged_leaves_no_object(server: Server, place: str, object_store: S3) -> None:
    bucket = place.removeprefix("s3://").partition("/")[0]
    user = client(server)
    user.create_namespace("shop")
    user.create_table("shop.t", rows().schema).append(rows(1))
    before = object_store.keys(bucket)
    client(server, "attempt:a1").load_table("shop.t").append(rows(2))
    client(server, "attempt:a1").create_table("shop.u", rows().schema).append(rows(3))
    asyncio.run(server.catalog.abandon(AttemptId("a1")))
    assert object_store.keys(bucket) == before
    assert ids_of(server, "shop.t") == [1]
    asyncio.run(server.catalog.drop_table(PUBLISHED, TableRef(WAREHOUSE, "shop", "t"), purge=True))
    asyncio.run(server.catalog.collect_garbage())
    assert object_store.keys(bucket) == []


def test_orphans_of_a_bucket_are_found_and_go(server: Server, place: str, object_store: S3) -> None:
    bucket = place.removeprefix("s3://").partition("/")[0]
    user = client(server)
    user.create_namespace("shop")
    user.create_table("shop.t", rows().schema).append(rows(1))
    ref = TableRef(WAREHOUSE, "shop", "t")
    location = asyncio.run(server.catalog.locations(PUBLISHED, [ref]))[ref]
    before = object_store.keys(bucket)
    stray = f"{location.removeprefix(f's3://{bucket}/')}/data/stray.parquet"
    object_store.put(bucket, stray, b"x" * 7)
    time.sleep(1.1)  # stores tell the second of a change
    upkeep = Upkeep(server.catalog)
    now_ms = server.catalog.clock.now_us() // 1000
    found = asyncio.run(upkeep.remove_orphans(ref, older_than_ms=now_ms, dry_run=True))
    assert (found.files, found.size_bytes, found.paths) == (1, 7, [f"s3://{bucket}/{stray}"])
    assert stray in object_store.keys(bucket)
    asyncio.run(upkeep.remove_orphans(ref, older_than_ms=now_ms))
    assert object_store.keys(bucket) == before
    assert ids_of(server, "shop.t") == [1]


def test_a_store_that_is_away_is_said_and_its_garbage_waits(
    server: Server, place: str, object_store: S3, endpoints: list[str]
) -> None:
    bucket = place.removeprefix("s3://").partition("/")[0]
    user = client(server)
    user.create_namespace("shop")
    user.create_table("shop.t", rows().schema).append(rows(1))
    endpoints.append(f"http://127.0.0.1:{free_port()}")
    body = {"name": "u", "schema": {"type": "struct", "schema-id": 0, "fields": []}}
    asked = f"{server.url}/v1/{WAREHOUSE}/namespaces/shop/tables"
    answer = httpx.post(asked, json=body, headers={"Authorization": "Bearer user"}, timeout=60)
    assert answer.status_code == 503
    assert answer.json()["error"]["type"] == "ServiceUnavailableException"
    assert "refused the connection" in answer.text
    asyncio.run(server.catalog.drop_table(PUBLISHED, TableRef(WAREHOUSE, "shop", "t"), purge=True))
    assert asyncio.run(server.catalog.collect_garbage()) == 0
    endpoints.clear()
    assert object_store.keys(bucket)
    server.store.write_sync(lambda c: c.execute(tables.iceberg_garbage.update().values(due_at=0)))
    asyncio.run(server.catalog.collect_garbage())
    assert object_store.keys(bucket) == []
