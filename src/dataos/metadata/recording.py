"""What runs say of data, written into the store: called in the very transactions that start and settle an attempt.

One run of a job is one attempt. From the same facts come the OpenLineage event, the entities, the edges, the profile
and the quality results, so that they agree. It never raises for what a job reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from dataos.core.addresses import Udl
from dataos.core.clock import Clock, rfc3339
from dataos.core.errors import DataOSError
from dataos.depots import resolver
from dataos.depots.ports import DepotEntry
from dataos.metadata import entities, graph, measures, naming, openlineage, reports
from dataos.metadata.reports import Dataset, Line, Report
from dataos.store import tables, work

SEND_UNIT = "lineage:send"
"""The unit of work that sends events to the configured receiver (`sending`)."""

_ev = tables.lineage_events
_START_OF = sa.select(_ev.c.body).where(
    _ev.c.run == sa.bindparam("of_run"), _ev.c.type == openlineage.START, _ev.c.received.is_(False)
)
_INSERT = _ev.insert()
_MOST_NESTED = 50


@dataclass(frozen=True)
class About:
    """What whoever runs a job knows of it beyond the store."""

    stack: str = ""
    description: str = ""
    run_as: str = ""


@dataclass(frozen=True)
class Attempt:
    """One attempt: its own ids, and the addresses of its plan."""

    id: str
    run_id: str
    job: str
    number: int
    reads: Sequence[str] = ()
    writes: Sequence[str] = ()


@dataclass(frozen=True)
class _Run:
    """The Workflow run of an attempt. `chain`: (run id, path of names) of it and of the runs around it, inner first."""

    workspace: str
    workflow: str
    owner: str
    nominal_us: int | None
    chain: tuple[tuple[str, str], ...]


class Recorder:
    """One per server. `namespace`: of this installation's jobs; `sends`: a receiver is configured."""

    def __init__(self, clock: Clock, namespace: str, sends: bool) -> None:
        self._clock = clock
        self.namespace = namespace
        self._sends = sends

    def started(self, connection: sa.Connection, attempt: Attempt, about: About, at_us: int | None = None) -> None:
        """Its program runs. Once: a second call writes nothing."""
        if connection.execute(_START_OF, {"of_run": openlineage.run_uuid(attempt.id)}).first() is None:
            self._start(connection, attempt, about, at_us or self._clock.now_us())

    def ended(
        self,
        connection: sa.Connection,
        attempt: Attempt,
        type_: str,
        result: Mapping[str, Any],
        reason: str,
        at_us: int,
        started_us: int | None,
    ) -> None:
        """It ended, as `type_` says (COMPLETE, FAIL, ABORT); called once, by who settles it."""
        found = connection.execute(_START_OF, {"of_run": openlineage.run_uuid(attempt.id)}).first()
        body = found.body if found is not None else self._start(connection, attempt, About(), started_us or at_us)
        if body is None:
            return  # its Workflow is forgotten: nobody can ask for it
        report = reports.read(result, attempt.reads, attempt.writes)
        run, job = _known(body["run"]), _known(body["job"])
        if report.sql:
            job["facets"]["sql"] = openlineage.facet("sql", query=report.sql)
        if type_ != openlineage.COMPLETE:
            run["facets"]["errorMessage"] = _error(type_, reason)
        about: dict[str, Any] = job["facets"].get("dataos", {})
        owner = _owner(job)
        shown = _Datasets(connection)
        event = openlineage.event(
            type_, at_us, run, job, shown.inputs(report, attempt), shown.outputs(report, attempt, type_)
        )
        self._insert(connection, event, owner)
        key = {"namespace": self.namespace, "job": job["name"], "run": attempt.run_id, "attempt": attempt.id}
        shown_about = {k: about[k] for k in ("workspace", "workflow", "job", "stack", "description") if k in about}
        graph.save_job(connection, self.namespace, job["name"], shown_about, owner, type_, attempt.run_id, at_us)
        if type_ == openlineage.COMPLETE:
            self._keep(connection, report, owner, key, at_us)
        measures.save_tests(connection, report.tests, key, at_us)

    def goes_on(
        self,
        connection: sa.Connection,
        attempt: Attempt,
        result: Mapping[str, Any],
        at_us: int,
        started_us: int | None,
    ) -> None:
        """It goes on, and something of it is published: datasets and lineage are known from here on. Once an
        attempt."""
        found = connection.execute(_START_OF, {"of_run": openlineage.run_uuid(attempt.id)}).first()
        body = found.body if found is not None else self._start(connection, attempt, About(), started_us or at_us)
        if body is None:
            return
        report = reports.read(result, attempt.reads, attempt.writes)
        run, job = _known(body["run"]), _known(body["job"])
        if report.sql:
            job["facets"]["sql"] = openlineage.facet("sql", query=report.sql)
        owner = _owner(job)
        shown = _Datasets(connection)
        inputs, outputs = shown.inputs(report, attempt), shown.outputs(report, attempt, openlineage.COMPLETE)
        self._insert(connection, openlineage.event(openlineage.RUNNING, at_us, run, job, inputs, outputs), owner)
        key = {"namespace": self.namespace, "job": job["name"], "run": attempt.run_id, "attempt": attempt.id}
        self._keep(connection, report, owner, key, at_us)

    def run_ended(self, connection: sa.Connection, run_id: str, type_: str, reason: str, at_us: int) -> None:
        """A run of a Workflow ended, as `type_` says. Told if any of its jobs began."""
        found = connection.execute(_START_OF, {"of_run": openlineage.run_uuid(run_id)}).first()
        if found is None:
            return
        run, job = _known(found.body["run"]), _known(found.body["job"])
        if type_ != openlineage.COMPLETE:
            run["facets"]["errorMessage"] = _error(type_, reason)
        self._insert(connection, openlineage.event(type_, at_us, run, job), _owner(job))

    def _keep(self, connection: sa.Connection, report: Report, owner: str, key: Mapping[str, str], now_us: int) -> None:
        """Entities and edges of a run that succeeded."""
        source = f"job:{self.namespace}:{key['job']}"
        written = {d.address for d in report.outputs}
        for dataset in report.inputs:
            if dataset.address not in written:
                entities.seen(connection, dataset, now_us)
        for dataset in report.outputs:
            entities.written(connection, dataset, owner, key, source, now_us)
        graph.replace(connection, self.namespace, key["job"], key["run"], _made(report), now_us)
        if report.profile is not None:
            measures.save_profile(connection, report.profile, key, now_us)

    def _start(self, connection: sa.Connection, attempt: Attempt, about: About, at_us: int) -> dict[str, Any] | None:
        found = _run(connection, attempt.run_id)
        if found is None:
            return None
        self._start_runs(connection, found, at_us)
        path = found.chain[0][1]
        name = f"{path}.{attempt.job}"
        facets: dict[str, Any] = {"parent": self._parent(found)}
        if found.nominal_us is not None:
            facets["nominalTime"] = openlineage.facet("nominalTime", nominalStartTime=rfc3339(found.nominal_us))
        run = {"runId": openlineage.run_uuid(attempt.id), "facets": facets}
        known = {
            "workspace": found.workspace,
            "workflow": found.workflow,
            "job": attempt.job,
            "run": attempt.run_id,
            "attempt": attempt.id,
            "number": attempt.number,
            "stack": about.stack,
            "description": about.description,
            "runAs": about.run_as,
        }
        job_facets = _job_facets(found.owner, about.stack.partition(":")[0].upper() or "JOB", known)
        if about.description:
            job_facets["documentation"] = openlineage.facet("documentation", description=about.description)
        job = {"namespace": self.namespace, "name": name, "facets": job_facets}
        shown = _Datasets(connection)
        planned = Report(inputs=tuple(Dataset("", a) for a in _addresses(attempt.reads)))
        event = openlineage.event(
            openlineage.START, at_us, run, job, shown.inputs(planned, attempt), shown.outputs(planned, attempt, "START")
        )
        self._insert(connection, event, found.owner)
        return event

    def _start_runs(self, connection: sa.Connection, run: _Run, at_us: int) -> None:
        """The Workflow runs around an attempt, outermost first: with their first attempt they began."""
        for level in range(len(run.chain) - 1, -1, -1):
            run_id, name = run.chain[level]
            if connection.execute(_START_OF, {"of_run": openlineage.run_uuid(run_id)}).first() is not None:
                continue
            facets: dict[str, Any] = {}
            if level + 1 < len(run.chain):
                facets["parent"] = self._parent(replace(run, chain=run.chain[level + 1 :]))
            if run.nominal_us is not None:
                facets["nominalTime"] = openlineage.facet("nominalTime", nominalStartTime=rfc3339(run.nominal_us))
            job = {"namespace": self.namespace, "name": name, "facets": _job_facets(run.owner, "DAG", {"run": run_id})}
            body = openlineage.event(
                openlineage.START, at_us, {"runId": openlineage.run_uuid(run_id), "facets": facets}, job
            )
            self._insert(connection, body, run.owner)

    def _parent(self, run: _Run) -> dict[str, Any]:
        inner, outer = run.chain[0], run.chain[-1]
        root = (outer[1], outer[0]) if outer != inner else None
        return openlineage.parent(self.namespace, inner[1], inner[0], root)

    def _insert(self, connection: sa.Connection, event: dict[str, Any], owner: str) -> None:
        insert_event(connection, event, owner, self._clock.now_us(), received=False, pending=self._sends)


