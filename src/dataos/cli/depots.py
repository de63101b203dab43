"""depot types, test, ls and sample."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from dataos.cli.groups import Reader, command
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, ExitCode, Problem, exit_code, fail
from dataos.core.sqltext import quoted

app = typer.Typer(add_completion=False, rich_markup_mode=None)
Address = Annotated[str | None, typer.Argument(help="dataos://depot[:collection[/dataset]], or a Depot's name.")]
OfDepot = Annotated[str | None, typer.Option("-n", "--name", help="Name of the Depot.")]
OfAddress = Annotated[str | None, typer.Option("-a", "--address", help="The address, as an option.")]


@command(app, "depot-types")
def types(reader: Reader) -> int:
    """Show what each type of Depots can do here."""
    out = reader.out()
    items: list[dict[str, Any]] = reader.client().json("GET", "/api/v1/depot-types")["items"]
    if out.machine:
        out.data(items)
        return ExitCode.OK
    words = list(items[0]["abilities"])
    rows = [[i["type"], *(_ability(i["abilities"][w]) for w in words), i["extra"] or "", i["note"]] for i in items]
    out.table(["TYPE", *(w.upper() for w in words), "EXTRA", "NOTE"], rows)
    return ExitCode.OK


def _ability(word: str) -> str:
    return "-" if word == "no" else word


@command(app, "depot-test")
def try_connection(reader: Reader, depot: Address = None, name: OfDepot = None) -> int:
    """Connect to a Depot now, with its credentials for reading and for writing. Changes nothing."""
    out = reader.out()
    udl = _address(depot or name, "dataos depot test NAME")
    body = reader.client().json("POST", f"/api/v1/depots/{quote(udl.depot, safe='')}/test")
    problems = [Problem.from_json(c["problem"]) for c in body["connections"] if c["problem"]]
    if out.machine:
        out.data(body)
    else:
        for connection in body["connections"]:
            if connection["ok"]:
                print(f"{body['depot']} (acl: {connection['acl']}): ok: {connection['proved']}")
            else:
                print(f"{body['depot']} (acl: {connection['acl']}): failed")
        print(f"checked {body['checked']}")
        for problem in problems:
            out.problem(problem)
    return (exit_code(problems[0].code) or ExitCode.FAILED) if problems else ExitCode.OK


@command(app, "depot-ls")
def ls(
    reader: Reader,
    address: Address = None,
    address_option: OfAddress = None,
    limit: Annotated[int, typer.Option("--limit", help="Most lines to show.", min=1, max=100_000)] = 1000,
) -> int:
    """List collections of a Depot, datasets of a collection, or what a dataset holds: files, or columns."""
    out = reader.out()
    udl = _address(address or address_option, "dataos depot ls dataos://depot:collection")
    body = reader.client().json("GET", f"/api/v1/depots/ls?limit={limit}&address={quote(udl.with_acl(), safe='')}")
    if out.machine:
        out.data(body)
        return ExitCode.OK
    kind = body["kind"]
    if kind == "files":
        out.table(["FILE", "BYTES", "MODIFIED"], [[i["name"], i["sizeBytes"], i["modified"]] for i in body["items"]])
    elif kind == "columns":
        rows = [[i["name"], i["type"], "yes" if i["nullable"] else "no"] for i in body["items"]]
        out.table(["COLUMN", "TYPE", "NULLABLE"], rows)
    else:
        out.table([kind.upper().removesuffix("S")], [[i["name"]] for i in body["items"]])
    if body["truncated"]:
        out.talk(f"only the first {len(body['items']):,} are shown: raise --limit", level="WARN")
    return ExitCode.OK


@command(app, "depot-sample")
def sample(
    reader: Reader,
    address: Address = None,
    address_option: OfAddress = None,
    limit: Annotated[int, typer.Option("--limit", help="Rows to show.", min=1, max=10_000)] = 10,
) -> int:
    """Show the first rows of a dataset, as you may see them: of Lakehouses and of what is queried in place; of a topic
    its newest messages."""
    from dataos.cli.query import show_rows

    udl = _address(address or address_option, "dataos depot sample dataos://depot:collection/dataset")
    if not udl.collection or not udl.dataset:
        hint = "dataos depot ls shows what there is"
        raise fail("usage.address", f"{udl} names no dataset: dataos://depot:collection/dataset", hint=hint)
    client = reader.client()
    try:
        body = json.loads(
            client.query(f"SELECT * FROM {quoted(udl.depot, udl.collection, udl.dataset)} LIMIT {limit}").read()
        )
    except DataOSError as error:
        if error.problem.code != "depot.unsupported":
            raise
        path = f"/api/v1/depots/sample?limit={limit}&address={quote(udl.with_acl(), safe='')}"
        try:
            body = client.json("GET", path)
        except DataOSError as other:
            raise (error if other.problem.code == "depot.unsupported" else other) from None
    show_rows(body, reader.output, None, reader.no_icons)
    return ExitCode.OK


def _address(text: str | None, usage: str) -> Udl:
    if not text:
        raise fail("usage.address", "name a Depot or an address", hint=usage)
    return Udl.parse(text if "://" in text else f"dataos://{text}")
