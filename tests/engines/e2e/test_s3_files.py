"""Depots of S3 against a real store: files in and out, and the conditional writes that tables stand on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from dataos.depots import objectstores
from dataos.depots.ports import ObjectStoreConnection
from e2e.test_file_outputs import ORDERS
from e2e.test_file_outputs import server as server
from e2e.test_file_outputs import (
    test_a_schema_at_an_address_is_read_at_each_run as test_a_schema_at_an_address_is_read_at_each_run,
)
from e2e.test_file_outputs import test_from_a_bucket_and_into_one as test_from_a_bucket_and_into_one
from engines import running
from support.s3 import SECRET
from support.server import Installation


@pytest.fixture(scope="module")
def store(s3_store: running.S3Store) -> running.S3Store:
    s3_store.bucket("shop", {"raw/in/orders.csv": ORDERS.encode(), "raw/in/_hidden.csv": b"no"})
    return s3_store


def folder(store: running.S3Store, bucket: str) -> objectstores.Folder:
    """As a depot opens a bucket."""
    keys = {"access_key_id": running.ACCESS_KEY, "secret_access_key": SECRET}
    connection = ObjectStoreConnection("s3", bucket, "", endpoint=store.endpoint, path_style=True, credentials=keys)
    return objectstores.Folder(connection, objectstores.client("races", connection, 10.0))


def test_one_of_many_that_make_an_object_makes_it(s3_store: running.S3Store) -> None:
    """What commits to tables in buckets stand on."""
    s3_store.bucket("races")
    races = folder(s3_store, "races")
    for turn in range(20):
        name = f"_delta_log/{turn:020}.json"

        def create(n: int, name: str = name) -> bool:
            return objectstores.create(races.client, races.key(name), b"%d" % n)

        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(create, range(8)))
        assert made.count(True) == 1
        assert s3_store.read("races", name) == b"%d" % made.index(True)


def test_a_depot_is_tested_and_listed(server: Installation, store: running.S3Store) -> None:
    server.ok("depot", "test", "store")
    store.put("shop", "raw/listed/a.csv", b"id\n1\n")
    assert "a.csv" in server.ok("depot", "ls", "dataos://store:none/listed").out
