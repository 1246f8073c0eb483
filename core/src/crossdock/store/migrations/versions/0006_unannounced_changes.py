"""What webhooks told and what they should have told, and how often a silent webhook was registered again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _text(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable, server_default=default)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def upgrade() -> None:
    """Make the tables."""
    op.add_column("hook", _number("tries"))
    op.add_column("hook", _text("tried_at", nullable=True))
    op.add_column("hook", _text("try_note", default=""))
    op.create_table(
        "announcement",
        _text("connection"),
        _text("stream"),
        _number("told"),
        _number("late"),
        _number("heard"),
        _number("missed"),
        _number("runs"),
        sa.Column("mark", sa.BigInteger(), nullable=True),
        _text("dead_at", nullable=True),
        sa.PrimaryKeyConstraint("connection", "stream", name=op.f("pk_announcement")),
    )
    op.create_table(
        "unannounced",
        _text("connection"),
        _text("stream"),
        _text("key"),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        _text("seen_at"),
        sa.PrimaryKeyConstraint("connection", "stream", "key", "run", name=op.f("pk_unannounced")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("unannounced")
    op.drop_table("announcement")
    for column in ("try_note", "tried_at", "tries"):
        op.drop_column("hook", column)
