"""Streams: how a job that goes on reading is triggered, and what its steps may do (ch04 3.13, 6.6).

On both engines a stream is a loop of runs (docs/decisions/0012): each batch reads what is new, and is published with
its position. So a step sees the rows of one batch. With `forEachBatchMode` that is what the author asked for; without
it, what would need the rows of other batches is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from sqlglot import exp

from dataos.core import durations
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError
from dataos.manifest.specs import Path, Reading, Spec, Text, choose, read_model, spelled, suggest
from dataos.stacks.flare import functions, parsing
from dataos.stacks.flare.blocks import InputEntry, OutputEntry, text_of
from dataos.stacks.flare.engines import EngineName
from dataos.stacks.flare.model import Input, Step, Streaming
from dataos.stacks.flare.sql import check as check_sql
from dataos.stacks.flare.udfs import Udfs

MESSAGES = ("kafkajson", "kafkaavro", "eventhub", "pulsar")
"""Formats of topics, which are read as streams where `isStream` does not say otherwise."""

RATES = ("rate", "rate-micro-batch")
"""Sources that make rows by themselves."""

TRIGGERS = ("ProcessingTime", "Continuous", "AvailableNow", "Once")
_OUTPUT_MODES = ("append", "complete", "update")
_SPARK_DURATION = re.compile(r"(?:interval\s+)?([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)", re.IGNORECASE)
_UNITS = {
    "millisecond": 0.001, "msec": 0.001, "second": 1.0, "sec": 1.0, "minute": 60.0, "min": 60.0, "hour": 3600.0,
    "day": 86400.0,
}  # fmt: skip
_LEAST_S = 0.1


class _Entry(Spec):
    """`job.streaming`."""

    trigger_mode: Text | None = None
    trigger_duration: Text | None = None
    output_mode: Text | None = None
    checkpoint_location: Text | None = None
    for_each_batch_mode: Any = spelled("foreachBatchMode", default=None)
    batch_mode: Any = None
    extra_options: dict[str, Any] = {}
    show_preview_lines: int | None = None


def read(
    data: Any, outputs: Sequence[OutputEntry], has_stream: bool, reading: Reading, path: Path
) -> tuple[Streaming | None, int | None]:
    """The block at `path`, and its misplaced `showPreviewLines`. None, with the faults in `reading`, where it is faulty
    or where the job is no stream."""
    if data is None and not has_stream:
        for number, output in enumerate(outputs):
            if _own_checkpoint(output):
                where = (*path[:-1], "outputs", number, "checkpointLocation")
                reading.warn(where, "`checkpointLocation` has no effect: the job reads no stream (isStream: true)")
        return None, None
    entry = read_model(_Entry, data or {}, reading, path)
    if entry is None:
        return None, None
    before = len(reading.problems)
    trigger = _trigger(entry, reading, path)
    interval = _interval(entry, trigger, reading, path)
    each = text_of(entry.for_each_batch_mode).strip().lower() == "true"
    _check_output_mode(entry, reading, path)
    if trigger == "Continuous" and each:
        reading.error(
            (*path, "forEachBatchMode"),
            "forEachBatchMode does not go with the trigger Continuous",
            hint="leave it out, or use the trigger ProcessingTime",
            code="flare.streaming",
        )
    for key in entry.extra_options:
        reading.warn((*path, "extraOptions", key), f"`{key}` has no effect: a stream is a loop of runs here")
    places = [*_checkpoints(entry, outputs)]
    if not places:
        reading.error(
            (*path, "checkpointLocation"),
            "checkpointLocation must be specified: the job reads a stream",
            hint="name a place, as in checkpointLocation: dataos://lakehouse:sys/checkpoints/orders?acl=rw; it names "
            "the positions that the stream goes on from",
            code="manifest.missing",
        )
    for place in places:
        if place.startswith("dataos://"):
            reading.attempt((*path, "checkpointLocation"), lambda text=place: Udl.parse(text))
    if len(reading.problems) > before:
        return None, entry.show_preview_lines
    return Streaming(trigger, interval, each, " ".join(sorted(set(places))), path), entry.show_preview_lines


def _trigger(entry: _Entry, reading: Reading, path: Path) -> str | None:
    ends = text_of(entry.batch_mode).strip().lower() == "true"
    if not entry.trigger_mode:
        return "AvailableNow" if ends else None
    word = "Once" if entry.trigger_mode.strip().lower() == "onetime" else entry.trigger_mode
    found = choose(word, TRIGGERS)
    if found is None:
        reading.error(
            (*path, "triggerMode"),
            f"triggerMode `{entry.trigger_mode}` is not allowed",
            hint=suggest(entry.trigger_mode, TRIGGERS),
            code="flare.streaming",
        )
        return None
    if found == "Continuous":
        reading.warn(
            (*path, "triggerMode"), "Continuous is done in small batches, one after the other: its latency is theirs"
        )
    if ends and found in ("ProcessingTime", "Continuous"):
        reading.warn((*path, "batchMode"), f"`batchMode` has no effect with the trigger {found}, which never ends")
    return found


def _interval(entry: _Entry, trigger: str | None, reading: Reading, path: Path) -> float:
    where = (*path, "triggerDuration")
    if trigger not in ("ProcessingTime", "Continuous"):
        if entry.trigger_duration:
            reading.warn(where, f"`triggerDuration` has no effect with the trigger {trigger or '(none)'}")
        return 0.0
    if not entry.trigger_duration:
        if trigger == "Continuous":
            return 1.0
        reading.error(
            where,
            f"the trigger {trigger} needs `triggerDuration`",
            hint="for instance triggerDuration: 10 seconds",
            code="manifest.missing",
        )
        return 0.0
    seconds = duration(entry.trigger_duration)
    if seconds is None:
        reading.error(
            where,
            f"`{entry.trigger_duration}` is no duration",
            hint="for instance 10 seconds, 5 minutes, 1 hour",
            code="flare.streaming",
        )
        return 0.0
    # of Continuous it is how often a checkpoint is written, not how long a row waits
    return max(_LEAST_S, seconds) if trigger == "ProcessingTime" else min(1.0, max(_LEAST_S, seconds))


def duration(text: str) -> float | None:
    """Seconds of `10 seconds`, `5 minutes`, `1m30s`; None if it is none."""
    match = _SPARK_DURATION.fullmatch(text.strip())
    if match is not None:
        unit = match[2].lower()
        known = _UNITS.get(unit) or _UNITS.get(unit.removesuffix("s"))
        if known is not None:
            return float(match[1]) * known
    return durations.parse(text)


def _check_output_mode(entry: _Entry, reading: Reading, path: Path) -> None:
    if not entry.output_mode:
        return
    where = (*path, "outputMode")
    found = choose(entry.output_mode, _OUTPUT_MODES)
    if found is None:
        reading.error(
            where,
            f"outputMode `{entry.output_mode}` is not allowed",
            hint=suggest(entry.output_mode, _OUTPUT_MODES),
            code="flare.streaming",
        )
    elif found == "complete":
        reading.error(
            where,
            "outputMode `complete` writes an aggregate of all batches anew each time, and no state is kept between "
            "batches here",
            hint="append the rows, and aggregate the table in a second job or in the query; or keep totals with "
            "`merge` and forEachBatchMode: true",
            code="stack.unsupported",
        )
    elif found == "update":
        reading.warn(where, "without an aggregate over batches, `update` is the same as `append`")


def _checkpoints(entry: _Entry, outputs: Iterable[OutputEntry]) -> Iterator[str]:
    """The place of each output: its own (under `options`, then beside it), else the job's. `?acl=` is no part of it."""
    for place in [_own_checkpoint(o) for o in outputs] or [""]:
        found = place or entry.checkpoint_location
        if found:
            yield found.partition("?")[0].rstrip("/")


