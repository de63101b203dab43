"""Specs of the infrastructure and workload kinds: what the chapters show is understood, faults are named with their
path, several at once; what cannot run yet is said and is no fault."""

import copy

import pytest

from dataos.manifest import registry
from dataos.manifest.blocks import Scaling
from dataos.manifest.documents import read_manifest
from dataos.manifest.runnables import VolumeUse
from dataos.manifest.specs import Reading
from support.kind_reading import faults, good, put, read
from support.kind_samples import API, PIPELINE, RUN, SAMPLES, SCALING, SECRET, SPREAD, VOLUME


@pytest.mark.parametrize("form", SAMPLES)
def test_a_whole_section_is_read_and_waits_only_for_what_is_not_built(form):
    type_, section = SAMPLES[form]
    manifest, reading = read(type_, copy.deepcopy(section))
    assert manifest is not None, reading.problems
    codes = {p.code for p in manifest.unsupported}
    assert codes or registry.KINDS[type_].controller is not None
    assert codes <= {"kind.unsupported", "stack.unsupported", "manifest.unsupported"}
    if type_ != "bundle":  # what is in it may not be built
        assert ("kind.unsupported" in codes) == (registry.KINDS[type_].controller is None)


REQUIRED = {
    "service": ("stack", "servicePort", "servicePorts.0.name", "servicePorts.0.servicePort", "ingress.path",
                "autoScaling.maxReplicas", "highAvailabilityConfig.level", "highAvailabilityConfig.mode",
                "persistentVolume.name", "persistentVolume.directory", "topology.0.name", "topology.0.type",
                "dataosSecrets.0.name", "ingress.appDetailSpec.name", "ingress.appDetailSpec.path"),
    "worker": ("stack",),
    "volume": ("size", "accessMode", "type"),
    "compute": ("dataplane", "purpose", "nodePool", "nodePool.nodeSelector", "nodePool.tolerations",
                "nodePool.tolerations.0.key", "nodePool.tolerations.0.effect", "nodePool.tolerations.0.value"),
    "database": ("migrate", "migrate.includesInline"),
    "operator": ("natsClusterConfig", "natsClusterConfig.name", "natsClusterConfig.compute", "components", "resources",
                 "components.0.name", "components.0.type", "components.0.compute", "components.0.image",
                 "components.0.replicas", "components.0.ports.0.name", "components.0.ports.0.servicePort",
                 "components.0.ports.0.targetPort", "resources.0.name", "resources.0.natsApi", "enabledWorkspaces",
                 "resources.0.specSchema.jsonSchema", "resources.0.natsApi.command.stream",
                 "resources.0.natsApi.command.subject", "resources.0.natsApi.query.subject",
                 "resources.0.natsApi.query.replySubject"),
    "resource": ("operator", "type", "spec"),
    "stack": ("name", "version", "reconciler", "image", "image.registry", "image.repository", "image.image", "image.tag",
              "image.auth.imagePullSecret", "secretProjection.type", "stackSpecValueSchema.jsonSchema"),
    "stack of an external object": tuple("workflowJobConfig.resourceTemplateConfig." + k for k in
                                         ("resourceTemplate", "successCondition", "failureCondition")),
    "bundle": ("schedule.initialState", "schedule.timezone", "schedule.create.0.cron", "workspaces.0.name",
               "workspaces.0.layer", "resources", "resources.0.id", "resources.0.spec",
               "resources.0.dependencyConditions.0.resourceId"),
    "minerva": ("maintenance.scalingCrons.0.cron", "minerva.depots.0.address", "minerva.catalogs.0.name",
                "minerva.catalogs.0.type", "minerva.selector.users", "minerva.selector.sources"),
    "themis": ("themis.spark.driver", "themis.spark.executor", "themis.spark.driver.memory", "themis.depots.0.address"),
    "nats": ("nats.volumeType", "nats.volumeSize", "nats.roles.0.name"),
    "hub": ("jupyterHub.oidcConfig", "jupyterHub.oidcConfig.clientId", "jupyterHub.oidcConfig.clientSecret",
            "jupyterHub.storageClass", "jupyterHub.singleUserConfig.volumeCapacity"),
    "lakehouse": ("type", "iceberg.storage.s3", "iceberg.storage.s3.bucket", "iceberg.metastore.type",
                  "iceberg.queryEngine.type", "iceberg.storage.secrets.0.name"),
    "lakehouse on gcs": ("iceberg.storage.gcs.bucket",),
}  # fmt: skip


