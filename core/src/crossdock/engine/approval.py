"""Who lets an order go that must not go by itself: a person, or a flow's rule with a limit."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from crossdock.engine.bench import Bench, Opened
from crossdock.engine.settle import idempotency_key
from crossdock.engine.translate import translate
from crossdock.errors import RecordError, UsageError
from crossdock.records import Order
from crossdock.session import Preview
from crossdock.store.config import FlowOptions, FlowRow
from crossdock.store.ledger import Effect


def why_it_waits(
    bench: Bench, flow: FlowRow, opened: Opened, effect: Effect, order: Order, key: str, run: int
) -> str:  # fmt: skip
    """Why an order waits for a person; empty when it may go now. Ambient plugins may have a reason of their own.

    What the flow's rule approves is recorded before it goes. Raises `RecordError` when the preview finds problems.
    """
    options = flow.options
    rule = "" if effect.approval else str(bench.ambient.ask("needs_approval", "", flow=flow.name, record=order))
    if not opened.connector.info.binding_orders:
        above = options.approve_above and order.total > Decimal(options.approve_above) and not effect.approval
        return f"{order.total} {order.currency} is above {options.approve_above}." if above else rule
    preview = opened.connector.preview_order(opened.session, order, key)
    if preview.problems:
        raise RecordError(" ".join(preview.problems), gap=preview.gap)
    if preview.hash and effect.approval == preview.hash:
        return ""
    if _is_small(options, preview) and not rule:
        text = f"By the rule of the flow, up to {options.approve_up_to}: {preview.total} {preview.currency}"
        with bench.store.transaction():
            if bench.store.effects.approve_by_rule(
                effect, preview.hash, f"{text}, preview {preview.hash}.", run, bench.clock.now()
            ):
                return ""
    limit = f" The flow itself approves up to {options.approve_up_to}." if options.approve_up_to else ""
    return f"{told(preview)}{limit} {rule}".strip()


def _is_small(options: FlowOptions, preview: Preview) -> bool:
    """Whether the rule covers a preview; one without a price, or without a hash to approve, is for a person."""
    try:
        total = Decimal(preview.total)
        return bool(options.approve_up_to and preview.hash) and 0 < total <= Decimal(options.approve_up_to)
    except InvalidOperation:
        return False


def told(preview: Preview) -> str:
    """A preview as a person is shown it; the first digits of its hash tell it from others."""
    return f"Preview {preview.hash[:12]}: {preview.total} {preview.currency}."


def what_is_missing(bench: Bench, found: Effect, by: str, earlier: tuple[str, ...]) -> str:
    """What an approval still lacks in the eyes of ambient plugins; empty when it is enough.

    Raises `UsageError` when one of them refuses it, or when the effect's flow or record is gone.
    """
    if not bench.ambient.asks("approve_effect"):
        return ""
    flow = bench.store.config.flow(found.flow)
    stored = bench.store.records.get(found.source, found.stream, found.key)
    if flow is None or stored is None:
        raise UsageError(f"The flow or the record of effect {found.id} is gone.")
    record = translate(bench, flow, bench.store.gaps.tables(flow.name), stored.record)
    return str(
        bench.ambient.ask("approve_effect", "", flow=flow.name, record=record, by=by, earlier=earlier)
    )  # fmt: skip


def preview_of(bench: Bench, found: Effect) -> Preview | None:
    """What a binding order would be, looked at now; `None` for effects that are not.

    Raises `UsageError` when its flow or its record is gone, and what the connector raises.
    """
    flow = bench.store.config.flow(found.flow)
    if found.operation != "order" or (flow is not None and not bench.open(found.target).connector.info.binding_orders):
        return None
    stored = bench.store.records.get(found.source, found.stream, found.key)
    if flow is None or stored is None:
        raise UsageError(f"The flow or the record of effect {found.id} is gone.")
    target = bench.open(found.target)
    order = translate(bench, flow, bench.store.gaps.tables(flow.name), stored.record)
    return target.connector.preview_order(target.session, order, idempotency_key(found))
