"""Whole sections of depots, secrets, and of the governance, observability, semantic and product kinds.

`SECRET` marks each value that must be sealed: tests walk all forms for it.
"""

from __future__ import annotations

from typing import Any

SECRET = "s3cr3t-canary"

REFS = [{"name": "mill-r", "allkeys": True}, {"name": "mill-rw", "allKeys": True}]

LOCATIONS: dict[str, dict[str, Any]] = {
    "ABFSS": {"account": "millacct", "container": "looms", "relativePath": "/raw/", "format": "delta"},
    "WASBS": {"account": "millacct", "container": "looms", "relativePath": "in", "format": "CSV"},
    "S3": {
        "scheme": "s3a",
        "bucket": "mill-lake",
        "relativePath": "/curated",
        "format": "ICEBERG",
        "icebergCatalogType": "hadoop",
        "region": "eu-north-1",
        "endpoint": "store.mill.internal:9000",
    },
    "GCS": {"bucket": "mill-photos", "relativePath": "/yarn"},
    "FILE": {"path": "/srv/mill", "format": "csv"},
    "BIGQUERY": {"project": "mill-analytics", "temporaryBucket": "mill-tmp", "params": {"location": "EU"}},
    "REDSHIFT": {"host": "rs.mill.internal", "database": "dev", "bucket": "mill-stage", "relativePath": "rs/tmp"},
    "SNOWFLAKE": {
        "warehouse": "LOOM_WH",
        "url": "https://mill.snowflakecomputing.com/",
        "database": "YARN",
        "account": "MILL",
        "schema": "PUBLIC",
    },
    "JDBC": {"subprotocol": "sqlserver", "host": "sql.mill.internal", "port": 1433, "database": "erp"},
    "POSTGRESQL": {"host": "pg.mill.internal", "database": "orders", "params": {"sslmode": "disable"}},
    "MYSQL": {"host": "my.mill.internal", "params": {"tls": "skip-verify"}},
    "MSSQL": {"host": "sql.mill.internal", "database": "erp", "params": {"encrypt": False}},
    "ORACLE": {"subprotocol": "oracle:thin", "host": "ora.mill.internal", "port": 1521, "service": "PRICES"},
    "MONGODB": {
        "subprotocol": "mongodb",
        "nodes": ["m1.mill.internal:27017", "m2.mill.internal"],
        "params": {"tls": 1},
    },
    "ELASTICSEARCH": {"nodes": ["es.mill.internal:9200", "https://es2.mill.internal:9200"]},
    "OPENSEARCH": {"nodes": ["os.mill.internal:9200"]},
    "KAFKA": {"brokers": ["k1.mill.internal:9092"], "schemaRegistryUrl": "http://sr.mill.internal:8081"},
    "EVENTHUB": {"endpoint": "sb://mill-iot.servicebus.windows.net/"},
    "PULSAR": {
        "adminUrl": "http://pulsar.mill.internal:8080",
        "serviceUrl": "pulsar+ssl://pulsar.mill.internal:6651",
        "tenant": "public",
    },
    "REDIS": {"host": "cache.mill.internal", "port": 6379, "db": 2},
    "HTTP": {"baseUrl": "https://files.mill.internal", "headers": {"accept": "text/csv"}, "queryParams": {"v": 2}},
    "PRESTO": {"host": "presto.mill.internal", "port": 8080, "catalog": "hive", "schema": "default"},
}

LOGIN = {"username": SECRET, "password": SECRET}

CREDENTIALS: dict[str, dict[str, Any]] = {
    "a list with data": {"connectionSecret": [{"acl": "rw", "type": "key-value-properties", "data": LOGIN}]},
    "values": {"connectionSecret": [{"acl": "rw", "values": LOGIN}]},
    "another spelling of the list": {"connectionSecrets": [{"acl": "r", "data": LOGIN}, {"acl": "rw", "data": LOGIN}]},
    "keys beside an empty data": {"connectionSecret": [{"acl": "rw", "data": None, **LOGIN}]},
    "one mapping": {"connectionSecret": {"acl": "rw", "data": LOGIN}},
    "inline among references": {"secrets": [{"name": "mill-r"}, {"acl": "rw", "data": LOGIN}]},
    "an empty reference list": {"secrets": None, "connectionSecret": [{"acl": "rw", "data": LOGIN}]},
}

