"""Location of an EVENTHUB depot (ch02 1.7): a namespace of Azure Event Hubs."""

from __future__ import annotations

from typing import Any

from dataos.manifest import locations
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model


class EventhubLocation(Spec):
    """`endpoint`: sb://[namespace].servicebus.windows.net/."""

    endpoint: Text
    """sb://[namespace].servicebus.windows.net/"""
    params: locations.Params = {}
    """Parameters of the client."""


def read(location: Any, reading: Reading, path: Path) -> EventhubLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = read_model(EventhubLocation, location, reading, path)
    if model is None:
        return None
    locations.check_url(model.endpoint, ("sb",), (*path, "endpoint"), reading)
    locations.check_params(model.params, (*path, "params"), reading)
    return model if len(reading.problems) == before else None
