"""Files read strictly by DuckDB into Parquet, where the engine's own reader would be lenient or cannot.

DuckDB runs inside this process with a memory limit, spills into scratch, and reads only the files it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataos.core.errors import DataOSError, fail
from dataos.core.sqltext import literal, quoted
from dataos.stacks.flare.driver.csvfiles import Dialect

if TYPE_CHECKING:
    import duckdb

_LINE = re.compile(r"(?:CSV Error on Line|in line|Line):?\s*([0-9]+)", re.IGNORECASE)
_SLICE = 2000
"""Files that are read at once: DuckDB keeps some 10 KB of each, 20 KB of a Parquet file, until all are read."""
_COUNTS = re.compile(r"Expected Number of Columns: ([0-9]+) Found: ([0-9]+)")


@dataclass(frozen=True)
class Converted:
    """Parquet files in scratch, their rows, and rows that were left out because the input's `mode` says so."""

    paths: tuple[str, ...]
    rows: int
    dropped: int = 0


@dataclass(frozen=True)
class CsvForm:
    """How CSV is written. `compression`: none, gzip or zstd."""

    header: bool
    delimiter: str
    quote: str
    escape: str
    null: str
    quote_all: bool
    compression: str


Order = Sequence[tuple[str, bool]]
"""Columns and whether they descend. NULL comes first where they ascend, last where they descend: as in Spark."""


