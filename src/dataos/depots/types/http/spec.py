"""Location of an HTTP depot (ch02 1.7): files and answers below one address."""

from __future__ import annotations

from typing import Any

from dataos.manifest import locations
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled


class HttpLocation(Spec):
    """`headers` and `queryParams` go with every request. What logs in belongs into the secret."""

    base_url: Text = spelled("url")
    """Address before every path."""
    headers: locations.Params = {}
    """Headers of every request."""
    query_params: locations.Params = {}
    """Parameters of every request."""


def read(location: Any, reading: Reading, path: Path) -> HttpLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = read_model(HttpLocation, location, reading, path)
    if model is None:
        return None
    locations.check_url(model.base_url, ("http", "https"), (*path, "baseUrl"), reading)
    locations.check_headers(model.headers, (*path, "headers"), reading)
    locations.check_headers(model.query_params, (*path, "queryParams"), reading)
    return model if len(reading.problems) == before else None
