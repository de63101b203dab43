"""Content of objects to and from a store of objects: files up in one go, one object down piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from dataos.depots.placing import SUCCESS

PIECE = 8 << 20
"""Bytes of one request, up or down: each is timed and retried on its own."""

_HELD_BACK = 16  # files whose last request waits until all others are up
_AHEAD = 2  # pieces asked for before they are wanted


class Sending:
    """Files on their way up. Nothing of a file shows before `finish` (of the first `_HELD_BACK` ones; any more show
    when they are whole: a store has no way to let many appear at once)."""

    def __init__(self, client: Any, folder: str) -> None:
        """`folder`: the key of the folder that the files go into."""
        self._client = client
        self._folder = folder
        self._open: list[Any] = []
        self.keys: set[str] = set()

    async def send(self, root: Path, inner: str) -> None:
        """Send one file, all but what lets it appear."""
        import obstore

        key = f"{self._folder}/{inner}" if self._folder else inner
        self.keys.add(key)
        writer = obstore.open_writer_async(self._client, key, buffer_size=PIECE)
        with (root / inner).open("rb") as file:
            while piece := await asyncio.to_thread(file.read, PIECE):
                await writer.write(piece)
        if len(self._open) < _HELD_BACK:
            self._open.append(writer)
        else:
            await writer.close()

    async def finish(self) -> None:
        """Let all files appear, then the mark that the folder is whole."""
        import obstore

        await asyncio.gather(*(writer.close() for writer in self._open))
        self._open.clear()
        mark = f"{self._folder}/{SUCCESS}" if self._folder else SUCCESS
        self.keys.add(mark)
        await obstore.put_async(self._client, mark, b"")


async def receive(client: Any, key: str) -> AsyncIterator[bytes]:
    """The content of one object as it is at the first request. Raises FileNotFoundError, and obstore's
    PreconditionError if it was written anew meanwhile."""
    import obstore

    whole = await obstore.get_async(client, key)
    size, tag = int(whole.meta["size"]), whole.meta["e_tag"]
    if size <= PIECE:
        yield bytes(await whole.bytes_async())
        return
    async for piece in pieces(client, key, 0, size, tag):
        yield piece


async def pieces(client: Any, key: str, start: int, end: int, tag: str | None) -> AsyncIterator[bytes]:
    """Bytes of one object from `start` to before `end`. `tag`: of the version that is meant. Raises as `receive`."""
    import obstore

    async def piece(at: int) -> bytes:
        options: Any = {"range": (at, min(at + PIECE, end))}
        if tag:
            options["if_match"] = tag
        answer = await obstore.get_async(client, key, options=options)
        return bytes(await answer.bytes_async())

    starts = iter(range(start, end, PIECE))
    ahead: list[asyncio.Task[bytes]] = []
    try:
        while True:
            while len(ahead) < _AHEAD and (at := next(starts, None)) is not None:
                ahead.append(asyncio.create_task(piece(at)))
            if not ahead:
                return
            yield await ahead.pop(0)
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)
