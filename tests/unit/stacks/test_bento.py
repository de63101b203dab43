"""Pipelines of the stack bento: types are told, labels and references checked, shapes of the wild put right."""

import copy

import pytest

from support.stack_reading import faults, good, notices, spec_of

DROP = {"drop": {}}
TICK = {"generate": {"mapping": "root = 1", "count": 1}}


def pipeline(*processors, **more):
    return {
        "input": TICK,
        "output": DROP,
        **more,
        **({"pipeline": {"processors": [*processors]}} if processors else {}),
    }


def fault(spec, form="stream worker", **around):
    found = faults(form, spec, **around)
    assert len(found) == 1, found
    return next(iter(found.items()))


def kept(spec, form="stream worker"):
    return good(form, spec).config


BAD = [
    ({"output": DROP}, "stackSpec", "field input is required"),
    (pipeline(inputs=1), "stackSpec.inputs", "field inputs not recognised | did you mean `input`"),
    (pipeline(input={"htp_client": {}}), "stackSpec.input.htp_client",
     "unable to infer input type from candidates: [htp_client] | did you mean `http_client`"),
    (pipeline(input={"stdin": {}, "file": {}}), "stackSpec.input", "multiple candidates 'stdin' and 'file'"),
    (pipeline(input={}), "stackSpec.input", "an explicit input type must be specified"),
    (pipeline(input="stdin"), "stackSpec.input", "expected object value, got !!str"),
    (pipeline(input={"type": "stdn"}), "stackSpec.input.type", "input type 'stdn' was not recognised"),
    (pipeline(output={"stdout": {}, "codec": "lines"}), "stackSpec.output.codec",
     "field codec is invalid when the component type is stdout (output)"),
    (pipeline({"mapping": ["root = 1"]}), "stackSpec.pipeline.processors[0].mapping", "expected string value, got !!seq"),
    (pipeline({"try": {"mapping": "x"}}), "stackSpec.pipeline.processors[0].try", "expected array value, got !!map"),
    (pipeline({"http": "http://x"}), "stackSpec.pipeline.processors[0].http", "expected object value, got !!str"),
    (pipeline({"branch": {"request_map": "root = 1"}}), "stackSpec.pipeline.processors[0].branch", "field processors is required"),
    (pipeline({"label": "A-b", "noop": {}}), "stackSpec.pipeline.processors[0].label", "invalid label 'A-b'"),
    (pipeline({"label": "_a", "noop": {}}), "stackSpec.pipeline.processors[0].label", "must not start with an underscore"),
    (pipeline({"label": "x", "noop": {}}, {"label": "x", "noop": {}}), "stackSpec.pipeline.processors[1].label",
     "collides with a previously defined label at worker.stackSpec.pipeline.processors[0].label"),
    (pipeline({"for_each": None}), "stackSpec.pipeline.processors[0].for_each", "`switch` with `check: errored()`"),
    (pipeline({"conditional": {"condition": {}}}), "stackSpec.pipeline.processors[0].conditional", "was removed"),
    (pipeline({"rate_limit": {"resource": "slow"}}), "stackSpec.pipeline.processors[0].rate_limit.resource",
     "unable to find rate_limit resource 'slow' | add it to `rate_limit_resources`"),
    (pipeline({"cached": {"cache": "c", "key": "k", "processors": [{"noop": {}}]}}),
     "stackSpec.pipeline.processors[0].cached.cache", "unable to find cache resource 'c'"),
    (pipeline({"resource": "nobody"}), "stackSpec.pipeline.processors[0].resource", "unable to find processor resource"),
    (pipeline(cache_resources=[{"memory": {}}]), "stackSpec.cache_resources[0]", "must be unique and not empty"),
    (pipeline(cache_resources={"label": "a", "memory": {}}), "stackSpec.cache_resources", "expected array value, got !!map"),
    (pipeline(buffer={"memry": {}}), "stackSpec.buffer.memry", "unable to infer buffer type"),
    (pipeline(logger={"levl": "INFO"}), "stackSpec.logger.levl", "field levl not recognised | did you mean `level`"),
    (pipeline(logger={"level": "LOUD"}), "stackSpec.logger.level", "level `LOUD` is not allowed"),
    (pipeline(http={"enabled": "maybe"}), "stackSpec.http.enabled", "expected true or false"),
    (pipeline(http={"cors": {"allowed_origins": "*"}}), "stackSpec.http.cors.allowed_origins", "expected array value"),
    (pipeline(error_handling={"strategy": "ignore"}), "stackSpec.error_handling.strategy", "none, reject, retry"),
    (pipeline(shutdown_timeout="soon"), "stackSpec.shutdown_timeout", "is no duration"),
    (pipeline(tests=[{"target_processors": "x"}]), "stackSpec.tests[0]", "field name is required"),
    (pipeline(input={"broker": {"inputs": {"stdin": {}}}}), "stackSpec.input.broker.inputs", "expected array value"),
    (pipeline(output={"switch": {"cases": [{"output": {"fille": {}}}]}}),
     "stackSpec.output.switch.cases[0].output.fille", "did you mean `file`"),
    (pipeline(output={"dataos_kafka": {}}), "stackSpec.output.dataos_kafka", "field address is required"),
    (pipeline(output={"dataos_kafka": {"address": "dataos://k:default/o?acl=rw", "topic": "x"}}),
     "stackSpec.output.dataos_kafka.topic", "`topic` comes from the Depot"),
    (pipeline(output={"dataos_kafka": {"address": "dataos://k?acl=rw"}}), "stackSpec.output.dataos_kafka.address", "names no stream"),
    (pipeline({"dataos_sql_raw": {"address": "dataos://d:public", "query": "q", "dsn": "${X:}"}}),
     "stackSpec.pipeline.processors[0].dataos_sql_raw.dsn", "`dsn` comes from the Depot"),
    (pipeline({"dataos_sql_raw": {"address": "dataos://d:public"}}),
     "stackSpec.pipeline.processors[0].dataos_sql_raw", "field query is required"),
    (pipeline(output={"dataos_depot": {"address": "dataos://b:default/o?acl=rw", "metadata": {"format": "AVRO"}}}),
     "stackSpec.output.dataos_depot.metadata", "`schema` is required with format AVRO"),
    (pipeline(output={"dataos_depot": {"address": "dataos://b:default/o?acl=rw", "metadata": {"schema": "{"}}}),
     "stackSpec.output.dataos_depot.metadata.schema", "the schema is no JSON"),
    (pipeline(output={"dataos_depot": {"address": "dataos://b:default/o?acl=rw", "metadata": {"format": "json", "titel": 1}}}),
     "stackSpec.output.dataos_depot.metadata.titel", "did you mean `title`"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "place", "words"), BAD)
