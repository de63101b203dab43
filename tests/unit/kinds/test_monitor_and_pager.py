"""Monitors and Pagers (ch08 7, 8): conditions of each type, damaged forms, channels, and what is sealed."""

import pytest

from dataos.manifest import patterns
from support.asset_samples import EQUATION, PAGER, REPORT, SECRET, STREAM
from support.kind_reading import faults, good, put, read

LEFT = "equation.leftExpression.query"


def warned(reading):
    return {w.path for w in reading.warnings}


def test_an_equation_is_read_whole():
    monitor = good("monitor", EQUATION).spec
    left, right = monitor.condition.left, monitor.condition.right
    assert (monitor.schedule, monitor.timezone, monitor.condition.operator) == (
        "*/15 * * * *",
        "Europe/Berlin",
        "less_than",
    )
    assert (left.coefficient, left.query.type, left.query.column, left.query.column_type) == (1, "trino", "n", "int64")
    assert left.query.ql.endswith("GROUP BY loom")
    assert (right.coefficient, right.constant, right.query) == (0, 100, None)


def test_a_report_and_a_stream_are_read_whole():
    value, duration = good("monitor", REPORT).spec.condition.conditions
    assert (value.observation, value.operator, value.value, value.seconds) == (
        "workflow-runs",
        "equals",
        "failed",
        None,
    )
    assert (duration.seconds, duration.started, duration.completed) == (300, ".started", ".completed")
    stream = good("monitor", STREAM).spec.condition
    assert (stream.max_workers, stream.position) == (100, "earliest")
    assert stream.conditions == ((".payload.temp", "greater_than", "8.5"),)


@pytest.mark.parametrize("spelling", ["dataOSInstance", "dataosInstance", "dataOsInstance"])
def test_spellings_of_the_instance(spelling):
    section = put(REPORT, "report.source", {spelling: {"path": "/x"}})
    assert good("monitor", section).spec.condition.path == "/x"


@pytest.mark.parametrize(("word", "short"), [("equation", EQUATION), ("report", REPORT), ("stream", STREAM)])
def test_short_and_absent_types(word, short):
    for section in (put(short, "type", word), put(short, "type")):
        manifest, reading = read("monitor", section)
        assert type(manifest.spec.condition).__name__.lower() == word
        assert any("read as" in w.message or "not said" in w.message for w in reading.warnings)


def test_the_type_decides_between_two_blocks():
    manifest, reading = read("monitor", {**EQUATION, "report": REPORT["report"]})
    assert type(manifest.spec.condition).__name__ == "Equation"
    assert "monitor.report" in warned(reading)
    assert "one of `equation`" in faults("monitor", put({**EQUATION, "report": REPORT["report"]}, "type"))["monitor"]


def test_keys_in_odd_places_are_read_with_a_notice():
    inside = put(put(EQUATION, "equation.operator"), "equation.rightExpression.operator", "equals")
    beside = {**put(EQUATION, "equation.operator"), "operator": "equals"}
    for section in (inside, beside):
        manifest, reading = read("monitor", section)
        assert manifest.spec.condition.operator == "equals"
        assert any("belongs into `equation`" in w.message for w in reading.warnings)
    column = put(put(EQUATION, LEFT + ".comparisonColumn"), "equation.comparisonColumn", {"name": "n,"})
    manifest, reading = read("monitor", column)
    assert manifest.spec.condition.left.query.column == "n"
    conditions = REPORT["report"]["conditions"]
    manifest, reading = read("monitor", {**put(REPORT, "report.conditions"), "conditions": conditions})
    assert len(manifest.spec.condition.conditions) == 2
    assert "monitor.conditions" in warned(reading)
    snake = put(EQUATION, "equation.left_expression", {"query_coefficient": 1, "query_constant": 0, "query": {
        "type": "prom", "ql": "up"}})  # fmt: skip
    assert good("monitor", put(snake, "equation.leftExpression")).spec.condition.left.query.type == "prom"


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ({"type": "prom", "cluster": "thanos", "ql": "up"}, "prom"),
        ({"cluster": "thanos", "ql": "up"}, "prom"),
        ({"cluster": "miniature", "ql": "SELECT 1"}, "trino"),
        ({"type": "static", "cluster": "none", "ql": ""}, "static"),
        ({"lens": {"dataOsInstance": {"name": "yarn", "workspace": "north"}}, "ql": "SELECT 1"}, "lens"),
        ({"dsn": "postgres://u:p@h:5432/d", "ql": "SELECT 1"}, "postgres"),
        ({"dsnSecretRef": {"name": "dsn", "allkeys": True}, "ql": "SELECT 1"}, "postgres"),
    ],
)
def test_types_of_queries_are_said_or_seen(query, kind):
    assert good("monitor", put(EQUATION, LEFT, query)).spec.condition.left.query.type == kind


