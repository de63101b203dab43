"""Location of a WASBS depot (ch02 1.7): a container of an Azure storage account."""

from __future__ import annotations

from typing import Any

from dataos.manifest import locations
from dataos.manifest.specs import Path, Reading, Text


class WasbsLocation(locations.ObjectStore):
    """Files stand at wasbs://[container]@[account].[endpointSuffix]/[relativePath]."""

    account: Text
    """Storage account."""
    container: Text
    """Container."""
    endpoint_suffix: Text = "blob.core.windows.net"
    """Suffix of the account's address."""


def read(location: Any, reading: Reading, path: Path) -> WasbsLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = locations.read_object_store(WasbsLocation, location, reading, path)
    if model is None:
        return None
    locations.check_name(model.account, "storage account", (*path, "account"), reading)
    locations.check_name(model.container, "container", (*path, "container"), reading)
    locations.check_host(model.endpoint_suffix, (*path, "endpointSuffix"), reading)
    return model if len(reading.problems) == before else None
