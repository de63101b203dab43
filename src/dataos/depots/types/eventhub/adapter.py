"""Event Hubs by their Kafka endpoint (port 9093, every tier but Basic). A dataset is an event hub."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from dataos.core.addresses import Udl
from dataos.core.errors import fail
from dataos.depots import databases
from dataos.depots.ports import DepotEntry
from dataos.depots.types.kafka.adapter import KafkaAdapter


class EventhubAdapter(KafkaAdapter):
    """EVENTHUB depots."""

    def brokers(self, entry: DepotEntry) -> list[str]:
        """The namespace's Kafka endpoint."""
        return [f"{urlsplit(str(entry.location['endpoint'])).hostname}:9093"]

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
        own = {"username": "$ConnectionString", "password": text, "security_protocol": "SASL_SSL"}
        return super().settings(entry, own)

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        return str(entry.location["endpoint"]).rstrip("/") + (f"/{udl.dataset}" if udl.dataset else "")
