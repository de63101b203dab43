"""Grants (ch08 4.3): a use case, its subjects, and values in each form that is found."""

import pytest

from support.asset_samples import GRANT
from support.kind_reading import faults, good, put, read


def test_a_grant_is_read_whole():
    grant = good("grant", GRANT).spec
    assert (grant.use_case, grant.approve, grant.collection) == ("read-yarn", True, "default")
    assert grant.subjects == ("users:id:weaver-1", "roles:id:**")
    assert [(v.atom, dict(v.variables)) for v in grant.values] == [
        ("table-read", {"catalog": "lakehouse", "schema": "yarn"}),
        ("cluster-use", {"cluster": "miniature"}),
    ]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (None, []),
        ([{"path": "/a/**"}, {"path": "/b"}], [(None, "/a/**"), (None, "/b")]),
        ([{"authorization_atom_id": "ui", "variable_values": [{"path": "/a"}]}], [("ui", "/a")]),
        ({"ui": [{"path": "/a"}, {"path": "/b"}]}, [("ui", "/a"), ("ui", "/b")]),
    ],
)
def test_values_in_every_form(values, wanted):
    grant = good("grant", put(GRANT, "values", values) if values else {**GRANT, "values": None}).spec
    assert [(v.atom, dict(v.variables)["path"]) for v in grant.values] == wanted


def test_nothing_is_approved_unless_said():
    assert good("grant", put(GRANT, "approve")).spec.approve is False


@pytest.mark.parametrize(
    ("path", "value", "where", "text"),
    [
        ("policy_use_case_id", None, "grant", "`policy_use_case_id` is required"),
        ("policy_use_case_id", " ", "grant.policy_use_case_id", "no id"),
        ("subjects", ["weaver"], "grant.subjects[0]", "`users:id:weaver`"),
        ("subjects", ["roles:[id"], "grant.subjects[0]", "not closed"),
        ("values", "x", "grant.values", "each atom"),
        ("values", {"ui": [3]}, "grant.values.ui[0]", "mapping of variables"),
        ("values", {"ui": [{}]}, "grant.values.ui[0]", "mapping of variables"),
        ("values", {"ui": [{"path": ""}]}, "grant.values.ui[0].path", "needs a value"),
        ("values", [{"authorization_atom_id": 3}], "grant.values[0].authorization_atom_id", "id of an atom"),
        ("approve", "perhaps", "grant.approve", "true or false"),
        ("collection", "north", "grant.collection", "does not exist"),
        ("subjekts", ["a:b"], "grant.subjekts", "did you mean `subjects`?"),
        ("until", "2030", "grant.until", "unknown key"),
    ],
)
def test_a_faulty_grant_names_its_path(path, value, where, text):
    assert text in faults("grant", put(GRANT, path, value))[where]


def test_what_has_no_effect_is_said():
    manifest, reading = read("grant", {"policyUseCaseId": "a", "category": "x", "authorization_atoms": ["b"]})
    assert manifest.spec.subjects == ()
    assert {w.path for w in reading.warnings} >= {"grant.category", "grant.authorization_atoms", "grant.subjects"}
