"""Tag-namespaces, roles, providers with their atoms, use-cases: what policies and grants are made of (ch08 2, 4).

They are small artifacts, not Resources: kept as they were given, changed by deleting and making anew. Functions take
the caller's open connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

import sqlalchemy as sa

from dataos.core import names
from dataos.core.errors import DataOSError, Problem, fail
from dataos.governance import changes, shipped
from dataos.governance.globs import compile_glob
from dataos.manifest import patterns
from dataos.store import tables

_a = tables.governance_artifacts
KINDS = ("tag-namespace", "role", "provider", "use-case")
NAMESPACE_TYPES = ("subject", "object", "inform")
_ID = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.:]{0,127}")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
Body = dict[str, Any]


# --- reading ----------------------------------------------------------------------------------------------------------


def listing(connection: sa.Connection, kind: str) -> list[Body]:
    """All artifacts of a kind, ordered by id; `shipped` says which came with the installation."""
    rows = connection.execute(sa.select(_a).where(_a.c.kind == kind).order_by(_a.c.id))
    return [{**row.body, "shipped": row.shipped} for row in rows]


def find(connection: sa.Connection, kind: str, id_: str) -> Body | None:
    """One artifact."""
    row = connection.execute(sa.select(_a).where(_a.c.kind == kind, _a.c.id == id_)).first()
    return {**row.body, "shipped": row.shipped} if row is not None else None


def get(connection: sa.Connection, kind: str, id_: str) -> Body:
    """One artifact. Raises DataOSError `governance.not_found` with near ids."""
    found = find(connection, kind, id_)
    if found is None:
        known = list(connection.execute(sa.select(_a.c.id).where(_a.c.kind == kind)).scalars())
        raise fail("governance.not_found", f"no {kind} `{id_}`", hint=names.did_you_mean(id_, known))
    return found


def namespaces(connection: sa.Connection, type_: str | None = None) -> list[str]:
    """Globs of tag-namespaces, of one type or all."""
    found = listing(connection, "tag-namespace")
    return [n["glob"] for n in found if type_ is None or n["type"] == type_]


def roles(connection: sa.Connection) -> dict[str, Body]:
    """Roles by id."""
    return {r["id"]: r for r in listing(connection, "role")}


def atoms(connection: sa.Connection) -> dict[str, Body]:
    """Atoms of all providers by id."""
    return {a["id"]: a for p in listing(connection, "provider") for a in p["authorization_atoms"]}


def variables(atom: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the variables in an atom's patterns, in order."""
    texts = [*atom.get("paths", ()), *(t for group in groups(atom.get("tags", ())) for t in group)]
    return tuple(dict.fromkeys(name for text in texts for name in _VARIABLE.findall(text)))


def groups(written: Iterable[Any]) -> tuple[tuple[str, ...], ...]:
    """Tags as AND-groups: an entry that is no list is a group of its own."""
    return tuple(tuple(cast("list[str]", e)) if isinstance(e, (list, tuple)) else (str(e),) for e in written)


def fill(pattern: str, values: Mapping[str, str]) -> str:
    """A pattern with its variables' values. Raises KeyError for one without."""
    return _VARIABLE.sub(lambda m: values[m[1]], pattern)


def check_subject_tags(connection: sa.Connection, given: Iterable[str]) -> None:
    """Tags that a user gets must lie in a subject namespace, and roles must exist.

    Raises DataOSError `user.tag` with every fault."""
    globs = namespaces(connection, "subject")
    known = roles(connection)
    problems: list[Problem] = []
    for tag in given:
        if not any(compile_glob(g).matches(tag) for g in globs):
            problems.append(
                Problem(
                    "user.tag",
                    f"tag `{tag}` belongs to no tag-namespace of subjects",
                    hint="tag-namespaces of subjects: " + ", ".join(globs),
                )
            )
        elif (role := _role(tag)) is not None and role not in known:
            near = names.did_you_mean(role, known)
            hint = f"{near} roles: {', '.join(known)}".strip() + "; make one with `dataos role create`"
            problems.append(Problem("user.tag", f"there is no role `{tag}`", hint=hint))
    if problems:
        raise DataOSError(problems)


def _role(tag: str) -> str | None:
    rest = tag.removeprefix("roles:id:")
    return rest if rest != tag and ":" not in rest else None  # deeper forms are their owners' own


# --- making -----------------------------------------------------------------------------------------------------------


def create(connection: sa.Connection, kind: str, body: Body, actor: str, now_us: int) -> Body:
    """Keep an artifact. Raises DataOSError `governance.invalid` with every fault, `governance.exists`."""
    checked, problems = _CHECKS[kind](connection, dict(body))
    if problems:
        raise DataOSError([Problem("governance.invalid", text, path=path) for path, text in problems])
    if find(connection, kind, checked["id"]) is not None:
        raise fail(
            "governance.exists", f"{kind} `{checked['id']}` exists already", hint="delete it, or choose another id"
        )
    _insert(connection, kind, checked, actor, now_us, is_shipped=False)
    changes.note(connection, f"{kind}.created", f"{kind}:{checked['id']}", actor, checked)
    return {**checked, "shipped": False}