def _owner(job: Mapping[str, Any]) -> str:
    return str(job["facets"].get("dataos", {}).get("owner", ""))


def _error(type_: str, reason: str) -> dict[str, Any]:
    message = reason[:2000] or type_.lower()
    return openlineage.facet("errorMessage", message=message, programmingLanguage="python")


def _job_facets(owner: str, kind: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """Facets of every job; `known`: what only this platform knows of it."""
    owners = [{"name": f"user:{owner}", "type": "OWNER"}]
    return {
        "ownership": openlineage.facet("ownership", owners=owners),
        "jobType": openlineage.facet("jobType", processingType="BATCH", integration="DATAOS", jobType=kind),
        "dataos": {"_producer": openlineage.PRODUCER, "_schemaURL": _OWN_FACET, "owner": owner, **known},
    }


_OWN_FACET = "urn:dataos:facets:1-0-0:DataosJobFacet"


def insert_event(
    connection: sa.Connection, event: Mapping[str, Any], owner: str, now_us: int, *, received: bool, pending: bool
) -> None:
    """Keep an event, and wake who sends it if it is to be sent."""
    row = {
        "at": now_us,
        "run": event["run"]["runId"],
        "type": event["eventType"],
        "namespace": event["job"]["namespace"],
        "job": event["job"]["name"],
        "owner": owner,
        "received": received,
        "pending": pending,
        "body": dict(event),
    }
    connection.execute(_INSERT, row)
    if pending:
        work.wake(connection, SEND_UNIT, now_us)


def _known(part: Mapping[str, Any]) -> dict[str, Any]:
    """Run or job of the START event, with facets of its own to add to."""
    return {**part, "facets": dict(part.get("facets", {}))}


def _addresses(texts: Iterable[str]) -> list[str]:
    return [a for a in dict.fromkeys(map(reports.address_of, texts)) if a is not None]


def _made(report: Report) -> list[graph.Made]:
    """Which output is made of which inputs."""
    everything = tuple(dict.fromkeys(d.address for d in report.inputs))
    made: list[graph.Made] = []
    for output in report.outputs:
        read = everything
        if output.reads is not None:
            named = tuple(dict.fromkeys(d.address for d in report.inputs if d.view in output.reads))
            of_columns = tuple(a for line in report.lines.get(output.address, ()) for a, _ in line.sources)
            read = tuple(dict.fromkeys((*named, *of_columns)))
        made.append(graph.Made(output.address, read, report.lines.get(output.address, ())))
    return [*made, graph.Made("", () if made else everything, ())]


def _run(connection: sa.Connection, run_id: str) -> _Run | None:
    """The Workflow run, the Workflow it is of, and the runs whose node it is."""
    r, w = tables.runs, tables.resources
    query = sa.select(r.c.id, r.c.parent, r.c.path, r.c.trigger, w.c.workspace, w.c.name, w.c.owner)
    query = query.join(w, w.c.uid == r.c.uid)
    row = connection.execute(query.where(r.c.id == run_id)).first()
    if row is None:
        return None
    first, nominal = row, _tick(row.trigger)
    chain = [(row.id, _name(row))]
    while row.parent is not None and len(chain) < _MOST_NESTED:
        above = connection.execute(query.where(r.c.id == row.parent.partition("/")[0])).first()
        if above is None:
            break
        row, nominal = above, nominal or _tick(above.trigger)
        chain.append((row.id, _name(row)))
    return _Run(first.workspace or "public", first.name, first.owner, nominal, tuple(chain))


def _name(row: Any) -> str:
    """The name of what a run is of: `workspace.workflow`, with the nodes down to the DAG that is a part of it."""
    parts = (row.workspace or "public", row.name, *(row.path or "").split("/"))
    return ".".join(part for part in parts if part)


def _tick(trigger: str) -> int | None:
    kind, _, rest = trigger.partition(":")
    return int(rest) if kind == "tick" and rest.isdigit() else None


class _Datasets:
    """Datasets as events show them."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._depots: dict[str, DepotEntry | None] = {}

    def inputs(self, report: Report, attempt: Attempt) -> list[dict[str, Any]]:
        """Inputs, each address once."""
        found: dict[str, dict[str, Any]] = {}
        for dataset in report.inputs:
            if dataset.address in found and not dataset.columns:
                continue
            facets: dict[str, Any] = {}
            if dataset.rows is not None:
                facets["inputStatistics"] = openlineage.facet("inputStatistics", rowCount=dataset.rows)
            tests = [t for t in report.tests if t.address == dataset.address]
            if tests:
                told = [
                    {"assertion": t.test, "success": t.passed, **({"column": t.column} if t.column else {})}
                    for t in tests
                ]
                facets["dataQualityAssertions"] = openlineage.facet("dataQualityAssertions", assertions=told)
            body = self._dataset(dataset)
            found[dataset.address] = {**body, "inputFacets": facets} if facets else body
        return list(found.values())

    def outputs(self, report: Report, attempt: Attempt, type_: str) -> list[dict[str, Any]]:
        """Outputs: what was written, or, before that, what is going to be."""
        found: list[dict[str, Any]] = []
        done = report.outputs if type_ == openlineage.COMPLETE else ()
        for dataset in done:
            body = self._dataset(dataset)
            edges = _resolved(report.lines.get(dataset.address, ()))
            if edges:
                body["facets"]["columnLineage"] = openlineage.column_lineage(edges)
            if dataset.rows is not None:
                statistics = openlineage.facet("outputStatistics", rowCount=dataset.rows)
                body["outputFacets"] = {"outputStatistics": statistics}
            found.append(body)
        known = {d.address for d in done}
        rest = [] if type_ == openlineage.COMPLETE and done else _addresses(attempt.writes)
        return found + [self._dataset(Dataset("", a)) for a in rest if a not in known]

    def _dataset(self, dataset: Dataset) -> dict[str, Any]:
        facets: dict[str, Any] = {}
        if dataset.columns:
            facets["schema"] = openlineage.schema(dataset.columns)
        if dataset.description or dataset.title:
            text = dataset.description or dataset.title
            facets["documentation"] = openlineage.facet("datasetDocumentation", description=text)
        udl = Udl.parse(dataset.address)
        entry = self._depot(udl.depot)
        if entry is not None:
            facets["dataSource"] = openlineage.facet("dataSource", name=udl.depot, uri=naming.uri(entry))
            elsewhere = naming.physical(entry, udl)
            if elsewhere is not None:
                kind = "LOCATION" if elsewhere.namespace == "file" or "." not in elsewhere.name else "TABLE"
                names = [{**elsewhere.to_json(), "type": kind}]
                facets["symlinks"] = openlineage.facet("symlinks", identifiers=names)
        return {**openlineage.dataset_id(dataset.address), "facets": facets}

    def _depot(self, name: str) -> DepotEntry | None:
        if name not in self._depots:
            try:
                self._depots[name] = resolver.find(self._connection, name)
            except DataOSError:
                self._depots[name] = None  # it was deleted meanwhile
        return self._depots[name]


def _resolved(lines: Iterable[Line]) -> dict[str, Sequence[tuple[str, str]]]:
    return {line.column: line.sources for line in lines if line.resolved}
