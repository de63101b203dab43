"""view, doc, datanet: what leads out of the command line."""

from __future__ import annotations

import importlib
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from dataos.cli import table
from dataos.cli.groups import Server, command
from dataos.cli.table import Command
from dataos.core.errors import ExitCode, fail

app = typer.Typer(add_completion=False, rich_markup_mode=None)
APPS = ("home", "metis", "workbench", "operations", "bifrost")
PAGES = {"home": "/", "workbench": "/workbench", "operations": "/operations"}
"""Where the web app has them; the others come later."""
FOLDER = "dataos-ctl-docs"


@command(app, "view")
def view(
    server: Server,
    app: Annotated[str, typer.Option("-a", "--app", help="home, metis, workbench, operations or bifrost.")] = "home",
) -> int:
    """Open an app of the installation in the browser; its address is printed too."""
    if app not in APPS:
        raise fail("usage.app", f"there is no app `{app}`", hint="apps: " + ", ".join(APPS))
    client = server.client()
    if app not in PAGES:
        hint = f"served are: {', '.join(PAGES)}; the others come with a later version: see docs/roadmap.md"
        raise fail("app.absent", f"{client.connection.url} serves no app `{app}` yet", hint=hint)
    address = client.connection.url + PAGES[app]
    client.call("GET", PAGES[app], accept="text/html", timeout_s=10.0).close()
    print(address)
    if not webbrowser.open(address):
        server.out().talk("no browser could be started here: open the address yourself", "🔗", "WARN")
    return ExitCode.OK


@command(app, "doc")
def doc(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write to.")] = Path(FOLDER),
    no_icons: Annotated[bool, typer.Option("--no-icons", help="Plain progress lines.")] = False,
) -> int:
    """Write a Markdown page for each command into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    rows: list[str] = []
    for entry in table.COMMANDS:
        name = "-".join(entry.words)
        (out / f"{name}.md").write_text(f"# dataos {' '.join(entry.words)}\n\n{section(entry)}", "utf-8")
        rows.append(f"| [{' '.join(entry.words)}]({name}.md) | {entry.summary} |\n")
    (out / "README.md").write_text(f"# Commands\n\n| command | what it does |\n|---|---|\n{''.join(rows)}", "utf-8")
    print(out)
    return ExitCode.OK


@command(app, "datanet")
def datanet(
    words: Annotated[list[str] | None, typer.Argument(help="Have no effect.", show_default=False)] = None,
    no_icons: Annotated[bool, typer.Option("--no-icons", help="Plain progress lines.")] = False,
) -> int:
    """Has been removed: `dataos lineage` shows ways of data."""
    hint = "dataos lineage -a dataos://depot:collection/dataset"
    raise fail("usage.removed", "`datanet` was removed, see the catalog", hint=hint)


def section(entry: Command) -> str:
    """Help, other names and flags of a command, as Markdown."""
    module = importlib.import_module(entry.module)
    program = typer.main.get_command(module.app)
    target: Any = getattr(program, "commands", {}).get("-".join(entry.words), program)
    parts = [f"{(target.help or '').strip()}\n"]
    if entry.aliases:
        parts.append("\nAlso: " + ", ".join(f"`{' '.join(a)}`" for a in entry.aliases) + "\n")
    rows: list[str] = []
    for parameter in target.params:
        if "--help" in parameter.opts:
            continue
        is_option = parameter.param_type_name == "option"
        names = ", ".join(f"`{o}`" for o in parameter.opts) if is_option else f"`{parameter.name.upper()}`"
        default = parameter.default
        shown = "" if default in (None, False, ()) or callable(default) else f"`{default}`"
        rows.append(f"| {names} | {getattr(parameter, 'help', None) or ''} | {shown} |\n")
    if rows:
        parts += ["\n| flag | meaning | default |\n|---|---|---|\n", *rows]
    return "".join(parts)
