"""Packed files (zip, gz) unpacked into scratch, so that every reader sees plain ones."""

from __future__ import annotations

import gzip
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path, PurePosixPath

from dataos.core.errors import fail


def unpack(files: Iterable[str], folder: Path) -> list[str]:
    """Plain files in place of packed ones, in order. Raises DataOSError `flare.file` naming file and member."""
    found: list[str] = []
    numbers = count(len(os.listdir(folder)) if folder.exists() else 0)  # of files in the folder: another group's too
    for path in files:
        low = path.lower()
        if low.endswith(".zip"):
            found += _zip(path, folder, numbers)
        elif low.endswith((".gz", ".gzip")):
            found.append(_gzip(path, folder, numbers))
        else:
            found.append(path)
    return found


def _zip(path: str, folder: Path, numbers: Iterator[int]) -> list[str]:
    found: list[str] = []
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                name = PurePosixPath(info.filename)
                if info.is_dir() or any(p.startswith((".", "_")) for p in name.parts):
                    continue
                if info.flag_bits & 1:
                    raise fail("flare.file", f"{path}: {info.filename} is encrypted", hint="unpack it beforehand")
                # names inside an archive are somebody else's: only the last part is kept, behind a number
                target = _target(folder, next(numbers), name.name)
                try:
                    with archive.open(info) as source, target.open("wb") as sink:
                        shutil.copyfileobj(source, sink, 1 << 20)
                except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
                    raise fail("flare.file", f"{path}: {info.filename} is damaged: {error}") from error
                found.append(str(target))
    except (zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise fail("flare.file", f"{path} is no zip archive: {error}") from error
    except OSError as error:
        raise fail("flare.file", f"{path} cannot be unpacked: {error.strerror or error}") from error
    if not found:
        raise fail("flare.file", f"{path} holds no file")
    return found


def _gzip(path: str, folder: Path, numbers: Iterator[int]) -> str:
    target = _target(folder, next(numbers), Path(path).name.rsplit(".", 1)[0])
    try:
        with gzip.open(path, "rb") as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise fail("flare.file", f"{path} is no whole gzip file: {error}") from error
    except OSError as error:
        raise fail("flare.file", f"{path} cannot be unpacked: {error.strerror or error}") from error
    return str(target)


def _target(folder: Path, number: int, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{number:05d}-{name}"
