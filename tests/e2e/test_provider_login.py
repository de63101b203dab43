"""Logging in at a real provider of OpenID Connect: in a browser, and from the CLI beside one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from support import oidc
from support.oidc import LoginProvider
from support.server import Installation, installation

SECRET = "a client's: own % secret"


@pytest.fixture(scope="module")
def provider(tmp_path_factory) -> Iterator[LoginProvider]:
    with oidc.provider(tmp_path_factory.mktemp("provider")) as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory, provider) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("signing-in")
    (folder / "client-secret").write_text(SECRET + "\n")
    settings = {
        "DATAOS_AUTH__OIDC__ISSUER": provider.issuer,
        "DATAOS_AUTH__OIDC__CLIENT_ID": "dataos-here",
        "DATAOS_AUTH__OIDC__CLIENT_SECRET_FILE": str(folder / "client-secret"),
        "DATAOS_AUTH__OIDC__CREATE_PERSONS": "true",
    }
    with installation(folder, env=settings) as made:
        yield made


def browser(server: Installation) -> httpx.Client:
    return httpx.Client(base_url=server.url, trust_env=False)


def log_in(client: httpx.Client, subject: str, path: str = "/api/v1/login/oidc") -> httpx.Response:
    """Up to the answer of the callback."""
    sent = client.get(path)
    assert sent.status_code == 302, sent.text
    back = client.post(sent.headers["location"], data={"sub": subject})
    assert back.status_code == 302, back.text
    return client.get(back.headers["location"])


def user(server: Installation, id_: str) -> dict:
    return json.loads(server.ok("user", "get", "-i", id_, "-O", "json").out)[0]


def test_the_first_login_makes_a_person_and_groups_give_roles(server, provider):
    provider.person(
        "s-1",
        preferred_username="Ida.Lund@example.org",
        name="Ida Lund",
        email="ida@example.org",
        groups=["data-dev", "unknown"],
    )
    with browser(server) as client:
        sent = client.get("/api/v1/login/oidc")
        asked = parse_qs(urlsplit(sent.headers["location"]).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["redirect_uri"] == [f"{server.url}/api/v1/login/oidc/callback"]
        assert re.search(r"dataos_login_\w+=.*HttpOnly.*SameSite=lax", sent.headers["set-cookie"])
        answer = log_in(client, "s-1", "/api/v1/login/oidc?next=/hub")
        assert (answer.status_code, answer.headers["location"]) == (303, "/hub")
        me = client.get("/api/v1/me").json()
        assert client.post("/api/v1/logout", headers={"Origin": server.url}).status_code == 200
        assert client.get("/api/v1/me").status_code == 401
    assert (me["id"], me["name"], me["email"], me["type"]) == ("ida.lund", "Ida Lund", "ida@example.org", "person")
    assert (me["federated_connector_id"], me["federated_user_id"]) == ("oidc", "s-1")
    assert set(me["tags"]) == {"roles:id:user", "users:id:ida.lund", "roles:id:data-dev"}


def test_tags_follow_the_groups_and_those_given_by_hand_stay(server, provider):
    provider.person("s-2", preferred_username="bea", groups=["data-dev", "system-dev"])
    with browser(server) as client:
        log_in(client, "s-2")
    server.ok("user", "tag", "add", "-i", "bea", "-t", "roles:id:app-user")
    provider.person("s-2", preferred_username="bea-renamed", name="Bea B", groups=["system-dev", "app-user"])
    with browser(server) as client:
        log_in(client, "s-2")
        assert client.get("/api/v1/me").json()["id"] == "bea"
    assert {"roles:id:system-dev", "roles:id:app-user"} <= set(user(server, "bea")["tags"])
    assert "roles:id:data-dev" not in user(server, "bea")["tags"]
    provider.person("s-2", preferred_username="bea", groups=[])
    with browser(server) as client:
        log_in(client, "s-2")
    found = user(server, "bea")
    assert set(found["tags"]) == {"roles:id:user", "users:id:bea", "roles:id:app-user"}
    assert found["name"] == "bea"
    changes = json.loads(server.ok("user", "changes", "get", "-i", "bea", "-O", "json").out)
    assert {c["by"] for c in changes if c["change"] == "tags removed"} == {"login:oidc"}


def test_the_cli_logs_in_beside_a_browser(server, provider):
    provider.person("s-3", preferred_username="cli", groups=["data-dev"])
    mine = {"DATAOS_CONFIG_DIRECTORY": str(server.folder / "cli"), "DATAOS_HOME": str(server.folder / "none")}
    done = server.ok("login", "--url", server.url, "--oidc", env={**mine, **oidc.browser_of(server.folder, sub="s-3")})
    assert "login...complete: cli at" in done.err
    assert json.loads(server.ok("user", "get", "-O", "json", env=mine).out)[0]["id"] == "cli"
    server.ok("logout", env=mine)
    assert server.cli("get", env=mine).code == 3
    server.ok("user", "disable", "-i", "cli")
    out = server.cli("login", "--oidc", env={**mine, **oidc.browser_of(server.folder, sub="s-3")})
    assert out.code == 4
    assert "disabled" in out.err


def test_a_login_belongs_to_the_browser_that_began_it_and_ends_with_it(server, provider):
    provider.person("s-4", preferred_username="dan")
    with browser(server) as client, browser(server) as other:
        sent = client.get("/api/v1/login/oidc")
        back = client.post(sent.headers["location"], data={"sub": "s-4"}).headers["location"]
        # an attacker's own login, finished by somebody else's browser
        assert other.get(back).json()["errors"][0]["code"] == "login.flow"
        name, value = next((n, v) for n, v in client.cookies.items() if n.startswith("dataos_login_"))
        forged = value[:-1] + ("0" if value[-1] != "0" else "1")
        assert other.get(back, headers={"Cookie": f"{name}={forged}"}).status_code == 401
        other.get("/api/v1/login/oidc")
        others = next(v for n, v in other.cookies.items() if n.startswith("dataos_login_"))
        assert other.get(back, headers={"Cookie": f"{name}={others}"}).json()["errors"][0]["code"] == "login.flow"
        wrong_issuer = client.get(back + "&iss=https%3A%2F%2Fevil.example")
        assert wrong_issuer.json()["errors"][0]["code"] == "login.untrusted"
        client.cookies.set(name, value, path="/api/v1/login/oidc", domain="127.0.0.1")
        assert client.get(back).status_code == 303
        again = client.get(back, headers={"Cookie": f"{name}={value}"})
        assert again.json()["errors"][0]["code"] == "login.flow"
    with browser(server) as client:
        for query in ("", "state=x", "code=x&state=y", "error=access_denied&state=z"):
            assert client.get(f"/api/v1/login/oidc/callback?{query}").status_code == 401


@pytest.mark.parametrize(
    "query",
    [
        "next=https://evil.example",
        "next=//evil.example",
        "next=/\\evil.example",
        "redirect=https://evil.example/x&challenge=" + "c" * 43,
        "redirect=http://evil.example:80/x&challenge=" + "c" * 43,
        "redirect=http://127.0.0.1@evil.example:80/&challenge=" + "c" * 43,
        "redirect=http://127.0.0.1/x&challenge=" + "c" * 43,
        "redirect=http://127.0.0.1:99999/x&challenge=" + "c" * 43,
        "redirect=http://127.0.0.1:9/x?a=b&challenge=" + "c" * 43,
        "redirect=http://127.0.0.1:9/x",
        "redirect=http://127.0.0.1:9/x&challenge=short",
    ],
)
def test_a_login_leads_nowhere_else(server, query):
    with browser(server) as client:
        answer = client.get(f"/api/v1/login/oidc?{query}")
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["code"] == "login.flow"


def test_a_code_opens_only_with_the_verifier_of_who_began(server, provider):
    from dataos.core import pkce

    provider.person("s-5", preferred_username="eve")

    def code() -> str:
        with browser(server) as client:
            path = (
                f"/api/v1/login/oidc?redirect=http://127.0.0.1:9/x&state=mine&challenge={pkce.challenge_of('v' * 43)}"
            )
            answer = log_in(client, "s-5", path)
            assert answer.headers["location"].startswith("http://127.0.0.1:9/x?")
            found = parse_qs(urlsplit(answer.headers["location"]).query)
            assert found["state"] == ["mine"]
            assert "dataos_session" not in str(client.cookies)
            return found["code"][0]

    with browser(server) as client:
        redeem = lambda c, v: client.post("/api/v1/login/oidc/token", json={"code": c, "verifier": v})  # noqa: E731
        first = code()
        assert redeem(first, "w" * 43).status_code == 401
        assert redeem(first, "v" * 43).status_code == 401  # used up
        second = code()
        session = redeem(second, "v" * 43)
        assert session.json()["user_id"] == "eve"
        assert session.headers["cache-control"] == "no-store"
        assert redeem(second, "v" * 43).status_code == 401
    log = (server.home / "logs" / "server.log").read_text()
    for word in (first, second, session.json()["token"], SECRET):
        assert word not in log


def test_what_a_provider_without_codes_for_devices_is_asked(server):
    assert httpx.get(f"{server.url}/api/v1/login", trust_env=False).json() == {
        "password": True,
        "oidc": True,
        "device": False,
    }
    done = server.cli("login", "--url", server.url, "--device")
    assert done.code == 4
    assert "dataos login --oidc" in done.err


def test_who_is_not_trusted_to_make_persons_makes_none(tmp_path, provider):
    provider.person("s-6", preferred_username="ann", groups=["operator"])
    provider.person("s-7", preferred_username="admin", groups=["operator"])
    settings = {
        "DATAOS_AUTH__OIDC__ISSUER": provider.issuer,
        "DATAOS_AUTH__OIDC__CLIENT_SECRET": SECRET,
        "DATAOS_AUTH__OIDC__GROUPS_AS_ROLES": "false",
    }

    def says(here: Installation, subject: str) -> str:
        with browser(here) as client:
            answer = log_in(client, subject)
            return "" if answer.status_code == 303 else answer.json()["errors"][0]["code"]

    with installation(tmp_path, env=settings) as here:
        assert says(here, "s-6") == "login.unknown_person"
        here.ok("user", "create", "-t", "person", "-u", "ann", "-n", "Ann")
        assert says(here, "s-6") == "login.unknown_person"  # the same name is no proof
        here.ok("user", "link", "-i", "ann", "--subject", "s-6")
        assert says(here, "s-6") == ""
        assert "roles:id:operator" not in user(here, "ann")["tags"]
        here.ok("user", "disable", "-i", "ann")
        assert says(here, "s-6") == "auth.disabled"
        here.ok("down")
        here.env["DATAOS_AUTH__OIDC__LINK_PERSONS"] = "true"
        here.env["DATAOS_AUTH__OIDC__CREATE_PERSONS"] = "true"
        here.up()
        assert says(here, "s-7") == "login.unknown_person"  # never the administrator
        here.ok("user", "create", "-t", "person", "-u", "bob", "-n", "Bob")
        provider.person("s-8", preferred_username="bob")
        assert says(here, "s-8") == ""
        assert user(here, "bob")["federated_user_id"] == "s-8"


def test_without_a_provider_the_routes_say_so(tmp_path):
    with installation(tmp_path) as here, browser(here) as client:
        assert client.get("/api/v1/login").json() == {"password": True, "oidc": False, "device": False}
        for answer in (client.get("/api/v1/login/oidc"), client.post("/api/v1/login/oidc/device")):
            assert answer.status_code == 403
            assert answer.json()["errors"][0]["code"] == "login.off"
