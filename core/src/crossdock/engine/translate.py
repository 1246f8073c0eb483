"""A record on its way to another system: business rules, mapping tables, the policy for totals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock.engine.bench import Bench
from crossdock.engine.substance import DEAD
from crossdock.errors import PluginError, RecordError
from crossdock.mapping import total_difference, with_rounding_line
from crossdock.personal import is_erased
from crossdock.records import Address, Balance, Customer, Order, OrderLine, Price, Product, Shipment, evolve
from crossdock.store.config import FlowRow

Tables = Mapping[str, Mapping[str, str]]


def translate(bench: Bench, flow: FlowRow, tables: Tables, record: Any) -> Any:
    """The record as the target gets it; raises `RecordError` when a rule or the totals policy holds it back."""
    if is_erased(record):
        raise RecordError(
            "Its personal data were erased, so nothing of it is sent any more.",
            hint="Tell the target by hand what changed, then: crossdock effects discard ID",
        )
    record = renamed(bench, flow, tables, record)
    # Of a dead order only that it is dead matters: nothing may keep the target from knowing.
    if isinstance(record, Order) and flow.options.totals != "keep" and record.status not in DEAD:
        difference = total_difference(record)
        if difference and flow.options.totals == "hold":
            raise RecordError(
                f"The parts of the order differ from its total by {difference} {record.currency}.",
                path="total",
                hint="Correct the order in its shop, or let the flow keep or book the difference (totals=keep|line).",
            )
        record = with_rounding_line(record)
    return record


def renamed(bench: Bench, flow: FlowRow, tables: Tables, record: Any) -> Any:
    """The record after business rules and mapping tables; raises `PluginError` when a rule breaks."""
    given = type(record)
    record = bench.ambient.ask("transform_record", record, flow=flow.name, record=record)
    if type(record) is not given:
        raise PluginError(f"transform_record answered a {type(record).__name__} for a {given.__name__}.")
    return apply_tables(tables, record)


def apply_tables(tables: Tables, record: Any) -> Any:
    """Replace codes by the mapping tables; a code without a row passes unchanged."""
    if not tables:
        return record
    if isinstance(record, Order):
        return _order(tables, record)
    if isinstance(record, Shipment):
        return evolve(
            record,
            carrier=_one(tables, "carrier", record.carrier),
            lines=tuple(evolve(line, sku=_one(tables, "sku", line.sku)) for line in record.lines),
        )
    if isinstance(record, Balance):
        return evolve(
            record, sku=_one(tables, "sku", record.sku), warehouse=_one(tables, "warehouse", record.warehouse)
        )
    if isinstance(record, Price | Product):
        return evolve(record, sku=_one(tables, "sku", record.sku))
    if isinstance(record, Customer):
        return evolve(
            record,
            billing=_address(tables, record.billing),
            shipping_address=_address(tables, record.shipping_address),
        )
    return record


def _order(tables: Tables, order: Order) -> Order:
    return evolve(
        order,
        raw_status=_one(tables, "status", order.raw_status),
        billing=_address(tables, order.billing),
        shipping_address=_address(tables, order.shipping_address),
        payment=evolve(order.payment, method=_one(tables, "payment", order.payment.method)),
        lines=tuple(_line(tables, line) for line in order.lines),
        charges=tuple(
            evolve(each, code=_one(tables, "shipping", each.code)) if each.kind == "shipping" else each
            for each in order.charges
        ),
        taxes=tuple(evolve(tax, code=_one(tables, "tax", tax.code)) for tax in order.taxes),
    )


def _line(tables: Tables, line: OrderLine) -> OrderLine:
    return evolve(
        line,
        sku=_one(tables, "sku", line.sku),
        ship_to=_address(tables, line.ship_to),
        taxes=tuple(evolve(tax, code=_one(tables, "tax", tax.code)) for tax in line.taxes),
    )


def _address(tables: Tables, address: Address | None) -> Address | None:
    return evolve(address, country=_one(tables, "country", address.country)) if address else None


def _one(tables: Tables, kind: str, value: str) -> str:
    return tables.get(kind, {}).get(value, value)


def check_one_address(order: Order, target: str) -> None:
    """Refuse an order whose lines go to different places: the parcels would all go to one of them."""
    places = {line.ship_to or order.shipping_address for line in order.lines if line.quantity}
    if len(places) > 1:
        raise RecordError(
            f"Its lines go to {len(places)} different addresses, and {target} takes one address for an order.",
            path="lines.ship_to",
            hint="Enter it there by hand, one order for each address, then: crossdock effects discard NUMBER",
        )
