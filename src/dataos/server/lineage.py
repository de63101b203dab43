"""The handler of the unit that sends lineage events to the configured receiver."""

from __future__ import annotations

from pathlib import Path

from dataos.control.ports import Outcome, UnitHandler
from dataos.core.clock import Clock
from dataos.core.errors import fail
from dataos.core.secrecy import Secret
from dataos.core.settings import MetadataSettings
from dataos.metadata.recording import SEND_UNIT
from dataos.metadata.sending import Sender, check_url
from dataos.store.database import Store
from dataos.store.work import Lease


class _Sending:
    """`lineage:` units."""

    def __init__(self, sender: Sender | None) -> None:
        self._sender = sender

    async def reconcile(self, unit_id: str, lease: Lease) -> Outcome:
        """Send what is pending. Without a receiver, what one was to have waits until there is one again."""
        return Outcome(await self._sender.send(lease) if self._sender is not None else None)


def handlers(store: Store, clock: Clock, settings: MetadataSettings) -> dict[str, UnitHandler]:
    """The handler by its prefix. Raises DataOSError `settings.invalid`."""
    prefix = SEND_UNIT.partition(":")[0]
    if settings.openlineage_url is None:
        return {prefix: _Sending(None)}
    sender = Sender(
        store,
        clock,
        check_url(settings.openlineage_url),
        _api_key(settings),
        timeout_s=settings.openlineage_timeout_s,
        keep_s=settings.openlineage_keep_h * 3600,
    )
    return {prefix: _Sending(sender)}


def _api_key(settings: MetadataSettings) -> Secret | None:
    if settings.openlineage_api_key_file is not None:
        try:
            return Secret(Path(settings.openlineage_api_key_file).read_text("utf-8").rstrip("\r\n"))
        except (OSError, UnicodeDecodeError) as error:
            text = f"setting metadata.openlineage_api_key_file: cannot read it: {type(error).__name__}"
            raise fail("settings.invalid", text, hint="a text file that the server may read") from error
    key = settings.openlineage_api_key
    return Secret(key.get_secret_value()) if key is not None else None
