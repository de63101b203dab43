"""Uploads in parts: parts wait on this server's disk until the client says that they are all there.

Parts come in any order, several at a time and sometimes twice. An upload that its client forgot goes after a day.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

from dataos.core.errors import fail

_FORGOTTEN_S = 24 * 3600.0
_LEAST_FREE = 256 << 20
_PIECE = 8 << 20


class Uploads:
    """Open uploads of one server, each a folder below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def begin(self, id_: str, location: str) -> None:
        """Open an upload of an object. What other clients forgot goes."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in self._root.iterdir():
            with suppress(OSError):
                if old.stat().st_mtime < time.time() - _FORGOTTEN_S:
                    shutil.rmtree(old, ignore_errors=True)
        folder = self._root / id_
        folder.mkdir(mode=0o700)
        (folder / "location").write_text(location)

    async def take(self, id_: str, location: str, number: int, body: AsyncIterator[bytes]) -> str:
        """Keep a part; its tag. The last one of a number counts. Raises DataOSError `objects.no_upload`,
        `objects.full`."""
        folder = self._folder(id_, location)
        if shutil.disk_usage(folder).free < _LEAST_FREE:
            raise fail("objects.full", "the server's disk has no room for parts of an upload", retry=10.0)
        tag = hashlib.md5(usedforsecurity=False)
        draft = folder / f".{number:05d}-{time.monotonic_ns()}"
        try:
            with draft.open("xb") as file:
                async for piece in body:
                    tag.update(piece)
                    await asyncio.to_thread(file.write, piece)
            name = tag.hexdigest()
            draft.rename(folder / f"{number:05d}-{name}")
        finally:
            draft.unlink(missing_ok=True)
        return name

    def parts(self, id_: str, location: str, wanted: Sequence[tuple[int, str]]) -> list[Path]:
        """Files of the parts that a client names, each by number and tag. Raises DataOSError `objects.part`,
        `objects.no_upload`."""
        folder = self._folder(id_, location)
        numbers = [number for number, _ in wanted]
        if not wanted or numbers != sorted(set(numbers)):
            raise fail("objects.part", "the parts of an upload are named in rising order, one at least")
        found = [folder / f"{number:05d}-{tag}" for number, tag in wanted]
        for path, number in zip(found, numbers, strict=True):
            if not path.is_file():
                raise fail("objects.part", f"part {number} has not come, or is another one")
        return found

    def end(self, id_: str, location: str) -> None:
        """Forget an upload with its parts."""
        shutil.rmtree(self._folder(id_, location), ignore_errors=True)

    def _folder(self, id_: str, location: str) -> Path:
        folder = self._root / id_
        if id_.replace("-", "").isalnum():
            with suppress(OSError):
                if (folder / "location").read_text() == location:
                    return folder
        raise fail("objects.no_upload", f"there is no upload of that id for {location}")


async def content(parts: Sequence[Path]) -> AsyncIterator[bytes]:
    """The bytes of all parts, one after the other."""
    for path in parts:
        with path.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece
