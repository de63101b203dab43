"""The supervisor of one job: claims it, runs it once, bounds it, and leaves a synced exit record.

Forked by the server's `spawner`, in a session of its own, with descriptor 3 to say that it is up. It outlives both,
needs nothing from them, and never runs a thread: a fork must be safe at any time.
Standard library only; what it shares with the server is in `records`, `trees`, `limits`, `relay` and `logfiles`.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn, Protocol, cast

from dataos.processes import limits, logfiles, records, relay, trees

READY_FD = 3
UP = b"up\n"
LOST = b"lost\n"

_SAMPLE_S = 0.25
_TIMEOUT_GRACE_S = 5.0
_KILL_WITHIN_S = 10.0
_DRAIN_S = 2.0
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_NICE = 5


class _Prctl(Protocol):
    def __call__(self, option: int, value: int | bytes, /) -> int: ...


def _load_prctl() -> _Prctl | None:
    """The Linux call that ties processes together; None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes  # absent from some small Python builds

        return cast("_Prctl", ctypes.CDLL(None, use_errno=True).prctl)
    except (ImportError, OSError, AttributeError):
        return None


_prctl = _load_prctl()  # once, in the spawner: its forks have it


def name_process(name: bytes) -> None:
    """What `ps` and `top` call this process; at most 15 bytes."""
    if _prctl is not None:
        _prctl(_PR_SET_NAME, name)


class Program:
    """A started program: its process, and our ends of the pipes to it. `given`: of one that waits for its job."""

    def __init__(self, child: subprocess.Popen[bytes], output: int, report: int | None, given: int | None) -> None:
        self.child = child
        self.output = output
        self.report = report
        self.given = given

    def begin_job(self, env: dict[str, str]) -> None:
        """Tell one that waits who it is now. Its end, if it comes before it has heard this, is seen as any other."""
        if self.given is None:
            return
        try:
            os.write(self.given, json.dumps(env).encode() + b"\n")
        except OSError:
            pass
        finally:
            os.close(self.given)


def start(launch: dict[str, Any], group: limits.MemoryGroup | None, *, waits: bool = False) -> Program:
    """Start the program of a launch record. Raises OSError, subprocess.SubprocessError, ValueError."""
    output, child_output = _pipe()
    given, child_given = (None, None) if not waits else reversed(_pipe())
    argv = [str(part) for part in launch["argv"]]
    env = environment(launch)
    handed: list[int] = []
    report: int | None = None
    if launch["sandbox"] is not None:
        # By descriptor, so that neither the secrets in the environment nor the layout show in the process list.
        words = [*launch["sandbox"]["args"], "--clearenv"]
        for name, value in env.items():
            words += ["--setenv", name, value]
        words_fd = os.memfd_create("args")
        os.write(words_fd, b"".join(os.fsencode(word) + b"\0" for word in words))
        os.lseek(words_fd, 0, os.SEEK_SET)
        report, child_report = os.pipe()
        handed = [words_fd, child_report]
        mine = ["--args", str(words_fd), "--json-status-fd", str(child_report)]
        if launch["sandbox"].get("seccomp"):  # not in folders of earlier releases
            filter_fd = os.memfd_create("filter")
            os.write(filter_fd, bytes.fromhex(launch["sandbox"]["seccomp"]))
            os.lseek(filter_fd, 0, os.SEEK_SET)
            handed.append(filter_fd)
            mine += ["--seccomp", str(filter_fd)]
        argv = [launch["sandbox"]["program"], *mine, *argv]
        env = {"LANG": "C.UTF-8"}
    mother = os.getpid()
    try:
        child = subprocess.Popen(
            argv,
            env=env,
            cwd=launch["cwd"],
            stdin=subprocess.DEVNULL if child_given is None else child_given,
            stdout=child_output,
            stderr=child_output,
            pass_fds=handed,
            start_new_session=True,
            preexec_fn=lambda: become_child(mother, group),  # safe: the shim has no threads
        )
    finally:
        for fd in [child_output, *handed, *([] if child_given is None else [child_given])]:
            os.close(fd)
    for fd in (output, report):
        if fd is not None:
            os.set_blocking(fd, False)
    return Program(child, output, report, given)


