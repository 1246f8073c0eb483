"""Writing prices and balances: checked before they are sent, in batches, and compared with what was stored.

Items of a batch are not validated by WooCommerce, and 200 does not mean stored (section 0.4 to 0.6, measured).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from crossdock import Balance, Gap, Outcome, PluginError, Price, RecordError, Session
from crossdock.mapping import decimal, maybe_decimal
from crossdock.paging import chunks
from crossdock_woocommerce import offers, wire
from crossdock_woocommerce.api import Shop, api, shop
from crossdock_woocommerce.catalogue import by_skus
from crossdock_woocommerce.orders import naive
from crossdock_woocommerce.settings import Settings

_HUNDRED = Decimal(100)
# A remembered id that was deleted, or that is now of another kind.
_GONE = (
    "woocommerce_rest_product_invalid_id",
    "woocommerce_rest_invalid_product_id",
    "woocommerce_rest_product_variation_invalid_id",
    "woocommerce_rest_product_variation_invalid_parent",
)


class Refusal(Exception):
    """Why an item is not written; a sentence for a person."""

    def __init__(self, message: str, *, path: str = "", gap: Gap | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.gap = gap


class Stale(Exception):
    """The remembered id is no longer this SKU's."""


@attrs.frozen
class Place:
    """Where a SKU is written: a product, or a variation of `parent`."""

    id: int
    parent: int = 0
    kind: str = ""

    @property
    def path(self) -> str:
        """The batch address."""
        return f"products/{self.parent}/variations/batch" if self.parent else "products/batch"

    def remembered(self) -> str:
        """The place as the connection's memory keeps it."""
        return f"{self.parent}/{self.id}" if self.parent else str(self.id)


@attrs.frozen
class Item:
    """One value to write; `check` compares the answer and raises `Refusal`. `slot` is its place in the batch."""

    slot: int
    key: str
    sku: str
    body: Mapping[str, Any]
    check: Callable[[wire.Stored], None]
    containers: bool = False


# -- where a SKU is ----------------------------------------------------------------------------------


def look_up(session: Session[Settings], skus: Iterable[str]) -> dict[str, Place | Refusal]:
    """Where each SKU is, asked from the shop and remembered; a `Refusal` for one that cannot be written."""
    wanted = list(dict.fromkeys(skus))
    found: dict[str, list[Place]] = {}
    for rows in by_skus(api(session), wanted):
        for row in rows:
            if row.value is not None:
                place = Place(row.value.id, row.value.parent_id or 0, row.value.type)
                found.setdefault(str(row.value.sku), []).append(place)
    places: dict[str, Place | Refusal] = {}
    for sku in wanted:
        several = found.get(sku, [])
        if len(several) == 1:
            places[sku] = several[0]
        elif several:
            ids = ", ".join(str(each.id) for each in several)
            places[sku] = Refusal(f"The shop has the SKU {sku} several times (products {ids}).", path="sku")
        else:
            places[sku] = Refusal(f"The shop has no SKU {sku}.", path="sku", gap=Gap("sku", sku))
    # Containers stay out: what they are must be seen each time, so that a price is refused and not ignored.
    session.memory.put_many("sku", {
        sku: place.remembered() for sku, place in places.items()
        if isinstance(place, Place) and place.kind not in offers.CONTAINERS
    })  # fmt: skip
    return places


def places_of(session: Session[Settings], skus: Iterable[str]) -> dict[str, Place | Refusal]:
    """Like `look_up`, but what is remembered is not asked again; the answer of the write proves it."""
    wanted = list(dict.fromkeys(skus))
    places: dict[str, Place | Refusal] = {}
    for sku, text in session.memory.get_many("sku", wanted).items():
        parent, _, number = text.rpartition("/")
        places[sku] = Place(int(number), int(parent or 0))
    unknown = [sku for sku in wanted if sku not in places]
    return places | look_up(session, unknown) if unknown else places


# -- writing -----------------------------------------------------------------------------------------


def write(session: Session[Settings], items: Sequence[Item]) -> dict[int, Outcome]:
    """Write the items in batches of a hundred and answer their outcomes by slot."""
    outcomes: dict[int, Outcome] = {}
    stale = _write_once(session, items, places_of(session, (item.sku for item in items)), outcomes)
    if stale:
        session.memory.forget("sku", (item.sku for item in stale))
        session.log.warning("%d remembered product ids were wrong; asking the shop again.", len(stale))
        again = _write_once(session, stale, look_up(session, (item.sku for item in stale)), outcomes)
        for item in again:
            outcomes[item.slot] = rejected(item.key, f"The shop's product for the SKU {item.sku} keeps changing.")
    return outcomes