def test_a_fault_is_told_in_the_engines_words(spec, place, words):
    found, text = fault(spec)
    assert found == place
    assert words in text


WILD = [
    (pipeline(output=[{"stdout": {}}]), "the list of one is read as it", {"output": {"stdout": {}}}),
    (pipeline(output=[{"stdout": {}}, DROP]), "read as a `broker`",
     {"output": {"broker": {"outputs": [{"stdout": {}}, DROP], "pattern": "fan_out"}}}),
    (pipeline(input=[TICK, {"stdin": {}}]), "read as a `broker`", {"input": {"broker": {"inputs": [TICK, {"stdin": {}}]}}}),
    (pipeline({"branch": {"request_map": "", "processors": []}, "result_map": "root = this"}), "belongs below `branch:`",
     {"pipeline": {"processors": [{"branch": {"request_map": "", "processors": [], "result_map": "root = this"}}]}}),
    (pipeline({"log": None, "level": "INFO", "message": "x"}), "belongs below `log:`",
     {"pipeline": {"processors": [{"log": {"level": "INFO", "message": "x"}}]}}),
    (pipeline(output={"broker": {"pattern": "fan_out"}, "outputs": [DROP]}), "belongs below `broker:`",
     {"output": {"broker": {"pattern": "fan_out", "outputs": [DROP]}}}),
    (pipeline(output={"type": "sync_response", "pattern": "x"}), "`pattern` has no effect", {"output": {"sync_response": {}}}),
    (pipeline(input={"http_server": {"path": "/a", "processors": [{"noop": {}}]}}), "belongs beside `http_server`",
     {"input": {"http_server": {"path": "/a"}, "processors": [{"noop": {}}]}}),
    (pipeline(input={"http_client": {"url": "http://x", "headers": {"timeout": 5}}}), "sent as a header",
     {"input": {"http_client": {"url": "http://x", "headers": {"timeout": "5"}}}}),
    (pipeline(cache_resources=[{"label": "a", "memory": {"ttl": 300}}]), "read as `default_ttl`",
     {"cache_resources": [{"label": "a", "memory": {"default_ttl": "300s"}}]}),
    (pipeline({"mapping": "meta.foo = 1"}), "write `meta x = ...`", {}),
    (pipeline({"mapping": 'root.a = "${{value}}"'}), "stays as the text `${value}`", {}),
    (pipeline(output={"dataos_kafka": {"address": "dataos://k:default/o"}}), "`?acl=rw` is taken", {}),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "words", "wanted"), WILD)
