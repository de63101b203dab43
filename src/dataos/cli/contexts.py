"""context list|select|delete, init: which servers (ch01 8.2)."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dataos.cli import options
from dataos.cli.groups import Printed, command
from dataos.cli.options import NoIcons
from dataos.client import connections
from dataos.core import places
from dataos.core.errors import ExitCode, fail

app = typer.Typer(add_completion=False, rich_markup_mode=None)
ContextName = Annotated[str, typer.Option("-n", "--name", help="Name of the context.")]


@command(app, "context-list")
def listing(printed: Printed) -> int:
    """List contexts; `*` marks the active one."""
    out = printed.out()
    folder = places.client_folder()
    active = connections.active_context(folder)
    items = [{"name": c.context, "url": c.url, "active": c.context == active} for c in connections.contexts(folder)]
    if out.machine:
        out.data(items)
        return ExitCode.OK
    for item in items:
        print(f"{'*' if item['active'] else ' '} {item['name']}")
        if item["active"]:
            out.talk(str(item["url"]), "🔗")
    return ExitCode.OK


@command(app, "context-select")
def select(name: ContextName, no_icons: NoIcons = False) -> int:
    """Make a context the active one."""
    connections.select_context(places.client_folder(), name)
    options.output("table", no_icons).talk(f"context {name}...selected", "🔗")
    return ExitCode.OK


@command(app, "context-delete")
def delete(name: ContextName, no_icons: NoIcons = False) -> int:
    """Forget a context with its token. The token itself goes on working: `user apikey delete` ends it."""
    connections.delete_context(places.client_folder(), name)
    options.output("table", no_icons).talk(f"context {name}...deleted", "🗑")
    return ExitCode.OK


@command(app, "init")
def init(
    printed: Printed,
    old: Annotated[bool, typer.Option("-n", "--oldInitFlow", help="Has no effect: there is one dialogue.")] = False,
) -> int:
    """Ask for the name and address of an installation and keep them as a context; `dataos login` comes next."""
    out = printed.out()
    folder = places.client_folder()
    known = connections.contexts(folder)
    if known:
        names = ", ".join(c.context for c in known)
        out.talk(f"the client is initialised already: contexts {names}", "🚀")
        if not _yes("add a context?"):
            return ExitCode.OK
    elif not _yes(f"settings will be kept in {folder}: proceed?"):
        return ExitCode.OK
    here = connections.running_server(places.home_folder())
    name = _asked("name of the context", "" if known else "dataos")
    address = _address(_asked("address (fqdn) of the installation", str(here["url"]) if here else ""))
    connections.begin_context(folder, name, address)
    out.talk("initialization...complete", "🚀")
    out.talk(f"entered DataOS: {name} : {connections.host_of(address)}", "🔗")
    out.talk("log in with: dataos login", "🔑")
    return ExitCode.OK


def _yes(question: str) -> bool:
    answer = _line(f"{question} (Y,n) ").lower()
    if answer not in ("", "y", "yes", "n", "no"):
        raise fail("usage.answer", f"`{answer}` is neither yes nor no", hint="answer Y or n")
    return answer in ("", "y", "yes")


def _asked(what: str, default: str) -> str:
    answer = _line(f"{what}{f' [{default}]' if default else ''}: ") or default
    if not answer:
        raise fail("usage.answer", f"the {what} is needed")
    return answer


def _line(prompt: str) -> str:
    """A line of standard input; the prompt is talk."""
    print(prompt, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not sys.stdin.isatty():
        print(file=sys.stderr)
    if not line:
        raise fail("usage.answer", "the input ended before the last question", hint="answer on a terminal")
    return line.strip()


def _address(text: str) -> str:
    return connections.server_address(text)
