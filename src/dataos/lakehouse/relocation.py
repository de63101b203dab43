"""Table files whose folder moved: every absolute path in them is rewritten, in place.

Iceberg names all files by absolute paths: metadata files name manifest lists, those name manifests, those name data
files, and position deletes name data files row by row. Rewriting goes the other way round, so that a size that a file
states of another is the other's new one. Each file is replaced atomically and moving twice changes nothing: after a
crash the whole is simply done again. Nobody may write to the tables meanwhile (the home is locked).
Source: Iceberg table specification, format versions 1 to 3; Puffin specification.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataos.core.errors import DataOSError, fail
from dataos.core.moves import Moves
from dataos.lakehouse import avrofiles, puffinfiles
from dataos.lakehouse.files import plain

_MANIFEST_PATH_ID = 500
_DATA_FILE_ID = 2
_POSITION_DELETES = 1
_DELETED_PATH_COLUMN = 2147483546  # `file_path` of position deletes, in bounds by column
_BATCH_ROWS = 64 << 10

Place = Callable[[str], Path]
"""Where a file is on disk at the moment that its location will name: elsewhere while a home is being restored."""


def on_disk(location: str) -> Path:
    """The usual place: where the location says."""
    return Path(plain(location))


@dataclass
class Rewritten:
    """How many files changed; `problems` names files that are missing or were damaged before."""

    metadata: int = 0
    lists: int = 0
    manifests: int = 0
    deletes: int = 0
    problems: list[str] = field(default_factory=list[str])


def relocate(
    folders: Iterable[Path], moves: Moves, place: Place = on_disk, checkpoint: Callable[[str], None] = lambda _: None
) -> Rewritten:
    """Rewrite all table files below the folders, where they stand now.

    Raises DataOSError `iceberg.storage`, `iceberg.unsupported` (position deletes in a format that cannot be
    rewritten); then nothing is lost, and a second call goes on. Damaged files are left, and named in `problems`.
    """
    done = Rewritten()
    manifests: list[Path] = []
    lists: list[Path] = []
    documents: list[Path] = []
    for folder in folders:
        for file in files_below(folder):
            if file.name.endswith(".metadata.json"):
                documents.append(file)
            elif file.suffix == ".avro":
                ids = avrofiles.field_ids(file)
                if ids.get("manifest_path") == _MANIFEST_PATH_ID:
                    lists.append(file)
                elif ids.get("data_file") == _DATA_FILE_ID:
                    manifests.append(file)
    seen: set[Path] = set()
    for file in manifests:
        done.manifests += _noting(
            done, lambda f=file: avrofiles.rewrite(f, lambda entry: _move_entry(entry, moves, place, seen, done))
        )
        checkpoint("relocation.manifest")
    for file in lists:
        done.lists += _noting(done, lambda f=file: avrofiles.rewrite(f, lambda e: _move_manifest(e, moves, place)))
        checkpoint("relocation.list")
    for file in documents:
        done.metadata += _noting(done, lambda f=file: _move_document(f, moves))
        checkpoint("relocation.metadata")
    return done


def _noting(done: Rewritten, step: Callable[[], bool]) -> bool:
    """A file that was damaged before is left and named: its table is no worse off than it was."""
    try:
        return step()
    except DataOSError as error:
        if error.problem.code != "iceberg.corrupt":
            raise
        done.problems.append(error.problem.message)
        return False


def files_below(folder: Path) -> Iterator[Path]:
    """All regular files, drafts and links left out, in a fixed order."""
    for current, names, files in os.walk(folder):
        names.sort()
        for name in sorted(files):
            path = Path(current, name)
            if not name.startswith(".") and not path.is_symlink() and path.is_file():
                yield path


def _move_entry(entry: avrofiles.Record, moves: Moves, place: Place, seen: set[Path], done: Rewritten) -> bool:
    """A manifest's entry: the file it names, and what it says of a file of position deletes."""
    file: dict[str, Any] = entry["data_file"]
    before = json.dumps(file, default=repr)
    file["file_path"] = moves.path(file["file_path"])
    if file.get("referenced_data_file"):
        file["referenced_data_file"] = moves.path(file["referenced_data_file"])
    if file.get("content") == _POSITION_DELETES:
        _move_deletes(file, moves, place(file["file_path"]), seen, done)
    return json.dumps(file, default=repr) != before


def _move_deletes(file: dict[str, Any], moves: Moves, path: Path, seen: set[Path], done: Rewritten) -> None:
    if not path.exists():  # of an old snapshot, say: nobody can read it anyhow
        done.problems.append(f"{path} is missing")
        return
    form = str(file["file_format"]).upper()
    if path not in seen:
        seen.add(path)
        if form == "PARQUET":
            done.deletes += _rewrite_parquet(path, moves)
        elif form == "AVRO":
            done.deletes += avrofiles.rewrite(path, lambda row: _move_field(row, "file_path", moves))
        elif form == "PUFFIN":
            done.deletes += puffinfiles.rewrite(path, lambda document: _move_vectors(document, moves))
        else:
            raise fail(
                "iceberg.unsupported",
                f"{path} holds position deletes in {form}, which cannot be moved",
                hint="rewrite that table's data files (compaction) before the home is moved",
            )
    size = path.stat().st_size
    if file["file_size_in_bytes"] != size:
        file["file_size_in_bytes"] = size
        for outdated in ("column_sizes", "split_offsets"):
            if outdated in file:
                file[outdated] = None
    for bounds in ("lower_bounds", "upper_bounds"):
        if file.get(bounds):
            file[bounds] = [b for b in (_move_bound(b, moves) for b in file[bounds]) if b is not None]