ACCESS: dict[str, Any] = {
    "access": {
        "collection": "default",
        "subjects": {"tags": [["roles:id:weaver", "roles:id:north"], ["roles:id:auditor"]]},
        "predicates": ["read", "select"],
        "objects": {"paths": ["dataos://lakehouse:yarn/*"]},
        "allow": True,
    }
}

MASKS: dict[str, dict[str, Any]] = {
    "hash": {"operator": "hash", "hash": {"algo": "sha256"}},
    "redact": {"operator": "redact"},
    "redact with a text": {"operator": "redact", "redact": {"replacement": "HIDDEN"}},
    "bucket_number": {"operator": "bucket_number", "bucket_number": {"buckets": [60, 18, 30.5]}},
    "bucket_date": {"operator": "bucket_date", "bucket_date": {"precision": "quarter"}},
    "rand_pattern": {"operator": "rand_pattern", "rand_pattern": {"pattern": "??-####"}},
    "rand_regexify": {"operator": "rand_regexify", "rand_regexify": {"pattern": "[A-Z]{2}[0-9]{4}"}},
    "regex_replace": {"operator": "regex_replace", "regex_replace": {"pattern": "[0-9](?=.*.{4})", "replacement": ""}},
    "pass_through": {"operator": "pass_through"},
}

MASK: dict[str, Any] = {
    "data": {
        "type": "mask",
        "priority": 40,
        "depot": "lakehouse",
        "collection": "yarn",
        "dataset": "weavers",
        "selector": {"user": {"match": "any", "tags": ["roles:id:user"]}, "column": {"tags": ["PII.Age"]}},
        "mask": MASKS["bucket_number"],
    }
}

FILTER: dict[str, Any] = {
    "data": {
        "type": "filter",
        "dataset_id": "lakehouse.yarn.orders",
        "selector": {"user": {"match": "all", "tags": ["roles:id:weaver", "roles:id:north"]}},
        "filters": [
            {"column": "region", "operator": "equals", "value": "NORTH"},
            {"column": "mill", "valueFrom": {"user_attribute": "mill"}},
        ],
    }
}

GRANT: dict[str, Any] = {
    "policy_use_case_id": "read-yarn",
    "subjects": ["users:id:weaver-1", "roles:id:**"],
    "values": {"table-read": [{"catalog": "lakehouse", "schema": "yarn"}], "cluster-use": {"cluster": "miniature"}},
    "notes": "needs the order book",
    "approve": True,
}

EQUATION: dict[str, Any] = {
    "schedule": "*/15 * * * *",
    "timezone": "Europe/Berlin",
    "type": "equation_monitor",
    "equation": {
        "leftExpression": {
            "queryCoefficient": 1,
            "queryConstant": 0,
            "query": {
                "type": "trino",
                "cluster": "miniature",
                "ql": "SELECT loom, count(*) AS n FROM lakehouse.yarn.orders GROUP BY loom;",
                "comparisonColumn": {"name": "n", "dataType": "int64"},
            },
        },
        "rightExpression": {"queryCoefficient": 0, "queryConstant": 100},
        "operator": "less_than",
    },
    "incident": {"name": "orders-low", "severity": "high"},
}

REPORT: dict[str, Any] = {
    "schedule": "*/5 * * * *",
    "type": "report_monitor",
    "report": {
        "source": {"dataOsInstance": {"path": "/collated/api/v1/reports/resources/status?id=workflow:v1:%25:public"}},
        "conditions": [
            {
                "valueComparison": {
                    "observationType": "workflow-runs",
                    "valueJqFilter": '.value[] | select(.phase == "failed") | .phase',
                    "operator": "equals",
                    "value": "failed",
                }
            },
            {
                "durationComparison": {
                    "observationType": "runtime",
                    "selectorJqFilter": ".value[]",
                    "startedJqFilter": ".started",
                    "completedJqFilter": ".completed",
                    "operator": "greater_than",
                    "value": "5m",
                }
            },
        ],
    },
    "incident": {"name": "slow"},
}

