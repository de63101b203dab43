"""Outputs: every spelling of a target, its save mode, partitions, order and properties (ch04 3.10, 3.11)."""

from __future__ import annotations

from typing import Any, cast

from dataos.core.addresses import Udl
from dataos.manifest.specs import Path, Reading, Spec, Text, choose, one_of, read_model, spelled, suggest
from dataos.stacks.flare import assertions, fileformats, merging, tagging
from dataos.stacks.flare.blocks import LATER_OUTPUT, NAME, OutputEntry, later, refuse, text_of
from dataos.stacks.flare.engines import EngineName
from dataos.stacks.flare.model import FILES, FORMATS, MergeClauses, Output, PartitionField, SortColumn
from dataos.stacks.flare.streaming import MESSAGES

_FORMATS = {
    **{name: name for name in FILES}, **fileformats.ALIASES, "iceberg": "iceberg", "delta": "delta",
    "jdbc": "jdbc", "postgres": "jdbc", "postgresql": "jdbc", "db": "jdbc", **{name: name for name in MESSAGES},
}  # fmt: skip
_LATER_FORMATS = (
    "hudi", "redshift", "snowflake", "bigquery", "mongodb",
    "elasticsearch", "opensearch",
)  # fmt: skip
_TRANSFORMS = ("identity", "year", "month", "day", "hour", "bucket")
_MISPLACED = ("partitionSpec", "merge", "properties")
_PLACES = (
    "location",
    "write.data.path",
    "write.metadata.path",
    "write.object-storage.path",
    "write.object-storage.enabled",
    "write.folder-storage.path",
)


class _SortEntry(Spec):
    name: Text = spelled("column")
    order: Text = "asc"


class _Sort(Spec):
    mode: Text | None = None
    columns: tuple[_SortEntry, ...] = spelled("column", default=(), lone=True)


class _PartitionEntry(Spec):
    type: Text = spelled("transform")
    column: Text
    name: Text | None = spelled("asColumn", default=None)
    num_buckets: int | None = spelled("bucket_count", "bucketCount", default=None)


class _Merge(Spec):
    on_clause: Text
    when_clause: Text


class _Iceberg(Spec):
    properties: dict[str, Any] = spelled("property", default={})
    partition_spec: tuple[_PartitionEntry, ...] = spelled("partition", default=(), lone=True)
    merge: _Merge | None = None
    tags: tuple[Text, ...] = spelled("tag", default=(), lone=True)
    title: Any = None


class _Options(Spec):
    save_mode: Text | None = None
    extra_options: dict[str, Any] = {}
    branch: Text | None = None
    compression_type: Text | None = None
    sort: _Sort | None = None
    partition_by: tuple[Text, ...] = spelled(default=(), lone=True)
    iceberg: _Iceberg | None = None
    checkpoint_location: Any = None
    title: Any = None
    description: Any = None
    tags: tuple[Text, ...] = spelled("tag", default=(), lone=True)
    column_tags: Any = spelled("columnTag", default=None)
    schema_evolution: Text | None = None
    schema_subject: Any = None
    schema_id: Any = None
    file: dict[str, Any] = {}
    bigquery: Any = None
    connection_props: Any = None
    query: Any = None
    driver: Any = None


def canonical_format(word: str | None, reading: Reading, path: Path) -> str | None:
    """The canonical format of a word in any letter case; None for none, and for what was refused."""
    if word is None or not word.strip():
        return None
    folded = word.strip().lower()
    if folded in _FORMATS:
        found = _FORMATS[folded]
        return found
    if folded in _LATER_FORMATS:
        later(reading, path, f"the format `{word}`")
    else:
        reading.error(
            path,
            f"Failed to find data source: {word}",
            hint=suggest(word, FORMATS),
            code="flare.format",
        )
    return None


