"""Refused calls in the audit, within bounds: who is refused again and again must not fill the store.

Of one caller each refused call (method and path) has a row once a minute, and at most `MOST` calls have one; what comes
beside these is counted, and one row tells the count when the minute is over (`Refusals.tell_counted`, or the caller's
next refusal). A server that is killed loses counts of that minute, never the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dataos.core import logs
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError
from dataos.governance.audit import Audit, Entry

MOST = 20
WINDOW_US = 60_000_000
ACTION = "refused"
_LONGEST = 300
_log = logs.get(__name__)


@dataclass
class _Window:
    ends_at: int
    told: set[str] = field(default_factory=set[str])
    more: int = 0


class Refusals:
    """One per server."""

    def __init__(self, audit: Audit, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock
        self._windows: dict[str, _Window] = {}

    async def tell(self, actor: str, call: str, request: str) -> None:
        """A call of somebody who is known was refused. `call`: method and path. The refusal stands, whether it can be
        written down or not."""
        now = self._clock.now_us()
        call = "".join(c if c.isprintable() else "?" for c in call[:_LONGEST])
        window = self._windows.get(actor)
        if window is None or window.ends_at <= now:
            over, window = window, _Window(now + WINDOW_US)
            self._windows[actor] = window
            await self._tell_count(actor, over)
        if call in window.told or len(window.told) >= MOST:
            window.more += 1
            return
        window.told.add(call)
        await self._write(Entry(actor=actor, action=ACTION, object=call, allowed=False, correlation=request))

    async def tell_counted(self) -> None:
        """Tell what was counted in minutes that are over, and forget these."""
        now = self._clock.now_us()
        over = {actor: window for actor, window in self._windows.items() if window.ends_at <= now}
        for actor, window in over.items():
            del self._windows[actor]
            await self._tell_count(actor, window)

    async def _tell_count(self, actor: str, window: _Window | None) -> None:
        if window is not None and window.more:
            data = {"count": window.more, "seconds": WINDOW_US // 1_000_000}
            await self._write(Entry(actor=actor, action=ACTION, object="more calls", allowed=False, data=data))

    async def _write(self, entry: Entry) -> None:
        try:
            await self._audit.write(entry)
        except DataOSError as lost:
            _log.error("refusal_not_audited", actor=entry.actor, code=lost.problem.code)
