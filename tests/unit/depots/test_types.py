"""Locations of all depot types, and how a Depot finds its own (ch02 1.3, 1.4, 1.6, 1.7)."""

import copy

import pytest

from dataos.manifest import depot_types
from support.asset_samples import LOCATIONS, REFS, depot
from support.kind_reading import faults, good, put, read


def test_every_type_has_a_sample():
    assert set(LOCATIONS) == set(depot_types.DEPOT_TYPES) - {"ICEBERG"}


@pytest.mark.parametrize("type_", LOCATIONS)
@pytest.mark.parametrize("version", ["v2alpha", "v1", "v1beta1"])
def test_typed_section_and_spec_say_the_same_under_every_version(type_, version):
    typed = good("depot", depot(type_), version=version)
    section = depot(type_)
    section["spec"] = section.pop(type_.lower())
    plain = good("depot", section, version=version)
    assert typed.spec == plain.spec
    assert typed.spec.type == type_
    assert typed.version == ("v1" if version == "v1beta1" else version)
    assert typed.spec.source == "wool1"
    later = [p.code for p in typed.unsupported]
    assert later == ([] if depot_types.DEPOT_TYPES[type_].adapter else ["depot.unsupported"])


@pytest.mark.parametrize("type_", LOCATIONS)
def test_letter_case_of_type_and_section_is_free(type_):
    section = depot(type_)
    section["type"] = type_.lower()
    section[type_] = section.pop(type_.lower())
    assert good("depot", section).spec.location_data == good("depot", depot(type_)).spec.location_data


@pytest.mark.parametrize(
    ("type_", "written", "section"),
    [
        ("POSTGRESQL", "POSTGRES", "postgres"),
        ("MSSQL", "SQLServer", "sqlserver"),
        ("MONGODB", "mongo", "mongodb"),
        ("PULSAR", "FASTBASE", "pulsar"),
        ("OPENSEARCH", "OPENSEARCH", "elasticesearch"),
        ("ELASTICSEARCH", "ELASTICSEARCH", "opensearch"),
        ("MYSQL", "MYSQL", "jdbc"),
    ],
)
def test_other_names_of_types_and_sections_are_read_with_a_notice(type_, written, section):
    block = depot(type_, type=written)
    block[section] = block.pop(type_.lower())
    manifest, reading = read("depot", block)
    assert manifest.spec.type == type_
    assert [w.code for w in reading.warnings].count("manifest.variant") >= 1


REQUIRED = {
    "ABFSS": ("account", "container"),
    "WASBS": ("account", "container"),
    "S3": ("bucket",),
    "GCS": ("bucket",),
    "FILE": ("path",),
    "REDSHIFT": ("host", "database"),
    "SNOWFLAKE": ("warehouse", "url", "database"),
    "JDBC": ("subprotocol", "host", "port", "database"),
    "POSTGRESQL": ("host", "database"),
    "MYSQL": ("host",),
    "MSSQL": ("host", "database"),
    "ORACLE": ("subprotocol", "host", "port", "service"),
    "MONGODB": ("subprotocol", "nodes"),
    "ELASTICSEARCH": ("nodes",),
    "OPENSEARCH": ("nodes",),
    "KAFKA": ("brokers",),
    "EVENTHUB": ("endpoint",),
    "PULSAR": ("adminUrl", "serviceUrl", "tenant"),
    "REDIS": ("host", "port"),
    "HTTP": ("baseUrl",),
    "PRESTO": ("host", "port", "catalog"),
}


@pytest.mark.parametrize(("type_", "key"), [(t, k) for t, keys in REQUIRED.items() for k in keys])
def test_a_missing_attribute_is_named_with_its_path(type_, key):
    found = faults("depot", put(depot(type_), f"{type_.lower()}.{key}"))
    assert list(found) == [f"depot.{type_.lower()}"]
    assert f"`{key}` is required" in found[f"depot.{type_.lower()}"]


