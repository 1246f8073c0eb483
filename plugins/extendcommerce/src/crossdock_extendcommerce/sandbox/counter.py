"""The counter of Extend Commerce in a rehearsal: what other systems bring here, and what became of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from crossdock import Address, Charge, Customer, Order, OrderLine, Party, Payment, Tax, evolve
from crossdock.sandbox import Rehearsal
from crossdock_extendcommerce.sandbox.fields import JsonObject
from crossdock_extendcommerce.sandbox.order import Order as Booked
from crossdock_extendcommerce.sandbox.order import is_active, is_goods, price, quantity

if TYPE_CHECKING:
    from crossdock_extendcommerce.sandbox.twin import ExtendSandbox

__all__ = ["Counter", "order_values"]

R = TypeVar("R")

_GOODS = tuple(f"GOOD-{number}" for number in range(1, 25))
_LOCKED = "GOOD-LOCKED"
_VAT = Decimal(25)
_HOME = Address(name="Eva Lindqvist", street="Hamngatan 12", postcode="55321", city="Jönköping", country="SE")


class Counter(Rehearsal):
    """Orders and customers from elsewhere."""

    def __init__(self, twin: ExtendSandbox) -> None:
        self.twin = twin
        self._numbers = itertools.count(1)

    def next(self) -> int:
        """A number that nothing else has."""
        return next(self._numbers)

    def _good(self, number: int) -> str:
        """One of the articles, which have been there for long."""
        if _LOCKED not in self.twin.catalogue.products:
            goods: list[JsonObject] = [{"productNumber": each, "gtin": "7300000000017"} for each in (*_GOODS, _LOCKED)]
            goods[-1]["productHandlings"] = ["NonOrderable"]
            self.twin.seed_products(goods)
        return _GOODS[number % len(_GOODS)]

    def body(self, number: int) -> JsonObject:
        """An order as another client posts it; no two cost the same, and the VAT of each is whole."""
        sales = {"quantity": number % 3 + 1, "unit": "ST", "unitPrice": _amount(number), "vatPercent": float(_VAT)}
        return {
            "orderHeader": {
                "orderType": "Normal", "orderNumberExternal": f"OTHER-{number}", "partialDelivery": True,
                "customerNumber": next(iter(self.twin.customers.known)), "freightFree": True,
                "paymentType": "Billing",
            },
            "orderRows": [{"product": {"productNumber": self._good(number)}, "salesData": sales}],
        }  # fmt: skip

    # -- what is written

    def make(self, stream: str, count: int) -> Sequence[Any]:
        """Orders of a shop, and its customers."""
        with self.twin.lock:
            return [self._customer() if stream == "customers" else self._order() for _ in range(count)]

    def _customer(self) -> Customer:
        number = self.next()
        return Customer(
            key=f"k{number}x", name=f"Kund {number}", email=f"k{number}x@shop.example", phone="+46700000001",
            billing=_HOME, shipping_address=_HOME,
        )  # fmt: skip

    def _order(self) -> Order:
        number = self.next()
        sku, freight = self._good(number), Decimal("39.20")
        charge = Charge(key="s", kind="shipping", name="Frakt", total=freight, tax=freight / 4, taxes=_taxes(freight))
        empty = Order(
            key=f"E{number}x", number=f"WC-{number}", status="processing", currency="SEK", charges=(charge,),
            customer=Party(name="Eva Lindqvist", email="eva@lindqvist.example", phone="+46700000001"),
            billing=_HOME, shipping_address=_HOME, placed_at=self.twin.clock.now().replace(microsecond=0),
            payment=Payment(method="KlarnaPrepaid", reference=f"kl-{number}", paid=True),
        )  # fmt: skip
        return _filled(empty, sku, Decimal(number % 3 + 1), Decimal(_amount(number)))

    def change(self, record: R) -> R:
        """One piece more, to another house; a customer has another telephone."""
        if isinstance(record, Order):
            line = record.lines[0]
            more = _filled(record, line.sku, line.quantity + 1, line.unit_price)
            house = evolve(_HOME, street=f"Storgatan {self.next()}")
            return evolve(
                record, lines=more.lines, total=more.total, total_tax=more.total_tax, shipping_address=house
            )  # fmt: skip
        if isinstance(record, Customer):
            return evolve(record, phone="+46700000002", name=f"{record.name} d.y.")
        return super().change(record)

    def refused(self, stream: str) -> tuple[Any, str]:
        """An order of an article that may not be ordered."""
        order = self.make("orders", 1)[0]
        return evolve(order, lines=(evolve(order.lines[0], sku=_LOCKED),)), "can not be ordered"

    def created(self, stream: str, key: str) -> Sequence[str]:
        """By the order's external number; customers have no such field, but the address of their mails."""
        with self.twin.lock:
            if stream == "orders":
                return [str(each.number) for each in self.twin.book.by_external(key)]
            mail = f"{key.rpartition('-')[2]}@shop.example"
            known = self.twin.customers.known.items()
            return [number for number, each in known if each.model["orderConfirmationEmail"] == mail]

    def written(self, stream: str, key: str) -> Mapping[str, Any]:
        """What the twin has."""
        with self.twin.lock:
            if stream == "customers":
                model = self.twin.customers.known[key].model
                named = {"name": model["name"], "phone": model["phone"], "email": model["invoiceEmail"]}
                return named | {"shipping_address.city": model["customerDeliveryAddress"]["address"]["city"]}
            order = self.twin.book.get(key)
            to = order.header["deliveryAddress"]
            freight = next(price(row) for row in order.rows if row["supplyMode"] == "Freight")
            return {
                **{name: value for name, value in order_values(order).items() if name in _SAME},
                "shipping_address.street": to["address1"], "shipping_address.country": to["countryCode"],
                "charges.0.total": freight, "payment.method": order.header["paymentType"],
            }  # fmt: skip

    def double(self, key: str) -> None:
        """Somebody copies the order, which Extend does not refuse (vendor page section 12)."""
        with self.twin.lock:
            self.twin.book.copy(self.created("orders", key)[0])

    def cancelled(self, external_id: str) -> bool:
        """By its status."""
        return self.twin.book.get(external_id).status == "Annulled"

    def finish(self, external_id: str) -> None:
        """The warehouse ships it."""
        self.twin.pick(external_id)


