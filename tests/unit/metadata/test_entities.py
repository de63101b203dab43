"""What is told of changes of a dataset, and which columns such a text is about."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dataos.metadata.entities import columns_of, differences

NAMES = st.text("ab: ", min_size=1, max_size=6) | st.sampled_from(["x added", "y: tag t", "column z dropped", "tag"])
COLUMNS = st.lists(
    st.fixed_dictionaries(
        {
            "name": NAMES,
            "type": st.sampled_from(["long", "string"]),
            "description": st.sampled_from(["", "d"]),
            "tags": st.lists(st.sampled_from(["PII.Email", "t added"]), max_size=2, unique=True),
        }
    ),
    max_size=3,
    unique_by=lambda c: c["name"],
)


def _state(columns: list[dict[str, Any]]) -> dict[str, Any]:
    return {"title": "", "description": "", "owner": "ann", "tags": [], "columns": columns}


@given(COLUMNS, COLUMNS)
def test_each_change_of_a_column_names_it_among_those_that_it_may_be_about(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
):
    """Whatever the names are: a text about a column is found by its name, so that it can be left out."""
    for kept in {c["name"] for c in (*before, *after)}:
        alone = (_state([c for c in columns if c["name"] == kept]) for columns in (before, after))
        for change in differences(*alone):
            assert kept in columns_of(change), change


def test_changes_of_the_dataset_are_about_no_column():
    old, new = _state([]), {**_state([]), "title": "Orders", "tags": ["a.b"]}
    assert [columns_of(change) for change in differences(old, new)] == [[], []]
