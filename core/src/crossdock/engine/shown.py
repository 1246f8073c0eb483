"""What each channel shows of stock: the value, how old it is, which orders hold goods, and what it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import attrs

from crossdock.engine.bench import Bench
from crossdock.engine.stock import added_up, behind, published_stock, read_moments
from crossdock.records import ZERO
from crossdock.store.config import FlowRow
from crossdock.store.database import stamp
from crossdock.store.effects import EARLY
from crossdock.store.holds import Holder
from crossdock.store.ledger import Effect


@attrs.frozen(kw_only=True)
class Shown:
    """One SKU on one channel. Quantities are text, times are stamps.

    `published` is what the channel confirmed last, at `published_at`; `free` what it may show by what is known now:
    what was `available` when the stock was read at `read_at`, less `held` and `buffer`. `as_of` is the moment for which
    the published value is right: when the stock was read that it agrees with, or when it was published while another
    value waits.
    """

    flow: str
    channel: str
    sku: str
    state: str
    published: str | None
    published_at: str | None
    as_of: str | None
    read_at: str | None
    available: str
    buffer: str
    held: str
    held_by: list[Holder]
    free: str
    waits: str = ""


def shown(bench: Bench, flow: FlowRow, skus: Sequence[str], *, why: bool) -> Iterator[Shown]:
    """What a flow of stock shows of SKUs, or would; `why` also looks for the channels that hold a higher value back."""
    store = bench.store
    current, moments = published_stock(bench, flow, skus), read_moments(bench, flow.source, skus)
    stored = added_up(flow, (each.record for each in store.records.by_refs(flow.source, "balance", skus)))
    holders, buffers = store.holds.holders(flow.source, skus), store.gaps.buffers(flow.name, skus)
    effects = store.effects.by_keys(flow.name, skus)
    published_at = store.effects.delivered_at([each.id for each in effects.values()])
    for sku in skus:
        if sku not in current:
            continue
        effect, moment = effects.get(sku), moments.get(sku)
        at = published_at.get(effect.id) if effect else None
        read_at = stamp(moment) if moment else None
        held = holders.get(sku, [])
        waits = _waits(flow, effect)
        if why and effect is not None and effect.cause == EARLY and moment is not None:
            waits = (
                f"Stock is raised later: {', and '.join(behind(bench, flow.source, moment)) or 'with the next push'}."
            )
        yield Shown(
            flow=flow.name, channel=flow.target, sku=sku, state=effect.state if effect else "none",
            published=effect.done or None if effect else None, published_at=at,
            as_of=read_at if effect is not None and effect.state == "done" else at, read_at=read_at,
            available=_text(stored[sku].available), buffer=_text(buffers.get(sku, flow.options.buffer)),
            held=_text(sum((each.quantity for each in held), ZERO)), held_by=held, free=_text(current[sku].available),
            waits=waits,
        )  # fmt: skip


def _text(value: Decimal | int) -> str:
    return format(Decimal(value).normalize(), "f")


def _waits(flow: FlowRow, effect: Effect | None) -> str:
    if effect is None or effect.state == "planned":
        return f"The flow is in {flow.mode} mode." if flow.mode != "live" else "It is planned."
    if effect.state == "done":
        return ""
    if effect.state == "submitted":
        return f"The vendor's import {effect.job} is not confirmed yet."
    if effect.state == "ready":
        return effect.message or "The next push sends it."
    return effect.message or f"It is {effect.state.replace('_', ' ')}."
