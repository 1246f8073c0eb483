"""From offers to products, prices and stock. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from crossdock import Balance, Price, Product
from crossdock.mapping import required, text, utc
from crossdock_mirakl import shopwire

ONE = Decimal(1)
ZERO = Decimal(0)
_GTINS = frozenset(("EAN", "GTIN", "UPC", "ISBN"))


def to_product(row: shopwire.Offer) -> Product | str:
    """What the shop sells under a SKU; a deleted offer is a disabled product."""
    sku = text(row.shop_sku)
    if not sku:
        return "without a SKU"
    references = row.product_references or []
    extras = {
        "offer_id": text(row.offer_id), "product_sku": text(row.product_sku), "state_code": text(row.state_code),
        "category_code": text(row.category_code), "channels": row.channels, "leadtime_to_ship": row.leadtime_to_ship,
    }  # fmt: skip
    return Product(
        key=sku, sku=sku,
        gtin=next((text(each.reference) for each in references if (each.reference_type or "").upper() in _GTINS), ""),
        name=row.product_title or "", description=row.product_description or "", brand=row.product_brand or "",
        categories=(row.category_label,) if row.category_label else (),
        enabled=row.active is not False and not row.deleted,
        extras={name: value for name, value in extras.items() if value},
    )  # fmt: skip


def to_balances(row: shopwire.Offer, warehouse: str, as_of: datetime) -> Iterator[Balance | str]:
    """Stock: of each warehouse that the offer names, or of the configured one, else the offer's quantity."""
    sku = text(row.shop_sku)
    if not sku:
        yield "without a SKU"
        return
    extras = {"offer_id": text(row.offer_id)}
    stocks = row.warehouses or []
    if row.deleted or not stocks:
        available = ZERO if row.deleted else row.quantity or ZERO
        yield Balance(sku=sku, warehouse=warehouse, available=available, extras=extras, as_of=as_of)
        return
    named = [each for each in stocks if warehouse in ("", each.code)]
    for each in named:
        yield Balance(sku=sku, warehouse=each.code or "", available=each.quantity or ZERO, extras=extras, as_of=as_of)
    if not named:
        yield "in other warehouses"


def channels_of(row: shopwire.OfferPrice) -> tuple[str, ...]:
    """The sales channels of a price, sorted; none: all."""
    several = row.context.channel_codes if row.context else None
    return tuple(sorted(several or ([row.channel_code] if row.channel_code else [])))


def to_prices(row: shopwire.Offer, inclusive: bool, now: datetime) -> Iterator[Price | str]:
    """The offer's prices by channel (``price_list``, several joined by ``|``) and tier.

    While a discount is in force it is the amount and the original price the list price; a planned one is in the extras.
    """
    sku = text(row.shop_sku)
    if not sku or row.deleted:
        yield "deleted" if sku else "without a SKU"
        return
    for each in prices_of(row):
        context = each.context or shopwire.PriceContext()
        if context.customer_group_ids or context.customer_organization_ids:
            yield "for single customers"
            continue
        begins = utc(each.discount_start_date, "all_prices.discount_start_date")
        ends = utc(each.discount_end_date, "all_prices.discount_end_date")
        running = (begins is None or begins <= now) and (ends is None or now < ends)
        for tier in tiers(each):
            origin, discount = original(tier), tier.unit_discount_price
            on = discount is not None and running
            extras = {} if on or discount is None else {
                "unit_discount_price": discount, "discount_start_date": each.discount_start_date,
                "discount_end_date": each.discount_end_date,
            }  # fmt: skip
            yield Price(
                sku=sku, amount=discount if on and discount is not None else origin,
                list_price=origin if on else None, currency=row.currency_iso_code or "", includes_tax=inclusive,
                from_quantity=tier.quantity_threshold or ONE, price_list="|".join(channels_of(each)),
                valid_from=begins if on else utc(context.start_date, "all_prices.context.start_date"),
                valid_until=ends if on else utc(context.end_date, "all_prices.context.end_date"),
                extras=extras,
            )  # fmt: skip


def prices_of(row: shopwire.Offer) -> list[shopwire.OfferPrice]:
    """All prices of an offer, from the list or from an export."""
    return row.all_prices or row.prices or []


def tiers(row: shopwire.OfferPrice) -> list[shopwire.VolumePrice]:
    """The tiers of a price; a price without any is one from a single piece on."""
    if row.volume_prices:
        return row.volume_prices
    origin = row.unit_origin_price if row.unit_origin_price is not None else row.origin_price
    discount = row.unit_discount_price if row.unit_discount_price is not None else row.discount_price
    return [
        shopwire.VolumePrice(
            price=row.price, quantity_threshold=ONE, unit_origin_price=origin, unit_discount_price=discount
        )
    ]


def original(tier: shopwire.VolumePrice) -> Decimal:
    """The price without discount; raises `RecordError` when none is told."""
    found = tier.unit_origin_price if tier.unit_origin_price is not None else tier.price
    return required(found, "all_prices.unit_origin_price")
