"""From WooCommerce's products and variations to our products, prices and balances. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs

from crossdock import Balance, Price, Product, RecordError, Row, Variant
from crossdock.mapping import decimal, maybe_decimal
from crossdock_woocommerce import wire
from crossdock_woocommerce.api import Shop
from crossdock_woocommerce.mapping import moment

# Kinds of products that are not sold themselves; WooCommerce silently ignores a price set on them (section 0.5).
CONTAINERS = frozenset(("variable", "variable-subscription", "grouped"))

_TO_KG = {"kg": Decimal(1), "g": Decimal("0.001"), "lbs": Decimal("0.45359237"), "oz": Decimal("0.028349523125")}
_TO_CM = {"cm": Decimal(1), "mm": Decimal("0.1"), "m": Decimal(100), "in": Decimal("2.54"), "yd": Decimal("91.44")}


@attrs.frozen
class Units:
    """The shop's units of weight and size; empty when it did not tell them."""

    weight: str = ""
    size: str = ""

    def kg(self, value: Decimal | None) -> Decimal | None:
        """A weight of the shop in kg; `None` when the unit is unknown."""
        return _times(value, _TO_KG.get(self.weight))

    def cm(self, value: Decimal | None) -> Decimal | None:
        """A length of the shop in cm."""
        return _times(value, _TO_CM.get(self.size))

    def from_kg(self, value: Decimal | None) -> Decimal | None:
        """A weight in kg in the shop's unit."""
        return _over(value, _TO_KG.get(self.weight))

    def from_cm(self, value: Decimal | None) -> Decimal | None:
        """A length in cm in the shop's unit."""
        return _over(value, _TO_CM.get(self.size))


def _times(value: Decimal | None, factor: Decimal | None) -> Decimal | None:
    return None if value is None or factor is None else value * factor


def _over(value: Decimal | None, factor: Decimal | None) -> Decimal | None:
    if value is None or factor is None:
        return None
    exact = value / factor
    return exact if factor == 1 else exact.quantize(Decimal("0.0001")).normalize()


def to_product(row: wire.Product, variations: Sequence[Row[wire.Product]], units: Units) -> Product:
    """The product with its variations; raises the error of a variation that cannot be read."""
    sizes = row.dimensions or wire.Dimensions()
    weight = maybe_decimal(row.weight, "weight")
    extras: dict[str, Any] = {"status": row.status}
    if row.permalink:
        extras["permalink"] = row.permalink
    if weight is not None and not units.weight:
        extras["weight"] = str(row.weight)
    return Product(
        key=str(row.id),
        sku=str(row.sku or ""),
        gtin=str(row.global_unique_id or ""),
        name=row.name or "",
        description=row.description or "",
        brand=row.brands[0].name if row.brands else "",
        categories=tuple([each.name for each in row.categories]),
        image_urls=tuple([each.src for each in row.images if each.src]),
        enabled=row.status == "publish",
        type=row.type,
        weight=units.kg(weight),
        length=units.cm(maybe_decimal(sizes.length, "dimensions.length")),
        width=units.cm(maybe_decimal(sizes.width, "dimensions.width")),
        height=units.cm(maybe_decimal(sizes.height, "dimensions.height")),
        tax_class=row.tax_class or "standard",
        variants=tuple([_variant(each) for each in variations]),
        extras=extras,
        updated_at=moment(row.date_modified_gmt, "date_modified_gmt"),
    )


def _variant(row: Row[wire.Product]) -> Variant:
    found = row.value
    if found is None:
        raise row.error or RecordError("A variation could not be read.")
    return Variant(
        key=str(found.id),
        sku=str(found.sku or ""),
        gtin=str(found.global_unique_id or ""),
        name=found.name or "",
        attributes={each.name: each.option or "" for each in found.attributes},
        image_url=(found.image.src or "") if found.image else "",
        enabled=found.status == "publish",
    )


def to_price(row: wire.Product, shop: Shop) -> Price | str:
    """The price that holds now; during a sale with the regular one as list price and the sale's dates.

    A planned sale is kept in the extras: it becomes the price when it begins, which WooCommerce counts as a change.
    """
    if row.type in CONTAINERS:
        return "sold through its variations"
    if not row.sku:
        return "no SKU"
    if row.price in ("", None):
        return "no price"
    extras: dict[str, Any] = {"tax_class": row.tax_class or "standard"}
    on_sale = row.on_sale and row.sale_price not in ("", None)
    if row.sale_price not in ("", None) and not on_sale:
        extras["planned_sale"] = {
            "sale_price": str(row.sale_price), "date_on_sale_from_gmt": row.date_on_sale_from_gmt,
            "date_on_sale_to_gmt": row.date_on_sale_to_gmt,
        }  # fmt: skip
    return Price(
        sku=str(row.sku),
        amount=decimal(row.price, "price"),
        currency=shop.currency,
        includes_tax=shop.prices_include_tax,
        list_price=decimal(row.regular_price, "regular_price") if on_sale else None,
        valid_from=moment(row.date_on_sale_from_gmt, "date_on_sale_from_gmt") if on_sale else None,
        valid_until=moment(row.date_on_sale_to_gmt, "date_on_sale_to_gmt") if on_sale else None,
        extras=extras,
        updated_at=moment(row.date_modified_gmt, "date_modified_gmt"),
    )


def to_balance(row: wire.Product, warehouse: str, as_of: datetime) -> Balance | str:
    """The stock of a SKU; a variation that inherits its stock carries the parent's number, which it shares."""
    if row.type in CONTAINERS:
        return "sold through its variations"
    if not row.sku:
        return "no SKU"
    if not row.manage_stock or row.stock_quantity in ("", None):
        return "stock is not managed"
    extras: dict[str, Any] = {"backorders": row.backorders or "no"}
    if row.manage_stock == "parent":
        extras["shared_with_parent"] = str(row.parent_id or "")
    return Balance(
        sku=str(row.sku),
        warehouse=warehouse,
        available=decimal(row.stock_quantity, "stock_quantity"),
        extras=extras,
        as_of=as_of,
        updated_at=moment(row.date_modified_gmt, "date_modified_gmt"),
    )
