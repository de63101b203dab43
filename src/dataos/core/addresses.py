"""Addresses and identifiers that people write: UDLs and Resource identifiers.

UDL: `dataos://<depot>[:<collection>[/<dataset-or-path>]][?acl=r|rw&...]` (ch02 1.9).
Resource id: `TYPE:VERSION:NAME[:WORKSPACE]` and the looser forms of ch01 4.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote

from dataos.core.errors import fail

_UDL = re.compile(
    r"dataos://(?P<depot>[A-Za-z0-9_-]+)(?::(?P<collection>[A-Za-z0-9_$.-]+)(?:/(?P<dataset>[^?]*))?)?(?:\?(?P<query>.*))?"
)
_VERSION = re.compile(r"v[0-9]+((alpha|beta)[0-9]*)?")


@dataclass(frozen=True)
class Udl:
    """A parsed data address. `dataset` keeps its case and may hold `/` (a file path below the collection)."""

    depot: str
    collection: str | None = None
    dataset: str | None = None
    acl: str = "r"
    options: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def parse(cls, text: str) -> Udl:
        """Parse, or raise DataOSError `manifest.address` with the expected form (ch04 14.2)."""
        match = _UDL.fullmatch(text.strip())
        if match is None:
            raise fail(
                "manifest.address",
                f"Invalid dataset found: {text}",
                hint="an address reads dataos://[depot]:[collection]/[dataset], with ?acl=rw for writing",
            )
        pairs = parse_qsl(match["query"] or "", keep_blank_values=True)
        acl = next((v for k, v in reversed(pairs) if k == "acl"), "r")
        if acl not in ("r", "rw"):
            raise fail("manifest.address", f"Invalid dataset found: {text}", hint="acl is `r` or `rw`")
        dataset = unquote(match["dataset"]) if match["dataset"] else None
        if dataset and any(part in ("..", ".") for part in dataset.split("/")):
            raise fail(
                "manifest.address",
                f"Invalid dataset found: {text}",
                hint="an address may not hold `.` or `..` as a path part",
            )
        return cls(
            depot=match["depot"],
            collection=match["collection"],
            dataset=dataset,
            acl=acl,
            options=tuple((k, v) for k, v in pairs if k != "acl"),
        )

    def __str__(self) -> str:
        text = f"dataos://{self.depot}"
        if self.collection is not None:
            text += f":{self.collection}"
            if self.dataset is not None:
                text += "/" + quote(self.dataset, safe="/ -._~!$'()*+,;=:@")
        return text

    def with_acl(self) -> str:
        """The address with its purpose spelled out when it is not plain reading."""
        return str(self) + ("?acl=rw" if self.acl == "rw" else "")


@dataclass(frozen=True, order=True)
class ResourceKey:
    """What makes a Resource one and the same: type, name and (for workspace-level types) workspace."""

    type: str
    name: str
    workspace: str | None = None

    def __str__(self) -> str:
        return f"{self.type}:{self.name}" + (f":{self.workspace}" if self.workspace else "")


def resource_id(type_: str, version: str, name: str, workspace: str | None) -> str:
    """`workflow:v1:load-orders:sales`."""
    return f"{type_}:{version}:{name}" + (f":{workspace}" if workspace else "")


def display_id(type_: str, version: str, name: str) -> str:
    """`load-orders:v1:workflow`, as progress lines print it."""
    return f"{name}:{version}:{type_}"


@dataclass(frozen=True)
class Identifier:
    """What an identifier string said; the parts it left out are None."""

    name: str
    type: str | None = None
    version: str | None = None
    workspace: str | None = None


def parse_identifier(text: str, types: Iterable[str], canonical: Callable[[str], str]) -> Identifier:
    """Read any identifier spelling of ch01 4.2 (`|`, box or `:` separators, both orders, extra cells).

    `types` are the known type names, `canonical` folds a spelling to one of them. Raises `usage.identifier`.
    """
    known = set(types)
    separator = "|" if ("|" in text or "│" in text) else ":"
    cells = [c.strip() for c in text.replace("│", "|").split(separator)]
    cells = [c for c in cells if c]
    type_at = next((i for i, c in enumerate(cells[:4]) if canonical(c) in known and i in (0, 2)), None)
    version_at = next((i for i, c in enumerate(cells[:3]) if _VERSION.fullmatch(c) and i != type_at), None)
    if type_at is None and version_at is None and len(cells) > 1:
        raise fail(
            "usage.identifier",
            f"identifier '{text}' names no known type",
            hint="write NAME:VERSION:TYPE[:WORKSPACE] or TYPE:VERSION:NAME[:WORKSPACE], or copy a row of `get`",
        )
    rest = [c for i, c in enumerate(cells) if i not in (type_at, version_at)]
    if not rest:
        raise fail("usage.identifier", f"identifier '{text}' holds no name", hint="write NAME:VERSION:TYPE[:WORKSPACE]")
    return Identifier(
        name=rest[0],
        type=canonical(cells[type_at]) if type_at is not None else None,
        version=cells[version_at] if version_at is not None else None,
        workspace=rest[1] if len(rest) > 1 else None,
    )
