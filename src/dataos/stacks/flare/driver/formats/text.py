"""Lines of text: one column, `value` (ch04 3.6)."""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from dataos.core.errors import DataOSError, fail
from dataos.stacks.flare.driver.formats.model import BATCH_ROWS, Content, Options, Wanted, flag, unreadable

if TYPE_CHECKING:
    import pyarrow as pa

_PIECE = 4 << 20
_NAMED = {"\\r\\n": "\r\n", "\\n": "\n", "\\r": "\r", "\\t": "\t"}


def read(wanted: Wanted) -> Content:
    """A row a line, or a file with `wholetext`. Lines end with \\n, \\r\\n or \\r, or with `lineSep` alone."""
    import pyarrow as pa

    schema = pa.schema([pa.field("value", pa.string())])
    encoding = _encoding(wanted.options)
    separator = _separator(wanted.options)
    whole = flag(wanted.options, "wholetext")

    def batches() -> Iterator[pa.RecordBatch]:
        lines: list[str] = []
        for path in wanted.files:
            pieces = _pieces(path, encoding)
            for line in ["".join(pieces)] if whole else lines_of(pieces, separator):
                lines.append(line)
                if len(lines) >= (1 if whole else BATCH_ROWS):
                    yield pa.RecordBatch.from_pydict({"value": lines}, schema=schema)
                    lines = []
        if lines:
            yield pa.RecordBatch.from_pydict({"value": lines}, schema=schema)

    return Content(schema, batches())


def write(batches: Iterator[Any], schema: Any, target: Path, options: Options, codec: str) -> int:
    """The one column, a line each; NULL is an empty line, as Spark writes it."""
    separator = (_separator(options) or "\n").encode()
    rows = 0
    with packed(target, codec) as file:
        for batch in batches:
            rows += batch.num_rows
            file.writelines((value or "").encode() + separator for value in batch.column(0).to_pylist())
    return rows


def packed(target: Path, codec: str) -> BinaryIO:
    """A new file whose bytes are packed by `codec` (none, gzip, zstd)."""
    if codec == "gzip":
        return cast("BinaryIO", gzip.open(target, "wb", compresslevel=6))
    if codec == "zstd":
        import pyarrow as pa

        return cast("BinaryIO", pa.output_stream(str(target), compression="zstd"))
    return target.open("wb")


def encoding_of(options: Options) -> str:
    """The encoding that the options name, by Python's name. Raises DataOSError `flare.option`."""
    return _encoding(options)


def _encoding(options: Options) -> str:
    word = options.get("encoding") or options.get("charset") or "utf-8"
    try:
        return codecs.lookup(word).name
    except LookupError as error:
        raise fail("flare.option", f"there is no encoding `{word}`", hint="for instance UTF-8, ISO-8859-1") from error


def _separator(options: Options) -> str | None:
    word = options.get("linesep")
    if word is None:
        return None
    if not word:
        raise fail("flare.option", "`lineSep` is empty", hint="leave it out, or name the characters between lines")
    return _NAMED.get(word, word)


def _pieces(path: str, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    lines = 0
    try:
        with open(path, "rb") as file:
            first = True
            while piece := file.read(_PIECE):
                text = _decoded(decoder, piece, path, encoding, lines)
                lines += piece.count(b"\n")
                yield text.removeprefix("\ufeff") if first else text
                first = False
        if rest := _decoded(decoder, b"", path, encoding, lines, final=True):
            yield rest
    except OSError as error:
        raise unreadable(path, error) from error


def _decoded(decoder: Any, piece: bytes, path: str, encoding: str, lines: int, final: bool = False) -> str:
    try:
        return decoder.decode(piece, final)
    except UnicodeDecodeError as error:
        raise _not_so(path, encoding, error, lines) from error


def _not_so(path: str, encoding: str, error: UnicodeDecodeError, lines: int) -> DataOSError:
    line = lines + error.object[: error.start].count(b"\n") + 1
    return fail(
        "flare.file",
        f"{path} is not {encoding.upper()}: line {line} holds the byte 0x{error.object[error.start]:02x}",
        hint="name the encoding in the input's options, for instance `encoding: ISO-8859-1`",
    )


def lines_of(pieces: Iterable[str], separator: str | None) -> Iterator[str]:
    """The lines of a text that comes in pieces, cut anywhere. `separator` None: lines end with \\n, \\r\\n or \\r."""
    rest = ""
    for piece in pieces:
        text = rest + piece
        if separator is not None:
            *whole, rest = text.split(separator)
        else:
            # a \r at the end may be half of a \r\n: it waits for the next piece
            held = "\r" if text.endswith("\r") else ""
            whole, rest = _universal(text[: len(text) - len(held)])
            rest += held
        yield from whole
    if separator is None and rest.endswith("\r"):
        yield rest[:-1]
    elif rest:
        yield rest


def _universal(text: str) -> tuple[list[str], str]:
    """Whole lines, and what follows the last end of a line."""
    *whole, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return whole, rest
