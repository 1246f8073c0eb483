"""Comparing the streams that are no orders: stock, prices, products, customers, and shipments with the ledger."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from crossdock.engine.bench import Bench
from crossdock.engine.findings import LEDGER, Comparison, Finding, Reader, latest_effect, why_not
from crossdock.engine.route import refusal
from crossdock.engine.stock import stock_of
from crossdock.engine.translate import translate
from crossdock.errors import RecordError
from crossdock.mapping import round_money
from crossdock.records import ZERO, Balance, Customer, Price, Product, Shipment, fingerprint, to_document
from crossdock.store.config import FlowRow

_HUNDRED = Decimal(100)


def compare_stock(bench: Bench, flow: FlowRow, reader: Reader, result: Comparison) -> None:
    """Per SKU: what the flow would publish of the source's stock now, against what the target shows."""
    reader.need(flow.target, "balance")
    began = bench.clock.now()
    balances: list[Balance] = _admitted(bench, flow, reader, result)
    held = bench.store.holds.of(flow.source, [each.sku for each in balances], unsettled_at=began)
    expected = stock_of(flow, balances, held, bench.store.gaps.buffers(flow.name, [each.sku for each in balances]))
    there: dict[str, Decimal] = {}
    for balance in _target(flow, reader, result):
        there[balance.sku] = there.get(balance.sku, ZERO) + balance.available
    for sku, stock in sorted(expected.items()):
        wanted: Balance = _translated(bench, flow, reader, stock)
        found = there.get(wanted.sku)
        if found is None:
            _missing(bench, flow, reader, result, sku, sku, wanted.sku)
        elif found != wanted.available:
            _different(bench, flow, result, sku, sku, wanted.sku, "available", f"{wanted.available:f}", f"{found:f}")
        else:
            result.matched += 1
    # SKUs that this flow has set on the target and that the source no longer has.
    names = reader.tables.get("sku", {})
    for effect in bench.store.effects.find(flow=flow.name, states=("done",), limit=1_000_000):
        named = names.get(effect.key, effect.key)
        if effect.key not in expected and named in there:
            result.findings.append(
                Finding(kind="extra", key=effect.key, ref=effect.ref, external_id=named, effect=effect.id,
                        reason=f"It was set by this flow, and {flow.source} no longer has it.")
            )  # fmt: skip


def compare_prices(bench: Bench, flow: FlowRow, reader: Reader, result: Comparison) -> None:
    """Per price: amount and currency, in the tax mode of the source where the target's rate is known."""
    reader.need(flow.target, "prices")
    wanted = {each.key: each for each in _admitted(bench, flow, reader, result)}
    exact: dict[str, Price] = {}
    tiers: dict[tuple[str, Decimal], list[Price]] = {}
    for each in _target(flow, reader, result):
        if each.key not in exact:
            tiers.setdefault((each.sku, each.from_quantity), []).append(each)
        exact[each.key] = each
    prices: dict[str, Price] = {key: _translated(bench, flow, reader, record) for key, record in sorted(wanted.items())}
    own = {(each.sku, each.price_list) for each in prices.values() if each.price_list}
    for key, price in prices.items():
        same_tier = tiers.get((price.sku, price.from_quantity), [])
        if price.key in exact:
            there = [exact[price.key]]
        elif not price.price_list:
            # It is for all lists of the target that have no price of their own and take its currency.
            lists = [exact[each.key] for each in same_tier if (price.sku, each.price_list) not in own]
            there = [each for each in lists if each.currency == price.currency] or lists
        else:
            there = [exact[each.key] for each in same_tier] if len(same_tier) == 1 else []
        if not there:
            _missing(bench, flow, reader, result, key, price.ref, price.key)
            continue
        found = next((each for each in there if _price_difference(price, each)[0]), there[0])
        field, expected, shown = _price_difference(price, found)
        if field:
            _different(bench, flow, result, key, price.ref, found.key, field, expected, shown)
        else:
            result.matched += 1


def _price_difference(price: Price, found: Price) -> tuple[str, str, str]:
    if price.currency and found.currency and price.currency != found.currency:
        return "currency", price.currency, found.currency
    amount = found.amount
    if price.includes_tax != found.includes_tax:
        rate = found.tax_rate if found.tax_rate is not None else price.tax_rate
        if rate is None:
            return "includes tax", str(price.includes_tax).lower(), str(found.includes_tax).lower()
        factor = 1 + rate / _HUNDRED
        amount = round_money(amount * factor if price.includes_tax else amount / factor, price.currency)
        if amount == round_money(price.amount, price.currency):
            return "", "", ""
    return ("amount", f"{price.amount:f}", f"{amount:f}") if amount != price.amount else ("", "", "")


