"""The credentials of a Depot: references to secrets, and values that stand in the manifest (ch02 1.5, 2.5).

Every form is turned into two lists: what is referred to, and what is inline. Each inline value's path is returned in
the spelling that the manifest uses, because sealing replaces it there. A value never appears in a message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from dataos.core import names
from dataos.manifest.annotations import Words
from dataos.manifest.depot_types import DepotTypeDescriptor
from dataos.manifest.documents import Context
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

REFERENCES = ("secrets", "secret", "dataossecrets")
INLINE = ("connectionsecret", "connectionsecrets")
INLINE_TYPES = ("key-value-properties", "key-value")
_INLINE_KEYS = ("acl", "data", "values", "files", "file")


class SecretReference(Spec):
    """One entry of `secrets` (ch02 1.5)."""

    name: Text
    """Name of the Instance-Secret (or Secret, with `workspace`)."""
    keys: tuple[Text, ...] = spelled(default=(), lone=True)
    """Keys of the secret to use."""
    key: Text | None = None
    """One key of the secret."""
    all_keys: bool = spelled("allkeys", default=False)
    """All keys of the secret."""
    workspace: Text | None = None
    """Workspace of a Secret; an Instance-Secret has none."""
    consumption_type: Text | None = None
    """Has no effect in a depot."""


class InlineSecret(Spec):
    """One entry of `connectionSecret` (v1)."""

    acl: Annotated[Text, Words("r", "rw")]
    """What these credentials may do."""
    type: Annotated[Text, Words(*INLINE_TYPES)] = "key-value-properties"
    """Form of the values."""
    data: dict[str, Text | None] = spelled("values", default={})
    """Keys and values; values are sealed."""
    files: dict[str, Text] | None = spelled("file", default=None)
    """Keys and paths of files that the client reads."""
    name: Text | None = None
    """Has no effect."""


@dataclass(frozen=True)
class InlineCredentials:
    """Values that stand in the manifest. `suffix`: what their vault id has besides the Depot's own key."""

    acl: str
    data: dict[str, str]
    suffix: str

    def __repr__(self) -> str:
        return f"InlineCredentials(acl={self.acl!r}, keys={sorted(self.data)}, suffix={self.suffix!r})"


@dataclass
class Credentials:
    """What was found."""

    references: list[tuple[SecretReference, Path]] = field(default_factory=list[tuple[SecretReference, Path]])
    inline: list[InlineCredentials] = field(default_factory=list[InlineCredentials])
    sealed: list[Path] = field(default_factory=list[Path])  # below the section
    holders: set[str] = field(default_factory=set[str])  # keys under which inline values were found


def read_credentials(
    data: dict[str, Any], context: Context, descriptor: DepotTypeDescriptor | None, reading: Reading, path: Path
) -> Credentials:
    """Take all credential keys out of `data` and read them. Problems are recorded; `descriptor` None: type unknown."""
    before = len(reading.problems)
    found = Credentials()
    for key in [k for k in data if k.lower() in (*REFERENCES, *INLINE)]:
        if key not in ("secrets", "connectionSecret"):
            canonical = "connectionSecret" if key.lower() in INLINE else "secrets"
            reading.warn((*path, key), f"`{key}` is read as `{canonical}`", code="manifest.variant")
        _read_block(data.pop(key), key, context, descriptor, found, reading, path)
    for key, block in context.root.items():
        reading.warn((key,), f"`{key}` belongs below `{context.section}`: indent it", code="manifest.variant")
        _read_root(block, key, found, reading)
    if len(found.holders) > 1:
        holders = " and ".join(f"`{h}`" for h in sorted(found.holders))
        reading.error(path, f"credentials stand in {holders}", hint="write them into one list, `connectionSecret`")
    _check_repeats(found, reading, path)
    nothing = not found.references and not found.inline and len(reading.problems) == before
    if nothing and descriptor is not None and descriptor.needs_secret:
        reading.error(
            path,
            "invalid depot, missing a secret reference with acl: r",
            code="depot.no_read_secret",
            hint="apply an Instance-Secret with acl: r and name it below `secrets`",
        )
    return found


def _read_block(
    block: Any,
    key: str,
    context: Context,
    descriptor: DepotTypeDescriptor | None,
    found: Credentials,
    reading: Reading,
    path: Path,
) -> None:
    if block is None:
        return
    items = cast("list[Any]", block) if isinstance(block, list) else [block]
    for position, item in enumerate(items):
        below: Path = (key, position) if isinstance(block, list) else (key,)
        where = (*path, *below)
        if key.lower() in INLINE or _is_inline(item):
            if not isinstance(item, dict):
                reading.error(where, "expected a mapping with `acl` and `data`")
                continue
            found.holders.add(key)
            _read_inline(cast("dict[str, Any]", item), below, descriptor, found, reading, where)
        else:
            _read_reference(item, found, reading, where)


def _read_root(block: Any, key: str, found: Credentials, reading: Reading) -> None:
    """References that stand beside the section. Values there could not be sealed, so they are refused."""
    items = cast("list[Any]", block) if isinstance(block, list) else [block]
    for position, item in enumerate(items):
        where: Path = (key, position) if isinstance(block, list) else (key,)
        if key.lower() in INLINE or _is_inline(item):
            reading.error(where, "credentials may not stand outside of the depot section", hint="indent them below it")
        elif item is not None:
            _read_reference(item, found, reading, where)


def _is_inline(item: Any) -> bool:
    return isinstance(item, dict) and any(str(k).lower() in _INLINE_KEYS for k in cast("dict[str, Any]", item))


