"""The traps that cost data or money (vendor page section 0): the sandbox must fall into each as the real shop does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sandbox_kit import FrozenClock
from woo_kit import connected, recorded_order_body, recorded_shop

from crossdock_woocommerce.sandbox import WooSandbox, create

LINES = [{"product_id": 12, "quantity": 1}]


def naive(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def pages(api: httpx.Client, **params: Any) -> list[int]:
    """All identifiers by page numbers, stopping at a short page."""
    found: list[int] = []
    for number in range(1, 100):
        rows = api.get("orders", params={"per_page": 10, "_fields": "id", "page": number, **params}).json()
        found += [row["id"] for row in rows]
        if len(rows) < 10:
            return found
    raise AssertionError("the list has no end")


def key_set(api: httpx.Client, start: datetime) -> set[int]:
    """The recommended reading: page 1 only, from a watermark that moves, one second of overlap."""
    seen: dict[int, str] = {}
    mark = start
    while True:
        rows = api.get(
            "orders",
            params={
                "orderby": "modified",
                "order": "asc",
                "per_page": 10,
                "dates_are_gmt": "true",
                "modified_after": naive(mark - timedelta(seconds=1)),
                "_fields": "id,date_modified_gmt",
            },
        ).json()
        seen |= {row["id"]: row["date_modified_gmt"] for row in rows}
        if len(rows) < 10:
            return set(seen)
        mark = datetime.fromisoformat(rows[-1]["date_modified_gmt"]).replace(tzinfo=UTC)


@pytest.fixture
def filled(shop_clock: FrozenClock) -> WooSandbox:
    """Fifty orders, ten seconds apart, in the last 500 seconds."""
    shop = create(https=True, clock=shop_clock, auto_deliver=False)
    shop.seed(orders=50, products=6, simple=True, spread_seconds=500)
    shop_clock.advance(1)
    return shop


def test_trap_1_paging_by_modified_loses_as_many_rows_as_change_meanwhile(filled: WooSandbox) -> None:
    everything = {row["id"] for row in filled.state()["orders"]}
    filled.churn("edit", count=10)
    with connected(filled) as api:
        assert len(everything - set(pages(api, orderby="modified", order="asc"))) == 10


def test_trap_1_key_set_reading_misses_nothing_under_the_same_disturbance(filled: WooSandbox) -> None:
    everything = {row["id"] for row in filled.state()["orders"]}
    filled.churn("edit", count=9)
    with connected(filled) as api:
        assert key_set(api, datetime(2026, 1, 1, tzinfo=UTC)) == everything


def test_trap_1_before_10_4_ties_lose_rows_in_a_shop_at_rest(shop_clock: FrozenClock) -> None:
    lost = {}
    for version in ("8.1.1", "11.0.1"):
        shop = create(https=True, clock=shop_clock, version=version)
        shop.seed(orders=50, products=6, simple=True, same_second=True)
        with connected(shop) as api:
            lost[version] = 50 - len(set(pages(api, orderby="modified", order="asc")))
    assert lost["8.1.1"] > 0
    assert lost["11.0.1"] == 0


@pytest.mark.parametrize(("kind", "missed"), [("trash", 10), ("delete", 10)])
def test_trap_1_orders_taken_away_shift_the_pages(kind: str, missed: int, filled: WooSandbox) -> None:
    everything = {row["id"] for row in filled.state()["orders"]}
    filled.churn(kind, count=10)
    with connected(filled) as api:
        assert len(everything - set(pages(api, orderby="id", order="asc"))) == missed


def test_trap_2_modified_after_is_exclusive_to_the_second(filled: WooSandbox) -> None:
    rows = sorted(filled.state()["orders"], key=lambda row: row["date_modified_gmt"])
    edge = rows[-1]["date_modified_gmt"]
    with connected(filled) as api:
        found = api.get("orders", params={"modified_after": edge, "dates_are_gmt": "true"}).json()
        second_before = naive(datetime.fromisoformat(edge) - timedelta(seconds=1))
        again = api.get("orders", params={"modified_after": second_before, "dates_are_gmt": "true"}).json()
    assert found == []
    assert [row["id"] for row in again] == [rows[-1]["id"]]


def test_trap_2_a_bulk_edit_gives_many_orders_one_second(filled: WooSandbox) -> None:
    ids = [row["id"] for row in filled.state()["orders"][:10]]
    filled.touch(ids)
    stamps = {row["date_modified_gmt"] for row in filled.state()["orders"] if row["id"] in ids}
    assert len(stamps) == 1


@pytest.mark.parametrize(
    ("suffix", "flag", "zone", "found"),
    [
        ("", True, "Europe/Berlin", 50),
        ("Z", False, "Europe/Berlin", 50),
        ("Z", True, "Europe/Berlin", 0),
        ("Z", True, "UTC", 50),
        ("", False, "Europe/Berlin", 50),
        ("", False, "America/New_York", 0),
    ],
)
def test_trap_3_z_together_with_dates_are_gmt_shifts_by_the_offset(
    suffix: str, flag: bool, zone: str, found: int, shop_clock: FrozenClock
) -> None:
    shop = create(https=True, clock=shop_clock, timezone=zone)
    shop.seed(orders=50, products=6, simple=True, spread_seconds=500)
    since = naive(shop_clock() - timedelta(seconds=600)) + suffix
    with connected(shop) as api:
        answer = api.get("orders", params={"modified_after": since} | ({"dates_are_gmt": "true"} if flag else {}))
    assert int(answer.headers["x-wp-total"]) == found


@pytest.mark.parametrize(
    ("moment", "local"),
    [
        ("2026-07-01T12:00:00", "2026-07-01T14:00:00"),
        ("2026-12-01T12:00:00", "2026-12-01T13:00:00"),
    ],
)
def test_trap_3_local_times_follow_summer_time(moment: str, local: str) -> None:
    shop = recorded_shop(clock=FrozenClock(datetime.fromisoformat(moment).replace(tzinfo=UTC)))
    order = shop.insert_order(line_items=LINES)
    assert (order["date_created_gmt"], order["date_created"]) == (moment, local)


def test_trap_4_a_prefixed_status_is_refused_alone_and_taken_in_a_batch(api: httpx.Client) -> None:
    api.post("orders", json={"line_items": LINES})
    single = api.put("orders/1148", json={"status": "wc-completed"})
    batch = api.post("orders/batch", json={"update": [{"id": 1148, "status": "wc-completed"}]})
    assert single.status_code == 400
    assert batch.json()["update"][0]["status"] == "completed"


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"regular_price": "12,50"}, {"regular_price": "1250"}),
        ({"regular_price": "abc"}, {"regular_price": "", "price": ""}),
        ({"regular_price": "12.999"}, {"regular_price": "12.999"}),
        ({"regular_price": "10.00", "sale_price": "12.00"}, {"sale_price": "", "on_sale": False}),
        ({"regular_price": "10.00", "sale_price": "8.00"}, {"sale_price": "8.00", "price": "8.00", "on_sale": True}),
        ({"regular_price": "10.00", "sale_price": ""}, {"sale_price": "", "price": "10.00"}),
    ],
)
def test_trap_5_prices_are_stored_with_a_200_whatever_they_were(
    sent: dict[str, str], stored: dict[str, Any], api: httpx.Client
) -> None:
    answer = api.put("products/40", json=sent)
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in stored} == stored


def test_trap_5_a_price_on_a_variable_parent_is_ignored(api: httpx.Client) -> None:
    answer = api.put("products/220", json={"regular_price": "99.00"})
    assert (answer.status_code, answer.json()["regular_price"], answer.json()["price"]) == (200, "", "18.01")


def test_trap_6_stock_of_an_unmanaged_product_is_ignored(api: httpx.Client) -> None:
    api.put("products/40", json={"manage_stock": False})
    answer = api.put("products/40", json={"stock_quantity": 7})
    assert (answer.status_code, answer.json()["stock_quantity"]) == (200, None)


@pytest.fixture
def inheriting(api: httpx.Client) -> str:
    """The path of a variation whose stock is its parent's 60."""
    api.put("products/220", json={"manage_stock": True, "stock_quantity": 60})
    path = "products/220/variations/341"
    api.put(path, json={"manage_stock": False})
    return path


