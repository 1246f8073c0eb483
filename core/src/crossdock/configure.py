"""What people set up: streams with schedules, and flows. Command line, web and `apply` say it the same way."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, get_args

import attrs

from crossdock.app import App, check_name
from crossdock.connection import ConnectorInfo
from crossdock.engine.route import check_flow, route_stored
from crossdock.engine.stock import release_orders
from crossdock.errors import UsageError
from crossdock.records import STREAMS, OrderStatus
from crossdock.registry import Connector
from crossdock.schedule import Schedule, check_schedule, default_every, parse_span
from crossdock.store.config import FlowOptions, FlowRow, StreamRow
from crossdock.store.database import stamp, unstamp

TOTALS = ("keep", "line", "hold")
SHORTAGES = ("hold", "refuse")
OPTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "statuses": ("--statuses", ("orders", "statuses")),
    "totals": ("--totals", ("orders",)),
    "approve_above": ("--approve-above", ("orders",)),
    "approve_up_to": ("--approve-up-to", ("orders",)),
    "warehouses": ("--warehouse", ("balance", "acceptance")),
    "buffer": ("--buffer", ("balance", "acceptance")),
    "on_shortage": ("--on-shortage", ("acceptance",)),
    "skus": ("--sku", ("products", "prices", "balance")),
}
"""Options of a flow: how they are called on the command line, and for which streams they are."""


# -- streams ---------------------------------------------------------------------------------------


def offered_streams(connector: Connector) -> list[str]:
    """The streams that can be read from a connector."""
    return [each for each in STREAMS if connector.can(f"fetch_{each}")]


@attrs.frozen(kw_only=True)
class Wish:
    """What somebody says of a schedule, as text; what is empty stays as it is or takes the default.

    ``-`` takes zone, quiet hours or jitter away.
    """

    every: str = ""
    cron: str = ""
    zone: str = ""
    quiet: str = ""
    jitter: str = ""


def schedule_of(info: ConnectorInfo, stream: str, wish: Wish, before: StreamRow | None) -> Schedule:
    """The schedule of a stream: as asked, else as it was before, else the default.

    Raises `UsageError` when two are given, one cannot be read, or it is more often than the vendor allows.
    """
    if wish.every and wish.cron:
        raise UsageError("Give either a time between two reads (--every) or a cron line (--cron).")
    found = before.schedule if before is not None else Schedule()
    if wish.every or wish.cron:
        span = parse_span(wish.every) if wish.every else None
        found = attrs.evolve(found, every=int(span.total_seconds()) if span else None, cron=wish.cron)
    elif not (found.every or found.cron):
        found = attrs.evolve(found, every=int(default_every(info, stream).total_seconds()))
    found = attrs.evolve(found, zone=_kept(wish.zone, found.zone), quiet=_kept(wish.quiet, found.quiet))
    if wish.jitter:
        span = parse_span(wish.jitter) if wish.jitter not in ("-", "0") else timedelta(0)
        found = attrs.evolve(found, jitter=int(span.total_seconds()))
    if wish != Wish():
        check_schedule(info, stream, found)
    return found


def _kept(asked: str, before: str) -> str:
    return "" if asked == "-" else asked or before


def first_turn(schedule: Schedule, before: StreamRow | None, now: datetime) -> str:
    """When a stream that is switched on is read next, as a stamp: by its schedule from its last time on, else at once.

    What is on already and keeps its schedule keeps its turn.
    """
    if before is not None and before.enabled and before.next_at is not None and before.schedule == schedule:
        return before.next_at
    read_at = unstamp(before.read_at) if before is not None else None
    if schedule.cron:
        return stamp(schedule.next(now, random.random()))  # noqa: S311  spreads calls, keeps no secret
    return stamp(max(schedule.next(read_at), schedule.awake(now))) if read_at else stamp(schedule.awake(now))


def switch_stream(
    app: App, connection: str, stream: str, *, on: bool | None, wish: Wish = Wish()
) -> StreamRow:  # fmt: skip
    """Switch a stream (`None` leaves the switch as it is) and set its schedule; raises `UsageError`."""
    row = app.row(connection)
    connector = app.connector_of(row)
    offered = offered_streams(connector)
    if stream not in offered:
        known = ", ".join(offered) or "none"
        raise UsageError(
            f"{connection} ({connector.info.title}) has no stream {stream!r}; there are: {known}.",
            hint="See the matrix of: crossdock connectors",
        )
    before = app.store.config.stream(connection, stream)
    schedule = schedule_of(connector.info, stream, wish, before)
    enabled = on if on is not None else bool(before and before.enabled)
    return keep_stream(app, connection, stream, enabled, schedule)


def keep_stream(app: App, connection: str, stream: str, enabled: bool, schedule: Schedule) -> StreamRow:
    """Save a stream's switch and schedule, and when its next turn is."""
    now = app.clock.now()
    with app.store.transaction():
        before = app.store.config.stream(connection, stream)
        app.store.config.save_stream(
            connection, stream, enabled=enabled, every=schedule.every, cron=schedule.cron, zone=schedule.zone,
            quiet=schedule.quiet, jitter=schedule.jitter, next_at=first_turn(schedule, before, now),
        )  # fmt: skip
        text = f"{'on' if enabled else 'off'}{', ' if schedule.text else ''}{schedule.text}"
        app.store.journal.event("stream changed", f"{connection} {stream}", text, now)
        row = app.store.config.stream(connection, stream)
    if row is None:
        raise UsageError(f"The connection {connection} was removed meanwhile.")
    return row


