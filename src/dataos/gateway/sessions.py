"""What goes on from statement to statement. The door keeps it and hands it in; engines know nothing of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dataos.core import durations
from dataos.core.errors import fail
from dataos.core.names import did_you_mean


@dataclass(frozen=True)
class Session:
    """The state of one client's session. `prepared`: statements by name; `properties`: what SET SESSION set;
    `time_zone`: what SET TIME ZONE set; `in_transaction`: since START TRANSACTION."""

    catalog: str | None = None
    schema: str | None = None
    prepared: Mapping[str, str] = field(default_factory=dict[str, str])
    properties: Mapping[str, str] = field(default_factory=dict[str, str])
    time_zone: str | None = None
    in_transaction: bool = False


@dataclass(frozen=True)
class Property:
    """A property that SET SESSION may set."""

    type: str
    default: str
    description: str


PROPERTIES: Mapping[str, Property] = {
    "query_max_run_time": Property("varchar", "", "Longest time that a statement may take: 30s, 5m"),
    "query_max_execution_time": Property("varchar", "", "As query_max_run_time; the shorter of both counts"),
}


def check(name: str, value: object) -> str:
    """The value of a property as it is kept. Raises DataOSError `query.session_property`."""
    known = PROPERTIES.get(name)
    if known is None:
        raise fail(
            "query.session_property",
            f"Session property '{name}' does not exist",
            hint=did_you_mean(name, PROPERTIES) or "SHOW SESSION lists those that do",
        )
    text = str(value)
    if not isinstance(value, str) or not durations.parse(text):
        raise fail("query.session_property", f"{name} must be a duration, got {value!r}", hint="SET SESSION ... = '5m'")
    return text


def longest(session: Session | None, timeout_s: float | None) -> float | None:
    """The time limit of a statement in a session (seconds)."""
    given = [timeout_s] if timeout_s is not None else []
    for text in session.properties.values() if session is not None else ():
        found = durations.parse(text)
        given += [float(found)] if found else []
    return min(given) if given else None
