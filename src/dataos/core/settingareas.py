"""What all areas of the settings have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Area(BaseModel):
    """Settings that belong together. Unknown keys fail; nothing changes after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True)
