"""Options that go together, as one parameter of a command.

`@command(app, "name")` on `def verb(named: Named, server: Server) -> int` makes a Typer command with the options of
both groups; the function itself is left as it is and can be called with groups.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import typer

from dataos.cli import options
from dataos.cli.options import (
    Context,
    File,
    Files,
    Format,
    Id,
    IdentifierText,
    Name,
    NoIcons,
    NoInterpolation,
    Recursive,
    Refreshed,
    RefreshRate,
    Target,
    Type,
    Url,
    Version,
    Workspace,
)
from dataos.cli.output import Output
from dataos.client.api import Client
from dataos.core.errors import fail

if TYPE_CHECKING:
    from dataos.cli.documents import Loaded

F = TypeVar("F", bound=Callable[..., int])


class Group:
    """A dataclass whose fields are options of a command. `common`: help shows them after the command's own."""

    common: ClassVar[bool] = False


@dataclass(frozen=True)
class Server(Group):
    """Which server; how progress looks."""

    common = True

    url: Url = None
    context: Context = None
    no_icons: NoIcons = False

    def client(self) -> Client:
        """The client of the server."""
        return options.client(self.url, self.context)

    def out(self) -> Output:
        """Output for people."""
        return options.output("table", self.no_icons)


@dataclass(frozen=True)
class Reader(Server):
    """As Server, of a command whose answer programs read too."""

    output: Format = "table"

    def out(self) -> Output:
        """Output in the asked format."""
        return options.output(self.output, self.no_icons)


@dataclass(frozen=True)
class Printed(Group):
    """Of a command that asks no server."""

    common = True

    output: Format = "table"
    no_icons: NoIcons = False

    def out(self) -> Output:
        """Output in the asked format."""
        return options.output(self.output, self.no_icons)


@dataclass(frozen=True)
class Named(Group):
    """A Resource, in any of the ways to name one."""

    type: Type = None
    name: Name = None
    workspace: Workspace = None
    identifier: IdentifierText = None
    id: Id = None
    version: Version = None

    def find(self, type_: str | None = None) -> Target | None:
        """The Resource, or None if none is named. `type_`: if no type is said."""
        return options.target(
            self.identifier, self.id, self.type or type_, self.name, self.workspace, self.version
        )  # fmt: skip

    def need(self, type_: str | None = None) -> Target:
        """The Resource. Raises DataOSError `usage.target`."""
        return options.need(self.identifier, self.id, self.type or type_, self.name, self.workspace, self.version)


@dataclass(frozen=True)
class ManifestFiles(Group):
    """Files of manifests, in the place of a name."""

    manifest_file: File = None
    recursive: Recursive = False
    disable_interpolation: NoInterpolation = False

    def targets(self, workspace: str | None) -> list[Target]:
        """The Resources that they declare, in the order in which they can be deleted."""
        from dataos.cli import documents  # reading manifests costs start-up time that other calls need not pay

        return documents.targets(self.manifest_file or [], self.recursive, workspace, self.disable_interpolation)


@dataclass(frozen=True)
class Manifests(Group):
    """Manifests that a command works on, and the workspace of those that name none."""

    files: Files = None
    manifest_file: File = None
    recursive: Recursive = False
    disable_interpolation: NoInterpolation = False
    workspace: Workspace = None

    def paths(self) -> list[Path]:
        """What was named, with -f or without."""
        return [*(self.manifest_file or []), *(self.files or [])]

    def load(self, verb: str) -> Loaded:
        """Read them. Raises DataOSError `usage.file` if none is named."""
        from dataos.cli import documents

        paths = self.paths()
        if not paths:
            hint = f"dataos {verb} -f FILE, or -R -f FOLDER"
            raise fail("usage.file", "name a manifest file or folder", hint=hint)
        return documents.load(paths, self.recursive, self.workspace, self.disable_interpolation)


@dataclass(frozen=True)
class Redrawn(Group):
    """A table that is drawn again and again."""

    common = True

    refresh: Refreshed = False
    refresh_rate: RefreshRate = 5.0


def command(app: typer.Typer, name: str) -> Callable[[F], F]:
    """Register a function whose parameters are options and groups."""

    def register(function: F) -> F:
        app.command(name)(_flat(function))
        return function

    return register


def _flat(function: Callable[..., int]) -> Callable[..., int]:
    """The function with the fields of its groups in the place of the groups."""
    hints = typing.get_type_hints(function, include_extras=True)
    groups: dict[str, type[Any]] = {}
    parameters: list[inspect.Parameter] = []
    common: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        hint = hints[parameter.name]
        if isinstance(hint, type) and issubclass(hint, Group):
            groups[parameter.name] = hint
            kinds = typing.get_type_hints(hint, include_extras=True)
            target = common if hint.common else parameters
            target += [_option(f.name, kinds[f.name], f.default) for f in dataclasses.fields(hint)]  # pyright: ignore[reportArgumentType] - groups are dataclasses
        else:
            parameters.append(_option(parameter.name, hint, parameter.default))

    parameters += common

    def call(**values: Any) -> int:
        for name, group in groups.items():
            own = {f.name: values.pop(f.name) for f in dataclasses.fields(group)}
            values[name] = group(**own)
        return function(**values)

    call.__doc__ = function.__doc__
    call.__name__ = function.__name__
    call.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess] - how Typer sees it
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    return call


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
