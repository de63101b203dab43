"""Globs over keys mean what they mean over folders, and never lead out of the root."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataos.core.errors import DataOSError
from dataos.depots import paths, tableformats

PART = st.text("ab.", min_size=1, max_size=3).filter(lambda p: p not in (".", ".."))
PATH = st.lists(PART, min_size=1, max_size=4).map("/".join)
GLOB = st.lists(st.one_of(PART, st.sampled_from(["*", "**", "a*", "?", "[ab]", "*.b"])), min_size=1, max_size=4).map(
    "/".join
)


@given(PATH, GLOB)
def test_a_match_lies_below_the_literal_folder(path: str, pattern: str):
    if paths.matches(path, pattern):
        folder = paths.literal_folder(pattern)
        assert not folder or path.startswith(folder + "/")


@given(PATH, PATH)
def test_a_pattern_that_matches_a_folder_takes_what_is_below(folder: str, below: str):
    assert paths.matches(folder, folder)
    assert paths.matches(f"{folder}/{below}", folder)
    assert paths.matches(f"{folder}/{below}", "**")


@given(PATH, GLOB)
def test_two_stars_cross_any_number_of_parts(path: str, pattern: str):
    if paths.matches(path, pattern):
        assert paths.matches(path, f"**/{pattern}")
        assert paths.matches(f"x/y/{path}", f"**/{pattern}")


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("a/b.csv", "*", True),  # the folder a is matched
        ("a/b.csv", "*.csv", False),  # one star stays within one part
        ("a/b.csv", "*/*.csv", True),
        ("a/b/c.csv", "a/**/c.csv", True),
        ("a/c.csv", "a/**/c.csv", True),
        ("a/c.csv", "a/?", False),
        ("a/c", "a/[!c]", False),
        ("ab", "a", False),
    ],
)
def test_globs(path: str, pattern: str, expected: bool):
    assert paths.matches(path, pattern) is expected


@example("/", None)
@example("../a", "b")
@given(st.one_of(st.none(), st.just("none"), st.text(max_size=8)), st.one_of(st.none(), st.text(max_size=20)))
def test_no_address_leads_out_of_the_root(collection: str | None, dataset: str | None):
    try:
        found = paths.relative(collection, dataset)
    except DataOSError as error:
        assert error.problem.code == "depot.path"
        return
    assert not found.startswith("/")
    assert not {".", "..", ""} & set(found.split("/")) or not found


def test_hidden_names_are_met_by_being_named_only():
    assert paths.hidden("a/_x/b")
    assert paths.hidden("a/.b")
    assert not paths.hidden("a/_x/b", "a/_x")
    assert paths.hidden("a/_x/_b", "a/_x")


@pytest.mark.parametrize(
    ("files", "hint", "expected"),
    [
        (["v1.metadata.json", "v2.metadata.json"], "1", "v2.metadata.json"),  # a hint may lag behind
        (["v1.metadata.json", "v2.metadata.json"], "2", "v2.metadata.json"),
        (["v9.metadata.json", "v10.gz.metadata.json"], None, "v10.gz.metadata.json"),
        (["00000-aa-bb.metadata.json", "00001-cc.metadata.json", "snap-1.avro"], None, "00001-cc.metadata.json"),
        (["snap-1.avro"], None, None),
    ],
)
def test_the_current_metadata_file(files: list[str], hint: str | None, expected: str | None):
    assert tableformats.current_metadata(files, hint) == expected
