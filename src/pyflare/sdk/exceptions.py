"""What goes wrong, by name. Messages are those of the server and of Flare."""

from __future__ import annotations


class PyflareException(Exception):
    """Any of them."""


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
