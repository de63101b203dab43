"""Moved folders: what is below them moves, once; nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.core.errors import DataOSError
from dataos.core.moves import Moves

MOVES = Moves.of([("/old/home", "/new/place"), ("/old/home/warehouse", "/lake"), ("/same", "/same")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/old/home", "/new/place"),
        ("/old/home/files/a", "/new/place/files/a"),
        ("/old/home/warehouse/t", "/lake/t"),
        ("file:///old/home/x", "file:///new/place/x"),
        ("file:/old/home/x", "file:/new/place/x"),
        ("/old/homestead/x", "/old/homestead/x"),
        ("/somewhere/old/home/x", "/somewhere/old/home/x"),
        ("see /old/home/x", "see /old/home/x"),
        ("s3://old/home/x", "s3://old/home/x"),
        ("", ""),
    ],
)
def test_paths(text, expected):
    assert MOVES.path(text) == expected


def test_a_folder_inside_the_old_one_is_refused():
    with pytest.raises(DataOSError, match="lies inside"):
        Moves.of([("/old/home", "/old/home/deeper")])
    with pytest.raises(DataOSError, match="holds"):
        Moves.of([("/old/home", "/old")])


_PARTS = st.lists(st.sampled_from(["a", "b", "old", "new", "x=1"]), max_size=4)
_PATHS = _PARTS.map(lambda parts: "/" + "/".join(parts))


@given(
    _PATHS,
    _PATHS,
    st.recursive(_PATHS | st.integers() | st.none(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)),
)
def test_twice_is_once(old, new, value):
    try:
        moves = Moves.of([(old, new)])
    except DataOSError:
        return
    once = moves.value(value)
    assert moves.value(once) == once


@given(_PATHS, _PATHS, _PATHS)
def test_there_and_back(old, new, path):
    try:
        there, back = Moves.of([(old, new)]), Moves.of([(new, old)])
    except DataOSError:
        return
    if there.path(path) != path:
        assert back.path(there.path(path)) == path
