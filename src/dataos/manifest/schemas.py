"""JSON Schemas that stand as text inside manifests (Stack definitions, Operators): is this one, and of which draft.

Checked here is the shape of the keywords, offline and without a library; values are validated by whoever uses the
schema. A wrong schema would block every workload behind it, so each fault is named with its place inside the schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from dataos.manifest.specs import Path, Reading, render

_DRAFTS = ("draft-04", "draft-06", "draft-07", "2019-09", "2020-12")
_TYPES = ("null", "boolean", "object", "array", "number", "integer", "string")
_ONE = ("additionalProperties", "additionalItems", "contains", "propertyNames", "not", "if", "then", "else", "items")
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_NAMED = ("properties", "patternProperties", "definitions", "$defs", "dependentSchemas")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_NUMBERS = ("minimum", "maximum", "multipleOf")


def json_schema(text: Any, path: Path, reading: Reading) -> dict[str, Any] | bool | None:
    """The schema of a JSON text (a mapping in its place is taken as it is), or None after problems."""
    schema: Any = text
    if isinstance(text, str):
        try:
            schema = json.loads(text)
        except (ValueError, RecursionError) as error:
            line = getattr(error, "lineno", None)
            reading.error(path, f"not JSON: {error}", hint=f"look at line {line} of this text" if line else "")
            return None
    faults = list(_faults(schema, ()))
    for where, message in faults:
        place = f"at `{render(where)}`: " if where else ""
        reading.error(path, f"not a JSON Schema: {place}{message}")
    if faults:
        return None
    draft = schema.get("$schema") if isinstance(schema, dict) else None
    if isinstance(draft, str) and not any(known in draft for known in _DRAFTS):
        reading.warn(path, f"schema draft `{draft}` is not known: it is read as 2020-12", hint=", ".join(_DRAFTS))
    return cast("dict[str, Any] | bool", schema)


def _faults(schema: Any, where: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield where, "a schema is a mapping or a boolean"
        return
    body = cast("dict[str, Any]", schema)
    for key, value in body.items():
        here = (*where, key)
        if key in _NAMED:
            if not isinstance(value, dict):
                yield here, "must be a mapping of schemas"
                continue
            for name, inner in cast("dict[str, Any]", value).items():
                yield from _pattern(name, (*here, name)) if key == "patternProperties" else ()
                yield from _faults(inner, (*here, name))
        elif key in _MANY and isinstance(value, list):
            for position, inner in enumerate(cast("list[Any]", value)):
                yield from _faults(inner, (*here, position))
        elif key in _MANY and key not in _ONE:
            yield here, "must be a list of schemas"
        elif key in _ONE:
            yield from _faults(value, here)
        else:
            yield from _keyword(key, value, here)


def _keyword(key: str, value: Any, here: Path) -> Iterator[tuple[Path, str]]:
    if key == "type":
        types = cast("list[Any]", value) if isinstance(value, list) else [value]
        if not types or any(t not in _TYPES for t in types):
            yield here, "must be of " + ", ".join(_TYPES)
    elif key == "required":
        # draft 3 wrote a boolean at the property itself; it has no effect in any draft that is read here
        if not isinstance(value, list) or not all(isinstance(v, str) for v in cast("list[Any]", value)):
            yield here, "must be a list of property names"
    elif key == "enum":
        if not isinstance(value, list) or not value:
            yield here, "must be a list of values"
    elif key == "pattern":
        yield from _pattern(value, here)
    elif key in _COUNTS and not (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        yield here, "must be a whole number of 0 or more"
    elif key in _NUMBERS and not (isinstance(value, (int, float)) and not isinstance(value, bool)):
        yield here, "must be a number"


def _pattern(value: Any, here: Path) -> Iterator[tuple[Path, str]]:
    if not isinstance(value, str):
        yield here, "must be a regular expression"
        return
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        yield here, f"is no regular expression: {error}"
