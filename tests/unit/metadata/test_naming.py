"""Names of datasets in OpenLineage's naming rules, to and from addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.core.addresses import Udl
from dataos.depots.ports import DepotEntry
from dataos.metadata import naming, openlineage
from dataos.metadata.naming import Name

DEPOTS = [
    DepotEntry("shop", "1", "POSTGRESQL", {"host": "db.local", "port": 5432, "database": "retail"}),
    DepotEntry("crm", "2", "MYSQL", {"host": "my.local", "port": 3307}),
    DepotEntry("root", "3", "FILE", {"path": "/data"}),
    DepotEntry("landing", "4", "FILE", {"path": "/data/landing"}),
    DepotEntry("bucket", "5", "S3", {"bucket": "b1", "relativePath": "in/put", "scheme": "s3a"}),
    DepotEntry("bus", "6", "KAFKA", {"brokers": ["k1:9092", "k2:9092"]}),
    DepotEntry("lake", "7", "ICEBERG", {"warehouse": "lake"}),
]


@pytest.mark.parametrize(
    ("namespace", "name", "address"),
    [
        ("postgres://db.local:5432", "retail.public.orders", "dataos://shop:public/orders"),
        ("postgresql://DB.local", "retail.public.orders", "dataos://shop:public/orders"),
        ("postgres://db.local:5432", "other.public.orders", "postgres://db.local:5432/other.public.orders"),
        ("mysql://my.local:3307", "crm.people", "dataos://crm:crm/people"),
        ("file", "/data/x/y/z.csv", "dataos://root:x/y/z.csv"),
        ("file", "/data/landing/x/z.csv", "dataos://landing:x/z.csv"),  # the depot that leads there most exactly
        ("file", "/data/one.csv", "dataos://root:none/one.csv"),
        ("file", "/elsewhere/one.csv", "file/elsewhere/one.csv"),
        ("s3a://b1", "in/put/2024/a.parquet", "dataos://bucket:2024/a.parquet"),
        ("s3://b1", "other/a.parquet", "s3://b1/other/a.parquet"),
        ("kafka://k2:9092", "clicks", "dataos://bus:none/clicks"),
        ("dataos://lake", "retail/orders", "dataos://lake:retail/orders"),
        ("snowflake://x-y", "d.s.t", "snowflake://x-y/d.s.t"),
        ("postgres://db.local:notaport", "retail.public.orders", "postgres://db.local:notaport/retail.public.orders"),
    ],
)
def test_names_of_others_become_addresses(namespace: str, name: str, address: str) -> None:
    assert naming.address(Name(namespace, name), DEPOTS) == address


def test_what_we_call_it_elsewhere_leads_back() -> None:
    for entry in DEPOTS[:6]:
        udl = Udl(entry.name, "none" if entry.type == "KAFKA" else "c", "d")
        found = naming.physical(entry, udl)
        assert found is not None
        assert naming.address(found, [entry]) == str(udl), entry.type


def test_a_name_never_leads_out_of_a_depot() -> None:
    assert naming.address(Name("file", "/data/../etc/passwd"), DEPOTS) == "file/data/../etc/passwd"


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_any_name_has_an_address(namespace: str, name: str) -> None:
    assert isinstance(naming.address(Name(namespace, name), DEPOTS), str)


@given(
    st.sampled_from(["c", "a.b", "none"]),
    st.text(st.characters(codec="utf-8", exclude_characters="?"), min_size=1, max_size=30),
)
def test_own_ids_lead_back(collection: str, dataset: str) -> None:
    address = str(Udl("lake", collection, dataset))
    try:
        parsed = Udl.parse(address)
    except Exception:  # noqa: BLE001 - not every text is part of an address
        return
    if not parsed.dataset:
        return
    made = openlineage.dataset_id(str(parsed))
    assert naming.address(Name(**made), DEPOTS) == str(parsed)
