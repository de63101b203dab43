"""stackSpec to the canonical form: every spelling of what is built, every refusal of what is not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dataos.manifest.specs import Reading
from dataos.stacks.flare import spec as flare
from dataos.stacks.flare.model import FlareSpec

BASE = """
driver: {coreLimit: 1200m, cores: 1, memory: 1024m}
executor: {coreLimit: 1200m, cores: 1, instances: 2, memory: 1024m}
job:
  explain: true
  logLevel: INFO
  showPreviewLines: 5
  inputs:
    - name: raw_orders
      dataset: dataos://dropzone:sales/orders/
      format: csv
      options: {inferSchema: true}
    - name: stores
      dataset: dataos://lakehouse:retail/stores
  steps:
    - sequence:
        - name: clean_orders
          doc: tidy names and types
          sql: SELECT * FROM raw_orders WHERE order_id IS NOT NULL
        - name: orders_final
          sql: |
            SELECT o.*, s.city, now() AS loaded_at
            FROM clean_orders o LEFT JOIN stores s ON o.store_id = s.store_id
  outputs:
    - name: orders_final
      dataset: dataos://lakehouse:retail/orders?acl=rw
      format: Iceberg
      title: Orders
      description: One row per order line
      tags: [retail]
      assertions:
        - column: amount
          tests: ["min >= 0", "missing_percentage < 0.01"]
        - sql: SELECT count(*) AS n FROM orders_final
          tests: ["n > 0"]
      options:
        saveMode: overwrite
        sort:
          mode: partition
          columns: [{name: order_date, order: desc}]
        iceberg:
          properties:
            write.format.default: parquet
            overwrite-mode: dynamic
          partitionSpec:
            - {type: month, column: order_date, name: order_month}
            - {type: bucket, column: store_id, numBuckets: 4}
sparkConf:
  - spark.sql.shuffle.partitions: "10"
"""
ROOT = ("workflow", "dag", 0, "spec", "stackSpec")


def base() -> dict[str, Any]:
    return yaml.safe_load(BASE)


def read(data: Any) -> tuple[FlareSpec | None, Reading]:
    reading = Reading()
    return flare.read(data, reading, ROOT), reading


def good(data: Any) -> FlareSpec:
    found, reading = read(data)
    assert found is not None, reading.problems
    return found


def put(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one value set; `path` like `job.inputs.0.name`."""
    changed = copy.deepcopy(data)
    node: Any = changed
    *parts, last = path.split(".")
    for part in parts:
        node = node[int(part)] if part.isdigit() else node.setdefault(part, {})
    if last.isdigit():
        node[int(last)] = value
    else:
        node[last] = value
    return changed


def test_the_canonical_form() -> None:
    spec = good(base())
    assert [i.name for i in spec.inputs] == ["raw_orders", "stores"]
    assert spec.inputs[0].options == {"inferSchema": "true"}
    assert (spec.inputs[0].format, spec.inputs[1].format) == ("csv", None)
    assert spec.views == ("raw_orders", "stores", "clean_orders", "orders_final")
    output = spec.outputs[0]
    assert (output.mode, output.dynamic, output.sort_mode) == ("overwrite", True, "partition")
    assert [(p.transform, p.column, p.name, p.buckets) for p in output.partitions] == [
        ("month", "order_date", "order_month", None),
        ("bucket", "store_id", None, 4),
    ]
    assert output.properties == {"write.format.default": "parquet"}
    assert [t.text for a in output.assertions for t in a.tests] == ["min >= 0", "missing_percentage < 0.01", "n > 0"]
    assert [(str(u), u.acl) for _, u in spec.addresses] == [
        ("dataos://dropzone:sales/orders", "r"),
        ("dataos://lakehouse:retail/stores", "r"),
        ("dataos://lakehouse:retail/orders", "rw"),
    ]
    assert spec.addresses[2][0] == (*ROOT, "job", "outputs", 0, "dataset")
    assert flare.addresses(spec)[2][2] == "rw"
    assert (spec.cpu, spec.memory_bytes) == (2.4, (3 * 1024 + 384) << 20)
    assert (spec.explain, spec.preview_lines) == (True, 5)


