"""What the stacks refuse, each with its place and the way out; all faults at once. What is odd gets a notice."""

import pytest

from support.kind_reading import put
from support.stack_reading import faults, good, notices, read, runnable, spec_of
from support.stack_samples import FORMS, REPO

BAD = [
    ("container job", "image", None, "stackSpec", "`image` is required"),
    ("container job", "image", "Shop/Loader:1", "stackSpec.image", "shop/loader:1"),
    ("container job", "image", "https://r.example/a:1", "stackSpec.image", "without a scheme"),
    ("container job", "image", "a b", "stackSpec.image", "is no image"),
    ("container job", "imagePullSecret", "Not A Name", "stackSpec.imagePullSecret", "must be less than '48' chars"),
    ("container job", "comand", ["x"], "stackSpec.comand", "did you mean `command`?"),
    ("container job", "command", [{"a": 1}], "stackSpec.command[0]", "expected text"),
    ("container job", "arguments", ["a\0b"], "stackSpec.arguments[0]", "zero character"),
    ("python service", "repo.url", "https://u:p@git.example/x", "stackSpec.repo.url", "holds a user or password"),
    ("python service", "repo.url", "git.example/x", "stackSpec.repo.url", "no address of a repository"),
    ("python service", "repo.baseDir", None, "stackSpec.repo", "`baseDir` is required"),
    ("python service", "repo.baseDir", "../etc", "stackSpec.repo.baseDir", "without `..`"),
    ("python service", "repo.baseDir", "/etc", "stackSpec.repo.baseDir", "relative path"),
    ("python service", "repo.syncFlags", ["main"], "stackSpec.repo.syncFlags[0]", "begins with `--`"),
    ("python service", "repo.syncFlags", ["--password=x"], "stackSpec.repo.syncFlags[0]", "gives a credential"),
    ("python service", "repo.syncFlags", ["--root=/"], "stackSpec.repo.syncFlags[0]", "set by the platform"),
    ("python service", "repo.syncFlags", ["--exechook-command=x"], "stackSpec.repo.syncFlags[0]", "runs something else"),
    ("python service", "depots", ["dataos:/x"], "stackSpec.depots[0]", "depot"),
    ("command", "arguments", None, "stackSpec", "`arguments` is required"),
    ("command", "arguments", ["dataos-ctl"], "stackSpec.arguments", "at least one word"),
    ("command", "manifest.type", "vlume", "stackSpec.manifest.type", "unknown type `vlume`"),
    ("command", "manifest.secret.acl", "x", "stackSpec.manifest.secret.acl", "r, rw"),
    ("command", "manifest", None, "stackSpec.arguments", "nothing puts /etc/dataos/config/manifest.yaml there"),
    ("rest", "source.type", "depot", "stackSpec.source.type", "allowed: database"),
    ("rest", "source.name", "Shop DB", "stackSpec.source.name", "must be less than '48' chars"),
    ("rest", "source.workspace", "1a", "stackSpec.source.workspace", "must be less than '32' chars"),
    ("rest", "source", None, "stackSpec", "`source` is required"),
    ("steampipe", "plugins", ["a b"], "stackSpec.plugins[0]", "no name of a plugin"),
    ("flash", "datasets.0.address", "dataos://lakehouse:retail", "stackSpec.datasets[0].address", "names no dataset"),
    ("flash", "datasets.0.depot", "lakehouse", "stackSpec.datasets[0]", "found both"),
    ("flash", "datasets.0.address", None, "stackSpec.datasets[0]", "`address` is required"),
    ("flash", "datasets.1.name", "V_ORDERS", "stackSpec.datasets[1].name", "names two views"),
    ("flash", "datasets.2.refresh.expression", "* * *", "stackSpec.datasets[2].refresh.expression", "five fields"),
    ("flash", "schedule.0.sql", None, "stackSpec.schedule[0]", "`sql` is required"),
    ("flash", "schedule.0.expression", "0 0 * * * *", "stackSpec.schedule[0].expression", "6 fields"),
    ("flash", "init", ["select 'a"], "stackSpec.init[0]", "a text that is not closed (line 1)"),
    ("flash", "init", ["  ;"], "stackSpec.init[0]", "is empty"),
    ("talos", "repo.projectDirectory", None, "stackSpec.repo", "`projectDirectory` is required"),
    ("talos", "repo.url", "nowhere", "stackSpec.repo.url", "no address of a repository"),
    ("stream monitor", "type", "report_monitor", "stackSpec.type", "allowed: stream_monitor"),
    ("stream monitor", "stream", None, "stackSpec", "`stream` is required"),
    ("stream monitor", "stream.source.fastbase.topic", "a/b", "stackSpec.stream.source.fastbase.topic", "persistent://"),
    ("stream monitor", "stream.conditions.0.valueJqFilter", "(.a", "stackSpec.stream.conditions[0].valueJqFilter", "closed"),
    ("stream monitor", "stream.conditions.0.operator", "above", "stackSpec.stream.conditions[0].operator", "greater_than"),
    ("stream monitor", "stream.source.fastbase.subscriptionPosition", "first",
     "stackSpec.stream.source.fastbase.subscriptionPosition", "earliest"),
    ("depot scan", "depot", "retail-db", "stackSpec.depot", "[a-z]([a-z0-9]*)"),
    ("depot scan", "depot", None, "stackSpec", "there is nothing to scan"),
    ("depot scan", "worker", "soda_indexer", "stackSpec.worker", "cannot stand beside `depot`"),
    ("depot scan", "sourceConfig.config.type", "Database", "stackSpec.sourceConfig.config.type", "DatabaseMetadata"),
    ("depot scan", "sourceConfig.config.type", "DataProduct", "stackSpec.sourceConfig.config.type", "type: data-product"),
    ("depot scan", "sourceConfig.config.includeViews", "perhaps", "stackSpec.sourceConfig.config.includeViews", "true or false"),
    ("depot scan", "sourceConfig.config.schemaFilterPattern.excludes", ["[a"],
     "stackSpec.sourceConfig.config.schemaFilterPattern.excludes[0]", "no regular expression"),
    ("depot scan", "sourceConfig.config.schemaFilterPattern.exclude", ["a"],
     "stackSpec.sourceConfig.config.schemaFilterPattern.exclude", "did you mean `excludes`?"),
    ("scan without a depot", "source", None, "stackSpec", "`source` is required without a depot"),
    ("scan without a depot", "sourceConnection", None, "stackSpec", "`sourceConnection` is required"),
    ("scan without a depot", "sourceConnection.config.type", "Snowflake", "stackSpec.sourceConnection.config.type", "does not fit"),
    ("scan without a depot", "type", "bigqery", "stackSpec.type", "did you mean `bigquery`?"),
    ("scan without a depot", "sourceConnection.config.credentials.gcsConfig.clientEmail", None,
     "stackSpec.sourceConnection.config.credentials.gcsConfig", "`clientEmail` is required"),
    ("scan without a depot", "sourceConnection.config.credentials.gcsConfig.tokenUri", "ftp://x",
     "stackSpec.sourceConnection.config.credentials.gcsConfig.tokenUri", "https://"),
    ("indexer", "worker", "sada_indexer", "stackSpec.worker", "did you mean `soda_indexer`?"),
    ("indexer", "worker", None, "stackSpec", "`worker` is required with type worker"),
    ("indexer", "depot", "retaildb", "stackSpec.depot", "cannot stand beside `type: worker`"),
    ("user scan", "source", "x", "stackSpec.source", "cannot stand beside `type: users`"),
    ("batch copy", "source.address", "retaildb", "stackSpec.source.address", "no scheme"),
    ("batch copy", "sink.options.dest-table", "orders", "stackSpec.sink.options.dest-table",
     "Table name must be in the format <schema>.<table>"),
    ("batch copy", "sink.options.incremental-strategy", "upsert", "stackSpec.sink.options.incremental-strategy", "merge"),
    ("batch copy", "source.options.primary-key", None, "stackSpec.sink.options", "`merge` needs a primary key"),
    ("batch copy", "sink.options.colour", "red", "stackSpec.sink.options.colour", "unknown key"),
    ("batch copy", "sink.options.partition-by.1.bucket-count", None, "stackSpec.sink.options.partition-by[1]", "for buckets"),
    ("batch copy", "sink.options.partition-by.0.type", "week", "stackSpec.sink.options.partition-by[0].type", "bucket"),
    ("batch copy", "sink.options.partition-by.1.name", "m", "stackSpec.sink.options.partition-by[1].name", "named `m`"),
    ("batch copy", "source.options.page-size", 0, "stackSpec.source.options.page-size", "greater than or equal to 1"),
    ("batch copy", "source.options.mask", {"email": "hsh"}, "stackSpec.source.options.mask.email", "did you mean `hash`?"),
    ("batch copy", "source.options.mask", {"id": "hmac"}, "stackSpec.source.options.mask.id", "needs a key"),
    ("batch copy", "source.options.mask", {"id": "uuid:4"}, "stackSpec.source.options.mask.id", "takes no parameter"),
    ("batch copy", "source.options.mask", {"id": "partial:x"}, "stackSpec.source.options.mask.id", "needs a number"),
    ("batch copy", "source.options.sql-reflection-level", "some", "stackSpec.source.options.sql-reflection-level", "fast"),
    ("batch copy", "source.options.source_table", "a.b", "stackSpec.source.options.source_table", "write `source-table`"),
    ("batch copy", "source.address", "custom://Mine?x=1", "stackSpec", "`repo` is required"),
    ("changes", "source.options.engine", "debezum", "stackSpec.source.options.engine", "debezium"),
    ("dbt", "dbt_project.profile", "retial", "stackSpec.dbt_project.profile", "retail"),
    ("dbt", "dbt_project.name", "1st", "stackSpec.dbt_project.name", "not beginning with a digit"),
    ("dbt", "dbt_project.macro-paths", ["models"], "stackSpec.dbt_project.macro-paths", "holds models already"),
    ("dbt", "dbt_project.model-paths", ["../x"], "stackSpec.dbt_project.model-paths[0]", "without `..`"),
    ("dbt", "dbt_project.config-version", 3, "stackSpec.dbt_project.config-version", "write 2"),
    ("dbt", "dbt_project.modles", {}, "stackSpec.dbt_project.modles", "did you mean `models`?"),
    ("dbt", "dbt_project.models.retail_models", {"+materialized": "vieew"},
     'stackSpec.dbt_project.models.retail_models.+materialized', "did you mean `view`?"),
    ("dbt", "profiles.retail.target", "prd", "stackSpec.profiles.retail.target", "prod"),
    ("dbt", "profiles.retail.outputs.dev.type", "postgre", "stackSpec.profiles.retail.outputs.dev.type", "postgres"),
    ("dbt", "profiles.retail.outputs.dev.type", None, "stackSpec.profiles.retail.outputs.dev", "`type` is required"),
    ("dbt", "profiles.retail.outputs.dev.threads", "many", "stackSpec.profiles.retail.outputs.dev.threads", "1 to 4"),
    ("dbt", "profiles", {}, "stackSpec.profiles", "at least one profile"),
    ("dbt", "dbt_packages.packages.0.git", "x", "stackSpec.dbt_packages.packages[0].git", "no address of a repository"),
    ("dbt", "dbt_packages.packages.0.git", None, "stackSpec.dbt_packages.packages[0]", "found neither"),
    ("dbt", "commands", ["rnu"], "stackSpec.commands[0]", "did you mean `run`?"),
    ("dbt", "commands", ["run --profiles-dir /x"], "stackSpec.commands[0]", "set by the platform"),
    ("toolbox", "dataset", "dataos://lakehouse", "stackSpec.dataset", "names no dataset"),
    ("toolbox", "action.name", "set_verson", "stackSpec.action.name", "set_version"),
    ("toolbox", "action.value", "newest one", "stackSpec.action.value", "no metadata version"),
    ("fastfun", "input.datasets", [], "stackSpec.input.datasets", "at least one address"),
    ("fastfun", "output.datasets", ["dataos://a:b/c", "dataos://a:b/c"], "stackSpec.output.datasets[1]", "stands here twice"),
    ("fastfun", "input.options.subscriptionPosition", "FIRST", "stackSpec.input.options.subscriptionPosition", "EARLIEST"),
    ("fastfun", "input.options.processingGuarantees", "ONCE", "stackSpec.input.options.processingGuarantees", "ATMOST_ONCE"),
    ("fastfun", "output.options.recordsPerCommit", "many", "stackSpec.output.options.recordsPerCommit", "a whole number"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "path", "value", "place", "words"), BAD)