def _own_checkpoint(output: OutputEntry) -> str:
    options = {k.lower(): v for k, v in (output.options or {}).items()}
    extra = options.get("extraoptions")
    if isinstance(extra, dict):
        options |= {k.lower(): v for k, v in cast("dict[str, Any]", extra).items() if k.lower() not in options}
    return text_of(options.get("checkpointlocation")) or output.checkpoint_location or ""


def read_input(entry: InputEntry, form: str | None, made: bool, reading: Reading, path: Path) -> bool | None:
    """Is an input of that format read as a stream? None: its depot's type says. `made`: its rows are made, not read."""
    stream = entry.is_stream if entry.is_stream is not None else True if form in MESSAGES else None
    if made and not stream:
        reading.error((*path, "isStream"), f"`{form}` is a stream", hint="add isStream: true", code="flare.streaming")
    if stream:
        for key, value in (("query", entry.query), ("incremental", entry.incremental)):
            if value is not None:
                reading.error(
                    (*path, key),
                    f"`{key}` does not go with a stream, which remembers how far it has come by itself",
                    hint="leave `isStream` out, or this key",
                    code="flare.streaming",
                )
    return stream


def check(
    stream: Streaming | None,
    inputs: Sequence[Input],
    steps: Iterable[Step],
    views: Sequence[str],
    keys: Iterable[str],
    reading: Reading,
    path: Path,
    own: Udfs | None = None,
) -> None:
    """What a stream's inputs and steps cannot be; `keys`: parts of the job that no stream has; `own`: its functions.
    `path`: of the job."""
    for key in keys:
        reading.error(
            (*path, key),
            f"`{key}` does not go with a stream",
            hint="make it a job of its own, on a schedule",
            code="flare.streaming",
        )
    if not any(i.stream or (i.stream is None and i.format is None and i.address is not None) for i in inputs):
        reading.error(
            (*path, "streaming"),
            "the job has `streaming`, and no input is read as a stream",
            hint="set isStream: true on the input, or leave `streaming` out",
            code="flare.streaming",
        )
    for entry in inputs:
        if entry.increment is not None:
            reading.error(
                (*entry.path, "incremental"),
                "`incremental` does not go with a stream, whose batches are published before the job ends",
                hint="read this input in a job of its own",
                code="flare.streaming",
            )
    if stream is not None and not stream.for_each_batch:
        check_steps(steps, views, [i.name for i in inputs if i.stream], reading, own)


