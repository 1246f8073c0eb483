"""What the supplier checks before an order is taken (vendor page section 5): the whole order, every fault at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from crossdock_xdconnects.sandbox.catalogue import Catalogue, Item, PrintPlace
from crossdock_xdconnects.sandbox.messages import Findings, JsonObject

ORDER_TYPES = ("blank", "print", "sample")
LINES_MAX = 50
SAMPLE_MAX = 5
_ADDRESS = ("street", "postalCode", "city", "countryCode")


def faults(catalogue: Catalogue, order: JsonObject, today: date) -> list[JsonObject]:
    """Every reason to refuse `order`, as messages; empty when it can be taken."""
    check = _Check(catalogue, str(order.get("orderType") or ""), wanted_day(order.get("requestedDeliveryDate")), today)
    check.header(order)
    lines = order.get("lines")
    if not isinstance(lines, list) or not lines or not all(isinstance(each, dict) for each in lines):
        check.findings.add("LINES_MISSING", "An order has at least one line", "lines")
    else:
        check.lines(lines, _country(order))
    return check.findings.found


def wanted_day(value: Any) -> date | None:
    """The requested date, None when there is none. A text that is no date counts as none; `faults` names it."""
    try:
        return date.fromisoformat(value) if value else None
    except (TypeError, ValueError):
        return None


def place_of(item: Item, wanted: Mapping[str, Any]) -> PrintPlace | None:
    """The position and print code of `item` that a print asks for, by name or code of the position, or both."""
    for place in item.places:
        named = [(wanted.get("printPosition"), place.position), (wanted.get("printPositionCode"), place.position_code)]
        given = [(asked, known) for asked, known in named if asked]
        same = all(str(asked).casefold() == known.casefold() for asked, known in given)
        if given and same and str(wanted.get("printCode")).casefold() == place.code.casefold():
            return place
    return None


def area_of(wanted: Mapping[str, Any]) -> Decimal | None:
    """Width times height in cm²; None when one is missing."""
    sides: list[Any] = [wanted.get("widthMM"), wanted.get("heightMM")]
    return Decimal(sides[0]) * Decimal(sides[1]) / 100 if all(map(_size, sides)) else None


class _Check:
    def __init__(self, catalogue: Catalogue, kind: str, wanted: date | None, today: date) -> None:
        self.findings = Findings()
        self._catalogue = catalogue
        self._kind = kind
        self._until = wanted if wanted and wanted > today else None  # a past date means as soon as possible

    def header(self, order: JsonObject) -> None:
        add = self.findings.add
        if self._kind not in ORDER_TYPES:
            add("ORDER_TYPE_UNKNOWN", f"orderType is one of {', '.join(ORDER_TYPES)}", "orderType")
        if order.get("currency") != self._catalogue.currency:
            text = f"The currency of this account is {self._catalogue.currency}, not {order.get('currency')}"
            add("CURRENCY_MISMATCH", text, "currency")
        day = order.get("requestedDeliveryDate")
        if day and wanted_day(day) is None:
            add("DATE_INVALID", "requestedDeliveryDate is written YYYY-MM-DD", "requestedDeliveryDate")
        address = order.get("shippingAddress")
        with self.findings.at("shippingAddress"):
            self._address(address if isinstance(address, dict) else {})

    def lines(self, lines: Sequence[JsonObject], country: str) -> None:
        """Each line by itself, then what the lines must have in common."""
        if len(lines) > LINES_MAX:
            self.findings.add("TOO_MANY_LINES", f"An order has {LINES_MAX} lines at the most", "lines")
        wanted: Counter[str] = Counter()
        numbers = Counter(str(line.get("lineNumber")) for line in lines)
        for index, line in enumerate(lines):
            with self.findings.at(f"lines[{index}]"):
                if not isinstance(line.get("lineNumber"), int) or numbers[str(line.get("lineNumber"))] > 1:
                    self.findings.add("LINE_NUMBER_INVALID", "Each line has a lineNumber of its own", "lineNumber")
                self._line(line, country, wanted)

    def _address(self, address: JsonObject) -> None:
        missing = [name for name in _ADDRESS if not str(address.get(name) or "").strip()]
        if not address.get("companyName") and not address.get("contactName"):
            missing.append("companyName")
        for name in missing:
            self.findings.add("ADDRESS_INCOMPLETE", f"{name} is missing", name)
        country = str(address.get("countryCode") or "")
        if country and not re.fullmatch(r"[A-Z]{2}", country):
            self.findings.add("COUNTRY_INVALID", "countryCode has two capital letters", "countryCode")

    def _line(self, line: JsonObject, country: str, wanted: Counter[str]) -> None:
        add = self.findings.add
        code, quantity = str(line.get("itemCode") or ""), line.get("quantity")
        item = self._catalogue.find(code)
        if item is None:
            add("UNKNOWN_ITEM", f"Unknown item {code}", "itemCode")
            return
        if item.code in self._catalogue.blocked:
            add("ITEM_BLOCKED", self._catalogue.blocked[item.code], "itemCode")
        if country in item.restricted:
            add("COUNTRY_RESTRICTED", f"{item.code} is not sold in {country}", "itemCode")
        if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity < 1:
            add("QUANTITY_INVALID", "quantity is a whole number of at least 1", "quantity")
            return
        self._quantity(item, quantity)
        wanted[item.code] += quantity
        if wanted[item.code] > item.available(self._until):
            add("INSUFFICIENT_STOCK", f"Insufficient stock for {item.code}", "itemCode")
        self._prints(item, quantity, line.get("prints"))

    def _quantity(self, item: Item, quantity: int) -> None:
        if self._kind == "sample":
            if quantity > SAMPLE_MAX:
                self.findings.add("SAMPLE_TOO_LARGE", f"A sample has {SAMPLE_MAX} pieces at the most", "quantity")
        elif quantity < item.moq:
            self.findings.add("BELOW_MOQ", f"{item.code} is sold from {item.moq} pieces on", "quantity")

    def _prints(self, item: Item, quantity: int, prints: Any) -> None:
        prints = prints or []
        if not isinstance(prints, list) or not all(isinstance(each, dict) for each in prints):
            self.findings.add("PRINTS_INVALID", "prints is a list of objects", "prints")
            return
        if (self._kind == "print" and not prints) or (self._kind == "blank" and prints):
            self.findings.add("BLANK_PRINT_MIXED", "Printed and blank lines go in separate orders", "prints")
        positions = Counter(str(each.get("printPositionCode") or each.get("printPosition")) for each in prints)
        for index, each in enumerate(prints):
            with self.findings.at(f"prints[{index}]"):
                if positions[str(each.get("printPositionCode") or each.get("printPosition"))] > 1:
                    self.findings.add("PRINT_POSITION_TWICE", "A position is printed once", "printPosition")
                self._print(item, quantity, each)

    def _print(self, item: Item, quantity: int, wanted: JsonObject) -> None:
        add = self.findings.add
        code = str(wanted.get("printCode") or "")
        if code.casefold() not in {each.casefold() for each in item.print_codes}:
            add("PRINT_CODE_NOT_ALLOWED", f"{item.code} can not be printed with {code or 'no print code'}", "printCode")
            return
        place = place_of(item, wanted)
        if place is None:
            add("PRINT_POSITION_UNKNOWN", f"{item.code} has no such position for {code}", "printPosition")
            return
        self._size(place, wanted)
        self._colors(place, wanted)
        colors = wanted.get("nrOfColors")
        price = self._catalogue.print_price(place.code, colors=colors, area=area_of(wanted))
        if price and self._kind == "print" and quantity < price.moq:
            add("BELOW_PRINT_MOQ", f"{place.code} is printed from {price.moq} pieces on", "printCode")
        if not str(wanted.get("artworkUrl") or "").startswith(("https://", "http://")) and not wanted.get(
            "repeatOfOrder"
        ):
            add("ARTWORK_MISSING", "artworkUrl is the address of the artwork", "artworkUrl")

    def _size(self, place: PrintPlace, wanted: JsonObject) -> None:
        for name, limit in (("widthMM", place.width), ("heightMM", place.height)):
            value: Any = wanted.get(name)
            if not _size(value):
                self.findings.add("PRINT_SIZE_INVALID", f"{name} is a number of millimetres", name)
            elif value > limit:
                self.findings.add("PRINT_SIZE_EXCEEDED", f"{name} is {limit} at the most", name)

    def _colors(self, place: PrintPlace, wanted: JsonObject) -> None:
        add = self.findings.add
        if wanted.get("fullColor"):
            if not place.full_color:
                add("FULL_COLOR_NOT_ALLOWED", f"{place.code} does not print in full colour", "fullColor")
            return
        if place.max_colors is None:
            return
        colors, pms = wanted.get("nrOfColors"), wanted.get("pmsColors") or []
        if not isinstance(pms, list):
            add("PMS_INVALID", "pmsColors is a list of names", "pmsColors")
            return
        mixed = any(each.colors for each in self._catalogue.print_prices if each.code == place.code)
        if not isinstance(colors, int) or isinstance(colors, bool) or colors < 1:
            add("COLORS_INVALID", "nrOfColors is a whole number of at least 1", "nrOfColors")
        elif colors > place.max_colors:
            add("TOO_MANY_COLORS", f"nrOfColors is {place.max_colors} at the most", "nrOfColors")
        elif (pms or mixed) and len(pms) != colors:  # where ink is mixed the colours have to be named
            add("PMS_COUNT", f"pmsColors names {len(pms)} colours, nrOfColors says {colors}", "pmsColors")


def _size(value: Any) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool) and value > 0


def _country(order: JsonObject) -> str:
    address = order.get("shippingAddress")
    return str(address.get("countryCode") or "") if isinstance(address, dict) else ""
