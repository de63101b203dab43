"""Jobs as they are written for a run on a laptop (ch04 10): local paths, and sources without a depot.

They are made jobs of addresses in the pseudo depot `local`, whose collections are numbers of places; `Places` knows
which path each is, and puts the paths back into what people read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from dataos.core.addresses import Udl
from dataos.manifest.specs import Path as SpecPath
from dataos.manifest.specs import Reading

DEPOT = "local"
_WHOLE = "data"
_ADDRESS = re.compile(rf"dataos://{DEPOT}:p([0-9]+)(?:/([^\s?`'\",;:)\]]+))?(\?acl=rw)?")
_TYPES = (
    "file", "jdbc", "redshift", "snowflake", "bigquery", "kafka", "pulsar", "eventhub", "elasticsearch", "opensearch",
    "mongodb", "delta", "iceberg",
)  # fmt: skip
_MOUNTS = ("/data/examples/", "/datadir/", "/etc/standalone/")
"""Where images of before had the folder of the data; `/dataout/` was another one, `dataout` below it here."""


@dataclass(frozen=True)
class Place:
    """A path of this machine. `is_dataset`: it is what is read or written; else datasets lie below it. `table`: it is
    the folder of an Iceberg table."""

    path: Path
    is_dataset: bool
    table: bool = False


class Places:
    """Local paths by number. `folder`: what relative ones, and those of the images of before, are below."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: list[Place] = []

    def add(self, text: str, *, is_dataset: bool = True, table: bool = False) -> str:
        """The address of a path."""
        self._known.append(Place(self.path(text), is_dataset, table))
        number = len(self._known) - 1
        return f"dataos://{DEPOT}:p{number}/{_WHOLE}" if is_dataset else f"dataos://{DEPOT}:p{number}"

    def path(self, text: str) -> Path:
        """Where a path is on this machine."""
        plain = text.removeprefix("file://")
        given = Path(plain).expanduser()
        if not given.is_absolute():
            return self._folder / given
        if plain.startswith("/dataout"):
            return self._folder / plain.lstrip("/")
        for mount in _MOUNTS:
            if plain.startswith(mount) and not given.exists():
                return self._folder / plain.removeprefix(mount)
        return given

    def find(self, address: Udl) -> Place | None:
        """The place of an address; None for one of a real depot."""
        if address.depot != DEPOT or not (address.collection or "").startswith("p"):
            return None
        place = self._known[int((address.collection or "")[1:])]
        return place if place.is_dataset else Place(place.path / (address.dataset or ""), True)

    def told(self, text: str) -> str:
        """A text with the paths in place of their addresses."""

        def path_of(found: re.Match[str]) -> str:
            place = self._known[int(found[1])]
            return str(place.path if place.is_dataset else place.path / (found[2] or ""))

        return _ADDRESS.sub(path_of, text)


def canonical(stack_spec: Mapping[str, Any], places: Places, reading: Reading) -> dict[str, Any]:
    """The stackSpec with addresses everywhere. What a local run cannot reach is in `reading`."""
    block = dict(stack_spec)
    key = _key(block, "job")
    inner = block.get(key) if key else None
    job: dict[str, Any] = dict(cast("dict[str, Any]", inner)) if isinstance(inner, dict) else block
    path: SpecPath = (key,) if key and isinstance(inner, dict) else ()
    for name, change in (("inputs", _input), ("outputs", _output)):
        found = _key(job, name) or _key(job, name[:-1])
        if found is None or not isinstance(job[found], list | dict):
            continue
        listed = cast("list[Any]", job[found] if isinstance(job[found], list) else [job[found]])
        job[found] = [
            change(dict(cast("dict[str, Any]", entry)), places, reading, (*path, found, number))
            if isinstance(entry, dict)
            else entry
            for number, entry in enumerate(listed)
        ]
    if path:
        block[cast("str", key)] = job
    return block


def _input(entry: dict[str, Any], places: Places, reading: Reading, path: SpecPath) -> dict[str, Any]:
    _lift(entry, "inputType", places, reading, path)
    key = _key(entry, "dataset")
    if key is not None and _is_local(entry[key]):
        entry[key] = places.add(str(entry[key]))
    key = _key(entry, "schemaPath")
    if key is not None and _is_local(entry[key]):
        file = places.path(str(entry[key]))
        try:
            entry["schemaString"] = file.read_text("utf-8")
            del entry[key]
        except (OSError, UnicodeDecodeError) as error:
            reading.error((*path, key), f"the schema file {file} cannot be read: {error}", code="flare.sql_file")
    return entry


def _output(entry: dict[str, Any], places: Places, reading: Reading, path: SpecPath) -> dict[str, Any]:
    _lift(entry, "outputType", places, reading, path)
    for name, is_dataset in (("dataset", True), ("depot", False)):
        key = _key(entry, name)
        if key is not None and _is_local(entry[key]):
            entry[key] = places.add(str(entry[key]), is_dataset=is_dataset) + "?acl=rw"
    return entry


def _lift(entry: dict[str, Any], kind: str, places: Places, reading: Reading, path: SpecPath) -> None:
    """`inputType: file, file: {path, format}` as a dataset with its format."""
    named = _key(entry, kind)
    word = str(entry.get(named) or "").strip().lower() if named else ""
    block_key = next((k for k in entry if k.lower() in _TYPES and isinstance(entry[k], dict)), None)
    if not word and (block_key is None or _key(entry, "dataset") or _key(entry, "query")):
        return
    if kind == "outputType" and block_key is None:
        return  # an old name of `format`
    word = word or cast("str", block_key).lower()
    if word != "file" or block_key is None:
        reading.error(
            (*path, named or cast("str", block_key)),
            f"a local run reads and writes files itself, and {word} through a depot",
            hint="declare a Depot for it on a server (`dataos up`), and write dataset: dataos://[depot]:[collection]/[dataset]",
            code="stack.unsupported",
        )
        return
    body = cast("dict[str, Any]", entry.pop(block_key))
    if named:
        del entry[named]
    low = {k.lower(): v for k, v in body.items()}
    for name in ("format", "isstream"):
        if low.get(name) is not None:
            entry.setdefault({"isstream": "isStream"}.get(name, name), low[name])
    if isinstance(low.get("options"), dict):
        entry["options"] = {**low["options"], **(entry.get("options") or {})}
    if low.get("warehousepath"):
        parts = [str(low.get(k) or "") for k in ("warehousepath", "schemaname", "tablename")]
        entry["dataset"] = places.add("/".join(p.strip("/") if n else p for n, p in enumerate(parts)), table=True)
        return
    target = str(low.get("path") or "")
    if not target:
        reading.error((*path, block_key), "`file.path` is required", code="manifest.missing")
    elif not _is_local(target) and not target.startswith("dataos://"):
        reading.error(
            (*path, block_key, "path"),
            f"a local run reads {target.partition('://')[0]} through a depot",
            hint="declare a Depot for it on a server, and write dataset: dataos://...; or copy the files",
            code="stack.unsupported",
        )
    else:
        entry["dataset"] = target


def _is_local(value: Any) -> bool:
    text = str(value or "")
    return bool(text) and ("://" not in text or text.startswith("file://"))


def _key(block: Mapping[str, Any], wanted: str) -> str | None:
    return next((k for k in block if k.lower() == wanted.lower()), None)
