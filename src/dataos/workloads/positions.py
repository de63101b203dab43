"""Where the sources of streams stand now: what a program compares with how far it has come.

Everybody's view, not the attempt's: that one goes on seeing a table as it first saw it.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any, cast

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.depots.ports import FileDepot, LedgerDepot, ObjectStoreDepot
from dataos.depots.types.iceberg.adapter import warehouse
from dataos.lakehouse.views import PUBLISHED, TableRef
from dataos.workloads.ports import Rooms


async def look(rooms: Rooms, udl: Udl, branch: str, at_us: int | None) -> dict[str, Any]:
    """{files: [[path, size, modified]]} (UTC microseconds; of object stores below the depot's root), {partitions:
    {number: [first, next, at]}}, {ledgers: {number: {ledgers: [[id, entries, bytes]], last: [ledger, entry] or None}}},
    or {table: the snapshot's id or None}, by what the address is. What is not there yet is empty.

    Raises DataOSError `depot.*`, `iceberg.*`.
    """
    entry = await rooms.depots.get(udl.depot)
    adapter = rooms.depots.adapter(entry)
    if entry.type == "FILE":
        try:
            files = await cast("FileDepot", adapter).files(entry, udl)
        except DataOSError as error:
            if error.problem.code != "depot.path" or not error.problem.message.count("nothing to read at"):
                raise
            files = []
        return {"files": await asyncio.to_thread(_stated, files)}
    if entry.type == "ICEBERG":
        return {
            "table": await _snapshot(rooms, TableRef(warehouse(entry), udl.collection or "", udl.dataset or ""), branch)
        }
    if isinstance(adapter, ObjectStoreDepot):
        try:
            objects = await rooms.depots.objects(udl)
        except DataOSError as error:
            if error.problem.code != "depot.path":
                raise
            objects = []
        return {"files": [[o.path, o.size_bytes, int(o.modified_at.timestamp() * 1e6)] for o in objects]}
    if isinstance(adapter, LedgerDepot):
        kept = await rooms.depots.ledgers(udl)
        return {"ledgers": {str(n): {"ledgers": k.ledgers, "last": k.last} for n, k in sorted(kept.items())}}
    found = await rooms.depots.offsets(udl, at_us)
    return {"partitions": {str(n): [o.first, o.next, o.at] for n, o in sorted(found.items())}}


def _stated(files: list[str]) -> list[list[Any]]:
    found: list[list[Any]] = []
    for file in files:
        try:
            status = os.stat(file)
        except OSError:  # it went away since it was listed
            continue
        found.append([file, status.st_size, status.st_mtime_ns // 1000])
    return found


async def _snapshot(rooms: Rooms, ref: TableRef, branch: str) -> str | None:
    try:
        loaded = await rooms.catalog.load_table(PUBLISHED, ref)
    except DataOSError as error:
        if error.problem.code != "iceberg.not_found.table":
            raise
        return None
    metadata: dict[str, Any] = json.loads(loaded.metadata)
    if branch == "main":
        current = metadata.get("current-snapshot-id")
        return str(current) if current not in (None, -1) else None
    if branch not in metadata.get("refs", {}):
        raise fail("flare.input", f"{ref} has no branch `{branch}`", hint="make it with dataset create-branch")
    return str(metadata["refs"][branch]["snapshot-id"])
