"""Indexes for what every turn asks: the flows of a connection, and runs that were broken off."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    op.create_index("ix_flow_source", "flow", ["source", "stream"], unique=False)
    op.create_index("ix_flow_target", "flow", ["target", "stream"], unique=False)
    op.create_index(
        "ix_run_running", "run", ["connection", "stream"], unique=False,
        sqlite_where=sa.text("state = 'running'"), postgresql_where=sa.text("state = 'running'"),
    )  # fmt: skip


def downgrade() -> None:
    """Drop the indexes."""
    op.drop_index("ix_run_running", table_name="run")
    for name in ("ix_flow_target", "ix_flow_source"):
        op.drop_index(name, table_name="flow")