def read(entry: OutputEntry, reading: Reading, path: Path, streams: bool = False) -> Output | None:
    """The canonical output of one entry, or None with its faults in `reading`. `streams`: the job is a stream or a
    program, which appends where nothing else is said."""
    before = len(reading.problems)
    if not NAME.fullmatch(entry.name):
        reading.error((*path, "name"), f"`{entry.name}` cannot name a view", code="flare.name")
    for key, what in LATER_OUTPUT.items():
        refuse(entry, key, what, reading, path)
    kind = canonical_format(entry.format, reading, (*path, "format"))
    options = read_model(_Options, _gather(entry, reading, path), reading, (*path, "options"))
    checks = assertions.read(entry.assertions, reading, (*path, "assertions"))
    if options is None:
        return None
    where = (*path, "options")
    implied = _file_kind(options, reading, where)
    kind = kind or implied
    address = _address(entry, kind, reading, path)
    if address is None:
        return None
    _refuse_options(options, kind, reading, where)
    word = options.save_mode or _file_mode(options) or ("append" if streams else "overwrite")
    mode = one_of(word, ("overwrite", "append"), (*where, "saveMode"), reading, "saveMode")
    iceberg = options.iceberg or _Iceberg()
    if kind in (*FILES, "jdbc", *MESSAGES) and (iceberg.merge or iceberg.partition_spec or iceberg.properties):
        reading.error(
            (*where, "iceberg"),
            "`iceberg` says how a Lakehouse table is written, and this output is "
            + {"jdbc": "a table of a database", **dict.fromkeys(MESSAGES, "a topic")}.get(
                kind, f"written as {kind} files"
            ),
            hint="leave it out (files: `partitionBy`, `compressionType`), or write to a Lakehouse",
        )
    if kind in ("jdbc", *MESSAGES) and options.partition_by:
        what = "a table of a database" if kind == "jdbc" else "a topic"
        reading.warn((*where, "partitionBy"), f"`partitionBy` has no effect on {what}")
    if kind in MESSAGES and mode == "overwrite" and options.save_mode:
        reading.warn((*where, "saveMode"), "messages of a topic are not replaced: it is appended to")
    evolution = _evolution(options, kind, reading, where)
    column_tags = tagging.read(entry.column_tags, reading, (*path, "columnTags"))
    if options.column_tags is not None:
        where_tags = (*where, "columnTags")
        reading.warn(where_tags, "`options.columnTags` is read as `columnTags`", code="manifest.variant")
        column_tags += tagging.read(options.column_tags, reading, where_tags)
    properties, dynamic = _properties(iceberg, options, reading, (*where, "iceberg", "properties"))
    partitions = _partitions(iceberg, options, reading, where)
    merge = _merge(iceberg.merge, reading, (*where, "iceberg", "merge"))
    sort = _sort(options.sort, reading, (*where, "sort"))
    if sort[1] and kind == "json":
        reading.warn((*where, "sort"), "`sort` has no effect on json files")
    if dynamic and merge is not None:
        reading.warn((*where, "iceberg", "properties", "overwrite-mode"), "`overwrite-mode` has no effect on a merge")
    elif dynamic and mode == "append":
        reading.warn((*where, "iceberg", "properties", "overwrite-mode"), "`overwrite-mode` has no effect on append")
    if len(reading.problems) > before or mode is None:
        return None
    return Output(
        name=entry.name,
        address=address,
        format=kind,
        options=_file_options(options) if kind in (*FILES, "kafkaavro") else {},
        compression=options.compression_type,
        branch=_branch(options),
        mode=mode,
        dynamic=dynamic and mode == "overwrite" and merge is None,
        merge=merge,
        partitions=() if kind in ("jdbc", *MESSAGES) else partitions,
        sort_mode=sort[0],
        sort=sort[1],
        properties=properties,
        assertions=checks,
        title=entry.title or text_of(options.title or iceberg.title),
        description=entry.description or text_of(options.description),
        tags=tuple(dict.fromkeys((*entry.tags, *options.tags, *iceberg.tags))),
        column_tags=column_tags,
        path=path,
        address_path=(*path, "dataset"),
        evolution=evolution,
    )


def _address(entry: OutputEntry, kind: str | None, reading: Reading, path: Path) -> Udl | None:
    if entry.dataset is None:
        reading.error(path, "`dataset` is required", code="manifest.missing")
        return None
    text = entry.dataset
    udl = reading.attempt((*path, "dataset"), lambda: Udl.parse(text))
    if udl is None:
        return None
    dataset = (udl.dataset or "").strip("/") or entry.name
    if udl.collection is None or ("/" in dataset and kind not in FILES):
        reading.error(
            (*path, "dataset"),
            f"Invalid dataset found: {text}",
            code="manifest.address",
            hint="a table's address reads dataos://[depot]:[collection]/[table]?acl=rw (of files, with a `format`: "
            "[folder]/[folder] too)",
        )
        return None
    if udl.acl != "rw":
        reading.warn((*path, "dataset"), "an output is written: `?acl=rw` is taken for granted")
    return Udl(udl.depot, udl.collection, dataset, "rw", udl.options)


