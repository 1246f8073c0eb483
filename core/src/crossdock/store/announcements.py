"""What webhooks told of a stream, and changes that reading found although a webhook should have told them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs

from crossdock.store.database import Database, stamp

ENOUGH = 3
"""Changes that nobody told after which webhooks are held to be dead."""

_COLUMNS = ("connection", "stream", "told", "late", "heard", "missed", "runs", "mark", "dead_at")
_UNANNOUNCED = ("connection", "stream", "key", "run", "mark", "seen_at")


@attrs.frozen(kw_only=True)
class Announcement:
    """What is known of the webhooks of a stream.

    `told` counts webhooks up to the one with the id `heard`, `missed` the changes since then that none told, found by
    `runs` runs, and `late` those after which one came after all. `mark` is the last webhook that was kept when the
    stream was read last; `dead_at` since when they are held to be dead, a stamp.
    """

    connection: str
    stream: str
    told: int = 0
    late: int = 0
    heard: int = 0
    missed: int = 0
    runs: int = 0
    mark: int | None = None
    dead_at: str | None = None

    @property
    def silent(self) -> bool:
        """Whether enough was missed since they were set up, or heard, last."""
        return self.missed >= ENOUGH


@attrs.frozen
class Unannounced:
    """A change that reading found and that a webhook later than the one with the id `mark` should have told."""

    connection: str
    stream: str
    key: str
    run: int
    mark: int
    seen_at: str


class Announcements:
    """Verbs on what webhooks told and missed; the caller holds the transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, connection: str, stream: str) -> Announcement:
        """What is known of a stream's webhooks; of a new one that nothing is."""
        rows = self._db.query(
            f"SELECT {', '.join(_COLUMNS)} FROM announcement WHERE connection = ? AND stream = ?", (connection, stream)
        )
        return Announcement(**dict(zip(_COLUMNS, rows[0], strict=True))) if rows else Announcement(
            connection=connection, stream=stream
        )  # fmt: skip

    def save(self, row: Announcement) -> None:
        """Keep what is known."""
        values = attrs.asdict(row)
        self._db.upsert(
            "announcement", _COLUMNS, ("connection", "stream"), [tuple(values[name] for name in _COLUMNS)]
        )  # fmt: skip

    def dead(self, connection: str = "") -> list[Announcement]:
        """The streams (of one connection) whose webhooks are held to be dead."""
        rows = self._db.query(
            f"SELECT {', '.join(_COLUMNS)} FROM announcement WHERE dead_at IS NOT NULL AND (connection = ? OR ? = '') "
            "ORDER BY connection, stream",
            (connection, connection),
        )
        return [Announcement(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]

    def suspect(self, rows: Sequence[Unannounced]) -> None:
        """Keep changes until their webhooks had time to come."""
        self._db.upsert(
            "unannounced", _UNANNOUNCED, ("connection", "stream", "key", "run"),
            [(row.connection, row.stream, row.key, row.run, row.mark, row.seen_at) for row in rows],
        )  # fmt: skip

    def any_before(self, connection: str, before: datetime) -> bool:
        """Whether any change was found before a time."""
        found = self._db.query(
            "SELECT 1 FROM unannounced WHERE connection = ? AND seen_at < ? LIMIT 1", (connection, stamp(before))
        )
        return bool(found)

    def take(self, connection: str, before: datetime) -> list[Unannounced]:
        """The changes that were found before a time, oldest first; they are forgotten."""
        rows = self._db.query(
            f"DELETE FROM unannounced WHERE connection = ? AND seen_at < ? RETURNING {', '.join(_UNANNOUNCED)}",
            (connection, stamp(before)),
        )
        return sorted((Unannounced(*row) for row in rows), key=lambda each: (each.seen_at, each.key))

    def forget(self, connection: str) -> None:
        """Begin to count anew: the webhooks of a connection were just set up again. What was told stays known."""
        self._db.run("DELETE FROM unannounced WHERE connection = ?", (connection,))
        self._db.run("UPDATE announcement SET missed = 0, runs = 0, mark = NULL WHERE connection = ?", (connection,))
