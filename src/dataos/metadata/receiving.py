"""OpenLineage events of other producers: checked, kept, and made part of the graph.

Datasets that a Depot leads to get its address (`naming`), so that the ways of others join ours. Inputs and outputs add
up over the events of a run (OpenLineage, run cycle): edges are written at its COMPLETE.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa

from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, Problem, fail
from dataos.depots import resolver
from dataos.depots.ports import DepotEntry
from dataos.governance import rules
from dataos.governance.objects import writable
from dataos.governance.principals import Principal
from dataos.metadata import entities, graph, naming, openlineage
from dataos.metadata.recording import insert_event
from dataos.metadata.reports import Dataset, Line
from dataos.store import tables
from dataos.store.database import Store

MOST_EVENTS = 500
_MOST_DATASETS = 1000
_MOST_FIELDS = 5000
_MOST_OF_RUN = 200
_NAME = 2000
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")


class Receiver:
    """Takes events. `namespace`: of this installation's own jobs, which nobody else may claim."""

    def __init__(self, store: Store, clock: Clock, namespace: str) -> None:
        self._store = store
        self._clock = clock
        self._namespace = namespace

    async def receive(self, body: Any, principal: Principal) -> int:
        """One event or a list of them; all are kept or none. Returns how many. Raises DataOSError `lineage.event`
        with every fault, `auth.forbidden`."""
        rules.require_user(principal, "send lineage events")
        events: list[Any] = cast("list[Any]", body) if isinstance(body, list) else [body]
        if len(events) > MOST_EVENTS:
            raise fail(
                "lineage.event", f"{len(events)} events in one call", hint=f"at most {MOST_EVENTS}: send them in parts"
            )
        problems: list[Problem] = []
        for number, event in enumerate(events):
            where = f"[{number}]" if isinstance(body, list) else ""
            problems += check(event, where, self._namespace)
        if problems:
            raise DataOSError(problems)
        await self._store.write(self._take, events, principal)
        return len(events)

    def _take(self, connection: sa.Connection, events: Sequence[dict[str, Any]], principal: Principal) -> None:
        depots = resolver.list_entries(connection)
        for event in events:
            now = self._clock.now_us()
            event = {"eventType": "OTHER", **event}  # the specification lets it be left out
            insert_event(connection, event, str(principal.user_id), now, received=True, pending=False)
            if event["eventType"] in openlineage.ENDS:
                self._end(connection, event, principal, depots, now)

    def _end(
        self,
        connection: sa.Connection,
        event: Mapping[str, Any],
        principal: Principal,
        depots: Sequence[DepotEntry],
        now: int,
    ) -> None:
        job, run = event["job"], event["run"]["runId"]
        documentation = job.get("facets", {}).get("documentation", {}).get("description", "")
        about = {"description": str(documentation)[:_NAME]} if documentation else {}
        owner = str(principal.user_id)
        graph.save_job(connection, job["namespace"], job["name"], about, owner, event["eventType"], run, now)
        if event["eventType"] != openlineage.COMPLETE:
            return
        e = tables.lineage_events
        of_run = sa.select(e.c.body).where(e.c.run == run, e.c.received.is_(True), e.c.owner == owner)
        bodies = connection.execute(of_run.order_by(e.c.seq).limit(_MOST_OF_RUN)).scalars().all()
        inputs: dict[str, Dataset] = {}
        outputs: dict[str, Dataset] = {}
        lines: dict[str, tuple[Line, ...]] = {}
        for body in bodies:
            if (body["job"]["namespace"], body["job"]["name"]) != (job["namespace"], job["name"]):
                continue
            for item in body.get("inputs") or ():
                dataset = _dataset(item, depots)
                inputs[dataset.address] = _newer(inputs.get(dataset.address), dataset)
            for item in body.get("outputs") or ():
                dataset = _dataset(item, depots)
                outputs[dataset.address] = _newer(outputs.get(dataset.address), dataset)
                found = _lines(item, depots)
                if found:
                    lines[dataset.address] = found
        self._check_owners(connection, outputs, principal)
        for dataset in (*inputs.values(), *outputs.values()):
            entities.seen(connection, dataset, now)
        made: list[graph.Made] = []
        for address in outputs:
            of_columns = (a for line in lines.get(address, ()) for a, _ in line.sources)
            made.append(graph.Made(address, tuple(dict.fromkeys((*inputs, *of_columns))), lines.get(address, ())))
        made.append(graph.Made("", () if made else tuple(inputs), ()))
        graph.replace(connection, job["namespace"], job["name"], run, made, now)

    @staticmethod
    def _check_owners(connection: sa.Connection, outputs: Mapping[str, Dataset], principal: Principal) -> None:
        """Nobody tells where somebody else's dataset comes from."""
        for address in outputs:
            row = entities.find(connection, address)
            if row is not None and row.owner:
                rules.require_own(
                    principal, row.owner, f"tell the lineage of {address}", rules.DATASETS, writable(address)
                )


