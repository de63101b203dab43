"""Location of an OPENSEARCH depot (ch02 1.7)."""

from __future__ import annotations

from typing import Any

from dataos.manifest import locations
from dataos.manifest.specs import Path, Reading, Spec, read_model, spelled


class OpensearchLocation(Spec):
    """`nodes`: `host:port` or address each."""

    nodes: locations.Nodes = spelled("node", "hosts", lone=True)
    """`host:port` or address of each server."""
    params: locations.Params = {}
    """Parameters of the client."""


def read(location: Any, reading: Reading, path: Path) -> OpensearchLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = read_model(OpensearchLocation, location, reading, path)
    if model is None:
        return None
    if not model.nodes:
        locations.check_nodes((), (*path, "nodes"), reading)
    for position, node in enumerate(model.nodes):
        if "://" in node:
            locations.check_url(node, ("http", "https"), (*path, "nodes", position), reading)
        else:
            locations.check_nodes((node,), (*path, "nodes"), reading)
    locations.check_params(model.params, (*path, "params"), reading)
    return model if len(reading.problems) == before else None
