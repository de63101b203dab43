"""Location of an MSSQL depot (ch02 1.6, 1.7): Microsoft SQL Server, which is reached by `type: JDBC` too."""

from __future__ import annotations

from typing import Annotated, Any

from dataos.manifest import locations
from dataos.manifest.annotations import Words
from dataos.manifest.blocks import PortNumber
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled


class MssqlLocation(Spec):
    """`params`: for instance `encrypt: false`."""

    host: Text
    """Host."""
    port: PortNumber = 1433
    """Port."""
    database: Text = spelled("dbname", "db")
    """Database."""
    subprotocol: Annotated[Text, Words("sqlserver")] = "sqlserver"
    """Has one value."""
    params: locations.Params = {}
    """Parameters of the driver, for instance `encrypt`."""


def read(location: Any, reading: Reading, path: Path) -> MssqlLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = read_model(MssqlLocation, location, reading, path)
    if model is None:
        return None
    locations.check_host(model.host, (*path, "host"), reading)
    subprotocol = one_of(model.subprotocol, ("sqlserver",), (*path, "subprotocol"), reading, "subprotocol")
    locations.check_params(model.params, (*path, "params"), reading)
    if len(reading.problems) > before:
        return None
    return model.model_copy(update={"host": model.host.strip(), "subprotocol": subprotocol})
