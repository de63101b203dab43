"""A server's life: prepare the home, lock it, wire, listen, say so, work, stop in order."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import ipaddress
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import uvicorn
import uvloop

import dataos
from dataos.core import durable, logs, names, places, settings
from dataos.core.clock import SystemClock, rfc3339
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import RandomIds
from dataos.gateway import journal
from dataos.governance import changes, decisions, seeding
from dataos.governance.audit import Audit
from dataos.governance.identities import ADMINISTRATOR, MACHINE, Identities
from dataos.governance.keyring import Keyring, load_master_key
from dataos.server import defaults, rotation, sharing, wiring
from dataos.server.home import UNWRITABLE, Home, unwritable
from dataos.store import dumps, upgrades
from dataos.store.database import Store

_log = logs.get(__name__)


def main(argv: list[str] | None = None, checkpoint: Callable[[str], None] = wiring.no_checkpoint) -> int:
    """Entry of `python -m dataos.server`. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="dataos.server")
    parser.add_argument("--home", type=Path, default=None)
    parser.add_argument("--allow", action="append", default=[])
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--report-fd", type=int)
    parser.add_argument("--reset-token", action="store_true")
    parser.add_argument("--disable-policy")
    parser.add_argument("--dump", type=Path, help="write all rows of the store to this file")
    parser.add_argument("--load", type=Path, help="fill an empty store from such a file")
    options = parser.parse_args(argv)
    home = Home((options.home or places.home_folder()).expanduser().absolute())
    try:
        if options.reset_token:
            return _reset_token(home)
        if options.disable_policy is not None:
            return _disable_policy(home, options.disable_policy)
        if options.dump or options.load:
            return _move_rows(home, options.dump, options.load)
        logs.configure(json=not sys.stderr.isatty())
        return uvloop.run(_serve(home, options, checkpoint))
    except Exception as caught:  # noqa: BLE001 - named boundary: whoever started the server hears of it
        error = _start_error(home, caught)
        _report(options.report_fd, {"errors": [p.to_json() for p in error.problems]})
        for problem in error.problems:
            sys.stderr.write(f"{problem.message}\n  {problem.hint}\n")
        return 1


def _start_error(home: Home, error: Exception) -> DataOSError:
    if isinstance(error, DataOSError):
        return error
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        return unwritable(home.root, error)
    _log.error("server crashed", exc_info=error)
    text = f"the server failed to start: {type(error).__name__}"
    return fail("server.internal", text, hint=f"its log says where: {home.logs / 'server.log'}")


async def _serve(home: Home, options: argparse.Namespace, checkpoint: Callable[[str], None]) -> int:
    home.prepare()
    lock = home.lock()
    flags: dict[str, Any] = {"listen": {}, "storage": {}}
    for key in ("host", "port"):
        if getattr(options, key) is not None:
            flags["listen"][key] = getattr(options, key)
    config = settings.load(home.root, os.environ, flags)
    allowed = (*config.storage.allowed_paths, *options.allow)
    config = config.model_copy(
        update={"storage": config.storage.model_copy(update={"allowed_paths": tuple(dict.fromkeys(allowed))})}
    )
    _refuse_public(config.listen.host, options.force)
    rotation_of_log = logs.Rotation(home.logs / "server.log", config.quotas.server_log_mib << 20)
    as_json = not sys.stderr.isatty() if config.log_format == "auto" else config.log_format == "json"
    logs.configure(json=as_json, level=config.log_level, rotate=rotation_of_log)
    tcp = _listen(config.listen.host, config.listen.port)
    inner = _listen_inside(home.jobs_socket)
    parts = wiring.build(home, config, checkpoint=checkpoint)
    try:
        return await _run(parts, tcp, inner, options.report_fd)
    finally:
        parts.store.close()
        home.retract()
        lock.close()


