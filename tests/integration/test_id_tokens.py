"""What a login provider says is checked: a hostile one, made here, tries every way to be believed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from dataos.core.clock import SystemClock
from dataos.core.errors import DataOSError
from dataos.core.loginsettings import OidcSettings
from dataos.core.secrecy import Secret
from dataos.governance.oidc import Provider

MINE = RSAKey.generate_key(2048, {"kid": "mine", "use": "sig"})
NEXT = RSAKey.generate_key(2048, {"kid": "next"})
CURVE = ECKey.generate_key("P-256", {"kid": "curve"})
STRANGE = RSAKey.generate_key(2048, {"kid": "mine"})
CLIENT = "dataos"


class Hostile(ThreadingHTTPServer):
    """Answers what the test put into `answers`: path -> body, or (status, body)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.keys: list[Any] = [MINE]
        self.answers: dict[str, Any] = {}
        self.reset()

    def reset(self) -> None:
        self.seen.clear()
        self.keys = [MINE, CURVE]
        self.answers = {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "device_authorization_endpoint": f"{self.url}/device",
            },
        }

    def token(self, *, key: Any = MINE, alg: str = "RS256", header: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(time.time())
        body = {"iss": self.url, "sub": "s", "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": "n", **claims}
        body = {k: v for k, v in body.items() if v is not None}
        head = {"alg": alg, **({"kid": key.kid} if key.kid else {}), **(header or {})}
        return jwt.encode(head, body, key, algorithms=[alg])


class Handler(BaseHTTPRequestHandler):
    server: Hostile  # type: ignore[assignment]

    def _answer(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length).decode()
        self.server.seen.append((self.path, body, dict(self.headers.items())))
        if self.path == "/keys":
            found: Any = {
                "keys": [
                    k.as_dict(private=False) if not isinstance(k, OctKey) else k.as_dict() for k in self.server.keys
                ]
            }
        else:
            found = self.server.answers.get(self.path, (404, {}))
        status, content = found if isinstance(found, tuple) else (200, found)
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = _answer

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def running() -> Iterator[Hostile]:
    with Hostile() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def hostile(running) -> Hostile:
    running.reset()
    return running


def provider(hostile: Hostile, **settings: Any) -> Provider:
    return Provider(OidcSettings(issuer=hostile.url, client_id=CLIENT, **settings), Secret("a: b%"), SystemClock())


def redeem(hostile: Hostile, token: Any, **more: Any) -> dict[str, Any]:
    hostile.answers["/token"] = {"access_token": "a", "token_type": "Bearer", "id_token": token, **more}
    found = asyncio.run(provider(hostile).redeem("c", "http://x/cb", "n", "v"))
    return found.claims


def refusal(call: Any) -> str:
    with pytest.raises(DataOSError) as caught:
        call()
    return caught.value.problem.code


def test_a_good_token_is_believed(hostile):
    assert redeem(hostile, hostile.token(extra="x"))["extra"] == "x"
    assert redeem(hostile, hostile.token(key=CURVE, alg="ES256"))["sub"] == "s"
    assert redeem(hostile, hostile.token(aud=[CLIENT, "other"], azp=CLIENT))["sub"] == "s"
    assert redeem(hostile, hostile.token(exp=int(time.time()) - 30))["sub"] == "s"  # clocks differ
    path, body, headers = hostile.seen[-2]
    assert path == "/token"
    assert "code_verifier=v" in body
    assert "client_secret" not in body
    assert base64.b64decode(headers["Authorization"].split()[1]) == b"dataos:a%3A%20b%25"


PAST, FUTURE = int(time.time()) - 3600, int(time.time()) + 3600


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": "other", "azp": CLIENT},
        {"aud": None},
        {"aud": ["other", "another"]},
        {"aud": [CLIENT, "other"]},
        {"azp": "other"},
        {"nonce": "m"},
        {"nonce": None},
        {"nonce": ""},
        {"exp": PAST},
        {"exp": None},
        {"exp": "soon"},
        {"iat": FUTURE},
        {"nbf": FUTURE},
        {"sub": None},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(hostile, claims):
    assert refusal(lambda: redeem(hostile, hostile.token(**claims))) == "login.untrusted"


def unsigned(hostile: Hostile) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    return f"{head}.{hostile.token().split('.')[1]}."


def swapped(hostile: Hostile) -> str:
    """Another body under a good signature."""
    head, _, sign = hostile.token().split(".")
    return f"{head}.{hostile.token(sub='admin').split('.')[1]}.{sign}"


def confused(hostile: Hostile) -> str:
    """The provider's public key, which everybody knows, taken for a shared secret."""
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"mine"}').decode().rstrip("=")
    text = f"{head}.{hostile.token().split('.')[1]}"
    mark = hmac.new(MINE.as_pem(private=False), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(mark).decode().rstrip('=')}"


@pytest.mark.parametrize(
    "make",
    [
        unsigned,
        swapped,
        lambda h: h.token(key=STRANGE),
        lambda h: h.token(key=OctKey.import_key("a: b%" * 8), alg="HS256", header={"kid": "mine"}),
        confused,
        lambda h: h.token(alg="RS512"),
        lambda h: h.token(header={"kid": "nobodys"}),
        lambda h: h.token(header={"jwk": STRANGE.as_dict(private=False)}, key=STRANGE),
        lambda h: "nonsense",
        lambda h: "a.b.c",
        lambda h: "",
        lambda h: None,
        lambda h: 7,
    ],
)
def test_a_token_that_others_made_is_refused(hostile, make):
    assert refusal(lambda: redeem(hostile, make(hostile))) == "login.untrusted"


