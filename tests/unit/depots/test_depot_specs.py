"""What the locations of the three depot types may say."""

from __future__ import annotations

import pytest

from dataos.depots.resolver import not_found, pairs
from dataos.depots.types.file import spec as file_spec
from dataos.depots.types.iceberg import spec as iceberg_spec
from dataos.depots.types.postgresql import spec as postgresql_spec
from dataos.manifest.specs import Reading


def test_postgresql_location_has_the_defaults_of_the_reference():
    reading = Reading()
    model = postgresql_spec.read({"host": "db.example", "database": "shop"}, reading, ("depot", "postgresql"))
    assert model is not None
    assert (model.port, model.subprotocol, model.params) == (5432, "postgresql", {})
    assert reading.problems == []


def test_postgresql_location_reports_all_faults_with_their_paths():
    reading = Reading()
    model = postgresql_spec.read(
        {"host": "db example;", "database": "shop", "params": {"sslmode": "maybe", "service": "x"}},
        reading,
        ("depot", "postgresql"),
    )
    assert model is None
    assert {p.path for p in reading.problems} == {
        "depot.postgresql.host",
        "depot.postgresql.params.sslmode",
        "depot.postgresql.params.service",
    }


@pytest.mark.parametrize("path", ["relative/x", "/data/../etc"])
def test_file_location_must_be_absolute_and_straight(path: str):
    reading = Reading()
    assert file_spec.read({"path": path}, reading, ("depot", "file")) is None
    assert reading.problems


def test_file_location_folds_format_and_path():
    model = file_spec.read({"path": "/data/in/", "format": "csv"}, Reading(), ("depot", "file"))
    assert model is not None
    assert (model.path, model.format) == ("/data/in", "CSV")


def test_iceberg_location_names_a_warehouse():
    reading = Reading()
    assert iceberg_spec.read({}, reading, ("depot", "iceberg")) is None
    assert reading.problems[0].code == "manifest.missing"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"username": "u", "password": "p=1"}, {"username": "u", "password": "p=1"}),
        ({"shop-r": "username=u\n\npassword=a=b\n"}, {"username": "u", "password": "a=b"}),
        ({"password": "one line"}, {"password": "one line"}),
        ({"pem": "line one\nline=two"}, {"pem": "line one\nline=two"}),
    ],
)
def test_properties_text_is_unfolded_and_nothing_else(values: dict[str, str], expected: dict[str, str]):
    assert pairs(values) == expected


def test_unknown_depot_names_near_and_all_depots():
    problem = not_found("retaildd", ["retaildb", "zebra"]).problem
    assert problem.code == "depot.not_found"
    assert "did you mean `retaildb`" in problem.hint
    assert "zebra" in problem.hint
