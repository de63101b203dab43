"""Quality checks with their keys: names, filters, valid values, warn and fail conditions (ch08 9.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from dataos.core import names
from dataos.core.errors import DataOSError
from dataos.manifest import patterns
from dataos.manifest.specs import Path, Reading, suggest
from dataos.stacks.soda.expressions import (
    ARGUMENTS,
    Expression,
    Threshold,
    parse_expression,
    parse_threshold,
    suggest_metric,
)
from dataos.stacks.soda.shapes import SCHEMA, check_schema, one_key

CATEGORIES = ("Freshness", "Schema", "Validity", "Completeness", "Uniqueness", "Accuracy")
FORMATS = (
    "credit card number", "date eu", "date inverse", "date iso 8601", "date us",
    *(f"{sign}{word}{more}" for sign in ("", "negative ", "positive ") for word, more in (
        ("decimal", ""), ("decimal", " comma"), ("decimal", " point"), ("integer", ""),
        ("percentage", ""), ("percentage", " comma"), ("percentage", " point"),
    )),
    "email", "ip address", "ipv4 address", "ipv6 address", "money", "money comma", "money point", "phone number",
    "time 12h", "time 12h nosec", "time 24h", "time 24h nosec", "timestamp 12h", "timestamp 24h", "uuid",
)  # fmt: skip

_LISTS = ("missing values", "valid values", "invalid values")
_REGEXES = ("missing regex", "valid regex", "invalid regex")
_SIZES = ("valid length", "valid min length", "valid max length")
_BOUNDS = ("valid min", "valid max")
_FORMAT_KEYS = ("valid format", "invalid format")
VALIDITY = (*_LISTS[1:], *_REGEXES[1:], *_SIZES, *_BOUNDS, *_FORMAT_KEYS)
_COMMON = ("name", "filter", "samples limit", "warn", "fail", "attributes")
_KEYS = (*_COMMON, *_LISTS, *_REGEXES, *_SIZES, *_BOUNDS, *_FORMAT_KEYS)
_FAILED_ROWS = ("fail condition", "fail query", "column")


@dataclass(frozen=True)
class Check:
    """One check. `form`: metric, cross, reference, schema or failed rows. `warn`, `fail`: thresholds, any of which
    tells the outcome; both empty: `threshold` of the expression fails the check."""

    text: str
    form: str
    path: Path
    expression: Expression | None = None
    name: str = ""
    title: str = ""
    category: str = ""
    filter: str | None = None
    samples: int | None = None
    warn: tuple[Threshold, ...] = ()
    fail: tuple[Threshold, ...] = ()
    validity: Mapping[str, Any] = field(default_factory=dict[str, Any])
    sql: str | None = None  # of failed rows, or of a metric of the user's
    is_query: bool = False  # `sql` is a whole query
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any])  # of both outcomes, as written
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


def read_check(item: Any, path: Path, reading: Reading) -> Check | None:
    """One entry of `checks`: a text, or a mapping of one expression to its keys. None after problems."""
    before = len(reading.problems)
    if isinstance(item, str):
        text, body = item, None
    else:
        found = one_key(item, path, reading)
        if found is None:
            return None
        text, body = found
    where = path if body is None else (*path, text)
    keys = _body(body, where, reading)
    if keys is None:
        return None
    word = " ".join(text.split()).rstrip(":").strip().lower()
    if word == "schema":
        check = _schema(text, keys, where, reading)
    elif word == "failed rows":
        check = _failed_rows(text, keys, where, reading)
    else:
        check = _metric(text, keys, where, reading)
    return check if len(reading.problems) == before else None


def _body(body: Any, path: Path, reading: Reading) -> dict[str, Any] | None:
    if body is None:
        return {}
    if not isinstance(body, dict):
        reading.error(path, "a check holds keys such as `name`, `filter` or `fail`", code="soda.check")
        return None
    return {" ".join(str(k).split()): v for k, v in cast("dict[str, Any]", body).items()}


def _unknown(keys: Mapping[str, Any], known: tuple[str, ...], path: Path, reading: Reading) -> None:
    for key in keys:
        if key not in known:
            hint = names.did_you_mean(key, known) or "known here: " + ", ".join(known)
            reading.error((*path, key), f"unknown key `{key}` of a check", code="soda.check", hint=hint)


# --- the three forms --------------------------------------------------------------------------------------------------


def _metric(text: str, keys: dict[str, Any], path: Path, reading: Reading) -> Check | None:
    try:
        expression = parse_expression(text)
    except DataOSError as error:
        for problem in error.problems:
            reading.error(path, problem.message, code=problem.code, hint=problem.hint)
        return None
    metric = expression.metric
    is_own = expression.form == "metric" and metric not in ARGUMENTS
    sources = (f"{metric} expression", f"{metric} query") if is_own else ()
    _unknown(keys, (*_KEYS, *sources), path, reading)
    sql, is_query = _own_metric(metric, sources, keys, path, reading) if is_own else (None, False)
    conditions = [_conditions(keys.get(key), metric, (*path, key), reading) for key in ("warn", "fail")]
    said = any(conditions) or "warn" in keys or "fail" in keys
    if expression.form == "metric" and expression.threshold is None and not said:
        hint = f"write `{text.strip()} > 0`, or `warn` and `fail` with `when > 0`"
        reading.error(path, f"`{text.strip()}` is compared with nothing", code="soda.check", hint=hint)
    elif expression.threshold is not None and said:
        reading.warn(path, "the check has a threshold and `warn` or `fail`: those win", code="soda.check")
    if metric in ("invalid_count", "invalid_percent") and not any(key in keys for key in VALIDITY):
        hint = "say what is valid: `valid format: email`, `valid values: [...]`, `valid regex: ...`"
        reading.error(path, f"`{metric}` needs to know what is valid", code="soda.check", hint=hint)
    if expression.threshold and expression.threshold.is_percent and not metric.endswith("_percent") and not is_own:
        reading.warn(path, f"`{metric}` is no share: `%` has no effect", code="soda.check")
    validity = _validity(keys, metric, path, reading)
    return replace(
        _common(text, expression.form, keys, path, reading, _category(expression)),
        expression=expression,
        warn=conditions[0],
        fail=conditions[1],
        validity=validity,
        sql=sql,
        is_query=is_query,
    )


def _own_metric(
    metric: str, sources: tuple[str, ...], keys: dict[str, Any], path: Path, reading: Reading
) -> tuple[str | None, bool]:
    """The SQL of a metric of the user's, and whether it is a whole query."""
    given = [key for key in sources if key in keys]
    if len(given) != 1:
        found = f"`{metric}` is no metric" if not given else f"`{metric}` has both an expression and a query"
        hint = suggest_metric(metric) + f". One of your own needs `{metric} expression` or `{metric} query`"
        reading.error(path, found, code="soda.check", hint=hint)
        return None, False
    sql = keys[given[0]]
    _check_sql(sql, (*path, given[0]), reading)
    return str(sql), given[0].endswith(" query")


