"""Date formats of Trino (MySQL's and Joda's letters) as strftime's."""

from __future__ import annotations

import re

from sqlglot import exp

from dataos.gateway import problems
from dataos.gateway.problems import Source

_MYSQL = {
    "a": "%a", "b": "%b", "c": "%-m", "d": "%d", "e": "%-d", "f": "%f", "H": "%H", "h": "%I", "I": "%I", "i": "%M",
    "j": "%j", "k": "%-H", "l": "%-I", "M": "%B", "m": "%m", "p": "%p", "r": "%I:%M:%S %p", "S": "%S", "s": "%S",
    "T": "%H:%M:%S", "W": "%A", "Y": "%Y", "y": "%y", "%": "%%",
}  # fmt: skip

_JODA = {
    "yyyy": "%Y", "YYYY": "%Y", "y": "%Y", "yy": "%y", "M": "%-m", "MM": "%m", "MMM": "%b", "MMMM": "%B", "d": "%-d",
    "dd": "%d", "H": "%-H", "HH": "%H", "h": "%-I", "hh": "%I", "m": "%-M", "mm": "%M", "s": "%-S", "ss": "%S",
    "SSS": "%g", "SSSSSS": "%f", "E": "%a", "EEE": "%a", "EEEE": "%A", "a": "%p", "DDD": "%j", "D": "%-j", "e": "%u",
}  # fmt: skip


def mysql(text: str, node: exp.Expr, source: Source) -> str:
    """Format of date_format and date_parse. Raises DataOSError `query.unsupported` for a letter that has no twin."""

    def letter(match: re.Match[str]) -> str:
        known = _MYSQL.get(match[1])
        if known is None:
            raise problems.unsupported(source, node, f"the date format %{match[1]}", "supported: %" + " %".join(_MYSQL))
        return known

    return re.sub(r"%(.)", letter, text, flags=re.DOTALL)


def joda(text: str, node: exp.Expr, source: Source) -> str:
    """Format of format_datetime."""

    def run(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[1].replace("%", "%%") or "'"
        known = _JODA.get(match[0])
        if known is None:
            raise problems.unsupported(source, node, f"the date format {match[0]}", "supported: " + " ".join(_JODA))
        return known

    parts = re.sub(r"%", "%%", text)
    return re.sub(r"'([^']*)'|([A-Za-z])\2*", run, parts)
