"""The stage of a product's life: said by its manifest, else derived (ch09 4)."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

DESIGN, BUILD, ACTIVE, DEPRECATED, RETIRED = "design", "build", "active", "deprecated", "retired"


def stage(
    lifecycle: Mapping[str, Any],
    *,
    draft: bool,
    resolved: bool,
    tiers: Iterable[str],
    today: datetime.date,
    deleted: bool,
) -> str:
    """What it is today. A day that has come wins over what is said; a draft is in design whatever it says."""
    retire, deprecated = _date(lifecycle.get("retireOn")), _date(lifecycle.get("deprecatedOn"))
    said = lifecycle.get("stage")
    if deleted or said == RETIRED or (retire is not None and today >= retire):
        return RETIRED
    if draft:
        return DESIGN
    if said == DEPRECATED or (deprecated is not None and today >= deprecated):
        return DEPRECATED
    if said:
        return str(said)
    if any(t.strip().lower() == DEPRECATED for t in tiers):
        return DEPRECATED
    return ACTIVE if resolved else BUILD


def banner(lifecycle: Mapping[str, Any], found: str) -> dict[str, Any] | None:
    """What consumers must know of the end of a product; None: nothing."""
    if found not in (DEPRECATED, RETIRED):
        return None
    until = lifecycle.get("retireOn")
    instead = lifecycle.get("replacedBy")
    text = "This product is retired" if found == RETIRED else "This product is deprecated"
    text += f" and goes on {until}" if until and found == DEPRECATED else ""
    text += f": use {instead}" if instead else ""
    return {"text": text, "retireOn": until, "replacedBy": instead}


def next_change(lifecycle: Mapping[str, Any], today: datetime.date) -> datetime.date | None:
    """The next day on which the stage changes by itself."""
    days = [_date(lifecycle.get(key)) for key in ("deprecatedOn", "retireOn")]
    return min((day for day in days if day is not None and day > today), default=None)


def _date(text: Any) -> datetime.date | None:
    return datetime.date.fromisoformat(text) if isinstance(text, str) else None
