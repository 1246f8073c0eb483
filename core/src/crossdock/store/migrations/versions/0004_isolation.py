"""The interpreter that an isolated connection's connector runs in, and who approved what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the table."""
    op.add_column("connection", sa.Column("python", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "agreement",
        sa.Column("effect", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("approval", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("effect", "approval", "person", name=op.f("pk_agreement")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("agreement")
    op.drop_column("connection", "python")
