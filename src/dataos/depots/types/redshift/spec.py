"""Location of a REDSHIFT depot (ch02 1.7). Jobs that read and write stage their rows in a bucket."""

from __future__ import annotations

from typing import Annotated, Any

from dataos.manifest import locations
from dataos.manifest.annotations import Words
from dataos.manifest.blocks import PortNumber
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled


class RedshiftLocation(Spec):
    """`bucket`, `relativePath` and `scheme` say where rows are staged."""

    host: Text
    """Host."""
    port: PortNumber = 5439
    """Port."""
    database: Text = spelled("dbname", "db")
    """Database."""
    subprotocol: Annotated[Text, Words("redshift")] = "redshift"
    """Has one value."""
    bucket: Text | None = None
    """Bucket where rows are staged."""
    relative_path: Text = ""
    """Folder in the bucket."""
    scheme: Annotated[Text, Words("s3a", "s3", "https")] = "s3a"
    """Scheme of the bucket's addresses."""
    params: locations.Params = {}
    """Parameters of the driver."""


def read(location: Any, reading: Reading, path: Path) -> RedshiftLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = read_model(RedshiftLocation, location, reading, path)
    if model is None:
        return None
    locations.check_host(model.host, (*path, "host"), reading)
    subprotocol = one_of(model.subprotocol, ("redshift",), (*path, "subprotocol"), reading, "subprotocol")
    scheme = one_of(model.scheme, ("s3a", "s3", "https"), (*path, "scheme"), reading, "scheme")
    if model.bucket is not None:
        locations.check_name(model.bucket, "bucket", (*path, "bucket"), reading)
    elif model.relative_path:
        reading.warn((*path, "relativePath"), "`relativePath` has no effect without `bucket`")
    locations.check_params(model.params, (*path, "params"), reading)
    if len(reading.problems) > before:
        return None
    prefix = model.relative_path.strip().strip("/")
    return model.model_copy(
        update={
            "host": model.host.strip(),
            "subprotocol": subprotocol,
            "scheme": scheme,
            "relative_path": prefix,
        }
    )
