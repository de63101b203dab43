"""The README's story, as a test: `dataos demo flights` on a fresh home, twice, then what it promises."""

from __future__ import annotations

import json

import pytest

from support.server import installation


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("demo"), start=False, env={"DATAOS_LISTEN__PORT": "0"}) as made:
        made.first = made.ok("demo", "flights", timeout=300)
        yield made


def rows(made, sql):
    return json.loads(made.ok("query", sql, "-O", "json").out)


def test_it_answers_its_questions(demo):
    out = demo.first.out
    assert "336776" in out
    assert "What to try next" in out
    for carrier, delay in (("EV", "15.8"), ("B6", "9.46")):
        assert f"{carrier} " in out, carrier
        assert delay in out


def test_the_figures_are_those_of_the_data(demo):
    counts = rows(demo, "SELECT carrier, count(*) AS n FROM flightslake.nyc.flights GROUP BY carrier")
    by_carrier = {r["carrier"]: r["n"] for r in counts}
    assert sum(by_carrier.values()) == 336_776
    assert {c: by_carrier[c] for c in ("UA", "B6", "EV")} == {"UA": 58_665, "B6": 54_635, "EV": 54_173}
    delays = rows(
        demo, "SELECT carrier, round(avg(arr_delay), 2) AS d FROM flightslake.nyc.flights_enriched GROUP BY carrier"
    )
    assert {r["carrier"]: r["d"] for r in delays if r["carrier"] in ("EV", "B6")} == {"EV": 15.8, "B6": 9.46}
    assert rows(demo, "SELECT count(*) AS n FROM flightslake.nyc.weather") == [{"n": 26_115}]
    assert rows(demo, "SELECT count(*) AS n FROM flightsdb.public.planes") == [{"n": 3_322}]
    assert rows(demo, "SELECT count(*) AS n FROM flightsdb.public.airlines") == [{"n": 16}]


def test_the_join_over_files_lakehouse_and_postgresql_lost_nothing(demo):
    (row,) = rows(
        demo,
        "SELECT count(*) AS n, count(airline) AS airlines, count(manufacturer) AS planes, "
        "count(visibility) AS weather, count(destination) AS airports FROM flightslake.nyc.flights_enriched",
    )
    assert (row["n"], row["airlines"]) == (336_776, 336_776)
    assert min(row["planes"], row["weather"], row["airports"]) > 280_000


def test_the_daily_table_is_partitioned_by_month(demo):
    folders = {
        p.parent.name for p in (demo.home / "warehouse" / "flightslake").rglob("*.parquet") if "route_daily" in str(p)
    }
    assert len(folders) == 12


def test_lineage_and_row_counts_were_recorded(demo):
    runtime = demo.client().runtime("workflow", "flights", "public")
    enrich = next(n for n in runtime["nodes"] if n["job"] == "enrich")["attempts"][-1]["result"]
    assert {o["address"] for o in enrich["outputs"]} == {"dataos://flightslake:nyc/flights_enriched"}
    assert enrich["outputs"][0]["rows"] == 336_776
    assert {"dataos://flightsdb:public/planes", "dataos://flightfiles:raw/airports.csv"} <= {
        i["address"] for i in enrich["inputs"]
    }
    lines = {row["column"]: row["inputs"] for row in enrich["lineage"]}
    assert {"input": "airlines", "column": "name"} in lines["airline"]


def test_a_second_run_changes_nothing(demo):
    before = {r["id"]: (r["uid"], r["generation"]) for r in demo.client().resources()}
    run = demo.client().runtime("workflow", "flights", "public")["run"]["id"]
    again = demo.ok("demo", "flights", timeout=120)
    assert again.err.count("...unchanged") == 5
    assert {r["id"]: (r["uid"], r["generation"]) for r in demo.client().resources()} == before
    assert demo.client().runtime("workflow", "flights", "public")["run"]["id"] == run
