"""information_schema and the catalog `system`: of our own catalog, of what a principal may know of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataos.core.ids import UserId
from dataos.gateway import results
from dataos.gateway.asking import Statement
from dataos.gateway.gateway import Gateway, Limits
from dataos.gateway.relations import Decision, Relation
from dataos.governance.exposure import DatasetName
from dataos.governance.masking import Shape
from dataos.governance.principals import Principal
from integration.gateway.gateway_world import World
from support.access import AllowAll, NoJournal

BOB = Principal(UserId("bob"))


def test_tables_columns_and_views_are_listed(world: World):
    world.rows("CREATE SCHEMA IF NOT EXISTS listed")
    world.rows("CREATE TABLE IF NOT EXISTS listed.t (id bigint NOT NULL, tags array(varchar))")
    world.rows("CREATE OR REPLACE VIEW listed.v AS SELECT id FROM retail.orders")
    of_it = "FROM information_schema.{} WHERE table_schema = 'listed' ORDER BY 3"
    assert world.rows("SELECT * " + of_it.format("tables")) == [
        ["lakehouse", "listed", "t", "BASE TABLE"],
        ["lakehouse", "listed", "v", "VIEW"],
    ]
    assert world.rows("SELECT table_name, column_name, ordinal_position, is_nullable, data_type "
                      "FROM lakehouse.information_schema.columns WHERE table_schema = 'listed' ORDER BY 1, 3") == [
        ["t", "id", 1, "NO", "bigint"],
        ["t", "tags", 2, "YES", "array(varchar)"],
        ["v", "id", 1, "YES", "bigint"],
    ]  # fmt: skip
    assert world.rows("SELECT view_definition " + of_it.format("views").replace(" ORDER BY 3", "")) == [
        ["SELECT id FROM retail.orders"]
    ]
    schemas = world.rows("SELECT schema_name FROM information_schema.schemata")
    assert ["listed"] in schemas
    assert ["information_schema"] in schemas
    assert ["customers"] in world.rows("SELECT table_name FROM shop.information_schema.tables")
    assert world.rows("SELECT count(*) FROM information_schema.columns c JOIN information_schema.tables t "
                      "ON c.table_name = t.table_name AND c.table_schema = t.table_schema "
                      "WHERE t.table_schema = 'listed'") == [[3]]  # fmt: skip


def test_the_catalog_system_tells_catalogs_and_properties(world: World):
    assert world.rows("SELECT catalog_name FROM system.metadata.catalogs") == [["lakehouse"], ["shop"]]
    found = world.rows("SELECT property_name FROM system.metadata.table_properties WHERE catalog_name = 'lakehouse'")
    assert ["partitioning"] in found
    assert world.rows("SELECT count(*) FROM system.metadata.table_properties WHERE catalog_name = 'shop'") == [[0]]
    assert ["analyze_properties"] in world.rows("SHOW TABLES FROM system.metadata")


class Rules(AllowAll):
    """Everything named `orders` is unknown to bob, and of `things` the column `tags`."""

    async def decide(self, principal: Principal, relations: Sequence[Relation]) -> list[Decision]:
        hidden = Shape(frozenset({("tags",)}), lambda _: None)
        return [
            Decision(allowed=False)
            if r.table == "orders"
            else Decision(shape=hidden)
            if r.table == "things"
            else Decision()
            for r in relations
        ]

    async def may_read(self, principal: Principal, names: Sequence[DatasetName]) -> list[bool]:
        return [n.dataset != "orders" for n in names]


def test_only_what_may_be_known_is_listed(world: World):
    gateway = Gateway(
        world.engine,
        world.mounted,
        ids=world.catalog.ids,
        limits=Limits(timeout_s=30),
        authority=Rules(),
        journal=NoJournal(),
    )

    async def run(sql: str) -> list[list[Any]]:
        result = await gateway.run(Statement(sql, catalog="lakehouse", schema="retail"), BOB)
        return (await results.as_json(result))["rows"]

    tables = world.do(run("SELECT table_name FROM information_schema.tables WHERE table_schema = 'retail'"))
    assert ["orders"] not in tables
    assert ["things"] in tables
    columns = world.do(run("SELECT column_name FROM information_schema.columns WHERE table_name = 'things'"))
    assert ["tags"] not in columns
    assert ["counts"] in columns
    assert world.do(run("SELECT count(*) FROM information_schema.columns WHERE table_name = 'orders'")) == [[0]]
