"""The retired stack `lakesearch` (ch03 10): known by name; no attribute of its stackSpec is described anywhere."""

from __future__ import annotations

from typing import Any

from dataos.manifest.specs import Path, Reading
from dataos.manifest.stacks import Undescribed, read_undescribed


def read(data: Any, reading: Reading, path: Path = ()) -> Undescribed:
    """Any mapping, kept as written."""
    return read_undescribed("lakesearch", data, reading, path)
