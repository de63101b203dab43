"""Walks a pipeline's components: their types, labels, children and references (ch05 5, 22).

What a component's own fields say is left to the engine. Messages are those that its users know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.manifest.specs import Path, Reading, render
from dataos.stacks.bento import shapes
from dataos.stacks.bento.components import (
    CHILDREN,
    COMMON_CHILDREN,
    COMMON_REFERENCES,
    DATAOS,
    ENVELOPE,
    LISTS,
    NAMES,
    REFERENCES,
    REMOVED,
    TEXTS,
)
from dataos.stacks.bento.depots import check_depot_component

_LABEL = re.compile(r"[a-z0-9][a-z0-9_]*")
_META_FIELD = re.compile(r"^\s*meta\.[A-Za-z_]\w*\s*=[^=]", re.MULTILINE)
_RESOURCES = ("input", "processor", "output", "cache", "rate_limit")


@dataclass
class Walk:
    """What is found on the way. `used`: (kind, type, config, path) of every component."""

    reading: Reading
    used: list[tuple[str, str, Any, Path]] = field(default_factory=list[tuple[str, str, Any, Path]])
    addresses: list[tuple[Path, Udl]] = field(default_factory=list[tuple[Path, Udl]])
    _labels: dict[str, Path] = field(default_factory=dict[str, Path])
    _resources: dict[str, set[str]] = field(default_factory=lambda: {kind: set[str]() for kind in _RESOURCES})
    _named: list[tuple[str, str, Path]] = field(default_factory=list[tuple[str, str, Path]])

    # --- components ---------------------------------------------------------------------------------------------------

    def single(self, kind: str, value: Any, path: Path) -> Any:
        """One component where exactly one stands. A list is one too: of one, or of several in a broker."""
        if isinstance(value, list) and kind in ("input", "output"):
            items = cast("list[Any]", value)
            if len(items) == 1:
                self._notice(path, (), f"`{kind}` is one component: the list of one is read as it")
                return self.component(kind, items[0], (*path, 0))
            self._notice(path, (), f"a list of {len(items)} {kind}s is read as a `broker` of them")
            found = [self.component(kind, item, (*path, i)) for i, item in enumerate(items)]
            broker = {f"{kind}s": found, **({"pattern": "fan_out"} if kind == "output" else {})}
            self.used.append((kind, "broker", broker, path))
            return {"broker": broker}
        return self.component(kind, value, path)

    def component(self, kind: str, value: Any, path: Path) -> Any:
        """A component in the engine's shape, with everything in it; what cannot be read comes back as it is."""
        if not isinstance(value, dict):
            if value is None:
                self._error(path, f"an explicit {kind} type must be specified", self._known(kind))
            else:
                self._error(path, f"expected object value, got {_tag(value)}", f"a {kind} is a mapping with its type")
            return value
        written = cast("dict[str, Any]", value)
        mended = shapes.mend(kind, written, lambda at, text: self._notice(path, at, text))
        type_, config, where = self._type(kind, mended, path)
        if type_ is None:
            return value
        self._check_label(mended.get("label"), kind, type_, (*path, "label"))
        self.used.append((kind, type_, config, (*path, *where)))
        config = self._config(kind, type_, config, (*path, *where))
        result: dict[str, Any] = {"label": mended["label"]} if mended.get("label") else {}
        result[type_] = config
        if mended.get("processors") is not None and "processors" in ENVELOPE[kind]:
            result["processors"] = self.processors(mended["processors"], (*path, "processors"))
        if kind == "metrics" and "mapping" in mended:
            result["mapping"] = mended["mapping"]
        return result

    def processors(self, value: Any, path: Path) -> Any:
        """A list of processors; one that stands for two comes back as two."""
        if value is None:
            return []
        if not isinstance(value, list):
            self._error(path, f"expected array value, got {_tag(value)}", "write a list of processors")
            return value
        found: list[Any] = []
        for position, item in enumerate(cast("list[Any]", value)):
            where = (*path, position)
            if not isinstance(item, dict):
                found.append(self.component("processor", item, where))
                continue
            parts = shapes.split_rate_limit(
                cast("dict[str, Any]", item), lambda at, text, where=where: self._notice(where, at, text)
            )
            found += [self.component("processor", part, where) for part in parts]
        return found

    def resources(self, kind: str, value: Any, path: Path) -> Any:
        """`cache_resources` and the like: components that others name by their label."""
        if not isinstance(value, list):
            self._error(path, f"expected array value, got {_tag(value)}", "write a list of components with labels")
            return value
        found: list[Any] = []
        for position, item in enumerate(cast("list[Any]", value)):
            label = cast("dict[str, Any]", item).get("label") if isinstance(item, dict) else None
            if isinstance(label, str) and label.strip():
                self._resources[kind].add(label)
            else:
                text = "the label field for resources must be unique and not empty"
                self._error((*path, position), text, f"add `label:` to this {kind}")
            found.append(self.component(kind, item, (*path, position)))
        return found

    def check_references(self) -> None:
        """Every label that is named is one of a shared component of that kind."""
        for kind, label, path in self._named:
            if label not in self._resources[kind]:
                known = self._resources[kind]
                hint = names.did_you_mean(label, known) or f"add it to `{kind}_resources`"
                self._error(path, f"unable to find {kind} resource '{label}'", hint)

    # --- parts --------------------------------------------------------------------------------------------------------

    def _type(self, kind: str, value: dict[str, Any], path: Path) -> tuple[str | None, Any, Path]:
        """The component's type, its config, and where that stands below it."""
        plugin = value.get("plugin")
        explicit = value.get("type")
        inside = dict(cast("dict[str, Any]", plugin)) if isinstance(plugin, dict) else {}
        if explicit is None and isinstance(inside.get("type"), str) and inside["type"] in NAMES[kind]:
            explicit = inside.pop("type")
        keys = [k for k in value if k not in ENVELOPE[kind]]
        if explicit is not None:
            name = str(explicit)
            if name not in NAMES[kind]:
                self._error((*path, "type"), f"{kind} type '{name}' was not recognised", self._known(kind, name))
                return None, None, ()
            self._check_strays(kind, name, keys, path)
            at = name if name in value else "plugin"
            return name, value.get(name, inside or plugin), (at,) if at in value else ()
        known = [k for k in keys if k in NAMES[kind]]
        removed = [k for k in keys if kind == "processor" and k in REMOVED]
        if removed:
            self._error(
                (*path, removed[0]), f"processor `{removed[0]}` was removed from the engine", REMOVED[removed[0]]
            )
        elif len(known) > 1:
            listed = " and ".join(f"'{k}'" for k in known)
            hint = f"a {kind} has one type: make two of it, or indent what belongs to the other"
            self._error(path, f"unable to infer {kind} type, multiple candidates {listed}", hint)
        elif not keys:
            self._error(path, f"an explicit {kind} type must be specified", self._known(kind))
        elif not known:
            text = f"unable to infer {kind} type from candidates: [{' '.join(keys)}]"
            self._error((*path, keys[0]), text, self._known(kind, keys[0]))
        else:
            self._check_strays(kind, known[0], keys, path)
            return known[0], value[known[0]], (known[0],)
        return None, None, ()

    def _check_strays(self, kind: str, type_: str, keys: Iterable[str], path: Path) -> None:
        for key in keys:
            if key != type_:
                text = f"field {key} is invalid when the component type is {type_} ({kind})"
                self._error((*path, key), text, f"indent it below `{type_}:` if it belongs there")

    def _check_label(self, label: Any, kind: str, type_: str, path: Path) -> None:
        if label is None or label == "" or (isinstance(label, str) and "${" in label):
            return
        if not isinstance(label, str) or not _LABEL.fullmatch(label):
            rule = "should match the regular expression /^[a-z0-9_]+$/ and must not start with an underscore"
            self._error(path, f"invalid label '{label}': {rule}", "use small letters, digits and `_`")
        elif type_ == "resource" and kind in ("input", "output", "processor"):
            self._error(path, "a component that names a resource has no label of its own", "leave the label out")
        elif label in self._labels:
            first = render(self._labels[label])
            self._error(path, f"label '{label}' collides with a previously defined label at {first}", "rename one")
        else:
            self._labels[label] = path

    def _config(self, kind: str, type_: str, config: Any, path: Path) -> Any:
        if type_ in TEXTS and kind != "scanner":
            if not isinstance(config, str):
                self._error(path, f"expected string value, got {_tag(config)}", f"`{type_}` is a text")
            elif kind == "processor" and type_ != "resource" and _META_FIELD.search(config):
                text = "`meta.x = ...` sets a field of the document, not metadata"
                self._notice(path, (), f"{text}: write `meta x = ...`")
        elif type_ in LISTS.get(kind, ()):
            if type_ == "for_each" and config is None:
                hint = "write the processors as its list, or `switch` with `check: errored()`"
                self._error(path, "`for_each` without processors was removed from the engine", hint)
            elif not isinstance(config, list):
                self._error(path, f"expected array value, got {_tag(config)}", f"`{type_}` is a list")
        elif (kind, type_) not in (("output", "reject_errored"),) and not (config is None or isinstance(config, dict)):
            self._error(path, f"expected object value, got {_tag(config)}", f"`{type_}` is a mapping of its fields")
            return config
        if type_ in DATAOS.get(kind, ()):
            check_depot_component(kind, type_, config, path, self.reading, self.addresses)
        self._note_references(kind, type_, config, path)
        for place, child in (*CHILDREN.get((kind, type_), ()), *COMMON_CHILDREN.get(kind, ())):
            config = self._rewrite(config, _parts(place), path, self._reader(child))
        return {} if config is None else config

    def _reader(self, child: str) -> Callable[[Any, Path], Any]:
        if child == "processors":
            return self.processors
        return lambda value, path: self.single(child, value, path)

    def _note_references(self, kind: str, type_: str, config: Any, path: Path) -> None:
        def note(target: str) -> Callable[[Any, Path], Any]:
            def found(value: Any, at: Path) -> Any:
                if isinstance(value, str) and value and "${" not in value:
                    self._named.append((target, value, at))
                return value

            return found

        for place, target in REFERENCES.get((kind, type_), ()):
            self._rewrite(config, _parts(place), path, note(target))
        if kind in ("input", "output", "processor") and isinstance(config, dict) and type_ != "rate_limit":
            for place, target in COMMON_REFERENCES:
                self._rewrite(config, _parts(place), path, note(target))

    def _rewrite(self, value: Any, parts: list[str], path: Path, read: Callable[[Any, Path], Any]) -> Any:
        """`value` with what stands at the place `parts` replaced by what `read` makes of it."""
        if not parts:
            return read(value, path)
        part, rest = parts[0], parts[1:]
        if part == "[]":
            if not isinstance(value, list):
                return value
            items = cast("list[Any]", value)
            return [self._rewrite(item, rest, (*path, i), read) for i, item in enumerate(items)]
        if not isinstance(value, dict):
            return value
        block = cast("dict[str, Any]", value)
        if part == "{}":
            return {k: self._rewrite(v, rest, (*path, k), read) for k, v in block.items()}
        key = part.rstrip("!")
        if key not in block:
            if part.endswith("!"):
                self._error(path, f"field {key} is required", f"add `{key}`")
            return block
        if rest[:1] == ["[]"] and block[key] is not None and not isinstance(block[key], list):
            self._error((*path, key), f"expected array value, got {_tag(block[key])}", "write a list")
        return {**block, key: self._rewrite(block[key], rest, (*path, key), read)}

    # --- words --------------------------------------------------------------------------------------------------------

    def _known(self, kind: str, word: str = "") -> str:
        near = names.nearest(word, NAMES[kind]) if word else []
        if near:
            return "did you mean " + " or ".join(f"`{n}`" for n in near) + "?"
        few = sorted(NAMES[kind])
        return f"{kind}s: " + ", ".join(few[:12]) + (", ..." if len(few) > 12 else "")

    def _error(self, path: Path, text: str, hint: str) -> None:
        self.reading.error(path, text, code="bento.config", hint=hint)

    def _notice(self, path: Path, at: Path, text: str) -> None:
        self.reading.warn((*path, *at), text, code="manifest.variant")


def _parts(place: str) -> list[str]:
    """`cases![].output` -> `["cases!", "[]", "output"]`."""
    return [part for part in re.findall(r"\[\]|\{\}|[^.\[\]{}]+", place) if part]


def _tag(value: Any) -> str:
    if value is None:
        return "!!null"
    if isinstance(value, bool):
        return "!!bool"
    return {str: "!!str", int: "!!int", float: "!!float", list: "!!seq", dict: "!!map"}.get(type(value), "!!str")  # pyright: ignore[reportUnknownArgumentType] - foreign data
