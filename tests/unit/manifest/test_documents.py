"""Meta section, versions, names, workspaces: ch01 sections 3, 4, 6.1."""

from dataclasses import replace

import pytest

from dataos.manifest import registry
from dataos.manifest.documents import read_manifest
from dataos.manifest.loader import load_text, report
from dataos.manifest.specs import Reading

SECRET = "name: s\nversion: v1\ntype: instance-secret\ninstance-secret: {type: key-value, acl: r, data: {a: b}}\n"


def read(text, workspace=None):
    (document,) = load_text(text, "f.yaml")
    reading = Reading()
    manifest = read_manifest(document.data, reading, workspace)
    errors, warnings = report(document, reading)
    return manifest, errors, warnings


def test_a_good_manifest_has_its_identity():
    manifest, errors, warnings = read(SECRET)
    assert (errors, warnings) == ([], [])
    assert manifest is not None
    assert (manifest.id, manifest.layer) == ("instance-secret:v1:s", "user")


@pytest.mark.acceptance("ch01-AS07")
def test_a_name_of_53_characters_is_refused_with_the_regex_and_its_place():
    _, errors, _ = read(SECRET.replace("name: s", "name: " + "x" * 53))
    assert errors[0].message == (
        f"name is invalid '{'x' * 53}', must be less than '48' chars and conform to the following regex: "
        "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    )
    assert (errors[0].file, errors[0].line) == ("f.yaml", 1)


@pytest.mark.parametrize(("length", "fine"), [(48, True), (49, False)])
def test_names_may_have_48_characters(length, fine):
    assert (read(SECRET.replace("name: s", "name: " + "x" * length))[0] is not None) is fine


def test_a_depot_name_has_no_hyphen_and_the_rule_says_why():
    _, errors, _ = read("name: a-b\nversion: v1\ntype: depot\ndepot: {type: FILE, file: {path: /x}}\n")
    assert "[a-z]([a-z0-9]*)" in errors[0].message
    assert "catalog" in errors[0].hint


@pytest.mark.acceptance("ch01-AS06")
def test_a_superseded_version_is_migrated_with_a_notice():
    text = "name: w\nversion: v1beta1\ntype: workflow\nworkflow:\n  dag:\n    - {name: a, spec: {stack: script, compute: runnable-default, stackSpec: {script: '1'}}}\n"
    manifest, _, warnings = read(text)
    assert manifest is not None
    assert manifest.version == "v1"
    assert warnings[0].message == "v1beta1 has been replaced by versions v1 for type workflow"


def test_an_unknown_version_lists_the_accepted_ones():
    _, errors, _ = read(SECRET.replace("version: v1", "version: v9"))
    assert errors[0].code == "manifest.version"
    assert "v1beta" in errors[0].hint


@pytest.mark.parametrize(("written", "type_"), [("Policies", "policy"), (" grant ", "grant"), ("Products", "data")])
def test_spellings_of_a_type_are_folded(written, type_):
    assert registry.canonical_type(written) == type_


def test_an_unknown_type_suggests_a_near_one():
    _, errors, _ = read("name: s\nversion: v1\ntype: workflw\nworkflow: {}\n")
    assert errors[0].code == "kind.unknown"
    assert "workflow" in errors[0].hint


def test_type_is_matched_in_any_case_and_plural():
    manifest, _, warnings = read(SECRET.replace("type: instance-secret", "type: Instance-Secrets", 1))
    assert manifest is not None
    assert manifest.kind.type == "instance-secret"
    assert warnings[0].code == "manifest.variant"


def test_the_section_may_be_capitalised_or_named_secret():
    for spelling in ("Instance-Secret:", "secret:"):
        manifest, _, warnings = read(SECRET.replace("instance-secret: {", spelling + " {"))
        assert manifest is not None
        assert manifest.section_key == spelling[:-1]
        assert warnings


def test_a_missing_section_says_which():
    _, errors, _ = read("name: s\nversion: v1\ntype: secret\n")
    assert "section `secret` is missing" in errors[0].message


def test_tags_may_be_one_word_and_server_fields_are_ignored():
    manifest, _, warnings = read(SECRET + "tags: alone\nuid: x\nstatus: {a: 1}\n")
    assert manifest is not None
    assert manifest.meta.tags == ("alone",)
    assert warnings == []


@pytest.mark.acceptance("ch01-AS05")
def test_the_manifests_workspace_wins_over_the_flag_with_a_warning():
    text = "name: s\nversion: v1\ntype: secret\nworkspace: sales\nsecret: {type: key-value, acl: r, data: {a: b}}\n"
    manifest, _, warnings = read(text, "public")
    assert manifest is not None
    assert manifest.workspace == "sales"
    assert "wins over `-w public`" in warnings[0].message
    assert read(text.replace("workspace: sales\n", ""), None)[0].workspace == "public"


def test_a_draft_of_a_product_is_read():
    manifest, errors, _ = read("name: p\nversion: v1beta\ntype: data\nentity: product\n")
    assert errors == []
    assert manifest.id == "data:v1beta:p"
    assert manifest.unsupported == ()
    assert manifest.spec.draft


def test_a_product_of_another_type_is_told_the_right_one():
    _, errors, _ = read(SECRET + "entity: product\n")
    assert errors[0].path == "type"
    assert "`type: data`" in errors[0].hint


def test_every_fault_is_reported_at_once():
    text = "name: A_b\nversion: v7\ntype: secret\nlayer: upper\nworkspace: 9x\nsecret: {type: no, acl: q, data: {'a b': 1}}\n"
    _, errors, _ = read(text)
    assert {e.path for e in errors} == {
        "name", "version", "layer", "workspace", "secret.type", "secret.acl", "secret.data.a b"
    }  # fmt: skip
    assert all(e.line for e in errors)


def test_a_kind_without_a_controller_is_read_in_full_and_refused_later(monkeypatch):
    kind = replace(registry.KINDS["secret"], controller=None)
    monkeypatch.setitem(registry.KINDS, "secret", kind)
    text = "name: s\nversion: v1\ntype: secret\nsecret: {type: key-value, acl: r, data: {a: b}}\n"
    manifest, errors, _ = read(text)
    assert errors == []
    assert manifest is not None
    assert [(p.code, p.path) for p in manifest.unsupported] == [("kind.unsupported", "type")]
    assert read(text.replace("acl: r", "acl: q"))[1]
