"""What a stackSpec of the stack `steampipestack` may say: APIs and files as tables over PostgreSQL's wire (ch03 10).

Most of it stands beside the stackSpec: the port, a password, and the plugins' own files below `configs`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

import yaml

from dataos.manifest.documents import Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled
from dataos.manifest.stacks import Use

PORT = 9193
PASSWORD = "STEAMPIPE_DATABASE_PASSWORD"  # noqa: S105 - the name of a variable
INSTALLS = "plugins_install.yaml"
PLUGINS = ("csv", "aws", "salesforce", "config", "googlesheets", "airtable", "finance", "exec")
"""Those that come with the stack."""

_PLUGIN = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*(@[A-Za-z0-9^~<>=.*_-]+)?")


class StackBlock(Spec):
    """The stackSpec as written; it may be empty."""

    plugins: tuple[Text, ...] = spelled("plugin", default=(), lone=True)
    """Plugins to load besides those that have a file."""


@dataclass(frozen=True)
class SteampipeSpec:
    """Plugins to load besides those that have a `.spc` file."""

    plugins: tuple[str, ...]


MODEL = StackBlock


def read(data: Any, reading: Reading, path: Path = ()) -> SteampipeSpec | None:
    """Canonical SteampipeSpec of the stackSpec at `path`, or None with every fault in `reading`."""
    before = len(reading.problems)
    block = read_model(StackBlock, data, reading, path, go_on=True)
    if block is None:
        return None
    for position, plugin in enumerate(block.plugins):
        if not _PLUGIN.fullmatch(plugin.strip()):
            reading.error((*path, "plugins", position), f"`{plugin}` is no name of a plugin", hint="for instance csv")
    return SteampipeSpec(tuple(p.strip() for p in block.plugins)) if len(reading.problems) == before else None


def bind(spec: SteampipeSpec, use: Use, reading: Reading) -> tuple[Reference, ...]:
    """The port is the engine's, a password must come from somewhere, and the files are what the engine reads."""
    port = use.exposure.port
    if port != PORT:
        said = "is required" if port is None else f"{port} is not allowed"
        reading.error((*use.path, "servicePort"), f"servicePort {said} for this stack", hint=f"write {PORT}")
    if PASSWORD in use.envs:
        hint = "list a secret with that key below `dataosSecrets`"
        reading.warn((*use.path, "envs", PASSWORD), f"{PASSWORD} stands in the manifest in clear", hint=hint)
    elif not use.may_get(PASSWORD):
        reading.error(
            use.path,
            f"nothing sets {PASSWORD}",
            code="manifest.missing",
            hint=f"list a secret with the key {PASSWORD} below `dataosSecrets`",
        )
    installed = _installs(use.configs.get(INSTALLS), (*use.path, "configs", INSTALLS), reading)
    for position, plugin in enumerate(spec.plugins):
        name = plugin.partition("@")[0]
        if name.rsplit("/", 1)[-1] not in PLUGINS and name not in installed:
            hint = f"{', '.join(PLUGINS)} come with the stack; others are installed by `{INSTALLS}` below `configs`"
            reading.warn((*use.stack_path, "plugins", position), f"plugin `{plugin}` does not come with it", hint=hint)
    for name, content in use.configs.items():
        is_content = "\n" in content or "{" in content
        if name.endswith(".spc") and is_content and not re.search(r'\bconnection\s+"[^"]+"\s*\{', content):
            hint = 'for instance connection "csv" { plugin = "csv" paths = ["*.csv"] }'
            reading.error((*use.path, "configs", name), "the file holds no `connection`", hint=hint)
    return ()


def _installs(content: str | None, path: Path, reading: Reading) -> set[str]:
    """Names of the plugins of a file of `steampipe plugin install` commands."""
    if content is None or not content.strip():
        return set()
    hint = "a list of commands: - steampipe plugin install hackernews"
    try:
        commands: Any = yaml.safe_load(content)
    except yaml.YAMLError:
        reading.error(path, "the file is no YAML", hint=hint)
        return set()
    found: set[str] = set()
    for command in cast("list[Any]", commands) if isinstance(commands, list) else [None]:
        words = command.split() if isinstance(command, str) else []
        if words[:3] != ["steampipe", "plugin", "install"] or not all(_PLUGIN.fullmatch(w) for w in words[3:]):
            reading.error(path, f"`{str(command)[:80]}` is no command that installs a plugin", hint=hint)
            continue
        found |= {word.partition("@")[0] for word in words[3:]}
    return found