# --- spellings --------------------------------------------------------------------------------------------------------


def test_sections_directly_under_the_stack_spec() -> None:
    data = base()
    for key in ("inputs", "steps", "outputs"):
        data[key] = data["job"].pop(key)
    assert good(data).views == good(base()).views


SAME: list[tuple[str, Any]] = [
    ("job.outputs.0.format", "ICEBERG"),
    ("job.outputs.0.options.saveMode", "Overwrite"),
    ("job.outputs.0.options.iceberg.partitionSpec.0.type", "Months"),
    ("sparkConf", {"spark.sql.shuffle.partitions": 10}),
    ("sparkConfig", [{"a": 1}, {"a": 2, "b": True}]),
    ("job.sparkConf", [{"spark.x": "y"}]),
    ("job.options", {"SSL": "true"}),
    ("configs", {}),
    ("job.inputs.0.options.saveMode", "append"),
    ("job.inputs.0.isStream", "false"),
    ("job.outputs.0.isStream", True),
    ("job.inputs.0.driver", "org.postgresql.Driver"),
    ("job.loglevel", "info"),
    ("job.explain", "true"),
    ("job.showPreviewLines", "5"),
    ("job.outputs.0.options.iceberg.title", "Orders"),
    ("job.outputs.0.options.iceberg.tags", ["a"]),
    ("job.outputs.0.options.compressionType", "snappy"),
    ("job.outputs.0.options.extraOptions", {"branch": "main"}),
    ("job.inputs.1.options", None),
    ("job.inputs.1.options", {"branch": "main"}),
]


@pytest.mark.parametrize(("path", "value"), SAME)
def test_spellings_that_mean_the_same(path: str, value: Any) -> None:
    spec, expected = good(put(base(), path, value)), good(base())
    assert spec.outputs[0].mode == expected.outputs[0].mode
    assert spec.outputs[0].partitions == expected.outputs[0].partitions
    assert (spec.cpu, spec.preview_lines, spec.explain) == (expected.cpu, 5, True)


def test_the_iceberg_block_in_all_its_places() -> None:
    expected = good(base()).outputs[0]
    block = base()["job"]["outputs"][0]["options"]["iceberg"]
    beside = base()
    del beside["job"]["outputs"][0]["options"]["iceberg"]
    flat = copy.deepcopy(beside)
    beside["job"]["outputs"][0]["iceberg"] = block
    flat["job"]["outputs"][0]["options"].update(block)
    for data in (beside, flat):
        found = good(data).outputs[0]
        assert [(p.transform, p.column, p.name) for p in found.partitions] == [
            (p.transform, p.column, p.name) for p in expected.partitions
        ]
        assert (found.dynamic, found.properties) == (expected.dynamic, expected.properties)


def test_a_target_without_a_table_takes_the_output_name() -> None:
    spec = good(put(base(), "job.outputs.0.dataset", "dataos://lakehouse:retail?acl=rw"))
    assert str(spec.outputs[0].address) == "dataos://lakehouse:retail/orders_final"


def test_an_output_without_acl_is_warned_about() -> None:
    spec, reading = read(put(base(), "job.outputs.0.dataset", "dataos://lakehouse:retail/orders"))
    assert spec is not None
    assert spec.outputs[0].address.acl == "rw"
    assert any("?acl=rw" in w.message for w in reading.warnings)


def test_a_single_step_and_a_lone_input_are_lists_of_one() -> None:
    data = {
        "job": {
            "inputs": {"name": "a", "dataset": "dataos://d:none/a.csv"},
            "outputs": {"name": "A", "dataset": "dataos://l:s/t?acl=rw"},
        }
    }
    assert len(good(data).inputs) == 1


