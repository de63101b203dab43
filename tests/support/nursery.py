"""Processes of `dataos` for tests, forked from one that has loaded its code.

A CLI call spends most of its time, and a server's start half of it, on loading modules; a run of all tests makes some
thousands of them. Each process of tests keeps one process that has everything loaded; it forks one for each call, with
the call's own arguments, environment, working folder and standard streams. Its command line and environment read as
those of a process that was begun anew (/proc). What the CLI itself starts as `python -m dataos.server` is forked too.

DATAOS_TEST_FORK=0 begins all processes anew. Tests of the start itself use `subprocess` (test_cli, test_tutorial).
"""

from __future__ import annotations

import array
import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from support.patience import deadline

_ROOM = 1 << 16  # bytes for the command line and the environment that a forked process shows
_LONGEST = 1 << 20  # bytes of a request
_PLATFORM, _FLARE = "platform", "flare"
_DRIVER = "dataos.stacks.flare.driver"
_PROGRAMS = {  # what `python -m` runs: which loaded process forks it, and the module whose `main` is called
    "dataos.cli.main": (_PLATFORM, "dataos.cli.main"),
    "dataos.server": (_PLATFORM, "dataos.server.main"),
    "dataos.server.care": (_PLATFORM, "dataos.server.care"),
    "support.dying": (_PLATFORM, "support.dying"),
    _DRIVER: (_FLARE, "dataos.stacks.flare.driver.main"),
}

_ON_THE_WAY = (  # what a server loads when it first needs it
    "alembic.command", "alembic.config", "alembic.ddl.impl", "dataos.store.upgrades", "sqlalchemy.dialects.sqlite",
    "psycopg", "pymysql", "pydantic.v1", "uvicorn.lifespan.off", "uvicorn.protocols.http.h11_impl",
    "uvicorn.protocols.websockets.auto", "dataos.lakehouse.commits", "dataos.lakehouse.operations.plans",
    "dataos.lakehouse.writing.parts", "jsonschema",
)  # fmt: skip

_TESTS = Path(__file__).resolve().parents[1]
_SHELL = "/bin/sh"
IS_ON = os.environ.get("DATAOS_TEST_FORK", "1") != "0" and sys.platform == "linux"


# --- in the tests' process --------------------------------------------------------------------------------------------


class _Nursery:
    """A loaded process, begun at its first use."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._lock = threading.Lock()
        self._wire: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, fds: Sequence[int]) -> None:
        """Fork a process; `fds`: its standard streams, and where its pid and then its exit code are told."""
        request = json.dumps({"argv": list(argv), "env": dict(env), "cwd": str(cwd)}).encode()
        with self._lock:
            if self._wire is None:
                self._wire = self._begin()
            socket.send_fds(self._wire, [request], list(fds))

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST)
        program = f"import sys; sys.path.insert(0, {str(_TESTS)!r}); from support import nursery; nursery.serve({self._group!r})"
        keep = {k: os.environ[k] for k in ("PATH", "LANG", "CI", "PYTHONPATH") if k in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, str(theirs.fileno()), " " * _ROOM],
            env={**keep, "ROOM": " " * _ROOM},
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
        )
        theirs.close()
        atexit.register(self._end)
        return ours

    def _end(self) -> None:
        if self._wire is not None and self._process is not None:
            self._wire.close()
            self._process.wait(10)


_nurseries = {group: _Nursery(group) for group in (_PLATFORM, _FLARE)}


def _is_forked(env: Mapping[str, str]) -> bool:
    """What is loaded is not what another path of modules would load."""
    return IS_ON and env.get("PYTHONPATH") == os.environ.get("PYTHONPATH")


def _own(env: Mapping[str, str]) -> dict[str, str]:
    """The same environment for a process that is begun anew and finds the tests' own programs."""
    return {**env, "PYTHONPATH": os.pathsep.join([*filter(None, [env.get("PYTHONPATH")]), str(_TESTS)])}


def _start(argv: Sequence[str], env: Mapping[str, str], cwd: Path, fds: Sequence[int]) -> None:
    _nurseries[_PROGRAMS[argv[2]][0]].start(argv, env, cwd, fds)


