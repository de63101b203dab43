"""Location of a FILE depot (ch02 1.7): a folder of this machine (or a mounted share)."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any

from dataos.manifest.annotations import Words
from dataos.manifest.specs import Path, Reading, Spec, Text, UpperText, one_of, read_model, spelled

FORMATS = ("CSV", "JSON", "PARQUET", "ORC", "AVRO", "TEXT", "ICEBERG", "DELTA")


class FileLocation(Spec):
    """`path` is the base folder; addresses below it cannot leave it."""

    path: Text = spelled("url", "basePath")
    """Folder; addresses below it cannot leave it."""
    format: Annotated[UpperText, Words(*FORMATS)] | None = None
    """Format of what lies there."""
    metastore_url: Text | None = None
    """Address of the catalog service."""
    iceberg_catalog_type: Text | None = None
    """Catalog of the Iceberg tables there."""


def read(location: Any, reading: Reading, path: Path) -> FileLocation | None:
    """The location model, or None with the faults in `reading`."""
    model = read_model(FileLocation, location, reading, path)
    if model is None:
        return None
    text = model.path.strip().removeprefix("file://")
    before = len(reading.problems)
    if not text.startswith("/"):
        reading.error(
            (*path, "path"),
            f"`{model.path}` is not an absolute path",
            hint="a FILE depot names a folder of the machine that runs the server, from / on",
        )
    elif ".." in PurePosixPath(text).parts:
        reading.error((*path, "path"), f"`{model.path}` may not hold `..`")
    format_ = model.format
    if format_ is not None:
        format_ = one_of(format_, FORMATS, (*path, "format"), reading, "format")
    if len(reading.problems) > before:
        return None
    return model.model_copy(update={"path": text.rstrip("/") or "/", "format": format_})
