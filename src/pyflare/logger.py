"""Loggers by name, as older programs ask for them."""

from __future__ import annotations

import logging


def get(name: str = "pyflare", level: str | int = "INFO") -> logging.Logger:
    """A logger that writes to standard error from `level` on."""
    found = logging.getLogger(name)
    found.setLevel(level.upper() if isinstance(level, str) else level)
    if not found.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-5s %(name)s %(message)s"))
        found.addHandler(handler)
    return found
