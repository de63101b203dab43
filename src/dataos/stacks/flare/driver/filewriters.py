"""Outputs as files: Parquet and JSON by the engine, CSV by DuckDB, others by libraries, into the job's out folder.

The server brings them to their place once the job has ended well (`workloads.deliveries`). Names hold the delivery's
mark.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dataos.core.errors import DataOSError
from dataos.manifest.specs import Path as SpecPath
from dataos.stacks.flare import fileformats
from dataos.stacks.flare.driver.duckfiles import Converter, CsvForm, Order
from dataos.stacks.flare.driver.engine import Engine
from dataos.stacks.flare.driver.formats import model as formats
from dataos.stacks.flare.driver.job import Target
from dataos.stacks.flare.driver.views import Views, Written
from dataos.stacks.flare.model import Output
from dataos.stacks.flare.quoting import literal, quoted

_SUFFIX = {"gzip": ".gz", "snappy": ".snappy", "zstd": ".zst", "lz4": ".lz4", "none": ""}
_ENGINE_CODECS = {"none": "uncompressed"}
_CODEC_WORDS = {"uncompressed": "none", "gz": "gzip", "zlib": "gzip", "deflate": "gzip", "zstandard": "zstd"}
_NESTED = ("map<", "array<", "struct<")
_TIMESTAMPS = {"timestamp": "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "timestamp_ntz": "yyyy-MM-dd'T'HH:mm:ss.SSS"}
"""Spark's own form of times in texts."""


class FileWriters(Views):
    """Writes registered views as files below `out`."""

    def __init__(self, engine: Engine, converter: Converter, root: SpecPath, out: Path, scratch: Path) -> None:
        super().__init__(engine, root)
        self._converter = converter
        self._out = out
        self._scratch = scratch

    def prepare(self, output: Output, target: Target) -> list[str]:
        """The select list of what is written. Raises DataOSError where the view cannot be such files."""
        columns = self.columns(output)
        folders = [self.find(p.column, columns, p.path, "partition column") for p in output.partitions]
        for sort in output.sort:
            self.find(sort.name, columns, (*sort.path, "name"), "sort column")
        if target.whole:
            folders = []
        elif len(folders) == len(columns):
            raise self.fault(output, "flare.partition", "all columns are in `partitionBy`: no file would hold any", "")
        form = fileformats.FORMATS[target.format]
        left = [(c, k.simpleString()) for c, k in columns if c not in folders]
        if target.format == "text" and [k for _, k in left] != ["string"]:
            raise self.fault(
                output,
                "flare.types",
                "text files hold one column of strings, and the view has " + ", ".join(f"{c} ({k})" for c, k in left),
                "select one column: to_json(struct(*)) AS value, or concat_ws(...)",
            )
        chosen: list[str] = []
        for column, kind in columns:
            text = kind.simpleString()
            if text == "void" or column in folders:  # names of folders: the engine writes them of a few types only
                chosen.append(f"CAST({quoted(column)} AS STRING) AS {quoted(column)}")
                continue
            if form.flat and (text.startswith(_NESTED) or text == "binary"):
                raise self.fault(
                    output,
                    "flare.types",
                    f"column `{column}` is {text}, which {target.format.upper()} cannot hold",
                    f"write it as text: to_json({column}) AS {column}, or hex for bytes",
                )
            pattern = self._pattern(output, target.format, text)
            value = quoted(column)
            chosen.append(f"date_format({value}, {literal(pattern)}) AS {value}" if pattern else value)
        return chosen

    @staticmethod
    def _pattern(output: Output, form: str, kind: str) -> str | None:
        """The form of dates and times in texts; None: as it is."""
        if form not in ("csv", "json", "xml"):
            return None
        if kind == "date":
            return output.options.get("dateformat")
        if kind in _TIMESTAMPS:
            given = output.options.get("timestampformat")
            return given or (_TIMESTAMPS[kind] if fileformats.FORMATS[form].texts else None)
        return None

    def write(self, output: Output, target: Target, chosen: Sequence[str]) -> Written:
        """Write the view into its folder below the out folder. Raises DataOSError."""
        columns = self.columns(output)
        folder = self._out / target.folder
        folder.mkdir(parents=True)
        codec = self._codec(output, target.format)
        # the engine's writers drop an ORDER BY, and its CSV has no form for NULL: DuckDB writes those from Parquet
        order = [(self.find(x.name, columns, x.path, "column"), x.descending) for x in output.sort]
        form = fileformats.FORMATS[target.format]
        is_staged = target.format == "csv" or bool(form.write) or (target.format == "parquet" and order)
        made = self._scratch / target.folder if is_staged else folder
        frame = self._engine.sql(f"SELECT {', '.join(chosen)} FROM {quoted(output.name)}")
        writer = frame.write.mode("overwrite")
        writer = writer.option("compression", "snappy" if is_staged else _ENGINE_CODECS.get(codec, codec))
        if output.partitions and not target.whole:
            writer = writer.partitionBy(*[self.find(p.column, columns, p.path, "column") for p in output.partitions])
        writer.format("json" if target.format == "json" else "parquet").save(str(made))
        if is_staged:
            rows = self._rewrite(output, target.format, made, folder, target.mark, codec, order)
        else:
            rows = _rename(made, target.mark, target.format, codec)
        if rows is None and target.format == "parquet":
            _empty_parquet(folder, target.mark, frame.toArrow().schema, codec)
        elif rows is None and target.format == "csv" and not output.partitions:
            names = [c for c, _ in columns]
            self._converter.empty_csv(folder / _name(0, target.mark, "csv", codec), names, self._form(output, codec))
        elif rows is None and form.write and not output.partitions:
            self._own(
                output, form, [], frame.toArrow().schema, folder / _name(0, target.mark, target.format, codec), codec
            )
        shown = [{"name": c, "type": k.simpleString()} for c, k in columns]
        return Written(rows or 0, output.mode, shown, created=False)

    def _rewrite(
        self,
        output: Output,
        form: str,
        made: Path,
        folder: Path,
        mark: str,
        codec: str,
        order: Sequence[tuple[str, bool]],
    ) -> int | None:
        """Make files of the Parquet files in scratch: one of each, or one of each folder where rows have an order.
        Returns the rows; None if there are no files."""
        rows: int | None = None
        number = 0
        known = fileformats.FORMATS[form]
        for current, _, files in sorted(os.walk(made)):
            inside = folder / os.path.relpath(current, made)
            sources = [Path(current, file) for file in sorted(files)]
            for group in [sources] if order and sources else [[source] for source in sources]:
                inside.mkdir(parents=True, exist_ok=True)
                target = inside / _name(number, mark, form, codec)
                number += 1
                if form == "csv":
                    added = self._converter.to_csv(group, target, self._form(output, codec), order)
                elif known.write:
                    added = self._sorted(output, known, group, target, codec, order)
                else:
                    added = self._converter.to_parquet(group, target, codec, order)
                rows = (rows or 0) + added
        shutil.rmtree(made, ignore_errors=True)
        return rows

    def _sorted(
        self, output: Output, form: fileformats.Format, group: Sequence[Path], target: Path, codec: str, order: Order
    ) -> int:
        """A file of a library's, its rows in order."""
        import pyarrow.parquet as pq

        sources = list(group)
        if order:
            ordered = self._scratch / f"ordered-{target.name}.parquet"
            self._converter.to_parquet(group, ordered, "snappy", order)
            sources = [ordered]
        schema = pq.read_schema(sources[0]).remove_metadata()
        rows = self._own(output, form, sources, schema, target, codec)
        if order:
            sources[0].unlink()
        return rows

    def _own(
        self, output: Output, form: fileformats.Format, sources: Sequence[Path], schema: Any, target: Path, codec: str
    ) -> int:
        import pyarrow.parquet as pq

        def batches() -> Iterator[Any]:
            for source in sources:
                with pq.ParquetFile(source) as file:
                    yield from file.iter_batches(batch_size=formats.BATCH_ROWS)

        try:
            return int(formats.program(form.write)(batches(), schema, target, output.options, codec))
        except DataOSError as error:
            problem = error.problem
            raise self.fault(output, problem.code, problem.message, problem.hint) from error

    def _codec(self, output: Output, form: str) -> str:
        word = (output.options.get("compression") or output.compression or "").strip().lower()
        word = _CODEC_WORDS.get(word, word)
        allowed = fileformats.FORMATS[form].codecs
        if not word or (word == "snappy" and "snappy" not in allowed) or allowed == ("none",):
            return allowed[0]
        if word not in allowed:
            raise self.fault(
                output,
                "flare.option",
                f"compression `{word}` is not allowed for {form}",
                "allowed: " + ", ".join(allowed),
            )
        return word

    def _form(self, output: Output, codec: str) -> CsvForm:
        options = output.options
        quote = options.get("quote", '"')
        return CsvForm(
            header=options.get("header", "true").lower() != "false",
            delimiter=options.get("sep") or options.get("delimiter") or ",",
            quote=quote,
            escape=options.get("escape") or quote,
            null=options.get("nullvalue", ""),
            quote_all=options.get("quoteall", "false").lower() == "true",
            compression=codec,
        )


