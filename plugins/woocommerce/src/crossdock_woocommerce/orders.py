"""Reading orders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import attrs
import msgspec

from crossdock import Answer, ByKeys, Order, Page, PluginError, Query, Session, Since, TransientError
from crossdock.paging import Batch, ChangeFeed, Reading, chunks, walk_feeds
from crossdock_woocommerce import mapping, wire
from crossdock_woocommerce.api import Api, api
from crossdock_woocommerce.decorations import fields_of
from crossdock_woocommerce.settings import Settings

W = TypeVar("W")

_SECOND = timedelta(seconds=1)
PAGE_SIZES = (100, 50, 20)
# What a shared host answers when a page of 100 is too much for its memory or time limit (section 2).
_TOO_MUCH = (None, 500, 502, 504)


def fetch(session: Session[Settings], query: Query) -> Iterator[Page[Order]]:
    """Orders by change time, then those in the trash; or just the ones asked for."""
    start = query.start if isinstance(query, Since) else None
    start = start or session.settings.order_start

    prints = fields_of(session.settings.print_fields)

    def to_record(row: wire.Order) -> Order | str:
        return mapping.to_order(row, start, prints)

    if isinstance(query, ByKeys):
        batches = by_ids(session, "orders", wire.ORDER, query.keys)
    else:
        batches = walk(session, "orders", wire.ORDER, query)
    for batch in batches:
        yield session.page(batch.rows, to_record, cursor=batch.cursor or None, identify=key_of)


def key_of(row: wire.Order | wire.Product | wire.Stamp) -> str:
    """The record's key: the id; an order's number differs from it under numbering plugins (section 4)."""
    return str(row.id)


def by_ids(
    session: Session[Settings], path: str, decoder: msgspec.json.Decoder[W], keys: Iterable[str],
    statuses: tuple[str, ...] = ("any", "trash"),
) -> Iterator[Batch[W]]:  # fmt: skip
    """Rows by id, also those in the trash, which "any" leaves out; what is gone is left out."""
    shop = api(session)
    for chunk in chunks(sorted({key for key in keys if key.isdecimal()}, key=int), 100):
        missing = chunk
        for status in statuses:
            if not missing:
                break
            asked: dict[str, str | int] = {"include": ",".join(missing), "status": status, "per_page": 100}
            rows = shop.get(path, asked).rows(decoder)
            found = {str(msgspec.json.decode(row.raw, type=wire.Stamp).id) for row in rows}
            if not found <= set(missing):
                raise PluginError("The shop ignored “include” and answered rows that nobody asked for.")
            yield Batch(rows, "")
            missing = [key for key in missing if key not in found]


def walk(
    session: Session[Settings], path: str, decoder: msgspec.json.Decoder[W], query: Since,
    statuses: tuple[str, ...] = ("any", "trash"),
) -> Iterator[Batch[W]]:  # fmt: skip
    """Walk a list by change time, with smaller pages when the shop cannot answer large ones."""
    shop = api(session)
    for size in PAGE_SIZES:
        feeds = {status: _feed(shop, path, decoder, status, size) for status in statuses}
        try:
            for batch in walk_feeds(feeds, query):
                yield batch
                query = attrs.evolve(query, cursor=batch.cursor)
        except TransientError as error:
            if size == PAGE_SIZES[-1] or error.status not in _TOO_MUCH or session.clock.stopping:
                raise
            session.log.warning("%s Going on with smaller pages than %s.", error, size)
        else:
            return


def _feed(shop: Api, path: str, decoder: msgspec.json.Decoder[W], status: str, size: int) -> ChangeFeed[W]:
    return ChangeFeed(
        read=_reader(shop, path, status, size),
        decoder=decoder,
        sketch=wire.STAMP,
        key=key_of,
        moment=mapping.modified,
        page_size=size,
        total=_total,
    )


def _reader(shop: Api, path: str, status: str, size: int) -> Callable[[Reading], Answer]:
    # Large pages are given up early, because a smaller one is the better second try.
    attempts = 4 if size == PAGE_SIZES[-1] else 2

    def read(reading: Reading) -> Answer:
        return shop.get(path, list_params(reading, status), attempts=attempts)

    return read


def list_params(reading: Reading, status: str) -> Mapping[str, str | int]:
    """The bounds in WooCommerce's way: exclusive, whole seconds, naive UTC with `dates_are_gmt` (section 0.3)."""
    params: dict[str, str | int] = {
        "status": status,
        "orderby": "id" if reading.by_key else "modified",
        "order": "asc",
        "per_page": reading.limit,
        "dates_are_gmt": "true",
    }
    if reading.offset:
        params["offset"] = reading.offset
    if reading.lo is not None:
        params["modified_after"] = naive(reading.lo.astimezone(UTC) - _SECOND)
    if reading.hi is not None:
        hi = reading.hi.astimezone(UTC)
        params["modified_before"] = naive(hi + _SECOND if hi.microsecond else hi)
    return params


def naive(at: datetime) -> str:
    """A time as WooCommerce wants it beside ``dates_are_gmt=true``; with a Z it would be shifted (measured)."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def _total(answer: Answer) -> int | None:
    text = answer.headers.get("x-wp-total", "")
    return int(text) if text.isdecimal() else None
