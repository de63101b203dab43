"""Location of a KAFKA depot (ch02 1.7). A dataset is a topic."""

from __future__ import annotations

from typing import Any

from dataos.manifest import locations
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled


class KafkaLocation(Spec):
    """`schemaRegistryUrl` is needed for topics whose messages are encoded by a registry's schema."""

    brokers: locations.Nodes = spelled("broker", lone=True)
    """`host:port` of each broker."""
    schema_registry_url: Text | None = None
    """Registry of the schemas of messages."""
    params: locations.Params = {}
    """Parameters of the client."""


def read(location: Any, reading: Reading, path: Path) -> KafkaLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = read_model(KafkaLocation, location, reading, path)
    if model is None:
        return None
    locations.check_nodes(model.brokers, (*path, "brokers"), reading, True)
    if model.schema_registry_url is not None:
        locations.check_url(model.schema_registry_url, ("http", "https"), (*path, "schemaRegistryUrl"), reading)
    locations.check_params(model.params, (*path, "params"), reading)
    return model if len(reading.problems) == before else None
