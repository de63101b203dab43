"""What a job left for other places than Lakehouses, brought there by the server before the attempt counts as succeeded.

A job has no network and no credentials (docs/decisions/0004): it leaves files in its out folder, and what it planned to
deliver is kept with the attempt. Each delivery is whole or absent where the place allows that, and may be repeated:
after a crash the next look at the attempt does all of them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from dataos.core import logs
from dataos.core.addresses import Udl
from dataos.core.ids import batch_mark
from dataos.depots.ports import Delivery, Fence, TablePartition, TableWriting
from dataos.workloads.ports import Handover, Plan, Rooms

_log = logs.get(__name__)
_KEY = "deliveries"
_BY_BATCH = "by_batch"


def planned(plan: Plan) -> dict[str, Any]:
    """What is kept with the attempt of what its program will leave."""
    known: dict[str, Any] = {_KEY: [asdict(h) for h in plan.deliveries]} if plan.deliveries else {}
    return {**known, _BY_BATCH: True} if plan.by_batch else known


async def bring(
    rooms: Rooms, known: Mapping[str, Any] | None, out: Path, fence: Fence, batch: tuple[str, int] | None = None
) -> None:
    """Bring all that the attempt's program left, in the plan's order. Raises DataOSError of the first that fails.

    `batch`: stream and number of the batch of which it is; its marks are its own then.
    """
    for number, body in enumerate((known or {}).get(_KEY, ())):
        handover = Handover(**body)
        if batch is not None:
            handover = replace(handover, mark=batch_mark(*batch, number))
        await bring_one(rooms, handover, out, fence)


async def bring_one(rooms: Rooms, handover: Handover, out: Path, fence: Fence) -> None:
    """Bring what lies in one folder below `out`. Raises DataOSError."""
    mode = "append" if handover.mode == "append" else "overwrite"
    udl = Udl.parse(handover.address)
    delivery = Delivery(out / handover.folder, udl, mode, handover.mark, _table(handover.table))
    entry = await rooms.depots.get(udl.depot)
    if rooms.depots.engine_kind(entry) is None or rooms.loader is None:
        await rooms.depots.deliver(delivery, fence)
    else:
        await rooms.loader.load(await rooms.depots.database(entry.name, "rw"), delivery, fence)
    _log.info("delivered", address=handover.address, mode=mode)


def _table(known: Mapping[str, Any] | None) -> TableWriting | None:
    if known is None:
        return None
    partitions = tuple(TablePartition(**p) for p in known["partitions"])
    return TableWriting(known["format"], partitions, known["properties"])


def any_of(known: Mapping[str, Any] | None) -> bool:
    """Did the attempt's program leave something to bring?"""
    return bool((known or {}).get(_KEY))


def at_end(known: Mapping[str, Any] | None) -> bool:
    """Is it brought when the program has ended, and not batch by batch?"""
    return any_of(known) and not (known or {}).get(_BY_BATCH)
