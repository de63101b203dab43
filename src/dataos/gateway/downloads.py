"""Answers as files to take away: CSV, JSON, lines of JSON, Parquet, Arrow, Excel.

Texts of values are those of `results`; Parquet and Arrow keep the types. CSV and both forms of JSON are written as the
rows come; the others need their end first and go by way of a file.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from dataos.core.errors import fail
from dataos.gateway import arrowfeed, results
from dataos.gateway.answer import QueryResult

_CHUNK = 1 << 20
_MOST_SHEET_ROWS = 1_048_575
"""Rows below the head. Source: Excel specifications and limits."""
_MOST_SHEET_COLUMNS = 16_384
_MOST_CELL = 32_767
_EXACT = 2**53
"""Whole numbers beyond it are no doubles, as a sheet's numbers are."""


@dataclass(frozen=True)
class FileFormat:
    """A form of files. `write`: a result's bytes, in pieces."""

    media_type: str
    extension: str
    write: Callable[[QueryResult], AsyncIterator[bytes]]


async def _csv(result: QueryResult) -> AsyncIterator[bytes]:
    """RFC 4180 in UTF-8, a head of names. NULL is an empty field, an empty text is quoted; nested values are JSON."""
    yield _line([c.name for c in result.columns]).encode()
    async with aclosing(results.json_rows(result)) as batches:
        async for rows in batches:
            yield "".join(_line(row) for row in rows).encode()


def _line(row: list[Any]) -> str:
    return ",".join("" if value is None else _field(_text(value)) for value in row) + "\r\n"


def _field(text: str) -> str:
    """Quoted where it must be. The csv module of Python 3.11 cannot tell an empty text from NULL."""
    if text and text == text.strip() and not _SPECIAL.intersection(text):
        return text
    return '"' + text.replace('"', '""') + '"'


_SPECIAL = frozenset('",\r\n')


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)


async def _lines(result: QueryResult) -> AsyncIterator[bytes]:
    names = [c.name for c in result.columns]
    async with aclosing(results.json_rows(result)) as batches:
        async for rows in batches:
            yield "".join(_object(names, row) + "\n" for row in rows).encode()


async def _json(result: QueryResult) -> AsyncIterator[bytes]:
    names = [c.name for c in result.columns]
    before = "[\n"
    async with aclosing(results.json_rows(result)) as batches:
        async for rows in batches:
            if rows:
                yield (before + ",\n".join(_object(names, row) for row in rows)).encode()
                before = ",\n"
    yield (("[" if before == "[\n" else "\n") + "]\n").encode()


def _object(names: list[str], row: list[Any]) -> str:
    return json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)


async def _arrow(result: QueryResult) -> AsyncIterator[bytes]:
    async for piece in result:
        yield piece


async def _parquet(result: QueryResult) -> AsyncIterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryFile() as file:
        writer: Any = None
        async for batch in arrowfeed.batches(result.stream):
            if writer is None:
                writer = await asyncio.to_thread(pq.ParquetWriter, file, batch.schema, compression="zstd")
            await asyncio.to_thread(writer.write_batch, batch)
        if writer is None:  # no batch, no schema: the answer has no rows
            empty = pa.schema([pa.field(c.name, pa.string()) for c in result.columns])
            writer = pq.ParquetWriter(file, empty)
        await asyncio.to_thread(writer.close)
        async for piece in _content(file):
            yield piece


async def _xlsx(result: QueryResult) -> AsyncIterator[bytes]:
    """One sheet. Texts are written as texts: none becomes a formula or a link."""
    import xlsxwriter

    if len(result.columns) > _MOST_SHEET_COLUMNS:
        raise _too_large(f"{len(result.columns):,} columns", f"{_MOST_SHEET_COLUMNS:,} columns")
    with tempfile.TemporaryDirectory(prefix="dataos-xlsx-") as folder:
        target = Path(folder) / "rows.xlsx"
        book = xlsxwriter.Workbook(str(target), {"constant_memory": True, "tmpdir": folder})
        sheet: Any = book.add_worksheet("rows")
        bold = book.add_format({"bold": True})
        for position, column in enumerate(result.columns):
            sheet.write_string(0, position, column.name[:_MOST_CELL], bold)
        sheet.freeze_panes(1, 0)
        count = 0
        async with aclosing(results.json_rows(result)) as batches:
            async for rows in batches:
                if count + len(rows) > _MOST_SHEET_ROWS:
                    raise _too_large("more rows", f"{_MOST_SHEET_ROWS:,} rows")
                await asyncio.to_thread(_fill, sheet, count + 1, rows)
                count += len(rows)
        await asyncio.to_thread(book.close)
        with target.open("rb") as file:
            async for piece in _content(file):
                yield piece


def _fill(sheet: Any, first: int, rows: list[list[Any]]) -> None:
    for number, row in enumerate(rows, first):
        for position, value in enumerate(row):
            if value is None:
                continue
            if isinstance(value, bool):
                sheet.write_boolean(number, position, value)
            elif isinstance(value, float) or (isinstance(value, int) and abs(value) <= _EXACT):
                sheet.write_number(number, position, value)
            else:
                text = _text(value)
                if len(text) > _MOST_CELL:
                    raise _too_large(f"a text of {len(text):,} characters", f"{_MOST_CELL:,} characters in a cell")
                sheet.write_string(number, position, text)


def _too_large(found: str, most: str) -> Exception:
    return fail(
        "request.too_large",
        f"the answer has {found}: an Excel sheet holds {most}",
        hint="take it as csv or parquet, or narrow the statement",
    )


async def _content(file: BinaryIO) -> AsyncIterator[bytes]:
    await asyncio.to_thread(file.seek, 0)
    while piece := await asyncio.to_thread(file.read, _CHUNK):
        yield piece


FORMATS: dict[str, FileFormat] = {
    "csv": FileFormat("text/csv; charset=utf-8; header=present", "csv", _csv),
    "json": FileFormat("application/json", "json", _json),
    "jsonl": FileFormat("application/x-ndjson", "jsonl", _lines),
    "parquet": FileFormat("application/vnd.apache.parquet", "parquet", _parquet),
    "arrow": FileFormat("application/vnd.apache.arrow.stream", "arrows", _arrow),
    "xlsx": FileFormat("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", _xlsx),
}
