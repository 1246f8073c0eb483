"""The story of one record, told from the store alone: seen, mapped, routed, sent, answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import msgspec

from crossdock.engine.bench import Bench
from crossdock.engine.route import refusal
from crossdock.engine.substance import DEAD
from crossdock.engine.translate import apply_tables
from crossdock.errors import ConnectorError, UsageError
from crossdock.records import RECORD_TYPES, Order
from crossdock.store.config import FlowRow
from crossdock.store.ledger import Effect
from crossdock.store.records import Bound, ParkedRecord, Stored

SINGULAR = {
    "order": "orders", "shipment": "shipments", "product": "products", "price": "prices", "balance": "balance",
    "customer": "customers",
}  # fmt: skip


@attrs.frozen(kw_only=True)
class Applied:
    """A code of the record and what a mapping table of a flow made of it; `target` is empty for an open gap."""

    kind: str
    value: str
    target: str


@attrs.frozen(kw_only=True)
class Try:
    """One attempt to deliver."""

    at: str
    run: int
    state: str
    message: str


@attrs.frozen(kw_only=True)
class EffectStory:
    """An intended write and what became of it, with every attempt; times are stamps."""

    id: int
    operation: str
    target: str
    state: str
    message: str
    cause: str
    path: str
    attempts: int
    not_before: str
    external_id: str
    number: str
    gap: int | None
    planned_at: str
    updated_at: str
    history: tuple[Try, ...]


@attrs.frozen(kw_only=True)
class FlowStory:
    """Whether the record takes a flow, and what that led to.

    `stream` is what the flow carries: of orders also ``acceptance`` (by the stock of `target`) and ``statuses``.
    """

    flow: str
    stream: str
    target: str
    mode: str
    refused: str
    applied: tuple[Applied, ...]
    gaps: tuple[Applied, ...]
    effect: EffectStory | None


@attrs.frozen(kw_only=True)
class Story:
    """Everything that is known of one record. `kept` is `None` when it was never read as a record."""

    connection: str
    stream: str
    key: str
    ref: str
    kept: dict[str, Any] | None
    summary: dict[str, Any]
    flows: tuple[FlowStory, ...]
    bindings: tuple[dict[str, str], ...]
    origins: tuple[dict[str, str], ...]
    shipments: tuple[Story, ...]
    parked: dict[str, str] | None
    next_step: str
    record: Any = None
    payload: bytes = b""


def explain(bench: Bench, kind: str, name: str) -> list[Story]:
    """The stories of the records that a person calls `name`; raises `UsageError` when there is none.

    `kind` is ``order``, ``shipment``, ``product``, ``price``, ``balance`` or ``customer`` (or the stream); `name` a
    number, a key, a SKU, ``CONNECTION-`` and one of these, or the id or number that a target gave.
    """
    stream = SINGULAR.get(kind, kind)
    if stream not in RECORD_TYPES:
        raise UsageError(f"There is nothing called {kind!r}; there are: {', '.join(SINGULAR)}.")
    found = find(bench, stream, name)
    if not found:
        count = sum(bench.store.records.count(row.name, stream) for row in bench.store.config.connections())
        raise UsageError(
            f"Crossdock has never seen {kind} {name!r}; it knows {count:,} {stream}.",
            hint=f"Give its number, key or CONNECTION-NUMBER; or: crossdock sync CONNECTION {stream} --key KEY",
        )
    return [story(bench, connection, stream, key) for connection, key in found]


def find(bench: Bench, stream: str, name: str) -> list[tuple[str, str]]:
    """Connection and key of the records that a person may mean, the most literal meaning first."""
    found: dict[tuple[str, str], None] = {}
    for connection, text in _meanings(bench, name):
        found.update(dict.fromkeys(_named(bench, stream, connection, text)))
        if found:
            break
    return list(found)


def _meanings(bench: Bench, name: str) -> Iterator[tuple[str, str]]:
    yield "", name
    names = sorted((row.name for row in bench.store.config.connections()), key=len, reverse=True)
    for connection in names:
        if name.lower().startswith(f"{connection.lower()}-") and len(name) > len(connection) + 1:
            yield connection, name[len(connection) + 1 :]
    if name.startswith("#"):
        yield "", name[1:]


def _named(bench: Bench, stream: str, connection: str, text: str) -> Iterator[tuple[str, str]]:
    store = bench.store
    own = [(row.connection, row.key) for row in store.records.search(stream, text)]
    own += [(row.connection, row.key) for row in store.records.parked("", stream) if row.key == text]
    own += [(row.source, row.key) for row in store.effects.find(stream=stream, key=text) if stream != "balance"]
    if not own or connection:
        own += [(each.source, each.source_key) for each in store.records.called(stream, text)
                if not connection or each.connection == connection]  # fmt: skip
        if connection:
            own = [each for each in own if each[0] == connection] or own
    yield from own


def story(bench: Bench, connection: str, stream: str, key: str, *, deep: bool = True) -> Story:
    """The story of one record."""
    records = bench.store.records
    stored = records.get(connection, stream, key)
    record = _record(stored)
    parked = next((row for row in records.parked(connection, stream) if row.key == key), None)
    flows = tuple(
        _flow(bench, flow, stored, record, key)
        for flow in bench.store.config.flows()
        if flow.source == connection and flow.reads == stream
    )
    bindings = records.bindings_of(connection, stream, key)
    origins = records.origins(connection, stream, [key]).get(key, [])
    shipments = tuple(_shipments(bench, bindings)) if deep and stream == "orders" else ()
    return Story(
        connection=connection, stream=stream, key=key, ref=stored.ref if stored else key, kept=_kept(bench, stored),
        summary=_summary(record), flows=flows, bindings=tuple(_binding(each) for each in bindings),
        origins=tuple({"connection": each.source, "key": each.source_key} for each in origins), shipments=shipments,
        parked=_parked(parked), next_step=_next_step(connection, stream, key, stored, parked, flows), record=record,
        payload=records.payload(connection, stream, key) or (parked.payload if parked else b""),
    )  # fmt: skip


def _record(stored: Stored | None) -> Any:
    try:
        return stored.record if stored else None
    except (ConnectorError, msgspec.MsgspecError, ValueError, TypeError):
        return None


def _kept(bench: Bench, stored: Stored | None) -> dict[str, Any] | None:
    if stored is None:
        return None
    run = bench.store.journal.run(stored.run)
    return {
        "at": stored.seen_at, "run": stored.run, "page": stored.page, "fingerprint": stored.fingerprint,
        "run_started_at": run.started_at if run else "", "changed_at_source": stored.updated_at,
    }  # fmt: skip


def _summary(record: Any) -> dict[str, Any]:
    """What a person recognises the record by."""
    if record is None:
        return {}
    if isinstance(record, Order):
        return {
            "number": record.number, "status": record.status, "raw_status": record.raw_status,
            "total": f"{record.total:f}", "currency": record.currency, "lines": len(record.lines),
            "placed_at": record.placed_at.isoformat().replace("+00:00", "Z") if record.placed_at else "",
        }  # fmt: skip
    names = ("sku", "name", "warehouse", "available", "amount", "currency", "order_key", "carrier", "tracking_number",
             "email")  # fmt: skip
    return {name: str(value) for name in names if (value := getattr(record, name, "")) not in ("", None)}


def _parked(row: ParkedRecord | None) -> dict[str, str] | None:
    if row is None:
        return None
    return {"at": row.parked_at, "cause": row.cause, "message": row.message, "path": row.path,
            "vendor_message": row.vendor_message}  # fmt: skip


def _binding(bound: Bound) -> dict[str, str]:
    return {"connection": bound.connection, "external_id": bound.external_id, "number": bound.number}


# -- flows -----------------------------------------------------------------------------------------


def _flow(bench: Bench, flow: FlowRow, stored: Stored | None, record: Any, key: str) -> FlowStory:
    tables = bench.store.gaps.tables(flow.name)
    seen = _Seen(tables)
    if record is not None:
        apply_tables(seen, record)
    codes = dict.fromkeys(seen.asked)
    applied = tuple(
        Applied(kind=kind, value=value, target=tables[kind][value])
        for kind, value in codes
        if value in tables.get(kind, {})
    )
    effect = _effect(bench, flow, stored.ref if flow.stream == "balance" and stored else key)
    gaps = tuple(
        Applied(kind=gap.kind, value=gap.value, target="")
        for gap in bench.store.gaps.list()
        if gap.flow == flow.name and ((gap.kind, gap.value) in codes or (effect is not None and gap.id == effect.gap))
    )
    return FlowStory(
        flow=flow.name, stream=flow.stream, target=flow.target, mode=flow.mode,
        refused=_refused(bench, flow, record, key, effect), applied=applied, gaps=gaps, effect=effect,
    )  # fmt: skip


class _Seen(dict[str, Any]):
    """Mapping tables that remember which codes were looked up."""

    def __init__(self, tables: Mapping[str, Mapping[str, str]]) -> None:
        super().__init__(tables)
        self.asked: list[tuple[str, str]] = []

    def __bool__(self) -> bool:
        return True

    def get(self, kind: str, default: Any = None) -> Any:
        """A table that notes what it is asked for."""
        del default
        return _Noted(kind, super().get(kind, {}), self.asked)


class _Noted:
    def __init__(self, kind: str, table: Mapping[str, str], asked: list[tuple[str, str]]) -> None:
        self._kind = kind
        self._table = table
        self._asked = asked

    def get(self, value: str, default: str) -> str:
        if value:
            self._asked.append((self._kind, value))
        return self._table.get(value, default)


def _refused(bench: Bench, flow: FlowRow, record: Any, key: str, effect: EffectStory | None) -> str:
    if record is None:
        return "it could not be read as a record"
    origins = bench.store.records.origins(flow.source, flow.reads, [key]).get(key, ())
    echo = any(each.source == flow.target for each in origins)
    if flow.stream == "statuses" and origins and not echo:
        return f"it did not come from {flow.target}"
    if flow.stream == "acceptance" and effect is not None:
        return ""  # it waited once, and what became of it is told
    if flow.stream not in ("shipments", "balance", "prices", "acceptance", "statuses") and echo:
        return f"it came from {flow.target}"
    try:
        reason = refusal(bench, flow, record)
    except Exception as error:  # noqa: BLE001  an ambient plugin's rule; the story has to be told all the same
        return f"the rule of an ambient plugin broke: {error}"
    if reason and effect is not None and getattr(record, "status", "") in DEAD:
        return f"{reason}; {flow.target} is told, because it was handed on before"
    return reason


def _effect(bench: Bench, flow: FlowRow, key: str) -> EffectStory | None:
    found: list[Effect] = bench.store.effects.find(flow=flow.name, key=key, limit=1)
    if not found:
        return None
    each = found[0]
    history = tuple(
        Try(at=at, run=run, state=state, message=message)
        for at, run, state, message in bench.store.effects.attempts(each.id)
    )
    return EffectStory(
        id=each.id, operation=each.operation, target=each.target, state=each.state, message=each.message,
        cause=each.cause, path=each.path, attempts=each.attempts,
        not_before="" if each.not_before.startswith("9999") else each.not_before, external_id=each.external_id,
        number=each.number, gap=each.gap, planned_at=each.created_at, updated_at=each.updated_at, history=history,
    )  # fmt: skip


def _shipments(bench: Bench, bindings: list[Bound]) -> Iterator[Story]:
    """What the targets shipped of an order."""
    for bound in bindings:
        for stored in bench.store.records.by_refs(bound.connection, "shipments", [bound.external_id]):
            yield story(bench, bound.connection, "shipments", stored.key, deep=False)


# -- what to do ------------------------------------------------------------------------------------


def _next_step(
    connection: str, stream: str, key: str, stored: Stored | None, parked: ParkedRecord | None,
    flows: tuple[FlowStory, ...],
) -> str:  # fmt: skip
    """The one command that moves the record on; empty when nothing is needed."""
    if parked is not None:
        return f"Fix it in {connection}, then: crossdock parked replay --connection {connection} --key {key}"
    if stored is None:
        return f"crossdock sync {connection} {stream} --key {key}"
    if not flows:
        return f"No flow takes {stream} of {connection}: crossdock flow add NAME {stream} {connection} TARGET"
    steps = (_step(flow) for flow in flows if flow.effect is not None)
    return next((step for step in steps if step), "")


def _step(flow: FlowStory) -> str:
    effect = flow.effect
    assert effect is not None  # noqa: S101  the caller left the others out
    match effect.state:
        case "parked" if flow.gaps:
            gap = flow.gaps[0]
            return f"crossdock map add {flow.flow} {gap.kind} {gap.value} TARGET"
        case "parked":
            return f"Fix the cause, then: crossdock effects replay {effect.id}"
        case "planned":
            return f"crossdock flow live {flow.flow}"
        case "awaiting":
            return f"crossdock effects approve {effect.id}"
        case "in_doubt":
            return f"crossdock push {flow.flow} asks {flow.target}; or decide: crossdock effects resolve {effect.id}"
        case "ready":
            return f"crossdock push {flow.flow}" if flow.mode == "live" else f"crossdock flow live {flow.flow}"
    return ""