def test_a_fault_names_its_place_and_the_way_out(form, path, value, place, words):
    found = faults(form, put(spec_of(form), path, value))
    assert set(found) == {place}
    assert words in found[place]


AROUND = [
    ("steampipe", {"servicePort": 9194}, "servicePort", "write 9193"),
    ("steampipe", {"servicePort": ...}, "servicePort", "servicePort is required for this stack"),
    ("steampipe", {"dataosSecrets": ...}, "", "nothing sets STEAMPIPE_DATABASE_PASSWORD"),
    ("steampipe", {"dataosSecrets": [{"name": "pw", "keys": ["OTHER"]}]}, "", "nothing sets STEAMPIPE_DATABASE_PASSWORD"),
    ("steampipe", {"dataosSecrets": [{"name": "pw", "consumptionType": "file"}]}, "", "nothing sets"),
    ("steampipe", {"configs": {"csv.spc": "csv {\n}\n", "plugins_install.yaml": "- steampipe plugin install hackernews\n"}},
     'configs["csv.spc"]', "holds no `connection`"),
    ("steampipe", {"configs": {"plugins_install.yaml": "- rm -rf /\n"}}, 'configs["plugins_install.yaml"]', "installs a plugin"),
    ("rest", {"envs": {"PGRST_OPENAPI_SERVER_PROXY_URI": "shop"}}, "envs.PGRST_OPENAPI_SERVER_PROXY_URI", "https://"),
    ("copy of a service", {"dataosSecrets": ...}, "stackSpec.source.address", "nothing sets PAY_KEY"),
    ("container job", {"stack": "container:2.0"}, "stack", "versions: 1.0"),
    ("flash", {"stack": "flash+java:2.0"}, "stack", "python"),
    ("rest", {"stack": "beacon"}, "stack", "write beacon+rest or beacon+graphql"),
    ("rest", {"stack": "beacon+rest:2.0"}, "stack", "has no version 2.0"),
    ("rest", {"stack": "becon+rest"}, "stack", "did you mean `beacon`?"),
    ("rest", {"stack": "beacon rest"}, "stack", "name[+flavour][:version]"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "around", "place", "words"), AROUND)
