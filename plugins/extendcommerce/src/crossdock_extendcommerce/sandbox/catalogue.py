"""Products and prices (vendor page sections 7.3 and 7.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs

from crossdock_extendcommerce.sandbox.clock import Clock, wire_date
from crossdock_extendcommerce.sandbox.fields import SUPPLY_MODES, JsonObject
from crossdock_extendcommerce.sandbox.refusal import Refusal, not_found
from crossdock_extendcommerce.sandbox.stock import Stock


@attrs.define
class Tier:
    """From `quantity` sales units on, one costs `price` (excluding VAT)."""

    quantity: int
    price: Decimal


@attrs.define
class Product:
    """One product. `shown_as_changed` is false for a new product the modifiedDateFrom filter does not know yet."""

    number: str
    name: str
    created: datetime
    changed: datetime
    price: Decimal = Decimal(0)
    currency: str = "SEK"
    vat_percent: Decimal = Decimal(25)
    gtins: tuple[str, ...] = ()
    unit: str = "ST"
    supply_mode: str = "Warehouse"
    cost: Decimal = Decimal(0)
    description: str = ""
    country_of_origin: str = "SE"
    manufacturer: str | None = None
    manufacturer_number: str | None = None
    image_url: str | None = None
    weight: float | str = 0.0  # text only where somebody broke it
    enabled: bool = True
    annulled: bool = False
    handlings: tuple[str, ...] = ()
    tiers: list[Tier] = attrs.field(factory=list)
    supplier_agreement: int | None = None
    shown_as_changed: bool = True
    listed: bool = True
    extra: JsonObject = attrs.field(factory=dict)  # parts of productData posted and only echoed

    def unit_price(self, quantity: Decimal, discount: Decimal = Decimal(0)) -> Decimal:
        """The best price for `quantity`, with a discount in per cent."""
        prices = [self.price, *(tier.price for tier in self.tiers if quantity >= tier.quantity)]
        return discounted(min(prices), discount)


def discounted(price: Decimal, percent: Decimal) -> Decimal:
    """`price` less `percent`, rounded to four decimals where that is needed."""
    return price if not percent else round(price * (100 - percent) / 100, 4)


class Catalogue:
    """The products, by number and in the order they came."""

    def __init__(self, clock: Clock, stock: Stock, *, company_group: str = "DEMO") -> None:
        self.products: dict[str, Product] = {}
        self._clock = clock
        self._stock = stock
        self._company_group = company_group

    def get(self, number: str) -> Product:
        """The product. Raises `Refusal` in the words of the order methods."""
        if number not in self.products:
            raise Refusal(f"Product {number} does not exist.")
        return self.products[number]

    def add(self, seed: Mapping[str, Any], *, brand_new: bool = False, listed: bool = True) -> Product:
        """Add or replace a product from the sandbox's own short form (see `ExtendSandbox.seed_products`)."""
        now = self._clock.now()
        number = str(seed["productNumber"])
        gtin = seed.get("gtin") or ()
        product = Product(
            number=number,
            name=str(seed.get("name") or number),
            created=now,
            changed=now,
            price=Decimal(str(seed.get("price") or 0)),
            currency=seed.get("currency") or "SEK",
            vat_percent=Decimal(str(seed.get("vatPercent", 25))),
            gtins=(gtin,) if isinstance(gtin, str) else tuple(gtin),
            unit=seed.get("unit") or "ST",
            supply_mode=seed.get("supplyMode") or "Warehouse",
            cost=Decimal(str(seed.get("cost") or 0)),
            description=seed.get("description") or "",
            country_of_origin=seed.get("countryOfOrigin") or "SE",
            manufacturer=seed.get("manufacturer"),
            manufacturer_number=seed.get("manufacturerProductNumber"),
            image_url=seed.get("imageUrl"),
            weight=float(seed.get("weight") or 0),
            enabled=bool(seed.get("enabled", True)),
            handlings=tuple(seed.get("productHandlings") or ()),
            tiers=[Tier(int(each["fromQuantity"]), Decimal(str(each["price"]))) for each in seed.get("tiers") or ()],
            supplier_agreement=seed.get("supplierAgreementNumber"),
            shown_as_changed=not brand_new,
            listed=listed,
        )
        if product.supply_mode not in SUPPLY_MODES:
            raise ValueError(f"{product.supply_mode} is no supply mode.")
        self.products[number] = product
        return product

    def touch(self, product: Product) -> None:
        """The product was edited: from now on the change filter knows it."""
        product.changed = self._clock.now()
        product.shown_as_changed = True

    def search(
        self, query: Mapping[str, str], since: datetime | None, until: datetime | None
    ) -> list[tuple[Product, str | None]]:
        """Product and warehouse of each row of the list. New products are missing under a change filter (quirk 2)."""
        found: list[tuple[Product, str | None]] = []
        for product in self._candidates(query):
            if not product.listed or not _matches(product, query):
                continue
            if (since or until) and not product.shown_as_changed:
                continue
            if (since and product.changed < since) or (until and product.changed > until):
                continue
            places: Sequence[str | None] = [each.warehouse for each in self._stock.places(product.number)] or [None]
            wanted = query.get("warehouse")
            found.extend((product, place) for place in places if wanted is None or place == wanted)
        return found

    def detail(self, number: str) -> JsonObject:
        """The Product as the detail method answers it. Raises `Refusal` (404)."""
        if number not in self.products:
            raise not_found()
        product = self.products[number]
        gtin = product.gtins[0] if product.gtins else None
        data = {
            "productName": product.name,
            "productDescription": product.description,
            "countryOfOrigin": product.country_of_origin,
            "cost": float(product.cost),
            "currency": product.currency,
            "enabled": product.enabled,
            "annulled": product.annulled,
            "productServices": {"supplyMode": product.supply_mode, "productHandlings": list(product.handlings)},
            "productUnit": product.unit,
            "productGTINumber": gtin,
            "productVisibility": "AlwaysVisible",
            "productGroupsAndCategories": {
                "productCategories": ["Demo"],
                "assortmentCategory": "A",
                "financialCategory": "Varor",
                "companyGroup": self._company_group,
                "vatCategory": f"{product.vat_percent:f}",
            },
            "productMeasurements": {"length": 0.0, "width": 0.0, "height": 0.0, "weight": product.weight},
            "productTransportDetails": {"customsCommodityCode": None, "ean": ",".join(product.gtins)},
            "manufacturer": product.manufacturer,
            "manufacturerProductNumber": product.manufacturer_number,
            "media": {"infoUrl": None, "imageUrl": product.image_url},
            "productDates": {
                "createdDate": wire_date(product.created, number),
                "changedDate": wire_date(product.changed, number),
                "changedBy": "demo",
                "externalChangedDate": None,
            },
            "productVariants": [],
            "productRelations": [],
        }
        return {
            "productNumber": number,
            "productData": product.extra | data,
            "productPrices": [self._price(product, gtin)],
            "productWarehouses": [
                {"warehouse": each.warehouse, "reorderLevel": 0, "safetyStock": 0, "minOrderQuantity": 1}
                for each in self._stock.places(number)
            ],
            "productSuppliers": _suppliers(product),
        }

    def list_row(self, product: Product, warehouse: str | None) -> JsonObject:
        """The ProductListItem of a product at a warehouse. It has no modified date."""
        return {
            "productNumber": product.number,
            "productName": product.name,
            "createDate": wire_date(product.created, product.number),
            "productUnit": product.unit,
            "cost": float(product.cost),
            "currency": product.currency,
            "countryOfOrigin": product.country_of_origin,
            "supplyMode": product.supply_mode,
            "manufacturer": product.manufacturer,
            "manufacturerProductNumber": product.manufacturer_number,
            "gtinNumberList": ",".join(product.gtins),
            "warehouse": warehouse,
            "statisticalCategory1": None,
            "statisticalCategory2": None,
            "statisticalCategory3": None,
            "availableBalance": self._stock.balance(product.number, warehouse).available if warehouse else 0,
            "enabled": product.enabled,
            "productGroupsAndCategories": {"companyGroup": self._company_group, "financialCategory": "Varor"},
        }

    def prices(self, numbers: Iterable[str] | None, currency: str | None, discount: Decimal) -> list[JsonObject]:
        """ProductPrices rows for a customer with `discount` per cent: one per tier. Unknown numbers give no row."""
        chosen = self.products if numbers is None else [each for each in numbers if each in self.products]
        rows: list[JsonObject] = []
        for product in (self.products[each] for each in chosen):
            if not product.listed or (currency and product.currency != currency):
                continue
            quantities = sorted({1, *(tier.quantity for tier in product.tiers)})
            rows.extend(_price_row(product, quantity, discount) for quantity in quantities)
        return rows

    def _candidates(self, query: Mapping[str, str]) -> Iterable[Product]:
        number = query.get("productnumber")
        if number is None:
            return self.products.values()
        return [self.products[number]] if number in self.products else []

    def _price(self, product: Product, gtin: str | None) -> JsonObject:
        tiers = [Tier(1, product.price), *(tier for tier in product.tiers if tier.quantity > 1)]
        return {
            "salesUnit": {"quantity": 1.0, "unit": product.unit, "gtiNumber": gtin},
            "calculateSalesUnits": False,
            "productPriceListRows": [
                {
                    "priceList": "STANDARD",
                    "numberSalesUnits": tier.quantity,
                    "price": float(tier.price),
                    "vatPercent": float(product.vat_percent),
                    "currency": product.currency,
                }
                for tier in tiers
            ],
        }


def _matches(product: Product, query: Mapping[str, str]) -> bool:
    name, mode = query.get("productname"), query.get("supplymode")
    if "suppliernumber" in query or "supplierproductnumber" in query:
        return False  # the sandbox knows suppliers by their agreement alone
    return (not name or name.lower() in product.name.lower()) and (not mode or mode == product.supply_mode)


def _price_row(product: Product, quantity: int, discount: Decimal) -> JsonObject:
    return {
        "productNumber": product.number,
        "salesUnit": product.unit,
        "fromQuantity": quantity,
        "price": float(product.unit_price(Decimal(quantity), discount)),
        "listPrice": float(product.price),
        "vatPercent": float(product.vat_percent),
        "currency": product.currency,
    }


def _suppliers(product: Product) -> list[JsonObject]:
    if product.supplier_agreement is None:
        return []
    return [
        {
            "supplierAgreement": "Demo Supply",
            "supplierAgreementNumber": product.supplier_agreement,
            "supplierProductNumber": product.number,
            "supplierProductName": product.name,
            "price": float(product.cost),
            "vatPercent": 0.0,
            "supplierCurrency": product.currency,
            "manufacturingLeadTimeHour": 120.0,
        }
    ]
