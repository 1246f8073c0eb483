"""Every answer of the sandbox has the documented shape: the keys and kinds of the vendor page's samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from extend_kit import connect, sample
from sandbox_kit import FrozenClock, plug

from crossdock_extendcommerce.sandbox import ExtendSandbox, create

# Fields of the models (vendor page section 7.1) that an answer may carry though the samples do not show them.
DOCUMENTED = set(
    """transportCondition yourReference delieryPhoneNumber advisePhoneNumber deliveryEmail invoiceEmail adviseEmail
    notations servicePoint paymentTransactions orderMetaData slaDate externalRow aFieldAddedLater availableBalance
    minSupplierLeadTimeHours""".split()  # noqa: SIM905
)


def differences(expected: Any, actual: Any, path: str = "$") -> Iterator[str]:
    """Where `actual` lacks a key of `expected`, has a key nobody documents, or a value of another kind."""
    if expected is None or actual is None:
        return
    if isinstance(expected, list):
        if not isinstance(actual, list):
            yield f"{path} is no list"
        elif expected:
            for index, each in enumerate(actual):
                yield from differences(expected[min(index, len(expected) - 1)], each, f"{path}[{index}]")
    elif isinstance(expected, dict):
        yield from (f"{path}.{name} is missing" for name in expected.keys() - actual.keys())
        yield from (f"{path}.{name} is not documented" for name in actual.keys() - expected.keys() - DOCUMENTED)
        for name in expected.keys() & actual.keys():
            yield from differences(expected[name], actual[name], f"{path}.{name}")
    elif type(expected) is not type(actual):
        yield f"{path} is {type(actual).__name__}, not {type(expected).__name__}"


@pytest.fixture
def ordered(api: httpx.Client) -> str:
    answer = api.post("CustomerOrders", json=sample("order-create-full.request.json"))
    return str(answer.json()["orderHeader"]["orderNumber"])


def test_countries(api: httpx.Client) -> None:
    assert not list(differences(sample("countries.response.json"), api.get("Countries").json()))


def test_a_created_order(api: httpx.Client) -> None:
    answer = api.post("CustomerOrders", json=sample("order-create-full.request.json")).json()
    assert not list(differences(sample("order-create.response.json"), answer))


def test_a_created_order_has_the_values_of_the_sample(api: httpx.Client) -> None:
    header = api.post("CustomerOrders", json=sample("order-create-full.request.json")).json()["orderHeader"]
    expected = sample("order-create.response.json")["orderHeader"]
    for name in ("orderDate", "changeDate"):  # the vendor's clock
        del expected[name]
    assert {name: header[name] for name in expected} == expected


def test_rows_of_a_created_order_have_the_values_of_the_sample(api: httpx.Client) -> None:
    answer = api.post("CustomerOrders", json=sample("order-create-full.request.json")).json()
    for row, expected in zip(answer["orderRows"], sample("order-create.response.json")["orderRows"], strict=True):
        for name in (
            "position",
            "subPosition",
            "orderRowStatus",
            "supplyMode",
            "warehouse",
            "shipDate",
            "expectedDeliveryDate",
            "backOrderHandlingId",
            "deliveryData",
        ):
            assert row[name] == expected[name], name


def test_a_promised_order(api: httpx.Client) -> None:
    answer = api.post("CustomerOrderATP", json=sample("order-create-full.request.json")).json()
    assert not list(differences(sample("order-atp.response.json"), answer))


def test_a_partially_delivered_order(api: httpx.Client, twin: ExtendSandbox, ordered: str) -> None:
    twin.pick(ordered, quantities={10: 2, 20: 2}, parcels=["DEMO0000000001SE", "DEMO0000000002SE"])
    expected, answer = sample("order-detail-partially-delivered.response.json"), api.get(f"CustomerOrders/{ordered}")
    assert not list(differences(expected, answer.json()))


def test_rows_of_a_partially_delivered_order_are_split_as_in_the_sample(
    api: httpx.Client, twin: ExtendSandbox, ordered: str
) -> None:
    twin.pick(ordered, quantities={10: 2, 20: 2}, parcels=["DEMO0000000001SE", "DEMO0000000002SE"])
    rows = api.get(f"CustomerOrders/{ordered}").json()["orderRows"]

    def story(row: dict[str, Any]) -> tuple[Any, ...]:
        return (
            row["position"],
            row["subPosition"],
            row["orderRowStatus"],
            row["salesData"]["quantity"],
            row["deliveryData"]["quantity"],
            row["shipmentNumber"] is not None,
        )

    expected = sample("order-detail-partially-delivered.response.json")["orderRows"]
    assert [story(row) for row in rows] == [story(row) for row in expected]


@pytest.mark.usefixtures("ordered")
def test_the_order_list(api: httpx.Client) -> None:
    answer = api.get("CustomerOrders", params={"modifiedDateFrom": "2026-09-01T00:00:00"}).json()
    assert answer
    assert not list(differences(sample("order-list.response.json"), answer))


@pytest.mark.parametrize(
    ("path", "query", "name"),
    [
        ("Products", {}, "product-list.response.json"),
        ("Products/HELM-BLK-M", {}, "product-detail.response.json"),
        ("ProductAvailability", {}, "product-availability.response.json"),
        (
            "ProductPrices",
            {"customerNumber": "K-4410", "productNumberList": "HELM-BLK-M"},
            "product-prices.response.json",
        ),
        ("Customers", {}, "customer-list.response.json"),
    ],
)
def test_the_other_answers(api: httpx.Client, path: str, query: dict[str, str], name: str) -> None:
    answer = api.get(path, params=query).json()
    allowed = {"$.productData.productGroupsAndCategories", "$.productRelations"}
    found = [each for each in differences(sample(name), answer) if not each.startswith(tuple(allowed))]
    assert not found


def test_product_prices_have_the_values_of_the_sample(api: httpx.Client) -> None:
    query = {"customerNumber": "K-4410", "productNumberList": "HELM-BLK-M"}
    answer = api.get("ProductPrices", params=query).json()["productPriceItemList"]
    for each in answer:
        each.pop("aFieldAddedLater")
    assert answer == sample("product-prices.response.json")["productPriceItemList"]


def test_the_success_answer(api: httpx.Client, ordered: str) -> None:
    body = {"orderHeader": {"yourReference": "Eva"}}
    assert api.put(f"CustomerOrders/{ordered}", json=body).json() == sample("success.response.json")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Customers", "customer-create.request.json"),
        ("CustomerOrders", "order-create-minimal.request.json"),
        ("PurchaseOrders", "purchase-order-create.request.json"),
    ],
)
def test_the_sample_requests_are_accepted(api: httpx.Client, path: str, name: str) -> None:
    assert api.post(path, json=sample(name)).status_code == 200


def test_the_sample_return_is_accepted_once_the_row_was_delivered(
    api: httpx.Client, twin: ExtendSandbox, ordered: str
) -> None:
    request = sample("return-order-create.request.json")
    assert request["createAction"]["orderNumber"] == ordered
    before = api.post("ReturnOrders", json=request).status_code
    twin.pick(ordered)
    assert (before, api.post("ReturnOrders", json=request).status_code) == (400, 200)


def test_the_sample_adjustment_lowers_the_balance(api: httpx.Client) -> None:
    api.put("WarehouseStockLevels", json=sample("stock-level-adjust.request.json"))
    query = {"productNumber": "BELL-RED-01"}
    assert api.get("WarehouseStockLevels", params=query).json()["stockLevelItemList"][0]["balance"] == -1


def test_error_bodies_are_those_of_the_samples(api: httpx.Client, twin: ExtendSandbox) -> None:
    bodies = [each["body"] for each in sample("errors.json")]
    order = sample("order-create-minimal.request.json")
    order["orderRows"][0]["product"]["productNumber"] = "BELL-XYZ"
    assert api.post("CustomerOrders", json=order).json() == bodies[0]
    assert api.get("PurchaseOrders/RP-1").json() == bodies[1]
    twin.deadlock()
    assert api.get("Countries").json() == bodies[2]
    assert api.get("Countries", headers={"ExtendBasicAuthorization": "Basic eDp5"}).json() == bodies[5]
    assert api.get("CustomerOrders/1").json() == bodies[6]


def test_without_added_fields_answers_hold_only_what_is_documented(vendor_clock: FrozenClock) -> None:
    sandbox = create(clock=vendor_clock, added_fields=False)
    sandbox.seed(1)
    with connect(plug(sandbox)) as client:
        assert "aFieldAddedLater" not in client.get("ProductAvailability").text
