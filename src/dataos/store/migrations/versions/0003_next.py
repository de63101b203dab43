"""what jobs remember, views of the lakehouse

Written by tools/migration.py from the tables.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add what is new since 0002."""
    op.create_table(
        "iceberg_views",
        sa.Column("warehouse", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("metadata_location", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("warehouse", "namespace", "name", name=op.f("pk_iceberg_views")),
        comment="pointers of Iceberg views; no table of the same name is there",
    )
    op.create_table(
        "job_states",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "resource", "job", "input", name=op.f("pk_job_states")),
        comment="how far incremental inputs have come; written with what was published",
    )
    with op.batch_alter_table("work", schema=None) as batch_op:
        batch_op.add_column(sa.Column("reckoned_at", sa.BigInteger(), nullable=True))
