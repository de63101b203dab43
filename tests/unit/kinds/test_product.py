"""Product manifests (ch09 2, 10): both versions, drafts, variants, references, tags, and what is refused."""

import copy
import datetime

import pytest

from dataos.manifest.documents import read_manifest
from dataos.manifest.specs import Reading
from support.asset_samples import OLD_PRODUCT, PRODUCT
from support.kind_reading import put


def product(data=PRODUCT, version="v1beta", section=None, **root):
    body = {version: {"data": copy.deepcopy(data)}} if section is None else section
    reading = Reading()
    return read_manifest({"name": "yarn-orders", "version": version, "type": "data", **body, **root}, reading), reading


def good(*args, **root):
    manifest, reading = product(*args, **root)
    assert manifest is not None, reading.problems
    return manifest


def faults(*args, **root):
    manifest, reading = product(*args, **root)
    assert manifest is None
    return {p.path: f"{p.message} | {p.hint}" for p in reading.problems}


def warned(reading):
    return {w.path: w.message for w in reading.warnings}


def test_a_product_is_read_whole():
    manifest = good(
        entity="product",
        tags=["DPDomain.Sales Ops", "DPUsecase.Planning", "DPTier.Consumer Aligned", "Readiness.Template", "plain"],
        purpose="plan looms",
        refs=[{"href": "https://wiki.mill.example"}, {"title": "T", "href": "https://x.example"}],
    )
    spec = manifest.spec
    assert (manifest.id, spec.title, spec.purpose, spec.draft) == (
        "data:v1beta:yarn-orders",
        "Yarn Orders",
        "plan looms",
        False,
    )
    assert (spec.domains, spec.use_cases, spec.tiers) == (("Sales Ops",), ("Planning",), ("Consumer Aligned",))
    assert spec.custom_tags == ("Readiness.Template",)
    assert spec.links == (("https://wiki.mill.example", "https://wiki.mill.example"), ("T", "https://x.example"))
    assert str(spec.bundle) == "bundle:yarn-bundle"
    assert [str(d.address or d.product) for d in spec.inputs] == [
        "dataos://dropzone:yarn/mills.csv",
        "dataos://lakehouse:yarn/orders.v2",
        "data:v1beta:yarn",
    ]
    assert spec.outputs[0].checks[0]["category"] == "Completeness"
    assert [str(k) for k in (*spec.ports.lens, *spec.ports.services)] == [
        "lens:yarn-model:public",
        "service:yarn-api:public",
    ]
    assert spec.ports.postgres == (("tcp.mill.example", 6432, {"ssl": "true"}),)
    assert spec.contract_version == "2.1.0"
    assert (spec.lifecycle.stage, spec.lifecycle.retire_on) == ("deprecated", datetime.date(2031, 1, 31))
    assert (spec.slos[0].category, spec.slos[0].window_s) == ("Freshness", 30 * 86400)
    assert spec.collaborators == (("ida", "owner"),)
    assert manifest.unsupported == ()


def test_the_old_version_gives_the_same_model():
    spec = good(OLD_PRODUCT, "v1alpha", owner="ida", collaborators=["jon"], tags=["Domain.Weaving", "Tier.Gold"]).spec
    assert (spec.domains, spec.use_cases, spec.tiers) == (("Weaving", "weaving"), ("planning",), ("Gold",))
    assert [str(m) for m in spec.members] == ["workflow:wf-yarn:public", "depot:orders"]
    assert str(spec.outputs[0].address) == "dataos://lakehouse:yarn/MASTER"
    assert spec.collaborators == (("jon", ""),)
    assert spec.title == "yarn-orders"


@pytest.mark.parametrize("section", [{}, {"v1beta": None}, {"v1beta": {"data": None}}])
def test_a_header_alone_is_a_draft(section):
    manifest, reading = product(section=section)
    assert manifest.spec.draft is True
    assert any("draft" in w.message for w in reading.warnings)


def test_variants_are_read_with_a_notice():
    manifest, reading = product(section={"v1beta": {"data": None, **PRODUCT}})
    assert manifest.spec.title == "Yarn Orders"
    assert "indent them" in warned(reading)["v1beta"]
    dotted = put(put(PRODUCT, "inputs.0.ref", "dataos://a:b/c."), "resource.ref", "bundle:v1beta:yarn-bundle.")
    manifest, reading = product(dotted)
    assert (str(manifest.spec.inputs[0].address), manifest.spec.bundle.name) == ("dataos://a:b/c", "yarn-bundle")
    assert set(warned(reading)) >= {"v1beta.data.inputs[0].ref", "v1beta.data.resource.ref"}
    both = {**PRODUCT, "resources": OLD_PRODUCT["resources"], "domain": "weaving", "ports": None}
    assert len(good(both).spec.members) == 2
    assert good(put(PRODUCT, "ports", {"api": [{"ref": "service:v1:a:b"}]})).spec.ports.services[0].workspace == "b"


