"""A running catalog server, and clients of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request

from dataos.core.errors import fail
from dataos.core.ids import AttemptId, RunId, UserId
from dataos.governance.principals import AttemptScope, Principal
from dataos.lakehouse.catalog import Catalog
from dataos.store.database import Store

WAREHOUSE = "lakehouse"
USER = "user"


@dataclass
class Server:
    """A running catalog server. Tokens: `user`, or `attempt:<id>` for the view of an attempt."""

    url: str
    catalog: Catalog
    store: Store
    root: Path
    requests: list[str] = field(default_factory=list[str])


async def authenticate(request: Request) -> Principal:
    """The test's own tokens."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not token:
        raise fail("auth.missing", "this call needs a token")
    return await identify(token)


async def identify(token: str) -> Principal:
    """As `authenticate`, for the bare token."""
    if token.startswith("attempt:"):
        scope = AttemptScope("public", RunId("run"), AttemptId(token.removeprefix("attempt:")))
        return Principal(UserId("job"), attempt=scope)
    if token != "user":
        raise fail("auth.invalid", "unknown token")
    return Principal(UserId("user"))


def client(server: Server, token: str = USER) -> Any:
    """PyIceberg's REST client, as a user would open it."""
    from pyiceberg.catalog import load_catalog

    return load_catalog("test", type="rest", uri=server.url, warehouse=WAREHOUSE, token=token)


def rows(*ids: int, run: str = "") -> Any:
    """An Arrow table (id bigint, run string)."""
    import pyarrow as pa

    return pa.table({"id": pa.array(ids, pa.int64()), "run": pa.array([run] * len(ids), pa.string())})


def ids_of(server: Server, table: str, token: str = USER) -> list[int]:
    """All ids of a table in the view of a token, sorted."""
    return sorted(client(server, token).load_table(table).scan().to_arrow()["id"].to_pylist())
