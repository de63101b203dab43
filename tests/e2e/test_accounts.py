"""Passwords, invitations, sessions and disabled users through a real server and CLI."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dataos.core.errors import DataOSError
from support.server import Installation, installation, wait_until

GOOD = "three grey horses"
HOLDER = """
name: {name}
version: v1
type: workflow
workflow:
  {schedule}
  dag:
    - name: hold
      spec:
        stack: script
        compute: runnable-default
        stackSpec:
          script: |
            import time
            print("holding", flush=True)
            time.sleep(600)
"""
EVERY_SECOND = "schedule: {cron: '* * * * * *', concurrencyPolicy: Forbid}"
MANY_JOBS = {"DATAOS_WORKLOADS__CPUS": "16", "DATAOS_WORKLOADS__MEMORY_MIB": "65536"}
LONG = "SELECT count(*) FROM UNNEST(sequence(1, 1000000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 1000000)) AS b(y) WHERE x * y = 7"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("accounts"), env=MANY_JOBS) as made:
        yield made


def call(
    server: Installation,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    raw: str | None = None,
) -> tuple[int, Any, dict[str, str]]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    try:
        sent = {"Content-Type": "application/json", **(headers or {})}
        connection.request(method, path, raw if body is None else json.dumps(body), sent)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text), {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


def as_client(server: Installation, folder: str) -> dict[str, str]:
    """Another person's machine: a client folder of its own, and no home beside it."""
    place = server.folder / folder
    return {"DATAOS_CONFIG_DIRECTORY": str(place), "DATAOS_HOME": str(place / "no-home")}


@pytest.mark.acceptance("ch08-AS12")
def test_an_invited_person_sets_a_password_and_works_with_it(server):
    server.ok("user", "create", "-t", "person", "-u", "ida", "-n", "Ida Lund", "--tags", "roles:id:data-dev")
    done = server.ok("user", "invite", "-i", "ida")
    link = done.out.strip()
    assert link.startswith(f"{server.url}/login/invitation#di_")
    mine = as_client(server, "ida")
    weak = server.cli("login", "--invitation", env=mine, input=f"{link}\nshort\n")
    assert weak.code == 1
    assert "10 to 1024 characters" in weak.err
    server.ok("login", "--invitation", env=mine, input=f"{link}\n{GOOD}\n")
    assert server.cli("login", "--invitation", env=mine, input=f"{link}\n{GOOD}\n").code == 3
    assert json.loads(server.ok("user", "get", "-O", "json", env=mine).out)[0]["id"] == "ida"
    server.ok("logout", env=mine)
    assert server.cli("get", env=mine).code == 3

    server.ok("login", "--url", server.url, "--user", "ida", env=mine, input=f"{GOOD}\n")
    listed = json.loads(server.ok("context", "list", "-O", "json", env=mine).out)
    assert len(listed) == 1
    wrong = server.cli("user", "passwd", env=mine, input="not this one\nfour grey horses\n")
    assert wrong.code == 3
    server.ok("user", "passwd", env=mine, input=f"{GOOD}\nfour grey horses\n")
    server.ok("get", env=mine)
    server.ok("user", "passwd", "-i", "ida", input=f"{GOOD}\n")  # an operator needs no old one
    assert server.cli("get", env=mine).code == 3
    kinds = [c["change"] for c in json.loads(server.ok("user", "changes", "get", "-i", "ida", "-O", "json").out)]
    assert kinds[-3:] == ["password set", "invited", "created"]
    server.ok("login", "--url", server.url, "--user", "ida", env=mine, input=f"{GOOD}\n")
    assert server.cli("user", "invite", "-i", "ida", env=mine).code == 4
    assert server.cli("user", "tag", "add", "-i", "ida", "-t", "roles:id:operator", env=mine).code == 4
    assert server.cli("user", "passwd", "-i", "admin", env=mine, input=f"{GOOD}\n").code == 4
    assert server.cli("user", "disable", "-i", "admin", env=mine).code == 4
    assert server.cli("user", "property", "set", "-i", "ida", "-p", "region=all", env=mine).code == 4
    for word in (GOOD, "four grey horses", link.partition("#")[2]):
        assert word not in (server.home / "logs" / "server.log").read_text()


