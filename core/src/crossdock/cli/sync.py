"""``crossdock sync``: fetch what changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs
import click

from crossdock.app import App
from crossdock.cli import EXIT_INTERRUPTED
from crossdock.cli.context import app_from_context, stoppable
from crossdock.cli.moments import parse_moment
from crossdock.cli.output import counted, emit, examples, json_option, mark, needs_attention, progress, show
from crossdock.cli.tuning import for_many_records
from crossdock.clock import monotonic
from crossdock.engine.bench import describe
from crossdock.engine.pull import Counts, Pulled, pull
from crossdock.errors import ConnectorError, CrossdockError, UsageError

ORDER = ("orders", "shipments", "balance", "prices", "products", "customers")
"""Orders first: sold stock has to be known before stock is published."""


@attrs.frozen(kw_only=True)
class Asked:
    """What of a stream is fetched, as `pull` takes it."""

    keys: tuple[str, ...] = ()
    full: bool = False
    since: datetime | None = None
    dry_run: bool = False


@attrs.frozen(kw_only=True)
class Synced:
    """What became of one stream: ``done``, ``stopped``, ``failed``, or ``skipped``: its connection is not active."""

    connection: str
    stream: str
    state: str
    run: int | None = None
    counts: Counts = attrs.field(factory=Counts)
    error: str = ""
    hint: str = ""
    seconds: float = 0.0

    @property
    def needs_attention(self) -> bool:
        """Whether a person has to look at it."""
        return self.state in ("failed", "skipped") or self.counts.parked > 0


def lanes(app: App, connection: str, stream: str) -> list[tuple[str, str]]:
    """Connections and streams to fetch, orders first: what is named, or else everything that is switched on.

    Raises `UsageError` when that is nothing.
    """
    if connection:
        app.row(connection)
    if stream:
        return [(connection, stream)]
    drafts = {row.name for row in app.store.config.connections() if row.state == "draft"}
    found = [
        (row.connection, row.stream)
        for row in app.store.config.streams(connection)
        if row.enabled and (connection or row.connection not in drafts)
    ]
    if not found:
        where = f"of {connection} " if connection else ""
        raise UsageError(
            f"No stream {where}is switched on.", hint=f"crossdock stream on {connection or 'CONNECTION'} STREAM"
        )
    return sorted(found, key=lambda lane: (ORDER.index(lane[1]) if lane[1] in ORDER else len(ORDER), lane))


def sync_lane(app: App, connection: str, stream: str, asked: Asked, *, strict: bool = False) -> Synced:
    """Fetch one stream; whatever stops it is told in the answer, except wrong usage when `strict`."""
    row = app.row(connection)
    if row.state != "active":
        reason = f": {row.reason}" if row.reason else ""
        return Synced(
            connection=connection, stream=stream, state="skipped", error=f"{connection} is {row.state}{reason}",
            hint=f"crossdock connection {'verify' if row.state == 'draft' else 'resume'} {connection}",
        )  # fmt: skip
    begun = monotonic()
    try:
        with progress(f"{connection} {stream}") as report:
            pulled = pull(
                app.bench, connection, stream, keys=asked.keys, full=asked.full, since=asked.since,
                dry_run=asked.dry_run, report=report,
            )  # fmt: skip
    except CrossdockError as error:
        if strict and isinstance(error, UsageError):
            raise
        return Synced(connection=connection, stream=stream, state="failed", error=str(error), hint=error.hint)
    return _synced(connection, stream, pulled, monotonic() - begun)


def _synced(connection: str, stream: str, pulled: Pulled, seconds: float) -> Synced:
    error = pulled.error
    text = describe(error) if isinstance(error, ConnectorError) else str(error or "")
    return Synced(
        connection=connection, stream=stream, state=pulled.state, run=pulled.run, counts=pulled.counts, error=text,
        hint=error.hint if error else "", seconds=round(seconds, 3),
    )  # fmt: skip


@click.command(
    epilog=examples(
        "crossdock sync                                    everything that is switched on",
        "crossdock sync shop                               all streams of shop that are on",
        "crossdock sync shop orders --since 2d             also if the stream is off",
        "crossdock sync shop orders --key 1042 --key 1043  just these records",
        "crossdock sync shop orders --full --dry-run       read everything, keep nothing",
    )
)
@click.argument("connection", required=False, default="")
@click.argument("stream", required=False, default="")
@click.option("--since", default="", metavar="TIME", help="From a date or time (UTC), or 2d, 3h ago.")
@click.option("--key", "keys", multiple=True, help="Just this record; may be repeated.")
@click.option("--full", is_flag=True, help="From the beginning; what did not change is only counted.")
@click.option("--dry-run", is_flag=True, help="Read and count, keep nothing.")
@json_option
@click.pass_context
def sync(
    ctx: click.Context, connection: str, stream: str, since: str, keys: tuple[str, ...], full: bool, dry_run: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Fetch what changed since the last time, and plan what follows from it.

    Ends with 1 when a stream failed, was left out because its connection is paused, or a record had to be parked.
    """
    if sum(map(bool, (since, keys, full))) > 1:
        raise UsageError("Only one of --since, --key and --full.")
    if keys and not stream:
        raise UsageError("--key needs a connection and a stream.", hint="crossdock sync CONNECTION STREAM --key KEY")
    app = app_from_context()
    asked = Asked(keys=keys, full=full, since=parse_moment(since, app.clock.now()), dry_run=dry_run)
    results: list[Synced] = []
    for_many_records()
    with stoppable(app):
        for lane in lanes(app, connection, stream):
            results.append(sync_lane(app, *lane, asked, strict=bool(stream)))
            if not as_json:
                show(_line(results[-1], asked))
            if app.clock.stopping:
                break
        told = [] if dry_run or app.clock.stopping else _mend(app)
    emit([_data(each) for each in results], as_json, lambda: told)
    if app.clock.stopping:
        ctx.exit(EXIT_INTERRUPTED)
    if any(each.needs_attention for each in results):
        needs_attention()


