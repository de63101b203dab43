"""What a stackSpec of the stack `flash` may say: lakehouse tables as an in-memory SQL service (ch04 13.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dataos.core.addresses import Udl
from dataos.manifest import patterns, schedules
from dataos.manifest.annotations import never_both, one_needed, rules
from dataos.manifest.documents import Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled
from dataos.manifest.stacks import Use, read_address, read_depot

APP_PORT = 8080
SQL_PORT = 5433
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class RefreshBlock(Spec):
    """`refresh` of one dataset: when, and how if not by reading it anew."""

    expression: Text = spelled("cron")
    """Cron expression of five fields."""
    sql: Text | None = None
    """SQL in the place of reading it anew."""
    where: Text | None = None
    """Which rows are kept."""


class DatasetEntry(
    Spec, json_schema_extra=rules(one_needed("address", "depot", "sql"), never_both("address", "depot"))
):
    """One of `datasets`: a view."""

    name: Text
    """Name of the view."""
    address: Text | None = None
    """Address of a table."""
    depot: Text | None = None
    """A depot, in the place of one table."""
    sql: Text | None = None
    """SQL of the view."""
    meta: dict[str, Any] = {}
    """Anything else."""
    refresh: RefreshBlock | None = None
    """When it is read anew."""


class ScheduleEntry(Spec):
    """One of `schedule`: SQL by a clock."""

    expression: Text = spelled("cron")
    """Cron expression of five fields."""
    sql: Text
    """What is run."""


class StackBlock(Spec, json_schema_extra=rules(one_needed("datasets", "init"))):
    """The stackSpec as written."""

    datasets: tuple[DatasetEntry, ...] = spelled("dataset", default=(), lone=True)
    """Views."""
    init: tuple[Text, ...] = spelled(default=(), lone=True)
    """SQL that is run at the start, in order."""
    schedule: tuple[ScheduleEntry, ...] = spelled(default=(), lone=True)
    """SQL that is run by a clock."""


@dataclass(frozen=True)
class Refresh:
    """By the cron expression; `sql` None: the view is made anew, of the rows that `where` keeps."""

    cron: str
    sql: str | None
    where: str | None


@dataclass(frozen=True)
class View:
    """One view: of a dataset, of a depot's tables, or of SQL."""

    name: str
    address: Udl | None
    depot: Udl | None
    sql: str | None
    refresh: Refresh | None


@dataclass(frozen=True)
class FlashSpec:
    """Views first, then `init` in its order, then `schedule`: (cron, SQL)."""

    views: tuple[View, ...]
    init: tuple[str, ...]
    schedule: tuple[tuple[str, str], ...]
    addresses: tuple[tuple[Path, Udl], ...]


MODEL = StackBlock


def read(data: Any, reading: Reading, path: Path = ()) -> FlashSpec | None:
    """Canonical FlashSpec of the stackSpec at `path`, or None with every fault in `reading`."""
    before = len(reading.problems)
    block = read_model(StackBlock, data, reading, path, go_on=True)
    if block is None:
        return None
    addresses: list[tuple[Path, Udl]] = []
    views = [_view(entry, (*path, "datasets", i), reading, addresses) for i, entry in enumerate(block.datasets)]
    _check_names(block.datasets, (*path, "datasets"), reading)
    for position, text in enumerate(block.init):
        _check_sql(text, (*path, "init", position), reading)
    schedule: list[tuple[str, str]] = []
    for position, entry in enumerate(block.schedule):
        where = (*path, "schedule", position)
        cron = schedules.cron(entry.expression, (*where, "expression"), reading, fields=(5,))
        _check_sql(entry.sql, (*where, "sql"), reading)
        if re.match(r"\s*insert\s", entry.sql, re.IGNORECASE):
            text = "INSERT by a schedule adds the same rows again at each tick"
            reading.warn((*where, "sql"), text, hint="write `create or replace table ... as (select ...)`")
        schedule.append((cron or "", entry.sql))
    if not block.datasets and not block.init:
        reading.error(path, "`datasets` is required: there is nothing to serve", code="manifest.missing")
    if len(reading.problems) > before:
        return None
    return FlashSpec(tuple(v for v in views if v), block.init, tuple(schedule), tuple(addresses))


def bind(spec: FlashSpec, use: Use, reading: Reading) -> tuple[Reference, ...]:
    """Which ports the program has."""
    open_ports = {use.exposure.port: "servicePort"} | dict.fromkeys(use.exposure.ports, "servicePorts")
    for port, key in open_ports.items():
        if port is not None and port not in (APP_PORT, SQL_PORT):
            hint = f"write {APP_PORT} for its pages and metrics, {SQL_PORT} for SQL"
            reading.warn((*use.path, key), f"nothing of this stack listens on {port}", hint=hint)
    return ()


def _view(entry: DatasetEntry, path: Path, reading: Reading, addresses: list[tuple[Path, Udl]]) -> View | None:
    before = len(reading.problems)
    if entry.address is not None and entry.depot is not None:
        reading.error(path, "a dataset has one of `address` and `depot`, found both", hint="keep one of them")
    elif entry.address is None and entry.depot is None and entry.sql is None:
        reading.error(path, "`address` is required", code="manifest.missing", hint="or `depot`, or `sql`")
    address = read_address(entry.address, (*path, "address"), reading) if entry.address is not None else None
    depot = read_depot(entry.depot, (*path, "depot"), reading) if entry.depot is not None else None
    for key, udl in (("address", address), ("depot", depot)):
        if udl is not None:
            addresses.append(((*path, key), udl))
    if entry.sql is not None:
        _check_sql(entry.sql, (*path, "sql"), reading)
    refresh = None
    if entry.refresh is not None:
        where = (*path, "refresh")
        cron = schedules.cron(entry.refresh.expression, (*where, "expression"), reading, fields=(5,))
        for key, text in (("sql", entry.refresh.sql), ("where", entry.refresh.where)):
            if text is not None:
                _check_sql(text, (*where, key), reading)
        refresh = Refresh(cron or "", entry.refresh.sql, entry.refresh.where)
    return View(entry.name.strip(), address, depot, entry.sql, refresh) if len(reading.problems) == before else None


def _check_names(entries: Iterable[DatasetEntry], path: Path, reading: Reading) -> None:
    known: set[str] = set()
    for position, entry in enumerate(entries):
        name, where = entry.name.strip(), (*path, position, "name")
        if not name:
            reading.error(where, "a view has a name", code="manifest.missing")
        elif name.lower() in known:
            hint = "views are told apart without regard to letter case: rename one"
            reading.error(where, f"`{name}` names two views", hint=hint)
        elif not _PLAIN.fullmatch(name):
            reading.warn(where, f"`{name}` must be written in quotes in SQL", hint="use letters, digits and `_`")
        known.add(name.lower())


def _check_sql(text: str, path: Path, reading: Reading) -> None:
    if fault := patterns.sql_fault(text):
        reading.error(path, f"the SQL {fault}")
