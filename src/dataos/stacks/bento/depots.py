"""Components that only this platform has: they reach a Depot by its address (ch05 3)."""

from __future__ import annotations

import json
from typing import Any, cast

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.manifest.specs import Path, Reading, choose, suggest

_METADATA = ("auth", "title", "description", "format", "schema", "schemaLocation", "type", "tags", "tls")
_FORMATS = ("AVRO", "JSON")


def check_depot_component(
    kind: str, type_: str, config: Any, path: Path, reading: Reading, addresses: list[tuple[Path, Udl]]
) -> None:
    """Its address, and what stands beside it. The address lands in `addresses`."""
    block = cast("dict[str, Any]", config or {})
    _address(kind, type_, block.get("address"), path, reading, addresses)
    if type_ == "dataos_sql_raw":
        if not isinstance(block.get("query"), str) or not block["query"].strip():
            reading.error(path, "field query is required", code="bento.config", hint="write the SQL as `query`")
        for key in ("driver", "dsn"):
            if key in block:
                hint = "leave it out, or use `sql_raw`"
                reading.error((*path, key), f"`{key}` comes from the Depot", code="bento.config", hint=hint)
    elif type_ == "dataos_kafka":
        for key in ("addresses", "topic", "topics"):
            if key in block:
                reading.error((*path, key), f"`{key}` comes from the Depot", code="bento.config", hint="leave it out")
    elif type_ == "dataos_depot" and kind == "output":
        _check_metadata(block.get("metadata"), (*path, "metadata"), reading)


def _address(kind: str, type_: str, text: Any, path: Path, reading: Reading, addresses: list[tuple[Path, Udl]]) -> None:
    where = (*path, "address")
    if not isinstance(text, str) or not text.strip():
        hint = "for instance dataos://retailkafka:default/orders?acl=rw"
        reading.error(path, "field address is required", code="bento.config", hint=hint)
        return
    if "${" in text:
        return  # filled in when the job starts
    udl = reading.attempt(where, lambda: Udl.parse(text))
    if udl is None:
        return
    if udl.collection is None or (udl.dataset is None and "sql" not in type_):
        hint = "write dataos://[depot]:[collection]/[dataset]"
        reading.error(where, f"`{text}` names no stream", code="manifest.address", hint=hint)
        return
    if kind == "output" and udl.acl != "rw":
        reading.warn(where, "an output writes: `?acl=rw` is taken", code="manifest.variant")
        udl = Udl(udl.depot, udl.collection, udl.dataset, "rw", udl.options)
    addresses.append((where, udl))


def _check_metadata(data: Any, path: Path, reading: Reading) -> None:
    if data is None:
        return
    if not isinstance(data, dict):
        reading.error(path, "expected object value", code="bento.config", hint="metadata: {format: JSON}")
        return
    block = cast("dict[str, Any]", data)
    for key in block:
        if key not in _METADATA:
            hint = names.did_you_mean(key, _METADATA) or "known: " + ", ".join(_METADATA)
            reading.error((*path, key), f"field {key} not recognised", code="bento.config", hint=hint)
    format_ = str(block.get("format") or "AVRO")
    chosen = choose(format_, _FORMATS)
    if chosen is None:
        reading.error((*path, "format"), f"format `{format_}` is not allowed", hint=suggest(format_, _FORMATS))
    kind = str(block.get("type") or "STREAM")
    if choose(kind, ("STREAM",)) is None:
        reading.error((*path, "type"), f"type `{kind}` is not allowed", hint="allowed: STREAM")
    schema = block.get("schema")
    if schema is None:
        if chosen == "AVRO":
            hint = "write the Avro schema as JSON text, or `format: JSON`"
            reading.error(path, "`schema` is required with format AVRO", code="manifest.missing", hint=hint)
        return
    try:
        parsed: Any = json.loads(schema) if isinstance(schema, str) else schema
    except (ValueError, RecursionError) as error:
        reading.error((*path, "schema"), f"the schema is no JSON: {error}", code="bento.config")
        return
    if not isinstance(parsed, dict) or parsed.get("type") != "record" or not isinstance(parsed.get("fields"), list):  # pyright: ignore[reportUnknownMemberType] - foreign data
        hint = 'for instance {"type": "record", "name": "default", "fields": [{"name": "id", "type": "string"}]}'
        reading.error((*path, "schema"), "the schema is no Avro record", code="bento.config", hint=hint)
        return
    for position, entry in enumerate(cast("list[Any]", parsed["fields"])):
        if not isinstance(entry, dict) or "name" not in entry or "type" not in entry:
            text = f"field {position} of the schema has no `name` or no `type`"
            reading.error((*path, "schema"), text, code="bento.config")