def delete(connection: sa.Connection, kind: str, id_: str, actor: str) -> None:
    """Remove an artifact. Raises DataOSError `governance.not_found`, `governance.shipped`."""
    if get(connection, kind, id_)["shipped"]:
        raise fail("governance.shipped", f"{kind} `{id_}` came with the installation and stays")
    connection.execute(_a.delete().where(_a.c.kind == kind, _a.c.id == id_))
    changes.note(connection, f"{kind}.deleted", f"{kind}:{id_}", actor)


def seed(connection: sa.Connection, now_us: int) -> None:
    """Insert what ships and is missing."""
    known = {(row.kind, row.id) for row in connection.execute(sa.select(_a.c.kind, _a.c.id))}
    for kind, body in _shipped():
        if (kind, body["id"]) not in known:
            _insert(connection, kind, body, "dataos", now_us, is_shipped=True)


def _insert(connection: sa.Connection, kind: str, body: Body, actor: str, now_us: int, *, is_shipped: bool) -> None:
    row = {"kind": kind, "id": body["id"], "body": body, "shipped": is_shipped, "created_by": actor}
    connection.execute(_a.insert().values(**row, created_at=now_us))


def _shipped() -> Iterable[tuple[str, Body]]:
    for id_, glob, type_, description in shipped.NAMESPACES:
        yield "tag-namespace", {"id": id_, "name": id_, "glob": glob, "type": type_, "description": description}
    for id_, description in shipped.ROLES.items():
        yield "role", {"id": id_, "name": id_, "tag": f"roles:id:{id_}", "description": description}
    for id_, (name, found) in shipped.PROVIDERS.items():
        written = [
            {
                "id": a.id,
                "description": a.description,
                "predicate": a.predicate,
                "tags": list(a.tags),
                "paths": list(a.paths),
            }
            for a in found
        ]
        yield (
            "provider",
            {"version": "0.1.0", "id": id_, "name": name, "description": name, "authorization_atoms": written},
        )
    for case in shipped.USE_CASES:
        values: dict[str, list[dict[str, str]]] = {}
        for atom, preset in case.atoms:
            values.setdefault(atom, [])
            if preset:
                values[atom].append(preset)
        yield (
            "use-case",
            {
                "id": case.id,
                "name": case.name,
                "description": "",
                "category": case.category,
                "authorization_atoms": list(dict.fromkeys([*values, *case.open])),
                "values": [{"authorization_atom_id": a, "variable_values": v} for a, v in values.items() if v],
            },
        )


# --- what artifacts may say -------------------------------------------------------------------------------------------

Faults = list[tuple[str, str]]