def test_partition_by_columns() -> None:
    data = base()
    del data["job"]["outputs"][0]["options"]["iceberg"]["partitionSpec"]
    spec = good(put(data, "job.outputs.0.options.partitionBy", ["a", "b"]))
    assert [(p.transform, p.column) for p in spec.outputs[0].partitions] == [("identity", "a"), ("identity", "b")]


def test_overwriting_an_input_is_warned_about() -> None:
    spec, reading = read(put(base(), "job.outputs.0.dataset", "dataos://lakehouse:retail/stores?acl=rw"))
    assert spec is not None
    assert any("read and overwritten" in w.message for w in reading.warnings)


SIZES = [
    ({"cores": 2}, {}, 2.0, None),
    ({}, {"cores": "2", "instances": "3"}, 6.0, None),
    ({"memory": "2048"}, {}, None, (2048 + 384) << 20),
    ({"memory": "1Gi"}, {"memory": "1g", "instances": 2}, None, (3 * 1024 + 384) << 20),
    ({"memory": "3072M"}, {"memory": "1600Mi"}, None, (3072 + 1600 + 384) << 20),
    ({}, {}, None, None),
]


@pytest.mark.parametrize(("driver", "executor", "cpu", "memory"), SIZES)
def test_sizes(driver: dict[str, Any], executor: dict[str, Any], cpu: float | None, memory: int | None) -> None:
    spec = good({**base(), "driver": driver, "executor": executor})
    assert (spec.cpu, spec.memory_bytes) == (cpu, memory)


# --- refusals ---------------------------------------------------------------------------------------------------------

LATER: list[tuple[str, Any]] = [
    ("job.inputs.0.connectionProps", {"ssl": "true"}),
    ("job.inputs.0.sfWarehouse", "w"),
    ("job.inputs.0.inputType", "file"),
    ("job.inputs.0.format", "hudi"),
    ("job.steps.0.sequence.0.classpath", "io.x.Y"),
    ("job.steps.0.sequence.0.params", {"join": "LEFT"}),
    ("job.steps.0.sequence.0.outputType", "Iceberg"),
    ("job.steps.0.sequence.0.saveMode", "append"),
    ("job.outputs.0.format", "snowflake"),
    ("job.outputs.0.options.bigquery", {"temporaryBucket": "x"}),
    ("job.outputs.0.options.query", "INSERT"),
    ("job.outputs.0.options.iceberg.properties.location", "/elsewhere"),
    ("job.outputs.0.options.iceberg.properties", {"write.data.path": "/elsewhere"}),
    ("job.outputs.0.options.iceberg.properties", {"write.format.default": "orc"}),
    ("sparkConf", [{"spark.sql.sources.partitionOverwriteMode": "dynamic"}]),
    ("sparkConf", [{"spark.sql.session.timeZone": "Europe/Paris"}]),
    ("job.outputs.0.options.extraOptions", {"overwrite-mode": "dynamic"}),
]


@pytest.mark.parametrize(("path", "value"), LATER, ids=[f"{p}={v}"[:60] for p, v in LATER])
def test_what_comes_later_is_refused_by_name(path: str, value: Any) -> None:
    spec, reading = read(put(base(), path, value))
    assert spec is None
    refused = [p for p in reading.problems if p.code == "stack.unsupported"]
    assert refused, reading.problems
    wanted = path.split(".")[1] if "." in path else path
    assert all((p.path or "").startswith("workflow.dag[0].spec.stackSpec.") for p in refused)
    assert any(wanted in (p.path or "") for p in refused)


