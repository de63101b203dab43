"""What a Compute manifest may say (ch03 12): a named pool of processing capacity that workloads refer to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from dataos.core.sparkaddresses import SparkAddress
from dataos.manifest import blocks, quantities
from dataos.manifest.annotations import Words
from dataos.manifest.blocks import Amounts
from dataos.manifest.documents import Context, KindReading
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

PURPOSES = ("runnable", "query", "gpu")
OPERATORS = ("Equal", "Exists")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_KEY = re.compile(r"[A-Za-z0-9][-._/A-Za-z0-9]*")


class TolerationEntry(Spec):
    """One entry of `tolerations`."""

    key: Text
    """Key of the taint."""
    operator: Annotated[Text, Words(*OPERATORS)] = "Equal"
    """Equal compares the value, Exists does not."""
    value: Text | None = None
    """Value of the taint."""
    effect: Annotated[Text, Words(*EFFECTS)]
    """What the taint does."""


class NodePool(Spec):
    """Which machines of a Kubernetes cluster; stored, and passed on by that engine only."""

    node_selector: dict[str, Text]
    """Labels of the machines."""
    tolerations: tuple[TolerationEntry, ...] = spelled("toleration", lone=True)
    """Taints that are tolerated."""


class SparkEntry(Spec):
    """`spark`: the Apache Spark that runs the Flare jobs of this Compute."""

    address: Text
    """Its Spark Connect server: `sc://host:15002`, with `/;use_ssl=true` for TLS."""
    token: Text | None = None
    """The token that it asks for; it is sealed."""


class ComputeSection(Spec):
    """The section as written. `limits`, the share of one machine, and `spark` are ours."""

    dataplane: Text
    """Where it is: `hub`."""
    purpose: Annotated[Text, Words(*PURPOSES)]
    """What it is for."""
    node_pool: NodePool
    """Which machines of a Kubernetes cluster."""
    limits: Amounts | None = spelled("limit", default=None)
    """The share of this machine."""
    spark: SparkEntry | None = None
    """An Apache Spark that runs the Flare jobs which name this Compute."""


@dataclass(frozen=True)
class Toleration:
    """Canonical toleration. `value` is empty for `Exists`."""

    key: str
    operator: str
    value: str
    effect: str


@dataclass(frozen=True)
class ComputeSpec:
    """Canonical Compute."""

    dataplane: str
    purpose: str
    node_selector: dict[str, str]
    tolerations: tuple[Toleration, ...]
    cpu: float | None
    memory_bytes: int | None
    spark: SparkAddress | None = None


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical ComputeSpec."""
    path: Path = (context.section,)
    before = len(reading.problems)
    spec = read_model(ComputeSection, section, reading, path)
    if spec is None:
        return None
    purpose = one_of(spec.purpose, PURPOSES, (*path, "purpose"), reading, "purpose")
    pool = (*path, "nodePool")
    tolerations = [
        _toleration(entry, (*pool, "tolerations", i), reading) for i, entry in enumerate(spec.node_pool.tolerations)
    ]
    limits = spec.limits or Amounts()
    cpu = quantities.cpu(limits.cpu, (*path, "limits", "cpu"), reading)
    memory = quantities.memory(limits.memory, (*path, "limits", "memory"), reading)
    spark = None
    if spec.spark is not None:
        spark = reading.attempt((*path, "spark", "address"), partial(SparkAddress.parse, spec.spark.address))
        if purpose == "query":
            reading.warn((*path, "spark"), "Flare jobs name a Compute of purpose `runnable`; `spark` is of use to them")
    if purpose is None or len(reading.problems) > before:
        return None
    selector = dict(spec.node_pool.node_selector)
    canonical = ComputeSpec(spec.dataplane, purpose, selector, tuple(filter(None, tolerations)), cpu, memory, spark)
    token = blocks.written_path(section, "spark", "token")
    return KindReading(canonical, secret_paths=(token,) if token else ())


def _toleration(entry: TolerationEntry, path: Path, reading: Reading) -> Toleration | None:
    if len(entry.key) > 253 or not _KEY.fullmatch(entry.key):
        hint = "up to 253 letters, digits, `-`, `.`, `_` and `/`, beginning with a letter or digit"
        reading.error((*path, "key"), f"toleration key `{entry.key[:60]}` is not allowed", hint=hint)
    operator = one_of(entry.operator, OPERATORS, (*path, "operator"), reading, "operator")
    effect = one_of(entry.effect, EFFECTS, (*path, "effect"), reading, "effect")
    if operator == "Equal" and entry.value is None:
        hint = "or write `operator: Exists`"
        reading.error(path, "`value` is required where operator is Equal", code="manifest.missing", hint=hint)
    if operator == "Exists" and entry.value:
        reading.warn((*path, "value"), "`value` has no effect where operator is Exists")
    if entry.value is not None and len(entry.value) > 63:
        reading.error((*path, "value"), f"a toleration value has at most 63 characters, found {len(entry.value)}")
    if operator is None or effect is None:
        return None
    return Toleration(entry.key, operator, "" if operator == "Exists" else entry.value or "", effect)
