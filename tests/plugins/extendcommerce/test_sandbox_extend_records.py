"""Products, prices, customers, stock levels, purchases and returns in the sandbox, with their quirks."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from extend_kit import sample
from sandbox_kit import FrozenClock

from crossdock_extendcommerce.sandbox import ExtendSandbox

SINCE = {"modifiedDateFrom": "2026-09-01T00:00:00"}


def numbers(answer: httpx.Response) -> list[str]:
    return [each["productNumber"] for each in answer.json()]


def balance(api: httpx.Client, product: str) -> dict[str, Any]:
    query = {"productNumber": product, "warehouse": "HUVUD"}
    row: dict[str, Any] = api.get("ProductAvailability", params=query).json()["productAvailabilityList"][0]
    return row


@pytest.fixture
def purchase(api: httpx.Client) -> str:
    answer = api.post("PurchaseOrders", json=sample("purchase-order-create.request.json"))
    return str(answer.json()["header"]["purchaseNumber"])


def test_the_product_list_has_a_row_per_product_and_warehouse(api: httpx.Client) -> None:
    rows = [(each["productNumber"], each["warehouse"]) for each in api.get("Products").json()]
    assert rows == [("HELM-BLK-M", "HUVUD"), ("HELM-BLK-M", "RETUR"), ("BELL-RED-01", "HUVUD")]


def test_trap_a_new_product_is_missing_from_the_change_filter_until_it_is_edited(
    api: httpx.Client, twin: ExtendSandbox
) -> None:
    twin.new_product(productNumber="0012", name="Ny", price="10.00")
    filtered, scanned = api.get("Products", params=SINCE), api.get("Products")
    twin.edit_product("0012", price="11.00")
    assert "0012" not in numbers(filtered)
    assert "0012" in numbers(scanned)
    assert "0012" in numbers(api.get("Products", params=SINCE))


def test_an_edited_product_is_found_by_its_change_date(
    api: httpx.Client, twin: ExtendSandbox, vendor_clock: FrozenClock
) -> None:
    vendor_clock.advance(days=1)
    twin.edit_product("BELL-RED-01", name="Ringklocka blå")
    later = {"modifiedDateFrom": "2026-09-16T00:00:00"}
    assert numbers(api.get("Products", params=later)) == ["BELL-RED-01"]
    assert api.get("Products/BELL-RED-01").json()["productData"]["productName"] == "Ringklocka blå"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"productNumber": "BELL-RED-01"}, 1),
        ({"warehouse": "RETUR"}, 1),
        ({"productName": "hjälm"}, 2),
        ({"supplyMode": "Freight"}, 0),
        ({"productNumber": "X"}, 0),
    ],
)
def test_the_product_list_is_filtered(api: httpx.Client, query: dict[str, str], count: int) -> None:
    assert len(api.get("Products", params=query).json()) == count


def test_freight_is_an_article_that_is_not_listed(api: httpx.Client) -> None:
    assert api.get("Products/FRAKT-01").json()["productData"]["productServices"]["supplyMode"] == "Freight"
    assert "FRAKT-01" not in numbers(api.get("Products"))


def test_an_unknown_product_is_a_404(api: httpx.Client) -> None:
    assert api.get("Products/X").status_code == 404


def test_products_are_posted_changed_and_annulled(api: httpx.Client) -> None:
    price = {"priceList": "STANDARD", "numberSalesUnits": 1, "price": 12.5, "vatPercent": 12, "currency": "EUR"}
    product = {
        "productNumber": "NEW-1",
        "productData": {"productName": "Ny", "manufacturer": "Demo"},
        "productPrices": [{"productPriceListRows": [price]}],
    }
    statuses = [api.post("Products", json=product).status_code, api.post("Products", json=product).status_code]
    product["productData"] = {"productName": "Nyare"}
    statuses.append(api.put("Products/NEW-1", json=product).status_code)
    statuses.append(api.delete("Products/NEW-1").status_code)
    detail = api.get("Products/NEW-1").json()
    assert statuses == [200, 400, 200, 200]
    assert (detail["productData"]["productName"], detail["productData"]["annulled"]) == ("Nyare", True)
    assert detail["productPrices"][0]["productPriceListRows"][0] == price | {"vatPercent": 12.0}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({}, "customerNumber is required."),
        ({"customerNumber": "K-0"}, "Customer K-0 does not exist."),
        ({"customerNumber": "K-4410", "productNumberList": [f"P{n}" for n in range(11)]}, "10 numbers at the most."),
    ],
)
def test_prices_need_a_customer_and_take_ten_numbers(api: httpx.Client, query: dict[str, Any], message: str) -> None:
    answer = api.get("ProductPrices", params=query)
    assert answer.status_code == 400
    assert answer.json()["Message"].endswith(message)


def test_ten_numbers_are_accepted_and_unknown_ones_have_no_price(api: httpx.Client) -> None:
    query = {"customerNumber": "K-4410", "productNumberList": [*(f"P{n}" for n in range(9)), "BELL-RED-01"]}
    rows = api.get("ProductPrices", params=query).json()["productPriceItemList"]
    assert [(each["productNumber"], each["price"]) for each in rows] == [("BELL-RED-01", 39.2)]


def test_a_customer_with_a_discount_pays_less(api: httpx.Client, twin: ExtendSandbox) -> None:
    twin.seed_customer("K-10", discount="10")
    query = {"customerNumber": "K-10", "productNumberList": "HELM-BLK-M"}
    rows = api.get("ProductPrices", params=query).json()["productPriceItemList"]
    assert [(each["fromQuantity"], each["price"], each["listPrice"]) for each in rows] == [
        (1, 251.1, 299.2),
        (10, 224.1, 299.2),
    ]


def test_a_template_fills_what_a_new_customer_lacks(api: httpx.Client) -> None:
    answer = api.post("Customers", json=sample("customer-create.request.json")).json()
    assert answer["customerNumber"] == "K-10001"
    assert answer["customerFinancialSettings"]["defaultPaymentType"] == "Billing"
    assert api.get("Customers/K-10001").json() == answer


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"postTemplate": "NONE"}, "Template NONE does not exist."),
        ({"customerNumber": "K-4410"}, "Customer K-4410 already exists."),
        ({"name": None}, "name is required."),
        ({"customerDeliveryAddress": None}, "customerDeliveryAddress.address.address1 is required."),
        ({"postTemplate": None, "customerLogisticsSettings": None}, "customerLogisticsSettings is required."),
    ],
)
def test_a_wrong_customer_is_refused(api: httpx.Client, change: dict[str, Any], message: str) -> None:
    answer = api.post("Customers", json=sample("customer-create.request.json") | change)
    assert (answer.status_code, answer.json()["Message"]) == (400, f"Error creating customer: {message}")


def test_a_customer_change_keeps_what_it_does_not_name(api: httpx.Client) -> None:
    answer = api.put("Customers/K-4410", json={"phone": "+46700000007"}).json()
    assert (answer["phone"], answer["name"]) == ("+46700000007", "Kund K-4410")
    assert api.put("Customers/K-0", json={}).status_code == 404


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"customerNumber": "K-4410"}, 1),
        ({"customerNumber": "K-44"}, 0),
        ({"customerNumberSearch": "K-44"}, 1),
        ({"name": "kund"}, 1),
        ({"changedAfterDate": "2027-01-01T00:00:00"}, 0),
        ({"deliveryCity": "Oslo"}, 0),
    ],
)
def test_the_customer_list_is_filtered(api: httpx.Client, query: dict[str, str], count: int) -> None:
    assert len(api.get("Customers", params=query).json()["customerList"]) == count


def test_post_sets_and_put_adjusts_a_stock_level(api: httpx.Client) -> None:
    place = {"warehouse": "HUVUD", "productNumber": "BELL-RED-01"}
    api.post("WarehouseStockLevels", json=place | {"balance": 7})
    api.put("WarehouseStockLevels", json=place | {"balanceDifference": -2, "code": 1})
    assert balance(api, "BELL-RED-01")["physicalBalance"] == 5


@pytest.mark.parametrize(
    "body",
    [
        {"warehouse": "HUVUD", "productNumber": "X", "balance": 1},
        {"warehouse": "NORR", "productNumber": "BELL-RED-01", "balance": 1},
        {"warehouse": "HUVUD", "productNumber": "BELL-RED-01"},
    ],
)
def test_a_wrong_stock_level_is_refused(api: httpx.Client, body: dict[str, Any]) -> None:
    assert api.post("WarehouseStockLevels", json=body).status_code == 400


def test_availability_is_found_by_its_change_date(
    api: httpx.Client, twin: ExtendSandbox, vendor_clock: FrozenClock
) -> None:
    vendor_clock.advance(days=1)
    twin.set_stock("BELL-RED-01", 4)
    answer = api.get("ProductAvailability", params={"modifiedDateFrom": "2026-09-16T00:00:00"}).json()
    assert [each["productNumber"] for each in answer["productAvailabilityList"]] == ["BELL-RED-01"]


@pytest.mark.usefixtures("purchase")
def test_a_purchase_is_expected(api: httpx.Client) -> None:
    row = balance(api, "HELM-BLK-M")
    assert (row["quantityOnNextReceiving"], row["avaiableOnNextReceiving"]) == (20, 34)
    assert row["nextReceivingDate"] == "2026-10-01T02:00:00+02:00"
    assert row["totalExpectedReceivingFromPurchase"] == 20


def test_received_goods_are_on_the_shelf(api: httpx.Client, twin: ExtendSandbox, purchase: str) -> None:
    twin.receive(purchase, {10: 5})
    partly = api.get(f"PurchaseOrders/{purchase}").json()["header"]["status"], balance(api, "HELM-BLK-M")
    twin.receive(purchase)
    wholly = api.get(f"PurchaseOrders/{purchase}").json()["header"]["status"], balance(api, "HELM-BLK-M")
    assert (partly[0], partly[1]["physicalBalance"], partly[1]["quantityOnNextReceiving"]) == (
        "PartiallyReceived",
        19,
        15,
    )
    assert (wholly[0], wholly[1]["physicalBalance"], wholly[1]["nextReceivingDate"]) == ("Received", 34, None)


def test_a_purchase_without_a_supplier_agreement_is_refused(api: httpx.Client) -> None:
    body = sample("purchase-order-create.request.json")
    body["header"]["supplier"] = {"supplierNumber": "S-1"}
    assert api.post("PurchaseOrders", json=body).status_code == 400


def test_trap_the_purchase_change_filter_ignores_the_time_of_day(api: httpx.Client, purchase: str) -> None:
    def found(query: dict[str, str]) -> list[str]:
        rows = api.get("PurchaseOrders", params=query).json()["purchaseOrderList"]
        return [each["header"]["purchaseNumber"] for each in rows]

    assert found({"changeDateFrom": "2026-09-15T00:00:00", "changeDateTo": "2026-09-15T20:00:00"}) == []
    assert found({"changeDateFrom": "2026-09-15T20:00:00", "changeDateTo": "2026-09-16T00:00:00"}) == [purchase]


def test_a_purchase_is_changed_while_it_is_open(api: httpx.Client, twin: ExtendSandbox, purchase: str) -> None:
    body = {"header": {"reference": "ours-2"}, "rows": [{"position": 10, "expectedDeliveryDate": "2026-10-05"}]}
    assert api.put(f"PurchaseOrders/{purchase}", json=body).status_code == 200
    assert balance(api, "HELM-BLK-M")["nextReceivingDate"] == "2026-10-05T00:00:00+02:00"
    twin.cancel_purchase(purchase)
    assert api.put(f"PurchaseOrders/{purchase}", json=body).status_code == 400


def test_returned_goods_are_expected_and_come_back(api: httpx.Client, twin: ExtendSandbox) -> None:
    order = api.post("CustomerOrders", json=sample("order-create-full.request.json")).json()
    twin.pick(order["orderHeader"]["orderNumber"])
    returned = api.post("ReturnOrders", json=sample("return-order-create.request.json")).json()
    expected = balance(api, "HELM-BLK-M")["totalExpectedReceivingFromReturn"]
    twin.receive_return(returned["header"]["returnNumber"])
    assert (expected, balance(api, "HELM-BLK-M")["physicalBalance"]) == (1, 12)


def test_more_than_was_delivered_can_not_be_returned(api: httpx.Client, twin: ExtendSandbox) -> None:
    order = api.post("CustomerOrders", json=sample("order-create-full.request.json")).json()
    twin.pick(order["orderHeader"]["orderNumber"])
    body = sample("return-order-create.request.json")
    body["createAction"]["orderRows"][0]["quantity"] = 9
    assert api.post("ReturnOrders", json=body).status_code == 400


@pytest.mark.parametrize("path", ["Currencies", "ProductUnits", "Currencies/SEK", "ReturnOrders", "Customers/K-4410"])
def test_small_reads_answer(api: httpx.Client, path: str) -> None:
    assert api.get(path).status_code == 200


@pytest.mark.parametrize("path", ["Nothing", "Currencies/XXX", "ReturnOrders/R-1", "Customers/K-0"])
def test_what_is_not_there_is_a_404(api: httpx.Client, path: str) -> None:
    assert api.get(path).status_code == 404


def test_seeds_are_the_same_each_time_and_have_valid_gtins(twin: ExtendSandbox) -> None:
    twin.seed(2)
    gtin = twin.catalogue.detail("SKU-00002")["productData"]["productGTINumber"]
    weights = [3 if index % 2 else 1 for index in range(12)]
    check = -sum(int(digit) * weight for digit, weight in zip(gtin, weights, strict=False)) % 10
    assert (len(gtin), int(gtin[-1])) == (13, check)
