"""Calls to a server. Thin: a method per route, errors as DataOSError, streams as streams.

Plain `http.client` on purpose: it is in the standard library and starts in no time (a CLI call is mostly start-up).
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, cast
from urllib.parse import quote, urlencode, urlsplit

import dataos
from dataos.client.connections import Connection
from dataos.core import versions
from dataos.core.errors import DataOSError, Problem, fail

_SIDE = versions.Side(dataos.__version__, versions.API_LEVEL, versions.OLDEST_SERVER)
JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
BYTES = "application/octet-stream"


class Response:
    """An answer whose body is read as it comes. Close it, or read it to its end."""

    def __init__(self, raw: http.client.HTTPResponse, connection: http.client.HTTPConnection) -> None:
        self._raw = raw
        self._connection = connection
        self.status = raw.status
        self.headers = {k.lower(): v for k, v in raw.getheaders()}

    def read(self) -> bytes:
        """The whole body."""
        try:
            return self._raw.read()
        finally:
            self.close()

    def chunks(self, size: int = 1 << 16) -> Iterator[bytes]:
        """The body in pieces, as they arrive. Raises DataOSError `server.unreachable` when it breaks off."""
        try:
            while piece := self._raw.read1(size):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise fail("server.unreachable", f"the answer broke off: {error}", hint="repeat the call") from error
        finally:
            self.close()

    def close(self) -> None:
        """Give the connection back to the system."""
        self._raw.close()
        self._connection.close()


def _unheard(_: str) -> None:
    """Nobody is told."""


class Client:
    """One server, one identity. Methods raise DataOSError with the server's own problems."""

    def __init__(
        self, connection: Connection, timeout_s: float = 60.0, *, notice: Callable[[str], None] = _unheard
    ) -> None:
        """`notice` hears, once, that the server is of another version and yet works with this client."""
        self.connection = connection
        self._timeout_s = timeout_s
        self._notice: Callable[[str], None] | None = notice

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        content: tuple[BinaryIO, str] | None = None,
        accept: str = JSON,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Response:
        """One request, with a body as JSON or the content of a file and its type. A status of 400 and more raises
        DataOSError."""
        target = urlsplit(self.connection.url)
        query = urlencode({k: _text(v) for k, v in (params or {}).items() if v is not None})
        sent = {**(headers or {}), "Accept": accept, versions.CLIENT_HEADER: str(_SIDE)}
        if token := self.connection.token.reveal():  # none yet: to log in
            sent["Authorization"] = f"Bearer {token}"
        payload: Any = None
        if content is not None:
            payload, sent["Content-Type"] = content
            sent["Content-Length"] = str(os.fstat(payload.fileno()).st_size)
        if body is not None:
            payload = json.dumps(body).encode()
            sent["Content-Type"] = JSON
        connection = _open(target.scheme, target.hostname or "", target.port, timeout_s or self._timeout_s)
        try:
            connection.request(method, target.path + path + (f"?{query}" if query else ""), payload, sent)
            response = Response(connection.getresponse(), connection)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._unreachable(error) from error
        server = versions.parse_side(response.headers.get(versions.SERVER_HEADER.lower()))
        if server is not None and (problem := versions.find_problem(_SIDE, server)):
            response.close()
            raise DataOSError(problem)
        if server is not None and self._notice is not None and (text := versions.find_notice(_SIDE, server)):
            self._notice(text)
            self._notice = None
        if response.status >= 400:
            raise _problems(response)
        return response

    def json(self, method: str, path: str, **options: Any) -> Any:
        """One request whose answer is JSON."""
        raw = self.call(method, path, **options).read()
        return json.loads(raw) if raw else None

    def _unreachable(self, error: Exception) -> DataOSError:
        if isinstance(error, TimeoutError):
            return fail("wait.timeout", f"{self.connection.url} did not answer in time", hint="repeat the call")
        if isinstance(error, ssl.SSLCertVerificationError):
            return fail(
                "server.untrusted",
                f"the certificate of {self.connection.url} is not trusted: {error.verify_message}",
                hint="name its authority with SSL_CERT_FILE=<ca.pem>, or take any with --tls-allow-insecure",
            )
        return fail(
            "server.unreachable",
            f"no server answers at {self.connection.url} ({self.connection.source}): {error}",
            hint="start it with `dataos up`, or name another with --url or --context",
        )

    # --- resources ---------------------------------------------------------------------------------------------------

    def apply(self, document: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        """Apply one document. Options: workspace, dryRun, rerun, source. Returns {action, resource, warnings}."""
        return cast("dict[str, Any]", self.json("POST", "/api/v1/apply", body={"document": document, **options}))

    def plan(self, documents: list[dict[str, Any]]) -> dict[str, Any]:
        """What applying would do: {items: [{action, resource, changes, errors, warnings}]}."""
        return cast("dict[str, Any]", self.json("POST", "/api/v1/plan", body={"documents": documents}))

    def resources(self, **wanted: Any) -> Iterator[dict[str, Any]]:
        """All Resources that match (type, workspace, name, owner), page by page."""
        after: str | None = None
        while True:
            page = self.json("GET", "/api/v1/resources", params={**wanted, "after": after})
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def resource(self, type_: str, name: str, workspace: str | None, **options: Any) -> dict[str, Any]:
        """One Resource with its manifest. Options: unSanitize."""
        return cast("dict[str, Any]", self.json("GET", resource_path(type_, name, workspace), params=options))

    def runtime(self, type_: str, name: str, workspace: str | None) -> dict[str, Any]:
        """What `get runtime` shows."""
        return cast("dict[str, Any]", self.json("GET", resource_path(type_, name, workspace) + "/runtime"))

    def log(
        self, type_: str, name: str, workspace: str | None, *, run: str | None = None, **options: Any
    ) -> dict[str, Any]:
        """Logs of the newest run, or of `run`: {state, nodes: [{node, attempt, text, next}]}. Options: node, tail,
        after."""
        path = resource_path(type_, name, workspace) + (f"/runs/{quote(run, safe='')}" if run else "") + "/log"
        return cast("dict[str, Any]", self.json("GET", path, params=options))

    def runs(self, type_: str, name: str, workspace: str | None, **options: Any) -> dict[str, Any]:
        """Runs of a Workflow, newest first: {items, next}. Options: limit, before."""
        path = resource_path(type_, name, workspace) + "/runs"
        return cast("dict[str, Any]", self.json("GET", path, params=options))

    def run(self, type_: str, name: str, workspace: str | None, run: str) -> dict[str, Any]:
        """One run in the form of `runtime`."""
        path = f"{resource_path(type_, name, workspace)}/runs/{quote(run, safe='')}"
        return cast("dict[str, Any]", self.json("GET", path))

    def ask_runtime(
        self, type_: str, name: str, workspace: str | None, verb: str, *, from_failed: bool = False
    ) -> dict[str, Any]:
        """pause, resume, stop, re-run or run: {verb, result: done | unchanged, resource, runs: [ids]}."""
        path = f"{resource_path(type_, name, workspace)}/runtime/{verb}"
        return cast("dict[str, Any]", self.json("POST", path, body={"fromFailed": from_failed}))

    def states(self, type_: str, name: str, workspace: str | None) -> list[dict[str, Any]]:
        """What a Workflow's jobs remember between runs: [{job, input, state, run, updated}]."""
        body = self.json("GET", resource_path(type_, name, workspace) + "/state")
        return cast("list[dict[str, Any]]", body["items"])

    def reset_state(self, type_: str, name: str, workspace: str | None, **options: Any) -> int:
        """Let them begin anew; how many inputs that were. Options: job, input."""
        return int(self.json("DELETE", resource_path(type_, name, workspace) + "/state", params=options)["count"])

    def set_state(
        self, type_: str, name: str, workspace: str | None, job: str, input_: str, values: dict[str, str]
    ) -> dict[str, Any]:
        """Set values of one input: {job, input, state}."""
        body = {"job": job, "input": input_, "state": values}
        return cast("dict[str, Any]", self.json("PUT", resource_path(type_, name, workspace) + "/state", body=body))

    def delete(self, type_: str, name: str, workspace: str | None, *, force: bool = False) -> str:
        """deleted | deleting | nothing."""
        body = self.json("DELETE", resource_path(type_, name, workspace), params={"force": force})
        return str(body["result"])

    # --- queries -----------------------------------------------------------------------------------------------------

    def query(self, sql: str, *, accept: str = JSON, **options: Any) -> Response:
        """Run a statement (Trino dialect). Options: maxRows, timeoutS, catalog, schema. The body is JSON or Arrow."""
        timeout = float(options.get("timeoutS") or 300.0) + 30.0
        return self.call("POST", "/api/v1/query", body={"sql": sql, **options}, accept=accept, timeout_s=timeout)


def resource_path(type_: str, name: str, workspace: str | None) -> str:
    """The route of one Resource."""
    prefix = f"/api/v1/workspaces/{quote(workspace, safe='')}" if workspace else "/api/v1"
    return f"{prefix}/resources/{quote(type_, safe='')}/{quote(name, safe='')}"


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket: how a job reaches the server."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(cast("float", self.timeout))
        self.sock.connect(self._path)


def _open(scheme: str, host: str, port: int | None, timeout_s: float) -> http.client.HTTPConnection:
    if scheme == "http+unix":
        return _UnixConnection(os.environ.get("DATAOS_SERVER_SOCKET", ""), timeout_s)
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=_tls())
    return http.client.HTTPConnection(host, port, timeout=timeout_s)


INSECURE = "DATAOS_TLS_ALLOW_INSECURE"
"""Of the environment: `true` takes any certificate of a server (the flag --tls-allow-insecure sets it)."""


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    if os.environ.get(INSECURE, "").lower() == "true":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _problems(response: Response) -> DataOSError:
    raw = response.read()
    try:
        body = json.loads(raw)
        problems = [Problem.from_json(p) for p in body.get("errors", [])]
    except (ValueError, AttributeError):
        problems = []
    if not problems:
        text = raw[:200].decode("utf-8", "replace")
        problems = [Problem("server.internal", f"the server answered {response.status}: {text}")]
    return DataOSError(problems)