def _write_once(
    session: Session[Settings], items: Sequence[Item], places: Mapping[str, Place | Refusal],
    outcomes: dict[int, Outcome],
) -> list[Item]:  # fmt: skip
    """Write what has a place; answers the items whose place was wrong."""
    groups: dict[str, list[tuple[Item, Place]]] = {}
    for item in items:
        place = places[item.sku]
        if isinstance(place, Refusal):
            outcomes[item.slot] = rejected(item.key, str(place), path=place.path, gap=place.gap)
        elif place.kind in offers.CONTAINERS and not item.containers:
            what = f"{item.sku} is a {place.kind} product: its variations are sold, not itself."
            outcomes[item.slot] = rejected(item.key, what, path="sku")
        else:
            groups.setdefault(place.path, []).append((item, place))
    stale: list[Item] = []
    for path, group in groups.items():
        for chunk in chunks(group, 100):
            stale.extend(_send(session, path, chunk, outcomes))
    return stale


def _send(
    session: Session[Settings], path: str, chunk: Sequence[tuple[Item, Place]], outcomes: dict[int, Outcome],
    *, managing: bool = False,
) -> list[Item]:  # fmt: skip
    extra = {"manage_stock": True} if managing else {}
    body = {"update": [{"id": place.id, **item.body, **extra} for item, place in chunk]}
    try:
        stored = api(session).post(path, body, safe=True).decode(wire.BATCH).update
    except RecordError as error:
        if error.vendor_message.partition(":")[0] in _GONE:
            return [item for item, _ in chunk]
        outcomes.update({item.slot: rejected(item.key, str(error)) for item, _ in chunk})
        return []
    if len(stored) != len(chunk):
        raise PluginError(f"The shop answered {len(stored)} items to a batch of {len(chunk)}.")
    stale: list[Item] = []
    inheriting: list[tuple[Item, Place]] = []
    for (item, place), answer in zip(chunk, stored, strict=True):
        try:
            _settle(item, answer)
        except Stale:
            stale.append(item)
        except Refusal as error:
            if answer.manage_stock == "parent" and "stock_quantity" in item.body and not managing:
                inheriting.append((item, place))
            else:
                outcomes[item.slot] = rejected(item.key, str(error), path=error.path)
        else:
            outcomes[item.slot] = Outcome(key=item.key, state="done", external_id=place.remembered())
    if inheriting:
        stale += _send(session, path, inheriting, outcomes, managing=True)
    return stale


def _settle(item: Item, answer: wire.Stored) -> None:
    if answer.error is not None:
        if answer.error.code in _GONE:
            raise Stale
        raise Refusal(f"{answer.error.code}: {answer.error.message}")
    if str(answer.sku or "") != item.sku:
        raise Stale
    item.check(answer)


def rejected(key: str, message: str, *, path: str = "", gap: Gap | None = None) -> Outcome:
    """The outcome of an item that was not stored as asked."""
    return Outcome(key=key, state="rejected", message=message, path=path, gap=gap)


def _push(
    session: Session[Settings], records: Iterable[Price | Balance], to_item: Callable[[Any, int], Item]
) -> Iterator[Outcome]:
    """Check all, write what passed, and answer in the order in which the records came."""
    outcomes: dict[int, Outcome] = {}
    items: dict[str, Item] = {}
    for slot, record in enumerate(records):
        try:
            item = to_item(record, slot)
            if item.sku in items:
                raise Refusal(f"The shop keeps one value for {item.sku}, and two were handed in at once.", path="sku")
        except Refusal as error:
            outcomes[slot] = rejected(record.key, str(error), path=error.path)
        else:
            items[item.sku] = item
    if items:
        outcomes |= write(session, list(items.values()))
    for slot in sorted(outcomes):
        yield outcomes[slot]


# -- balances ----------------------------------------------------------------------------------------


def push_balance(session: Session[Settings], balances: Iterable[Balance]) -> Iterator[Outcome]:
    """Set stock quantities, absolute."""
    yield from _push(session, balances, lambda balance, slot: balance_item(balance, session.settings, slot))


