"""Location of a BIGQUERY depot (ch02 1.7). The whole section may be absent: the credential names a project."""

from __future__ import annotations

from typing import Any

from dataos.manifest import locations
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled


class BigqueryLocation(Spec):
    """The buckets hold rows on their way in and out."""

    project: Text | None = spelled("projectId", default=None)
    """Project."""
    temporary_bucket: Text | None = None
    """Bucket for rows on their way in."""
    persistent_bucket: Text | None = None
    """Bucket for rows on their way out."""
    params: locations.Params = {}
    """Parameters of the driver."""


def read(location: Any, reading: Reading, path: Path) -> BigqueryLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = read_model(BigqueryLocation, location, reading, path)
    if model is None:
        return None
    for key, value in (("temporaryBucket", model.temporary_bucket), ("persistentBucket", model.persistent_bucket)):
        if value is not None:
            locations.check_name(value, "bucket", (*path, key), reading)
    locations.check_params(model.params, (*path, "params"), reading)
    return model if len(reading.problems) == before else None
