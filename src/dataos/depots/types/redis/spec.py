"""Location of a REDIS depot (ch02 1.7)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from dataos.manifest import locations
from dataos.manifest.blocks import PortNumber, Whole
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled


class RedisLocation(Spec):
    """`db`: the number of the database."""

    host: Text
    """Host."""
    port: PortNumber
    """Port."""
    db: Annotated[Whole, Field(ge=0)] = spelled("database", default=0)
    """Number of the database."""


def read(location: Any, reading: Reading, path: Path) -> RedisLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = read_model(RedisLocation, location, reading, path)
    if model is None:
        return None
    locations.check_host(model.host, (*path, "host"), reading)
    return model if len(reading.problems) == before else None
