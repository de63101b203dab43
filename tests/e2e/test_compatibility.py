"""Old manifests through the real CLI: all valid, with the notices of their spellings and of what is not built yet."""

from __future__ import annotations

import pytest

from support.server import Installation, installation

LOT = """\
name: old-jobs
version: v1beta1
type: workflow
workflow:
  dag:
    - name: job1
      spec:
        stack: flare:3.0
        tags: [nightly]
        flare:
          job:
            inputs: [{name: orders, dataset: "dataos://lakehouse:retail/orders", format: iceberg}]
            outputs: [{name: orders, dataset: "dataos://lakehouse:retail/copy?acl=rw", format: iceberg}]
        resource: {request: {cpu: 100m}}
    - name: job2
      dependencies: job1
      spec:
        stack: container
        container: {image: registry.example.internal/shop/loader:1, command: [python]}
    - name: job3
      dependencies: job2
      spec:
        stack: alpha
        alpha: {image: registry.example.internal/shop/loader:1}
---
name: sink
version: v1beta
type: worker
worker:
  autoscaling: {enabled: false, minReplicas: 1, maxReplicas: 3}
  stack: bento-worker:3.0
  compute: runnable-default
  stackSpec: {input: {generate: {interval: 5s, mapping: 'root.basket = uuid_v4()'}}, output: {stdout: {codec: lines}}}
---
name: set
version: v1beta
type: bundle
bundle:
  schedule: {initialState: create, timezone: UTC, create: {cron: '0 6 * * 1'}}
  Resources:
    - id: a
      workspace: public
      spec: {name: wool, version: v1beta, type: volume, volume: {size: 1Gi, accessMode: ReadWriteMany, type: temp}}
    - id: b
      workspace: public
      dependencyConditions: [{ResourceId: a, status: {is: [active]}}]
      spec: {name: twine, version: v1beta, type: volume, volume: {size: 1Gi, accessMode: ReadWriteMany, type: temp}}
---
name: shopdb-graph
version: v1
type: service
service:
  compute: runnable-default
  ingress: {enabled: true, path: /shopdb/graph}
  stack: beacon+graphql
  beacon:
    source: {type: database, name: shopdb, workspace: public}
  topology:
    - {name: database, type: input}
    - {name: api, type: output, dependencies: [database]}
"""

NOTICES = {
    "old-jobs": {
        ("manifest.superseded", "version"),
        *(("manifest.notice", f"workflow.dag[{n}].spec") for n in range(3)),  # no compute named
        ("manifest.variant", "workflow.dag[0].spec.flare"),
        ("manifest.variant", "workflow.dag[0].spec.resource"),
        ("manifest.variant", "workflow.dag[0].spec.resources.request"),
        ("manifest.variant", "workflow.dag[1].spec.container"),
        ("manifest.variant", "workflow.dag[2].spec.alpha"),
        ("stack.unsupported", "workflow.dag[1].spec.stack"),
        ("stack.unsupported", "workflow.dag[2].spec.stack"),
    },
    "sink": {
        ("kind.unsupported", "type"),
        ("manifest.variant", "worker.autoscaling"),
        ("stack.unsupported", "worker.stack"),
    },
    "set": {
        ("manifest.variant", "bundle.Resources"),
        ("manifest.variant", "bundle.resources[1].dependencyConditions[0].ResourceId"),
        ("kind.unsupported", "bundle.resources[0].spec.type"),
        ("kind.unsupported", "bundle.resources[1].spec.type"),
    },
    "shopdb-graph": {
        ("kind.unsupported", "type"),
        ("manifest.variant", "service.beacon"),
        ("stack.unsupported", "service.stack"),
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("old")) as made:
        yield made


@pytest.mark.acceptance("ch03-AS06")
def test_a_lot_of_old_manifests_is_valid_with_the_listed_notices_only(server: Installation):
    done = server.cli("validate", "-f", server.write("lot.yaml", LOT), "-O", "json")
    assert done.code == 0, done.err
    verdicts = {v["name"]: v for v in done.json}
    assert [v["errors"] for v in verdicts.values()] == [[], [], [], []]
    for name, wanted in NOTICES.items():
        found = [(w["code"], w["path"]) for w in verdicts[name]["warnings"]]
        assert set(found) == wanted, name
        assert len(found) == len(wanted), name
        assert all(w["line"] for w in verdicts[name]["warnings"])


@pytest.mark.acceptance("ch03-AS06")
def test_what_is_not_built_yet_is_refused_at_apply_and_nothing_is_kept(server: Installation):
    before = [r["id"] for r in server.client().resources()]
    done = server.cli("apply", "-f", server.write("lot.yaml", LOT))
    assert done.code == 1
    for words in ("stack `container` cannot run yet", "type `worker` cannot be applied yet", "docs/roadmap.md"):
        assert words in done.err
    assert "lot.yaml:18:9" in done.err
    assert [r["id"] for r in server.client().resources()] == before
    planned = server.cli("plan", "-f", server.write("sink.yaml", LOT.split("---")[1]))
    assert "stack `bento` cannot run yet" in planned.err


STACK = """\
name: price-check-v1
version: v1alpha
type: stack
stack:
  name: price-check
  flavor: python
  version: "1.0"
  reconciler: stackManager
  image: {registry: r.example, repository: retail, image: price-check, tag: 0.3.0}
  stackSpecValueSchema:
    jsonSchema: '{"type": "object", "required": ["inputs"], "properties": {"inputs": {"type": "array"}}}'
  workflowJobConfig: {}
"""


def use(spec: str) -> str:
    return f"""\
name: check-prices
version: v1
type: workflow
workflow:
  dag:
    - name: check
      spec:
        stack: price-check+python:1.0
        compute: runnable-default
        stackSpec: {spec}
"""


def test_a_stack_of_the_same_files_is_known_to_validate_plan_and_apply(server: Installation):
    both = server.write("both.yaml", f"{STACK}---\n{use('{inputs: []}')}")
    done = server.cli("validate", "-f", both)
    assert done.code == 0, done.err
    assert "stack `price-check+python:1.0` of Stack `price-check-v1` cannot run yet" in done.err
    planned = server.cli("plan", "-f", both, "-O", "json")
    assert "stack.unknown" not in planned.out + planned.err
    for argv in ((), ("--atomic",)):
        refused = server.cli("apply", "-f", both, *argv)
        assert refused.code == 1
        assert "type `stack` cannot be applied yet" in refused.err
    bad = server.write("bad.yaml", f"{STACK}---\n{use('{}')}")
    done = server.cli("validate", "-f", bad)
    assert done.code == 1
    assert "bad.yaml:23:9: required here: `inputs` (workflow.dag[0].spec.stackSpec)" in done.err
    alone = server.cli("validate", "-f", server.write("alone.yaml", use("{}")))
    assert alone.code == 1
    assert "stack `price-check` is not installed" in alone.err
    assert "a manifest of type stack in the same files" in alone.err
