"""`dataos home relocate`: a home to another place, with every absolute path in it.

What is moved stands in `<home>/moving.json` before anything changes and until all is done; such a home does not start,
and each step may be done again. On one file system the folder is renamed; else it is copied beside its new place, and
the old one stays whole until the new one is done. The server is down, and no job runs.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dataos.core import settings as settings_tree
from dataos.core.durable import sync_folder
from dataos.core.errors import DataOSError, fail
from dataos.core.moves import Moves
from dataos.lakehouse import relocation
from dataos.processes import folders
from dataos.processes.ports import Phase
from dataos.server import sharing
from dataos.server.home import Home, check_plain, unwritable, write_json
from dataos.store import tables, upgrades
from dataos.store.database import Store

_TEXTS: dict[str, tuple[str, ...]] = {
    "iceberg_warehouses": ("location",),
    "iceberg_tables": ("location", "metadata_location", "previous_metadata_location"),
    "iceberg_views": ("location", "metadata_location"),
    "iceberg_overlays": (
        "location",
        "metadata_location",
        "base_metadata_location",
        "origin_metadata_location",
    ),
    "iceberg_garbage": ("path", "base"),
}
_DOCUMENTS: dict[str, tuple[str, ...]] = {"publications": ("tables",), "depots": ("location",)}
_NOT_COPIED = frozenset({"run", "engines"})


def relocate(
    home: Home,
    new: Path | None,
    settings: settings_tree.Settings | None = None,
    checkpoint: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Move a home to `new`, or (None) finish or make good a move that was done by hand: the home stands where it is.

    Returns {home, from, files, manifests, warnings}: `manifests` names Resources whose stored manifests named the old
    place and name the new one now. Raises DataOSError `home.*`, `store.in_use`, `iceberg.storage`.
    """
    if new is not None:
        new = Path(os.path.abspath(new))
        check_plain(new)
        home = _at_new_place(home, new, settings, checkpoint)
    else:
        check_plain(home.root)
        _need_home(home)
    home.run.mkdir(exist_ok=True, mode=0o700)
    with home.lock():
        moves = _begin(home)
        if not moves.pairs:
            return {"home": str(home.root), "from": str(home.root), "files": 0, "manifests": [], "warnings": []}
        _no_jobs(home)
        settings = settings or settings_tree.load(home.root, os.environ, {})
        store = sharing.open_store(home, settings)
        try:
            _nobody_else(store, settings.store.server_ttl_s)
            done = relocation.relocate(_roots(home, store, moves), moves, checkpoint=checkpoint)
            checkpoint("relocation.files-done")
            manifests = store.migrate(lambda connection: rewrite_rows(connection, moves))
            checkpoint("relocation.rows-done")
        finally:
            store.close()
        home.record()
        checkpoint("relocation.recorded")
        _leave_old(home, moves)
        home.moving_file.unlink(missing_ok=True)
        sync_folder(home.root)
    return {
        "home": str(home.root),
        "from": moves.pairs[-1][0],
        "files": done.metadata + done.lists + done.manifests + done.deletes,
        "manifests": manifests,
        "warnings": done.problems,
    }


def _need_home(home: Home) -> None:
    if not home.marker.exists():
        raise fail("home.missing", f"there is no home at {home.root}", hint="name it with DATAOS_HOME=<folder>")


# --- the folder -------------------------------------------------------------------------------------------------------


