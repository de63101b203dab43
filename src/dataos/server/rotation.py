"""`dataos admin rotate-key`: a new master key, whether servers run or not.

The order makes it safe to die anywhere: the new key lies on disk beside the old one (`master.key.next`) before the
store is sealed under it, in one transaction; then it takes the old one's name. A server that starts, or that works
meanwhile, finds the key that the store names among those files; the other servers of a store find it in the store,
sealed under the key that they have, and take themselves off the list there once it is in their own files.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dataos.control import records
from dataos.core import logs
from dataos.core.clock import SystemClock
from dataos.core.errors import DataOSError, fail
from dataos.core.ids import RandomIds
from dataos.core.settings import Settings
from dataos.governance import keyring
from dataos.governance.identities import ADMINISTRATOR
from dataos.governance.keyring import Keyring
from dataos.server import sharing
from dataos.server.home import Home
from dataos.store import servers, upgrades
from dataos.store.database import Store

_log = logs.get(__name__)
_LOOK_S = 2.0
_REMEMBERED_US = 30 * 86_400 * 1_000_000


def open_keys(store: Store, keys: Keyring, server: str) -> None:
    """At start: the keys that the store names, in this home's file too. Raises DataOSError `server.master_key`."""
    store.write_sync(keys.open)
    if not keys.is_saved():
        keys.save()
        _log.info("the master key was rotated: this server has the new one now")
    store.write_sync(keyring.taken, server)


async def keep(store: Store, keys: Keyring, server: str) -> None:
    """Fetch a new master key soon after another process rotated it, until cancelled."""
    while True:
        await asyncio.sleep(_LOOK_S)
        try:
            await store.read(keys.now)
            if not await asyncio.to_thread(keys.is_saved):
                await asyncio.to_thread(keys.save)
                _log.info("the master key was rotated: this server has the new one now")
            if server in await store.read(keyring.pending):
                await store.write(keyring.taken, server)
        except (DataOSError, OSError) as error:
            _log.warning("looking for a rotated key failed", error=str(error))


def rotate(home: Home, settings: Settings, checkpoint: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Rotate the master key of the store that this home works with. Returns {keys, servers}: how many data keys were
    wrapped again, and which other servers fetch the new key.

    Raises DataOSError `home.missing`, `keys.pending`, `secret.unreadable`, `server.master_key`, `store.*`.
    """
    if not (home.keys / keyring.FILE).exists():
        raise fail("home.missing", f"there is no key in {home.keys}", hint="`dataos up` makes a home")
    clock, me = SystemClock(), sharing.server_id(home, RandomIds())
    keys = Keyring(keyring.load_master_key(home.keys), home.keys)
    store = sharing.open_store(home, settings)
    try:
        if store.read_sync(upgrades.current) != upgrades.revisions()[-1]:
            raise fail("store.older", "the store is not at this version's schema", hint="run `dataos up` first")
        store.write_sync(keys.open)
        if not keys.is_saved():  # of a rotation that was cut off
            keys.save()
        new_key = AESGCM.generate_key(256)
        keyring.write_key(home.keys, keyring.NEXT, new_key)
        checkpoint("rotation.key-written")

        def change(connection: sa.Connection) -> dict[str, Any]:
            now = clock.now_us()
            others, living = ([], []) if store.is_sqlite else _others(connection, me, now)
            count = keys.rotate(connection, new_key, others, now, living)
            data = {"keys": count, "servers": others}
            records.add_event(connection, clock.now_us(), None, "key.rotated", ADMINISTRATOR, data)
            checkpoint("rotation.wrapped")
            return data

        try:
            done = store.write_sync(change)
        except DataOSError as error:
            if not error.problem.code.startswith("store."):  # there the outcome is not known: the key may be needed
                (home.keys / keyring.NEXT).unlink(missing_ok=True)
            raise
        checkpoint("rotation.committed")
        store.read_sync(keys.now)
        keys.save()
        checkpoint("rotation.saved")
        return done
    finally:
        store.close()


def _others(connection: sa.Connection, me: str, now_us: int) -> tuple[list[str], list[str]]:
    """Ids of the other servers that were there within a month, and of those that run."""
    rows = [r for r in servers.listing(connection) if r.id != me and r.seen_at > now_us - _REMEMBERED_US]
    return sorted(r.id for r in rows), sorted(r.id for r in rows if r.state == servers.RUNNING)
