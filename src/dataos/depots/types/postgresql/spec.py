"""Location of a POSTGRESQL depot (ch02 1.7)."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field

from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled, suggest

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

PARAMS = frozenset(
    {
        "sslmode",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "sslcrl",
        "sslnegotiation",
        "channel_binding",
        "target_session_attrs",
        "application_name",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "connect_timeout",
        "gssencmode",
    }
)
"""libpq parameters that a manifest may set. What would name files to read freely, services or commands is left out."""

FILE_PARAMS = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl"})
"""Parameters that name files; the adapter checks that they lie under storage.allowed_paths."""

_HOST = re.compile(r"[A-Za-z0-9._:-]+")


class PostgresqlLocation(Spec):
    """`params` go to the driver."""

    host: Text
    """Host."""
    port: int = Field(default=5432, ge=1, le=65535)
    """Port."""
    database: Text = spelled("dbname", "db")
    """Database."""
    subprotocol: Text = "postgresql"
    """Has one value: postgresql."""
    params: dict[str, Text] = {}
    """Parameters of the driver, for instance `sslmode`."""


def read(location: Any, reading: Reading, path: Path) -> PostgresqlLocation | None:
    """The location model, or None with the faults in `reading`."""
    model = read_model(PostgresqlLocation, location, reading, path)
    if model is None:
        return None
    before = len(reading.problems)
    if not _HOST.fullmatch(model.host.strip()):
        reading.error((*path, "host"), f"`{model.host}` is no host name", hint="write a host name or an IP address")
    if model.subprotocol.lower() not in ("postgresql", "postgres"):
        reading.error(
            (*path, "subprotocol"), f"subprotocol `{model.subprotocol}` is not allowed", hint="allowed: postgresql"
        )
    params: dict[str, str] = {}
    for key, value in model.params.items():
        folded = key.lower()
        if folded not in PARAMS:
            reading.error(
                (*path, "params", key), f"parameter `{key}` is not allowed", hint=suggest(folded, sorted(PARAMS))
            )
            continue
        if folded == "sslmode":
            value = one_of(value, SSL_MODES, (*path, "params", key), reading, "sslmode") or value
        if "\x00" in value or "\n" in value:
            reading.error((*path, "params", key), "a parameter is one line of text")
        params[folded] = value
    if len(reading.problems) > before:
        return None
    return model.model_copy(update={"host": model.host.strip(), "subprotocol": "postgresql", "params": params})
