"""Manifests as people see them: secret values masked or revealed, differences of two generations."""

from __future__ import annotations

from typing import Any, cast

from dataos.manifest.documents import MASK
from dataos.manifest.specs import Path, render


def masked(manifest: Any) -> Any:
    """The manifest with vault references shown as `****`."""
    if isinstance(manifest, dict):
        return {k: masked(v) for k, v in cast("dict[str, Any]", manifest).items()}
    if isinstance(manifest, list):
        return [masked(v) for v in cast("list[Any]", manifest)]
    if isinstance(manifest, str) and manifest.startswith("vault:") and "#" in manifest:
        return MASK
    return manifest


def diff(old: Any, new: Any, secret_paths: list[Path], path: Path = ()) -> list[dict[str, Any]]:
    """What differs between two manifests: [{path, from, to}], values of secrets never shown."""
    if path in secret_paths:
        return [] if old == new else [{"path": render(path), "from": "****", "to": "**** (may have changed)"}]
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
        keys = list(dict.fromkeys([*before, *after]))
        return [c for k in keys for c in diff(before.get(k), after.get(k), secret_paths, (*path, k))]
    if isinstance(old, list) and isinstance(new, list) and len(cast("list[Any]", old)) == len(cast("list[Any]", new)):
        pairs = enumerate(zip(cast("list[Any]", old), cast("list[Any]", new), strict=True))
        return [c for i, (a, b) in pairs for c in diff(a, b, secret_paths, (*path, i))]
    return [] if old == new else [{"path": render(path), "from": masked(old), "to": masked(new)}]
