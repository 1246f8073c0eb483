"""Figures for Prometheus, read from the store when asked: right across processes, and after a restart.

Labels are names that people gave (connections, flows) and words of ours; never keys, addresses or texts of vendors.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from crossdock import __version__
from crossdock.clock import Clock, monotonic
from crossdock.overview import due_again, shown_since
from crossdock.store import migrate
from crossdock.store.database import unstamp
from crossdock.store.figures import RunFigure, StreamFigure
from crossdock.store.journal import BUCKETS
from crossdock.store.store import Store

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_FRESH = 1.0  # seconds; several scrapers at once ask the database once


class Metrics:
    """The figures of one project; thread-safe."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Figures(store, clock))
        self._lock = threading.Lock()
        self._text = b""
        self._at = -1e9

    def text(self) -> bytes:
        """All figures in Prometheus' text format; raises `StoreError` when the database cannot be asked."""
        with self._lock:
            if monotonic() - self._at > _FRESH:
                self._text = generate_latest(self._registry)
                self._at = monotonic()
            return self._text


def samples(text: str) -> list[dict[str, Any]]:
    """The single figures of a text, for machines that do not read Prometheus' format."""
    from prometheus_client.parser import text_string_to_metric_families

    return [
        {"name": each.name, "labels": dict(each.labels), "value": each.value}
        for family in text_string_to_metric_families(text) for each in family.samples
    ]  # fmt: skip


class _Figures(Collector):
    """Reads the store for each scrape."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not ask the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All figures."""
        now = self._clock.now()
        yield InfoMetricFamily("crossdock_build", "This Crossdock.", {"version": __version__, "schema": migrate.HEAD})
        yield from self._connections(now)
        yield from self._streams(now)
        yield from self._flows(now)
        yield from self._people()
        yield self._workers(now)
        yield from self._webhooks(now)
        yield from _runs(self._store.figures.runs())

    def _connections(self, now: datetime) -> Iterator[Metric]:
        up = _gauge(
            "crossdock_connection_active",
            "1 when it works, 0 when it is paused or a draft.",
            "connection",
            "connector",
            "state",
        )
        for name, connector, state in self._store.figures.connections():
            up.add_metric((name, connector, state), float(state == "active"))
        yield up
        waits = _gauge("crossdock_next_call_seconds", "Until the budget allows the next call.", "connection", "budget")
        for name, budget, until in self._store.figures.budgets():
            waits.add_metric((name, budget), max(-_age(until, now), 0.0) if until else 0.0)
        yield waits

    def _streams(self, now: datetime) -> Iterator[Metric]:
        labels = ("connection", "stream")
        age = _gauge("crossdock_stream_read_age_seconds", "Since everything that had changed was last read.", *labels)
        every = _gauge("crossdock_stream_interval_seconds", "How often the stream is to be read.", *labels)
        late = _gauge("crossdock_stream_overdue_seconds", "Since the stream should have been read again.", *labels)
        for each in self._store.figures.streams():
            names = (each.row.connection, each.row.stream)
            if each.read_at:
                age.add_metric(names, max(_age(each.read_at, now), 0.0))
            if each.active:
                late.add_metric(names, _overdue(each, now))
                if each.row.every:
                    every.add_metric(names, each.row.every)
        yield from (age, every, late)

    def _flows(self, now: datetime) -> Iterator[Metric]:
        store = self._store
        effects = _gauge("crossdock_effects", "Writes on other systems by state.", "flow", "stream", "state")
        oldest = _gauge(
            "crossdock_oldest_unsent_seconds", "Since the oldest undelivered write waits.", "flow", "stream"
        )
        stock = _gauge("crossdock_published_stock_age_seconds", "How old what the target shows may be.", "flow")
        read = {(each.row.connection, each.row.stream): each.read_at for each in store.figures.streams()}
        counts = store.effects.counts()
        for flow in store.config.flows():
            since = store.effects.oldest(flow.name)
            oldest.add_metric((flow.name, flow.stream), _age(since, now) if since else 0.0)
            shown = shown_since(flow, read.get((flow.source, flow.reads)), since)
            if shown:
                stock.add_metric((flow.name,), max(_age(shown, now), 0.0))
            for (name, state), number in counts.items():
                if name == flow.name:
                    effects.add_metric((flow.name, flow.stream, state), number)
        yield from (effects, oldest, stock)

    def _people(self) -> Iterator[Metric]:
        figures = self._store.figures
        parked = _gauge("crossdock_parked_payloads", "What vendors sent and could not be read.", "connection", "stream")
        for names, number in figures.parked().items():
            parked.add_metric(names, number)
        gaps = _gauge("crossdock_gaps", "Unknown codes that records wait for.", "flow", "kind")
        for names, number in figures.gaps().items():
            gaps.add_metric(names, number)
        alerts = _gauge("crossdock_alerts", "Open alerts.", "kind")
        for kind, number in figures.alerts().items():
            alerts.add_metric((kind,), number)
        yield from (parked, gaps, alerts)

    def _workers(self, now: datetime) -> Metric:
        alive = _gauge("crossdock_workers_alive", "Runners and workers that were seen lately.", "kind")
        counts = dict.fromkeys(("run", "worker"), 0)
        for row in self._store.agenda.workers():
            counts[row.kind] = counts.get(row.kind, 0) + row.alive(now)
        for kind, number in counts.items():
            alive.add_metric((kind,), number)
        return alive

    def _webhooks(self, now: datetime) -> Iterator[Metric]:
        inbox = _gauge("crossdock_webhooks", "Webhooks that wait (new) or failed.", "connection", "state")
        oldest = _gauge("crossdock_webhook_waiting_seconds", "Since the oldest webhook waits.", "connection")
        for (connection, state), (number, since) in self._store.inbox.open().items():
            inbox.add_metric((connection, state), number)
            if state == "new" and since:
                oldest.add_metric((connection,), max(_age(since, now), 0.0))
        refused = CounterMetricFamily(
            "crossdock_webhooks_refused", "Requests with a wrong signature.", labels=("connection",)
        )
        for hook in self._store.hooks.all():
            refused.add_metric((hook.connection,), hook.refused)
        silent = _gauge("crossdock_webhooks_silent", "1 when webhooks that should come do not.", "connection", "stream")
        for each in self._store.announcements.dead():
            silent.add_metric((each.connection, each.stream), 1.0)
        yield from (inbox, oldest, refused, silent)


