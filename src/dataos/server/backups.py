"""`dataos backup`: the whole home into one file, while the server works or while it does not.

First deletions of table files are held off, then the store is copied as one moment shows it, then the files: whatever
that moment's tables name was written before it, never changes, and is not deleted until the copy is done. So the copy
holds every table whole, whoever writes meanwhile (docs/decisions/0008).
"""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

import dataos
from dataos.core import logs
from dataos.core.clock import Clock, SystemClock, rfc3339
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import RandomIds
from dataos.core.settings import Settings
from dataos.governance import keyring
from dataos.lakehouse import holds, relocation
from dataos.lakehouse.files import contains, in_bucket, plain
from dataos.server import archives, gauges, sharing
from dataos.server.archives import Header, Outside, Writer
from dataos.server.home import Home
from dataos.store import dumps, tables, upgrades
from dataos.store.database import Store, sqlite_url

_log = logs.get(__name__)
_HOLD_S = 120.0
_SHOWN = 3


@dataclass(frozen=True)
class Wanted:
    """What a backup should hold. `passphrase` None: the keys are left out."""

    passphrase: str | None
    data: bool = True
    logs: bool = False


def write(
    home: Home,
    settings: Settings,
    target: Path,
    wanted: Wanted,
    *,
    clock: Clock | None = None,
    checkpoint: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Write a backup file. Returns {file, bytes, files, tables, keys, data, warnings, incomplete}.

    `incomplete` names tables that were not whole before. Raises DataOSError `backup.*`, `home.missing`.
    """
    if not (home.root / "home.json").exists():
        raise fail("home.missing", f"there is no home at {home.root}", hint="name one with DATAOS_HOME=<folder>")
    store = sharing.open_store(home, settings)
    try:
        with closing(_Hold(store, clock or SystemClock())) as hold:
            return _write(home, store, target, wanted, clock or SystemClock(), hold, checkpoint)
    finally:
        store.close()


def _write(
    home: Home,
    store: Store,
    target: Path,
    wanted: Wanted,
    clock: Clock,
    hold: _Hold,
    checkpoint: Callable[[str], None],
) -> dict[str, Any]:
    revision = store.read_sync(upgrades.current)
    if revision is None:
        raise fail("home.missing", f"the home at {home.root} has never started", hint="there is nothing to back up")
    if revision not in upgrades.revisions():
        raise fail("store.newer", f"the store has revision {revision}, which this version does not know")
    checkpoint("backup.held")
    member = "store.db.gz" if store.is_sqlite else "store.jsonl.gz"
    with archives.writing(target) as out, _work_folder(target) as folder:
        copy = folder / member
        look = folder / "store.db"
        _copy_store(store, copy, look, revision, clock)
        checkpoint("backup.store-copied")
        roots, pointers, mark = _roots_and_pointers(look)
        outside = tuple(
            Outside(name, location, f"outside/{number}")
            for number, (name, location) in enumerate(sorted(roots.items()))
            if location.startswith("/") and not contains(str(home.root), location)
        )
        _refuse_inside(target, [home.root / "warehouse", home.files, *(Path(o.location) for o in outside)])
        header = Header(
            id=str(RandomIds().uid()),
            created=str(rfc3339(clock.now_us())),
            version=dataos.__version__,
            revision=revision,
            home=home.named,
            home_real=str(home.root.resolve()),
            store=member,
            keys="sealed" if wanted.passphrase is not None else "left out",
            data=wanted.data,
            logs=wanted.logs,
            key_mark=mark,
            outside=outside if wanted.data else (),
        )
        out.add_bytes(archives.HEADER, archives.header_bytes(header))
        out.add_file(member, copy)
        warnings = _add_own(home, out, header, wanted.passphrase)
        warnings += _in_buckets(roots)
        incomplete: list[str] = []
        if wanted.data:
            _add_tree(out, home.root / "warehouse", "warehouse")
            _add_tree(out, home.files, "files")
            for one in outside:
                _add_tree(out, Path(one.location), one.member)
            checkpoint("backup.files-copied")
            incomplete = _not_whole(home, out, outside, pointers)
        hold.check()
        checkpoint("backup.before-name")
    store.write_sync(_note, clock.now_us())
    warnings += [Problem("backup.changed", text) for text in out.problems]
    return {
        "file": str(target),
        "bytes": target.stat().st_size,
        "files": len(out.names),
        "tables": len(pointers),
        "keys": header.keys,
        "data": wanted.data,
        "warnings": [w.to_json() for w in warnings],
        "incomplete": incomplete,
    }


def _note(connection: sa.Connection, now_us: int) -> None:
    """For `doctor` and `/metrics`: when the last backup was made."""
    f = tables.facts
    done = connection.execute(f.update().where(f.c.key == gauges.LAST_BACKUP).values(value=str(now_us)))
    if not done.rowcount:
        connection.execute(f.insert().values(key=gauges.LAST_BACKUP, value=str(now_us)))


@contextmanager
def _work_folder(target: Path) -> Generator[Path]:
    """A private folder beside the archive for the copy of the store; what a killed backup left is removed."""
    folder = target.with_name(f".{target.name}.work")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Hold:
    """Keeps deletions of table files off, and is renewed by a thread until closed."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._name = str(RandomIds().uid())
        self._ended = threading.Event()
        self._failed: DataOSError | None = None
        self._renew()
        self._thread = threading.Thread(target=self._run, name="files-hold", daemon=True)
        self._thread.start()

    def _renew(self) -> None:
        self._store.write_sync(holds.hold, self._name, self._clock.now_us() + int(_HOLD_S * 1e6))

    def _run(self) -> None:
        while not self._ended.wait(_HOLD_S / 4):
            try:
                self._renew()
            except DataOSError as error:
                self._failed = error
                return

    def check(self) -> None:
        """Raises what kept it from being renewed: then files may have been deleted meanwhile."""
        if self._failed is not None:
            raise self._failed

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        try:
            self._store.write_sync(holds.release, self._name)
        except DataOSError as error:
            _log.warning("the hold on table files ends by itself", error=str(error), after_s=_HOLD_S)


def _copy_store(store: Store, packed: Path, look: Path, revision: str, clock: Clock) -> None:
    """The store as one moment shows it, packed for the archive; `look` is a SQLite file of it to read from."""
    if store.is_sqlite:
        snapshot(Path(str(store.url.database)), look)
        _pack(look, packed)
        return
    store.read_sync(dumps.write, packed, revision, str(rfc3339(clock.now_us())))
    unpack_dump(packed, look)


def snapshot(source: Path, target: Path) -> None:
    """A copy of a SQLite database by its own online backup: whole although somebody writes meanwhile."""
    try:
        with closing(sqlite3.connect(source, timeout=30)) as one, closing(sqlite3.connect(target)) as other:
            one.backup(other)
            other.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise fail("backup.storage", f"cannot copy the store: {error}", hint="nothing was changed") from error


def unpack_dump(packed: Path, target: Path) -> None:
    """A dump as a SQLite store at the dump's own revision."""
    other = Store(sqlite_url(target))
    try:
        upgrades.load(other, packed, to_head=False)
    finally:
        other.close()


def _pack(source: Path, target: Path) -> None:
    with source.open("rb") as plain_file, gzip.open(target, "wb", compresslevel=3) as packed:
        shutil.copyfileobj(plain_file, packed, 1 << 20)


def _roots_and_pointers(look: Path) -> tuple[dict[str, str], dict[str, str], str]:
    """Warehouses' folders, tables' metadata files, and the mark of the master key, as the copied store says."""
    store = Store(sqlite_url(look))

    def read(connection: sa.Connection) -> tuple[dict[str, str], dict[str, str], str]:
        w, t, f = tables.iceberg_warehouses, tables.iceberg_tables, tables.facts
        roots = {r.name: r.location for r in connection.execute(sa.select(w.c.name, w.c.location))}
        rows = connection.execute(sa.select(t.c.warehouse, t.c.namespace, t.c.name, t.c.metadata_location))
        pointers = {f"{r.warehouse}.{r.namespace}.{r.name}": r.metadata_location for r in rows}
        v = tables.iceberg_views
        rows = connection.execute(sa.select(v.c.warehouse, v.c.namespace, v.c.name, v.c.metadata_location))
        pointers |= {f"{r.warehouse}.{r.namespace}.{r.name}": r.metadata_location for r in rows}
        mark = connection.execute(sa.select(f.c.value).where(f.c.key == keyring.MARK_FACT)).scalar()
        return roots, pointers, str(mark or "")

    try:
        return store.read_sync(read)
    finally:
        store.close()


def _refuse_inside(target: Path, copied: Iterable[Path]) -> None:
    place = target.resolve()
    for folder in copied:
        if place.is_relative_to(folder.resolve()):
            raise fail(
                "backup.storage",
                f"{target} lies inside {folder}, which is part of the backup",
                hint="name a file elsewhere, best on another disk",
            )


def _in_buckets(roots: Mapping[str, str]) -> list[Problem]:
    """What a backup does not hold: objects stay where they are."""
    away = sorted(name for name, location in roots.items() if in_bucket(location))
    if not away:
        return []
    return [
        Problem(
            "backup.buckets",
            f"table files in buckets are not part of a backup: {', '.join(away)}",
            hint="a restored home finds the tables as they were if the bucket still holds their files: keep versions "
            "of its objects, and expire no snapshots between backup and restore",
        )
    ]


def _add_own(home: Home, out: Writer, header: Header, passphrase: str | None) -> list[Problem]:
    """Keys, settings and logs."""
    warnings: list[Problem] = []
    if passphrase is not None:
        files = {"master.key": _key_of(home, header)}
        token = home.keys / "admin.token"
        if token.exists():
            files[token.name] = token.read_bytes()
        out.add_bytes(archives.KEYS, archives.seal_keys(files, passphrase, header))
    else:
        warnings.append(
            Problem(
                "backup.no_keys",
                "the keys are left out: a home restored from this file alone has lost all secrets and API keys",
                hint=f"keep {home.keys / 'master.key'} elsewhere, or give a passphrase",
            )
        )
    file = home.root / "settings.yaml"
    if file.exists():
        body = yaml.safe_load(file.read_text("utf-8")) or {}
        password = isinstance(body, dict) and (body.get("store") or {}).pop("password", None)
        if password:
            warnings.append(
                Problem(
                    "backup.password",
                    "the setting store.password is left out",
                    hint="give it to the restored server as DATAOS_STORE__PASSWORD",
                )
            )
            out.add_bytes(archives.SETTINGS, yaml.safe_dump(body, sort_keys=False).encode())
        else:
            out.add_file(archives.SETTINGS, file)
    if header.logs:
        _add_tree(out, home.logs, "logs")
    return warnings


def _key_of(home: Home, header: Header) -> bytes:
    """The master key that the copied store is sealed with: it may be replaced at this moment."""
    for name in (keyring.FILE, keyring.NEXT):
        file = home.keys / name
        if file.exists() and keyring.mark(content := file.read_bytes()) == header.key_mark:
            return content
    raise fail(
        "backup.keys",
        f"no key in {home.keys} is the one that the store's secrets are sealed with",
        hint="if a key was being rotated, repeat the backup; else see `dataos doctor`",
    )


def _add_tree(out: Writer, folder: Path, name: str) -> None:
    """All regular files and folders below `folder`; drafts, links, sockets are left out."""
    if not folder.is_dir():
        return
    out.add_folder(name)
    for current, inside, files in os.walk(folder):
        inside[:] = sorted(n for n in inside if not n.startswith(".") and not os.path.islink(os.path.join(current, n)))
        place = f"{name}/{os.path.relpath(current, folder)}" if current != str(folder) else name
        for one in inside:
            out.add_folder(f"{place}/{one}")
        for one in sorted(files):
            path = Path(current, one)
            if not one.startswith(".") and path.is_file() and not path.is_symlink():
                out.add_file(f"{place}/{one}", path)


def _not_whole(home: Home, out: Writer, outside: tuple[Outside, ...], pointers: dict[str, str]) -> list[str]:
    """Tables of which a file is not in the archive, with the reason. Their deletion was held off: they lacked it."""
    places = [(str(home.root), "")] + [(o.location, o.member + "/") for o in outside]

    def has(location: str) -> bool:
        path = os.path.normpath(plain(location))
        return any(
            path.startswith(folder + "/") and prefix + path[len(folder) + 1 :] in out.names for folder, prefix in places
        )

    found: list[str] = []
    for table, pointer in sorted(pointers.items()):
        if in_bucket(pointer):
            continue
        try:
            missing = [location for location in relocation.needed(pointer) if not has(location)]
        except DataOSError as error:
            found.append(f"{table}: {error.problem.message}")
            continue
        if missing:
            found.append(f"{table}: {len(missing)} files are missing: {', '.join(missing[:_SHOWN])}")
    return found
