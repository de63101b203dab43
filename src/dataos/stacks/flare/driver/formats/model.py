"""What a format of files is to the readers and writers: Arrow batches in and out."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dataos.core.errors import DataOSError, fail

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 10_000
"""Rows of one batch, where a format does not say."""

Options = Mapping[str, str]
"""Options of a reader or a writer, keys in lower case."""


@dataclass(frozen=True)
class Wanted:
    """What a reader is asked for. `schema`: DDL of the columns that shall come out, or None; `notice`: takes what the
    author should know."""

    files: Sequence[str]
    options: Options
    schema: str | None
    notice: Callable[[str], None]


@dataclass(frozen=True)
class Content:
    """Rows of files: their columns, and the rows as they come. `as_text`: every column is text, whose types are to be
    found where the options ask for that."""

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]
    as_text: bool = False


class ReadFormat(Protocol):
    """Reads files of one format. Raises DataOSError `flare.file` with file and row, `flare.option`."""

    def __call__(self, wanted: Wanted) -> Content: ...


class WriteFormat(Protocol):
    """Writes Arrow batches as one file. Returns the rows. Raises DataOSError `flare.option`, `flare.types`."""

    def __call__(
        self, batches: Iterator[pa.RecordBatch], schema: pa.Schema, target: Path, options: Options, codec: str
    ) -> int: ...


def program(dotted: str) -> Any:
    """The function that `module:name` names."""
    module, _, name = dotted.partition(":")
    return getattr(importlib.import_module(module), name)


def flag(options: Options, name: str, default: bool = False) -> bool:
    """A boolean option. Raises DataOSError `flare.option` for another word."""
    word = options.get(name, "").strip().lower()
    if word in ("", "true", "false"):
        return default if not word else word == "true"
    raise fail("flare.option", f"the option `{name}` is `{options[name]}`", hint="allowed: true, false")


def mode_of(options: Options) -> str:
    """failfast (the default), dropmalformed or permissive. Raises DataOSError `flare.option`."""
    mode = options.get("mode", "failfast").lower()
    if mode not in ("failfast", "dropmalformed", "permissive"):
        raise fail("flare.option", f"mode `{mode}` is not allowed", hint="FAILFAST, DROPMALFORMED or PERMISSIVE")
    return mode


def same_schemas(schemas: Sequence[tuple[str, Any]], merge: bool) -> Any:
    """The schema of all files together. Raises DataOSError `flare.file` where they differ and `merge` is not asked."""
    import pyarrow as pa

    first_path, first = schemas[0]
    for path, other in schemas[1:]:
        if other.equals(first):
            continue
        if not merge:
            raise fail(
                "flare.file",
                f"{path} has other columns than {first_path}: {difference(first, other)}",
                hint="read them as two inputs, or set `mergeSchema: true` in the input's options",
            )
        try:
            first = pa.unify_schemas([first, other], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise fail("flare.file", f"{path} and {first_path} do not go together: {str(error)[:200]}") from error
    return first


def difference(first: Any, other: Any) -> str:
    """What another Arrow schema has other than the first."""
    missing = [n for n in first.names if n not in other.names]
    extra = [n for n in other.names if n not in first.names]
    changed = [
        f"{n} is {other.field(n).type}, not {first.field(n).type}"
        for n in first.names
        if n in other.names and other.field(n).type != first.field(n).type
    ]
    parts = [f"missing {', '.join(missing)}" if missing else "", f"additional {', '.join(extra)}" if extra else ""]
    return "; ".join([p for p in (*parts, *changed) if p]) or "another order"


def unreadable(path: str, error: OSError) -> DataOSError:
    """A file that cannot be opened."""
    return fail("flare.file", f"{path} cannot be read: {error.strerror or error}")


def filled(batch: Any, schema: Any) -> Any:
    """A batch with the columns of a schema, by name, NULL where it has none."""
    import pyarrow as pa

    arrays = [
        batch.column(f.name).cast(f.type) if f.name in batch.schema.names else pa.nulls(batch.num_rows, f.type)
        for f in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
