"""Inputs that are queries (ch04 3.4): which datasets a statement reads, and of which columns an answer is made.

The query engine's catalogs are Depots: `shop.public.orders` is `dataos://shop:public/orders`. A name that is not whole
cannot be told by the text alone, and is left out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dataos.core.addresses import Udl

DIALECT = "trino"


def tables(query: str) -> tuple[str, ...]:
    """Addresses of the tables that a statement names, sorted."""
    try:
        tree = sqlglot.parse_one(query, dialect=DIALECT)
    except SqlglotError:
        return ()
    return tuple(sorted({a for a in map(_address, tree.find_all(exp.Table)) if a is not None}))


def _address(table: Any) -> str | None:
    if not table.catalog or not table.db or not table.name:
        return None
    dataset = str(table.name).partition("$")[0]  # a metadata table is about its table
    return str(Udl(str(table.catalog), str(table.db), dataset)) if dataset else None


def columns(query: str, names: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """(address, column) that each column of the answer is made of. A column whose way the text does not tell (a star,
    an unqualified name among several tables) is not in the answer."""
    from sqlglot.lineage import lineage

    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    lone = tables(query)
    found: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        try:
            root = lineage(name, query, schema={}, sources={}, dialect=DIALECT)
        except Exception:  # noqa: BLE001 - lineage is told as far as it can be
            if len(lone) == 1 and _is_star(query):
                found[name] = [(lone[0], name)]
            continue
        sources: list[tuple[str, str]] = []
        known = True
        for node in root.walk():
            if node.downstream:
                continue
            address = _address(node.source) if isinstance(node.source, exp.Table) else None
            column = node.name.split(".")[-1].strip('"')
            if address is not None and column != "*":
                sources.append((address, column))
            elif address is not None or node.expression.find(exp.Column) is not None:
                known = False
        if known:
            found[name] = list(dict.fromkeys(sources))
        elif len(lone) == 1 and _is_star(query):
            found[name] = [(lone[0], name)]
    return found


def _is_star(query: str) -> bool:
    """SELECT * FROM one table: the answer's columns are the table's."""
    tree = sqlglot.parse_one(query, dialect=DIALECT)
    simple = isinstance(tree, exp.Select) and not tree.args.get("joins") and not tree.ctes
    return simple and len(tree.expressions) == 1 and isinstance(tree.expressions[0], exp.Star)
