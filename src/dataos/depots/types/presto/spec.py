"""Location of a PRESTO depot (ch02 1.7): a catalog of another Presto or Trino cluster."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from dataos.manifest import locations
from dataos.manifest.blocks import PortNumber
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model


class PrestoLocation(Spec):
    """`catalog` as the other cluster names it."""

    host: Text
    """Host."""
    port: PortNumber
    """Port."""
    catalog: Text
    """Catalog, as the other cluster names it."""
    schema_: Text | None = Field(default=None, alias="schema")
    """Schema."""
    params: locations.Params = {}
    """Parameters of the driver."""


def read(location: Any, reading: Reading, path: Path) -> PrestoLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = read_model(PrestoLocation, location, reading, path)
    if model is None:
        return None
    locations.check_host(model.host, (*path, "host"), reading)
    locations.check_params(model.params, (*path, "params"), reading)
    return model if len(reading.problems) == before else None
