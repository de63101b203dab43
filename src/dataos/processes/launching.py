"""What a launch becomes on this machine: the record for its shim, its sandbox, the form of a program that waits."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dataos.core.errors import fail
from dataos.processes import prepared, records, relay, sandbox
from dataos.processes.ports import Isolation, Launch

Mode = Literal["auto", "required", "off"]

_GRACE_S = 10.0


@dataclass(frozen=True)
class Composed:
    """The record of a launch, the small files of its /etc, and the form of a program that could wait for it."""

    record: dict[str, Any]
    etc: dict[str, str]
    form: prepared.Form | None


class Composer:
    """Composes launches. May be used by many threads."""

    def __init__(
        self, root: Path, socket: Path | None, mode: Mode, alive: tuple[Path, float] | None, *, trust_user_code: bool
    ) -> None:
        """`root`: the folder of job folders; `socket`: the server's, alone in its folder; the rest as of the runner."""
        self._root = root
        self._socket = socket
        self._mode = mode
        self._alive = {"path": str(alive[0]), "within_s": alive[1]} if alive is not None else None
        self._trust_user_code = trust_user_code
        self._bubblewrap: sandbox.Bubblewrap | None = None
        self._no_bubblewrap = ("", 0.0)  # why there is none, and until when (monotonic) that is taken for granted

    def compose(self, key: str, launch: Launch) -> Composed:
        """Raises DataOSError `process.start`, `process.no_sandbox`."""
        _check(launch)
        bubblewrap = self._bubblewrap_for(launch)
        sandbox.check_mounts(launch.mounts, sandboxed=bubblewrap is not None)
        folder = self._root / key
        where = self._paths(folder, launch, sandboxed=bubblewrap is not None)
        argv = [_filled(part, where) for part in launch.argv]
        inside = None
        env = {**_base_environment(where), **launch.env, **where}
        if bubblewrap is not None:
            if launch.egress:
                ways = {a: f"{sandbox.EGRESS}/{relay.name(n)}" for n, a in enumerate(launch.egress)}
                env["DATAOS_EGRESS"] = json.dumps(ways)
            args = self._arguments(bubblewrap, folder, launch)
            inside = {"program": bubblewrap.program, "args": args, "seccomp": bubblewrap.filter_of(launch).hex()}
        record: dict[str, Any] = {
            "argv": argv,
            "sandbox": inside,
            "env": env,
            "cwd": "/" if inside else where["DATAOS_TEMP_DIR"],
            "memory_bytes": launch.memory_bytes,
            "timeout_s": launch.timeout_s,
            "log_bytes": launch.log_bytes,
            "scratch_bytes": launch.scratch_bytes,
            "grace_s": _GRACE_S,
            "alive": self._alive,
            "egress": list(launch.egress) if inside else [],
        }
        if bubblewrap is None:
            return Composed(record, {}, None)
        return Composed(record, sandbox.etc_files(), self._form(bubblewrap, launch, argv, where))

    def warning(self) -> str:
        """Why there is no sandbox here; empty if there is one."""
        return self._find_bubblewrap()[1]

    def _arguments(self, bubblewrap: sandbox.Bubblewrap, folder: Path, launch: Launch) -> list[str]:
        args = [*bubblewrap.options, *sandbox.system_arguments((self._root.parent,))]
        return args + sandbox.job_arguments(folder, launch, self._door(launch), (self._root.parent,))

    def _form(
        self, bubblewrap: sandbox.Bubblewrap, launch: Launch, argv: list[str], where: dict[str, str]
    ) -> prepared.Form | None:
        """What a prepared program must be like to do this job; None if none can."""
        if not launch.waits or launch.egress or not prepared.fits(launch.env):
            return None
        try:
            shown = prepared.places([*(m.source for m in launch.mounts), *sandbox.python_folders()])
        except OSError:
            return None  # the start will say what is wrong
        return prepared.Form(
            tuple(argv),
            bubblewrap.program,
            tuple(self._arguments(bubblewrap, prepared.FOLDER, launch)),
            bubblewrap.filter_of(launch).hex(),
            tuple({**_base_environment(where), **where, "DATAOS_WAITS": "1"}.items()),
            tuple(sandbox.etc_files().items()),
            shown,
            prepared.mounted(),
        )

    def _bubblewrap_for(self, launch: Launch) -> sandbox.Bubblewrap | None:
        """The sandbox to use, None for a plain child. Raises `process.no_sandbox`."""
        found, reason = self._find_bubblewrap()
        if found is not None:
            return found
        if self._mode == "required" or (launch.isolation is Isolation.USER and not self._trust_user_code):
            what = "user code" if launch.isolation is Isolation.USER else "a job"
            raise fail(
                "process.no_sandbox",
                f"{what} needs a sandbox to run in, and there is none: {reason}",
                hint="install the package `bubblewrap` and allow user namespaces; where you are the only user and "
                "trust the code, the setting workloads.trust_user_code runs it without",
            )
        return None

    def _find_bubblewrap(self) -> tuple[sandbox.Bubblewrap | None, str]:
        if self._mode == "off":
            return None, "the sandbox is switched off (setting workloads.sandbox)"
        if self._bubblewrap is not None:
            return self._bubblewrap, ""
        reason, until = self._no_bubblewrap
        if not reason or time.monotonic() > until:
            # Asked again after a while: it may be installed while the server runs.
            self._bubblewrap, reason = sandbox.find()
            self._no_bubblewrap = (reason, time.monotonic() + 60.0)
        return self._bubblewrap, reason

    def _door(self, launch: Launch) -> Path | None:
        """The folder with the server's socket, for a job that may see it."""
        if self._socket is None or not launch.server_access:
            return None
        strangers = [entry.name for entry in os.scandir(self._socket.parent) if not _is_socket(entry)]
        if strangers:
            raise fail(
                "process.start",
                f"the folder of the server's socket, {self._socket.parent}, is shown to jobs and must hold nothing "
                f"else: {', '.join(sorted(strangers)[:5])}",
            )
        return self._socket.parent

    def _paths(self, folder: Path, launch: Launch, *, sandboxed: bool) -> dict[str, str]:
        names = {
            "DATAOS_CONFIG_DIR": (sandbox.CONFIG, "config"),
            "DATAOS_SECRET_DIR": (sandbox.SECRET, "secret"),
            "RUNNABLE_ARTIFACT_DIR": (sandbox.WORK, "work"),
            records.OUT_VARIABLE: (sandbox.OUT, "out"),
            "DATAOS_TEMP_DIR": (sandbox.TEMP, "scratch"),
        }
        where = {name: inner if sandboxed else str(folder / outer) for name, (inner, outer) in names.items()}
        if self._socket is not None and launch.server_access:
            where["DATAOS_SERVER_SOCKET"] = f"{sandbox.SERVER}/{self._socket.name}" if sandboxed else str(self._socket)
        return where


def _check(launch: Launch) -> None:
    words = [*launch.argv, *launch.env, *launch.env.values()]
    if not launch.argv or any("\0" in word for word in words) or any("=" in name or not name for name in launch.env):
        raise fail("process.start", "a launch needs a program; names and values may hold no NUL, names no `=`")


def _filled(part: str, where: dict[str, str]) -> str:
    """`$(DATAOS_OUT_DIR)` and the like in arguments: where the folders are differs with and without a sandbox."""
    for name, value in where.items():
        part = part.replace(f"$({name})", value)
    return part


def _base_environment(where: dict[str, str]) -> dict[str, str]:
    return {
        "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": where["DATAOS_TEMP_DIR"],
        "TMPDIR": where["DATAOS_TEMP_DIR"],
        "PYTHONUNBUFFERED": "1",  # a log that is followed
    }


def _is_socket(entry: os.DirEntry[str]) -> bool:
    return stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode)
