"""Inputs as views: files, Lakehouse tables, and answers of the server."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from dataos.client.api import ARROW, BYTES, Client
from dataos.core import names
from dataos.core.errors import DataOSError, fail
from dataos.stacks.flare import fileformats, structures
from dataos.stacks.flare.driver import appends, csvfiles, partitions, unpacking
from dataos.stacks.flare.driver.avromessages import Decoder
from dataos.stacks.flare.driver.catalog import Catalog, has_vectors, rows_of
from dataos.stacks.flare.driver.duckfiles import Converter
from dataos.stacks.flare.driver.engine import Engine, table_name
from dataos.stacks.flare.driver.formats import model as formats
from dataos.stacks.flare.driver.job import Source
from dataos.stacks.flare.driver.output import Log
from dataos.stacks.flare.engines import EngineName
from dataos.stacks.flare.model import Input
from dataos.stacks.flare.quoting import literal, quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SYSTEM_COLUMN = "__metadata"
_FETCHES = 4  # objects at once
_LINE_ENDS = ("\n", "\r\n", "\r", "\\n", "\\r\\n", "\\r")
_STREAM_OPTIONS = frozenset(
    {"maxfilespertrigger", "latestfirst", "maxfileage", "maxbytespertrigger", "filenameonly", "cleansource"}
)


@dataclass(frozen=True)
class _Direct:
    """CSV files that the engine reads by itself, whenever it computes."""

    entry: Input
    files: Sequence[str]
    columns: Sequence[str]
    dialect: csvfiles.Dialect
    packed: Mapping[str, str]


@dataclass(frozen=True)
class View:
    """A registered view. `rows` is None where nothing but computing it would tell; `text`: text that is parsed at each
    look."""

    name: str
    columns: tuple[str, ...]
    rows: int | None
    text: bool = False


class Readers:
    """Registers each input under its name, in the engine's session."""

    def __init__(
        self, engine: Engine, catalog: Catalog, client: Client, converter: Converter, scratch: Path, log: Log
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._client = client
        self._converter = converter
        self._scratch = scratch
        self._log = log
        self._direct: list[_Direct] = []
        self._told: set[tuple[str, str]] = set()
        self._homes: dict[str, str] = {}  # folders of copies -> where the originals are

    def load(self, entry: Input, source: Source, keep_system_columns: bool) -> View:
        """Make the view. Raises DataOSError `flare.file`, `flare.option`, `flare.input`, or what the server says."""
        if source.kind == "table":
            frame, rows = self._table(entry, source)
        elif source.kind == "query":
            frame, rows = self._query(entry)
        else:
            if source.schema:
                entry = replace(entry, schema=self._schema(entry, source))
            try:
                here = self._fetch(entry, source) if source.kind == "objects" else source
                frame, rows = self._files(entry, here)
            except DataOSError as error:
                raise self._at_home(error) from error
            if entry.schema is not None:
                frame = self._shaped(entry, frame, entry.schema)
        return self._register(entry, frame, rows, keep_system_columns)

    def _register(self, entry: Input, frame: DataFrame, rows: int | None, keep_system_columns: bool) -> View:
        if SYSTEM_COLUMN in frame.columns and not keep_system_columns:
            self._log.info("keepSystemColumns not set. Will delete the system columns")
            frame = frame.drop(SYSTEM_COLUMN)
        _check_columns(entry.name, frame.columns)
        frame.createOrReplaceTempView(entry.name)
        is_text = any(d.entry is entry for d in self._direct)
        return View(entry.name, tuple(frame.columns), rows, is_text)

    def _shaped(self, entry: Input, frame: DataFrame, schema: str) -> DataFrame:
        """The columns that a schema names, with its types: by name where the files have them all, else by position.

        A text that is none of its type fails, or is NULL where `mode` is not FAILFAST. Columns of folders stay.
        """
        options = {k.lower(): v for k, v in entry.options.items()}
        wanted = structures.columns_of(schema)
        have = {c.lower(): c for c in frame.columns}
        if all(name.lower() in have for name, _ in wanted):
            found = [have[name.lower()] for name, _ in wanted]
        elif len(wanted) == len(frame.columns):
            found = list(frame.columns)
        else:
            missing = [name for name, _ in wanted if name.lower() not in have]
            raise fail(
                "flare.input",
                f"{entry.source}: the schema names {', '.join(missing)}, which the files do not have: "
                + ", ".join(frame.columns),
                hint="correct the schema; without one, columns are named by the files",
            )
        strict = options.get("mode", "failfast").lower() == "failfast"
        types = dict(frame.dtypes)
        chosen = [
            f"{_typed(column, types[column], kind, options, strict)} AS {quoted(name)}"
            for column, (name, kind) in zip(found, wanted, strict=True)
        ]
        return frame.selectExpr(*chosen)

    def _schema(self, entry: Input, source: Source) -> str:
        """The schema of a file, as DDL. Raises DataOSError `flare.schema_text`, `flare.file`."""
        if Path(source.schema).is_absolute():
            content = _read_small(source.schema)
        else:
            assert entry.schema_at is not None  # noqa: S101 - the planner found the file by it
            asked = {"address": str(replace(entry.schema_at, acl="r", options=())), "path": source.schema}
            answer = self._client.call("POST", "/api/v1/inputs", body=asked, accept=BYTES)
            content = b"".join(answer.chunks(1 << 20))
        try:
            return structures.ddl_of(content.decode("utf-8-sig"), entry.schema_kind)
        except (UnicodeDecodeError, DataOSError) as error:
            what = error.problem.message if isinstance(error, DataOSError) else "it is not UTF-8"
            raise fail("flare.schema_text", f"the schema at {entry.schema_at}: {what}", hint="correct it") from error

    def diagnose(self) -> tuple[Input, DataOSError] | None:
        """After the engine failed on CSV: the input, file and line that a strict reader stumbles over."""
        for one in self._direct:
            try:
                self._converter.csv(f"diagnosis-{one.entry.name}", one.files, one.columns, one.dialect, {})
            except DataOSError as error:
                found = _unscratched(error, one.packed, self._scratch / f"input-{one.entry.name}")
                return one.entry, self._at_home(found)
        return None

    # --- tables and queries -----------------------------------------------------------------------------------------

    def _table(self, entry: Input, source: Source) -> tuple[DataFrame, int | None]:
        found = self._catalog.find(source.warehouse, source.namespace, source.table)
        if found is None:
            raise fail(
                "flare.input",
                f"{entry.address} does not exist",
                hint="the job that makes it must run first: name it in `dependencies`",
            )
        name = table_name(source.warehouse, source.namespace, source.table)
        branch = next((v for k, v in entry.options.items() if k.lower() == "branch"), "main")
        snapshot = found.branch(branch)
        if snapshot is None and branch != "main":
            raise fail(
                "flare.input",
                f"{entry.address} has no branch `{branch}`",
                hint="it has " + (", ".join(sorted(found.branches)) or "none") + "; make it with dataset create-branch",
            )
        if snapshot is not None and self._engine.name is EngineName.SAIL and has_vectors(found, snapshot):
            return self._copied(entry, source, int(snapshot["snapshot-id"]))
        # the snapshot of now, however often the view is computed and whatever this job writes meanwhile
        at = f" VERSION AS OF {snapshot['snapshot-id']}" if snapshot else ""
        return self._engine.sql(f"SELECT * FROM {name}{at}"), rows_of(snapshot)

    def _copied(self, entry: Input, source: Source, snapshot: int) -> tuple[DataFrame, int]:
        """A table with deletion vectors: its rows, by PyIceberg. The embedded engine takes those that DuckDB wrote for
        Parquet (it knows the format as `PUFFIN` only)."""
        target = self._scratch / f"input-{entry.name}.parquet"
        table = self._catalog.open(source.warehouse, source.namespace, source.table)
        rows = appends.keep(table.scan(snapshot_id=snapshot), target)
        return self._engine.read_made(str(target)), rows

    def _query(self, entry: Input) -> tuple[DataFrame, int | None]:
        wanted: dict[str, Any] = {"address": str(entry.address)}
        if entry.query is not None:
            wanted = {"query": entry.query, "cluster": entry.cluster}
        return self._arrow(entry, wanted)

    def _arrow(self, entry: Input, wanted: Mapping[str, Any], decoder: Decoder | None = None) -> tuple[DataFrame, int]:
        """An Arrow stream of the server's, by way of a file in scratch."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        answer = self._client.call("POST", "/api/v1/inputs", body=wanted, accept=ARROW, timeout_s=3600.0)
        target = self._scratch / f"input-{entry.name}.parquet"
        rows = 0
        try:
            with pa.ipc.open_stream(_Stream(answer.chunks(1 << 20))) as stream:
                schema = stream.schema if decoder is None else decoder.schema(stream.schema)
                with pq.ParquetWriter(target, schema, compression="snappy") as writer:
                    for sent in stream:
                        batch = sent if decoder is None else decoder.batch(sent)
                        rows += batch.num_rows
                        writer.write_batch(batch)
        except pa.ArrowInvalid as error:
            raise fail(
                "flare.input", f"the answer for {entry.source} broke off: {str(error)[:200]}", retry=5.0
            ) from error
        return self._engine.read_made(str(target)), rows

    # --- slices of streams ------------------------------------------------------------------------------------------

    def emptied(self, entry: Input, source: Source, keep_system_columns: bool) -> View:
        """The view of an input without its rows. Raises as `load`."""
        self.load(entry, source, keep_system_columns)
        frame = self._engine.sql(f"SELECT * FROM {quoted(entry.name)} LIMIT 0")
        frame = self._engine.keep(frame, f"empty-{entry.name}")
        return self._register(entry, frame, 0, keep_system_columns)

    def appended(
        self,
        entry: Input,
        source: Source,
        keep_system_columns: bool,
        since: int | None,
        upto: int,
        options: Mapping[str, str],
    ) -> View:
        """Rows that were appended to a table after one snapshot, up to another; all rows where `since` is None.

        Raises DataOSError `flare.stream_lost` (the way from one to the other is not known any more),
        `flare.stream_changed` (rows were changed or removed on it).
        """
        if since is None:
            name = table_name(source.warehouse, source.namespace, source.table)
            found = self._catalog.find(source.warehouse, source.namespace, source.table)
            held = found.metadata.get("snapshots", []) if found is not None else []
            rows = rows_of(next((s for s in held if s["snapshot-id"] == upto), None))
            frame = self._engine.sql(f"SELECT * FROM {name} VERSION AS OF {upto}")
            return self._register(entry, frame, rows, keep_system_columns)
        table = self._catalog.open(source.warehouse, source.namespace, source.table)
        appends.check(entry, table, since, upto, options)
        target = self._scratch / f"input-{entry.name}.parquet"
        rows = appends.copy(table, since, upto, target)
        return self._register(entry, self._engine.read_made(str(target)), rows, keep_system_columns)

    def messages(
        self, entry: Input, ranges: Mapping[int, tuple[int, int]], headers: bool, decoder: Decoder | None = None
    ) -> View:
        """Messages of a topic, from one offset to before another, by partition; their values by `decoder`."""
        wanted = {"address": str(entry.address), "offsets": ranges, "headers": headers}
        frame, rows = self._arrow(entry, wanted, decoder)
        return self._register(entry, frame, rows, True)

    def entries(self, entry: Input, spans: Mapping[int, tuple[str, str]], decoder: Decoder) -> View:
        """Messages of a topic in ledgers, after one message id up to another, by partition."""
        frame, rows = self._arrow(entry, {"address": str(entry.address), "spans": spans}, decoder)
        return self._register(entry, frame, rows, True)

    def made(self, entry: Input, first: int, after: int, start_us: int, step_us: int, many: int, spread: bool) -> View:
        """Rows of the clock: `many` in each step, spread over it or all at its beginning."""
        each = f"id * {step_us} DIV {many}" if spread else f"(id DIV {many}) * {step_us}"
        text = f"SELECT timestamp_micros({start_us} + {each}) AS timestamp, id AS value FROM range({first}, {after})"
        return self._register(entry, self._engine.sql(text), after - first, True)

    # --- objects ----------------------------------------------------------------------------------------------------

    def _fetch(self, entry: Input, source: Source) -> Source:
        """Copies in scratch of the objects that an input reads, in the folders that they have in their store."""
        assert entry.address is not None  # noqa: S101 - what is asked of a store has one
        address = str(replace(entry.address, acl="r", options=()))
        folder = self._scratch / f"objects-{entry.name}"
        self._homes[str(folder)] = source.place
        pattern = _file_options(entry).get("pathglobfilter", "*")
        wanted = [path for path in source.files if fnmatch.fnmatch(Path(path).name, pattern)]

        def fetch(path: str) -> str:
            asked = {"address": address, "path": path}
            answer = self._client.call("POST", "/api/v1/inputs", body=asked, accept=BYTES, timeout_s=3600.0)
            # paths of files begin with `/`; nothing may lie outside of the folder
            parts = [p for p in PurePosixPath(path).parts if p not in ("/", "..", ".")]
            target = folder.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                for piece in answer.chunks(1 << 20):
                    file.write(piece)
            return str(target)

        with ThreadPoolExecutor(_FETCHES) as pool:
            files = tuple(pool.map(fetch, wanted))
        self._log.info(f"{entry.name}: {len(files)} objects from {source.place}")
        return Source("files", place=str(folder), format=source.format, files=files)

    def _at_home(self, error: DataOSError) -> DataOSError:
        """Messages name objects where they are, not their copies."""

        def told(text: str) -> str:
            for folder, place in self._homes.items():
                text = text.replace(folder, place.rstrip("/"))
            return text

        return DataOSError([replace(p, message=told(p.message)) for p in error.problems])

    # --- files ------------------------------------------------------------------------------------------------------

    def _files(self, entry: Input, source: Source) -> tuple[DataFrame, int | None]:
        options = _file_options(entry)
        files = [f for f in source.files if fnmatch.fnmatch(Path(f).name, options.get("pathglobfilter", "*"))]
        for path in files:
            if not Path(path).is_file():
                raise fail("flare.file", f"Path does not exist: {entry.address} ({path})")
        if not files:
            raise fail("flare.file", f"Path does not exist: {entry.address} ({source.place or 'no file'})")
        if source.format in ("csv", "json") and options.get("linesep", "\n") not in _LINE_ENDS:
            raise fail(
                "stack.unsupported",
                f"lines of {source.format} end with \\n, \\r\\n or \\r, not with `{options['linesep']}`",
                hint="leave `lineSep` out, or read the file as `format: text` with that `lineSep` and split the lines",
            )
        groups = partitions.split(files, source.place)
        if not groups.keys:
            return self._read(entry, entry.name, source.format, files, options)
        frames: list[DataFrame] = []
        total: int | None = 0
        for number, (values, members) in enumerate(groups.members.items()):
            frame, rows = self._read(entry, f"{entry.name}-p{number}", source.format, members, options)
            total = None if total is None or rows is None else total + rows
            # as Spark does: the folder wins over a column of the file, and stands last
            kept = [quoted(c) for c in frame.columns if c.lower() not in {k.lower() for k in groups.keys}]
            made = [
                f"CAST({'NULL' if v is None else literal(v)} AS {kind}) AS {quoted(key)}"
                for key, v, kind in zip(groups.keys, values, groups.types, strict=True)
            ]
            frames.append(frame.selectExpr(*kept, *made))
        merges = options.get("mergeschema", "").lower() == "true"
        return _joined(frames, lambda one, other: one.unionByName(other, allowMissingColumns=merges)), total

    def _read(
        self, entry: Input, label: str, kind: str, files: list[str], options: Mapping[str, str]
    ) -> tuple[DataFrame, int | None]:
        """Files that belong together. `label` names what is made of them in scratch."""
        form = fileformats.FORMATS[kind]
        self._notice(entry, options, kind, form.reads)
        if kind == "parquet":
            return self._parquet(label, files, options)
        if not form.packs:
            return self._own(entry, label, form, files, options)
        folder = self._scratch / f"input-{entry.name}"
        plain = unpacking.unpack(files, folder)
        packed = dict(zip(plain, files, strict=False)) if len(plain) == len(files) else {}
        try:
            if kind == "json":
                return self._json(label, plain, options)
            if form.read:
                return self._own(entry, label, form, plain, options)
            return self._csv(entry, label, plain, options, packed)
        except DataOSError as error:
            raise _unscratched(error, packed, folder) from error

    def _csv(
        self,
        entry: Input,
        label: str,
        files: Sequence[str],
        options: Mapping[str, str],
        packed: Mapping[str, str],
    ) -> tuple[DataFrame, int | None]:
        mode = formats.mode_of(options)
        dialect = csvfiles.Dialect.of(options)
        facts = [csvfiles.look(f, dialect) for f in files]
        columns = csvfiles.same_columns(facts, options.get("mergeschema", "false").lower() == "true")
        if any(f.backslash for f in facts) and dialect.escape is None:
            dialect = replace(dialect, escape="\\")
        direct = (
            all(f.plain for f in facts)
            and mode == "failfast"
            and dialect.escape is None
            and dialect.comment is None
            and len(dialect.delimiter) == 1
            and self._takes(files)
        )
        groups: dict[tuple[tuple[str, ...], int], list[str]] = {}
        for fact in facts:
            groups.setdefault((fact.columns, fact.skip), []).append(fact.path)
        frames: list[DataFrame] = []
        rows: int | None = 0
        for number, ((cells, skip), paths) in enumerate(groups.items()):
            if direct:
                frame = self._plain_csv(paths, cells, dialect)
                self._direct.append(_Direct(entry, paths, cells, dialect, packed))
                known = [f.rows for f in facts if f.columns == cells]
                rows = None if rows is None or None in known else rows + sum(k or 0 for k in known)
            else:
                made = self._converter.csv(f"input-{label}-{number}", paths, cells, dialect, options, skip)
                frame = self._engine.read_made(*made.paths)
                rows = None if rows is None else rows + made.rows
                if made.dropped:
                    self._log.warning(f"{entry.name}: {made.dropped} malformed rows were left out (mode DROPMALFORMED)")
            frames.append(self._with_columns(frame, columns))
        whole = self._treat(_joined(frames, lambda one, other: one.union(other)), options)
        if options.get("inferschema", "false").lower() == "true":
            whole = self._infer(label, whole)
        return whole, rows

    def _visible(self, files: Sequence[str]) -> bool:
        """Can the engine open them? What was unpacked or fetched lies in this job's own folder."""
        return self._engine.reads_scratch or not any(Path(f).is_relative_to(self._scratch) for f in files)

    def _takes(self, files: Sequence[str]) -> bool:
        """Does the engine read these files by itself?"""
        return self._visible(files) and len(files) <= (self._engine.most_files or len(files))

    def _plain_csv(self, paths: list[str], columns: Sequence[str], dialect: csvfiles.Dialect) -> DataFrame:
        from pyspark.sql.types import StringType, StructField, StructType

        schema = StructType([StructField(c, StringType()) for c in columns])
        reader = self._engine.session.read.schema(schema).option("header", str(dialect.header).lower())
        reader = reader.option("sep", dialect.delimiter).option("quote", dialect.quote).option("mode", "FAILFAST")
        return reader.csv(paths)

    def _with_columns(self, frame: DataFrame, columns: Sequence[str]) -> DataFrame:
        """The columns in one order, NULL where a file has none."""
        if list(frame.columns) == list(columns):
            return frame
        have = set(frame.columns)
        return frame.selectExpr(*[quoted(c) if c in have else f"CAST(NULL AS STRING) AS {quoted(c)}" for c in columns])

    def _treat(self, frame: DataFrame, options: Mapping[str, str]) -> DataFrame:
        """nullValue, and white space round values."""
        null = options.get("nullvalue")
        left = options.get("ignoreleadingwhitespace", "false").lower() == "true"
        right = options.get("ignoretrailingwhitespace", "false").lower() == "true"
        if not (null or left or right):
            return frame
        call = {(True, True): "trim", (True, False): "ltrim", (False, True): "rtrim"}.get((left, right), "")
        chosen: list[str] = []
        for column in frame.columns:
            text = f"{call}({quoted(column)})" if call else quoted(column)
            if null:
                text = f"nullif({text}, {literal(null)})"
            chosen.append(f"{text} AS {quoted(column.strip() if call else column)}")
        return frame.selectExpr(*chosen)

    def _infer(self, name: str, frame: DataFrame) -> DataFrame:
        """The narrowest of int, bigint, double, date, timestamp, boolean that all values of a column are; else text."""
        view = f"raw_{name}"
        frame.createOrReplaceTempView(view)
        measured: list[str] = []
        for column in frame.columns:
            value = quoted(column)
            measured.append(f"count({value})")
            measured += [f"count_if({test.format(v=value)})" for _, test in _INFERENCES]
        width = 1 + len(_INFERENCES)
        row = self._engine.run(f"SELECT {', '.join(measured)} FROM {quoted(view)}")[0]
        chosen: list[str] = []
        for position, column in enumerate(frame.columns):
            total, *hits = row[position * width : (position + 1) * width]
            kind = next((k for (k, _), n in zip(_INFERENCES, hits, strict=True) if total and n == total), None)
            text = quoted(column)
            chosen.append(f"CAST({text} AS {kind}) AS {text}" if kind else text)
        return frame.selectExpr(*chosen)

    def _own(
        self, entry: Input, label: str, form: fileformats.Format, files: Sequence[str], options: Mapping[str, str]
    ) -> tuple[DataFrame, int | None]:
        """A format that is read with a library, into Parquet."""
        import pyarrow.parquet as pq

        asked = formats.Wanted(files, options, entry.schema, lambda text: self._log.warning(f"{entry.name}: {text}"))
        content: formats.Content = formats.program(form.read)(asked)
        target = self._scratch / f"input-{label}.parquet"
        rows = 0
        with pq.ParquetWriter(target, content.schema, compression="snappy") as writer:
            for batch in content.batches:
                rows += batch.num_rows
                writer.write_batch(batch)
        frame = self._engine.read_made(str(target))
        if content.as_text and entry.schema is None and formats.flag(options, "inferschema"):
            frame = self._infer(label, frame)
        return frame, rows

    def _json(self, label: str, files: Sequence[str], options: Mapping[str, str]) -> tuple[DataFrame, int | None]:
        for path in files:
            with open(path, "rb") as file:
                head = file.read(1 << 16).lstrip(b"\xef\xbb\xbf \t\r\n")
            if not head:
                raise fail("flare.file", f"{path} is empty")
            if head.startswith(b"[") and options.get("multiline", "false").lower() != "true":
                raise fail(
                    "flare.file",
                    f"{path} is an array, not one JSON object a line",
                    hint="set `multiLine: true` in the input's options",
                )
        made = self._converter.json(f"input-{label}", files, options)
        return self._engine.read_made(*made.paths), made.rows

    def _parquet(self, label: str, files: list[str], options: Mapping[str, str]) -> tuple[DataFrame, int | None]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = 0
        kinds: dict[bytes, tuple[str, Any]] = {}  # schemas as bytes -> the first file that has it
        for path in files:
            try:
                metadata = pq.read_metadata(path)
                schema = metadata.schema.to_arrow_schema().remove_metadata()
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
                size = Path(path).stat().st_size
                what = "is empty" if size == 0 else f"is no whole Parquet file: {str(error).splitlines()[0][:160]}"
                raise fail("flare.file", f"{path} {what}", hint="write the file again") from error
            rows += metadata.num_rows
            kinds.setdefault(schema.serialize().to_pybytes(), (path, schema))
        (first, schema), *others = kinds.values()
        if others and options.get("mergeschema", "false").lower() != "true":
            other, its = others[0]
            raise fail(
                "flare.file",
                f"{other} has other columns than {first}: {formats.difference(schema, its)}",
                hint="read them as two inputs, or set `mergeSchema: true` in the input's options",
            )
        if not others and self._takes(files):
            return self._engine.session.read.parquet(*files), rows
        made = self._converter.parquet(f"input-{label}", files, [path for path, _ in kinds.values()])
        return self._engine.read_made(*made.paths), made.rows

    def _notice(self, entry: Input, options: Mapping[str, str], kind: str, known: frozenset[str]) -> None:
        """Say once which options do nothing."""
        for key in sorted(options.keys() - known):
            if (entry.name, key) in self._told:
                continue
            self._told.add((entry.name, key))
            hint = names.did_you_mean(key, known) if names.nearest(key, known) else ""
            text = f"{entry.name}: the option `{key}` has no effect on {kind} files"
            self._log.warning(f"{text}{'; ' + hint if hint else ''}")


def _joined(frames: Sequence[DataFrame], union: Callable[[DataFrame, DataFrame], DataFrame]) -> DataFrame:
    """All frames in their order, by a tree of unions: a chain of hundreds is nested too deeply to be sent."""
    if len(frames) == 1:
        return frames[0]
    half = len(frames) // 2
    return union(_joined(frames[:half], union), _joined(frames[half:], union))


def _read_small(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise formats.unreadable(path, error) from error


def _file_options(entry: Input) -> dict[str, str]:
    """Options in lower case, without those that say how a stream of files goes on."""
    return {k.lower(): v for k, v in entry.options.items() if k.lower() not in _STREAM_OPTIONS}


def _typed(column: str, have: str, kind: str, options: Mapping[str, str], strict: bool) -> str:
    """A column as a type of the schema; texts of dates and times by the formats of the options."""
    value = quoted(column)
    pattern = {"DATE": options.get("dateformat"), "TIMESTAMP": options.get("timestampformat")}.get(kind)
    if pattern is not None and have == "string":
        call = "to_timestamp" if strict else "try_to_timestamp"
        return f"CAST({call}({value}, {literal(pattern)}) AS {kind})"
    if kind == "STRING" and have == "string":
        return value
    if have == "string":
        value = f"nullif(trim({value}), '')"
    return f"{'CAST' if strict else 'TRY_CAST'}({value} AS {kind})"


_NUMBER = "'^[+-]?[0-9]+$'"
_MOMENT = (
    "'^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[ T][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.][0-9]+)?)?"
    "(Z|[+-][0-9]{{2}}:?[0-9]{{2}})?$'"
)
_INFERENCES = (
    ("INT", "{v} RLIKE " + _NUMBER + " AND try_cast({v} AS INT) IS NOT NULL"),
    ("BIGINT", "{v} RLIKE " + _NUMBER + " AND try_cast({v} AS BIGINT) IS NOT NULL"),
    ("DOUBLE", "{v} RLIKE '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$'"),
    ("DATE", "{v} RLIKE '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$' AND try_cast({v} AS DATE) IS NOT NULL"),
    (
        "TIMESTAMP",
        "{v} RLIKE " + _MOMENT + " AND try_cast({v} AS TIMESTAMP) IS NOT NULL",
    ),
    ("BOOLEAN", "lower({v}) IN ('true', 'false')"),
)


class _Stream:
    """Pieces of bytes as a file that Arrow reads from."""

    closed = False

    def __init__(self, pieces: Any) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end."""
        parts = [self._rest]
        have = len(self._rest)
        while size < 0 or have < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
            have += len(piece)
        whole = b"".join(parts)
        cut = len(whole) if size < 0 else min(size, len(whole))
        self._rest = whole[cut:]
        return whole[:cut]

    def close(self) -> None:
        """Nothing to do: the answer closes itself at its end."""

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Never."""
        return False

    def writable(self) -> bool:
        """Never."""
        return False


def _check_columns(name: str, columns: Sequence[str]) -> None:
    folded = [c.lower() for c in columns]
    twice = sorted({c for c in columns if folded.count(c.lower()) > 1})
    if twice:
        raise fail(
            "flare.input",
            f"input `{name}` has columns that differ in letter case only: {', '.join(twice)}",
            hint="SQL does not tell them apart: rename one at the source",
        )


def _unscratched(error: DataOSError, packed: Mapping[str, str], folder: Path) -> DataOSError:
    """Messages name the files that people know, not their unpacked copies."""

    def cleaned(text: str) -> str:
        for copy, original in packed.items():
            if copy != original:
                text = text.replace(copy, f"{original}:{Path(copy).name.partition('-')[2]}")
        return text.replace(str(folder) + "/", "")

    return DataOSError([replace(p, message=cleaned(p.message)) for p in error.problems])
