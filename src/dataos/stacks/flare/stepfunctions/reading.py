"""Reading `functions` of a step: names, parameters, values, every fault at once (ch04 4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from dataos.core import names
from dataos.manifest.specs import Path, Reading
from dataos.stacks.flare.blocks import text_of
from dataos.stacks.flare.stepfunctions import codes, columns, dates, sed, shapes, values
from dataos.stacks.flare.stepfunctions.model import Call, Function, Parameter

FUNCTIONS: Mapping[str, Function] = {
    **columns.FUNCTIONS,
    **values.FUNCTIONS,
    **codes.FUNCTIONS,
    **dates.FUNCTIONS,
    **shapes.FUNCTIONS,
}
"""All step functions by name."""


def read(data: Any, reading: Reading, path: Path) -> tuple[Call, ...]:
    """The calls of a step in order; what is wrong lands in `reading`."""
    if data is None:
        return ()
    if isinstance(data, dict):
        data = [data]
    if not isinstance(data, list):
        reading.error(path, "`functions` must be a list", code="manifest.invalid")
        return ()
    found = [_read_one(item, reading, (*path, n)) for n, item in enumerate(cast("list[Any]", data)) if item is not None]
    return tuple(c for c in found if c is not None)


def _read_one(item: Any, reading: Reading, path: Path) -> Call | None:
    if isinstance(item, str):
        item = {"name": item}
    if not isinstance(item, dict):
        reading.error(path, "a function must be a mapping with `name`", code="manifest.invalid")
        return None
    entry = {str(k): v for k, v in cast("dict[Any, Any]", item).items()}
    name_key = next((k for k in entry if k.lower() == "name"), None)
    word = text_of(entry.pop(name_key)) if name_key else ""
    if not word:
        reading.error((*path, "name"), "the function has no `name`", code="manifest.missing")
        return None
    name = word.strip().lower()
    function = FUNCTIONS.get(name)
    if function is None:
        reading.error(
            (*path, "name"),
            f"there is no function `{word}`",
            hint=names.did_you_mean(name, FUNCTIONS) or "known: " + ", ".join(sorted(FUNCTIONS)),
            code="flare.function",
        )
        return None
    before = len(reading.problems)
    arguments = _arguments(name, function, entry, reading, path)
    if len(reading.problems) > before:
        return None
    call = Call(name, arguments, path)
    _check(call, reading)
    return call if len(reading.problems) == before else None


def _arguments(name: str, function: Function, entry: dict[str, Any], reading: Reading, path: Path) -> dict[str, Any]:
    spellings = {s.lower(): p for p in function.parameters for s in p.names}
    found: dict[str, Any] = {}
    for key, value in entry.items():
        parameter = spellings.get(key.strip().lower())
        if parameter is None:
            reading.warn(
                (*path, key),
                f"`{name}` has no parameter `{key}`",
                hint=names.did_you_mean(key, [p.name for p in function.parameters]),
                code="manifest.unknown_key",
            )
            continue
        read_value = _value(parameter, value, reading, (*path, key))
        if read_value is not None:
            found[parameter.name] = read_value
    for parameter in function.parameters:
        given = parameter.name in found or any(k.strip().lower() in (n.lower() for n in parameter.names) for k in entry)
        if parameter.required and not given:
            reading.error(
                path,
                f"`{name}` needs `{parameter.name}`",
                hint="parameters: " + ", ".join(p.name for p in function.parameters),
                code="manifest.missing",
            )
    return found


def _value(parameter: Parameter, value: Any, reading: Reading, path: Path) -> Any:
    match parameter.kind:
        case "text":
            return _text(parameter, value, reading, path)
        case "whole":
            if isinstance(value, bool) or not text_of(value).strip().lstrip("+-").isdigit():
                reading.error(path, f"expected a whole number, found `{value}`", code="manifest.invalid")
                return None
            return int(text_of(value))
        case "texts":
            listed = cast("list[Any]", value) if isinstance(value, list) else [value]
            if not listed or any(isinstance(v, dict | list) or v is None for v in listed):
                reading.error(path, "expected a list of texts", code="manifest.invalid")
                return None
            return tuple(text_of(v) for v in listed)
        case "pairs":
            if not isinstance(value, dict) or not value:
                reading.error(path, "expected a mapping", hint="write `column: value`", code="manifest.invalid")
                return None
            return {str(k): text_of(v) for k, v in cast("dict[Any, Any]", value).items()}


def _text(parameter: Parameter, value: Any, reading: Reading, path: Path) -> str | None:
    if isinstance(value, dict | list) and parameter.name.endswith("Schema"):
        return json.dumps(value)
    if isinstance(value, dict | list) or value is None:
        reading.error(path, "expected a text", code="manifest.invalid")
        return None
    text = text_of(value)
    if parameter.words is None:
        return text
    found = parameter.words.get(text.strip().lower())
    if found is None:
        allowed = list(dict.fromkeys(parameter.words.values()))
        what = "Invalid datatype found: " if parameter.name == "type" else f"{parameter.name} may not be "
        reading.error(path, f"{what}`{text}`", hint="allowed: " + ", ".join(allowed), code="flare.function")
    return found


def _check(call: Call, reading: Reading) -> None:
    """What can be known without data: expressions, patterns, types, schemas."""

    def attempt(parameter: Path, check: Any, *arguments: Any) -> None:
        reading.attempt((*call.path, *parameter), lambda: check(*arguments))

    arguments = call.arguments
    if "sedExpression" in arguments:
        attempt(("sedExpression",), sed.parse, call.text("sedExpression"))
    for parameter in ("rule", "rules"):
        if parameter in arguments:
            attempt((parameter,), dates.read_rules, call.texts(parameter))
    match call.name:
        case "set_type":
            for column, kind in call.pairs("columns").items():
                attempt(("columns", column), values.type_of, kind)
        case "pivot":
            attempt(("aggregateExpression",), shapes.aggregate, call.text("aggregateExpression"))
        case "parse_as_json":
            _check_schema(call, attempt, reading)
        case "mask_number":
            if not call.text("pattern"):
                reading.error((*call.path, "pattern"), "the pattern is empty", code="flare.function")
        case _:
            pass


def _check_schema(call: Call, attempt: Any, reading: Reading) -> None:
    given = [p for p in ("sparkSchema", "avroSchema") if p in call.arguments]
    if len(given) != 1:
        reading.error(
            call.path,
            "`parse_as_json` needs one of `sparkSchema` and `avroSchema`",
            code="manifest.missing" if not given else "flare.function",
        )
        return
    kind = "spark" if given[0] == "sparkSchema" else "avro"
    attempt((given[0],), shapes.structures.ddl_of, call.text(given[0]), kind)
