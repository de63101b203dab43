"""Workbooks: xlsx, xls, xlsb and ods by calamine, with a password by msoffcrypto; xlsx written by XlsxWriter.

Cells come as text, in the form that CSV would have them; `inferSchema` and schemas make types of them.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dataos.core import names
from dataos.core.errors import DataOSError, fail
from dataos.stacks.flare.driver.formats import model
from dataos.stacks.flare.driver.formats.model import BATCH_ROWS, Content, Options, Wanted, flag

_OLE = b"\xd0\xcf\x11\xe0"
_MOST_ROWS = 1_048_576
_MOST_TEXT = 32_767
_EXACT = 10**15
_RANGE = re.compile(r"(?:(?:'((?:[^']|'')+)'|([^'!]+))!)?\$?([A-Z]{1,3})\$?([0-9]+)(?::\$?([A-Z]{1,3})\$?([0-9]+))?")


def read(wanted: Wanted) -> Content:
    """One sheet of each file (`sheetName`, else the first), its first row with something in it being the header.

    `dataAddress` (`'Sheet'!B3:F20`) names a part of a sheet. Rows without any value are left out.
    """
    import pyarrow as pa

    files = [f for f in wanted.files if not Path(f).name.startswith("~$")]  # Excel's own marks of open files
    if not files:
        raise fail("flare.file", "there is no workbook", hint="Excel's own files `~$...` are not read")
    header = flag(wanted.options, "header", default=True)
    sheets = [_columns(path, _cells(path, wanted.options), header) for path in files]
    order = dict.fromkeys(sheets[0][0])
    for path, (columns, _) in zip(files[1:], sheets[1:], strict=True):
        if set(columns) != set(order):
            missing = [c for c in order if c not in columns]
            extra = [c for c in columns if c not in order]
            if not flag(wanted.options, "mergeschema"):
                text = (f" missing {', '.join(missing)}" if missing else "") + (
                    f" additional {', '.join(extra)}" if extra else ""
                )
                raise fail(
                    "flare.file",
                    f"{path} has other columns than {files[0]}:{text}",
                    hint="read them as two inputs, or set `mergeSchema: true` to fill what is missing with NULL",
                )
            order.update(dict.fromkeys(extra))
    schema = pa.schema([pa.field(c, pa.string()) for c in order])

    def batches() -> Iterator[Any]:
        for columns, rows in sheets:
            place = {c: n for n, c in enumerate(columns)}
            for start in range(0, len(rows), BATCH_ROWS):
                part = rows[start : start + BATCH_ROWS]
                yield pa.RecordBatch.from_arrays(
                    [pa.array([r[place[c]] if c in place else None for r in part], pa.string()) for c in order],
                    schema=schema,
                )

    return Content(schema, batches(), as_text=True)


def _columns(path: str, cells: list[list[Any]], header: bool) -> tuple[list[str], list[list[str | None]]]:
    """Names of the columns, and the rows as texts."""
    kept = [row for row in cells if any(c not in ("", None) for c in row)]
    if not kept:
        raise fail("flare.file", f"{path}: the sheet is empty", hint="`sheetName` names another one")
    width = max(len(row) for row in kept)
    texts = [[_text(c) for c in row] + [None] * (width - len(row)) for row in kept]
    if not header:
        return [f"_c{n}" for n in range(width)], texts
    first = [(c or "").strip() or f"_c{n}" for n, c in enumerate(texts[0])]
    folded = [c.lower() for c in first]
    # as in CSV: every one of several equal names gets its position
    return [f"{c}{n}" if folded.count(c.lower()) > 1 else c for n, c in enumerate(first)], texts[1:]


def _cells(path: str, options: Options) -> list[list[Any]]:
    import python_calamine

    area = _area(options)
    try:
        book = python_calamine.load_workbook(_opened(path, options.get("workbookpassword")))
        sheets = list(book.sheet_names)
        wanted = options.get("sheetname") or (area[0] if area else None)
        name = wanted if wanted is not None else next(iter(sheets), None)
        if name is None or name not in sheets:
            hint = names.did_you_mean(name or "", sheets) or "it has: " + (", ".join(sheets) or "none")
            raise fail("flare.file", f"{path} has no sheet `{name}`", hint=hint)
        cells: list[list[Any]] = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except OSError as error:
        raise model.unreadable(path, error) from error
    except python_calamine.CalamineError as error:
        text = str(error).splitlines()[0][:160] if str(error) else "it cannot be read"
        raise fail("flare.file", f"{path} is no workbook: {text}", hint="write the file again") from error
    if area is None:
        return cells
    _, top, left, bottom, right = area
    return [row[left:right] for row in cells[top:bottom]]


def _opened(path: str, password: str | None) -> io.BytesIO:
    content = Path(path).read_bytes()
    if not content:
        raise fail("flare.file", f"{path} is empty", hint="write the file again")
    if not content.startswith(_OLE):
        return io.BytesIO(content)
    import msoffcrypto
    from msoffcrypto.exceptions import DecryptionError, FileFormatError, InvalidKeyError

    try:
        locked: Any = msoffcrypto.OfficeFile(io.BytesIO(content))
        if not locked.is_encrypted():
            return io.BytesIO(content)
        if not password:
            hint = "give `workbookPassword` in the input's options"
            raise fail("flare.file", f"{path} is locked by a password", hint=hint)
        plain = io.BytesIO()
        locked.load_key(password=password)
        locked.decrypt(plain)
    except InvalidKeyError:
        raise fail("flare.file", f"{path}: `workbookPassword` does not open it") from None
    except (DecryptionError, FileFormatError) as error:
        if isinstance(error, FileFormatError):
            return io.BytesIO(content)  # an old workbook, or none: the reader says
        raise fail("flare.file", f"{path}: `workbookPassword` does not open it") from None
    plain.seek(0)
    return plain


def _area(options: Options) -> tuple[str | None, int, int, int | None, int | None] | None:
    """Sheet, first row, first column, and what comes after the last ones (None: all) of `dataAddress`."""
    text = options.get("dataaddress")
    if not text:
        return None
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise fail("flare.option", f"`dataAddress` is `{text}`", hint="for instance `'Sheet1'!B3:F20` or `B3`")
    quoted, plain, left, top, right, bottom = found.groups()
    sheet = quoted.replace("''", "'") if quoted else plain
    last_row, last_column = (int(bottom), _number(right) + 1) if right else (None, None)
    return sheet, int(top) - 1, _number(left), last_row, last_column


def _number(letters: str) -> int:
    value = 0
    for letter in letters:
        value = value * 26 + ord(letter) - 64
    return value - 1


def _text(cell: Any) -> str | None:
    """A cell as CSV would have it."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.isoformat(" ")
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    if isinstance(cell, dt.timedelta):
        seconds = round(cell.total_seconds())
        return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
    return str(cell)


