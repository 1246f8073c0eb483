"""Webhooks: the doors of connections, and what came in through them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
import msgspec

from crossdock.session import Changed
from crossdock.store.database import Database, clean, stamp

STATES = ("new", "done", "ignored", "duplicate", "failed")
"""Waiting to be worked, worked, nothing to do, came before, needs a person."""

_KNOWN = ("new", "done")  # a repeat of what failed or was ignored is another chance
_LONGEST = 200  # PostgreSQL's indexes take no more than 2,700 bytes
_HOOK = (
    "connection", "token", "previous", "previous_until", "sent_at", "confirmed_at", "url", "external_id",
)  # fmt: skip
_WHOLE_HOOK = (*_HOOK, "refused", "tries", "tried_at", "try_note")
_ROW = (
    "id", "connection", "received_at", "method", "headers", "query", "body", "dedupe", "signals", "state", "note",
    "done_at",
)  # fmt: skip
_SIGNALS: msgspec.json.Decoder[list[Changed]] = msgspec.json.Decoder(list[Changed])


@attrs.frozen(kw_only=True)
class HookRow:
    """The door of a connection.

    `token` and `previous` (good until `previous_until`) are sealed. `sent_at` and `confirmed_at` are when the vendor
    was told the address with the present token, and when it was seen to use it; `url` is the public address before the
    token, as it was told; `refused` counts requests with a wrong signature. `tries` is how often a dead webhook was
    registered again, `tried_at` when last, and `try_note` why that failed.
    """

    connection: str
    token: str
    previous: str = ""
    previous_until: str | None = None
    sent_at: str | None = None
    confirmed_at: str | None = None
    url: str = ""
    external_id: str = ""
    refused: int = 0
    tries: int = 0
    tried_at: str | None = None
    try_note: str = ""


@attrs.frozen(kw_only=True)
class Arrival:
    """A webhook to be kept; `headers` and `query` are JSON, secrets masked."""

    connection: str
    received_at: str
    method: str
    headers: str
    query: str
    body: bytes
    dedupe: str = ""
    signals: tuple[Changed, ...] = ()
    state: str = "new"
    note: str = ""


@attrs.frozen(kw_only=True)
class InboxRow:
    """A webhook as it was kept, and what became of it."""

    id: int
    connection: str
    received_at: str
    method: str
    headers: str
    query: str
    body: bytes
    dedupe: str
    signals: tuple[Changed, ...]
    state: str
    note: str
    done_at: str | None


@attrs.frozen
class Waiting:
    """A webhook that waits, without what was sent."""

    id: int
    signals: tuple[Changed, ...]
    note: str
    received_at: str


@attrs.frozen
class Told:
    """What a webhook named, and when."""

    id: int
    received_at: str
    signals: tuple[Changed, ...]


def signals_text(signals: Iterable[Changed]) -> str:
    """Signals as the store keeps them."""
    return msgspec.json.encode([{"stream": each.stream, "keys": each.keys} for each in signals]).decode()


class Hooks:
    """Verbs on doors."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self) -> list[HookRow]:
        """The doors that exist, by connection."""
        rows = self._db.query(f"SELECT {', '.join(_WHOLE_HOOK)} FROM hook ORDER BY connection")
        return [HookRow(**dict(zip(_WHOLE_HOOK, row, strict=True))) for row in rows]

    def get(self, connection: str) -> HookRow | None:
        """The door of a connection, if it has one."""
        rows = self._db.query(f"SELECT {', '.join(_WHOLE_HOOK)} FROM hook WHERE connection = ?", (connection,))
        return HookRow(**dict(zip(_WHOLE_HOOK, rows[0], strict=True))) if rows else None

    def save(self, row: HookRow) -> None:
        """Make or change a door; what is counted stays."""
        values = attrs.asdict(row)
        self._db.upsert("hook", _HOOK, ("connection",), [tuple(values[name] for name in _HOOK)])

    def tried(self, connection: str, tries: int, note: str, now: datetime) -> None:
        """Remember that a dead webhook was registered again, for the `tries`-th time, or why it could not be."""
        self._db.run(
            "UPDATE hook SET tries = ?, tried_at = ?, try_note = ? WHERE connection = ?",
            (tries, stamp(now) if tries else None, clean(note), connection),
        )

    def seen(self, refused: Mapping[str, int], confirmed: Mapping[str, str], now: datetime) -> None:
        """Add to the counts of refused requests, and remember which sealed tokens the vendors were seen to use."""
        with self._db.transaction() as db:
            db.many(
                "UPDATE hook SET refused = refused + ? WHERE connection = ?",
                [(count, connection) for connection, count in sorted(refused.items())],
            )
            db.many(
                "UPDATE hook SET confirmed_at = ? WHERE connection = ? AND token = ? AND confirmed_at IS NULL",
                [(stamp(now), connection, token) for connection, token in sorted(confirmed.items())],
            )


