"""Floor 2: the platform's state. SQLAlchemy Core tables, Alembic migrations, units of work, leases, outbox."""