FAULTS: list[tuple[str, Any, str, str, str]] = [
    ("job.inputs.0.format", "csvbb", "flare.format", "Failed to find data source: csvbb", "job.inputs[0].format"),
    ("job.inputs.0.dataset", "dataos:////x:y/z", "manifest.address", "Invalid dataset found", "job.inputs[0].dataset"),
    ("job.inputs.0.dataset", "dataos://x:y", "manifest.address", "Invalid dataset found", "job.inputs[0].dataset"),
    ("job.inputs.0.dataset", "/data/x.csv", "manifest.address", "Invalid dataset found", "job.inputs[0].dataset"),
    ("job.inputs.0.dataset", None, "manifest.missing", "`dataset` or `query` is required", "job.inputs[0]"),
    ("job.inputs.0.name", "a b", "flare.name", "cannot name an input", "job.inputs[0].name"),
    ("job.inputs.1.name", "RAW_ORDERS", "flare.duplicate_name", "names two views", "job.inputs[1].name"),
    ("job.steps.0.sequence.1.name", "clean_orders", "flare.duplicate_name", "names two views", "sequence[1].name"),
    (
        "job.steps.0.sequence.0.sql",
        "SELECT * FROM raw_order",
        "flare.unknown_view",
        "no view `raw_order`",
        "sequence[0].sql",
    ),
    ("job.steps.0.sequence.0.sql", "SELECT * FROM orders_final", "flare.unknown_view", "no view", "sequence[0].sql"),
    ("job.steps.0.sequence.0.sql", None, "manifest.missing", "has no `sql`", "sequence[0]"),
    ("job.steps.0.sequence.0.sql", " ", "manifest.missing", "has no `sql`", "sequence[0]"),
    ("job.steps.0.sequence", "x", "manifest.invalid", "must be a list", "steps[0].sequence"),
    ("job.outputs.0.name", "order_final", "flare.unknown_view", "the output names no view", "outputs[0].name"),
    ("job.outputs.0.dataset", "dataos://l:a/b/c?acl=rw", "manifest.address", "Invalid dataset", "outputs[0].dataset"),
    ("job.outputs.0.dataset", None, "manifest.missing", "`dataset` is required", "outputs[0]"),
    ("job.outputs.0.options.saveMode", "upsert", "manifest.invalid", "saveMode `upsert`", "options.saveMode"),
    (
        "job.outputs.0.options.iceberg.properties.overwrite-mode",
        "dynamo",
        "manifest.invalid",
        "overwrite-mode",
        "overwrite-mode",
    ),
    (
        "job.outputs.0.options.iceberg.partitionSpec.0.type",
        "weekly",
        "manifest.invalid",
        "partition type",
        "partitionSpec[0].type",
    ),
    (
        "job.outputs.0.options.iceberg.partitionSpec.1.numBuckets",
        None,
        "manifest.missing",
        "numBuckets",
        "partitionSpec[1].numBuckets",
    ),
    (
        "job.outputs.0.options.iceberg.partitionSpec.0.name",
        "order_date",
        "flare.partition",
        "named like its column",
        "partitionSpec[0].name",
    ),
    ("job.outputs.0.options.sort.columns.0.order", "up", "manifest.invalid", "order `up`", "sort.columns[0].order"),
    ("job.outputs.0.options.compressionType", "zip", "manifest.invalid", "compressionType", "compressionType"),
    (
        "job.outputs.0.assertions.0.tests",
        ["mni > 0"],
        "flare.assertion",
        "unknown metric `mni`",
        "assertions[0].tests[0]",
    ),
    (
        "job.outputs.0.assertions.1.sql",
        "SELECT count(*) AS n FROM nowhere",
        "flare.unknown_view",
        "no view",
        "assertions[1].sql",
    ),
    (
        "job.outputs.0.assertions.0.filter",
        "a = java_method('x')",
        "flare.sql_refused",
        "java_method",
        "assertions[0].filter",
    ),
    ("job.logLevel", "LOUD", "manifest.invalid", "logLevel", "job.logLevel"),
    ("job.showPreviewLines", "many", "manifest.invalid", "whole number", "job.showPreviewLines"),
    ("job.inpust", [], "manifest.unknown_key", "unknown key `inpust`", "job.inpust"),
    ("driver.memory", "lots", "manifest.invalid", "no amount of memory", "driver.memory"),
    ("executor.instances", "x", "manifest.invalid", "whole number", "executor.instances"),
    ("job.steps.0.sequence.0.sqlFile", "x.sql", "", "", ""),
]


