"""Location of an ICEBERG depot: a Lakehouse's own depot, registered by the Lakehouse controller."""

from __future__ import annotations

from typing import Any

from dataos.depots.types.s3 import spec as s3
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled


class IcebergLocation(Spec):
    """`warehouse` is the name under which the Lakehouse keeps its namespaces."""

    warehouse: Text = spelled("catalog")
    """Name under which the Lakehouse keeps its namespaces."""
    s3: dict[str, Any] | None = None
    """Bucket that holds the files, as in a depot of type S3; a folder of the server does if left out."""


def read(location: Any, reading: Reading, path: Path) -> IcebergLocation | None:
    """The location model, or None with the faults in `reading`."""
    found = read_model(IcebergLocation, location, reading, path)
    if found is None or found.s3 is None:
        return found
    bucket = s3.read(found.s3, reading, (*path, "s3"))
    if bucket is None:
        return None
    return found.model_copy(update={"s3": bucket.model_dump(mode="json", by_alias=True)})
