"""Asking people for what must not be seen: never an argument, which others can see."""

from __future__ import annotations

import getpass
import sys

from dataos.core.errors import fail
from dataos.core.secrecy import Secret


def secret(what: str, flag: str, of: str = "") -> Secret:
    """A line, without echo on a terminal, else of standard input. `flag`: how the hint names the way in; `of`: whose
    it is, for the prompt.

    Raises DataOSError `usage.token` if there is none.
    """
    text = getpass.getpass(f"{what}{of}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not text.strip():
        raise fail("usage.token", f"no {what} was given", hint=f"type it when asked, or pipe it in: {flag}")
    return Secret(text)


def new_password(flag: str) -> Secret:
    """A new password: twice on a terminal. Raises DataOSError `usage.token`, `usage.answer` if the two differ."""
    first = secret("new password", flag)
    if sys.stdin.isatty() and secret("new password again", flag).reveal() != first.reveal():
        raise fail("usage.answer", "the two passwords differ", hint="try again")
    return first