class Forked:
    """A forked process that goes on by itself. Its exit code is asked once."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, log: int, passed: int) -> None:
        """`passed`: another file it gets open, as number 3."""
        self._process: subprocess.Popen[bytes] | None = None
        if not _is_forked(env):
            whole = [_SHELL, "-c", f'exec "$0" "$@" 3>&{passed}', *argv]
            self._process = subprocess.Popen(
                whole, env=_own(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(passed,)
            )
            return
        self._told, told = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            _start(argv, env, cwd, [nothing, log, log, told, passed])
        finally:
            os.close(nothing)
            os.close(told)

    def wait(self, timeout: float) -> int:
        """The exit code; negative: the signal that ended it. Raises subprocess.TimeoutExpired."""
        if self._process is not None:
            return self._process.wait(timeout)
        last = deadline(timeout)
        said = b""
        with os.fdopen(self._told, "rb", buffering=0) as told:
            while select.select([told], [], [], max(0.0, last - time.monotonic()))[0]:
                piece = told.read(100)
                if not piece:
                    return int(said.split()[1])
                said += piece
        raise subprocess.TimeoutExpired("forked", timeout)


def run(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout: float, input: str | None
) -> subprocess.CompletedProcess[str]:
    """`subprocess.run` of `[sys.executable, "-m", module, ...]` with captured text. Raises subprocess.TimeoutExpired."""
    if not _is_forked(env):
        return subprocess.run(
            [*argv], env=_own(env), cwd=cwd, timeout=timeout, input=input, capture_output=True, text=True, check=False
        )
    out, err, told = os.pipe(), os.pipe(), os.pipe()
    stdin = os.open(os.devnull, os.O_RDONLY) if input is None else _in_memory(input)
    try:
        _start(argv, env, cwd, [stdin, out[1], err[1], told[1]])
    finally:
        for fd in (stdin, out[1], err[1], told[1]):
            os.close(fd)
    read: dict[int, bytes] = {out[0]: b"", err[0]: b"", told[0]: b""}
    last = deadline(timeout)
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        for fd in read:
            stack.callback(os.close, fd)
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, last - time.monotonic()))
            if not ready:
                with contextlib.suppress(OSError, ValueError):
                    os.kill(int(read[told[0]].split()[0]), signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(argv), timeout, read[out[0]], read[err[0]])
            for key, _ in ready:
                piece = os.read(key.fd, 65536)
                read[key.fd] += piece
                if not piece:
                    selector.unregister(key.fd)
    words = read[told[0]].split()
    if len(words) != 2:
        raise RuntimeError(f"the nursery died at {' '.join(argv)}")
    text = [read[fd].decode().replace("\r\n", "\n") for fd in (out[0], err[0])]
    return subprocess.CompletedProcess(list(argv), int(words[1]), *text)


def _in_memory(text: str) -> int:
    """A file of this text, open for reading and writing."""
    made = os.memfd_create("text")
    os.write(made, text.encode())
    os.lseek(made, 0, os.SEEK_SET)
    return made


# --- in the loaded process --------------------------------------------------------------------------------------------


def serve(group: str) -> NoReturn:
    """Load the group's programs, then fork what is asked for, until the tests' process ends."""
    wire = socket.socket(fileno=int(sys.argv[1]))
    gc.disable()
    _load(group)
    sys.path.pop(0)
    gc.collect()
    gc.freeze()
    wake, woken = socket.socketpair()
    for end in (wake, woken):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    running: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(wire, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is wake:
                    with contextlib.suppress(BlockingIOError):
                        wake.recv(4096)
                    _reap(running)
                    continue
                request, fds = _receive(wire)
                if not request:
                    os._exit(0)
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    _become(**json.loads(request), streams=[*fds[:3], *fds[4:]])
                running[pid] = fds[3]
                os.write(fds[3], f"{pid} ".encode())
                for fd in [*fds[:3], *fds[4:]]:
                    os.close(fd)


def _receive(wire: socket.socket) -> tuple[bytes, list[int]]:
    request, extra, _, _ = wire.recvmsg(_LONGEST, socket.CMSG_SPACE(5 * 4))
    fds = array.array("i")
    for _, _, data in extra:
        fds.frombytes(data)
    return request, list(fds)


def _reap(running: dict[int, int]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        told = running.pop(pid)
        with contextlib.suppress(BrokenPipeError):
            os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(told)


def _load(group: str) -> None:
    from dataos.server import native

    native.load_in_order()
    modules = [module for of, module in _PROGRAMS.values() if of == group]
    if group == _FLARE:
        from dataos.stacks.flare.driver import main

        main.load()
    else:
        from dataos.cli import table

        modules += [command.module for command in table.COMMANDS]
        modules += _ON_THE_WAY
    for module in modules:
        importlib.import_module(module)


def _become(
    argv: list[str], env: dict[str, str], cwd: str, streams: Sequence[int], kept: Sequence[int] = ()
) -> NoReturn:
    """Go on as the process of this command line: standard streams, folder, environment, no other open files."""
    code = 70
    try:
        for fd, stream in enumerate([_above(s) for s in streams]):
            os.dup2(stream, fd)
        _close_all_but({*range(len(streams)), *kept})
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        _show(argv, env)
        gc.enable()
        sys.argv = ["-m", *argv[3:]]
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - open for the process's life, as are these
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False, errors="backslashreplace", buffering=1)  # noqa: SIM115
        if argv[2] == "dataos.cli.main":
            for name in ("server", "care"):
                vars(importlib.import_module(f"dataos.cli.{name}"))["subprocess"] = _forking()
        main: Callable[..., int | None] = importlib.import_module(_PROGRAMS[argv[2]][1]).main
        try:
            code = main(*([] if argv[2] == _DRIVER else [argv[3:]])) or 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = 120  # as the interpreter at its end
    except BaseException:  # noqa: BLE001 - the last place to tell
        traceback.print_exc()
        code = 1
    os._exit(code)


def _above(fd: int) -> int:
    """The same file, not among the numbers of standard streams."""
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD, 10)


def _close_all_but(kept: set[int]) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(name))


def _show(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Let /proc show this command line and environment: they are written over those of the loaded process."""
    fields = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
    arg_start, arg_end, env_start, env_end = (int(f) for f in fields[45:49])
    for start, end, words in (
        (arg_start, arg_end, argv),
        (env_start, env_end, [f"{k}={v}" for k, v in env.items()]),
    ):
        text = b"\0".join(os.fsencode(w) for w in words) + b"\0"
        if len(text) >= end - start:
            raise ValueError("a command line or environment is longer than the tests have room for")
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, text, len(text))


