"""Location of a MYSQL depot (ch02 1.7). A collection is a database, so none is named here."""

from __future__ import annotations

from typing import Annotated, Any

from dataos.manifest import locations
from dataos.manifest.annotations import Words
from dataos.manifest.blocks import PortNumber
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model

FILE_PARAMS = {
    "ssl_ca": ("ssl_ca", "sslca", "ssl-ca", "sslrootcert"),
    "ssl_cert": ("ssl_cert", "sslcert", "ssl-cert"),
    "ssl_key": ("ssl_key", "sslkey", "ssl-key"),
}
"""Driver's option -> parameters that name its file; it must lie under storage.allowed_paths."""


class MysqlLocation(Spec):
    """`params`: for instance `tls: skip-verify` for a server that signed its certificate itself."""

    host: Text
    """Host."""
    port: PortNumber = 3306
    """Port."""
    subprotocol: Annotated[Text, Words("mysql")] = "mysql"
    """Has one value."""
    database: Text | None = None
    """Database."""
    params: locations.Params = {}
    """Parameters of the driver, for instance `tls`."""


def read(location: Any, reading: Reading, path: Path) -> MysqlLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = read_model(MysqlLocation, location, reading, path)
    if model is None:
        return None
    if model.database is not None:
        reading.warn((*path, "database"), "`database` has no effect: a collection of the depot is a database")
    locations.check_host(model.host, (*path, "host"), reading)
    subprotocol = one_of(model.subprotocol, ("mysql",), (*path, "subprotocol"), reading, "subprotocol")
    locations.check_params(model.params, (*path, "params"), reading)
    if len(reading.problems) > before:
        return None
    return model.model_copy(update={"host": model.host.strip(), "subprotocol": subprotocol, "database": None})
