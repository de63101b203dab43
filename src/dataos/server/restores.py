"""`dataos restore`: a backup into an empty home, wherever that is.

The whole file is checked first. Then everything is written beside the home's place, made right there (paths, keys,
rows that belong to servers), and takes its name by one rename: a home that was half restored is never there. A restored
home is a new server: it has an id of its own, and jobs that ran when the backup was made are lost or start again.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from dataos.core import settings as settings_tree
from dataos.core.clock import SystemClock, rfc3339
from dataos.core.durable import sync_folder
from dataos.core.errors import Problem, fail
from dataos.core.moves import Moves
from dataos.governance import keyring
from dataos.lakehouse import holds, relocation
from dataos.lakehouse.files import in_bucket
from dataos.server import archives, backups, relocations, sharing
from dataos.server.archives import Header
from dataos.server.home import Home, check_plain, unwritable, write_json
from dataos.store import dumps, tables, upgrades
from dataos.store.database import Store, sqlite_url

_WAREHOUSES = "files/warehouses"
_PACKED = (archives.HEADER, archives.KEYS, archives.CHECKSUMS)


def restore(
    home: Home,
    file: Path,
    *,
    passphrase: str | None,
    keys: bool = True,
    checkpoint: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Make the home from a backup. `keys` false: without them, even if they are in it.

    Returns {home, created, revision, store, secrets, warnings}. Raises DataOSError `backup.*`, `home.not_empty`,
    `store.newer`, `store.dump` (the PostgreSQL database is not empty).
    """
    check_plain(home.root)
    if os.path.lexists(home.root) and (not home.root.is_dir() or any(home.root.iterdir())):
        raise fail(
            "home.not_empty",
            f"{home.root} is there already and not empty",
            hint="a backup is restored into a new home: DATAOS_HOME=<folder> dataos restore FILE",
        )
    if os.path.ismount(home.root):
        raise fail(
            "home.relocate",
            f"{home.root} is where a file system is mounted: a restored home takes its place by a rename",
            hint=f"name a folder inside: DATAOS_HOME={home.root}/home",
        )
    header, sealed = archives.verify(file)
    if header.revision not in upgrades.revisions():
        raise fail(
            "store.newer",
            f"the backup was made by a newer version ({header.version}, revision {header.revision})",
            hint=f"restore it with version {header.version} or a newer one",
        )
    opened = _open_keys(sealed, passphrase, header) if keys and header.keys == "sealed" else None
    with _staging(home) as staged:
        archives.extract(file, staged)
        checkpoint("restore.extracted")
        return _make(home, staged, header, opened, checkpoint)


def _open_keys(sealed: bytes, passphrase: str | None, header: Header) -> dict[str, bytes]:
    if passphrase is None:
        raise fail(
            "backup.passphrase",
            "the keys in this backup are sealed: a passphrase is needed",
            hint="give it when asked, by --passphrase-file, or restore without keys (--without-keys)",
        )
    return archives.open_keys(sealed, passphrase, header)


@contextmanager
def _staging(home: Home) -> Generator[Path]:
    """A private folder beside the home's place; what a killed restore left there is removed."""
    folder = home.root.with_name(f".{home.root.name}.restoring")
    try:
        home.root.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(f"{folder}.lock", os.O_RDWR | os.O_CREAT, 0o600), "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise fail("home.locked", f"another restore to {home.root} is under way") from error
            try:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(mode=0o700)
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                os.unlink(f"{folder}.lock")
    except OSError as error:
        raise unwritable(home.root, error) from error


def _make(
    home: Home,
    staged: Path,
    header: Header,
    keys: dict[str, bytes] | None,
    checkpoint: Callable[[str], None],
) -> dict[str, Any]:
    warnings = _without_store(staged)
    secrets = keys is not None
    if keys is not None:
        _write_keys(staged, keys)
    store_file = staged / "store.db"
    packed = staged / header.store
    if header.store.endswith(".jsonl.gz"):
        backups.unpack_dump(packed, store_file)
    else:
        with gzip.open(packed, "rb") as source, store_file.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
        os.chmod(store_file, 0o600)
    for name in (*_PACKED, header.store):
        (staged / name).unlink(missing_ok=True)
    checkpoint("restore.unpacked")

    moves = _moves(home, staged, header)
    whole = header.data or not moves.pairs
    store = Store(sqlite_url(store_file))
    try:
        manifests: list[str] = store.migrate(lambda connection: _make_rows(connection, moves, whole, secrets))
        if header.data:
            roots = [staged / "warehouse", *_lake_roots(store, home, staged)]
            done = relocation.relocate(roots, moves, _placed(home, staged), checkpoint)
            warnings += [Problem("backup.changed", text) for text in done.problems]
        checkpoint("restore.moved")
        target = _fill_database(home, staged, store)
    finally:
        store.close()
    if target != "sqlite":
        for file in staged.glob("store.db*"):
            file.unlink()
    if whole:
        Home(staged).record(at=home.root)
    else:
        write_json(staged / "home.json", {"path": header.home_real, "named": header.home, "format": 1})
        warnings.append(
            Problem(
                "backup.no_data",
                f"this backup holds no table files: put what stood below {header.home}/warehouse and /files there",
                hint=f"then rewrite their paths: DATAOS_HOME={home.root} dataos home relocate",
            )
        )
    if not secrets:
        warnings.append(
            Problem(
                "backup.no_keys",
                "without the keys all secret values and API keys are lost: a new master key will be made",
                hint="apply the secrets again; `dataos up` logs you in with a new administrator's token",
            )
        )
    if manifests:
        text = f"manifests that named the old place name the new one now: {', '.join(manifests)}"
        warnings.append(Problem("home.manifests", text, hint="change your own files likewise"))
    checkpoint("restore.before-name")
    staged.rename(home.root)  # an empty folder gives way to it
    sync_folder(home.root.parent)
    return {
        "home": str(home.root),
        "created": header.created,
        "revision": header.revision,
        "store": target,
        "secrets": secrets,
        "warnings": [w.to_json() for w in warnings],
    }


