"""Sort orders of a rewrite: `id ASC NULLS LAST, name` or `zorder(a, b)` (ch04 3.16), and rows put into that order.

DuckDB sorts: it spills to disk where memory ends. A z-order interleaves the bits of each column's rank, so that rows
that are near in all columns come to stand in the same files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import NullOrder, SortDirection, SortOrder

from dataos.core.errors import fail
from dataos.core.names import did_you_mean
from dataos.core.sqltext import quoted

_TERM = re.compile(
    r"(?P<column>`[^`]+`|[^\s,()]+)(?:[\s,]+(?P<direction>asc|desc))?(?:[\s,]+nulls[\s]+(?P<nulls>first|last))?", re.I
)
_ZORDER = re.compile(r"\s*zorder\s*\((?P<columns>.*)\)\s*\.?\s*", re.I | re.S)
_BITS = 62
_MOST = 8


@dataclass(frozen=True)
class Term:
    """One column of an order."""

    column: str
    descending: bool = False
    nulls_first: bool = True


@dataclass(frozen=True)
class Order:
    """How rows are put in order. `order_id`: of the table's own sort order, where it is that one."""

    terms: tuple[Term, ...]
    zorder: bool = False
    order_id: int | None = None


def parse(text: str, schema: Schema) -> Order:
    """Lenient as the reference's samples need it: brackets around, a comma before the direction, a dot behind.

    Raises DataOSError `dataset.order`.
    """
    zorder = _ZORDER.fullmatch(text)
    if zorder is not None:
        names = [n.strip(" `") for n in zorder["columns"].split(",") if n.strip()]
        if not 1 <= len(names) <= _MOST:
            raise fail("dataset.order", f"zorder takes 1 to {_MOST} columns", hint="zorder(customer_id, ordered_at)")
        return Order(tuple(Term(_known(n, schema)) for n in names), zorder=True)
    rest = text.strip().rstrip(".").strip()
    while rest.startswith("(") and rest.endswith(")"):
        rest = rest[1:-1].strip()
    terms: list[Term] = []
    at = 0
    while at < len(rest):
        found = _TERM.match(rest, at)
        if found is None:
            raise fail(
                "dataset.order",
                f"sort order `{text}` cannot be read from `{rest[at : at + 20]}` on",
                hint="column ASC|DESC NULLS FIRST|LAST[, ...] or zorder(a, b)",
            )
        descending = (found["direction"] or "asc").lower() == "desc"
        nulls = (found["nulls"] or ("last" if descending else "first")).lower()
        terms.append(Term(_known(found["column"].strip("`"), schema), descending, nulls == "first"))
        at = found.end()
        while at < len(rest) and rest[at] in ", \t\n":
            at += 1
    if not terms:
        raise fail("dataset.order", "the sort order is empty", hint="column ASC|DESC NULLS FIRST|LAST[, ...]")
    return Order(tuple(terms))


def of_table(order: SortOrder, schema: Schema) -> Order:
    """The table's own order. Raises DataOSError `dataset.order` if it has none, or one with transforms."""
    if not order.fields:
        raise fail(
            "dataset.order", "the table has no sort order of its own", hint="say which: sortOrder, or --sort-order"
        )
    terms: list[Term] = []
    for one in order.fields:
        if str(one.transform) != "identity":
            raise fail(
                "dataset.order",
                f"the table is sorted by {one.transform}",
                hint="say which columns: sortOrder, or --sort-order",
            )
        name = schema.find_column_name(one.source_id) or ""
        terms.append(Term(name, one.direction is SortDirection.DESC, one.null_order is NullOrder.NULLS_FIRST))
    return Order(tuple(terms), order_id=order.order_id)


def _known(name: str, schema: Schema) -> str:
    known = {n.lower(): n for n in schema.column_names}
    if name.lower() not in known:
        raise fail("dataset.order", f"there is no column `{name}` to sort by", hint=did_you_mean(name, known.values()))
    return known[name.lower()]


def apply(
    order: Order, schema: pa.Schema, batches: Iterable[pa.RecordBatch], memory_bytes: int, spill: Path
) -> Iterator[pa.RecordBatch]:
    """The rows in order. Sorting may take `memory_bytes` and spills below `spill`."""
    reader = pa.RecordBatchReader.from_batches(schema, batches)
    connection = duckdb.connect(
        config={
            "memory_limit": f"{max(64, memory_bytes >> 20)}MB",
            "temp_directory": str(spill),
            "threads": 2,
        }
    )
    try:
        connection.register("source", reader)
        answer: Any = connection.execute(_statement(order))
        for batch in answer.to_arrow_reader(64 << 10):  # DuckDB has its own mind about time zones and text types
            yield from pa.Table.from_batches([batch]).cast(schema).combine_chunks().to_batches()
    finally:
        connection.close()


def _statement(order: Order) -> str:
    if not order.zorder:
        terms = [
            f"{_quoted(t.column)} {'DESC' if t.descending else 'ASC'} NULLS {'FIRST' if t.nulls_first else 'LAST'}"
            for t in order.terms
        ]
        return f"SELECT * FROM source ORDER BY {', '.join(terms)}"
    count = len(order.terms)
    bits = min(16, _BITS // count)
    ranks = ", ".join(
        f"CAST(floor(percent_rank() OVER (ORDER BY {_quoted(t.column)}) * {(1 << bits) - 1}) AS BIGINT) AS __z{i}"
        for i, t in enumerate(order.terms)
    )
    woven = " | ".join(
        f"(((__z{i} >> {bit}) & 1) << {bit * count + (count - 1 - i)})" for bit in range(bits) for i in range(count)
    )
    hidden = ", ".join(f"__z{i}" for i in range(count))
    return f"SELECT * EXCLUDE ({hidden}) FROM (SELECT *, {ranks} FROM source) ORDER BY {woven}"


def _quoted(name: str) -> str:
    return quoted(*name.split("."))
