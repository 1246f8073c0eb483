"""Connections, streams and flows as the store keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
import msgspec

from crossdock.schedule import Schedule
from crossdock.store.database import Database, stamp


@attrs.frozen(kw_only=True)
class ConnectionRow:
    """A stored connection; secrets in `settings` are encrypted or references.

    `python`: the interpreter that its connector runs in, seen from the project's folder; empty for this one.
    """

    name: str
    connector: str
    settings: Mapping[str, str]
    state: str
    reason: str = ""
    facts: Mapping[str, Any] = attrs.field(factory=dict)
    verified_at: str | None = None
    python: str = ""


@attrs.frozen(kw_only=True)
class StreamRow:
    """A stream's switch, schedule, turns and bookmark; `every` and `jitter` in seconds, times as stamps.

    `next_at` is when its schedule wants it read (`None` never, empty at once), `held_until` when it may be tried again
    after `failures` failures in a row. It is wanted now while `requested` is more than `done`. `read_at` is when the
    last run began that read everything.
    """

    connection: str
    stream: str
    enabled: bool
    every: int | None = None
    cron: str = ""
    zone: str = ""
    quiet: str = ""
    jitter: int = 0
    cursor: str | None = None
    synced_at: str | None = None
    read_at: str | None = None
    next_at: str | None = None
    held_until: str = ""
    failures: int = 0
    requested: int = 0
    done: int = 0

    @property
    def schedule(self) -> Schedule:
        """When it is read."""
        return Schedule(every=self.every, cron=self.cron, zone=self.zone, quiet=self.quiet, jitter=self.jitter)


DERIVED = {"acceptance": "orders", "statuses": "orders"}
"""Flows that are about records of another stream: accepting orders, and showing how far they are."""


@attrs.frozen(kw_only=True)
class FlowOptions:
    """What a flow does with records. Empty tuples mean "no restriction".

    `statuses`: orders enter the flow in these states. `warehouses`: whose stock is added up. `buffer`: stock kept back
    for each SKU. `totals`: what to do when an order's parts do not add up to its total: ``keep`` (the stated total is
    the truth), ``line`` (one explicit rounding line) or ``hold`` (park). `on_shortage`: an order that waits to be
    accepted while there is not enough stock waits for a person (``hold``) or is refused (``refuse``). `approve_above`:
    orders above this amount wait for a person. `approve_up_to`: binding orders, which all wait for a person otherwise,
    need none when their preview has no problems and costs at most this, in the preview's currency. `dry_run`: nothing
    is sent.
    """

    statuses: tuple[str, ...] = ()
    warehouses: tuple[str, ...] = ()
    skus: tuple[str, ...] = ()
    buffer: int = 0
    totals: str = "keep"
    approve_above: str = ""
    approve_up_to: str = ""
    on_shortage: str = "hold"
    dry_run: bool = False


@attrs.frozen(kw_only=True)
class FlowRow:
    """A stored flow; `mode` is ``plan``, ``live`` or ``paused``."""

    name: str
    stream: str
    source: str
    target: str
    mode: str
    options: FlowOptions = FlowOptions()

    @property
    def entry(self) -> str:
        """The state in which an effect of the flow begins."""
        return "ready" if self.mode == "live" else "planned"

    @property
    def reads(self) -> str:
        """The stream of `source` whose records take the flow."""
        return DERIVED.get(self.stream, self.stream)

    @property
    def writes_to(self) -> str:
        """The connection that the flow writes to: an order is accepted where it comes from."""
        return self.source if self.stream == "acceptance" else self.target


_FLOWS = "flows"
_STREAM = tuple(each.name for each in attrs.fields(StreamRow))
_FACTS: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])
_SETTINGS: msgspec.json.Decoder[dict[str, str]] = msgspec.json.Decoder(dict[str, str])
_OPTIONS: msgspec.json.Decoder[FlowOptions] = msgspec.json.Decoder(FlowOptions)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


class Config:
    """Verbs on the configuration."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def connections(self) -> list[ConnectionRow]:
        """All connections by name."""
        rows = self._db.query(
            "SELECT name, connector, settings, state, reason, facts, verified_at, python FROM connection ORDER BY name"
        )
        return [self._connection(row) for row in rows]

    def connection(self, name: str) -> ConnectionRow | None:
        """One connection."""
        rows = self._db.query(
            "SELECT name, connector, settings, state, reason, facts, verified_at, python FROM connection "
            "WHERE name = ?",
            (name,),
        )
        return self._connection(rows[0]) if rows else None

    @staticmethod
    def _connection(row: tuple[Any, ...]) -> ConnectionRow:
        return ConnectionRow(
            name=row[0], connector=row[1], settings=_SETTINGS.decode(row[2]), state=row[3], reason=row[4],
            facts=_FACTS.decode(row[5]), verified_at=row[6], python=row[7],
        )  # fmt: skip

    def save_connection(self, row: ConnectionRow, now: datetime) -> None:
        """Insert or replace a connection."""
        at = stamp(now)
        self._db.run(
            "INSERT INTO connection (name, connector, settings, state, reason, facts, verified_at, python, "
            "created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
            "connector = excluded.connector, settings = excluded.settings, state = excluded.state, "
            "reason = excluded.reason, facts = excluded.facts, verified_at = excluded.verified_at, "
            "python = excluded.python, updated_at = excluded.updated_at",
            (row.name, row.connector, _json(dict(row.settings)), row.state, row.reason, _json(dict(row.facts)),
             row.verified_at, row.python, at, at),
        )  # fmt: skip

    def set_state(self, name: str, state: str, reason: str, now: datetime, *, when: tuple[str, ...] = ()) -> bool:
        """Change a connection's state; true when this call changed it (so that only one alert goes out)."""
        condition = f" AND state IN ({', '.join('?' * len(when))})" if when else ""
        return (
            self._db.run(
                f"UPDATE connection SET state = ?, reason = ?, updated_at = ? WHERE name = ?{condition}",
                (state, reason, stamp(now), name, *when),
            )
            == 1
        )

    def remove_connection(self, name: str) -> None:
        """Delete a connection's row."""
        self._db.run("DELETE FROM connection WHERE name = ?", (name,))

    def streams(self, connection: str = "") -> list[StreamRow]:
        """Streams that were ever switched on or synced."""
        rows = self._db.query(
            f"SELECT {', '.join(_STREAM)} FROM stream WHERE connection = ? OR ? = '' ORDER BY connection, stream",
            (connection, connection),
        )
        return [_stream(row) for row in rows]

    def stream(self, connection: str, stream: str) -> StreamRow | None:
        """One stream that was ever switched on or synced."""
        rows = self._db.query(
            f"SELECT {', '.join(_STREAM)} FROM stream WHERE connection = ? AND stream = ?", (connection, stream)
        )
        return _stream(rows[0]) if rows else None

    def save_stream(
        self, connection: str, stream: str, *, enabled: bool, every: int | None, cron: str, zone: str = "",
        quiet: str = "", jitter: int = 0, next_at: str = "",
    ) -> None:  # fmt: skip
        """Switch a stream, set its schedule and when it is read next (a stamp; empty: now); the bookmark stays.

        What rested after trouble is tried again, also after `save_flow`.
        """
        self._db.upsert(
            "stream",
            (
                "connection",
                "stream",
                "enabled",
                "every",
                "cron",
                "zone",
                "quiet",
                "jitter",
                "next_at",
                "held_until",
                "failures",
            ),
            ("connection", "stream"),
            [(connection, stream, int(enabled), every, cron, zone, quiet, jitter, next_at if enabled else None, "", 0)],
        )

    def is_on(self, connection: str, stream: str) -> bool:
        """Whether a stream is switched on."""
        rows = self._db.query("SELECT enabled FROM stream WHERE connection = ? AND stream = ?", (connection, stream))
        return bool(rows and rows[0][0])

    def flows(self) -> list[FlowRow]:
        """All flows by name."""
        return self._flows("1 = 1")

    def flow(self, name: str) -> FlowRow | None:
        """One flow."""
        return next(iter(self._flows("name = ?", name)), None)

    def flows_of(self, source: str, stream: str) -> list[FlowRow]:
        """The flows that records of a stream take; inside a transaction, nobody changes a flow until its end.

        A flow that is made or switched while a stream is being read thus sees each page: either here, or in the store
        when it catches up.
        """
        self._db.share(_FLOWS)
        names = [stream, *(name for name, reads in DERIVED.items() if reads == stream)]
        marks = ", ".join("?" * len(names))
        return self._flows(f"source = ? AND stream IN ({marks}) AND mode <> 'paused'", source, *names)

    def paused_sales(self, source: str) -> list[FlowRow]:
        """The paused flows of a channel's orders: that hand them on, or accept them where nothing hands them on."""
        found = self._flows("source = ? AND stream IN ('orders', 'acceptance') AND mode = 'paused'", source)
        return [
            each for each in found if each.stream == "orders" or not self.flows_between(source, each.target, "orders")
        ]

    def flows_into(self, target: str, stream: str) -> list[FlowRow]:
        """The flows of a stream to `target`, paused ones too."""
        return self._flows("target = ? AND stream = ?", target, stream)

    def selling(self, stock: str) -> list[FlowRow]:
        """The flows by which orders that take a connection's stock become known, one for each channel, paused ones too.

        A channel may hand its orders on elsewhere and only have them accepted here.
        """
        found = self._flows("target = ? AND stream IN ('orders', 'acceptance')", stock)
        handed_on = {flow.source for flow in found if flow.stream == "orders"}
        return [flow for flow in found if flow.stream == "orders" or flow.source not in handed_on]

    def stock_matters(self, connection: str) -> bool:
        """Whether anything is published or decided by the stock of a connection."""
        return bool(
            self._db.query(
                "SELECT 1 FROM flow WHERE (source = ? AND stream = 'balance') "
                "OR (target = ? AND stream = 'acceptance') LIMIT 1",
                (connection, connection),
            )
        )

    def flows_between(self, source: str, target: str, stream: str) -> list[FlowRow]:
        """The flows of a stream from `source` to `target`, paused ones too."""
        return self._flows("source = ? AND target = ? AND stream = ?", source, target, stream)

    def _flows(self, condition: str, *params: str) -> list[FlowRow]:
        rows = self._db.query(
            f"SELECT name, stream, source, target, mode, options FROM flow WHERE {condition} ORDER BY name", params
        )
        return [
            FlowRow(name=row[0], stream=row[1], source=row[2], target=row[3], mode=row[4],
                    options=_OPTIONS.decode(row[5]))
            for row in rows
        ]  # fmt: skip

    def steady(self) -> None:
        """Inside a transaction: nobody changes a flow until its end."""
        self._db.share(_FLOWS)

    def hold_pages(self) -> None:
        """Inside a transaction: nobody routes a page until its end."""
        self._db.serialize(_FLOWS)

    def is_live(self, flow: str) -> bool:
        """Whether a flow may send now."""
        rows = self._db.query("SELECT mode FROM flow WHERE name = ?", (flow,))
        return bool(rows) and rows[0][0] == "live"

    def save_flow(self, row: FlowRow, now: datetime) -> None:
        """Insert or replace a flow."""
        with self._db.transaction() as db:
            db.serialize(_FLOWS)
            db.run(
                "INSERT INTO flow (name, stream, source, target, mode, options, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET stream = excluded.stream, "
                "source = excluded.source, target = excluded.target, mode = excluded.mode, options = excluded.options, "
                "held_until = '', failures = 0",
                (row.name, row.stream, row.source, row.target, row.mode, _json(row.options), stamp(now)),
            )

    def remove_flow(self, name: str) -> None:
        """Delete a flow's row."""
        self._db.run("DELETE FROM flow WHERE name = ?", (name,))


def _stream(row: tuple[Any, ...]) -> StreamRow:
    values = dict(zip(_STREAM, row, strict=True))
    return StreamRow(**{**values, "enabled": bool(values["enabled"])})
