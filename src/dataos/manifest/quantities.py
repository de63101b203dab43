"""Kubernetes quantities and durations as manifests write them (ch03 1.1), slips included."""

from __future__ import annotations

import re

from dataos.core import durations
from dataos.manifest.specs import Path, Reading

_CPU = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m?)")
_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kKMGTPE]i?|m|g|)B?")
_FACTORS = {
    "": 1,
    "k": 10**3,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "P": 10**15,
    "E": 10**18,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "Pi": 2**50,
    "Ei": 2**60,
    "g": 2**30,
}


def cpu(text: str | None, path: Path, reading: Reading) -> float | None:
    """CPUs of `100m`, `0.5`, `2`. A memory unit is a known slip: ignored with a warning. None if absent or unusable."""
    if text is None:
        return None
    match = _CPU.fullmatch(text.strip())
    if match:
        return float(match[1]) / (1000 if match[2] else 1)
    if _MEMORY.fullmatch(text.strip()):
        reading.warn(path, f"cpu `{text}` carries a memory unit and is ignored", hint="write 500m or 2")
        return None
    reading.error(path, f"`{text}` is no amount of CPU", hint="write 100m, 0.5 or 2")
    return None


def memory(text: str | None, path: Path, reading: Reading) -> int | None:
    """Bytes of `128Mi`, `1Gi`, `500M`, plain bytes; `500m` is read as 500Mi with a warning."""
    if text is None:
        return None
    match = _MEMORY.fullmatch(text.strip())
    if match is None:
        reading.error(path, f"`{text}` is no amount of memory", hint="write 512Mi or 2Gi")
        return None
    unit = match[2]
    if unit == "m":
        reading.warn(path, f"memory `{text}` is read as {match[1]}Mi", code="manifest.variant")
        unit = "Mi"
    return int(float(match[1]) * _FACTORS[unit])


def duration(text: str | None, path: Path, reading: Reading) -> float | None:
    """Seconds of `10s`, `5m`, `1h30m`; a bare number counts seconds."""
    if text is None:
        return None
    found = durations.parse(text)
    if found is None:
        reading.error(path, f"`{text}` is no duration", hint="write 10s, 5m or 1h30m")
    return found
