"""Tables in a running installation's lakehouse, through the catalog's own protocol."""

from __future__ import annotations

import time
from typing import Any

import pyarrow as pa
from pyiceberg.exceptions import ServiceUnavailableError

from support.server import Installation


def catalog(made: Installation, warehouse: str = "lakehouse") -> Any:
    """PyIceberg's REST client as the administrator."""
    from pyiceberg.catalog import load_catalog

    token = (made.home / "keys" / "admin.token").read_text().strip()
    return load_catalog("test", type="rest", uri=f"{made.url}/iceberg", warehouse=warehouse, token=token)


def rows(*ids: int) -> pa.Table:
    """An Arrow table (id bigint, text string)."""
    return pa.table({"id": pa.array(ids, pa.int64()), "text": pa.array([f"row {i}" for i in ids], pa.string())})


def make_table(made: Installation, name: str = "sales.orders", *ids: int, warehouse: str = "lakehouse") -> Any:
    """A new table with these ids."""
    known = catalog(made, warehouse)
    namespace = name.split(".")[0]
    if (namespace,) not in known.list_namespaces():
        known.create_namespace(namespace)
    table = known.create_table(name, rows().schema)
    table.append(rows(*ids))
    return table


def ids_of(made: Installation, name: str = "sales.orders", warehouse: str = "lakehouse") -> list[int]:
    """All ids of a table, sorted. Repeats a refusal for a store that is slow, as its message asks."""
    for _ in range(20):
        try:
            return sorted(catalog(made, warehouse).load_table(name).scan().to_arrow()["id"].to_pylist())
        except ServiceUnavailableError:
            time.sleep(1)
    raise AssertionError("the store stays slow")


def creation(location: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A commit of the REST protocol that makes a table."""
    updates = [
        {"action": "assign-uuid", "uuid": "a42f8c54-eb01-491f-a105-a88f8ba7fe99"},
        {"action": "upgrade-format-version", "format-version": 2},
        {"action": "add-schema", "schema": schema, "last-column-id": 1},
        {"action": "set-current-schema", "schema-id": -1},
        {"action": "add-spec", "spec": {"spec-id": 0, "fields": []}},
        {"action": "set-default-spec", "spec-id": -1},
        {"action": "add-sort-order", "sort-order": {"order-id": 0, "fields": []}},
        {"action": "set-default-sort-order", "sort-order-id": -1},
        {"action": "set-location", "location": location},
    ]
    return {"requirements": [{"type": "assert-create"}], "updates": updates}
