"""Reading a stream: each page, its effects and the bookmark in one transaction; every row in exactly one bucket."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import attrs

from crossdock.engine.bench import HEARTBEAT, LEASE, Bench, Opened, Report, describe, pause_connection
from crossdock.engine.route import route
from crossdock.errors import (
    AccessError,
    ConnectorError,
    CrossdockError,
    LeaseLostError,
    PluginError,
    RecordError,
    StoreError,
    UsageError,
)
from crossdock.records import RECORD_TYPES, fingerprint, to_document
from crossdock.session import ByKeys, Page, Query, Since
from crossdock.store.config import FlowRow
from crossdock.store.database import stamp
from crossdock.store.leases import Lease
from crossdock.store.records import Prepared

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
    """The result of a pull: ``done``, ``stopped`` (asked to end) or ``failed`` with the error."""

    run: int
    state: str
    counts: Counts
    error: CrossdockError | None = None


def pull(
    bench: Bench, connection: str, stream: str, *, keys: Sequence[str] = (), full: bool = False,
    since: datetime | None = None, dry_run: bool = False, report: Report | None = None,
) -> Pulled:  # fmt: skip
    """Read what changed in a stream (or just `keys`) and keep it.

    `full` starts from the beginning and `since` from a time, both without repeating effects: unchanged records make
    none. `dry_run` reads and counts and keeps nothing. An access error pauses the connection. Raises `UsageError` when
    the connection is paused or another worker is reading this stream.
    """
    opened = bench.open(connection)
    hook = f"fetch_{stream}"
    if stream not in RECORD_TYPES or not opened.connector.can(hook):
        raise UsageError(
            f"{connection} ({opened.connector.info.title}) has no stream {stream!r}.",
            hint="See the matrix of: crossdock connectors",
        )
    with _lease(bench, f"pull:{connection}:{stream}") as lease:
        return _Pull(bench, opened, stream, lease, report).run(keys, full=full, since=since, dry_run=dry_run)


@contextlib.contextmanager
def _lease(bench: Bench, name: str) -> Iterator[Lease]:
    lease = bench.store.leases.take(name, bench.owner, bench.clock.now(), LEASE)
    if lease is None:
        raise UsageError(f"Another worker is at {name} right now.", hint="Try again when it is done: crossdock status")
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT):
            try:
                bench.store.leases.check(lease, bench.clock.now(), LEASE)
            except StoreError:
                return

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        stop.set()
        bench.store.leases.release(lease)


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
        self.flows: list[FlowRow] = []
        self.parked_before = False
        self._kind = RECORD_TYPES[stream]

    def run(self, keys: Sequence[str], *, full: bool, since: datetime | None, dry_run: bool) -> Pulled:
        bench, name = self.bench, self.opened.name
        self.number = bench.store.journal.begin("pull", bench.clock.now(), connection=name, stream=self.stream)
        self.flows = [
            flow for flow in bench.store.config.flows()
            if flow.source == name and flow.stream == self.stream and flow.mode != "paused"
        ]  # fmt: skip
        self.parked_before = bench.store.records.any_parked(name, self.stream)
        state = "done"
        error: CrossdockError | None = None
        calls = self.opened.session.http.count
        try:
            self._pages(self._query(keys, full, since), moving=not keys and not dry_run, dry_run=dry_run)
            if bench.clock.stopping:
                state = "stopped"
        except LeaseLostError as lost:
            state, error = "failed", lost
        except AccessError as denied:
            pause_connection(bench, name, denied)
            state, error = "failed", denied
        except CrossdockError as failed:
            state, error = "failed", failed
        self.counts.requests = self.opened.session.http.count - calls
        self.opened.flush()
        message = describe(error) if isinstance(error, ConnectorError) else str(error or "")
        bench.store.journal.end(self.number, state, self.counts.as_dict(), message, bench.clock.now())
        return Pulled(self.number, state, self.counts, error)

    def _query(self, keys: Sequence[str], full: bool, since: datetime | None) -> Query:
        if keys:
            return ByKeys(tuple(keys))
        start = getattr(self.opened.session.settings, "order_start", None) if self.stream == "orders" else None
        if since is not None:
            return Since(None, None, max(since, start) if start else since)
        cursor = None if full else self.bench.store.records.bookmark(self.opened.name, self.stream)
        return Since(cursor, None, start)

    def _pages(self, query: Query, *, moving: bool, dry_run: bool) -> None:
        with contextlib.closing(self.opened.connector.fetch(self.stream, self.opened.session, query)) as pages:
            for page in pages:
                self._page(page, moving=moving, dry_run=dry_run)
                if self.report:
                    self.report(self.counts.as_dict())
                if self.bench.clock.stopping:
                    return

    def _page(self, page: Page[Any], *, moving: bool, dry_run: bool) -> None:
        bench, name, records = self.bench, self.opened.name, self.bench.store.records
        before = attrs.evolve(self.counts, skipped=dict(self.counts.skipped))
        prepared, parked = self._prepare(page)
        self.counts.pages += 1
        try:
            with bench.store.transaction():
                now = bench.clock.now()
                if not dry_run:
                    bench.store.leases.check(self.lease, now, LEASE)
                fresh = self._sort(prepared)
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
                if fresh:
                    records.keep(name, self.stream, fresh, self.number, self.counts.pages, now)
                if self.parked_before and prepared:
                    records.unpark(name, self.stream, [row.key for row in prepared])
                if parked:
                    records.park(name, self.stream, parked, self.number, now)
                for flow in self.flows:
                    self.counts.effects += route(bench, flow, fresh)
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
        """Documents and fingerprints of a page; a record that cannot be kept is parked, the last of twins wins."""
        counts, kind = self.counts, self._kind
        seen = len(page.records) + len(page.rejects) + sum(page.skipped.values())
        counts.seen += seen if page.seen is None else page.seen
        for reason, number in page.skipped.items():
            counts.skip(reason, number)
        payloads: Sequence[bytes] = page.payloads or (b"",) * len(page.records)
        parked = list(page.rejects)
        prepared: dict[str, Prepared] = {}
        for record, payload in zip(page.records, payloads, strict=True):
            if type(record) is not kind:
                raise PluginError(
                    f"{self.opened.connector.name} answered a {type(record).__name__} in the stream {self.stream}."
                )
            try:
                document = to_document(record)
            except (TypeError, ValueError, UnicodeError) as error:
                parked.append(
                    RecordError(f"It cannot be kept: {error}.", key=record.key, path="extras", payload=payload)
                )
                continue
            at = record.updated_at
            if record.key in prepared:
                counts.skip("repeated in the page")
            prepared[record.key] = Prepared(
                record.key, record.ref, fingerprint(kind, document), stamp(at) if at else "", document.decode(), record,
                payload,
            )  # fmt: skip
        return list(prepared.values()), parked

    def _sort(self, prepared: Sequence[Prepared]) -> list[Prepared]:
        """New and changed records; unchanged and outdated ones are only counted."""
        if not prepared:
            return []
        counts = self.counts
        known = self.bench.store.records.known(self.opened.name, self.stream, [row.key for row in prepared])
        fresh: list[Prepared] = []
        for row in prepared:
            stored = known.get(row.key)
            if stored is None:
                counts.new += 1
            elif stored[0] == row.fingerprint:
                counts.unchanged += 1
                continue
            elif row.updated_at and stored[1] > row.updated_at:
                counts.skip("older than the stored one")
                continue
            else:
                counts.changed += 1
            fresh.append(row)
        return fresh