def test_what_the_author_should_know_is_said():
    _, reading = product(
        put(PRODUCT, "collaborators", [{"name": None}, {"name": "<you>"}]), tags=["dataos:product:data:other"]
    )
    assert set(warned(reading)) >= {
        "v1beta.data.collaborators[0]",
        "v1beta.data.collaborators[1].name",
        "tags[0]",
    }
    _, reading = product(put(PRODUCT, "resource.ref", "bundle:v7:yarn-bundle"))
    assert "`v7`" in warned(reading)["v1beta.data.resource.ref"]


@pytest.mark.parametrize(
    ("path", "value", "where", "text"),
    [
        ("resource", None, "", "`resource` is required"),
        ("inputs", None, "", "`inputs` is required"),
        ("resource.refType", None, ".resource", "`refType` is required"),
        ("resource.ref", None, ".resource", "`ref` is required"),
        ("resource.ref", "workflow:v1:a:b", ".resource.ref", "`bundle:<version>:<name>`"),
        ("inputs.0.ref", None, ".inputs[0]", "`ref` is required"),
        ("inputs.0.refType", None, ".inputs[0]", "`refType` is required"),
        ("inputs.0.ref", "dataset:lakehouse:orders", ".inputs[0].ref", "read `lakehouse`, `orders`"),
        ("inputs.0.ref", "dataos://lakehouse", ".inputs[0].ref", "names no dataset"),
        ("inputs.0.ref", "dataos:////x", ".inputs[0].ref", "Invalid dataset"),
        ("inputs.0.ref", "lakehouse.yarn.orders", ".inputs[0].ref", "dataset:<depot>"),
        ("outputs.0.ref", "data:v1beta:yarn", ".outputs[0].ref", "names no dataset"),
        ("outputs.0.checks", "none", ".outputs[0].checks", "list of checks"),
        ("ports.lens.ref", "lens:v1alpha:yarn-model", ".ports.lens[0].ref", "lacks its workspace"),
        ("ports.rest", [{"url": "ftp://x"}], ".ports.rest[0].url", "https://"),
        ("ports.postgres.port", None, ".ports.postgres[0]", "`port` is required"),
        ("ports.postgres.port", 70000, ".ports.postgres[0].port", "65535"),
        ("relatedDataProducts", ["yarn"], ".relatedDataProducts[0]", "data:<version>:<name>"),
        ("contract.version", "2", ".contract.version", "2.1.0"),
        ("lifecycle.stage", "dead", ".lifecycle.stage", "retired"),
        ("lifecycle.retireOn", "soon", ".lifecycle.retireOn", "2031-01-31"),
        ("lifecycle.retireOn", "2029-01-01", ".lifecycle.retireOn", "before"),
        ("slos.0.category", "Speed", ".slos[0].category", "Uniqueness"),
        ("slos.0.target", None, ".slos[0]", "`target` is required"),
        ("slos.0.window", "long", ".slos[0].window", "long"),
        ("input", [], ".input", "did you mean `inputs`?"),
        ("output", [], ".output", "did you mean `outputs`?"),
        ("port", {}, ".port", "did you mean `ports`?"),
        ("meta.title", "${{title}}", ".meta.title", "`${{title}}` was not filled in"),
    ],
)
def test_a_faulty_product_names_its_path(path, value, where, text):
    assert text in faults(put(PRODUCT, path, value))["v1beta.data" + where]


def test_a_member_without_its_workspace_and_of_no_type_is_named():
    data = put(put(OLD_PRODUCT, "resources.0.workspace"), "resources.1.type", "depo")
    found = faults(data, "v1alpha")
    assert "`workspace` is required" in found["v1alpha.data.resources[0]"]
    assert "`depot`" in found["v1alpha.data.resources[1].type"]


def test_a_version_that_is_not_the_sections_is_told():
    found = faults(section={"v1alpha": {"data": PRODUCT}})
    assert "`version: v1alpha`" in found["v1alpha"]


@pytest.mark.parametrize(
    ("root", "where", "text"),
    [
        ({"entity": "resource"}, "entity", "not allowed"),
        ({"name": "yarn_orders"}, "name", "regex"),
        ({"version": "v2"}, "version", "v1beta, v1alpha"),
        ({"refs": [{"title": "a"}]}, "refs[0]", "`href` is required"),
        ({"purpos": "x"}, "purpos", "purpos"),
    ],
)
def test_a_faulty_header_names_its_path(root, where, text):
    manifest, reading = product(**root)
    found = {p.path: f"{p.message} | {p.hint}" for p in (*reading.problems, *reading.warnings)}
    assert text in found[where]
    assert manifest is None or where == "purpos"


def test_all_faults_are_reported_at_once():
    data = put(put(put(PRODUCT, "resource.ref", "x"), "inputs.0.ref", "y"), "slos.0.category", "z")
    assert set(faults(data)) == {
        "v1beta.data.resource.ref",
        "v1beta.data.inputs[0].ref",
        "v1beta.data.slos[0].category",
    }
