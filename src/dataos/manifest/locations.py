"""Parts that the locations of several depot types share: object stores, servers, lists of nodes (ch02 1.7).

Each depot type's `spec.py` builds its own model of them. What a location holds is shown to everyone who may see the
Depot, so a value that is a credential is refused here: it belongs into a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BeforeValidator

from dataos.manifest.annotations import Words
from dataos.manifest.specs import Path, Reading, Spec, Text, is_credential, one_of, read_model, spelled

FORMATS = ("ICEBERG", "DELTA", "PARQUET", "CSV", "JSON", "ORC", "AVRO", "TEXT")
CATALOG_TYPES = ("HADOOP", "HIVE")
METASTORE_TYPES = ("rest", "iceberg-rest-catalog")

Params = dict[str, Text]
"""Free parameters of a driver."""

_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_NODE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:([0-9]{1,5}))?")
_AUTH_HEADER = re.compile(r"authorization|cookie|.*(api-?key|token|secret|password)")


def _split(value: Any) -> Any:
    """`a:1, b:2` is a list of two."""
    if isinstance(value, (list, tuple)):
        found: list[Any] = []
        for item in value:  # pyright: ignore[reportUnknownVariableType] - foreign data
            found += [p.strip() for p in item.split(",") if p.strip()] if isinstance(item, str) else [item]
        return found
    return value


Nodes = Annotated[tuple[Text, ...], BeforeValidator(_split)]
"""Addresses of servers."""


class ObjectStore(Spec):
    """What every object store takes besides its own keys."""

    relative_path: Text = spelled("path", "prefix", default="")
    """Folder below the bucket or container."""
    format: Annotated[Text, Words(*FORMATS)] | None = None
    """Format of what lies there."""
    iceberg_catalog_type: Annotated[Text, Words(*CATALOG_TYPES)] | None = None
    """Catalog of the Iceberg tables there."""
    metastore_type: Annotated[Text, Words(*METASTORE_TYPES)] | None = None
    """Catalog service of the tables there."""
    metastore_url: Text | None = None
    """Address of the catalog service."""


L = TypeVar("L", bound=Spec)
S = TypeVar("S", bound=ObjectStore)


def read_object_store(model: type[S], data: Any, reading: Reading, path: Path) -> S | None:
    """An object store's location in its canonical form. None after errors."""
    before = len(reading.problems)
    store = read_model(model, data, reading, path)
    if store is None:
        return None
    prefix = store.relative_path.strip().strip("/")
    if ".." in prefix.split("/"):
        reading.error((*path, "relativePath"), f"`{store.relative_path}` may not hold `..`")
    format_ = optional_word(store.format, FORMATS, (*path, "format"), reading, "format")
    where = (*path, "icebergCatalogType")
    catalog = optional_word(store.iceberg_catalog_type, CATALOG_TYPES, where, reading, "icebergCatalogType")
    metastore = optional_word(store.metastore_type, METASTORE_TYPES, (*path, "metastoreType"), reading, "metastoreType")
    if store.metastore_url is not None:
        check_url(store.metastore_url, ("http", "https", "thrift"), (*path, "metastoreUrl"), reading)
    elif metastore is not None:
        reading.error(
            path,
            f"`metastoreUrl` is required where metastoreType is `{metastore}`",
            code="manifest.missing",
            hint="write the address of the catalog, for instance http://catalog.example:8181",
        )
    if catalog is not None and format_ not in (None, "ICEBERG"):
        reading.warn(where, f"`icebergCatalogType` has no effect where the format is {format_}")
    if len(reading.problems) > before:
        return None
    known = catalog or ("HADOOP" if format_ == "ICEBERG" and metastore is None else None)
    return store.model_copy(
        update={
            "relative_path": prefix,
            "format": format_,
            "iceberg_catalog_type": known,
            "metastore_type": metastore,
        }
    )


def optional_word(word: str | None, allowed: Iterable[str], path: Path, reading: Reading, what: str) -> str | None:
    """As `one_of` for a word that may be absent or empty."""
    return one_of(word, allowed, path, reading, what) if word is not None and word.strip() else None


def check_name(value: str, what: str, path: Path, reading: Reading) -> None:
    """A bucket, container or account: a name, not an address."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]*", value.strip()):
        reading.error(
            path, f"`{value[:80]}` is no name of a {what}", hint="write the bare name, without scheme or path"
        )


def check_host(value: str, path: Path, reading: Reading) -> None:
    """A host name or IP address, without scheme, port or path."""
    if not _HOST.fullmatch(value.strip()):
        shown = value if "@" not in value else "the value"
        reading.error(path, f"`{shown[:80]}` is no host name", hint="write a host name or an IP address")


def check_url(value: str, schemes: tuple[str, ...], path: Path, reading: Reading) -> None:
    """An address with one of the schemes and a host. A user or password inside it is refused, and not repeated."""
    allowed = "write an address that begins with " + " or ".join(f"{s}://" for s in schemes)
    try:
        parts = urlsplit(value.strip())
        host, user = parts.hostname, "@" in parts.netloc
    except ValueError:
        reading.error(path, "the address cannot be read", hint=allowed)
        return
    if user:
        reading.error(path, "the address holds a user or password", hint="write credentials into a secret")
    elif parts.scheme.lower() not in schemes or not host:
        reading.error(path, f"`{value[:80]}` is no address of the kind that is wanted", hint=allowed)


def check_nodes(nodes: tuple[str, ...], path: Path, reading: Reading, port: bool | None = None) -> None:
    """`host:port` entries; `port` True: must be there, False: must not be there."""
    if not nodes:
        reading.error(path, "at least one address is required", code="manifest.missing")
    for position, node in enumerate(nodes):
        where = (*path, position)
        match = _NODE.fullmatch(node.strip())
        if match is None:
            shown = node[:80] if "@" not in node else "the value"
            reading.error(where, f"`{shown}` is no `host:port`", hint="write for instance broker.example:9092")
        elif port and match[3] is None:
            reading.error(where, f"`{node}` lacks its port", hint=f"write `{node}:<port>`")
        elif port is False and match[3] is not None:
            reading.error(where, f"`{node}` may not name a port here", hint=f"write `{match[1]}`")
        elif match[3] is not None and not 1 <= int(match[3]) <= 65535:
            reading.error(where, f"`{match[3]}` is no port", hint="a port is a number of 1 to 65535")


def check_params(params: Mapping[str, str], path: Path, reading: Reading) -> None:
    """Parameters go to the driver as they are; a password among them is refused, and not repeated."""
    for key, value in params.items():
        if is_credential(key):
            reading.error((*path, key), f"parameter `{key}` is a credential", hint="write it into the depot's secret")
        elif "\x00" in value or "\n" in value:
            reading.error((*path, key), "a parameter is one line of text")


def check_headers(headers: Mapping[str, str], path: Path, reading: Reading) -> None:
    """Headers and query parameters of an HTTP source, which may not log anyone in."""
    for key in headers:
        if _AUTH_HEADER.fullmatch(key.lower()) or is_credential(key):
            reading.error((*path, key), f"`{key}` is a credential", hint="write it into the depot's secret")


def missing(key: str, path: Path, reading: Reading, why: str) -> None:
    """A key that is required in this combination."""
    reading.error(path, f"`{key}` is required {why}", code="manifest.missing")
