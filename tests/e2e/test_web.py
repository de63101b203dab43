"""How the server sends the web app, and what changes reach who listens: over real connections."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.server import Installation, installation, wait_until

DEPOT = """name: {name}
version: v2alpha
type: depot
depot:
  type: file
  file:
    path: {path}
"""
HTML = {"Accept": "text/html,application/xhtml+xml"}
PASSWORD = "three grey horses"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("web")) as made:
        made.ok("user", "create", "-t", "person", "-u", "ida", "-n", "Ida Lund")
        yield made


@pytest.fixture(scope="module")
def admin(server) -> dict[str, str]:
    return {"Authorization": f"Bearer {(server.home / 'keys' / 'admin.token').read_text().strip()}"}


def ask(
    server: Installation, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    try:
        sent = {**({"Content-Type": "application/json"} if body is not None else {}), **(headers or {})}
        connection.request(method, path, None if body is None else json.dumps(body), sent)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def session(server: Installation, user: str) -> dict[str, str]:
    """The cookie of a browser that a person signed in with."""
    link = server.ok("login", "--link", "--user", user).out.strip()
    body = {"token": link.partition("#")[2], "password": PASSWORD, "cookie": True}
    status, headers, _ = ask(server, "POST", "/api/v1/login/invitation", body=body)
    assert status == 200
    assert "httponly" in headers["set-cookie"].lower()
    return {"Cookie": headers["set-cookie"].partition(";")[0]}


# --- the app ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/login", "/login/invitation", "/operations/resources/depot/crm", "/nosuch/page"]
)
def test_every_page_is_the_app_and_nothing_foreign_runs_in_it(server, path):
    status, headers, text = ask(server, "GET", path, HTML)
    assert status == 200
    assert headers["content-type"].startswith("text/html")
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
    (nonce,) = re.findall(r"'nonce-([^']+)'", policy["style-src"])
    assert f'nonce="{nonce}"'.encode() in text
    assert b"__NONCE__" not in text
    assert not re.search(rb"<script(?![^>]*src=)|\son\w+=|style=", text)
    assert not re.search(rb"(?:src|href)=\"(?:https?:)?//", text)


def test_two_answers_have_two_nonces(server):
    first, second = (ask(server, "GET", "/", HTML)[1]["content-security-policy"] for _ in range(2))
    assert first != second


def test_files_are_packed_kept_and_typed(server):
    page = ask(server, "GET", "/", HTML)[2].decode()
    script = re.search(r'src="(/assets/[^"]+\.js)"', page)
    assert script
    sizes = {}
    for encoding in ("br", "gzip", ""):
        status, headers, body = ask(server, "GET", script[1], {"Accept-Encoding": encoding})
        assert status == 200
        assert headers.get("content-encoding", "") == encoding
        assert headers["content-type"].startswith("text/javascript")
        assert headers["cache-control"] == "public, max-age=31536000, immutable"
        assert headers["vary"] == "Accept-Encoding"
        sizes[encoding] = len(body)
    assert sizes["br"] < sizes["gzip"] < sizes[""] / 2
    assert ask(server, "GET", "/favicon.svg")[1]["content-type"].startswith("image/svg+xml")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nosuch", 404), ("GET", "/api", 404), ("POST", "/nosuch", 404),
        ("GET", "/api/v1/apply", 405), ("GET", "/assets/../index.html", 404), ("GET", "/assets/..%2f..%2fweb.py", 404),
        ("GET", "/assets/nosuch.js", 404), ("GET", "//assets/nosuch.js", 404),
    ],
)  # fmt: skip
def test_addresses_of_protocols_keep_their_meaning(server, method, path, status):
    headers = HTML if path.startswith(("/api", "/iceberg")) else {}
    found, told, body = ask(server, method, path, headers)
    assert found == status
    assert told["content-type"].startswith("application/json")
    assert json.loads(body)["errors"][0]["code"] in ("request.not_found", "request.method")


def test_a_program_that_mistypes_an_address_gets_no_page(server):
    assert ask(server, "GET", "/operatons", {"Accept": "*/*"})[0] == 404


# --- the session as a cookie ------------------------------------------------------------------------------------------


def test_pages_of_others_cannot_use_the_cookie(server):
    cookie = session(server, "ida")
    path, body = "/api/v1/users/ida/tokens", {"name": "stolen"}
    for hostile in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Origin": server.url},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": server.url + ".evil.example"},
        {"Referer": server.url + "/profile"},
        {},
    ):
        status, _, text = ask(server, "POST", path, {**cookie, **hostile}, body)
        assert status == 401, hostile
        assert json.loads(text)["errors"][0]["code"] == "auth.missing"
    for method, other in (("PUT", "/api/v1/users/ida/password"), ("DELETE", "/api/v1/users/ida/sessions")):
        assert ask(server, method, other, {**cookie, "Sec-Fetch-Site": "cross-site"}, {"password": PASSWORD})[0] == 401
    assert json.loads(ask(server, "GET", path, cookie)[2])["items"] == []
    assert ask(server, "POST", path, {**cookie, "Sec-Fetch-Site": "same-origin"}, body)[0] == 200


def test_the_link_is_good_once_and_only_operators_make_one(server):
    mine = {"DATAOS_CONFIG_DIRECTORY": str(server.folder / "ida"), "DATAOS_HOME": str(server.folder / "none")}
    link = server.ok("login", "--link", "--user", "ida").out.strip()
    assert link.startswith(f"{server.url}/login/invitation#di_")
    server.ok("login", "--invitation", env=mine, input=f"{link}\n{PASSWORD}\n")
    body = {"token": link.partition("#")[2], "password": PASSWORD}
    status, _, text = ask(server, "POST", "/api/v1/login/invitation", body=body)
    assert status == 401
    assert json.loads(text)["errors"][0]["code"] == "login.invitation"
    for user in ("ida", "admin"):
        refused = server.cli("login", "--link", "--user", user, env=mine)
        assert refused.code == 4, refused.err
    assert server.cli("login", "--link", "--oidc").code == 2


def test_the_first_start_prints_the_administrators_link(tmp_path):
    with installation(tmp_path, start=False) as made:
        first = made.up()
        link = first.out.strip()
        assert link.startswith(f"{made.url}/login/invitation#di_")
        body = {"token": link.partition("#")[2], "password": PASSWORD}
        assert json.loads(ask(made, "POST", "/api/v1/login/invitation", body=body)[2])["user_id"] == "admin"
        again = made.up()
        assert "#di_" not in again.out + again.err


def test_who_one_is_and_what_one_may_do(server, admin):
    cases = {c["id"]: c["allowed"] for c in json.loads(ask(server, "GET", "/api/v1/me/use-cases", admin)[2])["items"]}
    assert cases["manage-users"]
    assert cases["read-audit"]
    mine = json.loads(ask(server, "GET", "/api/v1/me/use-cases", session(server, "ida"))[2])["items"]
    assert {c["id"] for c in mine} == set(cases)
    assert not any(c["allowed"] for c in mine if c["id"] in ("manage-users", "read-audit", "maintain-installation"))


# --- manifests as text ------------------------------------------------------------------------------------------------


def test_faults_of_a_text_have_line_and_column(server, admin):
    text = "name: crm\nversion: v2alpha\ntype: depot\ndepot:\n  type: nosuch\n---\nname: Bad_Name\nversion: v1\ntype: workflow\n"
    items = json.loads(ask(server, "POST", "/api/v1/manifests/plan", admin, {"text": text})[2])["items"]
    assert [i["action"] for i in items] == ["invalid", "invalid"]
    assert items[0]["errors"][0]["line"] == 5
    assert items[0]["errors"][0]["column"] == 3
    assert [e["line"] for e in items[1]["errors"]] == [7, 7]
    refused = json.loads(ask(server, "POST", "/api/v1/manifests/apply", admin, {"text": text})[2])["errors"]
    assert [e["line"] for e in refused] == [5, 7, 7]
    for path in ("plan", "apply"):
        status, _, body = ask(server, "POST", f"/api/v1/manifests/{path}", admin, {"text": "name: a\n  b: [1\n"})
        assert status == 422
        assert json.loads(body)["errors"][0]["line"] == 2


def test_a_text_is_stored_whole_or_not_at_all(server, admin):
    folder = server.work / "files"
    folder.mkdir(exist_ok=True)
    good, bad = DEPOT.format(name="whole", path=folder), DEPOT.format(name="half", path="/etc")
    status, _, body = ask(server, "POST", "/api/v1/manifests/apply", admin, {"text": f"{good}---\n{bad}"})
    assert status >= 400
    assert json.loads(body)["errors"][0]["line"] >= good.count("\n") + 2
    assert ask(server, "GET", "/api/v1/resources/depot/whole", admin)[0] == 404
    planned = json.loads(ask(server, "POST", "/api/v1/manifests/plan", admin, {"text": good})[2])["items"]
    assert planned[0]["action"] == "create"
    assert ask(server, "GET", "/api/v1/resources/depot/whole", admin)[0] == 404
    done = json.loads(ask(server, "POST", "/api/v1/manifests/apply", admin, {"text": good})[2])["items"]
    assert done[0]["action"] == "created"
    assert ask(server, "GET", "/api/v1/resources/depot/whole", admin)[0] == 200


# --- changes ----------------------------------------------------------------------------------------------------------


class Listener:
    """One open stream, read in the background."""

    def __init__(self, server: Installation, headers: dict[str, str], query: str = "") -> None:
        self.events: list[dict[str, Any]] = []
        self.ended = False
        self._connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
        self._connection.request("GET", f"/api/v1/stream{query}", headers=headers)
        self._socket = self._connection.sock
        self.answer = self._connection.getresponse()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        event: dict[str, Any] = {}
        while line := self._line():
            text = line.decode().rstrip("\n")
            if not text and event:
                self.events.append(event)
                event = {}
            key, _, value = text.partition(": ")
            if key in ("id", "event", "data"):
                event[key] = json.loads(value) if key != "event" else value
        self.ended = True

    def _line(self) -> bytes:
        try:
            return self.answer.readline()
        except (OSError, http.client.HTTPException):  # closed here
            return b""

    def heard(self, kind: str = "change") -> list[dict[str, Any]]:
        return [e["data"] for e in self.events if e.get("event") == kind]

    def close(self) -> None:
        with contextlib.suppress(OSError):  # it ended by itself
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self.answer.close()
        self._socket.close()
        self._connection.close()


def apply(server: Installation, name: str) -> None:
    folder = server.work / "files"
    folder.mkdir(exist_ok=True)
    server.ok("apply", "-f", server.write(f"{name}.yaml", DEPOT.format(name=name, path=folder)))


def test_changes_come_at_once_and_only_to_who_may_read_them(server, admin):
    theirs, mine = Listener(server, admin), Listener(server, session(server, "ida"))
    runs = Listener(server, admin, "?topic=runs")
    assert theirs.answer.getheader("content-type").startswith("text/event-stream")
    assert theirs.answer.getheader("cache-control") == "no-store"
    wait_until(lambda: theirs.heard("hello") and mine.heard("hello"), 10, "the greeting")
    apply(server, "told")
    wait_until(lambda: any(c["name"] == "told" and c["kind"] == "status" for c in theirs.heard()), 10, "the change")
    created = next(c for c in theirs.heard() if c["name"] == "told")
    assert created["topics"] == ["resources"]
    assert created["type"] == "depot"
    assert set(created) == {"kind", "topics", "id", "type", "name", "workspace", "run", "at"}
    time.sleep(1.5)
    assert not [c for c in mine.heard() if c["name"] == "told"]
    assert not runs.heard()
    listed = json.loads(ask(server, "GET", "/api/v1/events?name=told", session(server, "ida"))[2])["items"]
    assert listed == []
    for listener in (theirs, mine, runs):
        listener.close()


def test_a_listener_that_comes_back_misses_nothing(server, admin):
    first = Listener(server, admin)
    place = wait_until(lambda: [e["id"] for e in first.events], 10, "the greeting")[0]
    first.close()
    apply(server, "misseda")
    apply(server, "missedb")
    again = Listener(server, {**admin, "Last-Event-ID": str(place)})
    wait_until(lambda: {"misseda", "missedb"} <= {c["name"] for c in again.heard()}, 10, "what was missed")
    seen = [e["id"] for e in again.events if e.get("event") == "change"]
    assert seen == sorted(set(seen))
    far = Listener(server, {**admin, "Last-Event-ID": "999999999"})
    wait_until(lambda: far.heard("gap"), 10, "the gap")
    again.close()
    far.close()
    for odd in ("x", "-1", "1" * 40):
        assert ask(server, "GET", "/api/v1/stream", {**admin, "Last-Event-ID": odd})[0] == 400
    assert ask(server, "GET", "/api/v1/stream?topic=nosuch", admin)[0] == 400
    assert ask(server, "GET", "/api/v1/stream")[0] == 401


def test_the_stream_ends_with_the_session(server):
    cookie = session(server, "ida")
    listener = Listener(server, cookie)
    wait_until(lambda: listener.heard("hello"), 10, "the greeting")
    assert ask(server, "POST", "/api/v1/logout", {**cookie, "Sec-Fetch-Site": "same-origin"})[0] == 200
    wait_until(lambda: listener.ended, 6, "the end of the stream")
    assert listener.heard("end")[0]["code"] == "auth.expired"
    listener.close()


def test_one_user_cannot_take_all_connections(server):
    cookie = session(server, "ida")
    open_ = [Listener(server, cookie) for _ in range(32)]
    wait_until(lambda: all(one.heard("hello") for one in open_), 20, "the greetings")
    status, headers, body = ask(server, "GET", "/api/v1/stream", cookie)
    assert status == 429
    assert json.loads(body)["errors"][0]["code"] == "stream.too_many"
    assert headers["retry-after"] == "30"
    for one in open_:
        one.close()


def test_a_server_that_stops_does_not_wait_for_listeners(tmp_path):
    with installation(tmp_path) as made:
        token = (made.home / "keys" / "admin.token").read_text().strip()
        listener = Listener(made, {"Authorization": f"Bearer {token}"})
        wait_until(lambda: listener.heard("hello"), 10, "the greeting")
        began = time.monotonic()
        made.ok("down")
        assert time.monotonic() - began < 4.5
        wait_until(lambda: listener.ended, 2, "the end of the stream")
        listener.close()
