"""A schema registry of the tests' own: Confluent's REST interface on loopback, with a login if wanted."""

from __future__ import annotations

import base64
import json
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any
from urllib.parse import unquote

import fastavro


@dataclass
class Registry:
    """Schemas by id; subjects with their versions' ids; `asked`: paths of requests."""

    url: str = ""
    login: tuple[str, str] | None = None
    schemas: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    subjects: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    asked: list[str] = field(default_factory=list[str])
    away: bool = False

    def add(self, subject: str, schema: Any, kind: str = "AVRO", references: list[dict[str, Any]] | None = None) -> int:
        """The id of a schema under a subject."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        found = next((n for n, s in self.schemas.items() if s["schema"] == text), None)
        number = found or 100 + len(self.schemas)
        self.schemas[number] = {
            "schema": text,
            **({"schemaType": kind} if kind != "AVRO" else {}),
            **({"references": references} if references else {}),
        }
        versions = self.subjects.setdefault(subject, [])
        if number not in versions:
            versions.append(number)
        return number

    def message(self, number: int, value: Any) -> bytes:
        """A value in the wire format of a schema."""
        stream = BytesIO()
        fastavro.schemaless_writer(stream, fastavro.parse_schema(json.loads(self.schemas[number]["schema"])), value)
        return struct.pack(">bI", 0, number) + stream.getvalue()

    def value(self, data: bytes) -> Any:
        """The value of a message."""
        zero, number = struct.unpack_from(">bI", data)
        assert zero == 0
        schema = fastavro.parse_schema(json.loads(self.schemas[number]["schema"]))
        return fastavro.schemaless_reader(BytesIO(data[5:]), schema, None)

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        """Status and body of a request."""
        match path.strip("/").split("/"):
            case ["schemas", "ids", number] if int(number) in self.schemas:
                return 200, self.schemas[int(number)]
            case ["schemas", "ids", number, "versions?deleted=true"] if int(number) in self.schemas:
                found = [(s, v.index(int(number)) + 1) for s, v in self.subjects.items() if int(number) in v]
                return 200, [{"subject": subject, "version": version} for subject, version in found]
            case ["subjects", subject, "versions"] if body is None and unquote(subject) in self.subjects:
                return 200, list(range(1, len(self.subjects[unquote(subject)]) + 1))
            case ["subjects", subject, "versions"] if body is not None:
                known = [json.loads(self.schemas[n]["schema"]) for n in self.subjects.get(unquote(subject), [])]
                new = json.loads(body["schema"])
                if known and {f["name"] for f in known[-1]["fields"]} - {f["name"] for f in new["fields"]}:
                    return 409, {"error_code": 409, "message": "Schema being registered is incompatible"}
                return 200, {"id": self.add(unquote(subject), body["schema"])}
            case ["subjects", subject, "versions", version] if unquote(subject) in self.subjects:
                versions = self.subjects[unquote(subject)]
                place = len(versions) if version == "latest" else int(version)
                if place <= len(versions):
                    number = versions[place - 1]
                    return 200, {"subject": unquote(subject), "version": place, "id": number, **self.schemas[number]}
        return 404, {"error_code": 40403, "message": "Schema not found"}


@contextmanager
def running(login: tuple[str, str] | None = None) -> Iterator[Registry]:
    """A registry that answers."""
    made = Registry(login=login)

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            made.asked.append(self.path)
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            wanted = base64.b64encode(":".join(made.login).encode()).decode() if made.login else None
            if made.away:
                status, answer = 503, {}
            elif wanted is not None and self.headers.get("Authorization") != f"Basic {wanted}":
                status, answer = 401, {"error_code": 401}
            else:
                status, answer = made.answer(self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _do

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
