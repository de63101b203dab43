"""What a door hands over."""

from __future__ import annotations

from dataclasses import dataclass

from dataos.gateway.sessions import Session


@dataclass(frozen=True)
class Statement:
    """What a door hands over. `max_rows` and `timeout_s` are cut to the gateway's own limits. `catalog` and `schema`,
    where they are given, go before those of `session`."""

    sql: str
    dialect: str = "trino"
    catalog: str | None = None
    schema: str | None = None
    max_rows: int | None = None
    timeout_s: float | None = None
    session: Session | None = None
    source: str = ""
    """The client's name for itself."""
