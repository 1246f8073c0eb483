"""From feed rows to products, prices and stock; pure. Columns: vendor page section 2.1."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import attrs

from crossdock import Balance, Incoming, Price, Product, RecordError, Variant
from crossdock.mapping import decimal, maybe_decimal, required, utc
from crossdock_xdconnects.tables import ZONE, Line

TIERS = range(1, 7)
_GRAMS = Decimal(1000)

# What the model has no field for, under the vendor's names (vendor page section 2.1).
_OF_ITEM = (
    "ProductLifeCycle", "IntroDate", "PMSColor1", "PMSColor2", "HexColor1", "HexColor2", "ItemDimensions",
    "ItemDiameterCM", "ItemWeightGrossGr", "InnerboxQty", "OuterCartonQty", "RestrictedCountriesForSale",
    "DangerousGoods", "AllPrintCodes", "PrintCodeDefault", "PrintTechniqueDefault", "PrintPositionDefault",
    "VariableDataPrinting", "CustomSleevePossible", "GiftWrappingPossible",
)  # fmt: skip
_OF_MODEL = ("Material", "Eco", "PVC free", "Digital passport", "Total CO2 emissions", "USP", "GPSRContact",
             "GPSRWebsite")  # fmt: skip


def day(value: str, path: str) -> datetime | None:
    """A date as midnight UTC, so that it stays the same day; a time as Amsterdam's, in UTC; nothing as `None`."""
    return utc(value, path, UTC if len(value) == len("2026-01-31") else ZONE)


def codes(text: str) -> tuple[str, ...]:
    """The parts of a comma list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def to_product(rows: Sequence[Line]) -> Product:
    """A model with its items as variants; `rows` are all rows of one ModelCode. Weight is net, in kg; sizes in cm."""
    first = rows[0]
    weight = maybe_decimal(first.text("ItemWeightNetGr"), "ItemWeightNetGr")
    changed = [utc(row.text("ItemDataLastModifiedDateTime"), "ItemDataLastModifiedDateTime", ZONE) for row in rows]
    return Product(
        key=required(first.text("ModelCode"), "ModelCode"),
        name=_model_name([row.text("ItemName") for row in rows]),
        description=first.text("LongDescription"),
        brand=first.text("Brand"),
        categories=tuple(each for each in (first.text("MainCategory"), first.text("SubCategory")) if each),
        image_urls=_images(first),
        type="variable",
        weight=None if weight is None else weight / _GRAMS,
        length=maybe_decimal(first.text("ItemLengthCM"), "ItemLengthCM"),
        width=maybe_decimal(first.text("ItemWidthCM"), "ItemWidthCM"),
        height=maybe_decimal(first.text("ItemHeightCM"), "ItemHeightCM"),
        country_of_origin=first.text("CountryOfOrigin"),
        customs_code=first.text("CommodityCode"),
        variants=tuple(to_variant(row) for row in rows),
        extras=_extras(first, _OF_MODEL),
        updated_at=max((each for each in changed if each), default=None),
    )


def to_variant(row: Line) -> Variant:
    """A colour or size of a model."""
    code = required(row.text("ItemCode"), "ItemCode")
    attributes = {"color": row.text("Color"), "size": row.text("TextileSize")}
    return Variant(
        key=code, sku=code, gtin=row.text("EANCode"), name=row.text("ItemName"), image_url=row.text("MainImage"),
        attributes={name: value for name, value in attributes.items() if value}, extras=_extras(row, _OF_ITEM),
    )  # fmt: skip


def _model_name(names: Sequence[str]) -> str:
    """What the names of the items share: they end with the colour."""
    shared = {name.rpartition(",")[0].strip() for name in names}
    return (shared.pop() if len(shared) == 1 else "") or names[0]


def _images(row: Line) -> tuple[str, ...]:
    listed = codes(row.text("AllImages")) or tuple(
        row.text(name) for name in ("MainImage", *(f"ExtraImage{number}" for number in range(1, 8)))
    )
    return tuple(dict.fromkeys(each for each in listed if each))


def _extras(row: Line, columns: Sequence[str]) -> dict[str, str]:
    return {column: row.text(column) for column in columns if row.text(column)}


@attrs.frozen
class Tier:
    """One of the six price steps of an item: net is your price, gross the list price, each per piece."""

    number: int
    quantity: Decimal
    net: Decimal
    gross: Decimal | None


def tiers(row: Line) -> Iterator[Tier]:
    """The price steps of an item, smallest quantity first; items with a non-standard discount have only the first.

    Raises `RecordError` for a step that is no number, does not rise, or gives goods away.
    """
    before = Decimal(0)
    for number in (1,) if row.yes("NonStandardDiscount") else TIERS:
        quantity, net = row.text(f"Qty{number}"), row.text(f"ItemPriceNet_Qty{number}")
        if not quantity or not net:
            continue
        gross = f"ItemPriceGross_Qty{number}"
        tier = Tier(
            number, decimal(quantity, f"Qty{number}"), decimal(net, f"ItemPriceNet_Qty{number}"),
            maybe_decimal(row.text(gross), gross),
        )  # fmt: skip
        if not tier.quantity and not tier.net:
            continue
        if tier.quantity <= before or tier.net <= 0:
            raise RecordError(f"Qty{number} does not rise or its price is nothing or less.", path=f"Qty{number}")
        before = tier.quantity
        yield tier


def to_price(row: Line, tier: Tier, currency: str) -> Price:
    """One step of an item's price, without tax."""
    extras: dict[str, str | bool] = {}
    extras |= {name: row.text(name) for name in ("AdditionalCost", "AdditionalCostDesc") if row.text(name)}
    extras |= {name: True for name in ("NonStandardDiscount", "Outlet") if row.yes(name)}
    return Price(
        sku=required(row.text("ItemCode"), "ItemCode"), amount=tier.net, currency=row.text("Currency") or currency,
        from_quantity=tier.quantity, list_price=tier.gross, extras=extras,
        updated_at=utc(row.text("ItemPriceLastModifiedDateTime"), "ItemPriceLastModifiedDateTime", ZONE),
    )  # fmt: skip


def first_price(row: Line, currency: str) -> str:
    """The key of an item's first price, also when its prices cannot be read."""
    quantity = Decimal(1)
    with contextlib.suppress(RecordError):
        quantity = max(decimal(row.text("Qty1"), "Qty1"), quantity)
    code = row.text("ItemCode")
    return Price(sku=code, amount=Decimal(0), currency=currency, from_quantity=quantity).key if code else ""


def to_balance(row: Line, as_of: datetime) -> Balance:
    """Stock now and the next arrivals of an item; what is sold beyond the stock counts as none."""
    stock = decimal(required(row.text("CurrentStock"), "CurrentStock"), "CurrentStock")
    return Balance(
        sku=required(row.text("ItemCode"), "ItemCode"), available=max(stock, Decimal(0)),
        incoming=tuple(arrivals(row)), as_of=as_of,
    )  # fmt: skip


def arrivals(row: Line) -> Iterator[Incoming]:
    """The announced arrivals of an item; a quantity without a date is one whose date is open."""
    for number in (1, 2):
        quantity, date = f"FutureIncomingStockQty{number}", f"FutureIncomingStockDate{number}"
        coming = decimal(row.text(quantity), quantity)
        if coming > 0:
            yield Incoming(quantity=coming, expected_at=day(row.text(date), date))
