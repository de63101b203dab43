"""Access and data policies (ch08 3, 13): every attribute, what is refused, and what is said."""

import pytest

from support.asset_samples import ACCESS, FILTER, MASK, MASKS
from support.kind_reading import faults, good, put, read


def messages(reading):
    return {w.path: w.message for w in reading.warnings}


def test_an_access_policy_is_read_whole():
    policy = good("policy", ACCESS).spec.access
    assert policy.subjects == (("roles:id:weaver", "roles:id:north"), ("roles:id:auditor",))
    assert policy.predicates == ("read", "select")
    assert policy.paths == ("dataos://lakehouse:yarn/*",)
    assert (policy.allow, policy.name, policy.collection) == (True, "wool1", "default")


def test_a_flat_list_is_alternatives_and_nothing_is_allowed_unless_said():
    section = put(put(ACCESS, "access.allow"), "access.subjects.tags", ["a:b", "c:d"])
    policy = good("policy", section).spec.access
    assert policy.subjects == (("a:b",), ("c:d",))
    assert policy.allow is False


def test_objects_by_tags_and_the_alias_of_paths():
    tags = put(ACCESS, "access.objects", {"tags": [["dataos:type:resource", "dataos:workspace:north"]]})
    assert good("policy", tags).spec.access.object_tags == (("dataos:type:resource", "dataos:workspace:north"),)
    manifest, reading = read("policy", put(ACCESS, "access.objects", {"path": "/yarn/**"}))
    assert manifest.spec.access.paths == ("/yarn/**",)
    assert "policy.access.objects.path" in messages(reading)


def test_traps_are_said():
    _, reading = read(
        "policy", put(ACCESS, "access.objects", {"tags": ["dataos:layer:user", "dataos:workspace:north"]})
    )
    assert any("`dataos:layer:user` alone" in w.message for w in reading.warnings)
    _, reading = read("policy", put(ACCESS, "access.objects", {"tags": ["a:b"], "paths": ["/x"]}))
    assert "either may match" in str(messages(reading))


@pytest.mark.parametrize(
    ("path", "value", "where", "text"),
    [
        ("access", None, "policy", "exactly one of `access` and `data`, found neither"),
        ("access.subjects", None, "policy.access", "`subjects` is required"),
        ("access.subjects.tags", None, "policy.access.subjects", "`tags` is required"),
        ("access.subjects.tags", [], "policy.access.subjects.tags", "at least one"),
        ("access.subjects.tags", [[]], "policy.access.subjects.tags[0]", "match everyone"),
        ("access.subjects.tags", ["-- roles:id:x"], "policy.access.subjects.tags[0]", "`- - roles:id:x`"),
        ("access.subjects.tags", [["roles:[ab"]], "policy.access.subjects.tags[0]", "not closed"),
        ("access.subjects.tags", [[3]], "policy.access.subjects.tags[0]", "a text"),
        ("access.predicates", None, "policy.access", "`predicates` is required"),
        ("access.predicates", [], "policy.access.predicates", "at least one"),
        ("access.objects", {}, "policy.access.objects", "`paths` or `tags`"),
        ("access.objects.paths", ["dataos://{a"], "policy.access.objects.paths", "not closed"),
        ("access.collection", "north", "policy.access.collection", "does not exist"),
        ("access.conditions", [{"a": 1}], "policy.access.conditions", "unknown key"),
        ("access.predicats", ["read"], "policy.access.predicats", "did you mean `predicates`?"),
        ("access.allow", "maybe", "policy.access.allow", "true or false"),
        ("data", {"type": "mask"}, "policy", "found both"),
    ],
)
def test_a_faulty_access_policy_names_its_path(path, value, where, text):
    found = faults("policy", put(ACCESS, path, value))
    assert text in found[where]


@pytest.mark.parametrize("form", MASKS)
def test_every_mask_is_read(form):
    mask = good("policy", put(MASK, "data.mask", MASKS[form])).spec.data.mask
    assert mask.operator == MASKS[form]["operator"]
    block = MASKS[form].get(mask.operator, {})
    if "buckets" in block:
        assert mask.buckets == (18, 30.5, 60)
    else:
        assert {k: getattr(mask, k) for k in block} == block


def test_a_mask_is_read_whole():
    policy = good("policy", MASK).spec.data
    assert (policy.priority, policy.depot, policy.collection, policy.dataset) == (40, "lakehouse", "yarn", "weavers")
    assert (policy.match_all, policy.user_tags, policy.column_tags) == (False, ("roles:id:user",), ("PII.Age",))


def test_defaults_of_a_data_policy():
    section = FILTER
    policy = good("policy", section).spec.data
    assert (policy.priority, policy.dataset, policy.archived, policy.match_all) == (99, "orders", False, True)
    assert [(f.column, f.operator, f.value, f.attribute) for f in policy.filters] == [
        ("region", "equals", "NORTH", None),
        ("mill", "equals", None, "mill"),
    ]
    everywhere = good("policy", put(section, "data.dataset_id")).spec.data
    assert (everywhere.depot, everywhere.collection, everywhere.dataset) == ("**", "**", "**")


def test_a_users_tags_directly_below_the_selector_are_read_with_a_notice():
    selector = {"user": None, "match": "any", "tags": ["roles:id:user"], "column": {"names": ["email"]}}
    manifest, reading = read("policy", put(MASK, "data.selector", selector))
    assert (manifest.spec.data.user_tags, manifest.spec.data.column_names) == (("roles:id:user",), ("email",))
    assert "selector.user" in str(messages(reading))


