"""Metadata of Iceberg views: plain JSON, made and changed as the view specification says. No PyIceberg, no I/O.

Source: Iceberg view spec, format version 1, and ViewMetadata of Iceberg's Java implementation.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from dataos.core.errors import DataOSError, fail

Json = dict[str, Any]

_HISTORY = "version.history.num-entries"
_DROP_DIALECT = "replace.drop-dialect.allowed"


def create(
    uuid: str,
    location: str,
    schema: Mapping[str, Any],
    version: Mapping[str, Any],
    properties: Mapping[str, str],
    now_ms: int,
) -> Json:
    """A new view's metadata. Raises DataOSError `iceberg.invalid`."""
    empty: Json = {
        "view-uuid": uuid,
        "format-version": 1,
        "location": location,
        "schemas": [],
        "current-version-id": 0,
        "versions": [],
        "version-log": [],
        "properties": dict(properties),
    }
    asked = version.get("schema-id")
    if asked not in (None, -1, schema.get("schema-id", 0)):
        raise fail("iceberg.invalid", f"the view's version is of schema {asked}, which is not the one that is given")
    return change(
        empty,
        [
            {"action": "add-schema", "schema": schema},
            {"action": "add-view-version", "view-version": {**version, "schema-id": -1}},
            {"action": "set-current-view-version", "view-version-id": -1},
        ],
        now_ms,
    )


def check(metadata: Mapping[str, Any]) -> None:
    """Raise DataOSError `iceberg.invalid` for what is no view's metadata."""
    try:
        versions = {v["version-id"] for v in metadata["versions"]}
        right = metadata["format-version"] == 1 and metadata["current-version-id"] in versions
        right = right and isinstance(metadata["view-uuid"], str) and isinstance(metadata["location"], str)
    except (KeyError, TypeError):
        right = False
    if not right:
        raise fail("iceberg.invalid", "this is no metadata of an Iceberg view of format version 1")


def require(metadata: Mapping[str, Any], requirements: Sequence[Mapping[str, Any]]) -> None:
    """Raise DataOSError `iceberg.conflict` where a requirement does not hold."""
    for one in requirements:
        if one.get("type") != "assert-view-uuid":
            raise fail("iceberg.invalid", f"requirement `{one.get('type')}` is not one of views")
        if one.get("uuid") != metadata["view-uuid"]:
            raise fail("iceberg.conflict", "the view was replaced by another one of its name", hint="load it again")


def change(base: Mapping[str, Any], updates: Sequence[Mapping[str, Any]], now_ms: int) -> Json:
    """The metadata after some updates. Raises DataOSError `iceberg.invalid`, `iceberg.unsupported`."""
    made: Json = copy.deepcopy(dict(base))
    draft = _Draft(made, base, now_ms)
    for update in updates:
        draft.apply(update)
    draft.finish()
    return made


