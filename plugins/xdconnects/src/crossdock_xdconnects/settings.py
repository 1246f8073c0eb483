"""How an XD Connects connection is set up and reached, its feeds, and whom to write to after a mistake."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import attrs

from crossdock import Budget, ConnectorInfo, Endpoint, Secret, StreamInfo, setting

_LOOPBACK = ("localhost", "127.0.0.1", "::1")

# Vendor page section 1: the back office of each region, by its mailbox; and the countries it looks after.
REGIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "cee": ("cee@xdconnects.com", ("BG", "CZ", "EE", "HR", "HU", "LT", "LV", "PL", "RO", "SI", "SK")),
    "benelux": ("benelux@xdconnects.com", ("BE", "LU", "NL")),
    "deutschland": ("deutschland@xdconnects.com", ("AT", "CH", "DE")),
    "france": ("france@xdconnects.com", ("FR",)),
    "spain": ("spain@xdconnects.com", ("ES", "PT")),
    "italy": ("italy@xdconnects.com", ("IT",)),
    "sales-uk": ("sales-uk@xdconnects.com", ("GB", "IE")),
    "scandinavia": ("scandinavia@xdconnects.com", ("DK", "FI", "NO", "SE")),
}


def is_safe_address(text: str) -> bool:
    """Whether nobody can read along: https, or plain http that does not leave this machine."""
    parts = urlsplit(text)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )


def _address(text: str) -> str | None:
    if not is_safe_address(text):
        return "The ordering address must start with https://, since the credentials travel with each order."
    return None


def _link(text: str) -> str | None:
    if not is_safe_address(text) or not urlsplit(text).path.strip("/"):
        return "A feed link is the whole https:// address that XD sent, since the address itself is the key to it."
    return None


def _hook(text: str) -> str | None:
    return None if is_safe_address(text) else "The webhook address is the whole https:// address that XD was given."


def _currency(text: str) -> str | None:
    return None if re.fullmatch("[A-Z]{3}", text) else "The currency is a code of three capitals, for example DKK."


def _secret(text: str) -> str | None:
    if "://" in text or re.search(r"\s", text):
        return "This is an address or several words, not the secret itself: open the link once and enter what it shows."
    return None


def _feed(label: str, name: str) -> Secret:
    found: Secret = setting(
        f"{label} link", help="The link itself is the secret; JSON, XML or tab text", default=Secret(""), check=_link,
        where=f"onlineclients@xdconnects.com: ask for the {name} feed of your account, one link for each language",
    )  # fmt: skip
    return found


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of a connection, one for each XD account."""

    api_token: Secret = setting(
        "API Token", help="Needed to order", default=Secret(""), check=_secret,
        where="behind the one-time link in XD's mail; it opens once, so have a place to keep what it shows",
    )  # fmt: skip
    security_code: Secret = setting(
        "Security Code", help="Needed to order", default=Secret(""), check=_secret,
        where="behind the second one-time link in XD's mail",
    )  # fmt: skip
    customer_account_code: str = setting("Customer Account Code", default="", where="XD's mail; needed to order")
    customer_account_number: str = setting(
        "Customer Account Number", default="", where="XD's mail, for example C00000; needed to order"
    )
    company_name: str = setting("Company Name", default="", where="XD's mail; needed to order")
    currency: str = setting("Currency", where="XD's mail, for example DKK; feeds and orders must have it",
                            check=_currency)  # fmt: skip
    environment: str = setting(
        "Environment", help="Production orders are binding and take effect at once", default="test",
        choices=("test", "production"),
    )  # fmt: skip
    live_ordering: bool = setting(
        "Live ordering", help="Off: everything is done but the sending", default=False
    )  # fmt: skip
    base_url: str = setting(
        "Ordering address", help="Empty: orders cannot be sent", default="", check=_address,
        where="XD's document on the ordering API",
    )  # fmt: skip
    wire_file: str = setting(
        "Mapping file", help="How orders look on the wire; empty: the proposal that comes with the connector",
        default="",
    )  # fmt: skip
    products_feed: Secret = _feed("Products feed", "Products")
    prices_feed: Secret = _feed("Prices feed", "ProductPrices")
    print_data_feed: Secret = _feed("Print data feed", "PrintData")
    print_prices_feed: Secret = _feed("Print prices feed", "PrintPrices")
    stock_feed: Secret = _feed("Stock feed", "Stock")
    all_data_feed: Secret = _feed("All data feed", "AllData")
    region: str = setting(
        "Region", help="Whose back office is written to after a mistake; empty: by the delivery country", default="",
        choices=tuple(REGIONS),
    )  # fmt: skip
    contact_name: str = setting("Contact", help="Whom XD may ask about an order", default="")
    contact_email: str = setting("Contact's e-mail", help="Goes with each order", default="")
    contact_phone: str = setting("Contact's phone", help="Goes with each order", default="")
    price_tolerance: Decimal | None = setting(
        "Price tolerance in percent", default=None,
        help="An order whose net prices differ from XD's by more is not sent; empty: they are not compared",
    )  # fmt: skip
    proof_emails: tuple[str, ...] = setting(
        "Proof e-mails", help="Printed orders ask for a proof to these; empty: no proof", default=()
    )
    order_start: datetime | None = setting("Order start", help="Older orders stay out", default=None)
    silent_days: int = setting(
        "Silent days", help="Days without news until an order is called silent", default=5, within=(0, 365)
    )
    webhook_url: Secret = setting(
        "Webhook address", help="Put into each order as well, if the mapping file says so", default=Secret(""),
        check=_hook, where="the address that was sent to XD",
    )  # fmt: skip
    webhook_header: str = setting("Webhook header", help="A fixed header that XD was asked to send", default="")
    webhook_header_secret: Secret = setting(
        "Webhook header's value", help="What XD was asked to send in it", default=Secret("")
    )
    webhook_user: str = setting("Webhook user", help="Basic authentication agreed with XD", default="")
    webhook_password: Secret = setting("Webhook password", help="That belongs to the webhook user", default=Secret(""))
    webhook_hmac_secret: Secret = setting("Webhook signing secret", help="HMAC-SHA256 of the body", default=Secret(""))
    webhook_hmac_header: str = setting(
        "Webhook signature's header", help="In which the signature comes", default="X-Signature"
    )
    webhook_ips: tuple[str, ...] = setting("Webhook senders", help="Only these IP addresses", default=())


