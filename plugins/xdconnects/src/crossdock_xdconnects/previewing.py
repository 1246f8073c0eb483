"""From an order to what would be sent, with its price and everything that speaks against it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from decimal import Decimal

import attrs
import msgspec

from crossdock import Decoration, Gap, Order, OrderLine, Preview, RecordError, Session, UnsupportedError
from crossdock.mapping import decimal, round_money
from crossdock_xdconnects import artwork, checks, feeds, wire
from crossdock_xdconnects.mapping import codes
from crossdock_xdconnects.pricing import print_cost, print_row, unit_price
from crossdock_xdconnects.print_areas import allowed
from crossdock_xdconnects.purchase import PRINT, Goods, Print, is_sample, of_order, order_scope, order_type
from crossdock_xdconnects.settings import Settings
from crossdock_xdconnects.tables import Line, Table


@attrs.frozen(kw_only=True)
class Examined:
    """An order that was looked at: the request that would be sent (`None` when it cannot be made), price, problems."""

    contract: wire.Wire | None
    request: wire.Request | None
    goods: tuple[Goods, ...]
    total: Decimal
    problems: tuple[str, ...]
    gap: Gap | None
    """An item that XD does not have, or none."""
    to: tuple[str, ...]
    """Where the request goes, besides what it carries: environment and ordering address."""

    @property
    def hash(self) -> str:
        """What stands for exactly this request, the place it goes to, and its price; empty when there is none."""
        if self.request is None:
            return ""
        request = self.request
        parts = (*self.to, request.method, request.path, request.query, request.headers, f"{self.total:f}")
        return hashlib.sha256(msgspec.json.encode(parts) + request.content).hexdigest()

    def preview(self, session: Session[Settings]) -> Preview:
        """The preview for a person: the exact body, secrets masked, and its hash."""
        body = self.request.content.decode() if self.request else ""
        return Preview(
            body=session.http.redactor.text(body), hash=self.hash, total=f"{self.total:f}",
            currency=session.settings.currency, problems=self.problems, gap=self.gap,
        )  # fmt: skip


@attrs.frozen(kw_only=True)
class _Shelf:
    """The feeds that an order is looked at with."""

    prices: Table
    products: Table
    stock: Table
    print_data: Table | None = None
    print_prices: Table | None = None
    stale: tuple[str, ...] = ()

    def print_rows(self, code: str) -> list[Line]:
        """The price rows of a print code."""
        rows = self.print_prices.rows if self.print_prices else []
        return [row for row in rows if row.text("PrintCode").casefold() == code.casefold()]


@attrs.define
class _Sum:
    """What adds up while the lines are looked at."""

    total: Decimal = Decimal(0)
    goods: list[Goods] = attrs.field(factory=list)
    problems: list[str] = attrs.field(factory=list)
    gap: Gap | None = None


def examine(session: Session[Settings], order: Order, key: str, *, ask_artwork: bool = True) -> Examined:
    """Look at an order fully; `ask_artwork` asks the artworks' servers, which is all the network it may need.

    Raises `TransientError` or `AccessError` when a feed is needed that cannot be had.
    """
    settings, found = session.settings, _Sum()
    contract: wire.Wire | None = None
    try:
        contract = wire.load(settings.wire_file)
    except RecordError as error:
        found.problems.append(str(error))
    confirmed = contract is None or contract.file.confirmed_by_vendor_document
    found.problems += checks.of_settings(settings, confirmed=confirmed)
    found.problems += checks.of_order(order, settings)
    printed = any(line.decorations for line in order.lines)
    try:
        shelf = _shelf(session, printed=printed)
    except UnsupportedError as error:
        found.problems.append(f"{error} {error.hint}.")
    else:
        for number, line in enumerate(order.lines, 1):
            _look_at(session, order, number, line, shelf, found)
        found.problems += _stock(order, shelf)
        found.problems += shelf.stale
    if ask_artwork:
        links = [each.artwork_url.strip() for line in order.lines for each in line.decorations]
        found.problems += artwork.problems(session, links)
    request = None
    if contract is not None and len(found.goods) == len(order.lines) and order_type(order):
        request = contract.create.made(order_scope(of_order(order, key, tuple(found.goods)), settings))
    return Examined(
        contract=contract, request=request, goods=tuple(found.goods), total=round_money(found.total, settings.currency),
        problems=tuple(dict.fromkeys(found.problems)), gap=found.gap,
        to=(settings.environment, settings.base_url, settings.currency),
    )  # fmt: skip


def _shelf(session: Session[Settings], *, printed: bool) -> _Shelf:
    stale: list[str] = []

    def table(*names: str) -> Table:
        loaded = feeds.known(session, feeds.choose(session.settings, *names))
        if loaded.is_old(session.clock.now()):
            stale.append(f"The {loaded.feed.title} is of {loaded.as_of:%Y-%m-%d}, too old to order by.")
        return loaded.table

    return _Shelf(
        prices=table("prices_feed", "all_data_feed"), products=table("products_feed", "all_data_feed"),
        stock=table("stock_feed", "all_data_feed"),
        print_data=table("print_data_feed") if printed else None,
        print_prices=table("print_prices_feed") if printed else None,
        stale=tuple(stale),
    )  # fmt: skip


def _look_at(
    session: Session[Settings], order: Order, number: int, line: OrderLine, shelf: _Shelf, found: _Sum
) -> None:
    """Add a line's price and problems to what was found; a line that is no item at XD has no price."""

    def complain(sentences: Iterator[str] | Sequence[str]) -> None:
        found.problems += [f"Line {number} ({line.sku or line.name}): {sentence}" for sentence in sentences]

    try:
        row = next(iter(shelf.prices.of_item(line.sku)), None) if line.sku else None
        if row is None:
            complain(["XD has no such item."])
            found.gap = found.gap or (Gap("sku", line.sku) if line.sku else None)
            return
        product = next(iter(shelf.products.of_item(line.sku)), None)
        country = order.shipping_address.country if order.shipping_address else ""
        complain(checks.of_item(line, product, row, country, sample=is_sample(order, line)))
        price = unit_price(row, line.quantity)
        if price is None:
            complain([f"XD has no price for {line.quantity} pieces."])
            return
        complain(checks.of_price(line, order, price, session.settings.price_tolerance))
        found.total += price * line.quantity
        prints = []
        for decoration in line.decorations:
            made = _print(session, order, line, decoration, row, product, shelf)
            if isinstance(made, str):
                complain([made])
            else:
                printing, cost, sentences = made
                prints.append(printing)
                found.total += cost
                complain(sentences)
        found.goods.append(
            Goods(
                number=number, key=line.key, sku=row.text("ItemCode"), name=line.name, quantity=int(line.quantity),
                unit_price=price, prints=tuple(prints),
            )
        )  # fmt: skip
    except RecordError as error:
        complain([f"the feed cannot be understood: {error}"])


