"""Reading products, prices and balances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import TypeVar
from urllib.parse import quote

import attrs
import msgspec

from crossdock import Answer, Balance, ByKeys, ConnectorError, Page, PluginError, Price, Product, Query, Row, Session
from crossdock.paging import Batch, chunks, offset_pages
from crossdock_woocommerce import offers, wire
from crossdock_woocommerce.api import Api, Params, api, shop
from crossdock_woocommerce.orders import by_ids, key_of, walk
from crossdock_woocommerce.settings import Settings

R = TypeVar("R")

ZERO = Decimal(0)

_LONGEST_LIST = 4000  # characters of a list in a request line; web servers take about 8,000 for all of it


def fetch_products(session: Session[Settings], query: Query) -> Iterator[Page[Product]]:
    """Products with their variations, by change time; or just the ones asked for, by id."""
    found = units(session)
    for batch in _parents(session, query):
        children = variations(session, batch.rows)

        def to_record(row: wire.Product, known: dict[int, list[Row[wire.Product]]] = children) -> Product:
            return offers.to_product(row, known.get(row.id, ()), found)

        yield session.page(batch.rows, to_record, cursor=batch.cursor or None, identify=key_of)


def fetch_prices(session: Session[Settings], query: Query) -> Iterator[Page[Price]]:
    """Prices of what can be bought: simple products and variations; or just those of the SKUs asked for."""
    money = shop(session)
    yield from _offers(
        session, query, lambda row: offers.to_price(row, money),
        lambda row: Price(sku=_sku_of(row), amount=ZERO, currency=money.currency).key,
    )  # fmt: skip


def fetch_balance(session: Session[Settings], query: Query) -> Iterator[Page[Balance]]:
    """The stock of simple products and variations; or just that of the SKUs asked for."""
    # Taken before reading: a sale that happens meanwhile must not look as if it were already counted.
    as_of, warehouse = session.clock.now(), session.settings.warehouse
    yield from _offers(
        session, query, lambda row: offers.to_balance(row, warehouse, as_of),
        lambda row: Balance(sku=_sku_of(row), warehouse=warehouse, available=ZERO).key,
    )  # fmt: skip


def _offers(
    session: Session[Settings], query: Query, to_record: Callable[[wire.Product], R | str],
    identify: Callable[[wire.Product], str],
) -> Iterator[Page[R]]:  # fmt: skip
    """Pages of what can be bought. `identify` gives the record's key: what is parked under it goes when it reads."""
    if isinstance(query, ByKeys):
        for rows in by_skus(api(session), query.keys):
            yield session.page(rows, to_record, identify=identify)
        return
    for batch in _parents(session, query):
        children = variations(session, batch.rows)
        rows = [each for row in batch.rows for each in (row, *children.get(_id(row), ()))]
        yield session.page(rows, to_record, cursor=batch.cursor or None, identify=identify)


def _sku_of(row: wire.Product) -> str:
    return str(row.sku or row.id)


def _id(row: Row[wire.Product]) -> int:
    return row.value.id if row.value else 0


def _parents(session: Session[Settings], query: Query) -> Iterator[Batch[wire.Product]]:
    """A change of a variation's price or stock changes its parent too (section 6), so parents are enough to watch."""
    if isinstance(query, ByKeys):
        return by_ids(session, "products", wire.PRODUCT, query.keys, ("any",))
    return walk(session, "products", wire.PRODUCT, attrs.evolve(query, start=None), ("any",))


def units(session: Session[Settings]) -> offers.Units:
    """The shop's units; unknown when it does not tell."""
    try:
        rows = api(session).get("settings/products", attempts=2).json()
        values = {row["id"]: str(row.get("value", "")) for row in rows}
    except (ConnectorError, LookupError, TypeError):
        return offers.Units()
    return offers.Units(values.get("woocommerce_weight_unit", ""), values.get("woocommerce_dimension_unit", ""))


# -- variations --------------------------------------------------------------------------------------


