"""The writer of older versions, `steps[].sink` with `outputs[].depot`, as outputs of today (ch04 3.18)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from dataos.core import names
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled
from dataos.stacks.flare.blocks import OutputEntry


class _SinkEntry(Spec):
    """One of `sink`."""

    sequence_name: Text = spelled("sequence")
    dataset_name: Text | None = spelled("dataset", default=None)
    output_name: Text = spelled("output")
    output_type: Text | None = None
    output_options: dict[str, Any] | None = None
    title: Text = ""
    description: Text = ""
    tags: tuple[Text, ...] = spelled("tag", default=(), lone=True)


@dataclass(frozen=True)
class Sink:
    """One sink with its place in the manifest."""

    entry: _SinkEntry
    path: Path


def read(data: Any, reading: Reading, path: Path) -> list[Sink]:
    """The sinks of one element of `steps`; faults land in `reading`."""
    listed = cast("list[Any]", data) if isinstance(data, list) else [data]
    found: list[Sink] = []
    for number, item in enumerate(listed):
        if item is None:
            continue
        entry = read_model(_SinkEntry, item, reading, (*path, number))
        if entry is not None:
            found.append(Sink(entry, (*path, number)))
    return found


def join(
    entries: Sequence[OutputEntry], sinks: Sequence[Sink], reading: Reading, path: Path
) -> list[tuple[OutputEntry, Path]]:
    """Outputs with their places: those that sinks name give one for each such sink."""
    known = {e.name.lower(): e for e in entries}
    for sink in sinks:
        if sink.entry.output_name.lower() not in known:
            reading.error(
                (*sink.path, "outputName"),
                f"the sink names no output: `{sink.entry.output_name}`",
                hint=names.did_you_mean(sink.entry.output_name, [e.name for e in entries]),
                code="flare.unknown_output",
            )
    joined: list[tuple[OutputEntry, Path]] = []
    for number, entry in enumerate(entries):
        where = (*path, number)
        mine = [s for s in sinks if s.entry.output_name.lower() == entry.name.lower()]
        if entry.depot is not None:
            reading.warn((*where, "depot"), "`depot` is the old form of `dataset`", code="manifest.variant")
        joined += [(_with(entry, s.entry), s.path) for s in mine]
        if not mine:
            joined.append((_plain(entry), where))
    return joined


def _plain(entry: OutputEntry) -> OutputEntry:
    if entry.depot is None:
        return entry
    return entry.model_copy(update={"dataset": entry.dataset or entry.depot, "depot": None})


def _with(entry: OutputEntry, sink: _SinkEntry) -> OutputEntry:
    place = entry.dataset or entry.depot or ""
    if entry.dataset is None:
        place, mark, options = place.partition("?")
        place = f"{place.rstrip('/')}/{sink.dataset_name or sink.sequence_name}{mark}{options}"
    return entry.model_copy(
        update={
            "name": sink.sequence_name,
            "dataset": place,
            "depot": None,
            "format": sink.output_type or entry.format,
            "options": {**(entry.options or {}), **(sink.output_options or {})},
            "title": sink.title or entry.title,
            "description": sink.description or entry.description,
            "tags": (*entry.tags, *sink.tags),
        }
    )
