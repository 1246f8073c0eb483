"""What a WooCommerce connection needs, and what Crossdock has to know about WooCommerce."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import attrs

from crossdock import Auth, ConnectorInfo, Endpoint, Outgoing, Rule, Secret, StreamInfo, basic_auth, setting
from crossdock_woocommerce.decorations import DEFAULT, check_fields
from crossdock_woocommerce.signing import oauth, spelled_out

_KEYS = "WooCommerce > Settings > Advanced > REST API > Add key, permissions Read/Write"
_API_TAIL = re.compile(r"/(?:index\.php/?)?(?:wp-json(?:/.*)?)?$", re.IGNORECASE)
_HOST = re.compile(r"(localhost|[\w.-]+\.[\w-]{2,}|\[[0-9a-f:]+\]|[\d.]+)", re.IGNORECASE)


def shop_address(text: str) -> str:
    """The shop's address without a slash at the end and without ``/wp-json``."""
    return _API_TAIL.sub("", text.strip().rstrip("/"))


def _check_url(text: str) -> str | None:
    parts = urlsplit(text.strip())
    example = "Give the address that customers use, for example https://shop.example or https://shop.example/shop."
    if parts.scheme not in ("http", "https"):
        return f"The shop address must begin with https:// (or http://). {example}"
    if parts.username is not None:
        return "The shop address must not contain a user name or password; they have settings of their own."
    try:
        usable = bool(_HOST.fullmatch(parts.hostname or "")) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return f"{text.strip()!r} names no host. {example}"
    if "/wp-admin" in parts.path or "/wp-login" in parts.path:
        return f"That is the address of the shop's back office. {example}"
    if parts.query or parts.fragment:
        return f"The shop address must not contain ? or #. {example}"
    return None


def _check_key(text: str) -> str | None:
    if text.strip().startswith("cs_"):
        return "That is the consumer secret (cs_…); the consumer key begins with ck_."
    return None if text.strip().startswith("ck_") else "The consumer key begins with ck_."


def _check_secret(text: str) -> str | None:
    if text.strip().startswith("ck_"):
        return "That is the consumer key (ck_…); the consumer secret begins with cs_."
    return None if text.strip().startswith("cs_") else "The consumer secret begins with cs_."


def check_webhook_secret(text: str) -> str | None:
    """Why `text` cannot be a webhook secret: WooCommerce decodes HTML entities in it before signing (section 7)."""
    if re.search(r"[&<>\"']", text):
        return "The webhook secret must not contain & < > or quotation marks: WooCommerce changes them before signing."
    return None


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of one shop."""

    url: str = setting(
        "Shop address",
        help="The address that customers use, with the subfolder if the shop is in one",
        where="the browser's address bar on the shop's front page",
        check=_check_url,
    )
    consumer_key: str = setting("Consumer key", help="Begins with ck_", where=_KEYS, check=_check_key)
    consumer_secret: Secret = setting(
        "Consumer secret", help="Begins with cs_", where=f"{_KEYS}; shown once, when the key is made",
        check=_check_secret,
    )  # fmt: skip
    order_start: datetime | None = setting("Order start", default=None, help="Orders placed before this stay out")
    warehouse: str = setting(
        "Warehouse", default="", help="The warehouse whose stock this shop sells; read balances carry its name"
    )
    company_group: str = setting("Company group", default="", help="Left empty unless you use company groups")
    webhook_secret: Secret = setting(
        "Webhook secret", default=Secret(""), help="What deliveries are signed with; without it they are refused",
        where="choose one yourself, or WooCommerce > Settings > Advanced > Webhooks", check=check_webhook_secret,
    )  # fmt: skip
    auth: str = setting(
        "Login", default="auto", choices=("auto", "basic", "oauth", "query"),
        help="auto: Basic over https, OAuth 1.0a over http. query: for servers that strip the Authorization header; "
        "the secret then stands in the server's access log",
    )  # fmt: skip
    route: str = setting(
        "API route", default="auto", choices=("auto", "pretty", "plain"),
        help="auto: what verify found. plain: for shops whose permalinks are set to Plain",
    )  # fmt: skip
    tracking: str = setting(
        "Tracking numbers", default="auto", choices=("auto", "fulfillments", "shipment-tracking", "ast", "note"),
        help="Where parcel numbers go. auto: what verify found, else a note to the customer",
    )  # fmt: skip
    manage_stock: bool = setting(
        "Switch stock management on", default=False,
        help="yes: products whose stock is not managed get it switched on when a balance is pushed; no: rejected",
    )  # fmt: skip
    keep_sales: bool = setting(
        "Keep sale prices", default=False,
        help="yes: a pushed price without list price leaves the shop's sale price alone; no: it ends the sale",
    )  # fmt: skip

    print_fields: str = setting(
        "Print fields", default=DEFAULT, check=check_fields,
        help="Which meta key of an order line holds what of a print, for printed goods: part=key,part=key",
    )  # fmt: skip

    @property
    def address(self) -> str:
        """The shop's address in its one form: no slash at the end, no ``/wp-json``."""
        return shop_address(self.url)

    @property
    def login(self) -> str:
        """``basic``, ``oauth`` or ``query``: `auth` with "auto" resolved."""
        if self.auth != "auto":
            return self.auth
        return "basic" if self.address.startswith("https:") else "oauth"


