"""Logging in at a certified provider of OpenID Connect: browsers, the CLI with a code for another device, refusals."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from engines import parts
from support import oidc
from support.ports import free_port
from support.server import Installation, installation

SECRET = "a client's: own % secret"


class Certified:
    """The provider, and a server that trusts it."""

    def __init__(self, folder: Path) -> None:
        self.port, self.server_port = free_port(), free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.people = folder / "people.json"
        self.person("nobody")

    def person(self, sub: str, **claims: object) -> None:
        known = json.loads(self.people.read_text()) if self.people.exists() else {}
        self.people.write_text(json.dumps({**known, sub: claims}))


@pytest.fixture(scope="module")
def provider(tmp_path_factory, login_provider_home) -> Iterator[Certified]:
    folder = tmp_path_factory.mktemp("certified")
    made = Certified(folder)
    back = f"http://127.0.0.1:{made.server_port}/api/v1/login/oidc/callback"
    script = Path(__file__).parents[1] / "oidc" / "provider.mjs"
    argv = [parts.node(), str(script), str(made.port), back, str(made.people), str(login_provider_home)]
    with (folder / "provider.log").open("w") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        oidc.wait_for(f"{made.issuer}/.well-known/openid-configuration", process)
        yield made
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module", params=["dataos", "public"])
def server(request, tmp_path_factory, provider) -> Iterator[Installation]:
    settings = {
        "DATAOS_AUTH__OIDC__ISSUER": provider.issuer,
        "DATAOS_AUTH__OIDC__CLIENT_ID": request.param,
        "DATAOS_AUTH__OIDC__SCOPES": "openid profile email groups",
        "DATAOS_AUTH__OIDC__CREATE_PERSONS": "true",
        **({"DATAOS_AUTH__OIDC__CLIENT_SECRET": SECRET} if request.param == "dataos" else {}),
    }
    with installation(tmp_path_factory.mktemp("server"), start=False, env=settings) as made:
        made.ok("up", "--port", str(provider.server_port))
        yield made


def browser() -> httpx.Client:
    return httpx.Client(trust_env=False, timeout=30)


def test_a_browser_logs_in_with_what_userinfo_says(server, provider):
    provider.person("ida-1", preferred_username="ida", name="Ida Lund", groups=["data-dev"])
    with browser() as client:
        sent = client.get(f"{server.url}/api/v1/login/oidc?next=/hub")
        back = oidc.walk(client, sent.headers["location"], login="ida-1", password="x")
        assert "iss=" in back.headers["location"]
        done = client.get(back.headers["location"])
        assert (done.status_code, done.headers["location"]) == (303, "/hub")
        me = client.get(f"{server.url}/api/v1/me").json()
    assert (me["id"], me["name"], me["federated_user_id"]) == ("ida", "Ida Lund", "ida-1")
    assert "roles:id:data-dev" in me["tags"]
    log = (server.home / "logs" / "server.log").read_text()
    assert SECRET not in log


def test_a_refusal_reaches_the_cli_that_waits(server, provider):
    script = server.folder / "refuses.py"
    script.write_text(REFUSES)
    env = {
        "BROWSER": f"{sys.executable} {script} %s",
        "DATAOS_CONFIG_DIRECTORY": str(server.folder / "refusing"),
        "DATAOS_HOME": str(server.folder / "none"),
    }
    done = server.cli("login", "--url", server.url, "--oidc", env=env)
    assert done.code == 3
    assert "was refused there" in done.err


REFUSES = """
import re, sys
import httpx

with httpx.Client(follow_redirects=True, trust_env=False) as browser:
    page = browser.get(sys.argv[1])
    abort = re.search(r'href="([^"]*/abort)"', page.text).group(1)
    browser.get(page.url.join(abort))
"""


def test_the_cli_logs_in_with_a_code_on_another_device(server, provider):
    provider.person("dev-1", preferred_username="dev", groups=["data-dev"])
    env = {
        **server.env,
        "DATAOS_CONFIG_DIRECTORY": str(server.folder / "device"),
        "DATAOS_HOME": str(server.folder / "none"),
    }
    argv = [sys.executable, "-m", "dataos.cli.main", "login", "--url", server.url, "--device"]
    process = subprocess.Popen(
        argv, env=env, cwd=server.work, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    killer = threading.Timer(90, process.kill)
    killer.start()
    try:
        said = ""
        link = None
        while link is None:
            line = process.stderr.readline()
            assert line, said
            said += line
            link = re.search(r"(http://\S+user_code=[A-Z0-9-]+)", line)
        with browser() as client:
            end = oidc.walk(client, link[1].rstrip('"'), login="dev-1", password="x")
        assert end.status_code == 200, end.text
        err = process.communicate(timeout=60)[1]
    finally:
        killer.cancel()
        process.kill()
    assert process.returncode == 0, said + err
    assert "login...complete: dev at" in err
    who = json.loads(server.ok("user", "get", "-O", "json", env=env).out)[0]
    assert (who["id"], who["federated_user_id"]) == ("dev", "dev-1")


def test_a_code_of_a_device_that_nobody_entered_opens_nothing(server):
    with browser() as client:
        begun = client.post(f"{server.url}/api/v1/login/oidc/device").json()
        asked = {"device_code": begun["device_code"]}
        waits = client.post(f"{server.url}/api/v1/login/oidc/device/token", json=asked)
        assert (waits.status_code, waits.json()["errors"][0]["code"]) == (409, "login.pending")
        wrong = client.post(f"{server.url}/api/v1/login/oidc/device/token", json={"device_code": "x" * 43})
        assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (401, "login.flow")
