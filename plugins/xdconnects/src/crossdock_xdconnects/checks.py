"""What is looked at before an order may leave, because it takes effect at once (vendor page section 5.3).

Every check answers with sentences for a person; nothing here asks the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

import attrs

from crossdock import Address, Decoration, Incoming, Order, OrderLine
from crossdock.mapping import decimal, maybe_decimal
from crossdock_xdconnects.mapping import arrivals, codes
from crossdock_xdconnects.pricing import is_priced_by_color
from crossdock_xdconnects.print_areas import PrintArea
from crossdock_xdconnects.purchase import order_type
from crossdock_xdconnects.settings import Settings
from crossdock_xdconnects.tables import Line

_SOLD = ("", "new", "current", "outlet")
_FULL_COLOR = frozenset(("fullcolour", "fullcolor", "full", "cmyk"))
_NEEDED = (("street", "street"), ("postcode", "postcode"), ("city", "city"))


def of_settings(settings: Settings, *, confirmed: bool) -> Iterator[str]:
    """What is missing before anything can be ordered at all."""
    if not settings.base_url:
        yield "Ordering is not possible yet: base_url is empty; XD's document on the ordering API names the address."
    needed = ("api_token", "security_code", "customer_account_code", "customer_account_number", "company_name")
    missing = [name for name in needed if not getattr(settings, name)]
    if missing:
        yield f"Ordering needs {', '.join(missing)} from XD's mail."
    if settings.environment == "production" and not confirmed:
        yield (
            "The mapping file is a proposal: after it was filled from XD's document, set confirmed_by_vendor_document "
            "in it to true, or use the environment test."
        )


def of_order(order: Order, settings: Settings) -> Iterator[str]:
    """Address, currency, and what must not be mixed."""
    if not order.lines:
        yield "The order has no lines."
    elif not order_type(order):
        yield "Blank, printed and sample lines are never ordered together: make one order of each kind."
    if order.currency != settings.currency:
        yield f"The order is in {order.currency or 'no currency'}, the account at XD in {settings.currency}."
    if any(line.ship_to for line in order.lines):
        yield "Lines go to different addresses: make one order for each."
    yield from _address(order.shipping_address)


def _address(address: Address | None) -> Iterator[str]:
    if address is None:
        yield "There is no delivery address."
        return
    missing = [word for name, word in _NEEDED if not getattr(address, name).strip()]
    if not (address.name.strip() or address.company.strip()):
        missing.insert(0, "name")
    if len(address.country) != 2:
        missing.append("country (two letters)")
    if missing:
        yield f"The delivery address has no {', '.join(missing)}."


def of_item(line: OrderLine, product: Line | None, price: Line, country: str, *, sample: bool) -> Iterator[str]:
    """Whether the item is sold, there, and in this quantity."""
    if line.quantity <= 0 or line.quantity != line.quantity.to_integral_value():
        yield f"the quantity {line.quantity} is no whole number of pieces."
    if product is None:
        yield "the products feed does not know it, so it is not known whether it is sold, and where to."
    else:
        lifecycle = product.text("ProductLifeCycle")
        if lifecycle.lower() not in _SOLD:
            yield f"XD calls it {lifecycle}, so it is not sold any more."
        if country and country.upper() in map(str.upper, codes(product.text("RestrictedCountriesForSale"))):
            yield f"it must not be sold to {country}."
    column = "MOQBlankOrder"
    least = decimal(price.text(column), column)
    if not sample and not line.decorations and line.quantity < least:
        yield f"at least {least} pieces must be ordered without print."


def of_stock(wanted: Decimal, row: Line | None, product: Line | None, needed_by: datetime | None) -> Iterator[str]:
    """Whether `wanted` pieces are there now or arrive in time; what is in outlet does not come again."""
    if row is None:
        yield "the stock feed does not know it."
        return
    there = decimal(row.text("CurrentStock"), "CurrentStock")
    if there >= wanted:
        return
    outlet = product is not None and product.text("ProductLifeCycle").lower() == "outlet"
    coming: list[Incoming] = [] if outlet else list(arrivals(row))
    for arrival in coming:
        there += arrival.quantity
        if there >= wanted:
            if needed_by and arrival.expected_at and arrival.expected_at > needed_by:
                yield f"{wanted} pieces are there only on {arrival.expected_at:%Y-%m-%d}, later than asked for."
            return
    yield f"{wanted} pieces are wanted, {there} are in stock or announced."


def of_price(line: OrderLine, order: Order, expected: Decimal, tolerance: Decimal | None) -> Iterator[str]:
    """Whether the order's own net price per piece is near XD's."""
    if tolerance is None or not line.quantity:
        return
    net = (line.total - line.tax) / line.quantity if order.prices_include_tax else line.unit_price
    if abs(net - expected) * 100 > expected * tolerance:
        yield f"the order says {net:.2f} a piece, XD's price is {expected} (tolerance {tolerance} %)."


# -- prints ----------------------------------------------------------------------------------------


@attrs.frozen
class Place:
    """Where a decoration goes, and in how many colours."""

    area: PrintArea
    colors: int | None
    pms: tuple[str, ...]
    full_color: bool


def areas(rows: Sequence[Line]) -> list[PrintArea]:
    """All places where an item can be printed, the default ones first."""
    ordered = sorted(rows, key=lambda row: not row.yes("Default"))
    return [
        PrintArea(
            code=row.text("PrintCode"), position=row.text("PrintPosition"), position_code=row.text("PrintPositionCode"),
            max_width=maybe_decimal(row.text("MaxPrintWidthMM"), "MaxPrintWidthMM"),
            max_height=maybe_decimal(row.text("MaxPrintHeightMM"), "MaxPrintHeightMM"),
            max_colors=int(decimal(row.text("MaxColors"), "MaxColors")), full_color=row.yes("FullColor"),
        )
        for row in ordered
    ]  # fmt: skip


def find_area(decoration: Decoration, areas: Sequence[PrintArea], allowed: Sequence[str]) -> PrintArea | str:
    """The place that a decoration names by print code and position (its name or code), or why there is none."""
    code = decoration.technique.strip()
    if not code:
        return "a print names no print code (the decoration's technique)."
    if allowed and code.casefold() not in map(str.casefold, allowed):
        return f"it cannot be printed with {code}; possible are: {', '.join(allowed)}."
    here = [area for area in areas if area.code.casefold() == code.casefold()]
    wanted = decoration.position.strip().casefold()
    if not wanted and here:
        return here[0]
    found = next((a for a in here if wanted in (a.position.casefold(), a.position_code.casefold())), None)
    if found:
        return found
    places = ", ".join(f"{area.position} ({area.position_code})" for area in here) or "none"
    return f"{code} has no position {decoration.position!r}; possible are: {places}."


def of_size(decoration: Decoration, area: PrintArea) -> Iterator[str]:
    """Whether a print has a size that fits."""
    sides = ("width", decoration.width, area.max_width), ("height", decoration.height, area.max_height)
    for name, value, limit in sides:
        if value is None or value <= 0:
            yield f"the print at {area.position} has no {name}."
        elif limit is not None and value > limit:
            yield f"the print at {area.position} is {value} mm in {name}, the limit is {limit} mm."


def colors(decoration: Decoration, area: PrintArea, prices: Sequence[Line]) -> Place | str:
    """The colours of a print, or what is wrong with them.

    One colour called ``full colour`` (or CMYK) is full colour. Without colours a print is full colour where that is
    possible, and one colour where only one is possible and none has to be mixed (engraving).
    """
    named = tuple(each.strip() for each in decoration.colours if each.strip())
    words = {"".join(each.split()).casefold() for each in named}
    if (words and words <= _FULL_COLOR) or (not named and area.full_color):
        if not area.full_color:
            return f"{area.code} at {area.position} is not printed in full colour."
        return Place(area, None, (), full_color=True)
    if not named:
        if area.max_colors <= 1 and not is_priced_by_color(prices):
            return Place(area, 1, (), full_color=False)
        return f"the print at {area.position} names no colours (PMS)."
    if area.max_colors and len(named) > area.max_colors:
        return f"the print at {area.position} has {len(named)} colours, the limit is {area.max_colors}."
    return Place(area, len(named), named, full_color=False)