class _Server:
    """What `dataos up` sees as its child process: forked, not begun anew."""

    def __init__(
        self, argv: Sequence[str], *, stdin: int, stdout: Any, stderr: Any, pass_fds: Sequence[int],
        start_new_session: bool, cwd: Path,
    ) -> None:  # fmt: skip
        assert (stdin, stdout, start_new_session) == (subprocess.DEVNULL, stderr, True)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            log = stdout.fileno()
            streams = [os.open(os.devnull, os.O_RDONLY), log, log]
            _become([*argv], dict(os.environ), str(cwd), streams, pass_fds)

    def wait(self) -> int:
        """Its exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _run(
    command: Sequence[str], *, capture_output: bool, text: bool, check: bool, input: str = ""
) -> subprocess.CompletedProcess[str]:
    """What the CLI sees as `subprocess.run`."""
    assert (capture_output, text, check) == (True, True, False)
    streams = [_in_memory(input), _in_memory(""), _in_memory("")]
    pid = os.fork()
    if pid == 0:
        _become([*command], dict(os.environ), os.getcwd(), streams)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    said: list[str] = []
    for stream in streams[1:]:
        os.lseek(stream, 0, os.SEEK_SET)
        with open(stream) as file:
            said.append(file.read())
    return subprocess.CompletedProcess([*command], code, *said)


def _forking() -> types.SimpleNamespace:
    """`subprocess` for the commands that start programs of the server."""
    return types.SimpleNamespace(Popen=_Server, run=_run, DEVNULL=subprocess.DEVNULL)
