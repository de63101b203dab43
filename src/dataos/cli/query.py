"""query."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from dataos.cli import options
from dataos.cli.options import Context, NoIcons, Url
from dataos.cli.output import Output, write_csv
from dataos.client import api
from dataos.core.errors import ExitCode, Problem, fail

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_TELL_ROWS = ("ALTER TABLE EXECUTE", "CALL", "DESCRIBE INPUT", "DESCRIBE OUTPUT")
"""Statements that change something, or the session, and answer rows."""
FORMATS = ("table", "json", "yaml", "csv", "arrow", "parquet")
FormatOption = Annotated[
    str | None,
    typer.Option(
        "-O", "--output", help="table, json, yaml, csv, arrow or parquet; if left out, as -o FILE ends, or table."
    ),
]
FileOption = Annotated[Path | None, typer.Option("-o", "--out", help="Write the answer to this file.")]


@dataclass(frozen=True)
class Form:
    """How an answer is shown, and where."""

    output: str
    out: Path | None

    @classmethod
    def of(cls, output: str | None, out: Path | None) -> Form:
        """As the options say. Raises DataOSError `usage.output`."""
        if output is None:
            ending = out.suffix[1:].lower() if out else ""
            output = ending if ending in FORMATS else "table"
        if output not in FORMATS:
            raise fail("usage.output", f"-O {output} is not known here", hint="allowed: " + ", ".join(FORMATS))
        if output in ("arrow", "parquet") and out is None and sys.stdout.isatty():
            raise fail("usage.output", f"{output} is binary", hint="name a file with -o FILE")
        return cls(output, out)

    @property
    def accept(self) -> str:
        """What the server is asked for."""
        return api.ARROW if self.output in ("arrow", "parquet") else api.JSON

    def show(self, response: api.Response, no_icons: bool) -> None:
        """Show an answer of the query route."""
        if self.output == "arrow":
            _binary(response, self.out)
        elif self.output == "parquet":
            _parquet(response, self.out)
        else:
            show_rows(json.loads(response.read()), self.output, self.out, no_icons)


@app.command()
def query(
    sql: Annotated[str | None, typer.Argument(help="The statement; `-` reads it from standard input.")] = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="Read the statement from a file.")] = None,
    output: FormatOption = None,
    out: FileOption = None,
    limit: Annotated[int | None, typer.Option("--limit", help="Most rows to return.")] = None,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Longest run time (seconds).")] = None,
    catalog: Annotated[str | None, typer.Option("--catalog", help="Default catalog (a Depot).")] = None,
    schema: Annotated[str | None, typer.Option("--schema", help="Default schema (a collection).")] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Do not wait: print the handle for `dataos queries result`.")
    ] = False,
    url: Url = None,
    context: Context = None,
    no_icons: NoIcons = False,
) -> int:
    """Run a SQL statement (Trino dialect) over Lakehouses and Depots: "depot"."collection"."dataset"."""
    form = Form.of(output, out)
    for flag, value in (("--limit", limit), ("--timeout", timeout)):
        if value is not None and value <= 0:
            raise fail("usage.query", f"{flag} {value:g} is too small", hint="it must be more than 0")
    statement = _statement(sql, file)
    wanted: dict[str, Any] = {"maxRows": limit, "timeoutS": timeout, "catalog": catalog, "schema": schema}
    given = {k: v for k, v in wanted.items() if v is not None}
    client = options.client(url, context)
    if detach:
        print(client.json("POST", "/api/v1/queries", body={"sql": statement, **given})["id"])
    else:
        form.show(client.query(statement, accept=form.accept, **given), no_icons)
    return ExitCode.OK


def _statement(sql: str | None, file: Path | None) -> str:
    if file is not None:
        try:
            return file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise fail("usage.file", f"cannot read {file}: {reason}") from error
    if sql == "-" or (sql is None and not sys.stdin.isatty()):
        sql = sys.stdin.read()
    if not (sql and sql.strip()):
        raise fail("usage.query", "no statement given", hint='dataos query "SELECT 1"')
    return sql


def show_rows(body: dict[str, Any], output: str, out: Path | None, no_icons: bool) -> None:
    """An answer of the query route as a table, JSON or CSV, on stdout or into a file."""
    for warning in body.get("warnings") or []:
        Output("table", not no_icons).problem(Problem.from_json(warning), warning=True)
    if output == "table" and body.get("updateType") and out is None and body["updateType"] not in _TELL_ROWS:
        count = body.get("updateCount")
        print(f"{body['updateType']}{'' if count is None else f': {count:,} row' + ('' if count == 1 else 's')}")
        return
    names = [c["name"] for c in body["columns"]]
    stdout = sys.stdout
    if out is not None:
        sys.stdout = open(out, "w", encoding="utf-8", newline="")  # noqa: SIM115 - closed below
    try:
        if output in ("json", "yaml"):
            Output(output).data([dict(zip(names, row, strict=True)) for row in body["rows"]])
        elif output == "csv":
            write_csv(names, body["rows"])
        else:
            Output("table", not no_icons).table(names, [[_cell(v) for v in row] for row in body["rows"]])
    finally:
        if out is not None:
            sys.stdout.close()
            sys.stdout = stdout
    if output == "table":
        count = len(body["rows"])
        print(f"({count:,} row{'' if count == 1 else 's'})", file=sys.stderr)
    if body.get("truncated"):
        print(f"only the first {len(body['rows']):,} rows are shown: raise --limit", file=sys.stderr)


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _binary(response: api.Response, out: Path | None) -> None:
    sink = open(out, "wb") if out else sys.stdout.buffer  # noqa: SIM115 - closed below
    try:
        for piece in response.chunks():
            sink.write(piece)
    finally:
        sink.flush()
        if out:
            sink.close()


def _parquet(response: api.Response, out: Path | None) -> None:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    class _Body(io.RawIOBase):
        """The answer as a file that PyArrow reads."""

        def __init__(self) -> None:
            self._pieces = response.chunks(1 << 20)
            self._rest = b""

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            if not self._rest:
                self._rest = next(self._pieces, b"")
            count = min(len(buffer), len(self._rest))
            buffer[:count] = self._rest[:count]
            self._rest = self._rest[count:]
            return count

    reader = pa.ipc.open_stream(pa.PythonFile(io.BufferedReader(_Body()), mode="r"))
    sink: Any = str(out) if out else sys.stdout.buffer
    with pq.ParquetWriter(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