def balance_item(balance: Balance, settings: Settings, slot: int = 0) -> Item:
    """What to send for a balance; raises `Refusal` for what WooCommerce would store as something else."""
    if not balance.sku:
        raise Refusal("The balance has no SKU.", path="sku")
    if settings.warehouse and balance.warehouse not in ("", settings.warehouse):
        raise Refusal(
            f"The shop sells from {settings.warehouse}; this is the stock of {balance.warehouse}.", path="warehouse"
        )
    quantity = balance.available
    if quantity != quantity.to_integral_value():
        raise Refusal(f"WooCommerce keeps whole numbers; {quantity} would be cut.", path="available")
    whole = int(quantity)
    body: dict[str, Any] = {"stock_quantity": whole}
    if settings.manage_stock:
        body["manage_stock"] = True

    def check(stored: wire.Stored) -> None:
        if not stored.manage_stock:
            raise Refusal(
                f"The stock of {balance.sku} is not managed in the shop, so {whole} was ignored. Tick “Track stock "
                "quantity” on the product, or set “Switch stock management on” to yes.", path="available",
            )  # fmt: skip
        kept = maybe_decimal(stored.stock_quantity, "stock_quantity")
        if stored.manage_stock == "parent" or kept != whole:
            raise Refusal(f"The shop kept {kept} instead of {whole} for {balance.sku}.", path="available")

    return Item(slot, balance.key, balance.sku, body, check, containers=True)


# -- prices ------------------------------------------------------------------------------------------


def push_prices(session: Session[Settings], prices: Iterable[Price]) -> Iterator[Outcome]:
    """Set regular and sale prices."""
    money, keep = shop(session), session.settings.keep_sales
    yield from _push(session, prices, lambda price, slot: price_item(price, money, slot, keep_sales=keep))


def price_item(price: Price, money: Shop, slot: int = 0, *, keep_sales: bool = False) -> Item:
    """What to send for a price; raises `Refusal` for what WooCommerce would store as something else.

    A higher list price makes the amount a sale price, with the dates as the sale's. Without one (an ERP often names
    the amount itself) the amount is the regular price and a running sale ends, unless `keep_sales`.
    A date is cleared by "", since null means unchanged in a batch.
    """
    _check_scope(price, money)
    amount = _in_shop_mode(price.amount, price, money, "amount")
    body: dict[str, Any]
    if price.list_price in (None, price.amount):
        if price.valid_from or price.valid_until:
            raise Refusal("WooCommerce has dates for sale prices only: give the list price too.", path="valid_from")
        body = {"regular_price": format(amount, "f")}
        if not keep_sales:
            body |= {"sale_price": "", "date_on_sale_from_gmt": "", "date_on_sale_to_gmt": ""}
    else:
        regular = _in_shop_mode(price.list_price or price.amount, price, money, "list_price")
        if amount >= regular:
            raise Refusal(
                f"The sale price {amount} is not below the list price {regular}; WooCommerce would drop it.",
                path="amount",
            )
        body = {
            "regular_price": format(regular, "f"), "sale_price": format(amount, "f"),
            "date_on_sale_from_gmt": naive(price.valid_from) if price.valid_from else "",
            "date_on_sale_to_gmt": naive(price.valid_until) if price.valid_until else "",
        }  # fmt: skip

    def check(stored: wire.Stored) -> None:
        for name, kept in (("regular_price", stored.regular_price), ("sale_price", stored.sale_price)):
            if name in body and not _same(body[name], kept):
                raise Refusal(f"The shop kept {kept or 'nothing'} instead of {body[name] or 'nothing'} as the {name} "
                              f"of {price.sku}.", path="amount")  # fmt: skip

    return Item(slot, price.key, price.sku, body, check)


def _same(asked: str, kept: wire.Scalar) -> bool:
    return maybe_decimal(asked, "asked") == maybe_decimal(kept, "kept")


def _check_scope(price: Price, money: Shop) -> None:
    if not price.sku:
        raise Refusal("The price has no SKU.", path="sku")
    if price.from_quantity != 1 or price.customer or price.price_list:
        raise Refusal("WooCommerce has one price for everybody: no tiers, customers or lists.", path="from_quantity")
    if price.currency and price.currency != money.currency:
        raise Refusal(f"The shop's currency is {money.currency}, the price's {price.currency}.", path="currency")


def _in_shop_mode(value: Decimal, price: Price, money: Shop, path: str) -> Decimal:
    """`value` with or without tax as the shop's prices are typed, refused when it has more decimals than the shop."""
    if value < 0:
        raise Refusal(f"The price {value} is negative.", path=path)
    step = Decimal(1).scaleb(-money.decimals)
    if price.includes_tax != money.prices_include_tax:
        if price.tax_rate is None:
            ours, theirs = ("with", "without") if price.includes_tax else ("without", "with")
            raise Refusal(
                f"The price is {ours} tax, the shop's prices are typed {theirs} tax, and the tax rate is unknown.",
                path="includes_tax",
            )
        factor = 1 + decimal(price.tax_rate, "tax_rate") / _HUNDRED
        return (value * factor if money.prices_include_tax else value / factor).quantize(step, "ROUND_HALF_UP")
    rounded = value.quantize(step)
    if rounded != value:
        raise Refusal(f"The shop's prices have {money.decimals} decimals; {value} has more.", path=path)
    return rounded
