"""Start, observe, stop, results, limits: the same with and without a sandbox."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import sys
import threading
import time
from pathlib import Path

import pytest

from dataos.core.errors import DataOSError
from dataos.processes.ports import Isolation, Launch, Mount, Phase
from integration.processes.conftest import (
    MODES,
    Home,
    eventually,
    processes_called,
    python,
    shell,
    sleepers,
    text_in_log,
    unique_seconds,
    until,
)

pytestmark = pytest.mark.parametrize("mode", MODES)

SHOW = """
import json, os, pathlib
names = ["DATAOS_CONFIG_DIR", "DATAOS_SECRET_DIR", "RUNNABLE_ARTIFACT_DIR"]
files = {n: sorted(p.name for p in pathlib.Path(os.environ[n]).rglob("*") if p.is_file()) for n in names}
body = {"env": dict(os.environ), "files": files, "cwd": os.getcwd(),
        "secret": pathlib.Path(os.environ["DATAOS_SECRET_DIR"], "token").read_text()}
pathlib.Path(os.environ["DATAOS_OUT_DIR"], "result.json").write_text(json.dumps(body))
pathlib.Path(os.environ["TMPDIR"], "x").write_text("scratch")
print("hello"); os.write(2, b"and errors\\n")
raise SystemExit(7)
"""


def test_a_program_sees_its_files_and_environment_and_leaves_a_result(home: Home, mode: str):
    async def story():
        async with home.runner(mode) as runner:
            launch = python(
                SHOW, env={"A": "b=c", "LANG": "C"}, files={"config/a/b.yaml": b"x", "secret/token": b"s3cret"}
            )
            await runner.start("job-1", launch)
            seen = await until(runner, "job-1")
            assert (seen.exit_code, seen.reason) == (7, "")
            assert seen.started_at is not None
            assert seen.ended_at is not None
            assert 0 <= time.time_ns() // 1000 - seen.ended_at < 10_000_000
            assert seen.started_at < seen.ended_at
            body = json.loads(await runner.read_out("job-1", "result.json") or b"")
            assert body["files"] == {
                "DATAOS_CONFIG_DIR": ["b.yaml"],
                "DATAOS_SECRET_DIR": ["token"],
                "RUNNABLE_ARTIFACT_DIR": ["main.py"],
            }
            assert body["secret"] == "s3cret"
            assert (body["env"]["A"], body["env"]["LANG"]) == ("b=c", "C")
            assert body["env"]["HOME"] == body["env"]["TMPDIR"] == body["env"]["DATAOS_TEMP_DIR"] == body["cwd"]
            assert "PYTEST_CURRENT_TEST" not in body["env"]
            log, offset = await runner.read_log("job-1")
            assert log == b"hello\nand errors\n"
            assert await runner.read_log("job-1", offset=offset) == (b"", offset)
            assert await runner.keys() == ["job-1"]
            await runner.remove("job-1")
            assert await runner.keys() == []
            assert (await runner.observe("job-1")).phase is Phase.ABSENT

    asyncio.run(story())


def test_files_are_private_and_secrets_are_gone_after_the_end(home: Home, mode: str):
    async def story():
        async with home.runner(mode) as runner:
            launch = shell("sleep 0.3", env={"TOKEN": "canary-env"}, files={"secret/token": b"canary-file"})
            await runner.start("job", launch)
            folder = home.work / "job"
            for path in [folder, *folder.rglob("*")]:
                assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path
            command_lines = b"".join(_read(p) for p in Path("/proc").glob("[0-9]*/cmdline"))
            assert b"canary" not in command_lines
            await until(runner, "job")
            kept = b"".join(_read(p) for p in folder.rglob("*") if p.is_file())
            assert b"canary" not in kept

    asyncio.run(story())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_starting_twice_starts_once(home: Home, mode: str):
    async def story():
        async with home.runner(mode) as one, home.runner(mode) as two:
            launch = shell("echo ran; sleep 0.2")
            await asyncio.gather(*(runner.start("k", launch) for runner in (one, two) for _ in range(10)))
            await until(one, "k")
            await two.start("k", launch)
            assert (await one.read_log("k"))[0] == b"ran\n"
            assert await two.observe("k") == await one.observe("k")

    asyncio.run(story())


def test_a_listener_hears_of_the_end_soon(home: Home, mode: str):
    async def story() -> float:
        async with home.runner(mode) as runner:
            ended: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
            runner.on_change(lambda key: ended.put_nowait((key, time.time())))
            late: list[float] = []
            for number in range(10):
                await runner.start(f"k{number}", python("import time; time.sleep(0.05); print(time.time())"))
                key, heard = await asyncio.wait_for(ended.get(), 20)
                assert key == f"k{number}"
                assert (await runner.observe(key)).phase is Phase.EXITED
                late.append(heard - float((await runner.read_log(key))[0]))
            return sorted(late)[len(late) // 2]

    print(f"{mode}: listener hears {asyncio.run(story()) * 1000:.1f} ms after the program's last statement (median)")


def test_stop_asks_first_and_kills_after_the_grace(home: Home, mode: str):
    async def story():
        async with home.runner(mode) as runner:
            await runner.start("kind", shell("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done"))
            await runner.start("deaf", shell("trap '' TERM; echo up; while :; do sleep 0.05; done"))
            await text_in_log(runner, "kind", b"up")
            await text_in_log(runner, "deaf", b"up")
            await runner.stop("kind", 600)
            seen = await until(runner, "kind")
            assert (seen.exit_code, seen.reason) == (3, "stopped")
            assert b"bye" in (await runner.read_log("kind"))[0]
            await runner.stop("deaf", 600)
            await asyncio.sleep(0.3)
            assert (await runner.observe("deaf")).phase is Phase.RUNNING
            await runner.stop("deaf", 0.2)  # a second request may be less patient
            seen = await until(runner, "deaf")
            assert (seen.exit_code, seen.reason) == (137, "stopped")
            await runner.stop("deaf", 0)
            await runner.stop("never-seen", 0)
            assert (await runner.observe("never-seen")).phase is Phase.ABSENT

    asyncio.run(story())


def test_nothing_of_a_tree_survives_the_program(home: Home, mode: str):
    long = unique_seconds()
    code = f"(setsid sleep {long} &) ; (sleep {long} & sleep {long}) & setsid -f sh -c 'trap \"\" TERM; sleep {long}'"

    async def story():
        async with home.runner(mode) as runner:
            await runner.start("ends", shell(f"{code}; sleep 0.3; exit 0"))
            await until(runner, "ends")
            assert sleepers(long) == []
            await runner.start("stopped", shell(f"{code}; echo up; sleep {long}"))
            await text_in_log(runner, "stopped", b"up")
            await eventually(lambda: len(sleepers(long)) >= 4)
            await runner.stop("stopped", 0.1)
            await until(runner, "stopped")
            assert sleepers(long) == []

    asyncio.run(story())


def test_a_timeout_ends_the_program(home: Home, mode: str):
    async def story():
        async with home.runner(mode) as runner:
            await runner.start("slow", shell("sleep 60", timeout_s=0.4))
            seen = await until(runner, "slow")
            assert seen.reason == "timeout"
            assert seen.exit_code in (137, 143)
            assert seen.started_at is not None
            assert seen.ended_at is not None
            assert 300_000 < seen.ended_at - seen.started_at < 5_000_000

    asyncio.run(story())


def test_too_much_memory_ends_the_program_but_not_its_neighbour(home: Home, mode: str):
    hog = """
