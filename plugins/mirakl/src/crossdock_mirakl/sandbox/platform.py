"""What the operator sets for everybody: configuration, channels, carriers, reasons (vendor page sections 1 and 7)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from crossdock_mirakl.sandbox.order import CHANNELS, Tracking
from crossdock_mirakl.sandbox.refusal import Refusal
from crossdock_mirakl.sandbox.wire import JsonObject

CARRIERS: tuple[JsonObject, ...] = (
    {
        "code": "COLISSIMO",
        "label": "Colissimo",
        "standard_code": "COLISSIMO",
        "tracking_url": "https://tracking.example.test/colissimo?n={trackingId}",
    },
    {
        "code": "MONDIALRELAY",
        "label": "Mondial Relay",
        "standard_code": None,
        "tracking_url": "https://tracking.example.test/mr?n={trackingId}",
    },
    {"code": "dhl-express", "label": "DHL Express", "standard_code": "DHL", "tracking_url": None},
    {"code": "AUTRE", "label": "Autre transporteur", "standard_code": None, "tracking_url": None},
)
NUMBER_NEEDED = ("MONDIALRELAY",)  # some operators want the number for some carriers (vendor page section 7)

REASONS: tuple[JsonObject, ...] = (
    {"code": "15", "is_shop_right": True, "label": "Out of stock", "type": "REFUND"},
    {"code": "19", "is_shop_right": True, "label": "Damaged item", "type": "REFUND"},
    {"code": "21", "is_shop_right": False, "label": "Operator's goodwill", "type": "REFUND"},
    {"code": "34", "is_shop_right": True, "label": "Cancelled by the client prior to shipping", "type": "CANCELATION"},
    {"code": "1", "is_shop_right": False, "label": "Item not received", "type": "INCIDENT_OPEN"},
)


@attrs.frozen
class Options:
    """The switches of an operator; see `create`."""

    tax_mode: str
    multi_shipment: bool
    acceptance: bool
    partial_acceptance: bool
    automatic_debit: bool
    addresses_before_acceptance: bool
    alternative_carrier: bool
    refund_while_shipping: bool
    workflow: str
    decimals: str
    delimiter: str
    channel_pricing: str
    volume_pricing: bool
    scheduled_pricing: bool
    update_delta: float
    added_fields: bool

    @property
    def separator(self) -> str:
        """The character between two cells of a CSV file."""
        return "," if self.delimiter == "COMMA" else ";"


def configuration(options: Options) -> JsonObject:
    """PC01's answer."""
    return {
        "features": {
            "disable_seller_alternative_carrier": not options.alternative_carrier,
            "multi_currency": False,
            "offer_prices_decimals": options.decimals,
            "operator_csv_delimiter": options.delimiter,
            "order_tax_mode": options.tax_mode,
            "order_workflows": {
                "no_customer_payment_confirmation": False,
                "order_acceptance": "NOT_AUTOMATIC" if options.acceptance else "AUTOMATIC",
                "pause_debit_workflow": False,
                "pay_on_due_date": options.workflow == "PAY_ON_DUE_DATE",
                "pay_on_shipment": options.workflow == "PAY_ON_SHIPMENT",
                "sellers_edit_shipping_origin": False,
                "shipping_and_billing_details_before_acceptance": options.addresses_before_acceptance,
            },
            "pricing": {
                "channel_pricing": options.channel_pricing,
                "scheduled_pricing": options.scheduled_pricing,
                "volume_discount": options.volume_pricing,
                "volume_pricing": options.volume_pricing,
            },
            "shipment": {
                "multi_shipment": options.multi_shipment,
                "multi_part_item_shipment": options.multi_shipment,
            },
            "tax_collection": {
                "activated": "NO",
                "product_tax_code_mandatory": False,
                "tax_collection_by_operator": False,
            },
        },
        "modules": {"offer_management": True, "order_management": True, "promotions": True, "quotes": False},
        "platform_configuration": {
            "customer_model": {"b2b": False, "b2c": True},
            "platform_model": {"drop_ship": False, "marketplace": True, "one_creditor": False},
        },
        "platform_name": "Exemple Place",
        "tenant_name": "exempleplace-test",
        "timezone": "Europe/Paris",
    }