def test_left_over_blocks_and_old_spellings_are_said():
    manifest, reading = read("policy", put(MASK, "data.mask", {"operator": "redact", "hash": {"algo": "sha256"}}))
    assert manifest.spec.data.mask.algo is None
    assert "policy.data.mask.hash" in messages(reading)
    manifest, reading = read(
        "policy", put(MASK, "data.mask", {"operator": "bucket_name", "bucket_name": {"buckets": [1]}})
    )
    assert manifest.spec.data.mask.operator == "bucket_number"
    manifest, reading = read("policy", put(FILTER, "data.selector.column", {"names": ["a"]}))
    assert "policy.data.selector.column" in messages(reading)


@pytest.mark.parametrize(
    ("path", "value", "where", "text"),
    [
        ("data.type", "hide", "policy.data.type", "mask, filter"),
        ("data.type", None, "policy.data", "`type` is required"),
        ("data.type", "filter", "policy.data.mask", "has no mask"),
        ("data.priority", 0, "policy.data.priority", "1 to 100"),
        ("data.priority", 101, "policy.data.priority", "1 to 100"),
        ("data.priority", "first", "policy.data.priority", "whole number"),
        ("data.dataset_id", "lakehouse.yarn", "policy.data.dataset_id", "depot.collection.dataset"),
        ("data.dataset_id", "lakehouse.yarn.other", "policy.data.dataset", "contradicts"),
        ("data.selector", None, "policy.data", "`selector` is required"),
        ("data.selector.user", None, "policy.data.selector", "`user` is required"),
        ("data.selector.user.match", "some", "policy.data.selector.user.match", "any, all"),
        ("data.selector.user.match", None, "policy.data.selector.user", "`match` is required"),
        ("data.selector.user.tags", None, "policy.data.selector.user", "`tags` is required"),
        ("data.selector.user.tags", [], "policy.data.selector.user.tags", "at least one"),
        ("data.selector.column", None, "policy.data.selector", "tags or names"),
        ("data.selector.column", {"tags": []}, "policy.data.selector.column", "tags or names"),
        ("data.mask", None, "policy.data", "`mask` is required"),
        ("data.mask.operator", "blur", "policy.data.mask.operator", "regex_replace"),
        ("data.mask.operator", None, "policy.data.mask", "`operator` is required"),
        ("data.mask.bucket_number", None, "policy.data.mask.bucket_number", "`buckets` is required"),
        ("data.mask.bucket_number.buckets", [], "policy.data.mask.bucket_number.buckets", "at least one"),
        ("data.mask.bucket_number.buckets", [1, "x"], "policy.data.mask.bucket_number.buckets[1]", "a number"),
        ("data.mask", {"operator": "hash"}, "policy.data.mask.hash", "`algo` is required"),
        ("data.mask", {"operator": "hash", "hash": {"algo": "md5"}}, "policy.data.mask.hash.algo", "sha256"),
        (
            "data.mask",
            {"operator": "bucket_date", "bucket_date": {"precision": "minute"}},
            "policy.data.mask.bucket_date.precision",
            "hour, day, week, month, quarter, year",
        ),
        (
            "data.mask",
            {"operator": "regex_replace", "regex_replace": {"pattern": "(", "replacement": ""}},
            "policy.data.mask.regex_replace.pattern",
            "no regular expression",
        ),
        (
            "data.mask",
            {"operator": "regex_replace", "regex_replace": {"pattern": "a"}},
            "policy.data.mask.regex_replace",
            "`replacement` is required",
        ),
        ("data.mask", {"operator": "rand_pattern"}, "policy.data.mask.rand_pattern", "`pattern` is required"),
        ("data.filters", [{"column": "a", "value": 1}], "policy.data.filters", "has no filters"),
        ("data.unless", {"a": 1}, "policy.data.unless", "unknown key"),
    ],
)
def test_a_faulty_mask_names_its_path(path, value, where, text):
    found = faults("policy", put(MASK, path, value))
    assert text in found[where]


@pytest.mark.parametrize(
    ("filters", "where", "text"),
    [
        ([], "policy.data", "`filters` are required"),
        ([{"value": 1}], "policy.data.filters[0]", "`column` is required"),
        ([{"column": "a"}], "policy.data.filters[0]", "`value` is required"),
        ([{"column": "a", "value": [1]}], "policy.data.filters[0].value", "one text, number or boolean"),
        ([{"column": "a", "value": 1, "operator": "like"}], "policy.data.filters[0].operator", "equals, not_equals"),
        ([{"column": "a", "value": 1, "valueFrom": {"user_attribute": "b"}}], "policy.data.filters[0]", "not both"),
        ([{"column": "a", "value_from": {"user": "b"}}], "policy.data.filters[0].valueFrom.user", "unknown key"),
    ],
)
def test_a_faulty_filter_names_its_path(filters, where, text):
    found = faults("policy", put(FILTER, "data.filters", filters))
    assert text in found[where]


def test_all_faults_are_reported_at_once():
    section = put(put(put(MASK, "data.priority", 0), "data.selector.user.match", "x"), "data.mask.operator", "y")
    assert set(faults("policy", section)) == {
        "policy.data.priority",
        "policy.data.selector.user.match",
        "policy.data.mask.operator",
    }
