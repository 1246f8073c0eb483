"""Reading offers per sales channel: products, prices and stock (vendor page section 8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import attrs

from crossdock import Balance, ByKeys, Page, Price, Product, Query, RecordError, Row, Session
from crossdock.mapping import decimal, maybe_decimal, required, text, utc
from crossdock.paging import chunks, token_pages
from crossdock_cdiscount import guesses, wire
from crossdock_cdiscount.channels import Channel, chosen
from crossdock_cdiscount.reading import listed, next_query
from crossdock_cdiscount.settings import API, Settings

_LIMIT = 1000
Offers = list[Row[wire.Offer]]


def pages(session: Session[Settings], channel: str, references: Iterable[str] = ()) -> Iterator[Offers]:
    """The offers of a channel, page by page; those of `references` only, if there are any."""
    wanted = list(dict.fromkeys(references))
    for names in chunks(wanted, guesses.OFFER_REFERENCES) if wanted else ([],):
        params: dict[str, Any] = {"salesChannelId": channel, "limit": _LIMIT, "fields": guesses.OFFER_FIELDS}
        if names:
            params["sellerExternalReferences"] = ",".join(names)
        for rows, _ in token_pages(lambda token, params=params: _page(session, channel, params, token)):  # type: ignore[misc]
            # A filter that is ignored would answer everything; only what was asked for counts.
            yield [row for row in rows if not names or row.value is None or sku_of(row.value) in names]


def _page(
    session: Session[Settings], channel: str, params: Mapping[str, Any], query: str | None
) -> tuple[Offers, str | None]:
    answer = session.http.get(
        "offers", {**params, **parameters(query)}, budget=API, headers={"SalesChannelId": channel}
    )
    return listed(answer, wire.OFFER), next_query(answer)


def parameters(query: str | None) -> dict[str, str]:
    """A query that a ``Link`` header gave, as parameters."""
    return dict(parse_qsl(query or ""))


def sku_of(offer: wire.Offer) -> str:
    """The seller's reference of an offer."""
    return text(offer.seller_external_reference)


def _asked(query: Query) -> tuple[str, ...]:
    return query.keys if isinstance(query, ByKeys) else ()


# -- prices: one record per channel ----------------------------------------------------------------


def prices(session: Session[Settings], query: Query) -> Iterator[Page[Price]]:
    """A price per SKU and sales channel (the price list is the channel's id), VAT included."""
    for channel in chosen(session).values():
        for rows in pages(session, channel.id, _asked(query)):
            yield session.page(rows, lambda offer, channel=channel: to_price(offer, channel), identify=sku_of)  # type: ignore[misc]


def to_price(offer: wire.Offer, channel: Channel) -> Price | str:
    """The price of an offer on `channel`; without a price it is left out."""
    stated = offer.facial_price or offer.price or wire.OfferPrice()
    submitted = offer.price or wire.OfferPrice()
    amount = maybe_decimal(stated.price, "facialPrice.price")
    if amount is None:
        return "offer without a price"
    origin = stated.origin_price if stated.origin_price is not None else submitted.origin_price
    return Price(
        sku=required(sku_of(offer), "sellerExternalReference"),
        amount=amount,
        currency=stated.currency_code or submitted.currency_code or channel.currency,
        includes_tax=True,
        price_list=channel.id,
        list_price=maybe_decimal(origin, "price.originPrice"),
        extras={"offerState": offer.offer_state} if offer.offer_state else {},
        updated_at=utc(offer.updated_at, "updatedAt"),
    )


# -- products and balances: one record per SKU -----------------------------------------------------


@attrs.define
class _Shelf:
    """The offers of one SKU by channel; `row` is the first of them, and stands for all."""

    row: Row[wire.Offer]
    offers: dict[str, wire.Offer]


