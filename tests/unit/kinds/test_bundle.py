"""The Bundle: manifests inside it, what waits for what, and when it comes and goes."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.kinds.bundle.spec import Condition, States
from support.kind_reading import faults, good, put, read
from support.kind_samples import SAMPLES, SECRET, VOLUME

BUNDLE = SAMPLES["bundle"][1]


def bundle(*items, **more):
    return {"resources": [{"workspace": "wool", **item} for item in items], **more}


def named(name):
    return {**copy.deepcopy(VOLUME), "name": name}


def test_items_stand_after_what_they_wait_for_and_keep_their_conditions():
    spec = good("bundle", copy.deepcopy(BUNDLE)).spec
    assert [item.id for item in spec.items] == ["a", "b"]
    assert spec.items[1].conditions == (Condition("a", States(("active",)), States((), ("running",))),)
    assert spec.items[1].manifest.key.workspace == "wool"
    assert (spec.schedule.starts_absent, spec.schedule.timezone, spec.schedule.create) == (
        True,
        "Europe/Lisbon",
        ("0 6 * * 1-5",),
    )


def test_a_dependency_alone_waits_for_active_and_a_condition_alone_is_a_dependency():
    section = bundle(
        {"id": "c", "spec": named("c"), "dependencies": "a"},
        {"id": "b", "spec": named("b"), "dependencyConditions": {"ResourceId": "c", "runtime": "succeeded"}},
        {"id": "a", "spec": named("a")},
    )
    manifest, reading = read("bundle", section)
    assert manifest is not None, reading.problems
    items = manifest.spec.items
    assert [i.id for i in items] == ["a", "c", "b"]
    assert items[1].conditions == (Condition("a", States(("active",)), States()),)
    assert items[2].conditions == (Condition("c", States(), States(("succeeded",))),)
    assert any("`runtime` is read as" in w.message for w in reading.warnings)


def test_older_spellings_and_misplaced_keys_are_read_with_a_notice():
    section = {
        "Resources": [{"name": "a", "workspace": "wool", "spec": named("a")}],
        "dependencies": ["x"],
        "schedule": {"initialState": "Delete", "timezone": "utc", "delete": {"cron": "0 6 * * *"}},
    }
    manifest, reading = read("bundle", section, workspace="wool", version="v1alpha")
    assert manifest is not None, reading.problems
    texts = " | ".join(w.message for w in reading.warnings)
    for part in ("`Resources` is read", "`name` is read as `id`", "`dependencies` has no effect", "instance-level"):
        assert part in texts
    assert manifest.spec.schedule.delete == ("0 6 * * *",)


INNER = "bundle.resources[1].spec"


@pytest.mark.parametrize(
    ("path", "value", "where", "wanted"),
    [
        ("resources.1.spec.volume.size", "big", f"{INNER}.volume.size", "no amount of memory"),
        ("resources.1.spec.type", "volum", f"{INNER}.type", "unknown type"),
        ("resources.1.spec.name", "A b", f"{INNER}.name", "name is invalid"),
        ("resources.1.spec", "x", INNER, "must be a mapping"),
        ("resources.1.file", "a.yaml", "bundle.resources[1]", "not both"),
        ("resources.1.id", "b", "bundle.resources[1].id", "used twice"),
        ("resources.0.dependencies", ["aa"], "bundle.resources[0].dependencies[0]", "no id of this bundle"),
        ("resources.0.dependencyConditions.0.resourceId", "q", "bundle.resources[0].dependencyConditions[0].resourceId", "no id"),
        ("resources.0.dependencyConditions.0.status", {"is": ["activ"]}, "bundle.resources[0].dependencyConditions[0].status.is[0]", "did you mean `active`"),
        ("resources.0.dependencyConditions.0.runtime", {"is": ["10m"]}, "bundle.resources[0].dependencyConditions[0].runtime.is[0]", "a duration"),
        ("resources.0.dependencyConditions.0.runtime", {}, "bundle.resources[0].dependencyConditions[0].runtime", "`is` or `contains`"),
        ("resources.1.dependencies", ["b"], "bundle.resources[0].dependencies", "b -> a -> b"),
        ("workspaces.0.name", "9x", "bundle.workspaces[0].name", "workspace is invalid"),
        ("workspaces.0.layer", "top", "bundle.workspaces[0].layer", "user, system"),
        ("schedule.timezone", "Eurpoe/Berlin", "bundle.schedule.timezone", "did you mean `Europe/Berlin`"),
        ("schedule.create.0.cron", "0 6 * *", "bundle.schedule.create[0].cron", "4 fields"),
        ("schedule.create", [], "bundle.schedule", "`create` or `delete`"),
        ("schedule.initialState", "on", "bundle.schedule.initialState", "create, delete"),
        ("resources", [], "bundle.resources", "at least one"),
    ],
)  # fmt: skip
def test_a_fault_carries_its_path_inside(path, value, where, wanted):
    found = faults("bundle", put(BUNDLE, path, value))
    texts = [text for place, text in found.items() if place == where or (where and (place or "").startswith(where))]
    assert any(wanted in text for text in texts), found


def test_faults_of_all_items_come_at_once():
    section = put(put(BUNDLE, "resources.0.spec.secret.acl", "q"), "resources.1.spec.volume.type", "q")
    assert set(faults("bundle", section)) == {
        "bundle.resources[0].spec.secret.acl",
        "bundle.resources[1].spec.volume.type",
    }


def test_a_file_that_the_client_did_not_read_is_refused():
    found = faults("bundle", bundle({"id": "a", "file": "a.yaml"}))
    assert "must be read by the client" in found["bundle.resources[0].file"]


def test_one_resource_may_not_stand_in_it_twice():
    section = bundle({"id": "a", "spec": named("a")}, {"id": "b", "spec": named("a")})
    assert "twice" in faults("bundle", section)["bundle.resources[1].spec.name"]


def test_secret_values_of_different_items_are_kept_apart():
    other = {**copy.deepcopy(SECRET), "name": "other"}
    manifest = good("bundle", bundle({"id": "a", "spec": SECRET}, {"id": "b", "spec": other}))
    assert manifest.sealed_values() == {
        "bundle:wool1:0": {"token": ("resources", 0, "spec", "secret", "data", "token")},
        "bundle:wool1:1": {"token": ("resources", 1, "spec", "secret", "data", "token")},
    }
    depot = {"name": "old", "version": "v1", "type": "depot", "depot": {
        "type": "JDBC", "spec": {"subprotocol": "postgresql", "host": "h", "database": "d"},
        "connectionSecret": [{"acl": a, "data": {"username": "u", "password": "p"}} for a in ("r", "rw")]}}  # fmt: skip
    groups = good("bundle", bundle({"id": "a", "spec": depot})).sealed_values()
    assert len({path for group in groups.values() for path in group.values()}) == 4


def test_references_that_stay_inside_are_no_references():
    use = {"name": "w", "version": "v1", "type": "worker", "worker": {
        "stack": "container", "stackSpec": {"image": "a:1"}, "compute": "pool", "dataosSecrets": [{"name": "keys"}, {"name": "far"}]}}  # fmt: skip
    manifest = good("bundle", bundle({"id": "a", "spec": SECRET}, {"id": "b", "spec": use}))
    assert {(str(r.target), r.path[:3]) for r in manifest.references} == {
        ("?secret:far:wool", ("bundle", "resources", 1)),
        ("compute:pool", ("bundle", "resources", 1)),
    }


def test_a_bundle_may_hold_a_bundle():
    inner = {"name": "in", "version": "v1beta", "type": "bundle", "bundle": bundle({"id": "v", "spec": named("v")})}
    assert good("bundle", bundle({"id": "a", "spec": inner})).spec.items[0].manifest.spec.items[0].id == "v"
    broken = put(inner, "bundle.resources.0.spec.volume.size", "big")
    (path,) = faults("bundle", bundle({"id": "a", "spec": broken}))
    assert path == "bundle.resources[0].spec.bundle.resources[0].spec.volume.size"


def test_content_without_a_workspace_says_which_is_used():
    _, reading = read("bundle", {"resources": [{"id": "a", "spec": named("a")}]})
    assert any("names no workspace: `public` is used" in w.message for w in reading.warnings)


@pytest.mark.parametrize(
    ("states", "state", "met"),
    [
        (States(("running:2",)), "running:3", True),
        (States(("running:2",)), "running:1", False),
        (States(("running:2",)), "running", False),
        (States(("running",)), "running:7", True),
        (States(("succeeded",)), "running", False),
        (States(("succeeded", "failed")), "failed", True),
        (States((), ("run",)), "running:1", True),
        (States(("active",), ("err",)), "error", True),
        (States(), "anything", True),
    ],
)
def test_states_are_alternatives_and_a_count_means_at_least(states, state, met):
    assert states.matches(state) is met


@given(st.permutations(list("abcdef")), st.data())
def test_the_order_respects_every_dependency(ids, data):
    items = [
        {"id": id_, "spec": named(id_), "dependencies": data.draw(st.lists(st.sampled_from(ids[i + 1 :]), unique=True) if ids[i + 1 :] else st.just([]))}
        for i, id_ in enumerate(ids)
    ]  # fmt: skip
    order = [item.id for item in good("bundle", bundle(*items)).spec.items]
    assert sorted(order) == sorted(ids)
    for item in items:
        assert all(order.index(d) < order.index(item["id"]) for d in item["dependencies"])
