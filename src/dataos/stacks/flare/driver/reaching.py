"""A server as its user reaches it, for programs that run outside of it: PyFlare and local runs.

Everything comes through the server's doors, with the user's key: rows of tables, bytes of files, the catalog of a
Lakehouse. Data files of a Lakehouse table are written by the engine, as the catalog says where.
"""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from dataos.client.api import Client
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.manifest.depot_types import FILE_STORES
from dataos.stacks.flare import fileformats
from dataos.stacks.flare.driver.job import Source, Target
from dataos.stacks.flare.model import FILES

_MOST_FILES = 100_000
_LONGEST_S = 3600.0
TAR = "application/x-tar"


class Reach:
    """Depots of a server by name; each is asked for once."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._known: dict[str, dict[str, Any]] = {}

    def depot(self, name: str) -> dict[str, Any]:
        """The section `depot` of its manifest. Raises DataOSError as the server says it."""
        if name not in self._known:
            self._known[name] = dict(self.client.resource("depot", name, None)["manifest"]["depot"])
        return self._known[name]

    def warehouse(self, name: str) -> str | None:
        """The warehouse of a Lakehouse's depot; None for another depot."""
        body = self.depot(name)
        if str(body.get("type", "")).upper() != "ICEBERG":
            return None
        location: Any = body.get("iceberg") or {}
        return str(location.get("warehouse") or name)

    def _tables(self, name: str) -> str | None:
        """The format of the tables that the folders of a depot of files are; None: it holds files."""
        blocks = [b for b in self.depot(name).values() if isinstance(b, dict)]
        words = [str(v).lower() for b in blocks for k, v in cast("dict[str, Any]", b).items() if k.lower() == "format"]
        return next((w for w in words if w in ("iceberg", "delta")), None)

    def source(self, address: Udl, form: str | None) -> Source:
        """Where an input is. Raises DataOSError `flare.format`, `flare.input`, or what the server says."""
        kind = str(self.depot(address.depot).get("type", "")).upper()
        held = self._tables(address.depot) if kind in FILE_STORES else None
        if kind not in FILE_STORES or held is not None:
            own = held or ("iceberg" if kind == "ICEBERG" else "jdbc")
            if form not in (None, own):
                raise fail(
                    "flare.format",
                    f"depot '{address.depot}' "
                    + (f"holds {held} tables" if held else f"is of type {kind}")
                    + f": format `{form}` cannot be read from it",
                    hint=f"write `{own}`, or leave the format out",
                )
            return Source("query")
        suffixes = (address.dataset or "").lower().split(".")[1:]
        found = form or next((fileformats.SUFFIXES[s] for s in reversed(suffixes) if s in fileformats.SUFFIXES), None)
        if found not in FILES:
            what = f"format `{found}` cannot be read from files" if found else f"{address} does not tell its format"
            raise fail("flare.format", what, hint="allowed: " + ", ".join(FILES))
        asked = {"address": str(Udl(address.depot, address.collection, address.dataset)), "limit": _MOST_FILES}
        listed = self.client.json("GET", "/api/v1/depots/ls", params=asked)
        files = tuple(str(item["name"]) for item in listed["items"]) if listed["kind"] == "files" else ()
        if not files or listed["truncated"]:
            what = f"{address} holds more than {_MOST_FILES} files" if files else f"Path does not exist: {address}"
            raise fail("flare.input", what, hint="name a folder, a file or a pattern below the depot")
        return Source("objects", place=f"dataos://{address.depot}", format=found, files=files)

    def target(self, address: Udl, form: str | None, branch: str = "") -> Target | None:
        """Where a table of a Lakehouse goes; None: the server is to say it (`place`). Raises DataOSError."""
        warehouse = self.warehouse(address.depot)
        if warehouse is None:
            return None
        if form not in (None, "iceberg"):
            raise fail(
                "flare.format",
                f"{address}: a Lakehouse holds Iceberg tables, not {form} files",
                hint="leave the format out, or save it to a depot of files",
            )
        levels = tuple((address.collection or "").split("."))
        if not address.dataset or "/" in address.dataset:
            raise fail(
                "manifest.address", f"Invalid dataset found: {address}", hint="dataos://[depot]:[collection]/[table]"
            )
        return Target("table", warehouse, levels, address.dataset, branch=branch)

    def place(self, output: Mapping[str, Any], name: str) -> Target:
        """Where an output goes that is no table of a Lakehouse, as the server says. `name`: of this writing. Raises
        DataOSError where it cannot go there."""
        asked = {"output": output, "name": name}
        answer: dict[str, Any] = self.client.json("POST", "/api/v1/outputs/place", body=asked)["target"]
        answer.pop("namespace")  # of tables only
        return Target(**answer)

    def hand_over(self, output: Mapping[str, Any], name: str, folder: Path) -> None:
        """Let the server bring the files below a folder, in which they lie as `place` said. Raises DataOSError."""
        described = json.dumps({"output": output, "name": name}).encode()
        with tempfile.TemporaryFile() as archive:
            with tarfile.open(fileobj=archive, mode="w") as made:
                head = tarfile.TarInfo("output.json")
                head.size = len(described)
                made.addfile(head, io.BytesIO(described))
                for path in sorted(folder.rglob("*")):
                    made.add(path, str(path.relative_to(folder)), recursive=False)
            archive.seek(0)
            self.client.json("POST", "/api/v1/outputs", content=(archive, TAR), timeout_s=_LONGEST_S)

    def missing(self, name: str) -> DataOSError | None:
        """Why a depot cannot be used; None: it can."""
        try:
            self.depot(name)
        except DataOSError as error:
            return error
        return None