def test_a_browsers_cookie_is_no_help_to_pages_of_others(server):
    server.cli("user", "create", "-t", "person", "-u", "coo", "-n", "Coo")
    server.ok("user", "passwd", "-i", "coo", input=f"{GOOD}\n")
    asked = {"user": "coo", "password": GOOD, "cookie": True}
    status, session, headers = call(server, "POST", "/api/v1/login", asked)
    assert status == 200
    assert headers["cache-control"] == "no-store"
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    assert "set-cookie" not in call(server, "POST", "/api/v1/login", {**asked, "cookie": False})[2]
    sent = {"Cookie": f"dataos_session={session['token']}"}
    assert call(server, "GET", "/api/v1/me", headers=sent)[1]["id"] == "coo"
    key = "/api/v1/users/coo/tokens"
    foreign = [{}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
    for more in foreign:
        assert call(server, "POST", key, {}, {**sent, **more})[0] == 401
    assert call(server, "POST", key, {}, {**sent, "Sec-Fetch-Site": "same-origin"})[0] == 200
    assert call(server, "POST", key, {}, {**sent, "Origin": server.url})[0] == 200
    status, _, headers = call(server, "POST", "/api/v1/logout", headers={**sent, "Origin": server.url})
    assert status == 200
    assert 'dataos_session=""' in headers["set-cookie"]
    assert call(server, "GET", "/api/v1/me", headers=sent)[0] == 401


def test_guessing_is_answered_by_waiting_and_tokens_still_work(server):
    codes = []
    for _ in range(7):
        status, body, headers = call(server, "POST", "/api/v1/login", {"user": "nobody", "password": "x" * 12})
        codes.append(status)
    assert codes == [401] * 5 + [429] * 2
    assert body["errors"][0]["code"] == "login.too_many"
    assert int(headers["retry-after"]) >= 1
    server.ok("get")


def test_a_disabled_user_is_out_and_what_ran_for_it_ends(server):
    server.ok("user", "create", "-u", "bot", "-n", "Bot", "--tags", "roles:id:operator")
    key = json.loads(server.ok("user", "apikey", "create", "-i", "bot", "-O", "json").out)["token"]
    bot = {"APIKEY": key, "DATAOS_FQDN": server.url}
    server.ok("apply", "-f", server.write("once.yaml", HOLDER.format(name="once", schedule="title: once")), env=bot)
    server.ok("apply", "-f", server.write("often.yaml", HOLDER.format(name="often", schedule=EVERY_SECOND)), env=bot)
    server.ok("apply", "-f", server.write("mine.yaml", HOLDER.format(name="mine", schedule="title: mine")))
    client = server.client()
    states = lambda name: [r["state"] for r in client.runs("workflow", name, "public")["items"]]  # noqa: E731
    for name in ("once", "often", "mine"):
        wait_until(lambda name=name: "running" in states(name), 30, name)
    found: list[Any] = []

    def ask() -> None:
        headers = {"Authorization": f"Bearer {key}"}
        found.append(call(server, "POST", "/api/v1/query", {"sql": LONG, "timeoutS": 100}, headers))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        asking.join(1)
        assert not found, found
        done = server.ok("user", "disable", "-i", "bot")
        assert "run(s) are being stopped" in done.err
        assert server.cli("get", env=bot).code == 4
        asking.join(20)
        assert not asking.is_alive()
        assert found[0][0] == 403
        assert found[0][1]["errors"][0]["code"] == "auth.disabled"
        wait_until(lambda: set(states("once") + states("often")) == {"aborted"}, 60, "the end of its runs")
        assert states("mine") == ["running"]
        count = len(states("often"))
        skipped = lambda: client.runtime("workflow", "often", "public")["schedule"]["skipped"]  # noqa: E731
        wait_until(lambda: skipped() == "its owner, user bot, is disabled", 30, "a tick that is left out")
        assert len(states("often")) == count
        refused = server.cli("runtime", "re-run", "-t", "workflow", "-n", "once", "-w", "public")
        assert refused.code == 1
        assert "dataos user enable -i bot" in refused.err
    finally:
        asking.join(120)
    server.ok("user", "enable", "-i", "bot")
    server.ok("get", env=bot)
    wait_until(lambda: len(states("often")) > count, 30, "the next tick")
    for name in ("once", "often", "mine"):
        server.ok("delete", "-t", "workflow", "-n", name)


def test_a_stream_that_is_read_breaks_off_when_its_user_is_disabled(server):
    server.ok("user", "create", "-u", "reader", "-n", "Reader", "--tags", "roles:id:operator")
    key = json.loads(server.ok("user", "apikey", "create", "-i", "reader", "-O", "json").out)["token"]
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    sql = "SELECT x, y FROM UNNEST(sequence(1, 100000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 100000)) AS b(y)"
    sent = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {key}",
        "Accept": "application/vnd.apache.arrow.stream",
    }
    connection.request("POST", "/api/v1/query", json.dumps({"sql": sql}), sent)
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.read(1 << 16)
    server.ok("user", "disable", "-i", "reader")
    with pytest.raises(http.client.IncompleteRead):
        for _ in range(100_000):
            if not answer.read(1 << 20):
                break
    connection.close()


