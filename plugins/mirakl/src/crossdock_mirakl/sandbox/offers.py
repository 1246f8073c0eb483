"""The shop's offers: the list, single reads, and the three imports that change them (vendor page section 8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

import attrs

from crossdock_mirakl.sandbox.clock import Clock, parsed_date
from crossdock_mirakl.sandbox.offer import DEFAULTS, SHIPPING_PRICE, Offer, Price, Product, offer_view
from crossdock_mirakl.sandbox.query import Query
from crossdock_mirakl.sandbox.refusal import Refusal, not_found
from crossdock_mirakl.sandbox.wire import JsonObject, decimal_or_none

MOST_PRICES = 50


@attrs.frozen
class LineResult:
    """What became of one line of an import; lines are counted from 1, the header not among them."""

    number: int
    sku: str
    error: str = ""


@attrs.frozen
class Terms:
    """What the operator allows of an offer."""

    channels: tuple[str, ...]
    warehouses: tuple[str, ...]
    decimals: int
    currency: str
    channel_pricing: bool
    volume_pricing: bool
    scheduled_pricing: bool


class Offers:
    """The offers of one shop by SKU."""

    def __init__(self, clock: Clock, terms: Terms, first_id: int = 710_001) -> None:
        self.known: dict[str, Offer] = {}
        self.bent: dict[str, JsonObject] = {}  # SKU to fields that somebody broke
        self.bad_skus: dict[str, str] = {}  # SKU to the reason for which its lines fail
        self.terms = terms
        self._clock = clock
        self._next_id = first_id

    def add(self, sku: str, product: Product, price: Decimal, quantity: int) -> Offer:
        """A new offer, or the one that was deleted brought back to life."""
        now = self._clock.now()
        old = self.known.get(sku)
        offer = Offer(
            offer_id=old.offer_id if old else self._next_id, sku=sku, product=product, prices=(Price(price),),
            quantity=quantity, created=now, updated=now,
        )  # fmt: skip
        self._next_id += old is None
        self.known[sku] = offer
        return offer

    def find(self, sku: str) -> Offer | None:
        """The offer with this SKU unless it was deleted."""
        offer = self.known.get(sku)
        return None if offer is None or offer.deleted else offer

    def alive(self) -> list[Offer]:
        """Every offer that was not deleted."""
        return [each for each in self.known.values() if not each.deleted]

    def touch(self, offer: Offer) -> None:
        """Note that the offer changed now."""
        offer.updated = self._clock.now()

    def view(self, offer: Offer, channel: str | None = None) -> JsonObject:
        """The offer as OF21 shows it."""
        shown = offer_view(offer, self._clock.now(), list(self.terms.channels), self.terms.currency, channel)
        return dict(shown) | self.bent.get(offer.sku, {})

    def search(self, query: Query) -> list[Offer]:
        """OF21's filters and sorts."""
        now = self._clock.now()
        sku, product, states = query.text("sku"), query.text("product_id"), query.items("offer_state_codes")
        query.choice("pricing_channel_code", self.terms.channels)
        found = [
            each
            for each in self.alive()
            if sku in (None, each.sku)
            and product in (None, each.product.sku)
            and (not states or each.state_code in states)
            and query.flag("favorite") is not True
        ]
        return query.ordered(
            found,
            {
                "totalPrice": lambda each: (each.default_price.current(now) + SHIPPING_PRICE, each.offer_id),
                "price": lambda each: (each.default_price.current(now), each.offer_id),
                "productTitle": lambda each: (each.product.title, each.offer_id),
            },
        )

    def get(self, offer_id: str) -> Offer:
        """OF22's offer. Raises `Refusal` 404."""
        found = next((each for each in self.alive() if str(each.offer_id) == offer_id), None)
        if found is None:
            raise not_found("Offer", offer_id)
        return found

    # Imports

    def import_stock(self, rows: Sequence[Mapping[str, str]]) -> list[LineResult]:
        """STO01: a quantity for the offer, or one for each of its warehouses; each line stands for itself."""
        return [self._stock_line(number, row) for number, row in enumerate(rows, 1)]

    def _stock_line(self, number: int, row: Mapping[str, str]) -> LineResult:
        sku, text, place = row["offer-sku"], row.get("quantity", ""), row.get("warehouse-code", "")
        offer, mode = self.find(sku), row.get("update-delete", "")
        error = self._sku_error(sku, offer)
        if not error and mode not in ("", "update", "delete"):
            error = f"'{mode}' is not a valid value for update-delete"
        if not error and mode != "delete" and not (text.isascii() and text.isdigit()):
            error = f"'{text}' is not a valid quantity"
        if not error and place and place not in self.terms.warehouses:
            error = f"Warehouse with code {place} does not exist"
        if error or offer is None:
            return LineResult(number, sku, error)
        count = 0 if mode == "delete" else int(text)
        if place:
            offer.warehouses[place] = count
            if mode == "delete":
                del offer.warehouses[place]
            offer.quantity = sum(offer.warehouses.values())
        else:
            offer.warehouses.clear()
            offer.quantity = count
        self.touch(offer)
        return LineResult(number, sku)

    def import_prices(self, rows: Sequence[Mapping[str, str]]) -> list[LineResult]:
        """PRI01: the lines of an offer that stand together replace all its prices, or none if one of them is bad.

        Lines of an offer that stand apart are two sets, of which the later one replaces the earlier.
        """
        results: list[LineResult] = []
        numbered = list(enumerate(rows, 1))
        for sku, group in groupby(numbered, key=lambda each: each[1]["offer-sku"]):
            results.extend(self._price_set(sku, list(group)))
        return results

    def _price_set(self, sku: str, lines: Sequence[tuple[int, Mapping[str, str]]]) -> list[LineResult]:
        offer = self.find(sku)
        prices: list[Price] = []
        errors: dict[int, str] = {}
        for number, row in lines:
            try:
                if error := self._sku_error(sku, offer):
                    raise ValueError(error)
                prices.append(self._price(row))
            except (ValueError, Refusal) as problem:
                errors[number] = str(problem)
        if not errors and not any(not each.channels for each in prices):
            errors[lines[0][0]] = f"Offer with SKU {sku} has no price without a channel"
        if not errors and len(prices) > MOST_PRICES:
            errors[lines[MOST_PRICES][0]] = f"Offer with SKU {sku} has more than {MOST_PRICES} prices"
        if offer is not None and not errors:
            offer.prices = tuple(prices)
            self.touch(offer)
        other = "Another price of the same offer is in error"
        return [LineResult(number, sku, errors.get(number, other if errors else "")) for number, _ in lines]

    def _price(self, row: Mapping[str, str]) -> Price:
        """The price of one line. Raises `ValueError` or `Refusal` with the reason."""
        channels = tuple(each for each in row.get("channels", "").split("|") if each)
        if channels and not self.terms.channel_pricing:
            raise ValueError("Channel pricing is not enabled")
        for each in channels:
            if each not in self.terms.channels:
                raise ValueError(f"Channel with code {each} does not exist")
        if (row.get("price-ranges") or row.get("discount-ranges")) and not self.terms.volume_pricing:
            raise ValueError("Volume pricing is not enabled")
        if (row.get("start-date") or row.get("end-date")) and not self.terms.scheduled_pricing:
            raise ValueError("Scheduled pricing is not enabled")
        origin = self._amount(row.get("price", ""), "price")
        discount = self._amount(row["discount-price"], "discount-price") if row.get("discount-price") else None
        if discount is not None and discount >= origin:
            raise ValueError("The discount-price must be lower than the price")
        dates = {name: parsed_date(row[name], name) for name in _DATES if row.get(name)}
        return Price(
            origin, discount, dates.get("discount-start-date"), dates.get("discount-end-date"), channels,
            self._ranges(row.get("price-ranges", "")), self._ranges(row.get("discount-ranges", "")),
            dates.get("start-date"), dates.get("end-date"),
        )  # fmt: skip

    def _ranges(self, text: str) -> tuple[tuple[int, Decimal], ...]:
        """``1|39.90,10|37.50``: from how many pieces, and what each then costs."""
        found = []
        for step in filter(None, text.split(",")):
            threshold, bar, amount = step.partition("|")
            if not bar or not threshold.isascii() or not threshold.isdigit() or int(threshold) < 1:
                raise ValueError(f"'{step}' is not a valid range")
            found.append((int(threshold), self._amount(amount, "price-ranges")))
        return tuple(found)

    def _amount(self, text: str, column: str) -> Decimal:
        value = decimal_or_none(text)
        if value is None or value <= 0:
            raise ValueError(f"'{text}' is not a valid {column}")
        if -int(value.normalize().as_tuple().exponent) > self.terms.decimals:
            raise ValueError(f"'{text}' has more than {self.terms.decimals} decimals")
        return value

    def import_offers(self, items: Sequence[JsonObject], products: Iterable[Product]) -> list[LineResult]:
        """OF24: every field that is not sent goes back to its default, the quantity to 0."""
        by_id = {each.ean: each for each in products} | {each.sku: each for each in products}
        results = []
        for number, item in enumerate(items, 1):
            sku = str(item.get("shop_sku", ""))
            try:
                self._full(sku, item, by_id)
                results.append(LineResult(number, sku))
            except (ValueError, Refusal) as problem:
                results.append(LineResult(number, sku, str(problem)))
        return results

    def _full(self, sku: str, item: JsonObject, products: Mapping[str, Product]) -> None:
        if sku in self.bad_skus:
            raise ValueError(self.bad_skus[sku])
        offer, mode = self.find(sku), str(item.get("update_delete") or "")
        if mode not in ("", "update", "delete"):
            raise ValueError(f"'{mode}' is not a valid value for update_delete")
        if mode == "delete":
            if offer is None:
                raise ValueError(f"The offer with SKU '{sku}' does not exist")
            offer.deleted = True
            self.touch(offer)
            return
        product = products.get(str(item.get("product_id")))
        if product is None:
            raise ValueError("The product does not exist")
        prices = self._json_prices(item)
        quantity = item.get("quantity") or 0
        if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity < 0:
            raise ValueError(f"'{quantity}' is not a valid quantity")
        if offer is None:
            offer = self.add(sku, product, prices[0].origin, quantity)
        offer.product, offer.prices, offer.quantity = product, prices, quantity
        offer.state_code = str(item.get("state_code") or "11")
        offer.warehouses.clear()
        offer.fields = {name: _field(name, item.get(name), default) for name, default in DEFAULTS.items()}
        self.touch(offer)

    def _json_prices(self, item: JsonObject) -> tuple[Price, ...]:
        """The prices that a body of OF24 names; only ``price`` and ``discount`` when there is no ``all_prices``."""
        rows = item.get("all_prices") or []
        discount = item.get("discount") or {}
        found = [] if any(not each.get("channel_code") for each in rows) else [self._price(_cells(item, discount, ""))]
        found += [
            self._price(_cells({"price": each.get("unit_origin_price")}, _discount(each), each.get("channel_code")))
            for each in rows
        ]
        return tuple(sorted(found, key=lambda each: bool(each.channels)))

    def _sku_error(self, sku: str, offer: Offer | None) -> str:
        if offer is None:
            return f"Offer with SKU {sku} was not found"
        return self.bad_skus.get(sku, "")


_DATES = ("discount-start-date", "discount-end-date", "start-date", "end-date")


def _discount(row: JsonObject) -> JsonObject:
    return {
        "price": row.get("unit_discount_price"),
        "start_date": row.get("discount_start_date"),
        "end_date": row.get("discount_end_date"),
    }


def _cells(item: JsonObject, discount: JsonObject, channel: str | None) -> dict[str, str]:
    """A price of a JSON body in the columns of a price file."""
    values = {
        "price": item.get("price"),
        "discount-price": discount.get("price"),
        "discount-start-date": discount.get("start_date"),
        "discount-end-date": discount.get("end_date"),
        "channels": channel,
    }
    return {name: "" if value is None else str(value) for name, value in values.items()}


def _field(name: str, value: Any, default: Any) -> Any:
    if value is None:
        return default
    if name in ("available_started", "available_ended"):
        return parsed_date(str(value), name)
    return tuple(value) if isinstance(value, list) else value
