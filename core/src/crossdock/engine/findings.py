"""What a comparison of both sides of a flow finds, and how a side is read: afresh, keeping nothing."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import attrs

from crossdock.connection import StreamInfo
from crossdock.engine.bench import Bench, Opened, Report, describe, pause_connection
from crossdock.engine.translate import Tables
from crossdock.errors import AccessError, CrossdockError, UsageError
from crossdock.session import ByKeys, Query, Since
from crossdock.store.config import FlowRow
from crossdock.store.ledger import Effect

KINDS = ("missing", "extra", "duplicate", "different", "unbound", "unreadable")
LEDGER = "effect ledger"
_WORDS = {
    "planned": "It is planned; the flow is not live.",
    "awaiting": "It waits for approval.",
    "ready": "It is ready and not sent yet.",
    "sending": "It is being sent.",
    "submitted": "The vendor's import job still runs.",
    "in_doubt": "It is in doubt: the answer was lost.",
    "discarded": "It was discarded by a person.",
    "superseded": "It was left out",
}


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that is not the same on both sides.

    `kind` is ``missing`` (not on the target), ``extra`` (on the target under our key, unknown to the source),
    ``duplicate``, ``different`` (`field`, with the value expected and the value found), ``unbound`` (on the target
    under our key, and the store does not know it) or ``unreadable`` (a side answered something that is no record).
    `key` and `ref` are the source's, `external_id` and `number` the target's.
    """

    kind: str
    key: str
    ref: str = ""
    external_id: str = ""
    number: str = ""
    field: str = ""
    expected: str = ""
    found: str = ""
    reason: str = ""
    effect: int | None = None


@attrs.define(kw_only=True)
class Comparison:
    """Both sides of a flow, compared. `against` is what the source was compared with: the target, or the ledger.

    `source_count` and `target_count` are what was read, `left_out` the source's records that do not take the flow by
    reason, `notes` what was seen and is no difference.
    """

    flow: str
    stream: str
    source: str
    target: str
    against: str
    since: datetime | None = None
    until: datetime | None = None
    source_count: int = 0
    target_count: int = 0
    matched: int = 0
    findings: list[Finding] = attrs.field(factory=list)
    left_out: dict[str, int] = attrs.field(factory=dict)
    notes: dict[str, int] = attrs.field(factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.findings

    def of(self, *kinds: str) -> list[Finding]:
        """The findings of these kinds."""
        return [finding for finding in self.findings if finding.kind in kinds]

    def counts(self) -> dict[str, int]:
        """How many records matched and how many findings there are of each kind."""
        return {"matched": self.matched, **{kind: len(self.of(kind)) for kind in KINDS}}

    def leave_out(self, reason: str) -> None:
        """Count a source record that does not take the flow."""
        self.left_out[reason] = self.left_out.get(reason, 0) + 1

    def note(self, text: str) -> None:
        """Count something that is worth saying and no difference."""
        self.notes[text] = self.notes.get(text, 0) + 1


@attrs.define
class Reader:
    """Reads streams of both sides for a comparison; what cannot be read becomes a finding."""

    bench: Bench
    result: Comparison
    report: Report | None = None
    rejected: set[tuple[str, str]] = attrs.field(factory=set)
    skipped: int = 0

    @functools.cached_property
    def tables(self) -> Tables:
        """The flow's mapping tables."""
        return self.bench.store.gaps.tables(self.result.flow)

    def queries(self, connection: str, stream: str) -> frozenset[str]:
        """How a stream of a connection can be asked for; empty when it cannot."""
        connector = self.bench.open(connection).connector
        if not connector.can(f"fetch_{stream}"):
            return frozenset()
        return frozenset(connector.info.streams.get(stream, StreamInfo()).queries)

    def need(self, connection: str, stream: str) -> None:
        """Refuse a comparison with a side that cannot be asked."""
        if "since" not in self.queries(connection, stream):
            opened = self.bench.open(connection)
            raise UsageError(
                f"{connection} ({opened.connector.info.title}) cannot be asked for all its {stream}, so the two sides "
                "cannot be compared.",
                hint="See the matrix of: crossdock connectors",
            )

    def all(self, connection: str, stream: str, start: datetime | None = None) -> Iterator[Any]:
        """Everything of a stream; a record that changes while it is read may come twice, the last one counts."""
        opened = self.bench.open(connection)
        order_start = getattr(opened.session.settings, "order_start", None) if stream == "orders" else None
        begin = max(filter(None, (start, order_start)), default=None)
        return self._read(opened, stream, Since(None, None, begin))

    def keys(self, connection: str, stream: str, keys: Sequence[str]) -> Iterator[Any]:
        """Just these records; none when the connection cannot be asked so."""
        if not keys or "keys" not in self.queries(connection, stream):
            return iter(())
        return self._read(self.bench.open(connection), stream, ByKeys(tuple(keys)))

    def _read(self, opened: Opened, stream: str, query: Query) -> Iterator[Any]:
        side = "source" if opened.name == self.result.source else "target"
        self.skipped = 0
        try:
            with contextlib.closing(opened.connector.fetch(stream, opened.session, query)) as pages:
                for page in pages:
                    for error in page.rejects:
                        self._reject(opened.name, side, error.key, describe(error))
                    self.skipped += sum(page.skipped.values())
                    yield from page.records
                    if self.report:
                        self.report({"source": self.result.source_count, "target": self.result.target_count})
                    if self.bench.clock.stopping:
                        raise CrossdockError("The comparison was stopped before both sides were read.")
        except AccessError as error:
            pause_connection(self.bench, opened.name, error)
            raise
        finally:
            opened.flush()

    def _reject(self, connection: str, side: str, key: str, message: str) -> None:
        if (connection, key) in self.rejected:
            return
        self.rejected.add((connection, key))
        here = side == "source"
        self.result.findings.append(
            Finding(kind="unreadable", key=key if here else "", external_id="" if here else key, field=side,
                    reason=f"{connection} answered what cannot be read: {message}")
        )  # fmt: skip


def latest_effect(bench: Bench, flow: FlowRow, key: str) -> Effect | None:
    """The effect of a record in a flow."""
    found = bench.store.effects.find(flow=flow.name, key=key, limit=1)
    return found[0] if found else None


def why_not(bench: Bench, flow: FlowRow, key: str) -> tuple[str, int | None]:
    """Why a record is not (yet) as it should be on the target, as the store knows it, and its effect's number."""
    effect = latest_effect(bench, flow, key)
    if effect is not None:
        if effect.state == "done":
            at = effect.updated_at[:16].replace("T", " ")
            return f"It was delivered at {at} UTC; a side changed since.", effect.id
        words, said = _WORDS.get(effect.state, ""), effect.message
        if effect.state == "parked":
            return f"It is parked: {said}", effect.id
        return (f"{words.rstrip('.')}: {said}" if said else words.rstrip(".") + "."), effect.id
    parked = [row for row in bench.store.records.parked(flow.source, flow.stream) if row.key == key]
    if parked:
        return f"Its payload could not be read: {parked[0].message}", None
    if flow.stream != "balance" and bench.store.records.get(flow.source, flow.stream, key) is None:
        return f"It was never fetched: crossdock sync {flow.source} {flow.stream} --key {key}", None
    return "Nothing was planned for it.", None
