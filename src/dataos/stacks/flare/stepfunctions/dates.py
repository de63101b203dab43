"""Functions on dates and times: texts in many layouts to dates and timestamps, and back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dataos.core.errors import fail
from dataos.stacks.flare.quoting import literal, quoted
from dataos.stacks.flare.stepfunctions.model import Ask, Call, Frame, Function, text, texts

_MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"
_MONTH = (
    "(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    "oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_TIME = (
    "(?:[T ]+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<ns>[0-9]{1,9}))?)?"
    "(?: ?(?P<half>[ap]m))?(?: ?(?P<zone>z|utc|gmt|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)
_WEEKDAY = "(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? )?"
_DAY = "(?P<day>[0-9]{1,2})"
_YEAR = "(?P<year>[0-9]{4})"
_LAYOUTS = (
    f"{_YEAR}[-/.](?P<month>[0-9]{{1,2}})[-/.]{_DAY}",  # 2019-02-17 2019/2/17 2019.02.17
    f"{_DAY}[-/. ](?P<month>[0-9]{{1,2}})[-/. ]{_YEAR}",  # 17-02-2019 17/2/2019 17.02.2019
    f"{_DAY}[-/.](?P<month>[0-9]{{1,2}})[-/.](?P<year>[0-9]{{2}})",  # 17/02/19 17.02.19 17-02-19
    f"{_YEAR}(?P<month>[0-9]{{2}})(?P<day>[0-9]{{2}})",  # 20190217
    f"{_WEEKDAY}{_DAY}(?:st|nd|rd|th)?[- ]{_MONTH}[-., ]+(?P<year>[0-9]{{4}}|[0-9]{{2}})",  # 17 Feb 2019 17-Feb-19
    f"{_WEEKDAY}{_MONTH}[- ]{_DAY}(?:st|nd|rd|th)?,? {_YEAR}",  # Feb 17, 2019
    f"{_YEAR}[- ]{_MONTH}[- ]{_DAY}",  # 2019-Feb-17
)
"""Eighteen layouts in seven expressions; a day stands before its month unless only the other way makes a date."""


@dataclass(frozen=True)
class Rule:
    """One layout. `pattern` has plain groups; `groups`: name -> number."""

    pattern: str
    groups: dict[str, int]


def _numbered(pattern: str) -> Rule:
    compiled = re.compile(pattern)
    return Rule(pattern=re.sub(r"\(\?P<[A-Za-z0-9_]+>", "(", pattern), groups=dict(compiled.groupindex))


_DEFAULT = tuple(_numbered(f"(?i)^{layout}{_TIME}$") for layout in _LAYOUTS)
_KNOWN = ("year", "month", "day", "hour", "minute", "second", "ns", "zero")


def read_rules(rules: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules of a call; the built-in ones if it has none. Raises DataOSError `flare.function`."""
    found: list[Rule] = []
    for rule in rules:
        inner = rule.strip()
        for opening, closing in (("【", "】"), ("[", "]")):
            if inner.startswith(opening) and inner.endswith(closing) and "(?" in inner:
                inner = inner[1:-1]
                break
        try:
            made = _numbered(re.sub(r"\(\?<(?=[A-Za-z])", "(?P<", inner))
        except re.error as error:
            raise fail("flare.function", f"the rule `{rule}` is no regular expression: {error}") from error
        if not {"year", "month", "day"} <= made.groups.keys():
            raise fail(
                "flare.function",
                f"the rule `{rule}` names no year, month and day",
                hint="name its groups: (?<year>[0-9]{4})-(?<month>[0-9]{2})-(?<day>[0-9]{2}); known: "
                + ", ".join(_KNOWN),
            )
        found.append(made)
    return tuple(found) or _DEFAULT


def _part(value: str, rule: Rule, name: str) -> str | None:
    if name not in rule.groups:
        return None
    return f"regexp_extract({value}, {literal(rule.pattern)}, {rule.groups[name]})"


def _date(value: str, rule: Rule) -> str:
    """`yyyy-MM-dd` of the text, as a text."""
    year, month, day = (_part(value, rule, n) or "''" for n in ("year", "month", "day"))
    named = f"lpad(CAST((locate(lower(substring({month}, 1, 3)), '{_MONTHS}') + 2) DIV 3 AS STRING), 2, '0')"
    month = f"CASE WHEN {month} RLIKE '^[0-9]+$' THEN lpad({month}, 2, '0') ELSE {named} END"
    year = f"CASE WHEN length({year}) = 2 THEN concat('20', {year}) ELSE {year} END"
    day = f"lpad({day}, 2, '0')"
    straight = f"concat({year}, '-', {month}, '-', {day})"
    crossed = f"concat({year}, '-', {day}, '-', {month})"
    if rule in _DEFAULT[1:3]:
        return f"CASE WHEN try_cast({straight} AS DATE) IS NULL THEN {crossed} ELSE {straight} END"
    return straight


