"""queries commands: statements that ran, run or wait, and answers that are fetched later."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from dataos.cli.groups import Reader, Server, command
from dataos.cli.query import FileOption, Form, FormatOption
from dataos.core.errors import DataOSError, ExitCode

app = typer.Typer(add_completion=False, rich_markup_mode=None)
Id = Annotated[str, typer.Option("-i", "--id", help="The statement.")]
_WAIT_S = 30


@command(app, "queries-get")
def queries_get(
    reader: Reader,
    id: Annotated[str | None, typer.Option("-i", "--id", help="One statement, with its policies.")] = None,
    all: Annotated[bool, typer.Option("-a", "--all", help="Of all users.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.")] = 100,
) -> int:
    """List statements, the newest first."""
    client, out = reader.client(), reader.out()
    if id is not None:
        out.data(client.json("GET", f"/api/v1/queries/{quote(id, safe='')}"))
        return ExitCode.OK
    query = {"limit": str(limit), **({"user": "*"} if all else {})}
    items = client.json("GET", "/api/v1/queries", params=query)["items"]
    if out.machine:
        out.data(items)
        return ExitCode.OK
    rows = [
        [
            i["id"],
            i["created"],
            i["user"],
            i["state"],
            str(i["rows"] if i["rows"] is not None else ""),
            " ".join(i["sql"].split())[:80],
        ]
        for i in items
    ]
    out.table(["ID", "CREATED", "USER", "STATE", "ROWS", "STATEMENT"], rows)
    return ExitCode.OK


@command(app, "queries-result")
def queries_result(
    id: Id,
    server: Server,
    output: FormatOption = None,
    out: FileOption = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Fail if it has not ended yet.")] = False,
) -> int:
    """Fetch the answer of a statement that ran with `dataos query --detach`."""
    form = Form.of(output, out)
    client = server.client()
    path = f"/api/v1/queries/{quote(id, safe='')}/result"
    while True:
        try:
            response = client.call(
                "GET",
                path,
                params={"waitS": str(0 if no_wait else _WAIT_S)},
                accept=form.accept,
                timeout_s=_WAIT_S + 30.0,
            )
        except DataOSError as error:
            if not no_wait and error.problem.code == "query.unfinished":
                continue
            raise
        form.show(response, server.no_icons)
        return ExitCode.OK


@command(app, "queries-cancel")
def queries_cancel(id: Id, reader: Reader) -> int:
    """Stop a statement that waits or runs; forget the answer of one that ended."""
    body = reader.client().json("DELETE", f"/api/v1/queries/{quote(id, safe='')}")
    out = reader.out()
    if out.machine:
        out.data(body)
    else:
        print("stopped" if body["stopped"] else "it had ended already: its answer, if one was kept, is forgotten")
    return ExitCode.OK
