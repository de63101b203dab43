"""Location of a JDBC depot (ch02 1.6, 1.7): any database that has a driver. PostgreSQL is a type of its own."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from dataos.manifest import locations
from dataos.manifest.blocks import PortNumber
from dataos.manifest.specs import Path, Reading, Spec, Text, choose, read_model, spelled

SUBPROTOCOLS = (
    "mysql",
    "sqlserver",
    "oracle:thin",
    "databricks-jdbc",
    "mariadb",
    "db2",
    "redshift",
    "postgresql",
    "sqlite",
    "duckdb",
)
FILES = frozenset({"sqlite", "duckdb"})
"""Subprotocols of databases that are one file: `database` is its path; they need no host, port or secret."""
_NEEDS_DATABASE = frozenset({"sqlserver", "db2", "redshift", "postgresql"})


class JdbcLocation(Spec):
    """The address is jdbc:[subprotocol]://[host]:[port]/[database], with `params`; of sqlite and duckdb it is
    jdbc:[subprotocol]:[database], where the database is a file of the server's machine."""

    subprotocol: Text
    """Kind of database: mysql, sqlserver and others."""
    host: Text | None = None
    """Host. Required, but for sqlite and duckdb."""
    port: PortNumber | None = None
    """Port. Required, but for sqlite and duckdb."""
    database: Text | None = spelled("dbname", "db", default=None)
    """Database; of sqlite and duckdb the path of the file."""
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
    if subprotocol in FILES:
        _read_file(model, subprotocol, reading, path)
        update = {"subprotocol": subprotocol, "host": None, "port": None}
        return model.model_copy(update=update) if len(reading.problems) == before else None
    if subprotocol in _NEEDS_DATABASE and not model.database:
        locations.missing("database", path, reading, f"where the subprotocol is `{subprotocol}`")
    for key in ("host", "port"):
        if getattr(model, key) is None:
            locations.missing(key, path, reading, f"where the subprotocol is `{subprotocol}`")
    if model.host is not None:
        locations.check_host(model.host, (*path, "host"), reading)
    locations.check_params(model.params, (*path, "params"), reading)
    if len(reading.problems) > before:
        return None
    return model.model_copy(update={"subprotocol": subprotocol, "host": (model.host or "").strip()})


def _read_file(model: JdbcLocation, subprotocol: str, reading: Reading, path: Path) -> None:
    if not model.database:
        locations.missing("database", path, reading, f"where the subprotocol is `{subprotocol}`: the path of the file")
    elif not model.database.startswith("/") or ".." in PurePosixPath(model.database).parts:
        where = (*path, "database")
        text = f"`{model.database}` is not an absolute path"
        reading.error(where, text, hint="name the file on the machine that runs the server, from / on, without `..`")
    for key in ("host", "port"):
        if getattr(model, key) is not None:
            reading.warn((*path, key), f"`{key}` has no effect where the subprotocol is `{subprotocol}`")