def test_trap_6_stock_of_an_inheriting_variation_is_ignored(api: httpx.Client, inheriting: str) -> None:
    answer = api.put(inheriting, json={"stock_quantity": 7}).json()
    assert (answer["manage_stock"], answer["stock_quantity"]) == ("parent", 60)


def test_trap_6_stock_with_manage_stock_along_is_stored(api: httpx.Client, inheriting: str) -> None:
    answer = api.put(inheriting, json={"stock_quantity": 7, "manage_stock": True}).json()
    assert (answer["manage_stock"], answer["stock_quantity"]) == (True, 7)


def test_trap_7_unknown_parameters_are_ignored(api: httpx.Client) -> None:
    api.post("orders", json={"line_items": LINES})
    answer = api.get("orders", params={"meta_key": "_external_ref", "meta_value": "nothing has this"})
    assert len(answer.json()) == 1


def test_trap_7_the_old_version_ignores_a_gtin_and_returns_everything() -> None:
    found = {}
    for version in ("8.1.1", "11.0.1"):
        with connected(recorded_shop(version=version)) as api:
            found[version] = len(api.get("products", params={"global_unique_id": "4006381300024"}).json())
    assert found == {"8.1.1": 10, "11.0.1": 0}


@pytest.mark.parametrize("line", [{"sku": "NOBODY-KNOWS"}, {"product_id": 987654}])
def test_trap_8_a_line_of_an_unknown_product_is_accepted(line: dict[str, Any], api: httpx.Client) -> None:
    answer = api.post("orders", json={"line_items": [{**line, "quantity": 2}]})
    made = answer.json()["line_items"][0]
    assert (answer.status_code, made["product_id"], made["quantity"], made["total"]) == (201, 0, 2, "0.00")


