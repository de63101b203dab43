"""Where inputs of topics begin and end, as options name it: positions of Event Hubs, message ids of Pulsar (ch04 3.5).

Read when a manifest is checked, and again by the job. Faults are ValueErrors that say what is allowed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from dataos.core.messageids import MessageId, decode

# --- Event Hubs -------------------------------------------------------------------------------------------------------

_START, _END = ("-1", "earliest"), ("@latest", "latest")
_POSITION_KEYS = ("offset", "seqno", "enqueuedtime", "isinclusive")
_POSITION = (
    'earliest, latest, or {"offset": "-1" or "@latest"}, {"seqNo": 12}, {"enqueuedTime": "2026-05-01T00:00:00Z"}'
)


@dataclass(frozen=True)
class EventPosition:
    """A place in each partition of an event hub; one of the three is there. `sequence`: of the first event that is read
    (beginning), or of the first that is not (end); `at_us`: the first event that came then or later."""

    word: str = ""  # earliest, latest
    sequence: int | None = None
    at_us: int | None = None


def event_position(text: str, ends: bool = False) -> EventPosition:
    """The position of `eventhubs.startingposition`, or (`ends`) of the ending one. Raises ValueError.

    Source: EventPosition of the Event Hubs connector for Spark, as JSON. What is -1 or null there says nothing.
    """
    word = text.strip()
    if word.lower() in _START:
        return EventPosition("earliest")
    if word.lower() in _END:
        return EventPosition("latest")
    try:
        body: Any = json.loads(word)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ValueError(f"it is {_POSITION}")
    return _event_position(cast("dict[str, Any]", body), ends)


def _event_position(body: Mapping[str, Any], ends: bool) -> EventPosition:
    said = {str(k).lower(): v for k, v in body.items()}
    unknown = next((k for k in body if str(k).lower() not in _POSITION_KEYS), None)
    if unknown is not None:
        raise ValueError(f"it has no `{unknown}`: it is {_POSITION}")
    offset = said.get("offset")
    if offset is not None and str(offset).strip():
        folded = str(offset).strip().lower()
        if folded in (*_START, *_END):
            return EventPosition("earliest" if folded in _START else "latest")
        raise ValueError(
            f"the offset `{offset}` is one of the AMQP protocol, which the Kafka endpoint does not know: name the "
            "event by its seqNo or enqueuedTime"
        )
    number = said.get("seqno")
    if number is not None and str(number).strip() != "-1":
        if isinstance(number, bool) or not str(number).strip().isdigit():
            raise ValueError(f"seqNo is a number of 0 or more, not `{number}`")
        inclusive = str(said.get("isinclusive", True)).strip().lower() != "false"
        return EventPosition(sequence=int(number) + (inclusive if ends else not inclusive))
    when = said.get("enqueuedtime")
    if when is None:
        raise ValueError(f"it names no place: it is {_POSITION}")
    return EventPosition(at_us=_moment(when))


def event_positions(text: str, ends: bool = False) -> dict[int, EventPosition]:
    """Partition -> position, of `eventhubs.startingpositions`: keys are numbers, or JSON with a `partitionId`; values
    positions as above. Raises ValueError."""
    form = '{"0": {"seqNo": 12}, ...}'
    try:
        body: Any = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ValueError(f"it is {form}")
    found: dict[int, EventPosition] = {}
    for key, value in cast("dict[str, Any]", body).items():
        partition: Any = key.strip()
        if partition.startswith("{"):
            try:
                partition = str(json.loads(partition)["partitionId"])
            except (ValueError, KeyError, TypeError):
                partition = ""
        if not partition.isdigit():
            raise ValueError(f"`{key[:80]}` names no partition: it is {form}")
        plain = isinstance(value, str)
        found[int(partition)] = event_position(value if plain else json.dumps(value), ends)
    return found


def _moment(value: Any) -> int:
    """Microseconds since 1970 of a time in ISO 8601 (UTC where it says no zone), or in milliseconds."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value * 1000
    try:
        found = dt.datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError(f"enqueuedTime is a time as 2026-05-01T00:00:00Z, not `{value}`") from None
    found = found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)
    return (found - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


# --- Pulsar -----------------------------------------------------------------------------------------------------------

_IDS = 'earliest, latest, or {"topic": "ledger:entry", ...} with each topic or partition'


def message_ids(text: str) -> str | dict[str, str | MessageId]:
    """`earliest`, `latest`, or topic -> one of these or a message id, of `startingOffsets`. Raises ValueError.

    An id is `ledger:entry`, as Pulsar prints it (`ledger:entry:partition`, `ledger:entry:partition:batch`), or the list
    of bytes in which the connector for Spark writes it.
    """
    word = text.strip()
    if word.lower() in ("earliest", "latest"):
        return word.lower()
    try:
        body: Any = json.loads(word)
    except ValueError:
        body = None
    if not isinstance(body, dict) or not body:
        raise ValueError(f"it is {_IDS}")
    return {str(topic): _message_id(value) for topic, value in cast("dict[str, Any]", body).items()}


def _message_id(value: Any) -> str | MessageId:
    if isinstance(value, list):
        try:
            data = bytes(int(b) & 0xFF for b in cast("list[Any]", value))
        except (ValueError, TypeError):
            raise ValueError("the bytes of a message id are numbers") from None
        return decode(data)
    word = str(value).strip()
    if word.lower() in ("earliest", "latest"):
        return word.lower()
    parts = word.split(":")
    if len(parts) not in (2, 3, 4) or not all(p.removeprefix("-").isdigit() for p in parts):
        raise ValueError(f"`{word[:80]}` is no message id: it is {_IDS}")
    numbers = [int(p) for p in parts]
    return MessageId(numbers[0], numbers[1], numbers[3] if len(numbers) == 4 else -1)


# --- what a manifest may say ------------------------------------------------------------------------------------------

PREFIX = "eventhubs."
_COUNTS = ("maxoffsetspertrigger", "maxbytespertrigger", "maxeventspertrigger")
_EVENTHUB = ("startingposition", "startingpositions", "endingposition", "endingpositions", "consumergroup", *_COUNTS,
             "failondataloss")  # fmt: skip
_PULSAR = ("startingoffsets", "endingoffsets", "failondataloss", "mode", *_COUNTS)
_PULSAR_REFUSED = {
    "topic": "the address names the topic",
    "topics": "an input is one topic; read the others as inputs of their own, and UNION ALL them",
    "topicspattern": "an input is one topic; read the others as inputs of their own, and UNION ALL them",
    "startingtime": "name a message id in startingOffsets, or filter by __publishTime",
    "endingtime": "name a message id in endingOffsets, or filter by __publishTime",
    "startingoffsetsbytimes": "name message ids in startingOffsets, or filter by __publishTime",
    "endingoffsetsbytimes": "name message ids in endingOffsets, or filter by __publishTime",
}


@dataclass(frozen=True)
class Fault:
    """What is wrong with an option; `fatal` False: it has no effect only."""

    key: str
    text: str
    hint: str = ""
    fatal: bool = True


def faults(form: str, options: Mapping[str, str]) -> list[Fault]:
    """What is wrong with the options of an input of that format (`eventhub`, `pulsar`; of others nothing)."""
    found: list[Fault] = []
    for key, text in options.items():
        name = key.lower().removeprefix(PREFIX) if form == "eventhub" else key.lower()
        fault = None
        if form == "eventhub":
            fault = _eventhub_fault(key, name, text)
        elif form == "pulsar":
            fault = _pulsar_fault(key, name, text)
        counts = form in ("eventhub", "pulsar") and name in _COUNTS
        if fault is None and counts and (not text.strip().isdigit() or int(text) < 1):
            fault = Fault(key, f"`{key}` is a number of 1 or more, not `{text[:60]}`")
        if fault is not None:
            found.append(fault)
    return found


def _eventhub_fault(key: str, name: str, text: str) -> Fault | None:
    if name == "consumergroup":
        told = f"`{key}` has no effect: no consumer group is joined, the server keeps how far a stream has come"
        return Fault(key, told, fatal=False)
    if name not in _EVENTHUB:
        return Fault(key, f"`{key}` has no effect on events of Event Hubs", fatal=False)
    try:
        if name in ("startingposition", "endingposition"):
            event_position(text, name.startswith("ending"))
        elif name in ("startingpositions", "endingpositions"):
            event_positions(text, name.startswith("ending"))
    except ValueError as error:
        return Fault(key, f"`{key}`: {error}")
    return None


def _pulsar_fault(key: str, name: str, text: str) -> Fault | None:
    if name in _PULSAR_REFUSED:
        return Fault(key, f"`{key}` is not taken", _PULSAR_REFUSED[name])
    if name not in _PULSAR:
        return Fault(key, f"`{key}` has no effect on messages of Pulsar: the Depot says how it is reached", fatal=False)
    if name == "mode" and text.strip().lower() not in ("failfast", "dropmalformed", "permissive"):
        return Fault(key, f"`{key}` is not {text[:40]}", "allowed: FAILFAST, DROPMALFORMED, PERMISSIVE")
    if name in ("startingoffsets", "endingoffsets"):
        try:
            message_ids(text)
        except ValueError as error:
            return Fault(key, f"`{key}`: {error}")
    return None
