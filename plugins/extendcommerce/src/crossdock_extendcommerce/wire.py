"""Extend Commerce's payloads as typed shapes, under the vendor's names (also the misspelt ones), in both directions.

Everything is optional: the vendor promises never to remove a field and may add some at any time (vendor page section
2, rule 6), so unknown fields are ignored, unknown words kept, and what must be there is checked in the mapping.
Numbers are read from their text, so no float ever touches money. When written, fields that are `None` are left out.
"""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec

# Some change times come without an offset: read as Swedish local time (vendor page section 5, a guess).
ZONE = ZoneInfo("Europe/Stockholm")

Text = str | int | None
"""An identifier; numbers are accepted and turned into text by the mapping."""


class _Shape(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    pass


class Address(_Shape):
    """`deliveryAddress` (name1, name2, doorCode) or `invoiceAddress` (name)."""

    name: str | None = None
    name1: str | None = None
    name2: str | None = None
    address1: str | None = None
    address2: str | None = None
    address3: str | None = None
    postal_code: Text = None
    city: str | None = None
    state: str | None = None
    country_code: str | None = None
    door_code: Text = None


class Notations(_Shape):
    notes: str | None = None
    shipping_mark: str | None = None


class External(_Shape):
    external_id: Text = None
    received_date: str | None = None
    free_text: str | None = None


class MetaData(_Shape):
    meta_data_label: str | None = None
    meta_data_value: str | None = None


class Transaction(_Shape):
    payment_transaction_id: Text = None
    payment_provider: str | None = None
    amount: str | float | None = None


class HeaderShipment(_Shape):
    """A parcel list of an order; `packages` are the parcel numbers."""

    shipment_number: Text = None
    shipment_reference: str | None = None
    create_date: str | None = None
    packages: list[Text] | None = None
    pick_date: str | None = None
    forwarder: str | None = None
    delivery_method: str | None = None


class OrderHeader(_Shape):
    order_number: Text = None
    order_type: str | None = None
    order_number_external: Text = None
    order_number_end_customer: Text = None
    order_date: str | None = None
    order_status: str | None = None
    customer_number: Text = None
    asked_delivery_date: str | None = None
    partial_delivery: bool | None = None
    freight_free: bool | None = None
    payment_type: str | None = None
    delivery_method: str | None = None
    your_reference: str | None = None
    our_reference: str | None = None
    delivery_address: Address | None = None
    invoice_address: Address | None = None
    deliery_phone_number: Text = None
    advise_phone_number: Text = None
    delivery_email: str | None = None
    invoice_email: str | None = None
    advise_email: str | None = None
    notations: Notations | None = None
    external: External | None = None
    payment_transactions: list[Transaction] | None = None
    order_meta_data: list[MetaData] | None = None
    sales_channel: str | None = None
    shipments: list[HeaderShipment] | None = None
    total_price: Decimal | None = None
    change_date: str | None = None


class RowProduct(_Shape):
    product_number: Text = None
    product_name: str | None = None


class SalesData(_Shape):
    """What was ordered, or as `deliveryData` what was delivered; `unitPrice` without VAT."""

    quantity: Decimal | None = None
    unit: str | None = None
    unit_price: Decimal | None = None
    vat_percent: Decimal | None = None
    currency: str | None = None


class ExternalRow(_Shape):
    external_row_id: Text = None
    free_text: str | None = None


class OrderRow(_Shape):
    position: int | None = None
    sub_position: int | None = None
    row_operation: str | None = None
    order_row_status: str | None = None
    product: RowProduct | None = None
    sales_data: SalesData | None = None
    notations: Notations | None = None
    supply_mode: str | None = None
    warehouse: Text = None
    delivery_data: SalesData | None = None
    shipment_number: Text = None
    external_row: ExternalRow | None = None
    order_row_id: Text = None


class CustomerOrder(_Shape):
    order_header: OrderHeader | None = None
    order_rows: list[OrderRow] | None = None


class OrderItem(_Shape):
    """A row of the order list."""

    order_number: Text = None
    order_number_external: Text = None
    order_status: str | None = None
    order_date: str | None = None
    change_date: str | None = None


class Availability(_Shape):
    """The balance of one product in one warehouse."""

    warehouse: Text = None
    warehouse_name: str | None = None
    product_number: Text = None
    physical_balance: Decimal | None = None
    available_balance_now: Decimal | None = None
    available_balance_now_b: Decimal | None = None
    available_balance_now_c: Decimal | None = None
    blocked_balance: Decimal | None = None
    ordered_quantity: Decimal | None = None
    next_receiving_date: str | None = None
    quantity_on_next_receiving: Decimal | None = None
    change_date: str | None = None


class PriceItem(_Shape):
    product_number: Text = None
    sales_unit: str | None = None
    from_quantity: Decimal | None = None
    price: Decimal | None = None
    list_price: Decimal | None = None
    vat_percent: Decimal | None = None
    currency: str | None = None


class ShippedNumber(_Shape):
    shipment_number: Text = None


class ShippedHeader(_Shape):
    order_number: Text = None
    shipments: list[ShippedNumber] | None = None


class Shipped(_Shape):
    """The numbers of an order's shipments, for naming those of an order that cannot be read as a whole."""

    order_header: ShippedHeader | None = None


class Place(_Shape):
    """What tells rows of stock and prices apart, for naming one that cannot be read as a whole."""

    product_number: Text = None
    warehouse: Text = None
    currency: str | None = None
    from_quantity: Decimal | None = None


class Groups(_Shape):
    company_group: str | None = None
    product_categories: list[str] | None = None
    vat_category: Text = None


class ProductItem(_Shape):
    """A row of the product list: one per product *and warehouse*, without a change time."""

    product_number: Text = None
    create_date: str | None = None
    warehouse: Text = None
    product_groups_and_categories: Groups | None = None


class Measurements(_Shape):
    length: Decimal | None = None
    width: Decimal | None = None
    height: Decimal | None = None
    weight: Decimal | None = None


class TransportDetails(_Shape):
    customs_commodity_code: Text = None
    ean: Text = None


class Services(_Shape):
    supply_mode: str | None = None
    product_handlings: list[str] | None = None


class Media(_Shape):
    info_url: str | None = None
    image_url: str | None = None


class Dates(_Shape):
    created_date: str | None = None
    changed_date: str | None = None


class Attribute(_Shape):
    attribute_type: str | None = None
    attribute_value: Text = None


class ProductVariant(_Shape):
    product_number: Text = None
    product_attributes: list[Attribute] | None = None


class ProductData(_Shape):
    product_name: str | None = None
    product_description: str | None = None
    country_of_origin: str | None = None
    enabled: bool | None = None
    annulled: bool | None = None
    product_services: Services | None = None
    product_unit: str | None = None
    gtin: Text = msgspec.field(default=None, name="productGTINumber")
    product_visibility: str | None = None
    product_groups_and_categories: Groups | None = None
    product_measurements: Measurements | None = None
    product_transport_details: TransportDetails | None = None
    manufacturer: str | None = None
    manufacturer_product_number: Text = None
    media: Media | None = None
    product_dates: Dates | None = None
    product_variants: list[ProductVariant] | None = None


class Product(_Shape):
    product_number: Text = None
    product_data: ProductData | None = None


class CustomerItem(_Shape):
    """A row of the customer list."""

    customer_number: Text = None
    email2: str | None = None
    invoice_email: str | None = None
    change_date: str | None = None


class CustomerPlace(_Shape):
    address1: str | None = None
    address2: str | None = None
    address3: str | None = None
    postal_code: Text = None
    city: str | None = None
    state: str | None = None
    country: str | None = None


class CustomerAddress(_Shape):
    """`customerInvoiceAddress` (with a name) or `customerDeliveryAddress`."""

    name: str | None = None
    address: CustomerPlace | None = None


class Classification(_Shape):
    customer_type: str | None = None
    company_group: str | None = None


class Logistics(_Shape):
    customer_freight_agreement: str | None = None
    default_partial_delivery: str | None = None


class Customer(_Shape):
    customer_number: Text = None
    post_template: str | None = None
    name: str | None = None
    last_name: str | None = None
    organization_number: Text = None
    vat_number: Text = None
    invoice_email: str | None = None
    order_confirmation_email: str | None = None
    phone: Text = None
    customer_classification: Classification | None = None
    customer_logistics_settings: Logistics | None = None
    customer_invoice_address: CustomerAddress | None = None
    customer_delivery_address: CustomerAddress | None = None
    change_date: str | None = None


class Notification(msgspec.Struct, gc=False):
    """One event of a webhook; what is in `Details` differs per action and is mostly undocumented."""

    action: str = msgspec.field(default="", name="Action")
    details: dict[str, object] | None = msgspec.field(default=None, name="Details")


class Hook(msgspec.Struct, gc=False):
    id: str = msgspec.field(default="", name="Id")
    notifications: list[Notification] = msgspec.field(default_factory=list, name="Notifications")


class Pagination(_Shape):
    current_page: int | None = None
    total_pages: int | None = None


class Wrapped(_Shape):
    """The second paging style: one list under a name of its own beside `paginationInfo`."""

    pagination_info: Pagination | None = None
    product_availability_list: msgspec.Raw = msgspec.Raw(b"[]")
    product_price_item_list: msgspec.Raw = msgspec.Raw(b"[]")
    customer_list: msgspec.Raw = msgspec.Raw(b"[]")


ORDER = msgspec.json.Decoder(CustomerOrder)
ORDER_ITEM = msgspec.json.Decoder(OrderItem)
SHIPPED = msgspec.json.Decoder(Shipped)
PLACE = msgspec.json.Decoder(Place)
AVAILABILITY = msgspec.json.Decoder(Availability)
PRICE = msgspec.json.Decoder(PriceItem)
PRODUCT = msgspec.json.Decoder(Product)
PRODUCT_ITEM = msgspec.json.Decoder(ProductItem)
CUSTOMER = msgspec.json.Decoder(Customer)
CUSTOMER_ITEM = msgspec.json.Decoder(CustomerItem)
WRAPPED = msgspec.json.Decoder(Wrapped)
HOOK = msgspec.json.Decoder(Hook)

_encode = msgspec.json.Encoder(decimal_format="number").encode


def body(value: CustomerOrder | Customer) -> msgspec.Raw:
    """`value` as a request body: numbers exact, nothing that is unknown."""
    return msgspec.Raw(_encode(value))
