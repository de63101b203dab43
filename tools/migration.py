"""Write the newest, not yet released migration from the difference between the released ones and the tables.

Run it after a change of `store/tables.py`: `.venv/bin/python tools/migration.py`. It rewrites one file; released
revisions (those up to `RELEASED`) are never touched. A column that is added to a table with rows must be nullable.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command, config
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext

from dataos.store.tables import metadata
from dataos.store.upgrades import FOLDER

RELEASED = "0001"
NEXT = "0002"
FILE = FOLDER / "versions" / "0002_control_plane.py"
HEAD = f'''"""Tables of the control plane in full: history, workspaces, events, identities, schedules.

Why: part 2 of the platform. Written by tools/migration.py from the tables.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{RELEASED}"


def upgrade() -> None:
    """Add what is new since {RELEASED}."""
'''


def main() -> None:
    """Rewrite FILE, or remove it when nothing differs."""
    FILE.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        engine = sa.create_engine(f"sqlite:///{folder}/released.db")
        with engine.begin() as connection:
            settings = config.Config()
            settings.set_main_option("script_location", str(FOLDER))
            settings.attributes["connection"] = connection
            command.upgrade(settings, RELEASED)
            options: dict[str, Any] = {"target_metadata": metadata, "render_as_batch": True}
            changes = produce_migrations(MigrationContext.configure(connection, opts=options), metadata)
        engine.dispose()
    if changes.upgrade_ops is None or changes.upgrade_ops.is_empty():
        print("nothing differs")
        return
    body = render_python_code(changes.upgrade_ops, render_as_batch=True)
    lines = [line for line in body.splitlines() if not line.strip().startswith("# ###")]
    Path(FILE).write_text(HEAD + "    " + "\n".join(lines).strip() + "\n")
    print(f"wrote {FILE.name}; run ruff format on it and read it")


main()
