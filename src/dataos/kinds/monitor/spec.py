"""What a Monitor manifest may say (ch08 7): a condition that is looked at by a schedule, and the incident it raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, cast

from dataos.kinds.monitor.equations import Equation, EquationBlock, read_equation
from dataos.manifest import patterns, quantities, schedules
from dataos.manifest.annotations import Words, filled, needs, one_needed, rules, when
from dataos.manifest.blocks import paths_where
from dataos.manifest.documents import Context, KindReading, Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, choose, one_of, read_model, spelled, suggest
from dataos.manifest.streams import Stream, StreamBlock, check_filter, read_stream

TYPES = ("equation_monitor", "report_monitor", "stream_monitor")
OBSERVATIONS = ("runtime", "status", "state", "workflow-runs")


class Instance(Spec):
    """Where a report is asked for: a path of this installation's API."""

    path: Text


class ReportSource(Spec):
    """`report.source`."""

    dataos_instance: Instance = spelled("dataosInstance", alias="dataOsInstance")


class ValueComparison(Spec):
    """A value of an observation, compared with a text."""

    observation_type: Annotated[Text, Words(*OBSERVATIONS)]
    """Which observation."""
    value_jq_filter: Text
    """jq program that finds the value."""
    operator: Annotated[Text, Words(*patterns.OPERATORS)]
    """Comparison."""
    value: Text
    """Text to compare with."""


class DurationComparison(Spec):
    """How long something took or takes, compared with a duration such as `5m`."""

    observation_type: Annotated[Text, Words(*OBSERVATIONS)]
    """Which observation."""
    selector_jq_filter: Text
    started_jq_filter: Text
    completed_jq_filter: Text
    operator: Annotated[Text, Words(*patterns.OPERATORS)]
    """Comparison."""
    value: Text
    """Duration: `5m`."""


class ReportCondition(Spec, json_schema_extra=rules(one_needed("valueComparison", "durationComparison"))):
    """One of both."""

    value_comparison: ValueComparison | None = None
    duration_comparison: DurationComparison | None = None


class ReportBlock(Spec, json_schema_extra=rules(filled("conditions"))):
    """`report`."""

    source: ReportSource
    conditions: tuple[ReportCondition, ...] = spelled("condition", default=(), lone=True)


_BLOCKS = ("equation", "report", "stream")
_RULES = rules(one_needed(*_BLOCKS), *(when("type", f"{name}_monitor", needs(name)) for name in _BLOCKS))


class MonitorSection(Spec, json_schema_extra=_RULES):
    """The section as written. `operator` and `conditions` stray here from `equation` and `report`."""

    schedule: Text = spelled("cron")
    """When it looks (five fields)."""
    timezone: Text = spelled("timeZone", default="UTC")
    """Time zone of the expression."""
    type: (
        Annotated[
            Text,
            Words(
                *TYPES,
                also=(
                    "equation",
                    "report",
                    "stream",
                ),
            ),
        ]
        | None
    ) = None
    """What it looks at."""
    properties: dict[str, Any] = {}
    """Free properties."""
    incident: dict[str, Any] | None = None
    """What an incident says: name, severity and more."""
    equation: EquationBlock | None = None
    """Two values that are compared."""
    report: ReportBlock | None = None
    """Conditions on a status report."""
    stream: StreamBlock | None = None
    """Conditions on messages."""
    run_as_user: Text | None = None
    """User as whom it reads."""
    operator: Text | None = None
    """Old place of `equation.operator`."""
    conditions: tuple[ReportCondition, ...] = spelled("condition", default=(), lone=True)
    """Old place of `report.conditions`."""


@dataclass(frozen=True)
class ReportTest:
    """One condition. For a duration `filter` selects entries and `started`, `completed` take their times."""

    observation: str
    filter: str
    operator: str
    value: str
    started: str | None = None
    completed: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Report:
    """All conditions must hold."""

    path: str
    conditions: tuple[ReportTest, ...]


