"""What a column seems to hold (ch04 6.9): known values get their tag, and values that only look alike do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.stacks.flare.fingerprints import Attribute, Column, label
from dataos.stacks.flare.tagging import ColumnTag, resolve


def tags(name: str, values: list[str], type_: str = "string", distinct: int | None = None) -> dict[str, float]:
    count = len(values)
    column = Column(
        name, type_, count, count, len(set(values)) if distinct is None else distinct, [(v, 1) for v in values]
    )
    return {found.tag: found.confidence for found in label(column)}


@pytest.mark.parametrize(
    ("name", "values", "tag"),
    [
        ("contact", ["ann@example.org", "b.o-b+x@mail.example.co.uk"], "PII.Email"),
        ("mobile_no", ["+49 170 1234567", "(030) 123-4567"], "PII.Phone"),
        ("FirstName", ["Ann", "José"], "PII.FirstName"),
        ("last_name", ["Müller", "O'Neil"], "PII.LastName"),
        ("sex", ["M", "F", "m"], "PII.Gender"),
        ("dob", ["1990-01-31", "1985/12/01"], "PII.dateofbirth"),
        ("age", ["31", "7"], "PII.age"),
        ("x", ["192.168.0.1", "2001:db8::1"], "PII.IpAddress"),
        ("x", ["4111 1111 1111 1111", "5500005555555559"], "PCI.CardNumber"),
        ("x", ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819"], "PCI.Iban"),
        ("x", ["HDFC0001234", "SBIN0ABC123"], "PCI.Ifsc"),
        ("x", ["078-05-1120", "123-45-6789"], "PII.Ssn"),
        ("x", ["2341 2341 2346"], "PII.Aadhaar"),
        ("x", ["ABCPE1234F"], "PII.Pan"),
        ("x", ["12-3456789"], "SPI.Ein"),
        ("x", ["AB+", "O-"], "PHI.BloodGroup"),
        ("x", ["3b452093-782c-4ef2-9c0c-aafe2aa6f34d"], "field.uuid"),
        ("homepage", ["https://example.org/x", "www.example.com"], "field.url"),
        ("country", ["India", "united states"], "PersonalData.Country"),
        ("country_code", ["IN", "US"], "PersonalData.CountryCode"),
        ("addr_state", ["CA", "NY"], "PersonalData.StateCode"),
        ("street", ["12 Long Street", "Hauptstraße 7"], "PII.Street"),
        ("Password", ["hunter2"], "SPI.Password"),
        ("salary", ["$12,000.50", "9000"], "SPI.Salary"),
        ("religion", ["x"], "SPI.Religion"),
        ("employer", ["ACME"], "PersonalData.Organisation"),
    ],
)
def test_known_values_get_their_tag(name: str, values: list[str], tag: str) -> None:
    found = tags(name, values)
    assert found.get(tag, 0) >= 0.5, found


@pytest.mark.parametrize(
    ("name", "values", "tag"),
    [
        ("x", ["4111 1111 1111 1112", "5500005555555550"], "PCI.CardNumber"),  # wrong check digits
        ("x", ["2341 2341 2347"], "PII.Aadhaar"),
        ("x", ["DE89 3704 0044 0532 0130 01"], "PCI.Iban"),
        ("x", ["300.1.1.1", "12:30:45"], "PII.IpAddress"),
        ("x", ["123456", "99887766"], "PII.Phone"),  # digits alone say nothing
        ("x", ["Ann", "Bob"], "PII.FirstName"),
        ("email", ["1", "2", "3"], "PII.Email"),  # a name that its values speak against
        ("x", ["ann@example.org"], "PCI.Upi"),
        ("storage", ["7", "8"], "PII.age"),  # a word is a part of the name, not letters of it
        ("page", ["7", "8"], "PII.age"),
    ],
)
def test_what_only_looks_alike_does_not(name: str, values: list[str], tag: str) -> None:
    assert tag not in tags(name, values)


def test_numbers_say_what_kind_of_column_it_is() -> None:
    assert "field.id" in tags("order_id", [str(n) for n in range(50)], "bigint")
    assert tags("n", ["1"] * 50 + ["2"] * 50, "int").keys() >= {"field.integer", "field.categorical"}
    assert "field.fraction" in tags("n", [], "decimal(10,2)", 0)
    assert "field.datetime" in tags("n", [], "timestamp", 0)


def test_attributes_of_the_author() -> None:
    column = Column("code", "string", 2, 2, 2, [("XK-1", 1), ("XK-2", 1)])
    own = Attribute("Shop.Code", (), r"XK-\d")
    assert "Shop.Code" in {found.tag for found in label(column, [own])}


@given(
    st.text(max_size=30),
    st.lists(st.tuples(st.text(max_size=40), st.integers(1, 5)), max_size=8),
    st.sampled_from(["string", "int", "date", ""]),
)
def test_any_column_has_labels_of_sane_confidence(name: str, sample: list[tuple[str, int]], type_: str) -> None:
    count = sum(n for _, n in sample)
    for found in label(Column(name, type_, count, count, len(sample), sample)):
        assert 0.5 <= found.confidence <= 1


def test_column_tags_are_a_union() -> None:
    entries = [
        ColumnTag(("EMAIL", "gone"), None, ("PII.Email",), "", ()),
        ColumnTag((), "e", ("x",), "text", ()),
        ColumnTag(("email",), None, ("PII.Email", "y"), "", ()),
    ]
    found = resolve(entries, ["id", "email", "age", "extra"])
    assert found.tags == {"email": ["PII.Email", "x", "y"], "extra": ["x"]}
    assert found.descriptions == {"email": "text", "extra": "text"}
    assert found.unknown == ("gone",)