@pytest.mark.parametrize(("form", "path"), [(form, path) for form, paths in REQUIRED.items() for path in paths])
def test_a_missing_key_is_named_where_it_should_stand(form, path):
    type_, section = SAMPLES[form]
    (where, text), *more = faults(type_, put(section, path)).items()
    assert more == []
    above = "".join(f"[{p}]" if p.isdigit() else f".{p}" for p in path.split(".")[:-1])
    assert where == type_ + above
    last = path.rpartition(".")[2]
    assert f"`{last}`" in text or last in ("memory", "value", "spec")


NEAR = {
    "service": ("replica", "servicePrt", "ingres", "autoScalling", "stackSpecs2"), "worker": ("replica", "stck"),
    "volume": ("sizes", "accesMode"), "compute": ("purpos", "nodePol"), "database": ("migrat", "computes"),
    "operator": ("componnents", "enabledWorkspce"), "resource": ("operater",), "stack": ("reconsiler", "secretProjektion"),
    "bundle": ("workspces", "propertis"), "minerva": ("maintenence",), "lakehouse": ("icberg",),
}  # fmt: skip


@pytest.mark.parametrize(("form", "key"), [(form, key) for form, keys in NEAR.items() for key in keys])
def test_a_key_near_a_known_one_is_an_error_with_a_suggestion(form, key):
    type_, section = SAMPLES[form]
    found = faults(type_, {**section, key: {}})
    assert "did you mean" in found[f"{type_}.{key}"]


