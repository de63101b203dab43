"""Specs of the kinds: what their chapters' examples say is understood; what comes later is refused by name."""

import pytest

from dataos.manifest.documents import read_manifest
from dataos.manifest.loader import load_text
from dataos.manifest.specs import Reading


def read(text, workspace=None):
    (document,) = load_text(text, "f.yaml")
    reading = Reading()
    return read_manifest(document.data, reading, workspace), reading


def spec_of(text):
    manifest, reading = read(text)
    assert manifest is not None, reading.problems
    return manifest


def problems_of(text):
    manifest, reading = read(text)
    assert manifest is None
    return reading.problems


DEPOTS = {
    "v2alpha typed": """
version: v2alpha
depot:
  type: POSTGRESQL
  external: true
  secrets: [{name: retaildb-r, allkeys: true}]
  postgresql: {subprotocol: postgresql, host: pg.retail.internal, port: 5432, database: shop}
""",
    "v2alpha with spec": """
version: v2alpha
depot:
  type: postgresql
  dataosSecrets: [{name: retaildb-r, allKeys: true}]
  spec: {host: pg.retail.internal, port: "5432", database: shop}
""",
    "v1 with references": """
version: v1
depot:
  type: POSTGRES
  external: "true"
  secrets: [{name: retaildb-r, keys: [retaildb-r]}]
  spec: {host: pg.retail.internal, port: 5432, database: shop}
""",
    "JDBC with a typed section": """
version: v1
depot:
  type: JDBC
  secret: [{name: retaildb-r}]
  postgresql: {subprotocol: postgresql, host: pg.retail.internal, port: 5432, database: shop}
""",
}


@pytest.mark.parametrize("form", DEPOTS)
def test_one_database_in_every_form(form):
    manifest = spec_of(f"name: retaildb\ntype: depot\n{DEPOTS[form]}")
    assert manifest.spec.type == "POSTGRESQL"
    location = manifest.spec.location_data
    assert (location["host"], location["port"], location["database"]) == ("pg.retail.internal", 5432, "shop")
    assert [str(r.target) for r in manifest.references] == ["instance-secret:retaildb-r"]


def test_inline_credentials_are_secret_paths():
    manifest = spec_of(
        "name: old\nversion: v1\ntype: depot\ndepot:\n  type: JDBC\n  external: true\n"
        "  connectionSecret:\n    - {acl: rw, type: key-value-properties, data: {username: u, password: p}}\n"
        "  spec: {subprotocol: postgresql, host: h, port: 5432, database: d}\n"
    )
    assert manifest.sealed_values() == {
        "depot:old:0": {
            "username": ("connectionSecret", 0, "data", "username"),
            "password": ("connectionSecret", 0, "data", "password"),
        }
    }


def test_a_database_without_credentials_is_refused():
    text = "name: d\nversion: v1\ntype: depot\ndepot: {type: POSTGRESQL, spec: {host: h, database: d}}\n"
    assert "missing a secret reference with acl: r" in problems_of(text)[0].message


def test_an_unknown_depot_type_lists_the_known():
    (problem,) = problems_of("name: d\nversion: v1\ntype: depot\ndepot: {type: FTP, spec: {}}\n")
    assert problem.path == "depot.type"
    assert "POSTGRESQL" in problem.hint


def test_a_misspelt_location_key_is_an_error_with_its_path():
    (problem,) = problems_of("name: d\nversion: v1\ntype: depot\ndepot: {type: FILE, file: {pathh: /x, path: /y}}\n")
    assert (problem.path, problem.hint) == ("depot.file.pathh", "did you mean `path`?")


def test_a_lakehouse_derives_its_depots_name():
    manifest = spec_of(
        "name: my-lake-01\nversion: v1alpha\ntype: lakehouse\nworkspace: sandbox\nlakehouse: {type: iceberg}\n"
    )
    assert manifest.spec.depot == "mylake010sandbox0storage"


def test_a_lakehouse_depot_name_with_a_hyphen_names_the_regex():
    text = (
        "name: l\nversion: v1alpha\ntype: lakehouse\nlakehouse: {type: iceberg, iceberg: {storage: {depotName: a-b}}}\n"
    )
    assert "[a-z]([a-z0-9]*)" in problems_of(text)[0].message


def test_a_cluster_lists_its_depots_and_knows_their_address_forms():
    manifest = spec_of(
        "name: c\nversion: v1\ntype: cluster\ncluster:\n  compute: query-default\n  minerva:\n    replicas: '1'\n"
        "    depots: [{address: 'dataos://a:default'}, {address: 'dataos://b?acl=r'}]\n"
    )
    assert manifest.spec.depots == ("a", "b")


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ("{acl: r, data: {a: b}}", "instance-secret"),
        ("{type: key-value, data: {a: b}}", "instance-secret"),
        ("{type: key-value, acl: x, data: {a: b}}", "instance-secret.acl"),
        ("{type: oops, acl: r, data: {a: b}}", "instance-secret.type"),
        ("{type: key-value, acl: r}", "instance-secret"),
        ("{type: key-value, acl: r, data: {'a b': c}}", "instance-secret.data.a b"),
    ],
)
def test_faulty_secrets_name_their_path(section, path):
    problems = problems_of(f"name: s\nversion: v1\ntype: instance-secret\ninstance-secret: {section}\n")
    assert [p.path for p in problems] == [path]


def test_secret_values_keep_their_text_and_may_stand_in_a_list():
    manifest = spec_of(
        "name: s\nversion: v1\ntype: instance-secret\ninstance-secret:\n"
        "- {type: key-value, acl: RW, data: {password: 45678, flag: true, zeros: 007}}\n"
    )
    assert manifest.spec.acl == "rw"
    assert manifest.spec.data == {"password": "45678", "flag": "true", "zeros": "007"}
    assert manifest.secret_paths == ((0, "data", "password"), (0, "data", "flag"), (0, "data", "zeros"))
