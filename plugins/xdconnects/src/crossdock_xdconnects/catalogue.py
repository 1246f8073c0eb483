"""Reading the feeds as streams: products, prices, stock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from crossdock import Balance, ByKeys, Page, Price, Product, Query, RecordError, Row, Session
from crossdock_xdconnects import feeds
from crossdock_xdconnects.mapping import Tier, first_price, tiers, to_balance, to_price, to_product
from crossdock_xdconnects.settings import Settings
from crossdock_xdconnects.tables import Line

PAGE = 1000
_NO_PRICE = "no net price"

R = TypeVar("R")


def products(session: Session[Settings], query: Query) -> Iterator[Page[Product]]:
    """Models with their items, when the feed was made anew; by model codes from the last good file."""
    loaded = _load(session, query, "products_feed", "all_data_feed")
    models: dict[str, list[Line]] = {}
    for row in loaded.table.rows:
        models.setdefault(row.text("ModelCode").casefold(), []).append(row)

    def rows(model: str) -> Iterable[Row[Any]]:
        found = models.get(model, [])
        raw = b"[" + b",".join(loaded.table.document(row) for row in found) + b"]"
        return [Row(raw, found)] if found else []

    return _pages(session, query, loaded, models, rows, to_product, lambda found: found[0].text("ModelCode"))


def prices(session: Session[Settings], query: Query) -> Iterator[Page[Price]]:
    """The price steps of all items, when the feed was made anew; by item codes from the last good file."""
    loaded = _load(session, query, "prices_feed", "all_data_feed")
    table, currency = loaded.table, session.settings.currency

    def rows(item: str) -> Iterable[Row[Any]]:
        for row in table.of_item(item):
            raw = table.document(row)
            try:
                steps: Sequence[Tier | None] = list(tiers(row)) or [None]
            except RecordError as error:
                error.key = first_price(row, currency)
                yield Row(raw, None, error)
                continue
            yield from (Row(raw, (row, step)) for step in steps)

    def record(found: tuple[Line, Tier | None]) -> Price | str:
        row, step = found
        return to_price(row, step, currency) if step else _NO_PRICE

    return _pages(session, query, loaded, _items(loaded), rows, record, lambda found: found[0].text("ItemCode"))


def balances(session: Session[Settings], query: Query) -> Iterator[Page[Balance]]:
    """Stock and arrivals of all items, when the feed was made anew; by item codes from the last good file."""
    loaded = _load(session, query, "stock_feed", "all_data_feed")
    table = loaded.table

    gone = {code.casefold(): _nothing_of(code) for code in loaded.gone}

    def rows(item: str) -> Iterable[Row[Any]]:
        if item in gone:
            return [Row(b"{}", gone[item])]
        return [Row(table.document(row), row) for row in table.of_item(item)[:1]]

    return _pages(session, query, loaded, (*_items(loaded), *gone), rows, lambda row: to_balance(row, loaded.as_of),
                  lambda row: row.text("ItemCode"))  # fmt: skip


def _nothing_of(code: str) -> Line:
    """What the stock feed means by leaving an item out that it had before."""
    return Line({"itemcode": 0, "currentstock": 1}, (code, "0"))


def _load(session: Session[Settings], query: Query, *names: str) -> feeds.Loaded:
    name = feeds.choose(session.settings, *names)
    return feeds.known(session, name) if isinstance(query, ByKeys) else feeds.newest(session, name)


def _items(loaded: feeds.Loaded) -> Iterable[str]:
    return dict.fromkeys(row.text("ItemCode").casefold() for row in loaded.table.rows)


def _pages(
    session: Session[Settings], query: Query, loaded: feeds.Loaded, keys: Iterable[str],
    rows: Callable[[str], Iterable[Row[Any]]], to_record: Callable[[Any], R | str], identify: Callable[[Any], str],
) -> Iterator[Page[R]]:  # fmt: skip
    """Pages of about a thousand rows; only the last one moves the bookmark, to the feed's time of making."""
    if isinstance(query, ByKeys):
        wanted = dict.fromkeys(key.strip().casefold() for key in query.keys)
        yield session.page([row for key in wanted for row in rows(key)], to_record, identify=identify,
                           read_at=loaded.as_of)  # fmt: skip
        return
    made = f"{loaded.as_of.isoformat()} {loaded.link}"
    if query.cursor == made:
        yield Page((), made, seen=0, read_at=loaded.as_of)
        return
    batch: list[Row[Any]] = []
    for key in keys:
        if len(batch) >= PAGE:
            yield session.page(batch, to_record, identify=identify, read_at=loaded.as_of)
            batch = []
        batch.extend(rows(key))
    yield session.page(batch, to_record, cursor=made, identify=identify, read_at=loaded.as_of)