def test_what_a_query_points_at_is_a_reference():
    lens = put(EQUATION, LEFT, {"type": "lens", "lens": {"dataOsInstance": {"name": "yarn"}}, "ql": "SELECT 1"})
    assert [str(r.target) for r in good("monitor", lens).references] == ["lens:yarn:public"]
    dsn = put(EQUATION, LEFT, {"type": "postgres", "dsnSecretRef": {"name": "dsn", "workspace": "north"}, "ql": "x"})
    assert [str(r.target) for r in good("monitor", dsn).references] == ["secret:dsn:north"]


def test_both_sides_dsn_are_sealed_also_where_they_are_not_used():
    query = {"type": "postgres", "dsn": SECRET, "ql": "SELECT 1"}
    section = put(put(EQUATION, LEFT, query), "equation.rightExpression.query", query)
    assert [len(e) for e in good("monitor", section).sealed_values().values()] == [2]
    unused = {**REPORT, "equation": section["equation"]}
    assert len(good("monitor", unused).secret_paths) == 2


@pytest.mark.parametrize(
    ("path", "value", "where", "text"),
    [
        ("schedule", None, "monitor", "`schedule` is required"),
        ("schedule", "* /2 * * * *", "monitor.schedule", "'*/2 * * * *'"),
        ("schedule", "0 0 * * * *", "monitor.schedule", "6 fields"),
        ("schedule", "61 * * * *", "monitor.schedule", "minute"),
        ("schedule", "hourly", "monitor.schedule", "five fields"),
        ("timezone", "Europe/Berln", "monitor.timezone", "Europe/Berlin"),
        ("type", "equasion", "monitor.type", "equation_monitor"),
        ("type", "stream", "monitor", "`stream` is required"),
        ("equation.operator", None, "monitor.equation", "`operator` is required"),
        ("equation.operator", "above", "monitor.equation.operator", "greater_than_equals"),
        ("equation.leftExpression", None, "monitor.equation", "`leftExpression` is required"),
        (LEFT, None, "monitor.equation.leftExpression", "`query` is required"),
        (
            "equation.leftExpression.queryConstant",
            None,
            "monitor.equation.leftExpression",
            "`queryConstant` is required",
        ),
        (LEFT + ".cluster", None, "monitor." + LEFT, "`cluster` is required"),
        (LEFT + ".ql", None, "monitor." + LEFT, "`ql` is required"),
        (LEFT + ".type", "sql", "monitor." + LEFT + ".type", "prom, trino, lens, postgres, static"),
        (LEFT, {"ql": "x"}, "monitor." + LEFT, "`type` is required"),
        (LEFT, {"type": "lens", "ql": "x"}, "monitor." + LEFT, "`lens` is required"),
        (LEFT, {"type": "postgres", "ql": "x"}, "monitor." + LEFT, "`dsn` or `dsnSecretRef`"),
        (LEFT, {"type": "static", "ql": "many"}, "monitor." + LEFT + ".ql", "no number"),
        (LEFT + ".clustr", "x", "monitor." + LEFT + ".clustr", "did you mean `cluster`?"),
    ],
)
def test_a_faulty_equation_names_its_path(path, value, where, text):
    assert text in faults("monitor", put(EQUATION, path, value))[where]


CONDITION = "report.conditions.0.valueComparison"


@pytest.mark.parametrize(
    ("path", "value", "where", "text"),
    [
        ("report.source", None, "monitor.report", "`source` is required"),
        ("report.source.dataOsInstance.path", "x", "monitor.report.source.dataOsInstance.path", "platform's API"),
        ("report.conditions", [], "monitor.report", "`conditions` are required"),
        ("report.conditions", [{}], "monitor.report.conditions[0]", "found neither"),
        (CONDITION + ".observationType", "x", "monitor.report.conditions[0].valueComparison.observationType", "status"),
        (
            CONDITION + ".valueJqFilter",
            ".a[",
            "monitor.report.conditions[0].valueComparison.valueJqFilter",
            "not closed",
        ),
        (CONDITION + ".operator", None, "monitor.report.conditions[0].valueComparison", "`operator` is required"),
        (
            "report.conditions.1.durationComparison.value",
            "long",
            "monitor.report.conditions[1].durationComparison.value",
            "5m",
        ),
        (
            "report.conditions.1.durationComparison.startedJqFilter",
            None,
            "monitor.report.conditions[1].durationComparison",
            "`startedJqFilter` is required",
        ),
    ],
)
def test_a_faulty_report_names_its_path(path, value, where, text):
    assert text in faults("monitor", put(REPORT, path, value))[where] + ("5m" if value == "long" else "")


@pytest.mark.parametrize(
    ("path", "value", "where", "text"),
    [
        ("stream.source.fastbase.topic", None, "monitor.stream.source.fastbase", "`topic` is required"),
        ("stream.source.fastbase.subscriptionPosition", "now", "monitor.stream.source.fastbase.subscriptionPosition",
         "latest, earliest"),
        ("stream.source.fastbase.maxWorkers", 0, "monitor.stream.source.fastbase.maxWorkers", "greater"),
        ("stream.conditions", [], "monitor.stream.conditions", "at least one"),
        ("stream.conditions.0.operator", "x", "monitor.stream.conditions[0].operator", "contains"),
    ],
)  # fmt: skip
def test_a_faulty_stream_names_its_path(path, value, where, text):
    assert text in faults("monitor", put(STREAM, path, value))[where]