def test_trap_8_a_bad_coupon_leaves_a_draft_that_any_does_not_list(api: httpx.Client) -> None:
    answer = api.post("orders", json={"line_items": LINES, "coupon_lines": [{"code": "nope"}]})
    draft = answer.json()["data"]["new_draft_order_id"]
    assert api.get("orders").json() == []
    assert [row["id"] for row in api.get("orders", params={"status": "auto-draft"}).json()] == [draft]


def test_trap_10_the_same_401_for_four_different_causes() -> None:
    answers = []
    for options, auth in (
        ({}, None),
        ({}, httpx.BasicAuth("ck_nobody", "cs_x")),
        ({"https": False}, "own"),
        ({"strip_authorization": True}, "own"),
    ):
        shop = recorded_shop(**options)
        own = httpx.BasicAuth(shop.options.consumer_key, shop.options.consumer_secret)
        with connected(shop, auth=own if auth == "own" else auth) as api:
            answer = api.get("orders")
            answers.append((answer.status_code, answer.json()["code"]))
    assert answers == [(401, "woocommerce_rest_cannot_view")] * 4


def test_trap_11_a_truncated_answer_and_html_with_200_can_be_asked_for(twin: WooSandbox, api: httpx.Client) -> None:
    twin.fault("html", path="/orders")
    answer = api.get("orders")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")


def test_trap_12_the_same_post_twice_makes_two_orders(api: httpx.Client) -> None:
    first, second = (api.post("orders", json=recorded_order_body()).json()["id"] for _ in range(2))
    assert first != second


def test_trap_12_an_order_whose_answer_was_lost_is_stored(twin: WooSandbox, api: httpx.Client) -> None:
    twin.fault("cut_after", method="POST", path="/orders")
    with pytest.raises(httpx.TransportError):
        api.post("orders", json=recorded_order_body())
    found = api.get("orders", params={"_fields": "id,meta_data"}).json()
    assert [{m["key"]: m["value"] for m in row["meta_data"]}["_external_ref"] for row in found] == ["PO-4711"]


# what section 3 and 4 add


def test_any_leaves_out_trash_and_checkout_drafts_and_any_with_trash_is_any(
    twin: WooSandbox, api: httpx.Client
) -> None:
    kept = twin.insert_order(line_items=LINES)["id"]
    twin.trash(twin.insert_order(line_items=LINES)["id"])
    twin.checkout_draft()
    for status in ("any", "any,trash"):
        assert [row["id"] for row in api.get("orders", params={"status": status}).json()] == [kept]
    assert len(api.get("orders", params={"status": "trash,checkout-draft"}).json()) == 2


def bumped(twin: WooSandbox, api: httpx.Client, clock: FrozenClock, act: Any) -> bool:
    """Whether `act` moves the order's modification time."""
    clock.advance(60)
    before = api.get("orders/1148").json()["date_modified_gmt"]
    act()
    return bool(api.get("orders/1148").json()["date_modified_gmt"] != before)


