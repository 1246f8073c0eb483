"""Whether a channel has changed by itself what it was told of stock: it sells, and buyers cancel."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what happened before is not known."""
    op.add_column("effect", sa.Column("drift", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("effect", "drift")
