"""Credentials of depots in every form (ch02 1.5, 2.5): references, inline values, what is sealed and what is refused."""

import pytest

from support.asset_samples import CREDENTIALS, LOCATIONS, REFS, SECRET, SECRETS, depot
from support.kind_reading import faults, good, read

MYSQL = {"type": "MYSQL", "mysql": LOCATIONS["MYSQL"]}


@pytest.mark.parametrize("form", CREDENTIALS)
def test_inline_values_are_sealed_wherever_they_stand(form):
    section = {**MYSQL, **CREDENTIALS[form]}
    manifest = good("depot", section, version="v1")
    sealed = manifest.sealed_values()
    assert set(sealed) == {f"depot:wool1{c.suffix}" for c in manifest.spec.inline}
    for entries in sealed.values():
        assert set(entries) == {"username", "password"}
        for path in entries.values():
            value = section
            for part in path:
                value = value[part]
            assert value == SECRET
    assert SECRET not in repr(manifest.spec)


@pytest.mark.parametrize("key", ["secrets", "secret", "dataosSecrets"])
@pytest.mark.parametrize(
    "entry",
    [
        {"name": "mill-r", "allkeys": True},
        {"name": "mill-r", "allKeys": "true"},
        {"name": "mill-r", "keys": ["mill-r"]},
        {"name": "mill-r", "keys": "mill-r"},
        {"name": "mill-r", "key": "mill-r"},
        {"name": "mill-r"},
    ],
)
def test_references_in_every_form(key, entry):
    assert [str(r.target) for r in good("depot", {**MYSQL, key: [entry]}).references] == ["instance-secret:mill-r"]
    assert good("depot", {**MYSQL, key: entry}).spec.secrets[0].name == "mill-r"


def test_references_of_two_lists_are_joined_and_a_workspace_means_a_secret():
    section = {**MYSQL, "secrets": [{"name": "mill-r"}], "dataosSecrets": [{"name": "mill-rw", "workspace": "north"}]}
    manifest = good("depot", section)
    assert [str(r.target) for r in manifest.references] == ["instance-secret:mill-r", "secret:mill-rw:north"]
    assert [r.path for r in manifest.references] == [("depot", "secrets", 0), ("depot", "dataosSecrets", 0)]


def test_references_beside_the_section_are_read_with_a_notice():
    manifest, reading = read("depot", MYSQL, secrets=[{"name": "mill-r"}])
    assert len(manifest.references) == 1
    assert any("belongs below `depot`" in w.message for w in reading.warnings)


@pytest.mark.parametrize("key", ["secrets", "connectionSecret"])
def test_values_beside_the_section_are_refused(key):
    found = faults("depot", MYSQL, **{key: [{"acl": "rw", "data": {"username": SECRET}}]})
    assert "outside of the depot section" in found[f"{key}[0]"]
    assert SECRET not in str(found)


@pytest.mark.acceptance("ch02-AS02")
@pytest.mark.parametrize("type_", ["MYSQL", "S3", "SNOWFLAKE", "JDBC", "EVENTHUB"])
def test_a_source_that_asks_who_reads_needs_a_secret(type_):
    section = {k: v for k, v in depot(type_).items() if k != "secrets"}
    assert faults("depot", section)["depot"].startswith("invalid depot, missing a secret reference with acl: r")


@pytest.mark.parametrize("type_", ["KAFKA", "PULSAR", "FILE", "MONGODB", "OPENSEARCH", "ELASTICSEARCH"])
def test_an_open_source_needs_none(type_):
    assert good("depot", {k: v for k, v in depot(type_).items() if k != "secrets"}).references == ()


