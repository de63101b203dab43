"""Profiles, suggested tags, column tags and texts of columns, with the real engine (ch04 3.12, 3.15, 6.9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from integration.flare.helpers import Jobs, Server

ROWS = 40


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """40 rows: ids, e-mails (4 missing), card numbers with their check digit, a group of two, a number, a time."""
    lines = ["id,email,card,grp,amount,at"]
    for n in range(ROWS):
        email = "" if n % 10 == 0 else f"user{n}@example.org"
        lines.append(f"{n},{email},{_card(n)},{'ab'[n % 2]},{n * 1.5},2030-01-{n % 28 + 1:02} 12:30:45")
    file = tmp_path / "people.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def _card(n: int) -> str:
    body = f"4{n:014}"
    total = sum(sum(divmod(int(d) * (2 if i % 2 == 0 else 1), 10)) for i, d in enumerate(reversed(body)))
    return body + str(-total % 10)


def job(level: str, **more: Any) -> dict[str, Any]:
    read = {
        "name": "raw",
        "dataset": "dataos://files:raw/people.csv",
        "format": "csv",
        "options": {"inferSchema": "true"},
    }
    return {"inputs": [read], "profile": {"level": level, **more}}


def profile_of(jobs: Jobs, people: Path, level: str, **more: Any) -> dict[str, Any]:
    done = jobs.run(job(level, **more), {"raw": [people]})
    assert done.code == 0, done.log
    assert not done.result["outputs"]
    found: dict[str, Any] = done.result["profile"]
    return found


def test_a_basic_profile_counts(jobs: Jobs, people: Path) -> None:
    found = profile_of(jobs, people, "Basic")
    assert (found["address"], found["rows"], found["level"]) == ("dataos://files:raw/people.csv", ROWS, "basic")
    columns = {c["name"]: c for c in found["columns"]}
    email = columns["email"]
    assert (email["count"], email["nulls"], email["nullShare"]) == (36, 4, 0.1)
    assert (email["distinct"], email["distinctShare"], email["unique"]) == (36, 1.0, 36)
    assert (columns["grp"]["distinct"], columns["grp"]["unique"]) == (2, 0)
    assert (columns["id"]["min"], columns["id"]["max"], columns["id"]["mean"]) == (0, 39, 19.5)
    assert "quantiles" not in columns["amount"]
    assert "frequent" not in columns["grp"]


def test_an_advanced_profile_has_shapes(jobs: Jobs, people: Path) -> None:
    found = profile_of(jobs, people, "advanced")
    columns = {c["name"]: c for c in found["columns"]}
    amount = columns["amount"]
    assert amount["sum"] == sum(n * 1.5 for n in range(ROWS))
    assert amount["zeros"] == 1
    assert 27 <= amount["quantiles"]["p50"] <= 31
    assert amount["stddev"] == pytest.approx(17.535, abs=0.01)
    assert [b["count"] for b in amount["histogram"]] == [2] * 20
    assert amount["histogram"][-1]["to"] == pytest.approx(58.5)
    assert columns["grp"]["frequent"] == [{"value": "a", "count": 20}, {"value": "b", "count": 20}]
    assert (columns["email"]["minLength"], columns["email"]["maxLength"]) == (17, 18)
    pairs = {(c["a"], c["b"]): c["value"] for c in found["correlations"]}
    assert pairs["id", "amount"] == pytest.approx(1.0)


def test_filters_leave_rows_out(jobs: Jobs, people: Path) -> None:
    filters = [{"type": "expression", "expression": "grp == 'a'"}, {"expression": "id < 10"}]
    found = profile_of(jobs, people, "intermediate", filters=filters)
    assert found["rows"] == 5
    assert found["filters"] == ["grp == 'a'", "id < 10"]


def test_values_suggest_tags(jobs: Jobs, people: Path) -> None:
    patterns = [{"tag": "Shop.Group", "regex": "[ab]"}]
    found = profile_of(jobs, people, "basic", patterns=patterns)
    tags: dict[str, set[str]] = {}
    for label in found["labels"]:
        assert 0.5 <= label["confidence"] <= 1
        tags.setdefault(label["column"], set()).add(label["tag"])
    assert "PII.Email" in tags["email"]
    assert "PCI.CardNumber" in tags["card"]
    assert tags["id"] >= {"field.id", "field.integer"}
    assert {"field.categorical", "Shop.Group"} <= tags["grp"]
    assert tags["at"] == {"field.datetime"}
    assert "PII.IpAddress" not in tags["at"]


def test_an_empty_dataset_has_a_profile(jobs: Jobs, tmp_path: Path) -> None:
    file = tmp_path / "empty.csv"
    file.write_text("id,email\n")
    found = profile_of(jobs, file, "advanced")
    assert found["rows"] == 0
    assert [c["count"] for c in found["columns"]] == [0, 0]


def test_a_profile_says_no_value_in_the_log(jobs: Jobs, people: Path) -> None:
    done = jobs.run(job("advanced"), {"raw": [people]})
    assert "user7@example.org" not in done.log
    assert "40 rows" in done.log


def test_column_tags_go_to_the_columns_they_name(jobs: Jobs, server: Server, people: Path) -> None:
    """Names in any letter case, patterns from the start of a name, the union over entries; texts become Iceberg docs."""
    spec = {
        **job("basic"),
        "outputs": [
            {"name": "raw", "dataset": "dataos://lakehouse:tagged/people?acl=rw", "tags": ["Tier.Gold"], "title": "People",
             "columnTags": [
                 {"columnName": "EMAIL", "tags": ["PII.Email"], "description": "where to write to"},
                 {"columnNames": ["id", "nosuch"], "tags": ["key"]},
                 {"columnRegex": "^(e|c)", "tags": ["PII.Any", "PII.Email"]},
             ]}
        ],
    }  # fmt: skip
    del spec["profile"]
    done = jobs.run(spec, {"raw": [people]})
    assert done.code == 0, done.log
    (output,) = done.result["outputs"]
    tagged = {t["column"]: t["tags"] for t in output["columnTags"]}
    assert tagged == {"email": ["PII.Email", "PII.Any"], "id": ["key"], "card": ["PII.Any", "PII.Email"]}
    assert "`nosuch`, which is not there" in done.log
    assert {c["name"]: c["description"] for c in output["columns"]}["email"] == "where to write to"

    from integration.flare.helpers import table

    assert table(server, "tagged.people").schema().find_field("email").doc == "where to write to"
    spec["outputs"][0]["columnTags"][0]["description"] = "a better text"
    again = jobs.run(spec, {"raw": [people]})
    assert again.code == 0, again.log
    assert table(server, "tagged.people").schema().find_field("email").doc == "a better text"
    assert table(server, "tagged.people").scan().to_arrow().num_rows == ROWS
