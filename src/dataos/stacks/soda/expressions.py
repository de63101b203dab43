"""The expressions of quality checks: `missing_percent(email) < 5%` and the like (ch08 9.3).

`parse_expression` is total: it returns an Expression or raises DataOSError `soda.check` saying what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dataos.core import names
from dataos.core.errors import DataOSError, fail

PERCENTS = ("missing_percent", "invalid_percent", "valid_percent", "duplicate_percent")
_ONE_COLUMN = (
    "missing_count", "missing_percent", "invalid_count", "invalid_percent", "valid_count", "valid_percent",
    "min", "max", "avg", "sum", "min_length", "max_length", "avg_length",
    "stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp", "freshness",
)  # fmt: skip
ARGUMENTS: dict[str, tuple[int, int]] = {
    "row_count": (0, 1),
    "duplicate_count": (1, 99),
    "duplicate_percent": (1, 99),
    "percentile": (2, 2),
    **dict.fromkeys(_ONE_COLUMN, (1, 1)),
}
"""Metrics with the least and the greatest number of their arguments."""

_COMPARISON = re.compile(r"(!=|<>|<=|>=|=|<|>)\s*(.*)", re.DOTALL)
_BETWEEN = re.compile(r"(not\s+)?between\s+(.+?)\s+and\s+(.+)", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DURATION = re.compile(r"([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[ -][A-Za-z_][A-Za-z0-9_]*)*")
_REFERENCE = re.compile(
    r"values\s+in\s*\((?P<own>[^()]*)\)\s*must\s+exist\s+in\s+(?P<dataset>[^\s()]+)\s*\((?P<other>[^()]*)\)",
    re.IGNORECASE,
)
_CROSS = re.compile(r"row_count\s+same\s+as\s+(?P<dataset>\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class Threshold:
    """`operator` and its operands; `between` and `not between` have two. Freshness counts seconds."""

    operator: str
    values: tuple[float, ...]
    is_percent: bool = False
    is_duration: bool = False


@dataclass(frozen=True)
class Expression:
    """One check. `form`: metric, cross (rows as another dataset has them), or reference (values exist elsewhere)."""

    form: str
    metric: str
    arguments: tuple[str, ...] = ()
    threshold: Threshold | None = None
    dataset: str | None = None  # the other one
    columns: tuple[str, ...] = ()  # of the other one


def parse_expression(text: str) -> Expression:
    """The expression. A name that is no metric is taken as a metric of the user's. Raises `soda.check`."""
    whole = " ".join(text.split()).rstrip(": ").strip()
    if not whole:
        raise _bad("the check is empty", "for instance row_count > 0")
    if match := _CROSS.fullmatch(whole):
        return Expression("cross", "row_count", dataset=match["dataset"])
    if re.match(r"values\s+in\b", whole, re.IGNORECASE):
        return _parse_reference(whole)
    match = _NAME.match(whole)
    if match is None:
        raise _bad(f"`{whole[:80]}` begins with no metric", "for instance row_count > 0")
    metric, rest = match[0], whole[match.end() :].lstrip()
    words = metric.split(" ")
    if (cut := next((i for i, w in enumerate(words) if w.lower() in ("between", "not")), None)) is not None:
        if cut == 0:
            raise _bad(f"`{whole[:80]}` begins with no metric", "for instance row_count between 1 and 10")
        metric, rest = " ".join(words[:cut]), " ".join([*words[cut:], rest]).strip()
    arguments: tuple[str, ...] = ()
    if rest.startswith("(") and metric:
        inside, rest = _parenthesis(rest, whole)
        arguments = tuple(_split(inside))
    metric = metric.lower() if metric.lower() in ARGUMENTS else metric
    _check_arguments(metric, arguments)
    threshold = parse_threshold(rest, metric) if rest else None
    return Expression("metric", metric, arguments, threshold)