# --- writing ----------------------------------------------------------------------------------------------------------


def write(batches: Iterator[Any], schema: Any, target: Path, options: Options, codec: str) -> int:
    """One workbook of one sheet. Raises DataOSError `flare.types` for what a sheet cannot hold."""
    import xlsxwriter
    from xlsxwriter.exceptions import XlsxWriterException

    header = flag(options, "header", default=True)
    settings = {"constant_memory": True, "tmpdir": str(target.parent), "default_date_format": "yyyy-mm-dd hh:mm:ss",
                "remove_timezone": True, "nan_inf_to_errors": True}  # fmt: skip
    book = xlsxwriter.Workbook(str(target), settings)
    rows = 0
    try:
        sheet = book.add_worksheet(options.get("sheetname", "Sheet1"))
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        if header:
            for number, name in enumerate(schema.names):
                sheet.write_string(0, number, name)
        for batch in batches:
            for row in zip(*(c.to_pylist() for c in batch.columns), strict=True):
                place = rows + int(header)
                if place >= _MOST_ROWS:
                    hint = "write CSV or Parquet, or filter the rows"
                    raise fail("flare.types", f"a sheet holds {_MOST_ROWS} rows at most", hint=hint)
                _row(sheet, place, row, schema.names, day)
                rows += 1
    except XlsxWriterException as error:
        raise fail("flare.option", f"`sheetName`: {str(error)[:160]}") from error
    finally:
        book.close()
    return rows


def _row(sheet: Any, place: int, row: Sequence[Any], columns: Sequence[str], day: Any) -> None:
    for number, value in enumerate(row):
        if value is None:
            continue
        if isinstance(value, str):
            if len(value) > _MOST_TEXT:
                raise _too_long(columns[number], place)
            sheet.write_string(place, number, value)
        elif isinstance(value, bool):
            sheet.write_boolean(place, number, value)
        elif isinstance(value, dt.datetime):
            sheet.write_datetime(place, number, value)
        elif isinstance(value, dt.date):
            sheet.write_datetime(place, number, value, day)
        elif isinstance(value, int) and abs(value) >= _EXACT:
            sheet.write_string(place, number, str(value))  # a number of Excel's would lose its last digits
        else:
            sheet.write_number(place, number, value)


def _too_long(column: str, place: int) -> DataOSError:
    return fail(
        "flare.types",
        f"column `{column}`: the text of row {place} is longer than the {_MOST_TEXT} characters of a cell",
        hint="shorten it with substring(), or write CSV",
    )
