"""What a commit changed, in words: the store is looked at before and after it.

Derived from the rows and not from the statements, so that it stays true however the statements change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs

Query = Callable[[str], list[tuple[Any, ...]]]

_SHOWN = 5
_STATES = {
    "planned": "planned", "awaiting": "waiting for approval", "ready": "ready to be sent", "sending": "sending",
    "submitted": "submitted to an import job", "in_doubt": "in doubt", "parked": "parked", "done": "done",
    "superseded": "superseded", "discarded": "discarded",
}  # fmt: skip
_BOOKS = {
    "attempt": "attempt", "exchange": "recorded request", "event": "event", "memory": "remembered value",
    "file": "kept file", "hold": "hold", "binding": "binding", "gap": "gap", "payload": "payload", "flow": "flow",
    "mapping": "row of a mapping table",
}  # fmt: skip
_KEPT = "SELECT connection, stream, count(*) FROM {} GROUP BY connection, stream"


@attrs.frozen
class Look:
    """The rows that matter, by what names them."""

    effects: dict[int, tuple[Any, ...]]
    records: dict[tuple[str, str], int]
    parked: dict[tuple[str, str], int]
    bookmarks: dict[tuple[str, str], tuple[Any, ...]]
    runs: dict[int, tuple[Any, ...]]
    leases: dict[str, str]
    webhooks: dict[int, tuple[Any, ...]]
    connections: dict[str, tuple[Any, ...]]
    meters: dict[tuple[str, str], str]
    books: dict[str, int]


def look(query: Query) -> Look:
    """The store as it is now."""
    return Look(
        effects={
            row[0]: row[1:]
            for row in query("SELECT id, flow, operation, source, key, state, wanted, owner, not_before FROM effect")
        },
        records={(row[0], row[1]): row[2] for row in query(_KEPT.format("record"))},
        parked={(row[0], row[1]): row[2] for row in query(_KEPT.format("parked"))},
        bookmarks={
            (row[0], row[1]): row[2:] for row in query("SELECT connection, stream, cursor, read_at FROM stream")
        },
        runs={row[0]: row[1:] for row in query("SELECT id, kind, connection, stream, flow, state FROM run")},
        leases=dict(_pairs(query("SELECT name, owner FROM lease"))),
        webhooks={row[0]: row[1:] for row in query("SELECT id, connection, state, note FROM inbox")},
        connections={row[0]: row[1:] for row in query("SELECT name, state, settings FROM connection")},
        meters={(row[0], row[1]): row[2] for row in query("SELECT connection, budget, next_at FROM meter")},
        books=dict(_pairs(query(" UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in _BOOKS)))),
    )


def _pairs(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[Any, Any]]:
    return ((row[0], row[1]) for row in rows)


def told(before: Look, after: Look) -> str:
    """What was committed between two looks, the weightiest first; empty when nothing that matters changed."""
    parts = [
        *_effects(before, after), *_streams(before, after), *_webhooks(before, after), *_runs(before, after),
        *_leases(before, after), *_connections(before, after),
    ]  # fmt: skip
    if not parts:
        parts = [*_budgets(before, after), *_books(before, after)]
    return "; ".join(parts)


def _effects(before: Look, after: Look) -> Iterator[str]:
    moved: dict[tuple[str, str], list[str]] = {}
    for number, row in after.effects.items():
        old = before.effects.get(number)
        if old == row:
            continue
        flow, operation, source, key, state, *_ = row
        name = f"{source}-{key}" if operation == "order" else f"{operation} {source}-{key}"
        if old is None or old[4] != state:
            how = f"committed as {_STATES.get(state, state)}"
        elif old[5] != row[5]:
            how = "committed with a newer state to send"
        else:
            how = "taken to be asked for" if row[6] and not old[6] else f"put back as {_STATES.get(state, state)}"
        moved.setdefault((flow, how), []).append(name)
    for (flow, how), names in moved.items():
        word = "the effect" if len(names) == 1 else f"{len(names)} effects"
        verb = "is" if len(names) == 1 else "are"
        yield f"{word} {_some(names)} of {flow} {verb} {how}"


def _streams(before: Look, after: Look) -> Iterator[str]:
    for place in sorted({*after.records, *after.parked, *before.parked, *after.bookmarks}):
        of, parts = " ".join(place), []
        new = after.records.get(place, 0) - before.records.get(place, 0)
        if new:
            parts.append(f"{new} new {'record' if new == 1 else 'records'} of {of} kept")
        parked = after.parked.get(place, 0) - before.parked.get(place, 0)
        if parked:
            parts.append(f"{abs(parked)} of {of} {'parked' if parked > 0 else 'no longer parked'}")
        old, now = before.bookmarks.get(place, (None, None)), after.bookmarks.get(place, (None, None))
        if old[0] != now[0]:
            parts.append(f"the bookmark of {of} is moved")
        if old[1] != now[1]:
            parts.append(f"{of} is noted as read completely")
        yield from parts


def _webhooks(before: Look, after: Look) -> Iterator[str]:
    changed = [(number, row) for number, row in after.webhooks.items() if before.webhooks.get(number) != row]
    for connection, state in sorted({(row[0], row[1]) for _, row in changed}):
        count = sum(row[:2] == (connection, state) for _, row in changed)
        what = "waiting" if state == "new" else state
        yield f"{count} {'webhook' if count == 1 else 'webhooks'} of {connection} committed as {what}"


def _runs(before: Look, after: Look) -> Iterator[str]:
    for number, (kind, connection, stream, flow, state) in after.runs.items():
        old = before.runs.get(number)
        if old is None or old[4] != state:
            of = flow or f"{connection} {stream}"
            yield f"run {number} ({kind} of {of}) {'begins' if state == 'running' else f'ends as {state}'}"


def _leases(before: Look, after: Look) -> Iterator[str]:
    for name, owner in after.leases.items():
        if before.leases.get(name, "") != owner:
            yield f"the lease {name} is {'taken' if owner else 'given back'}"


def _connections(before: Look, after: Look) -> Iterator[str]:
    for name, row in after.connections.items():
        if before.connections.get(name) != row:
            yield f"the connection {name} is saved as {row[0]}"


def _budgets(before: Look, after: Look) -> Iterator[str]:
    for (connection, budget), at in after.meters.items():
        if before.meters.get((connection, budget)) != at:
            yield f"a call of {connection} is booked on the budget {budget}"


def _books(before: Look, after: Look) -> Iterator[str]:
    for name, title in _BOOKS.items():
        more = after.books[name] - before.books[name]
        if more:
            plural = "" if abs(more) == 1 else "s"
            yield f"{abs(more)} {title}{plural} {'written' if more > 0 else 'deleted'}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