def _auth(settings: Settings) -> Auth:
    if settings.login == "oauth":
        return oauth(settings.consumer_key, settings.consumer_secret)
    if settings.login == "basic":
        return basic_auth(settings.consumer_key, settings.consumer_secret)

    def sign(request: Outgoing) -> Outgoing:
        return attrs.evolve(request, params=(*request.params, *query_login(settings)))

    return sign


def query_login(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The credentials as query parameters; WooCommerce reads them before the Authorization header."""
    return (
        ("consumer_key", settings.consumer_key),
        ("consumer_secret", settings.consumer_secret.reveal()),
    )


PERMALINKS = "In WordPress choose anything but Plain under Settings > Permalinks, and check the shop address."
WAF = (
    "A firewall, CDN or security plugin in front of the shop refuses API requests: allow this server's address and the "
    "user agent “crossdock” there."
)
_HTML = r"^\W*<(!doctype|html|head|\?xml)"

RULES = (
    Rule(
        text=r'"code":\s*"woocommerce_rest_authentication_error"', verdict="access",
        hint="The consumer key exists, but its secret is wrong, it lacks Read/Write permission, or (over http) the "
        "clocks differ by more than 15 minutes. Make a new key with Read/Write.",
    ),
    Rule(
        status=401, text=r'"code":\s*"woocommerce_rest_cannot_', verdict="access",
        hint="The shop saw no valid key: it is unknown or deleted, or the server strips the Authorization header. "
        "Run verify, which tells these apart.",
    ),
    Rule(
        status=403, text=r'"code":\s*"woocommerce_rest_cannot_', verdict="access",
        hint="The key's user lacks rights: make the key for a shop manager or administrator.",
    ),
    Rule(status=404, text=r'"code":\s*"rest_no_route"', verdict="access",
         message="The shop does not know this API address.",
         hint="WooCommerce is inactive or too old, or an extension was switched off: run verify."),
    Rule(status=404, text=_HTML, verdict="access",
         message="The shop answered a web page instead of the API.", hint=PERMALINKS),
    *(Rule(status=status, text=_HTML, verdict="access",
           message=f"Something in front of the shop refused the request ({status}).", hint=WAF)
      for status in (401, 403, 406, 415)),
    Rule(status=501, verdict="record"),
)  # fmt: skip


def endpoint(settings: Settings) -> Endpoint:
    """Where the shop's API is and how requests are signed."""
    return Endpoint(
        base_url=settings.address,
        auth=spelled_out(_auth(settings)),
        rules=RULES,
        read_timeout=60.0,  # shared hosts need it (section 2); the official client's 5 s make duplicates
        secret_params=frozenset(("consumer_key", "consumer_secret", "oauth_signature", "oauth_nonce")),
    )


_QUICK = timedelta(minutes=1)

INFO = ConnectorInfo(
    name="woocommerce",
    title="WooCommerce",
    settings=Settings,
    endpoint=endpoint,
    streams={
        "orders": StreamInfo(every=timedelta(hours=1), minimum=_QUICK, announced=True),
        "products": StreamInfo(every=timedelta(days=1), minimum=_QUICK, announced=True),
        "prices": StreamInfo(every=timedelta(days=1), minimum=_QUICK),
        "balance": StreamInfo(every=timedelta(minutes=15), minimum=_QUICK),
    },
    webhooks="registers",
    # A create whose answer was lost may still run in PHP; the usual limit there is 30 s.
    find_after=timedelta(seconds=45),
    sandbox="crossdock_woocommerce.sandbox:create",
    docs="https://woocommerce.github.io/woocommerce-rest-api-docs/",
)