import os, time
held = []
if os.fork() == 0:
    while True:
        held.append(bytearray(os.urandom(1024)) * (16 << 10))
        time.sleep(0.02)
os.wait()
time.sleep(30)
"""

    async def story():
        async with home.runner(mode) as runner:
            await runner.start("modest", python("import time; x = b'1' * (64 << 20); time.sleep(1.5)"))
            await runner.start("hog", python(hog, memory_bytes=128 << 20))
            seen = await until(runner, "hog")
            assert seen.reason == "memory"
            assert (await until(runner, "modest")).exit_code == 0

    asyncio.run(story())


def test_memory_shared_by_many_processes_counts_once(home: Home, mode: str):
    family = """
import os, time
held = bytearray(os.urandom(1 << 20)) * 60
for _ in range(8):
    if os.fork() == 0:
        sum(held[::4096]); time.sleep(1.2); os._exit(0)
for _ in range(8):
    os.wait()
"""

    async def story():
        async with home.runner(mode) as runner:
            await runner.start("family", python(family, memory_bytes=256 << 20))
            seen = await until(runner, "family")
            assert (seen.exit_code, seen.reason) == (0, "")

    asyncio.run(story())


@pytest.mark.parametrize("where", ["DATAOS_TEMP_DIR", "DATAOS_OUT_DIR"])
def test_too_much_scratch_ends_the_program(home: Home, mode: str, where: str):
    hoarder = f"""