class Converter:
    """Makes Parquet files below `scratch`."""

    def __init__(self, scratch: Path, threads: int, memory_bytes: int) -> None:
        self._scratch = scratch
        self._threads = threads
        self._memory = memory_bytes

    def csv(
        self,
        name: str,
        files: Sequence[str],
        columns: Sequence[str],
        dialect: Dialect,
        options: Mapping[str, str],
        skip: int = 0,
    ) -> Converted:
        """All columns as text. Raises DataOSError `flare.file` naming file and line of what is not CSV."""
        mode = options.get("mode", "failfast").lower()
        shown = ", ".join(f"{literal(c)}: 'VARCHAR'" for c in columns)
        arguments = [
            "auto_detect=false",
            f"columns={{{shown}}}",
            f"header={str(dialect.header).lower()}",
            f"delim={literal(dialect.delimiter)}",
            f"quote={literal('' if dialect.quote == chr(0) else dialect.quote)}",
            f"escape={literal(dialect.escape or ('' if dialect.quote == chr(0) else dialect.quote))}",
            "nullstr=['']",
            "allow_quoted_nulls=false",
            f"encoding={literal(_duckdb_encoding(dialect.encoding))}",
            "max_line_size=4194304",
            "strict_mode=true",
            f"skip={skip}",
        ]
        if dialect.comment:
            arguments.append(f"comment={literal(dialect.comment)}")
        if mode == "permissive":
            arguments.append("null_padding=true")
        if mode == "dropmalformed":
            arguments += ["ignore_errors=true", "store_rejects=true"]
        # a blank line is no row; in a file of one column it would read as NULL
        where = f" WHERE {quoted(columns[0])} IS NOT NULL" if len(columns) == 1 else ""

        def query(members: Sequence[str]) -> str:
            return f"SELECT * FROM read_csv({', '.join([_files(members), *arguments])}){where}"

        return self._copy(name, files, query, rejects=mode == "dropmalformed")

    def json(self, name: str, files: Sequence[str], options: Mapping[str, str]) -> Converted:
        """Columns in order of their names, as Spark has them; types as all rows agree on."""
        multiline = options.get("multiline", "false").lower() == "true"
        arguments = [
            f"format={literal('auto' if multiline else 'newline_delimited')}",
            "sample_size=-1",
            "union_by_name=true",
            "map_inference_threshold=-1",
            "maximum_object_size=33554432",
            # texts stay texts: Spark infers no dates from JSON
            "dateformat='#'",
            "timestampformat='#'",
        ]
        if options.get("mode", "failfast").lower() == "dropmalformed":
            arguments.append("ignore_errors=true")
        more = ", ".join(arguments)
        columns = self._json_columns(files, more)
        if [c for c, _ in columns] == ["json"] and columns[0][1] == "JSON":
            raise fail(
                "flare.file",
                f"{files[0]}: not one JSON object a line",
                hint="set `multiLine: true` if the file is an array or objects over several lines",
            )
        as_texts = options.get("primitivesasstring", "false").lower() == "true"
        if as_texts:
            columns = [(c, _as_texts(t)) for c, t in columns]
        if as_texts or len(files) > _SLICE:
            shown = ", ".join(f"{literal(c)}: {literal(t)}" for c, t in columns)
            more += f", columns={{{shown}}}"
        chosen = ", ".join(_typed(c, t) for c, t in columns)
        return self._copy(name, files, lambda members: f"SELECT {chosen} FROM read_json({_files(members)}, {more})")

    def _json_columns(self, files: Sequence[str], more: str) -> list[tuple[str, str]]:
        """Names and types over all rows, sorted. Slices that agree say what all say; else all are looked at together:
        what two slices make of a column cannot be joined, for JSON is the type both of nothing and of everything."""
        found: dict[str, list[tuple[str, str]]] = {}
        for members in _slices(files):
            with self._open() as connection:
                text = f"DESCRIBE SELECT * FROM read_json({_files(members)}, {more})"
                columns = sorted((row[0], row[1]) for row in self._fetch(connection, text))
            found[repr(columns)] = columns
            if len(found) > 1:
                with self._open() as connection:
                    text = f"DESCRIBE SELECT * FROM read_json({_files(files)}, {more})"
                    return sorted((row[0], row[1]) for row in self._fetch(connection, text))
        return next(iter(found.values()))

    def parquet(self, name: str, files: Sequence[str], kinds: Sequence[str]) -> Converted:
        """Parquet files as few, missing columns filled with NULL. `kinds`: one of the files for each of the schemas
        that they have."""
        with self._open() as connection:
            text = f"DESCRIBE SELECT * FROM read_parquet({_files(kinds)}, union_by_name=true, hive_partitioning=false)"
            columns = [(row[0], row[1]) for row in self._fetch(connection, text)]
        whole = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(c)}" for c, kind in columns)
        read = "union_by_name=true, hive_partitioning=false"

        def query(members: Sequence[str]) -> str:
            own = f"SELECT * FROM read_parquet({_files(members)}, {read})"
            return own if len(kinds) == 1 else f"SELECT {whole} WHERE false UNION ALL BY NAME {own}"

        return self._copy(name, files, query)

    def to_csv(self, sources: Sequence[Path], target: Path, form: CsvForm, order: Order = ()) -> int:
        """Write Parquet files as one of CSV. Returns the rows. Raises DataOSError `flare.option`."""
        with self._open() as connection:
            return self._write_csv(connection, _ordered(sources, order), target, form)

    def to_parquet(self, sources: Sequence[Path], target: Path, codec: str, order: Order) -> int:
        """Write Parquet files as one whose rows are in order. Returns the rows."""
        word = {"none": "uncompressed"}.get(codec, codec)
        with self._open() as connection:
            connection.execute("SET preserve_insertion_order = true")
            text = f"COPY ({_ordered(sources, order)}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION {word})"
            return int(self._fetch(connection, text)[0][0])

    def empty_csv(self, target: Path, columns: Sequence[str], form: CsvForm) -> None:
        """Write CSV of columns without rows."""
        names = ", ".join(f"NULL::VARCHAR AS {quoted(c)}" for c in columns)
        with self._open() as connection:
            self._write_csv(connection, f"SELECT {names} WHERE false", target, form)

    def _write_csv(self, connection: duckdb.DuckDBPyConnection, query: str, target: Path, form: CsvForm) -> int:
        import duckdb

        words = [
            "FORMAT csv",
            f"HEADER {str(form.header).lower()}",
            f"DELIMITER {literal(form.delimiter)}",
            f"QUOTE {literal(form.quote)}",
            f"ESCAPE {literal(form.escape)}",
            f"NULLSTR {literal(form.null)}",
            f"COMPRESSION {form.compression}",
        ]
        if form.quote_all:
            words.append("FORCE_QUOTE *")
        try:
            connection.execute("SET preserve_insertion_order = true")
            copied = connection.execute(f"COPY ({query}) TO {literal(str(target))} ({', '.join(words)})").fetchone()
        except duckdb.BinderException as error:
            raise fail("flare.option", f"CSV cannot be written so: {str(error).splitlines()[0][:200]}") from None
        return int(copied[0]) if copied else 0

    def _copy(
        self, name: str, files: Sequence[str], query: Callable[[Sequence[str]], str], *, rejects: bool = False
    ) -> Converted:
        """Rows of the files by a query over some of them, slice by slice."""
        made: list[str] = []
        rows = dropped = 0
        for number, members in enumerate(_slices(files)):
            target = self._scratch / (f"{name}-{number}.parquet" if number else f"{name}.parquet")
            with self._open() as connection:
                text = f"COPY ({query(members)}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION snappy)"
                rows += int(self._fetch(connection, text)[0][0])
                if rejects:
                    counted = "SELECT count(DISTINCT (file_id, line)) FROM reject_errors"
                    dropped += int(self._fetch(connection, counted)[0][0])
            made.append(str(target))
        return Converted(tuple(made), rows, dropped)

    def _open(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        config: dict[str, Any] = {
            "temp_directory": str(self._scratch / "duckdb"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "preserve_insertion_order": "false",
        }
        if self._threads:
            config["threads"] = str(self._threads)
        if self._memory:
            config["memory_limit"] = f"{max(128, self._memory // 2 >> 20)}MiB"
        return duckdb.connect(config=config)

    def _fetch(self, connection: duckdb.DuckDBPyConnection, text: str) -> list[Any]:
        import duckdb

        try:
            return connection.execute(text).fetchall()
        except duckdb.Error as error:
            raise _failure(str(error)) from None  # its text repeats the statement


def _failure(text: str) -> DataOSError:
    """DuckDB's message, cut to what helps: file, line, what is wrong there."""
    if "allocate" in text or "Out of Memory" in text:
        return fail(
            "flare.memory",
            "reading the files needs more memory than this job has",
            hint="raise driver.memory or executor.memory in the stackSpec",
        )
    counts = _COUNTS.search(text)
    lines = [s.strip() for s in text.splitlines() if s.strip()]
    head = re.sub(r"^[A-Za-z -]+ Error: ", "", lines[0]) if lines else "unreadable"
    file = next(
        (s.removeprefix("file = ").removeprefix("file=") for s in lines if s.startswith(("file =", "file="))), ""
    )
    if not file:
        found = re.search(r'file "([^"]+)"', text)
        file = found[1] if found else ""
    if counts and file:
        line = _LINE.search(text)
        return fail(
            "flare.file",
            f"{file}: line {line[1] if line else '?'} has {counts[2]} fields where {counts[1]} are expected",
            hint="correct the file, or set `mode: DROPMALFORMED` in the input's options to leave such rows out",
        )
    detail = next(
        (s for s in lines[1:] if s.startswith(("Expected Number", "Value with", "Invalid unicode", "Error when"))), ""
    )
    line = _LINE.search(text)
    where = f"{file}: " if file else ""
    at = f" (line {line[1]})" if line and "line" not in head.lower() else ""
    original = next((s for s in lines if s.startswith("Original Line:")), "")
    return fail(
        "flare.file",
        (f"{where}{head}{at}" + (f": {detail}" if detail else "") + (f" {original[:120]}" if original else ""))[:500],
        hint="correct the file, or set `mode: DROPMALFORMED` in the input's options to leave such rows out",
    )


def _typed(column: str, kind: str) -> str:
    name = quoted(column)
    if kind == "HUGEINT":
        return f"CAST({name} AS DECIMAL(38, 0)) AS {name}"
    if kind in ("JSON", "UUID", "UBIGINT"):
        return f"CAST({name} AS {'VARCHAR' if kind != 'UBIGINT' else 'DECIMAL(20, 0)'}) AS {name}"
    return name


_PLAIN = re.compile(
    r"(\"(?:[^\"]|\"\")*\")|\b(?:DECIMAL\(\d+,\s*\d+\)|BOOLEAN|U?BIGINT|HUGEINT|DOUBLE|JSON|UUID|DATE|TIMESTAMP)(?![\w(])"
)


def _as_texts(kind: str) -> str:
    """A type whose plain values are texts. Names of fields that look like types stand in quotes."""
    return _PLAIN.sub(lambda found: found[1] or "VARCHAR", kind)


def _ordered(sources: Sequence[Path], order: Order) -> str:
    words = [quoted(c) + (" DESC NULLS LAST" if d else " ASC NULLS FIRST") for c, d in order]
    files = _files([str(s) for s in sources])
    query = f"SELECT * FROM read_parquet({files}, hive_partitioning=false)"
    return query + (f" ORDER BY {', '.join(words)}" if words else "")


def _slices(files: Sequence[str]) -> Iterator[Sequence[str]]:
    return (files[start : start + _SLICE] for start in range(0, len(files), _SLICE))


def _duckdb_encoding(name: str) -> str:
    known = {"utf-8": "utf-8", "iso8859-1": "latin-1", "ascii": "utf-8", "utf-16": "utf-16"}
    return known.get(name, name)


def _files(files: Sequence[str]) -> str:
    return "[" + ", ".join(literal(_plain_glob(f)) for f in files) + "]"


def _plain_glob(path: str) -> str:
    """A path whose own `*`, `?` and `[` name themselves."""
    return re.sub(r"([*?\[])", r"[\1]", path)
