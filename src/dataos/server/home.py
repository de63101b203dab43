"""The home folder: made, locked, checked. One server per home; a moved home is refused (Iceberg paths are absolute)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dataos.core import durable
from dataos.core.errors import DataOSError, fail

_PLAIN = re.compile(r"(/[A-Za-z0-9_.=+@,-]+)+")
"""Paths that a warehouse may have (dataos.lakehouse.rows): the default one lies in the home."""


@dataclass(frozen=True)
class Home:
    """Paths of a home. All private to the user who runs the server."""

    root: Path

    @property
    def store(self) -> Path:
        return self.root / "store.db"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def engines(self) -> Path:
        return self.root / "engines"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def files(self) -> Path:
        return self.root / "files"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def sockets(self) -> Path:
        """A private folder for unix sockets. Their paths may have about 100 bytes: a deep home gets a short one."""
        inside = self.run / "sockets"
        if len(os.fsencode(inside)) <= 70:
            return inside
        mark = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"dataos-{os.geteuid()}-{mark}"

    @property
    def jobs_socket(self) -> Path:
        """The server's API for jobs; alone in its folder, which jobs see."""
        return self.sockets / "jobs" / "server.sock"

    @property
    def uploads(self) -> Path:
        """Parts of objects on their way into Lakehouses' buckets; made when the first one comes."""
        return self.root / "uploads"

    @property
    def spool(self) -> Path:
        """Answers of detached statements; made when the first one comes."""
        return self.root / "spool"

    @property
    def server_file(self) -> Path:
        return self.run / "server.json"

    @property
    def backups(self) -> Path:
        """Backups of the store that were made before an upgrade."""
        return self.root / "backups"

    @property
    def marker(self) -> Path:
        """What the home says of itself: {path, named, format}."""
        return self.root / "home.json"

    @property
    def moving_file(self) -> Path:
        """Written before a relocation, removed after it: {pairs: [[old, new]]}. A home that has it does not start."""
        return self.root / "moving.json"

    @property
    def named(self) -> str:
        """The home's path as its server named it when it was made: paths of tables begin with that."""
        try:
            body: dict[str, Any] = json.loads(self.marker.read_text())
        except (OSError, ValueError):
            return str(self.root)
        return str(body.get("named") or body.get("path") or self.root)

    @property
    def alive_file(self) -> Path:
        """This server's sign of life, for the supervisors of its jobs."""
        return self.run / "alive"

    def prepare(self) -> None:
        """Make the folders (0700). Raises DataOSError `home.path`, `home.unwritable`, `home.moved`."""
        check_plain(self.root)
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.chmod(self.root, 0o700)
            for folder in (
                self.keys,
                self.work,
                self.engines,
                self.logs,
                self.files,
                self.run,
                self.backups,
                self.sockets,
            ):
                folder.mkdir(exist_ok=True, mode=0o700)
                if folder.stat().st_uid != os.geteuid() or folder.is_symlink():
                    raise fail(
                        "home.unsafe", f"{folder} belongs to somebody else", hint="remove it, or use another home"
                    )
            self.jobs_socket.parent.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise unwritable(self.root, error) from error
        self._check_place()

    def _check_place(self) -> None:
        """The home records its own path and refuses to start elsewhere."""
        if self.moving_file.exists():
            raise fail(
                "home.moving",
                f"moving this home was begun and not finished: half of its paths are those of before ({self.root})",
                hint=f"finish it: DATAOS_HOME={self.root} dataos home relocate",
            )
        known = self.recorded()
        here = str(self.root.resolve())
        if known and known.get("path") != here:
            raise fail(
                "home.moved",
                f"this home was made at {known.get('path')} and now stands at {here}: table metadata holds absolute "
                "paths",
                hint=f"rewrite them: DATAOS_HOME={self.root} dataos home relocate; or move it back",
            )
        if not known:
            self.record()

    def recorded(self) -> dict[str, Any]:
        """What home.json says; empty if there is none. Raises DataOSError `home.damaged`."""
        try:
            known: dict[str, Any] = json.loads(self.marker.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            text = f"{self.marker} cannot be read: {error}"
            raise fail("home.damaged", text, hint="restore it from a backup") from error
        return known

    def record(self, at: Path | None = None) -> None:
        """Write home.json, durably: this home stands here, or will stand at `at`. Raises DataOSError
        `home.unwritable`."""
        place = at or self.root
        write_json(self.marker, {"path": str(place.resolve()), "named": str(place), "format": 1})

    def lock(self) -> IO[str]:
        """Hold this home until the returned file is closed. Raises DataOSError `home.locked`."""
        try:
            handle = open(self.run / "lock", "a+")  # noqa: SIM115 - held for the server's life
        except OSError as error:
            raise unwritable(self.run, error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.close()
            running = self.running() or {}
            raise fail(
                "home.locked",
                f"a server already runs on {self.root}" + (f" at {running['url']}" if "url" in running else ""),
                hint="use it, or stop it with `dataos down`; another home: DATAOS_HOME=<folder>",
            ) from error
        return handle

    def running(self) -> dict[str, Any] | None:
        """What run/server.json says, or None."""
        try:
            body: dict[str, Any] = json.loads(self.server_file.read_text())
        except (OSError, ValueError):
            return None
        return body

    def announce(self, body: dict[str, Any]) -> None:
        """Write run/server.json."""
        fresh = self.server_file.with_suffix(".new")
        fresh.write_text(json.dumps(body) + "\n")
        fresh.replace(self.server_file)

    def retract(self) -> None:
        """Remove run/server.json."""
        with contextlib.suppress(FileNotFoundError):
            self.server_file.unlink()


def write_json(file: Path, body: dict[str, Any]) -> None:
    """A small file that is there as a whole, and on disk. Raises DataOSError `home.unwritable`."""
    try:
        durable.write(file, json.dumps(body).encode() + b"\n")
    except OSError as error:
        raise unwritable(file.parent, error) from error


def check_plain(root: Path) -> None:
    """Raises DataOSError `home.path` for a place where no home can lie."""
    if not _PLAIN.fullmatch(str(root)):
        raise fail(
            "home.path",
            f"a home cannot lie at {root}: engines do not agree on how to spell the paths of tables there",
            hint="name a path of unaccented letters, digits and `/ _ - . = + @ ,`: DATAOS_HOME=<folder>",
        )


def unwritable(path: Path, error: OSError) -> DataOSError:
    """The error for a home that takes no more files: `home.unwritable`."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return fail(
        "home.unwritable",
        f"cannot write to the home folder {path}: {'the disk is full' if full else error.strerror or error}",
        hint=("free space" if full else "make it writable for you") + ", or name another with DATAOS_HOME=<folder>",
    )


UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})
"""What the system says where a file cannot be written."""
