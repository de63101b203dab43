"""Event Hubs by their Kafka endpoint (port 9093, every tier but Basic). A dataset is an event hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from dataos.core.addresses import Udl
from dataos.core.errors import fail
from dataos.depots import databases
from dataos.depots.ports import ColumnDescription, DepotEntry
from dataos.depots.types.eventhub import events
from dataos.depots.types.kafka.adapter import KafkaAdapter

_PORT = 9093
_PROTOCOLS = ("SASL_SSL", "SASL_PLAINTEXT")


class EventhubAdapter(KafkaAdapter):
    """EVENTHUB depots. The emulator has a port of its own (in `endpoint`) and no TLS (`params`, security.protocol)."""

    reading = events.Reading
    records = staticmethod(events.records)

    def brokers(self, entry: DepotEntry) -> list[str]:
        """The namespace's Kafka endpoint."""
        address = urlsplit(str(entry.location["endpoint"]))
        return [f"{address.hostname}:{address.port or _PORT}"]

    @staticmethod
    def _columns(last: int) -> list[ColumnDescription]:
        shown = f"string (0 to {last})" if last else "string (0)"
        return [replace(c, native_type=shown) if c.name == "partition" else c for c in events.COLUMNS]

    def settings(self, entry: DepotEntry, credentials: Mapping[str, str]) -> dict[str, str]:
        """The connection string is the password of the user `$ConnectionString`."""
        name = databases.pick(credentials, "eh_shared_access_key_name")
        key = databases.pick(credentials, "eh_shared_access_key")
        if name is None or key is None:
            missing = "eh_shared_access_key_name" if name is None else "eh_shared_access_key"
            raise fail(
                "depot.credentials",
                f"the secret of depot '{entry.name}' lacks `{missing}`",
                hint="an Event Hub secret has eh_shared_access_key_name and eh_shared_access_key",
            )
        host = urlsplit(str(entry.location["endpoint"])).hostname
        text = f"Endpoint=sb://{host}/;SharedAccessKeyName={name};SharedAccessKey={key}"
        params = {str(k).removeprefix("kafka."): str(v) for k, v in dict(entry.location.get("params") or {}).items()}
        protocol = params.get("security.protocol", "SASL_SSL").upper()
        if protocol not in _PROTOCOLS:
            raise fail(
                "depot.unsupported",
                f"depot '{entry.name}': Event Hubs are not reached with security.protocol {protocol} (its `params`)",
                hint="leave it out (SASL_SSL); the emulator has SASL_PLAINTEXT",
            )
        own = {"username": "$ConnectionString", "password": text, "security_protocol": protocol}
        return super().settings(entry, own)

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        return str(entry.location["endpoint"]).rstrip("/") + (f"/{udl.dataset}" if udl.dataset else "")