def test_properties_are_part_of_the_record(server):
    server.ok("user", "create", "-u", "prop", "-n", "Prop", "-t", "person")
    shown = server.ok("user", "property", "set", "-i", "prop", "-p", "region=emea", "-p", "motto=a = b").out
    assert "emea" in shown
    server.ok("user", "property", "remove", "-i", "prop", "-p", "region")
    record = json.loads(server.ok("user", "get", "-i", "prop", "-O", "json").out)[0]
    assert record["properties"] == [{"key": "motto", "value": "a = b"}]
    assert server.cli("user", "property", "set", "-i", "prop", "-p", "region").code == 2
    server.ok("user", "link", "-i", "prop", "--subject", "sub-1")
    assert server.cli("user", "link", "-i", "prop").code == 2
    server.ok("user", "create", "-u", "prop2", "-n", "Prop", "-t", "person")
    taken = server.cli("user", "link", "-i", "prop2", "--subject", "sub-1")
    assert taken.code == 1
    assert "user `prop` already" in taken.err
    token = (server.home / "keys" / "admin.token").read_text().strip()
    told = call(server, "GET", "/heimdall/api/v1/users/prop", headers={"apikey": token})[1]
    assert (told["federated_connector_id"], told["federated_user_id"]) == ("oidc", "sub-1")
    assert len(told["cid"]) == 64
    tags = call(server, "GET", told["_links"]["tags"], headers={"apikey": token})[1]["items"]
    assert {"tag": "roles:id:user", "assigner": "admin"} in tags
    with pytest.raises(DataOSError) as caught:
        server.client().json("PUT", "/api/v1/users/prop/properties", body={"properties": {"a b": "c"}})
    assert caught.value.problem.code == "user.property"


@pytest.mark.parametrize("odd", ["\\u0000", "\\ud800", "\\u202e", "'; DROP TABLE users; --", "x\\n"])
def test_odd_words_are_wrong_and_nothing_more(server, odd):
    for path, body in (
        ("/api/v1/login", f'{{"user": "{odd}", "password": "{odd}"}}'),
        ("/api/v1/login/invitation", f'{{"token": "{odd}", "password": "{GOOD}{odd}"}}'),
        ("/api/v1/login/oidc/token", f'{{"code": "{odd}", "verifier": "{odd}"}}'),
    ):
        status, _, _ = call(server, "POST", path, raw=body)
        assert status in (400, 401, 403, 429), path
