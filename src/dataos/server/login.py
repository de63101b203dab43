"""Wires logging in: what is kept here, and a provider where settings name one."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter

from dataos.core.clock import Clock
from dataos.core.errors import fail
from dataos.core.ids import Ids
from dataos.core.loginsettings import AuthSettings, OidcSettings
from dataos.core.secrecy import Secret
from dataos.doors import login as door
from dataos.doors import provider_login as provider_door
from dataos.doors.authentication import Authenticate
from dataos.governance.identities import Identities
from dataos.governance.invitations import Invitations
from dataos.governance.login import Login, LoginParts
from dataos.governance.oidc import Provider
from dataos.governance.passwords import Hasher
from dataos.governance.provider_login import ProviderLogin
from dataos.governance.sessions import Sessions
from dataos.governance.throttling import Strangers, Throttle
from dataos.governance.users import Users
from dataos.store.database import Store


class Logins:
    """All that has to do with logging in, of one server."""

    def __init__(
        self,
        store: Store,
        users: Users,
        login: Login,
        at_provider: ProviderLogin | None,
        sessions: Sessions,
        strangers: Strangers,
        public_url: str | None,
    ) -> None:
        self._store = store
        self._users = users
        self._login = login
        self._at_provider = at_provider
        self._sessions = sessions
        self._public_url = public_url
        self.strangers = strangers
        self.server_url = ""
        """Where this server listens; known once it does."""

    def address(self) -> str:
        """This installation's address for browsers."""
        return self._public_url or self.server_url

    def routers(self, authenticate: Authenticate) -> list[APIRouter]:
        """Routes of logins."""
        own = door.router(self._store, self._users, self._login, self._sessions, authenticate, self.address, self._ways)
        return [own, provider_door.router(self._at_provider, self.address)]

    async def forget(self) -> None:
        """Remove what is over."""
        await self._login.forget()
        if self._at_provider is not None:
            await self._at_provider.forget()

    async def _ways(self) -> dict[str, bool]:
        known = self._at_provider
        return {"oidc": known is not None, "device": known is not None and await known.has_device_flow()}


def build(store: Store, identities: Identities, users: Users, clock: Clock, ids: Ids, settings: AuthSettings) -> Logins:
    """Make them of settings. Raises DataOSError `settings.invalid`."""
    sessions = Sessions(identities, clock, settings.session_h * 3600)
    parts = LoginParts(
        users=users,
        sessions=sessions,
        invitations=Invitations(identities, clock, ids, settings.invitation_min * 60),
        throttle=Throttle(clock, settings.tries, settings.wait_most_s),
        hasher=Hasher(settings.password_memory_mib, settings.password_passes),
    )
    login = Login(store, clock, parts, settings)
    at_provider = None
    if settings.oidc.issuer is not None:
        provider = Provider(settings.oidc, _client_secret(settings.oidc), clock)
        at_provider = ProviderLogin(store, clock, ids, identities, parts, provider, settings.oidc)
    strangers = Strangers(clock, settings.wrong_tokens)
    return Logins(store, users, login, at_provider, sessions, strangers, settings.public_url)


def _client_secret(settings: OidcSettings) -> Secret | None:
    """None: this installation is a public client there, known by its redirect address and PKCE."""
    if settings.client_secret_file is not None:
        try:
            return Secret(Path(settings.client_secret_file).read_text("utf-8").rstrip("\r\n"))
        except (OSError, UnicodeDecodeError) as error:
            text = f"setting auth.oidc.client_secret_file: cannot read it: {type(error).__name__}"
            raise fail("settings.invalid", text, hint="name a file that this user can read") from error
    return Secret(settings.client_secret.get_secret_value()) if settings.client_secret is not None else None
