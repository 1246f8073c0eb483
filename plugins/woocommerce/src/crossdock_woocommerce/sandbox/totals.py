"""What an order adds up to: net lines, tax by rate, coupons (vendor page section 4, measured)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_FLOOR, ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

from crossdock_woocommerce.sandbox.shop import Shop
from crossdock_woocommerce.sandbox.wire import Json

__all__ = ["Precise", "apply_coupons", "calculate", "decimal", "money", "net_of", "php_number"]

Precise = dict[int, tuple[Decimal, Decimal]]
"""Line identifier → subtotal and total before rounding to cents; the API shows them with ``dp=6`` only."""

_CENT = Decimal("0.01")
_MICRO = Decimal("0.000001")


def money(value: Decimal) -> str:
    """Cents as text, half up."""
    return str(value.quantize(_CENT, ROUND_HALF_UP))


def decimal(value: Any) -> Decimal:
    """The number PHP would read in `value`; nothing readable is 0."""
    try:
        return Decimal(str(value))
    except ArithmeticError:
        return Decimal(0)


def php_number(value: Decimal) -> int | float:
    """A float as PHP's JSON shows it: six decimals here, and no ``.0``."""
    rounded = value.quantize(_MICRO, ROUND_HALF_UP)
    return int(rounded) if rounded == rounded.to_integral_value() else float(rounded)


def net_of(shop: Shop, price: Decimal, tax_class: str) -> Decimal:
    """A price as typed in the catalogue, without tax: the shop's own rates are taken out when it includes them."""
    if not shop.options.prices_include_tax:
        return price
    return price / (1 + _percent(shop, tax_class, "") / 100)


def _percent(shop: Shop, tax_class: str, country: str) -> Decimal:
    return sum((decimal(rate["rate"]) for rate in shop.rates(tax_class, country)), Decimal(0))


class _Taxing:
    """Tax by rate over a whole order."""

    def __init__(self, shop: Shop, country: str) -> None:
        self.shop = shop
        self.country = country
        self.cart: dict[int, Decimal] = {}
        self.shipping: dict[int, Decimal] = {}

    def round(self, value: Decimal) -> Decimal:
        """A tax in cents; a half goes down where prices include tax."""
        return value.quantize(_CENT, ROUND_HALF_DOWN if self.shop.options.prices_include_tax else ROUND_HALF_UP)

    def of(self, net: Decimal, tax_class: str, *, shipping: bool = False) -> dict[int, Decimal]:
        """Tax of one amount by rate: rounded per line, or exact where the shop rounds at subtotal level."""
        rates = [rate for rate in self.shop.rates(tax_class, self.country) if rate["shipping"] or not shipping]
        exact = {rate["id"]: net * decimal(rate["rate"]) / 100 for rate in rates}
        return exact if self.shop.options.round_at_subtotal else {key: self.round(tax) for key, tax in exact.items()}

    def add(self, taxes: dict[int, Decimal], *, shipping: bool = False) -> None:
        """Count taxes into the order's tax lines."""
        sums = self.shipping if shipping else self.cart
        for key, tax in taxes.items():
            sums[key] = sums.get(key, Decimal(0)) + tax


def calculate(shop: Shop, order: Json, precise: Precise) -> None:
    """Bring taxes, tax lines and totals of an order up to date with its lines."""
    taxing = _Taxing(shop, order["shipping"].get("country") or order["billing"].get("country") or "")
    exact_net = Decimal(0)
    for line in order["line_items"]:
        exact_net += _settle_line(taxing, line, precise)
    for fee in order["fee_lines"]:
        exact_net += _settle_plain(taxing, fee, fee["tax_class"])
    freight = sum((_settle_plain(taxing, line, "", shipping=True) for line in order["shipping_lines"]), Decimal(0))
    _write_tax_lines(shop, order, taxing)
    cart_tax = taxing.round(sum(taxing.cart.values(), Decimal(0)))
    shipping_tax = taxing.round(sum(taxing.shipping.values(), Decimal(0)))
    lines = order["line_items"]
    order |= {
        "discount_total": money(_sum(lines, "subtotal") - _sum(lines, "total")),
        "discount_tax": money(_sum(lines, "subtotal_tax") - _sum(lines, "total_tax")),
        "shipping_total": money(freight),
        "shipping_tax": money(shipping_tax),
        "cart_tax": money(cart_tax),
        "total": money(exact_net + freight + cart_tax + shipping_tax),
        "total_tax": money(cart_tax + shipping_tax),
    }


def _sum(lines: Iterable[Json], name: str) -> Decimal:
    return sum((decimal(line[name]) for line in lines), Decimal(0))


