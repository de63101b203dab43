"""What a stackSpec of the retired stack `toolbox` may say: which metadata version of a table counts (ch04 12)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from dataos.core.addresses import Udl
from dataos.manifest.annotations import Words
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model
from dataos.manifest.stacks import read_address

_VERSION = re.compile(r"(latest|v?[0-9]+(-[0-9A-Za-z-]+)?(\.gz)?(\.metadata)?(\.json)?)", re.IGNORECASE)


class ActionBlock(Spec):
    """`action`."""

    name: Annotated[Text, Words("set_version")]
    """`set_version`."""
    value: Text
    """`latest`, or the name of a metadata file."""


class StackBlock(Spec):
    """The stackSpec as written."""

    dataset: Text
    """Address of the table."""
    action: ActionBlock
    """What is done."""


@dataclass(frozen=True)
class ToolboxSpec:
    """Set the table at `address` to a metadata version: `latest`, or a file's name such as `v12.json`."""

    address: Udl
    version: str
    addresses: tuple[tuple[Path, Udl], ...]


MODEL = StackBlock


def read(data: Any, reading: Reading, path: Path = ()) -> ToolboxSpec | None:
    """Canonical ToolboxSpec of the stackSpec at `path`, or None with every fault in `reading`."""
    before = len(reading.problems)
    block = read_model(StackBlock, data, reading, path, go_on=True)
    if block is None:
        return None
    address = read_address(block.dataset, (*path, "dataset"), reading, writes=True)
    one_of(block.action.name, ("set_version",), (*path, "action", "name"), reading, "action")
    value = block.action.value.strip()
    if not _VERSION.fullmatch(value):
        hint = "write `latest`, or the name of a metadata file such as v12.json"
        reading.error((*path, "action", "value"), f"`{value[:80]}` is no metadata version", hint=hint)
    if address is None or len(reading.problems) > before:
        return None
    return ToolboxSpec(address, value, (((*path, "dataset"), address),))
