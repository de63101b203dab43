"""Cut-off moments as maintenance takes them (ch04 3.16)."""

from __future__ import annotations

from datetime import UTC, datetime

from dataos.core import durations
from dataos.core.errors import fail

_FORMS = "milliseconds since 1970, `2026-04-19 00:00:00`, `2026-04-19T00:00:00Z`, or an age such as 7d"


def cut_off(millis: int | str | None, timestamp: str | None, now_ms: int) -> int | None:
    """`olderThanMillis` or `olderThanTimestamp` -> UTC epoch milliseconds. Raises DataOSError `dataset.moment` for both
    at once and for what is no moment."""
    given = [str(m).strip() for m in (millis, timestamp) if m is not None and str(m).strip()]
    if len(given) > 1:
        raise fail(
            "dataset.moment",
            f"two cut-offs are given: olderThanMillis {given[0]} and olderThanTimestamp {given[1]}",
            hint="leave one of them out",
        )
    return parse(given[0], now_ms) if given else None


def parse(text: str, now_ms: int) -> int:
    """A moment, or an age before now, in UTC epoch milliseconds. A time without a zone is UTC."""
    if text.isdigit():
        return int(text)
    age = durations.parse(text.replace(" ", "")) if text[:1].isdigit() and text[-1:].isalpha() else None
    if age is not None and not text.endswith("Z"):
        return now_ms - int(age * 1000)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise fail("dataset.moment", f"`{text[:60]}` is no moment", hint=_FORMS) from error
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return int(found.timestamp() * 1000)
