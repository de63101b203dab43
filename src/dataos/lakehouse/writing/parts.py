"""Everything of this room that imports PyIceberg and PyArrow, in one place that is loaded late."""

from __future__ import annotations

from dataos.lakehouse.writing import datafiles, positions, rowchanges

__all__ = ["datafiles", "positions", "rowchanges"]
