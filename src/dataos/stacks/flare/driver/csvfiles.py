"""CSV files: what is in them, told before the engine reads them.

The engine's own reader is fast, but takes bytes that are no UTF-8, an open quote, headers in another order, and `""`
for NULL without a word. So every file is looked through once (a few GB a second) and only plain ones go to it directly;
the others are read by DuckDB, strictly, into Parquet.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataos.core.errors import DataOSError, Problem, fail

_PIECE = 256 << 10  # stays in the cache of a core
_HEAD = 4 << 20


@dataclass(frozen=True)
class Dialect:
    """How the files are written, from the input's options."""

    header: bool = True
    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None  # None: doubled quotes, or a backslash if the file shows that
    comment: str | None = None
    encoding: str = "utf-8"

    @classmethod
    def of(cls, options: Mapping[str, str]) -> Dialect:
        """From options in any letter case. Raises DataOSError `flare.option`."""
        low = {k.lower(): v for k, v in options.items()}
        delimiter = low.get("delimiter", low.get("sep", ",")) or ","
        delimiter = {"\\t": "\t", "tab": "\t"}.get(delimiter, delimiter)
        if len(delimiter) > 4:
            raise fail("flare.option", f"the delimiter `{delimiter}` is longer than 4 characters")
        encoding = low.get("encoding", low.get("charset", "utf-8"))
        try:
            encoding = codecs.lookup(encoding).name
        except LookupError as error:
            raise fail(
                "flare.option", f"there is no encoding `{encoding}`", hint="for instance UTF-8, ISO-8859-1"
            ) from error
        return cls(
            header=low.get("header", "true").lower() != "false",
            delimiter=delimiter,
            quote=low.get("quote", '"') or "\0",
            escape=low.get("escape") or None,
            comment=low.get("comment") or None,
            encoding=encoding,
        )


@dataclass(frozen=True)
class Facts:
    """What one file is like. `rows` is None where only a reader can tell."""

    path: str
    columns: tuple[str, ...]
    rows: int | None
    plain: bool  # the engine's own reader gives what is written
    backslash: bool  # quotes inside quotes are written \"
    skip: int = 0  # blank lines before the first one that says something


def look(path: str, dialect: Dialect) -> Facts:
    """Look through one file. Raises DataOSError `flare.file` naming the file, and the line where it can."""
    head = b""
    lines = quotes = returns = 0
    blank = multiline = doubled = backslash = nul = False
    inside = False
    last = b""
    quote = dialect.quote.encode()
    decoder = codecs.getincrementaldecoder("utf-8")("strict") if dialect.encoding == "utf-8" else None
    with _open(path) as file:
        while piece := file.read(_PIECE):
            if len(head) < _HEAD:
                head += piece[: _HEAD - len(head)]
            if decoder is not None and not (piece.isascii() and not decoder.getstate()[0]):
                _decode(decoder, piece, path, lines)
            edge = last[-1:]
            nul = nul or b"\0" in piece
            blank = blank or b"\n\n" in edge + piece[:1] or b"\n\n" in piece
            if b"\r" in piece or b"\r" in last:
                blank = blank or b"\n\r\n" in last + piece[:2] or b"\n\r\n" in piece
                returns += piece.count(b"\r") - piece.count(b"\r\n") - (edge == b"\r" and piece[:1] == b"\n")
            if quote in piece:
                doubled = doubled or quote * 2 in piece or quote * 2 in edge + piece[:1]
                backslash = backslash or b"\\" + quote in piece or b"\\" + quote in edge + piece[:1]
                if not multiline:
                    multiline, inside = _crosses_lines(piece, quote, inside)
                quotes += piece.count(quote)
            elif inside and b"\n" in piece:
                multiline = True
            lines += piece.count(b"\n")
            last = (last + piece[-2:])[-2:]
    if decoder is not None:
        _decode(decoder, b"", path, lines, final=True)
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise fail(
            "flare.file", f"{path} is empty", hint="a CSV file needs a header line, or `header: false` and a row"
        )
    if quotes % 2 and not backslash:
        raise _open_quote(path, dialect)
    lines += 0 if last.endswith(b"\n") else 1
    # a blank line before the header is read as the header by some readers and skipped by others
    start = head.removeprefix(b"\xef\xbb\xbf")
    skip = start[: len(start) - len(start.lstrip(b"\r\n"))].count(b"\n")
    plain = not (skip or nul or returns or multiline or doubled or backslash) and dialect.encoding == "utf-8"
    rows = lines - int(dialect.header) if plain and not blank else None
    return Facts(path, _columns(head, path, dialect), rows, plain, backslash and not doubled, skip)


