"""Datasets in the store: columns, texts and tags, with every change as a version. Plain functions over a connection.

A change of columns raises the major number of the meta version, any other the minor one (ch02 4.10).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError
from dataos.governance.changes import note
from dataos.metadata import inheritance
from dataos.metadata.reports import Dataset
from dataos.store import tables

_d = tables.datasets
_t = tables.dataset_tags
_v = tables.dataset_versions
_SEEN_US = 60_000_000
"""How exact `seen_at` is."""


def find(connection: sa.Connection, address: str) -> sa.Row[Any] | None:
    """What is known of a dataset."""
    return connection.execute(sa.select(_d).where(_d.c.address == address)).first()


def written(
    connection: sa.Connection, dataset: Dataset, owner: str, job: Mapping[str, str], source: str, now_us: int
) -> None:
    """A run wrote it: what its job says of it holds from now on. `source`: whose tags these are."""
    before = find(connection, dataset.address)
    values: dict[str, Any] = {
        "title": dataset.title or (before.title if before is not None else ""),
        "description": dataset.description or (before.description if before is not None else ""),
        "columns": list(dataset.columns) or (before.columns if before is not None else []),
        "owner": owner,
        "rows": dataset.rows,
        "written_by": dict(job),
        "written_at": now_us,
        "seen_at": now_us,
    }
    tags = [("", t) for t in dataset.tags] + list(dataset.column_tags)
    _save(connection, dataset.address, before, values, now_us, source, lambda: set_tags(
        connection, dataset.address, source, tags))  # fmt: skip


def seen(connection: sa.Connection, dataset: Dataset, now_us: int) -> None:
    """A run read it: its columns are known from now on, unless a job of ours wrote it."""
    before = find(connection, dataset.address)
    values: dict[str, Any] = {"seen_at": now_us}
    fresh = before is not None and now_us - before.seen_at < _SEEN_US  # jobs that read one dataset do not meet over it
    if dataset.columns and (before is None or before.written_at is None):
        columns: list[dict[str, str]] = list(dataset.columns)
        if before is not None:  # texts that others gave stay
            texts = {c["name"]: c.get("description", "") for c in before.columns}
            columns = [{**c, "description": c["description"] or texts.get(c["name"], "")} for c in columns]
        if before is None or columns != before.columns:
            values["columns"] = columns
    if "columns" in values or not fresh:
        _save(connection, dataset.address, before, values, now_us, "control", lambda: None)


def shaped(
    connection: sa.Connection, address: str, columns: Sequence[tuple[str, str]], actor: str, now_us: int
) -> None:
    """A statement writes it: it has these columns (name, type) from now on, whoever wrote it before."""
    before = find(connection, address)
    texts = {c["name"]: c.get("description", "") for c in before.columns} if before is not None else {}
    wanted = [{"name": name, "type": type_, "description": texts.get(name, "")} for name, type_ in columns]
    if before is None or [c["name"] for c in before.columns] != [c["name"] for c in wanted]:
        values = {"columns": wanted, "seen_at": now_us}
        _save(connection, address, before, values, now_us, actor, lambda: None)


def set_tags(connection: sa.Connection, address: str, source: str, wanted: Iterable[tuple[str, str]]) -> None:
    """Let exactly these (column, tag) be given by `source`; what others give stays."""
    connection.execute(_t.delete().where(_t.c.address == address, _t.c.source == source))
    rows = [
        {"address": address, "column": column, "tag": tag, "source": source} for column, tag in dict.fromkeys(wanted)
    ]
    if rows:
        connection.execute(_t.insert(), rows)


def tags(connection: sa.Connection, address: str) -> dict[str, list[str]]:
    """Tags by column; those of the dataset itself under the empty name."""
    rows = connection.execute(
        sa.select(_t.c.column, _t.c.tag).where(_t.c.address == address).distinct().order_by(_t.c.column, _t.c.tag)
    ).all()
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.column, []).append(row.tag)
    return found


def changed_tags(connection: sa.Connection, address: str, actor: str, now_us: int, change: Any) -> None:
    """Do `change` (of tags), and keep the new state as a version. What a user does is audited."""
    before = tags(connection, address)
    _save(connection, address, find(connection, address), {}, now_us, actor, change)
    kind, _, user = actor.partition(":")
    if kind == "user":
        _note(connection, address, user, before, tags(connection, address))


def _note(
    connection: sa.Connection, address: str, user: str, before: dict[str, list[str]], after: dict[str, list[str]]
) -> None:
    old, new = ({(c, t) for c, listed in of.items() for t in listed} for of in (before, after))
    if old != new:
        shown = {
            how: [{"column": c, "tag": t} for c, t in sorted(found)]
            for how, found in (("added", new - old), ("removed", old - new))
        }
        note(connection, "tag.changed", address, user, shown)


def _save(
    connection: sa.Connection,
    address: str,
    before: sa.Row[Any] | None,
    values: dict[str, Any],
    now_us: int,
    actor: str,
    retag: Any,
) -> None:
    """Write values and tags; a version if that changed what people see."""
    known = None if before is None else {c.name: getattr(before, c.name) for c in _d.c}
    old = None if known is None else _state(known, tags(connection, address))
    if known is None:
        known = {
            "address": address, "depot": _depot(address), "title": "", "description": "", "owner": "", "columns": [],
            "rows": None, "major": 0, "minor": 1, "written_by": None, "written_at": None, "seen_at": now_us,
            "created_at": now_us, "updated_at": now_us, **values,
        }  # fmt: skip
        connection.execute(_d.insert().values(**known))
    retag()
    inheritance.spread_from(connection, address)
    merged = {**known, **values}
    new = _state(merged, tags(connection, address))
    changes = differences(old, new)
    major, minor = merged["major"], merged["minor"]
    if before is not None:
        if changes:
            structural = old is not None and bool(old["columns"]) and _shape(old["columns"]) != _shape(new["columns"])
            major, minor = (major + 1, 0) if structural else (major, minor + 1)
            values = {**values, "major": major, "minor": minor, "updated_at": now_us}
        if values:
            connection.execute(_d.update().where(_d.c.address == address).values(**values))
    if changes:
        row = {"address": address, "major": major, "minor": minor, "at": now_us, "actor": actor}
        connection.execute(_v.insert().values(**row, changes=changes, state=new))


def _depot(address: str) -> str:
    try:
        return Udl.parse(address).depot
    except DataOSError:
        return ""  # of another producer's namespace


def _state(row: Mapping[str, Any], tagged: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    columns = [{**c, "tags": list(tagged.get(c["name"], ()))} for c in row["columns"]]
    shown = {k: row[k] for k in ("title", "description", "owner")}
    return {**shown, "tags": list(tagged.get("", ())), "columns": columns}


def _shape(columns: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(c["name"], c["type"]) for c in columns]


def differences(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> list[str]:
    """What changed, a text each. Pure."""
    if old is None:
        return ["first seen"]
    found = [
        f"{key}: `{old[key]}` -> `{new[key]}`" for key in ("title", "description", "owner") if old[key] != new[key]
    ]
    found += _tag_changes("", old["tags"], new["tags"])
    before, after = ({c["name"]: c for c in s["columns"]} for s in (old, new))
    found += [f"column {n} added" for n in after if n not in before]
    found += [f"column {n} dropped" for n in before if n not in after]
    for name in (n for n in after if n in before):
        a, b = before[name], after[name]
        if a["type"] != b["type"]:
            found.append(f"column {name}: type {a['type']} -> {b['type']}")
        if a.get("description", "") != b.get("description", ""):
            found.append(f"column {name}: description changed")
        found += _tag_changes(f"column {name}: ", a["tags"], b["tags"])
    if not found and [c["name"] for c in old["columns"]] != [c["name"] for c in new["columns"]]:
        found.append("order of columns changed")
    return found


def columns_of(change: str) -> list[str]:
    """Of a text of `differences`: the columns that it may be about; several where a name holds such words itself."""
    if not change.startswith("column "):
        return []
    rest = change.removeprefix("column ")
    found = [rest[: at.start()] for at in re.finditer(": ", rest)]
    return found + [rest.removesuffix(end) for end in (" added", " dropped") if rest.endswith(end)]


def _tag_changes(prefix: str, old: Sequence[str], new: Sequence[str]) -> list[str]:
    return [f"{prefix}tag {t} added" for t in new if t not in old] + [
        f"{prefix}tag {t} removed" for t in old if t not in new
    ]
