"""An offer: what the shop sells of a product, with its prices, and how the vendor shows it (vendor page section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import attrs

from crossdock_mirakl.sandbox.clock import end_of_day, seconds_date
from crossdock_mirakl.sandbox.wire import JsonObject

SHIPPING_PRICE = Decimal("4.90")
LOGISTIC_LABELS = {"S": "Small", "M": "Medium", "L": "Large"}

# What OF24 puts back to its default when it is not sent; the price stands apart since it must be sent.
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "description": None,
        "internal_description": None,
        "price_additional_info": None,
        "leadtime_to_ship": None,
        "logistic_class": "M",
        "min_order_quantity": None,
        "max_order_quantity": None,
        "package_quantity": None,
        "min_quantity_alert": None,
        "available_started": None,
        "available_ended": None,
        "product_tax_code": None,
        "allow_quote_requests": False,
        "offer_additional_fields": (),
        "eco_contributions": (),
    }
)


@attrs.frozen
class Product:
    """A product of the operator's catalogue."""

    sku: str
    title: str
    ean: str
    category: str = "5410"
    category_label: str = "Petit électroménager"
    brand: str = "ExempleBrand"


@attrs.frozen
class Price:
    """One of an offer's prices; without `channels` it is that of every channel without one of its own."""

    origin: Decimal
    discount: Decimal | None = None
    discount_start: datetime | None = None
    discount_end: datetime | None = None
    channels: tuple[str, ...] = ()
    ranges: tuple[tuple[int, Decimal], ...] = ()
    discount_ranges: tuple[tuple[int, Decimal], ...] = ()
    start: datetime | None = None
    end: datetime | None = None

    def discounted(self, now: datetime) -> bool:
        """Whether the discount is in force."""
        began = self.discount_start is None or self.discount_start <= now
        return self.discount is not None and began and (self.discount_end is None or now < self.discount_end)

    def in_force(self, now: datetime) -> bool:
        """Whether a scheduled price counts today."""
        return (self.start is None or self.start <= now) and (self.end is None or now < self.end)

    def current(self, now: datetime) -> Decimal:
        """What one piece costs at `now`."""
        return self.discount if self.discount is not None and self.discounted(now) else self.origin

    def render(self, channel: str | None, now: datetime) -> JsonObject:
        """One entry of ``all_prices``, or ``applicable_pricing``."""
        discounts = dict(self.discount_ranges)
        if self.discount is not None:
            discounts.setdefault(1, self.discount)
        in_force = self.discounted(now)
        steps = sorted({1: self.origin, **dict(self.ranges)}.items())
        shown: JsonObject = {
            "channel_code": channel,
            "price": self.current(now),
            "unit_origin_price": self.origin,
            "unit_discount_price": self.discount,
            "discount_start_date": seconds_date(self.discount_start),
            "discount_end_date": seconds_date(self.discount_end),
            "volume_prices": [
                {
                    "price": discounts.get(threshold, origin) if in_force else origin,
                    "quantity_threshold": threshold,
                    "unit_origin_price": origin,
                    "unit_discount_price": discounts.get(threshold),
                }
                for threshold, origin in steps
            ],
        }
        context: JsonObject = {"channel_codes": list(self.channels)} if self.channels else {}
        if self.start or self.end:
            context |= {"start_date": seconds_date(self.start), "end_date": seconds_date(self.end)}
        return shown | {"context": context} if context else shown


@attrs.define
class Offer:
    """What the shop sells of `product` under its own `sku`."""

    offer_id: int
    sku: str
    product: Product
    prices: tuple[Price, ...]
    quantity: int
    created: datetime
    updated: datetime
    state_code: str = "11"
    warehouses: dict[str, int] = attrs.field(factory=dict)
    fields: dict[str, Any] = attrs.field(factory=lambda: dict(DEFAULTS))
    deleted: bool = False

    @property
    def default_price(self) -> Price:
        """The price without a channel; every offer has one."""
        return next(each for each in self.prices if not each.channels)

    def applicable(self, channel: str | None, now: datetime) -> Price:
        """The price that counts in `channel` at `now`."""
        here = (each for each in self.prices if channel in each.channels and each.in_force(now))
        return next(here, self.default_price)

    def inactivity(self, now: datetime) -> list[str]:
        """Why the offer is not sold; empty when it is."""
        reasons = [] if self.quantity else ["ZERO_QUANTITY"]
        began, ended = self.fields["available_started"], self.fields["available_ended"]
        if (began and now < began) or (ended and now >= ended):
            reasons.append("NOT_AVAILABLE_PERIOD")
        return reasons