def check(event: Any, where: str, own_namespace: str) -> list[Problem]:
    """Every fault of an event; `where`: its place in the body. Pure."""
    problems: list[Problem] = []

    def wrong(path: str, message: str, hint: str = "") -> None:
        place = f"{where}.{path}".strip(".") if path else where
        problems.append(Problem("lineage.event", message, hint=hint, path=place or None))

    if not isinstance(event, dict):
        wrong(
            "",
            "an event is a JSON object",
            "a run event of OpenLineage: https://openlineage.io/spec/2-0-2/OpenLineage.json",
        )
        return problems
    body = cast("dict[str, Any]", event)
    if ("run" not in body and "job" in body) or "dataset" in body:
        wrong("", "only run events are taken", "send events with `run`: those of jobs or datasets alone have no effect")
        return problems
    if body.get("eventType", "OTHER") not in openlineage.TYPES:
        wrong(
            "eventType",
            f"`{_short(body.get('eventType'))}` is no event type",
            f"allowed: {', '.join(openlineage.TYPES)}",
        )
    if not _is_time(body.get("eventTime")):
        wrong(
            "eventTime", f"`{_short(body.get('eventTime'))}` is no time", "RFC 3339 with a zone: 2030-01-01T00:00:00Z"
        )
    if not _is_uri(body.get("producer")):
        wrong("producer", "`producer` is no URI", "name the program and its version")
    if not _is_uri(body.get("schemaURL")):
        wrong(
            "schemaURL", "`schemaURL` is no URI", "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
        )
    run = body.get("run")
    if not isinstance(run, dict) or not _is_uuid(cast("dict[str, Any]", run).get("runId")):
        wrong("run.runId", "`runId` is no UUID", "the same one in all events of a run")
    job = body.get("job")
    if not isinstance(job, dict) or not _is_named(job):
        wrong("job", "a job has a `namespace` and a `name`", "both are texts that are not empty")
    elif job["namespace"] == own_namespace:
        wrong("job.namespace", f"`{own_namespace}` is the namespace of this installation's own jobs", "use another one")
    for key in ("run", "job"):
        part = body.get(key)
        if isinstance(part, dict) and not isinstance(cast("dict[str, Any]", part).get("facets", {}), dict):
            wrong(f"{key}.facets", "facets are an object by name")
    for key in ("inputs", "outputs"):
        value = body.get(key)
        if value is None:
            continue
        if not isinstance(value, list) or len(cast("list[Any]", value)) > _MOST_DATASETS:
            wrong(key, f"`{key}` is a list of at most {_MOST_DATASETS} datasets")
            continue
        for number, item in enumerate(cast("list[Any]", value)):
            if not isinstance(item, dict) or not _is_named(cast("dict[str, Any]", item)):
                wrong(
                    f"{key}[{number}]", "a dataset has a `namespace` and a `name`", "both are texts that are not empty"
                )
            elif not isinstance(cast("dict[str, Any]", item).get("facets", {}), dict):
                wrong(f"{key}[{number}].facets", "facets are an object by name")
    return problems


def _short(value: Any, most: int = 60) -> str:
    return "" if value is None else str(value)[:most]


def _is_time(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_uri(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _NAME and _URI.fullmatch(value) is not None


def _is_uuid(value: Any) -> bool:
    if not isinstance(value, str) or len(value) != 36:
        return False
    try:
        uuid.UUID(value)
    except ValueError:
        return False
    return True


def _is_named(part: Mapping[str, Any]) -> bool:
    return all(isinstance(part.get(k), str) and 0 < len(part[k]) <= _NAME for k in ("namespace", "name"))


def _address(part: Mapping[str, Any], depots: Sequence[DepotEntry]) -> str:
    return naming.address(naming.Name(part["namespace"], part["name"]), depots)


def _facet(item: Mapping[str, Any], name: str, key: str, kind: type[Any]) -> Any:
    """A value of a facet, or an empty one: facets of others are not checked, only understood where they can be."""
    found: Any = item.get("facets", {}).get(name)
    value = cast("dict[str, Any]", found).get(key) if isinstance(found, dict) else None
    return value if isinstance(value, kind) else kind()


def _dataset(item: Mapping[str, Any], depots: Sequence[DepotEntry]) -> Dataset:
    fields = cast("list[Any]", _facet(item, "schema", "fields", list))[:_MOST_FIELDS]
    columns = tuple(
        {"name": f["name"][:_NAME], "type": _short(f.get("type"), _NAME),
         "description": _short(f.get("description"), _NAME)}
        for f in fields
        if isinstance(f, dict) and isinstance(f.get("name"), str)
    )  # fmt: skip
    return Dataset("", _address(item, depots), columns)


def _newer(before: Dataset | None, after: Dataset) -> Dataset:
    return before if before is not None and not after.columns else after


def _lines(item: Mapping[str, Any], depots: Sequence[DepotEntry]) -> tuple[Line, ...]:
    fields = cast("dict[str, Any]", _facet(item, "columnLineage", "fields", dict))
    found: list[Line] = []
    for column, value in list(fields.items())[:_MOST_FIELDS]:
        listed: Any = cast("dict[str, Any]", value).get("inputFields") if isinstance(value, dict) else None
        sources = [
            (_address(s, depots), s["field"])
            for s in (cast("list[Any]", listed)[:_MOST_FIELDS] if isinstance(listed, list) else [])
            if isinstance(s, dict) and _is_named(cast("dict[str, Any]", s)) and isinstance(s.get("field"), str)
        ]
        found.append(Line(column[:_NAME], tuple(dict.fromkeys(sources)), True))
    return tuple(found)
