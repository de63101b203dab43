"""What a job may see of this machine: arguments for bubblewrap, and whether bubblewrap works here at all.

A job has its own processes, users, host name and network (loopback only); it sees system libraries, the Python
installation and its own folders, all but three of them read-only. It reaches the server through one unix socket.
Environment and layout never appear in process arguments: the shim hands them over by descriptor.
"""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dataos.core.errors import fail
from dataos.processes import relay, seccomp
from dataos.processes.ports import Launch, Mount

CONFIG = "/etc/dataos/config"
SECRET = "/etc/dataos/secret"  # noqa: S105 - a folder
WORK = "/etc/dataos/work"
OUT = "/var/dataos/out"
TEMP = "/var/dataos/temp_data"
SERVER = "/var/dataos/server"
EGRESS = "/var/dataos/egress"

_UID = "1000"
_SYSTEM = ("/usr", "/nix/store")
_MERGED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# Certificates by name, not /etc/ssl or /etc/pki: those also hold private keys, which a server that runs as root could
# read on a job's behalf.
_ETC = (
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/mime.types",
    "/etc/protocols",
    "/etc/services",
)
_ZONES = "/usr/share/zoneinfo/"
_OURS = ("/usr", "/etc", "/proc", "/dev", "/sys", "/var/dataos", "/bin", "/sbin", "/lib", "/lib64", "/tmp")  # noqa: S108


@dataclass(frozen=True)
class Bubblewrap:
    """A bubblewrap that was tried and works here."""

    program: str
    options: tuple[str, ...]  # optional hardening that this version and kernel accept
    seccomp: bytes = b""  # the filter of system calls (`seccomp`); empty where the kernel or this program has none

    def filter_of(self, launch: Launch) -> bytes:
        """The filter for a program: one that may write where others read makes no links there."""
        if not self.seccomp or not any(mount.writable for mount in launch.mounts):
            return self.seccomp
        return seccomp.program(links=False) or self.seccomp


def etc_files() -> dict[str, str]:
    """Contents of the small files that a job sees in /etc instead of the machine's own."""
    return {
        "passwd": f"root:x:0:0:root:/:/usr/sbin/nologin\ndataos:x:{_UID}:{_UID}:job:{TEMP}:/bin/sh\n",
        "group": f"root:x:0:\ndataos:x:{_UID}:\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
        "hosts": "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 job\n",
        # Sail makes no session where it can't learn the *name* of the time zone. It asks for the target of the link
        # /etc/localtime, then for this file; a bind mount of /etc/localtime is not a link and tells no name.
        "timezone": f"{zone_name()}\n",
    }


def zone_name() -> str:
    """The machine's time zone (`Europe/Paris`); UTC where it has none."""
    target = os.path.realpath("/etc/localtime")
    return target[len(_ZONES) :] if target.startswith(_ZONES) else "UTC"


def python_folders() -> list[Path]:
    """Where the Python installation in use, its packages and our own code are."""
    names = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix]
    names += [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    if site.ENABLE_USER_SITE:
        names.append(site.getusersitepackages())
    # Of an editable install only the packages themselves: beside them lies the rest of somebody's checkout.
    own = Path(__file__).parents[1]
    names += [str(own), str(own.parent / "pyflare")]
    # A link on the way (`python3.11 -> python3.11.9`) must lead to something too.
    paths = {Path(form) for name in names if os.path.isdir(name) for form in (name, os.path.realpath(name))}
    return _outermost(path for path in paths if not _inside(path, [Path(s) for s in _SYSTEM]))


def _outermost(paths: Iterable[Path]) -> list[Path]:
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda p: len(p.parts)):
        if not _inside(path, kept):
            kept.append(path)
    return kept


