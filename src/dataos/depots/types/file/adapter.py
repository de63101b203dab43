"""Files of this machine below a depot's base folder, and never outside it.

Two fences: the base folder must lie under `storage.allowed_paths`, and whatever an address names must lie, after all
links are followed, under the base folder. A collection is a folder below the base (`none` is the base itself).
"""

from __future__ import annotations

import asyncio
import fnmatch
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from dataos.core import durable, names
from dataos.core.addresses import Udl
from dataos.core.errors import fail
from dataos.depots import paths, placing, tableformats, tableplaces, tablewriting
from dataos.depots.ports import (
    AdapterContext,
    ColumnDescription,
    Delivery,
    DepotEntry,
    Fence,
    StoredTable,
    TableWriting,
    required,
)

_MAX_FILES = 500_000


class FileAdapter:
    """FILE depots. Listing shows folders as collections, files and folders below them as datasets."""

    def __init__(self, context: AdapterContext) -> None:
        self._allowed = tuple(Path(os.path.realpath(p)) for p in context.allowed_paths)

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.to_thread(self._probe, entry)
        except TimeoutError as error:
            raise fail(
                "depot.timeout",
                f"depot '{entry.name}': {entry.location['path']} did not answer within {timeout_s:g} s",
                hint="is it a share that is not mounted?",
                retry=30.0,
            ) from error

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        root = self.root(entry)
        return await asyncio.to_thread(lambda: ["none", *_folders(root)])

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]:
        folder = await asyncio.to_thread(self._place, entry, collection, None)
        if tableformats.held_by(entry):
            return await tableformats.tables(
                _Tables(self.root(entry)), str(entry.location["format"]), paths.relative(collection, None)
            )
        return await asyncio.to_thread(lambda: sorted(e.name for e in _visible(folder)))

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]:
        return list((await self.table(entry, credentials, collection, dataset)).columns)

    async def table(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> StoredTable:
        """See `HoldsTables`."""
        if tableformats.held_by(entry) is None:
            raise tableformats.no_columns(entry)
        await asyncio.to_thread(self._place, entry, collection, dataset)
        return await tableformats.read(_Tables(self.root(entry)), entry, paths.relative(collection, dataset))

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        return str(await asyncio.to_thread(self._place, entry, udl.collection, udl.dataset))

    async def files(self, entry: DepotEntry, udl: Udl) -> list[str]:
        """The regular, non-hidden files that the address names, sorted; links that leave the base are refused.

        Raises DataOSError `depot.path` if nothing is there, naming the physical path (ch02 1.15).
        """
        collection, dataset = required(udl)
        return await asyncio.to_thread(self._files, entry, collection, dataset)

    async def file(self, entry: DepotEntry, udl: Udl, path: str) -> Path:
        """One of `files`, by its whole path, without looking at the others. Raises DataOSError `depot.path`."""
        collection, dataset = required(udl)
        return await asyncio.to_thread(self._file, entry, paths.relative(collection, dataset), path)

    def _file(self, entry: DepotEntry, named: str, path: str) -> Path:
        root = self.root(entry)
        place = root if paths.is_pattern(named) else self._place(entry, None, named)
        inner = path.removeprefix(f"{place}/") if path != str(place) else ""
        below = bool(inner) and inner != path and paths.relative("none", inner) == inner
        if paths.is_pattern(named):
            base = paths.literal_folder(named)
            known = below and paths.matches(inner, named) and not paths.hidden(inner, base)
        else:
            known = (below and not paths.hidden(inner)) or path == str(place)
        if not known or not Path(path).is_file():
            raise fail(
                "depot.path",
                f"depot '{entry.name}': the address names no file `{path}`",
                hint="list them: GET /api/v1/depots/ls",
            )
        _inside(entry, root, Path(os.path.realpath(path)), path)
        return Path(path)

    async def folder(self, entry: DepotEntry, udl: Udl) -> Path:
        """The folder below which everything is, and will be, that the address names: the nearest one that is there."""
        collection, dataset = required(udl)
        return await asyncio.to_thread(self._folder, entry, paths.relative(collection, dataset))

    def _folder(self, entry: DepotEntry, relative: str) -> Path:
        place = root = self.root(entry)
        for part in PurePosixPath(relative).parts:
            below = Path(os.path.realpath(place / part))
            if paths.is_pattern(part) or not below.is_dir():
                break
            _inside(entry, root, below, relative)
            place = below
        return place

    async def deliver(
        self, entry: DepotEntry, credentials: Mapping[str, str], delivery: Delivery, fence: Fence
    ) -> None:
        """See `TakesFiles`. Readers of the folder see all files or none of them."""
        target = await asyncio.to_thread(self._target, entry, delivery.udl)
        if delivery.table is not None:
            await self._write_table(entry, target, delivery, delivery.table, fence)
            return
        lock = placing.alone(target)
        await asyncio.to_thread(lock.__enter__)
        try:
            made = await asyncio.to_thread(placing.take, delivery.folder, target, delivery.mode, delivery.mark)
            await fence()
            await asyncio.to_thread(placing.show, made, target, delivery.mode, delivery.mark)
        finally:
            lock.__exit__(None, None, None)

    async def _write_table(
        self, entry: DepotEntry, target: Path, delivery: Delivery, table: TableWriting, fence: Fence
    ) -> None:
        folder = _Tables(self.root(entry))
        relative = str(target.relative_to(self.root(entry)))
        place = tableplaces.Place(
            f"{delivery.udl} ({target})",
            str(target),
            create=lambda path, content: durable.create(target / path, content),
            replace=lambda path, content: durable.write(target / path, content, 0o644),
        )
        await tablewriting.deliver(place, folder, relative, delivery, table, fence)

    def _target(self, entry: DepotEntry, udl: Udl) -> Path:
        collection, dataset = required(udl)
        relative = paths.relative(collection, dataset)
        paths.check_target(entry.name, relative)
        place = self._place(entry, collection, dataset)
        if place == self.root(entry):
            raise fail("depot.path", f"depot '{entry.name}': its own folder cannot be an output", hint="name a dataset")
        return place

    def root(self, entry: DepotEntry) -> Path:
        """The base folder with links followed. Raises DataOSError `depot.path` if it is outside the allowed folders."""
        written = str(entry.location["path"])
        real = Path(os.path.realpath(written))
        if not any(real == a or a in real.parents for a in self._allowed):
            allowed = ", ".join(str(a) for a in self._allowed) or "none"
            raise fail(
                "depot.path",
                f"depot '{entry.name}': {written} is outside the folders that this server may read",
                hint=f"allowed: {allowed}; add one with `dataos up --allow DIR` or the setting storage.allowed_paths",
            )
        return real

    def _probe(self, entry: DepotEntry) -> None:
        root = self.root(entry)
        if not root.exists():
            raise fail(
                "depot.path",
                f"depot '{entry.name}': {entry.location['path']} does not exist",
                hint="make the folder on the machine that runs the server, or correct `path`",
            )
        if not root.is_dir():
            raise fail("depot.path", f"depot '{entry.name}': {entry.location['path']} is not a folder")
        try:
            os.scandir(root).close()
        except PermissionError as error:
            raise fail(
                "depot.path",
                f"depot '{entry.name}': the server may not read {entry.location['path']}",
                hint="give the server's user read and search permission",
            ) from error

    def _place(self, entry: DepotEntry, collection: str | None, dataset: str | None) -> Path:
        root = self.root(entry)
        relative = paths.relative(collection, dataset)
        place = Path(os.path.realpath(root / relative)) if relative else root
        _inside(entry, root, place, relative)
        return place

    def _files(self, entry: DepotEntry, collection: str, dataset: str) -> list[str]:
        root = self.root(entry)
        relative = paths.relative(collection, dataset)
        if paths.is_pattern(relative):
            found = _match_parts(str(root), relative.split("/"), False)
        else:
            place = self._place(entry, collection, dataset)
            if place.is_dir():
                found = _walk(str(place), False)
            else:
                found = iter([(str(place), False)] if place.is_file() else [])
        files: list[str] = []
        for path, linked in found:
            if linked:  # all else is below the root as it is: asking for each of many files would take long
                _inside(entry, root, Path(os.path.realpath(path)), relative)
            files.append(path)
            if len(files) > _MAX_FILES:
                what = f"depot '{entry.name}': {root / relative} names more than {_MAX_FILES} files"
                raise fail("depot.path", what, hint="name a folder further down, or a narrower pattern")
        if not files:
            raise _missing(entry, root, relative)
        files.sort()
        return files


class _Tables:
    """Names and content below a root, for `tableformats`. Links that leave the root show nothing."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def folders(self, folder: str) -> list[str]:
        place = self._inside(folder)
        return await asyncio.to_thread(_folders, place) if place is not None and place.is_dir() else []

    async def names(self, folder: str) -> list[str]:
        place = self._inside(folder)
        return await asyncio.to_thread(lambda: sorted(os.listdir(place))) if place and place.is_dir() else []

    async def read(self, path: str, most_bytes: int) -> bytes:
        place = self._inside(path)
        if place is None:
            raise FileNotFoundError(path)
        return await asyncio.to_thread(_content, place, most_bytes)

    def place(self, path: str = "") -> str:
        return str(self._root / path)

    def _inside(self, path: str) -> Path | None:
        place = Path(os.path.realpath(self._root / path))
        return place if place == self._root or self._root in place.parents else None


def _content(file: Path, most_bytes: int) -> bytes:
    with file.open("rb") as opened:
        content = opened.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"larger than {most_bytes} bytes")
    return content


def _inside(entry: DepotEntry, root: Path, place: Path, relative: str) -> None:
    if place != root and root not in place.parents:
        raise fail(
            "depot.path",
            f"depot '{entry.name}': '{relative}' leads out of the depot's folder",
            hint="links may only point to places below the depot's own path",
        )


def _missing(entry: DepotEntry, root: Path, relative: str) -> Exception:
    place = root / relative
    near = ""
    if place.parent.is_dir():
        near = names.did_you_mean(place.name, [e.name for e in _visible(place.parent)])
    return fail(
        "depot.path",
        f"depot '{entry.name}': nothing to read at {place}",
        hint=near or f"is the path right? The depot's folder is {root}",
    )


def _visible(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for item in entries:
            if not item.name.startswith((".", "_")):
                yield item


def _folders(root: Path) -> list[str]:
    return sorted(e.name for e in _visible(root) if e.is_dir(follow_symlinks=False))


def _walk(folder: str, linked: bool) -> Iterator[tuple[str, bool]]:
    """Files below, deep, and whether a link is on the way to each. `linked`: there is one above."""
    for item in _visible(folder):
        if item.is_dir(follow_symlinks=False):
            yield from _walk(item.path, linked)
        elif item.is_file():
            yield item.path, linked or item.is_symlink()


def _match_parts(folder: str, parts: list[str], linked: bool) -> Iterator[tuple[str, bool]]:
    """Files below whose path matches, as `_walk`; `*` and `?` stay within one part, `**` crosses parts."""
    head, rest = parts[0], parts[1:]
    if not os.path.isdir(folder):
        return
    if head == "**":
        if rest:
            yield from _match_parts(folder, rest, linked)
        for item in _visible(folder):
            if item.is_dir(follow_symlinks=False):
                yield from _match_parts(item.path, parts, linked)
            elif not rest and item.is_file():
                yield item.path, linked or item.is_symlink()
        return
    for item in _visible(folder):
        if not fnmatch.fnmatchcase(item.name, head):
            continue
        if rest:
            yield from _match_parts(item.path, rest, linked or item.is_symlink())
        elif item.is_dir(follow_symlinks=False):
            yield from _walk(item.path, linked)
        elif item.is_file():
            yield item.path, linked or item.is_symlink()
