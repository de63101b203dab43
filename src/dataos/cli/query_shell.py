"""query-gateway connect: statements one after the other (ch01 8.3)."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Annotated, Any

import typer

from dataos.cli.groups import Server, command
from dataos.cli.query import show_rows
from dataos.client.api import Client
from dataos.core.errors import DataOSError, ExitCode

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_LEAVE = ("quit", "exit", "\\q")


@command(app, "query-gateway-connect")
def connect(
    server: Server,
    catalog: Annotated[str | None, typer.Option("-c", "--catalog", help="Default catalog (a Depot).")] = None,
    cluster: Annotated[str | None, typer.Option("--cluster", help="The Cluster to ask; default: miniature.")] = None,
    dataplane: Annotated[str, typer.Option("-d", "--dataplane", help="Has no effect: there is one, `hub`.")] = "hub",
    port: Annotated[str, typer.Option("-p", "--port", help="Has no effect: statements go through the API.")] = "7432",
) -> int:
    """Ask SQL statements one after the other; each ends with `;`. `quit` leaves.

    On a terminal lines can be edited and called back. Reads standard input otherwise, and ends with 1 if one failed.
    """
    client = server.client()
    terminal = sys.stdin.isatty()
    if terminal:
        with contextlib.suppress(ImportError):
            import readline as _  # noqa: F401 - editing and history of input()
        server.out().talk(f"connected to {client.connection.url}: end a statement with `;`, leave with quit", "🔗")
    wanted: dict[str, Any] = {"catalog": catalog, "cluster": cluster}
    failed: DataOSError | None = None
    for statement in _statements(terminal):
        try:
            session = _ask(client, statement, {k: v for k, v in wanted.items() if v is not None}, server.no_icons)
            if session is not None:  # it holds the catalog that USE chose
                wanted = {"cluster": cluster, "session": session}
        except DataOSError as error:
            for problem in error.problems:
                server.out().problem(problem)
            failed = error
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
    return ExitCode.FAILED if failed is not None and not terminal else ExitCode.OK


def _ask(client: Client, statement: str, wanted: dict[str, Any], no_icons: bool) -> Any:
    """Show the answer; the session, if the statement changed it."""
    body = json.loads(client.query(statement, **wanted).read())
    show_rows(body, "table", None, no_icons)
    return body.get("session")


def _statements(terminal: bool) -> Any:
    """Statements of standard input. A `;` at the end of a line ends one; so does the end of the input."""
    lines: list[str] = []
    while True:
        line = _line("dataos> " if not lines else "     -> ", terminal)
        if line is None or (not lines and line.strip().rstrip(";").lower() in _LEAVE):
            break
        lines.append(line)
        if line.rstrip().endswith(";"):
            text = "\n".join(lines).strip().rstrip(";").strip()
            lines = []
            if text:
                yield text
    if rest := "\n".join(lines).strip():
        yield rest


def _line(prompt: str, terminal: bool) -> str | None:
    if not terminal:
        line = sys.stdin.readline()
        return line.rstrip("\n") if line else None
    try:
        return input(prompt)
    except EOFError:
        print()
        return None
    except KeyboardInterrupt:  # of what is typed, as shells do
        print()
        return ""