def _namespace(connection: sa.Connection, body: Body) -> tuple[Body, Faults]:
    faults: Faults = []
    glob, type_ = str(body.get("glob") or ""), str(body.get("type") or "")
    if fault := patterns.glob_fault(glob):
        faults.append(("glob", f"`{glob}` {fault}"))
    if type_ not in NAMESPACE_TYPES:
        faults.append(("type", f"`{type_}` is no type of tag-namespace; allowed: {', '.join(NAMESPACE_TYPES)}"))
    name = str(body.get("name") or glob)
    id_ = str(body.get("id") or re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"))
    faults += _id(id_)
    return {
        "id": id_,
        "name": name,
        "glob": glob,
        "type": type_,
        "description": str(body.get("description") or ""),
    }, faults


def _new_role(connection: sa.Connection, body: Body) -> tuple[Body, Faults]:
    name = str(body.get("name") or "").strip()
    id_ = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    faults: Faults = [] if name else [("name", "a role needs a name")]
    if not name.isascii():  # a letter that is left out, or only looks like another, would give another role's tag
        faults.append(("name", f"`{name}` has letters that the role's tag cannot have; use a to z and digits"))
    faults += _id(id_) if name else []
    return {
        "id": id_,
        "name": name,
        "tag": f"roles:id:{id_}",
        "description": str(body.get("description") or ""),
    }, faults


def _provider(connection: sa.Connection, body: Body) -> tuple[Body, Faults]:
    faults: Faults = [
        (key, f"`{key}` is required") for key in ("version", "id", "name", "description") if not body.get(key)
    ]
    faults += _id(str(body.get("id"))) if body.get("id") else []
    written = body.get("authorization_atoms")
    found: list[Body] = []
    if not isinstance(written, list) or not written:
        faults.append(("authorization_atoms", "a provider declares at least one atom"))
        written = []
    known = set(atoms(connection))
    for position, entry in enumerate(cast("list[Any]", written)):
        atom, more = _atom(entry, f"authorization_atoms[{position}]")
        faults += more
        if atom["id"] in known:
            faults.append(
                (f"authorization_atoms[{position}].id", f"an atom `{atom['id']}` exists already: ids are unique")
            )
        known.add(atom["id"])
        found.append(atom)
    kept = {key: str(body.get(key) or "") for key in ("version", "id", "name", "description")}
    return {**kept, "authorization_atoms": found}, faults


def _atom(entry: Any, where: str) -> tuple[Body, Faults]:
    if not isinstance(entry, dict):
        return {"id": ""}, [(where, "an atom is a mapping with id, predicate, and tags or paths")]
    atom = cast("Body", entry)
    faults: Faults = []
    id_, predicate = str(atom.get("id") or ""), str(atom.get("predicate") or "")
    faults += [(f"{where}.id", text) for _, text in _id(id_)]
    if not predicate:
        faults.append((f"{where}.predicate", "an atom has one predicate"))
    tags, paths = atom.get("tags") or [], atom.get("paths") or []
    if not isinstance(tags, list) or not isinstance(paths, list):
        faults.append((where, "`tags` and `paths` are lists"))
        tags, paths = [], []
    if bool(tags) == bool(paths):
        faults.append((where, "an atom has either `tags` or `paths`"))
    for text in [*cast("list[Any]", paths), *(t for g in groups(cast("list[Any]", tags)) for t in g)]:
        if fault := patterns.glob_fault(_VARIABLE.sub("x", str(text))):
            faults.append((where, f"`{text}` {fault}"))
    kept = {"id": id_, "description": str(atom.get("description") or ""), "predicate": predicate}
    return {**kept, "tags": tags, "paths": paths}, faults


def _use_case(connection: sa.Connection, body: Body) -> tuple[Body, Faults]:
    faults: Faults = [(key, f"`{key}` is required") for key in ("id", "name") if not body.get(key)]
    faults += _id(str(body.get("id"))) if body.get("id") else []
    known = atoms(connection)
    ids = [str(a) for a in cast("list[Any]", body.get("authorization_atoms") or [])]
    if not ids:
        faults.append(("authorization_atoms", "a use-case bundles at least one atom"))
    for position, atom in enumerate(ids):
        if atom not in known:
            near = names.did_you_mean(atom, known)
            faults.append((f"authorization_atoms[{position}]", f"atom not found with id {atom}; {near}".rstrip("; ")))
    values, more = _values(body, ids, known)
    kept = {key: str(body.get(key) or "") for key in ("id", "name", "description", "category")}
    return {**kept, "authorization_atoms": ids, "values": values}, faults + more


def _values(body: Body, ids: list[str], known: Mapping[str, Body]) -> tuple[list[Body], Faults]:
    """`values`, with the two ways in which published samples indent them wrongly (ch08 4.2)."""
    faults: Faults = []
    found: list[Body] = []
    written = body.get("values") or []
    for position, entry in enumerate(cast("list[Any]", written) if isinstance(written, list) else []):
        where = f"values[{position}]"
        if not isinstance(entry, dict):
            faults.append((where, "an entry names an atom and its variable_values"))
            continue
        item = cast("Body", entry)
        atom = str(item.get("authorization_atom_id") or (found[-1]["authorization_atom_id"] if found else ""))
        stray = {k: v for k, v in item.items() if k not in ("authorization_atom_id", "variable_values")}
        sets = [*cast("list[Any]", item.get("variable_values") or []), *([stray] if stray else [])]
        if atom not in ids:
            faults.append((where, f"atom `{atom}` is not one of the use-case's atoms"))
        for values in sets:
            if not isinstance(values, dict) or any(v in (None, "") for v in cast("Body", values).values()):
                faults.append((where, "each variable needs a value"))
            elif atom in known and (extra := set(cast("Body", values)) - set(variables(known[atom]))):
                faults.append((where, f"atom `{atom}` has no variable {', '.join(sorted(extra))}"))
        texts = [{str(k): str(v) for k, v in cast("Body", s).items()} for s in sets if isinstance(s, dict)]
        found.append({"authorization_atom_id": atom, "variable_values": texts})
    lifted = body.get("variable_values")
    if isinstance(lifted, list) and found:  # it landed at top level: it belongs to the entry before it
        found[-1]["variable_values"] += [
            {str(k): str(v) for k, v in cast("Body", s).items()} for s in cast("list[Any]", lifted)
        ]
    return found, faults


def _id(id_: str) -> Faults:
    return [] if _ID.fullmatch(id_) else [("id", f"`{id_}` is no id: letters, digits and -_.: , at most 128")]


_CHECKS = {"tag-namespace": _namespace, "role": _new_role, "provider": _provider, "use-case": _use_case}
