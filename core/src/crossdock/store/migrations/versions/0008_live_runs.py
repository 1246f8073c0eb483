"""When a run was last known to go on: deliveries have no lease by which one that was killed could be told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; runs that say they run count as silent."""
    op.add_column("run", sa.Column("alive_at", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("run", "alive_at")
