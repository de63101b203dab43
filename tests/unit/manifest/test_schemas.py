"""JSON Schemas as text: which are taken, and where a fault of one stands."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.manifest.schemas import json_schema
from dataos.manifest.specs import Reading

DRAFTS = (
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2020-12/schema",
)


def check(schema):
    reading = Reading()
    found = json_schema(schema if isinstance(schema, str) else json.dumps(schema), ("s",), reading)
    return found, [p.message for p in reading.problems], reading.warnings


@pytest.mark.parametrize("draft", DRAFTS)
def test_schemas_of_the_drafts_in_use_are_taken_as_they_are(draft):
    schema = {
        "$schema": draft, "type": ["object", "null"], "required": ["a"], "additionalProperties": False,
        "properties": {"a": {"enum": [1, None]}, "b": {"type": "array", "items": {"$ref": "#/definitions/c"}},
                       "type": {"type": "string", "maxLength": 3}},
        "definitions": {"c": {"oneOf": [{"minimum": 0.5}, True]}}, "x-ours": [1],
    }  # fmt: skip
    assert check(schema) == (schema, [], [])


@pytest.mark.parametrize(
    ("schema", "part"),
    [
        ("{", "not JSON"),
        ("[]", "a schema is a mapping"),
        ({"type": "thing"}, "at `type`"),
        ({"properties": {"a": {"required": True}}}, "at `properties.a.required`: must be a list"),
        ({"allOf": {}}, "at `allOf`: must be a list of schemas"),
        ({"items": [{"type": 1}]}, "at `items[0].type`"),
        ({"pattern": "("}, "no regular expression"),
        ({"patternProperties": {"[": {}}}, "no regular expression"),
        ({"minLength": -1}, "at `minLength`"),
        ({"maximum": "9"}, "must be a number"),
        ({"enum": []}, "at `enum`"),
        ({"not": 3}, "at `not`: a schema is a mapping"),
    ],
)
def test_a_fault_is_named_with_its_place_inside(schema, part):
    found, problems, _ = check(schema)
    assert found is None
    assert part in problems[0]


def test_an_unknown_draft_is_a_notice():
    assert "not known" in check({"$schema": "https://example.com/mine"})[2][0].message


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=4),
                    lambda i: st.lists(i, max_size=2) | st.dictionaries(
                        st.sampled_from(["type", "items", "properties", "anyOf", "pattern", "enum", "not", "q"]), i, max_size=3),
                    max_leaves=8)  # fmt: skip


@given(JSON)
def test_anything_ends_in_a_schema_or_in_problems(value):
    found, problems, _ = check(json.dumps(value))
    assert (found is None) == bool(problems)
