"""A warehouse in a bucket: unmodified clients reach its files through the object door, as who they are."""

from __future__ import annotations

import asyncio

import pytest

from dataos.core.ids import AttemptId
from dataos.lakehouse.views import PUBLISHED, TableRef
from integration.lakehouse.helpers import WAREHOUSE, Server, client, ids_of, rows
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
