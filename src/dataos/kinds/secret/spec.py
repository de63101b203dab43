"""What a Secret or Instance-Secret manifest may say (ch02 2.2, 2.3)."""

from __future__ import annotations

import re
from typing import Any, cast

from dataos.core import names
from dataos.manifest.documents import Context, KindReading
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

TYPES = ("key-value", "key-value-properties", "certificate", "cloud-kernel", "cloud-kernel-image-pull")


class SecretSpec(Spec):
    """One secret. `data` holds text values; files were merged into it by the client."""

    type: Text
    acl: Text
    data: dict[str, Text | None] = spelled("values", default={})
    files: dict[str, Text] | None = spelled("file", default=None)


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
    spec = read_model(SecretSpec, section, reading, path)
    if spec is None:
        return None
    kind = "certificate" if spec.type.strip().lower() == "certificates" else spec.type
    type_ = one_of(kind, TYPES, (*path, "type"), reading, "secret type")
    acl = one_of(spec.acl, ("r", "rw"), (*path, "acl"), reading, "acl")
    data = {key: value or "" for key, value in spec.data.items()}
    for key in data:
        if not re.fullmatch(names.SECRET_KEY, key):
            reading.error(
                (*path, "data", key), f"key `{key}` is not allowed", hint="keys hold letters, digits, `-`, `_` and `.`"
            )
    if spec.files:
        reading.error(
            (*path, "files"),
            "files must be read by the client before they are sent",
            code="manifest.file",
            hint="apply with `dataos apply -f`, which reads them, or put the content below `data`",
        )
    if not data and not spec.files:
        reading.error(path, "a secret needs `data` or `files`", code="manifest.missing")
    if "password" in data and "auth_mode" in data and data["auth_mode"] == "key-pair":
        reading.error((*path, "data"), "give either a password or a key pair, not both")
    if type_ is None or acl is None or len(reading.problems) > before:
        return None
    canonical = SecretSpec.model_validate({"type": type_, "acl": acl, "data": data})
    written = next((k for k in cast("dict[str, Any]", section) if k.lower() in ("data", "values")), "data")
    return KindReading(canonical, secret_paths=tuple((*path[1:], written, key) for key in data))
