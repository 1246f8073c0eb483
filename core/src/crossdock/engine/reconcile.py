"""Comparing both sides of a flow by reading both systems again: what is missing, extra, twice or different.

The store is asked only for bindings and for the reason of what is found; it never stands in for a system.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import attrs

from crossdock.engine.bench import Bench, Report
from crossdock.engine.findings import Comparison, Finding, Reader, why_not
from crossdock.engine.reconcile_items import compare_customers, compare_prices, compare_products, compare_shipments
from crossdock.engine.reconcile_items import compare_stock as compare_balance
from crossdock.engine.route import refusal
from crossdock.engine.substance import DEAD
from crossdock.engine.translate import Tables, translate
from crossdock.errors import RecordError, UsageError
from crossdock.mapping import exponent, total_difference
from crossdock.records import ZERO, Order
from crossdock.store.config import FlowRow

DELIVERED = ("completed", "shipped", "partially_shipped")
# The clocks of two systems differ, and a target may date an order by when it came.
_MARGIN = timedelta(days=1)
_WINDOWED = ("orders", "shipments")


def reconcile(
    bench: Bench, flow: FlowRow, *, since: datetime | None = None, until: datetime | None = None,
    report: Report | None = None,
) -> Comparison:  # fmt: skip
    """Compare both sides of `flow`, moving no bookmark and keeping no record.

    `since` and `until` bound orders by when they were placed and shipments by when they left. Raises `UsageError` when
    a side cannot be asked, and whatever the systems raise: half a comparison is none.
    """
    if (since or until) and flow.stream not in _WINDOWED:
        raise UsageError(f"A flow of {flow.stream} has no dates; leave --from and --to out.")
    if since and until and since >= until:
        raise UsageError("--from is not before --to.")
    if flow.stream != flow.reads:
        raise UsageError(
            f"A flow of {flow.stream} leaves nothing on two sides that could be compared.",
            hint=f"Its effects say what was done: crossdock effects list --flow {flow.name}",
        )
    result = Comparison(
        flow=flow.name, stream=flow.stream, source=flow.source, target=flow.target, against=flow.target, since=since,
        until=until,
    )  # fmt: skip
    reader = Reader(bench, result, report)
    reader.need(flow.source, flow.stream)
    match flow.stream:
        case "orders":
            _Orders(bench, flow, reader, result).run()
        case "balance":
            compare_balance(bench, flow, reader, result)
        case "prices":
            compare_prices(bench, flow, reader, result)
        case "products":
            compare_products(bench, flow, reader, result)
        case "customers":
            compare_customers(bench, flow, reader, result)
        case _:
            compare_shipments(bench, flow, reader, result)
    return result


@attrs.frozen(slots=True)
class Digest:
    """What is compared of an order. `slack` is by how much its own parts miss its total, `refused` why it stays out."""

    key: str
    ref: str
    external: str
    status: str
    placed_at: datetime | None
    currency: str
    total: Decimal
    lines: int
    quantity: Decimal
    slack: Decimal = ZERO
    refused: str = ""

    @property
    def dead(self) -> bool:
        """Whether the order is cancelled or the like."""
        return self.status in DEAD


def digest(order: Order, *, refused: str = "") -> Digest:
    """The order as a comparison needs it."""
    slack = abs(total_difference(order)) if order.currency else ZERO
    limit = (len(order.lines) + len(order.charges) + 1) * Decimal(1).scaleb(-exponent(order.currency))
    return Digest(
        order.key, order.ref, order.references.get("external", ""), order.status, order.placed_at, order.currency,
        order.total, sum(1 for line in order.lines if line.quantity),
        sum((line.quantity for line in order.lines), ZERO), slack if slack <= limit else ZERO, refused,
    )  # fmt: skip


def source_key(reference: str, source: str, connections: Iterable[str]) -> str | None:
    """The key of the record of `source` that an idempotency key names; `None` when it is another connection's."""
    owner = max((name for name in connections if reference.startswith(f"{name}-")), key=len, default="")
    return reference[len(source) + 1 :] if owner == source else None


