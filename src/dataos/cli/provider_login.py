"""How `login` goes to the login provider: in a browser on this machine, or with a code on another device."""

from __future__ import annotations

import secrets
import time
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from dataos.cli.output import Output
from dataos.client.api import Client
from dataos.core import pkce
from dataos.core.errors import DataOSError, fail

WAIT_S = 300.0
_PATH = "/dataos-login"
_PAGE = b"<!doctype html><title>DataOS</title><p>Back to your terminal: you can close this page.</p>"


def in_browser(client: Client, out: Output) -> str:
    """The token of a session that a browser on this machine logged in for. Raises DataOSError `login.*`,
    `wait.timeout`."""
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    with _Listener(("127.0.0.1", 0), _Handler) as listener:
        listener.state = state
        asked = {
            "redirect": f"http://127.0.0.1:{listener.server_port}{_PATH}",
            "challenge": pkce.challenge_of(verifier),
            "state": state,
        }
        url = f"{client.connection.url}/api/v1/login/oidc?{urlencode(asked)}"
        out.talk(f"log in with your browser: {url}", "🔗")
        webbrowser.open(url)
        found = listener.wait(WAIT_S)
    if "code" not in found:
        raise fail(found.get("error") or "login.flow", found.get("message") or "the login failed", hint="log in again")
    body = {"code": found["code"], "verifier": verifier}
    return str(client.json("POST", "/api/v1/login/oidc/token", body=body)["token"])


def on_device(client: Client, out: Output) -> str:
    """The token of a session that a person agreed to on another device. Raises DataOSError `login.*`,
    `wait.timeout`."""
    begun: dict[str, Any] = client.json("POST", "/api/v1/login/oidc/device")
    out.talk(f"open {begun['verification_uri']} and enter the code {begun['user_code']}", "🔗")
    if begun["verification_uri_complete"]:
        out.talk(f"or open {begun['verification_uri_complete']}", "🔗")
    ends, wait_s = time.monotonic() + float(begun["expires_in"]), max(1.0, float(begun["interval"]))
    body = {"device_code": begun["device_code"]}
    while time.monotonic() < ends:
        time.sleep(wait_s)
        try:
            return str(client.json("POST", "/api/v1/login/oidc/device/token", body=body)["token"])
        except DataOSError as error:
            if error.problem.code != "login.pending":
                raise
            wait_s += error.problem.retry or 0.0  # it said to ask less often
    raise fail("wait.timeout", "nobody entered the code in time", hint="log in again")


class _Listener(HTTPServer):
    """Waits for the browser on this machine. Only what carries our own mark is heard."""

    state = ""
    found: dict[str, str] | None = None

    def wait(self, within_s: float) -> dict[str, str]:
        ends = time.monotonic() + within_s
        while self.found is None:
            self.timeout = ends - time.monotonic()
            if self.timeout <= 0:
                raise fail("wait.timeout", f"no browser logged in within {within_s:.0f} s", hint="log in again")
            self.handle_request()
        return self.found


class _Handler(BaseHTTPRequestHandler):
    timeout = 5.0  # a browser that opens a connection ahead and says nothing must not hold the others up

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        given = {key: values[0] for key, values in parse_qs(parts.query).items()}
        listener, mark = cast("_Listener", self.server), given.get("state", "").encode()
        if parts.path != _PATH or not secrets.compare_digest(mark, listener.state.encode()):
            self.send_error(404)
            return
        listener.found = given
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(_PAGE)))
        self.end_headers()
        self.wfile.write(_PAGE)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the address holds the code."""