BAD = [
    ("service", "servicePort", 70000, "65535"),
    ("service", "servicePort", True, "whole number"),
    ("service", "replicas", 0, "greater than or equal to 1"),
    ("service", "autoScaling.targetCPUUtilizationPercentage", 101, "100"),
    ("service", "autoScaling.minReplicas", 9, "less than minReplicas 9"),
    ("service", "servicePorts.0.servicePort", 8080, "used by servicePort already"),
    ("service", "ingress.path", "shelves", "begins with `/`"),
    ("service", "ingress.appDetailSpec", "{name:", "`ingress.appDetailSpec` is not JSON"),
    ("service", "highAvailabilityConfig.mode", "maybe", "preferred, required"),
    ("service", "highAvailabilityConfig.level", "rack", "hostname, zone, region"),
    ("service", "logLevel", "LOUD", "INFO, WARN"),
    ("service", "stack", "steampipestack:1.0", "write 9193"),
    ("service", "stack", "flare:7.0", "no serviceConfig"),
    ("service", "stack", "contaner", "did you mean `container`"),
    ("service", "configs", {"../x": "a"}, "no name of a config file"),
    ("service", "envs", {"A B": "x"}, "no name of an environment variable"),
    ("service", "persistentVolume.directory", "a/../b", "without `..`"),
    ("service", "tempVolume", "Big One", "or the name of a Volume"),
    ("service", "topology.1.dependencies", ["inn"], "did you mean `in`"),
    ("service", "dataosSecrets.0.consumptionType", "mail", "envVars, propFile, file"),
    ("service", "dataosSecrets.0.workspace", "9x", "workspace is invalid"),
    ("service", "metricPort", 0, "greater than or equal to 1"),
    ("worker", "stack", "dbt", "no workerConfig"),
    ("worker", "servicePort", 80, "a worker has no ports; use a service"),
    ("worker", "ingress", {"enabled": True}, "a worker has no ports; use a service"),
    ("volume", "size", "big", "512Mi"),
    ("volume", "size", "0", "above 0"),
    ("volume", "accessMode", "ReadSometimes", "ReadWriteOnce, ReadOnlyMany, ReadWriteMany"),
    ("volume", "type", "CloudTemp", None),
    ("compute", "purpose", "runable", "did you mean `runnable`"),
    ("compute", "nodePool.tolerations.0.effect", "NoWay", "NoSchedule, PreferNoSchedule, NoExecute"),
    ("compute", "nodePool.tolerations.0.operator", "Like", "Equal, Exists"),
    ("compute", "nodePool.tolerations.0.key", "-x", "beginning with a letter"),
    ("compute", "nodePool.tolerations.0.value", "v" * 64, "63 characters"),
    ("database", "migrate.command", "sideways", "allowed: up, down"),
    ("database", "migrate.parameter", "many", "no number of steps"),
    ("database", "migrate.includesInline", {"a.up.sql": " "}, "holds no SQL"),
    ("database", "migrate.includesInline", {"a": "x", "a.up.sql": "y"}, "two scripts go up"),
    ("operator", "components.0.type", "job", "worker, service"),
    ("operator", "components.0.replicas", 0, "at least 1"),
    ("operator", "enabledWorkspaces", ["9x"], "workspace is invalid"),
    ("operator", "resources.0.specSchema.jsonSchema", '{"type": "thing"}', "must be of null, boolean"),
    ("operator", "resources.0.specSchema.jsonSchema", "{", "not JSON"),
    ("resource", "operator", "An Op", "operator is invalid"),
    ("stack", "reconciler", "handManager", "stackManager"),
    ("stack", "version", "one", 'write "1.0"'),
    ("stack", "name", "a b", "letters, digits"),
    ("stack", "name", "flare", "built in"),
    ("stack", "secretProjection.type", "mail", "propFile, envVars"),
    ("stack", "workflowJobConfig.configFileTemplate", "{{ .A", "without its `}}`"),
    ("stack", "workflowJobConfig.configFileTemplate", "{{ if .A }}x", "without its `end`"),
    ("stack", "workflowJobConfig.configFileTemplate", "{{ end }}{{ if .A }}", "an `end` too many"),
    ("stack", "stackSpecValueSchema.jsonSchema", '{"properties": []}', "at `properties`: must be a mapping"),
    (
        "stack of an external object",
        "workflowJobConfig.resourceTemplateConfig.successCondition",
        "done",
        "no condition",
    ),
    ("minerva", "type", "trino", "minerva, themis, nats, jupyterHub"),
    ("minerva", "type", "themis", "has no place in a Cluster of type themis"),
    ("minerva", "maintenance.timezone", "Eurpoe/Berlin", "did you mean `Europe/Berlin`"),
    ("minerva", "maintenance.restartCron", "/10 * * * *", "write `*/10`"),
    ("minerva", "minerva.depots.0.address", "dataos:/x", "dataos://[depot]"),
    ("minerva", "minerva.selector.priority", 5001, "5000"),
    ("minerva", "minerva.selector.match", "some", "any, all"),
    ("minerva", "minerva.debug.trinoLogLevel", "LOUD", "INFO, DEBUG, ERROR"),
    ("minerva", "minerva.coordinatorEnvs", {"query.max": "1"}, "CONF__<file>__<key>"),
    ("themis", "themis.spark.executor.maxInstanceCount", 0, "greater than or equal to 1"),
    ("themis", "themis.spark.executor.instanceCount", 9, "less than instanceCount 9"),
    ("nats", "nats.volumeSize", "big", "512Mi"),
    ("lakehouse", "type", "delta", "allowed: iceberg"),
    ("lakehouse", "iceberg.storage.type", "ftp", "file, abfss, wasbs, s3, gcs"),
    ("lakehouse", "iceberg.storage.depotName", "a-b", "[a-z]([a-z0-9]*)"),
    ("lakehouse", "iceberg.storage.s3.format", "orc", "allowed: iceberg"),
    ("lakehouse", "iceberg.storage.s3.depotName", "other", "differs from `wool`"),
    ("lakehouse", "iceberg.queryEngine.storageAcl", "w", "allowed: r, rw"),
    ("lakehouse", "iceberg.queryEngine.type", "minerva", "allowed: themis"),
    ("lakehouse", "iceberg.metastore.type", "glue", "iceberg-rest-catalog"),
]


