"""How often one may try to log in.

Tries are counted in the store, before they are made: several servers share the count, and tries at the same moment
count too. Three counters per try: of this user from this address, of this address, of this user from anywhere. The
last one waits a minute at most: strangers can slow a person down, but not lock them out. API keys and sessions are
256 random bits, which nobody guesses: wrong ones are counted per address in memory (`Strangers`), and a right one is
always good.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, fail
from dataos.store import tables

FORGOTTEN_S = 3600.0
_OF_ADDRESS, _OF_USER, _USER_MOST_S = 4, 10, 60.0
_DOUBLED = 40
_ADDRESSES = 10_000
_f = tables.login_failures


@dataclass(frozen=True)
class Counter:
    """One counter: after `free` tries each must wait longer, up to `most_s`."""

    key: str
    free: int
    most_s: float

    def wait_s(self, count: int) -> float:
        """How long after this many tries the next one must wait."""
        over = count - self.free
        return 0.0 if over < 0 else min(self.most_s, 2.0 ** min(over, _DOUBLED))


class Throttle:
    """Counts tries. `tries`: how many of one user from one address may fail before waiting begins."""

    def __init__(self, clock: Clock, tries: int, most_s: float) -> None:
        self._clock = clock
        self._tries = tries
        self._most_s = most_s

    def counters(self, address: str, user: str | None = None) -> list[Counter]:
        """Which counters a try touches; without a user (a link, a code) its address only."""
        found = [Counter(_key("address", network(address)), _OF_ADDRESS * self._tries, self._most_s)]
        if user is not None:
            both = f"{user.casefold()} {network(address)}"
            found.append(Counter(_key("both", both), self._tries, self._most_s))
            most_s = min(_USER_MOST_S, self._most_s)
            found.append(Counter(_key("user", user.casefold()), _OF_USER * self._tries, most_s))
        return found

    def begin(self, connection: sa.Connection, counters: Sequence[Counter]) -> None:
        """Count a try that is about to be made. Raises DataOSError `login.too_many` with the seconds to wait."""
        now = self._clock.now_us()
        known = {
            row.key: row for row in connection.execute(sa.select(_f).where(_f.c.key.in_([c.key for c in counters])))
        }
        until = max((row.until for row in known.values()), default=0)
        if until > now:
            raise too_many((until - now) / 1e6)
        for counter in counters:
            row = known.get(counter.key)
            count = 1 + (row.tries if row is not None and now - row.last_at < FORGOTTEN_S * 1e6 else 0)
            values = {"tries": count, "last_at": now, "until": now + int(counter.wait_s(count) * 1e6)}
            if row is None:
                connection.execute(_f.insert().values(key=counter.key, **values))
            else:
                connection.execute(_f.update().where(_f.c.key == counter.key).values(**values))

    def succeeded(self, connection: sa.Connection, counters: Sequence[Counter]) -> None:
        """The try was right: what counts the user begins anew. Of its address only this try is taken back: who has an
        account of their own gains no guesses at those of others."""
        address, *others = counters
        connection.execute(_f.delete().where(_f.c.key.in_([c.key for c in others])))
        connection.execute(
            _f.update().where(_f.c.key == address.key, _f.c.tries > 0).values(tries=_f.c.tries - 1, until=0)
        )

    def forget(self, connection: sa.Connection) -> int:
        """Remove what is so old that it counts no more."""
        now = self._clock.now_us()
        gone = _f.delete().where(_f.c.until < now, _f.c.last_at < now - int(FORGOTTEN_S * 1e6))
        return connection.execute(gone).rowcount


class Strangers:
    """Wrong tokens per address, in the memory of one server."""

    def __init__(self, clock: Clock, a_minute: int) -> None:
        self._clock = clock
        self._a_minute = a_minute
        self._seen: OrderedDict[str, tuple[int, int]] = OrderedDict()  # address -> minute, count in it

    def refused(self, address: str) -> DataOSError | None:
        """Count a token that opened nothing; what to say instead of why, where there were too many."""
        now = self._clock.now_us()
        minute = now // 60_000_000
        where = network(address)
        before, count = self._seen.pop(where, (minute, 0))
        count = count + 1 if before == minute else 1
        self._seen[where] = (minute, count)
        while len(self._seen) > _ADDRESSES:
            self._seen.popitem(last=False)
        return too_many(60 - now / 1e6 % 60) if count > self._a_minute else None


def too_many(wait_s: float) -> DataOSError:
    """The refusal of who must wait."""
    seconds = max(1, round(wait_s))
    return fail("login.too_many", "too many tries that failed", hint=f"try again in {seconds} s", retry=float(seconds))


def network(address: str) -> str:
    """What counts as one address: all of a /64 of IPv6, which one customer has."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _key(kind: str, text: str) -> str:
    """Not what was typed: people type passwords where a name is asked for."""
    return hashlib.sha256(f"{kind} {text}".encode()).hexdigest()
