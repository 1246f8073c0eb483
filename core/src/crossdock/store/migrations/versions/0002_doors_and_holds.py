"""Files of feeds, goods held for orders under way, and webhooks: their doors and what came in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _text(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable, server_default=default)


def upgrade() -> None:
    """Make the tables."""
    op.add_column("stream", _text("read_at", nullable=True))
    op.add_column("effect", _text("unconfirmed", default=""))
    op.create_table(
        "file",
        _text("connection"),
        _text("name"),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        _text("facts", default="{}"),
        _text("kept_at"),
        sa.PrimaryKeyConstraint("connection", "name", name=op.f("pk_file")),
    )
    op.create_table(
        "hold",
        _text("connection"),
        _text("target"),
        _text("key"),
        _text("sku"),
        _text("part", default=""),
        _text("quantity"),
        _text("state"),
        _text("settled_at", nullable=True),
        sa.PrimaryKeyConstraint("connection", "target", "key", "sku", "part", name=op.f("pk_hold")),
    )
    op.create_index("ix_hold_sku", "hold", ["target", "sku"], unique=False)
    op.create_table(
        "hook",
        _text("connection"),
        _text("token"),
        _text("previous", default=""),
        _text("previous_until", nullable=True),
        _text("sent_at", nullable=True),
        _text("confirmed_at", nullable=True),
        _text("url", default=""),
        _text("external_id", default=""),
        sa.Column("refused", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("connection", name=op.f("pk_hook")),
    )
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        _text("connection"),
        _text("received_at"),
        _text("method"),
        _text("headers"),
        _text("query"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        _text("dedupe", default=""),
        _text("signals", default="[]"),
        _text("state"),
        _text("note", default=""),
        _text("done_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
    )
    op.create_index("ix_inbox_state", "inbox", ["state", "id"], unique=False)
    op.create_index("ix_inbox_dedupe", "inbox", ["connection", "dedupe"], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    for table in ("inbox", "hook", "hold", "file"):
        op.drop_table(table)
    op.drop_column("effect", "unconfirmed")
    op.drop_column("stream", "read_at")
