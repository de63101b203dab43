"""What a stackSpec of the stack `nilus` may say: copies of sources, batches or changes (ch02 appendix A)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field

from dataos.core.addresses import Udl
from dataos.manifest.annotations import Shape, Words, free
from dataos.manifest.blocks import Whole, written_path
from dataos.manifest.documents import Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, is_credential, one_of, read_model, spelled
from dataos.manifest.stacks import RepoBlock, Use, check_repo, is_kept
from dataos.stacks.nilus.masks import check_masks

STRATEGIES = ("append", "replace", "merge")
PARTITIONS = ("year", "month", "day", "hour", "bucket", "identity")
REFLECTIONS = ("none", "fast", "full")
SNAPSHOTS = ("initial", "always", "no_data", "initial_only", "when_needed")
DEBEZIUM = "debezium"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9_+.-]*://")
_PLACEHOLDER = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}|\$\{")
Count = Annotated[Whole, Field(ge=1)]
Natural = Annotated[Whole, Field(ge=0)]


class SourceOptions(Spec, json_schema_extra=free()):
    """`source.options`, those that are known. Others go to the source as they are."""

    source_table: Text | None = Field(default=None, alias="source-table")
    primary_key: Any = Field(default=None, alias="primary-key")
    incremental_key: Text | None = Field(default=None, alias="incremental-key")
    interval_start: Text | None = Field(default=None, alias="interval-start")
    interval_end: Text | None = Field(default=None, alias="interval-end")
    type_hints: dict[str, Any] | None = spelled("columns", default=None, alias="type-hints")
    page_size: Count = Field(default=50_000, alias="page-size")
    extract_parallelism: Count = Field(default=5, alias="extract-parallelism")
    sql_reflection_level: Annotated[Text, Words(*REFLECTIONS)] = Field(default="full", alias="sql-reflection-level")
    sql_limit: Count | None = Field(default=None, alias="sql-limit")
    sql_exclude_columns: Any = Field(default=None, alias="sql-exclude-columns")
    yield_limit: Count | None = Field(default=None, alias="yield-limit")
    mask: Any = None
    max_table_nesting: Natural = Field(default=0, alias="max-table-nesting")
    run_in_loop: bool = Field(default=False, alias="run-in-loop")
    engine: Annotated[Text, Words(DEBEZIUM)] | None = None
    topic_prefix: Text | None = Field(default=None, alias="topic.prefix")
    snapshot_mode: Annotated[Text, Words(*SNAPSHOTS)] = Field(default="initial", alias="snapshot.mode")
    slot_name: Text | None = Field(default=None, alias="slot.name")
    heartbeat_interval: Natural | None = Field(default=None, alias="heartbeat.interval.ms")
    max_batch_size: Count = Field(default=2048, alias="max.batch.size")


class SourceBlock(Spec):
    """`source`."""

    address: Text
    """Address of a depot, or a URI."""
    options: Annotated[dict[str, Any], Shape(SourceOptions)] = {}
    """How it is read."""


class PartitionBlock(Spec):
    """One of `partition-by`."""

    column: Text
    """Column."""
    type: Annotated[Text, Words(*PARTITIONS)]
    """How its values make partitions."""
    name: Text | None = None
    """Name of the partition field."""
    index: Natural | None = None
    """Its place among the others."""
    bucket_count: Count | None = spelled("bucket_count", default=None, alias="bucket-count")
    """How many buckets."""


class SinkOptions(Spec):
    """`sink.options`: a closed set."""

    dest_table: Text = Field(alias="dest-table")
    """<schema>.<table>."""
    incremental_strategy: Annotated[Text, Words(*STRATEGIES)] = Field(alias="incremental-strategy")
    """What happens to rows that are there."""
    partition_by: tuple[PartitionBlock, ...] = spelled(default=(), lone=True, alias="partition-by")
    """Partitions."""
    cluster_by: tuple[Text, ...] = spelled(default=(), lone=True, alias="cluster-by")
    """Columns to cluster by."""
    full_refresh: bool = Field(default=False, alias="full-refresh")
    """Whether the table is made anew."""
    staging_bucket: Text | None = spelled("staging_bucket", default=None, alias="staging-bucket")
    """Bucket for files on their way."""
    loader_file_size: Count | None = Field(default=None, alias="loader-file-size")
    """Rows of a file."""
    aws_region: Text | None = Field(default=None, alias="aws_region")
    """Region of the bucket."""
    primary_key: Any = Field(default=None, alias="primary-key")
    """Key of a row."""
    create_table: bool | None = Field(default=None, alias="create-table")
    """Whether the table is made if it is missing."""


class SinkBlock(Spec):
    """`sink`."""

    address: Text
    """Address of a depot, or a URI."""
    options: Annotated[dict[str, Any], Shape(SinkOptions)]
    """How it is written."""


class StackBlock(Spec):
    """The stackSpec as written."""

    source: SourceBlock
    """What is read."""
    sink: SinkBlock
    """What is written."""
    repo: RepoBlock | None = None
    """Code of a custom source."""


@dataclass(frozen=True)
class NilusSpec:
    """One copy. `source_uri`, `sink_uri`: what is reached without a depot; then no address is known."""

    source: Udl | None
    source_uri: str | None
    sink: Udl | None
    sink_uri: str | None
    source_options: dict[str, Any]
    known: SourceOptions
    target: SinkOptions
    is_cdc: bool
    repo: RepoBlock | None
    addresses: tuple[tuple[Path, Udl], ...]
    secret_paths: tuple[Path, ...]


MODEL = StackBlock


def read(data: Any, reading: Reading, path: Path = ()) -> NilusSpec | None:
    """Canonical NilusSpec of the stackSpec at `path`, or None with every fault in `reading`."""
    before = len(reading.problems)
    block = read_model(StackBlock, data, reading, path, go_on=True)
    if block is None:
        return None
    source, sink = (*path, "source"), (*path, "sink")
    source_udl, source_uri = _address(block.source.address, (*source, "address"), reading)
    sink_udl, sink_uri = _address(block.sink.address, (*sink, "address"), reading, writes=True)
    known = _source_options(block.source.options, (*source, "options"), reading)
    target = read_model(SinkOptions, block.sink.options, reading, (*sink, "options"), strict=True, go_on=True)
    is_cdc = known is not None and known.engine is not None
    if known is not None and target is not None:
        _check_target(target, known, is_cdc, (*sink, "options"), reading)
    if block.repo is not None:
        check_repo(block.repo, (*path, "repo"), reading)
    elif source_uri is not None and source_uri.startswith("custom://"):
        reading.error(path, "`repo` is required: it holds the code of a custom source", code="manifest.missing")
    if known is None or target is None or len(reading.problems) > before:
        return None
    addresses = [((*source, "address"), source_udl), ((*sink, "address"), sink_udl)]
    return NilusSpec(
        source=source_udl,
        source_uri=source_uri,
        sink=sink_udl,
        sink_uri=sink_uri,
        source_options=block.source.options,
        known=known,
        target=target,
        is_cdc=is_cdc,
        repo=block.repo,
        addresses=tuple((where, udl) for where, udl in addresses if udl is not None),
        secret_paths=tuple(
            found
            for key, uri in (("source", source_uri), ("sink", sink_uri))
            if uri is not None and _holds_credential(uri) and (found := written_path(data, key, "address"))
        ),
    )


def bind(spec: NilusSpec, use: Use, reading: Reading) -> tuple[Reference, ...]:
    """Changes are followed for ever, by a Service; a batch ends, as a job of a Workflow."""
    where = (*use.stack_path, "source", "options", "engine")
    if spec.is_cdc and use.host == "workflow":
        text = "following changes never ends: it cannot run in a workflow"
        reading.error(where, text, code="stack.host", hint="write a manifest of type service")
    elif not spec.is_cdc and use.host == "service" and not spec.known.run_in_loop:
        hint = f"write a workflow, or `engine: {DEBEZIUM}` to follow changes, or `run-in-loop: true`"
        reading.warn(use.stack_path, "a batch ends: as a service it starts over and over", hint=hint)
    if spec.source_uri is not None and not use.secrets and _PLACEHOLDER.search(spec.source_uri):
        hint = "list the secret below `dataosSecrets`, or set the variable below `envs`"
        for name in re.findall(r"(?<!\$)\{([A-Za-z_][A-Za-z0-9_]*)\}", spec.source_uri):
            if name not in use.envs:
                reading.error((*use.stack_path, "source", "address"), f"nothing sets {name}", hint=hint)
    return ()


def _address(text: str, path: Path, reading: Reading, *, writes: bool = False) -> tuple[Udl | None, str | None]:
    """An address of a depot, or the URI of something else."""
    bare = text.strip()
    if is_kept(bare):
        return None, bare
    if bare.lower().startswith("dataos://"):
        udl = reading.attempt(path, lambda: Udl.parse(bare))
        return (Udl(udl.depot, udl.collection, udl.dataset, "rw", udl.options) if udl and writes else udl), None
    if not _SCHEME.match(bare):
        hint = "write dataos://[depot], or an address such as stripe://?api_key={STRIPE_KEY}"
        reading.error(path, "the address has no scheme", code="manifest.address", hint=hint)
        return None, None
    if _holds_credential(bare):
        hint = "write {NAME} in its place, and list a secret with that key below `dataosSecrets`"
        reading.warn(path, "the address holds a credential in clear: it is kept sealed", hint=hint)
    return None, bare


def _holds_credential(uri: str) -> bool:
    if is_kept(uri):
        return True
    try:
        parts = urlsplit(uri)
        password = parts.password or (parts.username if parts.username and "databricks" in parts.scheme else None)
    except ValueError:
        return True  # what cannot be read may hold one
    values = [password or ""]
    values += [v for k, v in parse_qsl(parts.query) if is_credential(k) or k.lower() == "credentials_base64"]
    return any(value and not _PLACEHOLDER.search(value) for value in values)


def _source_options(options: dict[str, Any], path: Path, reading: Reading) -> SourceOptions | None:
    spellings = {str(info.alias): info for info in SourceOptions.model_fields.values()}
    known = {k: v for k, v in options.items() if k in spellings or k.lower() == "columns" or k.lower() in spellings}
    found = read_model(SourceOptions, known, reading, path, go_on=True)
    for key in options.keys() - known.keys():
        folded = key.lower().replace("_", "-")
        if folded in spellings:
            reading.error((*path, key), f"unknown key `{key}`", code="manifest.unknown_key", hint=f"write `{folded}`")
    if found is None:
        return None
    one_of(found.sql_reflection_level, REFLECTIONS, (*path, "sql-reflection-level"), reading, "sql-reflection-level")
    if found.mask is not None:
        check_masks(found.mask, found.type_hints, (*path, "mask"), reading)
    if found.engine is not None:
        engine = one_of(found.engine, (DEBEZIUM,), (*path, "engine"), reading, "engine")
        if engine and found.topic_prefix is None:
            reading.error(path, "`topic.prefix` is required to follow changes", code="manifest.missing")
        one_of(found.snapshot_mode, SNAPSHOTS, (*path, "snapshot.mode"), reading, "snapshot.mode")
        if found.source_table is not None:
            hint = "name tables by `table.include.list`"
            reading.warn((*path, "source-table"), "`source-table` has no effect where changes are followed", hint=hint)
    elif found.source_table is None and found.engine is None:
        hint = "for instance source-table: public.orders"
        reading.warn(path, "no `source-table`: the source must know by itself what to read", hint=hint)
    return found


def _check_target(target: SinkOptions, known: SourceOptions, is_cdc: bool, path: Path, reading: Reading) -> None:
    table = target.dest_table.strip()
    if not re.fullmatch(r"[^.\s]+\.[^.\s]+" if not is_cdc else r"[^.\s]+(\.[^.\s]+)?", table):
        text = "Table name must be in the format <schema>.<table>"
        reading.error((*path, "dest-table"), f"{text}, found `{table[:80]}`", hint="for instance sales.orders")
    strategy = one_of(
        target.incremental_strategy, STRATEGIES, (*path, "incremental-strategy"), reading, "incremental-strategy"
    )
    if strategy == "merge" and not (target.primary_key or known.primary_key) and not is_cdc:
        hint = "add `primary-key` to the options of the source"
        reading.error(path, "`merge` needs a primary key", code="manifest.missing", hint=hint)
    seen: set[str] = set()
    for position, entry in enumerate(target.partition_by):
        where = (*path, "partition-by", position)
        kind = one_of(entry.type, PARTITIONS, (*where, "type"), reading, "type of partition")
        if kind == "bucket" and entry.bucket_count is None:
            reading.error(where, "`bucket-count` is required for buckets", code="manifest.missing")
        elif kind not in ("bucket", None) and entry.bucket_count is not None:
            reading.warn((*where, "bucket-count"), f"`bucket-count` has no effect with type {kind}")
        name = entry.name or f"{entry.column}_{kind}"
        if name in seen:
            reading.error((*where, "name"), f"two partitions are named `{name}`", hint="give them different names")
        seen.add(name)