@pytest.mark.parametrize(
    ("block", "path", "text"),
    [
        ({"secrets": [{"name": "mill-r", "allkeys": "true - mill-r"}]}, "depot.secrets[0].allKeys", "true or false"),
        ({"secrets": [{"name": "mill_r"}]}, "depot.secrets[0].name", "regex"),
        ({"secrets": [{"name": "m", "workspace": "N"}]}, "depot.secrets[0].workspace", "regex"),
        ({"secrets": [{"allKeys": True}]}, "depot.secrets[0]", "`name` is required"),
        ({"secrets": [{"name": "m", "password": SECRET}]}, "depot.secrets[0].password", "unknown key"),
        ({"connectionSecret": [{"data": {"username": SECRET}}]}, "depot.connectionSecret[0]", "`acl` is required"),
        ({"connectionSecret": [{"acl": "w", "data": {"username": SECRET}}]}, "depot.connectionSecret[0].acl", "r, rw"),
        ({"connectionSecret": [{"acl": "r"}]}, "depot.connectionSecret[0]", "need `data`"),
        ({"connectionSecret": [SECRET]}, "depot.connectionSecret[0]", "expected a mapping"),
        (
            {"connectionSecret": [{"acl": "r", "data": {"usrname": SECRET, "password": SECRET}}]},
            "depot.connectionSecret[0].data.usrname",
            "did you mean `username`?",
        ),
        (
            {"connectionSecret": [{"acl": "r", "data": {"username": [SECRET]}}]},
            "depot.connectionSecret[0].data.username",
            "expected text",
        ),
        (
            {"connectionSecret": [{"acl": "r", "data": {"username": SECRET}, "password": SECRET}]},
            "depot.connectionSecret[0].password",
            "unknown key",
        ),
        (
            {"connectionSecret": [{"acl": "r", "data": {"username": SECRET}, "values": {"password": SECRET}}]},
            "depot.connectionSecret[0]",
            "stand in `data` and in `values`",
        ),
        (
            {"connectionSecret": [{"acl": "r", "data": {"a b": SECRET}}]},
            "depot.connectionSecret[0].data.a b",
            "letters",
        ),
        (
            {"connectionSecret": [{"acl": "r", "data": {"username": SECRET}, "files": {"ca": "./ca"}}]},
            "depot.connectionSecret[0].files",
            "read by the client",
        ),
    ],
)
def test_faulty_credentials_name_their_path_and_no_value(block, path, text):
    found = faults("depot", {**MYSQL, **block})
    assert text in found[path]
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("type_", "keys", "lacking"),
    [
        ("S3", ("accesskeyid",), "secretkey"),
        ("ABFSS", ("azurestorageaccountname",), "azurestorageaccountkey"),
        ("EVENTHUB", ("eh_shared_access_key",), "eh_shared_access_key_name"),
        ("BIGQUERY", ("projectid",), "json_keyfile"),
        ("MYSQL", ("username",), "password"),
    ],
)
def test_keys_that_a_source_needs_are_looked_for(type_, keys, lacking):
    section = {k: v for k, v in depot(type_).items() if k != "secrets"}
    section["connectionSecret"] = [{"acl": "rw", "data": dict.fromkeys(keys, SECRET)}]
    _, reading = read("depot", section)
    assert any(w.path == "depot.connectionSecret[0].data" and lacking in w.hint for w in reading.warnings)


@pytest.mark.parametrize(
    ("type_", "keys"),
    [
        ("S3", "awsaccesskeyid awssecretaccesskey"),
        ("SNOWFLAKE", "username auth_mode passphrase key"),
        ("JDBC", "token"),
        ("GCS", "projectid email gcskey_json"),
        ("MONGODB", "username password keyStorePassword trustStorePassword ca_file key_store_file trust_store_file"),
    ],
)
def test_every_way_to_log_in_is_known(type_, keys):
    section = {k: v for k, v in depot(type_).items() if k != "secrets"}
    section["connectionSecret"] = [{"acl": "rw", "data": dict.fromkeys(keys.split(), SECRET)}]
    assert read("depot", section)[1].warnings == []


def test_a_password_and_a_key_pair_exclude_each_other():
    keys = dict.fromkeys(("username", "password", "passphrase", "key"), SECRET)
    found = faults("depot", {k: v for k, v in depot("SNOWFLAKE").items() if k != "secrets"} | {
        "connectionSecret": [{"acl": "r", "data": keys}]
    })  # fmt: skip
    assert "not both" in found["depot.connectionSecret[0].data"]


