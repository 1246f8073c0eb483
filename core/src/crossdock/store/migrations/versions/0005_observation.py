"""Counts that outlive runs, alerts and their messages, what was erased, and decisions of the whole project."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CURRENT = sa.text("state <> 'resolved'")


def _text(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable, server_default=default)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False)


def upgrade() -> None:
    """Make the tables."""
    op.add_column("effect", _text("unsent_since", default=""))
    # Of those that are settled nobody asks since when they wait.
    op.execute(
        "UPDATE effect SET unsent_since = created_at WHERE state IN "
        "('planned', 'awaiting', 'ready', 'sending', 'submitted', 'in_doubt', 'parked')"
    )
    op.create_table(
        "preference",
        _text("name"),
        _text("value"),
        _text("updated_at"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_preference")),
    )
    labels = ("kind", "connection", "stream", "flow", "state", "bucket")
    op.create_table(
        "tally",
        *map(_text, labels),
        _number("number"),
        _number("milliseconds"),
        sa.PrimaryKeyConstraint(*labels, name=op.f("pk_tally")),
    )
    op.create_table(
        "alert",
        _id(),
        _text("kind"),
        _text("subject"),
        _text("text"),
        _text("hint", default=""),
        _text("state"),
        _text("since"),
        _text("raised_at", nullable=True),
        _text("told_at", nullable=True),
        _text("resolved_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    op.create_index(
        "ix_alert_current", "alert", ["kind", "subject"], unique=True, sqlite_where=_CURRENT, postgresql_where=_CURRENT
    )
    op.create_table(
        "notice",
        _id(),
        _text("channel"),
        _text("body"),
        _text("state"),
        _number("tries"),
        _text("not_before", default=""),
        _text("note", default=""),
        _text("made_at"),
        _text("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
    )
    op.create_index("ix_notice_state", "notice", ["state", "not_before"], unique=False)
    op.create_table(
        "erased",
        _text("connection"),
        _text("stream"),
        _text("key"),
        _text("erased_at"),
        sa.PrimaryKeyConstraint("connection", "stream", "key", name=op.f("pk_erased")),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("erased", "notice", "alert", "tally", "preference"):
        op.drop_table(table)
    op.drop_column("effect", "unsent_since")
