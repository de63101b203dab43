"""Location of a SNOWFLAKE depot (ch02 1.7)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from dataos.manifest import locations
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model


class SnowflakeLocation(Spec):
    """`url`: the account's host, with or without `https://`."""

    warehouse: Text
    """Warehouse."""
    url: Text
    """Host of the account."""
    database: Text
    """Database."""
    account: Text | None = None
    """Account."""
    role: Text = "PUBLIC"
    """Role."""
    schema_: Text | None = Field(default=None, alias="schema")
    """Schema."""
    params: locations.Params = {}
    """Parameters of the driver."""


def read(location: Any, reading: Reading, path: Path) -> SnowflakeLocation | None:
    """The location model, or None with the faults in `reading`. The canonical url is a bare host."""
    before = len(reading.problems)
    model = read_model(SnowflakeLocation, location, reading, path)
    if model is None:
        return None
    url = model.url.strip()
    host = url.removeprefix("https://").removeprefix("HTTPS://").rstrip("/")
    locations.check_nodes((host,), (*path, "url"), reading)
    locations.check_params(model.params, (*path, "params"), reading)
    return model.model_copy(update={"url": host}) if len(reading.problems) == before else None