def offer_view(offer: Offer, now: datetime, channels: list[str], currency: str, pricing_channel: str | None) -> Any:
    """An offer as OF21 and OF22 answer it."""
    fields, product, price = offer.fields, offer.product, offer.default_price
    reasons = offer.inactivity(now)
    shown = [
        each.render(channel, now) for each in offer.prices for channel in (each.channels or (None,))
    ]  # a price of several channels is shown once for each
    discount = None
    if price.discount is not None:
        discount = {
            "discount_price": price.discount,
            "origin_price": price.origin,
            "start_date": seconds_date(price.discount_start),
            "end_date": seconds_date(price.discount_end),
            "ranges": [
                {"price": each, "quantity_threshold": threshold} for threshold, each in sorted(price.discount_ranges)
            ],
        }
    return {
        "offer_id": offer.offer_id,
        "shop_sku": offer.sku,
        "product_sku": product.sku,
        "product_title": product.title,
        "product_brand": product.brand,
        "product_description": None,
        "product_references": [{"reference": product.ean, "reference_type": "EAN"}],
        "category_code": product.category,
        "category_label": product.category_label,
        "state_code": offer.state_code,
        "active": not reasons,
        "inactivity_reasons": reasons,
        "channels": channels,
        "currency_iso_code": currency,
        "price": price.current(now),
        "total_price": price.current(now) + SHIPPING_PRICE,
        "quantity": offer.quantity,
        "min_quantity_alert": fields["min_quantity_alert"],
        "applicable_pricing": offer.applicable(pricing_channel, now).render(pricing_channel, now),
        "all_prices": shown,
        "discount": discount,
        "allow_quote_requests": fields["allow_quote_requests"],
        "available_start_date": seconds_date(fields["available_started"]),
        "available_end_date": seconds_date(fields["available_ended"]),
        "description": fields["description"],
        "internal_description": fields["internal_description"],
        "eco_contributions": list(fields["eco_contributions"]),
        "fulfillment": {"center": {"code": "DEFAULT"}},
        "leadtime_to_ship": fields["leadtime_to_ship"],
        "logistic_class": {
            "code": fields["logistic_class"],
            "label": LOGISTIC_LABELS.get(fields["logistic_class"], fields["logistic_class"]),
        },
        "min_order_quantity": fields["min_order_quantity"],
        "max_order_quantity": fields["max_order_quantity"],
        "package_quantity": fields["package_quantity"],
        "min_shipping_price": SHIPPING_PRICE,
        "min_shipping_price_additional": 0,
        "min_shipping_type": "STD",
        "min_shipping_zone": "FR1",
        "offer_additional_fields": list(fields["offer_additional_fields"]),
        "price_additional_info": fields["price_additional_info"],
        "shipping_deadline": end_of_day(now, 1).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "warehouses": [{"code": code, "quantity": count} for code, count in sorted(offer.warehouses.items())],
    }


def export_view(offer: Offer, now: datetime, channels: list[str], currency: str, shop: tuple[int, str]) -> JsonObject:
    """An offer as the files of OF54 hold it: other names than in OF21, and the deleted ones too."""
    fields = offer.fields
    return {
        "active": not offer.deleted and not offer.inactivity(now),
        "allow_quote_requests": fields["allow_quote_requests"],
        "channels": channels,
        "currency_iso_code": currency,
        "date_created": seconds_date(offer.created),
        "deleted": offer.deleted,
        "description": fields["description"],
        "eco_contributions": list(fields["eco_contributions"]),
        "fulfillment": {"center": {"code": "DEFAULT"}},
        "is_professional": True,
        "last_updated": seconds_date(offer.updated),
        "leadtime_to_ship": fields["leadtime_to_ship"],
        "logistic_class": {"code": fields["logistic_class"]},
        "min_shipping_price": SHIPPING_PRICE,
        "min_shipping_price_additional": 0,
        "min_shipping_type": "STD",
        "min_shipping_zone": "FR1",
        "model": "MARKETPLACE",
        "offer_id": offer.offer_id,
        "premium": False,
        "prices": [_export_price(each) for each in offer.prices],
        "product_sku": offer.product.sku,
        "quantity": offer.quantity,
        "shop_id": shop[0],
        "shop_name": shop[1],
        "shop_sku": offer.sku,
        "state_code": offer.state_code,
    }


def _export_price(price: Price) -> JsonObject:
    discounts = dict(price.discount_ranges)
    if price.discount is not None:
        discounts.setdefault(1, price.discount)
    shown: JsonObject = {"origin_price": price.origin}
    if price.discount is not None:
        shown |= {
            "discount_price": price.discount,
            "discount_start_date": seconds_date(price.discount_start),
            "discount_end_date": seconds_date(price.discount_end),
        }
    shown["volume_prices"] = [
        {"quantity_threshold": threshold, "unit_origin_price": origin}
        | ({"unit_discount_price": discounts[threshold]} if threshold in discounts else {})
        for threshold, origin in sorted({1: price.origin, **dict(price.ranges)}.items())
    ]
    if price.channels or price.start or price.end:
        context: JsonObject = {"channel_codes": list(price.channels)} if price.channels else {}
        if price.start or price.end:
            context |= {"start_date": seconds_date(price.start), "end_date": seconds_date(price.end)}
        shown["context"] = context
    return shown
