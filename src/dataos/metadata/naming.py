"""Names of datasets as OpenLineage's naming rules have them (`postgres://host:5432`, `db.schema.table`), to and from
addresses of Depots. Pure. Other producers name the systems; a Depot is how this installation calls one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError
from dataos.depots.ports import DepotEntry

_PORTS = {"postgres": 5432, "mysql": 3306}
_ALIASES = {"postgresql": "postgres", "s3a": "s3", "s3n": "s3", "mariadb": "mysql", "abfs": "abfss"}


@dataclass(frozen=True)
class Name:
    """A dataset of OpenLineage."""

    namespace: str
    name: str

    def to_json(self) -> dict[str, str]:
        """As events have it."""
        return {"namespace": self.namespace, "name": self.name}


def physical(entry: DepotEntry, udl: Udl) -> Name | None:
    """How other producers call what the address names; None where no rule says so. Without credentials."""
    location, collection, dataset = entry.location, udl.collection or "", udl.dataset or ""
    match entry.type:
        case "POSTGRESQL":
            host = f"postgres://{location['host']}:{location.get('port', 5432)}"
            return Name(host, f"{location['database']}.{collection}.{dataset}")
        case "MYSQL":
            return Name(f"mysql://{location['host']}:{location.get('port', 3306)}", f"{collection}.{dataset}")
        case "FILE":
            return Name("file", _joined(str(location["path"]), collection, dataset))
        case "S3" | "GCS":
            scheme = "s3" if entry.type == "S3" else "gs"
            return Name(f"{scheme}://{location['bucket']}", _joined(_prefix(location), collection, dataset))
        case "ABFSS" | "WASBS":
            host = f"{entry.type.lower()}://{location['container']}@{location['account']}"
            return Name(host, _joined(_prefix(location), collection, dataset))
        case "KAFKA":
            brokers: Any = location.get("brokers") or ()
            return Name(f"kafka://{brokers[0]}", dataset) if brokers else None
        case _:
            return None


def uri(entry: DepotEntry) -> str:
    """Where a Depot is, for the facet `dataSource`."""
    found = physical(entry, Udl(entry.name, "", ""))
    if found is None:
        return f"dataos://{entry.name}"
    return f"file://{entry.location['path']}" if found.namespace == "file" else found.namespace


def address(name: Name, depots: Iterable[DepotEntry]) -> str:
    """The address of a dataset that somebody named, by the Depot that leads there. What no Depot leads to keeps its
    name, as `<namespace>/<name>`."""
    own = _own(name)
    if own is not None:
        return own
    namespace, rest = _canonical(name.namespace), name.name.strip("/") if name.namespace != "file" else name.name
    best: tuple[int, str] | None = None
    for entry in depots:
        found = _within(entry, namespace, rest)
        if found is not None and (best is None or found[0] > best[0]):
            best = found
    return best[1] if best is not None else f"{name.namespace.rstrip('/')}/{name.name.lstrip('/')}"


def _own(name: Name) -> str | None:
    if not name.namespace.startswith("dataos://"):
        return None
    try:
        udl = Udl.parse(f"{name.namespace}:{name.name}")
    except DataOSError:
        return None
    return str(Udl(udl.depot, udl.collection, udl.dataset)) if udl.dataset else None


def _canonical(namespace: str) -> str:
    """Scheme, host and port in one spelling."""
    scheme, found, rest = namespace.partition("://")
    if not found:
        return namespace
    scheme = _ALIASES.get(scheme.lower(), scheme.lower())
    if scheme in _PORTS:
        parts = urlsplit(f"//{rest}")
        try:
            port = parts.port or _PORTS[scheme]
        except ValueError:
            return namespace
        return f"{scheme}://{(parts.hostname or '').lower()}:{port}"
    return f"{scheme}://{rest.rstrip('/')}"


def _within(entry: DepotEntry, namespace: str, name: str) -> tuple[int, str] | None:
    """(how exactly it matches, address) if the Depot leads there."""
    whole = physical(entry, Udl(entry.name, "c", "d"))
    if whole is None:
        return None
    if entry.type == "KAFKA":
        brokers = {f"kafka://{b}" for b in entry.location.get("brokers") or ()}
        return (1, _text(entry.name, "none", name)) if namespace in brokers and "/" not in name else None
    if _canonical(whole.namespace) != namespace:
        return None
    if entry.type in ("POSTGRESQL", "MYSQL"):
        parts = name.split(".")
        if entry.type == "POSTGRESQL":
            if len(parts) != 3 or parts[0] != entry.location["database"]:
                return None
            parts = parts[1:]
        return (1, _text(entry.name, *parts)) if len(parts) == 2 else None
    root = str(entry.location["path"]) if entry.type == "FILE" else _prefix(entry.location)
    root = root.strip("/")
    path = name.strip("/")
    if root and not path.startswith(root + "/"):
        return None
    inner = path[len(root) :].strip("/")
    folder, _, rest = inner.partition("/")
    if not inner or any(part in (".", "..") for part in inner.split("/")):
        return None
    return len(root) + 1, _text(entry.name, folder, rest) if rest else _text(entry.name, "none", folder)


def _text(depot: str, collection: str, dataset: str) -> str:
    return str(Udl(depot, collection, dataset))


def _joined(root: str, collection: str, dataset: str) -> str:
    inner = "/".join(p for p in ("" if collection == "none" else collection, dataset) if p)
    return f"{root.rstrip('/')}/{inner}" if root else inner


def _prefix(location: Mapping[str, Any]) -> str:
    return str(location.get("relative_path") or location.get("relativePath") or "").strip("/")
