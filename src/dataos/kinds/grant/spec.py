"""What a Grant manifest may say (ch08 4.3): a use case, bound to subjects, with values for its open variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from dataos.manifest import patterns
from dataos.manifest.documents import Context, KindReading
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled


class GrantSection(Spec):
    """The section as written. The last four come from request samples and have no effect."""

    policy_use_case_id: Text = spelled("policyUseCaseId", alias="policy_use_case_id")
    """Id of the use case."""
    subjects: tuple[Text, ...] = spelled("subject", default=(), lone=True)
    """Tags of those who get it."""
    values: Any = spelled("value", default=None)
    """Values of the use case's variables, by atom."""
    approve: bool = False
    """Approve it at once."""
    requester: Text | None = None
    """Who asked for it."""
    notes: Text = spelled("note", default="")
    """Why."""
    collection: Text = "default"
    """Collection of policies."""
    manage_as_user: Text | None = None
    """User on whose behalf it is managed."""
    name: Any = None
    """Has no effect; the use case has a name."""
    description: Any = None
    """Has no effect; the use case has one."""
    category: Any = None
    """Has no effect; the use case has one."""
    authorization_atoms: Any = spelled("authorizationAtoms", default=None, alias="authorization_atoms")
    """Has no effect; the use case has them."""


@dataclass(frozen=True)
class GrantValue:
    """One set of variables of an atom. `atom` None: of every atom that has variables of these names."""

    atom: str | None
    variables: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class GrantSpec:
    """Canonical Grant."""

    use_case: str
    subjects: tuple[str, ...]
    values: tuple[GrantValue, ...]
    approve: bool
    requester: str | None
    notes: str
    collection: str
    manage_as_user: str | None


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical GrantSpec. Use cases and atoms are no Resources: the server knows them."""
    path: Path = (context.section,)
    before = len(reading.problems)
    spec = read_model(GrantSection, section, reading, path, strict=True)
    if spec is None:
        return None
    for key, value in (
        ("name", spec.name),
        ("description", spec.description),
        ("category", spec.category),
        ("authorization_atoms", spec.authorization_atoms),
    ):
        if value is not None:
            reading.warn((*path, key), f"`{key}` belongs to the use case and has no effect in a grant")
    if not spec.policy_use_case_id.strip():
        reading.error((*path, "policy_use_case_id"), "the use case has no id", code="manifest.missing")
    if not spec.subjects:
        reading.warn((*path, "subjects"), "a grant without subjects allows nobody anything")
    for position, subject in enumerate(spec.subjects):
        if fault := patterns.glob_fault(subject):
            reading.error((*path, "subjects", position), f"`{subject}` {fault}")
        elif ":" not in subject and "*" not in subject:
            hint = f"did you mean `users:id:{subject}`?"
            reading.error((*path, "subjects", position), f"`{subject}` is no tag of a subject", hint=hint)
    if spec.collection != "default":
        hint = "allowed: default"
        reading.error((*path, "collection"), f"collection `{spec.collection}` does not exist", hint=hint)
    values = _values(spec.values, (*path, "values"), reading)
    if len(reading.problems) > before:
        return None
    canonical = GrantSpec(
        use_case=spec.policy_use_case_id.strip(),
        subjects=tuple(s.strip() for s in spec.subjects),
        values=values,
        approve=spec.approve,
        requester=spec.requester,
        notes=spec.notes,
        collection=spec.collection,
        manage_as_user=spec.manage_as_user or context.meta.manage_as_user,
    )
    return KindReading(canonical)


def _values(data: Any, path: Path, reading: Reading) -> tuple[GrantValue, ...]:
    """A map of atoms, a bare list of variable sets, or the list of a use case."""
    if data is None:
        return ()
    found: list[GrantValue] = []
    if isinstance(data, dict):
        for atom, sets in cast("dict[str, Any]", data).items():
            found += _sets(str(atom), sets, (*path, str(atom)), reading)
    elif isinstance(data, list):
        for position, item in enumerate(cast("list[Any]", data)):
            where = (*path, position)
            if isinstance(item, dict) and "authorization_atom_id" in item:
                entry = cast("dict[str, Any]", item)
                for key in entry:
                    if key not in ("authorization_atom_id", "variable_values"):
                        hint = "known here: authorization_atom_id, variable_values"
                        reading.error((*where, key), f"unknown key `{key}`", code="manifest.unknown_key", hint=hint)
                atom, sets = entry["authorization_atom_id"], entry.get("variable_values")
                if not isinstance(atom, str) or not atom.strip():
                    reading.error((*where, "authorization_atom_id"), "expected the id of an atom")
                    continue
                found += _sets(atom.strip(), sets, (*where, "variable_values"), reading)
            else:
                found += _sets(None, item, where, reading)
    else:
        hint = "write `atom-id: [{variable: value}]`"
        reading.error(path, "expected the variables of each atom", hint=hint)
    return tuple(found)


def _sets(atom: str | None, data: Any, path: Path, reading: Reading) -> list[GrantValue]:
    items = cast("list[Any]", data) if isinstance(data, list) else [data]
    found: list[GrantValue] = []
    for position, item in enumerate(items):
        where = (*path, position) if isinstance(data, list) else path
        if not isinstance(item, dict) or not item:
            reading.error(where, "expected a mapping of variables", hint="write for instance `path: /stores/**`")
            continue
        variables: list[tuple[str, str]] = []
        for name, value in cast("dict[str, Any]", item).items():
            if isinstance(value, (dict, list)) or value is None or str(value).strip() == "":
                reading.error((*where, str(name)), f"variable `{name}` needs a value", code="manifest.missing")
            elif isinstance(value, str) and (fault := patterns.glob_fault(value)):
                reading.error((*where, str(name)), f"`{value}` {fault}")
            else:
                text = str(value).lower() if isinstance(value, bool) else str(value)
                variables.append((str(name), text))
        found.append(GrantValue(atom, tuple(variables)))
    return found