@pytest.mark.parametrize(
    ("path", "value", "code", "message", "where"), FAULTS, ids=[f"{f[0]}={f[1]}"[:70] for f in FAULTS]
)
def test_faults_have_code_message_and_path(path: str, value: Any, code: str, message: str, where: str) -> None:
    spec, reading = read(put(base(), path, value))
    if not code:
        assert spec is not None
        return
    assert spec is None
    assert any(p.code == code and message in p.message and (p.path or "").endswith(where) for p in reading.problems), (
        reading.problems
    )


def test_dataset_and_query_together() -> None:
    _, reading = read(put(base(), "job.inputs.0.query", "SELECT 1"))
    assert any("both `dataset` and `query`" in p.message for p in reading.problems)


def test_an_sql_file_that_nobody_put_in() -> None:
    data = base()
    step = data["job"]["steps"][0]["sequence"][0]
    step["sqlFile"] = step.pop("sql") and "clean.sql"
    _, reading = read(data)
    assert reading.problems[0].code == "flare.sql_file"


def test_sql_faults_carry_line_and_column() -> None:
    text = "SELECT o.*\nFROM clean_orders o\nJOIN shops s ON true\n"
    _, reading = read(put(base(), "job.steps.0.sequence.1.sql", text))
    problem = reading.problems[0]
    assert (problem.line, problem.column) == (3, 6)
    assert "stores" in problem.hint


def test_all_faults_at_once() -> None:
    data = put(put(base(), "job.inputs.0.format", "csvbb"), "job.outputs.0.options.saveMode", "upsert")
    _, reading = read(put(data, "job.udfs", {"f": "x"}))
    assert {p.code for p in reading.problems} >= {"flare.format", "manifest.invalid", "flare.udf"}


def test_two_outputs_of_one_table() -> None:
    data = base()
    data["job"]["outputs"].append(copy.deepcopy(data["job"]["outputs"][0]))
    _, reading = read(data)
    assert [p.code for p in reading.problems] == ["flare.duplicate_name"]


@pytest.mark.parametrize("data", [None, {}, [], "x", {"job": None}, {"job": {}}, {"job": []}, {"job": {"inputs": "x"}}, {"job": {"inputs": [None]}}])  # fmt: skip
def test_nonsense_is_refused(data: Any) -> None:
    spec, reading = read(data)
    assert spec is None
    assert reading.problems


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_PATHS = sorted({p for p, *_ in (*SAME, *LATER, *FAULTS)})


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(_PATHS), _JSON)
def test_any_value_anywhere_is_read_or_refused(path: str, value: Any) -> None:
    """Never an exception, and never None without a reason."""
    spec, reading = read(put(base(), path, value))
    assert (spec is None) == bool(reading.problems)


@pytest.mark.parametrize(
    ("path", "value", "only"),
    [
        ("job.inputs.0.dataset", "orders.csv", "job.inputs[0].dataset"),
        ("job.inputs.1.format", "nosuch", "job.inputs[1].format"),
        ("job.steps.0.sequence.0.commands", ["dance"], "job.steps[0].sequence[0].commands"),
    ],
)
def test_a_faulty_input_or_step_is_reported_and_not_those_who_read_it(path, value, only):
    found, reading = read(put(base(), path, value))
    assert found is None
    assert [p.path for p in reading.problems] == [f"workflow.dag[0].spec.stackSpec.{only}"]


