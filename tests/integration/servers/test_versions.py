"""Client and server of different versions, over real HTTP."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import pytest

import dataos
from dataos.client.api import Client
from dataos.client.connections import Connection
from dataos.core import versions
from dataos.core.errors import DataOSError
from dataos.core.secrecy import Secret
from support.server import installation


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("server")) as made:
        yield made


def ask(url: str, client: str | None) -> tuple[int, dict[str, str], dict]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", "/api/v1/version", headers={versions.CLIENT_HEADER: client} if client else {})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(answer.read())
    finally:
        connection.close()


def test_every_answer_says_the_servers_version(server):
    for client in (None, "nonsense", f"{dataos.__version__}; api=1; needs=1", "99.0; api=7; needs=1"):
        status, headers, body = ask(server.url, client)
        assert status == 200, body
        said = versions.parse_side(headers["dataos-server"])
        assert said == versions.Side(dataos.__version__, versions.API_LEVEL, versions.OLDEST_CLIENT)


@pytest.mark.parametrize(
    ("client", "code"), [("0.0.1; api=0; needs=0", "client.too_old"), ("99.0; api=9; needs=9", "server.too_old")]
)
def test_sides_that_cannot_work_together_are_told(server, client, code):
    status, headers, body = ask(server.url, client)
    assert status == 426
    assert body["errors"][0]["code"] == code
    assert "dataos-server" in headers


@contextmanager
def strange(header: str | None) -> Iterator[str]:
    """A server of another version: answers everything with an empty list of Resources."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"items": [], "next": null}'
            self.send_response(200)
            if header:
                self.send_header(versions.SERVER_HEADER, header)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{made.server_port}"
        finally:
            made.shutdown()
            thread.join()


def client_of(url: str, heard: list[str]) -> Client:
    return Client(Connection(url, Secret("t"), "test"), notice=heard.append)


def test_a_client_refuses_a_server_that_does_not_know_it_is_too_old():
    heard: list[str] = []
    with strange("0.0.1; api=0; needs=0") as url, pytest.raises(DataOSError) as caught:
        list(client_of(url, heard).resources())
    assert caught.value.problem.code == "server.too_old"


def test_a_newer_server_is_worth_one_notice():
    heard: list[str] = []
    with strange("99.0.0; api=1; needs=1") as url:
        client = client_of(url, heard)
        assert list(client.resources()) == list(client.resources()) == []
    assert len(heard) == 1
    assert "server is newer" in heard[0]


def test_a_server_that_says_nothing_is_worked_with():
    heard: list[str] = []
    with strange(None) as url:
        assert list(client_of(url, heard).resources()) == []
    assert heard == []


def test_the_cli_says_the_notice_beside_the_answer(server):
    with strange("99.0.0; api=1; needs=1") as url:
        done = server.cli("get", "-a", "-t", "depot", "--url", url, "-O", "json")
    assert "server is newer than the client" in done.err
    assert "newer" not in done.out
