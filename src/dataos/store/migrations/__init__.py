"""Schema changes: numbered, append-only Alembic revisions; one script for SQLite and PostgreSQL."""