def variations(session: Session[Settings], parents: Sequence[Row[wire.Product]]) -> dict[int, list[Row[wire.Product]]]:
    """The variations of each product, by the product's id.

    From 10.3 on, all of a page are read in one list; before, and for whatever that list leaves out, with one request
    a product.
    """
    wanted = {child: row.value.id for row in parents if row.value for child in row.value.variations}
    found: dict[int, Row[wire.Product]] = {}
    reading = api(session)
    if len(set(wanted.values())) > 1 and session.facts.get("variations_endpoint"):
        for chunk in chunks(wanted, 100):
            found.update(_listed(reading, chunk))
    for parent in {wanted[child] for child in wanted if child not in found}:
        found.update({child: row for child, row in _children(reading, parent) if child in wanted})
    made: dict[int, list[Row[wire.Product]]] = {}
    for child, parent in wanted.items():
        if child in found:
            made.setdefault(parent, []).append(found[child])
    return made


def _listed(reading: Api, chunk: Sequence[int]) -> dict[int, Row[wire.Product]]:
    """The variations asked for, or none when the list ignores `include`."""
    asked: Params = {"include": ",".join(map(str, chunk)), "per_page": 100}
    rows = {_number(row): row for row in reading.get("variations", asked).rows(wire.PRODUCT)}
    return rows if rows.keys() <= set(chunk) else {}


def _children(reading: Api, parent: int) -> Iterator[tuple[int, Row[wire.Product]]]:
    def read(offset: int, limit: int) -> list[Row[wire.Product]]:
        asked: Params = {"per_page": limit, "offset": offset, "orderby": "id", "order": "asc"}
        return reading.get(f"products/{parent}/variations", asked).rows(wire.PRODUCT)

    for page in offset_pages(read, lambda row: str(_number(row))):
        yield from ((_number(row), row) for row in page)


def _number(row: Row[wire.Product]) -> int:
    return row.value.id if row.value else int(msgspec.json.decode(row.raw, type=wire.Stamp).id)


# -- SKUs --------------------------------------------------------------------------------------------


def by_skus(reading: Api, skus: Iterable[str]) -> Iterator[list[Row[wire.Product]]]:
    """Products and variations by SKU, a hundred a request; unknown SKUs are left out.

    A SKU with a comma cannot be looked up in WooCommerce and is left out too. Raises `PluginError` when the shop
    answers what nobody asked for: an unknown parameter is ignored there, not refused (section 0.7).
    """
    for chunk in _sku_chunks(skus):
        asked = set(map(str.casefold, chunk))
        rows = _by_sku_list(reading, ",".join(chunk))
        for row in rows:
            if row.value is not None and str(row.value.sku or "").casefold() not in asked:
                raise PluginError(f"The shop answered {row.value.sku!r}, which nobody asked for: it ignores “sku”.")
        yield rows


def _by_sku_list(reading: Api, skus: str) -> list[Row[wire.Product]]:
    """One request, unless a SKU exists several times (translation plugins do that) and the rows exceed a page."""

    def ask(offset: int, limit: int) -> Answer:
        return reading.get(
            "products", {"sku": skus, "per_page": limit, "offset": offset, "orderby": "id", "order": "asc"}
        )

    first = ask(0, 100)
    rows = first.rows(wire.PRODUCT)
    if len(rows) < 100 or first.headers.get("x-wp-total") == "100":
        return rows
    pages = offset_pages(lambda offset, limit: ask(offset, limit).rows(wire.PRODUCT), lambda row: str(_number(row)))
    return [row for page in pages for row in page]


def _sku_chunks(skus: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    length = 0
    for sku in dict.fromkeys(skus):
        if not sku or "," in sku:
            continue
        size = len(quote(sku)) + 3
        if chunk and (len(chunk) == 100 or length + size > _LONGEST_LIST):
            yield chunk
            chunk, length = [], 0
        chunk.append(sku)
        length += size
    if chunk:
        yield chunk