import os, time
os.makedirs(os.environ["{where}"] + "/a/b")
with open(os.environ["{where}"] + "/a/b/big", "wb") as file:
    os.chmod(os.environ["{where}"] + "/a", 0)
    while True:
        file.write(bytes(1 << 20)); file.flush(); time.sleep(0.01)
"""

    async def story():
        async with home.runner(mode) as runner:
            await runner.start("hoarder", python(hoarder, scratch_bytes=32 << 20))
            seen = await until(runner, "hoarder")
            assert (seen.exit_code, seen.reason) == (137, "scratch")
            await runner.remove("hoarder")
            assert [p.name for p in home.work.iterdir()] == []

    asyncio.run(story())


def test_a_long_log_keeps_its_head_and_its_tail(home: Home, mode: str):
    async def story():
        async with home.runner(mode) as runner:
            await runner.start("talker", python("for n in range(200_000): print(f'line {n:06d}')", log_bytes=64 << 10))
            await until(runner, "talker")
            log, offset = await runner.read_log("talker")
            assert offset == 200_000 * 12
            head, _, tail = log.partition(b" bytes of log were cut out here ...]\n")
            assert head.startswith(b"line 000000\nline 000001\n")
            assert tail.startswith(b"line ")
            assert tail.endswith(b"line 199999\n")
            assert 32 << 10 <= len(head) < 33 << 10
            assert 20 << 10 <= len(tail) <= 32 << 10
            cut = int(head.rpartition(b"[... ")[2])
            assert cut + len(tail) + (32 << 10) == offset
            on_disk = sum(p.stat().st_size for p in (home.work / "talker" / "log").iterdir())
            assert on_disk <= 64 << 10

    asyncio.run(story())


def test_a_log_is_followed_while_it_grows(home: Home, mode: str):
    async def story():
        async with home.runner(mode) as runner:
            await runner.start("t", python("import time\nfor n in range(40): print(n); time.sleep(0.01)"))
            log, offset = b"", 0
            while not log.endswith(b"39\n"):
                more, offset = await runner.read_log("t", offset=offset, limit_bytes=5)
                assert len(more) <= 5
                log += more
                await asyncio.sleep(0.002)
            assert log == b"".join(b"%d\n" % n for n in range(40))
            assert await runner.read_log("nobody") == (b"", 0)

    asyncio.run(story())


def test_a_program_that_does_not_exist_is_a_failed_run_that_says_so(home: Home, mode: str):
    async def story():
        async with home.runner(mode) as runner:
            await runner.start("none", Launch(("/no/such/program", "x"), Isolation.USER))
            seen = await until(runner, "none")
            assert seen.exit_code not in (0, None)
            assert "could not start" in seen.reason
            assert "/no/such/program" in seen.reason

    asyncio.run(story())


def test_links_and_odd_files_in_the_out_folder_are_not_followed(home: Home, mode: str, tmp_path: Path):
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key").write_text("canary")
    code = f"""
import os
os.chdir(os.environ["DATAOS_OUT_DIR"])
os.symlink("{tmp_path}/private/key", "link")
os.symlink("{tmp_path}/private", "folder")
os.symlink("../launch.json", "launch")
os.mkfifo("pipe")
os.mkdir("real"); open("real/file", "w").write("good")
open("big", "w").write("x" * 1000)
import socket
socket.socket(socket.AF_UNIX).bind("sock")
"""

    async def story():
        async with home.runner(mode) as runner:
            await runner.start("k", python(code))
            assert (await until(runner, "k")).exit_code == 0
            assert await runner.read_out("k", "real/file") == b"good"
            for name in ("link", "folder/key", "launch", "pipe", "real", "sock", "none", "real/file/x"):
                assert await runner.read_out("k", name) is None, name
            for name in ("../launch.json", "/etc/passwd", "", "real/../../launch.json"):
                with pytest.raises(DataOSError) as caught:
                    await runner.read_out("k", name)
                assert caught.value.problem.code == "process.result"
            assert await runner.read_out("k", "big", limit_bytes=1000) == b"x" * 1000
            with pytest.raises(DataOSError, match="1000 bytes large, 999 are allowed"):
                await runner.read_out("k", "big", limit_bytes=999)

    asyncio.run(story())


def test_a_tree_too_deep_to_recurse_into_is_removed(home: Home, mode: str):
    code = """
