"""How a Mirakl connection is set up, reached and limited."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

import attrs

from crossdock import Budget, ConnectorInfo, Endpoint, Rule, Secret, StreamInfo, header_auth, setting


def _address(text: str) -> str | None:
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "The host must start with https:// and name the operator's server, for example https://shop.mirakl.net."
    if parts.query or parts.fragment or parts.path.rstrip("/") not in ("", "/api"):
        return "The host is the server alone, for example https://shop.mirakl.net, without anything behind it."
    return None


def _key(text: str) -> str | None:
    if text.lower().startswith("bearer ") or len(text.split()) != 1:
        return "The API key is one word as the back office shows it, without “Bearer” and without spaces."
    return None


def _number(text: str) -> str | None:
    return (
        None
        if text.isdecimal()
        else "The shop id is a number, for example 2417; leave it empty to take the one that answers."
    )


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of a connection: one shop at one operator."""

    base_url: str = setting(
        "Host name", help="Of the marketplace's Mirakl, for example https://operator.mirakl.net", check=_address,
        where="the address of the back office in the browser, up to the first slash",
    )  # fmt: skip
    api_key: Secret = setting(
        "API key", where="back office > your name, top right > API Key > Generate", check=_key,
        help="Carries the roles of its user; a new key replaces the old one",
    )  # fmt: skip
    shop_id: str = setting(
        "Shop id", default="", check=_number,
        help="Needed when the user has several shops; empty: the user's default shop, kept by verify",
    )  # fmt: skip
    order_start: datetime | None = setting("Order start", help="Older orders stay out", default=None)
    channels: tuple[str, ...] = setting(
        "Channels", default=(), fact="channels",
        help="Only orders of these sales channels, and only these codes for prices; empty: all",
    )  # fmt: skip
    partner: bool = setting(
        "External partner", default=True,
        help="Mirakl lets external partners list orders every 15 minutes, and others every minute",
    )  # fmt: skip
    accept_within: int = setting(
        "Hours to accept", default=0, within=(0, 24 * 90),
        help="After how many hours the operator declines an order that waits for you; 0: not known",
    )  # fmt: skip
    carrier: str = setting(
        "Default carrier", default="", fact="carriers", help="The operator's code, for shipments that name no carrier"
    )  # fmt: skip
    cancel_reason: str = setting(
        "Cancellation reason", default="", fact="cancel_reasons",
        help="The operator's reason code for cancelling lines; empty: must be given with each cancellation",
    )  # fmt: skip
    warehouse: str = setting(
        "Warehouse", default="",
        help="Your warehouse's code at the operator; stock is read from and written to it. Empty: the offer's quantity",
    )  # fmt: skip
    company_group: str = setting("Company group", default="", help="Left empty unless you use company groups")
    read_timeout: int = setting(
        "Read time-out in seconds", default=60, within=(1, 3600),
        help="After that an answer counts as lost, and is asked for again later",
    )  # fmt: skip

    @property
    def address(self) -> str:
        """The server without ``/api`` and slashes."""
        return self.base_url.strip().rstrip("/").removesuffix("/api").rstrip("/")


RULES = (
    Rule(status=401, verdict="access", message="Mirakl does not accept the API key.",
         hint="Generate a new key in the back office (your name > API Key), enter it and verify the connection."),
)  # fmt: skip

_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


def budgets(partner: bool = True) -> tuple[Budget, ...]:
    """The vendor's call frequencies (vendor page section 3), one budget an operation.

    A frequency limits how often a list is *begun*; its further pages, and orders read by id around a write, go by
    ``reads``, for which the vendor states no figure. The carriers are kept for a day once they were read (`api.daily`);
    their budget is for attempts, or one that failed would hold up all shipments until the next day.
    """
    return (
        Budget(name="orders", calls=1, per=_MINUTE * (15 if partner else 1)),  # OR11
        Budget(name="to_ship", calls=1, per=_MINUTE * 5),  # ST12
        Budget(name="references", calls=1, per=_MINUTE),  # OR04
        Budget(name="account", calls=1, per=_DAY),  # A01
        Budget(name="carriers", calls=1, per=_MINUTE * 15),  # SH21
        Budget(name="stock", calls=1, per=_MINUTE),  # STO01
        Budget(name="stock_status", calls=4, per=_MINUTE),  # STO02
        Budget(name="stock_report", calls=1, per=_MINUTE),  # STO03
        Budget(name="prices", calls=1, per=_MINUTE),  # PRI01
        Budget(name="prices_status", calls=1, per=_MINUTE),  # PRI02
        Budget(name="prices_report", calls=1, per=_MINUTE),  # PRI03
        Budget(name="offers_full", calls=1, per=_DAY),  # OF52 without last_request_date
        Budget(name="offers_changed", calls=1, per=_MINUTE),  # OF52 with last_request_date
        Budget(name="offers_status", calls=6, per=_MINUTE),  # OF53
        Budget(name="reads", calls=60, per=_MINUTE, burst=20),
    )


def endpoint(settings: Settings) -> Endpoint:
    """Where and how requests go: ``{host}/api``, the raw key in ``Authorization`` (vendor page section 2)."""
    return Endpoint(
        base_url=f"{settings.address}/api",
        auth=header_auth("Authorization", settings.api_key),
        rules=RULES,
        read_timeout=float(settings.read_timeout),
        budgets=budgets(settings.partner),
    )


INFO = ConnectorInfo(
    name="mirakl",
    title="Mirakl",
    settings=Settings,
    endpoint=endpoint,
    streams={
        "orders": StreamInfo(every=_MINUTE * 15),
        "products": StreamInfo(every=_DAY, minimum=_MINUTE * 5),
        "prices": StreamInfo(every=_MINUTE * 60, minimum=_MINUTE * 5),
        "balance": StreamInfo(every=_MINUTE * 60, minimum=_MINUTE * 5),
    },
    budgets=budgets(),
    webhooks="none",
    write_batch=5000,
    sandbox="crossdock_mirakl.sandbox:create",
    docs="https://developer.mirakl.com/content/product/mmp/rest/seller/openapi3",
)