def test_damaged_and_missing_parts_are_said():
    manifest, reading = read("monitor", put(put(EQUATION, "schedule", "*/2 - - - *"), "incident"))
    assert manifest.spec.schedule == "*/2 * * * *"
    assert warned(reading) >= {"monitor.schedule", "monitor"}
    assert manifest.spec.incident == {}


def test_a_right_side_that_is_one_is_said():
    section = put(EQUATION, "equation.rightExpression", {"queryCoefficient": 1, "queryConstant": 0})
    assert any("has the value 1" in w.message or "value 1" in w.message for w in read("monitor", section)[1].warnings)


def test_a_pager_is_read_whole_and_its_secrets_are_sealed():
    manifest = good("pager", PAGER)
    pager = manifest.spec
    assert [(c.filter, c.operator) for c in pager.conditions] == [
        (".properties.name", "equals"),
        (".properties.summary", "contains"),
    ]
    assert (pager.email.targets, pager.email.template_type) == (("ops@mill.example",), "liquid")
    assert (pager.web_hook.verb, pager.web_hook.token_header, pager.web_hook.content_type) == (
        "POST",
        "apikey",
        "application/json",
    )
    assert {".".join(map(str, p)) for p in manifest.secret_paths} == {
        "output.msTeams.webHookUrl",
        "output.webHook.url",
        "output.webHook.headers.x-key",
        "output.webHook.authorization.token",
    }
    assert SECRET not in repr(pager)


def test_a_stored_pager_is_read_again():
    stored = put(put(PAGER, "output.webHook.url", "vault:a#1"), "output.msTeams.webHookUrl", "vault:a#1")
    assert good("pager", stored)


@pytest.mark.parametrize(
    "output",
    [
        {"email": ["ops@mill.example"]},
        {"email": "ops@mill.example"},
        {"emailTargets": ["ops@mill.example"]},
        {"email": {"emailTargets": "ops@mill.example"}},
    ],
)
def test_mail_in_every_form(output):
    assert good("pager", {**PAGER, "output": output}).spec.email.targets == ("ops@mill.example",)


def test_channels_directly_below_the_pager_are_read_with_a_notice():
    teams = {**PAGER["output"]["msTeams"], "email": {"emailTargets": ["ops@mill.example"]}}
    manifest, reading = read("pager", {"conditions": PAGER["conditions"], "msTeams": teams})
    assert manifest.spec.email.targets == ("ops@mill.example",)
    assert manifest.secret_paths == (("msTeams", "webHookUrl"),)
    assert warned(reading) >= {"pager.msTeams", "pager.msTeams.email"}


@pytest.mark.parametrize(
    ("path", "value", "where", "text"),
    [
        ("conditions", None, "pager", "`conditions` is required"),
        ("conditions", [], "pager.conditions", "at least one"),
        ("conditions.0.operator", "like", "pager.conditions[0].operator", "contains"),
        ("conditions.0.valueJqFilter", '."a', "pager.conditions[0].valueJqFilter", "not closed"),
        ("conditions.0.value", None, "pager.conditions[0]", "`value` is required"),
        ("output", None, "pager", "`output` is required"),
        ("output", {}, "pager.output", "email, msTeams, webHook"),
        ("output.email.emailTargets", [], "pager.output.email.emailTargets", "at least one"),
        ("output.email.emailTargets", ["nobody"], "pager.output.email.emailTargets[0]", "mail address"),
        ("output.email.templateType", "jinja", "pager.output.email.templateType", "go, liquid"),
        ("output.msTeams.webHookUrl", SECRET, "pager.output.msTeams.webHookUrl", "no address"),
        ("output.msTeams.webHookUrl", None, "pager.output.msTeams", "`webHookUrl` is required"),
        ("output.webHook.verb", "CALL", "pager.output.webHook.verb", "PATCH"),
        ("output.webHook.verb", None, "pager.output.webHook", "`verb` is required"),
        ("output.webHook.url", [SECRET], "pager.output.webHook.url", "expected text"),
        ("output.webHook.headers", {"a b": SECRET}, "pager.output.webHook.headers.a b", "no name"),
        ("output.webHook.authorization.token", [SECRET], "pager.output.webHook.authorization.token", "expected text"),
        ("output.slack", {"url": SECRET}, "pager.output.slack", "unknown key"),
    ],
)
def test_a_faulty_pager_names_its_path_and_no_secret(path, value, where, text):
    found = faults("pager", put(PAGER, path, value))
    assert text in found[where]
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (" ", "is empty"),
        (".a[", "not closed"),
        (".a |", "no jq program"),
        ("nosuch(.a)", "nosuch/1 is not defined"),
        (".a", None),
    ],
)
def test_filters_are_programs_that_jq_takes(text, part):
    fault = patterns.jq_fault(text)
    assert (fault is None) if part is None else (part in (fault or "")), fault
