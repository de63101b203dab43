"""Puffin files (deletion vectors, statistics): their footer, changed in place.

The blobs come first and the footer last, so a longer or shorter footer moves no blob. Source: Puffin specification of
Apache Iceberg ("File structure", "Footer structure").
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from dataos.core.errors import fail
from dataos.lakehouse import avrofiles

_MAGIC = b"PFA1"
_TAIL = 4 + 4 + 4  # length of the document, flags, magic
_PACKED = 1  # flag: the document is compressed with LZ4

Document = dict[str, Any]


def rewrite(path: Path, change: Callable[[Document], bool]) -> bool:
    """Let `change` edit the footer's document (it says whether it did); replace the file atomically and durably then.

    Raises DataOSError `iceberg.corrupt`, `iceberg.storage`, `iceberg.unsupported` (a compressed footer).
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise avrofiles.unreadable(path, error) from error
    start, document = _footer(path, content)
    if not change(document):
        return False
    written = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    tail = len(written).to_bytes(4, "little") + bytes(4) + _MAGIC
    avrofiles.replace(path, content[:start] + _MAGIC + written + tail)
    return True


def _footer(path: Path, content: bytes) -> tuple[int, Document]:
    """Where the footer starts, and its document."""
    length = int.from_bytes(content[-_TAIL : -_TAIL + 4], "little")
    start = len(content) - _TAIL - length - len(_MAGIC)
    whole = content.startswith(_MAGIC) and content.endswith(_MAGIC) and start >= len(_MAGIC)
    if whole and content[-8] & _PACKED:
        raise fail(
            "iceberg.unsupported",
            f"{path} has a compressed footer, which cannot be moved",
            hint="rewrite that table's data files (compaction) before the home is moved",
        )
    if whole and content[start : start + len(_MAGIC)] == _MAGIC:
        try:
            found: Any = json.loads(content[start + len(_MAGIC) : len(content) - _TAIL])
            if isinstance(found, dict):
                return start, cast("Document", found)
        except ValueError:
            pass
    raise fail("iceberg.corrupt", f"{path} is no whole Puffin file", hint="restore the file from a backup")
