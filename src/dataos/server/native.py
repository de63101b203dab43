"""Native libraries that must be loaded in an order, before anything else is."""

from __future__ import annotations

import contextlib
import importlib


def load_in_order() -> None:
    """Pulsar's client before DuckDB. Both turn C++ exceptions into Python's with pybind11, whose translators are one
    list for the process, the newest first: Pulsar's takes any exception, and DuckDB's errors would be RuntimeErrors."""
    with contextlib.suppress(ImportError):  # an extra
        importlib.import_module("_pulsar")