def test_what_stands_around_must_fit(form, around, place, words):
    found = faults(form, **around)
    assert place in found
    assert words in found[place]


def test_an_indexer_is_no_job_and_a_scan_is_no_worker():
    assert "an indexer never ends" in str(faults("depot scan", FORMS["indexer"][3]))
    assert "a scan ends: it cannot run under a worker" in str(faults("indexer", FORMS["depot scan"][3]))


def test_changes_are_followed_by_a_service_only():
    assert "following changes never ends" in str(faults("batch copy", FORMS["changes"][3]))
    assert any("a batch ends" in n for n in notices("changes", FORMS["batch copy"][3]))
    spec = put(spec_of("changes"), "source.options", {"engine": "debezium"})
    assert "`topic.prefix` is required" in str(faults("changes", spec))


def test_all_faults_of_a_stack_spec_come_at_once():
    spec = {
        "depot": "retail-db",
        "sourceConfig": {"config": {"tableFilterPatern": {}, "schemaFilterPattern": {"includes": ["(a"]}, "type": "x"}},
    }
    config = "stackSpec.sourceConfig.config"
    assert set(faults("depot scan", spec)) == {
        "stackSpec.depot", f"{config}.tableFilterPatern", f"{config}.schemaFilterPattern.includes[0]", f"{config}.type"
    }  # fmt: skip


