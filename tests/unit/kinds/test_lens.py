"""Lens manifests (ch07 11): all attributes, layouts that are found in the wild, and what is sealed."""

import pytest

from support.asset_samples import LENS, SECRET
from support.kind_reading import faults, good, put, read

FEW = {
    "compute": "runnable-default",
    "source": {"type": "minerva", "name": "miniature", "catalog": "lakehouse"},
    "repo": {"url": "https://git.mill.example/yarn", "lensBaseDir": "model"},
}


def warned(reading):
    return {w.path for w in reading.warnings}


def test_a_lens_is_read_whole():
    manifest = good("lens", LENS)
    lens = manifest.spec
    assert (lens.source_type, lens.source, lens.catalog) == ("depot", "orders", None)
    assert (lens.repository.folder, lens.repository.ref, lens.repository.secret) == (
        "build/model",
        "main",
        "git_read_r_r",
    )
    api = lens.components["api"]
    assert (api.scaling.most, api.scaling.cpu_percent, api.metric_port, api.log_level) == (3, 70, 9090, "INFO")
    assert api.sizes.memory_limit == 2048 << 20
    assert lens.components["worker"].spread.level == "hostname"
    assert {p[-1] for p in manifest.secret_paths} == {"runAsApiKey", "LENS2_DB_PASS"}
    assert {str(r.target) for r in manifest.references} == {"depot:orders", "?secret:git-read-r:public"}
    assert SECRET not in repr(lens)


def test_defaults():
    lens = good("lens", FEW).spec
    assert set(lens.components) == {"api", "worker", "router"}
    sizes = lens.components["router"].sizes
    assert (sizes.cpu_request, sizes.memory_request, sizes.cpu_limit, sizes.memory_limit) == (
        0.1,
        100 << 20,
        0.4,
        400 << 20,
    )
    assert (lens.repository.ref, lens.catalog, lens.acts_by_key) == (None, "lakehouse", False)


@pytest.mark.parametrize("kind", ["depot", "minerva", "themis", "flash", "Trino"])
def test_every_source(kind):
    wanted = "minerva" if kind == "Trino" else kind
    assert good("lens", put(FEW, "source.type", kind)).spec.source_type == wanted


@pytest.mark.parametrize(
    ("url", "folder", "wanted"),
    [
        ("https://git.mill.example/yarn/sample/", "sample/lens/model", "lens/model"),
        ("https://git.mill.example/yarn/sample.git", "sample/model", "model"),
        ("https://git.mill.example/yarn/sample", "lens/model", "lens/model"),
        ("file:///srv/repos/sample", "sample/model", "model"),
        ("/srv/repos/sample", "model", "model"),
        ("https://git.mill.example/yarn/model", "model", "model"),
    ],
)
def test_the_repositorys_own_name_is_no_folder(url, folder, wanted):
    section = put(put(FEW, "repo.url", url), "repo.lensBaseDir", folder)
    assert good("lens", section).spec.repository.folder == wanted


def test_components_beside_the_section_are_read_with_a_notice():
    root = {"source": FEW["source"], "repo": FEW["repo"], "metrics": {"logLevel": "debug"}}
    manifest, reading = read("lens", {"compute": "runnable-default"}, **root)
    assert manifest.spec.components["metric"].log_level == "DEBUG"
    assert warned(reading) >= {"source", "repo", "metrics"}
    assert "twice" in faults("lens", FEW, source=FEW["source"])["source"]


@pytest.mark.parametrize("root", [{"runAsApiKey": SECRET}, {"api": {"envs": {"LENS2_DB_PASS": SECRET}}}])
def test_secrets_beside_the_section_are_refused(root):
    found = faults("lens", FEW, **root)
    assert "outside of the section" in str(found)
    assert SECRET not in str(found)