def compare_products(bench: Bench, flow: FlowRow, reader: Reader, result: Comparison) -> None:
    """Per SKU: whether the target has it, under which name and GTIN."""
    reader.need(flow.target, "products")
    wanted = {each.key: each for each in _admitted(bench, flow, reader, result)}
    there: dict[str, Product] = {}
    for each in _target(flow, reader, result):
        there[each.ref] = each
        there.update({variant.sku: each for variant in each.variants if variant.sku})
    for key, record in sorted(wanted.items()):
        product: Product = _translated(bench, flow, reader, record)
        found = there.get(product.ref)
        if found is None:
            _missing(bench, flow, reader, result, key, product.ref, "")
        elif product.name and found.ref == product.ref and found.name != product.name:
            _different(bench, flow, result, key, product.ref, found.key, "name", product.name, found.name)
        elif product.gtin and found.gtin and found.gtin != product.gtin:
            _different(bench, flow, result, key, product.ref, found.key, "gtin", product.gtin, found.gtin)
        else:
            result.matched += 1


def compare_customers(bench: Bench, flow: FlowRow, reader: Reader, result: Comparison) -> None:
    """Per customer: whether the target has it along its binding, and under which e-mail address."""
    reader.need(flow.target, "customers")
    wanted = {each.key: each for each in _admitted(bench, flow, reader, result)}
    there: dict[str, Customer] = {each.key: each for each in _target(flow, reader, result)}
    bound = bench.store.records.bound(flow.source, "customers", list(wanted), flow.target)
    for key, record in sorted(wanted.items()):
        customer: Customer = _translated(bench, flow, reader, record)
        external = bound[key].external_id if key in bound else ""
        found = there.get(external)
        if found is None:
            _missing(bench, flow, reader, result, key, customer.ref, external)
        elif customer.email and found.email and customer.email.lower() != found.email.lower():
            _different(bench, flow, result, key, customer.ref, external, "email", customer.email, found.email)
        else:
            result.matched += 1


def compare_shipments(bench: Bench, flow: FlowRow, reader: Reader, result: Comparison) -> None:
    """Each shipment of an order that came from the target: whether its report is done, for what it says now.

    Compared with the ledger: few systems can list the reports of shipments that they were given.
    """
    result.against = LEDGER
    shipments: dict[str, Shipment] = {each.key: each for each in _admitted(bench, flow, reader, result)}
    orders = sorted({each.order_key for each in shipments.values()})
    origins = bench.store.records.origins(flow.source, "orders", orders)
    for key, shipment in sorted(shipments.items()):
        left = shipment.shipped_at or shipment.updated_at
        if (result.since and (left is None or left < result.since)) or (
            result.until and (left is None or left >= result.until)
        ):
            result.leave_out("outside the dates")
            continue
        if not any(bound.source == flow.target for bound in origins.get(shipment.order_key, ())):
            result.leave_out(f"its order did not come from {flow.target}")
            continue
        effect = latest_effect(bench, flow, key)
        if effect is None or effect.state != "done":
            _missing(bench, flow, reader, result, key, shipment.ref, effect.external_id if effect else "")
            continue
        result.target_count += 1
        now = fingerprint(shipment, to_document(shipment))
        if effect.done != now:
            _different(bench, flow, result, key, shipment.ref, effect.external_id, "content", "as it is now",
                       f"as it was reported at {effect.updated_at}")  # fmt: skip
        else:
            result.matched += 1


# -- both sides ------------------------------------------------------------------------------------


def _admitted(bench: Bench, flow: FlowRow, reader: Reader, result: Comparison) -> list[Any]:
    """The source's records that take the flow, each once."""
    found: dict[str, Any] = {}
    for record in reader.all(flow.source, flow.stream):
        result.source_count += record.key not in found
        found[record.key] = record
    admitted = []
    for record in found.values():
        refused = refusal(bench, flow, record)
        if refused:
            result.leave_out(refused)
        else:
            admitted.append(record)
    return admitted


def _target(flow: FlowRow, reader: Reader, result: Comparison) -> list[Any]:
    found: dict[str, Any] = {}
    for record in reader.all(flow.target, flow.stream):
        result.target_count += record.key not in found
        found[record.key] = record
    return list(found.values())


def _translated(bench: Bench, flow: FlowRow, reader: Reader, record: Any) -> Any:
    try:
        return translate(bench, flow, reader.tables, record)
    except RecordError:
        return record  # a rule holds it back: the ledger says so when it is missing


def _missing(
    bench: Bench, flow: FlowRow, reader: Reader, result: Comparison, key: str, ref: str, external: str
) -> None:
    if (flow.target, external) in reader.rejected:
        return
    reason, effect = why_not(bench, flow, key)
    result.findings.append(
        Finding(kind="missing", key=key, ref=ref, external_id=external, reason=reason, effect=effect)
    )


def _different(
    bench: Bench, flow: FlowRow, result: Comparison, key: str, ref: str, external: str, field: str, expected: str,
    found: str,
) -> None:  # fmt: skip
    reason, effect = why_not(bench, flow, key)
    result.findings.append(
        Finding(kind="different", key=key, ref=ref, external_id=external, field=field, expected=expected, found=found,
                reason=reason, effect=effect)
    )  # fmt: skip