def _schema(text: str, keys: dict[str, Any], path: Path, reading: Reading) -> Check:
    _unknown(keys, ("name", "attributes", "warn", "fail"), path, reading)
    found: dict[str, Any] = {}
    for outcome in ("warn", "fail"):
        if outcome in keys:
            found[outcome] = check_schema(keys[outcome], (*path, outcome), reading)
    if not found:
        hint = "for instance fail: {when required column missing: [id]}; known: " + ", ".join(SCHEMA)
        reading.error(path, "`schema` needs `warn` or `fail`", code="soda.check", hint=hint)
    return replace(_common(text, "schema", keys, path, reading, "Schema"), schema=found)


def _failed_rows(text: str, keys: dict[str, Any], path: Path, reading: Reading) -> Check:
    _unknown(keys, (*_COMMON, *_FAILED_ROWS), path, reading)
    given = [key for key in ("fail condition", "fail query") if key in keys]
    if len(given) != 1:
        found = "neither" if not given else "both"
        message = f"`failed rows` has one of `fail condition` and `fail query`, found {found}"
        reading.error(path, message, code="soda.check", hint="for instance fail condition: amount < 0")
        return _common(text, "failed rows", keys, path, reading, "Completeness")
    _check_sql(keys[given[0]], (*path, given[0]), reading)
    conditions = [_conditions(keys.get(key), "row_count", (*path, key), reading) for key in ("warn", "fail")]
    return replace(
        _common(text, "failed rows", keys, path, reading, "Completeness"),
        sql=str(keys[given[0]]),
        is_query=given[0] == "fail query",
        warn=conditions[0],
        fail=conditions[1],
    )


# --- keys -------------------------------------------------------------------------------------------------------------


def _common(text: str, form: str, keys: dict[str, Any], path: Path, reading: Reading, category: str) -> Check:
    attributes = keys.get("attributes")
    if attributes is not None and not isinstance(attributes, dict):
        reading.error((*path, "attributes"), "`attributes` is a mapping", code="soda.check")
        attributes = None
    about = cast("dict[str, Any]", attributes or {})
    written = about.get("category")
    if written is not None:
        bare = str(written).strip().lower().removesuffix(" validation")
        known = next((c for c in CATEGORIES if c.lower() == bare), None)
        if known is None:
            hint = suggest(str(written), CATEGORIES)
            reading.warn((*path, "attributes", "category"), f"category `{written}` is shown nowhere", hint=hint)
        category = known or str(written)
    samples = keys.get("samples limit")
    if samples is not None and (isinstance(samples, bool) or not isinstance(samples, int) or samples < 0):
        reading.error((*path, "samples limit"), "`samples limit` is a whole number", code="soda.check")
        samples = None
    if "filter" in keys:
        _check_sql(keys["filter"], (*path, "filter"), reading)
    name = keys.get("name")
    if name is not None and not isinstance(name, (str, int, float)):
        reading.error((*path, "name"), "`name` is a text", code="soda.check")
    return Check(
        text=text.strip(),
        form=form,
        path=path,
        name=str(name or ""),
        title=str(about.get("title") or name or text.strip()),
        category=category,
        filter=str(keys["filter"]) if keys.get("filter") is not None else None,
        samples=samples,
        attributes=about,
    )


