"""Every test of this folder runs on SQLite and on PostgreSQL."""

from support.stores import database, postgresql_server  # noqa: F401