import os
os.chdir(os.environ["DATAOS_TEMP_DIR"])
for _ in range(3000):
    os.mkdir("d" * 20); os.chdir("d" * 20)
"""

    async def story():
        async with home.runner(mode) as runner:
            await runner.start("deep", python(code))
            await until(runner, "deep")
            await runner.remove("deep")
            assert await runner.keys() == []
            assert list(home.work.glob(".old*")) == []

    asyncio.run(story())


def test_a_running_program_is_removed_with_its_files(home: Home, mode: str):
    long = unique_seconds()

    async def story():
        async with home.runner(mode) as runner:
            await runner.start("k", shell(f"trap '' TERM; echo up; sleep {long}"))
            await text_in_log(runner, "k", b"up")
            await runner.remove("k")
            assert sleepers(long) == []
            assert await runner.keys() == []

    asyncio.run(story())


def test_the_server_is_reached_by_its_socket_also_after_it_made_a_new_one(home: Home, mode: str):
    code = """
import os, socket, time
for _ in range(2):
    while True:
        try:
            s = socket.socket(socket.AF_UNIX); s.connect(os.environ["DATAOS_SERVER_SOCKET"])
            if word := s.recv(10):  # nothing: it was the old one's, which was about to close
                break
        except OSError:
            pass
        time.sleep(0.02)
    print(word.decode())
    s.recv(1)
"""

    def serve(word: bytes) -> None:
        home.socket.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(home.socket))
            listener.listen()
            connection, _ = listener.accept()
            with connection:
                connection.sendall(word)
        home.socket.unlink()

    async def story():
        async with home.runner(mode) as runner:
            if len(str(home.socket)) > 100:
                pytest.skip("the temporary folder's name is too long for a socket")
            await runner.start("k", python(code))
            for word in (b"first", b"second"):
                thread = threading.Thread(target=serve, args=(word,))
                thread.start()
                await text_in_log(runner, "k", word)
                await asyncio.to_thread(thread.join)
            assert (await until(runner, "k")).exit_code == 0
            await runner.start(
                "no", python("import os; print(os.environ.get('DATAOS_SERVER_SOCKET'))", server_access=False)
            )
            await until(runner, "no")
            assert (await runner.read_log("no"))[0] == b"None\n"

    asyncio.run(story())


REACH = """
import json, os, socket
answers = []
for address, way in json.loads(os.environ.get("DATAOS_EGRESS", "{}")).items():
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(way)
        try:  # a connection that ends at once may end before the first word
            link.sendall(b"ping")
            link.shutdown(socket.SHUT_WR)
            answers.append(link.makefile("rb").read().decode())
        except OSError:
            answers.append("gone")
try:
    socket.create_connection(("127.0.0.1", int(os.environ["PORT"])), 3).close()
    answers.append("direct")
except OSError:
    answers.append("no network")
print(answers)
"""


def test_a_program_reaches_what_its_egress_names_and_nothing_else(home: Home, mode: str):
    """Nobody listens at the second address: its connections end, they do not hang. Without a sandbox a program has the network."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as closed:
        port, gone = listener.getsockname()[1], closed.getsockname()[1]
        closed.close()
        relays: list[int] = []

        def answer() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                with link:
                    relays.extend(processes_called("dataos-relay", home))
                    link.sendall(link.makefile("rb").read() + b"-pong")

        threading.Thread(target=answer, daemon=True).start()

        async def story() -> None:
            async with home.runner(mode) as runner:
                egress = (f"localhost:{port}", f"127.0.0.1:{gone}")
                await runner.start("k", python(REACH, env={"PORT": str(port)}, egress=egress))
                seen = await until(runner, "k")
                log = (await runner.read_log("k"))[0].decode()
                assert seen.exit_code == 0, log
                assert log.strip() == ("['direct']" if mode == "off" else "['ping-pong', 'gone', 'no network']")
                assert (len(relays), processes_called("dataos-relay", home)) == (0 if mode == "off" else 1, [])

        asyncio.run(story())
        listener.shutdown(socket.SHUT_RDWR)


