"""How an Extend Commerce connection is set up, reached and limited, and what its errors mean."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import quote, urlsplit

import attrs

from crossdock import Budget, ConnectorInfo, Endpoint, Rule, Secret, StreamInfo, basic_auth, setting

HEADERS = {
    "ExtendBasicAuthorization": ("ExtendBasicAuthorization",),
    "Authorization": ("Authorization",),
    "both": ("ExtendBasicAuthorization", "Authorization"),
}

# Vendor page section 7.1, from the vendor's Swagger.
ORDER_TYPES = (
    "Normal", "QuickOrder", "Express", "ServiceOrderExpress", "WarehouseTransferOrder", "ServiceOrderNormal",
    "ServiceOrderPickup", "RMAOrder", "ReplacementOrder", "CDDestination", "Subscription", "SeasonOrder",
    "WebshopOrder", "AgreedOrder", "GiftshopOrder",
)  # fmt: skip
PAYMENT_TYPES = (
    "Billing", "Autogiro", "AdvancePayment", "Factoring", "CashPayment", "LastSchrift", "CreditCard", "ManualOnHold",
    "FaktureraMig", "CashOnDelivery", "Mobile", "GiftCard", "PaypalPrepaid", "KlarnaPrepaid", "CDONPrepaid",
    "BonusPoints", "FruugoPrepaid", "FnacPrepaid", "ReplacementOrder", "WalleyPrepaid", "FyndiqPrepaid",
    "DartyPrepaid", "ShopifyPrepaid",
)  # fmt: skip


def _address(text: str) -> str | None:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "The API address must start with https:// and name a server, for example https://server/RESTAPI."
    if parts.query or parts.fragment or "/v1_0" in parts.path or "/swagger" in parts.path.lower():
        return "The API address ends before /v1_0, for example https://server/RESTAPI."
    return None


def _client(text: str) -> str | None:
    return "The client is one short name, without slashes." if "/" in text.strip() else None


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of a connection, in the vendor's words."""

    api_url: str = setting(
        "API address", help="Differs per customer server; ends with /RESTAPI", check=_address,
        where="from Extend, with the API user; the test server has another one",
    )  # fmt: skip
    client: str = setting(
        "Client", help="The client's short name", where="from Extend, with the API user", check=_client
    )
    username: str = setting(
        "User name", where="from Extend; say which methods you need, users are permissioned per method"
    )
    password: Secret = setting("Password", where="from Extend, with the user name")
    auth_header: str = setting(
        "Login header", help="The header that carries user and password", default="ExtendBasicAuthorization",
        choices=tuple(HEADERS),
    )  # fmt: skip
    customer_number: str = setting(
        "Customer number", help="The customer that webshop orders are booked on; needed to send orders", default="",
        where="Extend Commerce > Customers",
    )  # fmt: skip
    warehouses: tuple[str, ...] = setting(
        "Warehouses", help="Stock is read from these (all when empty); orders go to the first", default=(),
        fact="warehouses",
    )  # fmt: skip
    company_group: str = setting("Company group", help="Only orders and products of this group", default="")
    price_customer_number: str = setting(
        "Customer number for prices", help="Prices are the best prices of one customer; without it none are read",
        default="",
    )  # fmt: skip
    currency: str = setting("Currency", help="Of prices, and of orders that name none, for example SEK", default="")
    order_start: datetime | None = setting("Order start", help="Older orders stay out", default=None)
    history_days: int = setting(
        "History in days", default=730, within=(1, 36_500),
        help="How far back a first import of orders goes when no order start is set",
    )  # fmt: skip
    order_type: str = setting("Order type", default="WebshopOrder", choices=ORDER_TYPES)
    payment_type: str = setting(
        "Payment type", help="For payments that are no payment type of Extend's; empty: ask for a mapping", default="",
        choices=PAYMENT_TYPES,
    )  # fmt: skip
    unit: str = setting("Unit", help="The sales unit of order rows", default="ST")
    delivery_method: str = setting("Delivery method", help="Of new orders; empty: Extend decides", default="")
    partial_delivery: bool | None = setting(
        "Partial delivery", help="Whether new orders may be delivered in parts; empty: Extend decides", default=None
    )
    sales_channel: str = setting("Sales channel", help="Of new orders; empty: the shop's own name", default="")
    freight_product: str = setting("Freight article", help="The article of freight rows, for example FR01", default="")
    fee_product: str = setting("Fee article", help="The article of fee rows", default="")
    discount_product: str = setting("Discount article", help="The article of discount rows", default="")
    rounding_product: str = setting("Rounding article", help="The article of rounding rows", default="")
    rounding_limit: Decimal = setting(
        "Rounding limit", help="An order whose parts differ from its total by more is not sent", default=Decimal(1)
    )
    balance_field: str = setting(
        "Balance", help="What can be sold: available to customers of group A, B or C, or the physical balance",
        default="A", choices=("A", "B", "C", "physical"),
    )  # fmt: skip
    post_template: str = setting("Customer template", help="postTemplate that completes new customers", default="")
    tracking_urls: tuple[str, ...] = setting(
        "Tracking addresses", help="Forwarder=https://…{number}, several with commas; before the built-in ones",
        default=(),
    )  # fmt: skip
    webhook_secret: Secret = setting(
        "Webhook secret", help="The Secret of the webhook; without it anybody can send one", default=Secret(""),
        where="Extend Commerce > gear wheel > Webhooks",
    )  # fmt: skip
    calls_per_minute: int = setting(
        "Calls a minute", default=300, within=(1, 1_000_000),
        help="The limit of the group Standard; Extend agrees on others by contract",
    )  # fmt: skip
    connect_timeout: int = setting(
        "Connect time-out in seconds", default=10, within=(1, 3600),
        help="After that the server counts as not reachable",
    )  # fmt: skip
    read_timeout: int = setting(
        "Read time-out in seconds", default=120, within=(1, 3600),
        help="After that an answer counts as lost; long lists take a while",
    )  # fmt: skip
    write_timeout: int = setting(
        "Write time-out in seconds", default=300, within=(1, 3600),
        help="After that it is asked whether an order or a customer was stored; large orders take minutes",
    )  # fmt: skip