LEGACY = {
    "inputs": [{"name": "products", "dataset": "dataos://lakehouse:retail/products", "format": "iceberg"}],
    "outputs": [{"name": "out01", "depot": "dataos://lakehouse:exports?acl=rw"}],
    "steps": [
        {
            "sequence": [{"name": "final", "sql": "SELECT product_id, price FROM products"}],
            "sink": [
                {"sequenceName": "final", "datasetName": "products_out", "outputName": "OUT01", "outputType": "Iceberg",
                 "outputOptions": {"saveMode": "append", "partitionBy": ["price"]}, "title": "Products", "tags": ["t"]},
                {"sequenceName": "products", "outputName": "out01"},
            ],
        }
    ],
}  # fmt: skip


def test_the_writer_of_older_versions_makes_outputs() -> None:
    spec, reading = read({"job": LEGACY})
    assert spec is not None, reading.problems
    assert [(o.name, str(o.address), o.mode) for o in spec.outputs] == [
        ("final", "dataos://lakehouse:exports/products_out", "append"),
        ("products", "dataos://lakehouse:exports/products", "overwrite"),
    ]
    first = spec.outputs[0]
    assert (first.title, first.tags, [p.column for p in first.partitions]) == ("Products", ("t",), ["price"])
    assert any(w.code == "manifest.variant" and w.path.endswith("outputs[0].depot") for w in reading.warnings)


def test_an_output_with_a_depot_and_no_sink_is_named_by_itself() -> None:
    job = {**LEGACY, "steps": [{"sequence": [{"name": "out01", "sql": "SELECT 1 AS a"}]}]}
    spec, reading = read({"job": job})
    assert spec is not None, reading.problems
    assert [str(o.address) for o in spec.outputs] == ["dataos://lakehouse:exports/out01"]


def test_a_sink_without_its_output_or_view_is_told() -> None:
    sink = [
        {"sequenceName": "nope", "outputName": "out01"},
        {"sequenceName": "final", "outputName": "out02"},
        {"outputName": "x"},
    ]
    _, reading = read({"job": {**LEGACY, "steps": [{**LEGACY["steps"][0], "sink": sink}]}})
    found = {p.path: p.message for p in reading.problems}
    assert "names no view" in found["workflow.dag[0].spec.stackSpec.job.steps[0].sink[0].name"]
    assert "names no output" in found["workflow.dag[0].spec.stackSpec.job.steps[0].sink[1].outputName"]
    assert any("sequenceName" in m for m in found.values())


def test_a_profile_is_read() -> None:
    profile = {"level": "Basic", "filters": [{"type": "expression", "expression": "amount > 0"}],
               "patterns": [{"tag": "Shop.Code", "words": "code", "regex": "[A-Z]{3}"}]}  # fmt: skip
    spec, reading = read(put(base(), "job.profile", profile))
    assert spec is not None, reading.problems
    assert spec.profile is not None
    assert (spec.profile.level, spec.profile.filters) == ("basic", ("amount > 0",))
    assert (spec.profile.patterns[0].tag, spec.profile.patterns[0].words) == ("Shop.Code", ("code",))


@pytest.mark.parametrize(
    ("value", "path", "text"),
    [
        ({}, "profile", "level"),
        ({"level": "deep"}, "profile.level", "deep"),
        ({"level": "basic", "filters": [{"type": "sql", "expression": "x"}]}, "profile.filters[0].type", "sql"),
        ({"level": "basic", "filters": [{"expression": "x >"}]}, "profile.filters[0].expression", ""),
        (
            {"level": "basic", "filters": [{"expression": "read_csv('/etc/passwd') = 1"}]},
            "profile.filters[0].expression",
            "",
        ),
        ({"level": "basic", "patterns": [{"tag": "x"}]}, "profile.patterns[0]", "words"),
        (
            {"level": "basic", "patterns": [{"tag": "x", "regex": "("}]},
            "profile.patterns[0].regex",
            "regular expression",
        ),
    ],
)
def test_faults_of_a_profile_have_their_place(value: Any, path: str, text: str) -> None:
    spec, reading = read(put(base(), "job.profile", value))
    assert spec is None
    assert any(str(p.path).endswith(path) and text in p.message for p in reading.problems), reading.problems


