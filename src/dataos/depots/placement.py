"""Which Depots lie in the same place: policies know a place by the name of its Depot, so a second name would be a way
around them.

Places are texts that end in `/`; one lies in another if it begins with it. Two spellings of one host are two places
here, but for the machine itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from dataos.depots.ports import DepotEntry
from dataos.depots.types.iceberg import adapter as iceberg
from dataos.depots.types.jdbc.spec import FILES

_LOOPBACK = ("127.0.0.1", "[::1]", "::1", "0.0.0.0")  # noqa: S104 - names of this machine, nothing is bound to them
_HOSTS = ("brokers", "serviceUrl", "adminUrl", "nodes", "url", "host")


def folder(path: str) -> str:
    """The place of a folder or file of the server's machine, links followed."""
    return f"file:{os.path.realpath(path)}/"


def bucket(name: str, prefix: str) -> str:
    """The place of what lies below a prefix of a bucket, whatever endpoint serves it."""
    inner = "/".join(p for p in prefix.split("/") if p)
    return f"bucket:{name.lower()}/{inner}/" if inner else f"bucket:{name.lower()}/"


def warehouse(location: str) -> str:
    """The place of a Lakehouse by where its tables lie."""
    if location.startswith("s3://"):
        name, _, prefix = location.removeprefix("s3://").partition("/")
        return bucket(name, prefix)
    return folder(location)


def of(entry: DepotEntry) -> tuple[str, ...]:
    """The places of a Depot; none where nobody reads without a login of his own."""
    where = entry.location
    if entry.type == "ICEBERG":
        return (f"warehouse:{iceberg.warehouse(entry)}/",)
    if entry.type == "FILE":
        return (folder(str(where["path"])),)
    if entry.type == "JDBC" and where.get("subprotocol") in FILES:
        return (folder(str(where.get("database"))),)
    name = where.get("bucket") or where.get("container")
    if name:
        return (bucket(str(name), str(where.get("relativePath") or "")),)
    return () if entry.secrets else tuple(_hosts(where))


def overlap(one: Iterable[str], other: Iterable[str]) -> bool:
    """Does any place of one lie in the other's, or hold it?"""
    theirs = tuple(other)
    return any(a.startswith(b) or b.startswith(a) for a in one for b in theirs)


def _hosts(where: Mapping[str, Any]) -> Iterable[str]:
    for key in _HOSTS:
        value = where.get(key)
        for text in value if isinstance(value, (list, tuple)) else (value,):
            if text:
                host = str(text).lower().partition("://")[2] or str(text).lower()
                host = host.partition("/")[0] + (f":{where['port']}" if key == "host" and where.get("port") else "")
                yield f"host:{_named(host)}/"


def _named(host: str) -> str:
    return next((f"localhost{host.removeprefix(n)}" for n in _LOOPBACK if host.startswith(n)), host)
