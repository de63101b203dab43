"""What a Landing manifest may say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path as Folder
from typing import Any

from dataos.manifest.documents import Context, KindReading
from dataos.manifest.specs import Reading, Spec, Text, read_model, spelled


class LandingSection(Spec):
    """The section as written."""

    path: Text = spelled("folder")
    """The folder, absolute, below an allowed path."""
    keep: bool = True
    """Whether the folder stays, with what lies in it, when the Landing is deleted."""


@dataclass(frozen=True)
class LandingSpec:
    """Canonical Landing."""

    folder: Folder
    keep: bool


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical LandingSpec."""
    written = read_model(LandingSection, section, reading, (context.section,))
    if written is None:
        return None
    folder = Folder(written.path)
    if not folder.is_absolute():
        reading.error((context.section, "path"), f"`{written.path}` is not absolute", hint="write the whole path")
        return None
    return KindReading(LandingSpec(folder, written.keep))
