"""What inputs that are queries read: addresses, and columns as far as the text tells."""

from __future__ import annotations

import pytest

from dataos.stacks.flare import querying
from dataos.stacks.flare.driver import lineage

ORDERS, PEOPLE = "dataos://shop:public/orders", "dataos://crm:main/people"


@pytest.mark.parametrize(
    ("query", "tables"),
    [
        ("SELECT * FROM shop.public.orders", (ORDERS,)),
        ('WITH o AS (SELECT * FROM shop.public.orders) SELECT * FROM o JOIN crm.main.people p ON o.id = p.id', (PEOPLE, ORDERS)),
        ('SELECT * FROM shop.public."orders$snapshots"', (ORDERS,)),
        ("SELECT * FROM orders", ()),
        ("SELECT 1", ()),
        ("no sql", ()),
    ],
)  # fmt: skip
def test_tables(query: str, tables: tuple[str, ...]) -> None:
    assert querying.tables(query) == tables


def test_columns() -> None:
    query = (
        "WITH o AS (SELECT id, amount * 2 AS twice FROM shop.public.orders) "
        "SELECT o.id, p.name, o.twice + 1 AS more, count(*) AS n, 1 AS one "
        "FROM o JOIN crm.main.people p ON o.id = p.id GROUP BY 1, 2, 3"
    )
    found = querying.columns(query, ["id", "name", "more", "n", "one"])
    assert found["id"] == [(ORDERS, "id")]
    assert found["name"] == [(PEOPLE, "name")]
    assert found["more"] == [(ORDERS, "amount")]
    assert found["one"] == []


def test_a_star_of_one_table_is_its_columns() -> None:
    assert querying.columns("SELECT * FROM shop.public.orders", ["id"]) == {"id": [(ORDERS, "id")]}


def test_what_the_text_does_not_tell_is_not_told() -> None:
    query = "SELECT * FROM shop.public.orders o JOIN crm.main.people p ON o.id = p.id"
    assert querying.columns(query, ["name"]) == {}


def test_lineage_goes_through_queries() -> None:
    traced = [
        {
            "output": "v",
            "column": "a",
            "inputs": [{"input": "q", "column": "id"}, {"input": "f", "column": "x"}],
            "resolved": True,
        },
        {"output": "v", "column": "b", "inputs": [{"input": "q", "column": "name"}], "resolved": True},
    ]
    first, second = lineage.through(traced, {"q": {"id": [(ORDERS, "id")]}})
    assert first["inputs"] == [{"input": "q", "column": "id", "address": ORDERS}, {"input": "f", "column": "x"}]
    assert (first["resolved"], second["resolved"]) == (True, False)