def _name(number: int, mark: str, kind: str, codec: str) -> str:
    form = fileformats.FORMATS[kind]
    packed = "" if kind == "avro" else _SUFFIX[codec]
    return f"part-{number:05d}-{mark}" + (f"{packed}.{form.suffix}" if form.inner_codec else f".{form.suffix}{packed}")


def _rename(made: Path, mark: str, kind: str, codec: str) -> int | None:
    """Give the engine's files their names. Returns the rows; None if there are no files."""
    rows: int | None = None
    number = 0
    for current, _, files in sorted(os.walk(made)):
        for file in sorted(files):
            source = Path(current, file)
            rows = (rows or 0) + _rows(source, kind)
            source.rename(source.with_name(_name(number, mark, kind, codec)))
            number += 1
    return rows


def _rows(file: Path, kind: str) -> int:
    if kind == "parquet":
        import pyarrow.parquet as pq

        return int(pq.read_metadata(file).num_rows)
    import pyarrow as pa

    codec = "gzip" if file.suffix == ".gz" else "zstd" if file.suffix == ".zst" else None
    count = 0
    with pa.input_stream(str(file), compression=codec) as stream:
        while piece := stream.read(1 << 20):
            count += piece.count(b"\n")
    return count


def _empty_parquet(folder: Path, mark: str, schema: Any, codec: str) -> None:
    """A file with columns and no rows: a folder without any would tell its reader nothing."""
    import pyarrow.parquet as pq

    pq.ParquetWriter(folder / _name(0, mark, "parquet", codec), schema, compression=codec).close()