async def _run(parts: wiring.Parts, tcp: socket.socket, inner: socket.socket, report_fd: int | None) -> int:
    home = parts.home
    await parts.store.write(seeding.ensure, parts.clock.now_us())
    token = await parts.store.write(parts.identities.ensure_administrator)
    if token is None and not token_file(home).exists():  # a first start was cut off before it wrote the file
        token = await parts.store.write(parts.identities.issue, ADMINISTRATOR, "first start")
    if token is not None:
        write_token(home, token)
    host, port = tcp.getsockname()[:2]
    url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - compared, not bound
    parts.computes.server_url = url
    parts.logins.server_url = url
    await parts.membership.register(url)
    life = sharing.SignOfLife(home.alive_file)
    life.start()
    await defaults.ensure(parts.store, parts.resources, parts.clock.now_us())
    await parts.runner.adopt()
    await parts.attempts.reclaim()
    await parts.store.write(journal.reclaim, parts.membership.me.id, parts.clock.now_us())
    await parts.spool.open()
    await parts.attempts.sweep()
    for key in await parts.runner.keys():  # what ended while no server looked is found by a look
        parts.reconciler.kick(wiring.job_unit(key))
    server = uvicorn.Server(
        uvicorn.Config(parts.app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5)
    )
    stopping = asyncio.Event()
    _on_signals(stopping)
    serving = asyncio.create_task(_serve_http(server, [tcp, inner]))
    loop = asyncio.create_task(parts.reconciler.run())
    upkeep = asyncio.create_task(parts.upkeep.forever())
    bounds = asyncio.create_task(parts.upkeep.look_often())
    member = asyncio.create_task(_stay(parts))
    listening = asyncio.create_task(parts.listener.run())
    engines = asyncio.create_task(parts.clusters.keep())
    standing = asyncio.create_task(parts.ongoing.keep())
    auditing = asyncio.create_task(parts.auditing.keep())
    keys = asyncio.create_task(rotation.keep(parts.store, parts.keys, parts.membership.me.id))
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    warning = await parts.runner.sandbox_warning()
    warnings = [_unsandboxed(warning)] if warning else []
    body = {
        "url": url,
        "pid": os.getpid(),
        "version": dataos.__version__,
        "home": str(home.root),
        "started": rfc3339(SystemClock().now_us()),
        "allowed": [str(Path(p).resolve()) for p in (*parts.settings.storage.allowed_paths, str(home.files))],
    }
    home.announce(body)
    _report(report_fd, {**body, "warnings": [w.to_json() for w in warnings]})
    _log.info("server up", url=url, home=str(home.root))
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({waiting, serving, loop, member}, return_when=asyncio.FIRST_COMPLETED)
    for task in (serving, loop, member):
        if task.done() and task.exception() is not None:
            _log.error("a part of the server ended", exc_info=task.exception())
    _log.info("server stopping")
    parts.readiness.stopping = True
    parts.feed.close()
    server.should_exit = True
    parts.reconciler.stop()
    others = (upkeep, bounds, member, listening, engines, standing, auditing, keys)
    for task in others:
        task.cancel()
    await asyncio.gather(serving, loop, *others, return_exceptions=True)
    with contextlib.suppress(DataOSError):  # the store is away: the others will miss this server's beats
        await parts.membership.leave()
    life.stop()
    await parts.spool.close()
    await parts.clusters.close()
    await parts.runner.close()
    parts.catalog.close()
    waiting.cancel()
    return 0


async def _stay(parts: wiring.Parts) -> None:
    """Among the servers of this store for as long as it runs; ends only when this server has to."""
    if parts.store.is_sqlite:
        await asyncio.Event().wait()
    await parts.membership.run()


def _unsandboxed(reason: str) -> Problem:
    return Problem(
        "sandbox.missing",
        f"jobs run without a sandbox: {reason}",
        hint="the platform's own jobs run as plain child processes, user code is refused; "
        "install the package bubblewrap and start again",
    )


