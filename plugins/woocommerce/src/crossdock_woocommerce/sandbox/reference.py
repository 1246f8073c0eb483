"""What a connector asks a shop about itself: index, system status, settings, taxes, currency, statuses, customers."""

from __future__ import annotations

from datetime import timedelta

from crossdock_woocommerce.sandbox.shop import SYMBOLS, Shop
from crossdock_woocommerce.sandbox.wire import HOME, ApiError, Json, invalid_id, link_self

__all__ = [
    "add_customer",
    "coupon_view",
    "currency",
    "customer_view",
    "edit_customer",
    "index",
    "note_view",
    "statuses",
    "system_status",
    "tax_settings",
    "tax_view",
]

_NAMESPACES = (
    "oembed/1.0",
    "wc/v3",
    "wc/v1",
    "wc/pos/v1/catalog",
    "jetpack/v4",
    "wc-admin",
    "wc-analytics",
    "wc/store",
    "wc/store/v1",
    "wc/private",
    "wc/v2",
    "wc-admin-email",
    "wc-telemetry",
    "wccom-site/v3",
    "wp-abilities/v1",
    "wp/v2",
    "wp-site-health/v1",
    "wp-block-editor/v1",
)


def index(shop: Shop) -> Json:
    """``GET /wp-json/``: open to all; the namespaces tell which tracking plugin there is."""
    more = {"shipment-tracking": ("wc-shipment-tracking/v3",), "ast": ("wc-ast/v3",)}.get(shop.options.tracking, ())
    offset = (shop.now().astimezone(shop.zone).utcoffset() or timedelta()).total_seconds() / 3600
    authorize = f"{HOME}/wp-admin/authorize-application.php"
    return {
        "name": "Woo Test",
        "description": "",
        "url": HOME,
        "home": HOME,
        "gmt_offset": int(offset) if offset == int(offset) else offset,
        "timezone_string": shop.options.timezone,
        "page_for_posts": 0,
        "page_on_front": 0,
        "show_on_front": "posts",
        "namespaces": [*_NAMESPACES, *more],
        "authentication": {"application-passwords": {"endpoints": {"authorization": authorize}}},
        "site_logo": 0,
        "site_icon": 0,
        "site_icon_url": "",
        "_links": {"help": [{"href": "https://developer.wordpress.org/rest-api/"}]},
        "routes": {},
    }


def system_status(shop: Shop) -> Json:
    """``GET /system_status``, the parts that say something about data."""
    version = shop.options.version
    store = "Orders\\OrdersTableDataStore" if shop.hpos else "Order\\WC_Order_Data_Store_CPT"
    features = ["analytics", "marketplace", "order_attribution"]
    if shop.options.tracking == "fulfillments":
        features.append("fulfillments")
    if shop.hpos:
        features.append("custom_order_tables")
    rated = [f"rated-{number}" for number in range(1, 6)]
    terms = ["exclude-from-catalog", "exclude-from-search", "featured", "outofstock", *rated]
    names = ("external", "grouped", "simple", "variable")
    return {
        "environment": {
            "home_url": HOME,
            "site_url": HOME,
            "version": version,
            "wp_version": shop.wp_version,
            "wp_multisite": False,
            "wp_cron": False,
            "language": "en_US",
            "server_info": "nginx/1.22.1",
            "php_version": "8.2.36",
            "mysql_version_string": "10.11.19-MariaDB-0+deb12u1",
            "default_timezone": "UTC",
            "gzip_enabled": True,
            "max_upload_size": 2097152,
        },
        "settings": {
            "api_enabled": False,
            "force_ssl": shop.options.https,
            "currency": shop.options.currency,
            "currency_symbol": SYMBOLS.get(shop.options.currency, ("&curren;",))[0],
            "currency_position": "left",
            "thousand_separator": ",",
            "decimal_separator": ".",
            "number_of_decimals": 2,
            "geolocation_enabled": False,
            "taxonomies": {name: name for name in names},
            "product_visibility_terms": {name: name for name in terms},
            "woocommerce_com_connected": "no",
            "enforce_approved_download_dirs": True,
            "order_datastore": f"Automattic\\WooCommerce\\Internal\\DataStores\\{store}" if shop.hpos else store,
            "HPOS_enabled": shop.hpos,
            "HPOS_sync_enabled": False,
            "enabled_features": features,
        },
        "active_plugins": [{"plugin": "woocommerce/woocommerce.php", "name": "WooCommerce", "version": version}],
        "database": {"wc_database_version": version},
    }


