"""Passwords of persons: what one must be, and its hash (Argon2id). The only place that knows argon2.

Hashing takes tens of milliseconds and tens of MiB on purpose. `Hasher` works in a few threads of its own and refuses
when too many wait: a flood of logins must not take the machine.
"""

from __future__ import annotations

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from dataos.core.clock import Clock
from dataos.core.errors import fail
from dataos.core.secrecy import Secret
from dataos.store import tables

SHORTEST = 10
LONGEST = 1024
T = TypeVar("T")
_AT_ONCE = 2
_WAITING = 64
_p = tables.passwords


def check(password: Secret, *names: str) -> None:
    """Is it fit to be one? `names`: what it must not be (the person's id, name, e-mail address).

    Raises DataOSError `user.password`, which says what is wanted and never what was given.
    """
    text = normal(password)
    if not SHORTEST <= len(text) <= LONGEST:
        raise fail("user.password", f"a password has {SHORTEST} to {LONGEST} characters", hint="several words will do")
    taken = {normal(Secret(n)).casefold() for name in names for n in (name, name.partition("@")[0]) if n}
    if text.casefold() in taken:
        raise fail("user.password", "the person's own id, name or address is no password", hint="choose another")
    if len(set(text)) < 4:
        raise fail("user.password", "these are the same few characters again and again", hint="choose another")


def normal(password: Secret) -> str:
    """The text that is hashed: one form, however a keyboard composed it (NFKC)."""
    return unicodedata.normalize("NFKC", password.reveal())


class Hasher:
    """Makes and verifies hashes. `memory_mib`, `passes`: the cost of a guess; hashes of other costs still verify."""

    def __init__(self, memory_mib: int, passes: int) -> None:
        self._argon = PasswordHasher(time_cost=passes, memory_cost=memory_mib << 10)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")
        self._nobodys = ""
        self._waiting = 0

    async def make(self, password: Secret) -> str:
        """The hash to keep. Raises DataOSError `login.busy`."""
        return await self._in_pool(partial(self._argon.hash, normal(password)))

    async def verify(self, known: str | None, password: Secret) -> bool:
        """Is it the password of that hash? Takes as long where there is none. Raises DataOSError `login.busy`."""
        found = await self._in_pool(partial(self._verify, known, normal(password)))
        return found and known is not None

    def is_outdated(self, known: str) -> bool:
        """Was it made with another cost than is wanted now?"""
        return self._argon.check_needs_rehash(known)

    def _verify(self, known: str | None, text: str) -> bool:
        if not self._nobodys:  # by the first login, whoever that is: not while the server starts
            self._nobodys = self._argon.hash("the password of nobody")
        try:
            return self._argon.verify(known or self._nobodys, text)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_pool(self, call: partial[T]) -> T:
        if self._waiting >= _WAITING:
            raise fail("login.busy", "too many people log in at this moment", hint="try again", retry=1.0)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, call)
        finally:
            self._waiting -= 1


def known(connection: sa.Connection, user: str) -> str | None:
    """The hash of a person's password; None if there is none."""
    return connection.execute(sa.select(_p.c.hash).where(_p.c.user_id == user)).scalar()


def store(connection: sa.Connection, clock: Clock, user: str, made: str) -> None:
    """Keep a hash as the person's password."""
    values = {"hash": made, "changed_at": clock.now_us()}
    if not connection.execute(_p.update().where(_p.c.user_id == user).values(**values)).rowcount:
        connection.execute(_p.insert().values(user_id=user, **values))


def renew(connection: sa.Connection, user: str, old: str, made: str) -> None:
    """The same password with another cost; nothing if it was changed meanwhile."""
    connection.execute(_p.update().where(_p.c.user_id == user, _p.c.hash == old).values(hash=made))


def forget(connection: sa.Connection, user: str) -> None:
    """The person has no password any more."""
    connection.execute(_p.delete().where(_p.c.user_id == user))
