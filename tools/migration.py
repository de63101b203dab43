"""Write the newest, not yet released migration from the difference between the released ones and the tables.

Run it after a change of `store/tables.py`: `.venv/bin/python tools/migration.py "why"`. It rewrites one file; released
revisions (those up to `RELEASED`) are never touched. A column that is added to a table with rows must be nullable.
When a revision is released, raise `RELEASED` and add a dump of its store below tests/data.
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import sqlalchemy as sa
from alembic import command, config
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext

from dataos.store.tables import metadata
from dataos.store.upgrades import FOLDER

RELEASED = "0002"
NEXT = f"{int(RELEASED) + 1:04}"
FILE = FOLDER / "versions" / f"{NEXT}_next.py"
HEAD = '''"""{why}

Written by tools/migration.py from the tables.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "{next}"
down_revision = "{released}"


def upgrade() -> None:
    """Add what is new since {released}."""
'''


def main() -> None:
    """Rewrite FILE, or remove it when nothing differs."""
    why = sys.argv[1] if len(sys.argv) > 1 else "What the tables gained."
    FILE.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        engine = sa.create_engine(f"sqlite:///{folder}/released.db")
        with engine.begin() as connection:
            settings = config.Config()
            settings.set_main_option("script_location", str(FOLDER))
            settings.attributes["connection"] = connection
            settings.attributes["checkpoint"] = lambda _: None
            command.upgrade(settings, RELEASED)
            options: dict[str, Any] = {"target_metadata": metadata, "render_as_batch": True}
            changes = produce_migrations(MigrationContext.configure(connection, opts=options), metadata)
        engine.dispose()
    if changes.upgrade_ops is None or changes.upgrade_ops.is_empty():
        print("nothing differs")
        return
    body = render_python_code(changes.upgrade_ops, render_as_batch=True)
    lines = [line for line in body.splitlines() if not line.strip().startswith("# ###")]
    head = HEAD.format(why=why, next=NEXT, released=RELEASED)
    FILE.write_text(head + "    " + "\n".join(lines).strip() + "\n")
    print(f"wrote {FILE.name}; run ruff format on it and read it")


main()