def _without_store(staged: Path) -> list[Problem]:
    """The restored settings without the address of the store: that one may still be in use."""
    file = staged / archives.SETTINGS
    body = yaml.safe_load(file.read_text("utf-8")) if file.exists() else None
    if not isinstance(body, dict) or "store" not in body:
        return []
    del body["store"]
    file.write_text(yaml.safe_dump(body, sort_keys=False), "utf-8")
    return [
        Problem(
            "home.settings",
            "the section `store` of settings.yaml was left out: it names the store of the home that was backed up",
            hint="where the restored one should use PostgreSQL, name an empty database (DATAOS_STORE__URL) and restore",
        )
    ]


def _write_keys(staged: Path, keys: dict[str, bytes]) -> None:
    folder = staged / "keys"
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, content in keys.items():
        if "/" in name or name.startswith("."):
            raise fail("backup.passphrase", f"the sealed keys name {name!r}")
        with open(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())


def _moves(home: Home, staged: Path, header: Header) -> Moves:
    pairs = [(header.home, str(home.root)), (header.home_real, str(home.root))]
    for one in header.outside:
        place = f"{_WAREHOUSES}/{one.name}"
        (staged / place).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if (staged / one.member).is_dir():
            (staged / one.member).rename(staged / place)
        else:
            (staged / place).mkdir(mode=0o700)
        pairs.append((one.location, str(home.root / place)))
    shutil.rmtree(staged / "outside", ignore_errors=True)
    return Moves.of(pairs)


def _placed(home: Home, staged: Path) -> relocation.Place:
    """Files that will be in the home are still in the staging folder."""

    def place(location: str) -> Path:
        path = relocation.on_disk(location)
        return staged / path.relative_to(home.root) if path.is_relative_to(home.root) else path

    return place


def _lake_roots(store: Store, home: Home, staged: Path) -> list[Path]:
    """Folders of warehouses in the staging folder, other than those below `warehouse`."""

    def read(connection: sa.Connection) -> list[str]:
        found = connection.execute(sa.select(tables.iceberg_warehouses.c.location)).scalars()
        return [location for location in found if not in_bucket(location)]

    placed = map(_placed(home, staged), store.read_sync(read))
    return [p for p in placed if p.is_relative_to(staged) and not p.is_relative_to(staged / "warehouse") and p.is_dir()]


def _make_rows(connection: sa.Connection, moves: Moves, whole: bool, secrets: bool) -> list[str]:
    """What only held where the backup was made: servers and what they worked on, holds, keys."""
    known = sa.MetaData()
    known.reflect(connection)
    if "servers" in known.tables:
        connection.execute(known.tables["servers"].delete())
    work = known.tables["work"]
    free = {"lease_owner": None, "lease_until": None} | ({"server": None} if "server" in work.c else {})
    connection.execute(work.update().values(**free))
    holds.forget(connection)
    if not secrets:
        facts = known.tables["facts"]
        connection.execute(facts.delete().where(facts.c.key.in_(keyring.FACTS)))
        connection.execute(known.tables["vault"].delete())
        connection.execute(known.tables["tokens"].delete())
    return relocations.rewrite_rows(connection, moves) if whole else []


def _fill_database(home: Home, staged: Path, store: Store) -> str:
    """Where settings name a PostgreSQL store, all rows go there. The last step that others could see."""
    settings = settings_tree.load(staged, os.environ, {})
    target = sharing.open_store(Home(staged), settings)
    try:
        if target.is_sqlite:
            return "sqlite"
        revision = store.read_sync(upgrades.current)
        dump = staged / ".store.jsonl.gz"
        store.read_sync(dumps.write, dump, str(revision), str(rfc3339(SystemClock().now_us())))
        upgrades.load(target, dump)
        dump.unlink()
        return "postgresql"
    finally:
        target.close()
