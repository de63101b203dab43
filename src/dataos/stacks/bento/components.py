"""Which components a stream pipeline may hold, and how they hold each other (ch05 3, 5, 16 to 19).

Tables only. The fields of a component are the engine's business; what is known here is its name, whether it takes a
mapping, a list or a text, which of its fields hold further components, and which name a shared one by its label.
"""

from __future__ import annotations

KINDS = ("input", "output", "processor", "buffer", "cache", "rate_limit", "metrics", "tracer", "scanner")

DATAOS = {
    "input": ("dataos_kafka", "dataos_depot", "dataos_sql_select"),
    "output": ("dataos_kafka", "dataos_depot"),
    "processor": ("dataos_sql_raw",),
}
"""Those that only this platform has: they reach a Depot by its address."""

_INPUTS = """
amqp_0_9 amqp_1 aws_kinesis aws_s3 aws_sqs azure_blob_storage azure_cosmosdb azure_queue_storage
azure_service_bus_queue azure_table_storage batched beanstalkd broker cassandra cockroachdb_changefeed csv cypher
discord dynamic etcd file file_tail fsevent gcp_bigquery_select gcp_cloud_storage gcp_pubsub gcp_spanner_cdc generate
grpc_client hdfs http_client http_server inproc kafka kafka_franz kubernetes_watch mongodb mqtt nanomsg nats
nats_jetstream nats_kv nats_object_store nats_stream nsq parquet pulsar read_until redis_list redis_pubsub redis_scan
redis_streams resource s2 sequence sftp socket socket_server sql_raw sql_select stdin subprocess twitter_search
websocket zmq4 zmq4n
"""
_OUTPUTS = """
amqp_0_9 amqp_1 aws_dynamodb aws_kinesis aws_kinesis_firehose aws_s3 aws_s3_stream aws_sns aws_sqs azure_blob_storage
azure_cosmosdb azure_queue_storage azure_table_storage beanstalkd broker cache cassandra couchbase cypher datadog_logs
discord drop drop_on duckdb_append dynamic elasticsearch elasticsearch_v2 fallback file gcp_bigquery
gcp_bigquery_write_api gcp_bigtable gcp_cloud_storage gcp_pubsub grpc_client hdfs http_client http_server inproc kafka
kafka_franz mongodb mqtt nanomsg nats nats_jetstream nats_kv nats_object_store nats_stream nsq opensearch pulsar pusher
questdb redis_hash redis_list redis_pubsub redis_streams reject reject_errored resource retry s2 sftp slack_webhook
snowflake_put socket splunk_hec sql sql_insert sql_raw stdout subprocess switch sync_response websocket zmq4 zmq4n
"""
_PROCESSORS = """
archive avro awk aws_bedrock_invoke aws_dynamodb_partiql aws_lambda aws_s3 azure_cosmosdb bloblang bounds_check branch
cache cached catch command compress couchbase decompress dedupe elasticsearch file for_each gcp_bigquery_select grok
group_by group_by_value http insert_part javascript jmespath jq json_schema log mapping metric mongodb msgpack mutation
nats_kv nats_object_store nats_request_reply nlp_classify_text nlp_classify_tokens nlp_extract_features
nlp_zero_shot_classify noop opensnowcat parallel parquet_decode parquet_encode parse_log processors protobuf python
rate_limit redis redis_script resource retry schema_registry_decode schema_registry_encode select_parts sentry_capture
sleep split sql sql_insert sql_raw sql_select subprocess switch sync_response template try unarchive wasm while workflow
xml
"""

_CACHES = """
aws_dynamodb aws_s3 couchbase file gcp_cloud_storage lru memcached memory mongodb multilevel nats_kv noop redis
ristretto sql ttlru
"""
_SCANNERS = """
avro chunker csv decompress json_documents lines re_match skip_bom switch tar to_the_end xml_documents
"""

NAMES: dict[str, frozenset[str]] = {
    "input": frozenset({*_INPUTS.split(), *DATAOS["input"]}),
    "output": frozenset({*_OUTPUTS.split(), *DATAOS["output"]}),
    "processor": frozenset({*_PROCESSORS.split(), *DATAOS["processor"]}),
    "buffer": frozenset({"none", "memory", "sqlite", "system_window"}),
    "cache": frozenset(_CACHES.split()),
    "rate_limit": frozenset({"local", "redis"}),
    "metrics": frozenset({"aws_cloudwatch", "influxdb", "json_api", "logger", "none", "prometheus", "statsd"}),
    "tracer": frozenset({"gcp_cloudtrace", "jaeger", "none", "open_telemetry_collector"}),
    "scanner": frozenset(_SCANNERS.split()),
}