# --- what steps may do ------------------------------------------------------------------------------------------------

_REMEDY = (
    "set forEachBatchMode: true, and each batch is computed by itself; or append the rows, and do this in a second job "
    "that reads the table"
)
_STATEFUL_FUNCTIONS = ("drop_duplicates", "pivot")


def check_steps(
    steps: Iterable[Step], views: Sequence[str], streams: Iterable[str], reading: Reading, own: Udfs | None = None
) -> None:
    """Refuse what would need rows of other batches, in steps that stand on one of the streams (names of inputs)."""
    live = {s.lower() for s in streams}
    for step in steps:
        try:
            reads = check_sql(step.sql, views, engine=EngineName.SPARK, udfs=own or {}).reads
            statements = parsing.parse(step.sql)
        except DataOSError:
            continue  # told of already
        if not any(r.lower() in live for r in reads):
            continue
        live.add(step.name.lower())
        where = (*step.path, "sql")
        for node, what in _stateful(statements[0], live):
            place = parsing.place(node, step.sql) or parsing.place(node.parent, step.sql)
            reading.error(
                where,
                f"step `{step.name}`: {what} on a stream would need the rows of all batches",
                hint=_REMEDY,
                code="flare.stream_state",
                **place,
            )
        for call in step.functions:
            if call.name in _STATEFUL_FUNCTIONS:
                reading.error(
                    call.path,
                    f"step `{step.name}`: `{call.name}` on a stream would need the rows of all batches",
                    hint=_REMEDY,
                    code="flare.stream_state",
                )


def _stateful(tree: exp.Expr, live: set[str]) -> Iterator[tuple[exp.Expr, str]]:
    for node in tree.walk():
        if isinstance(node, exp.Window):
            yield node, "Non-time-based windows are not supported on streaming DataFrames/Datasets: a window function"
        elif isinstance(node, exp.Group):
            yield node, "GROUP BY"
        elif isinstance(node, exp.Distinct) and isinstance(node.parent, exp.Select):
            yield node, "DISTINCT"
        elif isinstance(node, exp.Order) and isinstance(node.parent, exp.Select):
            yield node, "ORDER BY"
        elif isinstance(node, exp.Limit):
            yield node, "LIMIT"
        elif isinstance(node, exp.Select) and not node.args.get("group") and _aggregates(node):
            yield node, "an aggregate"
        elif isinstance(node, exp.Join):
            tables = list(node.parent.find_all(exp.Table)) if node.parent is not None else []
            if sum(t.name.lower() in live for t in tables) > 1:
                yield node, "a join of two streams"
        elif isinstance(node, exp.Intersect | exp.Except) or (
            isinstance(node, exp.Union) and node.args.get("distinct")
        ):
            yield node, type(node).__name__.upper()


def _aggregates(select: exp.Select) -> bool:
    """Does its select list hold an aggregate of its own, outside of windows and subqueries?"""
    for part in select.expressions:
        for node in part.walk(prune=lambda n: isinstance(n, exp.Window | exp.Subquery)):
            if isinstance(node, exp.Window | exp.Subquery):
                continue
            if isinstance(node, exp.Anonymous) and str(node.this).lower() in functions.AGGREGATES:
                return True
    return False
