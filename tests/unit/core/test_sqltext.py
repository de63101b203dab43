"""What is written as a name or a text is read back as that, whatever it holds."""

from __future__ import annotations

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from dataos.core.sqltext import literal, quoted

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
"""No engine takes NUL, or half of a pair."""


@given(TEXTS, TEXTS.filter(bool))
def test_an_engine_reads_what_was_meant(text: str, name: str):
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {literal(text)} AS {quoted(name)}")
        assert [d[0] for d in found.description] == [name]
        assert found.fetchall() == [(text,)]


def test_parts_have_dots_between_them():
    assert quoted("lake.house", 'a"b', "c") == '"lake.house"."a""b"."c"'
