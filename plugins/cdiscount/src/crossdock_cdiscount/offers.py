"""Reading offers per sales channel: products, prices and stock (vendor page section 8).

The first run reads all offers, the later ones what changed since; once a day all are read again. That a sale moves an
offer's date of change is likely and said nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import attrs
import msgspec

from crossdock import Balance, ByKeys, Page, PluginError, Price, Product, Query, RecordError, Row, Session
from crossdock.mapping import decimal, maybe_decimal, required, text, utc
from crossdock.paging import chunks, token_pages
from crossdock_cdiscount import guesses, wire
from crossdock_cdiscount.channels import Channel, chosen
from crossdock_cdiscount.reading import OVERLAP, listed, next_query, stamp
from crossdock_cdiscount.settings import API, Settings

ZERO = Decimal(0)
ALL_EVERY = timedelta(days=1)
FEW = 500
"""So many changed articles are asked for by reference; of more all offers are read, a thousand in an answer."""
_LIMIT = 1000
Offers = list[Row[wire.Offer]]


class _Mark(msgspec.Struct):
    """The bookmark: changes until `at` on `channels` were read, and all offers at `all_at`."""

    at: datetime
    all_at: datetime
    channels: list[str]


_MARK = msgspec.json.Decoder(_Mark)


@attrs.define
class _Run:
    """One run over the offers of `channels`: what changed after `since`, or all of them, or those of `asked`."""

    session: Session[Settings]
    channels: Mapping[str, Channel]
    asked: tuple[str, ...] | None = None
    mark: _Mark | None = None
    clock: datetime | None = None
    """Octopia's, when the first page was made."""

    @classmethod
    def of(cls, session: Session[Settings], query: Query) -> _Run:
        channels = chosen(session)
        if isinstance(query, ByKeys):
            return cls(session, channels, query.keys)
        mark = _restored(query.cursor)
        # On a channel that was not read until now, everything is news.
        whole = mark is None or mark.channels != list(channels) or session.clock.now() - mark.all_at >= ALL_EVERY
        return cls(session, channels, mark=None if whole else mark)

    @property
    def since(self) -> datetime | None:
        """From which change on offers are read."""
        return self.mark.at - OVERLAP if self.mark else None

    def end(self) -> Iterator[Page[Any]]:
        """The bookmark on an empty page; none when single offers were asked for, or there is no channel."""
        if self.asked is not None or self.clock is None:
            return
        # Their clock dates the changes; one that runs ahead for a moment must not hide those of the next hours.
        now = self.session.clock.now()
        made = _Mark(min(self.clock, now + OVERLAP), self.mark.all_at if self.mark else now, list(self.channels))
        yield Page((), msgspec.json.encode(made).decode(), seen=0)

    def pages(self, channel: str) -> Iterator[Offers]:
        """The offers of a channel, page by page."""
        return pages(self.session, channel, self.asked or (), self.since, self._see)

    def changed(self) -> tuple[str, ...]:
        """The references of the offers that changed on any channel."""
        rows = [row for channel in self.channels for rows in self.pages(channel) for row in rows]
        return tuple(dict.fromkeys(name for row in rows if (name := _named(row))))

    def _see(self, date: datetime | None) -> None:
        self.clock = self.clock or date or self.session.clock.now()


def _restored(cursor: str | None) -> _Mark | None:
    try:
        return _MARK.decode(cursor) if cursor else None
    except msgspec.MsgspecError as error:
        raise PluginError(f"The bookmark is not one of this connector's: {error}.", hint="Sync with --full.") from error


