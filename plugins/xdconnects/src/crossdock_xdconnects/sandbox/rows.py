"""The rows of each feed: column names as published, and values of the kinds that the published files show."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from crossdock_xdconnects.sandbox.catalogue import PRINT_TIERS, Catalogue, Item, PrintPlace, PrintPrice
from crossdock_xdconnects.sandbox.clock import local_text

Cell: TypeAlias = str | int | float | bool | None
Row: TypeAlias = dict[str, Cell]

ADDED_COLUMN = "AColumnAddedLater"
TIERS = range(1, 7)
_LEAD_DAYS = "5"

# PrintTechnique comes in the language of the link (vendor page section 2.1).
_TECHNIQUES = {
    "nl-nl": {
        "Laser engraving": "Lasergravering",
        "Pad print": "Tampondruk",
        "Screen transfer": "Zeefdruktransfer",
        "Digital print": "Digitale druk",
    },
    "fr-fr": {
        "Laser engraving": "Gravure laser",
        "Pad print": "Tampographie",
        "Screen transfer": "Transfert sérigraphique",
        "Digital print": "Impression numérique",
    },
}
LANGUAGES = ("en-gb", *_TECHNIQUES)


class Rows:
    """Writes the catalogue as rows. `created` is the FeedCreatedDateTime, in Amsterdam time without an offset."""

    def __init__(self, catalogue: Catalogue, created: datetime, language: str, *, added_columns: bool) -> None:
        self._catalogue = catalogue
        self._created = local_text(created)
        self._words = _TECHNIQUES.get(language, {})
        self._techniques = {each.code: each.technique for each in catalogue.print_prices}
        self._added: Row = {ADDED_COLUMN: "ignore me"} if added_columns else {}

    def products(self) -> Iterator[Row]:
        """Products V6."""
        for item in self._catalogue.items.values():
            yield {
                "FeedCreatedDateTime": self._created,
                "ItemDataLastModifiedDateTime": local_text(item.modified),
                **self._product(item),
                "MainImageNeutral": _image(item, "n"),
                **self._added,
            }

    def product_prices(self) -> Iterator[Row]:
        """ProductPrices V2. Money is text and quantities are numbers, in JSON too."""
        for item in self._catalogue.items.values():
            yield {
                "FeedCreatedDateTime": self._created,
                "ItemPriceLastModifiedDateTime": local_text(item.price_modified),
                "Currency": self._catalogue.currency,
                "ModelCode": item.model,
                "ItemCode": item.code,
                "ItemName": item.name,
                "NonStandardDiscount": _true(item.non_standard),
                "Outlet": _true(item.life_cycle == "outlet"),
                "AllPrintCodes": ",".join(item.print_codes),
                "MOQBlankOrder": str(item.moq),
                **_tiers(item),
                "AdditionalCostDesc": "",
                "AdditionalCost": "",
                **self._added,
            }

    def print_data(self) -> Iterator[Row]:
        """PrintData V2: one row for each item, position and print code."""
        for item in self._catalogue.items.values():
            for place in item.places:
                yield {
                    "FeedCreatedDateTime": self._created,
                    "PrintDataLastModifiedDateTime": local_text(item.modified),
                    "ModelCode": item.model,
                    "ItemCode": item.code,
                    "ItemName": item.name,
                    "PrintCode": place.code,
                    "PrintTechnique": self._technique(place.code),
                    "Default": _true(place.default),
                    "PrintPosition": place.position,
                    "PrintPositionCode": place.position_code,
                    "MaxPrintWidthMM": place.width,
                    "MaxPrintHeightMM": place.height,
                    "MaxPrintArea": f"{place.width}x{place.height} mm",
                    "MaxColors": place.max_colors,
                    "FullColor": _true(place.full_color),
                    "VariableDataPrinting": _true(place.variable),
                    "LineDrawing": f"https://img.example/line/{item.code}.jpg",
                    "ArtworkFile": "",
                    "DeliveryCountry": "NL",
                    "DeliveryTimePrintOrder": _LEAD_DAYS,
                    **self._added,
                }

    def print_prices(self) -> Iterator[Row]:
        """PrintPrices V2: one row for each print code and number of colours, or area."""
        for price in self._catalogue.print_prices:
            low, high = price.area or (None, None)
            yield {
                "FeedCreatedDateTime": self._created,
                "PrintPriceLastModifiedDateTime": local_text(price.modified),
                "Currency": self._catalogue.currency,
                "PrintCode": price.code,
                "PrintTechnique": self._technique(price.code),
                "MOQPrintOrder": str(price.moq),
                "SetupNet": _money(price.setup),
                "PrintSampleNet": _money(price.sample),
                "SmallOrderChargeNet": _money(price.small_order),
                "NrOfColors": price.colors,
                "FullColor": _true(price.full_color),
                "VariableDataPrinting": "",
                "PrintArea": "" if low is None else f"{low} - {high} cm2",
                "PrintAreaFromCM2": low,
                "PrintAreaToCM2": high,
                **{f"PrintPriceNet_{n}": _money(each) for n, each in zip(PRINT_TIERS, price.net, strict=True)},
                **{f"PrintPriceGross_{n}": _money(each) for n, each in zip(PRINT_TIERS, price.gross, strict=True)},
                **self._added,
            }

    def stock(self) -> Iterator[Row]:
        """Stock V2: what is there, and the next two arrivals. It has no LastModified column."""
        for item in self._catalogue.items.values():
            yield {
                "FeedCreatedDateTime": self._created,
                "ItemCode": item.code,
                "CurrentStock": item.stock,
                **_arrivals(item, 2),
                **self._added,
            }

    def all_data(self) -> Iterator[Row]:
        """AllData V5: product, prices, stock, and of the prints only the default one."""
        for item in self._catalogue.items.values():
            place = _default(item)
            cheapest = self._cheapest(place)
            yield {
                "FeedCreatedDateTime": self._created,
                "Currency": self._catalogue.currency,
                **self._product(item),
                "ProductLifeCycle": item.life_cycle.capitalize(),
                "MainImage Neutral": _image(item, "n"),
                "NonStandardDiscount": _true(item.non_standard),
                "Outlet": _true(item.life_cycle == "outlet"),
                **_tiers(item),
                **_with_print(item, cheapest),
                "SetupNet": _money(cheapest.setup) if cheapest else "",
                "PrintSampleNet": _money(cheapest.sample) if cheapest else "",
                "SmallOrderChargeNet": _money(cheapest.small_order) if cheapest else "",
                "MOQBlankOrder": str(item.moq),
                "MOQPrintOrder": str(cheapest.moq) if cheapest else "",
                "CurrentStock": item.stock,
                **_arrivals(item, 1),
                **self._added,
            }

    def _product(self, item: Item) -> Row:
        place = _default(item)
        length, width, height = (float(each) for each in item.size_cm)
        images = [_image(item, "1"), _image(item, "2")]
        return {
            "ModelCode": item.model,
            "ItemCode": item.code,
            "ProductLifeCycle": item.life_cycle,
            "IntroDate": "2025-01-15T00:00:00",
            "ItemName": item.name,
            "LongDescription": item.description,
            "Brand": item.brand,
            "MainCategory": item.category[0],
            "SubCategory": item.category[1],
            "Material": item.material,
            "Color": item.color,
            "PMSColor1": item.pms,
            "HexColor1": item.hex,
            "ItemLengthCM": length,
            "ItemWidthCM": width,
            "ItemHeightCM": height,
            "ItemDimensions": f"{length:g} x {width:g} x {height:g} cm",
            "ItemWeightNetGr": item.weight_gr[0],
            "ItemWeightGrossGr": item.weight_gr[1],
            "CountryOfOrigin": "CN",
            "CommodityCode": item.commodity,
            "EANCode": item.ean,
            "InnerboxQty": None,
            "OuterCartonQty": item.carton,
            "RestrictedCountriesForSale": ", ".join(item.restricted),
            "DangerousGoods": item.dangerous,
            "Eco": item.material == "Cotton",
            "PVC free": True,
            "Digital passport": "",
            "Total CO2 emissions": 2.1,
            "TextileSize": item.textile_size,
            "AllImages": ", ".join(images),
            "MainImage": images[0],
            "ExtraImage1": images[1],
            "AllPrintCodes": ",".join(item.print_codes),
            "PrintCodeDefault": place.code if place else "",
            "PrintTechniqueDefault": self._technique(place.code) if place else "",
            "PrintPositionDefault": place.position if place else "",
            "MaxPrintWidthDefaultMM": place.width if place else None,
            "MaxPrintHeightDefaultMM": place.height if place else None,
            "MaxColorsDefault": place.max_colors if place else None,
            "VariableDataPrinting": any(each.variable for each in item.places),
            "CustomSleevePossible": False,
            "GPSRContact": "demo@example",
        }

    def _technique(self, code: str) -> str:
        name = self._techniques.get(code, "")
        return self._words.get(name, name)

    def _cheapest(self, place: PrintPlace | None) -> PrintPrice | None:
        rows = [each for each in self._catalogue.print_prices if place and each.code == place.code]
        return min(rows, key=lambda each: each.net[0], default=None)


def _tiers(item: Item) -> Row:
    """Six tiers; an item with fewer has empty ones behind them."""

    def prices(kind: str, values: list[Decimal]) -> Row:
        return {f"ItemPrice{kind}_Qty{n}": _money(values[n - 1]) if n <= len(values) else "" for n in TIERS}

    quantities: Row = {f"Qty{n}": item.tiers[n - 1] if n <= len(item.tiers) else None for n in TIERS}
    return quantities | prices("Net", item.net) | prices("Gross", item.gross)


def _with_print(item: Item, price: PrintPrice | None) -> Row:
    """The default print alone, and item and print together, at the item's tiers."""
    alone: Row = {f"PrintPriceDefaultNet_Qty{n}": "" for n in TIERS}
    together: Row = {f"AllinPriceNet_Qty{n}": "" for n in TIERS}
    if price:
        for n, (start, net) in enumerate(zip(item.tiers, item.net, strict=True), 1):
            alone[f"PrintPriceDefaultNet_Qty{n}"] = _money(price.unit(start))
            together[f"AllinPriceNet_Qty{n}"] = _money(net + price.unit(start))
    return alone | together


def _arrivals(item: Item, count: int) -> Row:
    row: Row = {}
    for n in range(1, count + 1):
        arrival = item.arrivals[n - 1] if n <= len(item.arrivals) else None
        row[f"FutureIncomingStockDate{n}"] = arrival.day.isoformat() if arrival else ""
        row[f"FutureIncomingStockQty{n}"] = arrival.quantity if arrival else None
    return row


def _default(item: Item) -> PrintPlace | None:
    return next((each for each in item.places if each.default), None)


def _image(item: Item, name: str) -> str:
    return f"https://img.example/{item.code.lower().replace('.', '-')}-{name}.jpg"


def _money(amount: Decimal) -> str:
    return f"{amount:.2f}"


def _true(flag: bool) -> str:
    return "True" if flag else ""