@pytest.mark.parametrize(
    ("act", "moves"),
    [
        (lambda api: api.put("orders/1148", json={}), True),
        (lambda api: api.put("orders/1148", json={"meta_data": [{"key": "k", "value": 1}]}), True),
        (lambda api: api.post("orders/1148/refunds", json={"amount": "1.00", "api_refund": False}), True),
        (lambda api: api.delete("orders/1148"), True),
        (lambda api: api.post("orders/1148/notes", json={"note": "Packed"}), False),
    ],
    ids=["empty put", "meta", "refund", "trash", "note"],
)
def test_what_bumps_the_modification_time_of_an_order(
    act: Any, moves: bool, twin: WooSandbox, api: httpx.Client, shop_clock: FrozenClock
) -> None:
    api.post("orders", json=recorded_order_body())
    assert bumped(twin, api, shop_clock, lambda: act(api)) is moves


def test_deleting_a_refund_does_not_bump_the_order(
    twin: WooSandbox, api: httpx.Client, shop_clock: FrozenClock
) -> None:
    api.post("orders", json=recorded_order_body())
    refund = api.post("orders/1148/refunds", json={"amount": "1.00", "api_refund": False}).json()["id"]
    path = f"orders/1148/refunds/{refund}"
    assert not bumped(twin, api, shop_clock, lambda: api.delete(path, params={"force": "true"}))
    assert api.get("orders/1148").json()["refunds"] == []


@pytest.mark.parametrize(
    ("statuses", "stock"),
    [
        (["processing"], 99),
        (["on-hold"], 99),
        (["completed"], 99),
        (["pending"], 100),
        (["processing", "cancelled"], 100),
        (["processing", "failed"], 100),
        (["processing", "cancelled", "on-hold"], 99),
        (["processing", "refunded"], 99),
    ],
)
def test_stock_follows_the_status(statuses: list[str], stock: int, api: httpx.Client) -> None:
    api.post("orders", json={"status": statuses[0], "line_items": LINES})
    for status in statuses[1:]:
        assert api.put("orders/1148", json={"status": status}).status_code == 200
    assert api.get("products/12").json()["stock_quantity"] == stock


def test_overselling_is_not_refused(api: httpx.Client) -> None:
    answer = api.post("orders", json={"status": "processing", "line_items": [{"product_id": 12, "quantity": 100_022}]})
    assert answer.status_code == 201
    assert api.get("products/12").json()["stock_quantity"] == -99_922


def test_read_only_fields_are_ignored(api: httpx.Client) -> None:
    sent = {"date_created": "2001-01-01T00:00:00", "number": "X-1", "total": "5.00", "line_items": LINES}
    made = api.post("orders", json=sent).json()
    assert (made["number"], made["date_created"], made["total"]) == (str(made["id"]), "2026-11-22T05:10:23", "9.99")


def test_meta_data_is_changed_by_key_and_deleted_by_null(api: httpx.Client) -> None:
    made = api.post("orders", json={"line_items": LINES, "meta_data": [{"key": "a", "value": 1}]}).json()
    changed = api.put("orders/1148", json={"meta_data": [{"key": "a", "value": 2}]}).json()["meta_data"]
    assert changed == [{"id": made["meta_data"][0]["id"], "key": "a", "value": 2}]
    emptied = api.put("orders/1148", json={"meta_data": [{"id": changed[0]["id"], "value": None}]}).json()
    assert emptied["meta_data"] == []


def test_a_line_without_id_is_added_and_quantity_zero_removes(api: httpx.Client) -> None:
    first = api.post("orders", json={"status": "processing", "line_items": LINES}).json()["line_items"][0]["id"]
    two = api.put("orders/1148", json={"line_items": [{"product_id": 14, "quantity": 1}]}).json()
    one = api.put("orders/1148", json={"line_items": [{"id": first, "quantity": 0}]}).json()
    assert [len(two["line_items"]), len(one["line_items"])] == [2, 1]
    assert one["total"] == "24.95"
    assert api.get("products/12").json()["stock_quantity"] == 100


def test_put_refunded_makes_a_refund_of_the_rest(api: httpx.Client) -> None:
    api.post("orders", json={"status": "processing", "line_items": LINES})
    api.post("orders/1148/refunds", json={"amount": "1.99", "api_refund": False})
    order = api.put("orders/1148", json={"status": "refunded"}).json()
    assert ([each["total"] for each in order["refunds"]], order["total"]) == (["-8.00", "-1.99"], "9.99")
    assert [each["parent_id"] for each in api.get("refunds").json()] == [1148, 1148]