def ask_for(app: App, connection: str, stream: str) -> int:
    """Let whoever runs the schedules read a stream now, also after trouble; answers the number of the wish.

    Raises `UsageError` when the stream is off or its connection is not active.
    """
    row = app.row(connection)
    if row.state != "active":
        raise UsageError(
            f"The connection {connection} is {row.state}.", hint=f"crossdock connection verify {connection}"
        )
    number = app.store.agenda.ask(connection, stream)
    if not number:
        raise UsageError(
            f"The stream {stream} of {connection} is off.",
            hint=f"crossdock stream on {connection} {stream}, or just once: crossdock sync {connection} {stream}",
        )
    return number


# -- flows -----------------------------------------------------------------------------------------


def options_for(stream: str, given: Mapping[str, Any]) -> FlowOptions:
    """The options of a flow; raises `UsageError` for one that its stream does not know or that cannot be right."""
    default = FlowOptions()
    changed = {name: value for name, value in given.items() if value != getattr(default, name)}
    for name in changed:
        option, streams = OPTIONS[name]
        if stream not in streams:
            raise UsageError(f"{option} is for flows of {', '.join(streams)}, not of {stream}.")
    if "totals" in changed and changed["totals"] not in TOTALS:
        raise UsageError(f"The policy for totals is one of {', '.join(TOTALS)}, not {changed['totals']!r}.")
    if "on_shortage" in changed and changed["on_shortage"] not in SHORTAGES:
        raise UsageError(f"on_shortage is one of {', '.join(SHORTAGES)}, not {changed['on_shortage']!r}.")
    known = get_args(OrderStatus)
    unknown = [each for each in changed.get("statuses", ()) if each not in known]
    if unknown:
        raise UsageError(f"There is no status {unknown[0]!r}; there are: {', '.join(known)}.")
    for name in ("approve_above", "approve_up_to"):
        if changed.get(name):
            _check_amount(changed[name], OPTIONS[name][0])
    return FlowOptions(**changed)


def _check_amount(text: str, option: str) -> None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"{text!r} is no amount.", hint=f"Write it like {option} 500.00")


def find_flow(app: App, name: str) -> FlowRow:
    """A stored flow; raises `UsageError` when there is none."""
    row = app.store.config.flow(name)
    if row is None:
        known = ", ".join(each.name for each in app.store.config.flows()) or "none yet"
        raise UsageError(f"There is no flow {name!r}; there are: {known}.", hint="crossdock flow add")
    return row


def add_flow(app: App, row: FlowRow) -> int:
    """Add a flow and plan what is stored already; answers how many effects. Raises `UsageError` when it cannot work."""
    check_name(row.name)
    if app.store.config.flow(row.name) is not None:
        raise UsageError(f"There is a flow {row.name!r} already.", hint=f"crossdock flow show {row.name}")
    check_flow(app.bench, row)
    now = app.clock.now()
    with app.store.transaction():
        app.store.config.save_flow(row, now)
        app.store.journal.event("flow added", row.name, f"{row.stream}: {row.source} to {row.target}", now)
    return route_stored(app.bench, row)


def remove_flow(app: App, name: str) -> None:
    """Remove a flow with its effects; refused while it is unknown whether one of them was done."""
    row = find_flow(app, name)
    counts = {state: number for (_, state), number in app.store.effects.counts(name).items()}
    if counts.get("sending") or counts.get("in_doubt"):
        raise UsageError(
            f"The flow {name} has effects of which nobody knows yet whether they were done.",
            hint=f"crossdock push {name}, or decide: crossdock effects resolve",
        )
    now = app.clock.now()
    with app.store.transaction():
        app.store.config.hold_pages()
        for gap in app.store.gaps.list():
            if gap.flow == name:
                app.store.gaps.close(gap.id, now)
        app.store.effects.forget_flow(name)
        app.store.config.remove_flow(name)
        if row.stream in ("orders", "acceptance"):
            _release(app, row)
        app.store.journal.event("flow removed", name, "", now)


def _release(app: App, row: FlowRow) -> None:
    """Nobody hands the orders of a removed flow on: they hold nothing, unless another flow takes them."""
    config = app.store.config
    if not any(config.flows_between(row.source, row.target, stream) for stream in ("orders", "acceptance")):
        release_orders(app.bench, row.source, row.target)


def words(values: Sequence[str]) -> tuple[str, ...]:
    """Values given several times or separated by commas, as one tuple."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())