def test_a_shared_key_among_the_providers_own_is_none(hostile):
    shared = OctKey.generate_key(256, {"kid": "shared"})
    hostile.keys = [MINE, shared]
    token = hostile.token(key=shared, alg="HS256")
    assert refusal(lambda: redeem(hostile, token)) == "login.untrusted"


def test_new_keys_are_fetched_when_one_is_not_known_but_not_for_every_token(hostile):
    async def body() -> None:
        one = provider(hostile)
        hostile.answers["/token"] = {"access_token": "a", "id_token": hostile.token()}
        await one.redeem("c", "u", "n", "v")
        one._keys_at -= 60
        hostile.keys = [NEXT]
        hostile.answers["/token"] = {"access_token": "a", "id_token": hostile.token(key=NEXT)}
        assert (await one.redeem("c", "u", "n", "v")).claims["sub"] == "s"
        fetched = sum(path == "/keys" for path, _, _ in hostile.seen)
        hostile.answers["/token"] = {"access_token": "a", "id_token": hostile.token(header={"kid": "nobodys"})}
        for _ in range(3):
            with pytest.raises(DataOSError):
                await one.redeem("c", "u", "n", "v")
        assert sum(path == "/keys" for path, _, _ in hostile.seen) == fetched == 2

    asyncio.run(body())


@pytest.mark.parametrize(
    ("description", "code"),
    [
        ({"issuer": "https://evil.example"}, "login.untrusted"),
        ({"issuer": None}, "login.untrusted"),
        ({"token_endpoint": None}, "login.untrusted"),
        ({"token_endpoint": "file:///etc/passwd"}, "login.untrusted"),
        ({"jwks_uri": 7}, "login.untrusted"),
    ],
)
def test_a_description_that_is_not_this_providers_own_is_refused(hostile, description, code):
    hostile.answers["/.well-known/openid-configuration"] |= description
    assert refusal(lambda: redeem(hostile, hostile.token())) == code


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"oops"),
        (200, b"not json"),
        (200, b"[]"),
        (302, {}),
        (400, {"error": "invalid_client"}),
        (200, b" " * (2 << 20)),
        (404, {}),
    ],
)
def test_a_provider_that_answers_nonsense_is_named_as_the_cause(hostile, answer):
    hostile.answers["/token"] = answer
    assert refusal(lambda: asyncio.run(provider(hostile).redeem("c", "u", "n", "v"))) == "login.provider"


def test_a_provider_that_fails_is_not_asked_by_everybody(hostile):
    async def body() -> None:
        one = provider(hostile)
        hostile.answers["/.well-known/openid-configuration"] = (500, {})
        for _ in range(5):
            with pytest.raises(DataOSError):
                await one.metadata()
        assert len(hostile.seen) == 1
        hostile.reset()
        one._failed_at -= 60
        assert (await one.metadata())["issuer"] == hostile.url

    asyncio.run(body())


def test_a_provider_that_is_away_or_silent_is_named_as_the_cause(hostile):
    gone = Provider(OidcSettings(issuer="http://127.0.0.1:9"), None, SystemClock())
    assert refusal(lambda: asyncio.run(gone.metadata())) == "login.provider"


def test_userinfo_of_somebody_else_is_refused(hostile):
    async def ask(sub: str) -> dict[str, Any]:
        hostile.answers["/token"] = {"access_token": "a", "id_token": hostile.token()}
        hostile.answers["/userinfo"] = {"sub": sub, "groups": ["g"]}
        one = provider(hostile)
        return await one.userinfo(await one.redeem("c", "u", "n", "v"))

    assert asyncio.run(ask("s"))["groups"] == ["g"]
    assert refusal(lambda: asyncio.run(ask("t"))) == "login.untrusted"


def test_who_sent_the_browser_back_must_be_the_provider_where_it_says_so(hostile):
    check = lambda issuer: asyncio.run(provider(hostile).check_sender(issuer))  # noqa: E731
    check(None)
    check(hostile.url)
    assert refusal(lambda: check("https://evil.example")) == "login.untrusted"
    hostile.answers["/.well-known/openid-configuration"]["authorization_response_iss_parameter_supported"] = True
    assert refusal(lambda: check(None)) == "login.untrusted"


@pytest.mark.parametrize(
    ("answer", "code", "retry"),
    [
        ((400, {"error": "authorization_pending"}), "login.pending", None),
        ((400, {"error": "slow_down"}), "login.pending", 5.0),
        ((400, {"error": "expired_token"}), "login.flow", None),
        ((400, {"error": "access_denied"}), "login.flow", None),
    ],
)
def test_a_device_hears_whether_to_ask_again(hostile, answer, code, retry):
    hostile.answers["/token"] = answer
    with pytest.raises(DataOSError) as caught:
        asyncio.run(provider(hostile).poll_device(Secret("d")))
    assert (caught.value.problem.code, caught.value.problem.retry) == (code, retry)


def test_a_device_code_of_a_provider_and_one_that_lacks_something(hostile):
    hostile.answers["/device"] = {
        "device_code": "d",
        "user_code": "U",
        "verification_uri": "https://v",
        "expires_in": 60,
    }
    begun = asyncio.run(provider(hostile).begin_device())
    assert (begun.user_code, begun.interval, begun.verification_uri_complete) == ("U", 5, None)
    hostile.answers["/device"] = {"device_code": "d"}
    assert refusal(lambda: asyncio.run(provider(hostile).begin_device())) == "login.provider"