def _inside(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def system_arguments(private: Iterable[Path]) -> list[str]:
    """Namespaces, system files and Python. `private` folders are hidden even if they lie inside a shown one."""
    args = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    args += ["--unshare-cgroup-try", "--uid", _UID, "--gid", _UID, "--hostname", "job"]
    args += ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    for path in _SYSTEM:
        args += ["--ro-bind-try", path, path]
    for path in _MERGED:
        if os.path.islink(path):
            args += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            args += ["--ro-bind", path, path]
    for path in _ETC:
        args += ["--ro-bind-try", path, path]
    zone = _ZONES + zone_name()
    if os.path.exists(zone):
        args += ["--symlink", zone, "/etc/localtime"]
    args += _python_arguments(python_folders(), private)
    # Read-only: to the kernel a job of a server that runs as root is still user 0, who may write to /proc/sys without
    # any capability (and so, by core_pattern, get out). bubblewrap 0.8 leaves that open.
    return [*args, "--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"]


def _python_arguments(shown: list[Path], private: Iterable[Path]) -> list[str]:
    """Folders of Python, read-only, with what is private inside them hidden again."""
    args: list[str] = []
    for path in shown:
        args += ["--ro-bind", str(path), str(path)]
    for path in private:
        for form in {path, Path(os.path.realpath(path))}:
            if _inside(form, [*shown, *map(Path, _SYSTEM)]):
                args += ["--tmpfs", str(form), "--remount-ro", str(form)]
    return args


def job_arguments(folder: Path, launch: Launch, server_folder: Path | None, private: Iterable[Path] = ()) -> list[str]:
    """The job's own folders, mounts and the server's socket."""
    # /dev/shm is memory that belongs to no process, so it has the job's memory limit as its size.
    args = ["--size", str(launch.memory_bytes), "--perms", "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]  # noqa: S108
    # Not a tmpfs: what is written to /tmp counts as scratch on disk, not as memory that nothing accounts for.
    args += ["--bind", str(folder / "tmp"), "/tmp"]  # noqa: S108
    # A Python below /tmp (somebody's throw-away venv) is shown again over the job's own /tmp.
    args += _python_arguments([p for p in python_folders() if _inside(p, [Path("/tmp")])], private)  # noqa: S108
    for mount in launch.mounts:
        args += ["--bind" if mount.writable else "--ro-bind", str(mount.source), mount.target]
    for name in etc_files():
        args += ["--ro-bind", str(folder / "etc" / name), f"/etc/{name}"]
    for name, target in (("config", CONFIG), ("secret", SECRET), ("work", WORK)):
        args += ["--ro-bind", str(folder / name), target]
    args += ["--bind", str(folder / "out"), OUT, "--bind", str(folder / "scratch"), TEMP]
    if server_folder is not None:
        # The folder, not the socket: a server that starts again makes a new socket under the old name, and a job that
        # was re-adopted must find that one.
        args += ["--ro-bind", str(server_folder), SERVER]
    if launch.egress:
        args += ["--ro-bind", str(folder / relay.FOLDER), EGRESS]
    return [*args, "--remount-ro", "/", "--chdir", TEMP]


def check_mounts(mounts: Iterable[Mount], *, sandboxed: bool) -> None:
    """Refuse mounts that cannot be made or would hide what the platform puts there. Raises `process.start`."""
    for mount in mounts:
        target = PurePosixPath(mount.target)
        if not target.is_absolute() or ".." in target.parts or str(target) == "/":
            raise fail("process.start", f"mount target `{mount.target}` must be an absolute path without `..`")
        if not mount.source.exists():
            raise fail("process.start", f"mount source `{mount.source}` does not exist")
        if not sandboxed and str(target) != str(mount.source):
            raise fail(
                "process.start",
                f"`{mount.source}` cannot be shown at `{mount.target}` without a sandbox",
                hint="install bubblewrap, or mount the path where it is",
            )
        if sandboxed and str(target) in _OURS:
            raise fail("process.start", f"mount target `{mount.target}` would hide a folder of the platform")


def find(program: str = "bwrap") -> tuple[Bubblewrap | None, str]:
    """A working bubblewrap and "", or None and the reason for a warning. Runs it once: installed is not usable."""
    path = shutil.which(program)
    if not sys.platform.startswith("linux"):
        return None, f"bubblewrap is for Linux; this is {sys.platform}"
    if path is None:
        return None, "bubblewrap is not installed (package `bubblewrap`, program `bwrap`)"
    reason = ""
    filters = [f for f in (seccomp.program(),) if f is not None]
    # Nested user namespaces are what most sandbox escapes begin with, but old versions can't forbid them.
    for calls in (*filters, b""):
        for options in (("--disable-userns",), ()):
            reason = _try(path, options, calls)
            if not reason:
                return Bubblewrap(path, options, calls), ""
    return None, reason


def probe(program: str = "bwrap") -> str:
    """Why jobs cannot be sandboxed here; empty if they can."""
    return find(program)[1]


def _try(path: str, options: tuple[str, ...], calls: bytes) -> str:
    words = [*options, *system_arguments(())]
    try:
        with tempfile.TemporaryFile() as file:
            file.write(calls)
            file.seek(0)
            filtered = ["--seccomp", str(file.fileno())] if calls else []
            command = [path, *filtered, *words, "--", sys.executable, "-I", "-S", "-c", ""]
            done = subprocess.run(
                command,
                env={},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=20,
                check=False,
                pass_fds=[file.fileno()] if calls else [],
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap ({path}) cannot be run: {type(error).__name__}"
    if done.returncode == 0:
        return ""
    said = done.stderr.decode("utf-8", "replace").strip()[-300:]
    return f"bubblewrap ({path}) is installed but does not work here: {said}"