def test_credentials_in_two_places_are_refused():
    inline = [{"acl": "r", "data": {"username": SECRET, "password": SECRET}}]
    assert "one list" in faults("depot", {**MYSQL, "secrets": inline, "connectionSecret": inline})["depot"]


def test_a_secret_named_twice_is_said():
    assert any("twice" in w.message for w in read("depot", {**MYSQL, "secrets": REFS[:1] * 2})[1].warnings)


@pytest.mark.parametrize("kind", ["secret", "instance-secret"])
@pytest.mark.parametrize("form", SECRETS)
def test_every_type_of_secret_is_read_and_sealed(kind, form):
    section = SECRETS[form]
    values = section.get("data") or section["values"]
    manifest = good(kind, section)
    assert {p[-1] for p in manifest.secret_paths} == set(values)
    assert list(manifest.sealed_values()) == [str(manifest.key)]
    assert list(good(kind, [section]).sealed_values()) == [str(manifest.key)]  # a list of one is the same secret


@pytest.mark.parametrize(
    ("section", "path", "text"),
    [
        ({"type": "oops", "acl": "r", "data": {"a": SECRET}}, "secret.type", "cloud-kernel-image-pull"),
        ({"type": "key-value", "acl": "x", "data": {"a": SECRET}}, "secret.acl", "r, rw"),
        ({"type": "key-value", "acl": "r"}, "secret", "needs `data` or `files`"),
        ({"type": "key-value", "data": {"a": SECRET}}, "secret", "`acl` is required"),
        ({"acl": "r", "data": {"a": SECRET}}, "secret", "`type` is required"),
        ({"type": "key-value", "acl": "r", "data": {"a": SECRET}, "pass": SECRET}, "secret.pass", "unknown key"),
        ({"type": "key-value", "acl": "r", "data": {"a": SECRET}, "values": {}}, "secret", "stand in"),
        ({"type": "certificate", "acl": "r", "data": {"a": SECRET}}, "secret.data", "truststoreLocation"),
        ({"type": "cloud-kernel-image-pull", "acl": "r", "data": {"a": SECRET}}, "secret.data", ".dockerconfigjson"),
        (
            {"type": "cloud-kernel-image-pull", "acl": "r", "data": {".dockerconfigjson": SECRET}},
            'secret.data[".dockerconfigjson"]',
            "no JSON",
        ),
        (
            {"type": "cloud-kernel-image-pull", "acl": "r", "data": {".dockerconfigjson": '{"auths": {"r": {}}}'}},
            'secret.data[".dockerconfigjson"]',
            "neither `auth`",
        ),
        ({"type": "key-value", "acl": "r", "files": {"a": "./a"}}, "secret.files", "read by the client"),
        ({"type": "key-value", "acl": "r", "file": {"a": "./a"}}, "secret.files", "read by the client"),
        ({"type": "key-value", "acl": "r", "key_json": "./a"}, "secret.key_json", "read by the client"),
        (
            {"type": "key-value", "acl": "r", "data": {"password": SECRET, "auth_mode": "key-pair"}},
            "secret.data",
            "not both",
        ),
    ],
)
def test_faulty_secrets_name_their_path_and_no_value(section, path, text):
    found = faults("secret", section)
    assert text in found[path]
    assert SECRET not in str(found)


@pytest.mark.acceptance("ch02-AS07")
def test_a_value_full_of_signs_is_kept_as_it_is():
    manifest = good("secret", {"type": "key-value", "acl": "r", "data": {"p": "p@ss$word;1"}})
    assert manifest.spec.data == {"p": "p@ss$word;1"}


def test_a_stored_secret_is_read_again():
    sealed = {".dockerconfigjson": "vault:secret:wool1#1"}
    assert good("secret", {"type": "cloud-kernel-image-pull", "acl": "r", "data": sealed})
