"""Bring the database to this version's schema. Alembic is imported only where the revision differs (start-up time)."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from dataos.core.errors import fail
from dataos.store.database import Store

FOLDER = Path(__file__).parent / "migrations"


def revisions() -> list[str]:
    """All revision ids, oldest first (file names `<id>_<what>.py`)."""
    return sorted(f.name.split("_")[0] for f in (FOLDER / "versions").glob("[0-9]*.py"))


def current(connection: sa.Connection) -> str | None:
    """The revision of the open database; None for an empty one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version = sa.table("alembic_version", sa.column("version_num"))
    return connection.execute(sa.select(version.c.version_num)).scalar()


def upgrade(store: Store) -> None:
    """Run what is missing. Raises DataOSError `store.newer` for a database of a newer version."""
    known = revisions()
    found = store.read_sync(current)
    if found == known[-1]:
        return
    if found is not None and found not in known:
        raise fail(
            "store.newer",
            f"the store was written by a newer version (revision {found}; this version knows up to {known[-1]})",
            hint="start the newer version, or restore the backup made before the upgrade",
        )
    from alembic import command, config  # heavy, and only needed when the schema changes

    settings = config.Config()
    settings.set_main_option("script_location", str(FOLDER))
    store.write_sync(lambda connection: _run(command.upgrade, settings, connection))


def _run(upgrade_to: object, settings: object, connection: sa.Connection) -> None:
    settings.attributes["connection"] = connection  # pyright: ignore[reportAttributeAccessIssue]
    upgrade_to(settings, "head")  # pyright: ignore[reportCallIssue]
