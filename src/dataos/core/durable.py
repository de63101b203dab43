"""Small files that a loss of power leaves whole: the old content or the new, and on disk when the call returns."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def write(file: Path, content: bytes, mode: int = 0o600) -> None:
    """Put content in the place of a file. Raises OSError; the file is then as it was."""
    beside = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        beside.unlink(missing_ok=True)  # of a process that died here and had the same number
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def create(file: Path, content: bytes, mode: int = 0o644) -> bool:
    """Make a file with content, unless one of that name is there: then False. Of several who try, one succeeds. Makes
    the folder. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}.new")
    write(beside, content, mode)
    try:
        os.link(beside, file)
    except FileExistsError:
        return False
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(file.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Bring to disk which entries a folder has."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
