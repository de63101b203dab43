"""Location of an ICEBERG depot: a Lakehouse's own depot, registered by the Lakehouse controller."""

from __future__ import annotations

from typing import Any

from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled


class IcebergLocation(Spec):
    """`warehouse` is the name under which the Lakehouse keeps its namespaces."""

    warehouse: Text = spelled("catalog")
    """Name under which the Lakehouse keeps its namespaces."""


def read(location: Any, reading: Reading, path: Path) -> IcebergLocation | None:
    """The location model, or None with the faults in `reading`."""
    return read_model(IcebergLocation, location, reading, path)