def _shelves(session: Session[Settings], query: Query) -> Iterator[Row[Any]]:
    """One row per SKU over all chosen channels, and the rows that could not be read."""
    shelves: dict[str, _Shelf] = {}
    for channel in chosen(session):
        for rows in pages(session, channel, _asked(query)):
            for row in rows:
                if row.value is None or not sku_of(row.value):
                    yield row if row.value is None else Row(row.raw, None, RecordError("The offer has no reference."))
                else:
                    shelf = shelves.setdefault(sku_of(row.value), _Shelf(row, {}))
                    shelf.offers[channel] = row.value
    for shelf in shelves.values():
        yield Row(shelf.row.raw, shelf)


def products(session: Session[Settings], query: Query) -> Iterator[Page[Product]]:
    """A product per SKU with what its offers say of it."""
    for rows in chunks(_shelves(session, query), _LIMIT):
        yield session.page(rows, to_product, identify=lambda shelf: sku_of(next(iter(shelf.offers.values()))))


def to_product(shelf: _Shelf) -> Product:
    """The product of a SKU; the first channel's words, and each channel's state in the extras."""
    offer = next(iter(shelf.offers.values()))
    product = offer.product or wire.OfferProduct()
    states = {channel: each.offer_state or "" for channel, each in shelf.offers.items()}
    times = (utc(each.updated_at, "updatedAt") for each in shelf.offers.values())
    return Product(
        key=sku_of(offer),
        sku=sku_of(offer),
        gtin=text(product.gtin),
        name=product.title or "",
        enabled=any(state.casefold() != "inactive" for state in states.values()),
        extras={
            name: value
            for name, value in (
                ("offerStates", states), ("condition", offer.condition), ("productReference", text(product.reference))
            )
            if value
        },
        updated_at=max((at for at in times if at), default=None),
    )  # fmt: skip


def balances(session: Session[Settings], query: Query) -> Iterator[Page[Balance]]:
    """The stock of a SKU. It is shared by all channels; where they differ, the lowest is what can be sold."""
    at, warehouse = session.clock.now(), session.settings.warehouse
    for rows in chunks(_shelves(session, query), _LIMIT):
        yield session.page(rows, lambda shelf: to_balance(shelf, warehouse, at),
                           identify=lambda shelf: sku_of(next(iter(shelf.offers.values()))))  # fmt: skip


def to_balance(shelf: _Shelf, warehouse: str, at: datetime) -> Balance | str:
    """The balance of a SKU as read `at`; an offer without a quantity says nothing."""
    quantities = {
        channel: decimal(offer.quantity, "quantity")
        for channel, offer in shelf.offers.items()
        if offer.quantity is not None
    }
    if not quantities:
        return "offer without a quantity"
    differ = len(set(quantities.values())) > 1
    offer = next(iter(shelf.offers.values()))
    return Balance(
        sku=sku_of(offer),
        warehouse=warehouse,
        available=max(min(quantities.values()), Decimal(0)),
        extras={"channels": {channel: str(each) for channel, each in quantities.items()}} if differ else {},
        as_of=at,
        updated_at=utc(offer.updated_at, "updatedAt"),
    )


# -- which channel has which offer -----------------------------------------------------------------

KNOWN = "offer {}"


def known(session: Session[Settings], channel: str, skus: Iterable[str]) -> set[str]:
    """Those of `skus` that the seller offers on `channel`; what was seen once is remembered."""
    wanted = list(dict.fromkeys(skus))
    table = KNOWN.format(channel)
    seen = set(session.memory.get_many(table, wanted))
    missing = [sku for sku in wanted if sku not in seen]
    fresh = {
        sku_of(row.value)
        for rows in (pages(session, channel, missing) if missing else ())
        for row in rows
        if row.value is not None
    }
    session.memory.put_many(table, dict.fromkeys(fresh, "yes"))
    return seen | fresh


def forget(session: Session[Settings], channel: str, skus: Iterable[str]) -> None:
    """These were refused: ask again before they are sent the next time."""
    session.memory.forget(KNOWN.format(channel), skus)