_SAME = frozenset(("total", "currency", "lines.0.sku", "lines.0.quantity", "lines.0.total"))


def order_values(order: Booked) -> dict[str, Any]:
    """What an order comes to, row by row: net, and 25 % of it."""
    rows = [row for row in order.rows if is_active(row)]
    goods = next(row for row in rows if is_goods(row))
    sums = [quantity(row) * price(row) for row in rows]
    taxes = [net * Decimal(str(row["salesData"]["vatPercent"])) / 100 for row, net in zip(rows, sums, strict=True)]
    return {
        "total": sum(sums, Decimal(0)) + sum(taxes, Decimal(0)), "currency": goods["salesData"]["currency"],
        "raw_status": order.status, "lines.0.sku": goods["product"]["productNumber"],
        "lines.0.quantity": quantity(goods), "lines.0.total": quantity(goods) * price(goods),
    }  # fmt: skip


def _amount(number: int) -> str:
    """A price of which a quarter is a whole cent."""
    return f"{number}.{number % 25 * 4:02d}"


def _taxes(net: Decimal) -> tuple[Tax, ...]:
    return (Tax(rate=_VAT, amount=net / 4),)


def _filled(order: Order, sku: str, pieces: Decimal, each: Decimal) -> Order:
    """The order with one line, and its totals."""
    net, freight = pieces * each, order.charges[0]
    line = OrderLine(
        key="li-1", sku=sku, name="Hjälm", quantity=pieces, unit_price=each, total=net, tax=net / 4, taxes=_taxes(net)
    )
    tax = net / 4 + freight.tax
    return evolve(order, lines=(line,), total=net + freight.total + tax, total_tax=tax)