REMOVED = {
    "conditional": "write `switch`, for errors with `check: errored()`",
    "filter": "write `mapping: root = if ... { deleted() }`",
    "process_batch": "write `processors`",
    "process_map": "write `branch`",
}
"""Processors of an older engine, with what takes their place."""

ENVELOPE: dict[str, tuple[str, ...]] = {
    "input": ("label", "type", "plugin", "processors"),
    "output": ("label", "type", "plugin", "processors"),
    "processor": ("label", "type", "plugin"),
    "cache": ("label", "type", "plugin"),
    "rate_limit": ("label", "type", "plugin"),
    "metrics": ("type", "plugin", "mapping"),
    "buffer": ("type", "plugin"),
    "tracer": ("type", "plugin"),
    "scanner": ("type", "plugin"),
}

TEXTS = frozenset({"mapping", "bloblang", "mutation", "inproc", "resource", "reject"})
"""Components that are a text alone."""

LISTS: dict[str, frozenset[str]] = {
    "processor": frozenset({"for_each", "try", "catch", "processors", "switch", "group_by"}),
    "output": frozenset({"fallback"}),
    "cache": frozenset({"multilevel"}),
    "scanner": frozenset({"switch"}),
}
"""Components that are a list."""

CHILDREN: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("input", "broker"): (("inputs![]", "input"),),
    ("input", "sequence"): (("inputs![]", "input"),),
    ("input", "batched"): (("child!", "input"), ("policy.processors", "processors")),
    ("input", "read_until"): (("input!", "input"),),
    ("input", "dynamic"): (("inputs{}", "input"),),
    ("output", "broker"): (("outputs![]", "output"),),
    ("output", "switch"): (("cases![].output!", "output"),),
    ("output", "fallback"): (("[]", "output"),),
    ("output", "drop_on"): (("output!", "output"),),
    ("output", "retry"): (("output!", "output"),),
    ("output", "reject_errored"): (("", "output"),),
    ("output", "dynamic"): (("outputs{}", "output"),),
    ("processor", "branch"): (("processors!", "processors"),),
    ("processor", "workflow"): (("branches{}.processors!", "processors"),),
    ("processor", "switch"): (("[].processors", "processors"),),
    ("processor", "group_by"): (("[].processors", "processors"),),
    **{("processor", name): (("", "processors"),) for name in ("for_each", "try", "catch", "processors")},
    **{("processor", name): (("processors!", "processors"),) for name in ("parallel", "while", "retry", "cached")},
    ("buffer", "memory"): (("batch_policy.processors", "processors"),),
    ("buffer", "sqlite"): (("pre_processors", "processors"), ("post_processors", "processors")),
    ("scanner", "decompress"): (("into", "scanner"),),
    ("scanner", "skip_bom"): (("into", "scanner"),),
    ("scanner", "switch"): (("[].scanner!", "scanner"),),
}
"""Where a component holds others: a place (`[]` every item, `{}` every value, `!` required) and their kind."""

COMMON_CHILDREN: dict[str, tuple[tuple[str, str], ...]] = {
    "input": (("batching.processors", "processors"), ("scanner", "scanner")),
    "output": (("batching.processors", "processors"),),
}
"""The same for every component of a kind."""

REFERENCES: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("input", "resource"): (("", "input"),),
    ("output", "resource"): (("", "output"),),
    ("processor", "resource"): (("", "processor"),),
    ("processor", "cache"): (("resource!", "cache"),),
    ("processor", "cached"): (("cache!", "cache"),),
    ("processor", "dedupe"): (("cache!", "cache"),),
    ("processor", "rate_limit"): (("resource!", "rate_limit"),),
    ("processor", "workflow"): (("branch_resources[]", "processor"),),
    ("output", "cache"): (("target!", "cache"),),
    ("input", "sftp"): (("watcher.cache", "cache"),),
    ("input", "discord"): (("cache!", "cache"),),
    ("input", "twitter_search"): (("cache!", "cache"),),
    ("cache", "multilevel"): (("[]", "cache"),),
}
"""Where a component names a shared one by its label: a place and the kind of what is named."""

COMMON_REFERENCES = (("rate_limit", "rate_limit"),)
"""The same for every input, output and processor."""

_ENDING = """
aws_s3 azure_blob_storage azure_table_storage cassandra csv file gcp_bigquery_select gcp_cloud_storage hdfs mongodb
parquet read_until redis_scan sftp sql_raw sql_select stdin subprocess
"""
ENDING = frozenset(_ENDING.split())
"""Inputs that come to an end by themselves."""