class _Orders:
    """One comparison of orders."""

    def __init__(self, bench: Bench, flow: FlowRow, reader: Reader, result: Comparison) -> None:
        self.bench = bench
        self.flow = flow
        self.reader = reader
        self.result = result
        self.tables: Tables = bench.store.gaps.tables(flow.name)
        # A supplier takes orders that we pay; what our customer pays is none of its business.
        self.buys = bench.open(flow.target).connector.info.binding_orders
        self.source: dict[str, Digest] = {}
        self.target: dict[str, Digest] = {}
        self.by_reference: dict[str, list[Digest]] = {}
        self.bound: dict[str, str] = {}

    def run(self) -> None:
        """Read both sides and compare them."""
        kinds = self.reader.queries(self.flow.target, "orders")
        if not kinds:
            if not self.bench.open(self.flow.target).connector.can("find_order"):
                self.reader.need(self.flow.target, "orders")
            self._read_source()
            self._ask_each()
        else:
            self._read_source()
            self._read_target("since" in kinds)
        for each in self.source.values():
            self._compare(each)
        self._extras()

    # -- reading -----------------------------------------------------------------------------------

    def _inside(self, placed: datetime | None) -> bool:
        since, until = self.result.since, self.result.until
        if placed is None:
            return since is None and until is None
        return (since is None or placed >= since) and (until is None or placed < until)

    def _read_source(self) -> None:
        flow, seen = self.flow, set()
        outside: set[str] = set()
        for order in self.reader.all(flow.source, "orders", self.result.since):
            if order.key not in seen:
                seen.add(order.key)
                self.result.source_count += 1
            if self._inside(order.placed_at):
                self.source[order.key] = self._expected(order)
            else:
                outside.add(order.key)
        for _ in outside:
            self.result.leave_out("outside the dates")
        self._drop_echo()
        bound = self.bench.store.records.bound(flow.source, "orders", list(self.source), flow.target)
        self.bound = {key: each.external_id for key, each in bound.items()}

    def _drop_echo(self) -> None:
        """What came from the target is not expected there again."""
        origins = self.bench.store.records.origins(self.flow.source, "orders", list(self.source))
        for key, each in list(self.source.items()):
            named = each.external.startswith(f"{self.flow.target}-")
            if named or any(origin.source == self.flow.target for origin in origins.get(key, ())):
                del self.source[key]
                self.result.leave_out(f"it came from {self.flow.target}")

    def _expected(self, order: Order) -> Digest:
        """The order as the target should have it, or why it should not."""
        refused = refusal(self.bench, self.flow, order)
        try:
            return digest(translate(self.bench, self.flow, self.tables, order), refused=refused)
        except RecordError:
            # A rule or the totals policy holds it back; that it is missing is the truth, and the ledger says why.
            return digest(order, refused=refused)

    def _read_target(self, scan: bool) -> None:
        flow, since = self.flow, self.result.since
        if scan:
            for order in self.reader.all(flow.target, "orders", since - _MARGIN if since else None):
                self._found(order)
        else:
            self.result.note("The target can be asked by key only: extra and double orders cannot be seen.")
        gone = [each for key, each in self.bound.items() if key in self.source and each not in self.target]
        for order in self.reader.keys(flow.target, "orders", gone):
            self._found(order)
        for each in self.target.values():
            if each.external:
                self.by_reference.setdefault(each.external, []).append(each)

    def _found(self, order: Order) -> None:
        if order.key not in self.target:
            self.result.target_count += 1
        self.target[order.key] = digest(order)

    def _ask_each(self) -> None:
        """A target that cannot list its orders, but can be asked for each: ids are compared, nothing else."""
        opened = self.bench.open(self.flow.target)
        self.result.note("The target cannot list its orders; it was asked for each one, and only ids were compared.")
        for key, each in self.source.items():
            if each.refused:
                continue
            for receipt in opened.connector.find_order(opened.session, self._reference(key)):
                self.result.target_count += 1
                same = attrs.evolve(each, key=receipt.external_id, ref=receipt.number or receipt.external_id)
                self.target[receipt.external_id] = same
                self.by_reference.setdefault(self._reference(key), []).append(same)
        opened.flush()

    def _reference(self, key: str) -> str:
        return f"{self.flow.source}-{key}"

    # -- comparing ---------------------------------------------------------------------------------

    def _compare(self, each: Digest) -> None:
        bound = self.bound.get(each.key, "")
        hits = {hit.key: hit for hit in self.by_reference.get(self._reference(each.key), ())}
        if bound in self.target:
            hits.setdefault(bound, self.target[bound])
        if not hits:
            self._absent(each, bound)
            return
        alive = [hit for hit in hits.values() if not hit.dead]
        if len(alive) > 1:
            self._add("duplicate", each, alive[0], field="orders", expected="1", found=str(len(alive)),
                      reason="It exists as " + ", ".join(sorted(_called(hit) for hit in alive)) + ".")  # fmt: skip
        candidates = alive or list(hits.values())
        chosen = next((hit for hit in candidates if hit.key == bound), candidates[0])
        before = len(self.result.findings)
        if bound and bound != chosen.key:
            self._add("different", each, chosen, field="binding", expected=bound, found=chosen.key,
                      reason="The binding leads to another order than the one that carries our key.")  # fmt: skip
        elif not bound and len(alive) <= 1 and not (each.dead and chosen.dead):
            why, _ = why_not(self.bench, self.flow, each.key)
            self._add("unbound", each, chosen, field="binding", expected=chosen.key, found="none",
                      reason=f"It is there under our key, and this database does not know it. {why}")  # fmt: skip
        self._fields(each, chosen)
        if len(self.result.findings) == before and len(alive) <= 1:
            self.result.matched += 1

    def _absent(self, each: Digest, bound: str) -> None:
        if each.refused:
            self.result.leave_out(each.refused)
        elif (self.flow.target, bound) not in self.reader.rejected:
            reason, effect = why_not(self.bench, self.flow, each.key)
            if bound:
                reason = f"It was delivered as {bound}, which {self.flow.target} no longer shows."
            self.result.findings.append(
                Finding(kind="missing", key=each.key, ref=each.ref, external_id=bound, reason=reason, effect=effect)
            )

    def _fields(self, each: Digest, hit: Digest) -> None:
        if each.dead or hit.dead:
            if each.status == "refunded" and hit.status in DELIVERED:
                self.result.note("Refunded after it was delivered.")
            elif each.dead != hit.dead:
                self._differs(each, hit, "status", each.status, hit.status)
            return
        if self.buys:
            self.result.note(f"What {self.flow.target} asks is not compared: it asks prices of its own.")
        else:
            self._money(each, hit)
        if each.lines != hit.lines:
            self._differs(each, hit, "lines", str(each.lines), str(hit.lines))
        elif each.quantity != hit.quantity:
            self._differs(each, hit, "quantity", f"{each.quantity:f}", f"{hit.quantity:f}")

    def _money(self, each: Digest, hit: Digest) -> None:
        if each.currency and hit.currency and each.currency != hit.currency:
            self._differs(each, hit, "currency", each.currency, hit.currency)
        off = abs(each.total - hit.total)
        if off and off > each.slack:
            self._differs(each, hit, "total", f"{each.total:f}", f"{hit.total:f}")
        elif off:
            self.result.note("The source's own lines miss its total by as much as the target does (rounding).")

    def _differs(self, each: Digest, hit: Digest, field: str, expected: str, found: str) -> None:
        self._add("different", each, hit, field=field, expected=expected, found=found)

    def _add(
        self, kind: str, each: Digest, hit: Digest, *, field: str, expected: str, found: str, reason: str = ""
    ) -> None:
        why, effect = why_not(self.bench, self.flow, each.key)
        self.result.findings.append(
            Finding(kind=kind, key=each.key, ref=each.ref, external_id=hit.key, number=hit.ref, field=field,
                    expected=expected, found=found, reason=reason or why, effect=effect)
        )  # fmt: skip

    # -- what the source does not know ------------------------------------------------------------

    def _extras(self) -> None:
        names = [row.name for row in self.bench.store.config.connections()]
        strangers: dict[str, list[Digest]] = {}
        for reference, hits in self.by_reference.items():
            key = source_key(reference, self.flow.source, names)
            if key is None or self._known(reference) or (self.flow.source, key) in self.reader.rejected:
                continue
            strangers.setdefault(key, []).extend(hit for hit in hits if not hit.dead)
        known = self._known_to_source([key for key, hits in strangers.items() if hits])
        for key, hits in strangers.items():
            for hit in hits if key not in known else ():
                self.result.findings.append(
                    Finding(kind="extra", key=key, external_id=hit.key, number=hit.ref,
                            reason=f"{self.flow.source} knows no order {key}.")
                )  # fmt: skip

    def _known(self, reference: str) -> bool:
        prefix = f"{self.flow.source}-"
        return reference.startswith(prefix) and reference[len(prefix) :] in self.source

    def _known_to_source(self, keys: Sequence[str]) -> set[str]:
        """Which of these orders the source has, though they are outside the dates or the order start."""
        stored: Mapping[str, object] = self.bench.store.records.get_many(self.flow.source, "orders", keys)
        if "keys" not in self.reader.queries(self.flow.source, "orders"):
            return set(stored)
        known = {order.key for order in self.reader.keys(self.flow.source, "orders", keys)}
        # Orders that are older than the order start are skipped without a name.
        return known | (set(stored) if self.reader.skipped else set())


def _called(hit: Digest) -> str:
    return hit.ref if hit.ref == hit.key else f"{hit.ref} ({hit.key})"
