"""UDLs and identifiers, every spelling of ch01 4.2 and ch02 1.9."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.core.addresses import Identifier, Udl, parse_identifier
from dataos.core.errors import DataOSError
from dataos.manifest import registry

TYPES = registry.known_kinds()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("dataos://retaildb", ("retaildb", None, None, "r")),
        ("dataos://retaildb:public", ("retaildb", "public", None, "r")),
        ("dataos://lakehouse:sales?acl=rw", ("lakehouse", "sales", None, "rw")),
        ("dataos://lakehouse:sales/orders?acl=rw", ("lakehouse", "sales", "orders", "rw")),
        (
            "dataos://dropzone:none/landing/orders/2024/orders.csv",
            ("dropzone", "none", "landing/orders/2024/orders.csv", "r"),
        ),
        ("dataos://snow:TPCH_SF10/ORDERS", ("snow", "TPCH_SF10", "ORDERS", "r")),
        ("dataos://clicks?acl=rw&batch_size=10", ("clicks", None, None, "rw")),
    ],
)
def test_udl_forms(text, parts):
    udl = Udl.parse(text)
    assert (udl.depot, udl.collection, udl.dataset, udl.acl) == parts


@pytest.mark.parametrize(
    "text",
    [
        "dataos:////x",
        "dataos://",
        "x",
        "s3://a:b/c",
        "dataos://a/b",
        "dataos://a:b/../c",
        "dataos://a:b/./c",
        "dataos://a:b/c?acl=w",
        "dataos://a:b/%2e%2e/c",
        "dataos://a b:c",
    ],
)
def test_malformed_udls_say_so_and_show_the_form(text):
    with pytest.raises(DataOSError) as caught:
        Udl.parse(text)
    assert caught.value.problem.message == f"Invalid dataset found: {text}"
    assert caught.value.problem.hint


@given(
    depot=st.from_regex(r"[a-z][a-z0-9]{0,10}", fullmatch=True),
    collection=st.from_regex(r"[A-Za-z0-9_]{1,8}", fullmatch=True),
    dataset=st.text(min_size=1, max_size=20).filter(
        lambda s: s.isprintable() and not {"", ".", ".."} & set(s.split("/")) and s.strip() == s
    ),
    acl=st.sampled_from(["r", "rw"]),
)
def test_udl_text_parses_back_to_itself(depot, collection, dataset, acl):
    udl = Udl(depot, collection, dataset, acl)
    assert Udl.parse(udl.with_acl()) == udl


@pytest.mark.acceptance("ch01-AS09")
@pytest.mark.parametrize(
    "text",
    [
        "x | v1 | workflow | sales",
        "x | | v1 | | workflow | sales | active | me",
        "workflow:v1:x:sales",
        "x:v1:workflow:sales",
        "x │ v1 │ workflow │ sales",
        " x | v1 | Workflow | sales ",
        "x | v1 | workflows | sales |",
    ],
)
def test_identifier_spellings_mean_the_same(text):
    found = parse_identifier(text, TYPES, registry.canonical_type)
    assert found == Identifier("x", "workflow", "v1", "sales")


def test_identifier_without_workspace_or_version():
    assert parse_identifier("secret1:v1:secret", TYPES, registry.canonical_type) == Identifier(
        "secret1", "secret", "v1", None
    )
    assert parse_identifier("b | v1beta | bundle |      ", TYPES, registry.canonical_type).type == "bundle"
    assert parse_identifier("onlyname", TYPES, registry.canonical_type) == Identifier("onlyname")


def test_identifier_of_no_known_type_is_refused():
    with pytest.raises(DataOSError) as caught:
        parse_identifier("a:b:c", TYPES, registry.canonical_type)
    assert caught.value.problem.code == "usage.identifier"
