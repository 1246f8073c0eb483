"""Every answer of the sandbox has the documented shape: the keys and kinds of the vendor page's samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from mirakl_sandbox_kit import PRICES, SAMPLES, STOCK, differences, sample, served, upload

from crossdock_mirakl.sandbox import MiraklSandbox

pytestmark = pytest.mark.usefixtures("switchboard")

LINES = [{"sku": "KETTLE-17-BLK", "quantity": 1, "price": "39.90"}]
SKUS = ("KETTLE-17-BLK", "TOASTER-2S-RED")


@pytest.fixture
def twin_and_api() -> Iterator[tuple[MiraklSandbox, httpx.Client]]:
    with served(added_fields=False, skus=SKUS, channels=("FR", "ES", "PT")) as found:
        yield found


@pytest.fixture
def twin(twin_and_api: tuple[MiraklSandbox, httpx.Client]) -> MiraklSandbox:
    return twin_and_api[0]


@pytest.fixture
def api(twin_and_api: tuple[MiraklSandbox, httpx.Client]) -> httpx.Client:
    return twin_and_api[1]


def test_the_account(api: httpx.Client) -> None:
    assert not list(differences(sample("a01-account.response.json"), api.get("/api/account").json()))


def test_the_configuration_has_the_values_of_the_sample(api: httpx.Client) -> None:
    answer = api.get("/api/platform/configuration").json()
    expected = sample("pc01-platform-configuration.response.json")
    expected["features"]["pricing"]["volume_discount"] = True
    assert answer == expected


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/shipping/carriers", "sh21-carriers.response.json"),
        ("/api/reasons", "re01-reasons.response.json"),
        ("/api/orders", "or11-orders.empty.response.json"),
    ],
)
def test_the_lists(api: httpx.Client, path: str, name: str) -> None:
    assert not list(differences(sample(name), api.get(path).json()))


@pytest.mark.parametrize("index", [0, 1], ids=["before acceptance", "to be shipped"])
def test_an_order(api: httpx.Client, twin: MiraklSandbox, index: int) -> None:
    twin.place_order(LINES, accepted=bool(index), channel="FR")
    expected = sample("or11-orders.page1.response.json")["orders"][index]
    expected["order_lines"] = expected["order_lines"][:1]
    expected["customer"].pop("organization", None)
    assert not list(differences(expected, api.get("/api/orders").json()["orders"][0]))


def test_the_amounts_of_an_order_are_those_of_the_sample(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.place_order(LINES)
    order = api.get("/api/orders").json()["orders"][0]
    expected = sample("or11-orders.page1.response.json")["orders"][0]
    for name in ("price", "shipping_price", "total_price", "total_commission"):
        assert order[name] == expected[name], name
        assert order["order_lines"][0].get(name) == expected["order_lines"][0].get(name), name
    for name in ("taxes", "shipping_taxes", "commission_taxes"):
        assert order["order_lines"][0][name] == expected["order_lines"][0][name], name


def test_a_business_order_with_a_refund(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(LINES, accepted=True, company="SPECIMEN SARL", pickup_point="FR-012345")
    api.put(f"/api/orders/{order}/ship")
    twin.refund_line(order, f"{order}-1", "19.50")
    expected = sample("or11-orders.page2.response.json")["orders"][0]
    answer = api.get("/api/orders").json()["orders"][0]
    assert not list(differences(expected["order_lines"][0]["refunds"], answer["order_lines"][0]["refunds"]))
    assert not list(differences(expected["customer"], answer["customer"]))


def test_an_order_with_taxes_on_top_has_the_amounts_of_the_sample() -> None:
    with served(tax_mode="TAX_EXCLUDED", acceptance=False, skus=("MUG-GRN",)) as (twin, api):
        line = {"sku": "MUG-GRN", "quantity": 2, "price": "12.00"}
        twin.place_order([line], country="USA", shipping="6.00")
        order = api.get("/api/orders").json()["orders"][0]
    expected = sample("or11-orders.tax-excluded.response.json")["orders"][0]
    assert {name: order[name] for name in ("price", "total_price", "currency_iso_code", "order_tax_mode")} == {
        name: expected[name] for name in ("price", "total_price", "currency_iso_code", "order_tax_mode")
    }
    found = {each["code"]: each["amount"] for each in order["order_lines"][0]["taxes"]}
    assert found == {each["code"]: each["amount"] for each in expected["order_lines"][0]["taxes"]}


def test_the_answers_to_writes(api: httpx.Client, twin: MiraklSandbox) -> None:
    first, second = (twin.place_order([{"sku": SKUS[0], "quantity": 3}], accepted=True) for _ in range(2))
    line = {"order_line_id": f"{first}-1", "shipping_amount": 0, "taxes": [{"code": "TVA20", "amount": 1}]}
    cancelation = {**line, "amount": 5, "quantity": 1, "reason_code": "34"}
    references = {"orders": [{"order_id": first, "references": {"order_reference_for_seller": "ERP-SO-55231"}}]}
    found = [
        ("or04-references.response.json", api.put("/api/orders", json=references)),
        ("or30-cancel.response.json", api.put("/api/orders/cancel", json={"cancelations": [cancelation]})),
    ]
    api.put(f"/api/orders/{second}/ship")
    refund = {**line, "order_line_id": f"{second}-1", "amount": 5, "reason_code": "19"}
    found.append(("or28-refund.response.json", api.put("/api/orders/refund", json={"refunds": [refund]})))
    for name, answer in found:
        assert not list(differences(sample(name), answer.json())), name


def test_shipments_of_the_sample_request(api: httpx.Client, twin: MiraklSandbox) -> None:
    order = twin.place_order(
        [{"sku": "TOASTER-2S-RED", "quantity": 2}, {"sku": "KETTLE-17-BLK", "quantity": 1}], accepted=True
    )
    gone = twin.place_order(LINES, accepted=True)
    api.put(f"/api/orders/{gone}/ship")
    text = (SAMPLES / "st01-shipments.request.json").read_text()
    text = text.replace("90417790-A", order).replace("90416004-A", gone)
    answer = api.post("/api/shipments", content=text, headers={"Content-Type": "application/json"}).json()
    expected = sample("st01-shipments.partial-success.response.json")
    assert len(answer["shipment_success"]) == 2
    assert answer["shipment_errors"] == [{**expected["shipment_errors"][0], "order_id": gone}]
    for made, wanted in zip(answer["shipment_success"], expected["shipment_success"], strict=True):
        assert not list(differences(wanted, made))
    listed = api.get("/api/shipments").json()
    by_carrier = sorted(listed["data"], key=lambda each: len(each["tracking"]), reverse=True)
    expected = sample("st11-shipments.response.json")
    assert not list(differences(expected, {**listed, "data": by_carrier}))


def test_items_to_ship(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.place_order(LINES, accepted=True)
    answer = api.get("/api/shipments/items_to_ship").json()
    assert not list(differences(sample("st12-items-to-ship.response.json"), answer))


def test_answers_to_changes_of_shipments(api: httpx.Client, twin: MiraklSandbox) -> None:
    row = {"shipments": [{"id": "none"}]}
    answer = api.put("/api/shipments/ship", json=row).json()
    assert not list(differences(sample("st24-ship.response.json"), answer))
    answer = api.post("/api/shipments/tracking", json=row).json()
    assert not list(differences(sample("st23-tracking.response.json")["shipment_success"], answer["shipment_success"]))


def test_offers(api: httpx.Client, twin: MiraklSandbox) -> None:
    twin.set_price("KETTLE-17-BLK", "44.90", channel="ES", discount="42.90")
    answer = api.get("/api/offers").json()
    assert not list(differences(sample("of21-offers.response.json"), answer))


def test_products(api: httpx.Client, twin: MiraklSandbox) -> None:
    ean = twin.state()["offers"]["KETTLE-17-BLK"]["ean"]
    answer = api.get("/api/products", params={"product_references": f"EAN|{ean}"}).json()
    assert not list(differences(sample("p31-products.response.json"), answer))


def test_the_sample_stock_file(api: httpx.Client, twin: MiraklSandbox) -> None:
    started = upload(api, STOCK, (SAMPLES / "sto01-stock.csv").read_text())
    assert not list(differences(sample("sto01-stock.response.json"), started.json()))
    twin.finish_imports()
    key = started.json()["import_id"]
    answer, expected = api.get(f"{STOCK}/{key}/status").json(), sample("sto02-status.complete.response.json")
    changing = ("import_id", "date_created")
    assert {name: answer[name] for name in expected if name not in changing} == {
        name: expected[name] for name in expected if name not in changing
    }
    assert (
        api.get(f"{STOCK}/{key}/error_report").text.strip() == (SAMPLES / "sto03-error-report.csv").read_text().strip()
    )
    assert twin.state()["stock"] == {"KETTLE-17-BLK": 12, "TOASTER-2S-RED": 7}


def test_the_sample_price_file(api: httpx.Client, twin: MiraklSandbox) -> None:
    started = upload(api, PRICES, (SAMPLES / "pri01-prices.csv").read_text())
    assert not list(differences(sample("pri01-prices.response.json"), started.json()))
    twin.finish_imports()
    key = started.json()["import_id"]
    (answer,) = api.get(PRICES, params={"import_id": key}).json()["data"]
    (expected,) = sample("pri02-imports.response.json")["data"]
    changing = ("import_id", "date_created")
    assert {name: answer[name] for name in expected if name not in changing} == {
        name: expected[name] for name in expected if name not in changing
    }
    wanted = (SAMPLES / "pri03-error-report.csv").read_text().strip()
    assert api.get(f"{PRICES}/{key}/error_report").text.strip() == wanted


def test_an_import_of_offers(api: httpx.Client, twin: MiraklSandbox) -> None:
    body: dict[str, Any] = sample("of24-offers.request.json")
    body["offers"][0]["product_id"] = twin.state()["offers"]["KETTLE-17-BLK"]["ean"]
    answer = api.post("/api/offers", json=body)
    assert answer.json() == sample("of24-offers.response.json")
    assert not list(
        differences(sample("of02-import.running.response.json"), api.get("/api/offers/imports/60311").json())
    )
    twin.finish_imports()
    answer, expected = api.get("/api/offers/imports/60311"), sample("of02-import.complete-with-errors.response.json")
    for name in ("status", "has_error_report", "lines_in_error", "lines_in_success", "lines_read", "offer_updated"):
        assert answer.json()[name] == expected[name], name


def test_exports(api: httpx.Client) -> None:
    started = api.post("/api/offers/export/async", json=sample("of52-export.request.json"))
    assert not list(differences(sample("of52-export.response.json"), started.json()))
    path = f"/api/offers/export/async/status/{started.json()['tracking_id']}"
    pending, ended = (api.get(path).json() for _ in range(2))
    assert not list(differences(sample("or14-status.pending.response.json"), pending))
    assert not list(differences(sample("of53-status.completed.response.json"), ended))
    started = api.post("/api/orders/async-export", json=sample("or13-async-export.request.json"))
    assert not list(differences(sample("or13-async-export.response.json"), started.json()))
    path = f"/api/orders/async-export/status/{started.json()['tracking_id']}"
    pending, ended = (api.get(path).json() for _ in range(2))
    assert not list(differences(sample("or14-status.completed.response.json"), ended))
