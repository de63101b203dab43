"""Logging set-up: one structlog chain, JSON in services, text on terminals, secrets never by construction.

Our own lines go from the chain to the stream; those of libraries come through the standard library's handler.

Facts that belong to all lines of a piece of work (`resource`, `run`, `actor`, `request`) are bound once, by `bind`;
each look of the reconciler and each HTTP call is a task of its own, so they end with it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import TextIO

import structlog


def configure(*, json: bool, level: str = "INFO", stream: TextIO | None = None, rotate: Rotation | None = None) -> None:
    """Set up structlog and route the standard library's loggers through the same renderer."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    )
    handler = _Handler(stream or sys.stderr, rotate)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "uvicorn.access", "alembic", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    lines = _Lines(handler)
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=lambda *_: lines,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """The module's logger."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger


def bind(**facts: str | None) -> None:
    """Add facts to all lines that this task (and what it awaits) writes from here on; None ones are left out."""
    structlog.contextvars.bind_contextvars(**{name: fact for name, fact in facts.items() if fact is not None})


class Rotation:
    """Keeps the file that standard error goes to below a size: at a quarter of it, it becomes `<file>.1`, older ones
    move on, and the oldest goes. What is written past logging (a crash of the interpreter) counts too. Does nothing
    where standard error is something else (a terminal, a service manager that rotates itself)."""

    FILES = 4

    def __init__(self, file: Path, limit_bytes: int) -> None:
        self._file = file
        self._piece = max(limit_bytes // self.FILES, 4096)

    def check(self) -> None:
        """Called after each line."""
        try:
            status = os.fstat(2)
            if status.st_size < self._piece or not os.path.samestat(status, self._file.stat()):
                return
            for number in range(self.FILES - 1, 0, -1):
                older = self._numbered(number)
                if number == self.FILES - 1:
                    older.unlink(missing_ok=True)
                elif older.exists():
                    older.rename(self._numbered(number + 1))
            self._file.rename(self._numbered(1))
            fresh = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            for standard in (1, 2):
                os.dup2(fresh, standard)
            os.close(fresh)
        except OSError:
            return  # a full disk: a line must not end the server

    def _numbered(self, number: int) -> Path:
        return self._file.with_name(f"{self._file.name}.{number}")


class _Handler(logging.StreamHandler[TextIO]):
    """A stream whose file may be rotated below it."""

    def __init__(self, stream: TextIO, rotate: Rotation | None) -> None:
        super().__init__(stream)
        self._rotate = rotate

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if self._rotate is not None:
            self._rotate.check()

    def write(self, line: str) -> None:
        """A line that is made already. It must not fail what it tells of."""
        with self.lock or contextlib.nullcontext(), contextlib.suppress(OSError, ValueError):
            self.stream.write(line + "\n")
            self.flush()
            if self._rotate is not None:
                self._rotate.check()


class _Lines:
    """What structlog hands its lines to, whatever their level."""

    def __init__(self, handler: _Handler) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = self.exception = handler.write
