"""One good section per form of a kind, small and whole; the tests take them apart."""

RUN = {"stack": "container", "compute": "runnable-default", "stackSpec": {"image": "shop/app:1"}}
PIPELINE = {"input": {"generate": {"mapping": "root.n = 1"}}, "output": {"drop": {}}}
SPREAD = {"level": "hostname", "mode": "preferred"}
SCALING = {"enabled": True, "minReplicas": 1, "maxReplicas": 3, "targetMemoryUtilizationPercentage": 70}
SCHEMA = '{"type": "object", "required": ["day"], "properties": {"day": {"type": "string", "pattern": "^[0-9-]+$"}}}'
API = {"command": {"stream": "s", "subject": "parcel"}, "query": {"subject": "parcel.q", "replySubject": "parcel.a"}}
VOLUME = {"name": "wool", "version": "v1beta", "type": "volume",
          "volume": {"size": "1Gi", "accessMode": "ReadWriteMany", "type": "temp"}}  # fmt: skip
SECRET = {"name": "keys", "version": "v1", "type": "secret",
          "secret": {"type": "key-value", "acl": "r", "data": {"token": "t0"}}}  # fmt: skip

SAMPLES: dict[str, tuple[str, dict]] = {
    "service": ("service", {
        **RUN, "title": "Shelf finder", "servicePort": 8080, "replicas": 2, "autoScaling": SCALING,
        "servicePorts": [{"name": "sql", "servicePort": 5433}], "highAvailabilityConfig": SPREAD,
        "ingress": {"enabled": True, "path": "/shelves", "stripPath": True, "appDetailSpec": {"name": "S", "path": "/s"}},
        "configs": {"app.conf": "a=1"}, "envs": {"DEEP": True, "N": 60000}, "dataosSecrets": [{"name": "keys"}],
        "persistentVolume": {"name": "wool", "directory": "photos"}, "tempVolume": "2Gi", "logLevel": "debug",
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}},
        "topology": [{"name": "in", "type": "input"}, {"name": "out", "type": "output", "dependencies": ["in"]}],
    }),
    "worker": ("worker", {**RUN, "stack": "bento-worker:3.0", "stackSpec": PIPELINE, "replicas": 2, "autoScaling": SCALING,
                          "highAvailabilityConfig": SPREAD}),
    "volume": ("volume", {"size": "5Gi", "accessMode": "ReadWriteMany", "type": "persistent"}),
    "compute": ("compute", {"dataplane": "hub", "purpose": "runnable", "nodePool": {
        "nodeSelector": {"dataos.io/purpose": "runnable"},
        "tolerations": [{"key": "dedicated", "value": "runnable", "effect": "NoSchedule"}]}}),
    "dataplane": ("dataplane", {"region": "eu-1"}),
    "database": ("database", {"compute": "runnable-default", "migrate": {
        "command": "up", "includesInline": {"010_t.up.sql": "CREATE TABLE t(a int)", "010_t.down.sql": "DROP TABLE t"}}}),
    "operator": ("operator", {
        "natsClusterConfig": {"name": "parcels", "compute": "runnable-default"},
        "components": [{"name": "c", "type": "worker", "compute": "runnable-default", "image": "shop/op:1", "replicas": 1,
                        "ports": [{"name": "m", "servicePort": 9000, "targetPort": 9001}]}],
        "resources": [{"name": "parcel", "isRunnable": True, "specSchema": {"jsonSchema": SCHEMA}, "natsApi": API}],
        "enabledWorkspaces": ["public"]}),
    "resource": ("resource", {"operator": "parcels", "type": "parcel", "spec": {"day": "2026-01-02"}}),
    "stack": ("stack", {
        "name": "counter", "flavor": "python", "version": "1.0", "reconciler": "stackManager",
        "image": {"registry": "r", "repository": "shop", "image": "counter", "tag": "1", "auth": {"imagePullSecret": "p"}},
        "command": ["python3"], "arguments": ["count.py"], "environmentVars": {"A": 1},
        "ports": [{"name": "m", "servicePort": 9000}], "stackSpecValueSchema": {"jsonSchema": SCHEMA},
        "dataOsAddressJqFilters": [".inputs[].dataset"], "secretProjection": {"type": "envVars"},
        "workflowJobConfig": {"configFileTemplate": "job.yaml: |\n{{ if .Name }}{{ toYaml .X | indent 2 }}{{ end }}"}}),
    "stack of an external object": ("stack", {
        "name": "far", "version": "1.0", "reconciler": "StackManager", "workflowJobConfig": {"resourceTemplateConfig": {
            "resourceTemplate": "kind: Job", "successCondition": "status.a == DONE,status.b == OK",
            "failureCondition": "status.a == BAD"}}}),
    "bundle": ("bundle", {
        "schedule": {"initialState": "create", "timezone": "Europe/Lisbon", "create": [{"cron": "0 6 * * 1-5"}]},
        "workspaces": [{"name": "wool", "layer": "user", "labels": {"a": "b"}}],
        "resources": [
            {"id": "b", "workspace": "wool", "spec": SECRET, "dependencies": ["a"], "dependencyConditions": [
                {"resourceId": "a", "status": {"is": ["active"]}, "runtime": {"contains": ["running"]}}]},
            {"id": "a", "workspace": "wool", "spec": VOLUME}],
        "properties": {"costCentre": "47"}}),
    "minerva": ("cluster", {
        "type": "minerva", "compute": "query-default",
        "maintenance": {"restartCron": "30 2 * * 0", "timezone": "Europe/Berlin",
                        "scalingCrons": [{"cron": "0 8 * * MON-FRI", "replicas": 3, "resources": {"limits": {"cpu": 2}}}]},
        "minerva": {"replicas": 1, "debug": {"logLevel": "INFO", "trinoLogLevel": "ERROR"},
                    "selector": {"users": ["**"], "sources": ["Workbench/**"], "match": "", "priority": "20"},
                    "depots": [{"address": "dataos://wool?acl=r", "properties": {"a.b": 1}}],
                    "catalogs": [{"name": "m", "type": "memory", "properties": {"x": "1"}}],
                    "coordinatorEnvs": {"CONF__config__query.max-memory": "2GB"}}}),
    "themis": ("cluster", {
        "type": "themis", "themis": {
            "themisConf": {"kyuubi.operation.incremental.collect": "true"}, "depots": [{"address": "dataos://lakehouse"}],
            "spark": {"driver": {"memory": "2048M", "cores": 1}, "sparkConf": {"spark.ui.port": 4040},
                      "executor": {"memory": "2048M", "cores": 1, "instanceCount": 1, "maxInstanceCount": 4}}}}),
    "nats": ("cluster", {"nats": {"replicas": 1, "volumeType": "temp", "volumeSize": "1Gi", "maxConnections": 5,
                                  "roles": [{"name": "r", "permissions": {"publish": ["a"], "subscribe": ["b"]}}]}}),
    "hub": ("cluster", {"type": "jupyterhub", "jupyterHub": {
        "ingress": {"path": "/hub"}, "oidcConfig": {"clientId": "i", "clientSecret": "canary"}, "storageClass": "fast",
        "singleUserConfig": {"volumeCapacity": "10Gi"}}}),
    "lakehouse": ("lakehouse", {"type": "ICEBERG", "compute": "query-default", "iceberg": {
        "storage": {"type": "S3", "depotName": "wool", "s3": {"bucket": "b", "format": "Iceberg", "region": "eu"},
                    "secrets": [{"name": "wool-r", "keys": ["wool-r"]}]},
        "metastore": {"type": "iceberg-rest-catalog", "autoScaling": SCALING},
        "queryEngine": {"type": "themis", "storageAcl": "r", "themis": {"spark": {
            "driver": {"memory": "1G", "cores": 1}, "executor": {"memory": "1G", "cores": 1}}}}}}),
    "lakehouse on abfss": ("lakehouse", {"type": "iceberg", "iceberg": {"storage": {"type": "abfss", "abfss": {
        "account": "a", "container": "c", "relativePath": "/p", "endpointSuffix": "dfs.core.windows.net"}}}}),
    "lakehouse on wasbs": ("lakehouse", {"type": "iceberg", "iceberg": {"storage": {"type": "wasbs", "wasbs": {
        "account": "a", "container": "c"}}}}),
    "lakehouse on gcs": ("lakehouse", {"type": "iceberg", "iceberg": {"storage": {"type": "gcs", "gcs": {
        "bucket": "b", "icebergCatalogType": "HADOOP"}}}}),
}  # fmt: skip