def _at_new_place(
    home: Home, new: Path, settings: settings_tree.Settings | None, checkpoint: Callable[[str], None]
) -> Home:
    """The home at its new place, marked as moving; its paths are still the old ones."""
    moved = Home(new)
    if not home.root.exists() and moved.moving_file.exists():
        return moved  # renamed, and then it was cut off
    _need_home(home)
    if moved.marker.exists() and _moves_from(home) == str(home.root) and _target(home) == str(new):
        return moved  # copied, and then it was cut off
    if os.path.lexists(new) and (not new.is_dir() or any(new.iterdir())):
        raise fail("home.relocate", f"{new} is there already and not an empty folder", hint="name another place")
    if new.is_relative_to(home.root.resolve()) or new.is_relative_to(home.root):
        raise fail("home.relocate", f"{new} lies inside {home.root}", hint="name a place beside it")
    recorded = home.recorded()
    if recorded.get("path") != str(home.root.resolve()) and not home.moving_file.exists():
        raise fail(
            "home.moved",
            f"this home was made at {recorded.get('path')} and now stands at {home.root}",
            hint=f"first make that good: DATAOS_HOME={home.root} dataos home relocate",
        )
    home.run.mkdir(exist_ok=True, mode=0o700)
    with home.lock():
        _no_jobs(home)
        _is_free(home, settings or settings_tree.load(home.root, os.environ, {}))
        write_json(home.moving_file, {"pairs": _pairs(home, new), "to": str(new)})
        checkpoint("relocation.marked")
        try:
            new.parent.mkdir(parents=True, exist_ok=True)
            if new.exists():
                new.rmdir()
            os.rename(home.root, new)
            sync_folder(new.parent)
        except OSError as error:
            if error.errno != errno.EXDEV:
                home.moving_file.unlink(missing_ok=True)
                raise unwritable(new, error) from error
            _copy(home, new, checkpoint)
    checkpoint("relocation.at-new-place")
    return moved


def _copy(home: Home, new: Path, checkpoint: Callable[[str], None]) -> None:
    """To another file system: beside the new place first, then by one rename."""
    beside = new.with_name(f".{new.name}.moving")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(home.root, beside, symlinks=True, ignore=_not_copied(home.root))
        for current, _, files in os.walk(beside):
            for name in files:
                path = Path(current, name)
                if not path.is_symlink():
                    with path.open("rb") as copied:
                        os.fsync(copied.fileno())
            sync_folder(Path(current))
        checkpoint("relocation.copied")
        beside.rename(new)
        sync_folder(new.parent)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        home.moving_file.unlink(missing_ok=True)
        raise unwritable(new, error if error.errno else OSError(errno.EIO, str(error)[:300])) from error


def _not_copied(root: Path) -> Callable[[str, list[str]], set[str]]:
    def ignore(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if name in _NOT_COPIED} if Path(folder) == root else set()

    return ignore


def _leave_old(home: Home, moves: Moves) -> None:
    """After a copy: the old folder goes, once the new one is whole. It was marked by us, and by nobody else."""
    for old, new in moves.pairs:
        folder = Home(Path(old))
        if new == str(home.root) and folder.root.is_dir() and _target(folder) == str(home.root):
            shutil.rmtree(folder.root, ignore_errors=True)


def _pairs(home: Home, new: Path) -> list[list[str]]:
    """Where its paths lead now, and where they will. One place may have two names (a link on the way)."""
    names = {str(home.recorded().get("path") or home.root), home.named, str(home.root)}
    return [[name, str(new)] for name in sorted(names) if name != str(new)]


def _begin(home: Home) -> Moves:
    """What moves: as it was written down before, or as home.json tells it. Writes it down."""
    known = _moving(home)
    if known is not None:
        pairs = known["pairs"]
    else:
        recorded = home.recorded()
        if recorded.get("path") == str(home.root.resolve()):
            return Moves(())
        names = {str(recorded["path"]), str(recorded.get("named") or recorded["path"])}
        pairs = [[name, str(home.root)] for name in sorted(names) if name != str(home.root)]
        write_json(home.moving_file, {"pairs": pairs})
        if Path(str(recorded["path"])).exists():  # a copy: among the servers of a store it is another one
            (home.root / "server.id").unlink(missing_ok=True)
    # it may have been moved on by hand since it was written down
    return Moves.of((old, str(home.root)) for old, _ in pairs)


