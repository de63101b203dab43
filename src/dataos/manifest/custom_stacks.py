"""Stacks that users define (type `stack`, ch03 5): what a workload knows of one, and its stackSpec against its schema.

Which ones there are is found by `stacks_in` among the documents of a set and handed on in `Reading.stacks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from dataos.core import names

if TYPE_CHECKING:
    from dataos.manifest.specs import Path, Reading


@dataclass(frozen=True)
class CustomStack:
    """What a Stack Resource offers. `schema` None: any stackSpec. `is_broken`: it has faults of its own."""

    name: str
    flavour: str | None
    version: str
    hosts: tuple[str, ...]
    schema: dict[str, Any] | bool | None
    resource: str  # name of the Resource
    is_broken: bool = False

    @property
    def reference(self) -> str:
        """`name+flavour:version`."""
        return self.name + (f"+{self.flavour}" if self.flavour else "") + f":{self.version}"


def choose(
    stacks: Iterable[CustomStack], name: str, flavour: str | None, version: str | None, path: Path, reading: Reading
) -> CustomStack | None:
    """The one that a reference means: the newest version where it names none, the flavour where there is one alone.
    None after a problem."""
    known = [s for s in stacks if s.name.lower() == name.lower()]
    fitting = [s for s in known if flavour is None or (s.flavour or "").lower() == flavour.lower()]
    flavours = {s.flavour for s in fitting}
    offered = "write " + " or ".join(sorted(s.reference for s in known))
    if not fitting:
        reading.error(path, f"stack {name} has no flavour `{flavour}`", hint=offered)
        return None
    if len(flavours) > 1:
        reading.error(path, f"stack {name} has several flavours", hint=offered)
        return None
    if version is None:
        return max(fitting, key=lambda s: _parts(s.version))
    found = next((s for s in fitting if _parts(s.version) == _parts(version)), None)
    if found is None:
        reading.error(path, f"stack {name} has no version {version}", code="stack.version", hint=offered)
    return found


def check(stack: CustomStack, data: Any, path: Path, reading: Reading) -> None:
    """The stackSpec against the schema of its Stack: each fault with its place and the rule that it breaks."""
    if stack.schema is None or stack.is_broken:
        return
    # Late: only who uses such a stack needs the library.
    from jsonschema import validators
    from jsonschema.exceptions import SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    schema = stack.schema if isinstance(stack.schema, dict) else {} if stack.schema else {"not": {}}
    try:
        chosen = validators.validator_for(schema, default=validators.Draft202012Validator)
        chosen.check_schema(schema)
        found = list(chosen(schema, registry=Registry()).iter_errors(data))  # nothing is fetched
    except (SchemaError, Unresolvable, re.error, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        reading.warn(path, f"the schema of Stack `{stack.resource}` cannot be used: {first[:200]}")
        return
    for error in found:
        if isinstance(error.instance, str) and error.instance.startswith("vault:"):
            continue  # a value that is sealed: it was checked before
        where: list[str | int] = list(error.absolute_path)
        hint = f"the schema of Stack `{stack.resource}` says: {error.validator} {_short(error.validator_value)}"
        reading.error((*path, *where), _without_value(error), code="stack.spec", hint=hint)


def _without_value(error: Any) -> str:
    """The message, without a value that may be secret or long."""
    rule = str(error.validator)
    if rule == "required":
        missing = [k for k in cast("list[Any]", error.validator_value) if k not in error.instance]
        return "required here: " + ", ".join(f"`{k}`" for k in missing)
    if rule == "additionalProperties":
        allowed = error.schema.get("properties", {})
        unknown = [k for k in error.instance if k not in allowed]
        near = names.did_you_mean(str(unknown[0]), allowed) if unknown else ""
        return f"unknown key `{unknown[0]}`" + (f": {near}" if near else "") if unknown else "a key is not allowed"
    if rule == "type":
        kind = {dict: "a mapping", list: "a list", str: "a text", bool: "a boolean", type(None): "nothing"}
        return f"expected {_short(error.validator_value)}, found {kind.get(type(error.instance), 'a number')}"
    return f"the value breaks the rule `{rule}`"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall("[0-9]+", version)]


# --- which there are --------------------------------------------------------------------------------------------------


def stack_documents(documents: Iterable[Any], is_type: Any) -> Iterator[dict[str, Any]]:
    """Manifests of type stack among documents, those inside Bundles included. `is_type`: (document, type) -> bool."""
    for data in documents:
        if not isinstance(data, dict):
            continue
        document = cast("dict[str, Any]", data)
        if is_type(document, "stack"):
            yield document
        elif is_type(document, "bundle"):
            for section in document.values():
                items = cast("dict[str, Any]", section) if isinstance(section, dict) else {}
                for key, entries in items.items():
                    if key.lower() in ("resources", "resource") and isinstance(entries, list):
                        specs = [cast("dict[str, Any]", e).get("spec") for e in entries if isinstance(e, dict)]  # pyright: ignore[reportUnknownVariableType] - foreign data
                        yield from stack_documents(specs, is_type)