def test_shared_blocks_are_read_for_each_component():
    section = {**FEW, "envs": {"A": 1}, "resources": {"limits": {"cpu": "1"}}, "autoScaling": {"maxReplicas": 2}}
    section["worker"] = {"envs": {"B": True}}
    manifest, reading = read("lens", section)
    components = manifest.spec.components
    assert components["worker"].envs == {"A": "1", "B": "true"}
    assert [components[c].sizes.cpu_limit for c in ("api", "worker", "router")] == [1, 1, 1]
    assert components["api"].scaling.most == 2
    assert warned(reading) >= {"lens.envs", "lens.resources", "lens.autoScaling"}


def test_amounts_beside_empty_bounds_are_the_limits():
    section = {**FEW, "api": {"resources": {"requests": None, "cpu": "2", "memory": "1Gi", "limits": None}}}
    manifest, reading = read("lens", section)
    assert manifest.spec.components["api"].sizes.memory_limit == 1 << 30
    assert "lens.api.resources" in warned(reading)


def test_what_has_no_effect_is_said():
    section = put(put(FEW, "repo.syncFlags", "--depth=1 --ref=dev"), "repo.secretId", "git-r_r")
    section["worker"] = {
        "autoScaling": {"maxReplicas": 2},
        "highAvailabilityConfig": {"level": "host", "mode": "required"},
    }
    manifest, reading = read("lens", section)
    assert manifest.spec.repository.ref == "dev"
    assert manifest.spec.components["worker"].spread.level == "hostname"
    assert warned(reading) >= {"lens.repo.syncFlags", "lens.repo.secretId", "lens.worker.autoScaling"}


@pytest.mark.parametrize(
    ("path", "value", "where", "text"),
    [
        ("compute", None, "lens", "`compute` is required"),
        ("source", None, "lens", "`source` is required"),
        ("source.type", None, "lens.source", "`type` is required"),
        ("source.type", "spark", "lens.source.type", "depot, minerva, themis, flash"),
        ("source.name", None, "lens.source", "`name` is required"),
        ("repo", None, "lens", "`repo` is required"),
        ("repo.url", None, "lens.repo", "`url` is required"),
        ("repo.url", "git.mill.example/yarn", "lens.repo.url", "Credential url cannot be parsed"),
        ("repo.url", f"https://u:{SECRET}@git.mill.example/yarn", "lens.repo.url", "user or password"),
        ("repo.lensBaseDir", None, "lens.repo", "`lensBaseDir` is required"),
        ("repo.lensBaseDir", "../model", "lens.repo.lensBaseDir", "`..`"),
        ("repo.syncFlags", ["--ref="], "lens.repo.syncFlags", "--ref=main"),
        ("repo.lensBasDir", "x", "lens.repo.lensBasDir", "did you mean `lensBaseDir`?"),
        ("api", {"logLevel": "loud"}, "lens.api.logLevel", "INFO, WARN, DEBUG, ERROR"),
        ("api", {"replicas": 0}, "lens.api.replicas", "greater"),
        ("api", {"autoScaling": {"enabled": True}}, "lens.api.autoScaling", "`maxReplicas` is required"),
        ("api", {"metricEndpoint": {"path": "/m"}}, "lens.api.metricEndpoint", "`port` is required"),
        ("worker", {"highAvailabilityConfig": {"level": "rack", "mode": "required"}},
         "lens.worker.highAvailabilityConfig.level", "hostname, zone, region"),
        ("worker", {"resources": {"limits": {"cpu": "much"}}}, "lens.worker.resources.limits.cpu", "much"),
        ("secrets", [{"allKeys": True}], "lens.secrets[0]", "`name` is required"),
        ("runAsApiKey", [SECRET], "lens.runAsApiKey", "expected text"),
    ],
)  # fmt: skip
def test_a_faulty_lens_names_its_path_and_no_secret(path, value, where, text):
    found = faults("lens", put(FEW, path, value))
    assert text in found[where]
    assert SECRET not in str(found)
