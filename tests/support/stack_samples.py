"""One good stackSpec per form of a stack, small and whole, with what must stand around it; the tests take them apart.

FORMS: form -> (type of manifest, stack, what else stands in the block, stackSpec).
"""

from __future__ import annotations

from typing import Any

SECRET = "s3cr3t-canary"

REPO = {"url": "https://git.example/shop/dashboards.git", "baseDir": "dashboards/app", "syncFlags": ["--ref=main"]}
GCS = {
    "type": "service_account", "projectId": "shop", "privateKeyId": SECRET, "privateKey": SECRET,
    "clientEmail": "s@shop.example", "clientId": "7", "clientX509CertUrl": "https://x.example/c",
}  # fmt: skip
CHECKS: list[Any] = [
    "row_count > 0",
    "missing_count(customer_id) = 0",
    {"row_count between 1 and 1000": {"name": "plausible", "attributes": {"category": "accuracy", "title": "Size"}}},
    {"invalid_percent(email) < 1 %": {"valid format": "email", "samples limit": 5, "filter": "status = 'new'"}},
    {"freshness(updated_at) < 1d6h": {"attributes": {"category": "Freshness"}}},
    {"duplicate_count(day, store)": {"warn": "when > 5", "fail": ["when between 10 and 20", "when > 99"]}},
    {"schema": {"fail": {"when required column missing": ["id"], "when wrong column type": {"age": "integer"}},
                "warn": {"when schema changes": ["column add"], "when forbidden column present": ["tmp_%"]}}},
    "values in (home_store) must exist in stores (store_id)",
    "row_count same as orders_copy",
    {"failed rows": {"name": "no loss", "fail condition": "spend < 0", "samples limit": 50}},
    {"basket_size > 2": {"basket_size expression": "avg(items)"}},
    "percentile(spend, 0.95) < 100",
]  # fmt: skip

LOOKUP: dict[str, Any] = {
    "input": {"http_server": {"address": "0.0.0.0:9920", "path": "/lookup", "allowed_verbs": ["POST"]}},
    "cache_resources": [{"label": "seen", "memory": {"default_ttl": "5m"}}],
    "rate_limit_resources": [{"label": "slow", "local": {"count": 1, "interval": "60s"}}],
    "pipeline": {"threads": 1, "processors": [
        {"branch": {"request_map": "root.id = this.id", "processors": [
            {"dataos_sql_raw": {"address": "dataos://shopdb:public/orders", "query": "SELECT 1", "args_mapping": "root = []"}},
        ], "result_map": "root.orders = this"}},
        {"label": "once", "dedupe": {"cache": "seen", "key": "${! this.id }"}},
        {"rate_limit": {"resource": "slow"}},
        {"switch": [{"check": "errored()", "processors": [{"log": {"message": "${! error() }"}}]}]},
        {"try": [{"mapping": "root = this"}]}, {"catch": []},
    ]},
    "output": {"fallback": [
        {"reject_errored": {"type": "dataos_depot", "plugin": {
            "address": "dataos://bus:default/orders?acl=rw", "metadata": {"format": "AVRO", "schema":
                '{"type": "record", "name": "default", "fields": [{"name": "id", "type": "string"}]}'}}}},
        {"file": {"path": "/var/dataos/temp_data/bad.jsonl"}, "processors": [{"mapping": "root.raw = content()"}]},
        {"switch": {"cases": [{"check": "", "output": {"dataos_kafka": {"address": "dataos://k:default/o?acl=rw"}}}]}},
    ]},
    "logger": {"level": "WARN"}, "http": {"enabled": True, "cors": {"enabled": False}},
    "metrics": {"prometheus": {}, "mapping": "root = this"}, "tracer": {"none": {}},
    "buffer": {"system_window": {"timestamp_mapping": "root = now()", "size": "1h"}},
    "shutdown_timeout": "30s", "error_handling": {"strategy": "none", "log": {"enabled": True}},
    "tests": [{"name": "one", "target_processors": "once", "output_batches": [[{"content_equals": "x"}]]}],
}  # fmt: skip