def _print(
    session: Session[Settings], order: Order, line: OrderLine, decoration: Decoration, row: Line,
    product: Line | None, shelf: _Shelf,
) -> tuple[Print, Decimal, list[str]] | str:  # fmt: skip
    """A print as it would be ordered, what it costs, and complaints; or why it cannot be ordered at all."""
    data = shelf.print_data.of_item(line.sku) if shelf.print_data else []
    listed = codes(row.text("AllPrintCodes")) or codes(product.text("AllPrintCodes") if product else "")
    places = allowed(session.hooks, session.connection, row.text("ItemCode"), checks.areas(data))
    area = checks.find_area(decoration, places, listed)
    if isinstance(area, str):
        return area
    prices = shelf.print_rows(area.code)
    place = checks.colors(decoration, area, prices)
    if isinstance(place, str):
        return place
    problems = list(checks.of_size(decoration, area))
    width, height = decoration.width or Decimal(0), decoration.height or Decimal(0)
    priced = print_row(prices, colors=place.colors or 0, full_color=place.full_color, width=width, height=height)
    cost = print_cost(priced, line.quantity, sample=is_sample(order, line)) if priced else None
    if cost is None:
        problems.append(f"XD has no print price for {area.code} in this size, number of colours and quantity.")
    elif order_type(order) == PRINT:
        least = max(cost.moq, decimal(product.text("MOQPrintOrder") if product else "", "MOQPrintOrder"))
        if line.quantity < least:
            problems.append(f"{area.code} is printed on at least {least} pieces.")
    printing = Print(
        code=area.code, position=area.position, position_code=area.position_code, width_mm=_whole(width),
        height_mm=_whole(height), colors=place.colors, pms=place.pms, full_color=place.full_color,
        artwork_url=decoration.artwork_url.strip(), instructions=decoration.instructions,
    )  # fmt: skip
    return printing, cost.total if cost else Decimal(0), problems


def _whole(value: Decimal) -> int | Decimal:
    return int(value) if value == value.to_integral_value() else value.normalize()


def _stock(order: Order, shelf: _Shelf) -> Iterator[str]:
    """Stock is compared with all lines of an item together."""
    wanted: dict[str, Decimal] = {}
    for line in order.lines:
        wanted[line.sku.strip().casefold()] = wanted.get(line.sku.strip().casefold(), Decimal(0)) + line.quantity
    for item, quantity in wanted.items():
        if not shelf.prices.of_item(item):
            continue
        row, product = (next(iter(table.of_item(item)), None) for table in (shelf.stock, shelf.products))
        name = shelf.prices.of_item(item)[0].text("ItemCode")
        for sentence in checks.of_stock(quantity, row, product, order.ship_by):
            yield f"{name}: {sentence}"
