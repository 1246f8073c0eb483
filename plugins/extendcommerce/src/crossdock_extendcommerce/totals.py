"""What an order's rows add up to, and how a shop's amounts become unit prices without VAT and a VAT percentage.

Extend Commerce knows a unit price without VAT and a percentage per row; a shop knows amounts. `gross_total` is the one
rule for both directions, and the rounding row makes it meet the shop's total to the smallest unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from crossdock import Tax
from crossdock.mapping import exponent, round_money
from crossdock_extendcommerce.wire import OrderRow, SalesData

ZERO = Decimal(0)
_HUNDRED = Decimal(100)
_PRICE_STEP = Decimal("0.000001")
_PERCENT_STEPS = (Decimal(1), Decimal("0.1"), Decimal("0.01"), Decimal("0.0001"))


def merged(rows: Iterable[OrderRow]) -> list[OrderRow]:
    """The rows with parts of a partly delivered row put together again; order is kept.

    Extend splits a row that ships in parts: same `position`, new `subPosition` (vendor page section 9). Parts of one
    position with the same article, price and VAT are one row; a row without position stands for itself.
    """
    found: dict[object, OrderRow] = {}
    for index, row in enumerate(rows):
        sold, product = row.sales_data or SalesData(), row.product
        key: object = index if row.position is None else (
            row.position, product and product.product_number, sold.unit_price, sold.vat_percent
        )  # fmt: skip
        first = found.get(key)
        if first is None:
            found[key] = row
            continue
        before = first.sales_data or SalesData()
        quantity = (before.quantity or ZERO) + (sold.quantity or ZERO)
        found[key] = msgspec.structs.replace(
            first,
            sales_data=msgspec.structs.replace(before, quantity=quantity),
            external_row=first.external_row or row.external_row,
        )
    return list(found.values())


def amounts(row: OrderRow, currency: str) -> tuple[Decimal, Decimal]:
    """Net and VAT of a row, each in whole minor units of `currency`."""
    sold = row.sales_data
    if sold is None or sold.unit_price is None:
        return ZERO, ZERO
    net = round_money((sold.quantity or ZERO) * sold.unit_price, currency)
    percent = sold.vat_percent
    return net, round_money(net * percent / _HUNDRED, currency) if percent else ZERO


def gross_total(rows: Iterable[OrderRow], currency: str) -> Decimal:
    """What the rows cost including VAT: net and VAT are rounded per row, parts of a split row are taken together."""
    return sum((part for row in merged(rows) for part in amounts(row, currency)), ZERO)


def unit_price(net: Decimal, quantity: Decimal) -> Decimal:
    """`net` per unit with at most six decimals."""
    price = (net / quantity).quantize(_PRICE_STEP).normalize()
    return price + ZERO  # no exponent such as 2E+2, no minus zero


def split_tax(
    total: Decimal, tax: Decimal, taxes: Sequence[Tax], *, includes_tax: bool, currency: str, by_rate: bool = False
) -> tuple[Decimal, Decimal]:
    """Net amount and VAT percentage of an amount of a shop.

    The stated rate holds when it explains the stated tax to the minor unit; otherwise the amounts do, and the
    percentage with the fewest decimals that gives exactly this tax is taken. `by_rate`: the document states rates and
    no amounts, so the tax is worked out.
    """
    stated = sum((each.rate for each in taxes if each.rate), ZERO)
    if by_rate:
        return (total / (1 + stated / _HUNDRED) if includes_tax else total), stated
    tax = tax or sum((each.amount for each in taxes), ZERO)
    net = total - tax if includes_tax else total
    if stated and abs(net * stated / _HUNDRED - tax) <= Decimal(1).scaleb(-exponent(currency)):
        return net, stated
    return net, _percent(net, tax, currency) if tax and net else ZERO


def _percent(net: Decimal, tax: Decimal, currency: str) -> Decimal:
    exact, wanted = tax / net * _HUNDRED, round_money(tax, currency)
    for step in _PERCENT_STEPS:
        percent = exact.quantize(step)
        if round_money(net * percent / _HUNDRED, currency) == wanted:
            return percent
    return exact.quantize(_PERCENT_STEPS[-1])