def test_shapes_of_the_wild_load_with_a_notice(spec, words, wanted):
    before = copy.deepcopy(spec)
    said = notices("stream worker", spec)
    assert len([n for n in said if words in n]) >= 1, said
    config = kept(spec)
    assert {key: config[key] for key in wanted} == wanted
    assert spec == before


def test_a_rate_limit_beside_a_mapping_or_a_plugin_comes_before_it():
    spec = pipeline(
        {"bloblang": "root = this", "rate_limit": "slow"},
        rate_limit_resources=[{"label": "slow", "type": "local", "local": {"count": "1"}}],
        output={"type": "dataos_depot", "rate_limit": "slow",
                "plugin": {"address": "dataos://b:default/o?acl=rw", "metadata": {"format": "JSON"}}},
    )  # fmt: skip
    config = kept(spec)
    first = {"rate_limit": {"resource": "slow"}}
    assert config["pipeline"]["processors"] == [first, {"bloblang": "root = this"}]
    assert config["output"]["processors"] == [first]
    assert len(notices("stream worker", spec)) == 2


PLUGINS = [
    {"type": "dataos_depot", "plugin": {"address": "dataos://b:default/o?acl=rw", "metadata": {"format": "json"}}},
    {"plugin": {"type": "dataos_depot", "address": "dataos://b:default/o?acl=rw", "metadata": {"format": "json"}}},
    {"dataos_depot": {"address": "dataos://b:default/o?acl=rw", "metadata": {"format": "json"}}},
]


@pytest.mark.parametrize("output", PLUGINS)
def test_the_depot_output_is_spelt_in_three_ways(output):
    spec = good("stream worker", pipeline(output=output))
    assert spec.config["output"] == PLUGINS[2]
    assert [(u.depot, u.dataset, u.acl) for _, u in spec.addresses] == [("b", "o", "rw")]


def test_variables_that_nothing_sets_are_named_all_at_once():
    spec = pipeline(input={"http_client": {"url": "${FEED_URL}/${PART:all}", "headers": {"key": "${FEED_KEY}"}}},
                    output={"file": {"path": '${! this.id }-${DATAOS_NAME}-${{X}}'}})  # fmt: skip
    place, text = fault(spec, envs={})
    assert place == "stackSpec.input.http_client.url"
    assert "required environment variables were not set: [FEED_URL FEED_KEY]" in text
    assert good("stream worker", spec, envs={"FEED_URL": "http://x", "FEED_KEY": "k"})
    assert good("stream worker", spec, envs={}, dataosSecrets=[{"name": "feed"}])  # its keys are not known here
    _, text = fault(spec, envs={"FEED_URL": "x"}, dataosSecrets=[{"name": "feed", "keys": ["OTHER"]}])
    assert "[FEED_KEY]" in text


