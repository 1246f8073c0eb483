"""Reading a stream: each page, its effects and the bookmark in one transaction; every row in exactly one bucket."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
import msgspec

from crossdock.engine.bench import LEASE, Bench, Opened, Report, pause_connection, working
from crossdock.engine.conscience import Vigil, judge
from crossdock.engine.route import hold_paused, lock_targets, orders_before, route
from crossdock.engine.runs import break_off, end_run
from crossdock.engine.settle import recognise
from crossdock.engine.stock import stock_was_read
from crossdock.errors import (
    AccessError,
    CrossdockError,
    PluginError,
    RecordError,
    UsageError,
    asked_wait,
)
from crossdock.records import RECORD_TYPES, fingerprint, from_document, to_document
from crossdock.session import ByKeys, Page, Query, Since
from crossdock.store.database import clean, stamp, unstamp
from crossdock.store.leases import Lease
from crossdock.store.records import Prepared
from crossdock.trace import about, know, span

_AHEAD = timedelta(minutes=1)  # that much a vendor's clock may differ from ours
_ROOM = 0.2
"""Of the time that reading a stream takes, so much at least is left to others before it is read again."""

BUCKETS = ("new", "changed", "unchanged", "parked", "skipped")


@attrs.define
class Counts:
    """Where the rows of a run ended; `skipped` by reason."""

    seen: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    parked: int = 0
    pages: int = 0
    effects: int = 0
    requests: int = 0
    skipped: dict[str, int] = attrs.field(factory=dict)

    def skip(self, reason: str, count: int = 1) -> None:
        """Count rows left out on purpose."""
        self.skipped[reason] = self.skipped.get(reason, 0) + count

    @property
    def balanced(self) -> bool:
        """Whether every row seen is in exactly one bucket."""
        return self.seen == self.new + self.changed + self.unchanged + self.parked + sum(self.skipped.values())

    def as_dict(self) -> dict[str, Any]:
        """The counts for the journal and for people."""
        return attrs.asdict(self)


@attrs.frozen
class Pulled:
    """The result of a pull: ``done``, ``stopped`` (asked to end), or with the error ``failed`` or ``waiting``.

    It waits when the vendor asked to, or its limits do.
    """

    run: int
    state: str
    counts: Counts
    error: CrossdockError | None = None


def pull(
    bench: Bench, connection: str, stream: str, *, keys: Sequence[str] = (), full: bool = False,
    since: datetime | None = None, dry_run: bool = False, report: Report | None = None, lease: Lease | None = None,
) -> Pulled:  # fmt: skip
    """Read what changed in a stream (or just `keys`) and keep it.

    `full` starts from the beginning and `since` from a time, both without repeating effects: unchanged records make
    none. `dry_run` reads and counts and keeps nothing. An access error pauses the connection. Raises `UsageError` when
    the connection is paused, and `BusyError` when another worker is reading this stream; a caller that holds its
    `lease` already gives that.
    """
    opened = bench.open(connection)
    hook = f"fetch_{stream}"
    if stream not in RECORD_TYPES or not opened.connector.can(hook):
        raise UsageError(
            f"{connection} ({opened.connector.info.title}) has no stream {stream!r}.",
            hint="See the matrix of: crossdock connectors",
        )
    with contextlib.ExitStack() as stack:
        stack.enter_context(about(connection=connection, stream=stream))
        held = lease or stack.enter_context(working(bench, pull_lease(connection, stream)))
        return _Pull(bench, opened, stream, held, report).run(keys, full=full, since=since, dry_run=dry_run)


def pull_lease(connection: str, stream: str) -> str:
    """The name of the lease that whoever reads a stream holds."""
    return f"pull:{connection}:{stream}"


def read_channels(bench: Bench, stock: str, moment: datetime, but: str = "") -> None:
    """Read the orders of the channels that sell the stock of a connection and were not read since `moment`.

    Only those that are read at all: switched on, or read by hand before. One that cannot be read now stays behind.
    """
    for flow in bench.store.config.selling(stock):
        read_at = unstamp(bench.store.records.read_at(flow.source, "orders"))
        if flow.source == but or flow.mode == "paused" or (read_at is not None and read_at >= moment):
            continue
        if read_at is None and not bench.store.config.is_on(flow.source, "orders"):
            continue
        with contextlib.suppress(UsageError):  # paused, or another worker is reading it: it says so itself
            pull(bench, flow.source, "orders")


class _Pull:
    """One run over one stream."""

    def __init__(self, bench: Bench, opened: Opened, stream: str, lease: Lease, report: Report | None) -> None:
        self.bench = bench
        self.opened = opened
        self.stream = stream
        self.lease = lease
        self.report = report
        self.counts = Counts()
        self.number = 0
        self.shows = self.begun = bench.clock.now()
        self.start: datetime | None = None
        self.parked_before = False
        self.skus: dict[str, set[str]] = {}
        self.outdated: set[str] = set()
        self.vigil: Vigil | None = None
        self._kind = RECORD_TYPES[stream]

    def run(self, keys: Sequence[str], *, full: bool, since: datetime | None, dry_run: bool) -> Pulled:
        bench, name = self.bench, self.opened.name
        bench.store.journal.bury(name, self.stream, bench.clock.now())
        self.shows = self.begun = bench.clock.now()
        self.number = bench.store.journal.begin("pull", self.shows, connection=name, stream=self.stream)
        know(run=self.number)
        self.start = getattr(self.opened.session.settings, "order_start", None) if self.stream == "orders" else None
        self.parked_before = bench.store.records.any_parked(name, self.stream)
        state = "done"
        error: CrossdockError | None = None
        calls = self.opened.session.http.count
        try:
            bench.ambient.require()
            query, moving = self._query(keys, full, since)
            if moving and not full and not dry_run:
                self.vigil = Vigil(bench, self.opened, self.stream)
            with span("pull"):
                self._pages(query, moving=moving and not dry_run, dry_run=dry_run)
            if bench.clock.stopping:
                state = "stopped"
            elif not dry_run:
                self._was_read(by_key=bool(keys), whole=moving)
        except AccessError as denied:
            pause_connection(bench, name, denied)
            state, error = "failed", denied
        except CrossdockError as failed:
            # The vendor's limits let it wait: that is no trouble, and the next run goes on from here.
            state, error = "failed" if asked_wait(failed) is None else "waiting", failed
        except BaseException as broken:
            break_off(bench, "pull", self.number, self.counts.as_dict(), broken)
            raise
        self.counts.requests = self.opened.session.http.count - calls
        end_run(bench, self.opened, "pull", self.number, state, self.counts.as_dict(), error)
        return Pulled(self.number, state, self.counts, error)

    def _was_read(self, *, by_key: bool, whole: bool) -> None:
        """Everything that was asked for is kept now: with `whole` all that had changed when the run began."""
        bench, name = self.bench, self.opened.name
        # Not durable: what a power cut takes back is read and planned again.
        with bench.store.transaction(durable=False):
            if self.stream == "balance" and by_key:
                self._stock_by_key()
            elif self.stream == "balance" and whole:
                stock_was_read(bench, name, self.shows, but=self._unclear())
            if whole:
                bench.store.records.set_read(name, self.stream, self.shows)
                row = bench.store.config.stream(name, self.stream)
                if row is not None and row.next_at is not None:
                    chance = random.random()  # noqa: S311  spreads calls, keeps no secret
                    now = bench.clock.now()
                    # Or what takes longer than its interval would be read all the time, and what webhooks name never.
                    room = now + (now - self.begun) * _ROOM
                    next_at = max(row.schedule.next(self.begun, chance), room)
                    bench.store.agenda.was_read(name, self.stream, next_at)
            if self.vigil:
                self.vigil.end(self.number)
        if self.vigil:
            judge(bench, name)

    def _stock_by_key(self) -> None:
        """Of the SKUs whose stock was read in all warehouses that are known of them."""
        bench, name = self.bench, self.opened.name
        stored: dict[str, set[str]] = {}
        for each in bench.store.records.by_refs(name, "balance", sorted(self.skus)):
            stored.setdefault(each.ref, set()).add(each.key)
        whole = [sku for sku, keys in stored.items() if keys <= self.skus[sku]]
        bench.store.records.seen(name, "balance", [key for sku in whole for key in stored[sku]], bench.clock.now())
        stock_was_read(bench, name, self.shows, whole, but=self._unclear())

    def _unclear(self) -> set[str]:
        """SKUs of rows that could not be read as records, or that were older than what is stored."""
        records, name = self.bench.store.records, self.opened.name
        parked = [row.key for row in records.parked(name, "balance")] if self.parked_before else []
        return self.outdated | {stored.ref for stored in records.get_many(name, "balance", parked).values()}

    def _query(self, keys: Sequence[str], full: bool, since: datetime | None) -> tuple[Query, bool]:
        """What to ask for, and whether it may move the bookmark."""
        if keys:
            return ByKeys(tuple(keys)), False
        bookmark = self.bench.store.records.bookmark(self.opened.name, self.stream)
        if since is not None:
            # A bookmark that exists stays: what lies between it and `since` would be lost.
            return Since(None, None, max(since, self.start) if self.start else since), bookmark is None
        return Since(None if full else bookmark, None, self.start), True

    def _pages(self, query: Query, *, moving: bool, dry_run: bool) -> None:
        with contextlib.closing(self.opened.connector.fetch(self.stream, self.opened.session, query)) as pages:
            for page in pages:
                if not isinstance(page, Page):
                    raise PluginError(f"{self.opened.connector.name} answered a {type(page).__name__}, not a Page.")
                with span("page", rows=len(page.records)):
                    self._page(page, moving=moving, dry_run=dry_run)
                if self.report:
                    self.report(self.counts.as_dict())
                if self.bench.clock.stopping:
                    return

    def _page(self, page: Page[Any], *, moving: bool, dry_run: bool) -> None:
        bench, name, records = self.bench, self.opened.name, self.bench.store.records
        before = attrs.evolve(self.counts, skipped=dict(self.counts.skipped))
        try:
            prepared, parked = self._prepare(page)
            self.shows = min(self.shows, page.read_at or self.shows)
            self.counts.pages += 1
            # Not durable against a power cut: bookmark and page would be taken back together and fetched again.
            with bench.store.transaction(durable=False):
                now = bench.clock.now()
                if not dry_run:
                    bench.store.leases.check(self.lease, now, LEASE)
                if bench.store.records.any_erased(name, self.stream):
                    from crossdock.engine.erase import keep_erased  # seldom needed, and costs every start 10 ms

                    prepared = keep_erased(bench.store, name, self.stream, prepared, parked, now)
                fresh = self._sort(prepared, dry_run=dry_run)
                self.counts.parked += len(parked)
                if not self.counts.balanced:
                    raise PluginError(
                        f"{name} answered a page of {self.stream} with {page.seen} rows, but only "
                        f"{len(page.records)} records, {len(page.rejects)} rejects and "
                        f"{sum(page.skipped.values())} skipped rows came out of it. Nothing of the page was kept.",
                        hint=f"This is a fault of the connector {self.opened.connector.name}.",
                    )
                if dry_run:
                    return
                former = orders_before(bench, name, fresh) if self.stream == "orders" and fresh else {}
                if fresh:
                    records.keep(name, self.stream, fresh, self.number, self.counts.pages, now)
                if self.parked_before and prepared:
                    records.unpark(name, self.stream, [row.key for row in prepared])
                if parked:
                    records.park(name, self.stream, parked, self.number, now)
                    self.parked_before = True
                if self.stream == "balance" and not moving:
                    for row in prepared:
                        self.skus.setdefault(row.ref, set()).add(row.key)
                flows = bench.store.config.flows_of(name, self.stream) if fresh else ()
                if self.stream == "orders" and fresh:
                    lock_targets(bench, name, flows)
                for flow in flows:
                    self.counts.effects += route(bench, flow, fresh, former)
                if self.stream == "orders" and fresh:
                    recognise(bench, name, fresh)
                    hold_paused(bench, name, fresh, former)
                if moving and page.cursor is not None:
                    records.set_bookmark(name, self.stream, page.cursor, now)
                bench.store.journal.progress(self.number, self.counts.as_dict())
        except BaseException:
            self.counts = before
            raise
        for error in parked:
            bench.ambient.tell("record_parked", connection=name, error=error)
        bench.ambient.tell("page_kept", connection=name, stream=self.stream, counts=self.counts.as_dict())

    def _prepare(self, page: Page[Any]) -> tuple[list[Prepared], list[RecordError]]:
        """Documents and fingerprints of a page; a record that cannot be kept is parked, the newer of twins wins."""
        counts, kind = self.counts, self._kind
        seen = len(page.records) + len(page.rejects) + sum(page.skipped.values())
        counts.seen += seen if page.seen is None else page.seen
        for reason, number in page.skipped.items():
            counts.skip(reason, number)
        payloads: Sequence[bytes] = page.payloads or (b"",) * len(page.records)
        if len(payloads) != len(page.records):
            raise PluginError(
                f"{self.opened.connector.name} answered a page of {self.stream} with {len(page.records)} records, but "
                f"{len(payloads)} payloads."
            )
        parked = list(page.rejects)
        # A clock that ran ahead and was put right would hide all that changes until it gets there again.
        latest = self.bench.clock.now() + _AHEAD
        prepared: dict[str, Prepared] = {}
        for record, payload in zip(page.records, payloads, strict=True):
            if type(record) is not kind:
                raise PluginError(
                    f"{self.opened.connector.name} answered a {type(record).__name__} in the stream {self.stream}."
                )
            if self.start is not None and record.placed_at is not None and record.placed_at < self.start:
                counts.skip("before order start")
                continue
            try:
                document = to_document(record)
                if b"\\u0000" in document:
                    document, record = _without_nul(self.stream, document)
            except (TypeError, ValueError, ArithmeticError, RecursionError, msgspec.MsgspecError) as error:
                parked.append(
                    RecordError(f"It cannot be kept: {error}.", key=record.key, path="extras", payload=payload)
                )
                continue
            if not record.key:
                raise PluginError(f"{self.opened.connector.name} answered a record of {self.stream} without a key.")
            at = record.updated_at or getattr(record, "as_of", None)
            twin = prepared.get(record.key)
            if twin is not None:
                counts.skip("repeated in the page")
                if at and twin.updated_at > stamp(at):
                    continue
            prepared[record.key] = Prepared(
                record.key, record.ref, fingerprint(record, document), stamp(min(at, latest)) if at else "",
                document.decode(), record, payload,
            )  # fmt: skip
        return list(prepared.values()), parked

    def _sort(self, prepared: Sequence[Prepared], *, dry_run: bool) -> list[Prepared]:
        """New and changed records; unchanged and outdated ones are only counted."""
        if not prepared:
            return []
        counts = self.counts
        known = self.bench.store.records.known(self.opened.name, self.stream, [row.key for row in prepared])
        fresh: list[Prepared] = []
        touched: list[Prepared] = []
        for row in prepared:
            stored = known.get(row.key)
            if stored is None:
                counts.new += 1
            elif stored[0] == row.fingerprint:
                counts.unchanged += 1
                # Of stock the moment counts as well: an answer that is older must not take its place later.
                if row.updated_at > stored[1]:
                    touched.append(row)
                elif row.updated_at and stored[1] > row.updated_at:
                    self.outdated.add(row.ref)  # the same number as now, but from before: it shows less than it seems
                continue
            elif row.updated_at and stored[1] > row.updated_at:
                counts.skip("older than the stored one")
                self.outdated.add(row.ref)
                continue
            else:
                counts.changed += 1
            if self.vigil:
                self.vigil.saw(row.key, new=stored is None)
            fresh.append(row)
        if touched and not dry_run:
            self.bench.store.records.touch(self.opened.name, self.stream, touched)
        return fresh


def _without_nul(stream: str, document: bytes) -> tuple[bytes, Any]:
    """A document without NUL characters, which PostgreSQL keeps neither in text nor in JSON."""
    record = from_document(stream, msgspec.json.encode(_cleaned(msgspec.json.decode(document))))
    return to_document(record), record


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    if isinstance(value, dict):
        return {clean(name): _cleaned(each) for name, each in value.items()}
    return value
