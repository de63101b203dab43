"""What a sandboxed job can't do, tried by a hostile one; and who is refused where there is no sandbox."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dataos.core.errors import DataOSError
from dataos.processes import sandbox
from dataos.processes.ports import Isolation, Launch, Mount, Phase
from integration.processes.conftest import Home, needs_sandbox, python, shell, text_in_log, until

CANARY = "canary-of-another"

HOSTILE = """
import ctypes, glob, json, os, signal, socket, subprocess, sys
targets = json.load(open(os.environ["RUNNABLE_ARTIFACT_DIR"] + "/targets.json"))
canary = "".join(["canary-of", "-another"]).encode()
done = []

def attempt(name, action):
    try:
        if action() is not False:
            done.append(name)
    except (OSError, subprocess.SubprocessError):
        pass

for path in targets["files"]:
    attempt("read " + path, lambda: open(path, "rb").read())
for path in targets["folders"]:
    attempt("list " + path, lambda: os.listdir(path))
for port in targets["ports"]:
    for host in ("127.0.0.1", "localhost"):
        attempt("connect tcp", lambda: socket.create_connection((host, port), 2))
def unix(address):
    socket.socket(socket.AF_UNIX).connect(address)
attempt("connect abstract socket", lambda: unix("\\0" + targets["abstract"]))
for name in ("DATAOS_CONFIG_DIR", "DATAOS_SECRET_DIR", "RUNNABLE_ARTIFACT_DIR"):
    attempt("write " + name, lambda: open(os.environ[name] + "/new", "w"))
    attempt("chmod " + name, lambda: os.chmod(os.environ[name] + "/..", 0o777))
for path in ("/", "/etc", "/usr", "/dev", "/var", "/var/dataos", sys.prefix):
    attempt("write in " + path, lambda: open(path + "/new", "w"))
