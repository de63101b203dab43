"""Cron expressions and time zones as manifests write them: checked offline, evaluated elsewhere (ch03 2.1, ch06 5.2).

Five fields are minute, hour, day of month, month, day of week; six have leading seconds, seven a trailing year.
"""

from __future__ import annotations

import re
from functools import cache
from zoneinfo import available_timezones

from dataos.core import names
from dataos.manifest.specs import Path, Reading

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: dict[str, tuple[int, int, list[str], int]] = {  # least, most, words, number of the first word
    "second": (0, 59, [], 0),
    "minute": (0, 59, [], 0),
    "hour": (0, 23, [], 0),
    "day of month": (1, 31, [], 0),
    "month": (1, 12, _MONTHS, 1),
    "day of week": (0, 7, _DAYS, 0),
    "year": (1970, 2099, [], 0),
}
_FIVE = ("minute", "hour", "day of month", "month", "day of week")
_LAYOUTS = {5: _FIVE, 6: ("second", *_FIVE), 7: ("second", *_FIVE, "year")}
_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def cron(text: str, path: Path, reading: Reading, fields: tuple[int, ...] = (5, 6, 7)) -> str | None:
    """The expression with single blanks, or None after a problem that names the field and its fix."""
    expression = _WORDS.get(text.strip().lower(), text)
    parts = expression.split()
    if len(parts) not in fields:
        hint = "five fields: minute hour day-of-month month day-of-week, for instance '30 2 * * 1-5'"
        reading.error(path, f"cron `{text}` has {len(parts)} fields", hint=hint)
        return None
    faults = [
        (name, part, fault)
        for name, part in zip(_LAYOUTS[len(parts)], parts, strict=True)
        if (fault := _field_fault(name, part))
    ]
    for name, part, (message, hint) in faults:
        reading.error(path, f"cron `{text}`: {name} `{part}` {message}", hint=hint)
    return None if faults else " ".join(parts)


def _field_fault(name: str, part: str) -> tuple[str, str] | None:
    """What is wrong with one field, and how to mend it."""
    least, most, _, _ = _FIELDS[name]
    for item in part.split(","):
        if item in ("?", "L") and name.startswith("day"):
            continue
        span, slash, step = item.partition("/")
        if slash and not span:
            return "begins with `/`", f"write `*{item}`"
        if slash and not (re.fullmatch("[0-9]{1,4}", step) and int(step) > 0):
            return f"has no whole step after `/`: `{step}`", "write a whole number above 0"
        if span == "*":
            continue
        first, dash, last = span.partition("-")
        low, high = _number(name, first), _number(name, last) if dash else None
        if low is None or (dash and high is None):
            return f"holds `{span}`", f"write numbers of {least} to {most}, `*`, lists, ranges or steps"
        if not least <= low <= most or (high is not None and not least <= high <= most):
            return f"is outside of {least} to {most}", f"write numbers of {least} to {most}"
        if high is not None and low > high and name != "day of week":
            return f"runs backwards: `{span}`", f"write `{last}-{first}`"
    return None


def _number(name: str, text: str) -> int | None:
    if re.fullmatch("[0-9]{1,4}", text):
        return int(text)
    _, _, words, first = _FIELDS[name]
    folded = text.lower()
    return words.index(folded) + first if folded in words else None


def timezone(text: str, path: Path, reading: Reading) -> str | None:
    """An IANA zone in its own spelling (`""` is UTC), or None after a problem with near names."""
    wanted = text.strip() or "UTC"
    zones = _zones()
    if wanted.casefold() in zones:
        return zones[wanted.casefold()]
    near = names.nearest(wanted, zones.values())
    hint = f"did you mean `{near[0]}`?" if near else "write a zone of the IANA data base, for instance Europe/Berlin"
    reading.error(path, f"time zone `{text}` is not known", hint=hint)
    return None


@cache
def _zones() -> dict[str, str]:
    return {zone.casefold(): zone for zone in available_timezones()}