FORMS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "container job": ("workflow", "container", {}, {
        "image": "registry.example:5000/shop/loader:1.4", "imagePullSecret": "pull", "command": ["python"],
        "arguments": ["load.py", "--day=1"]}),
    "container service": ("service", "container", {"servicePort": 80}, {"image": "shop/site@sha256:" + "a" * 64}),
    "container worker": ("worker", "alpha:1.0", {}, {"image": "tail"}),
    "python service": ("service", "python3:1.0", {"servicePort": 8050}, {"repo": REPO, "depots": ["dataos://shopdb?acl=rw"]}),
    "python job": ("workflow", "python3", {}, {"repo": REPO}),
    "command": ("workflow", "dataos-ctl", {}, {
        "arguments": ["resource", "apply", "-f", "/etc/dataos/config/manifest.yaml", "-w", "${CURRENT_WORKSPACE}"],
        "manifest": {"name": "keys", "version": "v1", "type": "secret",
                     "secret": {"type": "key-value", "acl": "r", "data": {"token": SECRET}}}}),
    "rest": ("service", "beacon+rest", {"envs": {"PGRST_OPENAPI_SERVER_PROXY_URI": "https://d.example/shopdb/api/v1"}}, {
        "source": {"type": "database", "name": "shop_db", "workspace": "retail"}}),
    "graphql": ("service", "beacon+graphql:1.0", {}, {"source": {"type": "database", "name": "shopdb", "workspace": "public"}}),
    "steampipe": ("service", "steampipestack:1.0", {
        "servicePort": 9193, "dataosSecrets": [{"name": "pw", "allKeys": True}],
        "configs": {"csv.spc": 'connection "csv" { plugin = "csv" }\n',
                    "plugins_install.yaml": "- steampipe plugin install hackernews\n"}}, {"plugins": ["csv", "hackernews"]}),
    "lookup": ("service", "bento:4.0", {"servicePort": 9920, "ingress": {"enabled": True, "path": "/lookup"}}, LOOKUP),
    "stream worker": ("worker", "bento-worker:3.0", {"envs": {"BROKERS": "k:9092"}}, {
        "input": {"kafka": {"addresses": ["${BROKERS}"], "topics": ["orders"], "consumer_group": "${GROUP:g}"}},
        "output": {"http_client": {"url": f"https://u:{SECRET}@sink.example", "basic_auth": {
            "enabled": True, "username": "u", "password": SECRET}}}}),
    "stream job": ("workflow", "bento", {}, {
        "input": {"generate": {"mapping": "root = {}", "count": 3, "interval": ""}}, "output": {"stdout": {}}}),
    "flash": ("service", "flash+python:2.0", {"servicePort": 8080, "servicePorts": [{"name": "sql", "servicePort": 5433}]}, {
        "datasets": [
            {"name": "v_orders", "address": "dataos://lakehouse:retail/orders", "meta": {"a": 1}},
            {"name": "v_stores", "depot": "dataos://lakehouse"},
            {"name": "v_days", "sql": "select 1 as day",
             "refresh": {"expression": "*/30 * * * *", "where": "day > current_date - 7"}}],
        "init": ["create table if not exists orders as (select * from v_orders); select count(*) from orders"],
        "schedule": [{"expression": "*/10 * * * *", "sql": "create or replace table orders as (select * from v_orders)"}]}),
    "talos": ("service", "talos:2.0", {
        "servicePort": 3000, "envs": {"TALOS_SCHEMA_PATH": "api", "TALOS_BASE_PATH": "/talos/public:api"}}, {
        "repo": {"url": "git@git.example:shop/api.git", "projectDirectory": "api/talos"}}),
    "stream monitor": ("worker", "stream-monitor", {}, {
        "type": "stream_monitor", "incident": {"name": "warm", "severity": "warning"},
        "stream": {"source": {"fastbase": {"topic": "persistent://public/default/fridges", "subscriptionName": "m"}},
                   "conditions": [{"valueJqFilter": ".payload.temp", "operator": "greater_than", "value": "8.0"}]}}),
    "soda": ("workflow", "soda+python:1.0", {}, {"inputs": [{
        "dataset": "dataos://lakehouse:retail/customers", "checks": CHECKS,
        "profile": {"columns": ["*", "include d*", "exclude email"]},
        "options": {"engine": "minerva", "clusterName": "miniature", "branchName": "main", "failOn": "fail", "x": "1"},
        "filter": {"name": "active", "where": "status = 'active'"}}]}),
    "soda worker": ("worker", "sodaworker+python:1.0", {}, {"inputs": [
        {"dataset": "dataos://shopdb:public/orders?acl=rw", "checks": ["row_count > 0"]}]}),
    "depot scan": ("workflow", "scanner:2.0", {"runAsUser": "metis"}, {
        "depot": "dataos://retaildb", "sourceConfig": {"config": {
            "type": "DatabaseMetadata", "schemaFilterPattern": {"excludes": ["^audit$"]},
            "tableFilterPattern": {"includes": ["^orders$", "customer"]}, "includeViews": True, "markDeletedTables": True}}}),
    "scan without a depot": ("workflow", "scanner:2.0", {}, {
        "type": "bigquery", "source": "legacysales",
        "sourceConnection": {"config": {"type": "BigQuery", "credentials": {"gcsConfig": GCS}}}}),
    "product scan": ("workflow", "scanner:2.0", {}, {
        "type": "data-product", "sourceConfig": {"config": {
            "type": "DataProduct", "markDeletedDataProducts": True, "dataProductFilterPattern": {"includes": ["^o$"]}}}}),
    "user scan": ("workflow", "scanner:1.0", {}, {"type": "users"}),
    "indexer": ("worker", "scanner:2.0", {}, {"type": "worker", "worker": "soda_indexer"}),
    "batch copy": ("workflow", "nilus:1.0", {}, {
        "source": {"address": "dataos://retaildb", "options": {
            "source-table": "public.orders", "primary-key": "order_id", "incremental-key": "updated_at",
            "page-size": 1000, "mask": {"email": "hash", "amount": "round:2"}, "type-hints": {"amount": "text"}}},
        "sink": {"address": "dataos://lake?acl=rw", "options": {
            "dest-table": "sales.orders", "incremental-strategy": "merge", "staging-bucket": "b",
            "partition-by": [{"column": "day", "type": "month", "name": "m", "index": 1},
                             {"column": "id", "type": "bucket", "name": "b", "bucket-count": 8}]}}}),
    "changes": ("service", "nilus:3.0", {"servicePort": 9010}, {
        "source": {"address": "dataos://retaildb", "options": {
            "engine": "debezium", "table.include.list": "public.customers", "topic.prefix": "shop", "slot.name": "c1",
            "heartbeat.interval.ms": 60000}},
        "sink": {"address": "dataos://lake", "options": {"dest-table": "raw_shop", "incremental-strategy": "append"}}}),
    "copy of a service": ("workflow", "nilus", {"dataosSecrets": [{"name": "pay"}]}, {
        "source": {"address": "stripe://?api_key={PAY_KEY}", "options": {"source-table": "charge"}},
        "sink": {"address": f"postgresql://u:{SECRET}@pg.example/shop", "options": {
            "dest-table": "raw.charge", "incremental-strategy": "replace"}}}),
    "dbt": ("workflow", "dbt+python:1.0", {}, {
        "profiles": {"retail": {"target": "dev", "outputs": {
            "dev": {"type": "postgres", "host": "h", "port": 5432, "user": "u", "password": SECRET, "threads": 4},
            "prod": {"type": "trino", "password": "{{ env_var('PW') }}", "threads": 2}}}},
        "dbt_project": {"name": "retail", "version": "1.0.0", "config-version": 2, "profile": "retail",
                        "model-paths": ["models"], "target-path": "target", "clean-targets": ["target"],
                        "vars": {"a": 1}, "models": {"retail_models": {"+materialized": "view"}}},
        "dbt_packages": {"packages": [{"git": "https://git.example/retail/models.git", "revision": "v2"}]},
        "commands": ["deps", "dbt run --select marts"]}),
    "toolbox": ("workflow", "toolbox", {}, {
        "dataset": "dataos://lakehouse:retail/orders", "action": {"name": "set_version", "value": "latest"}}),
    "fastfun": ("worker", "fastfun+alpha:2.0", {}, {
        "input": {"datasets": ["dataos://bus:default/orders"], "options": {
            "subscriptionPosition": "EARLIEST", "subscriptionName": "s", "processingGuarantees": "ATLEAST_ONCE",
            "cleanupSubscription": True}},
        "output": {"datasets": ["dataos://lakehouse:raw/orders?acl=rw"], "options": {
            "commitInterval": "30", "recordsPerCommit": 1000, "iceberg.properties": {"write.format.default": "parquet"}}}}),
    "pulsar function": ("worker", "pulsar-function+lakehouse-sink:3.0", {}, {
        "input": {"datasets": ["dataos://bus:default/orders"]}, "output": {"datasets": ["dataos://lakehouse:raw/orders"]}}),
    "lakesearch": ("service", "lakesearch:6.0", {"servicePort": 4080}, {}),
    "resource": ("workflow", "dataos-resource+apply:1.0", {}, {}),
}  # fmt: skip
