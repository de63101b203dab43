"""Contract, life cycle, service levels and support of a product (ch09 2.9): all optional."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator

from dataos.core.addresses import Udl
from dataos.kinds.product import refs
from dataos.manifest import quantities
from dataos.manifest.annotations import Words
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, spelled

STAGES = ("design", "build", "active", "deprecated", "retired")
CATEGORIES = (
    "Accuracy",
    "Completeness",
    "Freshness",
    "Schema",
    "Uniqueness",
    "Validity",
    "availability",
    "latency",
    "cost",
)
_SEMVER = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")

Target = Annotated[float, BeforeValidator(lambda value: "" if isinstance(value, bool) else value)]


class Contract(Spec):
    """`contract`."""

    version: Text
    """Semantic version of the promise."""


class LifecycleBlock(Spec):
    """`lifecycle`."""

    stage: Annotated[Text, Words(*STAGES)] | None = None
    """Stage; derived if left out."""
    deprecated_on: Text | None = None
    """Date from which it is deprecated."""
    retire_on: Text | None = None
    """Date on which it ends."""
    replaced_by: Text | None = None
    """Id of the product that takes its place."""


class SloBlock(Spec):
    """One entry of `slos`."""

    name: Text
    """Name of the service level."""
    category: Annotated[Text, Words(*CATEGORIES)]
    """What it is about."""
    target: Target
    """Share of checks that pass, in percent."""
    window: Text
    """Over what time: `30d`."""
    dataset: Text | None = None
    """Dataset it is about."""
    metric: Text | None = None
    """Measurement it is about."""


class SupportBlock(Spec):
    """`support`."""

    channel: Text | None = None
    url: Text | None = None
    email: Text | None = spelled("mail", default=None)


@dataclass(frozen=True)
class Lifecycle:
    """`stage` None: derived."""

    stage: str | None = None
    deprecated_on: datetime.date | None = None
    retire_on: datetime.date | None = None
    replaced_by: str | None = None


@dataclass(frozen=True)
class Slo:
    """A target over a window of seconds."""

    name: str
    category: str
    target: float
    window_s: float | None
    dataset: Udl | None
    metric: str | None


def read_contract(block: Contract | None, path: Path, reading: Reading) -> str | None:
    """The product's own version."""
    if block is None:
        return None
    if not _SEMVER.fullmatch(block.version.strip()):
        reading.error((*path, "version"), f"`{block.version}` is no semantic version", hint="write for instance 2.1.0")
    return block.version.strip()


def read_lifecycle(block: LifecycleBlock | None, path: Path, reading: Reading) -> Lifecycle:
    """Dates and stage."""
    if block is None:
        return Lifecycle()
    stage = one_of(block.stage, STAGES, (*path, "stage"), reading, "stage") if block.stage else None
    deprecated = _date(block.deprecated_on, (*path, "deprecatedOn"), reading)
    retire = _date(block.retire_on, (*path, "retireOn"), reading)
    if deprecated and retire and retire < deprecated:
        reading.error((*path, "retireOn"), f"{retire} is before `deprecatedOn` {deprecated}")
    replaced = refs.product(block.replaced_by, (*path, "replacedBy"), reading) if block.replaced_by else None
    return Lifecycle(stage, deprecated, retire, replaced)


def _date(text: str | None, path: Path, reading: Reading) -> datetime.date | None:
    if text is None:
        return None
    try:
        return datetime.date.fromisoformat(text.strip())
    except ValueError:
        reading.error(path, f"`{text[:40]}` is no date", hint="write for instance 2031-01-31")
        return None


def read_slo(block: SloBlock, path: Path, reading: Reading) -> Slo:
    """One service level."""
    category = one_of(block.category, CATEGORIES, (*path, "category"), reading, "category")
    window = quantities.duration(block.window, (*path, "window"), reading)
    address = None
    if block.dataset is not None:
        address, _ = refs.dataset(block.dataset, (*path, "dataset"), reading, False)
    return Slo(block.name, category or "", block.target, window, address, block.metric)