class Inbox:
    """Verbs on webhooks that came in."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def keep(self, arrivals: Sequence[Arrival]) -> list[str]:
        """Keep webhooks in one durable transaction; answers the state in which each was kept.

        A repeat is kept as a duplicate, without its body. One that failed again in the same way adds no row.
        """
        states: list[str] = []
        rows: list[tuple[Any, ...]] = []
        with self._db.transaction() as db:
            db.serialize("inbox")
            known = self._known(arrivals)
            for each in arrivals:
                name = (each.connection, _short(each.dedupe), each.state == "failed")
                repeated = bool(each.dedupe) and name in known
                state = "duplicate" if repeated else each.state
                states.append(state)
                if repeated and each.state == "failed":
                    continue
                if each.dedupe and each.state in (*_KNOWN, "failed"):
                    known.add(name)
                rows.append((
                    each.connection, each.received_at, each.method, clean(each.headers), clean(each.query),
                    b"" if repeated else each.body, name[1], signals_text(each.signals), state, clean(each.note),
                ))  # fmt: skip
            db.many(
                "INSERT INTO inbox (connection, received_at, method, headers, query, body, dedupe, signals, state, "
                "note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
        return states

    def _known(self, arrivals: Sequence[Arrival]) -> set[tuple[str, str, bool]]:
        """Which of their keys came before, and whether that failed."""
        asked: dict[str, list[str]] = {}
        for each in arrivals:
            if each.dedupe:
                asked.setdefault(each.connection, []).append(_short(each.dedupe))
        known: set[tuple[str, str, bool]] = set()
        for connection, keys in asked.items():
            condition, values = self._db.any_of("dedupe", keys)
            found = self._db.query(
                f"SELECT dedupe, state FROM inbox WHERE connection = ? AND {condition} "
                "AND state IN ('new', 'done', 'failed')",
                (connection, values),
            )
            known.update((connection, row[0], row[1] == "failed") for row in found)
        return known

    # -- working -----------------------------------------------------------------------------------

    def connections(self) -> dict[str, int]:
        """How many webhooks wait, by connection."""
        rows = self._db.query("SELECT connection, count(*) FROM inbox WHERE state = 'new' GROUP BY connection")
        return {row[0]: row[1] for row in rows}

    def waiting(self, connection: str, limit: int, after: int = 0) -> list[Waiting]:
        """Webhooks of a connection that wait, oldest first, from the one after the id `after` on."""
        rows = self._db.query(
            "SELECT id, signals, note, received_at FROM inbox WHERE state = 'new' AND connection = ? AND id > ? "
            "ORDER BY id LIMIT ?",
            (connection, after, limit),
        )
        return [Waiting(row[0], tuple(_SIGNALS.decode(row[1])), row[2], row[3]) for row in rows]

    def last_id(self) -> int:
        """The id of the webhook that was kept last, of whatever connection; 0 before the first."""
        return int(self._db.query("SELECT coalesce(max(id), 0) FROM inbox")[0][0])

    def told(self, connection: str, mark: int) -> list[Told]:
        """What the webhooks of a connection after the one with the id `mark` named, whatever became of them."""
        # All connections' rows after the mark are few; by the index on connections all of a month would be read.
        rows = self._db.query(
            "SELECT connection, id, received_at, signals FROM inbox WHERE id > ? AND signals <> '[]' ORDER BY id",
            (mark,),
        )
        return [
            Told(number, received_at, tuple(_SIGNALS.decode(signals)))
            for name, number, received_at, signals in rows
            if name == connection
        ]

    def settle(self, ended: Sequence[tuple[int, str, str]], now: datetime) -> None:
        """Write how webhooks that waited ended: id, state and note."""
        with self._db.transaction() as db:
            db.many(
                "UPDATE inbox SET state = ?, note = ?, done_at = ? WHERE id = ? AND state = 'new'",
                [(state, clean(note), stamp(now), number) for number, state, note in ended],
            )

    def leave(self, left: Sequence[tuple[int, Sequence[Changed], str]]) -> None:
        """Write what webhooks still wait for: id, the signals that are left, and a note."""
        with self._db.transaction() as db:
            db.many(
                "UPDATE inbox SET signals = ?, note = ? WHERE id = ? AND state = 'new'",
                [(signals_text(signals), clean(note), number) for number, signals, note in left],
            )

    def again(self, number: int, signals: Sequence[Changed], note: str) -> None:
        """Let a webhook wait once more, whatever became of it."""
        self._db.run(
            "UPDATE inbox SET state = 'new', signals = ?, note = ?, done_at = NULL WHERE id = ?",
            (signals_text(signals), clean(note), number),
        )

    def end(self, number: int, state: str, note: str, now: datetime) -> None:
        """Write how one webhook ended, whatever it was before."""
        self._db.run(
            "UPDATE inbox SET state = ?, note = ?, done_at = ? WHERE id = ?", (state, clean(note), stamp(now), number)
        )

    # -- looking -----------------------------------------------------------------------------------

    def get(self, number: int) -> InboxRow | None:
        """One webhook."""
        rows = self._db.query(f"SELECT {', '.join(_ROW)} FROM inbox WHERE id = ?", (number,))
        return _row(rows[0]) if rows else None

    def rows(self, *, connection: str = "", state: str = "", limit: int = 50) -> list[InboxRow]:
        """Webhooks, newest first."""
        rows = self._db.query(
            f"SELECT {', '.join(_ROW)} FROM inbox WHERE (connection = ? OR ? = '') AND (state = ? OR ? = '') "
            "ORDER BY id DESC LIMIT ?",
            (connection, connection, state, state, limit),
        )
        return [_row(row) for row in rows]

    def open(self) -> dict[tuple[str, str], tuple[int, str]]:
        """How many webhooks wait or failed, and since when: by connection and state."""
        rows = self._db.query(
            "SELECT connection, state, count(*), min(received_at) FROM inbox WHERE state IN ('new', 'failed') "
            "GROUP BY connection, state"
        )
        return {(row[0], row[1]): (row[2], row[3]) for row in rows}

    def last(self) -> dict[str, str]:
        """When each connection was last sent a webhook."""
        rows = self._db.query(
            "SELECT connection, received_at FROM inbox WHERE id IN (SELECT max(id) FROM inbox GROUP BY connection)"
        )
        return {row[0]: row[1] for row in rows}


def _short(dedupe: str) -> str:
    cleaned = clean(dedupe)
    return cleaned if len(cleaned) <= _LONGEST else "sha256:" + hashlib.sha256(cleaned.encode()).hexdigest()


def _row(row: tuple[Any, ...]) -> InboxRow:
    values = dict(zip(_ROW, row, strict=True))
    return InboxRow(**{**values, "body": bytes(values["body"]), "signals": tuple(_SIGNALS.decode(values["signals"]))})