STREAM: dict[str, Any] = {
    "schedule": "* * * * *",
    "type": "stream_monitor",
    "stream": {
        "source": {"fastbase": {"topic": "persistent://public/default/looms", "subscriptionPosition": "earliest"}},
        "conditions": [{"valueJqFilter": ".payload.temp", "operator": "greater_than", "value": 8.5}],
    },
    "incident": {"name": "warm"},
}

PAGER: dict[str, Any] = {
    "conditions": [
        {"valueJqFilter": ".properties.name", "operator": "equals", "value": "orders-low"},
        {"valueJqFilter": ".properties.summary", "operator": "contains", "value": "yarn"},
    ],
    "output": {
        "email": {"emailTargets": ["ops@mill.example"], "templateType": "liquid", "bodyTemplate": "<p>late</p>"},
        "msTeams": {"webHookUrl": f"https://chat.mill.example/{SECRET}"},
        "webHook": {
            "url": f"https://hooks.mill.example/{SECRET}",
            "verb": "post",
            "headers": {"content-type": "application/json", "x-key": SECRET},
            "authorization": {"token": SECRET, "customHeader": "apikey"},
            "bodyTemplate": '{"text": "{{ .Monitor.Name }}"}',
        },
    },
}

LENS: dict[str, Any] = {
    "compute": "runnable-default",
    "runAsUser": "modeler",
    "runAsApiKey": SECRET,
    "secrets": [{"name": "git-read-r", "allKeys": True}],
    "source": {"type": "depot", "name": "orders"},
    "repo": {
        "url": "https://git.mill.example/yarn/yarn-product",
        "lensBaseDir": "yarn-product/build/model",
        "secretId": "git-read-r_r",
        "syncFlags": ["--ref=main"],
    },
    "api": {
        "replicas": 1,
        "logLevel": "info",
        "autoScaling": {"minReplicas": 1, "maxReplicas": 3, "targetCPUUtilizationPercentage": 70},
        "envs": {"LENS2_DB_TIMEOUT": 300000, "LENS2_DB_PASS": SECRET},
        "resources": {"requests": {"cpu": "200m", "memory": "256Mi"}, "limits": {"cpu": "2000m", "memory": "2048Mi"}},
        "metricEndpoint": {"port": 9090},
    },
    "worker": {"replicas": 2, "highAvailabilityConfig": {"level": "hostname", "mode": "preferred"}},
    "router": {"logLevel": "warn"},
    "metric": {"logLevel": "info"},
}

PRODUCT: dict[str, Any] = {
    "meta": {"title": "Yarn Orders", "costCentre": "4711"},
    "collaborators": [{"name": "ida", "description": "owner"}, {"name": "", "description": "consumer"}],
    "relatedDataProducts": ["data:v1beta:yarn"],
    "resource": {"refType": "dataos", "ref": "bundle:v1beta:yarn-bundle", "purpose": "ingestion"},
    "inputs": [
        {"refType": "depot", "ref": "dataos://dropzone:yarn/mills.csv?acl=r"},
        {"refType": "dataos", "ref": "dataset:lakehouse:yarn:orders.v2"},
        {"refType": "dataos", "ref": "data:v1beta:yarn"},
    ],
    "outputs": [
        {
            "refType": "dataos",
            "ref": "dataset:lakehouse:yarn:pairs",
            "checks": [{"name": "ids", "check": "missing_count(id) = 0", "category": "Completeness"}],
        }
    ],
    "ports": {
        "lens": {"ref": "lens:v1alpha:yarn-model:public", "refType": "dataos", "meta": {"a": 1}},
        "talos": [{"ref": "service:v1:yarn-api:public", "refType": "dataos"}],
        "rest": [{"url": "https://data.mill.example/lens2/api/public:yarn/v2/load"}],
        "postgres": {"host": "tcp.mill.example", "port": 6432, "params": {"ssl": True}},
    },
    "contract": {"version": "2.1.0"},
    "lifecycle": {
        "stage": "deprecated",
        "deprecatedOn": "2030-12-31",
        "retireOn": "2031-01-31",
        "replacedBy": "data:v1beta:yarn",
    },
    "slos": [
        {
            "name": "fresh",
            "category": "freshness",
            "target": 99,
            "window": "30d",
            "dataset": "dataos://lakehouse:yarn/pairs",
        }
    ],
    "support": {"channel": "#yarn", "email": "yarn@mill.example"},
    "documentation": "# Yarn",
}