def _runs(found: Iterable[RunFigure]) -> Iterator[Metric]:
    runs = CounterMetricFamily(
        "crossdock_runs", "Runs that ended.", labels=("kind", "connection", "stream", "flow", "state")
    )
    counts: dict[tuple[str, str, str, str, str], int] = {}
    took: dict[str, dict[str, int]] = {}
    total: dict[str, float] = {}
    for each in found:
        lane = (each.kind, each.connection, each.stream, each.flow, each.state)
        counts[lane] = counts.get(lane, 0) + each.number
        buckets = took.setdefault(each.kind, {})
        buckets[each.bucket] = buckets.get(each.bucket, 0) + each.number
        total[each.kind] = total.get(each.kind, 0.0) + each.milliseconds / 1000
    for lane, number in counts.items():
        runs.add_metric(lane, number)
    yield runs
    seconds = HistogramMetricFamily("crossdock_run_seconds", "How long runs took.", labels=("kind",))
    for kind, buckets in took.items():
        below, rows = 0, []
        for limit in (*map(str, BUCKETS), ""):
            below += buckets.get(limit, 0)
            rows.append((f"{limit}.0" if limit else "+Inf", below))
        seconds.add_metric((kind,), rows, total[kind])
    yield seconds


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=labels)


def _age(at: str | None, now: datetime) -> float:
    moment = unstamp(at)
    return (now - moment).total_seconds() if moment else 0.0


def _overdue(stream: StreamFigure, now: datetime) -> float:
    due = due_again(stream)
    return max((now - due).total_seconds(), 0.0) if due else 0.0
