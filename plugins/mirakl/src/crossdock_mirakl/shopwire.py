"""Mirakl's payloads of the shop's side: account, configuration, offers, imports and exports."""

from __future__ import annotations

from typing import Any

import msgspec

from crossdock_mirakl.wire import Amount, Text, decoder


class Kyc(msgspec.Struct, gc=False):
    """How far the shop is known to the operator's bank."""

    status: str | None = None


class Account(msgspec.Struct):
    """A01 without its bank details, so that nothing more than this is ever kept."""

    shop_id: Text = ""
    shop_name: str | None = ""
    shop_state: str | None = ""
    currency_iso_code: str | None = ""
    channels: list[str] | None = None
    model: str | None = ""
    kyc: Kyc | None = None
    offers_count: int | None = None
    orders_count: int | None = None


class Workflows(msgspec.Struct):
    """How orders go at this operator."""

    order_acceptance: str | None = None
    shipping_and_billing_details_before_acceptance: bool | None = None


class MultiShipment(msgspec.Struct):
    """Whether orders may be shipped in parts."""

    multi_shipment: bool | None = None
    multi_part_item_shipment: bool | None = None


class Pricing(msgspec.Struct):
    """Which kinds of prices the operator allows."""

    channel_pricing: str | None = None
    volume_pricing: bool | None = None
    scheduled_pricing: bool | None = None


class Features(msgspec.Struct):
    """What the operator switched on."""

    order_tax_mode: str | None = None
    order_workflows: Workflows = msgspec.field(default_factory=Workflows)
    shipment: MultiShipment = msgspec.field(default_factory=MultiShipment)
    pricing: Pricing = msgspec.field(default_factory=Pricing)
    disable_seller_alternative_carrier: bool | None = None
    offer_prices_decimals: str | int | None = None
    operator_csv_delimiter: str | None = None


class Platform(msgspec.Struct):
    """PC01."""

    features: Features = msgspec.field(default_factory=Features)
    platform_name: str | None = ""
    timezone: str | None = ""


class ImportMade(msgspec.Struct):
    """An accepted file."""

    import_id: Text = ""


class Import(msgspec.Struct):
    """The state of an import; `status` WAITING, RUNNING, COMPLETE or FAILED."""

    import_id: Text = ""
    status: str = ""
    has_error_report: bool | None = None
    lines_in_error: int | None = None
    reason_status: str | None = None


class Imports(msgspec.Struct):
    """PRI02."""

    data: list[Import] = []


class Reference(msgspec.Struct, gc=False):
    """A product reference such as an EAN."""

    reference: Text = ""
    reference_type: str | None = ""


class VolumePrice(msgspec.Struct, gc=False, omit_defaults=True):
    """A tier."""

    price: Amount = None
    quantity_threshold: Amount = None
    unit_origin_price: Amount = None
    unit_discount_price: Amount = None


class PriceContext(msgspec.Struct, gc=False):
    """For whom and when a price is meant."""

    channel_codes: list[str] | None = None
    customer_group_ids: list[str] | None = None
    customer_organization_ids: list[str] | None = None
    start_date: str | None = None
    end_date: str | None = None


class OfferPrice(msgspec.Struct, gc=False, omit_defaults=True):
    """One of an offer's prices; an export says `origin_price` and `discount_price` for the ``unit_…`` of the list."""

    channel_code: str | None = None
    context: PriceContext | None = None
    price: Amount = None
    origin_price: Amount = None
    discount_price: Amount = None
    unit_origin_price: Amount = None
    unit_discount_price: Amount = None
    discount_start_date: str | None = None
    discount_end_date: str | None = None
    volume_prices: list[VolumePrice] | None = None


class Stock(msgspec.Struct, gc=False):
    """An offer's stock in one warehouse."""

    code: str | None = ""
    quantity: Amount = None


class Offer(msgspec.Struct, gc=False, omit_defaults=True):
    """What the shop sells under a SKU; an export has `prices` for `all_prices`, and neither title nor references."""

    shop_sku: Text = ""
    offer_id: Text = ""
    product_sku: Text = ""
    product_title: str | None = ""
    product_brand: str | None = ""
    product_description: str | None = ""
    product_references: list[Reference] | None = None
    category_code: Text = ""
    category_label: str | None = ""
    state_code: Text = ""
    active: bool | None = True
    deleted: bool | None = None
    channels: list[str] | None = None
    currency_iso_code: str | None = ""
    price: Amount = None
    quantity: Amount = None
    all_prices: list[OfferPrice] | None = None
    prices: list[OfferPrice] | None = None
    warehouses: list[Stock] | None = None
    leadtime_to_ship: int | None = None


class OfferStamp(msgspec.Struct, gc=False):
    """Just what names an offer and the currency of its prices; whatever else is wrong with it."""

    shop_sku: Any = ""
    currency_iso_code: Any = ""


class Offers(msgspec.Struct):
    """OF21, rows unread."""

    offers: msgspec.Raw = msgspec.Raw(b"[]")
    total_count: int | None = None


class ExportMade(msgspec.Struct):
    """OF52."""

    tracking_id: str = ""


class ExportStatus(msgspec.Struct):
    """OF53: PENDING, COMPLETED, FAILED or CANCELLED."""

    status: str = ""
    urls: list[str] | None = None
    error: dict[str, Any] | None = None


ACCOUNT = decoder(Account)
PLATFORM = decoder(Platform)
IMPORT_MADE = decoder(ImportMade)
IMPORT = decoder(Import)
IMPORTS = decoder(Imports)
OFFER = decoder(Offer)
OFFER_STAMP = decoder(OfferStamp)
OFFERS = decoder(Offers)
EXPORT_MADE = decoder(ExportMade)
EXPORT_STATUS = decoder(ExportStatus)
