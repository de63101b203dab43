"""`dataos doctor`: what is well, what is not, and the command that mends it.

Each check stands for itself: one that cannot be made says so and the rest goes on. Checks of the home and the store
need no server; a working server adds what only it knows (`check_engines`). Nothing is changed.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from dataos.core.clock import SystemClock, rfc3339
from dataos.core.errors import DataOSError
from dataos.core.ids import RandomIds
from dataos.core.settings import Settings
from dataos.governance import keyring
from dataos.governance.identities import Identities
from dataos.governance.keyring import Keyring
from dataos.lakehouse.files import in_bucket
from dataos.processes import folders, sandbox
from dataos.processes.ports import Phase, Usage
from dataos.server import gauges, sharing, usage
from dataos.server.home import Home
from dataos.store import servers, tables, upgrades
from dataos.store.clocks import DatabaseClock
from dataos.store.database import Store

OK, WARN, FAIL = "ok", "warn", "fail"
_LOW_FREE, _LOWEST_FREE = 2 << 30, 256 << 20
_STUCK_US = 10 * 60 * 1_000_000
_OVERDUE_US = 60 * 1_000_000
_SKEW_S = 1.0
_REMOVED_WITHIN_S = 60.0
"""What a server that lives is removing is gone by then."""
_NAMED = 3


@dataclass(frozen=True)
class Check:
    """One finding. `mend`: the command or step that mends it; empty where nothing has to be done."""

    name: str
    state: str
    detail: str
    mend: str = ""

    def to_json(self) -> dict[str, str]:
        """The wire form."""
        return asdict(self)


def examine(home: Home, settings: Settings, *, running: bool) -> list[Check]:
    """All checks that need the home and the store only. `running`: a server of this home works now. Blocks."""
    found: list[Check] = []
    if not home.root.is_dir() or not home.marker.exists():
        return [Check("home", FAIL, f"there is no home at {home.root}", "dataos up, or name it with DATAOS_HOME")]
    for name, check in (
        ("home", lambda: check_home(home)),
        ("disk", lambda: check_disk(home, settings)),
        ("sandbox", lambda: check_sandbox(settings)),
        ("leftovers", lambda: check_leftovers(home, running)),
    ):
        found += _made(name, check)
    if not running:
        found += _made("port", lambda: check_port(settings))
    if settings.store.url is None and not home.store.exists():
        return [*found, Check("store", WARN, "the home has never started: there is no store", "dataos up")]
    return found + _made("store", lambda: _of_store(home, settings))


def _of_store(home: Home, settings: Settings) -> Iterator[Check]:
    store = sharing.open_store(home, settings)
    try:
        usable = True
        for check in check_store(store):
            usable = usable and (check.state == OK or not check.name.startswith("store"))
            yield check
        if usable:
            yield from examine_store(home, settings, store)
    finally:
        store.close()


def examine_store(home: Home, settings: Settings, store: Store) -> list[Check]:
    """The checks that read the store's rows; its schema is this version's."""
    now = SystemClock().now_us()
    found: list[Check] = []
    for name, check in (
        ("keys", lambda: check_keys(home, store)),
        ("warehouses", lambda: _read(store, check_warehouses)),
        ("tables", lambda: _read(store, check_tables)),
        ("clock", lambda: check_clock(store)),
        ("servers", lambda: _read(store, check_servers)),
        ("resources", lambda: _read(store, check_resources, now)),
        ("schedules", lambda: _read(store, check_schedules, now)),
        ("processes", lambda: check_processes(home, store)),
        ("quotas", lambda: check_quotas(home, settings, store)),
        ("backup", lambda: _read(store, check_backup, now)),
    ):
        found += _made(name, check)
    return found


def _read(store: Store, check: Callable[..., Iterable[Check]], *args: int) -> list[Check]:
    return store.read_sync(lambda connection: list(check(connection, *args)))


def _made(name: str, check: Callable[[], Iterable[Check]]) -> list[Check]:
    try:
        return list(check())
    except DataOSError as error:
        return [Check(name, FAIL, error.problem.message, error.problem.hint)]
    except (OSError, SQLAlchemyError) as error:
        text = str(error.__class__.__name__ if isinstance(error, SQLAlchemyError) else error)
        return [Check(name, FAIL, f"it could not be looked at: {text}", "see the message; mend it and ask again")]


# --- home and machine -------------------------------------------------------------------------------------------------


def check_home(home: Home) -> Iterator[Check]:
    """Path, owner, modes, token file."""
    if home.moving_file.exists():
        yield Check(
            "home", FAIL, "moving it was begun and not finished", f"DATAOS_HOME={home.root} dataos home relocate"
        )
        return
    recorded = home.recorded().get("path")
    if recorded != str(home.root.resolve()):
        yield Check(
            "home", FAIL, f"it was made at {recorded} and stands at {home.root}",
            f"DATAOS_HOME={home.root} dataos home relocate",
        )  # fmt: skip
        return
    wrong: list[str] = []
    for folder in (home.root, home.keys, home.work, home.logs, home.run):
        if not folder.is_dir():
            continue
        status = folder.stat()
        if stat.S_IMODE(status.st_mode) & 0o077:
            wrong.append(f"{folder} can be entered by others")
        if status.st_uid != os.geteuid():
            wrong.append(f"{folder} belongs to user {status.st_uid}")
        elif not os.access(folder, os.W_OK | os.X_OK):
            wrong.append(f"{folder} is not writable")
    owner = f"chown -R $USER {home.root} && " if any("belongs" in text for text in wrong) else ""
    yield (
        Check("home", FAIL, "; ".join(wrong), f"{owner}chmod -R go-rwx {home.root}")
        if wrong
        else Check("home", OK, f"{home.root}, private to user {os.geteuid()}")
    )
    token = home.keys / "admin.token"
    if not token.exists():
        yield Check("token file", WARN, f"{token} is not there: `dataos up` cannot log you in", _RESET)
    elif stat.S_IMODE(token.stat().st_mode) & 0o077:
        yield Check("token file", FAIL, f"{token} can be read by others", f"chmod 600 {token}; then {_RESET}")


_RESET = "dataos admin reset-token"


def check_disk(home: Home, settings: Settings) -> Iterator[Check]:
    """Free space and free file numbers of the home's disk."""
    space = shutil.disk_usage(home.root)
    least = max(_LOWEST_FREE, settings.quotas.free_mib << 20)
    text = f"{_size(space.free)} of {_size(space.total)} are free"
    mend = f"make room on the disk of {home.root}: older backups, files/, or lower quotas.* in settings.yaml"
    if space.free < least:
        yield Check("disk", FAIL, f"{text}: below quotas.free_mib no job begins, and the store may fail", mend)
    elif space.free < _LOW_FREE:
        yield Check("disk", WARN, text, mend)
    else:
        yield Check("disk", OK, text)
    inodes = os.statvfs(home.root)
    if inodes.f_files and inodes.f_favail < max(1000, inodes.f_files // 100):
        yield Check("disk", FAIL, f"only {inodes.f_favail} more files can be made", mend)


def check_sandbox(settings: Settings) -> Iterator[Check]:
    """Is there a sandbox for jobs, as settings ask for?"""
    mode = settings.workloads.sandbox
    if mode == "off":
        yield Check("sandbox", WARN, "it is switched off (workloads.sandbox): jobs see what the server sees",
                    "remove workloads.sandbox from settings.yaml; then dataos down && dataos up")  # fmt: skip
        return
    reason = sandbox.probe()
    if reason:
        mend = "install the package bubblewrap, and allow user namespaces (sysctl user.max_user_namespaces)"
        yield Check("sandbox", FAIL if mode == "required" else WARN, reason, mend)
    else:
        yield Check("sandbox", OK, "bubblewrap works")


def check_port(settings: Settings) -> Iterator[Check]:
    """Can the next `up` listen?"""
    host, port = settings.listen.host, settings.listen.port
    if port == 0:
        return
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            text = f"{host}:{port} cannot be used: {error.strerror}"
            yield Check("port", WARN, text, "dataos up --port N (0 picks a free one), or stop what uses it")
            return
    yield Check("port", OK, f"{host}:{port} is free")


def check_leftovers(home: Home, running: bool) -> Iterator[Check]:
    """Files of something that was cut off."""
    if not running and home.server_file.exists():
        text = "run/server.json names a server that is gone: it was killed"
        yield Check("server file", WARN, text, "dataos up")
    parts = [f for f in (home.keys / keyring.NEXT,) if f.exists()]
    if parts:
        yield Check("keys", WARN, f"{parts[0]} was left by a rotation that was cut off", "dataos admin rotate-key")
    halves = folders.leftovers(home.work) if home.work.is_dir() else []
    if running:
        halves = [path for path in halves if _is_older_than(path, _REMOVED_WITHIN_S)]
    if halves:
        text = f"{len(halves)} folders of jobs are half made or half removed in {home.work}"
        yield Check("scratch", WARN, text, "dataos down && dataos up: the start removes them")


# --- store ------------------------------------------------------------------------------------------------------------


def check_store(store: Store) -> Iterator[Check]:
    """Does it answer, at which revision, and is it whole?"""
    known = upgrades.revisions()
    found = store.read_sync(upgrades.current)
    kind = store.url.get_backend_name()
    if found is None:
        yield Check("store", FAIL, "it is empty", "dataos up")
        return
    if found not in known:
        text = f"it has revision {found}, this version knows up to {known[-1]}"
        yield Check("store", FAIL, text, "start the newer version, or restore the backup from before the upgrade")
        return
    if found != known[-1]:
        yield Check("store", FAIL, f"it has revision {found}: the upgrade to {known[-1]} is missing", "dataos up")
        return
    missing = store.read_sync(_missing_tables)
    if missing:
        text = f"tables are missing: {', '.join(missing)}: an upgrade failed half-way, or rows were removed by hand"
        yield Check("store", FAIL, text, "restore the newest file of <home>/backups, or a backup: dataos restore FILE")
        return
    if store.is_sqlite:
        faults = store.find_damage()
        if faults:
            text = f"it is damaged: {'; '.join(faults)[:300]}"
            yield Check("store", FAIL, text, "dataos down; dataos restore FILE into a new home")
            return
    yield Check("store", OK, f"{kind}, revision {found}, {'whole' if store.is_sqlite else 'reachable'}")


def _missing_tables(connection: sa.Connection) -> list[str]:
    return sorted(set(tables.metadata.tables) - set(sa.inspect(connection).get_table_names()))


def check_engines(engines: Iterable[tuple[str, int | None]]) -> Iterator[Check]:
    """Processes of the query engines of this server."""
    for name, pid in engines:
        if pid is None:
            text = f"the engine of cluster {name} does not run: it is started again"
            yield Check("engine", WARN, text, "the server's log says why: logs/server.log")
        else:
            yield Check("engine", OK, f"cluster {name}: process {pid}")


def check_keys(home: Home, store: Store) -> Iterator[Check]:
    """Is the master key the store's, do all secrets open, does the token file?"""
    file = home.keys / keyring.FILE
    if not file.exists():
        yield Check("keys", FAIL, f"{file} is not there: no secret can be opened",
                    f"put it back from a backup (mode 0600): {file}")  # fmt: skip
        return
    keys = Keyring(keyring.load_master_key(home.keys), home.keys)
    current = store.read_sync(keys.load)
    broken = store.read_sync(lambda connection: _unreadable(connection, current))
    if broken:
        text = f"{len(broken)} secrets cannot be opened: {_few(broken)}"
        yield Check("keys", FAIL, text, "apply these again: dataos apply -f FILE")
    else:
        yield Check("keys", OK, "the master key is the store's; all secrets open")
    waiting = store.read_sync(keyring.pending)
    if waiting:
        text = f"servers have not taken the rotated key yet: {_few(waiting)}"
        yield Check("key rotation", WARN, text, "start them: they fetch it from the store")
    token = home.keys / "admin.token"
    if token.exists():
        people = Identities(keys, SystemClock(), RandomIds())
        try:
            store.read_sync(people.authenticate, token.read_text().strip())
        except DataOSError as error:
            yield Check("token file", WARN, f"{token}: {error.problem.message}", _RESET)
        else:
            yield Check("token file", OK, f"{token} opens this store")


def _unreadable(connection: sa.Connection, keys: keyring.Keys) -> list[str]:
    v = tables.vault
    rows = connection.execute(sa.select(v.c.id, v.c.version, v.c.wrapped_key)).all()
    return sorted({row.id for row in rows if not keys.opens(row.wrapped_key, f"{row.id}#{row.version}".encode())})


def check_warehouses(connection: sa.Connection) -> Iterator[Check]:
    """Are their folders there, and writable?"""
    bad = sharing.warehouses_health(connection)
    for line in bad:
        yield Check(str(line["name"]), FAIL, str(line["detail"]), "mount it, or mend its permissions; then ask again")
    if not bad:
        places = list(connection.execute(sa.select(tables.iceberg_warehouses.c.location)).scalars())
        away = sum(in_bucket(place) for place in places)
        beside = f", {away} in buckets (`dataos depot test` tries one)" if away else ""
        yield Check("warehouses", OK, f"{len(places) - away} reachable and writable{beside}")


def check_tables(connection: sa.Connection) -> Iterator[Check]:
    """Is each table's newest metadata file there?"""
    t = tables.iceberg_tables
    rows = connection.execute(sa.select(t.c.warehouse, t.c.namespace, t.c.name, t.c.metadata_location)).all()
    lost = [
        f"{r.warehouse}.{r.namespace}.{r.name}"
        for r in rows
        if r.metadata_location.startswith("/") and not os.path.exists(r.metadata_location)
    ]
    if lost:
        text = f"{len(lost)} tables have lost their metadata file: {_few(lost)}"
        yield Check("tables", FAIL, text, "put the warehouse's files back from a backup")
    else:
        yield Check("tables", OK, f"{len(rows)} tables, each with its metadata file")


def check_clock(store: Store) -> Iterator[Check]:
    """This machine's clock against the database's: servers of a store keep to that one."""
    if store.is_sqlite:
        return
    clock = DatabaseClock(SystemClock())
    clock.measure(store)
    skew = (clock.now_us() - SystemClock().now_us()) / 1e6
    if abs(skew) > _SKEW_S:
        text = f"this machine's clock is {abs(skew):.1f} s {'behind' if skew > 0 else 'ahead of'} the database's"
        yield Check("clock", WARN, text, "let a time service set it (chronyd, systemd-timesyncd)")
    else:
        yield Check("clock", OK, f"within {_SKEW_S:g} s of the database's")


def check_servers(connection: sa.Connection) -> Iterator[Check]:
    """Servers of this store that were lost, or run other versions."""
    rows = servers.listing(connection)
    lost = [f"{r.url} on {r.host}, seen {rfc3339(r.seen_at)}" for r in rows if r.state == servers.LOST]
    versions = sorted({r.version for r in rows if r.state == servers.RUNNING})
    if lost:
        yield Check("servers", WARN, f"lost: {_few(lost)}", "look at that machine, and `dataos up` there")
    if len(versions) > 1:
        text = f"servers of different versions work on this store: {', '.join(versions)}"
        yield Check("servers", WARN, text, "upgrade the older ones: dataos down, install, dataos up")
    if not lost and len(versions) <= 1:
        running = sum(r.state == servers.RUNNING for r in rows)
        yield Check("servers", OK, f"{running} registered as running")


def check_resources(connection: sa.Connection, now_us: int) -> Iterator[Check]:
    """Resources in error, pending for long, or whose looks fail."""
    r, w = tables.resources, tables.work
    living = sa.and_(r.c.live_key.is_not(None), r.c.parent_uid.is_(None))
    rows = connection.execute(sa.select(r).where(living, r.c.status != "active")).all()
    failed = [_named(row) for row in rows if row.status == "error"]
    slow = [_named(row) for row in rows if row.status == "pending" and row.updated_at < now_us - _STUCK_US]
    leaving = connection.execute(
        sa.select(r).where(r.c.live_key.is_not(None), r.c.deleting_at < now_us - _STUCK_US)
    ).all()
    failing = connection.execute(sa.select(w.c.unit, w.c.error).where(w.c.failures >= 3).order_by(w.c.unit)).all()
    if failed:
        mend = "dataos get -d -t TYPE -n NAME shows why; mend it and apply it again"
        yield Check("resources", WARN, f"{len(failed)} are in error: {_few(failed)}", mend)
    if slow:
        text = f"{len(slow)} are pending for more than 10 minutes: {_few(slow)}"
        yield Check("resources", WARN, text, "dataos get -d -t TYPE -n NAME shows what it waits for")
    if leaving:
        text = f"{len(leaving)} do not go: {_few([_named(row) for row in leaving])}"
        yield Check("resources", WARN, text, "dataos delete --force -t TYPE -n NAME")
    if failing:
        text = f"{len(failing)} units fail again and again: {failing[0].unit}: {failing[0].error[:200]}"
        yield Check("resources", WARN, text, "the server's log says more: logs/server.log")
    if not (failed or slow or leaving or failing):
        count = connection.execute(sa.select(sa.func.count()).select_from(r).where(living)).scalar()
        yield Check("resources", OK, f"{count} Resources, none in error")


def check_schedules(connection: sa.Connection, now_us: int) -> Iterator[Check]:
    """Ticks that should have come."""
    s, r = tables.schedules, tables.resources
    late = connection.execute(
        sa.select(r, s.c.next_at)
        .join(s, s.c.uid == r.c.uid)
        .where(s.c.next_at < now_us - _OVERDUE_US, s.c.paused_at.is_(None), r.c.live_key.is_not(None))
    ).all()
    if late:
        worst = max((now_us - row.next_at) / 1e6 for row in late)
        text = f"{len(late)} Workflows are overdue, by up to {worst:.0f} s: {_few([_named(row) for row in late])}"
        yield Check("schedules", WARN, text, "dataos up, if the server is down; else see its log")
    else:
        yield Check("schedules", OK, "no tick is overdue")


def check_processes(home: Home, store: Store) -> Iterator[Check]:
    """Jobs' processes that belong to no open attempt."""
    if not home.work.is_dir():
        return
    a = tables.attempts
    keys = folders.keys(home.work)
    open_states = ("launching", "running")
    known = store.read_sync(lambda c: set(c.execute(sa.select(a.c.id).where(a.c.state.in_(open_states))).scalars()))
    alive = [key for key in keys if folders.look(home.work, key).phase in (Phase.STARTING, Phase.RUNNING)]
    orphans = [key for key in alive if key not in known]
    if orphans:
        text = f"{len(orphans)} processes run that no attempt knows: {_few(orphans)}"
        yield Check("processes", WARN, text, "dataos down && dataos up: the start ends them")
    if not orphans:
        yield Check("processes", OK, f"{len(alive)} jobs run, {len(keys)} have files here")


def check_quotas(home: Home, settings: Settings, store: Store) -> Iterator[Check]:
    """What is used of what; only those without upkeep in time are worth a word."""
    facts = store.read_sync(gauges.look, SystemClock().now_us())
    used = _ended_usage(home, store)
    measured = usage.measure(usage.Quotas(settings, home.logs, home.engines, lambda: used), facts.rows)
    near = [f"{u.name} {_share(u)}" for u in measured if u.is_near]
    if near:
        text = f"nearly used up: {', '.join(near)}: the oldest go"
        yield Check("quotas", WARN, text, "raise quotas.* (engine.spill_mib for spill) in settings.yaml, or keep less")
    else:
        yield Check("quotas", OK, ", ".join(f"{u.name} {_share(u)}" for u in measured))


def _ended_usage(home: Home, store: Store) -> Usage:
    if not home.work.is_dir():
        return Usage(0, 0)
    a = tables.attempts
    going = store.read_sync(
        lambda c: set(c.execute(sa.select(a.c.id).where(a.c.state.in_(("launching", "running")))).scalars())
    )
    parts = [folders.usage(home.work, key) for key in folders.keys(home.work) if key not in going]
    return Usage(sum(p.log for p in parts), sum(p.rest for p in parts))


def check_backup(connection: sa.Connection, now_us: int) -> Iterator[Check]:
    """When the last one was made; a word only where there is something to lose."""
    f, t = tables.facts, tables.iceberg_tables
    last = connection.execute(sa.select(f.c.value).where(f.c.key == gauges.LAST_BACKUP)).scalar()
    if last is not None:
        days = (now_us - int(last)) / 86_400e6
        state = WARN if days > 30 else OK
        yield Check("backup", state, f"the last one was made {days:.0f} days ago", _BACKUP if state == WARN else "")
        return
    count = connection.execute(sa.select(sa.func.count()).select_from(t)).scalar() or 0
    if count:
        yield Check("backup", WARN, f"none was ever made, and there are {count} tables", _BACKUP)


_BACKUP = "dataos backup -f FILE"


def _named(row: Any) -> str:
    return f"{row.type} {row.name}" + (f" ({row.workspace})" if row.workspace else "")


def _is_older_than(path: Path, seconds: float) -> bool:
    """False for what is gone."""
    try:
        return time.time() - path.stat().st_ctime > seconds
    except OSError:
        return False


def _few(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _share(used: usage.Used) -> str:
    return f"{100 * used.used / used.limit:.0f} %" if used.limit else "-"


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def to_json(checks: Iterable[Check]) -> list[dict[str, str]]:
    """The wire form of all."""
    return [check.to_json() for check in checks]
