"""Location of a GCS depot (ch02 1.7): a bucket of Google Cloud Storage."""

from __future__ import annotations

from typing import Any

from dataos.manifest import locations
from dataos.manifest.specs import Path, Reading, Text


class GcsLocation(locations.ObjectStore):
    """Files stand at gs://[bucket]/[relativePath]."""

    bucket: Text
    """Bucket."""


def read(location: Any, reading: Reading, path: Path) -> GcsLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = locations.read_object_store(GcsLocation, location, reading, path)
    if model is None:
        return None
    locations.check_name(model.bucket, "bucket", (*path, "bucket"), reading)
    return model if len(reading.problems) == before else None
