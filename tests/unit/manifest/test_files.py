"""Files that the client reads into secrets and into inline credentials of depots (ch02 1.5, 2.2)."""

import pytest

from dataos.manifest.documents import read_manifest
from dataos.manifest.files import dereference
from dataos.manifest.loader import load_text
from dataos.manifest.specs import Reading


def merged(text, folder):
    (document,) = load_text(text, "f.yaml")
    return document.data, dereference(document, folder)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "key.json").write_text('{"a": 1}')
    return tmp_path


@pytest.mark.parametrize(
    ("block", "key"),
    [
        ("{type: key-value, acl: r, files: {key: ./key.json}}", "key"),
        ("{type: key-value, acl: r, file: {key: key.json}}", "key"),
        ("{type: key-value, acl: r, file: key.json}", "key.json"),
        ("{type: key-value, acl: r, key_json: key.json}", "key_json"),
        ("[{type: key-value, acl: r, files: {key: key.json}}]", "key"),
    ],
)
def test_files_of_a_secret_in_every_form(folder, block, key):
    data, problems = merged(f"name: s\nversion: v1\ntype: secret\nsecret: {block}\n", folder)
    assert problems == []
    assert read_manifest(data, Reading()).spec.data == {key: '{"a": 1}'}


@pytest.mark.parametrize("holder", ["data", "values"])
def test_files_join_the_values_of_inline_credentials(folder, holder):
    text = (
        "name: d\nversion: v1\ntype: depot\ndepot:\n  type: mongodb\n"
        "  spec: {subprotocol: mongodb, nodes: [m:1]}\n"
        f"  connectionSecret: [{{acl: rw, {holder}: {{username: u, password: p}}, files: {{ca_file: key.json}}}}]\n"
    )
    data, problems = merged(text, folder)
    assert problems == []
    manifest = read_manifest(data, Reading())
    assert manifest.spec.inline[0].data == {"username": "u", "password": "p", "ca_file": '{"a": 1}'}
    assert len(manifest.secret_paths) == 3


def test_a_file_that_is_not_there_names_the_places_and_its_path(folder):
    _, (problem,) = merged("name: s\nversion: v1\ntype: secret\nsecret: {files: {a: nope}}\n", folder)
    assert problem.path == "secret.files.a"
    assert str(folder / "nope") in problem.message
