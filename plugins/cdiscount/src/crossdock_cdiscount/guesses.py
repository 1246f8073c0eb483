"""What the vendor page marks as a guess and no setting covers, in one place: a real account decides, this file follows.

The names of `/sellers`, `/sellers/subscriptions`, `/cancellation-reasons` and most of an offer were never seen, so each
is looked for under several; see vendor page section 15 for the order in which to settle them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crossdock.mapping import text

# GET /sellers (vendor page section 4)
SELLER_ID = ("id", "sellerId", "seller.id")
SELLER_LOGIN = ("login", "sellerLogin", "userLogin", "seller.login")
SELLER_STATE = ("state", "accountState", "status")
SELLER_NAME = ("shopName", "shop.name", "name")

# GET /sellers/subscriptions (vendor page section 4)
CHANNEL_ID = ("salesChannelId", "salesChannel.id", "salesChannel")
CHANNEL_NAME = ("salesChannelName", "salesChannel.name", "name")
CHANNEL_STATE = ("status", "state", "subscriptionStatus")
CHANNEL_CURRENCY = ("submissionCurrency", "submissionCurrencyCode", "currencyCode", "currency")
CLOSED = frozenset(("inactive", "closed", "cancelled", "canceled", "terminated", "suspended", "disabled"))
"""States of a subscription or an account in which nothing can be sold; any other word counts as open."""

# GET /cancellation-reasons (vendor page section 5)
REASON_CODE = ("code", "id", "reason")
REASON_LABEL = ("label", "name", "description")
ORDER_ID_OF_REQUEST = ("orderSellerId", "orderId")

# GET /offers (vendor page section 8): without `fields` much is missing, so all that is read is asked for.
OFFER_FIELDS = (
    "offerId,sellerExternalReference,product,condition,offerState,quantity,facialPrice,price,updatedAt"
)  # fmt: skip
OFFER_REFERENCES = 50
"""How many references one question names: fifty of fifty characters still fit any address line."""

# Order lines (vendor page section 5): which targets of a tax belong to shipping, and which codes are VAT.
SHIPPING_TARGET = "ship"
VAT = frozenset(("vat", "tva"))


def found(row: Any, names: tuple[str, ...]) -> str:
    """The first scalar under one of `names` (dots go deeper), as text; empty when there is none."""
    for name in names:
        value = row
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return text(value)
    return ""


def rows(value: Any) -> Iterator[Any]:
    """The rows of an answer that is a list, an object with `items`, or one object."""
    if isinstance(value, dict) and isinstance(value.get("items"), list):
        yield from value["items"]
    elif isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield value