OLD_PRODUCT: dict[str, Any] = {
    "domain": "weaving",
    "useCases": ["planning"],
    "resources": [
        {"refType": "dataos", "type": "workflow", "version": "v1", "name": "wf-yarn", "workspace": "public"},
        {"refType": "dataos", "type": "depot", "version": "v1", "name": "orders", "purpose": "connect"},
    ],
    "inputs": [{"refType": "dataos", "ref": "dataos://orders:public/yarn", "purpose": "source"}],
    "outputs": [{"refType": "dataos_address", "ref": "dataos://lakehouse:yarn/MASTER", "purpose": "consumption"}],
}

SECRETS: dict[str, dict[str, Any]] = {
    "key-value": {"type": "key-value", "acl": "r", "data": {"GITSYNC_USERNAME": SECRET, "GITSYNC_PASSWORD": SECRET}},
    "key-value-properties": {"type": "key-value-properties", "acl": "RW", "values": LOGIN},
    "key pair": {
        "type": "key-value-properties",
        "acl": "r",
        "data": {"username": SECRET, "auth_mode": "key-pair", "passphrase": SECRET, "key": SECRET},
    },
    "certificate": {
        "type": "certificates",
        "acl": "rw",
        "data": {"truststoreLocation": SECRET, "keystoreLocation": SECRET},
    },
    "cloud-kernel": {"type": "cloud-kernel", "acl": "r", "data": {"accesskeyid": SECRET, "secretkey": SECRET}},
    "image pull": {
        "type": "cloud-kernel-image-pull",
        "acl": "r",
        "data": {".dockerconfigjson": '{"auths": {"https://r.mill": {"username": "p", "password": "' + SECRET + '"}}}'},
    },
}


def depot(type_: str, **more: Any) -> dict[str, Any]:
    """A depot's section with its typed location and references."""
    needs = {"secrets": [dict(r) for r in REFS]} if type_ not in ("FILE", "KAFKA", "PULSAR") else {}
    return {"type": type_, "external": True, **needs, type_.lower(): dict(LOCATIONS[type_]), **more}


FORMS: dict[str, tuple[str, Any]] = {
    **{f"depot {t}": ("depot", depot(t)) for t in LOCATIONS},
    **{
        f"depot with {name}": ("depot", {"type": "MYSQL", "spec": LOCATIONS["MYSQL"], **block})
        for name, block in CREDENTIALS.items()
    },
    **{f"secret {name}": ("secret", section) for name, section in SECRETS.items()},
    **{f"instance secret {name}": ("instance-secret", [section]) for name, section in SECRETS.items()},
    "access policy": ("policy", ACCESS),
    **{f"mask {name}": ("policy", {"data": {**MASK["data"], "mask": mask}}) for name, mask in MASKS.items()},
    "filter": ("policy", FILTER),
    "grant": ("grant", GRANT),
    "equation": ("monitor", EQUATION),
    "report": ("monitor", REPORT),
    "stream": ("monitor", STREAM),
    "pager": ("pager", PAGER),
    "lens": ("lens", LENS),
}
"""Form -> type and section. Products are not among them: their section is named otherwise."""
