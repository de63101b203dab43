"""What listings tell a job's token: what its user may know of, and where its plan writes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from dataos.core.errors import fail
from dataos.core.ids import AttemptId, RunId, UserId
from dataos.depots.ports import DepotEntry
from dataos.gateway.direct import DirectAccess
from dataos.governance.exposure import DatasetName
from dataos.governance.principals import AttemptScope, Principal

USER = Principal(UserId("ria"))
JOB = Principal(UserId("ria"), attempt=AttemptScope("public", RunId("r"), AttemptId("a")))


class _Depots:
    async def list(self) -> list[DepotEntry]:
        return [DepotEntry("lake", "u", "ICEBERG", {"warehouse": "w"})]


class _Authority:
    """May know of `open`, and write nowhere."""

    async def may_list(self, _: Principal, names: Sequence[DatasetName]) -> list[bool]:
        return [name.collection == "open" for name in names]

    async def writable(self, _: Principal, _name: DatasetName) -> bool:
        return False


async def _reach(_: Principal, action: str, warehouse: str, namespace: str | None, table: str | None) -> None:
    if (action, warehouse, namespace, table) != ("table.write", "w", "planned", None):
        raise fail("auth.forbidden", "not in the plan")


def _access() -> DirectAccess:
    nothing = cast("Any", None)
    return DirectAccess(cast("Any", _Depots()), nothing, cast("Any", _Authority()), _reach, nothing)


def test_a_job_is_told_of_the_namespaces_in_which_its_plan_writes():
    names = [("open", ""), ("planned", ""), ("planned", "other"), ("hidden", ""), ("open", "t")]
    assert asyncio.run(_access().known(USER, "w", names)) == [True, False, False, False, True]
    assert asyncio.run(_access().known(JOB, "w", names)) == [True, True, False, False, True]


def test_a_job_is_told_the_folder_of_the_namespaces_in_which_its_plan_writes():
    async def makes(who: Principal, *namespaces: str) -> list[bool]:
        return [await _access().makes(who, "w", n) for n in namespaces]

    assert asyncio.run(makes(USER, "open", "planned")) == [False, False]
    assert asyncio.run(makes(JOB, "open", "planned")) == [False, True]
