"""Location of an ORACLE depot (ch02 1.7)."""

from __future__ import annotations

from typing import Annotated, Any

from dataos.manifest import locations
from dataos.manifest.annotations import Words
from dataos.manifest.blocks import PortNumber
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model


class OracleLocation(Spec):
    """`service`: the service name of the database."""

    subprotocol: Annotated[Text, Words("oracle:thin")]
    """Has one value."""
    host: Text
    """Host."""
    port: PortNumber
    """Port."""
    service: Text
    """Service name of the database."""
    params: locations.Params = {}
    """Parameters of the driver."""


def read(location: Any, reading: Reading, path: Path) -> OracleLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = read_model(OracleLocation, location, reading, path)
    if model is None:
        return None
    locations.check_host(model.host, (*path, "host"), reading)
    subprotocol = one_of(model.subprotocol, ("oracle:thin",), (*path, "subprotocol"), reading, "subprotocol")
    locations.check_params(model.params, (*path, "params"), reading)
    if len(reading.problems) > before:
        return None
    return model.model_copy(update={"host": model.host.strip(), "subprotocol": subprotocol})
