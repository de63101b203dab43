"""Files of nodes as the client puts them in: places, variables, bare jobs, faults with their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataos.cli.documents import load
from dataos.manifest.documents import read_manifest
from dataos.manifest.specs import Reading

pytestmark = pytest.mark.sqlite

HEAD = "name: w\nversion: v1\ntype: workflow\nworkflow:\n  dag:\n"
INNER = "name: inner\nversion: v1\ntype: workflow\nworkflow: {dag: [{name: x, spec: {stack: script, envs: {A: $WHO}, stackSpec: {script: 'pass'}}}]}\n"
BARE = "stack: script\ncompute: runnable-default\nstackSpec: {script: 'pass'}\n"


def loaded(folder: Path, dag: str, **files: str):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    (folder / "w.yaml").write_text(HEAD + dag)
    return load([folder / "w.yaml"], False, None, False)


def test_variables_are_filled_in_inside_nested_files_and_a_bare_job_becomes_the_spec(tmp_path, monkeypatch):
    monkeypatch.setenv("WHO", "me")
    found = loaded(
        tmp_path,
        "    - {name: a, file: inner.yaml}\n    - {name: b, file: bare.yaml, dependencies: a}\n    - {name: c, spec: {file: inner.yaml}}\n",
        inner=INNER,
        bare=BARE,
    )
    assert found.problems == []
    manifest = read_manifest(found.documents[0].data, Reading())
    assert manifest is not None
    assert manifest.spec.at("a").job("x").runnable.envs == {"A": "me"}
    assert manifest.spec.at("c").job("x").name == "x"
    assert manifest.spec.job("b").runnable.stack == "script"


def test_the_folder_of_the_naming_file_comes_before_the_working_folder(tmp_path, monkeypatch):
    work, parts = tmp_path / "work", tmp_path / "work" / "parts"
    parts.mkdir(parents=True)
    monkeypatch.chdir(work)
    (work / "near.yaml").write_text(INNER.replace("inner", "far"))
    (work / "only-here.yaml").write_text(INNER)
    found = loaded(parts, "    - {name: a, file: near.yaml}\n    - {name: b, file: only-here.yaml}\n", near=INNER)
    assert found.problems == []
    dag = found.documents[0].data["workflow"]["dag"]
    assert [node["manifest"]["name"] for node in dag] == ["inner", "inner"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: d\nversion: v1\ntype: depot\ndepot: {}\n", "its type is `depot`"),
        ("- a list\n", "is no workflow"),
        (INNER + "---\n" + INNER, "holds 2 documents"),
        ("a: [\n", "not YAML"),
        (
            "name: i\nversion: v1\ntype: workflow\nworkflow: {dag: [{name: n, file: w.yaml}]}\n",
            "circle: w.yaml -> part.yaml -> w.yaml",
        ),
        ("name: i\nversion: v1\ntype: workflow\nworkflow: {dag: [{name: n, file: gone.yaml}]}\n", "tried: "),
    ],
)
def test_faults_name_their_place(tmp_path, text, words):
    found = loaded(tmp_path, "    - name: a\n      file: part.yaml\n", part=text)
    assert len(found.problems) == 1
    assert words in found.problems[0].message
    assert found.problems[0].line is not None
    assert found.documents == []