def _mend(app: App) -> list[str]:
    """Register webhooks again that stopped coming; answers what to say about it."""
    if not app.store.announcements.dead():
        return []
    from crossdock.webhooks import mend

    return [
        f"{mark('warn')} Webhooks of {name} stopped coming, "
        + (f"and could not be registered again: {trouble}" if trouble else "and were registered again.")
        for name, trouble in mend(app).items()
    ]


def _data(result: Synced) -> dict[str, Any]:
    return attrs.asdict(result)


def _line(result: Synced, asked: Asked) -> Sequence[str]:
    where = f"{result.connection} {result.stream}".ljust(24)
    if result.state in ("failed", "skipped"):
        kept = f" (kept before that: {_counted(result.counts)})" if result.counts.seen else ""
        lines = [f"{mark('fail')} {where} {result.state}: {result.error}{kept}"]
        return [*lines, f"    {result.hint}"] if result.hint else lines
    if result.state == "waiting":
        return [f"{mark('skip')} {where} waits: {result.error}"]
    missing = len(set(asked.keys)) - result.counts.seen if result.state != "stopped" else 0
    state = "warn" if result.counts.parked or missing > 0 or result.state == "stopped" else "ok"
    ending = " (stopped; it goes on from here)" if result.state == "stopped" else ""
    kept = ", nothing kept" if asked.dry_run else ""
    cost = counted({"requests": result.counts.requests})
    took = f"{cost}, {result.seconds:.1f} s" if cost else f"{result.seconds:.1f} s"
    lines = [f"{mark(state)} {where} {_counted(result.counts)}{kept}  ({took}){ending}"]
    if missing > 0:
        which = f"{missing} of {len(asked.keys)} keys" if len(asked.keys) > 1 else f"the key {asked.keys[0]!r}"
        lines.append(f"    {result.connection} has nothing under {which}, or keeps it out.")
    return lines


def _counted(counts: Counts) -> str:
    parts = {
        "new": counts.new, "changed": counts.changed, "unchanged": counts.unchanged, "parked": counts.parked,
        "skipped": counts.skipped,
    }  # fmt: skip
    effects = {"effects": counts.effects}
    return (
        f"{counts.seen:,} seen"
        + "".join(f": {text}" for text in (counted(parts),) if text)
        + (f"; {counted(effects)}" if counts.effects else "")
    )
