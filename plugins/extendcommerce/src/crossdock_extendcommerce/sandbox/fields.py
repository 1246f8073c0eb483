"""The order model as documented (vendor page section 7.1): what a request may carry, and what is refused.

A shape is ``None`` for a plain value, a dict for an object, a one-element list for a list of such. Fields that are in
no shape are dropped without a word, as the vendor's framework drops what its model does not know: a client that
writes ``deliveryPhoneNumber`` instead of the vendor's misspelt ``delieryPhoneNumber`` loses the number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from crossdock_extendcommerce.sandbox.refusal import Refusal

JsonObject: TypeAlias = dict[str, Any]

ANYTHING: Any = object()


def _plain(names: str) -> JsonObject:
    return dict.fromkeys(names.split())


DELIVERY_ADDRESS = _plain("name1 name2 address1 address2 address3 postalCode city state countryCode doorCode")
INVOICE_ADDRESS = _plain("name address1 address2 address3 postalCode city state countryCode")
PRODUCT = _plain("productNumber productName productNotes customerProductNumber customsCommodityCode")
SALES_DATA = _plain("quantity unit unitPrice vatPercent currency unitExplicitCost listPrice")

HEADER: JsonObject = _plain(
    "orderType orderMethod orderNumberExternal orderNumberEndCustomer orderDate customerNumber customerGLN "
    "askedDeliveryDate partialDelivery freightFree paymentType paymentTerms deliveryMethod transportCondition "
    "palletRegistrationNumber yourReference ourReference delieryPhoneNumber advisePhoneNumber deliveryEmail "
    "invoiceEmail adviseEmail shipmentReference corporateId departureId routeId reviewReasonNotes salesChannel "
    "orderDeliveryUpdateMailType explicitFreightCost accountingCode"
) | {
    "askedDeliveryTimeSlots": [_plain("startMinute durationMinutes serviceTimeMinutes")],
    "deliveryAddress": DELIVERY_ADDRESS,
    "invoiceAddress": INVOICE_ADDRESS,
    "notations": _plain(
        "notes shippingMark handlingMark orderingUnit orderingUnitNotes executingUnit executingUnitNotes "
        "deliveryDescription1 deliveryDescription2 deliveryDescription3 deliveryDescription4"
    ),
    "external": _plain("externalId receivedDate freeText"),
    "servicePoint": _plain("deliveryLocationId provider name address1 postalCode city countryId"),
    "paymentTransactions": [_plain("paymentTransactionId paymentProvider amount")],
    "agreedOrder": ANYTHING,
    "promotion": _plain("usePromotions promotionCode"),
    "deliveryMethodServices": [_plain("serviceId accountNumber")],
    "orderMetaData": [_plain("metaDataLabel metaDataValue")],
}

ROW: JsonObject = _plain(
    "position subPosition rowOperation productVisibility supplyMode batchNumber warehouse shipDate "
    "expectedDeliveryDate backOrderHandlingId requestedBatchNo"
) | {
    "product": PRODUCT,
    "salesData": SALES_DATA,
    "notations": _plain("notes shippingMark handlingMark externalNotes project reasonCode"),
    "externalRow": _plain("externalRowId externalPosition externalSubPosition freeText"),
    "agreedOrderCallOff": ANYTHING,
    "rowPromotion": ANYTHING,
}

ORDER_STATUSES = frozenset(
    [
        "Created",
        "Incoming",
        "IncomingWithErrors",
        "Reserved",
        "Terminated",
        "Annulled",
        "OnHoldPayment",
        "OnHoldManual",
        "Pause",
        "PendingForReview",
        "Subscription",
        "Draft",
        "DraftAllocation",
        "PartiallyDelivered",
    ]
)
SUPPLY_MODES = frozenset(
    [
        "Warehouse",
        "DirectDelivery",
        "FlowLogic",
        "FlowLogicDist",
        "Service",
        "WarehouseService",
        "Package",
        "Freight",
        "Discount",
        "PaymentPenalty",
        "PaymentDiscrepancy",
        "Round",
        "BillOfMaterials",
    ]
)
GOODS = frozenset(["Warehouse", "DirectDelivery", "FlowLogic", "FlowLogicDist", "Package", "BillOfMaterials"])
STOCKED = GOODS - {"DirectDelivery", "BillOfMaterials"}

_HEADER_ENUMS: Mapping[str, frozenset[str]] = {
    "orderType": frozenset(
        [
            "Normal",
            "QuickOrder",
            "Express",
            "ServiceOrderExpress",
            "WarehouseTransferOrder",
            "ServiceOrderNormal",
            "ServiceOrderPickup",
            "RMAOrder",
            "ReplacementOrder",
            "CDDestination",
            "Subscription",
            "SeasonOrder",
            "WebshopOrder",
            "AgreedOrder",
            "GiftshopOrder",
        ]
    ),
    "paymentType": frozenset(
        [
            "Billing",
            "Autogiro",
            "AdvancePayment",
            "Factoring",
            "CashPayment",
            "LastSchrift",
            "CreditCard",
            "ManualOnHold",
            "FaktureraMig",
            "CashOnDelivery",
            "Mobile",
            "GiftCard",
            "PaypalPrepaid",
            "KlarnaPrepaid",
            "CDONPrepaid",
            "BonusPoints",
            "FruugoPrepaid",
            "FnacPrepaid",
            "ReplacementOrder",
            "WalleyPrepaid",
            "FyndiqPrepaid",
            "DartyPrepaid",
            "ShopifyPrepaid",
        ]
    ),
    "orderDeliveryUpdateMailType": frozenset(("Internal", "Customer", "NoMail")),
}
_ROW_ENUMS: Mapping[str, frozenset[str]] = {
    "rowOperation": frozenset(("Active", "Inactive")),
    "supplyMode": SUPPLY_MODES,
    "backOrderHandlingId": frozenset(("NONE", "BOASAP", "BOONHOLD", "CANCEL")),
}
_LENGTHS = {"reviewReasonNotes": 500, "salesChannel": 100, "accountingCode": 20}
_NEEDED_INSIDE: Mapping[str, tuple[str, ...]] = {
    "deliveryAddress": ("name1", "address1", "city", "countryCode"),
    "invoiceAddress": ("name", "address1", "city", "countryCode"),
    "servicePoint": ("deliveryLocationId",),
    "paymentTransactions": ("paymentTransactionId",),
    "deliveryMethodServices": ("serviceId",),
    "orderMetaData": ("metaDataLabel", "metaDataValue"),
}


def keep(shape: Any, value: Any) -> Any:
    """`value` with only the fields that `shape` knows. Raises `Refusal` where the kinds differ."""
    if value is None or shape is ANYTHING:
        return value
    if shape is None:
        if isinstance(value, (dict, list)):
            raise Refusal("The request is invalid.")
        return value
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise Refusal("The request is invalid.")
        return [keep(shape[0], each) for each in value]
    if not isinstance(value, dict):
        raise Refusal("The request is invalid.")
    return {name: keep(shape[name], each) for name, each in value.items() if name in shape}


def check_header(header: JsonObject) -> None:
    """Raises `Refusal` for enum values, lengths and missing parts that the model does not allow."""
    _check_enums(header, _HEADER_ENUMS)
    for name, longest in _LENGTHS.items():
        if len(header.get(name) or "") > longest:
            raise Refusal(f"{name} is longer than {longest} characters.")
    for name, needed in _NEEDED_INSIDE.items():
        part = header.get(name)
        for each in part if isinstance(part, list) else [part] if part else []:
            for inner in needed:
                if not each.get(inner):
                    raise Refusal(f"{name}.{inner} is required.")
        if part and "countryCode" in needed and len(part["countryCode"]) != 2:
            raise Refusal(f"{name}.countryCode must have two letters.")


def check_row(row: JsonObject, header: JsonObject) -> None:
    """Raises `Refusal` for a row without product number, quantity or unit, or with values the model does not know."""
    _check_enums(row, _ROW_ENUMS)
    if not (row.get("product") or {}).get("productNumber"):
        raise Refusal("product.productNumber is required.")
    sales = row.get("salesData") or {}
    if sales.get("quantity") is None or not sales.get("unit"):
        raise Refusal("salesData.quantity and salesData.unit are required.")
    if row.get("externalRow") and not header.get("external"):
        raise Refusal("externalRow needs orderHeader.external.")


def number(value: Any) -> float | None:
    """A JSON number, or text that is one (the vendor's framework reads both). Raises `Refusal`."""
    if value is None:
        return None
    try:
        if isinstance(value, bool):
            raise ValueError(value)
        return float(value)
    except (TypeError, ValueError) as error:
        raise Refusal("The request is invalid.") from error


def _check_enums(part: JsonObject, enums: Mapping[str, frozenset[str]]) -> None:
    for name, values in enums.items():
        if part.get(name) is not None and part[name] not in values:
            raise Refusal(f"The request is invalid: {name} has no value {part[name]}.")
