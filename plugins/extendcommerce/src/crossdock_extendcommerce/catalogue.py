"""Products, prices, stock and customers: what is listed, how, and where a run can go on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from crossdock import (
    Balance,
    ByKeys,
    Page,
    Price,
    Query,
    RecordError,
    Row,
    Session,
    Since,
    TransientError,
    UnsupportedError,
)
from crossdock.mapping import text, utc
from crossdock.paging import chunks
from crossdock_extendcommerce import wire
from crossdock_extendcommerce.mapping import to_balance, to_price, to_product
from crossdock_extendcommerce.reading import (
    DETAILS,
    OVERLAP,
    READERS,
    Changes,
    Detail,
    Listing,
    WrappedListing,
    cursor_of,
    named,
    stamp,
)
from crossdock_extendcommerce.settings import Settings
from crossdock_extendcommerce.totals import ZERO

_FULL_EVERY = timedelta(days=1)
_CREATED_OVERLAP = timedelta(hours=24)
_PRICES_AT_ONCE = 10  # the vendor's maximum of productNumberList


def _place(item: wire.ProductItem | wire.Availability) -> str:
    return f"{item.product_number}@{item.warehouse}"


# -- products --------------------------------------------------------------------------------------


class _Scan(msgspec.Struct, omit_defaults=True):
    """`at`: changes are known up to here; `full`: the last full scan; `run` and `after`: a scan under way."""

    at: datetime | None = None
    full: datetime | None = None
    run: datetime | None = None
    after: str = ""


_SCAN = msgspec.json.Decoder(_Scan)


def products(session: Session[Settings], query: Query) -> Iterator[tuple[list[Row[Any]], str | None]]:
    """Rows of `wire.Product`, or of `wire.ProductItem` where the company group is another one.

    New products can be missing from the change filter, so once a day the whole list is read and those created since
    the last time are added (vendor page section 10.2).
    """
    detail = Detail(session=session, path="Products", decoder=wire.PRODUCT, budget="products")
    if isinstance(query, ByKeys):
        for rows in detail.several(query.keys):
            yield list(rows), None
        return
    yield from _scan(session, query, detail)


def _scan(
    session: Session[Settings], query: Since, detail: Detail[wire.Product]
) -> Iterator[tuple[list[Row[Any]], str | None]]:
    state = cursor_of(query, _SCAN, _Scan())
    now = session.clock.now()
    whole = state.at is None or state.full is None or now - state.full >= _FULL_EVERY
    found: dict[str, Row[wire.ProductItem]] = {}
    if state.at is not None:
        listing, rows = _product_list(session, state.at - OVERLAP)
        now = listing.began or now
        found |= rows
    if whole:
        listing, rows = _product_list(session, None)
        now = min(now, listing.began or now)
        since = state.full - _CREATED_OVERLAP if state.full and state.at else None
        found |= {number: row for number, row in rows.items() if since is None or _created(row, since)}
    started = state.run or now
    final = _Scan(at=started, full=started if whole else state.full)
    numbers = sorted(number for number in found if number > state.after)
    for batch in chunks(numbers, DETAILS):
        with ThreadPoolExecutor(READERS) as pool:
            rows_ = list(pool.map(lambda number: _full(session, detail, number, found[number]), batch))
        more = batch[-1] != numbers[-1]
        yield rows_, _cursor(_Scan(state.at, state.full, started, batch[-1]) if more else final)
    if not numbers:
        yield [], _cursor(final)


def _full(
    session: Session[Settings], detail: Detail[wire.Product], number: str, listed: Row[wire.ProductItem]
) -> Row[Any]:
    if listed.value is None:
        return listed
    wanted, groups = session.settings.company_group, listed.value.product_groups_and_categories
    if wanted and groups and groups.company_group and groups.company_group != wanted:
        return listed
    return detail.listed(number, listed.raw)


def _product_list(
    session: Session[Settings], since: datetime | None
) -> tuple[Listing[wire.ProductItem], dict[str, Row[wire.ProductItem]]]:
    """The list by product number: it has one row per product *and warehouse*."""
    listing = Listing(
        session, "Products", {"modifiedDateFrom": stamp(since) if since else None}, wire.PRODUCT_ITEM, "products"
    )
    rows = listing.rows(_place)
    return listing, {text(row.value.product_number) if row.value else row.raw.hex(): row for row in rows}


def _created(row: Row[wire.ProductItem], since: datetime) -> bool:
    if row.value is None:
        return True
    try:
        at = utc(row.value.create_date, "createDate", wire.ZONE)
    except RecordError:
        return True
    return at is None or at >= since


def _cursor(state: msgspec.Struct) -> str:
    return msgspec.json.encode(state).decode()


def product_of(session: Session[Settings], row: wire.Product | wire.ProductItem) -> Any:
    """The product, or why it is left out."""
    if isinstance(row, wire.ProductItem):
        return "another company group"
    product = to_product(row)
    wanted, group = session.settings.company_group, product.extras.get("companyGroup")
    return "another company group" if wanted and group and group != wanted else product


# -- prices ----------------------------------------------------------------------------------------


def prices(session: Session[Settings], query: Query) -> Iterator[Page[Price]]:
    """The best prices of the configured customer, ten products at a time; every run reads all of them.

    Raises `UnsupportedError` when no customer number is configured: the vendor's prices are always some customer's.
    """
    settings = session.settings
    if not settings.price_customer_number:
        raise UnsupportedError(
            "Extend Commerce gives prices only for a customer, and the connection names none.",
            hint="Set price_customer_number to the customer whose prices the shop shows.",
        )
    state = _Scan()
    if isinstance(query, ByKeys):
        skus = list(dict.fromkeys(query.keys))
    else:
        state = cursor_of(query, _SCAN, state)
        skus = sorted(sku for sku, row in _product_list(session, None)[1].items() if row.value and sku > state.after)
    for batch in chunks(skus, _PRICES_AT_ONCE):
        listing = WrappedListing(
            session, "ProductPrices",
            {"customerNumber": settings.price_customer_number, "currency": settings.currency or None,
             "productNumberList": batch},
            wire.PRICE, "prices", field="product_price_item_list",
        )  # fmt: skip
        listed = listing.rows(_tier)
        price_key = partial(_price_key, currency=settings.currency)
        named(listed, wire.PLACE, price_key)
        rows = _one_unit(listed, set(batch), settings.unit)
        cursor = None if isinstance(query, ByKeys) else _cursor(_Scan(after="" if batch[-1] == skus[-1] else batch[-1]))
        yield session.page(rows, partial(_price, currency=settings.currency), cursor=cursor, identify=price_key)
    if not skus and isinstance(query, Since):
        yield Page((), _cursor(_Scan()), seen=0)


def _price(item: wire.PriceItem | str, currency: str) -> Price | str:
    return item if isinstance(item, str) else to_price(item, currency)


def _price_key(item: wire.PriceItem | wire.Place | str, currency: str) -> str:
    if isinstance(item, str):
        return ""
    return Price(
        sku=text(item.product_number), amount=ZERO, currency=item.currency or currency,
        from_quantity=item.from_quantity or Decimal(1),
    ).key  # fmt: skip


def _tier(item: wire.PriceItem) -> str:
    return f"{item.product_number}|{item.sales_unit}|{item.from_quantity}|{item.currency}"


def _one_unit(rows: list[Row[wire.PriceItem]], asked: set[str], unit: str) -> list[Row[Any]]:
    """Prices of one sales unit per product, the configured one if it is there: a shop knows only one."""
    units: dict[str, set[str]] = {}
    for row in rows:
        if row.value:
            units.setdefault(_sku(row.value), set()).add(row.value.sales_unit or "")
    chosen = {sku: unit if unit in found else min(found) for sku, found in units.items()}
    marked: list[Row[Any]] = []
    for row in rows:
        if row.value is None or (_sku(row.value) in asked and (row.value.sales_unit or "") == chosen[_sku(row.value)]):
            marked.append(row)
        else:
            marked.append(Row(row.raw, "not asked for" if _sku(row.value) not in asked else "another sales unit"))
    return marked


def _sku(item: wire.PriceItem | wire.Availability | str) -> str:
    return item if isinstance(item, str) else text(item.product_number)


# -- balance ---------------------------------------------------------------------------------------


class _At(msgspec.Struct):
    at: datetime


_AT = msgspec.json.Decoder(_At | None)


def balances(session: Session[Settings], query: Query) -> Iterator[Page[Balance]]:
    """The stock per product and warehouse, as of the remote clock when the list began to be read."""
    if isinstance(query, ByKeys):
        for sku in dict.fromkeys(query.keys):
            yield _balance_page(session, {"productNumber": sku}, sku)
        return
    state = cursor_of(query, _AT, None)
    if state is not None:
        try:
            yield _balance_page(session, {"modifiedDateFrom": stamp(state.at - OVERLAP)}, "")
        except TransientError as busy:
            # The list of changes grows while it is read, on a busy day without end; that of all stock does not.
            session.log.info("The list of changed stock does not settle, so all stock is read: %s", busy)
        else:
            return
    yield _balance_page(session, {}, "")


def _balance_page(session: Session[Settings], params: dict[str, Any], sku: str) -> Page[Balance]:
    settings = session.settings
    chosen = settings.warehouses
    rows: list[Row[wire.Availability]] = []
    began: datetime | None = None
    # The filter takes one warehouse; for several, and because filters may be ignored, the rows are looked at, too.
    for warehouse in chosen or (None,):
        listing = WrappedListing(
            session, "ProductAvailability", {**params, "warehouse": warehouse}, wire.AVAILABILITY, "availability",
            field="product_availability_list",
        )  # fmt: skip
        rows += listing.rows(_place)
        began = min(began, listing.began or began) if began else listing.began
    named(rows, wire.PLACE, _balance_key)
    as_of = began or session.clock.now()

    def record(item: wire.Availability) -> Balance | str:
        if sku and _sku(item) != sku:
            return "not asked for"
        if chosen and text(item.warehouse) not in chosen:
            return "another warehouse"
        return to_balance(item, settings.balance_field, as_of)

    return session.page(rows, record, cursor=None if sku else _cursor(_At(as_of)), identify=_balance_key)


def _balance_key(item: wire.Availability | wire.Place) -> str:
    return Balance(sku=text(item.product_number), warehouse=text(item.warehouse), available=ZERO).key


# -- customers -------------------------------------------------------------------------------------


def customers(session: Session[Settings], query: Query) -> Iterator[tuple[list[Row[Any]], str | None]]:
    """Rows of `wire.Customer`: those that changed, fetched one by one."""
    detail = Detail(session=session, path="Customers", decoder=wire.CUSTOMER, budget="customers")
    if isinstance(query, ByKeys):
        for rows in detail.several(query.keys):
            yield list(rows), None
        return
    changes = Changes(
        listing=lambda since: WrappedListing(
            session, "Customers", {"changedAfterDate": stamp(since) if since else None}, wire.CUSTOMER_ITEM,
            "customers", field="customer_list",
        ),
        detail=detail,
        number=lambda item: text(item.customer_number),
        changed=lambda item: item.change_date,
    )  # fmt: skip
    yield from changes.walk(query)
