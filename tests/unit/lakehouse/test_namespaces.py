"""Spellings of namespaces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.core.errors import DataOSError
from dataos.lakehouse import namespaces

_level = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\\x7f"), min_size=1, max_size=20
).filter(lambda t: t not in (".", "..") and len(t.encode()) <= 255)
_levels = st.lists(_level, min_size=1, max_size=4)


@given(_levels)
def test_text_leads_back_to_the_levels(levels: list[str]) -> None:
    assert namespaces.split(namespaces.join(levels)) == tuple(levels)


@given(_levels, _levels)
def test_no_two_namespaces_share_a_text(one: list[str], other: list[str]) -> None:
    assert (namespaces.join(one) == namespaces.join(other)) == (one == other)


@given(_levels)
def test_a_path_segment_says_the_same_as_the_list(levels: list[str]) -> None:
    assert namespaces.from_path(namespaces.SEPARATOR.join(levels)) == namespaces.join(levels)


@given(_levels)
def test_children_of_a_namespace_begin_with_its_text(levels: list[str]) -> None:
    assert namespaces.join([*levels, "x"]).startswith(namespaces.join(levels) + ".")


@given(_level)
def test_folders_are_harmless(name: str) -> None:
    folder = namespaces.folder(name)
    assert folder
    assert set(folder) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\nb", "\x1f", "x" * 256])
def test_names_that_break_paths_are_refused(name: str) -> None:
    with pytest.raises(DataOSError) as refused:
        namespaces.check(name, "table")
    assert refused.value.problem.code == "iceberg.invalid"


def test_plain_names_stay_as_they_are() -> None:
    assert namespaces.join(["sales", "eu"]) == "sales.eu"
    assert namespaces.join(["a.b"]) == "a%2Eb"
