"""Conditions on the messages of a stream: a Monitor's, and those of the stack `stream-monitor` (ch08 7.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from dataos.manifest import patterns
from dataos.manifest.annotations import Words, filled, rules
from dataos.manifest.blocks import Count
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, spelled

OPERATORS = (*patterns.OPERATORS, "contains")
POSITIONS = ("latest", "earliest")
_TOPIC = re.compile(r"(non-)?persistent://[^/\s]+/[^/\s]+/\S+")


class Fastbase(Spec):
    """A topic."""

    topic: Text
    """Name of the topic."""
    max_workers: Count = 100
    """How many read it at most."""
    subscription_name: Text | None = None
    """What the broker knows the reader by."""
    subscription_position: Annotated[Text, Words(*POSITIONS)] = "latest"
    """Where reading begins."""


class StreamSource(Spec):
    """`stream.source`."""

    fastbase: Fastbase
    """Topic that is read."""


class StreamCondition(Spec):
    """Looked at for each message."""

    value_jq_filter: Text
    """jq program that finds the value in a message."""
    operator: Annotated[Text, Words(*OPERATORS)]
    """Comparison."""
    value: Text
    """Value to compare with."""


class StreamBlock(Spec, json_schema_extra=rules(filled("conditions"))):
    """`stream`."""

    source: StreamSource
    """Where messages come from."""
    conditions: tuple[StreamCondition, ...] = spelled("condition", lone=True)
    """All must hold for a message."""


@dataclass(frozen=True)
class Stream:
    """All conditions must hold for a message: (jq filter, operator, value)."""

    topic: str
    max_workers: int
    subscription: str | None
    position: str
    conditions: tuple[tuple[str, str, str], ...]


def read_stream(block: StreamBlock, path: Path, reading: Reading) -> Stream:
    """The stream at `path`; problems are recorded."""
    source, where = block.source.fastbase, (*path, "source", "fastbase")
    position = one_of(source.subscription_position, POSITIONS, (*where, "subscriptionPosition"), reading, "position")
    topic = source.topic.strip()
    if not topic:
        reading.error((*where, "topic"), "a topic has a name", code="manifest.missing")
    elif "/" in topic and not _TOPIC.fullmatch(topic):
        hint = "write persistent://<tenant>/<namespace>/<topic>"
        reading.error((*where, "topic"), f"`{topic[:120]}` is no topic", hint=hint)
    if not block.conditions:
        reading.error((*path, "conditions"), "at least one condition is required", code="manifest.missing")
    found: list[tuple[str, str, str]] = []
    for number, condition in enumerate(block.conditions):
        here = (*path, "conditions", number)
        check_filter(condition.value_jq_filter, (*here, "valueJqFilter"), reading)
        operator = one_of(condition.operator, OPERATORS, (*here, "operator"), reading, "operator")
        found.append((condition.value_jq_filter, operator or "", condition.value))
    return Stream(topic, source.max_workers, source.subscription_name, position or "", tuple(found))


def check_filter(text: str, path: Path, reading: Reading) -> None:
    """A jq filter that is plainly wrong is a problem."""
    if fault := patterns.jq_fault(text):
        reading.error(path, f"filter `{text}` {fault}", hint=patterns.JQ_HINT)
