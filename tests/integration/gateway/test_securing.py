"""What a decision hides stays hidden, whatever the statement: the governed answer equals the answer over a twin.

The twin (`orders_seen`) is a physical copy that holds only what the principal may see: no `price`, masked `customer`, no
row with id 1. Policies themselves come later; this proves that `secure` has no gaps once they do.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from dataos.core.errors import DataOSError
from dataos.core.ids import RandomIds
from dataos.gateway import results
from dataos.gateway.asking import Statement
from dataos.gateway.gateway import Gateway
from dataos.gateway.relations import Decision, Relation
from dataos.governance.exposure import AppliedFilter, AppliedMask
from dataos.governance.masking import Shape
from dataos.governance.policies import Filter, Mask
from dataos.governance.principals import Principal
from integration.gateway.gateway_world import ALICE, ORDERS, World
from support.access import AllowAll, NoJournal


class Restricting(AllowAll):
    """One fixed decision for `orders`; everything else is open."""

    async def decide(self, principal: Principal, relations: Sequence[Relation]) -> list[Decision]:
        return [self._one(r) for r in relations]

    def _one(self, relation: Relation) -> Decision:
        if relation.table != "orders":
            return Decision()
        stars = AppliedMask(Mask("redact", replacement="***"), "p")
        shape = Shape(frozenset({("price",)}), lambda path: stars if path == ("customer",) else None)
        # the filter is on a column that is not even visible
        return Decision(shape=shape, filters=(AppliedFilter(Filter("price", "not_equals", 1.5), "p"),))


@pytest.fixture(scope="module")
def governed(world: World) -> Gateway:
    rows = ORDERS.filter(pa.array([p is not None and p != 1.5 for p in ORDERS["price"].to_pylist()])).drop_columns(
        ["price"]
    )
    masked = pa.array([None if c is None else "***" for c in rows["customer"].to_pylist()])
    rows = rows.set_column(rows.schema.get_field_index("customer"), "customer", masked)
    world.write("orders_seen", rows)
    return Gateway(world.engine, world.mounted, ids=RandomIds(), authority=Restricting(), journal=NoJournal())


def rows_of(world: World, gateway: Gateway, sql: str) -> list[list[object]]:
    async def run() -> list[list[object]]:
        statement = Statement(sql, catalog="lakehouse", schema="retail")
        return (await results.as_json(await gateway.run(statement, ALICE)))["rows"]

    return world.do(run())


STATEMENTS = [
    "SELECT * FROM orders ORDER BY id",
    "SELECT o.* FROM orders o ORDER BY o.id",
    "SELECT customer FROM orders WHERE customer = 'ann'",
    "SELECT id FROM orders WHERE customer LIKE 'a%' ORDER BY id",
    "SELECT id FROM orders WHERE id = 1",
    "SELECT count(*), count(customer), min(customer), max(customer) FROM orders",
    "SELECT customer, count(*) FROM orders GROUP BY customer ORDER BY 1",
    "SELECT count(DISTINCT customer) FROM orders",
    "WITH x AS (SELECT * FROM orders), y AS (SELECT customer AS c, id FROM x) SELECT c, id FROM y ORDER BY id",
    "WITH orders AS (SELECT * FROM orders) SELECT customer FROM orders ORDER BY 1",
    "SELECT customer FROM (SELECT customer FROM orders UNION ALL SELECT customer FROM orders) ORDER BY 1",
    "SELECT customer FROM orders EXCEPT SELECT 'x' ORDER BY 1",
    "SELECT a.customer, b.id FROM orders a JOIN orders b ON a.customer = b.customer ORDER BY 1, 2",
    "SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM orders p WHERE p.customer = 'bob' AND p.id = o.id)",
    "SELECT (SELECT max(customer) FROM orders p WHERE p.id = t.id) FROM things t ORDER BY t.id",
    "SELECT t.id, l.c FROM things t LEFT JOIN LATERAL (SELECT customer AS c FROM orders o WHERE o.id = t.id) l ON true ORDER BY 1",
    "SELECT id FROM orders WHERE id IN (SELECT id FROM orders WHERE customer <> 'ann') ORDER BY 1",
    "SELECT listagg(customer, ',') WITHIN GROUP (ORDER BY id) FROM orders",
    "SELECT array_agg(customer ORDER BY id) FROM orders",
    "SELECT first_value(customer) OVER (ORDER BY id) FROM orders ORDER BY id",
    "SELECT lag(customer) OVER (ORDER BY id) FROM orders ORDER BY id",
    "SELECT x FROM orders CROSS JOIN UNNEST(ARRAY[customer]) AS t(x) ORDER BY x",
    "SELECT transform(ARRAY[1], i -> customer) FROM orders ORDER BY id",
    "SELECT id FROM orders ORDER BY customer, id",
    "SELECT id FROM orders NATURAL JOIN things ORDER BY id",
    "SELECT sum(id) FILTER (WHERE customer = 'ann') FROM orders",
    "SELECT CASE WHEN customer = 'ann' THEN 1 ELSE 1 / (id - 1) END FROM orders ORDER BY id",
    "SELECT try(1 / (id - 1)) FROM orders ORDER BY id",
    "SELECT approx_distinct(customer), histogram(customer) FROM orders",
    "SELECT * FROM orders TABLESAMPLE BERNOULLI (100) ORDER BY id",
    "SELECT grouping(customer), count(*) FROM orders GROUP BY ROLLUP (customer) ORDER BY 1, 2",
]  # fmt: skip


@pytest.mark.parametrize("sql", STATEMENTS, ids=[s[:50] for s in STATEMENTS])
def test_the_governed_answer_is_the_twins(world: World, governed: Gateway, sql: str):
    twin = sql.replace(" orders", " orders_seen").replace("WITH orders_seen AS", "WITH orders AS")
    if sql.startswith("WITH orders AS"):
        twin = "WITH orders AS (SELECT * FROM orders_seen) SELECT customer FROM orders ORDER BY 1"
    assert rows_of(world, governed, sql) == rows_of(world, governed, twin)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT price FROM orders",
        "SELECT id FROM orders WHERE price > 0",
        "SELECT id FROM orders ORDER BY price",
        "SELECT o.price FROM orders o",
        "SELECT count(price) FROM orders",
        "SELECT id FROM orders GROUP BY id HAVING max(price) > 0",
        "SELECT id FROM orders JOIN (SELECT 1.5e0 AS price) USING (price)",
        "SELECT sum(id) OVER (PARTITION BY price) FROM orders",
        "SELECT (SELECT o.price) FROM orders o",
        "SELECT * FROM things t, LATERAL (SELECT price FROM orders) l",
        "SELECT transform(ARRAY[1], x -> price) FROM orders",
        'SELECT "PRICE" FROM orders',
        "SELECT lakehouse.retail.orders.price FROM orders",
    ],
)
def test_a_denied_column_does_not_exist(world: World, governed: Gateway, sql: str):
    with pytest.raises(DataOSError) as caught:
        rows_of(world, governed, sql)
    assert caught.value.problem.code == "query.unknown_column"
    assert "amount" in caught.value.problem.hint or "price" not in caught.value.problem.hint


def test_columns_that_the_engine_would_know_do_not_widen_a_relation(world: World, governed: Gateway):
    assert [r[0] for r in rows_of(world, governed, "DESCRIBE orders_seen")] == [
        "id", "customer", "amount", "qty", "day", "at", "ok",
    ]  # fmt: skip
