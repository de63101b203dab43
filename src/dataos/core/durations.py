"""Durations as people write them: `10s`, `5m`, `1h30m`; a bare number counts seconds."""

from __future__ import annotations

import re

_PIECE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse(text: str) -> float | None:
    """Seconds, or None if the text is no duration."""
    folded = text.strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", folded):
        return float(folded)
    pieces = _PIECE.findall(folded)
    if pieces and "".join(a + u for a, u in pieces) == folded:
        return sum(float(amount) * _SECONDS[unit] for amount, unit in pieces)
    return None