def date_of(value: str, rules: tuple[Rule, ...] = _DEFAULT) -> str:
    """The SQL expression of the date that a text holds, NULL if it is none."""
    trimmed = f"trim({value})"
    cases = [f"WHEN {trimmed} RLIKE {literal(r.pattern)} THEN try_cast({_date(trimmed, r)} AS DATE)" for r in rules]
    return f"CASE {' '.join(cases)} END"


def timestamp_of(value: str, rules: tuple[Rule, ...] = _DEFAULT) -> str:
    """The SQL expression of the instant that a text holds, in UTC where it names no zone; NULL if it is none."""
    trimmed = f"trim({value})"
    cases = [
        f"WHEN {trimmed} RLIKE {literal(r.pattern)} THEN try_cast({_instant(trimmed, r)} AS TIMESTAMP)" for r in rules
    ]
    return f"CASE {' '.join(cases)} END"


def _instant(value: str, rule: Rule) -> str:
    def two(name: str) -> str:
        part = _part(value, rule, name)
        return "'00'" if part is None else f"lpad(coalesce(nullif({part}, ''), '0'), 2, '0')"

    hour = two("hour")
    half = _part(value, rule, "half")
    if half is not None:
        number = f"CAST({hour} AS INT)"
        later = f"lpad(CAST({number} % 12 + 12 AS STRING), 2, '0')"
        earlier = f"lpad(CAST({number} % 12 AS STRING), 2, '0')"
        hour = f"CASE lower({half}) WHEN 'pm' THEN {later} WHEN 'am' THEN {earlier} ELSE {hour} END"
    fraction = _part(value, rule, "ns")
    seconds = f"concat({two('second')}, '.', rpad(substring({fraction}, 1, 6), 6, '0'))" if fraction else two("second")
    zone = _part(value, rule, "zone")
    written = f"CASE WHEN {zone} RLIKE '^[+-]' THEN {zone} ELSE '' END" if zone is not None else "''"
    return f"concat({_date(value, rule)}, ' ', {hour}, ':', {two('minute')}, ':', {seconds}, {written})"


def _any_date(call: Call, frame: Frame, ask: Ask) -> str:
    column = frame.find(call.text("column"))
    made = date_of(quoted(column), read_rules(call.texts("rule"))) if frame.is_text(column) else _as_date(frame, column)
    return frame.select({}, [(call.text("asColumn"), made)])


def _any_timestamp(call: Call, frame: Frame, ask: Ask) -> str:
    column = frame.find(call.text("column"))
    rules = read_rules(call.texts("rules"))
    instant = timestamp_of(quoted(column), rules) if frame.is_text(column) else f"CAST({quoted(column)} AS TIMESTAMP)"
    zone = str(call.arguments.get("timezone") or "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise fail("flare.function", f"there is no time zone `{zone}`", hint="for instance Asia/Kolkata") from error
    shown = instant if zone == "UTC" else f"from_utc_timestamp({instant}, {literal(zone)})"
    return frame.select({}, [(call.text("asColumn"), shown)])


def _as_date(frame: Frame, column: str) -> str:
    return date_of(quoted(column)) if frame.is_text(column) else f"CAST({quoted(column)} AS DATE)"


def _diff_date(call: Call, frame: Frame, ask: Ask) -> str:
    first, second = (_as_date(frame, frame.find(call.text(p))) for p in ("columnA", "columnB"))
    return frame.select({}, [(call.text("asColumn"), f"datediff({first}, {second})")])


def _epoch(frame: Frame, column: str) -> str:
    """Seconds since 1970, with fractions, as a timestamp."""
    value = f"nullif(trim({quoted(column)}), '')" if frame.is_text(column) else quoted(column)
    return f"timestamp_micros(CAST(CAST({value} AS DECIMAL(28, 6)) * 1000000 AS BIGINT))"


def _epoch_to_timestamp(call: Call, frame: Frame, ask: Ask) -> str:
    column = frame.find(call.text("column"))
    return frame.select({}, [(call.text("asColumn"), _epoch(frame, column))])


def _format_date(call: Call, frame: Frame, ask: Ask) -> str:
    column = frame.find(call.text("column"))
    value = timestamp_of(quoted(column)) if frame.is_text(column) else quoted(column)
    return frame.select({column: f"date_format({value}, {literal(call.text('format'))})"})


def _format_unix_date(call: Call, frame: Frame, ask: Ask) -> str:
    column = frame.find(call.text("column"))
    return frame.select({column: f"date_format({_epoch(frame, column)}, {literal(call.text('format'))})"})


FUNCTIONS = {
    "any_date": Function(_any_date, (text("column"), text("asColumn"), texts("rule", "rules", required=False))),
    "any_timestamp": Function(
        _any_timestamp,
        (text("column"), text("asColumn"), text("timezone", required=False), texts("rules", "rule", required=False)),
    ),
    "diff_date": Function(_diff_date, (text("columnA"), text("columnB"), text("asColumn"))),
    "epoch_to_timestamp": Function(_epoch_to_timestamp, (text("column"), text("asColumn"))),
    "format_date": Function(_format_date, (text("column"), text("format", "refformat"))),
    "format_unix_date": Function(_format_unix_date, (text("column"), text("format"))),
}
