"""Location of an S3 depot (ch02 1.7): a bucket of S3 or of a store that speaks its protocol."""

from __future__ import annotations

from typing import Annotated, Any

from dataos.manifest import locations
from dataos.manifest.annotations import Words
from dataos.manifest.specs import Path, Reading, Text, one_of

SCHEMES = ("s3a", "s3", "https")


class S3Location(locations.ObjectStore):
    """`endpoint`: host or address of a store outside of AWS, or of another region."""

    bucket: Text
    """Bucket."""
    scheme: Annotated[Text, Words(*SCHEMES)] = "s3a"
    """Scheme of the addresses."""
    region: Text | None = None
    """Region of the bucket."""
    endpoint: Text | None = None
    """Host or address of a store outside of AWS."""


def read(location: Any, reading: Reading, path: Path) -> S3Location | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = locations.read_object_store(S3Location, location, reading, path)
    if model is None:
        return None
    locations.check_name(model.bucket, "bucket", (*path, "bucket"), reading)
    scheme = one_of(model.scheme, SCHEMES, (*path, "scheme"), reading, "scheme")
    endpoint = (model.endpoint or "").strip().rstrip("/")
    if "://" in endpoint:
        locations.check_url(endpoint, ("http", "https"), (*path, "endpoint"), reading)
    elif endpoint:
        locations.check_nodes((endpoint,), (*path, "endpoint"), reading)
    if len(reading.problems) > before:
        return None
    return model.model_copy(update={"scheme": scheme, "endpoint": endpoint or None})
