"""Recently used metadata files, and what was read out of them. They never change under their location."""

from __future__ import annotations

import json
from collections import OrderedDict
from threading import Lock

from dataos.lakehouse import descriptions
from dataos.lakehouse.descriptions import TableInfo

_INFOS = 1000


class MetadataCache:
    """Bounded by the files' total size in bytes; safe for threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._infos: OrderedDict[tuple[str, int | str | None], TableInfo] = OrderedDict()
        self._lock = Lock()

    def get(self, location: str) -> bytes | None:
        """The file's text, or None."""
        with self._lock:
            found = self._kept.get(location)
            if found is not None:
                self._kept.move_to_end(location)
            return found

    def put(self, location: str, content: bytes) -> None:
        """Keep a file's text, unless it is too large to be worth it."""
        with self._lock:
            if location in self._kept or len(content) > self._limit // 4:
                return
            self._kept[location] = content
            self._size += len(content)
            while self._size > self._limit:
                self._size -= len(self._kept.popitem(last=False)[1])

    def described(self, location: str, snapshot: int | str | None, content: bytes) -> TableInfo:
        """What `content`, the text of the file at `location`, says of the table as of a snapshot."""
        with self._lock:
            found = self._infos.get((location, snapshot))
        if found is None:
            found = descriptions.describe(json.loads(content), location, snapshot)
            with self._lock:
                self._infos[location, snapshot] = found
                while len(self._infos) > _INFOS:
                    self._infos.popitem(last=False)
        return found
