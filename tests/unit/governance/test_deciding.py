"""Access rules and data rules put together: denial wins, priorities, layers, strictness (query-gateway: combining)."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dataos.governance.access import AccessIndex
from dataos.governance.exposure import STRICTNESS, DatasetName, ExposureIndex
from dataos.governance.policies import AccessObject, AccessRule, DataRule, Filter, Mask, from_json, to_json

ORDERS = DatasetName("lake", "retail", "orders")
ANA = frozenset({"users:id:ana", "roles:id:user", "roles:id:analyst"})


def rule(name: str, *, allow: bool = True, subjects: Any = (("roles:id:analyst",),), **more: Any) -> AccessRule:
    given_ = {"predicates": ("read",), "paths": ("dataos://lake:retail/*",), **more}
    return AccessRule(name, subjects, allow=allow, **given_)


def index(*rules: AccessRule) -> AccessIndex:
    return AccessIndex({r.name: r for r in rules})


READ = AccessObject(paths=("dataos://lake:retail/orders",))


def test_nothing_matches_nothing_is_allowed():
    assert not index().decide(ANA, ("read",), READ).allowed
    assert not index(rule("x", predicates=("write",))).decide(ANA, ("read",), READ).allowed
    assert not index(rule("x", subjects=(("roles:id:analyst", "roles:id:emea"),))).decide(ANA, ("read",), READ).allowed


def test_a_denial_wins_and_is_not_passed_by_another_spelling_or_predicate():
    both = index(rule("yes"), rule("no", allow=False, paths=("dataos://lake:retail/ORDERS",)))
    decision = both.decide(ANA, ("read",), READ)
    assert (decision.allowed, decision.rules) == (False, ("no",))
    assert not both.decide(ANA, ("select", "read"), READ).allowed
    assert both.decide(ANA, ("read",), AccessObject(paths=("dataos://lake:retail/stores",))).allowed


def test_what_allows_must_be_spelled_as_it_is():
    assert not index(rule("yes", paths=("dataos://lake:retail/ORDERS",))).decide(ANA, ("read",), READ).allowed


def test_tags_of_objects_are_groups_too():
    tagged = rule("t", paths=(), tags=(("a:1", "a:2"), ("b",)))
    assert index(tagged).decide(ANA, ("read",), AccessObject(("a:1", "a:2"))).allowed
    assert index(tagged).decide(ANA, ("read",), AccessObject(("b",))).allowed
    assert not index(tagged).decide(ANA, ("read",), AccessObject(("a:1",))).allowed


def test_a_rule_ends_at_its_moment():
    now = time.time_ns() // 1000
    assert index(rule("late", until=now + 60_000_000)).decide(ANA, ("read",), READ).allowed
    assert not index(rule("over", until=now - 1)).decide(ANA, ("read",), READ).allowed


words = st.sampled_from(["a", "b", "*", "**", "?", "{a,b}", "[ab]"])
tag = st.lists(words, min_size=1, max_size=3).map(":".join)
held = st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=3).map(":".join)
groups = st.lists(st.lists(tag, min_size=1, max_size=2).map(tuple), min_size=1, max_size=3).map(tuple)


@st.composite
def any_rule(draw: st.DrawFn, number: int) -> AccessRule:
    return AccessRule(
        f"r{number}",
        draw(groups),
        tuple(draw(st.lists(st.sampled_from(["read", "**", "r*"]), min_size=1, max_size=2))),
        tuple(draw(st.lists(tag, max_size=2))),
        draw(st.one_of(st.just(()), groups)),
        draw(st.booleans()),
    )


@given(
    data=st.data(),
    tags=st.frozensets(held, max_size=3),
    paths=st.lists(held, max_size=2),
    about=st.lists(held, max_size=3),
)
def test_the_index_agrees_with_looking_at_every_rule(data: st.DataObject, tags: Any, paths: Any, about: Any):
    """The plain reading of ch08 3.2: subject group AND predicate AND (path or tag group); deny wins."""
    from dataos.governance.globs import compile_glob

    rules = [data.draw(any_rule(n)) for n in range(data.draw(st.integers(0, 6)))]

    def group(globs: Any, values: Any) -> bool:
        return all(any(compile_glob(g).matches(v) for v in values) for g in globs)

    def matches(r: AccessRule) -> bool:
        return (
            any(group(g, tags) for g in r.subjects)
            and any(compile_glob(p).matches("read") for p in r.predicates)
            and (
                any(compile_glob(p).matches(v) for p in r.paths for v in paths) or any(group(g, about) for g in r.tags)
            )
        )

    found = [r for r in rules if matches(r)]
    expected = bool(found) and all(r.allow for r in found)
    assert index(*rules).decide(tags, ("read",), AccessObject(tuple(about), tuple(paths))).allowed is expected
    assert {r.name for r in index(*rules).matching(tags, ("read",), AccessObject(tuple(about), tuple(paths)))} == {
        r.name for r in found
    }


# --- data rules -------------------------------------------------------------------------------------------------------


def masking(name: str, operator: str, priority: int = 50, *, layer: str = "user", **more: Any) -> DataRule:
    given_ = {"column_names": ("email",), **more}
    return DataRule(name, "mask", priority, ("roles:id:analyst",), mask=Mask(operator), layer=layer, **given_)


def seen(*rules: DataRule, path: Any = ("email",), tags: Any = None) -> str | None:
    found = ExposureIndex({r.name: r for r in rules}).exposure(ANA, ORDERS).mask(path, tags or {})
    return found.policy if found is not None else None


def test_the_better_priority_replaces_and_equal_ones_give_the_strictest():
    assert seen(masking("a", "hash", 99), masking("b", "bucket_number", 40)) == "b"
    assert seen(masking("a", "hash", 99), masking("b", "pass_through", 30)) is None
    for one, stricter in zip(STRICTNESS[1:], STRICTNESS, strict=False):
        assert seen(masking("one", one), masking("stricter", stricter)) == "stricter", (one, stricter)
    assert seen(masking("b", "hash"), masking("a", "hash")) == "a"


def test_layer_user_never_loosens_what_layer_system_says():
    assert seen(masking("s", "hash", 90, layer="system"), masking("u", "pass_through", 1)) == "s"
    assert seen(masking("s", "hash", 90, layer="system"), masking("u", "redact", 1)) == "u"
    assert seen(masking("s", "hash", 10, layer="system"), masking("u", "redact", 50)) == "s"


def test_datasets_and_columns_match_without_letter_case_and_by_globs():
    assert seen(masking("a", "hash", depot="LAKE", collection="ret*", dataset="**", column_names=("EMAIL",))) == "a"
    assert seen(masking("a", "hash", dataset="orders2")) is None
    assert seen(masking("a", "hash"), path=("name",)) is None


def test_tags_select_and_what_a_column_lies_in_counts_for_its_parts():
    tagged = masking("a", "hash", column_names=(), column_tags=("PII.Email",))
    assert seen(tagged, tags={("email",): frozenset({"PII.Email"})}) == "a"
    assert seen(tagged, tags={("email",): frozenset({"pii.email"})}) is None
    assert seen(tagged, path=("address", "zip"), tags={("address",): frozenset({"PII.Email"})}) == "a"
    nested = masking("b", "redact", column_names=("address.zip",))
    assert seen(nested, path=("address", "zip")) == "b"
    assert seen(nested, path=("address", "city")) is None


def test_filters_of_a_column_follow_priorities_and_those_of_others_are_added():
    def filtering(name: str, priority: int, *columns: str, layer: str = "user") -> DataRule:
        filters = tuple(Filter(c, "equals", name) for c in columns)
        return DataRule(name, "filter", priority, ("roles:id:analyst",), filters=filters, layer=layer)

    def names(*rules: DataRule) -> set[tuple[str, str]]:
        found = ExposureIndex({r.name: r for r in rules}).exposure(ANA, ORDERS).filters
        return {(f.policy, f.filter.column) for f in found}

    assert names(filtering("a", 40, "x"), filtering("b", 50, "x")) == {("a", "x")}
    assert names(filtering("a", 40, "x"), filtering("b", 40, "X")) == {("a", "x"), ("b", "X")}
    assert names(filtering("a", 40, "x"), filtering("b", 50, "y")) == {("a", "x"), ("b", "y")}
    assert names(filtering("s", 90, "x", layer="system"), filtering("u", 1, "x")) == {("s", "x"), ("u", "x")}


def test_users_are_selected_by_any_or_all_tags():
    both = DataRule("r", "mask", 50, ("roles:id:analyst", "roles:id:emea"), column_names=("email",), mask=Mask("hash"))
    from dataclasses import replace

    assert seen(both) == "r"
    assert seen(replace(both, match_all=True)) is None
    assert seen(replace(both, user_tags=())) is None


def test_rules_come_back_from_the_store_as_they_were():
    for one in (
        rule("a", tags=(("x", "y"), ("z",)), until=5),
        masking("b", "bucket_number"),
        DataRule(
            "c", "mask", 1, ("t",), mask=Mask("bucket_number", buckets=(1.5, 2.0), keyed=True), column_tags=("X.Y",)
        ),
        DataRule("d", "filter", 1, ("t",), filters=(Filter("x", "equals", True), Filter("y", "equals", attribute="z"))),
    ):
        import json

        assert from_json(json.loads(json.dumps(to_json(one)))) == one