def _read_reference(item: Any, found: Credentials, reading: Reading, where: Path) -> None:
    if isinstance(item, str):
        item = {"name": item}
    reference = read_model(SecretReference, item, reading, where, strict=True)
    if reference is None:
        return
    if not names.matches(reference.name, names.STD):
        rule = names.rule_text("name of a secret", reference.name, names.STD)
        reading.error((*where, "name"), rule, code="manifest.name")
    if reference.workspace is not None and not names.matches(reference.workspace, names.DNS, names.MAX_WORKSPACE):
        rule = names.rule_text("workspace", reference.workspace, names.DNS, names.MAX_WORKSPACE)
        reading.error((*where, "workspace"), rule, code="manifest.name")
    if reference.consumption_type is not None:
        reading.warn((*where, "consumptionType"), "`consumptionType` has no effect in a depot")
    found.references.append((reference, where))


def _read_inline(
    item: dict[str, Any],
    below: Path,
    descriptor: DepotTypeDescriptor | None,
    found: Credentials,
    reading: Reading,
    where: Path,
) -> None:
    inner = next((k for k in item if k.lower() in ("data", "values") and item[k] is not None), None)
    if inner is None:
        item, strays = _lift(item)
        if strays:
            reading.warn(where, "keys that belong below `data` stand beside it: indent them", code="manifest.variant")
    _check_one_holder(item, where, reading)
    secret = read_model(InlineSecret, item, reading, where, strict=True)
    if secret is None:
        return
    acl = one_of(secret.acl, ("r", "rw"), (*where, "acl"), reading, "acl")
    one_of(secret.type, INLINE_TYPES, (*where, "type"), reading, "type of inline credentials")
    if secret.files:
        reading.error(
            (*where, "files"),
            "files must be read by the client before they are sent",
            code="manifest.file",
            hint="apply with `dataos apply -f`, which reads them, or put the content below `data`",
        )
    elif not secret.data:
        reading.error(where, "inline credentials need `data`", code="manifest.missing")
    values = where if inner is None else (*where, inner)
    for key in secret.data:
        if not re.fullmatch(names.SECRET_KEY, key):
            reading.error(
                (*values, key), f"key `{key}` is not allowed", hint="keys hold letters, digits, `-`, `_` and `.`"
            )
    if descriptor is not None and secret.data and not secret.files:
        check_keys(descriptor, secret.data, values, reading)
    if acl is None:
        return
    found.sealed += [(*below, key) if inner is None else (*below, inner, key) for key in secret.data]
    suffix = next((f":{p}" for p in below if isinstance(p, int)), "")
    found.inline.append(InlineCredentials(acl, {k: v or "" for k, v in secret.data.items()}, suffix))


def _check_one_holder(item: dict[str, Any], where: Path, reading: Reading) -> None:
    """Of two maps one would win, and the other's values would be kept as they are."""
    holders = [k for k in item if k.lower() in ("data", "values") and item[k] is not None]
    if len(holders) > 1:
        reading.error(where, f"values stand in `{holders[0]}` and in `{holders[1]}`", hint="write them below `data`")


def _lift(item: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Keys that stand directly in an entry whose `data` is empty are its data."""
    own = (*_INLINE_KEYS, "type", "name")
    strays = [k for k, v in item.items() if k.lower() not in own and not isinstance(v, (dict, list))]
    rest = {k: v for k, v in item.items() if k not in strays and k.lower() not in ("data", "values")}
    return {**rest, "data": {k: item[k] for k in strays}}, strays


def check_keys(descriptor: DepotTypeDescriptor, keys: Any, path: Path, reading: Reading) -> None:
    """The keys that a source needs to log in. Only names are looked at: sealed values keep theirs."""
    present = set[str](keys)
    if "password" in present and {"passphrase", "key"} <= present:
        reading.error(path, "give either a password or a key pair, not both")
    if not descriptor.credentials:
        return
    known = {k for way in descriptor.credentials for k in way} | set(descriptor.credential_options)
    unknown = sorted(present - known)
    if not any(set(way) <= present for way in descriptor.credentials):
        lacking = sorted(min((set(way) - present for way in descriptor.credentials), key=len))
        for key in unknown:
            close = names.nearest(key, lacking, 1)
            if close:
                reading.error(
                    (*path, key),
                    f"unknown key `{key}`",
                    code="manifest.unknown_key",
                    hint=f"did you mean `{close[0]}`?",
                )
                return
        ways = " or ".join(" + ".join(f"`{k}`" for k in way) for way in descriptor.credentials)
        reading.warn(
            path, f"a depot of type {descriptor.name} logs in with {ways}", hint="not given: " + ", ".join(lacking)
        )
    for key in unknown:
        hint = f"known for {descriptor.name}: " + ", ".join(sorted(known))
        reading.warn((*path, key), f"key `{key}` has no effect", code="manifest.unknown_key", hint=hint)


def _check_repeats(found: Credentials, reading: Reading, path: Path) -> None:
    seen = dict[tuple[str, str | None], Path]()
    for reference, where in found.references:
        identity = (reference.name, reference.workspace)
        if identity in seen:
            reading.warn(where, f"secret `{reference.name}` is named twice")
        seen.setdefault(identity, where)
    acls = [inline.acl for inline in found.inline]
    for acl in sorted({a for a in acls if acls.count(a) > 1}):
        reading.warn(path, f"there are several inline credentials with acl: {acl}; of equal keys the last wins")
