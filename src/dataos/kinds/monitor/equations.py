"""The equation of a Monitor: `left operator right`, each side a coefficient times a query's value plus a constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from dataos.core import names
from dataos.core.addresses import ResourceKey
from dataos.manifest import patterns
from dataos.manifest.annotations import Words
from dataos.manifest.blocks import SecretUse, read_secret_uses, secret_references
from dataos.manifest.documents import Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, spelled

QUERY_TYPES = ("prom", "trino", "lens", "postgres", "static")


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


def _finite(value: float) -> float:
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("expected a finite number")
    return value


Number = Annotated[float, BeforeValidator(_no_boolean), AfterValidator(_finite)]


class Column(Spec):
    """Which column of several is compared."""

    name: Text
    """Name of the column."""
    data_type: Text = ""
    """Its type."""


class LensInstance(Spec):
    """A semantic model."""

    name: Text
    workspace: Text | None = None
    sslmode: Text | None = None


class LensBlock(Spec):
    """`query.lens`."""

    dataos_instance: LensInstance = spelled("dataosInstance", alias="dataOsInstance")


class QueryBlock(Spec):
    """`query`."""

    type: Annotated[Text, Words(*QUERY_TYPES)] | None = None
    """Where the value comes from."""
    cluster: Text | None = None
    """Cluster that is asked."""
    ql: Text | None = spelled("sql", default=None)
    """The query."""
    description: Text = ""
    comparison_column: Column | None = None
    """Column that holds the value."""
    lens: LensBlock | None = None
    """Lens that is asked."""
    dsn: Text | None = None
    """Connection text; it is sealed."""
    dsn_secret_ref: SecretUse | None = None
    """Secret that holds the connection text."""


class Side(Spec):
    """`leftExpression`, `rightExpression`."""

    query_coefficient: Number = spelled("query_coefficient")
    """Factor of the query's value."""
    query_constant: Number = spelled("query_constant")
    """What is added."""
    query: QueryBlock | None = None
    """Where the value comes from."""


class EquationBlock(Spec):
    """`equation`. A `comparisonColumn` here is the left side's."""

    left_expression: Side = spelled("left_expression")
    """Left side."""
    right_expression: Side = spelled("right_expression")
    """Right side."""
    operator: Annotated[Text, Words(*patterns.OPERATORS)]
    """Comparison."""
    comparison_column: Column | None = None


@dataclass(frozen=True)
class Query:
    """Canonical. `dsn` is a sealed text; `dsn_secret` names where it is kept instead."""

    type: str
    cluster: str | None
    ql: str
    column: str | None
    column_type: str
    lens: ResourceKey | None
    sslmode: str | None
    dsn: str | None
    dsn_secret: SecretUse | None

    def __repr__(self) -> str:
        return f"Query(type={self.type!r}, cluster={self.cluster!r}, ql={self.ql!r})"


@dataclass(frozen=True)
class Expression:
    """`coefficient * value + constant`; without a query the value is 1."""

    coefficient: float
    constant: float
    query: Query | None


@dataclass(frozen=True)
class Equation:
    """Canonical."""

    left: Expression
    operator: str
    right: Expression


@dataclass(frozen=True)
class Outcome:
    """`equation` is None after problems."""

    equation: Equation | None
    references: tuple[Reference, ...]


def read_equation(block: EquationBlock, workspace: str | None, path: Path, reading: Reading) -> Outcome:
    """Read both sides."""
    before = len(reading.problems)
    operator = one_of(block.operator, patterns.OPERATORS, (*path, "operator"), reading, "operator")
    left_query, right_query = block.left_expression.query, block.right_expression.query
    if left_query is None:
        reading.error((*path, "leftExpression"), "`query` is required on the left side", code="manifest.missing")
    left_type = _type(left_query, None, (*path, "leftExpression", "query"), reading)
    right_type = _type(right_query, left_type, (*path, "rightExpression", "query"), reading)
    if block.comparison_column is not None:
        where = (*path, "comparisonColumn")
        reading.warn(where, "`comparisonColumn` belongs into the left side's `query`", code="manifest.variant")
    references: tuple[Reference, ...] = ()
    sides: list[Expression] = []
    for key, side, kind, column in (
        ("leftExpression", block.left_expression, left_type, block.comparison_column),
        ("rightExpression", block.right_expression, right_type, None),
    ):
        query = None
        if side.query is not None and kind is not None:
            where = (*path, key, "query")
            query = _query(side.query, kind, column, workspace, where, reading)
            references += _references(side.query, query, workspace, where, reading)
        sides.append(Expression(side.query_coefficient, side.query_constant, query))
    left, right = sides
    if right.query is None and left_query is not None and right.coefficient == 1 and right.constant == 0:
        hint = "write `queryCoefficient: 0` and the threshold as `queryConstant`"
        reading.warn(
            (*path, "rightExpression"), "the right side is 1: a side without a query has the value 1", hint=hint
        )
    if len(reading.problems) > before or operator is None:
        return Outcome(None, references)
    return Outcome(Equation(left, operator, right), references)