def _gather(entry: OutputEntry, reading: Reading, path: Path) -> dict[str, Any]:
    """Options with the iceberg block in its one place, wherever it stood."""
    options: dict[str, Any] = dict(entry.options or {})
    key = next((k for k in options if k.lower() == "iceberg"), "iceberg")
    inner = options.get(key)
    iceberg: dict[str, Any] = dict(cast("dict[str, Any]", inner)) if isinstance(inner, dict) else {}
    if entry.iceberg:
        reading.warn((*path, "iceberg"), "`iceberg` is read as `options.iceberg`", code="manifest.variant")
        iceberg = {**entry.iceberg, **iceberg}
    for name in _MISPLACED:
        found = next((k for k in options if k.lower() == name.lower()), None)
        if found is None:
            continue
        value = options.pop(found)
        reading.warn((*path, "options", found), f"`{found}` is read as `iceberg.{name}`", code="manifest.variant")
        if not any(k.lower() == name.lower() for k in iceberg):
            iceberg[name] = value
    if iceberg:
        options[key] = iceberg
    return options


def _evolution(options: _Options, kind: str | None, reading: Reading, path: Path) -> str:
    """What becomes of columns that the table does not have, or the rows do not (ch04 18)."""
    extra = next((text_of(v) for k, v in options.extra_options.items() if k.lower() == "schemaevolution"), None)
    word = options.schema_evolution or extra
    if word is None:
        return "strict"
    found = one_of(word, ("strict", "add", "ignore"), (*path, "schemaEvolution"), reading, "schemaEvolution")
    if found not in (None, "strict") and kind not in (None, "iceberg"):
        reading.error(
            (*path, "schemaEvolution"),
            f"`schemaEvolution: {found}` is of Lakehouse tables, and this output is written as {kind}",
            hint="leave it out, and select the columns in the last step",
            code="stack.unsupported",
        )
    return found or "strict"


def _file_mode(options: _Options) -> str | None:
    return next((text_of(v) for k, v in options.file.items() if k.lower() == "savemode"), None)


def _branch(options: _Options) -> str:
    """The branch to write to; empty for `main`."""
    named = next((text_of(v) for k, v in options.extra_options.items() if k.lower() == "branch"), "")
    branch = (options.branch or named).strip()
    return "" if branch == "main" else branch


def _file_kind(options: _Options, reading: Reading, path: Path) -> str | None:
    word = next((text_of(v) for k, v in options.file.items() if k.lower() == "outputtype"), None)
    return canonical_format(word, reading, (*path, "file", "outputType"))


def _file_options(options: _Options) -> dict[str, str]:
    """The writer's options, keys in lower case."""
    made = {k.lower(): text_of(v) for k, v in options.extra_options.items() if v is not None}
    for key, value in (("schemasubject", options.schema_subject), ("schemaid", options.schema_id)):
        if value is not None:
            made.setdefault(key, text_of(value))
    return made


def _refuse_options(options: _Options, kind: str | None, reading: Reading, path: Path) -> None:
    for key, value in (("bigquery", options.bigquery), ("connectionProps", options.connection_props)):
        if value:
            later(reading, (*path, key), f"`{key}`")
    if options.query:
        later(reading, (*path, "query"), "a parametrised statement as target (JDBCQuery)")
    if kind in MESSAGES:
        for key, value in options.extra_options.items():
            if kind == "kafkaavro" and key.lower() in ("schemasubject", "schemaid"):
                if key.lower() == "schemaid" and not text_of(value).strip().isdigit():
                    reading.error((*path, "extraOptions", key), f"`{value}` is no id of a schema")
                continue
            reading.warn((*path, "extraOptions", key), f"`{key}` has no effect: the Depot says how a topic is reached")
        return
    if kind == "jdbc":
        return  # how a driver writes (batches, truncate, isolation) is not the author's to say here
    if kind in FILES:
        for key in options.extra_options:
            if key.lower() not in fileformats.FORMATS[kind].writes:
                reading.warn((*path, "extraOptions", key), f"`{key}` has no effect on {kind} files")
        return
    for key, value in options.extra_options.items():
        if key.lower() in ("overwrite-mode", "partitionoverwritemode"):
            later(
                reading,
                (*path, "extraOptions", key),
                f"`{key}` in extraOptions",
                "write `overwrite-mode: dynamic` under iceberg.properties",
            )
        elif key.lower() not in ("branch", "schemaevolution") and value is not None:
            reading.warn((*path, "extraOptions", key), f"`{key}` has no effect on an Iceberg table")


