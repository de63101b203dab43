"""What a Volume manifest may say (ch03 11): storage with a name that outlives those who use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from dataos.manifest import quantities
from dataos.manifest.annotations import Words
from dataos.manifest.documents import Context, KindReading
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model

ACCESS_MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany")
TYPES = ("temp", "persistent", "CloudTemp", "CloudPersistent")


class VolumeSection(Spec):
    """The section as written."""

    size: Text
    """Size, for instance `5Gi`."""
    access_mode: Annotated[Text, Words(*ACCESS_MODES)]
    """How many may mount it, and how."""
    type: Annotated[Text, Words(*TYPES)]
    """Whether it outlives its users, and whether it is a cloud's own disk."""


@dataclass(frozen=True)
class VolumeSpec:
    """Canonical Volume. `is_cloud`: a cloud's own disk, for one workload at a time."""

    size_bytes: int
    access_mode: str
    is_persistent: bool
    is_cloud: bool


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical VolumeSpec."""
    path: Path = (context.section,)
    before = len(reading.problems)
    spec = read_model(VolumeSection, section, reading, path)
    if spec is None:
        return None
    size = quantities.memory(spec.size, (*path, "size"), reading)
    if size is not None and size <= 0:
        reading.error((*path, "size"), "a volume needs a size above 0", hint="write 5Gi")
    mode = one_of(spec.access_mode, ACCESS_MODES, (*path, "accessMode"), reading, "accessMode")
    type_ = one_of(spec.type, TYPES, (*path, "type"), reading, "volume type")
    is_cloud = type_ in ("CloudTemp", "CloudPersistent")
    if is_cloud and mode not in (None, "ReadWriteOnce"):
        reading.error(
            (*path, "accessMode"),
            f"a volume of type {type_} serves one workload: accessMode {mode} is not allowed",
            hint="write ReadWriteOnce, or type `temp` or `persistent`",
        )
    if size is None or mode is None or type_ is None or len(reading.problems) > before:
        return None
    return KindReading(VolumeSpec(size, mode, type_ in ("persistent", "CloudPersistent"), is_cloud))