def _type(query: QueryBlock | None, other: str | None, path: Path, reading: Reading) -> str | None:
    """The type that is said, else what the blocks beside it show, else that of the other side."""
    if query is None:
        return None
    if query.type is not None and query.type.strip():
        return one_of(query.type, QUERY_TYPES, (*path, "type"), reading, "type of query")
    cluster = (query.cluster or "").strip().lower()
    guessed = other
    if query.lens is not None:
        guessed = "lens"
    elif query.dsn is not None or query.dsn_secret_ref is not None:
        guessed = "postgres"
    elif cluster:
        guessed = {"thanos": "prom", "none": "static"}.get(cluster, "trino")
    if guessed is None:
        hint = "allowed: " + ", ".join(QUERY_TYPES)
        reading.error(path, "`type` is required", code="manifest.missing", hint=hint)
    else:
        reading.warn(path, f"`type` is not said: `{guessed}` is used", code="manifest.variant")
    return guessed


def _query(
    block: QueryBlock, kind: str, column: Column | None, workspace: str | None, path: Path, reading: Reading
) -> Query:
    ql = (block.ql or "").strip().removesuffix(";").strip()
    if kind == "static":
        _check_static(ql, path, reading)
    elif not ql:
        reading.error(path, "`ql` is required", code="manifest.missing", hint="write the query")
    if kind == "trino" and not (block.cluster or "").strip():
        hint = "for instance `cluster: miniature`"
        reading.error(path, "`cluster` is required where the type is `trino`", code="manifest.missing", hint=hint)
    if kind == "lens" and block.lens is None:
        hint = "write `lens: {dataOsInstance: {name: ...}}`"
        reading.error(path, "`lens` is required where the type is `lens`", code="manifest.missing", hint=hint)
    if kind == "postgres" and block.dsn is None and block.dsn_secret_ref is None:
        hint = "write `dsnSecretRef: {name: ...}`"
        reading.error(
            path, "`dsn` or `dsnSecretRef` is required where the type is `postgres`", code="manifest.missing", hint=hint
        )
    if block.dsn is not None and block.dsn_secret_ref is not None:
        reading.error((*path, "dsnSecretRef"), "give either `dsn` or `dsnSecretRef`, not both")
    for key, value in (("lens", block.lens), ("dsn", block.dsn), ("dsnSecretRef", block.dsn_secret_ref)):
        if value is not None and kind != ("lens" if key == "lens" else "postgres"):
            reading.warn((*path, key), f"`{key}` has no effect where the type is `{kind}`")
    chosen = block.comparison_column or column
    name = _column(chosen, path, reading)
    lens = None
    if kind == "lens" and block.lens is not None:
        instance = block.lens.dataos_instance
        lens = ResourceKey("lens", instance.name, instance.workspace or workspace)
        if not names.matches(instance.name, names.STD):
            rule = names.rule_text("name", instance.name, names.STD)
            reading.error((*path, "lens", "dataOsInstance", "name"), rule, code="manifest.name")
    return Query(
        type=kind,
        cluster=block.cluster,
        ql=ql,
        column=name,
        column_type=chosen.data_type if chosen else "",
        lens=lens,
        sslmode=block.lens.dataos_instance.sslmode if block.lens else None,
        dsn=block.dsn,
        dsn_secret=block.dsn_secret_ref,
    )


def _check_static(ql: str, path: Path, reading: Reading) -> None:
    try:
        float(ql or "0")
    except ValueError:
        reading.error((*path, "ql"), f"`{ql[:40]}` is no number", hint="the `ql` of a static query is a number")


def _column(column: Column | None, path: Path, reading: Reading) -> str | None:
    if column is None:
        return None
    name = column.name.strip()
    if name.endswith(","):
        name = name.rstrip(", ")
        where = (*path, "comparisonColumn", "name")
        reading.warn(where, f"`{column.name}` is read as `{name}`", code="manifest.variant")
    if not name:
        reading.error((*path, "comparisonColumn", "name"), "a column has a name", code="manifest.missing")
    return name


def _references(
    block: QueryBlock, query: Query, workspace: str | None, path: Path, reading: Reading
) -> tuple[Reference, ...]:
    found: tuple[Reference, ...] = ()
    if query.lens is not None:
        found += (Reference(query.lens, (*path, "lens", "dataOsInstance", "name")),)
    if query.type == "postgres" and block.dsn_secret_ref is not None:
        uses = read_secret_uses([(block.dsn_secret_ref, (*path, "dsnSecretRef"))], reading)
        found += secret_references(uses, workspace)
    return found