def test_mounts_are_seen_and_only_writable_ones_written(home: Home, mode: str, tmp_path: Path):
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "data").write_text("rows")
    launch = shell(
        f"cat {tmp_path}/in/data; echo more > {tmp_path}/out/data",
        mounts=(Mount(tmp_path / "in", str(tmp_path / "in")), Mount(tmp_path / "out", str(tmp_path / "out"), True)),
    )

    async def story():
        async with home.runner(mode) as runner:
            await runner.start("k", launch)
            assert (await until(runner, "k")).exit_code == 0
            assert (await runner.read_log("k"))[0] == b"rows"
            assert (tmp_path / "out" / "data").read_text() == "more\n"
            with pytest.raises(DataOSError) as caught:
                await runner.start("m", shell(":", mounts=(Mount(tmp_path / "gone", "/data"),)))
            assert caught.value.problem.code == "process.start"
            assert await runner.keys() == ["k"]

    asyncio.run(story())


@pytest.mark.parametrize("name", ["config/../../x", "/etc/x", "other/x", "config", ""])
def test_files_outside_the_private_folders_are_refused(home: Home, mode: str, name: str):
    async def story():
        async with home.runner(mode) as runner:
            with pytest.raises(DataOSError) as caught:
                await runner.start("k", shell(":", files={name: b""}))
            assert caught.value.problem.code == "process.start"
            assert await runner.keys() == []
            assert list(home.work.glob(".new*")) == []

    asyncio.run(story())


@pytest.mark.parametrize("key", ["../x", "", ".hidden", "a/b", "a" * 201, "x\0"])
def test_a_key_that_cannot_name_a_folder_is_refused(home: Home, mode: str, key: str):
    async def story():
        async with home.runner(mode) as runner:
            for call in (runner.start(key, shell(":")), runner.observe(key), runner.remove(key), runner.read_log(key)):
                with pytest.raises(DataOSError) as caught:
                    await call
                assert caught.value.problem.code == "process.key"

    asyncio.run(story())


def test_fifty_programs_at_once(home: Home, mode: str):
    async def story():
        async with home.runner(mode) as runner:
            heard: set[str] = set()
            runner.on_change(heard.add)
            began = time.monotonic()
            keys = [f"job-{n}" for n in range(50)]
            await asyncio.gather(
                *(runner.start(k, python("import time; time.sleep(0.5); print('done')")) for k in keys)
            )
            print(f"{mode}: 50 starts in {time.monotonic() - began:.2f} s")
            for key in keys:
                seen = await until(runner, key, within_s=60)
                assert (seen.exit_code, seen.reason) == (0, "")
                assert (await runner.read_log(key))[0] == b"done\n"
            await eventually(lambda: len(heard) == 50)

    asyncio.run(story())


def test_the_loop_keeps_turning_while_programs_start(home: Home, mode: str):
    async def story():
        async with home.runner(mode) as runner:
            gaps: list[float] = []

            async def tick() -> None:
                while True:
                    before = time.monotonic()
                    await asyncio.sleep(0.005)
                    gaps.append(time.monotonic() - before)

            ticker = asyncio.create_task(tick())
            await asyncio.gather(*(runner.start(f"k{n}", shell(":")) for n in range(20)))
            ticker.cancel()
            print(f"{mode}: longest gap of the loop {max(gaps) * 1000:.0f} ms")
            assert max(gaps) < 1.0

    asyncio.run(story())


def test_a_program_has_no_input_and_leaves_no_core(home: Home, mode: str):
    code = "import sys, resource; print(repr(sys.stdin.read()), resource.getrlimit(resource.RLIMIT_CORE))"

    async def story():
        async with home.runner(mode) as runner:
            await runner.start("k", Launch((sys.executable, "-c", code), Isolation.USER))
            await until(runner, "k")
            assert (await runner.read_log("k"))[0] == b"'' (0, 0)\n"
            await runner.start("crash", shell("kill -SEGV $$"))
            assert (await until(runner, "crash")).exit_code == 139
            assert os.listdir(home.work / "crash" / "scratch") == []

    asyncio.run(story())


def test_a_start_that_was_held_up_for_long_does_not_happen(home: Home, mode: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dataos.processes.local.START_WITHIN_S", 0.2)
    slow = ["processes.folder-written"]

    def checkpoint(name: str) -> None:
        if name in slow:
            slow.clear()
            time.sleep(0.5)

    async def story():
        async with home.runner(mode, checkpoint=checkpoint) as runner:
            with pytest.raises(DataOSError, match="took longer than") as caught:
                await runner.start("late", python("print('hello')"))
            assert caught.value.problem.retry
            assert (await runner.observe("late")).phase is Phase.ABSENT
            await runner.start("late", python("print('hello')"))
            ended = await until(runner, "late", Phase.EXITED)
            assert ended.exit_code == 0

    asyncio.run(story())
