"""Masks of columns on their way: `{email: hash, amount: "round:2"}` (ch02 appendix A)."""

from __future__ import annotations

import re
from typing import Any, cast

from dataos.core import names
from dataos.manifest.specs import Path, Reading

PARAMETERS: dict[str, str] = {
    **dict.fromkeys(
        (
            "hash", "sha256", "md5", "redact", "email", "phone", "credit_card", "ssn", "first_letter", "stars", "uuid",
            "sequential", "random", "year_only", "month_year",
        ),
        "",
    ),
    "hmac": "key",
    "partial": "number",
    "fixed": "value",
    "round": "number",
    "range": "number",
    "noise": "number",
    "date_shift": "number",
}  # fmt: skip
"""Algorithms, and what stands behind the colon."""

_HINTED = {
    "round": "text",
    "range": "text",
    "noise": "double",
    "date_shift": "text",
    "year_only": "text",
    "month_year": "text",
}


def check_masks(masks: Any, hints: Any, path: Path, reading: Reading) -> None:
    """Algorithms and their parameters; some need a type hint for their column, as `hints` may give it."""
    if not isinstance(masks, dict):
        reading.error(path, "`mask` maps columns to algorithms", hint="for instance {email: hash}")
        return
    for column, written in cast("dict[str, Any]", masks).items():
        where = (*path, column)
        if not isinstance(written, str):
            reading.error(where, "an algorithm is a text", hint="for instance hash, or partial:4")
            continue
        algorithm, colon, parameter = written.strip().partition(":")
        wanted = PARAMETERS.get(algorithm)
        if wanted is None:
            hint = names.did_you_mean(algorithm, PARAMETERS) or "known: " + ", ".join(PARAMETERS)
            reading.error(where, f"mask `{algorithm[:40]}` is not known", hint=hint)
        elif wanted and not parameter:
            reading.error(where, f"mask `{algorithm}` needs a {wanted}", hint=f"write {algorithm}:<{wanted}>")
        elif colon and not wanted:
            reading.error(where, f"mask `{algorithm}` takes no parameter", hint=f"write {algorithm}")
        elif wanted == "number" and not re.fullmatch(r"[0-9]+(\.[0-9]+)?", parameter.strip()):
            reading.error(where, f"mask `{algorithm}` needs a number", hint=f"for instance {algorithm}:2")
        needed = _HINTED.get(algorithm)
        hinted = cast("dict[str, Any]", hints).get(column) if isinstance(hints, dict) else None
        if needed and str(hinted).lower() != needed:
            hint = f"add `type-hints: {{{column}: {needed}}}`"
            reading.warn(where, f"mask `{algorithm}` works on a column of type {needed}", hint=hint)
