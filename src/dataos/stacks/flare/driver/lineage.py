"""Which input columns an output column comes from, as far as the SQL tells (SQLGlot's column lineage)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

_MAX_COLUMNS = 200
_MAX_SQL = 100_000


def trace(
    view: str,
    columns: Sequence[str],
    steps: Mapping[str, str],
    reads: Mapping[str, Sequence[str]],
    inputs: Mapping[str, Sequence[str]],
) -> list[dict[str, Any]]:
    """One entry a column: {output, column, inputs: [{input, column}], resolved}.

    `steps`: view -> its SQL; `reads`: view -> views it reads; `inputs`: input -> its columns. What does not resolve is
    said to come from every column of every input that the view stands on: too much rather than too little.
    """
    if view in inputs:
        return [
            {"output": view, "column": c, "inputs": [{"input": view, "column": c}], "resolved": True} for c in columns
        ]
    stands_on = below(view, reads, inputs)
    everything = [{"input": i, "column": c} for i in inputs if i in stands_on for c in inputs[i]]
    total = sum(len(s) for s in steps.values())
    found: list[dict[str, Any]] = []
    for column in columns:
        resolved: list[dict[str, str]] | None = None
        if len(columns) <= _MAX_COLUMNS and total <= _MAX_SQL:
            resolved = _resolve(view, column, steps, inputs)
        found.append(
            {
                "output": view,
                "column": column,
                "inputs": everything if resolved is None else resolved,
                "resolved": resolved is not None,
            }
        )
    return found


def through(
    traced: Sequence[dict[str, Any]], queries: Mapping[str, Mapping[str, Sequence[tuple[str, str]]]]
) -> list[dict[str, Any]]:
    """Entries of `trace` in which columns of queries stand for the columns of tables that they are made of. `queries`:
    input -> its columns -> (address, column); an entry with a column that is not there is not resolved."""
    found: list[dict[str, Any]] = []
    for entry in traced:
        resolved, inputs = entry["resolved"], []
        for source in entry["inputs"]:
            known = queries.get(source["input"])
            if known is None:
                inputs.append(source)
            elif source["column"] in known:
                name = source["input"]
                inputs += [{"input": name, "column": c, "address": a} for a, c in known[source["column"]]]
            else:
                inputs.append(source)
                resolved = False
        found.append({**entry, "inputs": inputs, "resolved": resolved})
    return found


def below(view: str, reads: Mapping[str, Sequence[str]], inputs: Mapping[str, Any]) -> list[str]:
    """Names of the inputs that a view stands on, in their order."""
    seen: set[str] = set()
    waiting = [view]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += reads.get(name, ())
    return [name for name in inputs if name in seen]


def _resolve(
    view: str, column: str, steps: Mapping[str, str], inputs: Mapping[str, Sequence[str]]
) -> list[dict[str, str]] | None:
    from sqlglot import exp
    from sqlglot.lineage import lineage

    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    schema = {i: dict.fromkeys(cs, "string") for i, cs in inputs.items()}
    others = {n: s for n, s in steps.items() if n != view}
    try:
        root = lineage(column, steps[view], schema=schema, sources=others, dialect="spark")
    except Exception:  # noqa: BLE001 - lineage is told as far as it can be; the data is right without
        return None
    known = {i.lower(): i for i in inputs}
    found: dict[tuple[str, str], None] = {}
    for node in root.walk():
        if node.downstream:
            continue
        table = node.source if isinstance(node.source, exp.Table) else None
        if table is None:
            # a literal, or something that lineage lost: only a column without any column below it is known to be free
            if node.expression.find(exp.Column) is not None:
                return None
            continue
        name = known.get(table.name.lower())
        wanted = node.name.split(".")[-1].strip('`"')
        if name is None or wanted == "*":
            return None
        match = next((c for c in inputs[name] if c.lower() == wanted.lower()), None)
        if match is None:
            return None
        found[(name, match)] = None
    return [{"input": i, "column": c} for i, c in found]
