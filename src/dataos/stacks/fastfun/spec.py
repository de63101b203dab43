"""What a stackSpec of the stacks `fastfun` and `pulsar-function` may say: a stream's copy in a table (ch03 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from dataos.core.addresses import Udl
from dataos.manifest.annotations import Words, filled, rules
from dataos.manifest.blocks import Whole
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled
from dataos.manifest.stacks import read_address

POSITIONS = ("EARLIEST", "LATEST")
GUARANTEES = ("EFFECTIVELY_ONCE", "ATLEAST_ONCE", "ATMOST_ONCE")
Positive = Annotated[Whole, Field(ge=1)]


class InputOptions(Spec):
    """`input.options`."""

    subscription_position: Annotated[Text, Words(*POSITIONS)] = "LATEST"
    """Where reading begins."""
    subscription_name: Text = "defaultsubname"
    """What the broker knows the reader by."""
    processing_guarantees: Annotated[Text, Words(*GUARANTEES)] = "EFFECTIVELY_ONCE"
    """How often a message may count."""
    cleanup_subscription: bool = False
    """Whether the subscription goes when the worker does."""


class InputBlock(Spec, json_schema_extra=rules(filled("datasets"))):
    """`input`: streams."""

    datasets: tuple[Text, ...] = spelled("dataset", lone=True)
    """Addresses of streams."""
    options: InputOptions = InputOptions()
    """How they are read."""


class OutputOptions(Spec):
    """`output.options`. The properties go to the table format as they are."""

    commit_interval: Positive = 30
    """Seconds between commits."""
    records_per_commit: Positive = 100_000
    """Rows between commits."""
    iceberg_properties: dict[str, Text] = Field(default={}, alias="iceberg.properties")
    """Table properties."""
    hudi_properties: dict[str, Text] = Field(default={}, alias="hudi.properties")
    """Table properties."""
    delta_properties: dict[str, Text] = Field(default={}, alias="delta.properties")
    """Table properties."""


class OutputBlock(Spec, json_schema_extra=rules(filled("datasets"))):
    """`output`: tables."""

    datasets: tuple[Text, ...] = spelled("dataset", lone=True)
    """Addresses of tables."""
    options: OutputOptions = OutputOptions()
    """How they are written."""


class StackBlock(Spec):
    """The stackSpec as written."""

    input: InputBlock
    """What is read."""
    output: OutputBlock
    """What is written."""


@dataclass(frozen=True)
class CopySpec:
    """What is copied, and how. Seconds and rows between commits, whichever comes first."""

    reads: tuple[Udl, ...]
    writes: tuple[Udl, ...]
    position: str
    subscription: str
    guarantee: str
    cleans_up: bool
    commit_s: int
    commit_rows: int
    properties: dict[str, dict[str, str]]  # by table format
    addresses: tuple[tuple[Path, Udl], ...]


MODEL = StackBlock


def read(data: Any, reading: Reading, path: Path = ()) -> CopySpec | None:
    """Canonical CopySpec of the stackSpec at `path`, or None with every fault in `reading`."""
    before = len(reading.problems)
    block = read_model(StackBlock, data, reading, path, go_on=True)
    if block is None:
        return None
    reads = _addresses(block.input.datasets, (*path, "input", "datasets"), reading, writes=False)
    writes = _addresses(block.output.datasets, (*path, "output", "datasets"), reading, writes=True)
    options, where = block.input.options, (*path, "input", "options")
    position = one_of(
        options.subscription_position, POSITIONS, (*where, "subscriptionPosition"), reading, "subscriptionPosition"
    )
    guarantee = one_of(
        options.processing_guarantees, GUARANTEES, (*where, "processingGuarantees"), reading, "processingGuarantees"
    )
    if not options.subscription_name.strip():
        reading.error((*where, "subscriptionName"), "a subscription has a name", code="manifest.missing")
    if position is None or guarantee is None or len(reading.problems) > before:
        return None
    out = block.output.options
    return CopySpec(
        reads=tuple(udl for _, udl in reads),
        writes=tuple(udl for _, udl in writes),
        position=position,
        subscription=options.subscription_name.strip(),
        guarantee=guarantee,
        cleans_up=options.cleanup_subscription,
        commit_s=out.commit_interval,
        commit_rows=out.records_per_commit,
        properties={
            "iceberg": out.iceberg_properties,
            "hudi": out.hudi_properties,
            "delta": out.delta_properties,
        },
        addresses=(*reads, *writes),
    )


def _addresses(texts: tuple[str, ...], path: Path, reading: Reading, *, writes: bool) -> list[tuple[Path, Udl]]:
    if not texts:
        reading.error(path, "`datasets` needs at least one address", code="manifest.missing")
    found: list[tuple[Path, Udl]] = []
    for position, text in enumerate(texts):
        where = (*path, position)
        udl = read_address(text, where, reading, writes=writes)
        if udl is not None and udl in [known for _, known in found]:
            reading.error(where, f"{udl} stands here twice")
        elif udl is not None:
            found.append((where, udl))
    return found
