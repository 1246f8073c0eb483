"""Stock and prices as offer changes: what Octopia would refuse or misread is refused here, with a sentence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

import attrs

from crossdock import Balance, Outcome, Price, RecordError, Session
from crossdock.mapping import decimal, exponent, fail, round_money
from crossdock_cdiscount import packages
from crossdock_cdiscount.channels import Channel, chosen
from crossdock_cdiscount.packages import Item
from crossdock_cdiscount.settings import Settings

R = TypeVar("R", Price, Balance)

_LONGEST = 50
_HUNDRED = Decimal(100)
_OWN = "own price {}"


def push_balance(session: Session[Settings], balances: Iterable[Balance]) -> Iterator[Outcome]:
    """Set the quantity of each SKU on all chosen channels: stock is shared, and each channel's offer has its own."""
    channels = tuple(chosen(session))
    seen: set[str] = set()

    def item(balance: Balance) -> Item:
        _check_open(channels)
        quantity = quantity_of(balance, session.settings)
        if balance.sku in seen:
            fail(f"An offer has one quantity, and two were handed in for {balance.sku} at once.", path="sku")
        seen.add(balance.sku)
        return Item(balance.key, balance.sku, {"quantity": quantity}, channels)

    yield from _push(session, balances, item)


def push_prices(session: Session[Settings], prices: Iterable[Price]) -> Iterator[Outcome]:
    """Set prices: a price list is a sales channel; without one it is for all channels without a price of their own."""
    handed = list(prices)
    scope = _Scope.of(session, handed)
    yield from _push(session, handed, scope.item)


def _push(session: Session[Settings], records: Iterable[R], to_item: Callable[[R], Item]) -> Iterator[Outcome]:
    """Check all, send what passed."""
    items: list[Item] = []
    for record in records:
        try:
            items.append(to_item(record))
        except RecordError as error:
            yield Outcome(key=record.key, state="rejected", message=error.message, path=error.path, gap=error.gap)
    yield from packages.submit(session, items)


def quantity_of(balance: Balance, settings: Settings) -> int:
    """The whole number to send; raises `RecordError` for what no offer can hold."""
    _check_sku(balance.sku)
    if settings.warehouse and balance.warehouse not in ("", settings.warehouse):
        fail(f"Cdiscount sells from {settings.warehouse}; this is the stock of {balance.warehouse}.", path="warehouse")
    quantity = balance.available
    if quantity != quantity.to_integral_value() or quantity < 0:
        fail(f"Octopia keeps whole numbers from zero on; {quantity} is none.", path="available")
    return int(quantity)


def _check_open(channels: Collection[str]) -> None:
    if not channels:
        fail("The seller has no open sales channel: open a subscription in the Octopia portal, or name the channels in "
             "the setting sales_channels.")  # fmt: skip


def _check_sku(sku: str) -> None:
    if not sku:
        fail("It has no SKU.", path="sku")
    if len(sku) > _LONGEST:
        fail(f"Octopia's references have at most {_LONGEST} characters; {sku} has {len(sku)}.", path="sku")


@attrs.define
class _Scope:
    """For which channels a price is: those of its list, or all that are left."""

    channels: Mapping[str, Channel]
    own: Mapping[str, set[str]]
    taken: set[tuple[str, str]] = attrs.field(factory=set)

    @classmethod
    def of(cls, session: Session[Settings], prices: Sequence[Price]) -> _Scope:
        """Reads the channels, and remembers which SKUs have a price of their own on which of them."""
        channels = chosen(session)
        skus = list({price.sku for price in prices})
        own: dict[str, set[str]] = {}
        for name in channels:
            fresh = {price.sku: "yes" for price in prices if price.price_list == name}
            # A general price that comes in a later batch must not replace the channel's own.
            session.memory.put_many(_OWN.format(name), fresh)
            own[name] = set(session.memory.get_many(_OWN.format(name), skus))
        return cls(channels, own)

    def item(self, price: Price) -> Item:
        """The change of a price; raises `RecordError` for what Octopia has no place for."""
        _check_sku(price.sku)
        if price.from_quantity != 1 or price.customer:
            fail("Octopia has one price per offer: no tiers and no customer prices.", path="from_quantity")
        if price.valid_from or price.valid_until:
            fail("A price for a time cannot be sent to Octopia: send it when it begins.", path="valid_from")
        places, note = self._places(price)
        doubled = [name for name in places if (price.sku, name) in self.taken]
        if doubled:
            fail(f"Two prices for {price.sku} on {doubled[0]} were handed in at once.", path="price_list")
        self.taken.update((price.sku, name) for name in places)
        body: dict[str, Decimal | str] = {**price_body(price)}
        if price.currency and any(not self.channels[name].currency for name in places):
            # What the channel takes is not known: Octopia must not take the amount for one of another currency.
            body["currencyCode"] = price.currency
        return Item(price.key, price.sku, {"price": body}, places, note)

    def _places(self, price: Price) -> tuple[tuple[str, ...], str]:
        """The channels of a price, and a note on those that were left out."""
        _check_open(self.channels)
        if price.price_list and price.price_list not in self.channels:
            known = ", ".join(self.channels)
            fail(f"{price.price_list} is none of the connection's sales channels ({known}).", path="price_list")
        free = [name for name in self.channels if price.sku not in self.own[name]]
        wanted = [price.price_list] if price.price_list else free
        places = tuple(
            name for name in wanted if not price.currency or self.channels[name].currency in ("", price.currency)
        )
        other = [f"{name} ({self.channels[name].currency})" for name in wanted if name not in places]
        if other and not places:
            fail(
                f"The price is in {price.currency}, and these channels take another: {', '.join(other)}.",
                path="currency",
            )
        if not places:
            fail(f"Every channel has a price of its own for {price.sku}.", path="price_list")
        several = sorted({self.channels[name].currency or "an unknown one" for name in places})
        if not price.currency and len(several) > 1:
            fail(
                f"The price has no currency, and its sales channels take several ({', '.join(several)}): give it one, "
                "or a price list for each channel.",
                path="currency",
            )
        return places, f"Not on {', '.join(other)}: another currency." if other else ""


def price_body(price: Price) -> dict[str, Decimal]:
    """The price with VAT, and the crossed-out price if there is one; taxes stay out of updates (section 8)."""
    amount = _with_tax(price, price.amount, "amount")
    body = {"price": amount}
    if price.list_price is not None and price.list_price > price.amount:
        body["originPrice"] = _with_tax(price, price.list_price, "list_price")
    return body


def _with_tax(price: Price, value: Decimal, path: str) -> Decimal:
    if value <= 0:
        fail(f"The price {value} is not above zero.", path=path)
    if not price.includes_tax:
        if price.tax_rate is None:
            fail("Octopia's prices include VAT; this one is without, and its tax rate is unknown.", path="includes_tax")
        return round_money(value * (1 + decimal(price.tax_rate, "tax_rate") / _HUNDRED), price.currency)
    if value != round_money(value, price.currency):
        fail(f"{value} has more than {exponent(price.currency)} decimals.", path=path)
    return value
