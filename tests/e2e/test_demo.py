"""The README's story, as a test: `dataos demo flights` on a fresh home, twice, then what it promises."""

from __future__ import annotations

import json

import pytest

from support.server import installation


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("demo"), start=False, env={"DATAOS_LISTEN__PORT": "0"}) as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def first(demo) -> str:
    """What the first run said."""
    return demo.ok("demo", "flights", timeout=300).out


def rows(made, sql):
    return json.loads(made.ok("query", sql, "-O", "json").out)


def test_it_answers_its_questions(first):
    assert "336776" in first
    assert "What to try next" in first
    for carrier, delay in (("EV", "15.8"), ("B6", "9.46")):
        assert f"{carrier} " in first, carrier
        assert delay in first


@pytest.mark.acceptance("ch08-AS08")
def test_an_analyst_and_an_operator_get_different_answers_to_the_same_question(first):
    told = first[first.index("as operator, by `dataos query`") :]
    operator, analyst = told.split("as analyst, by `dataos query`", 1)
    assert "JFK    | 111279" in operator
    assert "N0EGMQ" in operator, "a tail number in clear"
    analyst, same = analyst.split("side by side", 1)
    assert "EWR    | 120835" in analyst
    assert "JFK" not in analyst
    assert "N0EGMQ" not in analyst
    assert [line.split("|")[0].strip() for line in same.splitlines() if "120835" in line] == ["operator", "analyst"]
    assert "only rows with origin = 'EWR' (policy flights-from-newark)" in same
    assert "CAST(hmac_sha256(tailnum) AS varchar)" in same


@pytest.mark.acceptance("ch08-AS10")
def test_the_analyst_asks_for_a_grant_and_gets_it(first):
    story = first[first.index("SELECT count(*) AS hours") :]
    for before, after in (
        ("User is forbidden to access Table: flightslake.nyc.weather!", "requested"),
        ("requested", "approved by operator"),
        ("approved by operator", "26115"),
    ):
        assert story.index(before) < story.index(after)


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
    assert enrich["outputs"][0]["rows"] == 776  # of the day that came in last
    assert {"dataos://flightsdb:public/planes", "dataos://flightfiles:raw/airports.csv"} <= {
        i["address"] for i in enrich["inputs"]
    }
    lines = {row["column"]: row["inputs"] for row in enrich["lineage"]}
    assert {"input": "airlines", "column": "name"} in lines["airline"]


def test_a_day_that_came_in_was_read_by_itself(demo):
    """Two runs: the year without its last day, then that day, appended; the daily table got its rows by merge."""
    runs = demo.client().runs("workflow", "flights", "public")["items"]
    assert [r["state"] for r in runs] == ["succeeded", "succeeded"]
    states = demo.client().states("workflow", "flights", "public")
    assert {s["state"]["since"] for s in states} == {"2013-12-31"}
    assert {s["job"] for s in states} == {"load-flights", "enrich", "daily"}
    (row,) = rows(demo, "SELECT count(*) AS n FROM flightslake.nyc.flights WHERE flight_date = DATE '2013-12-31'")
    assert row["n"] == 776
    (daily,) = rows(demo, "SELECT sum(flights) AS n, count(DISTINCT flight_date) AS d FROM flightslake.nyc.route_daily")
    assert daily == {"n": 336_776, "d": 365}


def test_the_workflow_cares_for_its_tables(demo):
    runtime = demo.client().runtime("workflow", "flights", "public")
    care = next(n for n in runtime["nodes"] if n["job"] == "care")["attempts"][-1]["result"]
    assert [a["name"] for a in care["actions"]] == ["rewrite_dataset", "expire_snapshots"]


@pytest.mark.acceptance("ch02-AS15")
def test_the_way_of_a_column_from_file_to_answer(demo, first):
    """Told by the demo, and by the command; made by no scan, only by the jobs."""
    way = [
        "dataos://flightslake:nyc/route_daily [mean_arr_delay]",
        "public/flights/daily",
        "dataos://flightslake:nyc/flights_enriched [arr_delay]",
        "public/flights/enrich",
        "dataos://flightslake:nyc/flights [arr_delay]",
        "public/flights/load-flights",
        "dataos://flightfiles:raw/flights/*.csv [arr_delay]",
    ]
    told = demo.ok("lineage", "-a", "dataos://flightslake:nyc/route_daily", "--column", "mean_arr_delay", "--up").out
    lines = told.splitlines()[1:]
    assert len(lines) == len(way)
    for line, part in zip(lines, way, strict=True):
        assert part in line
    assert told in first
    down = demo.ok(
        "lineage", "-a", "dataos://flightfiles:raw/flights/2013-12-31.csv", "-c", "arr_delay", "--down", "-O", "json"
    )
    assert {n["address"] for n in down.json["nodes"]} >= {"dataos://flightslake:nyc/route_daily"}
    quality = demo.ok("dataset", "quality", "-a", "dataos://flightslake:nyc/route_daily", "-O", "json").json
    assert {q["name"]: q["status"] for q in quality}["columnValueMinGreaterThan"] == "success"


@pytest.mark.acceptance("ch04-AS01")
def test_the_catalog_shows_texts_and_tags_of_columns(demo):
    found = demo.ok("dataset", "describe", "-a", "dataos://flightslake:nyc/flights", "-O", "json").json
    assert "Tier.Silver" in found["tags"]
    columns = {c["name"]: c for c in found["columns"]}
    assert columns["arr_delay"]["tags"] == ["flights.delay"]
    assert columns["tailnum"]["description"] == "Registration of the plane"


def test_it_ends_with_a_product_and_links_to_it(demo, first):
    """Active, with quality and health from what ran; the links lead to its page, the administrator's is the last line."""
    told = first[first.index("The product in the web app") :]
    analyst, mine = [line.strip() for line in told.splitlines() if "/login/invitation?next=" in line]
    assert told.strip().endswith(mine)
    assert told.index("as the analyst") < told.index(analyst) < told.index("as you")
    assert "?next=/products/flights-from-new-york#" in mine
    client = demo.client()
    assert client.resource("data", "flights-from-new-york", None)["status"] == "active"
    page = client.json("GET", "/api/v1/products/data/v1alpha/flights-from-new-york/page")
    assert (page["title"], page["stage"]) == ("Flights from New York", "active")
    assert page["domains"] == ["Travel"]
    assert {ref["health"] for ref in page["refs"]} == {"ok"}, page["refs"]


def test_a_second_run_changes_nothing(demo):
    before = {r["id"]: (r["uid"], r["generation"]) for r in demo.client().resources()}
    run = demo.client().runtime("workflow", "flights", "public")["run"]["id"]
    again = demo.ok("demo", "flights", timeout=120)
    assert again.err.count("...unchanged") == 9
    assert {r["id"]: (r["uid"], r["generation"]) for r in demo.client().resources()} == before
    assert demo.client().runtime("workflow", "flights", "public")["run"]["id"] == run


def test_the_operator_reads_every_dataset_of_the_product_whole(demo, first):
    """Also files of which no columns are known: no mask of theirs is in sight."""
    client = demo.client()
    for side in ("input", "output"):
        found = client.json("GET", f"/api/v1/products/data/v1alpha/flights-from-new-york/datasets?side={side}")["items"]
        assert {(d["name"], d["access"]) for d in found} == {(d["name"], "Full Access") for d in found}
        assert found
    written = {d["name"]: (d["rows"], d["rowsWritten"]) for d in found}
    assert written["flights"] == (336_776, 776), "all of them, and those of the second load"