@pytest.mark.parametrize(("form", "path", "value", "wanted"), BAD)
def test_a_bad_value_is_named_with_what_is_allowed(form, path, value, wanted):
    type_, section = SAMPLES[form]
    found = faults(type_, put(section, path, value))
    assert len(found) == 1
    ((where, text),) = found.items()
    assert (wanted or "serves one workload") in text
    key = path.split(".")[0]
    assert where.startswith(f"{type_}.{key}") or key in ("type", "stack", "minerva"), where


def test_several_faults_come_at_once():
    section = {**SAMPLES["service"][1], "servicePort": 0, "logLevel": "x", "stack": "flar", "replicas": "many"}
    assert set(faults("service", section)) == {"service.servicePort", "service.replicas"}
    section = {**section, "servicePort": 80, "replicas": 1, "envs": {"A B": 1}, "tempVolume": "9X Y"}
    assert set(faults("service", section)) == {
        "service.logLevel", "service.stack", "service.envs.A B", "service.tempVolume"
    }  # fmt: skip


VARIANTS = [
    ("worker", {"AUTOSCALING": SCALING, "autoScaling": ...}, ["`AUTOSCALING` is read as `autoScaling`"]),
    ("worker", {"resource": {"limit": {"cpu": 1}}}, ["as `resources`", "as `limits`"]),
    ("worker", {"resources": None, "limits": {"cpu": 1}}, ["belong below `resources`"]),
    ("worker", {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": 1}}}, ["request is larger than its limit"]),
    ("worker", {"highAvailabilityConfig": {**SPREAD, "tags": ["a"]}}, ["`tags` has no effect"]),
    ("worker", {"stackSpec": {**PIPELINE, "topology": {"name": "a", "type": "input"}}}, ["belongs beside `stackSpec`"]),
    ("worker", {"compute": None}, ["`runnable-default` is used"]),
    ("service", {"ingress": {"enabled": True, "path": "/a/**"}}, ["`/a/**` is read as `/a/`"]),
    ("service", {"ingress": {"enabled": True, "path": "/a", "noAuthentication": True}}, ["without signing in"]),
    ("service", {"ingress": {"path": "/a"}}, ["it is not enabled"]),
    ("service", {"replicas": 9}, ["which win"]),
    ("stack", {"argument": ["x"], "arguments": ...}, ["`argument` is read as `arguments`"]),
    ("stack", {"serviceConfig": {"conatinerResourceTemplate": "x"}}, ["as `containerResourceTemplate`"]),
    ("stack", {"workflowJobConfig": None}, []),
    ("minerva", {"minerva": {"priority": 5, "match": "all"}}, ["`match` belongs", "`priority` belongs"]),
    ("minerva", {"runaAsUser": "x"}, ["`runaAsUser` is read as `runAsUser`", "has no effect"]),
    ("minerva", {"maintenance": {"scalingCrons": {"corn": "0 1 * * *"}}}, ["`corn` is read as `cron`"]),
    ("minerva", {"minerva": {}, "depots": [{"address": "dataos://a"}]}, ["`depots` belongs below `minerva`"]),
    ("minerva", {"minerva": {"resources": None, "limits": {"memory": "1Gi"}}}, ["belong below `resources`"]),
    ("lakehouse on gcs", {"metaStore": {"type": "iceberg-rest-catlog"}}, ["belongs below `iceberg`", "iceberg-rest-catalog`"]),
]  # fmt: skip


@pytest.mark.parametrize(("form", "changes", "wanted"), VARIANTS)
def test_what_is_spelt_otherwise_is_read_with_a_notice(form, changes, wanted):
    type_, section = SAMPLES[form]
    whole = {k: v for k, v in {**copy.deepcopy(section), **changes}.items() if v is not ...}  # `...`: taken away
    manifest, reading = read(type_, whole)
    assert manifest is not None, reading.problems
    texts = [w.message for w in reading.warnings]
    assert all(any(part in text for text in texts) for part in wanted), texts


@pytest.mark.parametrize(
    ("type_", "older", "newer"),
    [("service", "v1beta1", "v1"), ("database", "v1beta1", "v1"), ("cluster", "v1beta1", "v1")],
)
def test_superseded_versions_migrate_with_a_notice(type_, older, newer):
    section = next(s for t, s in SAMPLES.values() if t == type_)
    manifest, reading = read(type_, copy.deepcopy(section), version=older)
    assert manifest is not None
    assert manifest.version == newer
    assert f"{older} has been replaced by versions {newer}" in " ".join(w.message for w in reading.warnings)


def test_canonical_versions_stand_first_and_levels_are_the_chapters():
    found = {k.type: (k.instance_level, k.versions) for k in registry.KINDS.values()}
    assert found["worker"] == (False, ("v1beta", "v1"))
    assert found["volume"] == (False, ("v1beta", "v1"))
    assert found["resource"] == (False, ("v1alpha", "v1beta"))
    assert found["compute"] == (True, ("v1", "v1beta"))
    assert found["stack"][0] and found["operator"][0] and found["bundle"] == (True, ("v1beta", "v1alpha", "v1"))


def test_a_database_name_may_hold_an_underline():
    section = SAMPLES["database"][1]
    assert good("database", section, name="products_db").meta.name == "products_db"
    assert set(faults("volume", SAMPLES["volume"][1], name="products_db")) == {"name"}


# --- canonical values -------------------------------------------------------------------------------------------------


def test_a_service_in_canonical_form():
    spec = good("service", copy.deepcopy(SAMPLES["service"][1])).spec
    runnable = spec.runnable
    assert (spec.port, spec.ports[0].service_port, spec.replicas) == (8080, 5433, 2)
    assert spec.scaling == Scaling(1, 3, 70, None)
    assert (spec.ingress.path, spec.ingress.strip, spec.ingress.is_open) == ("/shelves", True, False)
    assert runnable.envs == {"DEEP": "true", "N": "60000"}
    assert runnable.configs == {"app.conf": "a=1"}
    assert runnable.scratch_bytes == 2 << 30
    assert runnable.volumes == (VolumeUse("wool", "/var/dataos/persistent_data/photos", "photos"),)
    assert runnable.log_level == "DEBUG"
    assert spec.ingress.tile.name == "S"


def test_scaling_without_a_target_looks_at_the_cpu():
    section = {**RUN, "autoScaling": {"enabled": True, "maxReplicas": 2}}
    assert good("worker", section).spec.scaling == Scaling(1, 2, None, 80)
    assert good("worker", {**RUN, "autoScaling": {"maxReplicas": 2}}).spec.scaling is None


REFERENCES = [
    ("service", {}, {"?secret:keys:public", "volume:wool:public"}),
    ("service", {"compute": "fs-pool", "tempVolume": "spill"}, {"?secret:keys:public", "volume:wool:public",
                                                                "compute:fs-pool", "volume:spill:public"}),
    ("worker", {"secrets": ["old", {"name": "k", "workspace": "wool"}]}, {"?secret:old:public", "secret:k:wool"}),
    ("database", {"compute": "pool"}, {"compute:pool"}),
    ("resource", {}, {"operator:parcels"}),
    ("minerva", {"compute": "pool", "dataosSecrets": [{"name": "s"}]}, {"compute:pool", "depot:wool", "?secret:s:public"}),
    ("themis", {}, {"depot:lakehouse"}),
    ("lakehouse", {}, {"?secret:wool-r:public"}),
    ("volume", {}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("form", "changes", "wanted"), REFERENCES)
def test_references_name_what_must_be_there(form, changes, wanted):
    type_, section = SAMPLES[form]
    manifest = good(type_, {**copy.deepcopy(section), **changes})
    assert {str(reference.target) for reference in manifest.references} == wanted
    assert all(reference.path[0] == type_ for reference in manifest.references)


def test_an_operators_secrets_are_instance_secrets_and_its_api_may_be_shared():
    section = put(SAMPLES["operator"][1], "resources.0.natsApi")
    section["natsApi"] = API
    section["components"][0] |= {"dataosSecrets": [{"name": "k"}], "compute": "pool"}
    manifest = good("operator", section)
    assert {str(r.target) for r in manifest.references} == {"instance-secret:k", "compute:pool"}
    assert manifest.spec.types[0].api.command.subject == "parcel"


SEALED = [
    ("service", {"RunAsAPIKey": "canary"}, {("RunAsAPIKey",)}),
    ("worker", {"runAsApiKey": "canary"}, {("runAsApiKey",)}),
    ("operator", {"natsClusterConfig": {"name": "n", "compute": "query-default", "runAsApiKey": "canary"}},
     {("natsClusterConfig", "runAsApiKey")}),
    ("minerva", {"runAsApiKey": "canary"}, {("runAsApiKey",)}),
    ("hub", {}, {("jupyterHub", "oidcConfig", "clientSecret")}),
    ("lakehouse", {"runAsApiKey": "canary"}, {("runAsApiKey",)}),
]  # fmt: skip


@pytest.mark.parametrize(("form", "changes", "wanted"), SEALED)
def test_secret_values_are_found_in_the_spelling_of_the_document(form, changes, wanted):
    type_, section = SAMPLES[form]
    assert set(good(type_, {**copy.deepcopy(section), **changes}).secret_paths) == wanted


def test_two_api_keys_of_one_cluster_are_refused():
    section = {"runAsApiKey": "a", "minerva": {"runAsApiKey": "b"}}
    assert "given twice" in faults("cluster", section)["cluster.minerva.runAsApiKey"]


def test_a_databases_scripts_in_order_with_their_directions():
    inline = {"001_a.up.sql": "A", "001_a_down.sql": "B", "090_seed": "C", "x.sql": "D"}
    spec = good("database", {"migrate": {"includesInline": inline, "parameter": 3, "command": "DOWN"}}).spec
    assert [(s.name, s.direction) for s in spec.scripts] == [
        ("001_a", "up"), ("001_a", "down"), ("090_seed", "up"), ("x", "up")
    ]  # fmt: skip
    assert (spec.steps, spec.command, spec.compute) == (3, "down", "runnable-default")
    assert good("database", {"migrate": {"includesInline": "CREATE TABLE t(a int)"}}).spec.scripts[0].name == "inline"


def test_migrate_beside_its_section_is_told_to_be_indented():
    _, reading = read("database", {"compute": "runnable-default"}, migrate={"includes": ["m/"]})
    assert any("`migrate` stands below `database:`" in w.message for w in reading.warnings)


@pytest.mark.parametrize(("name", "clouds"), [("persistent", False), ("CloudPersistent", True)])
def test_a_volume_in_canonical_form(name, clouds):
    spec = good("volume", {"size": "1Gi", "accessMode": "readwriteonce", "type": name.lower()}).spec
    assert (spec.size_bytes, spec.access_mode, spec.is_persistent, spec.is_cloud) == (
        1 << 30,
        "ReadWriteOnce",
        True,
        clouds,
    )


def test_a_samples_documents_are_whole_manifests_too():
    assert good("volume", VOLUME["volume"]).meta.name == "wool1"
    assert good("secret", SECRET["secret"]).secret_paths == (("data", "token"),)


def test_a_spec_at_the_top_is_told_to_be_indented():
    document = {"name": "s", "version": "v1", "type": "service", **RUN, "servicePort": 80}
    reading = Reading()
    assert read_manifest(document, reading) is None
    (problem,) = [p for p in reading.problems if p.code == "manifest.missing"]
    assert "`stack`, `compute`, `stackSpec`, `servicePort` at the top" in problem.hint
    assert "below `service:`" in problem.hint
