"""What a stackSpec of the stack `python3` may say: a program straight from a Git repository (ch03 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataos.core.addresses import Udl
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled
from dataos.manifest.stacks import RepoBlock, check_repo, read_depot


class StackBlock(Spec):
    """The stackSpec as written."""

    repo: RepoBlock
    """Where `main.py` and `requirements.txt` are."""
    depots: tuple[Text, ...] = spelled("depot", default=(), lone=True)
    """Depots whose secrets the program gets, by name or address."""


@dataclass(frozen=True)
class PythonSpec:
    """A program: `main.py` and `requirements.txt` in `folder` of a checkout. It gets the secrets of its depots."""

    url: str
    folder: str
    sync_flags: tuple[str, ...]
    addresses: tuple[tuple[Path, Udl], ...]


MODEL = StackBlock


def read(data: Any, reading: Reading, path: Path = ()) -> PythonSpec | None:
    """Canonical PythonSpec of the stackSpec at `path`, or None with every fault in `reading`."""
    before = len(reading.problems)
    block = read_model(StackBlock, data, reading, path, go_on=True)
    if block is None:
        return None
    repo = block.repo
    check_repo(repo, (*path, "repo"), reading)
    depots: list[tuple[Path, Udl]] = []
    for position, text in enumerate(block.depots):
        where = (*path, "depots", position)
        if udl := read_depot(text, where, reading):
            depots.append((where, udl))
    if len(reading.problems) > before:
        return None
    return PythonSpec(repo.url.strip(), repo.base_dir.strip("/"), repo.sync_flags, tuple(depots))