def _open(path: str) -> io.BufferedReader:
    try:
        return open(path, "rb")
    except OSError as error:
        raise fail("flare.file", f"{path} cannot be read: {error.strerror}") from error


def _decode(decoder: codecs.IncrementalDecoder, piece: bytes, path: str, lines: int, final: bool = False) -> None:
    try:
        decoder.decode(piece, final)
    except UnicodeDecodeError as error:
        line = lines + error.object[: error.start].count(b"\n") + 1
        raise fail(
            "flare.file",
            f"{path} is not UTF-8: line {line} holds the byte 0x{error.object[error.start]:02x}",
            hint="name the encoding in the input's options, for instance `encoding: ISO-8859-1`",
            line=None,
        ) from error


def _crosses_lines(piece: bytes, quote: bytes, inside: bool) -> tuple[bool, bool]:
    """Whether a line ends inside quotes, and whether the piece ends inside them."""
    for number, part in enumerate(piece.split(quote)):
        if number:
            inside = not inside
        if inside and b"\n" in part:
            return True, inside
    return False, inside


def _open_quote(path: str, dialect: Dialect) -> DataOSError:
    """The first line whose quote is never closed, as well as it can be told."""
    last_open = 0
    inside = False
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            count = line.count(dialect.quote.encode())
            if count % 2:
                inside = not inside
                if inside:
                    last_open = number
    return fail(
        "flare.file",
        f"{path}: a quote that opens in line {last_open} is never closed",
        hint="correct the file, or set `quote` in the input's options",
    )


def _columns(head: bytes, path: str, dialect: Dialect) -> tuple[str, ...]:
    """Names of the columns: of the header, `_c0`... without one; unnamed cells likewise, doubled names numbered."""
    try:
        text = head.decode(dialect.encoding, "ignore").removeprefix("\ufeff")
    except LookupError as error:
        raise fail("flare.option", f"there is no encoding `{dialect.encoding}`") from error
    lines = io.StringIO(text, newline="")
    if dialect.comment:
        lines = io.StringIO("".join(line for line in lines if not line.startswith(dialect.comment)), newline="")
    first = _first_row(lines, dialect)
    if not first:
        raise fail("flare.file", f"{path} holds no row")
    if not dialect.header:
        return tuple(f"_c{i}" for i in range(len(first)))
    cells = [c if c.strip() else f"_c{i}" for i, c in enumerate(first)]
    folded = [c.lower() for c in cells]
    # as Spark does: every one of several equal names gets its position
    return tuple(f"{c}{i}" if folded.count(c.lower()) > 1 else c for i, c in enumerate(cells))


def _first_row(lines: io.StringIO, dialect: Dialect) -> list[str]:
    if len(dialect.delimiter) > 1:
        line = next((s for s in lines if s.strip()), "").rstrip("\r\n")
        return [c.strip(dialect.quote) for c in line.split(dialect.delimiter)]
    reader = csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote if dialect.quote != "\0" else '"',
                        escapechar=dialect.escape if dialect.escape != dialect.quote else None)  # fmt: skip
    return next((row for row in reader if row), [])


def same_columns(facts: Sequence[Facts], merge: bool) -> tuple[str, ...]:
    """The columns of all files together, in the first one's order.

    Raises DataOSError `flare.file` where files have different columns and `merge` is not asked for.
    """
    first = facts[0]
    order = dict.fromkeys(first.columns)
    for other in facts[1:]:
        missing = [c for c in first.columns if c not in other.columns]
        extra = [c for c in other.columns if c not in order]
        if (missing or extra) and not merge:
            raise DataOSError(
                Problem(
                    "flare.file",
                    f"{other.path} has other columns than {first.path}:"
                    + (f" missing {', '.join(missing)}" if missing else "")
                    + (f" additional {', '.join(extra)}" if extra else ""),
                    hint="read them as two inputs, or set `mergeSchema: true` to fill what is missing with NULL",
                )
            )
        order.update(dict.fromkeys(extra))
    return tuple(order)