# The three error types of the vendor's code of conduct in one table (vendor page section 2.1; the wording of the
# vendor's own paragraph is not public, so this table is where to correct it). What it does not name is judged by the
# core: A passing = no connection, 408, 429, 5xx; C access = 401, 403; B data = all other 4xx, with the vendor's words.
RULES = (
    # A: the database gave up this transaction and rolled it back, so repeating is safe, also for a create.
    Rule(text=r"deadlock(ed|.*rerun)|deadlock victim", verdict="transient",
         message="Extend Commerce's database chose this request as a deadlock victim."),
    # A: for a create the outcome is unknown instead; `ordering.create` sees to that.
    Rule(status=400, text=r"time-?out.{0,80}(expired|execution)|execution time-?out", verdict="transient",
         message="Extend Commerce's database did not answer in time."),
)  # fmt: skip

_MINUTE = timedelta(minutes=1)


def budgets(limit: int = 300) -> tuple[Budget, ...]:
    """The vendor's limits, one bucket a resource family (vendor page section 3).

    `limit` is that of the Standard group; High is ten times, Low a fifth of it. Pace and burst together stay below.
    """
    burst = max(limit // 10, 1)
    standard = ("orders", "products", "availability", "prices", "customers")
    return (
        *(Budget(name=name, calls=max(limit - burst, 1), per=_MINUTE, burst=burst) for name in standard),
        Budget(name="lookups", calls=(limit - burst) * 10 or 1, per=_MINUTE, burst=burst * 10),
        Budget(name="atp", calls=max((limit - burst) // 5, 1), per=_MINUTE, burst=max(burst // 3, 1)),
    )


def endpoint(settings: Settings) -> Endpoint:
    """Where and how requests go: ``{api_url}/v1_0/{client}/``, Basic credentials in the configured header(s)."""
    return Endpoint(
        base_url=f"{settings.api_url.rstrip('/')}/v1_0/{quote(settings.client, safe='')}",
        auth=basic_auth(settings.username, settings.password, *HEADERS[settings.auth_header]),
        rules=RULES,
        connect_timeout=float(settings.connect_timeout),
        read_timeout=float(settings.read_timeout),
        budgets=budgets(settings.calls_per_minute),
    )


INFO = ConnectorInfo(
    name="extendcommerce",
    title="Extend Commerce (XTND)",
    settings=Settings,
    endpoint=endpoint,
    streams={
        "orders": StreamInfo(),
        "shipments": StreamInfo(),
        "products": StreamInfo(every=timedelta(days=1)),
        "prices": StreamInfo(every=timedelta(days=1)),
        "balance": StreamInfo(every=timedelta(minutes=15)),
        "customers": StreamInfo(every=timedelta(days=1)),
    },
    budgets=budgets(),
    create_is_idempotent=False,
    webhooks="manual",
    find_after=timedelta(seconds=10),
    sandbox="crossdock_extendcommerce.sandbox:create",
    docs="https://extendcommerce.atlassian.net/wiki/spaces/KB/pages/4490846",
)
