"""Sections of a pipeline that hold no components: the engine's server, its logs, errors and tests (ch05 4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from dataos.core import names
from dataos.manifest.specs import Path, Reading, choose, suggest

Fields = Mapping[str, "str | Fields"]
"""A field's type (text, flag, number, list, map), or the fields of a mapping."""

HTTP: Fields = {
    "enabled": "flag",
    "address": "text",
    "root_path": "text",
    "debug_endpoints": "flag",
    "cert_file": "text",
    "key_file": "text",
    "cors": {"enabled": "flag", "allowed_origins": "list", "allowed_headers": "list", "allowed_methods": "list"},
    "basic_auth": {
        "enabled": "flag",
        "realm": "text",
        "username": "text",
        "password_hash": "text",
        "algorithm": "text",
        "salt": "text",
    },
}
LOGGER: Fields = {
    "level": "text",
    "format": "text",
    "add_timestamp": "flag",
    "level_name": "text",
    "timestamp_name": "text",
    "message_name": "text",
    "static_fields": "map",
    "file": {"path": "text", "rotate": "flag", "rotate_max_age_days": "number"},
    "log_all_errors": "flag",
}
ERRORS: Fields = {"strategy": "text", "log": {"enabled": "flag", "add_payload": "flag", "sampling_ratio": "number"}}
PIPELINE: Fields = {"threads": "number", "processors": "list"}

LEVELS = ("OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ALL", "NONE")
WORDS: dict[Path, tuple[str, ...]] = {
    ("logger", "level"): LEVELS,
    ("logger", "format"): ("logfmt", "json"),
    ("http", "basic_auth", "algorithm"): ("md5", "sha256", "bcrypt", "scrypt"),
    ("error_handling", "strategy"): ("none", "reject", "retry"),
}
_SHAPES = {"map": dict, "list": list}
_DURATION = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+|0")


def check_fields(data: Any, fields: Fields, root: Path, path: Path, reading: Reading) -> None:
    """A mapping of known fields. `root`: its path inside the pipeline. Variables may stand in the place of anything."""
    if data is None:
        return
    if not isinstance(data, dict):
        reading.error(path, "expected object value", code="bento.config", hint=f"{root[-1]}: {{...}}")
        return
    for key, value in cast("dict[str, Any]", data).items():
        where, kind = (*path, key), fields.get(key)
        if kind is None:
            hint = names.did_you_mean(key, fields) or "known: " + ", ".join(fields)
            reading.error(where, f"field {key} not recognised", code="bento.config", hint=hint)
        elif not isinstance(kind, str):
            check_fields(value, kind, (*root, key), where, reading)
        elif value is None or (isinstance(value, str) and "${" in value):
            continue
        elif fault := _fault(kind, value):
            reading.error(where, f"expected {fault}", code="bento.config")
        elif (words := WORDS.get((*root, key))) and choose(str(value), words) is None:
            hint = suggest(str(value), words)
            reading.error(where, f"{key} `{value}` is not allowed", code="bento.config", hint=hint)


def check_duration(value: Any, path: Path, reading: Reading) -> None:
    """`20s`, `1h30m`; a variable may stand there."""
    if isinstance(value, str) and ("${" in value or _DURATION.fullmatch(value.strip())):
        return
    hint = "write 20s, 500ms or 1h30m"
    reading.error(path, f"`{value}` is no duration", code="bento.config", hint=hint)


def check_tests(value: Any, path: Path, reading: Reading) -> None:
    """Unit tests: a list, each with a name and what it expects."""
    if not isinstance(value, list):
        reading.error(path, "expected array value", code="bento.config", hint="a test is an item of a list")
        return
    for position, item in enumerate(cast("list[Any]", value)):
        where = (*path, position)
        if not isinstance(item, dict) or not cast("dict[str, Any]", item).get("name"):
            reading.error(where, "field name is required", code="bento.config", hint="a test is a mapping with a name")
        elif "output_batches" not in item:
            reading.warn(where, f"test `{cast('dict[str, Any]', item)['name']}` expects nothing")


def _fault(kind: str, value: Any) -> str | None:
    if kind == "flag":
        is_flag = isinstance(value, bool) or (isinstance(value, str) and value.lower() in ("true", "false"))
        return None if is_flag else "true or false"
    if kind == "number":
        text = str(value)
        is_number = not isinstance(value, bool) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text)
        return None if is_number else "a number"
    if kind == "text":
        return "string value" if isinstance(value, (dict, list)) else None
    wanted = "object value" if kind == "map" else "array value"
    return None if isinstance(value, _SHAPES[kind]) else wanted
