"""Grants: a use-case bound to subjects, and requests for that (ch08 4.3).

An approved grant is in force as access rules `grant:<id>:<number>`, one for each atom and set of values. Functions take
the caller's open connection.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from dataos.core.clock import rfc3339
from dataos.core.errors import DataOSError, Problem, fail
from dataos.governance import artifacts, changes, decisions, shipped
from dataos.governance.globs import compile_glob
from dataos.governance.policies import AccessRule, Rule
from dataos.store import tables

_g = tables.grants
REQUESTED, APPROVED, REJECTED = "requested", "approved", "rejected"
PLATFORM = "dataos"
"""Who ends what is over, in the audit."""


@dataclass(frozen=True)
class GrantValue:
    """One set of variables of an atom. `atom` None: of every atom that has variables of these names."""

    atom: str | None
    variables: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Asked:
    """What a grant says, as a manifest or the API gives it. `uid`: of the Grant Resource."""

    use_case: str
    subjects: tuple[str, ...]
    values: tuple[GrantValue, ...] = ()
    requester: str = ""
    notes: str = ""
    source: str = "api"
    uid: str | None = None
    expires_at: int | None = None


def check(connection: sa.Connection, asked: Asked) -> list[Problem]:
    """What is wrong with a grant; nothing is made."""
    found: list[Problem] = []
    if artifacts.find(connection, "use-case", asked.use_case) is None:
        try:
            artifacts.get(connection, "use-case", asked.use_case)
        except DataOSError as error:
            found += error.problems
    else:
        found += resolve(connection, asked, "")[1]
    globs = artifacts.namespaces(connection, "subject")
    for subject in asked.subjects:
        if not in_namespaces(subject, globs):
            hint = "tag-namespaces of subjects: " + ", ".join(globs)
            found.append(Problem("governance.subject", f"subject `{subject}` belongs to no tag-namespace", hint=hint))
    return found


def in_namespaces(pattern: str, globs: Iterable[str]) -> bool:
    """Could a pattern of subjects match a tag of one of these namespaces?"""
    prefix = compile_glob(pattern).prefix
    for glob in globs:
        known = compile_glob(glob)
        if known.matches(pattern) or (known.prefix.startswith(prefix) and not compile_glob(pattern).literal):
            return True
        if prefix.startswith(known.prefix) and known.prefix:
            return True
    return False


def file(connection: sa.Connection, id_: str, asked: Asked, creator: str, now_us: int) -> None:
    """Keep a request. Raises DataOSError with what `check` finds."""
    problems = check(connection, asked)
    if problems:
        raise DataOSError(problems)
    connection.execute(
        _g.insert().values(
            id=id_,
            uid=asked.uid,
            use_case=asked.use_case,
            subjects=list(asked.subjects),
            values=[{"atom": v.atom, "variables": dict(v.variables)} for v in asked.values],
            state=REQUESTED,
            requester=asked.requester or creator,
            creator=creator,
            source=asked.source,
            notes=asked.notes,
            expires_at=asked.expires_at,
            created_at=now_us,
        )
    )
    _note(connection, "requested", get(connection, id_), creator)


def approve(
    connection: sa.Connection, id_: str, decider: str, now_us: int, reason: str = "", expires_at: int | None = None
) -> None:
    """Put a request in force, until `expires_at` if that is given and comes before what was asked for.

    Raises DataOSError `governance.not_found`, `governance.decided`, `governance.expired`."""
    row = _open(connection, id_)
    ends = min((moment for moment in (row.expires_at, expires_at) if moment is not None), default=None)
    if ends is not None and ends <= now_us:
        hint = "name a moment to come" if ends == expires_at else "reject it, and have a new request filed"
        raise fail("governance.expired", f"grant request `{id_}` would be over already", hint=hint)
    rules, problems = resolve(connection, replace(_asked(row), expires_at=ends), row.id)
    if problems:
        raise DataOSError(problems)
    decisions.write(connection, {f"grant:{row.id}:{n}": rule for n, rule in enumerate(rules)})
    decided = {"decision": decider, "decided_at": now_us, "reason": reason, "expires_at": ends}
    change = {"state": APPROVED, "grant_id": f"grant-{row.id}", **decided}
    connection.execute(_g.update().where(_g.c.id == row.id).values(**change))
    _note(connection, "approved", get(connection, row.id), decider)


def reject(connection: sa.Connection, id_: str, decider: str, now_us: int, reason: str = "") -> None:
    """Refuse a request. Raises DataOSError `governance.not_found`, `governance.decided`."""
    row = _open(connection, id_)
    change = {"state": REJECTED, "decision": decider, "decided_at": now_us, "reason": reason}
    connection.execute(_g.update().where(_g.c.id == row.id).values(**change))
    _note(connection, "rejected", get(connection, row.id), decider)


def delete(connection: sa.Connection, id_: str, actor: str, how: str = "removed") -> None:
    """Remove a grant or a request; what it allowed ends. Raises DataOSError `governance.not_found`."""
    row = get(connection, id_)
    _end(connection, row.id)
    connection.execute(_g.delete().where(_g.c.id == row.id))
    _note(connection, how, row, actor)


def delete_of(connection: sa.Connection, uid: str, actor: str) -> None:
    """Remove the grant of a Grant Resource, if there is one."""
    row = connection.execute(sa.select(_g.c.id).where(_g.c.uid == uid)).first()
    if row is not None:
        delete(connection, row.id, actor)


def expire(connection: sa.Connection, now_us: int) -> int:
    """Remove grants whose time is over. Returns how many. Their rules had ended by themselves."""
    ids = list(connection.execute(sa.select(_g.c.id).where(_g.c.expires_at <= now_us)).scalars())
    for id_ in ids:
        delete(connection, id_, PLATFORM, "expired")
    return len(ids)


def get(connection: sa.Connection, id_: str) -> sa.Row[Any]:
    """A grant or request by its id, or by the id that it got when it was approved. Raises `governance.not_found`."""
    row = connection.execute(sa.select(_g).where(sa.or_(_g.c.id == id_, _g.c.grant_id == id_))).first()
    if row is None:
        raise fail("governance.not_found", f"no grant or grant request `{id_}`", hint="dataos grant get lists them")
    return row


def of_resource(connection: sa.Connection, uid: str) -> sa.Row[Any] | None:
    """The grant of a Grant Resource."""
    return connection.execute(sa.select(_g).where(_g.c.uid == uid)).first()


def listing(connection: sa.Connection, state: str | None = None, subject: str | None = None) -> list[dict[str, Any]]:
    """Grants and requests, the newest first."""
    query = sa.select(_g).order_by(_g.c.created_at.desc(), _g.c.id)
    if state is not None:
        query = query.where(_g.c.state == state)
    rows = connection.execute(query).all()
    return [to_json(r) for r in rows if subject is None or subject in r.subjects]


def to_json(row: sa.Row[Any]) -> dict[str, Any]:
    """The wire form."""
    return {
        "id": row.id,
        "state": row.state,
        "policy_use_case_id": row.use_case,
        "collection": "default",
        "requester": row.requester,
        "notes": row.notes,
        "source": row.source,
        "grant_id": row.grant_id,
        "creator": row.creator,
        "decision": row.decision,
        "decided": rfc3339(row.decided_at) if row.decided_at else None,
        "reason": row.reason or "",
        "expires": rfc3339(row.expires_at) if row.expires_at else None,
        "created": rfc3339(row.created_at),
        "subjects": row.subjects,
        "values": row.values,
    }


def of_use_case(connection: sa.Connection, use_case: str) -> list[str]:
    """Ids of grants and requests of a use-case."""
    return list(connection.execute(sa.select(_g.c.id).where(_g.c.use_case == use_case)).scalars())


def resolve(connection: sa.Connection, asked: Asked, id_: str) -> tuple[list[AccessRule], list[Problem]]:
    """The access rules of a grant, or what it lacks."""
    case = artifacts.get(connection, "use-case", asked.use_case)
    return _resolve(case, artifacts.atoms(connection), asked, id_)


def _resolve(
    case: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], asked: Asked, id_: str
) -> tuple[list[AccessRule], list[Problem]]:
    rules: list[AccessRule] = []
    problems: list[Problem] = []
    preset: dict[str, list[Mapping[str, str]]] = {}
    for entry in case["values"]:
        preset.setdefault(entry["authorization_atom_id"], []).extend(entry["variable_values"])
    for value in asked.values:
        if value.atom is not None and value.atom not in case["authorization_atoms"]:
            hint = "its atoms: " + ", ".join(case["authorization_atoms"])
            problems.append(
                Problem(
                    "governance.atom", f"atom not found with id {value.atom} in use-case `{asked.use_case}`", hint=hint
                )
            )
    for atom_id in case["authorization_atoms"]:
        atom = known.get(atom_id)
        if atom is None:
            problems.append(Problem("governance.atom", f"atom not found with id {atom_id}"))
            continue
        wanted = artifacts.variables(atom)
        for values in _sets(wanted, preset.get(atom_id, []), _given(asked.values, atom_id, wanted)):
            missing = [v for v in wanted if v not in values]
            if missing:
                text = f"variable {', '.join(f'`{m}`' for m in missing)} of atom `{atom_id}` has no value"
                hint = f"give it: `values: {{{atom_id}: [{{{missing[0]}: ...}}]}}`"
                problems.append(Problem("governance.variable", text, hint=hint))
                continue
            rules.append(_rule(atom, values, asked, id_))
    return rules, list(dict.fromkeys(problems))


def _given(values: Sequence[GrantValue], atom: str, wanted: Sequence[str]) -> list[Mapping[str, str]]:
    own = [dict(v.variables) for v in values if v.atom == atom]
    loose = [
        {k: t for k, t in v.variables if k in wanted}
        for v in values
        if v.atom is None and any(k in wanted for k, _ in v.variables)
    ]
    return [*own, *loose]


def _sets(
    wanted: Sequence[str], preset: Sequence[Mapping[str, str]], given: Sequence[Mapping[str, str]]
) -> list[dict[str, str]]:
    """Sets of values: those of the use-case, filled up by those of the grant, which do not replace them."""
    if not wanted:
        return [{}]
    found = [{**g, **p} for p, g in itertools.product(preset or [{}], given or [{}])]
    return [dict(f) for f in dict.fromkeys(tuple(sorted(f.items())) for f in found)]


def _rule(atom: Mapping[str, Any], values: Mapping[str, str], asked: Asked, id_: str) -> AccessRule:
    tags = tuple(tuple(artifacts.fill(t, values) for t in group) for group in artifacts.groups(atom.get("tags", ())))
    return AccessRule(
        name=f"grant {id_} of {asked.use_case}",
        subjects=tuple((s,) for s in asked.subjects),
        predicates=(atom["predicate"],),
        paths=tuple(artifacts.fill(p, values) for p in atom.get("paths", ())),
        tags=tags,
        allow=True,
        origin="grant",
        until=asked.expires_at,
    )


def _open(connection: sa.Connection, id_: str) -> sa.Row[Any]:
    row = get(connection, id_)
    if row.state != REQUESTED:
        hint = "file a new request, or delete the grant"
        raise fail("governance.decided", f"grant request `{id_}` is {row.state} already", hint=hint)
    return row


def _asked(row: sa.Row[Any]) -> Asked:
    values = tuple(GrantValue(v["atom"], tuple(v["variables"].items())) for v in row.values)
    return Asked(
        row.use_case, tuple(row.subjects), values, row.requester, row.notes, row.source, row.uid, row.expires_at
    )


def _note(connection: sa.Connection, what: str, row: sa.Row[Any], actor: str) -> None:
    data = {"use_case": row.use_case, "subjects": row.subjects, "values": row.values, "requester": row.requester}
    if row.reason:
        data["reason"] = row.reason
    if row.expires_at is not None:
        data["expires"] = rfc3339(row.expires_at)
    changes.note(connection, f"grant.{what}", f"grant:{row.id}", actor, data)


def _end(connection: sa.Connection, id_: str) -> None:
    decisions.write(connection, dict.fromkeys(decisions.keys(connection, f"grant:{id_}:")))


def seed(connection: sa.Connection, now_us: int) -> None:
    """Give roles the use-cases that they hold from the start. Called once an installation."""
    known, cases = artifacts.atoms(connection), {c["id"]: c for c in artifacts.listing(connection, "use-case")}
    rules: dict[str, Rule | None] = {"shipped:everything": shipped.EVERYTHING}
    rows: list[dict[str, Any]] = []
    for case in shipped.USE_CASES:
        for role in case.roles:
            asked = Asked(case.id, (f"roles:id:{role}",))
            id_ = f"{case.id}.{role}"
            made, problems = _resolve(cases[case.id], known, asked, id_)
            if problems:
                raise DataOSError(problems)
            rules |= {f"grant:{id_}:{n}": rule for n, rule in enumerate(made)}
            rows.append(
                {
                    "id": id_,
                    "uid": None,
                    "use_case": case.id,
                    "subjects": list(asked.subjects),
                    "values": [],
                    "state": APPROVED,
                    "requester": "dataos",
                    "creator": "dataos",
                    "source": "shipped",
                    "notes": "",
                    "grant_id": f"grant-{id_}",
                    "decision": "dataos",
                    "decided_at": now_us,
                    "expires_at": None,
                    "created_at": now_us,
                }
            )
    connection.execute(_g.insert(), rows)
    decisions.write(connection, rules)
