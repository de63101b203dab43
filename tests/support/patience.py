"""How long tests wait for what must come. Limits are written for a quiet machine; a loaded one is slow, not wrong."""

from __future__ import annotations

import time

FACTOR = 5
"""How much slower than a quiet machine one may be before a test gives up."""


def deadline(seconds: float) -> float:
    """When waiting ends, as `time.monotonic` counts: after `seconds` of a quiet machine."""
    return time.monotonic() + seconds * FACTOR
