"""Sessions, and what is loaded and saved in them."""

from pyflare.sdk import exceptions, session_builder
from pyflare.sdk.exceptions import (
    InvalidInputException,
    MissingElementException,
    MissingEnvironmentVariable,
    PyflareReadException,
    PyflareWriteException,
)
from pyflare.sdk.sessions import load, minerva_input, refresh_global_data, save

__all__ = [
    "InvalidInputException",
    "MissingElementException",
    "MissingEnvironmentVariable",
    "PyflareReadException",
    "PyflareWriteException",
    "exceptions",
    "load",
    "minerva_input",
    "refresh_global_data",
    "save",
    "session_builder",
]
