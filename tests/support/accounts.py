"""Identities over a real store with a clock that the test moves: for tests of logins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataos.core.clock import ManualClock
from dataos.core.ids import RandomIds
from dataos.core.loginsettings import AuthSettings
from dataos.core.secrecy import Secret
from dataos.governance import seeding
from dataos.governance.audit import Audit
from dataos.governance.identities import Identities
from dataos.governance.invitations import Invitations
from dataos.governance.login import Login, LoginParts
from dataos.governance.passwords import Hasher
from dataos.governance.principals import Principal
from dataos.governance.sessions import Sessions
from dataos.governance.throttling import Throttle
from dataos.governance.users import Users
from dataos.store import upgrades
from dataos.store.database import Store
from support import stores

KEY = bytes(range(32))
GOOD = "three grey horses"
QUICK = Hasher(19, 1)


@dataclass
class Accounts:
    """The rooms of one server, without its doors."""

    store: Store
    settings: AuthSettings = field(default_factory=AuthSettings)
    hasher: Hasher = QUICK
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.audit = Audit(self.store, self.clock, KEY)
        self.store.on_notes = self.audit.append
        self.identities = Identities(KEY, self.clock, RandomIds())
        self.users = Users(self.identities, self.clock)
        self.sessions = Sessions(self.identities, self.clock, self.settings.session_h * 3600)
        invitations = Invitations(self.identities, self.clock, RandomIds(), self.settings.invitation_min * 60)
        throttle = Throttle(self.clock, self.settings.tries, self.settings.wait_most_s)
        parts = LoginParts(self.users, self.sessions, invitations, throttle, self.hasher)
        self.login = Login(self.store, self.clock, parts, self.settings)

    async def person(self, id_: str, *tags: str, password: str | None = GOOD) -> None:
        """A person with a password."""
        await self.store.write(self.users.create, "admin", id=id_, name=id_.title(), type="person", tags=tags)
        if password is not None:
            await self.login.set_password("admin", id_, Secret(password), None, address="10.9.9.9", token="")

    async def enter(self, user: str, password: str = GOOD, address: str = "10.0.0.1") -> str:
        """The token of a new session."""
        return str((await self.login.with_password(user, Secret(password), address))["token"])

    async def who(self, token: str) -> Principal:
        """Whose token it is."""
        return await self.store.read(self.identities.authenticate, token)

    async def changes(self, user: str) -> list[str]:
        """What happened to a user, the newest first."""
        rows: list[dict[str, Any]] = await self.store.read(self.users.changes, f"user:{user}")
        return [row["change"] for row in rows]


@contextmanager
def accounts(folder: Path, **more: Any) -> Iterator[Accounts]:
    """Accounts on `folder`'s store."""
    store = Store(stores.url(folder), readers=2)
    upgrades.upgrade(store)
    made = Accounts(store, **more)
    store.write_sync(seeding.ensure, made.clock.now_us())
    store.write_sync(made.identities.ensure_administrator)
    try:
        yield made
    finally:
        store.close()
