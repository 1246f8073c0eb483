"""How often a write has failed since it was last done, and when a run was last known to go on.

Deliveries have no lease by which one that was killed could be told.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; runs that say they run count as silent."""
    op.add_column("effect", sa.Column("failures", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("run", sa.Column("alive_at", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("run", "alive_at")
    op.drop_column("effect", "failures")
