"""The one error type of the platform.

Every failure that a person or a client program may see is a `DataOSError` holding one or more `Problem` values.
HTTP status and CLI exit code follow from a Problem's code through one table, so that no caller decides them anew.
Imported by everything; knows nothing of HTTP frameworks, terminals or stores.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """Exit codes of the CLI (architecture section 11)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_LOGGED_IN = 3
    FORBIDDEN = 4
    TIMEOUT = 5


@dataclass(frozen=True)
class Problem:
    """What went wrong, where, and what to do next.

    `code` is stable and dotted (`manifest.syntax`); `path` is a dotted path inside a manifest
    (`workflow.dag[0].name`); `file`, `line` and `column` (1-based) are filled where a file is known;
    `retry` is None for never, else the seconds after which the same call may succeed.
    """

    code: str
    message: str
    hint: str = ""
    type: str | None = None
    name: str | None = None
    path: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    retry: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The wire form: only the fields that say something; `code` and `message` always."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        for key in ("hint", "type", "name", "path", "file", "line", "column", "retry"):
            value = getattr(self, key)
            if value is not None and value != "":
                body[key] = value
        return body

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Problem:
        """Read the wire form back; unknown keys of a newer server are ignored."""
        known = {k: body[k] for k in cls.__dataclass_fields__ if k in body}
        known.setdefault("code", "unknown")
        known.setdefault("message", "the server sent a problem without a message")
        return cls(**known)

    def at(self, *, file: str | None = None, line: int | None = None, column: int | None = None) -> Problem:
        """The same problem with its place filled in where it was missing."""
        return replace(
            self, file=self.file or file, line=self.line or line, column=self.column if self.line else column
        )

    def where(self) -> str:
        """`file:line:column`, as far as known, for one-line rendering."""
        if self.file is None:
            return ""
        if self.line is None:
            return self.file
        return f"{self.file}:{self.line}" + (f":{self.column}" if self.column else "")


class DataOSError(Exception):
    """One or more problems. Raised inside, rendered at the edges (HTTP, CLI, run outcome)."""

    def __init__(self, problem: Problem | Iterable[Problem], *more: Problem) -> None:
        first = (problem,) if isinstance(problem, Problem) else tuple(problem)
        self.problems: tuple[Problem, ...] = first + more
        if not self.problems:
            raise ValueError("a DataOSError needs at least one Problem")
        super().__init__("; ".join(p.message for p in self.problems))

    @property
    def problem(self) -> Problem:
        """The first problem, which decides status and exit code."""
        return self.problems[0]


def fail(code: str, message: str, *, hint: str = "", **fields: Any) -> DataOSError:
    """Build (not raise) a DataOSError with a single Problem: `raise fail("x.y", "...")`."""
    return DataOSError(Problem(code=code, message=message, hint=hint, **fields))


