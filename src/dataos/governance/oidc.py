"""The protocol of a login provider: OpenID Connect, as its client. The only place that knows joserfc and Authlib.

Discovery, the authorization code flow with PKCE, the device flow (RFC 8628), and the checks of what comes back: an
ID token counts only with a signature of an allowed algorithm by a key of the provider's, its issuer, this client as
audience, in its time, with the nonce that was sent. Nothing is stored here; what a claim means is federation.py's
business.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import httpx

from dataos.core import logs
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, fail
from dataos.core.loginsettings import OidcSettings
from dataos.core.pkce import challenge_of
from dataos.core.secrecy import Secret

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

_log = logs.get(__name__)
_LEEWAY_S = 60
_KEPT_S = 3600.0
_KEYS_AGAIN_S = 10.0
_AWAY_S = 3.0
_MOST_BYTES = 1 << 20
_SLOWER_S = 5.0
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True)
class Redeemed:
    """What came for a code: checked claims of the ID token, and what opens the userinfo endpoint."""

    claims: dict[str, Any]
    access_token: Secret | None


@dataclass(frozen=True)
class DeviceLogin:
    """A login that goes on elsewhere."""

    device_code: Secret
    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    expires_in: int
    interval: int


class Provider:
    """One provider. What it says of itself is asked again each hour."""

    def __init__(self, settings: OidcSettings, secret: Secret | None, clock: Clock) -> None:
        self._settings = settings
        self._issuer = settings.issuer or ""
        self._secret = secret
        self._clock = clock
        self._metadata: dict[str, Any] | None = None
        self._asked_at = 0.0
        self._failed: DataOSError | None = None
        self._failed_at = 0.0
        self._keys: KeySet | None = None
        self._keys_at = 0.0

    async def metadata(self) -> dict[str, Any]:
        """Its description of itself. Raises DataOSError `login.provider`, `login.untrusted`."""
        if self._metadata is None or time.monotonic() - self._asked_at > _KEPT_S:
            if self._failed is not None and time.monotonic() - self._failed_at < _AWAY_S:
                raise DataOSError(
                    self._failed.problems
                )  # anybody may ask how one logs in: not each of them waits for it, or makes it wait
            try:
                found = await self._ask("GET", self._issuer.rstrip("/") + "/.well-known/openid-configuration")
            except DataOSError as error:
                self._failed, self._failed_at = error, time.monotonic()
                raise
            if found.get("issuer") != self._issuer:
                raise _untrusted(f"it calls itself {found.get('issuer')!r}, setting auth.oidc.issuer {self._issuer!r}")
            self._metadata, self._asked_at, self._keys = found, time.monotonic(), None
        return self._metadata

    async def authorization_url(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where to send the browser. Raises as `metadata`."""
        endpoint = self._endpoint(await self.metadata(), "authorization_endpoint")
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        return endpoint + ("&" if "?" in endpoint else "?") + urlencode(asked)

    async def check_sender(self, issuer: str | None) -> None:
        """Was it this provider that sent the browser back (RFC 9207)? Raises DataOSError `login.untrusted`."""
        announced = (await self.metadata()).get("authorization_response_iss_parameter_supported") is True
        if issuer != self._issuer and (announced or issuer is not None):
            raise _untrusted("another provider sent the browser back")

    async def redeem(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> Redeemed:
        """The tokens of a code. Raises DataOSError `login.provider`, `login.untrusted`, `login.flow` for a code that it
        does not know (any more)."""
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return await self._checked(await self._tokens(asked), nonce)

    async def begin_device(self) -> DeviceLogin:
        """Begin a login with a code that is typed in elsewhere. Raises DataOSError `login.off` where it has none."""
        metadata = await self.metadata()
        if not metadata.get("device_authorization_endpoint"):
            raise fail("login.off", "the login provider knows no codes for other devices", hint="dataos login --oidc")
        endpoint = self._endpoint(metadata, "device_authorization_endpoint")
        found = await self._post(endpoint, {"scope": self._scope})
        try:
            complete = found.get("verification_uri_complete")
            return DeviceLogin(
                Secret(str(found["device_code"])),
                str(found["user_code"]),
                str(found["verification_uri"]),
                str(complete) if complete else None,
                int(found["expires_in"]),
                int(found.get("interval", _SLOWER_S)),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise _failed("its answer for a device lacks something") from error

    async def poll_device(self, device_code: Secret) -> Redeemed:
        """The tokens, once the person has agreed. Raises DataOSError `login.pending` before that, `login.flow` when it
        will not happen any more."""
        asked = {"grant_type": DEVICE_GRANT, "device_code": device_code.reveal()}
        return await self._checked(await self._tokens(asked), None)

    async def userinfo(self, redeemed: Redeemed) -> dict[str, Any]:
        """More claims, of the same person; none where it has no such endpoint. Raises DataOSError `login.provider`,
        `login.untrusted`."""
        metadata = await self.metadata()
        if not metadata.get("userinfo_endpoint") or redeemed.access_token is None:
            return {}
        headers = {"Authorization": f"Bearer {redeemed.access_token.reveal()}", "Accept": "application/json"}
        found = await self._ask("GET", self._endpoint(metadata, "userinfo_endpoint"), headers=headers)
        if found.get("sub") != redeemed.claims["sub"]:
            raise _untrusted("its userinfo is about somebody else")
        return found

    @property
    def _scope(self) -> str:
        return " ".join(dict.fromkeys(["openid", *self._settings.scopes]))

    async def _tokens(self, asked: dict[str, str]) -> dict[str, Any]:
        return await self._post(self._endpoint(await self.metadata(), "token_endpoint"), asked)

    async def _post(self, endpoint: str, asked: dict[str, str]) -> dict[str, Any]:
        """As this client: by HTTP Basic where nothing else is said, without a secret by name only."""
        client, form, headers = self._settings.client_id, dict(asked), dict[str, str]()
        ways = (await self.metadata()).get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if self._secret is None:
            form["client_id"] = client
        elif "client_secret_basic" in ways:
            pair = f"{quote(client, safe='')}:{quote(self._secret.reveal(), safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": client, "client_secret": self._secret.reveal()}
        return await self._ask("POST", endpoint, headers=headers, data=form)

    async def _checked(self, tokens: Mapping[str, Any], nonce: str | None) -> Redeemed:
        from authlib.oidc.core import CodeIDToken  # 8 MiB that a server saves whose people do not log in like this
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError, JoseError

        raw, access = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(raw, str):
            raise _untrusted("it sent no ID token")
        algorithms = list(self._settings.algorithms)
        try:
            try:
                token = jwt.decode(raw, await self._key_set(), algorithms=algorithms)
            except InvalidKeyIdError:  # it may have new keys
                token = jwt.decode(raw, await self._key_set(again=True), algorithms=algorithms)
            claims = CodeIDToken(
                token.claims,
                token.header,
                {"iss": {"value": self._issuer}, "aud": {"value": self._settings.client_id}},
                {"nonce": nonce, "client_id": self._settings.client_id, "access_token": access},
            )
            claims.validate(now=self._clock.now_us() // 1_000_000, leeway=_LEEWAY_S)
        except (JoseError, ValueError, TypeError) as error:
            _log.warning("an ID token is refused", error=type(error).__name__, why=str(error)[:200])
            raise _untrusted(f"its ID token is refused: {_why(error)}") from error
        return Redeemed(dict(claims), Secret(access) if isinstance(access, str) else None)

    async def _key_set(self, again: bool = False) -> KeySet:
        from joserfc.jwk import KeySet

        now = time.monotonic()
        if self._keys is None or (again and now - self._keys_at > _KEYS_AGAIN_S):
            endpoint = self._endpoint(await self.metadata(), "jwks_uri")
            listed = (await self._ask("GET", endpoint)).get("keys")
            usable = [k for k in listed if isinstance(k, dict) and k.get("use", "sig") == "sig"] if listed else []
            known = [k for k in usable if k.get("kty") in ("RSA", "EC", "OKP")]  # never one by a shared secret
            self._keys, self._keys_at = KeySet.import_key_set({"keys": known}), now
        return self._keys

    def _endpoint(self, metadata: Mapping[str, Any], name: str) -> str:
        """An address of its own. The provider's secrets and people's codes go there: in clear only on this machine."""
        url = metadata.get(name)
        here = urlsplit(self._issuer).scheme == "http"
        if not isinstance(url, str) or urlsplit(url).scheme not in (("https", "http") if here else ("https",)):
            raise _untrusted(f"its description has no usable `{name}`")
        return url

    async def _ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        """One call; its answer is a JSON object, an error of OAuth raises."""
        here = urlsplit(self._issuer).scheme == "http"  # on this machine: no proxy
        try:
            async with (
                httpx.AsyncClient(timeout=self._settings.timeout_s, trust_env=not here) as client,
                client.stream(method, url, **more) as answer,
            ):
                raw = bytearray()
                async for piece in answer.aiter_bytes():
                    raw += piece
                    if len(raw) > _MOST_BYTES:
                        raise _failed("its answer is too long")
        except httpx.HTTPError as error:
            raise _failed(f"it does not answer ({type(error).__name__})") from error
        try:
            body: Any = json.loads(raw)
        except ValueError:
            body = None
        if answer.status_code != 200 or not isinstance(body, dict):
            raise _refusal(answer.status_code, body if isinstance(body, dict) else {})
        return body


def _refusal(status: int, body: Mapping[str, Any]) -> DataOSError:
    code = body.get("error")
    match code:
        case "authorization_pending" | "slow_down":
            wait = _SLOWER_S if code == "slow_down" else 0.0
            return fail("login.pending", "nobody has agreed to this login yet", retry=wait or None)
        case "access_denied":
            return fail("login.flow", "this login was refused at the provider")
        case "expired_token" | "invalid_grant":
            return fail("login.flow", "this login is over: it took too long, or was used", hint="log in again")
        case str():
            _log.warning("the login provider refused", status=status, error=code[:80])
            return _failed(f"it answered {status} {code[:80]}")
        case _:
            return _failed(f"it answered {status}")


def _why(error: Exception) -> str:
    return (getattr(error, "description", "") or getattr(error, "error", "") or type(error).__name__)[:200]


def _failed(text: str) -> DataOSError:
    return fail("login.provider", f"the login provider cannot be used: {text}", hint="the server's log may say more")


def _untrusted(text: str) -> DataOSError:
    return fail("login.untrusted", f"the login provider is not trusted: {text}", hint="see settings auth.oidc")
