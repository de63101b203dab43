"""A real HTTP server that speaks S3 (moto's), on loopback; and one that misbehaves on purpose."""

from __future__ import annotations

import http.client
import http.server
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

SECRET = "s3cret-canary"


def depot(endpoint: str, name: str = "store", where: str = "relativePath: raw") -> str:
    """Manifests of the bucket `shop` as a depot, with keys for reading and writing. `where`: more of its place."""
    secrets = "".join(
        f"name: {name}-{acl}\nversion: v1\ntype: instance-secret\n"
        f"instance-secret: {{type: key-value-properties, acl: {acl}, data: {{accesskeyid: me, secretkey: {SECRET}}}}}\n"
        "---\n"
        for acl in ("r", "rw")
    )
    place = f'scheme: s3a, bucket: shop, {where}, region: us-east-1, endpoint: "{endpoint}"'
    return (
        f"{secrets}name: {name}\nversion: v2alpha\ntype: depot\ndepot:\n  type: S3\n  s3: {{{place}}}\n"
        f"  secrets: [{{name: {name}-r, allKeys: true}}, {{name: {name}-rw, allKeys: true}}]\n"
    )


@dataclass(frozen=True)
class S3:
    """A running store. It accepts every key pair."""

    endpoint: str

    def bucket(self, name: str, objects: Mapping[str, bytes] | None = None) -> None:
        """Make a bucket with objects in it."""
        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]  # the server's own, in this process
        backend.create_bucket(name, "us-east-1")
        for key, content in (objects or {}).items():
            backend.put_object(name, key, content)

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Put an object."""
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(bucket, key, content)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Keys of a bucket's objects, sorted."""
        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        return sorted(k for k in backend.buckets[bucket].keys if k.startswith(prefix))

    def read(self, bucket: str, key: str) -> bytes:
        """Content of an object."""
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[bucket].keys[key].value


@contextmanager
def running() -> Iterator[S3]:
    """Start it on a free port of loopback, stop it at the end."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3(f"http://{host}:{port}")
    finally:
        server.stop()
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].reset()


@dataclass
class Answering:
    """A server of one answer: `requests` are the (method, path, headers) that came."""

    endpoint: str
    requests: list[tuple[str, str, dict[str, str]]]


Answer = Callable[[int, str], tuple[int, bytes]]
"""Number of the request (from 0) and its path -> status and body."""


@contextmanager
def answering(answer: Answer, content_type: str = "application/xml") -> Iterator[Answering]:
    """Serve HTTP on loopback with answers of the test's choice."""
    seen: list[tuple[str, str, dict[str, str]]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def _reply(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            if length:
                self.rfile.read(length)
            seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            status, body = answer(len(seen) - 1, self.path)
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _reply

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Answering(f"http://127.0.0.1:{server.server_port}", seen)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Faulty:
    """A way to a store on which requests fail. `rule` sees method and path of each: a status instead of the store's
    answer, a fraction of its bytes before the connection breaks, or None."""

    endpoint: str
    rule: Callable[[str, str], int | float | None] = lambda method, path: None
    seen: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


_WORDS = {403: "InvalidAccessKeyId", 500: "InternalError", 503: "SlowDown"}


@contextmanager
def faulty(store: S3) -> Iterator[Faulty]:
    """Stand between a client and the store."""
    target = store.endpoint.removeprefix("http://")
    made = Faulty("")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            made.seen.append((self.command, self.path))
            fault = made.rule(self.command, self.path)
            if isinstance(fault, int):
                text = f"<Error><Code>{_WORDS[fault]}</Code></Error>".encode()
                self._send(fault, [("content-type", "application/xml")], text)
                return
            forward = http.client.HTTPConnection(target)
            forward.request(self.command, self.path, body, dict(self.headers.items()))
            answer = forward.getresponse()
            content = answer.read()
            forward.close()
            kept = [
                (k, v)
                for k, v in answer.getheaders()
                if k.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server")
            ]
            length = answer.getheader("content-length") if self.command == "HEAD" else None
            self._send(answer.status, kept, content, length, fault)

        def _send(
            self,
            status: int,
            headers: list[tuple[str, str]],
            content: bytes,
            length: str | None = None,
            part: float | None = None,
        ) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("content-length", length or str(len(content)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if part is not None:
                self.wfile.write(content[: int(len(content) * part)])
                self.close_connection = True
                return
            self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _reply

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
