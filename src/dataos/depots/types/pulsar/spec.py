"""Location of a PULSAR depot (ch02 1.7). Collections are namespaces of the tenant, datasets are topics."""

from __future__ import annotations

from typing import Any

from dataos.manifest import locations
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model


class PulsarLocation(Spec):
    """`adminUrl`: where topics are managed; `serviceUrl`: where messages flow."""

    admin_url: Text
    """Where topics are managed."""
    service_url: Text
    """Where messages flow."""
    tenant: Text
    """Tenant."""
    params: locations.Params = {}
    """Parameters of the client."""


def read(location: Any, reading: Reading, path: Path) -> PulsarLocation | None:
    """The location model, or None with the faults in `reading`."""
    before = len(reading.problems)
    model = read_model(PulsarLocation, location, reading, path)
    if model is None:
        return None
    locations.check_url(model.admin_url, ("http", "https"), (*path, "adminUrl"), reading)
    locations.check_url(model.service_url, ("pulsar", "pulsar+ssl"), (*path, "serviceUrl"), reading)
    locations.check_name(model.tenant, "tenant", (*path, "tenant"), reading)
    locations.check_params(model.params, (*path, "params"), reading)
    return model if len(reading.problems) == before else None
