"""Globs of policies: the table of ch08 3.2, and what must hold of every glob."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.governance.globs import compile_glob
from dataos.manifest import patterns

TABLE = [
    ("?at", "cat", True),
    ("?at", "bat", True),
    ("?at", "at", False),
    ("?at", ":at", False),
    ("foo:*:bar", "foo:baz:bar", True),
    ("foo:*:bar", "foo:bar", False),
    ("foo:*:bar", "foo:a:b:bar", False),
    ("foo:**:bar", "foo:a:b:bar", True),
    ("foo:**:bar", "foo:a:bar", True),
    ("foo:**:bar", "foo:bar", True),
    ("foo:**:bar", "foobar", False),
    ("[cb]at", "cat", True),
    ("[cb]at", "rat", False),
    ("[!cb]at", "rat", True),
    ("[!cb]at", "cat", False),
    ("[a-c]at", "bat", True),
    ("[a-c]at", "dat", False),
    ("[!a-c]at", "dat", True),
    ("[!a-c]at", "bat", False),
    ("{a,b,[mt]c}", "a", True),
    ("{a,b,[mt]c}", "tc", True),
    ("{a,b,[mt]c}", "c", False),
    (r"foo\*bar", "foo*bar", True),
    (r"foo\*bar", "fooxbar", False),
    ("dataos://******", "dataos://lakehouse:retail/orders", True),
    ("dataos://lakehouse:******", "dataos://lakehouse:retail/orders", True),
    ("dataos://lakehouse:retail/*", "dataos://lakehouse:retail/a/b", True),
    ("dataos://lakehouse:retail/*", "dataos://other:retail/a", False),
    ("dataos://crm**", "dataos://crm2:a/b", True),
    ("/ds/api/v2**", "/ds/api/v2/x:y", True),
    ("users:id:*", "users:id:ana", True),
    ("roles:id:**", "roles:id:a:b", True),
    ("roles:**", "users:id:a", False),
]


@pytest.mark.acceptance("ch08-AS04")
@pytest.mark.parametrize(("glob", "value", "matches"), TABLE)
def test_the_table(glob: str, value: str, matches: bool):
    assert compile_glob(glob).matches(value) is matches


texts = st.text("ab:*?[]{},!-\\/.", min_size=1, max_size=8)
plain = st.text("ab:/.é", max_size=8)


@given(glob=texts, value=plain)
def test_a_glob_that_a_manifest_may_hold_is_read_and_its_prefix_is_sure(glob: str, value: str):
    if patterns.glob_fault(glob) is not None:
        return
    compiled = compile_glob(glob)
    if compiled.matches(value):
        assert value.startswith(compiled.prefix)


@given(value=plain)
def test_a_text_without_signs_matches_itself_alone(value: str):
    glob = compile_glob(value)
    assert glob.matches(value)
    assert not glob.matches(value + "a")
    assert compile_glob("**").matches(value)


@given(value=st.text(max_size=10))
def test_escaping_makes_any_text_literal(value: str):
    escaped = "".join("\\" + c for c in value)
    assert compile_glob(escaped).matches(value)