def _moving(home: Home) -> dict[str, Any] | None:
    try:
        body: dict[str, Any] = json.loads(home.moving_file.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise fail("home.damaged", f"{home.moving_file} cannot be read: {error}", hint="restore a backup") from error
    return body


def _moves_from(home: Home) -> str | None:
    known = _moving(home)
    return str(home.root) if known and any(old == str(home.root) for old, _ in known["pairs"]) else None


def _target(home: Home) -> str | None:
    with contextlib.suppress(DataOSError):
        known = _moving(home)
        return known.get("to") if known else None
    return None


def _no_jobs(home: Home) -> None:
    """Jobs outlive their server, and would go on writing to the old place."""
    if not home.work.is_dir():
        return
    alive = [key for key in folders.keys(home.work) if folders.look(home.work, key).phase in _ALIVE]
    if alive:
        raise fail(
            "home.in_use",
            f"{len(alive)} jobs of this home still run: {', '.join(alive[:3])}",
            hint="let them end, or `dataos up`, `dataos runtime stop` and `dataos down`; then move it",
        )


_ALIVE = (Phase.STARTING, Phase.RUNNING)


def _is_free(home: Home, settings: settings_tree.Settings) -> None:
    """Before anything moves: no other server works with the store."""
    if settings.store.url is None:
        return
    store = sharing.open_store(home, settings)
    try:
        _nobody_else(store, settings.store.server_ttl_s)
    finally:
        store.close()


def _nobody_else(store: Store, watch_s: float) -> None:
    if store.read_sync(upgrades.current) is None:
        return
    living = upgrades.find_living(store, watch_s + 0.5)
    if living:
        raise fail(
            "store.in_use",
            f"servers work with this store: {', '.join(living)}",
            hint="stop them (`dataos down`), then repeat the command: tables must not change while they move",
            retry=watch_s,
        )


def _roots(home: Home, store: Store, moves: Moves) -> list[Path]:
    """Folders that hold table files: the home's warehouse, and what the store names inside the moved places."""

    def read(connection: sa.Connection) -> list[str]:
        if not sa.inspect(connection).has_table("iceberg_warehouses"):
            return []
        return list(connection.execute(sa.select(tables.iceberg_warehouses.c.location)).scalars())

    named = {moves.path(location) for location in store.read_sync(read)}
    inside = {Path(n) for n in named if any(n == new or n.startswith(new + "/") for _, new in moves.pairs)}
    found = sorted({home.root / "warehouse", *inside}, key=lambda p: len(p.parts))
    kept: list[Path] = []
    for path in found:
        if path.is_dir() and not any(path.is_relative_to(k) for k in kept):
            kept.append(path)
    return kept


# --- the store --------------------------------------------------------------------------------------------------------


def rewrite_rows(connection: sa.Connection, moves: Moves) -> list[str]:
    """Rewrite every path that the store keeps; at any revision. Returns the Resources whose newest manifests named an
    old place: they name the new one now (what a user has in files of his own still names the old one)."""
    known = sa.MetaData()
    known.reflect(connection)
    for name, columns in (_TEXTS | _DOCUMENTS).items():
        if name in known.tables:
            _rewrite(connection, known.tables[name], columns, moves)
    if "iceberg_idempotency" in known.tables:  # answers that name metadata files
        connection.execute(known.tables["iceberg_idempotency"].delete())
    return _rewrite_manifests(connection, known, moves)


def _rewrite(connection: sa.Connection, table: sa.Table, columns: Sequence[str], moves: Moves) -> None:
    keys = list(table.primary_key.columns)
    present = [table.c[name] for name in columns if name in table.c]
    for row in connection.execute(sa.select(*keys, *(c for c in present if c not in keys))).all():
        values = row._mapping  # pyright: ignore[reportPrivateUsage]
        changed = {c.name: moves.value(values[c]) for c in present if moves.value(values[c]) != values[c]}
        if changed:
            connection.execute(table.update().where(*(k == values[k] for k in keys)).values(**changed))


def _rewrite_manifests(connection: sa.Connection, known: sa.MetaData, moves: Moves) -> list[str]:
    g, r = known.tables["generations"], known.tables["resources"]
    newest = sa.select(r.c.type, r.c.name, r.c.workspace, g.c.uid, g.c.generation, g.c.manifest).where(
        r.c.uid == g.c.uid, r.c.generation == g.c.generation, r.c.live_key.is_not(None)
    )
    found: list[str] = []
    for row in connection.execute(newest).all():
        moved = moves.value(row.manifest)
        if moved != row.manifest:
            connection.execute(
                g.update().where(g.c.uid == row.uid, g.c.generation == row.generation).values(manifest=moved)
            )
            found.append(f"{row.type} {row.name}" + (f" ({row.workspace})" if row.workspace else ""))
    return sorted(found)
