"""The stack `dataos-resource` (ch03 5.1): known by name and flavours; no attribute of its stackSpec is described."""

from __future__ import annotations

from typing import Any

from dataos.manifest.specs import Path, Reading
from dataos.manifest.stacks import Undescribed, read_undescribed


def read(data: Any, reading: Reading, path: Path = ()) -> Undescribed:
    """Any mapping, kept as written."""
    return read_undescribed("dataos-resource", data, reading, path)
