"""What goes wrong, by name. Messages are those of the server and of Flare."""

from __future__ import annotations

from collections.abc import Sequence

from dataos.core.errors import Problem


class PyflareException(Exception):
    """Any of them. `problems`: what the server or the engine said, with codes, if that is the cause."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class InvalidInputException(PyflareException):
    """A depot that is not in the session, an address that is none, or a server that refuses."""


class MissingElementException(PyflareException):
    """Something that a session or a call needs was not given."""


class MissingEnvironmentVariable(PyflareException):
    """An environment variable that stands in for a missing argument is not set either."""


class PyflareReadException(PyflareException):
    """A dataset could not be read."""


class PyflareWriteException(PyflareException):
    """A dataset could not be written."""
