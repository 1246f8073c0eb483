"""How a Cdiscount (Octopia) connection is set up, reached and limited, and what its errors mean."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

import attrs

from crossdock import Budget, ClientCredentials, ConnectorInfo, Endpoint, Rule, Secret, StreamInfo, setting

API_URL = "https://api.octopia-io.net/seller/v2"
TOKEN_URL = "https://auth.octopia-io.net/auth/realms/maas/protocol/openid-connect/token"  # noqa: S105  an address
LANGUAGES = ("fr-FR", "en-US", "es-ES")
_CREDENTIALS = "Octopia portal > API credentials management > Get access"


def _address(text: str) -> str | None:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        return f"An address starts with https:// and has no question mark, for example {API_URL}."
    return None


def _number(text: str) -> str | None:
    digits = text.strip()
    return None if digits.isascii() and digits.isdigit() else "The Seller ID is a number, for example 98979."


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of a connection, in the vendor's words."""

    client_id: str = setting("Client ID", help="Of your own API credentials or of your aggregator", where=_CREDENTIALS)
    client_secret: Secret = setting("Client secret", where=_CREDENTIALS)
    seller_id: str = setting(
        "Seller ID", help="The number of the seller's account", check=_number,
        where="Octopia portal > Settings, at the top right",
    )  # fmt: skip
    login: str = setting(
        "Login", help="Of the seller portal; only compared when verifying, it opens nothing", default="",
        where="Settings > Your personal settings and bank details > Login settings",
    )  # fmt: skip
    sales_channels: tuple[str, ...] = setting(
        "Sales channels", help="Ids, separated by commas; empty: all. Leave out those that another connection serves",
        default=(), fact="sales_channels",
    )  # fmt: skip
    language: str = setting("Language", help="Of Octopia's messages", default="fr-FR", choices=LANGUAGES)
    order_start: datetime | None = setting("Order start", help="Older orders stay out", default=None)
    warehouse: str = setting(
        "Warehouse", help="Whose stock is sold; balances of another warehouse are refused", default=""
    )
    company_group: str = setting("Company group", help="Usually empty", default="")
    import_processing: bool = setting(
        "Import orders in Processing", help="As pending, before the sale is complete", default=False
    )
    accept_within: int = setting(
        "Hours to accept", help="With manual validation: after how many hours an order is lost; 0: not known",
        default=0, within=(0, 24 * 90),
    )  # fmt: skip
    cancel: bool = setting(
        "Cancellation requests", help="Whether orders may be cancelled by API; not offered on Cdiscount itself",
        default=False,
    )  # fmt: skip
    cancel_reason: str = setting(
        "Cancellation reason", help="Code of the reason when the one that is given is none of Octopia's", default=""
    )
    cancel_shipping: bool = setting(
        "Cancellation returns shipping cost", help="Whether the buyer gets it back as well", default=True
    )
    cancel_field: str = setting(
        "Cancellation order field", help="What the request calls the order; sources differ", default="orderSellerId",
        choices=("orderSellerId", "orderId"),
    )  # fmt: skip
    one_parcel_channels: tuple[str, ...] = setting(
        "One-parcel channels", help="Sales channels that take one parcel for a complete order", default=("CDISFR",)
    )
    free_carriers: bool = setting(
        "Free carrier names", help="Send carriers that are not in Octopia's list instead of asking for a mapping",
        default=False,
    )  # fmt: skip
    missing_supply_mode: str = setting(
        "Lines without supply mode", help="Who ships them: the seller, or park the order", default="park",
        choices=("park", "Seller"),
    )  # fmt: skip
    shipping_per: str = setting(
        "Shipping cost is per", help="What a line's shippingCost counts for", default="line", choices=("line", "unit")
    )
    count_check: bool = setting(
        "Count check", help="no: when Octopia's count and list of orders keep differing, warn and go on", default=True
    )
    api_url: str = setting(
        "API address", help="Octopia's own, unless it tells you another", default=API_URL, check=_address
    )
    token_url: str = setting(
        "Token address", help="Octopia's own, unless it tells you another", default=TOKEN_URL, check=_address
    )
    calls_per_minute: int = setting(
        "Calls a minute", help="Octopia does not publish its limit; clients make 120 to 200",
        default=120, within=(1, 6000),
    )  # fmt: skip


# Who reads a 403 has rarely mistyped: the account is not linked to the credentials (vendor page section 4, a guess).
RULES = (
    Rule(
        status=403,
        verdict="access",
        hint="The Seller ID is not linked to this client ID: give the access in the Octopia portal, or correct the "
        "Seller ID. Then run: crossdock connection verify NAME",
    ),
)

API = "api"
_BURST = 10


def budgets(calls: int = 120) -> tuple[Budget, ...]:
    """The pace of ordinary calls (vendor page section 3: clients wait 300 to 500 ms between calls)."""
    return (Budget(name=API, calls=calls, per=timedelta(minutes=1), burst=_BURST),)


# Vendor page section 2: 500 token calls an hour. Pace and burst together stay below.
TOKENS = Budget(name="token", calls=500 - _BURST, per=timedelta(hours=1), burst=_BURST)


def endpoint(settings: Settings) -> Endpoint:
    """Where and how requests go: one bearer token for all, and the headers of every call (vendor page section 2)."""
    return Endpoint(
        base_url=settings.api_url,
        token=ClientCredentials(
            url=settings.token_url, client_id=settings.client_id, client_secret=settings.client_secret, budget=TOKENS
        ),
        headers={"SellerId": settings.seller_id, "Accept-Language": settings.language},
        rules=RULES,
        budgets=budgets(settings.calls_per_minute),
    )


INFO = ConnectorInfo(
    name="cdiscount",
    title="Cdiscount (Octopia)",
    settings=Settings,
    endpoint=endpoint,
    streams={
        "orders": StreamInfo(every=timedelta(minutes=10), minimum=timedelta(minutes=5)),
        "products": StreamInfo(every=timedelta(days=1)),
        "prices": StreamInfo(every=timedelta(days=1)),
        "balance": StreamInfo(every=timedelta(minutes=15)),
    },
    budgets=(*budgets(), TOKENS),
    webhooks="none",
    find_after=timedelta(seconds=60),
    write_batch=1000,
    push_concurrency=2,
    sandbox="crossdock_cdiscount.sandbox:create",
    docs="https://developer.octopia-io.net",
)
