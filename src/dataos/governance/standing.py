"""Whether a user may act at all: active or disabled; and what goes on for a user and has to end with that.

A disabled user's tokens are refused from the next call on (`Identities.authenticate`). What goes on at that moment
and asks nobody again, a statement that streams its answer, says so to `Ongoing`, which asks the store every second and
at once where the change was made: so it ends on every server.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator, Iterable, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa

from dataos.core import logs
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, fail
from dataos.governance import changes
from dataos.governance.principals import OPERATOR_TAG, Principal
from dataos.store import tables
from dataos.store.database import Store

_ROLE, _USER = "roles:id:", "users:id:"
ACTIVE, DISABLED = "active", "disabled"
HINT = "an operator can enable it: dataos user enable -i ID"
STATES = (ACTIVE, DISABLED)
_u = tables.users
_log = logs.get(__name__)
T = TypeVar("T")


def disabled() -> DataOSError:
    """The refusal of a disabled user."""
    return fail("auth.disabled", "this user is disabled", hint=HINT)


def is_disabled(connection: sa.Connection, user: str) -> bool:
    """True for a user who is disabled, and for one who is gone."""
    row = connection.execute(sa.select(_u.c.disabled_at).where(_u.c.id == user)).first()
    return row is None or row.disabled_at is not None


def set_state(connection: sa.Connection, clock: Clock, actor: str, user: str, state: str) -> bool:
    """Disable or enable a user who exists. True if that changed anything.

    Raises DataOSError `user.state`, and `user.last` for the last operator.
    """
    if state not in STATES:
        raise fail("user.state", f"`{state}` is no state of a user", hint="allowed: " + ", ".join(STATES))
    if is_disabled(connection, user) == (state == DISABLED):
        return False
    now = clock.now_us()
    if state == DISABLED:
        check_operator_remains(connection, user)
    values: dict[str, Any] = {"disabled_at": now, "disabled_by": actor} if state == DISABLED else {}
    connection.execute(_u.update().where(_u.c.id == user).values({"disabled_at": None, "disabled_by": None, **values}))
    changes.record(connection, now, f"user:{user}", "disabled" if state == DISABLED else "enabled", actor)
    return True


def check_operator_remains(connection: sa.Connection, without: str) -> None:
    """Is there an operator who can act, without that user? Raises DataOSError `user.last` if it is the last one."""
    rows = connection.execute(sa.select(_u.c.id, _u.c.tags).where(_u.c.disabled_at.is_(None))).all()
    able = {row.id for row in rows if OPERATOR_TAG in row.tags}
    if able == {without}:
        raise fail("user.last", f"`{without}` is the last operator", hint="make another user an operator first")


def check_reach(principal: Principal, user: Mapping[str, Any], action: str) -> None:
    """Nobody gets into the account of somebody who may do more: an operator's is for operators and its own user,
    whatever policies allow. Raises DataOSError `auth.forbidden`."""
    if principal.user_id != user["id"] and OPERATOR_TAG in user["tags"] and not principal.is_operator:
        text = f"Forbidden: user {principal.user_id} may not {action}: it is an operator"
        raise fail("auth.forbidden", text, hint=f"another operator (tag {OPERATOR_TAG}) may")


def check_tagging(principal: Principal, tags: Iterable[str], *, manages_users: bool) -> None:
    """Roles, and ids of users, are rights: who is no operator gives and takes only roles that he holds himself, and
    only if he manages users; nobody else's id is ever given. Raises DataOSError `auth.forbidden`."""
    if principal.is_operator:
        return
    for tag in tags:
        role, id_ = tag.startswith(_ROLE), tag.startswith(_USER)
        if id_ or (role and not (manages_users and tag in principal.tags)):
            text = f"Forbidden: user {principal.user_id} may not give or take `{tag}`"
            hint = "roles are given by who manages users (`manage-users`) and holds the role; any by an operator"
            raise fail("auth.forbidden", text, hint=hint)


class Ongoing:
    """What goes on for users in this process."""

    def __init__(self, store: Store, every_s: float = 1.0) -> None:
        self._store = store
        self._every_s = every_s
        self._going_on: dict[str, list[asyncio.Event]] = {}
        self._bell = asyncio.Event()

    @contextlib.contextmanager
    def of(self, user: str) -> Generator[asyncio.Event]:
        """While the block runs, its event is set when the user must not act any more."""
        ended = asyncio.Event()
        self._going_on.setdefault(user, []).append(ended)
        try:
            yield ended
        finally:
            self._going_on[user].remove(ended)
            if not self._going_on[user]:
                del self._going_on[user]

    async def during(self, user: str, work: Awaitable[T]) -> T:
        """The result of something that takes time. Cancels it and raises DataOSError `auth.disabled` when the user
        must not act any more."""
        task = asyncio.ensure_future(work)
        with self.of(user) as ended:
            await _first_of(task, ended)
        if not task.done():
            await _cancel(task)
            raise disabled()
        return task.result()

    async def stream(self, user: str, pieces: AsyncIterator[T]) -> AsyncGenerator[T]:
        """The same pieces, as they come; closes their source. Raises DataOSError `auth.disabled` between two of them,
        or while one is waited for."""
        try:
            with self.of(user) as ended:
                while True:
                    task = asyncio.ensure_future(anext(pieces, _END))
                    await _first_of(task, ended)
                    if ended.is_set():
                        await _cancel(task)
                        raise disabled()
                    piece = task.result()
                    if piece is _END:
                        return
                    yield piece
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()

    def look(self) -> None:
        """Look now: somebody was disabled here."""
        self._bell.set()

    async def keep(self) -> None:
        """Look every second, as long as something goes on."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._bell.wait()
            self._bell.clear()
            if self._going_on:
                try:
                    await self._end_disabled()
                except DataOSError as error:
                    _log.warning("cannot see who is disabled", error=error.problem.message)

    async def _end_disabled(self) -> None:
        users = list(self._going_on)

        def active(connection: sa.Connection) -> set[str]:
            query = sa.select(_u.c.id).where(_u.c.id.in_(users), _u.c.disabled_at.is_(None))
            return {str(u) for u in connection.execute(query).scalars()}

        for user in set(users) - await self._store.read(active):
            for ended in self._going_on.get(user, ()):
                ended.set()


_END: Any = object()


async def _first_of(task: asyncio.Future[Any], ended: asyncio.Event) -> None:
    """Wait until one of them is there; the task is cancelled with the caller."""
    waiting = asyncio.ensure_future(ended.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        await _cancel(task)
        raise
    finally:
        waiting.cancel()


async def _cancel(task: asyncio.Future[Any]) -> None:
    """Cancel it and wait for its end, which is not the caller's. A cancellation of the caller goes through."""
    task.cancel()
    await asyncio.wait({task})
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, (StopAsyncIteration, DataOSError)):
        raise error
