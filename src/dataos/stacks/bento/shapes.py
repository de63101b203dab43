"""Shapes of components that are found in the wild and must load: each is put right with a notice (ch05 5.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

Notice = Callable[[tuple[str | int, ...], str], None]
"""Says (below the component, what was done)."""

_MOVED: dict[str, dict[str, tuple[str, ...]]] = {
    "processor": {
        "branch": ("request_map", "processors", "result_map"),
        "log": ("level", "message", "fields", "fields_mapping"),
    },
    "input": {"broker": ("inputs", "copies", "batching", "pattern")},
    "output": {"broker": ("outputs", "copies", "pattern", "batching")},
}
_MAPPINGS = ("mapping", "bloblang", "mutation")
_MISINDENTED = ("rate_limit", "timeout", "parallel", "retries", "max_in_flight", "verb")
_OLD_TTL = {"memory": "ttl", "redis": "expiration", "memcached": "ttl"}


def mend(kind: str, component: dict[str, Any], notice: Notice) -> dict[str, Any]:
    """The component in the shape that the engine takes; a copy if anything was changed."""
    for name, keys in _MOVED.get(kind, {}).items():
        component = _move_inside(component, name, keys, notice)
    if component.get("type") == "sync_response" or "sync_response" in component:
        extras = [k for k in component if k not in ("type", "sync_response", "label", "processors", "plugin")]
        for key in extras:
            notice((key,), f"`{key}` has no effect beside `sync_response`")
        component = {k: v for k, v in component.items() if k not in extras}
    if kind == "input" and isinstance(component.get("http_server"), dict):
        component = _hoist_processors(component, notice)
    if kind == "output" and isinstance(component.get("rate_limit"), str) and _others(component, "rate_limit"):
        label = component["rate_limit"]
        notice(("rate_limit",), f"`rate_limit` of an output is read as a processor before it: {label}")
        first: list[Any] = [{"rate_limit": {"resource": label}}]
        rest = component.get("processors") or []
        component = {k: v for k, v in component.items() if k != "rate_limit"}
        component["processors"] = [*first, *(cast("list[Any]", rest) if isinstance(rest, list) else [])]
    for name in ("http_client", "http"):
        if isinstance(component.get(name), dict):
            component = _check_headers(component, name, notice)
    if kind == "cache":
        component = _rename_ttl(component, notice)
    return component


def split_rate_limit(processor: dict[str, Any], notice: Notice) -> list[dict[str, Any]]:
    """A mapping with `rate_limit: label` beside it is two processors."""
    label = processor.get("rate_limit")
    if not isinstance(label, str) or not any(m in processor for m in _MAPPINGS):
        return [processor]
    notice(("rate_limit",), f"`rate_limit` beside a mapping is read as a processor before it: {label}")
    return [{"rate_limit": {"resource": label}}, {k: v for k, v in processor.items() if k != "rate_limit"}]


def _others(component: dict[str, Any], key: str) -> bool:
    return any(k != key for k in component)


def _move_inside(component: dict[str, Any], name: str, keys: tuple[str, ...], notice: Notice) -> dict[str, Any]:
    body = component.get(name)
    if name not in component or not (body is None or isinstance(body, dict)):
        return component
    stray = [k for k in keys if k in component]
    if not stray:
        return component
    inside: dict[str, Any] = dict(cast("dict[str, Any]", body or {}))
    for key in stray:
        notice((key,), f"`{key}` belongs below `{name}:`: indent it")
        inside.setdefault(key, component[key])
    return {k: v for k, v in component.items() if k not in stray} | {name: inside}


def _hoist_processors(component: dict[str, Any], notice: Notice) -> dict[str, Any]:
    server = cast("dict[str, Any]", component["http_server"])
    if "processors" not in server or "processors" in component:
        return component
    notice(("http_server", "processors"), "`processors` belongs beside `http_server`")
    rest = {k: v for k, v in server.items() if k != "processors"}
    return {**component, "http_server": rest, "processors": server["processors"]}


def _check_headers(component: dict[str, Any], name: str, notice: Notice) -> dict[str, Any]:
    body = cast("dict[str, Any]", component[name])
    headers = body.get("headers")
    if not isinstance(headers, dict):
        return component
    found: dict[str, Any] = {}
    for key, value in cast("dict[str, Any]", headers).items():
        if key in _MISINDENTED:
            notice((name, "headers", key), f"`{key}` is sent as a header: if that is not meant, indent it less")
        if isinstance(value, bool):
            found[key] = "true" if value else "false"
        else:
            found[key] = str(value) if isinstance(value, (int, float)) else value
    return {**component, name: {**body, "headers": found}}


def _rename_ttl(component: dict[str, Any], notice: Notice) -> dict[str, Any]:
    for name, old in _OLD_TTL.items():
        body = component.get(name)
        if isinstance(body, dict) and old in body:
            whole = cast("dict[str, Any]", body)
            notice((name, old), f"`{old}` is read as `default_ttl`; a bare number counts seconds")
            value = whole[old]
            bare = isinstance(value, (int, float)) or (isinstance(value, str) and value.strip().isdigit())
            rest = {k: v for k, v in whole.items() if k != old}
            rest.setdefault("default_ttl", f"{value}s" if bare else value)
            component = {**component, name: rest}
    return component
