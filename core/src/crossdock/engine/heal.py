"""Making both sides agree again: what a comparison found missing or different is planned once more."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs

from crossdock.engine.bench import Bench
from crossdock.engine.findings import Comparison, Finding, Reader, latest_effect
from crossdock.engine.pull import pull
from crossdock.engine.route import OPERATIONS, route
from crossdock.engine.settle import bind, idempotency_key
from crossdock.engine.stock import lock_stock
from crossdock.engine.substance import order_substance
from crossdock.errors import UsageError
from crossdock.store.config import FlowRow
from crossdock.store.ledger import Effect, Intent
from crossdock.store.records import Bound

_LEFT = {
    "sending": "it is being sent",
    "submitted": "the vendor's import job still runs",
    "in_doubt": "it is in doubt: the next push asks the target",
    "ready": "it is ready already",
    "planned": "it is planned already",
    "awaiting": "it waits for approval",
}


@attrs.define
class Healed:
    """What a heal did: effects planned again, records fetched again, and what was left with its reason."""

    planned: int = 0
    fetched: int = 0
    rebound: int = 0
    left: list[tuple[str, str]] = attrs.field(factory=list)

    def leave(self, finding: Finding, reason: str) -> None:
        """Name what a heal did not touch."""
        self.left.append((finding.ref or finding.key or finding.number or finding.external_id, reason))


def heal(bench: Bench, flow: FlowRow, result: Comparison) -> Healed:
    """Fetch again and plan again what `result` found missing or different; the next push delivers it.

    What is on the target and only not bound (a database restored from a backup forgot it) is bound and done without
    being sent; when it differs too, it is planned as a change.

    Nothing is deleted on the target: extra and double records are a person's decision. A delivered order that the
    target no longer shows is created again only when the target, asked by our key, says that it is absent.
    """
    if flow.mode == "paused":
        raise UsageError(f"The flow {flow.name} is paused.", hint=f"crossdock flow live {flow.name}")
    healed = Healed()
    wanted: dict[str, Finding] = {}
    unbound: dict[str, Finding] = {}
    double = {finding.key for finding in result.of("duplicate")}
    for finding in result.findings:
        if finding.kind == "unbound":
            unbound[finding.key] = finding
        elif finding.kind in ("missing", "different"):
            if finding.key not in double:
                wanted.setdefault(finding.key, finding)
        elif finding.kind == "unreadable":
            healed.leave(finding, "it cannot be read: crossdock parked list")
        else:
            healed.leave(finding, f"it is {finding.kind}: a person decides in {flow.target}")
    # Bound before anything is fetched: a push that runs meanwhile changes the order instead of making another one.
    for key in [key for key, finding in unbound.items() if not _adopt(bench, flow, finding, healed)]:
        del unbound[key]
        wanted.pop(key, None)
    if not wanted and not unbound:
        return healed
    before = {key: latest_effect(bench, flow, key) for key in wanted}
    _fetch(bench, flow, result, list({**wanted, **unbound}), healed)
    for key, finding in unbound.items():
        _own(bench, flow, finding, settle=key not in wanted)
    for key, finding in wanted.items():
        _plan(bench, flow, finding, before[key], healed)
    bench.store.journal.event("reconcile healed", flow.name, f"{healed.planned} planned again", bench.clock.now())
    return healed


def _fetch(bench: Bench, flow: FlowRow, result: Comparison, keys: Sequence[str], healed: Healed) -> None:
    """Bring the records that have to be delivered into the store as they are now."""
    by_key = "keys" in Reader(bench, result).queries(flow.source, flow.stream)
    asked = list(keys)
    if flow.stream == "shipments":
        asked = sorted({finding.ref for finding in result.of("missing", "different") if finding.key in set(keys)})
    elif flow.stream == "prices":
        asked = sorted({key.split("|", 1)[0] for key in keys})
    pulled = pull(bench, flow.source, flow.stream, keys=asked) if by_key else pull(
        bench, flow.source, flow.stream, full=True
    )  # fmt: skip
    if pulled.error is not None:
        raise pulled.error
    healed.fetched = pulled.counts.new + pulled.counts.changed


def _plan(bench: Bench, flow: FlowRow, finding: Finding, before: Effect | None, healed: Healed) -> None:
    effect = latest_effect(bench, flow, finding.key) or _route(bench, flow, finding.key)
    if effect is None:
        healed.leave(finding, "its record does not take the flow, or is gone")
        return
    if finding.field == "binding" and effect.state != "sending":
        _rebind(bench, flow, finding.key, finding.found, finding.number, healed)
    if effect.state in _LEFT:
        if before is None or before.state != effect.state:
            healed.planned += 1  # fetching it again planned it
        else:
            healed.leave(finding, f"{_LEFT[effect.state]} (effect {effect.id})")
        return
    if effect.gap is not None:
        healed.leave(finding, f"{effect.cause}: crossdock map add")
        return
    if finding.kind == "missing" and finding.external_id and flow.stream == "orders":
        if not bench.open(flow.target).connector.can("find_order"):
            reason = f"{flow.target} cannot be asked whether it exists: crossdock effects replay {effect.id}"
            healed.leave(finding, reason)
            return
        _look_again(bench, flow, finding, effect, healed)
    now = bench.clock.now()
    with bench.store.transaction():
        healed.planned += bench.store.effects.set_state(
            [effect.id], flow.entry, now, when=(effect.state,),
            message=f"Planned again: it was {finding.kind} when both sides were compared.",
        )  # fmt: skip
        if flow.stream == "balance":
            # It may show less because it has sold, and nobody has read these orders yet: then they are read first.
            more = finding.kind == "different" and Decimal(finding.found) > Decimal(finding.expected)
            sold = () if more else (effect.key,)
            bench.store.effects.drifts(flow.name, [effect.key], sold, flow.entry, now)


def _adopt(bench: Bench, flow: FlowRow, finding: Finding, healed: Healed) -> bool:
    """Bind what the target has, and settle what waited to send it; false while it is being sent."""
    with bench.store.transaction():
        lock_stock(bench, flow.target)
        effect = latest_effect(bench, flow, finding.key)
        if effect is not None and not _settle(bench, effect, finding):
            healed.leave(finding, f"it is being sent (effect {effect.id})")
            return False
        _rebind(bench, flow, finding.key, finding.external_id, finding.number, healed)
    return True


def _own(bench: Bench, flow: FlowRow, finding: Finding, *, settle: bool) -> None:
    """Have an effect for a record that is on the target, so that its next change is told there; done with `settle`."""
    store = bench.store
    stored = store.records.get(flow.source, flow.stream, finding.key)
    with store.transaction():
        if latest_effect(bench, flow, finding.key) is None and stored is not None:
            intent = Intent(finding.key, finding.ref, order_substance(stored.record))
            store.effects.plan(
                flow.name, OPERATIONS[flow.stream], flow.source, flow.target, flow.stream, [intent], "parked",
                bench.clock.now(),
            )  # fmt: skip
        effect = latest_effect(bench, flow, finding.key)
        if effect is not None and settle:
            _settle(bench, effect, finding)


def _settle(bench: Bench, effect: Effect, finding: Finding) -> bool:
    text = "It was found on the target when both sides were compared."
    return bench.store.effects.found(effect.id, finding.external_id, finding.number, text, bench.clock.now())


def _route(bench: Bench, flow: FlowRow, key: str) -> Effect | None:
    """Plan a record that has no effect yet."""
    records = bench.store.records
    if flow.stream == "balance":
        found = records.by_refs(flow.source, "balance", [key])
    else:
        found = list(records.get_many(flow.source, flow.stream, [key]).values())
    with bench.store.transaction():
        route(bench, flow, [stored.prepared() for stored in found])
    return latest_effect(bench, flow, key)


def _look_again(bench: Bench, flow: FlowRow, finding: Finding, effect: Effect, healed: Healed) -> None:
    """The target no longer shows an order that it took: ask by our key, and forget the binding only when absent."""
    opened = bench.open(flow.target)
    found = opened.connector.find_order(opened.session, idempotency_key(effect))
    if found:
        _rebind(bench, flow, finding.key, found[0].external_id, found[0].number, healed)
    else:
        with bench.store.transaction():
            bench.store.records.unbind(flow.source, flow.stream, finding.key, flow.target)


def _rebind(bench: Bench, flow: FlowRow, key: str, external_id: str, number: str, healed: Healed) -> None:
    with bench.store.transaction():
        lock_stock(bench, flow.target)
        bind(bench, Bound(flow.source, flow.stream, key, flow.target, external_id, number))
    healed.rebound += 1
