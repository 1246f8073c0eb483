"""How products and variations look in answers (shapes as recorded; vendor page section 6)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from crossdock_woocommerce.sandbox.shop import SYMBOLS, Shop
from crossdock_woocommerce.sandbox.totals import decimal, net_of
from crossdock_woocommerce.sandbox.wire import HOME, Json, link_self

__all__ = ["full_name", "keeper", "on_sale", "options_of", "product_view", "variation_view", "variations", "view"]


def keeper(shop: Shop, product: Json) -> Json | None:
    """The product whose stock figure counts: itself, the parent of an inheriting variation, or none."""
    if product["manage_stock"]:
        return product
    parent = shop.products.get(product["parent_id"])
    return parent if product["type"] == "variation" and parent and parent["manage_stock"] else None


def variations(shop: Shop, product: Json) -> list[Json]:
    """The variations of a product that are not in the bin."""
    if product["type"] != "variable":
        return []
    children = (shop.products[key] for key in shop.children.get(product["id"], ()))
    return [each for each in children if each["status"] != "trash"]


def on_sale(shop: Shop, product: Json) -> bool:
    """Whether the sale price counts now."""
    if not product["sale_price"]:
        return False
    now = shop.now().strftime("%Y-%m-%dT%H:%M:%S")
    start, end = product["date_on_sale_from_gmt"], product["date_on_sale_to_gmt"]
    return (start is None or start <= now) and (end is None or now <= end)


def view(shop: Shop, product: Json) -> Json:
    """A product or variation in the shape of its own endpoint."""
    return variation_view(shop, product) if product["type"] == "variation" else product_view(shop, product)


def _dates(product: Json) -> Json:
    names = ("date_created", "date_created_gmt", "date_modified", "date_modified_gmt")
    return {name: product[name] for name in names}


def _prices(shop: Shop, product: Json) -> Json:
    names = (
        "price",
        "regular_price",
        "sale_price",
        "date_on_sale_from",
        "date_on_sale_from_gmt",
        "date_on_sale_to",
        "date_on_sale_to_gmt",
    )
    return {name: product[name] for name in names} | {"on_sale": on_sale(shop, product)}


def _stock(shop: Shop, product: Json) -> Json:
    counted = keeper(shop, product)
    inherits = counted is not None and counted is not product
    shown = counted or product
    quantity = shown["stock_quantity"] if counted else None
    allowed = shown["backorders"] != "no"
    return {
        "manage_stock": "parent" if inherits else product["manage_stock"],
        "stock_quantity": quantity,
        "stock_status": shown["stock_status"],
        "backorders": shown["backorders"],
        "backorders_allowed": allowed,
        "backordered": allowed and quantity is not None and quantity < 0,
        "low_stock_amount": None,
    }


def _permalink(shop: Shop, product: Json) -> str:
    if product["type"] != "variation":
        return f"{HOME}/product/{product['slug']}/"
    parent = shop.products.get(product["parent_id"], product)
    chosen = "&".join(f"attribute_{each['slug']}={each['option']}" for each in product["attributes"])
    return f"{HOME}/product/{parent['slug']}/?{chosen}"


def options_of(product: Json) -> str:
    """The chosen options of a variation, as text."""
    return ", ".join(str(each["option"]) for each in product["attributes"])


def full_name(shop: Shop, product: Json) -> str:
    """The name on an order line: a variation is named after its parent and its options."""
    if product["type"] != "variation":
        return str(product["name"])
    parent = shop.products.get(product["parent_id"])
    return f"{parent['name'] if parent else ''} - {options_of(product)}"


def _amount(shop: Shop, price: Decimal, *, hidden: str = "") -> str:
    entity = SYMBOLS.get(shop.options.currency, ("&curren;", "", ""))[0]
    return (
        f'<span class="woocommerce-Price-amount amount"{hidden}><bdi><span class="woocommerce-Price-currencySymbol" '
        f'translate="no">{entity}</span>{price}</bdi></span>'
    )


def _price_html(shop: Shop, product: Json) -> str:
    def shown(text: str) -> Decimal:
        return net_of(shop, decimal(text), product["tax_class"]).quantize(Decimal("0.01"), ROUND_HALF_UP)

    prices = sorted({shown(v["price"]) for v in variations(shop, product) if v["price"]})
    if len(prices) > 1:
        hide = ' aria-hidden="true"'
        low, high = (_amount(shop, each, hidden=hide) for each in (prices[0], prices[-1]))
        entity = SYMBOLS.get(shop.options.currency, ("&curren;", "", ""))[0]
        spoken = f"Price range: {entity}{prices[0]} through {entity}{prices[-1]}"
        return f'{low} <span aria-hidden="true">&ndash;</span> {high}<span class="screen-reader-text">{spoken}</span>'
    return _amount(shop, shown(product["price"])) if product["price"] else ""


def product_view(shop: Shop, product: Json) -> Json:
    """The shape of ``/products``; variations found by SKU have it too."""
    variation = product["type"] == "variation"
    stock = _stock(shop, product)
    status = stock.pop("stock_status")
    children = sorted(v["id"] for v in variations(shop, product))
    shown: Json = {
        "id": product["id"],
        "name": full_name(shop, product),
        "slug": product["slug"],
        "permalink": _permalink(shop, product),
        **_dates(product),
        "type": product["type"],
        "status": product["status"],
        "featured": product["featured"],
        "catalog_visibility": product["catalog_visibility"],
        "description": product["description"],
        "short_description": product["short_description"],
        "sku": product["sku"],
        **_prices(shop, product),
        "purchasable": bool(product["price"]),
        "total_sales": str(product["total_sales"]) if variation else product["total_sales"],
        "virtual": product["virtual"],
        "downloadable": product["downloadable"],
        "downloads": [],
        "download_limit": -1,
        "download_expiry": -1,
        "external_url": "",
        "button_text": "",
        "tax_status": product["tax_status"],
        "tax_class": product["tax_class"],
        **stock,
        "sold_individually": False,
        "weight": product["weight"],
        "dimensions": product["dimensions"],
        "shipping_required": not product["virtual"],
        "shipping_taxable": not product["virtual"],
        "shipping_class": "",
        "shipping_class_id": 0,
        "reviews_allowed": not variation,
        "average_rating": "0.00",
        "rating_count": 0,
        "upsell_ids": [],
        "cross_sell_ids": [],
        "parent_id": product["parent_id"],
        "purchase_note": product["purchase_note"],
        "categories": product["categories"],
        "brands": [],
        "tags": [],
        "images": [],
        "attributes": product["attributes"],
        "default_attributes": [],
        "variations": children,
        "grouped_products": [],
        "menu_order": product["menu_order"],
        "price_html": _price_html(shop, product),
        "related_ids": _related(shop, product),
        "meta_data": product["meta_data"],
        "stock_status": status,
        "has_options": bool(children),
        "post_password": "",
        "global_unique_id": product["global_unique_id"],
        "_links": link_self("products", product["id"], f"products/{product['parent_id']}" if variation else None),
    }
    return _of_version(shop, shown)


def _related(shop: Shop, product: Json) -> list[int]:
    own = {each["id"] for each in product["categories"]}
    found: list[int] = []
    for other in shop.products.values():
        if len(found) == 5:
            break
        if other is not product and own & {each["id"] for each in other["categories"]}:
            found.append(other["id"])
    return found


def variation_view(shop: Shop, product: Json) -> Json:
    """The shape of ``/products/P/variations`` and ``/variations``."""
    parent = product["parent_id"]
    stock = _stock(shop, product)
    shown: Json = {
        "id": product["id"],
        "type": "variation",
        **_dates(product),
        "description": product["description"],
        "permalink": _permalink(shop, product),
        "sku": product["sku"],
        "global_unique_id": product["global_unique_id"],
        **_prices(shop, product),
        "status": product["status"],
        "purchasable": bool(product["price"]),
        "virtual": product["virtual"],
        "downloadable": product["downloadable"],
        "downloads": [],
        "download_limit": -1,
        "download_expiry": -1,
        "tax_status": product["tax_status"],
        "tax_class": product["tax_class"],
        **stock,
        "weight": product["weight"],
        "dimensions": product["dimensions"],
        "shipping_class": "",
        "shipping_class_id": 0,
        "image": None,
        "gallery_image_ids": [],
        "attributes": product["attributes"],
        "menu_order": product["menu_order"],
        "meta_data": product["meta_data"],
        "name": options_of(product),
        "parent_id": parent,
        "_links": link_self(f"products/{parent}/variations", product["id"], f"products/{parent}"),
    }
    return _of_version(shop, shown)


def _of_version(shop: Shop, shown: Json) -> Json:
    variation = "gallery_image_ids" in shown
    if not shop.since("9.6" if variation else "9.2"):
        shown.pop("global_unique_id")
    if not variation and not shop.since("9.6"):
        shown.pop("brands")
    if variation and not shop.since("10.0"):
        shown.pop("gallery_image_ids")
    return shown