def _pipe() -> tuple[int, int]:
    return os.pipe2(os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()


def environment(launch: dict[str, Any]) -> dict[str, str]:
    """What the program finds in its environment."""
    return {str(k): str(v) for k, v in launch["env"].items()}


def become_child(mother: int, group: limits.MemoryGroup | None) -> None:
    """In a fork of a shim: end with it, as one of the job's processes."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != mother:  # it died before the call above
            os._exit(127)
    if group is not None:
        group.join()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)  # the server must keep answering while jobs use every CPU


def adopt_orphans() -> None:
    """Whatever a job's processes leave behind becomes the calling shim's child."""
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


class Supervisor:
    """One job from fork to exit record. Invariant: the record is written after every process of the job is gone."""

    def __init__(
        self, folder: str, launch: dict[str, Any], identity: dict[str, Any], waiting: Program | None = None
    ) -> None:
        """`waiting`: the program is there already, and waits for its job."""
        self._folder = folder
        self._launch = launch
        self._identity = identity
        self._waiting = waiting
        self._selector = selectors.DefaultSelector()
        self._log = logfiles.LogWriter(os.path.join(folder, "log"), int(launch["log_bytes"]))
        self._group: limits.MemoryGroup | None = None
        self._child: subprocess.Popen[bytes] | None = waiting.child if waiting else None
        self._status: int | None = None  # wait status of the child
        self._sandbox_report = b""
        self._reason = ""
        self._kill_at: float | None = None
        self._killed = False
        self._next_sample = 0.0
        self._next_walk = 0.0
        self._output: int | None = None

    def run(self, signals: int) -> None:
        """Fork, watch, clean up, record."""
        started_at = records.now_us()
        if records.read(self._folder, records.STOP) is not None:
            self._kill_tree()  # one that waited
            self._record(None, "stopped", started_at)
            return
        self._group = limits.MemoryGroup.make(limits.group_name(), int(self._launch["memory_bytes"]))
        adopt_orphans()
        try:
            self._relay()
            program = self._waiting or start(self._launch, self._group)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            text = f"could not start {self._launch['argv'][0]}: {getattr(error, 'strerror', None) or error}"
            self._log.write(f"{text}\n".encode())
            self._kill_tree()
            self._end_group()
            self._record(126 if isinstance(error, PermissionError) else 127, text, started_at)
            return
        self._hold(program)
        self._note_child(started_at)
        program.begin_job(environment(self._launch))
        self._watch(signals)
        ended_at = records.now_us()
        self._kill_tree()
        self._drain()
        if not self._reason and self._group is not None and self._group.ran_out():
            self._reason = "memory"
        self._end_group()
        self._record(self._exit_code(), self._reason or self._sandbox_failure(), started_at, ended_at)

    def _relay(self) -> None:
        """Begin to forward to the addresses that the job may reach, in a child that ends with this process."""
        addresses = [str(address) for address in self._launch.get("egress") or ()]
        if not addresses:
            return
        listeners = relay.listen(addresses)
        mother = os.getpid()
        if os.fork() == 0:
            try:
                become_child(mother, self._group)
                name_process(b"dataos-relay")
                relay.serve(listeners, addresses)
            finally:
                os._exit(1)
        for listener in listeners:
            listener.close()

    def _hold(self, program: Program) -> None:
        """Take charge of a program: its pipes, and one that waited joins the job's memory group."""
        self._child = program.child
        if self._waiting is not None and self._group is not None:
            for pid in (program.child.pid, *trees.descendants(program.child.pid)):
                self._group.take(pid)
        self._output = program.output
        self._selector.register(program.output, selectors.EVENT_READ, self._pump)
        if program.report is not None:
            self._selector.register(program.report, selectors.EVENT_READ, self._read_report)

    def _note_child(self, started_at: int) -> None:
        assert self._child is not None  # noqa: S101 - set by _fork, which raises otherwise
        records.write(
            self._folder,
            records.SHIM,
            {
                **self._identity,
                "child_pid": self._child.pid,
                "child_start_time": trees.start_time(self._child.pid),
                "started_at": started_at,
                "group": self._group.path if self._group else None,
            },
        )

    def _watch(self, signals: int) -> None:
        """Until the child has ended."""
        self._selector.register(signals, selectors.EVENT_READ, self._take_signals)
        begun = time.monotonic()
        timeout_s = self._launch["timeout_s"]
        timeout_at = None if timeout_s is None else begun + float(timeout_s)
        self._next_sample = begun
        self._next_walk = begun + 1.0
        if records.read(self._folder, records.STOP) is not None:
            self._ask_to_stop()  # the request came while the signal could not reach us
        self._reap()
        while self._status is None:
            now = time.monotonic()
            due = [self._next_sample, self._next_walk, timeout_at or now + 60, self._kill_at or now + 60]
            for key, _ in self._selector.select(max(0.0, min(due) - now)):
                key.data(key.fd)
            if self._status is not None:
                return
            now = time.monotonic()
            if timeout_at is not None and now >= timeout_at:
                timeout_at = None
                self._end("timeout", _TIMEOUT_GRACE_S)
            if self._kill_at is not None and now >= self._kill_at:
                self._kill_at = now + 1.0
                self._kill_tree()
            if now >= self._next_sample:
                self._sample_memory()
                if limits.is_stale(self._launch.get("alive")):
                    self._kill("orphaned")
            if now >= self._next_walk:
                self._walk_folders()

    def _take_signals(self, fd: int) -> None:
        numbers = os.read(fd, 512)
        if signal.SIGTERM in numbers:
            self._ask_to_stop()
        self._reap()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._child is not None and pid == self._child.pid:
                self._status = status
                self._child.returncode = os.waitstatus_to_exitcode(status)

    def _ask_to_stop(self) -> None:
        request = records.read(self._folder, records.STOP) or {}
        self._end("stopped", float(request.get("grace_s", self._launch["grace_s"])))

    def _end(self, reason: str, grace_s: float) -> None:
        """Ask the program to end, and see to it after the grace period."""
        self._reason = self._reason or reason
        kill_at = time.monotonic() + grace_s
        self._kill_at = kill_at if self._kill_at is None else min(self._kill_at, kill_at)
        for group in self._groups():
            trees.send(group, signal.SIGTERM, group=True)

    def _groups(self) -> set[int]:
        """Process groups to ask. bubblewrap passes no signals on, so the program inside is asked itself: it is the
        child of the sandbox's first process, in whose group it begins (and which such a signal can't hurt)."""
        if self._child is None:
            return set()
        if self._launch["sandbox"] is None:
            return {self._child.pid}
        groups: set[int] = set()
        for first in trees.children(self._child.pid):
            for program in trees.children(first):
                with contextlib.suppress(ProcessLookupError):
                    groups.add(os.getpgid(program))
        return groups - {self._child.pid}

    def _sample_memory(self) -> None:
        self._next_sample = time.monotonic() + _SAMPLE_S
        if self._group is not None:
            if self._group.ran_out():
                self._kill("memory")
            return
        limit = int(self._launch["memory_bytes"])
        if trees.HAS_PROC and trees.memory_bytes(trees.descendants(os.getpid()), limit) > limit:
            self._kill("memory")

    def _walk_folders(self) -> None:
        begun = time.monotonic()
        left = int(self._launch["scratch_bytes"])
        for name in ("scratch", "out", "tmp"):
            left -= limits.folder_bytes(os.path.join(self._folder, name), left)
            if left < 0:
                self._kill("scratch")
                break
        ended = time.monotonic()
        # A folder with a million files is walked for a twentieth of the time at most.
        self._next_walk = ended + max(1.0, 20 * (ended - begun))

    def _kill(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._kill_tree()

    def _kill_tree(self) -> None:
        def rest() -> list[int]:
            self._reap()
            if trees.HAS_PROC:
                return trees.descendants(os.getpid())
            return []

        if self._child is not None and (self._status is None or not trees.HAS_PROC):
            # The group first: one call for a whole family, and all there is where processes can't be listed.
            # Not once the child was waited for: its number may be somebody else's by then.
            trees.send(self._child.pid, signal.SIGKILL, group=True)
        trees.kill_until_gone(rest, within_s=_KILL_WITHIN_S)

    def _pump(self, fd: int) -> None:
        try:
            data = os.read(fd, 1 << 18)
        except BlockingIOError:
            return
        if data:
            self._log.write(data)
        else:
            self._selector.unregister(fd)
            self._output = None

    def _read_report(self, fd: int) -> None:
        data = os.read(fd, 1 << 16)
        self._sandbox_report += data
        if not data:
            self._selector.unregister(fd)

    def _drain(self) -> None:
        """Everything is dead: read what is still in the pipes, not longer than a moment."""
        deadline = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline:
            ready = [key for key, _ in self._selector.select(0) if key.data != self._take_signals]
            if not ready:
                break
            for key in ready:
                key.data(key.fd)
        self._log.close()

    def _sandbox_failure(self) -> str:
        """Why bubblewrap itself failed, where it did: then it reports no exit code of the program."""
        if self._launch["sandbox"] is None or b"exit-code" in self._sandbox_report or self._status is None:
            return ""
        if os.WIFSIGNALED(self._status):
            return ""
        tail, _ = logfiles.read_from(os.path.join(self._folder, "log"), 0, 4096)
        return "could not start: " + tail.decode("utf-8", "replace").strip()[-500:]

    def _exit_code(self) -> int | None:
        if self._status is None:
            return None
        if os.WIFSIGNALED(self._status):
            return 128 + os.WTERMSIG(self._status)
        return os.WEXITSTATUS(self._status)

    def _end_group(self) -> None:
        if self._group is not None:
            self._group.remove()

    def _record(self, code: int | None, reason: str, started_at: int, ended_at: int | None = None) -> None:
        # The run is over: its secrets have no further use on disk.
        shutil.rmtree(os.path.join(self._folder, "secret"), ignore_errors=True)
        record = {
            **self._identity,
            "exit_code": code,
            "signal": code - 128 if code is not None and code > 128 else None,
            "reason": reason,
            "started_at": started_at,
            "ended_at": ended_at or records.now_us(),
        }
        for pause in (0.0, 0.2, 1.0, 5.0, 20.0):
            time.sleep(pause)
            try:
                records.write(self._folder, records.LAUNCH, {**self._launch, "env": {}})
                records.write(self._folder, records.EXIT, record, sync=True)
            except OSError:
                # Most likely a full disk, and what a job leaves in its scratch folder is the likeliest cause.
                for name in ("tmp", "scratch"):
                    shutil.rmtree(os.path.join(self._folder, name), ignore_errors=True)
            else:
                return


def _say(word: bytes) -> None:
    """Tell the server, if it still lives."""
    try:
        os.write(READY_FD, word)
        os.close(READY_FD)
    except OSError:
        pass


def take_signals() -> int:
    """A descriptor that tells of stop requests and ended children, by number."""
    signals, signals_in = os.pipe()
    for fd in (signals, signals_in):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(signals_in, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    return signals


def supervise(folder: str, signals: int, waiting: Program | None = None) -> bool:
    """Claim the folder and supervise its program. False if it was left to the shim that was first."""
    claim = records.claim(folder)
    launch = records.read(folder, records.LAUNCH)
    if claim is None or launch is None:
        _say(LOST)
        return False
    identity = {**records.identity(), "claim": records.last_claim(folder)}
    records.write(folder, records.SHIM, identity)
    _say(UP)
    Supervisor(folder, launch, identity, waiting).run(signals)
    return True


def main(folder: str) -> None:
    """All of a shim's work, from a folder with its job."""
    name_process(b"dataos-shim")
    os.umask(0o077)
    os.chdir(folder)
    supervise(os.getcwd(), take_signals())


def run(work: Callable[[str], None], folder: str) -> NoReturn:
    """All of a shim's life, in a process of its own."""
    try:
        work(folder)
    except BaseException as error:  # noqa: BLE001 - the end of the process: its traceback goes to the job's shim.err
        sys.excepthook(type(error), error, error.__traceback__)
        os._exit(1)
    os._exit(0)  # skips the interpreter's tidying up: somebody is waiting for the exit record