def _category(expression: Expression) -> str:
    """Where a check is shown that names no category (ch08 9.3)."""
    words = {"freshness": "Freshness", "missing": "Completeness", "invalid": "Validity", "valid": "Validity"}
    return {**words, "duplicate": "Uniqueness"}.get(expression.metric.split("_")[0], "Accuracy")


def _conditions(value: Any, metric: str, path: Path, reading: Reading) -> tuple[Threshold, ...]:
    """`when > 27`, a list of such, or a mapping of one `when` to a threshold."""
    if value is None:
        return ()
    items: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
    found: list[Threshold] = []
    for position, item in enumerate(items):
        where = (*path, position) if isinstance(value, list) else path
        texts = [item]
        if isinstance(item, dict):
            texts = [f"{k} {v if v is not None else ''}" for k, v in cast("dict[str, Any]", item).items()]
        for text in texts:
            words = str(text).strip() if isinstance(text, (str, int, float)) else ""
            if not words.lower().startswith("when "):
                hint = "for instance `fail: when > 5`, or `warn: when between 1 and 5`"
                reading.error(where, "a condition begins with `when`", code="soda.check", hint=hint)
                continue
            threshold = reading.attempt(where, lambda w=words: parse_threshold(w[5:], metric))
            if threshold is not None and metric == "freshness" and threshold.operator not in (">", ">="):
                hint = "data is too old when its age is greater: when > 1d"
                reading.error(where, "conditions of freshness compare with `>`", code="soda.check", hint=hint)
            elif threshold is not None:
                found.append(threshold)
    return tuple(found)


def _validity(keys: dict[str, Any], metric: str, path: Path, reading: Reading) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in (*_LISTS, *_REGEXES, *_SIZES, *_BOUNDS, *_FORMAT_KEYS):
        if key not in keys:
            continue
        value, where = keys[key], (*path, key)
        if not metric.startswith(("missing", "invalid", "valid", "duplicate")):
            reading.warn(where, f"`{key}` has no effect with `{metric}`", code="soda.check")
        if key in _LISTS:
            found[key] = _list(value, where, reading)
        elif key in _REGEXES:
            found[key] = _regex(value, where, reading)
        elif key in _FORMAT_KEYS:
            found[key] = _format(value, where, reading)
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            reading.error(where, f"`{key}` is a number", code="soda.check")
        elif key in _SIZES and (value < 0 or not isinstance(value, int)):
            reading.error(where, f"`{key}` is a whole number", code="soda.check")
        else:
            found[key] = value
    for low, high in (("valid min length", "valid max length"), ("valid min", "valid max")):
        if low in found and high in found and found[low] > found[high]:
            reading.error((*path, low), f"`{low}` is greater than `{high}`", code="soda.check")
    return found


def _list(value: Any, path: Path, reading: Reading) -> list[Any]:
    if not isinstance(value, list) or not value:
        reading.error(path, f"`{path[-1]}` is a list of values", code="soda.check")
        return []
    return cast("list[Any]", value)


def _format(value: Any, path: Path, reading: Reading) -> str:
    word = " ".join(str(value).split()).lower()
    if word not in FORMATS:
        hint = names.did_you_mean(word, FORMATS) or "known: " + ", ".join(FORMATS)
        reading.error(path, f"format `{value}` is not known", code="soda.check", hint=hint)
    return word


def _regex(value: Any, path: Path, reading: Reading) -> str:
    """Without slashes; a doubled backslash (from quotes that did not need it) is read as a single one."""
    text = str(value)
    fault = "is empty" if not text else patterns.regex_fault(text)
    if fault:
        reading.error(path, f"`{text[:80]}` {fault}", code="soda.check")
    elif re.search(r"\\\\[dwsDWSbB.]", text):
        single = text.replace("\\\\", "\\")
        if patterns.regex_fault(single) is None:
            reading.warn(path, f"`{text[:80]}` is read as `{single[:80]}`", code="manifest.variant")
            return single
    return text


def _check_sql(value: Any, path: Path, reading: Reading) -> None:
    fault = patterns.sql_fault(value) if isinstance(value, str) else "is no text"
    if fault:
        reading.error(path, f"the SQL {fault}", code="soda.check")