def parse_threshold(text: str, metric: str) -> Threshold:
    """`> 5`, `between 1 and 10`, `< 1d` after the metric. Raises `soda.check`."""
    bare = " ".join(text.split())
    if match := _BETWEEN.fullmatch(bare):
        low, high = match[2], match[3]
        if low.startswith("(") and high.endswith(")"):
            low, high = low[1:], high[:-1]
        operator = "not between" if match[1] else "between"
        first, second = _operand(low.strip(), metric), _operand(high.strip(), metric)
        if first.values[0] > second.values[0]:
            raise _bad(f"`{bare}` ends below its beginning", f"write {operator} {high.strip()} and {low.strip()}")
        both = first.values + second.values
        return Threshold(operator, both, first.is_percent or second.is_percent, first.is_duration)
    if match := _COMPARISON.fullmatch(bare):
        found = _operand(match[2].strip(), metric)
        operator = "!=" if match[1] == "<>" else match[1]
        return Threshold(operator, found.values, found.is_percent, found.is_duration)
    raise _bad(f"`{bare[:80]}` is no threshold", "write = < > <= >= != and a number, or between a and b")


def _operand(text: str, metric: str) -> Threshold:
    if metric == "freshness":
        match = _DURATION.fullmatch(text.replace(" ", ""))
        if match is None or not any(match.groups()):
            raise _bad(f"`{text[:40]}` is no time span", "freshness is compared with 30m, 1h, 3d or 1d6h")
        units = zip(match.groups(), (86400, 3600, 60, 1), strict=True)
        return Threshold("", (float(sum(int(part[:-1]) * s for part, s in units if part)),), is_duration=True)
    is_percent = text.endswith("%")
    number = text.rstrip("%").strip()
    if not _NUMBER.fullmatch(number):
        raise _bad(f"`{text[:40]}` is no number", "write for instance 5, 0.5 or 5%")
    return Threshold("", (float(number),), is_percent=is_percent)


def _check_arguments(metric: str, arguments: tuple[str, ...]) -> None:
    if metric not in ARGUMENTS:
        return
    least, most = ARGUMENTS[metric]
    if not least <= len(arguments) <= most:
        wanted = "a column" if least == 1 else "a column and a share" if least == 2 else "one column at most"
        raise _bad(f"`{metric}` takes {wanted}, found {len(arguments) or 'none'}", f"for instance {_EXAMPLES[metric]}")
    if metric == "percentile":
        share = arguments[1]
        if not _NUMBER.fullmatch(share) or not 0 <= float(share) <= 1:
            raise _bad(f"`{share}` is no share", "percentile takes a share of 0 to 1: percentile(amount, 0.95)")


_EXAMPLES = {
    **{m: f"{m}(amount) > 0" for m in ARGUMENTS},
    "row_count": "row_count > 0",
    "percentile": "percentile(amount, 0.95) < 100",
    "freshness": "freshness(updated_at) < 1d",
}


def _parse_reference(whole: str) -> Expression:
    match = _REFERENCE.fullmatch(whole)
    example = "values in (store_id) must exist in stores (store_id)"
    if match is None:
        raise _bad(f"`{whole[:80]}` is no check of references", f"for instance {example}")
    own, other = tuple(_split(match["own"])), tuple(_split(match["other"]))
    if not own or len(own) != len(other):
        raise _bad(f"{len(own)} columns cannot exist in {len(other)}", f"name as many on both sides: {example}")
    return Expression("reference", "reference", own, dataset=match["dataset"], columns=other)


def _parenthesis(text: str, whole: str) -> tuple[str, str]:
    """What stands in the parenthesis at the beginning, and what follows it."""
    quote, depth = "", 0
    for position, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'`":
            quote = sign
        elif sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
            if depth == 0:
                return text[1:position], text[position + 1 :].strip()
    raise _bad(f"`{whole[:80]}` has a `(` that is not closed", "close it")


def _split(text: str) -> Iterator[str]:
    """Arguments without their quotes; none of them is empty."""
    if not text.strip():
        return
    for part in re.split(r""",(?=(?:[^"]*"[^"]*")*[^"]*$)""", text):
        bare = part.strip()
        if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'`":
            bare = bare[1:-1]
        if not bare:
            raise _bad(f"an argument is empty in `({text})`", "name a column")
        yield bare


def suggest_metric(metric: str) -> str:
    """Hint for a name that is no metric."""
    return names.did_you_mean(metric, ARGUMENTS) or "metrics: " + ", ".join(sorted(ARGUMENTS))


def _bad(message: str, hint: str) -> DataOSError:
    return fail("soda.check", message, hint=hint)
