"""Location of a JDBC depot (ch02 1.6, 1.7): any database that has a driver. PostgreSQL is a type of its own."""

from __future__ import annotations

from typing import Any

from dataos.manifest import locations
from dataos.manifest.blocks import PortNumber
from dataos.manifest.specs import Path, Reading, Spec, Text, choose, read_model, spelled

SUBPROTOCOLS = ("mysql", "sqlserver", "oracle:thin", "databricks-jdbc", "mariadb", "db2", "redshift", "postgresql")
_NEEDS_DATABASE = frozenset({"sqlserver", "db2", "redshift", "postgresql"})


class JdbcLocation(Spec):
    """The address is jdbc:[subprotocol]://[host]:[port]/[database], with `params`."""

    subprotocol: Text
    """Kind of database: mysql, sqlserver and others."""
    host: Text
    """Host."""
    port: PortNumber
    """Port."""
    database: Text | None = spelled("dbname", "db", default=None)
    """Database."""
    params: locations.Params = {}
    """Parameters of the address."""


def read(location: Any, reading: Reading, path: Path) -> JdbcLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = read_model(JdbcLocation, location, reading, path)
    if model is None:
        return None
    subprotocol = choose(model.subprotocol.removeprefix("jdbc:"), SUBPROTOCOLS) or model.subprotocol.strip()
    if subprotocol not in SUBPROTOCOLS:
        reading.warn(
            (*path, "subprotocol"),
            f"subprotocol `{subprotocol}` is not among those that are known",
            hint="known: " + ", ".join(SUBPROTOCOLS),
        )
    if subprotocol in _NEEDS_DATABASE and not model.database:
        locations.missing("database", path, reading, f"where the subprotocol is `{subprotocol}`")
    locations.check_host(model.host, (*path, "host"), reading)
    locations.check_params(model.params, (*path, "params"), reading)
    if len(reading.problems) > before:
        return None
    return model.model_copy(update={"subprotocol": subprotocol, "host": model.host.strip()})
