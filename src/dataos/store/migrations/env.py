"""Alembic's entry: runs revisions on the connection that `upgrades.upgrade` hands over, in its transaction."""

from __future__ import annotations

from typing import Any

from alembic import context

from dataos.store.tables import metadata


def _applied(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:
    """A revision is done; the transaction goes on (crash tests end here)."""
    context.config.attributes["checkpoint"]("store.revision-applied")


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=False,
    on_version_apply=_applied,
)
context.run_migrations()
