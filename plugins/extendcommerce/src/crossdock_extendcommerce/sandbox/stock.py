"""Balances per product and warehouse, and what the vendor derives from them (vendor page section 7.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal

import attrs

from crossdock_extendcommerce.sandbox.clock import Clock, wire_date
from crossdock_extendcommerce.sandbox.fields import JsonObject
from crossdock_extendcommerce.sandbox.refusal import Refusal

Place = tuple[str, str]  # product number, warehouse
Emit = Callable[[str, list[JsonObject]], None]


@attrs.define
class Balance:
    """What one warehouse holds of one product: `physical` on the shelf, `ordered` promised to open orders."""

    product: str
    warehouse: str
    changed: datetime
    physical: Decimal = Decimal(0)
    ordered: Decimal = Decimal(0)
    blocked: Decimal = Decimal(0)

    @property
    def available(self) -> int:
        """``availableBalanceNow``: may be negative when more is ordered than there is."""
        return math.floor(self.physical - self.ordered - self.blocked)


@attrs.define
class Expected:
    """Goods on their way in: `quantity` at `date`, from a purchase or a return."""

    quantity: Decimal
    date: datetime
    source: str  # "purchase" or "return"


class Stock:
    """All balances. Changes are gathered until `settle`, which stamps them and raises the balance hooks."""

    def __init__(
        self, clock: Clock, warehouses: Mapping[str, str], emit: Emit, *, held_from_b: int = 0, held_from_c: int = 5
    ) -> None:
        self.warehouses = dict(warehouses)
        self.expected: dict[Place, list[Expected]] = {}
        self._clock = clock
        self._emit = emit
        self._balances: dict[Place, Balance] = {}
        self._before: dict[Place, tuple[Decimal, int]] = {}
        self._held = (held_from_b, held_from_c)

    @property
    def default_warehouse(self) -> str:
        """The warehouse of a row that names none."""
        return next(iter(self.warehouses))

    def check_warehouse(self, warehouse: str | None) -> str:
        """`warehouse` if it exists. Raises `Refusal`."""
        if warehouse not in self.warehouses:
            raise Refusal(f"Warehouse {warehouse} does not exist.")
        return str(warehouse)

    def balance(self, product: str, warehouse: str) -> Balance:
        """The balance of `product` at `warehouse`, made at zero when there was none."""
        place = (product, warehouse)
        if place not in self._balances:
            self._balances[place] = Balance(product, warehouse, self._clock.now())
        return self._balances[place]

    def drop(self, product: str) -> None:
        """Take a product off all shelves, as if it had never been there."""
        for warehouse in self.warehouses:
            self._balances.pop((product, warehouse), None)

    def places(self, product: str) -> list[Balance]:
        """The balances of `product`, in the order of the warehouses."""
        found = (self._balances.get((product, warehouse)) for warehouse in self.warehouses)
        return [each for each in found if each is not None]

    def change(
        self, product: str, warehouse: str, *, physical: Decimal = Decimal(0), ordered: Decimal = Decimal(0)
    ) -> None:
        """Move the balance by these differences; seen by hooks and change dates at `settle`."""
        balance = self.balance(product, warehouse)
        self._before.setdefault((product, warehouse), (balance.physical, balance.available))
        balance.physical += physical
        balance.ordered += ordered

    def settle(self, *, quietly: bool = False) -> None:
        """Stamp what changed and raise BalanceChanged and AvailableBalanceChanged, one body per kind."""
        physical: list[JsonObject] = []
        available: list[JsonObject] = []
        for (product, warehouse), (was_physical, was_available) in self._before.items():
            balance = self._balances[product, warehouse]
            where = {"ProductNumber": product, "Warehouse": warehouse}
            if balance.physical != was_physical:
                physical.append(where | {"Balance": math.floor(balance.physical)})
            if balance.available != was_available:
                available.append(where | {"AvailableBalance": balance.available})
            if (balance.physical, balance.available) != (was_physical, was_available):
                balance.changed = self._clock.now()
        self._before.clear()
        if not quietly:
            self._emit("BalanceChanged", physical)
            self._emit("AvailableBalanceChanged", available)

    def allocation(self, product: str, warehouse: str) -> str:
        """How an order row that is already counted stands: Physical, Purchase or NotAllocated."""
        if self.balance(product, warehouse).available >= 0:
            return "Physical"
        return "Purchase" if self.expected.get((product, warehouse)) else "NotAllocated"

    def rows(
        self, product: str | None = None, warehouse: str | None = None, since: datetime | None = None
    ) -> list[Balance]:
        """The balances asked for, warehouse by warehouse."""
        chosen: Iterable[Balance] = self._balances.values() if product is None else self.places(product)
        if warehouse is not None:
            chosen = (each for each in chosen if each.warehouse == warehouse)
        if since is not None:
            chosen = (each for each in chosen if each.changed >= since)
        order = {name: index for index, name in enumerate(self.warehouses)}
        return sorted(chosen, key=lambda each: order[each.warehouse])

    def level(self, balance: Balance) -> JsonObject:
        """The StockLevel of a balance."""
        return {
            "warehouse": balance.warehouse,
            "productNumber": balance.product,
            "balance": math.floor(balance.physical),
            "notes": None,
        }

    def availability(self, balance: Balance) -> JsonObject:
        """The ProductAvailability row of a balance.

        Group B sees what group A sees and group C sees it less what is kept back: read off the vendor page's sample.
        """
        coming = sorted(
            self.expected.get((balance.product, balance.warehouse), []), key=lambda each: (each.date, each.source)
        )
        purchases = [each for each in coming if each.source == "purchase"]
        first = purchases[0] if purchases else None
        now = balance.available
        held_b, held_c = self._held
        return {
            "warehouse": balance.warehouse,
            "productNumber": balance.product,
            "physicalBalance": math.floor(balance.physical),
            "availableBalanceNow": now,
            "nextReceivingDate": wire_date(first.date) if first else None,
            "avaiableOnNextReceiving": now + int(first.quantity) if first else None,
            "changeDate": wire_date(balance.changed, balance.product + balance.warehouse),
            "availableBalanceNowB": now - held_b,
            "availableBalanceNowC": max(0, now - held_c),
            "availableOnNextReceivingB": None,
            "availableOnNextReceivingC": None,
            "warehouseName": self.warehouses[balance.warehouse],
            "quantityOnNextReceiving": int(first.quantity) if first else None,
            "orderedQuantity": math.ceil(balance.ordered),
            "blockedBalance": int(balance.blocked),
            "orderedQuantityMatchingReceiving": 0,
            "totalExpectedReceivingFromPurchase": int(sum(each.quantity for each in purchases)),
            "totalExpectedReceivingFromWarehouseTransfer": 0,
            "totalExpectedReceivingFromReturn": int(sum(each.quantity for each in coming if each.source == "return")),
        }
