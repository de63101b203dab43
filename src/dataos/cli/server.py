"""up, down, admin reset-token, health, version. The server is a process that this starts, never an import."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

import dataos
from dataos.cli import options
from dataos.cli.options import Context, Format, NoIcons, Url
from dataos.cli.output import Output
from dataos.client.connections import running_server, save_context
from dataos.core import places
from dataos.core.errors import DataOSError, ExitCode, Problem, fail

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command("up")
def up(
    allow: Annotated[list[Path] | None, typer.Option("--allow", help="Folder that manifests may name.")] = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to bind (127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option("--port", help="HTTP port (8080; 0 picks a free one).")] = None,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay in the foreground.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Bind a public address without TLS.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="Longest wait for the start (seconds).")] = 60.0,
    no_icons: NoIcons = False,
) -> int:
    """Start the server on this machine, log in to it and make it the active context. Safe to repeat."""
    out = options.output("table", no_icons)
    for folder in allow or []:
        if not folder.is_dir():
            what = "is no folder" if folder.exists() else "does not exist"
            hint = "name a folder that is there"
            raise fail("usage.allow", f"--allow {folder}: {folder.absolute()} {what}", hint=hint)
    home = places.home_folder()
    first = not (home / "keys" / "admin.token").exists()
    running = alive(home)
    if running is None:
        argv = [sys.executable, "-m", "dataos.server", "--home", str(home), "--allow", os.getcwd()]
        for folder in allow or []:
            argv += ["--allow", str(folder.absolute())]
        argv += ["--host", host] if host else []
        argv += ["--port", str(port)] if port is not None else []
        argv += ["--force"] if force else []
        if foreground:
            os.execv(sys.executable, argv)  # noqa: S606 - no shell is the point
        out.talk("up...", "🚀")
        running = _start_or_join(home, argv, timeout)
        for warning in running.get("warnings", []):
            out.problem(Problem.from_json(warning), warning=True)
    else:
        flags = {"--host": host, "--port": port, "--force": force, "--foreground": foreground}
        for problem in _without_effect(running, flags, allow or []):
            out.problem(problem, warning=True)
    code = log_in(out, home, running)
    if first:
        _invite(out, running["url"])
    return code


def _invite(out: Output, url: str) -> None:
    """The first start: how the administrator gets into the web app."""
    from dataos.cli.login import sign_in_link  # a group of its own; only a first start needs it

    try:
        made = sign_in_link(options.client(url, None), "admin")
    except DataOSError as error:  # passwords are switched off: one signs in at the provider
        if error.problem.code != "login.off":
            raise
        out.talk(f"web app: {url}", "🔗")
        return
    out.talk(
        f"web app, for the administrator (good once, until {made['expiration']}; later: dataos login --link)", "🔗"
    )
    print(made["link"])


def log_in(out: Output, home: Path, running: dict[str, Any]) -> int:
    """Make the context `local` of a running server and say where it is."""
    token_file = home / "keys" / "admin.token"
    try:
        token = token_file.read_text().strip()
    except OSError as error:
        raise fail(
            "auth.missing",
            f"cannot read {token_file}: {error.strerror}",
            hint="`dataos admin reset-token` writes a new one",
        ) from error
    save_context(places.client_folder(), "local", running["url"], token, "admin")
    out.talk(f"up...complete: {running['url']} (home {home}, context local)", "🚀")
    return ExitCode.OK


def _without_effect(running: dict[str, Any], flags: dict[str, Any], allow: list[Path]) -> list[Problem]:
    """What this `up` asks of a server that runs already and keeps the settings of its own start."""
    again = "to change that: `dataos down`, then `dataos up` again, here"
    url = urlsplit(running["url"])
    same = {"--host": url.hostname, "--port": url.port}
    idle = [f for f, value in flags.items() if value not in (None, False, same.get(f))]
    found = [
        Problem("server.running", f"the server runs already: {', '.join(idle)} has no effect", hint=again)
    ] if idle else []  # fmt: skip
    allowed = [Path(p) for p in running.get("allowed", [])]
    outside = [f for f in (Path.cwd(), *allow) if not any(f.resolve().is_relative_to(a) for a in allowed)]
    if allowed and outside:
        names = ", ".join(str(f.absolute()) for f in outside)
        text = f"the server runs already, and manifests may not name files below {names}"
        found.append(Problem("server.running", text, hint=again))
    return found


def _start_or_join(home: Path, argv: list[str], timeout: float) -> dict[str, Any]:
    """Start the server, or use the one that another `up` is starting at this moment."""
    try:
        return _start(home, argv, timeout)
    except DataOSError as error:
        if error.problem.code != "home.locked":
            raise
        for _ in range(40):
            running = alive(home)
            if running is not None:
                return running
            time.sleep(0.05)
        raise


def _start(home: Path, argv: list[str], timeout: float) -> dict[str, Any]:
    """Start the server process, detached, and wait for its one line about how it went."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        (home / "logs").mkdir(exist_ok=True, mode=0o700)
        log = open(home / "logs" / "server.log", "ab")  # noqa: SIM115 - handed to the server
    except OSError as error:
        raise fail(
            "home.unwritable",
            f"cannot write to the home folder {home}: {error.strerror}",
            hint="make it writable for you, free space, or name another with DATAOS_HOME=<folder>",
        ) from error
    read_end, write_end = os.pipe()
    with log:
        process = subprocess.Popen(
            [*argv, "--report-fd", str(write_end)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(write_end,),
            start_new_session=True,
            cwd=home,
        )
    os.close(write_end)
    line = _read_line(read_end, timeout)
    if line is None:
        raise fail(
            "wait.timeout",
            f"the server has not answered within {timeout:g} s",
            hint=f"it may still come up: see `dataos health`; its log: {log.name}",
        )
    if not line:
        code = process.wait()
        raise fail("server.start", f"the server ended with code {code} before it was up", hint=f"its log: {log.name}")
    body = json.loads(line)
    if body.get("errors"):
        raise DataOSError(Problem.from_json(p) for p in body["errors"])
    return body


def _read_line(fd: int, timeout: float) -> str | None:
    """The line; None if it has not come in time, nothing if the other end was closed without one."""
    import select

    deadline = time.monotonic() + timeout
    data = b""
    with os.fdopen(fd, "rb", buffering=0) as pipe:
        while not data.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                return None
            piece = pipe.read(65536)
            if not piece:
                return ""
            data += piece
    return data.decode()


def alive(home: Path) -> dict[str, Any] | None:
    """What the running server of a home says of itself, or None."""
    body = running_server(home)
    if body is None or not _is_server(int(body.get("pid", 0)), home):
        return None
    return body


def _is_server(pid: int, home: Path) -> bool:
    """True if the process is the server of this home: a dead one's pid may belong to another home's by now."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return any(b"dataos.server" in w for w in words) and os.fsencode(home) in words
    except OSError:
        return True  # no /proc here (macOS): the pid is all there is


@app.command("down")
def down(
    timeout: Annotated[float, typer.Option("--timeout", help="Longest wait (seconds).")] = 30.0,
    no_icons: NoIcons = False,
) -> int:
    """Stop the server of this machine. Jobs that run go on and are found again by the next `dataos up`."""
    out = options.output("table", no_icons)
    home = places.home_folder()
    body = alive(home)
    if body is None:
        out.talk("down...nothing (no server runs on this home)", "🛑")
        return ExitCode.OK
    pid = int(body["pid"])
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while _is_server(pid, home):
        if time.monotonic() > deadline:
            raise fail("wait.timeout", f"the server (pid {pid}) has not ended within {timeout:g} s", hint=f"kill {pid}")
        time.sleep(0.05)
    out.talk("down...complete", "🛑")
    return ExitCode.OK


@app.command("admin-reset-token")
def reset_token(no_icons: NoIcons = False) -> int:
    """Issue a new administrator token and revoke the old ones. Works on the machine of the server only."""
    out = options.output("table", no_icons)
    home = places.home_folder()
    _on_the_machine(home, "--reset-token")
    token = (home / "keys" / "admin.token").read_text().strip()
    running = running_server(home)
    save_context(
        places.client_folder(), "local", running["url"] if running else "http://127.0.0.1:8080", token, "admin"
    )
    out.talk(f"reset-token...complete: written to {home / 'keys' / 'admin.token'} and context local", "🔑")
    return ExitCode.OK


@app.command("admin-disable-policy")
def disable_policy(
    name: Annotated[str, typer.Option("-n", "--name", help="Name of the policy.")], no_icons: NoIcons = False
) -> int:
    """Take a policy out of force that locks everybody out. Works on the machine of the server only."""
    _on_the_machine(places.home_folder(), "--disable-policy", name)
    text = f"disable-policy...complete: `{name}` is out of force; delete or correct the Resource, which is still there"
    options.output("table", no_icons).talk(text, "🔓")
    return ExitCode.OK


def _on_the_machine(home: Path, *arguments: str) -> None:
    """What the server's program does to a home without serving it. Raises DataOSError with its problems."""
    command = [sys.executable, "-m", "dataos.server", "--home", str(home), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        try:
            raise DataOSError(Problem.from_json(p) for p in json.loads(done.stdout)["errors"])
        except (ValueError, KeyError):
            raise fail("server.internal", f"{arguments[0]} failed: {done.stderr.strip()[-500:]}") from None


@app.command("health")
def health(output: Format = "table", url: Url = None, context: Context = None, no_icons: NoIcons = False) -> int:
    """Is the server well? Names each part; exit code 1 if one is down."""
    out = options.output(output, no_icons)
    client = options.client(url, context)
    body = client.json("GET", "/api/v1/health")
    if out.machine:
        out.data(body)
    else:
        out.talk("DataOS CLI...OK", "🏥")
        for part in body["parts"]:
            text = "OK" if part["ok"] else f"DOWN: {part.get('detail') or 'dataos doctor says why'}"
            out.talk(f"{part['name']}...{text}", "🏥", "INFO" if part["ok"] else "ERRO")
        out.talk(client.connection.url, "🔗")
    return ExitCode.OK if body["ok"] else ExitCode.FAILED


@app.command("version")
def version(output: Format = "table", url: Url = None, context: Context = None, no_icons: NoIcons = False) -> int:
    """Version of this client, and of the server if one answers."""
    out = options.output(output, no_icons)
    found: dict[str, Any] = {"client": dataos.__version__, "server": None, "url": None}
    try:
        client = options.client(url, context)
        found |= {"server": client.json("GET", "/api/v1/version", timeout_s=3.0)["version"]}
        found |= {"url": client.connection.url}
    except DataOSError:
        pass
    if out.machine:
        out.data(found)
        return ExitCode.OK
    print(f"dataos {dataos.__version__}")
    if found["server"]:
        print(f"server {found['server']} at {found['url']}")
    return ExitCode.OK
