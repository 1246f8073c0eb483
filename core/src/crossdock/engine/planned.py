"""What a flow would write, before and after: shown while it is in plan mode, and before approvals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import msgspec

from crossdock.engine.accept import shortage
from crossdock.engine.bench import Bench
from crossdock.engine.stock import published_stock
from crossdock.engine.substance import DEAD
from crossdock.engine.translate import translate
from crossdock.errors import ConnectorError
from crossdock.records import Balance, Customer, Order, Price, Product, Shipment, to_document
from crossdock.store.config import FlowRow
from crossdock.store.ledger import Effect

UNSENT = ("planned", "awaiting", "ready")


@attrs.frozen
class Change:
    """One field that differs; `None` stands for "is not there"."""

    path: str
    before: Any
    after: Any


@attrs.frozen
class Planned:
    """An effect that was not sent yet: its summary, what was last sent and what would be sent now.

    `problem` says why nothing can or will be sent; then `after` is empty.
    """

    effect: Effect
    summary: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    changes: tuple[Change, ...]
    problem: str = ""


def planned(bench: Bench, flow: FlowRow, limit: int = 20) -> list[Planned]:
    """The newest unsent effects of a flow with what each would write now."""
    return [plan_of(bench, flow, each) for each in bench.store.effects.find(flow=flow.name, states=UNSENT, limit=limit)]


def plan_of(bench: Bench, flow: FlowRow, effect: Effect) -> Planned:
    """One effect with what it would write now."""
    sent = bench.store.effects.sent_document(effect.id)
    before = msgspec.json.decode(sent) if sent else None
    record = _record(bench, flow, effect)
    if record is None:
        return Planned(effect, "", before, None, (), "Its record is no longer in the store.")
    if isinstance(record, Order) and record.status in DEAD and before is None:
        return Planned(effect, summary(record), None, None, (), f"It is {record.status}; nothing is sent.")
    try:
        record = translate(bench, flow, bench.store.gaps.tables(flow.name), record)
    except ConnectorError as error:
        return Planned(effect, summary(record), before, None, (), str(error))
    if flow.stream == "acceptance":
        return _decision(bench, flow, effect, record)
    after = msgspec.json.decode(to_document(record))
    if flow.stream == "statuses":
        return _progress(bench, flow, effect, record, before, after)
    return Planned(effect, summary(record), before, after, tuple(differences(before or {}, after)))


def _decision(bench: Bench, flow: FlowRow, effect: Effect, order: Order) -> Planned:
    """Whether a marketplace order would be accepted as things are now."""
    text = summary(order)
    if not order.needs_acceptance:
        return Planned(effect, text, None, None, (), f"It does not wait to be accepted: it is {order.raw_status}.")
    short = shortage(bench, flow, order)
    if not short or effect.approval == effect.wanted:
        return Planned(effect, f"{text}: would be accepted", None, {"decision": "accept"}, ())
    would = "be refused" if flow.options.on_shortage == "refuse" else "wait for a person"
    return Planned(effect, text, None, None, (), f"Not enough can be sold: {'; '.join(short)}. It would {would}.")


def _progress(
    bench: Bench,
    flow: FlowRow,
    effect: Effect,
    order: Order,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
) -> Planned:
    """Which status would be shown."""
    origins = bench.store.records.origins(flow.source, "orders", [effect.key]).get(effect.key, [])
    mine = next((each.source_key for each in origins if each.source == flow.target), "")
    if not mine:
        return Planned(effect, summary(order), None, None, (), f"It is not known to come from {flow.target}.")
    names = ("status", "raw_status")
    then, now = ({name: each[name] for name in names if each.get(name)} for each in (before or {}, after))
    text = f"order {mine} of {flow.target}: {order.raw_status or order.status}"
    return Planned(effect, text, then or None, now, tuple(differences(then, now)))


def _record(bench: Bench, flow: FlowRow, effect: Effect) -> Any:
    if flow.stream == "balance":
        return published_stock(bench, flow, [effect.key]).get(effect.key)
    stored = bench.store.records.get(effect.source, effect.stream, effect.key)
    return stored.record if stored else None


_NOISE = frozenset(("updated_at", "as_of"))
"""Clocks: they differ whenever anything does."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The fields in which two documents differ, by path; empty values count as absent."""
    old, new = dict(_flat(before)), dict(_flat(after))
    paths = [*new, *(path for path in old if path not in new)]
    return [
        Change(path, old.get(path), new.get(path))
        for path in paths
        if old.get(path) != new.get(path) and path not in _NOISE
    ]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{number}]")
    elif value not in (None, ""):
        yield path, value


def summary(record: Any) -> str:
    """A record in one line."""
    match record:
        case Order():
            country = record.shipping_address.country if record.shipping_address else ""
            lines = "1 line" if len(record.lines) == 1 else f"{len(record.lines)} lines"
            parts = [f"{record.total:f} {record.currency}", lines, record.customer.name, country, record.status]
        case Product():
            parts = [record.sku, record.name]
        case Price():
            start = f"from {record.from_quantity:f}" if record.from_quantity > 1 else ""
            parts = [record.sku, f"{record.amount:f} {record.currency}", start]
        case Balance():
            parts = [record.sku, f"{record.available:f} available"]
        case Shipment():
            parts = [f"order {record.order_key}", record.carrier, record.tracking_number]
        case Customer():
            parts = [record.name, record.company, record.email]
        case _:
            parts = [str(record)]
    return ", ".join(part.strip() for part in parts if part.strip())
