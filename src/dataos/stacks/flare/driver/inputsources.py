"""The source of each input that is read on from where it was: by what the plan says that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataos.client.api import Client
from dataos.stacks.flare.driver.eventsources import Events
from dataos.stacks.flare.driver.job import Source
from dataos.stacks.flare.driver.pulsarsources import Entries
from dataos.stacks.flare.driver.streamsources import Files, Messages, Rate, Slice, StreamSource, Table
from dataos.stacks.flare.model import Input

if TYPE_CHECKING:
    from dataos.stacks.flare.driver.output import Log

_KINDS: dict[str, type[StreamSource]] = {
    "files": Files, "objects": Files, "table": Table, "messages": Messages, "rate": Rate,
}  # fmt: skip
_TOPICS: dict[str, type[StreamSource]] = {"eventhub": Events, "pulsar": Entries}
"""By format; those of the other formats are Kafka's."""


def make(entry: Input, source: Source, client: Client, log: Log) -> StreamSource:
    """The source of an input."""
    kind = _TOPICS.get(source.format, Messages) if source.kind == "messages" else _KINDS[source.kind]
    return kind(entry, source, client, log)


def whole(entry: Input, source: Source, client: Client, log: Log) -> Slice | None:
    """All that a source holds now, for a job that is no stream."""
    made = make(entry, source, client, log)
    made.begin({})
    return made.cut(made.look(), limited=False) or made.nothing()