@dataclass(frozen=True)
class MonitorSpec:
    """Canonical Monitor."""

    schedule: str
    timezone: str
    condition: Equation | Report | Stream
    incident: dict[str, Any]
    properties: dict[str, Any]
    run_as_user: str | None


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical MonitorSpec. A DSN is sealed; a Lens and secrets that are named are references."""
    path: Path = (context.section,)
    before = len(reading.problems)
    data = _lift(section, reading, path)
    spec = read_model(MonitorSection, data, reading, path)
    if spec is None:
        return None
    schedule = _schedule(spec.schedule, (*path, "schedule"), reading)
    timezone = schedules.timezone(spec.timezone, (*path, "timezone"), reading)
    if spec.incident is None:
        reading.warn(
            path,
            "there is no `incident`: no Pager can tell the Monitor's incidents by their name",
            hint="write `incident: {name: ..., severity: ...}`",
        )
    chosen = _type(spec, reading, path)
    condition: Equation | Report | Stream | None = None
    references: tuple[Reference, ...] = ()
    if chosen == "equation" and spec.equation is not None:
        outcome = read_equation(spec.equation, context.workspace, (*path, "equation"), reading)
        condition, references = outcome.equation, outcome.references
    elif chosen == "report" and spec.report is not None:
        condition = _report(spec, (*path, "report"), reading)
    elif chosen == "stream" and spec.stream is not None:
        condition = read_stream(spec.stream, (*path, "stream"), reading)
    if len(reading.problems) > before or condition is None or schedule is None or timezone is None:
        return None
    canonical = MonitorSpec(
        schedule=schedule,
        timezone=timezone,
        condition=condition,
        incident=spec.incident or {},
        properties=spec.properties,
        run_as_user=spec.run_as_user or context.meta.run_as_user,
    )
    sealed = paths_where(section, lambda at: str(at[-1]).lower() == "dsn")  # also in a block that is not used
    return KindReading(canonical, references, tuple(sealed))


def _lift(section: Any, reading: Reading, path: Path) -> Any:
    """An `operator` beside `equation`, or in its right side, and a `comparisonColumn` of the equation itself."""
    if not isinstance(section, dict):
        return section
    block = dict(cast("dict[str, Any]", section))
    key = next((k for k in block if k.lower() == "equation" and isinstance(block[k], dict)), None)
    if key is None:
        return block
    equation = dict(cast("dict[str, Any]", block[key]))
    has = any(k.lower() == "operator" and equation[k] is not None for k in equation)
    for name in [k for k in equation if k.lower() in ("rightexpression", "right_expression")]:
        if isinstance(equation[name], dict):
            side = dict(cast("dict[str, Any]", equation[name]))
            for stray in [k for k in side if k.lower() == "operator"]:
                value = side.pop(stray)
                if not has:
                    equation["operator"], has = value, True
                reading.warn((*path, key, name, stray), "`operator` belongs into `equation`", code="manifest.variant")
            equation[name] = side
    for stray in [k for k in block if k.lower() == "operator"]:
        value = block.pop(stray)
        if not has:
            equation["operator"], has = value, True
        reading.warn((*path, stray), "`operator` belongs into `equation`", code="manifest.variant")
    block[key] = equation
    return block


def _schedule(text: str, path: Path, reading: Reading) -> str | None:
    """Five fields. A field that is only `-` is read as `*`; a blank before a step is found (ch08 7.6)."""
    fields = text.split()
    if "-" in fields:
        fields = ["*" if field == "-" else field for field in fields]
        reading.warn(path, f"cron `{text}`: a field `-` is read as `*`", code="manifest.variant")
    if len(fields) != 5 and any(field.startswith("/") for field in fields):
        joined = " ".join(fields).replace(" /", "/")
        reading.error(path, f"cron `{text}` has a blank before `/`", hint=f"did you mean '{joined}'?")
        return None
    return schedules.cron(" ".join(fields), path, reading, fields=(5,))


def _type(spec: MonitorSection, reading: Reading, path: Path) -> str | None:
    """`equation`, `report` or `stream`; by the block that is there if no type is said."""
    present = [name for name in ("equation", "report", "stream") if getattr(spec, name) is not None]
    if spec.type is None or not spec.type.strip():
        if len(present) != 1:
            found = " and ".join(f"`{p}`" for p in present) or "none"
            reading.error(
                path,
                f"a monitor without `type` has one of `equation`, `report` and `stream`, found {found}",
                code="manifest.missing",
                hint="allowed: " + ", ".join(TYPES),
            )
            return None
        reading.warn(path, f"`type` is not said: `{present[0]}_monitor` is used", code="manifest.variant")
        return present[0]
    word = spec.type.strip()
    name = choose(word, TYPES) or choose(f"{word}_monitor", TYPES)
    if name is None:
        reading.error((*path, "type"), f"type of monitor `{word}` is not allowed", hint=suggest(word, TYPES))
        return None
    if name != word:
        reading.warn((*path, "type"), f"type `{word}` is read as `{name}`", code="manifest.variant")
    chosen = name.removesuffix("_monitor")
    if chosen not in present:
        reading.error(path, f"`{chosen}` is required where the type is `{name}`", code="manifest.missing")
        return None
    for other in present:
        if other != chosen:
            reading.warn((*path, other), f"`{other}` has no effect beside `type: {name}`")
    return chosen


def _report(spec: MonitorSection, path: Path, reading: Reading) -> Report | None:
    report = cast("ReportBlock", spec.report)
    where = report.source.dataos_instance.path.strip()
    if not where.startswith("/"):
        hint = "for instance /collated/api/v1/reports/resources/status?id=workflow:v1:orders:public"
        here = (*path, "source", "dataOsInstance", "path")
        reading.error(here, f"`{where[:80]}` is no path of the platform's API", hint=hint)
    conditions, base = report.conditions, (*path, "conditions")
    if not conditions and spec.conditions:
        conditions, base = spec.conditions, (*path[:-1], "conditions")
        reading.warn(base, "`conditions` belong below `report`", code="manifest.variant")
    elif conditions and spec.conditions:
        reading.error((*path[:-1], "conditions"), "`conditions` stand twice: here and below `report`")
    if not conditions:
        reading.error(path, "`conditions` are required", code="manifest.missing")
    tests = tuple(_report_test(c, (*base, i), reading) for i, c in enumerate(conditions))
    return Report(where, tuple(t for t in tests if t is not None))


def _report_test(condition: ReportCondition, path: Path, reading: Reading) -> ReportTest | None:
    value, duration = condition.value_comparison, condition.duration_comparison
    if (value is None) == (duration is None):
        found = "neither" if value is None else "both"
        reading.error(path, f"a condition holds one of `valueComparison` and `durationComparison`, found {found}")
        return None
    if value is not None:
        where = (*path, "valueComparison")
        check_filter(value.value_jq_filter, (*where, "valueJqFilter"), reading)
        kind, operator = _words(value, where, reading)
        return ReportTest(kind, value.value_jq_filter, operator, value.value)
    block = cast("DurationComparison", duration)
    where = (*path, "durationComparison")
    for key, text in (
        ("selectorJqFilter", block.selector_jq_filter),
        ("startedJqFilter", block.started_jq_filter),
        ("completedJqFilter", block.completed_jq_filter),
    ):
        check_filter(text, (*where, key), reading)
    kind, operator = _words(block, where, reading)
    seconds = quantities.duration(block.value, (*where, "value"), reading)
    return ReportTest(
        kind,
        block.selector_jq_filter,
        operator,
        block.value,
        block.started_jq_filter,
        block.completed_jq_filter,
        seconds,
    )


def _words(block: ValueComparison | DurationComparison, path: Path, reading: Reading) -> tuple[str, str]:
    kind = one_of(block.observation_type, OBSERVATIONS, (*path, "observationType"), reading, "observationType")
    operator = one_of(block.operator, patterns.OPERATORS, (*path, "operator"), reading, "operator")
    return kind or "", operator or ""
