"""Prints on ordered goods are read from where the shop's product designer keeps them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from crossdock import ByKeys, Decoration, SettingsError
from crossdock.settings import build
from crossdock_woocommerce import plugin
from crossdock_woocommerce.settings import Settings

ONE = {
    "print_technique": "Demo Pad", "print_position": "Front", "print_width_mm": "40", "print_height_mm": "20.5",
    "print_colours": "Pantone 286 C, Black", "print_artwork": "https://art.example/logo.pdf",
    "print_instructions": "Centre it",
}  # fmt: skip
READ = Decoration(
    technique="Demo Pad", position="Front", width=Decimal(40), height=Decimal("20.5"),
    colours=("Pantone 286 C", "Black"), artwork_url="https://art.example/logo.pdf", instructions="Centre it",
)  # fmt: skip


@pytest.fixture
def read(shops):
    """Places an order whose one line has `meta`, and reads it."""

    def reading(meta: dict, **settings: str):
        shop = shops()
        shop.sandbox.seed(orders=0, products=3)
        pairs = [{"key": key, "value": value} for key, value in meta.items()]
        shop.sandbox.insert_order(
            status="processing", line_items=[{"sku": "SIM-0001", "quantity": 2, "meta_data": pairs}]
        )
        number = str(shop.sandbox.state()["orders"][0]["id"])
        return next(plugin.fetch_orders(shop.connect(**settings), ByKeys((number,))))

    return reading


def test_a_line_without_prints_has_none(read):
    (order,) = read({"Size": "L"}).records

    assert order.lines[0].decorations == ()


def test_one_print_is_read_from_its_meta_keys(read):
    (order,) = read(ONE).records

    assert order.lines[0].decorations == (READ,)


def test_hidden_keys_are_the_same_keys(read):
    (order,) = read({f"_{key}": value for key, value in ONE.items()}).records

    assert order.lines[0].decorations == (READ,)


def test_several_prints_are_a_list(read):
    prints = '[{"technique": "Demo Pad", "position": "Front"}, {"technique": "Laser", "colours": ["silver"]}]'

    (order,) = read({"prints": prints}).records

    assert order.lines[0].decorations == (
        Decoration(technique="Demo Pad", position="Front"), Decoration(technique="Laser", colours=("silver",)),
    )  # fmt: skip


def test_the_shops_own_names_are_a_setting(read):
    (order,) = read({"Print method": "Laser"}, print_fields="technique=Print method").records

    assert order.lines[0].decorations == (Decoration(technique="Laser"),)


@pytest.mark.parametrize("meta", [{"print_width_mm": "four"}, {"prints": "front"}, {"prints": '["front"]'}])
def test_a_print_that_cannot_be_read_parks_its_order(read, meta):
    page = read(meta)

    assert [error.path.split(".")[0] for error in page.rejects] == ["line_items"]


@pytest.mark.parametrize("text", ["technique", "shape=round", "technique="])
def test_a_setting_that_names_no_parts_is_refused(text):
    values = {"url": "https://s.example", "consumer_key": "ck_1", "consumer_secret": "cs_1", "print_fields": text}

    with pytest.raises(SettingsError, match="part=key"):
        build(Settings, values)