def test_ports_and_paths_of_a_server_fit_the_service():
    spec = spec_of("lookup")
    assert any("listens on 9920, and the service routes to 80" in n for n in notices("lookup", spec, servicePort=80))
    around = {"ingress": {"enabled": True, "path": "/elsewhere"}}
    assert any("is asked for /elsewhere" in n for n in notices("lookup", spec, **around))
    assert notices("lookup", spec, ingress={"enabled": True, "path": "/elsewhere", "stripPath": True}) == []
    assert "metrics need another one" in str(faults("lookup", spec, metricPort=9920))


def test_what_stands_alone_in_a_process_is_not_taken_for_shared():
    said = notices("lookup", spec_of("lookup"), replicas=3)
    assert sorted(n.split(" has ")[1] for n in said) == ["a cache of its own", "a rate limit of its own"]


ENDING = [
    ({"generate": {"mapping": "root = 1"}}, False),
    ({"generate": {"mapping": "root = 1", "count": 3}}, True),
    ({"file": {"paths": ["a"]}}, True),
    ({"kafka": {"addresses": ["a:1"], "topics": ["t"]}}, False),
    ({"broker": {"inputs": [{"csv": {"paths": ["a"]}}, {"stdin": {}}]}}, True),
    ({"broker": {"inputs": [{"csv": {"paths": ["a"]}}, {"http_server": {}}]}}, False),
    ({"read_until": {"input": {"http_client": {"url": "x"}}, "check": "true"}}, True),
]


@pytest.mark.parametrize(("input_", "ends"), ENDING)
def test_a_job_whose_input_never_ends_gets_a_notice(input_, ends):
    said = notices("stream job", pipeline(input=input_))
    assert any("may never end" in n for n in said) is not ends


def test_credentials_in_clear_are_sealed_and_variables_are_not():
    spec = pipeline(
        {"http": {"url": "http://x", "basic_auth": {"username": "u", "password": "canary"}}},
        {"sql_raw": {"driver": "postgres", "dsn": "postgres://u:canary@h/d", "query": "q"}},
        input={
            "pulsar": {"url": "x", "topics": ["t"], "subscription_name": "s", "auth": {"token": {"token": "${T:}"}}}
        },
    )
    found = good("stream worker", spec).secret_paths
    assert [".".join(str(p) for p in path) for path in found] == [
        "pipeline.processors.0.http.basic_auth.password",
        "pipeline.processors.1.sql_raw.dsn",
    ]
    assert all("canary" not in n for n in notices("stream worker", spec))


def test_nested_components_are_walked_everywhere():
    bad = {"nop": {}}
    for spec in (
        pipeline({"workflow": {"branches": {"a": {"processors": [bad]}}}}),
        pipeline({"parallel": {"processors": [bad]}}),
        pipeline({"group_by": [{"check": "true", "processors": [bad]}]}),
        pipeline(input={"batched": {"child": TICK, "policy": {"processors": [bad]}}}),
        pipeline(input={**TICK, "processors": [bad]}),
        pipeline(output={"drop_on": {"output": {"kafka": {"batching": {"processors": [bad]}}}}}),
        pipeline(output={"reject_errored": {"stdout": {}, "processors": [bad]}}),
        pipeline(output={"dynamic": {"outputs": {"x": {"stdout": {}, "processors": [bad]}}}}),
        pipeline(processor_resources=[{"label": "p", "try": [bad]}]),
        pipeline(buffer={"sqlite": {"path": "x", "pre_processors": [bad]}}),
    ):
        assert "unable to infer processor type from candidates: [nop]" in str(faults("stream worker", spec)), spec
    scanner = pipeline(input={"file": {"paths": ["a"], "scanner": {"decompress": {"into": {"linse": {}}}}}})
    assert "unable to infer scanner type from candidates: [linse]" in str(faults("stream worker", scanner))