def _move_bound(bound: dict[str, Any], moves: Moves) -> dict[str, Any] | None:
    if bound["key"] != _DELETED_PATH_COLUMN:
        return bound
    moved = moves.path(bytes(bound["value"]).decode("utf-8", "replace"))
    whole = any(moved.removeprefix("file://").removeprefix("file:").startswith(new + "/") for _, new in moves.pairs)
    return {**bound, "value": moved.encode()} if whole else None  # a shortened bound says nothing any more


def _move_field(row: avrofiles.Record, name: str, moves: Moves) -> bool:
    moved = moves.path(row[name])
    changed = moved != row[name]
    row[name] = moved
    return changed


def _rewrite_parquet(path: Path, moves: Moves) -> bool:
    """Move the column `file_path` of a file of position deletes; schema, field ids and order stay."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as source:
        schema: Any = source.schema_arrow
        index = schema.get_field_index("file_path")
        sink = pa.BufferOutputStream()
        changed = False
        with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
            for batch in source.iter_batches(_BATCH_ROWS):
                known: list[str] = batch.column(index).to_pylist()
                moved = [moves.path(name) for name in known]
                changed = changed or moved != known
                columns = list(batch.columns)
                columns[index] = pa.array(moved, schema.field(index).type)
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    if changed:
        avrofiles.replace(path, sink.getvalue().to_pybytes())
    return changed


def _move_vectors(document: dict[str, Any], moves: Moves) -> bool:
    """What a Puffin file's footer says of deletion vectors: of which data files they are."""
    changed = False
    for blob in document.get("blobs", []):
        known: dict[str, str] = blob.get("properties") or {}
        target = known.get("referenced-data-file")
        if target is not None and moves.path(target) != target:
            known["referenced-data-file"] = moves.path(target)
            changed = True
    return changed


def _move_manifest(entry: avrofiles.Record, moves: Moves, place: Place) -> bool:
    """A manifest list's entry: where the manifest is, and how long it is now."""
    before = (entry["manifest_path"], entry["manifest_length"])
    entry["manifest_path"] = moves.path(entry["manifest_path"])
    file = place(entry["manifest_path"])
    if file.exists():
        entry["manifest_length"] = file.stat().st_size
    return (entry["manifest_path"], entry["manifest_length"]) != before


def _move_document(file: Path, moves: Moves) -> bool:
    known = _document(file)
    moved = moves.value(known)
    if moved == known:
        return False
    content = json.dumps(moved, ensure_ascii=False, separators=(",", ":")).encode()
    avrofiles.replace(file, gzip.compress(content) if ".gz." in file.name else content)
    return True


def _document(file: Path) -> dict[str, Any]:
    try:
        text = file.read_bytes()
        known: dict[str, Any] = json.loads(gzip.decompress(text) if ".gz." in file.name else text)
    except FileNotFoundError as error:
        raise fail("iceberg.corrupt", f"{file} is missing", hint="restore it from a backup") from error
    except OSError as error:
        raise avrofiles.unreadable(file, error) from error
    except (EOFError, ValueError) as error:
        raise fail(
            "iceberg.corrupt",
            f"{file} cannot be read: {type(error).__name__}: {str(error)[:200]}",
            hint="restore the file from a backup, or remove it if no table uses it",
        ) from error
    return known


# --- what belongs to a table ------------------------------------------------------------------------------------------


def needed(metadata_location: str) -> Iterator[str]:
    """Locations of all files that the table needs for every snapshot that its metadata still names, itself first.

    Raises DataOSError `iceberg.corrupt` where a file on the way is missing or damaged.
    """
    yield metadata_location
    known = _document(Path(plain(metadata_location)))
    yielded: set[str] = set()
    for snapshot in known.get("snapshots", []):
        listed = snapshot.get("manifest-list")
        for manifest in [listed] if listed else snapshot.get("manifests", []):
            yield from _needed_below(manifest, bool(listed), yielded)
    for kind in ("statistics", "partition-statistics"):
        for statistics in known.get(kind, []):
            yield statistics["statistics-path"]


def _needed_below(location: str, is_list: bool, yielded: set[str]) -> Iterator[str]:
    if location in yielded:
        return
    yielded.add(location)
    yield location
    for entry in avrofiles.records(Path(plain(location))):
        if is_list:
            yield from _needed_below(entry["manifest_path"], False, yielded)
        elif entry["status"] != 2:  # a deleted file may be gone
            path = entry["data_file"]["file_path"]
            if path not in yielded:
                yielded.add(path)
                yield path