class _Draft:
    def __init__(self, made: Json, base: Mapping[str, Any], now_ms: int) -> None:
        self._made = made
        self._base = base
        self._now_ms = now_ms
        self._schema: int | None = None
        self._version: int | None = None

    def apply(self, update: Mapping[str, Any]) -> None:
        """One update."""
        match update.get("action"):
            case "assign-uuid":
                if update.get("uuid") != self._made["view-uuid"]:
                    raise fail("iceberg.unsupported", "a view cannot change its uuid")
            case "upgrade-format-version":
                if update.get("format-version") != 1:
                    raise fail("iceberg.unsupported", "views have format version 1")
            case "set-location":
                if str(update.get("location", "")).rstrip("/") != self._made["location"]:
                    raise fail("iceberg.unsupported", "a view cannot change its location")
            case "set-properties":
                given = update.get("updates") or {}
                self._made["properties"] = {**self._made.get("properties", {}), **given}
            case "remove-properties":
                for name in update.get("removals") or []:
                    self._made.get("properties", {}).pop(name, None)
            case "add-schema":
                self._add_schema(_object(update, "schema"))
            case "add-view-version":
                self._add_version(_object(update, "view-version"))
            case "set-current-view-version":
                self._set_current(update.get("view-version-id"))
            case other:
                raise fail("iceberg.invalid", f"update `{other}` is not one of views")

    def _add_schema(self, schema: Json) -> None:
        if not isinstance(schema.get("fields"), list):
            raise fail("iceberg.invalid", "a schema needs `fields`")
        body = {k: v for k, v in schema.items() if k != "schema-id"}
        for known in self._made["schemas"]:
            if {k: v for k, v in known.items() if k != "schema-id"} == body:
                self._schema = known["schema-id"]
                return
        self._schema = max((s["schema-id"] for s in self._made["schemas"]), default=-1) + 1
        self._made["schemas"].append({**body, "schema-id": self._schema})

    def _add_version(self, version: Json) -> None:
        _check_representations(version)
        if not isinstance(version.get("default-namespace"), list):
            raise fail("iceberg.invalid", "a view's version needs `default-namespace`, a list")
        schema = version.get("schema-id")
        if schema == -1:
            schema = self._schema
        if schema not in {s["schema-id"] for s in self._made["schemas"]}:
            raise fail("iceberg.invalid", f"there is no schema {schema} in the view")
        body = {**version, "schema-id": schema}
        for known in self._made["versions"]:
            if _same(known, body):
                self._version = known["version-id"]
                return
        self._version = max((v["version-id"] for v in self._made["versions"]), default=0) + 1
        stamp = version.get("timestamp-ms")
        self._made["versions"].append(
            {
                "summary": {},
                **body,
                "version-id": self._version,
                "timestamp-ms": stamp if isinstance(stamp, int) else self._now_ms,
            }
        )

    def _set_current(self, number: Any) -> None:
        if number == -1:
            number = self._version
        if number not in {v["version-id"] for v in self._made["versions"]}:
            raise fail("iceberg.invalid", f"there is no version {number} of the view")
        if number != self._made["current-version-id"]:
            self._made["current-version-id"] = number
            self._made["version-log"].append({"version-id": number, "timestamp-ms": self._now_ms})

    def finish(self) -> None:
        """What must hold of the whole: no dialect is lost unseen, the history is bounded."""
        if not self._made["versions"]:
            raise fail("iceberg.invalid", "a view needs a version")
        properties = self._made.get("properties", {})
        if str(properties.get(_DROP_DIALECT, "false")).lower() != "true" and self._base["versions"]:
            lost = _dialects(self._base) - _dialects(self._made)
            if lost:
                raise fail(
                    "iceberg.invalid",
                    f"the new version has no SQL for {', '.join(sorted(lost))}, which the present one has",
                    hint=f"give it too, or set the view's property {_DROP_DIALECT} = true",
                )
        text = str(properties.get(_HISTORY, "10"))
        keep = max(1, int(text)) if text.isdigit() else 10
        current = self._made["current-version-id"]
        kept = sorted(self._made["versions"], key=lambda v: (v["version-id"] == current, v["version-id"]))[-keep:]
        ids = {v["version-id"] for v in kept}
        self._made["versions"] = [v for v in self._made["versions"] if v["version-id"] in ids]
        log: list[Json] = []
        for entry in self._made["version-log"]:  # what comes before a forgotten version tells nothing any more
            log = [*log, entry] if entry["version-id"] in ids else []
        self._made["version-log"] = log


def _object(update: Mapping[str, Any], name: str) -> Json:
    found = update.get(name)
    if not isinstance(found, dict):
        raise fail("iceberg.invalid", f"`{name}` must be a JSON object")
    return found  # pyright: ignore[reportUnknownVariableType] - foreign data


def _check_representations(version: Mapping[str, Any]) -> None:
    found = version.get("representations")
    if not isinstance(found, list) or not found:
        raise fail("iceberg.invalid", "a view's version needs representations: SQL with its dialect")
    seen: set[str] = set()
    for one in found:  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(one, dict) or one.get("type") != "sql" or not isinstance(one.get("sql"), str):  # pyright: ignore[reportUnknownMemberType]
            raise _broken("each representation is {type: sql, sql, dialect}")
        dialect = str(one.get("dialect", "")).lower()  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        if not dialect or dialect in seen:
            raise _broken(f"dialect `{dialect}` is there twice" if dialect else "a representation names no dialect")
        seen.add(dialect)


def _broken(text: str) -> DataOSError:
    return fail("iceberg.invalid", text)


def _same(known: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Apart from number and moment."""
    parts = ("summary", "representations", "default-catalog", "default-namespace", "schema-id")
    return all((known.get(p) or None) == (other.get(p) or None) for p in parts)


def _dialects(metadata: Mapping[str, Any]) -> set[str]:
    current = next((v for v in metadata["versions"] if v["version-id"] == metadata["current-version-id"]), None)
    return {str(r.get("dialect", "")).lower() for r in (current or {}).get("representations", [])}