async def _serve_http(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await server.serve(sockets=sockets)


def _on_signals(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)


_LISTEN_HINTS = {
    errno.EADDRINUSE: "another program holds the port: choose one with `dataos up --port N` (0 picks a free one), "
    "or stop the other",
    errno.EACCES: "ports below 1024 need rights of their own: choose a higher one with `dataos up --port N`",
    errno.EADDRNOTAVAIL: "this machine has no such address: `--host 127.0.0.1` is the default",
}


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Said to be TCP: else asyncio does not turn off the delay of small packets, and each answer takes 40 ms more.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise fail(
            "server.port",
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint=_LISTEN_HINTS.get(error.errno or 0, "choose another address with `dataos up --host H --port N`"),
        ) from error
    sock.listen(1024)
    sock.setblocking(False)
    return sock


def _listen_inside(path: Path) -> socket.socket:
    """The unix socket by which jobs reach the API. A dead server's leftover is replaced (the home is locked)."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    os.chmod(path, 0o666)  # noqa: S103 - jobs run under another uid; the folder is private, and every call needs a token
    sock.listen(256)
    sock.setblocking(False)
    return sock


def _refuse_public(host: str, force: bool) -> None:
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local and not force:
        raise fail(
            "server.public",
            f"{host} can be reached from outside, and this version serves without TLS",
            hint="bind 127.0.0.1 behind a TLS proxy, or accept it with --force",
        )


def token_file(home: Home) -> Path:
    """Where the administrator's token is kept."""
    return home.keys / "admin.token"


def write_token(home: Home, token: str) -> None:
    """Write the administrator's token file (0600)."""
    durable.write(token_file(home), token.encode() + b"\n")


def _disable_policy(home: Home, name: str) -> int:
    """Take a policy out of force from the machine itself, however it locks everybody out."""
    try:
        if not home.keys.exists():
            raise fail("home.missing", f"there is no home at {home.root}", hint="`dataos up` makes one")
        store = sharing.open_store(home, settings.load(home.root, os.environ, {}))
        upgrades.upgrade(store, backups=home.backups)
        known = store.read_sync(decisions.keys, "policy:")
        if f"policy:{name}" not in known:
            near = names.did_you_mean(name, [key.removeprefix("policy:") for key in known])
            raise fail("resource.not_found", f"no policy `{name}` is in force", hint=near)
        _keep_audit(home, store)
        store.write_sync(_take_out, f"policy:{name}")
        store.close()
    except DataOSError as error:
        sys.stdout.write(json.dumps({"errors": [p.to_json() for p in error.problems]}) + "\n")
        return 1
    return 0


def _take_out(connection: sa.Connection, key: str) -> None:
    decisions.write(connection, {key: None})
    changes.note(connection, "policy.disabled", key, MACHINE)


def _keep_audit(home: Home, store: Store) -> Keyring:
    """Have changes that are made without a server audited. Returns the installation's keys."""
    keys = Keyring(load_master_key(home.keys), home.keys)
    rotation.open_keys(store, keys, sharing.server_id(home, RandomIds()))
    store.on_notes = Audit(store, SystemClock(), keys.newest.audit).append
    return keys


def _reset_token(home: Home) -> int:
    try:
        if not home.keys.exists():
            raise fail("home.missing", f"there is no home at {home.root}", hint="`dataos up` makes one")
        store = sharing.open_store(home, settings.load(home.root, os.environ, {}))
        upgrades.upgrade(store, backups=home.backups)
        identities = Identities(_keep_audit(home, store), SystemClock(), RandomIds())
        store.write_sync(identities.ensure_administrator)
        write_token(home, store.write_sync(identities.reset_token))
        store.close()
    except DataOSError as error:
        sys.stdout.write(json.dumps({"errors": [p.to_json() for p in error.problems]}) + "\n")
        return 1
    return 0


def _move_rows(home: Home, dump: Path | None, load: Path | None) -> int:
    """All rows out of the store into a file, or out of a file into an empty store (docs/howto/run-on-postgresql.md).
    The home is locked meanwhile: no server of it runs."""
    home.prepare()
    with home.lock():
        store = sharing.open_store(home, settings.load(home.root, os.environ, {}))
        try:
            if load is not None:
                counts = upgrades.load(store, load)
            else:
                revision = store.read_sync(upgrades.current)
                if revision is None:
                    raise fail("store.dump", "the store is empty: there is nothing to write")
                moment = str(rfc3339(SystemClock().now_us()))
                counts = store.read_sync(dumps.write, Path(str(dump)), revision, moment)
        finally:
            store.close()
    sys.stdout.write(json.dumps({"rows": sum(counts.values()), "tables": counts}) + "\n")
    return 0


def _report(fd: int | None, body: dict[str, Any]) -> None:
    if fd is None:
        return
    with contextlib.suppress(OSError), os.fdopen(fd, "w") as pipe:
        pipe.write(json.dumps(body) + "\n")
