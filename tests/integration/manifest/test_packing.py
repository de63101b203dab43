"""What the client puts into manifests from files, and where a fault in such a file is shown."""

import pytest

from dataos.cli.documents import load
from dataos.manifest.documents import read_manifest
from dataos.manifest.specs import Reading

SERVICE = """name: api
version: v1
type: service
service:
  stack: container
  servicePort: 80
  compute: runnable-default
  configs: {app.conf: ./conf/app.json, plain: level=3, gone: ./conf/gone.json}
  stackSpec: {image: 'img:1', arguments: [$IMAGE]}
"""
DATABASE = """name: shopdb
version: v1
type: database
database: {migrate: {includes: [sql], includesInline: {090_seed: INSERT}}}
"""
BUNDLE = """name: shop
version: v1beta
type: bundle
bundle:
  resources:
    - {id: db, workspace: wool, file: parts/db.yaml}
    - id: api
      workspace: wool
      file: parts/api.yaml
      dependencies: [db]
    - id: own
      workspace: wool
      spec:
        name: inner
        version: v1
        type: worker
        worker:
          {stack: container, compute: runnable-default, configs: {a: parts/conf/app.json}, envs: {A: $IMAGE},
           stackSpec: {image: 'img:1'}}
    - id: stack
      spec:
        name: counter
        version: v1alpha
        type: Stack
        stack:
          {name: counter, version: "1.0", reconciler: stackManager, environmentVars: {A: $IMAGE},
           image: {registry: r, repository: s, image: c, tag: "1"}, serviceConfig: }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGE", "img:$HOME")
    for name, text in {
        "bundle.yaml": BUNDLE,
        "parts/db.yaml": DATABASE,
        "parts/api.yaml": SERVICE,
        "parts/conf/app.json": '{"a": "$IMAGE"}',
        "parts/sql/002_b.up.sql": "B",
        "parts/sql/001_a.up.sql": "A",
        "parts/sql/readme.txt": "no script",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def loaded(file):
    return load([file], False, None, False)


def test_a_bundle_of_files_becomes_one_whole_manifest(folder):
    found = loaded(folder / "bundle.yaml")
    assert found.problems == []
    reading = Reading()
    manifest = read_manifest(found.documents[0].data, reading)
    assert manifest is not None, reading.problems
    items = {item.id: item.manifest.spec for item in manifest.spec.items}
    assert [s.name for s in items["db"].scripts] == ["001_a", "002_b", "090_seed"]
    assert items["api"].runnable.configs == {
        "app.conf": '{"a": "$IMAGE"}', "plain": "level=3", "gone": "./conf/gone.json"
    }  # fmt: skip
    assert items["own"].runnable.configs == {"a": '{"a": "$IMAGE"}'}


def test_variables_are_filled_in_once_in_every_file_and_never_in_a_stack(folder):
    items = loaded(folder / "bundle.yaml").documents[0].data["bundle"]["resources"]
    assert items[1]["spec"]["service"]["stackSpec"]["arguments"] == ["img:$HOME"]
    assert items[2]["spec"]["worker"]["envs"]["A"] == "img:$HOME"
    assert items[3]["spec"]["stack"]["environmentVars"]["A"] == "$IMAGE"


def test_what_looks_like_a_path_and_is_none_is_a_notice_with_the_places_tried(folder):
    (warning,) = loaded(folder / "parts/api.yaml").warnings
    assert "taken as the content of `gone`" in warning.message
    assert str(folder / "parts" / "conf/gone.json") in warning.hint
    assert warning.line == 8


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("parts/db.yaml", DATABASE.replace("[sql]", "[nowhere]"), "folder `nowhere` was not found; tried: "),
        ("parts/db.yaml", DATABASE.replace("[sql]", "[conf]"), "holds 0 `.sql` files"),
        ("parts/db.yaml", DATABASE + "---\n" + DATABASE, "holds 2 documents"),
        ("parts/db.yaml", "a: [", "not YAML"),
        ("parts/db.yaml", BUNDLE.replace("parts/db.yaml", "../bundle.yaml"), "form a circle: bundle.yaml -> db.yaml"),
        (
            "bundle.yaml",
            BUNDLE.replace("parts/db.yaml", "parts/dv.yaml"),
            "file `parts/dv.yaml` was not found; tried: ",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_in_its_place(folder, name, text, part):
    (folder / name).write_text(text)
    found = loaded(folder / "bundle.yaml")
    assert found.documents == []
    (problem,) = [p for p in found.problems if part in p.message]
    assert problem.file
    assert problem.line


FLARE = """name: load
version: v1
type: workflow
workflow:
  dag:
    - name: load
      spec:
        stack: flare:7.0
        compute: runnable-default
        stackSpec:
          job:
            inputs:
              - {name: orders, dataset: "dataos://landing:none/orders.csv", format: csv, schemaPath: orders.avsc}
            steps:
              - steps/clean.yaml
              - sequence:
                  - {name: final, sqlFile: final.sql}
            outputs:
              - {name: final, dataset: "dataos://lakehouse:retail/orders?acl=rw"}
"""


@pytest.mark.acceptance("ch04-AS17")
def test_files_of_a_flare_job_are_put_into_the_manifest(tmp_path):
    (tmp_path / "steps").mkdir()
    (tmp_path / "load.yaml").write_text(FLARE)
    (tmp_path / "orders.avsc").write_text('{"type":"record","name":"o","fields":[{"name":"id","type":"long"}]}')
    (tmp_path / "steps/clean.yaml").write_text("sequence:\n  - {name: clean, sql: SELECT * FROM orders}\n")
    (tmp_path / "final.sql").write_text("SELECT id FROM clean;\n")
    loaded = load([tmp_path / "load.yaml"], False, None, False)
    assert not loaded.problems
    job = loaded.documents[0].data["workflow"]["dag"][0]["spec"]["stackSpec"]["job"]
    assert "schemaPath" not in job["inputs"][0]
    assert "record" in job["inputs"][0]["schemaString"]
    assert [s["sequence"][0]["name"] for s in job["steps"]] == ["clean", "final"]
    reading = Reading()
    assert read_manifest(loaded.documents[0].data, reading) is not None, reading.problems


def test_files_of_a_flare_job_that_are_not_there_are_named(tmp_path):
    (tmp_path / "load.yaml").write_text(FLARE)
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps/clean.yaml").write_text("- no step\n")
    loaded = load([tmp_path / "load.yaml"], False, None, False)
    messages = " | ".join(p.message for p in loaded.problems)
    for missing in ("orders.avsc", "final.sql"):
        assert f"`{missing}` was not found" in messages
    assert "steps/clean.yaml is no step" in messages
    assert all(p.file and p.line for p in loaded.problems)
