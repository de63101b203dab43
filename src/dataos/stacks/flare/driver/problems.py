"""The engine's errors in our words: what was tried, what is wrong, where in the SQL, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from dataos.core import names
from dataos.core.errors import DataOSError, Problem
from dataos.manifest.specs import Path, render
from dataos.stacks.flare.driver import userfunctions
from dataos.stacks.flare.engines import with_remedy

_LIMIT = 400
_MISSING = re.compile(r"attribute ObjectName\(\[(.*?)\]\)(?: is missing from the schema| is not)")
_IDENTIFIER = re.compile(r'Identifier\("((?:[^"\\]|\\.)*)"\)')
_UNRESOLVED_SPARK = re.compile(r"\[UNRESOLVED_COLUMN\.[A-Z_]+\].*? with name ((?:`[^`]*`\.?)+)")
_OVERFLOW_SPARK = re.compile(r"\[ARITHMETIC_OVERFLOW\] (\w+) overflow")
_CAST_OVERFLOW_SPARK = re.compile(r'\[CAST_OVERFLOW\] The value (\S+) of the type "\w+" cannot be cast to "(\w+)"')
_TEXT_SPARK = re.compile(r"\[(?:CANNOT_PARSE_TIMESTAMP|CANNOT_PARSE_TIME)\] (Text '.*?' could not be parsed)")
_UNRESOLVED = re.compile(r"(?:UNRESOLVED_COLUMN|cannot resolve)[^`'\"]*[`'\"]([^`'\"]+)[`'\"]", re.IGNORECASE)
_CAST = re.compile(r"Cannot cast string '(.*?)' to value of (\w+) type", re.DOTALL)
_CAST_SPARK = re.compile(
    r'\[CAST_INVALID_INPUT\] The value \'(.*?)\' of the type "(\w+)" cannot be cast to "(\w+)"', re.DOTALL
)
_OVERFLOW = re.compile(r"Can't cast value (-?[0-9]+) to type (Int8|Int16|Int32|Int64)")
_COERCE = re.compile(r"Cannot coerce arithmetic expression (.+?) to valid types")
_AMBIGUOUS = re.compile(r"ambiguous|AMBIGUOUS_REFERENCE", re.IGNORECASE)
_TYPES = {"Int8": "tinyint", "Int16": "smallint", "Int32": "int", "Int64": "bigint", "Float32": "float",
          "Float64": "double", "Date32": "date", "Utf8": "string"}  # fmt: skip


def of_step(error: Exception, what: str, text: str, path: Path, columns: Iterable[str]) -> DataOSError:
    """The error of computing `what` (`step x`), whose SQL `text` stands at `path` below stackSpec."""
    if isinstance(error, DataOSError):
        return DataOSError([_placed(p, path) for p in error.problems])
    problem = explain(error, what, list(columns))
    place: dict[str, Any] = dict(locate(text, problem[2])) if problem[2] else {}
    return DataOSError(
        Problem(problem[0], f"{what}: {problem[1]}", hint=problem[3], path=render(path) or None, **place)
    )


def of_function(error: Exception, what: str, path: Path, columns: Sequence[str]) -> DataOSError:
    """The error of a step function, `what` (`step x: function 2, rename`), written at `path` below stackSpec."""
    if isinstance(error, DataOSError):
        found = [replace(p, message=f"{what}: {p.message}", line=None, column=None) for p in error.problems]
        return DataOSError([_placed(p, path) for p in found])
    code, message, _, hint = explain(error, what, columns)
    return DataOSError(Problem(code, f"{what}: {message}", hint=hint, path=render(path) or None))


def _placed(problem: Problem, path: Path) -> Problem:
    if problem.path:
        return problem
    body = {**problem.to_json(), "path": render(path) or None}
    return Problem.from_json({k: v for k, v in body.items() if v is not None})


def explain(error: Exception, what: str, columns: Sequence[str]) -> tuple[str, str, str, str]:
    """(code, message, name to look for in the SQL, hint) of an engine error."""
    raw = str(error)
    raised = userfunctions.explain(raw)
    if raised is not None:
        return "flare.udf", raised[0], "", raised[1]
    found = _MISSING.search(raw)
    if found:
        parts = [p.replace('\\"', '"') for p in _IDENTIFIER.findall(found[1])]
        name = parts[-1] if parts else "?"
        hint = names.did_you_mean(name, columns) or (
            "an alias of the same SELECT cannot be used in it: repeat the expression, or add a step"
        )
        return "flare.unknown_column", f"there is no column `{'.'.join(parts)}`", name, hint
    found = _UNRESOLVED_SPARK.search(raw)
    if found:
        parts = re.findall("`([^`]*)`", found[1])
        hint = names.did_you_mean(parts[-1], columns)
        return "flare.unknown_column", f"there is no column `{'.'.join(parts)}`", parts[-1], hint
    for pattern in (_UNRESOLVED,):
        found = pattern.search(raw)
        if found:
            name = found[1].split(".")[-1]
            return "flare.unknown_column", f"there is no column `{found[1]}`", name, names.did_you_mean(name, columns)
    found = _CAST.search(raw) or _CAST_SPARK.search(raw)
    if found:
        target = _TYPES.get(found[found.lastindex or 2], found[found.lastindex or 2].lower())
        message = f"the text '{found[1][:60]}' cannot be cast to {target}"
        return "flare.cast", message, "", "use try_cast to get NULL instead, or filter such rows"
    found = _OVERFLOW.search(raw)
    if found:
        message = f"integer overflow: {found[1]} does not fit {_TYPES[found[2]]}"
        return "flare.arithmetic", message, "", "cast to BIGINT before computing"
    found = _OVERFLOW_SPARK.search(raw)
    if found:
        kind = {"integer": "int", "long": "bigint"}.get(found[1].lower(), found[1].lower())
        return "flare.arithmetic", f"{kind} overflow", "", "cast to a wider type before computing"
    found = _CAST_OVERFLOW_SPARK.search(raw)
    if found:
        return "flare.arithmetic", f"overflow: {found[1]} does not fit {found[2].lower()}", "", "cast to a wider type"
    found = _TEXT_SPARK.search(raw)
    if found:
        return "flare.cast", found[1], "", "use try_to_timestamp to get NULL instead, or filter such rows"
    found = _COERCE.search(raw)
    if found:
        return "flare.types", f"no arithmetic between {found[1]}", "", "cast the text to a number first"
    return _other(error, raw)


def _other(error: Exception, raw: str) -> tuple[str, str, str, str]:
    low = raw.lower()
    if "divide by zero" in low or "divide_by_zero" in low:
        return "flare.arithmetic", "division by zero", "", "use try_divide, or nullif(divisor, 0)"
    if "invalid_array_index" in low:
        return "flare.arithmetic", first_line(raw), "", "use get() or try_element_at()"
    if "resources exhausted" in low or "out of memory" in low or "failed to allocate" in low:
        hint = "raise driver.memory or executor.memory in the stackSpec"
        return "flare.memory", "the engine ran out of memory", "", hint
    if "no space left" in low:
        return "flare.disk", "the disk is full", "", "free space where the server's home and the warehouse lie"
    if "failed to get file system for path: s3:" in low:
        message = "this Apache Spark has no S3: it cannot reach the bucket with the Lakehouse's tables"
        return "flare.spark_setup", message, "", "start it with iceberg-aws-bundle of its Iceberg's version"
    if "panicked" in low or "stream removed" in low or "statuscode.unavailable" in low:
        hint = (
            "its own message stands in the log above. If the SQL explodes a map: write inline(map_entries(m)), "
            "or two columns as in LATERAL VIEW explode(m) t AS k, v"
        )
        return "flare.engine", "the embedded engine broke off while computing", "", hint
    if _AMBIGUOUS.search(raw):
        return "flare.ambiguous_column", first_line(raw), "", "say which table's column: t.column"
    return "flare.engine", f"{first_line(raw)}", "", _hint(low)


def _hint(low: str) -> str:
    if "not supported" in low or "unsupported" in low or "unknown function" in low:
        return f"this engine does not do this; if it is the embedded one, {with_remedy('')}"
    return ""


def first_line(raw: str) -> str:
    """The message of an engine error, without stack traces, cut to a safe length."""
    text = raw.strip()
    details = re.search(r'details = "(.*?)"\s*\n?\s*debug_error', text, re.DOTALL)
    if details:
        text = details[1]
    text = re.split(r"\n\s*(?:JVM stacktrace|Candidate functions|This issue was likely|stack backtrace)", text)[0]
    text = " ".join(text.split())
    return text if len(text) <= _LIMIT else text[: _LIMIT - 3] + "..."


def locate(text: str, name: str) -> dict[str, int]:
    """Line and column (1-based) of the first use of a name in an SQL text, outside strings and comments."""
    pattern = re.compile(
        r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|--[^\n]*|/\*.*?\*/|(?P<hit>`?\b" + re.escape(name) + r"\b`?)",
        re.IGNORECASE | re.DOTALL,
    )
    for match in pattern.finditer(text):
        if match.group("hit") is not None:
            start = match.start()
            line = text.count("\n", 0, start)
            return {"line": line + 1, "column": start - (text.rfind("\n", 0, start) + 1) + 1}
    return {}