def pages(
    session: Session[Settings], channel: str, references: Iterable[str] = (), since: datetime | None = None,
    see: Callable[[datetime | None], None] = lambda date: None,
) -> Iterator[Offers]:  # fmt: skip
    """The offers of a channel, page by page: those of `references` only, if there are any, or changed after `since`.

    `see` is told Octopia's clock with each page.
    """
    wanted = list(dict.fromkeys(references))
    for names in chunks(wanted, guesses.OFFER_REFERENCES) if wanted else ([],):
        params: dict[str, Any] = {"salesChannelId": channel, "limit": _LIMIT, "fields": guesses.OFFER_FIELDS}
        if names:
            params["sellerExternalReferences"] = ",".join(names)
        if since is not None:
            params["updatedAtMin"] = stamp(since)
        for rows, _ in token_pages(lambda token, params=params: _page(session, channel, params, token, see)):  # type: ignore[misc]
            # A filter that is ignored would answer everything; only what was asked for counts.
            yield [row for row in rows if not names or row.value is None or sku_of(row.value) in names]


def _page(
    session: Session[Settings], channel: str, params: Mapping[str, Any], query: str | None,
    see: Callable[[datetime | None], None],
) -> tuple[Offers, str | None]:  # fmt: skip
    answer = session.http.get(
        "offers", {**params, **parameters(query)}, budget=API, headers={"SalesChannelId": channel}
    )
    see(answer.date)
    rows = listed(answer, wire.OFFER)
    for row in rows:
        if row.error is not None:
            row.error.key = _named(row)
    return rows, next_query(answer)


def parameters(query: str | None) -> dict[str, str]:
    """A query that a ``Link`` header gave, as parameters."""
    return dict(parse_qsl(query or ""))


def sku_of(offer: wire.Offer) -> str:
    """The seller's reference of an offer."""
    return text(offer.seller_external_reference)


def _named(row: Row[wire.Offer]) -> str:
    """The reference of an offer, also of one that does not fit its type."""
    if row.value is not None:
        return sku_of(row.value)
    try:
        return text(wire.OFFER_SKETCH.decode(row.raw).seller_external_reference)
    except msgspec.MsgspecError:
        return ""


def _parked(rows: Iterable[Row[Any]], key: Callable[[str], str]) -> list[Row[Any]]:
    """`rows` with the record's key in place of the reference: what is parked under it goes when it can be read."""
    made = list(rows)
    for row in made:
        if row.error is not None and row.error.key:
            row.error.key = key(row.error.key)
    return made


# -- prices: one record per channel ----------------------------------------------------------------


def prices(session: Session[Settings], query: Query) -> Iterator[Page[Price]]:
    """A price per SKU and sales channel (the price list is the channel's id), VAT included."""
    run = _Run.of(session, query)
    for channel in run.channels.values():

        def key(sku: str, channel: Channel = channel) -> str:
            made = Price(sku=sku, amount=ZERO, currency=channel.currency, price_list=channel.id)
            return made.key if sku else ""

        for rows in run.pages(channel.id):
            yield session.page(
                _parked(rows, key), lambda offer, channel=channel: to_price(offer, channel),  # type: ignore[misc]
                identify=lambda offer, key=key: key(sku_of(offer)),  # type: ignore[misc]
            )  # fmt: skip
    yield from run.end()


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


def _shelves(run: _Run) -> Iterator[Row[Any]]:
    """One row per SKU over all chosen channels, and the rows that could not be read.

    Of an article that changed on one channel its offers on the others are read, too: together they are the record.
    """
    shelves: dict[str, _Shelf] = {}
    if run.since is not None:
        changed = run.changed()
        if not changed:
            return
        run = _Run(run.session, run.channels, changed if len(changed) <= FEW else None)
    for channel in run.channels:
        for rows in run.pages(channel):
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
    run = _Run.of(session, query)
    for rows in chunks(_shelves(run), _LIMIT):
        yield session.page(rows, to_product, identify=lambda shelf: sku_of(next(iter(shelf.offers.values()))))
    yield from run.end()


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
    at, warehouse, run = session.clock.now(), session.settings.warehouse, _Run.of(session, query)

    def key(sku: str) -> str:
        return Balance(sku=sku, warehouse=warehouse, available=ZERO).key if sku else ""

    for rows in chunks(_shelves(run), _LIMIT):
        yield session.page(_parked(rows, key), lambda shelf: to_balance(shelf, warehouse, at),
                           identify=lambda shelf: key(sku_of(next(iter(shelf.offers.values())))))  # fmt: skip
    yield from run.end()


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
