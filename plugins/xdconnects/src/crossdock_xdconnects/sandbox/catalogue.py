"""What the supplier sells: items, where and how they are printed, what that costs, what is in stock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal

import attrs

CENT = Decimal("0.01")
PRINT_TIERS = (1, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
LONG_AGO = datetime(2025, 9, 1, 9, 0, tzinfo=UTC)


def cents(amount: Decimal) -> Decimal:
    """`amount` in whole cents, halves to the even one."""
    return amount.quantize(CENT, ROUND_HALF_EVEN)


@attrs.define
class Arrival:
    """Goods on their way: `quantity` pieces on `day`."""

    day: date
    quantity: int


@attrs.frozen
class PrintPlace:
    """One position of an item and one print code possible there; `max_colors` None where colours do not count."""

    code: str
    position: str
    position_code: str
    width: int
    height: int
    max_colors: int | None = None
    full_color: bool = False
    default: bool = False
    variable: bool = False


@attrs.define
class PrintPrice:
    """One row of the print prices: for a number of colours, or an area in cm², or neither; money without VAT."""

    code: str
    technique: str
    setup: Decimal
    net: tuple[Decimal, ...]
    gross: tuple[Decimal, ...]
    sample: Decimal
    small_order: Decimal = Decimal(0)
    moq: int = 1
    colors: int | None = None
    full_color: bool = False
    area: tuple[int, int] | None = None
    modified: datetime = LONG_AGO

    def unit(self, quantity: int) -> Decimal:
        """The net price of one print at `quantity` pieces."""
        return self.net[max(index for index, start in enumerate(PRINT_TIERS) if start <= max(quantity, 1))]


@attrs.define
class Item:
    """One colour or size of a model; `net` and `gross` have a price for each of `tiers`."""

    code: str
    model: str
    name: str
    tiers: tuple[int, ...]
    net: list[Decimal]
    gross: list[Decimal]
    stock: int
    ean: str
    color: str
    arrivals: list[Arrival] = attrs.field(factory=list)
    places: tuple[PrintPlace, ...] = ()
    moq: int = 1
    life_cycle: str = "current"
    non_standard: bool = False
    restricted: tuple[str, ...] = ()
    description: str = ""
    brand: str = "XD Collection"
    category: tuple[str, str] = ("Drinkware", "Bottles")
    material: str = "Stainless steel"
    pms: str = ""
    hex: str = ""
    size_cm: tuple[str, str, str] = ("7", "7", "25")
    weight_gr: tuple[int, int] = (310, 380)
    commodity: str = "96170000"
    carton: int = 24
    dangerous: bool = False
    textile_size: str = ""
    modified: datetime = LONG_AGO
    price_modified: datetime = LONG_AGO

    @property
    def print_codes(self) -> list[str]:
        """Every print code possible somewhere on the item, in order."""
        return list(dict.fromkeys(place.code for place in self.places))

    def unit(self, quantity: int) -> Decimal:
        """The net price of one piece at `quantity` pieces; below the first tier that of the first tier."""
        reached = [index for index, start in enumerate(self.tiers) if start <= quantity]
        return self.net[max(reached, default=0)]

    def available(self, until: date | None) -> int:
        """Pieces there are, with what arrives up to and including `until` (None: everything on its way)."""
        return self.stock + sum(each.quantity for each in self.arrivals if until is None or each.day <= until)

    def ready(self, quantity: int) -> date | None:
        """The day on which `quantity` pieces have arrived; None when they are there now. Raises `ValueError`."""
        there = self.stock
        if quantity <= there:
            return None
        for arrival in self.arrivals:
            there += arrival.quantity
            if quantity <= there:
                return arrival.day
        raise ValueError(f"There will be only {there} pieces of {self.code}.")

    def take(self, quantity: int) -> None:
        """Take `quantity` pieces out of the stock, then out of what arrives."""
        from_stock = min(quantity, self.stock)
        self.stock -= from_stock
        left = quantity - from_stock
        for arrival in self.arrivals:
            from_arrival = min(left, arrival.quantity)
            arrival.quantity -= from_arrival
            left -= from_arrival
        self.arrivals = [each for each in self.arrivals if each.quantity]


class Catalogue:
    """The items by code, whose case does not matter, and the print prices; all money in `currency`."""

    def __init__(self, items: Iterable[Item], print_prices: Sequence[PrintPrice], currency: str, rate: Decimal) -> None:
        self.items = {each.code.casefold(): each for each in items}
        self.blocked: dict[str, str] = {}  # item code to why it is not sold just now, which no feed tells
        self.print_prices = print_prices
        self.currency = currency
        self.rate = rate  # of one euro

    def find(self, code: str) -> Item | None:
        """The item, or None."""
        return self.items.get(code.casefold())

    def get(self, code: str) -> Item:
        """The item. Raises `ValueError`."""
        item = self.find(code)
        if item is None:
            raise ValueError(f"There is no item {code}.")
        return item

    def print_price(self, code: str, *, colors: int | None, area: Decimal | None) -> PrintPrice | None:
        """The row for `colors` or for `area` in cm², whichever the print code is priced by; None without one.

        A limit that belongs to two ranges counts in the higher one (vendor page section 2.2).
        """
        rows = [each for each in self.print_prices if each.code.casefold() == code.casefold()]
        ranges = sorted((each for each in rows if each.area), key=lambda each: each.area or (0, 0))
        if ranges:
            return _holding(ranges, area)
        if any(each.colors for each in rows):
            return next((each for each in rows if each.colors == colors), None)
        return rows[0] if rows else None


def _holding(ranges: Sequence[PrintPrice], area: Decimal | None) -> PrintPrice | None:
    if area is None:
        return None
    for row in reversed(ranges):
        low, high = row.area or (0, 0)
        if low <= area <= high:
            return row
    return None