ODD = [
    ("container job", "command", "python load.py", "no shell takes it apart"),
    ("container job", "imagePullSecrets", "pull", "repeats `imagePullSecret`"),
    ("python service", "repo.baseDir", "app", "does not begin with `dashboards`"),
    ("flash", "datasets.0.name", "my-orders", "must be written in quotes"),
    ("flash", "schedule.0.sql", "insert into orders by name (select 1)", "adds the same rows again"),
    ("stream monitor", "incident", None, "there is no `incident`"),
    ("depot scan", "type", "mysql", "the depot knows its type"),
    ("depot scan", "sourceConfig.config.tableFilterPattern.excludes", ["b"], "`excludes` has no effect"),
    ("depot scan", "sourceConfig.config.tableFilterPattern.markDeletedTables", True, "belongs beside `tableFilterPattern`"),
    ("depot scan", "sourceConfig.config.markDeletedTablesfromFilterOnly", True, "is read as `markDeletedTablesFromFilterOnly`"),
    ("product scan", "sourceConfig.config.dataProductFilterPattern", None, "every Data Product is scanned"),
    ("scan without a depot", "type", "cobol", "no source of type `cobol` is known"),
    ("batch copy", "source.options.mask", {"amount": "noise:2"}, "works on a column of type double"),
    ("batch copy", "sink.options.staging_bucket", "b", "repeats `staging-bucket`"),
    ("dbt", "dbt_project.models.retail_models", {"+materialised": "view"}, "is read as `+materialized`"),
    ("dbt", "dbt_project.models", [{"retail": {"+materialized": "view"}}], "the list is read as one"),
    ("dbt", "dbt_project.version", None, "has no `version`"),
    ("dbt", "dbt_packages.packages.0.revision", None, "changes when the repository does"),
    ("dbt", "profiles.retail.outputs.prod.threads", None, "4 models are built at a time"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "path", "value", "words"), ODD)
def test_what_is_odd_gets_one_notice(form, path, value, words):
    spec = put(spec_of(form), path, value)
    if path == "source.options.mask":
        spec["source"]["options"].pop("type-hints")
    if path == "scan" or value == "cobol":
        spec["sourceConnection"]["config"] = {"type": "cobol"}
    said = [n for n in notices(form, spec) if "in clear" not in n]
    assert len(said) == 1
    assert words in said[0]