for path in ("/etc/passwd", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches"):
    attempt("open to write " + path, lambda: os.open(path, os.O_WRONLY))
for path in glob.glob("/proc/[0-9]*/*"):
    if path.rpartition("/")[2] in ("environ", "cmdline", "maps", "mountinfo"):
        attempt("canary in " + path, lambda: canary in open(path, "rb").read())
        command = path.endswith("cmdline")
        attempt("home in " + path, lambda: command and targets["home"].encode() in open(path, "rb").read())
        attempt("canary below root of " + path,
                lambda: os.path.exists(path.rpartition("/")[0] + "/root" + targets["files"][0]))
attempt("see host processes", lambda: len(glob.glob("/proc/[0-9]*")) > 3)
attempt("signal the shim", lambda: os.kill(targets["pid"], 0))
libc = ctypes.CDLL(None, use_errno=True)
attempt("new user namespace", lambda: libc.unshare(0x10000000) == 0)
x86 = os.uname().machine == "x86_64"
def syscall(numbers, *arguments):
    return libc.syscall(numbers[0 if x86 else 1], *arguments) >= 0
import struct
attempt("ptrace", lambda: syscall((101, 117), 0, 0, 0, 0))
attempt("add_key", lambda: syscall((248, 217), b"user", b"k", b"v", 1, -3))
attempt("io_uring_setup", lambda: syscall((425, 425), 1, ctypes.create_string_buffer(120)))
attempt("userfaultfd", lambda: syscall((323, 282), 1))
attempt("bpf", lambda: syscall((321, 280), 0, ctypes.create_string_buffer(120), 120))
attempt("perf_event_open", lambda: syscall((298, 241), ctypes.create_string_buffer(struct.pack("=II", 1, 112) + bytes(104), 112), 0, -1, -1, 0))
own = ctypes.create_string_buffer(b"own")
vector = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(own), 3))
attempt("process_vm_readv", lambda: syscall((310, 270), os.getpid(), vector, 1, vector, 1, 0))
attempt("new mount namespace by clone", lambda: syscall((56, 220), 0x00020000 | 17, 0, 0, 0, 0))
attempt("clone3", lambda: syscall((435, 435), None, 0))
attempt("no filter", lambda: [l for l in open("/proc/self/status") if l.split() == ["Seccomp:", "2"]] == [])
attempt("mount", lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0)
attempt("unmount", lambda: libc.umount2(b"/etc/dataos/secret", 2) == 0)
attempt("chroot", lambda: os.chroot("/tmp"))
attempt("setuid", lambda: os.setuid(0))
attempt("hostname", lambda: socket.sethostname("x"))
attempt("mknod", lambda: os.mknod("/tmp/disk", 0o60600, os.makedev(8, 0)))
attempt("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
attempt("escape by hard link", lambda: os.link("/etc/dataos/config/mine", "/var/dataos/out/link"))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
attempt("capabilities", lambda: any(int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapBnd")))
attempt("gain privileges", lambda: int(status["NoNewPrivs"]) != 1)
attempt("inherited descriptors", lambda: [f for f in os.listdir("/proc/self/fd") if int(f) > 3] != [])
attempt("not uid 1000", lambda: os.getuid() != 1000 or os.getgid() != 1000)
attempt("push input to a terminal", lambda: __import__("fcntl").ioctl(1, 0x5412, b"x"))
attempt("other interfaces", lambda: [n for _, n in socket.if_nameindex() if n != "lo"] != [])
for folder in ("/home", "/root", "/sys", "/run", "/mnt", "/opt", "/boot", "/etc/ssl/private", "/etc/shadow"):
    python = [path for path in targets["python"] if path.startswith(folder + "/")]
    if python:  # Python itself is below it: only the way there is seen
        way = {path[len(folder) + 1:].split("/")[0] for path in python}
        attempt("see beside Python in " + folder, lambda: set(os.listdir(folder)) != way)
    else:
        attempt("exists " + folder, lambda: os.path.exists(folder))
json.dump(done, open(os.environ["DATAOS_OUT_DIR"] + "/done.json", "w"))
# What must work all the same.
with socket.create_server(("127.0.0.1", 0)) as own:
    socket.create_connection(own.getsockname()).close()
for path in ("/tmp/x", "/dev/shm/x", os.environ["HOME"] + "/x"):
    open(path, "w").write("x")
import pwd, ssl
assert pwd.getpwuid(os.getuid()).pw_dir == os.environ["HOME"]
ssl.create_default_context()
assert os.listdir(os.environ["DATAOS_SECRET_DIR"]) == ["token"]
"""


@needs_sandbox
def test_a_hostile_job_gets_nowhere(home: Home, tmp_path: Path):
    private = home.path / "keys" / "key"
    private.parent.mkdir(parents=True)
    private.write_text(CANARY)
    (home.path / "store.db").write_text(CANARY)

    async def story():
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as abstract:
            name = f"dataos-test-{os.getpid()}"
            abstract.bind("\0" + name)
            abstract.listen()
            async with home.runner("required") as runner:
                victim = shell("echo up; sleep 60", env={"TOKEN": CANARY}, files={"secret/token": CANARY.encode()})
                await runner.start("victim", victim)
                await text_in_log(runner, "victim", b"up")
                targets = {
                    "files": [
                        str(private),
                        str(home.path / "store.db"),
                        str(home.work / "victim" / "secret" / "token"),
                        str(home.work / "victim" / "launch.json"),
                        str(home.work / "hostile" / "launch.json"),
                        "/var/dataos/out/../../../work/victim/secret/token",
                        str(Path(__file__)),
                    ],
                    "folders": [str(home.path), str(home.work), str(tmp_path), "/var/dataos/out/../../victim"],
                    "ports": [listener.getsockname()[1]],
                    "abstract": name,
                    "home": str(home.path),
                    "python": [str(path) for path in sandbox.python_folders()],
                    "pid": json.loads((home.work / "victim" / "shim.json").read_text())["pid"],
                }
                launch = python(
                    HOSTILE,
                    files={
                        "work/targets.json": json.dumps(targets).encode(),
                        "secret/token": b"mine",
                        "config/mine": b"mine",
                    },
                )
                await runner.start("hostile", launch)
                seen = await until(runner, "hostile")
                log = (await runner.read_log("hostile"))[0].decode()
                assert json.loads(await runner.read_out("hostile", "done.json") or b"null") == [], log
                assert seen.exit_code == 0, log
                assert (await runner.observe("victim")).phase is Phase.RUNNING
                await runner.stop("victim", 0)
                await until(runner, "victim")

    asyncio.run(story())


@needs_sandbox
def test_a_home_inside_the_python_installation_stays_hidden(tmp_path: Path):
    # As when a virtual environment is made in the folder that the home is in: the whole prefix is shown to jobs.
    folder = tmp_path / "prefix"
    (folder / "home" / "keys").mkdir(parents=True)
    (folder / "home" / "keys" / "key").write_text(CANARY)
    (folder / "lib").mkdir()
    code = (
        "import sys; sys.prefix = sys.argv[1]\n"
        "from pathlib import Path\n"
        "from dataos.processes import sandbox\n"
        "print('\\0'.join(sandbox.system_arguments((Path(sys.argv[1], 'home'),))))"
    )
    arguments = subprocess.run(
        [sys.executable, "-c", code, str(folder)], check=True, capture_output=True, text=True
    ).stdout.rstrip("\n")
    done = subprocess.run(
        ["bwrap", *arguments.split("\0"), "--", "ls", str(folder), str(folder / "home")],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [f"{folder}:", "home", "lib", f"{folder}/home:"]


@needs_sandbox
def test_sail_makes_a_session_inside_the_sandbox(home: Home):
    code = b"""
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession
server = SparkConnectServer(ip="127.0.0.1", port=0)
server.start(background=True)
session = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").getOrCreate()
print(session.sql("select 1 as one").collect())
session.stop()
server.stop()
"""

    async def story():
        async with home.runner("required") as runner:
            argv = (sys.executable, "$(RUNNABLE_ARTIFACT_DIR)/main.py")
            launch = Launch(argv, Isolation.PLATFORM, files={"work/main.py": code}, memory_bytes=2 << 30)
            await runner.start("sail", launch)
            seen = await until(runner, "sail", within_s=60)
            log = (await runner.read_log("sail"))[0]
            assert seen.exit_code == 0, log.decode()
            assert b"[Row(one=1)]" in log

    asyncio.run(story())


@needs_sandbox
def test_our_own_package_is_importable_inside(home: Home):
    async def story():
        async with home.runner("required") as runner:
            code = "import dataos.core.errors, os; print(sorted(os.listdir(os.path.dirname(dataos.__path__[0]))))"
            await runner.start("k", Launch((sys.executable, "-c", code), Isolation.PLATFORM))
            assert (await until(runner, "k")).exit_code == 0
            if "site-packages" not in sandbox.__file__:
                assert (await runner.read_log("k"))[0] == b"['dataos', 'pyflare']\n", (
                    "of a checkout only packages are shown"
                )

    asyncio.run(story())


@needs_sandbox
def test_a_failing_sandbox_is_told_from_a_failing_program(home: Home, tmp_path: Path):
    (tmp_path / "data").mkdir()

    async def story():
        async with home.runner("required") as runner:
            mount = Mount(tmp_path / "data", "/proc/cpuinfo/below")  # nothing can be mounted there
            await runner.start("k", shell(":", mounts=(mount,)))
            seen = await until(runner, "k")
            assert seen.exit_code != 0
            assert seen.reason.startswith("could not start: bwrap: ")
            await runner.start("l", shell("exit 1"))
            seen = await until(runner, "l")
            assert (seen.exit_code, seen.reason) == (1, "")

    asyncio.run(story())


@needs_sandbox
@pytest.mark.parametrize("target", ["/etc", "/", "relative", "/data/../etc", "/var/dataos"])
def test_mounts_over_the_platforms_folders_are_refused(home: Home, target: str, tmp_path: Path):
    async def story():
        async with home.runner("required") as runner:
            with pytest.raises(DataOSError) as caught:
                await runner.start("k", shell(":", mounts=(Mount(tmp_path, target),)))
            assert caught.value.problem.code == "process.start"

    asyncio.run(story())


@needs_sandbox
def test_a_mount_is_seen_at_another_path(home: Home, tmp_path: Path):
    (tmp_path / "rows").write_text("1,2")

    async def story():
        async with home.runner("required") as runner:
            mounts = (Mount(tmp_path / "rows", "/data/in/rows.csv"),)
            await runner.start("k", shell("cat /data/in/rows.csv; echo x > /data/in/rows.csv", mounts=mounts))
            seen = await until(runner, "k")
            assert seen.exit_code != 0
            assert (await runner.read_log("k"))[0].startswith(b"1,2")
            assert (tmp_path / "rows").read_text() == "1,2"

    asyncio.run(story())


LINKS = """
import os
source, *targets = [os.environ[n] for n in ("SHOWN", "FIRST", "SECOND", "DATAOS_TEMP_DIR")]
for target in targets:
    for make in (os.symlink, os.link):
        for path in (source, "/etc/hosts", os.environ["FIRST"] + "/own", os.environ["DATAOS_TEMP_DIR"] + "/own"):
            open(os.environ["DATAOS_TEMP_DIR"] + "/own", "w").close()
            try:
                make(path, target + "/made")
                print("made", make.__name__, path, "in", target, flush=True)
                os.unlink(target + "/made")
            except OSError:
                pass
"""


@needs_sandbox
def test_no_link_leads_out_of_a_folder_that_a_program_may_write_to(home: Home, tmp_path: Path):
    """Symbolic ones are not made at all, hard ones within one folder only."""
    for name in ("first", "second", "shown"):
        (tmp_path / name).mkdir()
    (tmp_path / "shown" / "file").write_text("x")
    (tmp_path / "first" / "own").write_text("x")
    shown = tmp_path / "shown" / "file"
    env = {"SHOWN": str(shown), "FIRST": str(tmp_path / "first"), "SECOND": str(tmp_path / "second")}
    folders = tuple(Mount(tmp_path / name, str(tmp_path / name), writable=True) for name in ("first", "second"))

    async def story():
        async with home.runner("required") as runner:
            await runner.start("k", python(LINKS, env=env, mounts=(*folders, Mount(shown, str(shown)))))
            assert (await until(runner, "k")).exit_code == 0
            made = {tuple(line.split()[1:3]) for line in (await runner.read_log("k"))[0].decode().splitlines()}
            own = {("link", f"{tmp_path}/first/own"), ("link", "/var/dataos/temp_data/own")}
            assert made <= own, made
            await runner.start("free", python("import os; os.symlink('/etc', os.environ['TMPDIR'] + '/x')"))
            assert (await until(runner, "free")).exit_code == 0

    asyncio.run(story())


@needs_sandbox
def test_a_folder_of_the_socket_that_holds_more_is_not_shown(home: Home):
    home.socket.parent.mkdir(parents=True)
    (home.socket.parent / "server.json").write_text("{}")

    async def story():
        async with home.runner("required") as runner:
            with pytest.raises(DataOSError, match=r"must hold nothing else: server\.json"):
                await runner.start("k", shell(":"))
            await runner.start("k", shell(":", server_access=False))
            await until(runner, "k")

    asyncio.run(story())


def test_without_a_sandbox_user_code_is_refused_and_ours_runs(home: Home):
    async def story():
        async with home.runner("off", trust_user_code=False) as runner:
            with pytest.raises(DataOSError) as caught:
                await runner.start("user", shell("echo"))
            problem = caught.value.problem
            assert problem.code == "process.no_sandbox"
            assert "bubblewrap" in problem.hint
            assert "workloads.trust_user_code" in problem.hint
            assert await runner.keys() == []
            await runner.start("ours", shell("echo ours", isolation=Isolation.PLATFORM))
            assert (await until(runner, "ours")).exit_code == 0
            assert "workloads.sandbox" in await runner.sandbox_warning()
        async with home.runner("off", trust_user_code=True) as runner:
            await runner.start("trusted", shell("echo"))
            assert (await until(runner, "trusted")).exit_code == 0

    asyncio.run(story())


def test_a_bubblewrap_that_is_missing_or_forbidden_is_named(tmp_path: Path):
    assert "not installed" in sandbox.probe(str(tmp_path / "nothing"))
    forbidden = tmp_path / "bwrap"
    forbidden.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    forbidden.chmod(0o755)
    reason = sandbox.probe(str(forbidden))
    assert "does not work here" in reason
    assert "No permissions to create new namespace" in reason


def test_a_required_sandbox_that_is_missing_refuses_our_jobs_too(home: Home, monkeypatch: pytest.MonkeyPatch):
    async def story():
        async with home.runner("required") as runner:
            with pytest.raises(DataOSError) as caught:
                await runner.start("ours", shell("echo", isolation=Isolation.PLATFORM))
            assert caught.value.problem.code == "process.no_sandbox"

    monkeypatch.setenv("PATH", "/nowhere")
    asyncio.run(story())


@needs_sandbox
def test_a_python_below_tmp_runs_in_the_sandbox(tmp_path):
    """The job's own /tmp must not hide a virtual environment that lies there."""
    venv = Path(tempfile.mkdtemp(prefix="venv-", dir="/tmp"))
    try:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
        program = (
            "import sys; from pathlib import Path; from dataos.processes import sandbox; from dataos.processes.ports import *\n"
            "folder = Path(sys.argv[1])\n"
            "for name in ('tmp', 'etc', 'config', 'secret', 'work', 'out', 'scratch'): (folder / name).mkdir()\n"
            "for name, text in sandbox.etc_files().items(): (folder / 'etc' / name).write_text(text)\n"
            "launch = Launch(argv=(), isolation=Isolation.USER)\n"
            "print('\\0'.join([*sandbox.system_arguments(()), *sandbox.job_arguments(folder, launch, None)]))"
        )
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(sandbox.__file__).parents[2])}
        python = str(venv / "bin" / "python")
        job = tmp_path / "job"
        job.mkdir()
        made = subprocess.run([python, "-c", program, str(job)], env=env, capture_output=True, text=True, check=True)
        arguments = made.stdout.strip().split("\0")
        done = subprocess.run(
            ["bwrap", *arguments, "--", python, "-c", "print('in')"], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, "in\n"), done.stderr
    finally:
        shutil.rmtree(venv)
