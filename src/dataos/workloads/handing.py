"""What programs outside of the server write to other places than Lakehouses: planned and brought as jobs' files are."""

from __future__ import annotations

import asyncio
import json
import shutil
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import Any, cast

from dataos.core.errors import DataOSError, fail
from dataos.workloads import deliveries
from dataos.workloads.ports import Placed, Placer, Rooms, StackPlanner

DESCRIPTION = "output.json"
_LEAST_FREE = 256 << 20


class Handing:
    """Takes files that programs hand over, and brings them where an output says."""

    def __init__(self, rooms: Rooms, planner: Callable[[str], StackPlanner], folder: Path) -> None:
        """`planner`: a stack's by name; `folder`: where files wait until all are there."""
        self._rooms = rooms
        self._planner = planner
        self._folder = folder

    async def place(self, stack: str, output: Mapping[str, Any], name: str) -> Placed:
        """Where an output goes, and what of it is left where. Raises DataOSError where it cannot go there."""
        planner = self._planner(stack)
        if not isinstance(planner, Placer):
            raise fail("stack.unsupported", f"programs of the stack {stack} hand nothing over", hint="Flare's do")
        return await planner.place(output, name, self._rooms)

    async def take(
        self,
        stack: str,
        named: Callable[[str], str],
        archive: AsyncIterator[bytes],
        check: Callable[[str], Awaitable[None]],
    ) -> str:
        """Bring the files of a tar archive: `output.json` ({output, name}, as for `place`; `named` makes the name the
        caller's own), and files below the folder that `place` names. All of them, or none where the place allows that;
        once more with the same name changes nothing. `check` raises if the caller may not write to the address.
        Returns the address. Raises DataOSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if shutil.disk_usage(self._folder).free < _LEAST_FREE:
            raise fail("objects.full", "the server's disk has no room for files of a program", retry=10.0)
        here = Path(mkdtemp(dir=self._folder, prefix="handed-"))
        try:
            with (here / "archive").open("xb") as file:
                async for piece in archive:
                    await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(_unpack, here / "archive", here / "out")
            output, name = _described(here / "out" / DESCRIPTION)
            placed = await self.place(stack, output, named(name))
            await check(placed.handover.address)
            (here / "out" / placed.handover.folder).mkdir(parents=True, exist_ok=True)
            await deliveries.bring_one(self._rooms, placed.handover, here / "out", _granted)
            return placed.handover.address
        finally:
            await asyncio.to_thread(shutil.rmtree, here, ignore_errors=True)


async def _granted() -> None:
    """Nobody else can get the right to do this meanwhile, as another server may with a job."""


def _refused(message: str) -> DataOSError:
    hint = f"a tar archive with {DESCRIPTION} and the files of the folder that /api/v1/outputs/place names"
    return fail("request.invalid", message, hint=hint, path="body")


def _described(file: Path) -> tuple[dict[str, Any], str]:
    """What the archive says of itself. Raises DataOSError `request.invalid`."""
    try:
        body = json.loads(file.read_bytes())
        output, name = body["output"], body["name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _refused(f"the archive needs {DESCRIPTION}: {{output, name}}") from error
    if not isinstance(output, dict) or not isinstance(name, str) or not 8 <= len(name) <= 100:
        raise _refused(f"{DESCRIPTION}: `output` is an object, `name` a text of 8 to 100 letters")
    return cast("dict[str, Any]", output), name


def _unpack(archive: Path, target: Path) -> None:
    """The files and folders of an archive, and nothing else. Raises DataOSError `request.invalid`."""
    target.mkdir()
    try:
        with tarfile.open(archive, "r:") as opened:
            for member in opened:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts or "\0" in member.name:
                    raise _refused(f"the archive names a place outside of it: {member.name[:200]!r}")
                if member.isdir():
                    (target / path).mkdir(parents=True, exist_ok=True)
                    continue
                content = opened.extractfile(member) if member.isreg() else None
                if content is None:
                    raise _refused(f"the archive may hold files and folders: {member.name[:200]!r}")
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                with content, (target / path).open("xb") as file:
                    shutil.copyfileobj(content, file, 1 << 20)
    except (tarfile.TarError, FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise _refused(f"the body is no tar archive of files: {error}") from error