@pytest.mark.parametrize(("type_", "key"), [(t, keys[0]) for t, keys in REQUIRED.items()])
def test_a_misspelt_attribute_is_told_the_right_one(type_, key):
    section = depot(type_)
    location = section[type_.lower()]
    location[key + "x"] = location[key]
    found = faults("depot", section)
    assert f"did you mean `{key}`?" in found[f"depot.{type_.lower()}.{key}x"]


@pytest.mark.parametrize(
    ("type_", "key", "value", "path", "text"),
    [
        ("ABFSS", "format", "xls", "format", "ICEBERG"),
        ("ABFSS", "relativePath", "a/../b", "relativePath", "`..`"),
        ("ABFSS", "account", "https://x", "account", "without scheme"),
        ("S3", "scheme", "ftp", "scheme", "s3a, s3, https"),
        ("S3", "icebergCatalogType", "GLUE", "icebergCatalogType", "HADOOP, HIVE"),
        ("S3", "endpoint", "ftp://x", "endpoint", "https://"),
        ("GCS", "metastoreType", "rest", "", "`metastoreUrl` is required"),
        ("GCS", "metastoreType", "nessie", "metastoreType", "iceberg-rest-catalog"),
        ("MYSQL", "subprotocol", "oracle:thin", "subprotocol", "allowed: mysql"),
        ("MYSQL", "port", 0, "port", "1"),
        ("MYSQL", "port", True, "port", "whole number"),
        ("MYSQL", "host", "http://my", "host", "host name"),
        ("ORACLE", "subprotocol", "thin", "subprotocol", "oracle:thin"),
        ("MONGODB", "subprotocol", "mongo", "subprotocol", "mongodb+srv"),
        ("MONGODB", "nodes", [], "nodes", "at least one"),
        ("MONGODB", "nodes", ["a:99999"], "nodes[0]", "1 to 65535"),
        ("KAFKA", "brokers", ["k1"], "brokers[0]", "port"),
        ("KAFKA", "schemaRegistryUrl", "sr:8081", "schemaRegistryUrl", "http://"),
        ("EVENTHUB", "endpoint", "https://x", "endpoint", "sb://"),
        ("PULSAR", "serviceUrl", "http://x", "serviceUrl", "pulsar+ssl://"),
        ("REDIS", "db", -1, "db", "greater"),
        ("MYSQL", "params", {"password": "hunter2"}, "params.password", "credential"),
        ("HTTP", "headers", {"Authorization": "hunter2"}, "headers.Authorization", "secret"),
        ("HTTP", "baseUrl", "https://u:hunter2@x", "baseUrl", "user or password"),
        ("ELASTICSEARCH", "nodes", ["https://u:hunter2@x"], "nodes[0]", "user or password"),
        ("KAFKA", "brokers", ["u:hunter2@x:1"], "brokers[0]", "host:port"),
        ("PRESTO", "host", "u:hunter2@x", "host", "host name"),
    ],
)
def test_a_value_that_is_not_allowed_says_what_is(type_, key, value, path, text):
    section = depot(type_)
    section[type_.lower()][key] = value
    found = faults("depot", section)
    where = f"depot.{type_.lower()}" + (f".{path}" if path else "")
    assert list(found) == [where]
    assert text in found[where]
    assert "hunter2" not in str(found)


def test_one_srv_host_names_all_nodes_of_a_mongodb():
    section = put(put(depot("MONGODB"), "mongodb.subprotocol", "mongodb+srv"), "mongodb.nodes", ["a:1", "b"])
    assert set(faults("depot", section)) == {"depot.mongodb.nodes[0]", "depot.mongodb.nodes"}
    assert good("depot", put(section, "mongodb.nodes", "cluster.mill.internal")).spec.location.nodes == (
        "cluster.mill.internal",
    )


