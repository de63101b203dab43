"""The files that a job's token opens in buckets: those of the tables that its plan names."""

from __future__ import annotations

import asyncio

import pytest

from dataos.core.errors import DataOSError
from dataos.core.ids import AttemptId, RunId, UserId
from dataos.depots import resolver
from dataos.depots.ports import DepotEntry
from dataos.governance.principals import AttemptScope, Principal
from dataos.store import tables
from dataos.store.database import Store
from dataos.workloads.reach import JobReach

JOB = Principal(UserId("u"), attempt=AttemptScope("public", RunId("r"), AttemptId("a1")))


@pytest.fixture
def reach(store: Store) -> JobReach:
    plan = {
        "reads": ["dataos://lake:retail/orders", "dataos://landing:none/x.csv", "no address"],
        "writes": ["dataos://lake:retail.daily/totals@stage?acl=rw"],
    }

    def fill(connection) -> None:
        resolver.register(connection, DepotEntry("lake", "1", "ICEBERG", {"warehouse": "wh"}))
        resolver.register(connection, DepotEntry("landing", "2", "FILE", {"path": "/x"}))
        row = {"id": "a1", "run_id": "r", "job": "j", "number": 1, "state": "running", "cpu": 1.0, "memory_bytes": 1}
        connection.execute(tables.attempts.insert().values(**row, reason="", created_at=1, result=plan))

    store.write_sync(fill)
    return JobReach(store)


@pytest.mark.parametrize(
    ("action", "table", "allowed"),
    [
        ("table.read", ("wh", "retail", "orders"), True),
        ("table.write", ("wh", "retail", "orders"), False),
        ("table.read", ("wh", "retail.daily", "totals"), True),
        ("table.write", ("wh", "retail.daily", "totals"), True),
        ("table.read", ("wh", "retail", "salaries"), False),
        ("table.write", ("wh", "retail.daily", None), True),  # a table that the job is about to make
        ("table.read", ("wh", "retail.daily", None), True),
        ("table.write", ("wh", "retail", None), False),
        ("table.write", ("wh", None, None), False),
        ("table.read", ("wh", None, None), False),
        ("namespace.create", ("wh", "retail.daily", None), True),
        ("table.write", ("other", None, None), False),
        ("table.read", ("other", "retail", "orders"), False),
        ("table.read", ("landing", "none", "x.csv"), False),
    ],
)
def test_a_job_opens_what_its_plan_names(reach: JobReach, action: str, table: tuple, allowed: bool) -> None:
    if allowed:
        asyncio.run(reach(JOB, action, *table))
        return
    with pytest.raises(DataOSError) as error:
        asyncio.run(reach(JOB, action, *table))
    assert error.value.problem.code == "auth.forbidden"


def test_users_are_the_catalogs_matter_and_an_unknown_job_opens_nothing(reach: JobReach) -> None:
    asyncio.run(reach(Principal(UserId("u")), "table.write", "wh", "retail", "salaries"))
    unknown = Principal(UserId("u"), attempt=AttemptScope("public", RunId("r"), AttemptId("a2")))
    with pytest.raises(DataOSError):
        asyncio.run(reach(unknown, "table.read", "wh", "retail", "orders"))
