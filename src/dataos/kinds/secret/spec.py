"""What a Secret or Instance-Secret manifest may say (ch02 2.2, 2.3)."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, cast

from dataos.core import names
from dataos.manifest.annotations import Words, one_needed, rules
from dataos.manifest.documents import MASK, Context, KindReading
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

TYPES = ("key-value", "key-value-properties", "certificate", "cloud-kernel", "cloud-kernel-image-pull")
CERTIFICATE_KEYS = ("truststoreLocation", "keystoreLocation")
REGISTRY_KEY = ".dockerconfigjson"


class SecretSpec(
    Spec,
    json_schema_extra=rules(one_needed("data", "files", "keyJson"), {"properties": {"data": {"minProperties": 1}}}),
):
    """One secret. `data` holds text values; files were merged into it by the client."""

    type: Annotated[Text, Words(*TYPES, also=("certificates",))]
    """What the values are."""
    acl: Annotated[Text, Words("r", "rw")]
    """Whether the credentials read only, or read and write."""
    data: dict[str, Text | None] = spelled("values", default={})
    """Keys and values. Values are sealed and never shown."""
    files: dict[str, Text] | None = spelled("file", default=None)
    """Keys and paths of files that the client reads."""
    key_json: Text | None = spelled("key_json", default=None)
    """Path of a key file (JSON) that the client reads."""


MODEL = SecretSpec


def extend_schema(section: dict[str, Any], _: Any) -> dict[str, Any]:
    """A list of one secret is taken too."""
    return {"anyOf": [section, {"type": "array", "items": section, "minItems": 1, "maxItems": 1}]}


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical SecretSpec; every value below `data` is sealed."""
    path: Path = (context.section,)
    if isinstance(section, list):
        items = cast("list[Any]", section)
        if len(items) != 1:
            reading.error(path, f"expected one mapping, found a list of {len(items)}")
            return None
        section = items[0]
        path = (*path, 0)
    before = len(reading.problems)
    spec = read_model(SecretSpec, section, reading, path, strict=True)
    holders = [k for k in cast("dict[str, Any]", section) if k.lower() in ("data", "values")] if spec else []
    if len(holders) > 1:  # one would win, and the other's values would be kept as they are
        reading.error(path, f"values stand in `{holders[0]}` and in `{holders[1]}`", hint="write them below `data`")
    if spec is None:
        return None
    kind = "certificate" if spec.type.strip().lower() == "certificates" else spec.type
    if kind != spec.type:
        reading.warn((*path, "type"), f"type `{spec.type}` is read as `{kind}`", code="manifest.variant")
    type_ = one_of(kind, TYPES, (*path, "type"), reading, "secret type")
    acl = one_of(spec.acl, ("r", "rw"), (*path, "acl"), reading, "acl")
    data = {key: value or "" for key, value in spec.data.items()}
    written = next((k for k in cast("dict[str, Any]", section) if k.lower() in ("data", "values")), "data")
    where = (*path, written)
    for key in data:
        if not re.fullmatch(names.SECRET_KEY, key):
            reading.error(
                (*where, key), f"key `{key}` is not allowed", hint="keys hold letters, digits, `-`, `_` and `.`"
            )
    if spec.files or spec.key_json:
        reading.error(
            (*path, "files" if spec.files else "key_json"),
            "files must be read by the client before they are sent",
            code="manifest.file",
            hint="apply with `dataos apply -f`, which reads them, or put the content below `data`",
        )
    elif not data:
        reading.error(path, "a secret needs `data` or `files`", code="manifest.missing")
    else:
        _check_data(type_, data, where, reading)
    if type_ is None or acl is None or len(reading.problems) > before:
        return None
    canonical = SecretSpec.model_validate({"type": type_, "acl": acl, "data": data})
    return KindReading(canonical, secret_paths=tuple((*path[1:], written, key) for key in data))


def _check_data(type_: str | None, data: dict[str, str], path: Path, reading: Reading) -> None:
    """What the type asks of its keys. A stored secret's values are sealed: only their names are looked at then."""
    pair = data.get("auth_mode") == "key-pair" or {"passphrase", "key"} <= data.keys()
    if "password" in data and pair:
        reading.error(path, "give either a password or a key pair, not both")
    if type_ == "certificate":
        _check_certificate(data, path, reading)
    elif type_ == "cloud-kernel-image-pull":
        if REGISTRY_KEY not in data:
            close = names.nearest("." + next(iter(data)).lstrip("."), [REGISTRY_KEY], 1)
            hint = f"did you mean `{close[0]}`?" if close else "its value is the JSON of a registry login"
            reading.error(path, f"`{REGISTRY_KEY}` is required", code="manifest.missing", hint=hint)
        else:
            _check_registries(data[REGISTRY_KEY], (*path, REGISTRY_KEY), reading)


def _check_certificate(data: dict[str, str], path: Path, reading: Reading) -> None:
    if not any(key in data for key in CERTIFICATE_KEYS):
        known = " or ".join(f"`{k}`" for k in CERTIFICATE_KEYS)
        reading.error(path, f"a certificate needs {known}", code="manifest.missing", hint="name them below `files`")
    for key in data:
        if key not in CERTIFICATE_KEYS:
            reading.warn((*path, key), f"key `{key}` has no effect in a certificate")


def _check_registries(text: str, path: Path, reading: Reading) -> None:
    """`{"auths": {registry: {auth} or {username, password}}}`. No part of the text is repeated."""
    if text.startswith("vault:") or text == MASK:
        return
    form = 'write {"auths": {"registry.example": {"username": "...", "password": "..."}}}'
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        reading.error(path, "the value is no JSON", hint=form)
        return
    auths = cast("dict[str, Any]", parsed).get("auths") if isinstance(parsed, dict) else None
    if not isinstance(auths, dict) or not auths:
        reading.error(path, "the JSON names no registry below `auths`", hint=form)
        return
    for position, login in enumerate(cast("dict[str, Any]", auths).values()):
        entry = cast("dict[str, Any]", login) if isinstance(login, dict) else {}
        if not entry.get("auth") and not (entry.get("username") and entry.get("password")):
            reading.error(path, f"registry {position + 1} has neither `auth` nor `username` and `password`", hint=form)
