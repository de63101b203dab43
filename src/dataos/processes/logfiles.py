"""A job's log on disk: bounded while it is written, readable and followable by offset at any time.

Used by the shim (writer) and the server (reader): standard library only. A log is a folder of append-only segments,
each named by the offset of its first byte in the whole stream. The first segment keeps the beginning and is never
removed; the rest keep the end: when they are too large together the oldest goes. Offsets are positions in the whole
stream, so a follower's offset never moves backwards; one that points into the part that was cut out is told so by a
marker line and goes on behind it.
"""

from __future__ import annotations

import contextlib
import os

_PIECES = 4


class LogWriter:
    """Appends; holds at most `limit_bytes` on disk. Never raises for a full disk: a job must not die of its log."""

    def __init__(self, folder: str, limit_bytes: int) -> None:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self._folder = folder
        self._head_bytes = max(limit_bytes // 2, 1)
        self._tail_bytes = max(limit_bytes - self._head_bytes, 1)
        self._piece_bytes = max(self._tail_bytes // _PIECES, 1)
        self._offset = 0
        self._room = 0
        self._fd: int | None = None
        self._tail: list[tuple[int, str]] = []  # (size when full, path), oldest first
        self._open()

    def write(self, data: bytes) -> None:
        """Append to the stream."""
        view = memoryview(data)
        while view:
            if self._room == 0:
                self._open()
            part = view[: self._room]
            whole = self._append(part)
            self._offset += len(part)
            # What a full disk swallowed leaves a gap, so this segment ends here and another starts behind the gap.
            self._room = self._room - len(part) if whole else 0
            view = view[len(part) :]

    def close(self) -> None:
        """End the log."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _append(self, part: memoryview) -> bool:
        while part:
            if self._fd is None:
                return False
            try:
                part = part[os.write(self._fd, part) :]
            except OSError:
                return False
        return True

    def _open(self) -> None:
        self.close()
        size = self._piece_bytes if self._offset else self._head_bytes
        path = os.path.join(self._folder, f"{self._offset:020d}")
        if self._offset:
            self._tail.append((size, path))
            while sum(held for held, _ in self._tail) > max(self._tail_bytes, size) and len(self._tail) > 1:
                _unlink(self._tail.pop(0)[1])
        self._room = size
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            self._fd = None


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def read_from(folder: str, offset: int, limit_bytes: int) -> tuple[bytes, int]:
    """Log bytes from an offset of the whole stream on, and the offset to go on from.

    At most `limit_bytes` of the log; a marker line comes on top of that where a part was cut out.
    """
    parts: list[bytes] = []
    left = limit_bytes
    for start, end, path in _segments(folder):
        if end <= offset:
            continue
        if left <= 0:
            break
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # removed by the writer since it was listed: now part of the cut
        with open(fd, "rb") as file:
            if start > offset:
                line = file.readline(4096)
                begin = start + (len(line) if line.endswith(b"\n") else 0)  # go on at the start of a line
                parts.append(f"\n[... {begin - offset} bytes of log were cut out here ...]\n".encode())
                offset = begin
            file.seek(offset - start)
            data = file.read(left)
        parts.append(data)
        offset += len(data)
        left -= len(data)
    return b"".join(parts), offset


def _segments(folder: str) -> list[tuple[int, int, str]]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.isdigit())
    except OSError:
        return []
    found: list[tuple[int, int, str]] = []
    for name in names:
        path = os.path.join(folder, name)
        try:
            found.append((int(name), int(name) + os.stat(path, follow_symlinks=False).st_size, path))
        except OSError:
            continue
    return found
