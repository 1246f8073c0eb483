"""Alerts and the messages about them: what is watched, open and over, and what is still to be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
import msgspec

from crossdock.store.database import Database, clean, stamp

_ALERT = ("id", "kind", "subject", "text", "hint", "state", "since", "raised_at", "told_at", "resolved_at")
_NOTICE = ("id", "channel", "body", "state", "tries", "not_before", "note", "made_at", "ended_at")


@attrs.frozen(kw_only=True)
class AlertRow:
    """Something that needs a person: ``watched`` until it lasts, ``open`` until it is over, ``resolved``."""

    id: int
    kind: str
    subject: str
    text: str
    hint: str
    state: str
    since: str
    raised_at: str | None
    told_at: str | None
    resolved_at: str | None


@attrs.frozen(kw_only=True)
class NoticeRow:
    """A message for one channel: ``waiting``, ``sent`` or ``failed``; `body` is JSON."""

    id: int
    channel: str
    body: str
    state: str
    tries: int
    not_before: str
    note: str
    made_at: str
    ended_at: str | None


class Alerts:
    """Verbs on alerts and messages; the caller holds the transaction where several belong together."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def current(self) -> list[AlertRow]:
        """Alerts that are watched or open, oldest first."""
        return self._alerts("state <> 'resolved' ORDER BY id")

    def newest(self, *, over: bool = False, limit: int = 100) -> list[AlertRow]:
        """Open alerts, newest first; with `over` those that are over as well."""
        states = "('open', 'resolved')" if over else "('open')"
        return self._alerts(f"state IN {states} ORDER BY id DESC LIMIT ?", limit)

    def _alerts(self, condition: str, *params: Any) -> list[AlertRow]:
        rows = self._db.query(f"SELECT {', '.join(_ALERT)} FROM alert WHERE {condition}", params)
        return [AlertRow(**dict(zip(_ALERT, row, strict=True))) for row in rows]

    def was_over_since(self, kind: str, subject: str, since: datetime) -> bool:
        """Whether the same was an alert that ended after `since`."""
        rows = self._db.query(
            "SELECT 1 FROM alert WHERE kind = ? AND subject = ? AND resolved_at > ? LIMIT 1",
            (kind, subject, stamp(since)),
        )
        return bool(rows)

    def watch(self, kind: str, subject: str, text: str, hint: str, since: datetime) -> AlertRow:
        """Begin to watch something."""
        rows = self._db.query(
            "INSERT INTO alert (kind, subject, text, hint, state, since) VALUES (?, ?, ?, ?, 'watched', ?) "
            f"RETURNING {', '.join(_ALERT)}",
            (kind, subject, clean(text), clean(hint), stamp(since)),
        )
        return AlertRow(**dict(zip(_ALERT, rows[0], strict=True)))

    def say(self, alert: int, text: str, hint: str) -> None:
        """What is said of it changed."""
        self._db.run("UPDATE alert SET text = ?, hint = ? WHERE id = ?", (clean(text), clean(hint), alert))

    def open(self, alert: int, now: datetime) -> None:
        """It lasts: people are told."""
        at = stamp(now)
        self._db.run("UPDATE alert SET state = 'open', raised_at = ?, told_at = ? WHERE id = ?", (at, at, alert))

    def told(self, alert: int, now: datetime) -> None:
        """People were reminded."""
        self._db.run("UPDATE alert SET told_at = ? WHERE id = ?", (stamp(now), alert))

    def resolve(self, alert: int, now: datetime) -> None:
        """It is over; what was only watched is forgotten."""
        self._db.run("DELETE FROM alert WHERE id = ? AND state = 'watched'", (alert,))
        self._db.run(
            "UPDATE alert SET state = 'resolved', resolved_at = ? WHERE id = ? AND state = 'open'", (stamp(now), alert)
        )

    # -- messages ----------------------------------------------------------------------------------

    def post(self, channels: Iterable[str], body: Mapping[str, Any], now: datetime) -> None:
        """A message for each channel."""
        text = msgspec.json.encode(dict(body)).decode()
        self._db.many(
            "INSERT INTO notice (channel, body, state, made_at) VALUES (?, ?, 'waiting', ?)",
            [(channel, text, stamp(now)) for channel in channels],
        )

    def waiting(self, now: datetime) -> Sequence[NoticeRow]:
        """Messages whose time to be sent has come, oldest first."""
        rows = self._db.query(
            f"SELECT {', '.join(_NOTICE)} FROM notice WHERE state = 'waiting' AND not_before <= ? ORDER BY id",
            (stamp(now),),
        )
        return [NoticeRow(**dict(zip(_NOTICE, row, strict=True))) for row in rows]

    def undelivered(self) -> Sequence[NoticeRow]:
        """Messages that wait or were given up, newest first, with what the last try said."""
        rows = self._db.query(
            f"SELECT {', '.join(_NOTICE)} FROM notice WHERE state IN ('waiting', 'failed') ORDER BY id DESC LIMIT 20"
        )
        return [NoticeRow(**dict(zip(_NOTICE, row, strict=True))) for row in rows]

    def sent(self, notice: int, now: datetime) -> None:
        """A message was taken."""
        self._db.run("UPDATE notice SET state = 'sent', note = '', ended_at = ? WHERE id = ?", (stamp(now), notice))

    def failed(self, notice: int, note: str, wait: timedelta | None, now: datetime) -> None:
        """A message was not taken: it is tried again after `wait`, or given up."""
        if wait is None:
            self._db.run(
                "UPDATE notice SET state = 'failed', tries = tries + 1, note = ?, ended_at = ? WHERE id = ?",
                (clean(note), stamp(now), notice),
            )
            return
        self._db.run(
            "UPDATE notice SET tries = tries + 1, note = ?, not_before = ? WHERE id = ?",
            (clean(note), stamp(now + wait), notice),
        )
