"""What the runner needs: when streams are read next, wishes and rests, and which workers there are."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _text(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable, server_default=default)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def _some(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    """Add the columns and the table; streams that are on are due at once."""
    for name in ("zone", "quiet", "held_until"):
        op.add_column("stream", _text(name, default=""))
    op.add_column("stream", _text("next_at", nullable=True))
    for name in ("jitter", "failures", "requested", "done"):
        op.add_column("stream", _number(name))
    op.execute("UPDATE stream SET next_at = '' WHERE enabled = 1")
    op.create_index("ix_stream_next_at", "stream", ["next_at"], unique=False)
    op.create_index("ix_stream_requested", "stream", ["connection"], unique=False, **_some("requested > done"))
    op.add_column("flow", _text("held_until", default=""))
    op.add_column("flow", _number("failures"))
    op.create_index("ix_inbox_new", "inbox", ["connection", "id"], unique=False, **_some("state = 'new'"))
    op.create_table(
        "worker",
        _text("owner"),
        _text("machine"),
        _text("kind"),
        _text("version"),
        sa.Column("threads", sa.BigInteger(), nullable=False),
        _text("busy", default="[]"),
        _text("started_at"),
        _text("seen_at"),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_worker")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("worker")
    op.drop_index("ix_inbox_new", "inbox")
    op.drop_column("flow", "failures")
    op.drop_column("flow", "held_until")
    op.drop_index("ix_stream_requested", "stream")
    op.drop_index("ix_stream_next_at", "stream")
    for name in ("done", "requested", "failures", "jitter", "next_at", "held_until", "quiet", "zone"):
        op.drop_column("stream", name)
