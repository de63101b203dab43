"""Location of a MONGODB depot (ch02 1.7)."""

from __future__ import annotations

from typing import Annotated, Any

from dataos.manifest import locations
from dataos.manifest.annotations import Words
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

SUBPROTOCOLS = ("mongodb", "mongodb+srv")


class MongodbLocation(Spec):
    """`nodes`: `host:port` each; with `mongodb+srv` one host without a port. `params`: `replicaSet` and others."""

    subprotocol: Annotated[Text, Words(*SUBPROTOCOLS)]
    """mongodb, or mongodb+srv with one host without a port."""
    nodes: locations.Nodes = spelled("node", lone=True)
    """`host:port` of each server."""
    params: locations.Params = {}
    """Parameters of the address, for instance `replicaSet`."""


def read(location: Any, reading: Reading, path: Path) -> MongodbLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = read_model(MongodbLocation, location, reading, path)
    if model is None:
        return None
    subprotocol = one_of(model.subprotocol, SUBPROTOCOLS, (*path, "subprotocol"), reading, "subprotocol")
    by_service = subprotocol == "mongodb+srv"
    locations.check_nodes(model.nodes, (*path, "nodes"), reading, False if by_service else None)
    if by_service and len(model.nodes) > 1:
        reading.error((*path, "nodes"), "`mongodb+srv` takes one host: its DNS record names the nodes")
    locations.check_params(model.params, (*path, "params"), reading)
    return model.model_copy(update={"subprotocol": subprotocol}) if len(reading.problems) == before else None
