"""What people decide: close gaps, replay, resolve doubts, approve, switch flows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import attrs

from crossdock.engine.approval import preview_of, told, what_is_missing
from crossdock.engine.bench import Bench
from crossdock.engine.restore import ABSENT
from crossdock.engine.route import hold_anew, rename_holds, route_stored
from crossdock.engine.settle import GAPS, SEVERAL, bind
from crossdock.engine.stock import lock_stock, release_orders, republish
from crossdock.errors import UsageError
from crossdock.store.config import FlowRow
from crossdock.store.gaps import BUFFER, EVERY_FLOW
from crossdock.store.ledger import Effect
from crossdock.store.records import Bound


def add_mappings(bench: Bench, rows: Sequence[tuple[str, str, str, str]]) -> int:
    """Add mapping rows (flow, kind, value, target), close the gaps they fill; answers how many effects go on."""
    now, store = bench.clock.now(), bench.store
    freed = 0
    names = {flow for flow, kind, _, _ in rows if kind == "sku"}
    kept_back = [(flow, value) for flow, kind, value, _ in rows if kind == BUFFER]
    with store.transaction():
        if names or kept_back:
            lock_stock(bench)  # before the gaps, as deliveries do
        store.database.serialize(GAPS)
        store.gaps.add(rows)
        for flow, kind, value, _ in rows:
            for gap in store.gaps.matching(flow, kind, value):
                store.gaps.close(gap, now)
                freed += store.effects.free_gap(gap, now)
        _rename_holds(bench, names)
        _publish_anew(bench, kept_back)
    return freed


def remove_mapping(bench: Bench, flow: str, kind: str, value: str) -> int:
    """Remove a mapping row; answers how many there were."""
    with bench.store.transaction():
        if kind in ("sku", BUFFER):
            lock_stock(bench)
        count = bench.store.gaps.remove(flow, kind, value)
        if count and kind == "sku":
            _rename_holds(bench, {flow})
        if count and kind == BUFFER:
            _publish_anew(bench, [(flow, value)])
    return count


def _publish_anew(bench: Bench, kept_back: Sequence[tuple[str, str]]) -> None:
    """More or less of SKUs is kept back by flows; inside a transaction, alone with the stock."""
    skus: dict[str, set[str]] = {}
    for each in bench.store.config.flows() if kept_back else ():
        if each.stream == "balance":
            some = {sku for flow, sku in kept_back if flow in (each.name, EVERY_FLOW)}
            skus[each.source] = skus.get(each.source, set()) | some
    for source in sorted(skus):
        republish(bench, source, skus[source])


def _rename_holds(bench: Bench, names: Collection[str]) -> None:
    if names:
        flows = [each for each in bench.store.config.flows() if each.stream == "orders"]
        rename_holds(bench, [each for each in flows if each.name in names or EVERY_FLOW in names])


def effect(bench: Bench, number: int) -> Effect:
    """An effect by number; raises `UsageError` when there is none."""
    found = bench.store.effects.get(number)
    if found is None:
        raise UsageError(f"There is no effect {number}.", hint="crossdock effects list")
    return found


def replay(bench: Bench, numbers: Sequence[int]) -> int:
    """Send parked (or already delivered) effects again; what is under way or in doubt is refused."""
    now = bench.clock.now()
    for number in numbers:
        found = effect(bench, number)
        if found.state in ("sending", "in_doubt", "submitted"):
            raise UsageError(
                f"Effect {number} is {found.state}: whether it was done is not known.",
                hint=f"crossdock push asks the target; or decide: crossdock effects resolve {number}",
            )
    # What exists several times is looked for again, not sent again.
    doubtful = [each for each in numbers if effect(bench, each).cause == SEVERAL]
    certain = [each for each in numbers if each not in doubtful]
    with bench.store.transaction():
        lock_stock(bench)
        given_up = [each for each in certain if effect(bench, each).state == "discarded"]
        shown = [each for each in map(bench.store.effects.get, certain) if each is not None and each.state == "done"]
        count = bench.store.effects.set_state(
            certain, "ready", now, when=("parked", "done", "discarded", "superseded"), message="Replayed by a person."
        ) + bench.store.effects.set_state(doubtful, "in_doubt", now, when=("parked",), message="Replayed by a person.")
        _hold_again(bench, given_up)
        for each in shown:
            if each.operation == "balance":
                # The target may show less by now, because it has sold: then that is a raise.
                bench.store.effects.drifts(each.flow, [each.key], [each.key], "ready", now)
    return count


def _hold_again(bench: Bench, numbers: Sequence[int]) -> None:
    """What was given up held nothing; it does again when it is delivered after all."""
    for found in (effect(bench, number) for number in numbers):
        flow = bench.store.config.flow(found.flow)
        if flow is not None and found.operation == "order":
            hold_anew(bench, flow, [found.key])


def replay_group(bench: Bench, flow: str, cause: str) -> int:
    """Replay all parked effects of one cause."""
    found = bench.store.effects.find(flow=flow, states=("parked",), cause=cause, limit=1_000_000)
    return replay(bench, [each.id for each in found])


def discard(bench: Bench, numbers: Sequence[int], reason: str) -> int:
    """Give effects up for good; they come back only when their record changes.

    What is in doubt cannot be given up before somebody says whether it was done: its next change would be sent as if it
    had not been.
    """
    for number in numbers:
        if effect(bench, number).state in ("sending", "in_doubt", "submitted"):
            raise UsageError(
                f"Effect {number} is {effect(bench, number).state}: whether it was done is not known.",
                hint=f"Say it first: crossdock effects resolve {number}",
            )
    with bench.store.transaction():
        lock_stock(bench)
        count = bench.store.effects.set_state(
            numbers, "discarded", bench.clock.now(), when=("planned", "awaiting", "ready", "parked"),
            message=reason or "Discarded by a person.",
        )  # fmt: skip
        for found in (effect(bench, number) for number in numbers):
            if found.operation == "order" and found.state == "discarded":
                release_orders(bench, found.source, found.target, [found.key])
    return count


def resolve(bench: Bench, number: int, *, external_id: str = "", absent: bool = False) -> Effect:
    """A person says whether an effect in doubt was done: under `external_id`, or not at all (`absent`).

    An order that is parked may have been entered at the target by hand: then it is there, under `external_id`.
    """
    found = effect(bench, number)
    if found.state == "parked" and found.cause == SEVERAL:
        replay(bench, [number])
        found = effect(bench, number)
    by_hand = found.state == "parked" and found.operation == "order" and bool(external_id)
    if found.state != "in_doubt" and not by_hand:
        raise UsageError(f"Effect {number} is {found.state}, not in doubt.", hint=f"crossdock effects show {number}")
    if absent == bool(external_id):
        raise UsageError("Say either under which id it exists, or that it is absent.")
    now, store = bench.clock.now(), bench.store
    with store.transaction():
        lock_stock(bench, found.target)
        if absent:
            store.effects.set_state([number], "ready", now, when=("in_doubt",), message=ABSENT)
        else:
            if by_hand:
                store.effects.found(number, external_id, "", "A person entered it there.", now)
            else:
                store.effects.done(found, external_id, "", None, 0, now, "A person says it was done.")
            bind(bench, Bound(found.source, found.stream, found.key, found.target, external_id, ""), found.sent)
            flow = store.config.flow(found.flow)
            if flow is not None and found.operation == "order":
                hold_anew(bench, flow, [found.key])  # it may have changed while it was in doubt
        store.journal.event("effect resolved", str(number), "absent" if absent else external_id, now)
    return effect(bench, number)


def approve(bench: Bench, number: int, by: str = "") -> Effect:
    """Approve what an effect would send, as it was shown; `by` names who does.

    It waits on, with the reason, when that is not enough to an ambient plugin (`approve_effect`): somebody else has to
    approve it as well.

    Raises `UsageError` when a binding order would be another one, or cost something else, than what was shown; the
    effect shows what it would be now.
    """
    found = effect(bench, number)
    if found.state not in ("awaiting", "planned"):
        raise UsageError(f"Effect {number} is {found.state}; there is nothing to approve.")
    preview, now = preview_of(bench, found), bench.clock.now()
    if preview and found.state == "awaiting" and not found.message.startswith(told(preview)):
        with bench.store.transaction():
            bench.store.effects.show_anew(number, told(preview), now)
        raise UsageError(
            f"Effect {number} was not approved, because it is not any more what was shown. {told(preview)}",
            hint=f"Look at it again: crossdock effects show {number}; then approve it.",
        )
    approval = preview.hash if preview else found.wanted
    person, effects = by or "a person", bench.store.effects
    missing = what_is_missing(bench, found, person, effects.agreed(number, approval))
    with bench.store.transaction():
        effects.agree(number, approval, person, now)
        if missing:
            text = f"Approved by {', '.join(effects.agreed(number, approval))}, but {missing}."
            effects.show_anew(number, f"{told(preview)} {text}" if preview else text, now)
        else:
            effects.approve(number, approval, now, person)
        bench.store.journal.event("effect approved", str(number), f"{person}: {approval}", now)
    return effect(bench, number)


def switch_flow(bench: Bench, name: str, mode: str) -> tuple[FlowRow, int]:
    """Set a flow to ``live``, ``plan`` or ``paused``; answers the flow and how many effects changed their state."""
    flow = bench.store.config.flow(name)
    if flow is None:
        known = ", ".join(each.name for each in bench.store.config.flows()) or "none yet"
        raise UsageError(f"There is no flow {name!r}; there are: {known}.", hint="crossdock flow add")
    now = bench.clock.now()
    changed = attrs.evolve(flow, mode=mode)
    with bench.store.transaction():
        bench.store.config.save_flow(changed, now)
        bench.store.journal.event("flow switched", name, mode, now)
    if flow.mode == "paused" or (mode == "live" and flow.mode != "live"):
        # While it was paused nothing was routed, and the process that added it may have ended before it had routed.
        route_stored(bench, changed)
    with bench.store.transaction():
        effects = bench.store.effects
        moved = effects.release(name, now) if mode == "live" else effects.withhold(name, now)
    return changed, moved
