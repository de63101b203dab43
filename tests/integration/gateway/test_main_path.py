"""A statement's way through the gateway, over Iceberg and PostgreSQL together."""

from __future__ import annotations

import pytest

from integration.gateway.gateway_world import World


def test_a_select_over_iceberg(world: World):
    answer = world.do(world.query("SELECT id, amount, day FROM orders WHERE customer = 'ann' ORDER BY id DESC"))
    assert answer["columns"] == [
        {"name": "id", "type": "bigint"},
        {"name": "amount", "type": "decimal(10,2)"},
        {"name": "day", "type": "date"},
    ]
    assert answer["rows"] == [[3, "5.25", "2024-03-01"], [1, "10.00", "2024-01-31"]]


@pytest.mark.acceptance("ch06-AS10")
def test_a_join_of_lakehouse_and_database(world: World):
    sql = "SELECT o.id, c.city FROM lakehouse.retail.orders o JOIN shop.public.customers c ON o.customer = c.name"
    assert world.rows(sql + " ORDER BY 1") == [[1, "Oslo"], [2, "Bern"], [3, "Oslo"]]
    assert world.rows("SHOW CATALOGS") == [["lakehouse"], ["shop"], ["system"]]


def test_show_and_describe(world: World):
    assert world.rows("SHOW SCHEMAS FROM shop") == [["Mixed"], ["public"]]
    tables = world.rows("SHOW TABLES")  # other tests of this world make more
    assert [row for row in tables if row[0] in {"empty", "orders", "things"}] == [["empty"], ["orders"], ["things"]]
    assert tables == sorted(tables)
    assert world.rows("show tables from shop.public like 'c%'") == [["clash"], ["customers"]]
    assert world.rows("DESCRIBE orders")[2] == ["amount", "decimal(10,2)", "", ""]
    assert world.rows("SHOW COLUMNS FROM shop.public.customers LIKE 'sc%'") == [["score", "decimal(5,1)", "", ""]]
    assert ["abs", "", "1", "scalar", "true", ""] in world.rows("SHOW FUNCTIONS LIKE 'a%'")
    assert world.rows("SHOW TABLES FROM shop.public LIKE 'zzz'") == []
    assert world.rows("EXPLAIN (TYPE VALIDATE) SELECT * FROM orders") == [["true"]]
    assert "lakehouse.retail.orders, columns = [id]" in world.rows("EXPLAIN SELECT id FROM orders")[0][0]
