"""Binary values where only text can stand: a `data:` address (RFC 2397) with base64.

A secret of a file that is no text (a Java key store) travels and is kept so, and is bytes again where a file is made of
it. Anybody may write such an address into a secret by hand.
"""

from __future__ import annotations

import base64
import binascii

_PREFIX = "data:application/octet-stream;base64,"


def to_text(content: bytes) -> str:
    """The content as text: itself if it is UTF-8, else an address."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return _PREFIX + base64.b64encode(content).decode("ascii")


def is_binary(text: str) -> bool:
    """Whether a text stands for bytes."""
    return _decoded(text) is not None


def to_bytes(text: str) -> bytes:
    """The content again."""
    found = _decoded(text)
    return text.encode("utf-8") if found is None else found


def _decoded(text: str) -> bytes | None:
    if not text.startswith(_PREFIX):
        return None
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
