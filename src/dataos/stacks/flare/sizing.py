"""Spark's sizing keys as what a job asks of the machine (ch04 3.2)."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, cast

from dataos.core.sparkaddresses import SparkAddress
from dataos.manifest import quantities
from dataos.manifest.specs import Path, Reading
from dataos.stacks.flare.blocks import Sizing, StackBlock, text_of

_MEMORY = re.compile(r"([0-9]+)\s*([mMgGkKtT]?)[iI]?[bB]?")
_UNITS = {"": 1 << 20, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_OVERHEAD = 384 << 20
"""What a job needs beside the data it holds: the interpreter, its libraries and the engine."""


def read_sizing(block: StackBlock, reading: Reading, path: Path) -> tuple[float | None, int | None]:
    """CPUs and bytes that driver and executors ask for together; None where nothing is said.

    Executors and driver are one process here: CPUs are the larger of the two, memory is their sum.
    """
    driver_cpu, driver_memory = _amounts(block.driver, reading, (*path, "driver"))
    executor_cpu, executor_memory = _amounts(block.executor, reading, (*path, "executor"))
    instances = _whole(block.executor.instances, reading, (*path, "executor", "instances")) or 1
    cpus = [c for c in (driver_cpu, executor_cpu * instances if executor_cpu else None) if c]
    memory = [m for m in (driver_memory, executor_memory * instances if executor_memory else None) if m]
    _conf(block.spark_conf, reading, (*path, "sparkConf"))
    if block.job is not None:
        _conf(block.job.spark_conf, reading, (*path, "job", "sparkConf"))
    return (max(cpus) if cpus else None), (sum(memory) + _OVERHEAD if memory else None)


def read_remote(block: StackBlock, reading: Reading, path: Path) -> str | None:
    """`spark.remote`, Spark's own key for a Spark Connect server, of sparkConf: the one that shall run the job."""
    found: str | None = None
    for data, where in (
        (block.job.spark_conf if block.job is not None else None, (*path, "job", "sparkConf")),
        (block.spark_conf, (*path, "sparkConf")),
    ):
        text = {k.lower(): v for k, v in _conf(data, Reading(), where).items()}.get("spark.remote")
        if text is None:
            continue
        address = reading.attempt(where, partial(SparkAddress.parse, text))
        found = str(address) if address is not None else found
    return found


def _amounts(sizing: Sizing, reading: Reading, path: Path) -> tuple[float | None, int | None]:
    limit = quantities.cpu(sizing.core_limit, (*path, "coreLimit"), reading)
    cores = quantities.cpu(sizing.cores, (*path, "cores"), reading)
    return limit or cores, _memory(sizing.memory, reading, (*path, "memory"))


def _memory(text: str | None, reading: Reading, path: Path) -> int | None:
    if text is None:
        return None
    match = _MEMORY.fullmatch(text.strip())
    if match is None:
        reading.error(path, f"`{text}` is no amount of memory", hint="write 1024m, 2g or 2Gi")
        return None
    return int(match[1]) * _UNITS[match[2].lower()]


def _whole(text: str | None, reading: Reading, path: Path) -> int | None:
    if text is None:
        return None
    if not text.strip().isdigit():
        reading.error(path, f"expected a whole number, found `{text}`")
        return None
    return int(text)


def _conf(data: Any, reading: Reading, path: Path) -> dict[str, str]:
    """A list of single-key maps, or a map; the last of equal keys wins."""
    found: dict[str, str] = {}
    if data is None:
        return found
    if isinstance(data, dict):
        data = [data]
    if not isinstance(data, list):
        reading.error(path, "expected a list of `key: value`, or a mapping")
        return found
    for position, item in enumerate(cast("list[Any]", data)):
        if not isinstance(item, dict):
            reading.error((*path, position), "expected `key: value`")
            continue
        for key, value in cast("dict[str, Any]", item).items():
            found[key] = text_of(value)
            lowered = key.lower()
            if lowered == "spark.sql.sources.partitionoverwritemode" and found[key].lower() == "dynamic":
                reading.error(
                    (*path, position, key),
                    "dynamic partition overwrite is asked for by an engine property, which would have no effect",
                    code="stack.unsupported",
                    hint="write `overwrite-mode: dynamic` under the output's options.iceberg.properties",
                )
            elif lowered == "spark.sql.session.timezone" and found[key].upper() not in ("UTC", "ETC/UTC", "Z", "GMT"):
                reading.error(
                    (*path, position, key),
                    f"the session time zone is UTC, not `{found[key]}`",
                    code="stack.unsupported",
                    hint="use from_utc_timestamp and to_utc_timestamp in the SQL",
                )
            elif lowered == "spark.sql.ansi.enabled" and found[key].lower() == "false":
                reading.warn(
                    (*path, position, key),
                    "casts stay strict here: text that is no number fails",
                    hint="write try_cast where NULL is wanted",
                )
    return found