def channels(codes: tuple[str, ...]) -> JsonObject:
    """CH11's answer, sorted by code."""
    return {"channels": [{"code": code, "label": CHANNELS[code]} for code in sorted(codes)]}


def tracking(given: Mapping[str, object], options: Options, *, url_field: str, number_checked: bool = True) -> Tracking:
    """The tracking of a request with what the operator knows of the carrier.

    Raises `Refusal` for a carrier code that SH21 does not list, a carrier without a name where names are free, any
    unregistered carrier where they are not, and a missing number where the operator wants one.
    """
    values = {name: str(value) for name, value in given.items() if value is not None}
    number = values.get("tracking_number") or None
    code, standard = values.get("carrier_code"), values.get("carrier_standard_code")
    if code:
        carrier = next((each for each in CARRIERS if each["code"] == code), None)
        if carrier is None:
            raise Refusal(f"Carrier with code '{code}' does not exist", code="VALIDATION_ERROR", field="carrier_code")
        if number_checked and code in NUMBER_NEEDED and not number:
            raise Refusal("The tracking number is mandatory for this carrier", code="VALIDATION_ERROR")
        template = carrier["tracking_url"]
        url = template.replace("{trackingId}", number) if template and number else None
        return Tracking(code, carrier["label"], carrier["standard_code"], number, url)
    if not options.alternative_carrier:
        raise Refusal("The carrier must be one of the carriers of the platform", code="VALIDATION_ERROR")
    if not values.get("carrier_name"):
        raise Refusal("carrier_code or carrier_name is required", code="VALIDATION_ERROR", field="carrier_name")
    return Tracking(None, values["carrier_name"], standard, number, values.get(url_field))


def account(
    shop_id: int, name: str, state: str, created: str | None, channel_codes: tuple[str, ...], counts: tuple[int, int]
) -> JsonObject:
    """A01's answer; `counts` are offers and orders."""
    return {
        "applicable_taxes": [],
        "approval_delay": 12,
        "approval_rate": 0.98,
        "channels": list(channel_codes),
        "closed_from": None,
        "closed_to": None,
        "contact_informations": {
            "city": "Lyon",
            "civility": "Mr",
            "country": "FRA",
            "email": "ops@example.test",
            "firstname": "Noé",
            "lastname": "Exemple",
            "phone": "+33 4 00 00 00 00",
            "state": None,
            "street1": "1 rue de l'Essai",
            "street2": None,
            "web_site": None,
            "zip_code": "69001",
        },
        "currency_iso_code": "EUR",
        "date_created": created,
        "description": None,
        "domains": ["PRODUCT"],
        "evaluations_count": 41,
        "free_shipping": False,
        "grade": 4.6,
        "is_professional": True,
        "kyc": {"reason": None, "status": "APPROVED"},
        "last_updated_date": created,
        "model": "MARKETPLACE",
        "offers_count": counts[0],
        "orders_count": counts[1],
        "payment_details": {
            "pending_balance": 1184.37,
            "payable_balance": 402.15,
            "paid_balance": 38120.06,
            "reserve_balance": 0,
            "reserve_target": 0,
            "sub_balances": [
                {"paid": 38120.06, "payable": 402.15, "pending": 1184.37, "pay_out_psp_code": "NOT_SPECIFIED"}
            ],
        },
        "premium": False,
        "payment_method_mandatory": True,
        "shipping_types": ["STD"],
        "shipping_zones": ["FR1"],
        "pro_details": {
            "corporate_name": "EXEMPLE COMMERCE SAS",
            "identification_number": "00000000000000",
            "tax_identification_number": "FR00000000000",
        },
        "shipping": {"lead_time_to_ship": 2},
        "shipping_country": "FRA",
        "shippings": [
            {
                "shipping_free_amount": None,
                "shipping_type_code": "STD",
                "shipping_type_label": "Standard",
                "shipping_type_standard_code": "CU_ADD-STD",
                "shipping_zone_code": "FR1",
                "shipping_zone_label": "France métropolitaine",
                "additional_fields": [],
            }
        ],
        "shop_additional_fields": [],
        "shop_id": shop_id,
        "shop_name": name,
        "shop_state": state,
        "suspension_type": None,
    }