def test_defaults_and_canonical_forms():
    location = {t: good("depot", depot(t)).spec.location for t in LOCATIONS}
    assert location["ABFSS"].endpoint_suffix == "dfs.core.windows.net"
    assert (location["ABFSS"].relative_path, location["ABFSS"].format) == ("raw", "DELTA")
    assert location["WASBS"].endpoint_suffix == "blob.core.windows.net"
    assert location["S3"].iceberg_catalog_type == "HADOOP"
    assert (location["REDSHIFT"].port, location["MYSQL"].port, location["MSSQL"].port) == (5439, 3306, 1433)
    assert (location["SNOWFLAKE"].url, location["SNOWFLAKE"].role) == ("mill.snowflakecomputing.com", "PUBLIC")
    assert location["MSSQL"].params == {"encrypt": "false"}


def test_an_sql_server_behind_jdbc_needs_its_database_and_databricks_does_not():
    block = {"subprotocol": "databricks-jdbc", "host": "adb.mill.internal", "port": 443, "params": {"httpPath": "/sql"}}
    assert good("depot", depot("JDBC", jdbc=block)).spec.location.database is None
    _, reading = read("depot", depot("JDBC", jdbc={**block, "subprotocol": "hive2"}))
    assert any("hive2" in w.message and "databricks-jdbc" in w.hint for w in reading.warnings)


def test_a_section_of_another_type_names_the_right_one_and_its_keys():
    section = depot("MYSQL")
    section["s3"] = section.pop("mysql")
    (text,) = faults("depot", section).values()
    assert "`mysql`" in text
    assert "host, port" in text


def test_a_missing_location_names_its_section_and_keys():
    (text,) = faults("depot", {"type": "postgresql", "secrets": REFS}).values()
    assert "needs a section `postgresql`" in text
    assert "database" in text


def test_bigquery_needs_no_location():
    assert good("depot", {"type": "BIGQUERY", "secrets": REFS}).spec.location.project is None


def test_attributes_beside_an_empty_spec_are_read_with_a_notice():
    manifest, reading = read("depot", {"type": "MYSQL", "secrets": REFS, "spec": None, "host": "h", "port": "3307"})
    assert manifest.spec.location.port == 3307
    assert any("indent them" in w.message for w in reading.warnings)


def test_external_inside_of_the_location_is_lifted():
    section = put(depot("SNOWFLAKE"), "snowflake.external", "true")
    del section["external"]
    assert good("depot", section).spec.external is True


def test_two_locations_are_refused():
    assert "twice" in faults("depot", depot("MYSQL", spec={"host": "b"}))["depot.spec"]


def test_what_has_no_effect_is_said():
    section = depot("S3", hiveSync=True, name="other", resources={"requests": {"cpu": "100m"}}, compute="big")
    manifest, reading = read("depot", section)
    assert {w.path for w in reading.warnings} >= {"depot.hiveSync", "depot.name", "depot.resources"}
    assert "compute:big" in [str(r.target) for r in manifest.references]


@pytest.mark.acceptance("ch02-AS21")
@pytest.mark.parametrize("name", ["mill-depot", "mill_depot", "Mill", "m" * 49, "1mill"])
def test_a_depot_name_that_is_no_catalog_is_refused_with_the_rule(name):
    assert "[a-z]([a-z0-9]*)" in faults("depot", depot("MYSQL"), name=name)["name"]


def test_an_unknown_type_lists_all():
    text = faults("depot", {"type": "MYSLQ", "spec": {}})["depot.type"]
    assert "did you mean `MYSQL`?" in text
    assert all(t in text for t in LOCATIONS)


def test_all_faults_are_reported_at_once():
    section = {
        "type": "S3",
        "exernal": True,
        "secrets": [{"nam": "a"}, {"name": "B_"}],
        "s3": {"scheme": "x", "buket": 1},
    }
    assert set(faults("depot", copy.deepcopy(section))) >= {
        "depot.exernal",
        "depot.secrets[0].nam",
        "depot.secrets[1].name",
        "depot.s3.buket",
    }
