"""Layouts of Lens manifests that are found in the wild (ch07 11.4), turned into the one that is meant."""

from __future__ import annotations

from typing import Any, cast

from dataos.manifest.specs import Path, Reading

COMPONENTS = ("api", "worker", "router", "iris", "metric")
ROOT_KEYS = ("source", "repo", *COMPONENTS, "metrics")
"""What may stand beside the section. The registry names `runAsApiKey` besides, only to refuse it there."""
_SHARED = ("envs", "env", "resources", "resource")
_API = ("autoscaling", "loglevel", "replicas", "metricendpoint")


def lift(section: Any, root: dict[str, Any], reading: Reading, path: Path) -> Any:
    """The section with everything in its place; each move is a warning that names the right path."""
    if section is None and root:
        section = {}
    if not isinstance(section, dict):
        return section
    block = dict(cast("dict[str, Any]", section))
    here = {k.lower() for k in block if block[k] is not None}
    for key, value in root.items():
        if key.lower() == "runasapikey":
            continue  # refused by the reader, as every secret outside of the section
        if key in here:
            reading.error((key,), f"`{key}` stands twice: here and below `{path[0]}`")
        elif value is not None:
            reading.warn((key,), f"`{key}` belongs below `{path[0]}`: indent it", code="manifest.variant")
            block = {k: v for k, v in block.items() if k.lower() != key} | {key: value}
    _lift_shared(block, reading, path)
    for name in [k for k in block if k.lower() in ROOT_KEYS and isinstance(block[k], dict)]:
        component = dict(cast("dict[str, Any]", block[name]))
        for key in [k for k in component if k.lower() in ("resources", "resource")]:
            component[key] = _lift_amounts(component[key], reading, (*path, name, key))
        block[name] = component
    return block


def _lift_shared(block: dict[str, Any], reading: Reading, path: Path) -> None:
    """`envs` and `resources` of the section hold for each component; `autoScaling` and the like for `api`."""
    for key in [k for k in block if k.lower() in (*_SHARED, *_API)]:
        value = block.pop(key)
        targets = ("api", "worker", "router") if key.lower() in _SHARED else ("api",)
        shown = ", ".join(f"`{path[0]}.{t}.{key}`" for t in targets)
        reading.warn((*path, key), f"`{key}` is read as {shown}", code="manifest.variant")
        for target in targets:
            written = next((k for k in block if k.lower() == target), target)
            component = block.get(written)
            if component is not None and not isinstance(component, dict):
                continue
            own = cast("dict[str, Any]", component or {})
            if key.lower() in ("envs", "env") and isinstance(value, dict):
                mine = next((k for k in own if k.lower() in ("envs", "env")), "envs")
                if own.get(mine) is None or isinstance(own[mine], dict):
                    block[written] = {**own, mine: {**value, **cast("dict[str, Any]", own.get(mine) or {})}}
            elif not any(k.lower().rstrip("s") == key.lower().rstrip("s") for k in own):
                block[written] = {**own, key: value}


def _lift_amounts(value: Any, reading: Reading, path: Path) -> Any:
    """`cpu` and `memory` beside empty `requests` and `limits`. Where both are empty YAML kept the last: the limits."""
    if not isinstance(value, dict):
        return value
    block = cast("dict[str, Any]", value)
    strays = {k: v for k, v in block.items() if k.lower() in ("cpu", "memory")}
    empty = [k for k in block if k.lower().rstrip("s") in ("request", "limit") and block[k] is None]
    if not strays:
        return block
    target = empty[-1] if empty else "requests"
    reading.warn(path, f"`cpu` and `memory` belong below `{target}`: indent them", code="manifest.variant")
    rest = {k: v for k, v in block.items() if k not in strays and k != target}
    return {**rest, target: strays} if empty or target not in block else block
