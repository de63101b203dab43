"""What of a job the embedded engine cannot do, told before it runs: the guard's own verdict on every SQL text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from dataos.core.errors import DataOSError, Problem
from dataos.manifest.specs import Path, render
from dataos.stacks.flare import incremental, merging, sql
from dataos.stacks.flare.engines import NEEDS_SPARK
from dataos.stacks.flare.model import FlareSpec
from dataos.stacks.flare.udfs import arities


def needs_spark(spec: FlareSpec) -> list[Problem]:
    """Everything that only Apache Spark does, with its path (absolute) and its place in the text; empty: Sail can."""
    found: list[Problem] = []
    for path, check in _texts(spec):
        try:
            check()
        except DataOSError as error:
            where = render(path)
            found += [replace(p, path=where) for p in error.problems if p.code == NEEDS_SPARK]
    return found


def _texts(spec: FlareSpec) -> Iterator[tuple[Path, Callable[[], object]]]:
    """(path, check of the embedded engine) of every text of the author's that an engine gets."""
    udfs = arities(spec.udfs)
    for entry in spec.inputs:
        increment = entry.increment
        if increment is None:
            continue
        names = dict.fromkeys((k.name for k in increment.keys), "0")
        for key in increment.keys:
            yield (*key.path, "sql"), partial(sql.check, incremental.fill(key.sql, names), (increment.context,))
        yield (*increment.path, "sql"), partial(sql.check, incremental.fill(increment.sql, names), (increment.context,))
    for step in spec.steps:
        yield (*step.path, "sql"), partial(sql.check, step.sql, spec.views, udfs=udfs)
        for call in step.functions:
            if call.name == "set_variable":
                yield (*call.path, "expression"), partial(sql.check, f"SELECT {call.text('expression')}", (), udfs=udfs)
    for output in spec.outputs:
        if output.merge is not None:
            yield (*output.merge.path, "whenClause"), partial(merging.check, output.merge.on, output.merge.when)
    for action in spec.actions:
        if action.action is None:
            yield (*action.path, "deleteWhere"), partial(sql.check_condition, action.delete_where, spec.views)
    if spec.profile is not None:
        for condition in spec.profile.filters:
            yield (*spec.profile.path, "filters"), partial(sql.check_condition, condition, spec.views)
    for check in (*spec.assertions, *(a for o in spec.outputs for a in o.assertions)):
        if check.sql is not None:
            yield (*check.path, "sql"), partial(sql.check, check.sql, spec.views, udfs=udfs)
        if check.filter is not None:
            yield (*check.path, "filter"), partial(sql.check_condition, check.filter, spec.views, udfs=udfs)
