"""Parts of products that need no store: stages, promises, categories of checks, trend and adherence."""

import datetime

import pytest

from dataos.kinds.product import contract, odcs, quality, stages
from dataos.kinds.product.quality import Result

TODAY = datetime.date(2030, 6, 15)


def stage(life=None, **more):
    said = {"draft": False, "resolved": True, "tiers": (), "deleted": False, **more}
    return stages.stage(life or {}, today=TODAY, **said)


@pytest.mark.parametrize(
    ("life", "more", "wanted"),
    [
        ({}, {}, "active"),
        ({}, {"resolved": False}, "build"),
        ({}, {"draft": True}, "design"),
        ({}, {"tiers": ["Deprecated"]}, "deprecated"),
        ({}, {"deleted": True}, "retired"),
        ({"stage": "deprecated"}, {"resolved": False}, "deprecated"),
        ({"deprecatedOn": "2030-06-15"}, {}, "deprecated"),
        ({"deprecatedOn": "2030-06-16"}, {}, "active"),
        ({"stage": "deprecated", "retireOn": "2030-06-15"}, {}, "retired"),
        ({"stage": "build"}, {}, "build"),
        ({"stage": "active"}, {"draft": True}, "design"),
    ],
)
def test_the_stage_is_said_or_follows(life, more, wanted):
    assert stage(life, **more) == wanted


def test_the_next_change_is_the_next_day_that_is_named():
    life = {"deprecatedOn": "2030-06-15", "retireOn": "2031-01-31"}
    assert stages.next_change(life, TODAY) == datetime.date(2031, 1, 31)
    assert stages.next_change({}, TODAY) is None
    assert stages.banner(life, "deprecated")["text"] == "This product is deprecated and goes on 2031-01-31"
    assert stages.banner(life, "active") is None


PROMISE = {"dataos://l:c/a": [["Id", "long"], ["name", "string"]], "dataos://l:c/b": [["x", "int"]]}


def test_what_breaks_a_promise():
    outputs = list(PROMISE)
    assert contract.breaks(PROMISE, outputs, PROMISE) == []
    now = {"dataos://l:c/a": [["ID", "string"], ["more", "int"]]}
    assert contract.breaks(PROMISE, ["dataos://l:c/a"], now) == [
        "column `Id` of dataos://l:c/a is string now, it was long",
        "column `name` of dataos://l:c/a is gone",
        "output dataos://l:c/b is gone",
    ]
    assert contract.breaks(PROMISE, outputs, {}) == [], "of columns that nobody knows nothing is said"


def test_a_promise_grows_and_begins_anew_with_a_major_version():
    now = {"dataos://l:c/a": [["id", "long"], ["more", "int"]]}
    kept = contract.promise(PROMISE, ["dataos://l:c/a"], now, anew=False)
    assert sorted(c[0] for c in kept["dataos://l:c/a"]) == ["Id", "more", "name"]
    fresh = contract.promise(PROMISE, ["dataos://l:c/a"], now, anew=True)
    assert fresh == {"dataos://l:c/a": [["id", "long"], ["more", "int"]]}
    assert [contract.is_major(a, b) for a, b in (("1.2.0", "2.0.0"), ("1.2.0", "1.9.0"), ("9.0.0", "10.0.0"), (None, "0.1.0"))] == [
        True, False, True, True,
    ]  # fmt: skip
    assert not contract.is_major("1.0.0", None), "leaving the version out breaks out of nothing"


@pytest.mark.parametrize(
    ("test", "wanted"),
    [
        ("missing_count(id) = 0", "Completeness"),
        ("null_percent < 5", "Completeness"),
        ("duplicate_count(id) = 0", "Uniqueness"),
        ("distinct_count(id) > 5", "Uniqueness"),
        ("invalid_count(email) = 0", "Validity"),
        ("regex_match", "Validity"),
        ("freshness(ts) < 1d", "Freshness"),
        ("avg > 3", "Accuracy"),
        ("row_count > 0", "Accuracy"),
    ],
)
def test_a_check_belongs_to_the_category_of_its_metric(test, wanted):
    assert quality.category("", test) == wanted


def result(run, test, passed):
    return Result("dataos://l:c/a", "id", "n", test, passed, None, run * 1_000_000, f"run-{run}")


@pytest.mark.acceptance("ch09-AS11")
def test_badges_trend_and_adherence():
    """Six checks, one a category, one fails: five good badges, 83 %; the failing category goes from 100 % to 0 %."""
    checks = (
        "avg > 1",
        "missing_count = 0",
        "freshness(ts) < 1d",
        "schema",
        "duplicate_count = 0",
        "invalid_count = 0",
    )
    runs = [[result(1, c, True) for c in checks], [result(2, c, c != "schema") for c in checks]]
    badges = quality.badges(runs[1])
    assert list(badges) == list(quality.CATEGORIES)
    assert [name for name, b in badges.items() if not b["ok"]] == ["Schema"]
    assert quality.of_category(runs[1])["adherence"] == 83.33
    schema = quality.of_category([r for run in reversed(runs) for r in run if r.category == "Schema"])
    assert [p["percent"] for p in schema["trend"]] == [100.0, 0.0]
    assert schema["adherence"] == 50.0
    shown = quality.checks([r for run in reversed(runs) for r in run])
    assert [(c["category"], c["status"]) for c in shown if c["status"] == "failed"] == [("Schema", "failed")]


def test_adherence_is_of_the_last_ten_runs():
    found = [result(n, "avg > 1", n > 5) for n in range(20, 0, -1)]
    assert quality.of_category(found)["adherence"] == 100.0
    assert quality.of_category([])["adherence"] is None


def test_a_foreign_contract_becomes_a_product_and_what_is_left_out_is_told():
    problems = []
    found = odcs.read(
        {
            "apiVersion": "v3.0.2",
            "kind": "DataContract",
            "id": "53581432",
            "name": "Seller Payments",
            "version": "1.4.2",
            "status": "active",
            "domain": "seller",
            "description": {"purpose": "Views built on top of payments", "usage": "reports"},
            "team": [{"username": "ceastwood", "role": "Data Scientist"}],
            "schema": [
                {
                    "name": "tbl",
                    "physicalName": "dataos://lakehouse:pay/receivables",
                    "quality": [
                        {"engine": "soda", "implementation": "missing_count(id) = 0", "dimension": "completeness"}
                    ],
                },
                {"name": "Other Table", "physicalName": "tbl_1"},
            ],
            "slaProperties": [
                {"property": "availability", "value": 99.5, "unit": "%"},
                {"property": "retention", "value": 3, "unit": "y"},
            ],
            "price": {"priceAmount": 9.95},
        },
        problems,
    )
    data = found["v1beta"]["data"]
    assert (found["name"], found["tags"], found["purpose"]) == (
        "seller-payments",
        ["DPDomain.seller"],
        "Views built on top of payments",
    )
    assert data["contract"] == {"version": "1.4.2"}
    assert data["outputs"][0] == {
        "refType": "dataos",
        "ref": "dataos://lakehouse:pay/receivables",
        "checks": [{"check": "missing_count(id) = 0", "category": "Completeness"}],
    }
    assert data["outputs"][1]["ref"] == "dataos://lakehouse:seller_payments/other_table"
    assert data["slos"] == [
        {"name": "availability target", "category": "availability", "target": 99.5, "window": "30d"}
    ]
    told = " | ".join(p.message for p in problems)
    for part in ("`price` has no place", "slaProperty `retention`", "`Other Table` says no address"):
        assert part in told
