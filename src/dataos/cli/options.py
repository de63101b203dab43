"""Options that several commands share, and how they turn into connections, targets and documents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dataos.cli.output import Output
from dataos.client.api import Client
from dataos.client.connections import find_connection
from dataos.core import addresses, durations
from dataos.core.errors import Problem, fail
from dataos.manifest import registry

Url = Annotated[str | None, typer.Option("--url", help="Address of the server.")]
Context = Annotated[str | None, typer.Option("--context", help="Client context to use.")]
Format = Annotated[str, typer.Option("-O", "--output", help="table, json or yaml.")]
NoIcons = Annotated[bool, typer.Option("--no-icons", help="Plain progress lines.")]
Type = Annotated[str | None, typer.Option("-t", "--type", help="Resource type.")]
Name = Annotated[str | None, typer.Option("-n", "--name", help="Resource name.")]
Workspace = Annotated[str | None, typer.Option("-w", "--workspace", help="Workspace.")]
IdentifierText = Annotated[
    str | None,
    typer.Option("-i", "--identifier", help="NAME:VERSION:TYPE[:WS], TYPE:VERSION:NAME[:WS] or a row of `get`."),
]
Id = Annotated[str | None, typer.Option("--id", help="TYPE:VERSION:NAME[:WORKSPACE].")]
Version = Annotated[str | None, typer.Option("-v", "--version", help="Manifest version; any if left out.")]
File = Annotated[list[Path] | None, typer.Option("-f", "--manifestFile", help="Manifest file or folder.")]
Files = Annotated[list[Path] | None, typer.Argument(help="Manifest files or folders.", show_default=False)]
Recursive = Annotated[bool, typer.Option("-R", "--recursive", help="All manifests below the folder.")]
NoInterpolation = Annotated[bool, typer.Option("--disable-interpolation", help="Leave $NAME in manifests as it is.")]
Strict = Annotated[bool, typer.Option("--strict", help="Treat every warning as an error.")]
Details = Annotated[bool, typer.Option("-d", "--details", help="Everything, as YAML.")]
Refreshed = Annotated[bool, typer.Option("-r", "--refresh", help="Draw again and again until Ctrl-C.")]
RefreshRate = Annotated[float, typer.Option("--refreshRate", min=0.1, help="Seconds between two drawings.")]


def output(fmt: str, icons_off: bool) -> Output:
    """The Output of a command. Raises DataOSError `usage.output` for an unknown format."""
    if fmt not in ("table", "json", "yaml"):
        raise fail("usage.output", f"-O {fmt} is not known here", hint="allowed: table, json, yaml")
    return Output(fmt, not icons_off)


def client(url: str | None, context: str | None) -> Client:
    """The client of a command."""
    return Client(find_connection(url=url, context=context), notice=_notice)


def _notice(text: str) -> None:
    typer.echo(f"note: {text}", err=True)


@dataclass(frozen=True)
class Target:
    """A Resource that flags named."""

    type: str
    name: str
    workspace: str | None
    version: str | None = None

    @property
    def key(self) -> tuple[str, str, str | None]:
        """Type, name, workspace."""
        return self.type, self.name, self.workspace


def target(
    identifier: str | None,
    id_: str | None,
    type_: str | None,
    name: str | None,
    workspace: str | None,
    version: str | None,
) -> Target | None:
    """The Resource named by `-i`, `--id` or `-t -n`; None if none was named. Raises DataOSError `usage.*`."""
    text = id_ or identifier
    if text:
        found = addresses.parse_identifier(text, _types(), registry.canonical_type)
        type_ = found.type or type_
        name = found.name
        workspace = found.workspace or workspace
        version = found.version or version
    if name is None:
        return None
    if type_ is None:
        raise fail("usage.target", f"which type is `{name}`?", hint="add -t TYPE, or use -i NAME:VERSION:TYPE")
    kind = registry.need_kind(type_)
    return Target(kind.type, name, None if kind.instance_level else workspace or "public", version)


def need(
    identifier: str | None,
    id_: str | None,
    type_: str | None,
    name: str | None,
    workspace: str | None,
    version: str | None,
) -> Target:
    """As `target`, where one must be named. Raises DataOSError `usage.target`."""
    named = target(identifier, id_, type_, name, workspace, version)
    if named is None:
        raise fail(
            "usage.target",
            "name a Resource",
            hint="-i NAME:VERSION:TYPE[:WORKSPACE], or -t TYPE -n NAME [-w WORKSPACE]",
        )
    return named


def comma_separated(values: list[str] | None) -> list[str]:
    """`["a,b", "c"]` -> `["a", "b", "c"]`."""
    return [part.strip() for value in values or [] for part in value.split(",") if part.strip()]


def seconds(text: str) -> float:
    """A duration flag (`24h`, `48 h`, `7d`) in seconds. Raises DataOSError `usage.duration`."""
    found = durations.parse(text.replace(" ", ""))
    if found is None:
        raise fail("usage.duration", f"`{text}` is no duration", hint="write 90s, 24h or 7d")
    return found


def _types() -> list[str]:
    return registry.known_kinds()


def report(out: Output, problems: list[Problem], warnings: list[Problem]) -> None:
    """Print problems and warnings for people."""
    for warning in warnings:
        out.problem(warning, warning=True)
    for problem in problems:
        out.problem(problem)
