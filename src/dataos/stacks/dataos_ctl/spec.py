"""What a stackSpec of the stack `dataos-ctl` may say: a command of the CLI as a job of a Workflow (ch03 7)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dataos.manifest.documents import Manifest, Reference, read_manifest
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, render, spelled
from dataos.manifest.stacks import Use

MANIFEST_FILE = "/etc/dataos/config/manifest.yaml"
"""Where the program finds `manifest`."""


class StackBlock(Spec):
    """The stackSpec as written."""

    arguments: tuple[Text, ...] = spelled("argument", lone=True)
    """What follows `dataos-ctl`, word by word."""
    manifest: dict[str, Any] | None = None
    """A Resource that the command finds in /etc/dataos/config/manifest.yaml."""


@dataclass(frozen=True)
class CommandSpec:
    """One call: what follows `dataos-ctl`, and the manifest that it finds in a file."""

    arguments: tuple[str, ...]
    manifest: dict[str, Any] | None
    secret_paths: tuple[Path, ...] = ()


MODEL = StackBlock


def read(data: Any, reading: Reading, path: Path = ()) -> CommandSpec | None:
    """Canonical CommandSpec of the stackSpec at `path`. The manifest inside is read as if it stood alone."""
    before = len(reading.problems)
    block = read_model(StackBlock, data, reading, path, go_on=True)
    if block is None:
        return None
    arguments = block.arguments
    where = (*path, "arguments")
    if arguments and arguments[0].strip().lower() in ("dataos-ctl", "dataos"):
        reading.warn((*where, 0), f"`{arguments[0]}` is left out: it is said by the stack", code="manifest.variant")
        arguments = arguments[1:]
    if not arguments:
        hint = "for instance [resource, get, -t, service]"
        reading.error(where, "`arguments` needs at least one word", code="manifest.missing", hint=hint)
    elif len(arguments) == 1 and " " in arguments[0].strip():
        parts = ", ".join(arguments[0].split())
        reading.warn(where, f"`{arguments[0]}` is one word: no shell takes it apart", hint=f"write [{parts}]")
    inner = _manifest(block.manifest, (*path, "manifest"), reading) if block.manifest is not None else None
    if len(reading.problems) > before:
        return None
    sealed = tuple(("manifest", inner.section_key, *p) for p in inner.secret_paths) if inner else ()
    return CommandSpec(arguments, block.manifest, sealed)


def bind(spec: CommandSpec, use: Use, reading: Reading) -> tuple[Reference, ...]:
    """A file that a command names must come from somewhere."""
    names_file = any(MANIFEST_FILE in word for word in spec.arguments)
    if names_file and spec.manifest is None and "manifest.yaml" not in use.configs:
        reading.error(
            (*use.stack_path, "arguments"),
            f"nothing puts {MANIFEST_FILE} there",
            hint="write the Resource below `manifest` of this stackSpec, or a file `manifest.yaml` below `configs`",
            code="manifest.missing",
        )
    elif spec.manifest is not None and not names_file:
        text = f"no argument names {MANIFEST_FILE}, where `manifest` is written to"
        reading.warn((*use.stack_path, "manifest"), text, hint=f"add -f, {MANIFEST_FILE}")
    return ()


def _manifest(data: dict[str, Any], path: Path, reading: Reading) -> Manifest | None:
    inner = reading.inner()
    manifest = read_manifest(data, inner)
    prefix = render(path)
    for found, kept in (
        (inner.problems, reading.problems),
        (inner.warnings, reading.warnings),
        (inner.unsupported, reading.unsupported),
    ):
        kept += [replace(p, path=_below(prefix, p.path)) for p in found]
    return manifest


def _below(prefix: str, path: str | None) -> str:
    if not path:
        return prefix
    return prefix + path if path.startswith("[") else f"{prefix}.{path}"
