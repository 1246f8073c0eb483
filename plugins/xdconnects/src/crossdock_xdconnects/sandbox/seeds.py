"""The seeded catalogue: twelve items of seven models, print prices by colours, by area and flat."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import attrs

from crossdock_xdconnects.sandbox.catalogue import Arrival, Catalogue, Item, PrintPlace, PrintPrice, cents

# Rough rates: what matters is that another account currency has other prices.
_RATES = {"DKK": "7.46", "SEK": "11.20", "NOK": "11.70", "GBP": "0.86", "CHF": "0.95", "PLN": "4.30", "CZK": "24.50"}
_FALLING = [Decimal(each) for each in ("1", "0.93", "0.86", "0.79", "0.72", "0.65", "0.58", "0.51", "0.44")]
_GROSS = Decimal("1.7")

_HARD = (1, 25, 50, 100, 250, 500)
_TEXTILE = (1, 100, 250, 500, 1000, 1500)
_SMALL = (1, 250, 500, 1000, 2500, 5000)

_LASER = PrintPlace("Demo Laser 1", "item front", "A1", 40, 60, 1, default=True)
_PAD = PrintPlace("Demo Pad", "item back", "A2", 30, 30, 2)
_BOTTLE = (_LASER, _PAD)
_TEE = (
    PrintPlace("Demo Transfer OS", "chest", "B1", 280, 380, 6, default=True),
    PrintPlace("Demo Transfer OS", "back", "B2", 280, 300, 6),
)
_SLEEVE = PrintPlace("Demo Digital FC", "left sleeve", "B3", 80, 80, None, full_color=True)
_PEN = (
    PrintPlace("Demo Pad", "barrel", "C1", 50, 6, 4, default=True),
    PrintPlace("Demo Digital FC", "barrel", "C1", 45, 6, None, full_color=True),
)
_FLAT = (PrintPlace("Demo Laser 1", "label", "D1", 50, 20, 1, default=True),)
_BANK = (PrintPlace("Demo Digital FC", "item top", "E1", 60, 90, None, full_color=True, default=True), _PAD)

_TEXT = 'A demo bottle with a\ttab and a "quoted" word.\r\nThe second line of the text.'


def catalogue(today: date, currency: str, skus: Sequence[str]) -> Catalogue:
    """The items with prices in `currency`; with `skus` these are the codes, and the seeds repeat as needed."""
    rate = Decimal(_RATES.get(currency, "1"))
    items = _items(today)
    if skus:
        items = [_renamed(items[index % len(items)], sku, index // len(items)) for index, sku in enumerate(skus)]
    for item in items:
        item.net = [cents(each * rate) for each in item.net]
        item.gross = [cents(each * rate) for each in item.gross]
    return Catalogue(items, _print_prices(rate), currency, rate)


def _items(today: date) -> list[Item]:
    first, second = today + timedelta(days=20), today + timedelta(days=66)
    black = _bottle("P990.001", "black", 812, pms="Black C", hex="#000000", description=_TEXT)
    black.arrivals = [Arrival(first, 2016), Arrival(second, 1008)]
    black.places = (attrs.evolve(_LASER, variable=True), _PAD)
    blue = _bottle("P990.005", "blue", 0, pms="286 C", hex="#0033A0")
    blue.arrivals = [Arrival(first, 500)]
    return [
        black,
        blue,
        _bottle("P990.003", "white", 240, hex="#FFFFFF"),
        _tee("T9900.002.XL", "white", "XL", 40),
        _tee("T9900.002.M", "white", "M", 1200),
        _tee("T9900.009.M", "navy", "M", 900),
        _item(
            "P991.003", "P991", "Demo gift card", (1,), "50.00", "50.00", "0", 100, "red",
            non_standard=True, category=("Gifts", "Gift cards"), material="Paper", carton=100,
        ),
        _item(
            "990001", "V99000", "Demo Vinga bag", _HARD, "20.00", "35.00", "1", 37, "grey",
            life_cycle="outlet", places=_FLAT, brand="VINGA", category=("Bags", "Travel bags"), carton=10,
        ),
        _item(
            "V990002", "V99001", "Demo Vinga throw", _HARD, "18.00", "31.00", "0.5", 400, "sand",
            life_cycle="new", moq=10, brand="VINGA", category=("Home", "Textiles"), places=_FLAT, carton=20,
            description="A throw.\nTwo lines, and a <b>tag</b> & an ampersand.",
        ),
        _item(
            "P992.010", "P992", "Demo power bank", _HARD, "15.00", "25.00", "0.4", 150, "black",
            restricted=("NO", "CH"), dangerous=True, places=_BANK, category=("Electronics", "Power banks"), carton=40,
        ),
        _pen("P993.001", "black", 12_000),
        _pen("P993.005", "blue", 30),
    ]  # fmt: skip


def _item(
    code: str, model: str, name: str, tiers: tuple[int, ...], net: str, gross: str, step: str, stock: int, color: str,
    **more: Any,
) -> Item:  # fmt: skip
    fall = Decimal(step)
    return Item(
        code, model, name, tiers,
        [Decimal(net) - fall * index for index in range(len(tiers))],
        [Decimal(gross) - (fall * 2 if fall < 1 else fall) * index for index in range(len(tiers))],
        stock, _ean(sum(map(ord, code))), color,
        **({"description": f"{name}."} | more),
    )  # fmt: skip


def _bottle(code: str, color: str, stock: int, **more: Any) -> Item:
    item = _item(code, "P990", f"Demo bottle, {color}", _HARD, "9.90", "14.90", "0.30", stock, color, **more)
    item.gross = [Decimal("14.90") - Decimal("0.50") * index for index in range(len(_HARD))]
    item.places = _BOTTLE
    return item


def _tee(code: str, color: str, size: str, stock: int) -> Item:
    return _item(
        code, "T9900", f"Demo tee, {color} {size}", _TEXTILE, "4.00", "7.00", "0.10", stock, color,
        places=_TEE if size == "XL" else (*_TEE, _SLEEVE), textile_size=size,
        category=("Textile", "T-shirts"), material="Cotton", commodity="61091000",
        brand="Iqoniq", size_cm=("74", "55", "1"), weight_gr=(170, 180), carton=50,
    )  # fmt: skip


def _pen(code: str, color: str, stock: int) -> Item:
    return _item(
        code, "P993", f"Demo pen, {color}", _SMALL, "0.60", "0.98", "0.04", stock, color,
        moq=50, places=_PEN, category=("Writing", "Pens"), material="Aluminium", commodity="96081010",
        size_cm=("14", "1", "1"), weight_gr=(9, 11), carton=1000,
    )  # fmt: skip


def _renamed(item: Item, sku: str, round_: int) -> Item:
    model = f"{item.model}-{round_ + 1}" if round_ else item.model
    return attrs.evolve(
        item, code=sku, model=model, ean=_ean(sum(index * ord(each) for index, each in enumerate(sku, 1))),
        net=list(item.net), gross=list(item.gross), arrivals=[attrs.evolve(each) for each in item.arrivals],
    )  # fmt: skip


def _ean(seed: int) -> str:
    digits = f"8710000{seed % 100_000:05d}"
    total = sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def _print_prices(rate: Decimal) -> list[PrintPrice]:
    def row(code: str, technique: str, setup: int, base: str, small: int = 0, **more: Any) -> PrintPrice:
        cost = cents(setup * rate)
        return PrintPrice(
            code, technique, cost,
            tuple(cents(Decimal(base) * rate * fall) for fall in _FALLING),
            tuple(cents(Decimal(base) * rate * fall * _GROSS) for fall in _FALLING),
            sample=cost, small_order=cents(small * rate), **more,
        )  # fmt: skip

    pad = [("0.60", 1), ("0.90", 2), ("1.20", 3), ("1.50", 4)]
    transfer = [("1.20", (0, 25)), ("1.80", (25, 60)), ("2.60", (60, 300)), ("4.10", (300, 1100))]
    digital = [("0.80", (0, 25)), ("1.10", (25, 100))]
    return [
        row("Demo Laser 1", "Laser engraving", 30, "1.00"),
        *(row("Demo Pad", "Pad print", 40 * colors, base, 15, colors=colors) for base, colors in pad),
        *(row("Demo Transfer OS", "Screen transfer", 50, base, area=area) for base, area in transfer),
        *(
            row("Demo Digital FC", "Digital print", 35, base, 10, full_color=True, area=area, moq=50)
            for base, area in digital
        ),
    ]