def tax_settings(shop: Shop) -> list[Json]:
    """``GET /settings/tax``."""

    def yes(flag: bool) -> str:
        return "yes" if flag else "no"

    rows = (
        ("prices_include_tax", "Prices entered with tax", "radio", "no", yes(shop.options.prices_include_tax)),
        ("tax_based_on", "Calculate tax based on", "select", "shipping", "shipping"),
        ("shipping_tax_class", "Shipping tax class", "select", "inherit", "inherit"),
        ("tax_round_at_subtotal", "Rounding", "checkbox", "no", yes(shop.options.round_at_subtotal)),
        ("tax_classes", "Additional tax classes", "textarea", "", ""),
        ("tax_display_shop", "Display prices in the shop", "select", "excl", "excl"),
        ("tax_display_cart", "Display prices during cart and checkout", "select", "excl", "excl"),
        ("price_display_suffix", "Price display suffix", "text", "", ""),
        ("tax_total_display", "Display tax totals", "select", "itemized", "itemized"),
    )
    return [
        {"id": f"woocommerce_{key}", "label": label, "type": kind, "default": default, "value": value}
        for key, label, kind, default, value in rows
    ]


def tax_view(shop: Shop, key: int) -> Json:
    """One tax rate."""
    for rate in shop.taxes:
        if rate["id"] == key:
            return rate | {"_links": link_self("taxes", key)}
    raise invalid_id("taxes")


def currency(shop: Shop) -> Json:
    """``GET /data/currencies/current``."""
    code = shop.options.currency
    symbol, _, name = SYMBOLS.get(code, ("&curren;", "", code))
    return {"code": code, "name": name, "symbol": symbol, "_links": link_self("data/currencies", code, None, ["GET"])}


def statuses(shop: Shop) -> list[Json]:
    """``GET /orders/statuses`` (since 9.6), those of plugins included."""
    return [{"slug": slug, "name": name} for slug, name in shop.statuses().items()]


def note_view(order_id: int, note: Json) -> Json:
    """One order note."""
    up = f"orders/{order_id}"
    return note | {"_links": link_self(f"{up}/notes", note["id"], up, ["GET", "DELETE"])}


def coupon_view(coupon: Json) -> Json:
    """One coupon, the fields a connector checks."""
    return coupon | {"_links": link_self("coupons", coupon["id"])}


# customers

_ADDRESS = (
    "first_name",
    "last_name",
    "company",
    "address_1",
    "address_2",
    "city",
    "postcode",
    "country",
    "state",
    "email",
    "phone",
)


def add_customer(shop: Shop, body: Json) -> Json:
    """A new customer; an e-mail address in use is refused."""
    email = str(body.get("email", ""))
    if any(each["email"] == email for each in shop.customers.values()):
        text = "An account is already registered with your email address."
        raise ApiError("registration-error-email-exists", text, 400)
    key = max(shop.customers, default=1) + 1
    customer: Json = {"id": key}
    shop.stamp(customer, "date_created", shop.now())
    shop.stamp(customer, "date_modified", shop.now())
    customer |= {
        "email": email,
        "first_name": "",
        "last_name": "",
        "role": "customer",
        "username": body.get("username") or email.partition("@")[0],
        "billing": dict.fromkeys(_ADDRESS, ""),
        "shipping": dict.fromkeys((name for name in _ADDRESS if name != "email"), ""),
        "is_paying_customer": False,
        "avatar_url": "",
        "meta_data": [],
    }
    shop.customers[key] = customer
    return edit_customer(shop, key, body, quiet=True)


def edit_customer(shop: Shop, key: int, body: Json, *, quiet: bool = False) -> Json:
    """Change a customer."""
    if key not in shop.customers:
        raise ApiError("woocommerce_rest_invalid_id", "Invalid resource ID.", 400)
    customer = shop.customers[key]
    for name in ("email", "first_name", "last_name"):
        if body.get(name) is not None:
            customer[name] = body[name]
    for name in ("billing", "shipping"):
        customer[name] |= {k: v for k, v in (body.get(name) or {}).items() if k in customer[name]}
    shop.stamp(customer, "date_modified", shop.now())
    shop.emit("woocommerce_new_customer" if quiet else "woocommerce_update_customer", key)
    return customer_view(shop, key)


def customer_view(shop: Shop, key: int) -> Json:
    """One customer."""
    if key not in shop.customers:
        raise ApiError("woocommerce_rest_invalid_id", "Invalid resource ID.", 404)
    return shop.customers[key] | {"_links": link_self("customers", key)}
