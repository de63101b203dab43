"""What a job's token opens at the object door: its own run's folder, and the folders of tables that its plan names."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dataos.core.ids import AttemptId
from dataos.depots import resolver
from dataos.depots.ports import DepotEntry
from dataos.lakehouse.access import Authorise
from dataos.lakehouse.views import AttemptView
from dataos.store import tables
from dataos.store.database import Store
from dataos.workloads.reach import JobReach
from integration.lakehouse.helpers import WAREHOUSE, Server, client, rows
from integration.lakehouse.test_object_door import code, s3_client

pytestmark = pytest.mark.parametrize("place", ["bucket"], indirect=True)
PLANS = {
    "a1": {"reads": ["dataos://lake:sales/orders"], "writes": ["dataos://lake:sales/totals?acl=rw"]},
    "a2": {"reads": [], "writes": ["dataos://lake:sales/totals?acl=rw"]},
}


@pytest.fixture
def authorise(store: Store) -> Authorise:
    def fill(connection: Any) -> None:
        resolver.register(connection, DepotEntry("lake", "1", "ICEBERG", {"warehouse": WAREHOUSE}))
        for id_, plan in PLANS.items():
            row = {"id": id_, "run_id": id_, "job": "j", "number": 1, "state": "running", "cpu": 1.0, "memory_bytes": 1}
            connection.execute(tables.attempts.insert().values(**row, reason="", created_at=1, result=plan))

    store.write_sync(fill)
    return JobReach(store)


@pytest.fixture
def job(server: Server, orders: str) -> Any:
    """The S3 client of the first attempt."""
    return s3_client(server, "attempt:a1")


def key_of(location: str) -> str:
    return location.removeprefix("s3://").partition("/")[2]


def run_folder(server: Server, attempt: str, namespace: str = "sales") -> str:
    view = AttemptView(AttemptId(attempt))
    return key_of(asyncio.run(server.catalog.run_folder(view, WAREHOUSE, namespace)))


def may_write(job: Any, bucket: str, key: str) -> bool:
    """Is an object put there? All other requests that change anything are answered alike."""
    calls = (
        lambda: job.put_object(Bucket=bucket, Key=key, Body=b"x"),
        lambda: job.delete_object(Bucket=bucket, Key=key),
        lambda: job.create_multipart_upload(Bucket=bucket, Key=key),
        lambda: _deleted(job.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})),
    )
    return _alike(calls)


def may_read(job: Any, bucket: str, key: str) -> bool:
    return _alike((
        lambda: job.get_object(Bucket=bucket, Key=key),
        lambda: job.head_object(Bucket=bucket, Key=key),
        lambda: job.list_objects_v2(Bucket=bucket, Prefix=key),
    ))  # fmt: skip


def _deleted(answer: Any) -> None:
    if answer.get("Errors"):
        raise PermissionError


def _alike(calls: Any) -> bool:
    found: set[bool] = set()
    for call in calls:
        try:
            call()
            found.add(True)
        except PermissionError:
            found.add(False)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]  # type: ignore[typeddict-item]
            assert status in (403, 404), error
            found.add(status != 403)
    assert len(found) == 1, found
    return found.pop()


@pytest.fixture
def bucket(place: str) -> str:
    return place.removeprefix("s3://").partition("/")[0]


def test_a_run_makes_files_in_its_own_folder_and_nowhere_else(server: Server, job: Any, bucket: str) -> None:
    own = run_folder(server, "a1")
    assert may_write(job, bucket, f"{own}/totals-1/data/x.parquet")
    assert may_read(job, bucket, f"{own}/totals-1/data/x.parquet")
    for key in (
        "tables/x",
        "tables/sales/x",
        "tables/sales/totals/data/x",
        "tables/other/x",
        f"{own}-2/x",
        f"tables/sales/{own.rpartition('/')[2][:-1]}/x",
        f"{run_folder(server, 'a2')}/totals-1/data/x.parquet",  # what another run is about to make
    ):
        assert not may_write(job, bucket, key), key
        assert not may_read(job, bucket, key), key


def test_tables_of_a_plan_are_open_and_those_of_others_are_not(server: Server, job: Any, bucket: str) -> None:
    user = client(server)
    user.create_table("sales.salaries", rows().schema).append(rows(7))
    totals = key_of(user.create_table("sales.totals", rows().schema).location())
    read, secret = (key_of(user.load_table(f"sales.{name}").location()) for name in ("orders", "salaries"))
    assert may_read(job, bucket, f"{read}/metadata")
    assert not may_write(job, bucket, f"{read}/data/x")
    assert may_read(job, bucket, f"{totals}/metadata")
    assert may_write(job, bucket, f"{totals}/data/x")
    assert not may_read(job, bucket, f"{secret}/data")
    assert not may_write(job, bucket, f"{secret}/data/x")


def test_what_another_run_holds_is_closed_though_both_make_the_table(server: Server, job: Any, bucket: str) -> None:
    held = client(server, "attempt:a2").create_table("sales.totals", rows().schema)
    held.append(rows(1))
    assert not may_read(job, bucket, f"{key_of(held.location())}/metadata")
    assert not may_write(job, bucket, f"{key_of(held.location())}/data/x")
    assert held.scan().to_arrow().num_rows == 1


def test_a_run_makes_tables_in_its_own_folder(server: Server, job: Any, bucket: str) -> None:
    own = client(server, "attempt:a1")
    for location in ("tables/sales/mine", f"{run_folder(server, 'a2')}/mine"):
        with pytest.raises(Exception, match="must lie below"):
            own.create_table("sales.totals", rows().schema, location=f"s3://{bucket}/{location}")
    made = own.create_table("sales.totals", rows().schema)
    made.append(rows(1, 2))
    assert key_of(made.location()).startswith(run_folder(server, "a1") + "/")


def test_a_list_shows_a_table_and_none_whose_name_begins_as_its_own(server: Server, job: Any, bucket: str) -> None:
    user = client(server)
    folder = user.load_table("sales.orders").location()
    secret = user.create_table("sales.salaries", rows().schema, location=f"{folder}-of-others")
    secret.append(rows(7))
    for asked in ({"Prefix": key_of(folder)}, {"Prefix": key_of(folder), "Delimiter": "/"}):
        found = job.list_objects_v2(Bucket=bucket, **asked)
        told = [o["Key"] for o in found.get("Contents", [])] + [p["Prefix"] for p in found.get("CommonPrefixes", [])]
        assert told, asked
        assert all(key.startswith(key_of(folder) + "/") for key in told), asked
    with pytest.raises(ClientError) as error:
        job.list_objects_v2(Bucket=bucket, Prefix=key_of(secret.location()))
    assert code(error) == ("AccessDenied", 403)
