"""The file that a backup is: a tar archive with checksums at its end, and keys sealed by a passphrase.

Members, in this order: `backup.json` (what it is), `store.db.gz` or `store.jsonl.gz`, `keys.sealed`, `settings.yaml`,
files of the home and of warehouses outside it, and `checksums`: a JSON line [name, size, sha256] per member. An archive
without its last member was cut off. Only regular files and folders are in it; names are relative and plain.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from dataos.core.durable import sync_folder
from dataos.core.errors import DataOSError, fail

FORMAT = 1
HEADER, KEYS, SETTINGS, CHECKSUMS = "backup.json", "keys.sealed", "settings.yaml", "checksums"
MIN_PASSPHRASE = 8
_SCRYPT = {"n": 1 << 17, "r": 8, "p": 1}
_LARGEST_SCRYPT = {"n": 1 << 20, "r": 16, "p": 4}  # a made-up archive must not take all memory
_PIECE = 1 << 20


@dataclass(frozen=True)
class Outside:
    """A warehouse that lies outside the home: where, and the folder of the archive that holds its files."""

    name: str
    location: str
    member: str


@dataclass(frozen=True)
class Header:
    """What an archive is."""

    id: str
    created: str
    version: str  # of the program that wrote it
    revision: str  # of the store's schema
    home: str  # where the home stood, as its server named it
    home_real: str  # the same place without links on the way
    store: str  # the member that holds the store
    keys: str  # `sealed` or `left out`
    data: bool
    logs: bool
    key_mark: str  # tells whether a master key is the one that the store's secrets are sealed with
    outside: tuple[Outside, ...] = ()
    format: int = FORMAT


@dataclass
class Writer:
    """Adds members; remembers names, sizes and digests, and what could not be read as a whole."""

    _tar: tarfile.TarFile
    names: dict[str, int] = field(default_factory=dict[str, int])
    problems: list[str] = field(default_factory=list[str])
    _sums: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])

    def add_bytes(self, name: str, content: bytes) -> None:
        """A member from memory."""
        self._add(name, io.BytesIO(content), len(content), 0o600, 0)

    def add_file(self, name: str, path: Path) -> None:
        """A regular file as it is now. One that is gone is left out; one that shrinks meanwhile is noted."""
        try:
            file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        except FileNotFoundError:
            return
        except OSError as error:
            self.problems.append(f"{path} cannot be read: {error.strerror}")
            return
        with file:
            status = os.fstat(file.fileno())
            self._add(name, file, status.st_size, status.st_mode & 0o700, int(status.st_mtime), str(path))

    def add_folder(self, name: str) -> None:
        """A folder: an empty one must be there again too."""
        info = tarfile.TarInfo(name)
        info.type, info.mode = tarfile.DIRTYPE, 0o700
        self._tar.addfile(info)

    def _add(self, name: str, source: IO[bytes], size: int, mode: int, mtime: int, path: str = "") -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, mode | 0o600, mtime
        reader = _Exact(source, size)
        self._tar.addfile(info, cast("IO[bytes]", reader))
        if reader.short:
            self.problems.append(f"{path} changed while it was copied")
        self.names[name] = size
        self._sums.append((name, size, reader.digest.hexdigest()))

    def finish(self) -> None:
        """The checksums, without which the archive does not count."""
        lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self._sums)
        self._add(CHECKSUMS, io.BytesIO(lines.encode()), len(lines.encode()), 0o600, 0)


class _Exact:
    """Reads exactly `size` bytes of a file that may grow or shrink meanwhile, and digests them."""

    def __init__(self, source: IO[bytes], size: int) -> None:
        self._source = source
        self._left = size
        self.digest = hashlib.sha256()
        self.short = False

    def read(self, count: int = -1) -> bytes:
        wanted = self._left if count < 0 else min(count, self._left)
        piece = self._source.read(wanted)
        if len(piece) < wanted:
            self.short = True
            piece += b"\0" * (wanted - len(piece))
        self._left -= len(piece)
        self.digest.update(piece)
        return piece


@contextmanager
def writing(target: Path) -> Generator[Writer]:
    """Write an archive that appears whole, on disk, readable by its owner only, and never over another file.

    Raises DataOSError `backup.exists`, `backup.storage`.
    """
    beside = target.with_name(f".{target.name}.part")
    if os.path.lexists(target):
        raise _exists(target)
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as raw:
            _only_writer(raw, target)
            try:
                raw.truncate()  # of one that was cut off
                with tarfile.open(fileobj=raw, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_PIECE) as tar:
                    writer = Writer(tar)
                    yield writer
                    writer.finish()
                raw.flush()
                os.fsync(raw.fileno())
                os.link(beside, target)  # unlike a rename it fails where the name is taken
            finally:
                beside.unlink(missing_ok=True)
        sync_folder(target.parent)
    except FileExistsError as error:
        raise _exists(target) from error
    except OSError as error:
        raise fail(
            "backup.storage",
            f"cannot write the backup {target}: {error.strerror or error}",
            hint="nothing was changed; name a file on a disk with enough room",
        ) from error


def _only_writer(raw: IO[bytes], target: Path) -> None:
    try:
        fcntl.flock(raw, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise fail("backup.exists", f"another backup to {target} is under way", hint="name another file") from error


def _exists(target: Path) -> DataOSError:
    return fail("backup.exists", f"{target} exists already", hint="a backup is never overwritten: name another file")


# --- reading ----------------------------------------------------------------------------------------------------------


def verify(file: Path) -> tuple[Header, bytes]:
    """Read the whole archive once, before anything of it is used. Returns its header, and its keys as they are sealed
    (empty if it holds none). Raises DataOSError `backup.damaged`, `backup.not_found`."""
    with _reading(file):
        return _verify(file)


def _verify(file: Path) -> tuple[Header, bytes]:
    found: dict[str, tuple[int, str]] = {}
    header: Header | None = None
    sums: bytes | None = None
    keys = b""
    for info, source in _members(file):
        if sums is not None:
            raise damaged(file, "something follows its checksums")
        if source is None:
            continue
        digest, kept = hashlib.sha256(), bytearray()
        while piece := source.read(_PIECE):
            digest.update(piece)
            if info.name in (HEADER, KEYS, CHECKSUMS):
                kept += piece
        if info.name == CHECKSUMS:
            sums = bytes(kept)
        elif info.name in found:
            raise damaged(file, f"it holds {info.name} twice")
        else:
            found[info.name] = (info.size, digest.hexdigest())
        if info.name == HEADER:
            header = _header(file, bytes(kept))
        elif info.name == KEYS:
            keys = bytes(kept)
    if sums is None:
        raise damaged(file, "it was cut off (no checksums at its end)")
    try:
        listed = {str(name): (int(size), str(digest)) for name, size, digest in map(json.loads, sums.splitlines())}
    except (ValueError, TypeError) as error:
        raise damaged(file, "its checksums cannot be read") from error
    wrong = sorted(name for name in listed.keys() | found.keys() if listed.get(name) != found.get(name))
    if wrong:
        raise damaged(file, f"{len(wrong)} of its files differ from their checksums: {', '.join(wrong[:3])}")
    if header is None or header.store not in found:
        raise damaged(file, "it holds no store")
    return header, keys


def peek(file: Path) -> Header:
    """What the archive says of itself, without reading the rest. Raises DataOSError as `verify`."""
    with _reading(file):
        info, source = next(_members(file), (None, None))
        if info is not None and info.name == HEADER and source is not None and info.size <= _PIECE:
            return _header(file, source.read())
    raise damaged(file, "its first entry is not that of a backup")


def extract(file: Path, into: Path) -> None:
    """Write all members below a new folder. Call `verify` first."""
    with _reading(file):
        _extract(file, into)


def _extract(file: Path, into: Path) -> None:
    folders: set[Path] = set()
    for info, source in _members(file):
        path = into / info.name
        if source is None:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        else:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, info.mode & 0o700 | 0o600), "wb") as out:
                while piece := source.read(_PIECE):
                    out.write(piece)
                out.flush()
                os.fsync(out.fileno())
            if info.mtime:
                os.utime(path, (info.mtime, info.mtime))
        folders.add(path.parent)
    for folder in folders:
        sync_folder(folder)


def _members(file: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Each member with its content (None for a folder)."""
    with tarfile.open(file, mode="r|", bufsize=_PIECE) as tar:
        for info in tar:
            parts = PurePosixPath(info.name).parts
            if not parts or info.name.startswith("/") or ".." in parts or "\0" in info.name:
                raise damaged(file, f"it names {info.name!r}")
            if info.isdir():
                yield info, None
            elif info.isreg():
                yield info, tar.extractfile(info)
            else:
                raise damaged(file, f"{info.name} is neither a file nor a folder")