def _settle_line(taxing: _Taxing, line: Json, precise: Precise) -> Decimal:
    subtotal, total = precise.get(line["id"]) or (decimal(line["subtotal"]), decimal(line["total"]))
    before, after = taxing.of(subtotal, line["tax_class"]), taxing.of(total, line["tax_class"])
    taxing.add(after)
    line["subtotal"], line["total"] = money(subtotal), money(total)
    line["subtotal_tax"] = money(sum(before.values(), Decimal(0)))
    line["total_tax"] = money(sum(after.values(), Decimal(0)))
    line["taxes"] = [{"id": key, "total": money(after[key]), "subtotal": money(before[key])} for key in after]
    line["price"] = php_number(total / line["quantity"]) if line["quantity"] else 0
    return total if taxing.shop.options.round_at_subtotal else decimal(line["total"])


def _settle_plain(taxing: _Taxing, line: Json, tax_class: str, *, shipping: bool = False) -> Decimal:
    net = decimal(line["total"])
    taxes = taxing.of(net, tax_class, shipping=shipping) if line["tax_status"] == "taxable" else {}
    taxing.add(taxes, shipping=shipping)
    line["total"], line["total_tax"] = money(net), money(sum(taxes.values(), Decimal(0)))
    line["taxes"] = [{"id": key, "total": money(tax), "subtotal": ""} for key, tax in taxes.items()]
    return decimal(line["total"])


def tax_line(shop: Shop, key: int, rate: int, total: Decimal, shipping: Decimal) -> Json:
    """One entry of ``tax_lines``."""
    found = next(each for each in shop.taxes if each["id"] == rate)
    return {
        "id": key,
        "rate_code": f"{found['country']}-{found['name'].upper()}-{found['priority']}",
        "rate_id": rate,
        "label": found["name"],
        "compound": False,
        "tax_total": money(total),
        "shipping_tax_total": money(shipping),
        "rate_percent": php_number(decimal(found["rate"])),
        "meta_data": [],
    }


def _write_tax_lines(shop: Shop, order: Json, taxing: _Taxing) -> None:
    known = {line["rate_id"]: line["id"] for line in order["tax_lines"]}
    rates = list(dict.fromkeys([*taxing.cart, *taxing.shipping]))
    order["tax_lines"] = [
        tax_line(
            shop,
            known.get(rate) or shop.number("item"),
            rate,
            taxing.round(taxing.cart.get(rate, Decimal(0))),
            taxing.round(taxing.shipping.get(rate, Decimal(0))),
        )
        for rate in rates
    ]


def apply_coupons(shop: Shop, order: Json, precise: Precise) -> None:
    """Take the coupons of an order off its lines, in cents, as the shop does, and write their own amounts.

    A percentage is rounded down per line and the missing cents go to the dearest lines, one per piece. The
    coupon's own net and tax are rounded apart from the lines, so their sum may differ by a cent (measured).
    """
    lines = order["line_items"]
    taxing = _Taxing(shop, order["shipping"].get("country") or order["billing"].get("country") or "")
    rate_of = {line["id"]: 1 + _percent(shop, line["tax_class"], taxing.country) / 100 for line in lines}
    factor = rate_of if shop.options.prices_include_tax else dict.fromkeys(rate_of, Decimal(1))
    typed = {line["id"]: int((precise[line["id"]][0] * factor[line["id"]] * 100).to_integral_value()) for line in lines}
    left = dict(typed)
    ordered = sorted(lines, key=lambda line: -typed[line["id"]] / max(line["quantity"], 1))
    for coupon in order["coupon_lines"]:
        cents = _share(shop.coupons[coupon["code"]], ordered, typed, left)
        net = gross_tax = Decimal(0)
        for key, off in cents.items():
            left[key] -= off
            part = Decimal(off) / 100 / factor[key]
            net += part
            gross_tax += taxing.round(part * (rate_of[key] - 1))
        if shop.options.prices_include_tax:
            net = Decimal(sum(cents.values())) / 100 - gross_tax
        coupon["discount"], coupon["discount_tax"] = money(net), money(gross_tax)
    for line in lines:
        key = line["id"]
        if left[key] != typed[key]:
            precise[key] = (precise[key][0], Decimal(left[key]) / 100 / factor[key])


def _share(coupon: Json, lines: list[Json], typed: dict[int, int], left: dict[int, int]) -> dict[int, int]:
    whole = sum(typed.values())
    amount = decimal(coupon["amount"])
    if coupon["discount_type"] == "percent":
        wanted = int((whole * amount / 100).to_integral_value(ROUND_HALF_DOWN))
        parts = {key: int((cents * amount / 100).to_integral_value(ROUND_FLOOR)) for key, cents in typed.items()}
    else:
        wanted = min(int(amount * 100), whole)
        parts = {key: wanted * cents // whole if whole else 0 for key, cents in typed.items()}
    parts = {key: min(off, left[key]) for key, off in parts.items()}
    missing = min(wanted, sum(left.values())) - sum(parts.values())
    for line in lines:
        more = min(missing, line["quantity"], left[line["id"]] - parts[line["id"]])
        parts[line["id"]] += max(more, 0)
        missing -= max(more, 0)
    return parts
