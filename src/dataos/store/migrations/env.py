"""Alembic's entry: runs revisions on the connection that `upgrades.upgrade` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from dataos.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
