"""Options of maintenance actions in every spelling that occurs, sort orders and predicates."""

# pyright: reportCallIssue=false
# (PyIceberg's predicates take a name and a value, which their types do not tell of)

from __future__ import annotations

from typing import Any

import pytest
from pyiceberg.expressions import And, EqualTo, GreaterThan, In, IsNull, Not, Or, StartsWith
from pyiceberg.schema import Schema
from pyiceberg.types import DateType, DecimalType, LongType, NestedField, StringType, StructType, TimestamptzType

from dataos.core.errors import DataOSError
from dataos.stacks.flare import actions
from dataos.stacks.flare.driver.upkeep import orders, predicates

SCHEMA = Schema(
    NestedField(1, "id", LongType()),
    NestedField(2, "name", StringType()),
    NestedField(3, "day", DateType()),
    NestedField(4, "at", TimestamptzType()),
    NestedField(5, "amount", DecimalType(12, 2)),
    NestedField(6, "place", StructType(NestedField(7, "city", StringType()))),
)


@pytest.mark.parametrize(
    ("name", "options", "body"),
    [
        ("expire_snapshots", {"olderThanMillis": 1741987433222}, {"olderThanMillis": "1741987433222"}),
        ("expire_snapshots", {"expireOlderThan": "1741987433222"}, {"olderThanMillis": "1741987433222"}),
        (
            "expire_snapshots",
            {"olderThanTimestamp": "2025-04-19 00:00:00.000", "retainLast": "2", "streamDeleteResults": True},
            {"olderThanTimestamp": "2025-04-19 00:00:00.000", "retainLast": 2},
        ),
        ("expire_snapshots", {"expireSnapshotId": 7, "maxConcurrentDeletes": 4}, {"snapshotIds": ["7"]}),
        ("expire_snapshots", {"snapshotIds": ["7", 8]}, {"snapshotIds": ["7", "8"]}),
        ("expire_snapshots", None, {}),
        ("remove_orphans", {"olderThan": 5, "dryRun": "true"}, {"olderThanMillis": "5", "dryRun": True}),
        ("remove_orphans", {"location": "/x"}, {"location": "/x"}),
        ("rewrite_manifests", {"useCaching": False}, {}),
    ],
)
def test_options(name: str, options: Any, body: Any) -> None:
    assert actions.parse(name, options).body == body


def test_a_rewrite() -> None:
    found = actions.parse(
        "rewrite_dataset",
        {
            "strategy": "sort",
            "sortOrder": "zorder(id, name)",
            "where": "id > 3",
            "properties": {
                "target-file-size-bytes": "1048576",
                "rewrite-all": "true",
                "partial-progress.enabled": True,
                "partial-progress.max-commits": 3,
                "max-concurrent-file-group-rewrites": 5,
            },
        },
    ).options
    assert found is not None
    assert (found.strategy, found.target_bytes, found.rewrite_all, found.partial_progress, found.max_commits) == (
        "sort",
        1048576,
        True,
        True,
        3,
    )


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("expire_snapshot", {}, "expire_snapshots"),
        ("expire_snapshots", {"olderThanMillis": 1, "olderThanTimestamp": "2025"}, "olderThanMillis: 1 and"),
        ("expire_snapshots", {"olderThenMillis": 1}, "olderThanMillis"),
        ("expire_snapshots", {"retainLast": 0}, "`0`"),
        ("remove_orphans", {"dryRun": "maybe"}, "`maybe`"),
        ("rewrite_dataset", {"strategy": "fast"}, "binpack or sort"),
        ("rewrite_dataset", {"properties": {"target-file-size": 1}}, "target-file-size-bytes"),
        ("rewrite_dataset", {"properties": {"rewrite-all": 1}}, "true or false"),
    ],
)
def test_what_is_refused(name: str, options: Any, said: str) -> None:
    with pytest.raises(DataOSError) as raised:
        actions.parse(name, options)
    assert raised.value.problem.code == "flare.action"
    assert said in raised.value.problem.message + raised.value.problem.hint


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("id", [("id", False, True)]),
        ("id DESC", [("id", True, False)]),
        ("(id, ASC NULLS FIRST).", [("id", False, True)]),
        ("ID asc nulls last, `name` DESC NULLS FIRST", [("id", False, False), ("name", True, True)]),
        ("place.city", [("place.city", False, True)]),
    ],
)
def test_sort_orders(text: str, terms: Any) -> None:
    assert [(t.column, t.descending, t.nulls_first) for t in orders.parse(text, SCHEMA).terms] == terms


@pytest.mark.parametrize("text", ["", "()", "nope", "id up", "zorder()", "id;drop"])
def test_sort_orders_that_are_refused(text: str) -> None:
    with pytest.raises(DataOSError):
        orders.parse(text, SCHEMA)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('name = "foo"', EqualTo("name", "foo")),
        ("3 < id", GreaterThan("id", 3)),
        ("id = -3", EqualTo("id", -3)),
        ("id IN (1, 2) OR name IS NULL", Or(In("id", {1, 2}), IsNull("name"))),
        ("name LIKE 'a%' AND NOT place.city = 'Ulm'", And(StartsWith("name", "a"), Not(EqualTo("place.city", "Ulm")))),
        ("day = DATE '2026-01-31'", EqualTo("day", "2026-01-31")),
        ("at = '2026-01-31 10:00:00'", EqualTo("at", "2026-01-31T10:00:00+00:00")),
    ],
)
def test_predicates(text: str, wanted: Any) -> None:
    assert predicates.parse(text, SCHEMA) == wanted


@pytest.mark.parametrize(
    "text", ["id", "id = name", "upper(name) = 'X'", "id = (SELECT 1)", "name LIKE '%x'", "1 = 1", ""]
)
def test_predicates_that_cannot_choose_files(text: str) -> None:
    with pytest.raises(DataOSError) as raised:
        predicates.parse(text, SCHEMA)
    assert raised.value.problem.code == "dataset.where"