# The one table. A code is looked up whole, then by its leading parts; what is not listed is a plain failure (400, 1).
_STATUS: dict[str, tuple[int, ExitCode]] = {
    "auth.missing": (401, ExitCode.NOT_LOGGED_IN),
    "auth.invalid": (401, ExitCode.NOT_LOGGED_IN),
    "auth.expired": (401, ExitCode.NOT_LOGGED_IN),
    "auth.disabled": (403, ExitCode.FORBIDDEN),
    "auth.forbidden": (403, ExitCode.FORBIDDEN),
    "login.refused": (401, ExitCode.NOT_LOGGED_IN),
    "login.invitation": (401, ExitCode.NOT_LOGGED_IN),
    "login.flow": (401, ExitCode.NOT_LOGGED_IN),
    "login.unknown_person": (403, ExitCode.FORBIDDEN),
    "login.off": (403, ExitCode.FORBIDDEN),
    "login.too_many": (429, ExitCode.FAILED),
    "login.busy": (429, ExitCode.FAILED),
    "login.pending": (409, ExitCode.FAILED),
    "login.no_session": (409, ExitCode.FAILED),
    "login.provider": (502, ExitCode.FAILED),
    "login.untrusted": (502, ExitCode.FAILED),
    "request.too_large": (413, ExitCode.FAILED),
    "request": (400, ExitCode.FAILED),
    "manifest": (422, ExitCode.FAILED),
    "kind.unsupported": (422, ExitCode.FAILED),
    "stack.unsupported": (422, ExitCode.FAILED),
    "kind": (422, ExitCode.FAILED),
    "resource.not_found": (404, ExitCode.FAILED),
    "resource.conflict": (409, ExitCode.FAILED),
    "resource.in_use": (409, ExitCode.FAILED),
    "resource.exists": (409, ExitCode.FAILED),
    "resource.generation_conflict": (409, ExitCode.FAILED),
    "resource.generation": (404, ExitCode.FAILED),
    "request.idempotency": (422, ExitCode.FAILED),
    "secret.gone": (409, ExitCode.FAILED),
    "user.not_found": (404, ExitCode.FAILED),
    "user.key_not_found": (404, ExitCode.FAILED),
    "user.exists": (409, ExitCode.FAILED),
    "user.in_use": (409, ExitCode.FAILED),
    "user.last": (409, ExitCode.FAILED),
    "user": (422, ExitCode.FAILED),
    "role.not_found": (404, ExitCode.FAILED),
    "workspace.not_found": (404, ExitCode.FAILED),
    "workspace.exists": (409, ExitCode.FAILED),
    "workspace.in_use": (409, ExitCode.FAILED),
    "workspace.shipped": (409, ExitCode.FAILED),
    "workspace": (422, ExitCode.FAILED),
    "resource": (422, ExitCode.FAILED),
    "run.not_found": (404, ExitCode.FAILED),
    "run.conflict": (409, ExitCode.FAILED),
    "iceberg.settled": (403, ExitCode.FAILED),
    "iceberg.unsupported": (406, ExitCode.FAILED),
    "iceberg.corrupt": (500, ExitCode.FAILED),
    "iceberg.storage": (503, ExitCode.FAILED),
    "iceberg.not_found": (404, ExitCode.FAILED),
    "iceberg.exists": (409, ExitCode.FAILED),
    "iceberg.conflict": (409, ExitCode.FAILED),
    "dataset.not_found": (404, ExitCode.FAILED),
    "dataset.exists": (409, ExitCode.FAILED),
    "dataset.busy": (503, ExitCode.FAILED),
    "dataset.applied": (409, ExitCode.FAILED),
    "dataset": (422, ExitCode.FAILED),
    "metadata.not_found": (404, ExitCode.FAILED),
    "metadata.no_profile": (404, ExitCode.FAILED),
    "metadata.no_tag": (404, ExitCode.FAILED),
    "metadata.no_suggestion": (404, ExitCode.FAILED),
    "metadata": (422, ExitCode.FAILED),
    "lineage": (422, ExitCode.FAILED),
    "query.timeout": (504, ExitCode.TIMEOUT),
    "query.cancelled": (499, ExitCode.FAILED),
    "query.queue_full": (429, ExitCode.FAILED),
    "query.queue_timeout": (504, ExitCode.TIMEOUT),
    "query.elsewhere": (409, ExitCode.FAILED),
    "query.unfinished": (409, ExitCode.FAILED),
    "query.result_gone": (410, ExitCode.FAILED),
    "query.not_found": (404, ExitCode.FAILED),
    "bench.not_found": (404, ExitCode.FAILED),
    "bench.conflict": (409, ExitCode.FAILED),
    "bench.full": (409, ExitCode.FAILED),
    "engine.unavailable": (503, ExitCode.FAILED),
    "engine.busy": (503, ExitCode.FAILED),
    "depot.unreachable": (502, ExitCode.FAILED),
    "depot.timeout": (504, ExitCode.TIMEOUT),
    "store.unavailable": (503, ExitCode.FAILED),
    "store.full": (507, ExitCode.FAILED),
    "store.damaged": (500, ExitCode.FAILED),
    "store.read_only": (503, ExitCode.FAILED),
    "client.too_old": (426, ExitCode.FAILED),
    "server.too_old": (426, ExitCode.FAILED),
    "process.no_sandbox": (422, ExitCode.FAILED),
    "process.result": (422, ExitCode.FAILED),
    "process.start": (500, ExitCode.FAILED),
    "process.stop": (500, ExitCode.FAILED),
    "query.exists": (409, ExitCode.FAILED),
    "query.forbidden": (403, ExitCode.FORBIDDEN),
    "policy.unavailable": (503, ExitCode.FAILED),
    "policy.not_in_force": (404, ExitCode.FAILED),
    "policy.filter": (403, ExitCode.FAILED),
    "policy": (422, ExitCode.FAILED),
    "governance.not_found": (404, ExitCode.FAILED),
    "governance.exists": (409, ExitCode.FAILED),
    "governance.in_use": (409, ExitCode.FAILED),
    "governance.shipped": (409, ExitCode.FAILED),
    "governance.decided": (409, ExitCode.FAILED),
    "governance.expired": (409, ExitCode.FAILED),
    "governance": (422, ExitCode.FAILED),
    "query.refused": (403, ExitCode.FAILED),
    "query.unknown_catalog": (404, ExitCode.FAILED),
    "query.unknown_relation": (404, ExitCode.FAILED),
    "query.internal": (500, ExitCode.FAILED),
    "query.memory": (507, ExitCode.FAILED),
    "query.spool_full": (507, ExitCode.FAILED),
    "query.spill": (507, ExitCode.FAILED),
    "query": (400, ExitCode.FAILED),
    "secret.not_found": (404, ExitCode.FAILED),
    "secret.unreadable": (500, ExitCode.FAILED),
    "depot.not_found": (404, ExitCode.FAILED),
    "depot.dataset_not_found": (404, ExitCode.FAILED),
    "depot.read_only": (403, ExitCode.FORBIDDEN),
    "depot.write": (422, ExitCode.FAILED),
    "depot.conflict": (409, ExitCode.FAILED),
    "depot.locked": (409, ExitCode.FAILED),
    "depot.exists": (409, ExitCode.FAILED),
    "depot.constraint": (422, ExitCode.FAILED),
    "depot.value": (422, ExitCode.FAILED),
    "depot.row_twice": (422, ExitCode.FAILED),
    "depot.outcome_unknown": (502, ExitCode.FAILED),
    "depot.overlap": (403, ExitCode.FAILED),
    "depot.path": (422, ExitCode.FAILED),
    "depot.table": (422, ExitCode.FAILED),
    "depot.credentials": (502, ExitCode.FAILED),
    "depot.no_such_database": (502, ExitCode.FAILED),
    "depot": (422, ExitCode.FAILED),
    "cluster.not_found": (404, ExitCode.FAILED),
    "stack": (422, ExitCode.FAILED),
    "stream.out_of_order": (409, ExitCode.FAILED),
    "stream.too_many": (429, ExitCode.FAILED),
    "flare": (422, ExitCode.FAILED),
    "server.unreachable": (503, ExitCode.FAILED),
    "server.internal": (500, ExitCode.FAILED),
    "wait.timeout": (504, ExitCode.TIMEOUT),
    "keys.pending": (409, ExitCode.FAILED),
    "usage": (400, ExitCode.USAGE),
}


def _lookup(code: str) -> tuple[int, ExitCode]:
    parts = code.split(".")
    for end in range(len(parts), 0, -1):
        found = _STATUS.get(".".join(parts[:end]))
        if found:
            return found
    return 400, ExitCode.FAILED


def http_status(code: str) -> int:
    """HTTP status of a problem code."""
    return _lookup(code)[0]


def exit_code(code: str) -> ExitCode:
    """CLI exit code of a problem code."""
    return _lookup(code)[1]
