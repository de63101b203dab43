"""What the planner told the job: job.json, and the token beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dataos.core.errors import fail
from dataos.core.secrecy import Secret
from dataos.core.sparkaddresses import SparkAddress

VERSION = 1
CONFIG_FILE = "job.json"
TOKEN_FILE = "token"  # noqa: S105 - a file name
SPARK_TOKEN_FILE = "spark-token"  # noqa: S105 - a file name

Kind = Literal["files", "objects", "table", "query", "messages", "rate"]


@dataclass(frozen=True)
class Source:
    """Where an input is. files: absolute paths; objects: paths below `place`, their store's root, asked of the server
    one by one; table: warehouse, namespace, table; query, messages (of a topic): asked of the server; rate: made here.
    `stream`: it is read as a stream, and `files` is what a batch reads of it."""

    kind: Kind
    place: str = ""  # for messages
    format: str = ""
    files: tuple[str, ...] = ()
    warehouse: str = ""
    namespace: tuple[str, ...] = ()
    table: str = ""
    schema: str = ""  # the file of the input's schema: absolute, or below its store's root
    stream: bool = False


@dataclass(frozen=True)
class Target:
    """Where an output goes. table: warehouse, namespace, table, and a branch other than `main`; files: a folder of the
    out folder, whence the server brings them to their place, the mark that their names hold, and their format;
    `whole`: they are the rows of a table that the server writes, hence without folders of partitions; `messages`: they
    are messages of that format, which the server sends.
    """

    kind: Literal["table", "files"] = "table"
    warehouse: str = ""
    namespace: tuple[str, ...] = ()
    table: str = ""
    branch: str = ""
    folder: str = ""
    mark: str = ""
    format: str = ""
    whole: bool = False
    messages: str = ""

    @property
    def name(self) -> str:
        """The table as the catalog knows it: a branch of it is a table of its own there."""
        return f"{self.table}@{self.branch}" if self.branch else self.table


@dataclass(frozen=True)
class Job:
    """One attempt. `server` empty: reached through the unix socket."""

    stack_spec: Mapping[str, Any]
    sources: Mapping[str, Source]  # by input name
    targets: tuple[Target, ...]  # in the order of outputs
    identity: Mapping[str, str]  # workspace, workflow, run, user, job, attempt: for the log
    token: Secret
    server: str = ""
    log_level: str = "INFO"
    threads: int = 0
    memory_bytes: int = 0
    now_us: int | None = None
    state: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict[str, Mapping[str, str]]
    )  # input -> what it remembers
    spark: SparkAddress | None = None  # the Spark that runs the job; None: the embedded engine
    spark_token: Secret | None = None  # which it asks for
    catalog: str = ""  # the server's address as that Spark reaches it
    engine_reason: str = ""  # why this engine: for the log
    limit: int = 0  # most rows of each input; 0: all


def load(config: Path, secret: Path) -> Job:
    """The job of these folders. Raises DataOSError `flare.job` if they hold none that this version understands."""
    try:
        body: dict[str, Any] = json.loads((config / CONFIG_FILE).read_text())
        token = Secret((secret / TOKEN_FILE).read_text().strip())
        own = secret / SPARK_TOKEN_FILE
        spark_token = Secret(own.read_text().strip()) if own.exists() else None
    except (OSError, ValueError) as error:
        raise fail("flare.job", f"the job's own files cannot be read: {error}") from error
    if body.get("version") != VERSION:
        raise fail("flare.job", f"job.json has version {body.get('version')}, this program reads {VERSION}")
    return Job(
        stack_spec=body["stack_spec"],
        sources={k: _source(v) for k, v in body["sources"].items()},
        targets=tuple(_target(t) for t in body["targets"]),
        identity=body.get("identity", {}),
        token=token,
        server=body.get("server", ""),
        log_level=body.get("log_level", "INFO"),
        threads=int(body.get("threads", 0)),
        memory_bytes=int(body.get("memory_bytes", 0)),
        now_us=body.get("now_us"),
        state=body.get("state", {}),
        spark=SparkAddress.parse(body["spark"]) if body.get("spark") else None,
        spark_token=spark_token,
        catalog=body.get("catalog", ""),
        engine_reason=body.get("engine_reason", ""),
    )


def dump(
    stack_spec: Mapping[str, Any],
    sources: Mapping[str, Source],
    targets: tuple[Target, ...],
    identity: Mapping[str, str],
    **more: Any,
) -> bytes:
    """job.json of these values; the token never goes into it."""
    body = {
        "version": VERSION,
        "stack_spec": stack_spec,
        "sources": {k: vars(v) for k, v in sources.items()},
        "targets": [vars(t) for t in targets],
        "identity": identity,
        **more,
    }
    return json.dumps(body).encode()


def _source(body: Mapping[str, Any]) -> Source:
    return Source(
        kind=body["kind"],
        place=body.get("place", ""),
        format=body.get("format", ""),
        files=tuple(body.get("files", ())),
        warehouse=body.get("warehouse", ""),
        namespace=tuple(body.get("namespace", ())),
        table=body.get("table", ""),
        schema=body.get("schema", ""),
        stream=body.get("stream", False),
    )


def _target(body: dict[str, Any]) -> Target:
    return Target(
        kind=body["kind"],
        warehouse=body.get("warehouse", ""),
        namespace=tuple(body.get("namespace", ())),
        table=body.get("table", ""),
        branch=body.get("branch", ""),
        folder=body.get("folder", ""),
        mark=body.get("mark", ""),
        format=body.get("format", ""),
        whole=body.get("whole", False),
        messages=body.get("messages", ""),
    )
