"""Proof key for code exchange (RFC 7636): what a program shows at first of a word that it tells at the end."""

from __future__ import annotations

import base64
import hashlib

LENGTH = 43
"""Of every challenge."""


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier. Raises UnicodeEncodeError for one that is not ASCII."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).decode().rstrip("=")
