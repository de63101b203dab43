"""What a stackSpec of the stack `stream-monitor` may say: a Monitor of a stream as a Worker (ch08 7.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from dataos.manifest.annotations import Words
from dataos.manifest.specs import Path, Reading, Spec, Text, choose, read_model, suggest
from dataos.manifest.streams import Stream, StreamBlock, read_stream

TYPE = "stream_monitor"


class StackBlock(Spec):
    """The stackSpec as written."""

    type: Annotated[Text, Words(TYPE)] = TYPE
    """`stream_monitor`."""
    incident: dict[str, Any] | None = None
    """What an incident is called, and how grave it is."""
    stream: StreamBlock
    """What is looked at."""


@dataclass(frozen=True)
class StreamMonitorSpec:
    """Conditions on messages, and the incident that one raises for which all hold."""

    stream: Stream
    incident: dict[str, Any]


MODEL = StackBlock


def read(data: Any, reading: Reading, path: Path = ()) -> StreamMonitorSpec | None:
    """Canonical StreamMonitorSpec of the stackSpec at `path`, or None with every fault in `reading`."""
    before = len(reading.problems)
    block = read_model(StackBlock, data, reading, path, go_on=True)
    if block is None:
        return None
    if choose(block.type, (TYPE,)) is None:
        text = f"type of monitor `{block.type}` is not allowed in this stack"
        reading.error((*path, "type"), text, hint=suggest(block.type, (TYPE,)))
    if block.incident is None:
        hint = "write `incident: {name: ..., severity: ...}`"
        reading.warn(path, "there is no `incident`: no Pager can tell its incidents by their name", hint=hint)
    stream = read_stream(block.stream, (*path, "stream"), reading)
    return StreamMonitorSpec(stream, block.incident or {}) if len(reading.problems) == before else None
