"""Which engine runs a job, and why: the embedded one, or an Apache Spark that an operator named.

In this order: `spark.remote` in the job's sparkConf, the job's Compute, the settings (`flare.engine: spark`), and the
Spark of the settings for what the embedded engine cannot do. A job that needs Spark where none is named is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.sparkaddresses import SparkAddress
from dataos.manifest.specs import render
from dataos.stacks.flare import preflight
from dataos.stacks.flare.model import FlareSpec, Output
from dataos.workloads.computes import Computes, SparkPlace

_HOWTO = "docs/howto/use-apache-spark.md"


@dataclass(frozen=True)
class Choice:
    """The engine of a job. `spark` None: the embedded one."""

    spark: SparkPlace | None
    reason: str

    @property
    def told(self) -> str:
        """In words, for people."""
        engine = f"Apache Spark at {self.spark.address}" if self.spark is not None else "the embedded engine"
        return f"runs on {engine}: {self.reason}"


async def choose(spec: FlareSpec, compute: str, computes: Computes | None) -> Choice:
    """The engine of a job. Raises DataOSError `flare.needs_spark` (every place, paths in the stackSpec),
    `flare.spark_address` (no operator named that Spark)."""
    needs = preflight.needs_spark(spec)
    if spec.spark_remote is not None:
        place = await _named(spec.spark_remote, computes)
        return Choice(place, "its sparkConf names it")
    if computes is not None:
        declared = await computes.get(compute)
        if declared is not None and declared.spark is not None:
            return Choice(declared.spark, f"Compute `{compute}` names it")
        place = computes.default_spark
        if place is not None and computes.prefers_spark:
            return Choice(place, "the setting flare.engine is `spark`")
        if place is not None and needs:
            return Choice(place, f"it needs it ({_first(needs)})")
    if needs:
        raise DataOSError([replace(p, hint=_refused_hint(p.hint)) for p in needs])
    return Choice(None, "nothing in the job needs Apache Spark")


def _first(needs: list[Problem]) -> str:
    more = f", and {len(needs) - 1} more" if len(needs) > 1 else ""
    return f"{needs[0].path}: {needs[0].message.partition(':')[0]}{more}"


def _refused_hint(hint: str) -> str:
    return hint.removesuffix(_HOWTO) + f"set a Spark address (setting flare.spark, or a Compute): {_HOWTO}"


async def _named(text: str, computes: Computes | None) -> SparkPlace:
    """The Spark that sparkConf names: one that an operator named too, since jobs give it the token of their run."""
    wanted = SparkAddress.parse(text)
    known = await computes.with_spark() if computes is not None else []
    found = next((p for p in known if p.address == wanted), None)
    if found is None:
        names = ", ".join(f"{p.address} ({p.named_by})" for p in known)
        raise fail(
            "flare.spark_address",
            f"sparkConf names Apache Spark at {wanted}, which no operator has named",
            hint=(f"known: {names}" if names else "none is known")
            + f"; an operator names one with a Compute or the setting flare.spark: {_HOWTO}",
            path="sparkConf",
        )
    return found


def check_reach(
    choice: Choice, elsewhere: Iterable[Output], catalog_url: str, local: Iterable[tuple[str, str]]
) -> list[Problem]:
    """What keeps a Spark from doing it. `elsewhere`: outputs to other places than a Lakehouse. `local`: (path in the
    stackSpec, place on this machine's disk) of what the job reads and writes."""
    if choice.spark is None:
        return []
    at = f"Apache Spark at {choice.spark.address}"
    problems = [
        Problem(
            "flare.spark_files",
            f"output `{output.name}` is no table of a Lakehouse: the embedded engine writes it; the job {choice.told}",
            hint="let this job write a table of a Lakehouse, and another one from that to the place",
            path=render(output.path),
        )
        for output in elsewhere
    ]
    if choice.spark.address.is_local:
        return problems
    problems += [
        Problem(
            "flare.spark_files",
            f"{at} cannot see {place}, which is on this machine",
            hint=f"keep it in object storage, or use a Spark on this machine: {_HOWTO}",
            path=path,
        )
        for path, place in local
    ]
    if not problems and SparkAddress.parse(f"sc://{_host(catalog_url)}").is_local:
        problems.append(
            Problem(
                "flare.spark_setup",
                f"{at} cannot reach this server at {catalog_url}, a loopback address",
                hint=f"set flare.catalog_url to an address that it reaches: {_HOWTO}",
            )
        )
    return problems


def _host(url: str) -> str:
    rest = url.partition("://")[2] or url
    return rest.partition("/")[0] or "localhost"