def test_column_tags_are_read_wherever_they_stand() -> None:
    """Ch04 3.12: several selectors in one entry are allowed, with a warning."""
    data = put(base(), "job.outputs.0.columnTags", [{"columnName": "a", "columnRegex": "b.*", "tags": "PII.Name"}])
    data = put(data, "job.outputs.0.options.columnTags", [{"columnNames": ["c"], "tags": ["x", "PII.Age"]}])
    data = put(data, "job.outputs.0.options.iceberg.tags", ["Tier.Gold"])
    spec, reading = read(data)
    assert spec is not None, reading.problems
    (first, second) = spec.outputs[0].column_tags
    assert (first.names, first.regex, first.tags) == (("a",), "b.*", ("PII.Name",))
    assert (second.names, second.tags) == (("c",), ("x", "PII.Age"))
    assert spec.outputs[0].tags == ("retail", "Tier.Gold")
    assert [w.code for w in reading.warnings if "columnTags" in str(w.path)].count("manifest.variant") == 1
    assert any("several selectors" in w.message for w in reading.warnings)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"tags": ["x"]}, "names no column"),
        ({"columnName": "a"}, "no tags"),
        ({"columnRegex": "(", "tags": ["x"]}, "regular expression"),
    ],
)
def test_faults_of_column_tags(entry: dict[str, Any], text: str) -> None:
    spec, reading = read(put(base(), "job.outputs.0.columnTags", [entry]))
    assert spec is None
    assert any(text in p.message and "columnTags[0]" in str(p.path) for p in reading.problems), reading.problems


def test_keys_of_a_schema_registry_belong_to_kafkaavro():
    topic = {
        "format": "KafkaAvro",
        "isStream": False,
        "schemaId": "12",
        "schemaSubject": "orders",
        "schemaString": "a int",
    }
    spec, reading = read(put(base(), "job.inputs.0", {**base()["job"]["inputs"][0], **topic}))
    assert spec is not None, reading.problems
    assert (spec.inputs[0].format, spec.inputs[0].schema_id) == ("kafkaavro", 12)
    said = " ".join(w.message for w in reading.warnings)
    assert "`schemaSubject` has no effect beside `schemaId`" in said
    assert "`schemaString` has no effect on kafkaavro" in said
    spec, reading = read(put(base(), "job.inputs.0.schemaId", 1))
    assert spec is not None
    assert any("`schemaId` has no effect but with the format kafkaavro" in w.message for w in reading.warnings)
    for key, value in (("schemaId", "x1"), ("options", {"mode": "strict"})):
        spec, reading = read(put(base(), "job.inputs.0", {**base()["job"]["inputs"][0], **topic, key: value}))
        assert spec is None
        assert str(reading.problems[0].path).startswith(f"workflow.dag[0].spec.stackSpec.job.inputs[0].{key}")


def test_options_of_the_job_are_those_of_queries_that_have_none():
    """ch04 3.3: `job.options`, misplaced beside `inputs`."""
    query = {"name": "q", "query": "SELECT 1 AS a"}
    own = {"name": "own", "query": "SELECT 1 AS a", "options": {"cluster": "small"}}
    job = {"inputs": [query, own], "options": {"cluster": "big", "SSL": True}, "assertions": [{"sql": "SELECT 1 AS n FROM q", "tests": ["n = 1"]}]}  # fmt: skip
    reading = Reading()
    spec = flare.read({"job": job, "configs": {"a": "b"}}, reading)
    assert spec is not None, reading.problems
    assert [i.cluster for i in spec.inputs] == ["big", "small"]
    said = [w.message for w in reading.warnings]
    assert "`job.options` is read as the options of the input `q`" in said
    assert "`configs` has no effect on a Flare job" in said