def _merge(entry: _Merge | None, reading: Reading, path: Path) -> MergeClauses | None:
    if entry is None:
        return None
    before = len(reading.problems)
    for key, check in (
        ("onClause", lambda: merging.check_on(entry.on_clause, engine=EngineName.SPARK)),
        ("whenClause", lambda: merging.check(entry.on_clause, entry.when_clause, engine=EngineName.SPARK)),
    ):
        if reading.attempt((*path, key), check) is None:
            break
    return MergeClauses(entry.on_clause, entry.when_clause, path) if len(reading.problems) == before else None


def _properties(iceberg: _Iceberg, options: _Options, reading: Reading, path: Path) -> tuple[dict[str, str], bool]:
    found = {k: text_of(v) for k, v in iceberg.properties.items() if v is not None}
    mode = found.pop("overwrite-mode", "static").strip().lower()
    if mode not in ("dynamic", "static"):
        reading.error(
            (*path, "overwrite-mode"), f"overwrite-mode `{mode}` is not allowed", hint="allowed: dynamic, static"
        )
    for key in found:
        if key in _PLACES:
            reading.error(
                (*path, key),
                f"`{key}` may not be set: a table's files stay in its own folder",
                code="stack.unsupported",
                hint="leave it out",
            )
    kind = found.get("write.format.default", "parquet").strip().lower()
    if kind != "parquet":
        reading.error(
            (*path, "write.format.default"),
            f"data files of format `{kind}` cannot be written",
            code="stack.unsupported",
            hint="leave it out (parquet)",
        )
    if options.compression_type:
        word = choose(options.compression_type, ("gzip", "snappy", "zstd", "none"))
        if word is None:
            reading.error(
                (*path[:-2], "compressionType"),
                f"compressionType `{options.compression_type}` is not allowed",
                hint=suggest(options.compression_type, ("gzip", "snappy")),
            )
        elif word != "none":
            found.setdefault("write.parquet.compression-codec", word)
    return found, mode == "dynamic"


def _partitions(iceberg: _Iceberg, options: _Options, reading: Reading, path: Path) -> tuple[PartitionField, ...]:
    where = (*path, "iceberg", "partitionSpec")
    found = [_partition(entry, reading, (*where, n)) for n, entry in enumerate(iceberg.partition_spec)]
    fields = [f for f in found if f is not None]
    if iceberg.partition_spec and options.partition_by:
        reading.warn((*path, "partitionBy"), "`iceberg.partitionSpec` wins over `partitionBy`")
    elif options.partition_by:
        where = (*path, "partitionBy")
        fields = [PartitionField("identity", c, None, None, (*where, n)) for n, c in enumerate(options.partition_by)]
    seen: set[tuple[str, str]] = set()
    aliases: set[str] = set()
    for field in fields:
        key = (field.column.lower(), field.transform)
        alias = (field.name or "").lower()
        if key in seen or (alias and alias in aliases):
            reading.error(field.path, f"`{field.column}` is partitioned twice in the same way", code="flare.partition")
        seen.add(key)
        aliases.add(alias)
        if alias and alias == field.column.lower() and field.transform != "identity":
            reading.error(
                (*field.path, "name"),
                f"the partition may not be named like its column, `{field.column}`",
                code="flare.partition",
                hint="choose another name, or leave it out",
            )
    return tuple(fields)


def _partition(entry: _PartitionEntry, reading: Reading, path: Path) -> PartitionField | None:
    word = entry.type.strip().lower()
    if word.endswith("s") and word[:-1] in _TRANSFORMS:
        word = word[:-1]
    transform = one_of(word, _TRANSFORMS, (*path, "type"), reading, "partition type")
    if transform is None:
        return None
    if transform == "bucket":
        if entry.num_buckets is None or entry.num_buckets < 1:
            reading.error(
                (*path, "numBuckets"), "a bucket partition needs `numBuckets` of 1 or more", code="manifest.missing"
            )
            return None
    elif entry.num_buckets is not None:
        reading.warn((*path, "numBuckets"), f"`numBuckets` has no effect on `{transform}`")
    buckets = entry.num_buckets if transform == "bucket" else None
    return PartitionField(transform, entry.column, entry.name or None, buckets, path)


def _sort(sort: _Sort | None, reading: Reading, path: Path) -> tuple[str | None, tuple[SortColumn, ...]]:
    if sort is None:
        return None, ()
    mode = one_of(sort.mode or "partition", ("partition", "global"), (*path, "mode"), reading, "sort mode")
    columns: list[SortColumn] = []
    for number, entry in enumerate(sort.columns):
        where = (*path, "columns", number)
        order = one_of(entry.order, ("asc", "desc"), (*where, "order"), reading, "order")
        columns.append(SortColumn(entry.name, order == "desc", where))
    return mode, tuple(columns)
