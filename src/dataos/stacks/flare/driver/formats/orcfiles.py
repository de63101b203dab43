"""ORC, by Arrow's reader and writer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dataos.core.errors import fail
from dataos.stacks.flare.driver.formats import model
from dataos.stacks.flare.driver.formats.model import Content, Options, Wanted, flag

_CODECS = {"none": "uncompressed", "gzip": "zlib", "snappy": "snappy", "zstd": "zstd", "lz4": "lz4"}


def read(wanted: Wanted) -> Content:
    """Stripe by stripe. A timestamp of ORC is a moment, as Spark reads it."""
    from pyarrow import orc

    opened: list[tuple[str, Any]] = []
    for path in wanted.files:
        try:
            opened.append((path, orc.ORCFile(path)))
        except (OSError, ValueError, NotImplementedError) as error:  # ArrowInvalid is a ValueError
            raise _damaged(path, error) from error
    schema = model.same_schemas([(p, _spark(f.schema)) for p, f in opened], flag(wanted.options, "mergeschema"))

    def batches() -> Iterator[Any]:
        for path, file in opened:
            for number in range(file.nstripes):
                try:
                    stripe = file.read_stripe(number)
                except (OSError, ValueError, NotImplementedError) as error:
                    raise _damaged(path, error) from error
                yield model.filled(stripe, schema)

    return Content(schema, batches())


def _damaged(path: str, error: Exception) -> Exception:
    if Path(path).is_file() and Path(path).stat().st_size == 0:
        return fail("flare.file", f"{path} is empty", hint="write the file again")
    text = str(error).splitlines()[0][:160] if str(error) else "it cannot be read"
    return fail("flare.file", f"{path} is no whole ORC file: {text}", hint="write the file again")


def write(batches: Iterator[Any], schema: Any, target: Path, options: Options, codec: str) -> int:
    """One file. Times without a zone are written as they stand."""
    import pyarrow as pa
    from pyarrow import orc

    rows = 0
    with orc.ORCWriter(str(target), compression=_CODECS[codec]) as writer:
        for batch in batches:
            rows += batch.num_rows
            writer.write(pa.Table.from_batches([batch]))
        if not rows:
            writer.write(pa.Table.from_batches([], schema=schema))
    return rows


def _spark(schema: Any) -> Any:
    import pyarrow as pa

    return pa.schema([f.with_type(_kind(f.type)).with_nullable(True) for f in schema.remove_metadata()])


def _kind(kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC")
    if pa.types.is_date(kind):
        return pa.date32()
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_list(kind):
        return pa.list_(_kind(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(_kind(kind.key_type), _kind(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([f.with_type(_kind(f.type)) for f in (kind.field(i) for i in range(kind.num_fields))])
    if pa.types.is_union(kind):
        raise fail("flare.file", "ORC unions are not read", hint="write the column as a struct")
    return kind