def identity(order: dict[str, Any]) -> Decimal:
    parts = [*order["line_items"], *order["shipping_lines"], *order["fee_lines"]]
    return sum((Decimal(part["total"]) for part in parts), Decimal(order["total_tax"])) - Decimal(order["total"])


@pytest.mark.parametrize("including", [True, False])
def test_totals_balance_in_a_shop_that_rounds_per_line(including: bool) -> None:
    shop = create(prices_include_tax=including)
    shop.seed(orders=150)
    assert {identity(order) for order in shop.state()["orders"]} == {Decimal(0)}


def test_totals_fail_by_a_cent_in_a_shop_that_rounds_at_subtotal() -> None:
    shop = create(round_at_subtotal=True)
    shop.seed(orders=150)
    off = [abs(identity(order)) for order in shop.state()["orders"]]
    assert 10 < sum(1 for each in off if each) < 140
    assert max(off) <= Decimal("0.02")


def test_coupon_sums_differ_from_the_discount_by_a_cent_at_times() -> None:
    shop = create()
    shop.seed(orders=200)
    orders = [order for order in shop.state()["orders"] if order["coupon_lines"]]
    off = [
        abs(sum(Decimal(c["discount"]) for c in order["coupon_lines"]) - Decimal(order["discount_total"]))
        for order in orders
    ]
    for order in orders:
        lines = order["line_items"]
        taken = sum(Decimal(line["subtotal"]) - Decimal(line["total"]) for line in lines)
        assert taken == Decimal(order["discount_total"])
    assert any(off)
    assert max(off) <= Decimal("0.02")


def test_six_decimals_show_unrounded_lines(api: httpx.Client) -> None:
    api.post("orders", json=recorded_order_body())
    order = api.get("orders/1148", params={"dp": 6}).json()
    assert (order["line_items"][0]["total"], order["total"]) == ("62.962617", "143.630000")


# products


def test_skus_are_looked_up_together_across_simple_products_and_variations(api: httpx.Client) -> None:
    found = api.get("products", params={"sku": "SIM-0003,VAR-0011-M-R,NOBODY", "per_page": 100}).json()
    kinds = {(each["id"], each["type"], each["parent_id"]) for each in found}
    assert kinds == {(12, "simple", 0), (341, "variation", 220)}


def test_products_list_parents_only_and_refuses_the_type_variation(api: httpx.Client) -> None:
    assert {each["type"] for each in api.get("products", params={"per_page": 100}).json()} == {"simple", "variable"}
    assert api.get("products", params={"type": "variation"}).json()["code"] == "rest_invalid_param"


def test_variations_of_the_whole_shop_in_one_list(api: httpx.Client) -> None:
    assert {each["id"] for each in api.get("variations").json()} == {340, 341, 342}


def test_an_inventory_delta_adds_instead_of_setting(api: httpx.Client) -> None:
    assert api.put("products/40", json={"inventory_delta": -3}).json()["stock_quantity"] == 97


def test_a_change_of_a_variation_bumps_its_parent(api: httpx.Client, shop_clock: FrozenClock) -> None:
    shop_clock.advance(60)
    since = naive(shop_clock() - timedelta(seconds=1))
    path = "products/220/variations/batch"
    api.post(path, json={"update": [{"id": 341, "stock_quantity": 3}]})
    answer = api.get("products", params={"modified_after": since, "dates_are_gmt": "true"})
    assert [each["id"] for each in answer.json()] == [220]


def test_fields_on_a_batch_empty_the_answer(api: httpx.Client) -> None:
    answer = api.post("products/batch", params={"_fields": "id"}, json={"update": [{"id": 40, "stock_quantity": 1}]})
    assert answer.json() == []
    assert api.get("products/40").json()["stock_quantity"] == 1


def test_head_gives_the_totals(api: httpx.Client) -> None:
    answer = api.head("products")
    assert (answer.status_code, answer.headers["x-wp-total"], answer.content) == (200, "14", b"")


def test_past_the_end_the_old_version_keeps_the_true_totals() -> None:
    shop = recorded_shop(version="8.1.1")
    shop.insert_order(line_items=LINES)
    with connected(shop) as api:
        answer = api.get("orders", params={"page": 9})
    assert (answer.json(), answer.headers["x-wp-total"]) == ([], "1")


def test_the_date_header_is_the_clock_of_the_shop(api: httpx.Client) -> None:
    assert api.get("orders").headers.get_list("date") == ["Sun, 22 Nov 2026 04:10:23 GMT"]