AROUND_ODD = [
    ("steampipe", {"dataosSecrets": ..., "envs": {"STEAMPIPE_DATABASE_PASSWORD": "x"}}, "in the manifest in clear"),
    ("steampipe", {"configs": {"csv.spc": "./csv.spc"}}, "plugin `hackernews` does not come with it"),
    ("graphql", {"envs": {"PGRST_OPENAPI_SERVER_PROXY_URI": "https://a.example/b"}}, "has no effect with beacon+graphql"),
    ("flash", {"servicePort": 9000}, "nothing of this stack listens on 9000"),
    ("talos", {"servicePort": 8080}, "the program listens on 3000, not on 8080"),
    ("talos", {"envs": {"TALOS_BASE_PATH": "/x"}}, "TALOS_SCHEMA_PATH is not set"),
    ("batch copy", {"stack": "nilus:2.0"}, "stack nilus has no version 2.0: it is read as 3.0"),
    ("depot scan", {"stack": "scanner:0.9"}, "it is read as 2.0"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "around", "words"), AROUND_ODD)
def test_what_is_odd_around_a_stack_spec_gets_one_notice(form, around, words):
    said = [n for n in notices(form, **around) if not n.startswith(("`path`", "`"))]
    assert len(said) == 1
    assert words in said[0]


# --- canonical values -------------------------------------------------------------------------------------------------


def test_an_image_without_a_tag_is_the_latest():
    assert good("container worker").image == "tail:latest"
    assert good("container service").image.startswith("shop/site@sha256:")
    assert good("container job").command == ("python",)


def test_a_beacon_needs_no_port_and_refers_to_its_database():
    found = runnable("rest")
    assert (found.stack, found.stack_flavour) == ("beacon", "rest")
    assert [str(r.target) for r in found.references] == ["database:shop_db:retail"]


def test_filters_of_the_scanner_are_anchored_prefixes_in_any_letter_case():
    tables = good("depot scan").config.filters["table"]
    assert [tables.keeps(n) for n in ("ORDERS", "orders_old", "CUSTOMER_ADDRESS", "my_customer")] == [
        True, False, True, False
    ]  # fmt: skip
    schemas = good("depot scan").config.filters["schema"]
    assert [schemas.keeps(n) for n in ("audit", "AUDIT", "audit_log")] == [False, False, True]
    assert good("depot scan").config.switches["includeTables"] is True


def test_a_stream_copy_has_its_defaults():
    spec = good("pulsar function")
    assert (spec.position, spec.guarantee, spec.commit_s, spec.commit_rows) == (
        "LATEST", "EFFECTIVELY_ONCE", 30, 100_000
    )  # fmt: skip
    assert [u.acl for u in (*spec.reads, *spec.writes)] == ["r", "rw"]
    assert good("fastfun").properties["iceberg"] == {"write.format.default": "parquet"}


def test_a_dbt_project_is_kept_with_dbts_own_words():
    spec = good("dbt")
    assert (spec.profile, spec.target, spec.adapter) == ("retail", "dev", "postgres")
    assert spec.project["models"] == {"retail_models": {"+materialized": "view"}}
    assert spec.project["config-version"] == 2
    assert spec.commands == (("deps",), ("run", "--select", "marts"))


def test_views_of_flash():
    spec = good("flash")
    assert [v.name for v in spec.views] == ["v_orders", "v_stores", "v_days"]
    assert spec.views[2].refresh.cron == "*/30 * * * *"
    assert spec.schedule[0][0] == "*/10 * * * *"


def test_values_of_credentials_are_in_no_message():
    canary = "s3cr3t-canary-2"
    for form, path in (
        ("scan without a depot", "sourceConnection.config.credentials"),
        ("scan without a depot", "sourceConnection.config.credentials.gcsConfig"),
        ("dbt", "profiles.retail.outputs.dev"),
        ("dbt", "profiles.retail.outputs"),
    ):
        _, reading = read(form, put(spec_of(form), path, canary))
        assert reading.problems
        assert canary not in str([*reading.problems, *reading.warnings]), path
    _, reading = read("batch copy", put(spec_of("batch copy"), "sink.address", f"postgresql://u:{canary}@h/d"))
    assert canary not in str([*reading.problems, *reading.warnings])
    _, reading = read("python job", {"repo": {**REPO, "url": f"https://u:{canary}@git.example/x"}})
    assert canary not in str(reading.problems)
