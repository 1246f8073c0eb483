"""Offers in the Mirakl sandbox: stock and price files, the reset of OF24, jobs that are polled, exports."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest
from mirakl_sandbox_kit import PRICES, STOCK, served, upload

from crossdock_mirakl.sandbox import MiraklSandbox

OFFERS = "/api/offers"
HEAD = "offer-sku;price;discount-price;discount-start-date;discount-end-date;channels;price-ranges;discount-ranges"


pytestmark = pytest.mark.usefixtures("switchboard")


def stock_file(*rows: str) -> str:
    return "\n".join(['"offer-sku";"quantity";"warehouse-code";"update-delete"', *rows]) + "\n"


def price_file(*rows: str) -> str:
    return "\n".join([HEAD, *rows]) + "\n"


def start(api: httpx.Client, path: str, text: str) -> str:
    return str(upload(api, path, text).json()["import_id"])


def status(api: httpx.Client, path: str, key: str) -> dict[str, Any]:
    found: dict[str, Any]
    if path == PRICES:
        (found,) = api.get(path, params={"import_id": key}).json()["data"]
    else:
        found = api.get(f"{path}/{key}/status").json()
    return found


def run(api: httpx.Client, path: str, text: str) -> dict[str, Any]:
    """Import a file and give its last status."""
    key = start(api, path, text)
    return [status(api, path, key) for _ in range(3)][-1]


def report(api: httpx.Client, path: str, key: str) -> list[str]:
    return api.get(f"{path}/{key}/error_report").text.splitlines()


def offer(twin: MiraklSandbox, sku: str = "P-100") -> dict[str, Any]:
    found: dict[str, Any] = twin.state()["offers"][sku]
    return found


# Jobs


@pytest.mark.parametrize(("path", "text"), [(STOCK, stock_file("P-100;7;;")), (PRICES, price_file("P-100;9.90"))])
def test_an_import_moves_on_with_every_poll(api: httpx.Client, path: str, text: str) -> None:
    key = start(api, path, text)
    assert [status(api, path, key)["status"] for _ in range(4)] == ["WAITING", "RUNNING", "COMPLETE", "COMPLETE"]


def test_nothing_changes_before_an_import_is_complete(api: httpx.Client, twin: MiraklSandbox) -> None:
    key = start(api, STOCK, stock_file("P-100;7;;"))
    before = offer(twin)["quantity"]
    for _ in range(2):
        status(api, STOCK, key)
    during = offer(twin)["quantity"]
    status(api, STOCK, key)
    assert (during, offer(twin)["quantity"]) == (before, 7)


def test_the_same_file_again_gives_the_import_under_way(api: httpx.Client, twin: MiraklSandbox) -> None:
    keys = [start(api, STOCK, stock_file("P-100;7;;")) for _ in range(2)]
    assert keys[0] == keys[1]
    twin.finish_imports()
    assert start(api, STOCK, stock_file("P-100;7;;")) != keys[0]


def test_an_import_can_fail_as_a_whole(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.set_import_fate("FAILED")
    ended = run(api, STOCK, stock_file("P-100;7;;"))
    assert (ended["status"], ended["has_error_report"]) == ("FAILED", False)
    assert offer(twin)["quantity"] == 40


def test_an_import_can_be_stuck(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.set_import_fate("STUCK")
    assert run(api, STOCK, stock_file("P-100;7;;"))["status"] == "RUNNING"
    assert twin.finish_imports() == []


def test_everything_under_way_can_be_ended_at_once(api: httpx.Client, twin: MiraklSandbox) -> None:
    keys = [start(api, STOCK, stock_file("P-100;7;;")), start(api, PRICES, price_file("P-100;9.90"))]
    assert twin.finish_imports() == keys
    assert (twin.state()["stock"]["P-100"], twin.state()["prices"]["P-100"]) == (7, "9.90")


def test_reports_may_list_lines_in_any_order(api: httpx.Client, twin: MiraklSandbox) -> None:
    key = start(api, STOCK, stock_file(*(f"NOPE-{index};1;;" for index in range(1, 7))))
    twin.finish_imports()
    lines = report(api, STOCK, key)
    twin.report_order("shuffled")
    assert lines == sorted(lines) != report(api, STOCK, key)
    assert sorted(report(api, STOCK, key)) == lines


def test_an_import_without_errors_has_no_report(api: httpx.Client, twin: MiraklSandbox) -> None:
    key = start(api, STOCK, stock_file("P-100;7;;"))
    twin.finish_imports()
    assert api.get(f"{STOCK}/{key}/error_report").status_code == 404


def test_an_import_that_does_not_exist(api: httpx.Client) -> None:
    assert api.get(f"{STOCK}/none/status").status_code == 404
    assert api.get(PRICES, params={"import_id": "none"}).json()["data"] == []


def test_price_imports_are_listed_newest_first(api: httpx.Client, twin: MiraklSandbox) -> None:
    keys = []
    for index in range(3):
        keys.append(start(api, PRICES, price_file(f"P-100;{index + 1}.90")))
        twin.advance(60)
    first = api.get(PRICES, params={"limit": 2}).json()
    second = api.get(PRICES, params={"page_token": first["next_page_token"]}).json()
    assert [each["import_id"] for each in (*first["data"], *second["data"])] == keys[::-1]


@pytest.mark.parametrize("path", [STOCK, PRICES])
def test_a_file_must_be_uploaded_as_a_part_named_file(api: httpx.Client, path: str) -> None:
    assert api.post(path, files={"data": ("a.csv", b"x", "text/csv")}).status_code == 400
    assert api.post(path, content=b"offer-sku;quantity\n").status_code == 415


@pytest.mark.parametrize("text", ["sku;quantity\nP-100;7\n", '"offer-sku","quantity"\n"P-100","7"\n', ""])
def test_a_file_that_cannot_be_read_is_taken_in_and_fails(api: httpx.Client, text: str) -> None:
    assert run(api, STOCK, text)["status"] == "FAILED"


def test_the_delimiter_is_that_of_the_operator() -> None:
    with served(delimiter="COMMA") as (twin, api):
        assert run(api, STOCK, "offer-sku,quantity\nP-100,7\nNOPE,1\n")["lines_in_error"] == 1
        (key,) = (each["import_id"] for each in twin.state()["imports"])
        assert report(api, STOCK, key) == ["2,Offer with SKU NOPE was not found"]


# Stock


def test_unknown_skus_are_lines_in_error_and_the_others_are_taken(api: httpx.Client, twin: MiraklSandbox) -> None:
    ended = run(api, STOCK, stock_file('"P-100";"12";"";""', '"UNKNOWN-SKU";"5";"";""'))
    assert (ended["status"], ended["has_error_report"], ended["lines_in_error"]) == ("COMPLETE", True, 1)
    assert report(api, STOCK, ended["import_id"]) == ["2;Offer with SKU UNKNOWN-SKU was not found"]
    assert offer(twin)["quantity"] == 12


def test_quantities_of_warehouses_add_up(api: httpx.Client, twin: MiraklSandbox) -> None:
    run(api, STOCK, stock_file("P-100;4;LYON;", "P-100;3;LILLE;"))
    assert (offer(twin)["quantity"], offer(twin)["warehouses"]) == (7, {"LYON": 4, "LILLE": 3})


@pytest.mark.parametrize("row", ["P-100;;;", "P-100;-1;;", "P-100;1.5;;", "P-100;1;NOPE;", "P-100;1;;drop"])
def test_stock_lines_that_do_not_fit_are_in_error(api: httpx.Client, twin: MiraklSandbox, row: str) -> None:
    assert run(api, STOCK, stock_file(row))["lines_in_error"] == 1
    assert offer(twin)["quantity"] == 40


def test_a_deleted_quantity_is_none(api: httpx.Client, twin: MiraklSandbox) -> None:
    run(api, STOCK, stock_file("P-100;;;delete"))
    assert offer(twin)["quantity"] == 0


def test_lines_of_a_sku_can_be_made_to_fail(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.fail_lines("P-100", "The offer is being moderated")
    assert run(api, STOCK, stock_file("P-100;7;;", "P-101;8;;"))["lines_in_error"] == 1
    twin.fail_lines("P-100", None)
    assert run(api, STOCK, stock_file("P-100;7;;"))["lines_in_error"] == 0
    assert (offer(twin)["quantity"], offer(twin, "P-101")["quantity"]) == (7, 8)


# Prices


def test_every_price_that_is_not_in_the_file_is_deleted(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.set_price("P-100", "44.90", channel="ES", discount="42.90")
    run(api, PRICES, price_file("P-100;18.90"))
    assert [(each["price"], each["channels"]) for each in offer(twin)["prices"]] == [("18.90", [])]


def test_the_whole_set_of_an_offer_is_taken(api: httpx.Client, twin: MiraklSandbox) -> None:
    rows = ("P-100;39.90;;;;;1|39.90,10|37.50;", "P-100;44.90;42.90;2026-03-01T23:00:00Z;2026-03-31T22:00:00Z;ES|FR;;")
    assert run(api, PRICES, price_file(*rows))["offers_updated"] == 1
    default, local = offer(twin)["prices"]
    assert (default["price"], default["ranges"]) == ("39.90", [[1, "39.90"], [10, "37.50"]])
    assert (local["price"], local["discount"], local["channels"]) == ("44.90", "42.90", ["ES", "FR"])


def test_prices_of_an_offer_are_taken_together_or_not_at_all(api: httpx.Client, twin: MiraklSandbox) -> None:
    before = offer(twin)["prices"]
    ended = run(api, PRICES, price_file("P-100;18.90", "P-100;20.90;;;;XX", "P-101;9.90"))
    assert (ended["offers_in_error"], ended["offers_updated"], ended["lines_in_error"]) == (1, 1, 2)
    assert report(api, PRICES, ended["import_id"]) == [
        "1;Another price of the same offer is in error",
        "2;Channel with code XX does not exist",
    ]
    assert (offer(twin)["prices"], offer(twin, "P-101")["prices"][0]["price"]) == (before, "9.90")


def test_lines_of_an_offer_that_stand_apart_replace_each_other(api: httpx.Client, twin: MiraklSandbox) -> None:
    run(api, PRICES, price_file("P-100;18.90", "P-101;9.90", "P-100;17.90"))
    assert [each["price"] for each in offer(twin)["prices"]] == ["17.90"]


@pytest.mark.parametrize(
    "row",
    [
        "NOPE;1.00",
        "P-100;",
        "P-100;-1",
        "P-100;free",
        "P-100;1.999",
        "P-100;10.00;10.00",
        "P-100;10.00;9.00;soon",
        "P-100;10.00;;;;;ten|9.00",
        "P-100;10.00;;;;ES",
    ],
)
def test_prices_that_do_not_fit_are_in_error(api: httpx.Client, twin: MiraklSandbox, row: str) -> None:
    assert run(api, PRICES, price_file(row))["lines_in_error"] == 1
    assert offer(twin)["prices"][0]["price"] == "19.90"


@pytest.mark.parametrize(("count", "errors"), [(50, 0), (51, 51)])
def test_an_offer_has_50_prices_at_most(api: httpx.Client, count: int, errors: int) -> None:
    rows = ["P-100;30.00"] + [f"P-100;{20 + index}.00;;;;ES" for index in range(count - 1)]
    assert run(api, PRICES, price_file(*rows))["lines_in_error"] == errors


@pytest.mark.parametrize(
    ("options", "row"),
    [
        ({"channel_pricing": "DISABLED"}, "P-100;10.00;;;;ES"),
        ({"volume_pricing": False}, "P-100;10.00;;;;;5|9.00"),
        ({"decimals": "0"}, "P-100;10.50"),
    ],
)
def test_columns_are_legal_only_where_the_operator_has_them(options: dict[str, Any], row: str) -> None:
    with served(**options) as (_, api):
        assert run(api, PRICES, price_file(row))["lines_in_error"] == 1


def test_a_discount_counts_while_it_lasts(api: httpx.Client, twin: MiraklSandbox) -> None:
    run(api, PRICES, price_file("P-100;19.90;15.90;2026-03-11T00:00:00Z;2026-03-12T00:00:00Z"))

    def price() -> tuple[float, float]:
        shown = api.get(OFFERS, params={"sku": "P-100"}).json()["offers"][0]
        return shown["price"], shown["applicable_pricing"]["unit_origin_price"]

    prices = [price()]
    for _ in range(2):
        twin.advance(86_400)
        prices.append(price())
    assert prices == [(19.9, 19.9), (15.9, 19.9), (19.9, 19.9)]


# The list


def test_offers_are_paged(api: httpx.Client) -> None:
    first = api.get(OFFERS, params={"max": 5})
    second = api.get(first.links["next"]["url"])
    assert [len(each.json()["offers"]) for each in (first, second)] == [5, 3]
    assert first.json()["total_count"] == 8


def test_one_offer_is_found_by_sku_and_by_id(api: httpx.Client) -> None:
    (found,) = api.get(OFFERS, params={"sku": "P-103"}).json()["offers"]
    assert api.get(f"{OFFERS}/{found['offer_id']}").json()["shop_sku"] == "P-103"
    assert api.get(f"{OFFERS}/1").status_code == 404


def test_an_offer_without_stock_is_not_active(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.set_offer("P-100", quantity=0)
    (found,) = api.get(OFFERS, params={"sku": "P-100"}).json()["offers"]
    assert (found["active"], found["inactivity_reasons"]) == (False, ["ZERO_QUANTITY"])


def test_what_counts_in_a_channel_can_be_asked_for(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.set_price("P-100", "44.90", channel="ES", discount="42.90")
    params = {"sku": "P-100", "pricing_channel_code": "ES"}
    (found,) = api.get(OFFERS, params=params).json()["offers"]
    assert (found["price"], found["applicable_pricing"]["price"]) == (19.9, 42.9)
    assert [each["channel_code"] for each in found["all_prices"]] == [None, "ES"]


def test_offers_can_be_sorted_by_price(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.set_price("P-107", "1.00")
    shown = api.get(OFFERS, params={"sort": "price", "order": "asc"}).json()["offers"]
    assert shown[0]["shop_sku"] == "P-107"


def test_products_are_found_by_ean(api: httpx.Client, twin: MiraklSandbox) -> None:
    ean = offer(twin)["ean"]
    answer = api.get("/api/products", params={"product_references": f"EAN|{ean},EAN|0000000000000"}).json()
    assert [each["product_id"] for each in answer["products"]] == [ean]
    assert api.get("/api/products", params={"product_references": ",".join(["EAN|1"] * 101)}).status_code == 400


def test_skus_can_be_those_of_another_system() -> None:
    for skus in (("SIM-0001", "SIM-0002"), "SIM-0001, SIM-0002"):
        with served(skus=skus) as (twin, _):
            assert list(twin.state()["stock"]) == ["SIM-0001", "SIM-0002"]


# Whole offers


def full(twin: MiraklSandbox, sku: str = "P-100", **more: Any) -> dict[str, Any]:
    ids = {"product_id": offer(twin, sku)["ean"], "product_id_type": "EAN"}
    return {"shop_sku": sku, "state_code": "11", "price": 21.5, "update_delete": "update", **ids, **more}


def send(api: httpx.Client, *offers: dict[str, Any]) -> dict[str, Any]:
    key = api.post(OFFERS, json={"offers": list(offers)}).json()["import_id"]
    found: dict[str, Any] = [api.get(f"{OFFERS}/imports/{key}").json() for _ in range(3)][-1]
    return found


def test_a_whole_offer_resets_every_field_that_is_not_sent(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.set_offer("P-100", description="Neuf", leadtime_to_ship=3)
    twin.set_price("P-100", "44.90", channel="ES")
    assert send(api, full(twin))["offer_updated"] == 1
    found = offer(twin)
    assert (found["quantity"], found["description"], found["leadtime_to_ship"]) == (0, None, None)
    assert [each["price"] for each in found["prices"]] == ["21.5"]


def test_a_whole_offer_keeps_what_is_sent(api: httpx.Client, twin: MiraklSandbox) -> None:
    prices = [{"channel_code": None, "unit_origin_price": 21.5}, {"channel_code": "ES", "unit_origin_price": 24.9}]
    send(api, full(twin, quantity=12, description="Neuf", all_prices=prices))
    found = offer(twin)
    assert (found["quantity"], found["description"]) == (12, "Neuf")
    assert [Decimal(each["price"]) for each in found["prices"]] == [Decimal("21.5"), Decimal("24.9")]


def test_the_id_of_an_import_of_offers_is_a_number(api: httpx.Client, twin: MiraklSandbox) -> None:
    answer = api.post(OFFERS, json={"offers": [full(twin)]})
    assert (answer.status_code, answer.json()["import_id"]) == (201, 60311)
    assert answer.headers["Location"].endswith("/api/offers/imports/60311")


def test_an_offer_can_be_deleted_and_errors_are_reported(api: httpx.Client, twin: MiraklSandbox) -> None:
    ended = send(api, full(twin, update_delete="delete"), {"shop_sku": "OLD", "update_delete": "delete"})
    lines = api.get(f"{OFFERS}/imports/{ended['import_id']}/error_report").text.splitlines()
    assert ended["lines_in_error"] == 1
    assert lines[0].endswith('"error-line";"error-message"')
    assert lines[1].endswith('"2";"The offer with SKU \'OLD\' does not exist"')
    assert twin.state()["deleted"] == ["P-100"]


def test_a_new_offer_needs_a_product_of_the_catalogue(api: httpx.Client, twin: MiraklSandbox) -> None:
    ended = send(api, full(twin) | {"shop_sku": "NEW"}, full(twin) | {"shop_sku": "NONE", "product_id": "1"})
    assert (ended["lines_in_success"], ended["lines_in_error"]) == (1, 1)
    assert "NEW" in twin.state()["offers"]


# Exports


def export(api: httpx.Client, **request: Any) -> list[httpx.Response]:
    body = {"export_type": "application/json", **request}
    key = api.post(f"{OFFERS}/export/async", json=body).json()["tracking_id"]
    ended = [api.get(f"{OFFERS}/export/async/status/{key}").json() for _ in range(2)][-1]
    return [httpx.get(url) for url in ended["urls"]]


def test_all_offers_are_exported_in_pieces(api: httpx.Client) -> None:
    files = export(api, items_per_chunk=5)
    assert [len(each.json()) for each in files] == [5, 3]


def test_offers_without_stock_are_exported_on_demand(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.set_offer("P-100", quantity=0)
    counts = [len(export(api, include_inactive_offers=each)[0].json()) for each in (False, True)]
    assert counts == [7, 8]


def test_an_export_of_changes_has_the_deleted_offers_too(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.advance(3600)
    twin.set_offer("P-101", quantity=1)
    send(api, full(twin, update_delete="delete"))
    (answer,) = export(api, last_request_date="2026-03-10T07:00:00Z")
    assert {each["shop_sku"]: each["deleted"] for each in answer.json()} == {"P-100": True, "P-101": False}


def test_an_export_can_be_a_table(api: httpx.Client) -> None:
    (answer,) = export(api, export_type="text/csv")
    lines = answer.text.splitlines()
    assert lines[0].split(";")[8:10] == ["shop-sku", "price"]
    assert lines[1].split(";")[8:10] == ["P-100", "19.90"]


def test_a_failed_export_of_offers_tells_why(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.set_export_fate("FAILED")
    key = api.post(f"{OFFERS}/export/async", json={}).json()["tracking_id"]
    ended = [api.get(f"{OFFERS}/export/async/status/{key}").json() for _ in range(2)][-1]
    assert (ended["status"], ended["error"]["code"]) == ("FAILED", "EXPORT_FAILED")