@contextmanager
def _reading(file: Path) -> Generator[None]:
    """What goes wrong with the archive itself, in our terms: `backup.not_found`, `backup.damaged`."""
    try:
        yield
    except FileNotFoundError as error:
        raise fail("backup.not_found", f"there is no file {file}") from error
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise damaged(file, str(error)) from error


def _header(file: Path, text: bytes) -> Header:
    try:
        body: dict[str, Any] = json.loads(text)
        if body["format"] != FORMAT:
            raise damaged(
                file, f"it has format {body['format']}, this version reads {FORMAT}: use the version that wrote it"
            )
        outside = tuple(Outside(**one) for one in body.pop("outside"))
        return Header(**body, outside=outside)
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(file, "its first entry is not that of a backup") from error


def header_bytes(header: Header) -> bytes:
    """The member `backup.json`."""
    return json.dumps(asdict(header), indent=2).encode() + b"\n"


def damaged(file: Path, why: str) -> DataOSError:
    """The error of an archive that cannot be used."""
    return fail("backup.damaged", f"{file} is no whole backup: {why}", hint="nothing was changed; use another backup")


# --- keys -------------------------------------------------------------------------------------------------------------


def seal_keys(keys: dict[str, bytes], passphrase: str, header: Header) -> bytes:
    """Key files under a passphrase (scrypt, AES-256-GCM), bound to the archive that `header` describes.

    Raises DataOSError `backup.passphrase` for one that is too short.
    """
    if len(passphrase) < MIN_PASSPHRASE:
        raise fail(
            "backup.passphrase",
            f"a passphrase needs at least {MIN_PASSPHRASE} characters",
            hint="whoever opens it can open every secret: take several words; or leave the keys out (--without-keys)",
        )
    salt, nonce = os.urandom(16), os.urandom(12)
    plain = json.dumps({name: base64.b64encode(content).decode() for name, content in keys.items()}).encode()
    sealed = AESGCM(_derive(passphrase, salt, _SCRYPT)).encrypt(nonce, plain, header.id.encode())
    body = {"kdf": "scrypt", **_SCRYPT, "salt": salt, "nonce": nonce, "sealed": sealed}
    text = {k: base64.b64encode(v).decode() if isinstance(v, bytes) else v for k, v in body.items()}
    return json.dumps(text).encode() + b"\n"


def open_keys(content: bytes, passphrase: str, header: Header) -> dict[str, bytes]:
    """Raises DataOSError `backup.passphrase`."""
    try:
        body: dict[str, Any] = json.loads(content)
        cost = {name: int(body[name]) for name in _SCRYPT}
        if any(cost[name] > _LARGEST_SCRYPT[name] for name in cost):
            raise ValueError("its cost is out of bounds")
        salt, nonce, sealed = (base64.b64decode(body[name]) for name in ("salt", "nonce", "sealed"))
        plain = AESGCM(_derive(passphrase, salt, cost)).decrypt(nonce, sealed, header.id.encode())
        known: dict[str, str] = json.loads(plain)
    except (InvalidTag, ValueError, KeyError, TypeError) as error:
        raise fail(
            "backup.passphrase",
            "the keys in this backup cannot be opened with that passphrase",
            hint="nothing was changed; try again, or restore without keys (--without-keys): all secrets are lost then",
        ) from error
    return {name: base64.b64decode(text) for name, text in known.items()}


def _derive(passphrase: str, salt: bytes, cost: dict[str, int]) -> bytes:
    return Scrypt(salt=salt, length=32, **cost).derive(passphrase.encode())