@attrs.frozen(kw_only=True)
class Feed:
    """One of XD's feeds: its setting, how often XD renews it (vendor page section 2), and columns that it must have.

    `hour` is when a daily feed is made anew, in Amsterdam.
    """

    name: str
    title: str
    renewed: timedelta
    columns: tuple[str, ...]
    hour: int | None = None


FEEDS: Mapping[str, Feed] = {
    feed.name: feed
    for feed in (
        Feed(name="products_feed", title="products feed", renewed=timedelta(hours=1),
             columns=("ModelCode", "ItemCode", "ItemName", "ProductLifeCycle")),
        Feed(name="prices_feed", title="prices feed", renewed=timedelta(days=1), hour=0,
             columns=("ItemCode", "Currency", "Qty1", "ItemPriceNet_Qty1")),
        Feed(name="print_data_feed", title="print data feed", renewed=timedelta(days=1), hour=2,
             columns=("ItemCode", "PrintCode", "PrintPosition")),
        Feed(name="print_prices_feed", title="print prices feed", renewed=timedelta(days=1), hour=0,
             columns=("PrintCode", "Currency", "SetupNet")),
        Feed(name="stock_feed", title="stock feed", renewed=timedelta(minutes=15),
             columns=("ItemCode", "CurrentStock")),
        Feed(name="all_data_feed", title="all data feed", renewed=timedelta(minutes=15),
             columns=("ModelCode", "ItemCode", "Currency", "Qty1", "ItemPriceNet_Qty1", "CurrentStock")),
    )
}  # fmt: skip
RARELY = timedelta(minutes=5)
"""Asking for a feed more often than this gives an error (vendor page section 2)."""

ORDERING = "ordering"
MAX_BYTES = 64 * 1024 * 1024


def link(settings: Settings, feed: str) -> Secret:
    """The link of the feed of that name; empty when it is not set."""
    found: Secret = getattr(settings, feed)
    return found


def mailbox(settings: Settings, country: str = "") -> str:
    """The back office to write to: of the region that is set, else of `country` (ISO 3166-1 alpha-2), else empty."""
    if settings.region:
        return REGIONS[settings.region][0]
    return next((address for address, countries in REGIONS.values() if country.upper() in countries), "")


def endpoint(settings: Settings) -> Endpoint:
    """Where orders go; what they carry says the mapping file. Feeds are read by their own absolute links."""
    return Endpoint(base_url=settings.base_url.rstrip("/"), max_bytes=MAX_BYTES)


INFO = ConnectorInfo(
    name="xdconnects",
    title="XD Connects",
    settings=Settings,
    endpoint=endpoint,
    streams={
        "orders": StreamInfo(every=timedelta(hours=1)),
        "shipments": StreamInfo(every=timedelta(hours=1)),
        "products": StreamInfo(every=timedelta(hours=6), minimum=timedelta(hours=1)),
        "prices": StreamInfo(every=timedelta(days=1), minimum=timedelta(hours=1)),
        "balance": StreamInfo(every=timedelta(minutes=15), minimum=RARELY),
    },
    budgets=(
        *(Budget(name=name, calls=1, per=RARELY) for name in FEEDS),
        # No limit of the ordering API is known; this is a careful guess.
        Budget(name=ORDERING, calls=60, per=timedelta(minutes=1), burst=5),
    ),
    create_is_idempotent=False,
    find_after=timedelta(minutes=5),  # an order may be taken and not be found yet
    binding_orders=True,
    webhooks="manual",
    sandbox="crossdock_xdconnects.sandbox:create",
    docs="https://support.promotron.com/hc/en-us/articles/44433152096913-TronAPI-XD-Connects",
)
