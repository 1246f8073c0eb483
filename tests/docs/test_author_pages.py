"""What the pages for authors show works: the connector that they build, against the sandbox that they build."""

from __future__ import annotations

import hashlib
import hmac
import os
import subprocess
import sys
from decimal import Decimal

import msgspec
import pytest
from author_kit import blocks, files

from crossdock import ByKeys, Decision, Outgoing, Product, Receipt, Secret, Since, WebhookRequest, evolve
from crossdock.app import App
from crossdock.testing import Subject, open_stage
from crossdock.web.door import create
from crossdock.web.serving import Serving


def _outgoing(**more):
    return Outgoing(
        **{"method": "GET", "url": "https://api.shop.example/v2/orders", "params": (), "headers": {}, **more}
    )


def test_every_file_begins_once_and_is_whole():
    begun = [block.file for block in blocks() if not block.continues]

    assert len(begun) == len(set(begun))
    for name, code in files().items():
        if name.endswith(".py"):
            compile(code, name, "exec")


def test_the_connector_is_found_by_the_entry_point_that_a_page_shows(project):
    shown = next(each for each in project.json("connectors") if each["name"] == "acme")

    assert not shown["problem"]
    assert "push_order" in shown["hooks"]


# -- settings and verify -------------------------------------------------------------------------------


def test_a_connection_is_verified_step_by_step(project):
    shown = project.connect("shop").stdout

    assert "Acme Nord" in shown
    assert project.json("connection", "show", "shop")["facts"] == {"warehouses": ["MAIN"]}


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ("api_key=wrong", "Make a new key"),
        ("time_zone=Europe/Berlin", "Set time_zone to Europe/Stockholm"),
        ("warehouse=NOWHERE", "There are: MAIN"),
        ("time_zone=Nowhere", "A time zone looks like"),
        ("url=ftp://shop", "begins with https://"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_do(project, setting, hint):
    assert hint in project.connect("shop", setting, code=None).output
    assert not project.json("connection", "list")


def test_a_right_that_is_missing_is_a_red_step(project):
    project.shop.rights = ["orders"]

    assert "Not allowed: stock" in project.connect("shop", code=1).output


# -- logging in ----------------------------------------------------------------------------------------


def test_each_way_of_logging_in_adds_what_it_says(installed):
    logins = installed("logins")
    secret = Secret("p+w")

    assert logins.bearer(secret).auth(_outgoing()).headers == {"Authorization": "Bearer p+w"}
    assert logins.two_headers(Secret("a"), Secret("b")).auth(_outgoing()).headers == {"X-Partner": "a", "X-Shop": "b"}
    assert logins.basic("me", secret).auth(_outgoing()).headers == {"Authorization": "Basic bWU6cCt3"}
    assert logins.in_the_query("k", secret).auth(_outgoing()).params == (("key", "k"), ("secret", "p+w"))
    assert logins.client_credentials("id", secret).token.client_id == "id"


def test_the_signature_is_that_of_method_address_time_nonce_and_body(installed):
    sign = installed("logins").hmac_auth("k", Secret("s"), now=lambda: 1000.5, nonce=lambda: "n")

    headers = sign(_outgoing(params=(("a", "1 2"),), content=b"{}")).headers

    body = hashlib.sha256(b"{}").hexdigest()
    text = f"GET\nhttps://api.shop.example/v2/orders?a=1+2\n1000\nn\n{body}"
    assert headers["X-Signature"] == hmac.new(b"s", text.encode(), hashlib.sha256).hexdigest()


# -- reading -------------------------------------------------------------------------------------------


def test_more_orders_of_one_second_than_fit_a_page_are_all_read(project):
    for _ in range(25):
        project.shop.place()
    for row in project.shop.orders.values():
        row["changed"] = "2026-05-04T09:00:25Z"
    project.connect("shop")

    assert project.json("sync", "shop", "orders")[0]["counts"]["new"] == 25
    project.shop.edit(1007, note="Ring twice")
    second = project.json("sync", "shop", "orders")[0]["counts"]
    assert (second["new"], second["changed"]) == (0, 1)


@pytest.mark.slow
def test_every_stream_is_read_over_all_of_its_pages(project):
    names = {f"SKU-{number}": "Article" for number in range(97)}
    project.shop.articles.update(names)
    project.shop.page = 100
    project.shop.stock.update({(sku, place): Decimal(1) for sku in names for place in ("MAIN", "WEST")})
    project.shop.prices.update(dict.fromkeys(names, Decimal(1)))
    project.connect("shop")
    project.shop.page = 20
    for number in range(30):
        project.shop.ship(project.shop.place(), f"P-{number}")

    found = {}
    for stream in ("orders", "products", "prices", "shipments", "customers"):
        found[stream] = project.json("sync", "shop", stream)[0]["counts"]["new"]
    project.shop.page = 100
    found["balance"] = project.json("sync", "shop", "balance")[0]["counts"]["new"]

    assert found == {
        "orders": 30, "products": 100, "prices": 100, "shipments": 30, "customers": 1, "balance": 197,
    }  # fmt: skip


def test_the_short_way_reads_what_the_long_way_does(installed):
    plugin, short = installed("plugin"), installed("short")
    with open_stage(Subject.of(plugin, "acme")) as stage:
        for query in (Since(None), ByKeys(("1003", "1007"))):
            long = [record for page in plugin.fetch_orders(stage.session, query) for record in page.records]
            found = [record for page in short.orders(stage.session, query) for record in page.records]
            assert found == long
            assert len(found) == (20 if query == Since(None) else 2)


def test_a_list_is_read_by_windows_as_if_it_could_not_be_sorted(installed):
    plugin, unsorted = installed("plugin"), installed("unsorted")
    with open_stage(Subject.of(plugin, "acme")) as stage:
        long = [record for page in plugin.fetch_orders(stage.session, Since(None)) for record in page.records]
        stage.sandbox.requests.clear()
        found = [record for page in unsorted.orders(stage.session, Since(None)) for record in page.records]

        assert sorted(found, key=lambda order: order.key) == sorted(long, key=lambda order: order.key)
        assert found
        assert not [each for each in stage.sandbox.requests if "sort" in str(each["query"])]


def test_named_records_are_read_by_their_keys(project):
    for _ in range(3):
        project.shop.ship(project.shop.place())
    project.connect("shop")

    for stream, key in (("orders", "1002"), ("shipments", "1002"), ("balance", "MUG-1")):
        assert project.json("sync", "shop", stream, "--key", key)[0]["counts"]["new"] == 1


def test_shipments_go_on_from_the_token(project):
    project.connect("shop")
    project.shop.ship(project.shop.place())
    project.json("sync", "shop", "shipments")
    project.shop.ship(project.shop.place(), "P-2")
    project.shop.requests.clear()

    assert project.json("sync", "shop", "shipments")[0]["counts"]["new"] == 1
    assert [each["query"] for each in project.shop.requests] == ["token=1"]


def test_the_customer_file_is_asked_for_once_an_hour(project):
    project.connect("shop")
    project.shop.requests.clear()

    for _ in range(2):
        assert project.json("sync", "shop", "customers")[0]["counts"]["seen"] == 1

    assert [each["path"] for each in project.shop.requests] == ["/api/customers.csv"]


def test_a_file_that_is_cut_off_is_not_kept(project, installed):
    project.connect("shop")
    project.shop.fault("status", path="customers.csv", status=200, body="no,name,email\n7,Ada")

    assert "cut off" in project.run("sync", "shop", "customers", code=1).output


# -- mapping -------------------------------------------------------------------------------------------


def _mapped(installed, **more):
    """The record of an order that somebody placed; `more` is changed in its payload."""
    sandbox, wire, mapping = installed("sandbox"), installed("wire"), installed("mapping")
    shop = sandbox.Acme()
    shop.place(**more)
    row = wire.ORDER.decode(msgspec.json.encode(shop.orders[1001]))
    return mapping.to_order(row, mapping.ZoneInfo("Europe/Stockholm"))


def test_an_order_becomes_a_record_that_balances(installed):
    total_difference = installed("mapping").total_difference

    order = _mapped(installed, shipping="4.90", sum="14.90", gift_card="G-1", voucher="MAY", voucher_amount="0.00")

    assert (order.number, order.status, order.total) == ("A-1001", "processing", Decimal("14.90"))
    assert order.placed_at.isoformat() == "2026-05-04T09:00:00+00:00"
    assert total_difference(order) == 0
    assert order.extras == {"gift_card": "G-1"}


def test_a_word_that_is_not_known_is_kept(installed):
    order = _mapped(installed, state="teleported")

    assert (order.status, order.raw_status) == ("unknown", "teleported")


def test_one_order_that_cannot_be_mapped_is_parked_alone(project):
    project.shop.place()
    project.shop.place(count=-1)
    project.connect("shop")

    counts = project.json("sync", "shop", "orders", code=1)[0]["counts"]

    assert (counts["new"], counts["parked"]) == (1, 1)
    assert "items[…].count" in project.run("parked", "list", code=None).output


# -- writing -------------------------------------------------------------------------------------------


@pytest.fixture
def trading(project):
    """Orders go from the shop to the office, parcels back."""
    project.connect("shop")
    project.connect("office")
    project.run("flow", "add", "to-office", "orders", "shop", "office")
    project.run("flow", "add", "tracking", "shipments", "office", "shop")
    project.run("flow", "live", "to-office")
    project.run("flow", "live", "tracking")
    return project


def test_an_order_goes_to_the_other_system_and_its_parcel_comes_back(trading):
    trading.shop.place(note="Ring twice")
    trading.json("sync", "shop", "orders")
    trading.json("push")

    (made,) = trading.office.orders.values()
    assert (made["reference"], made["sum"], made["note"]) == ("shop-1001", "10.00", "Ring twice")

    trading.office.ship(made["id"], "P-77")
    trading.json("sync", "office", "shipments")
    trading.json("push")
    assert [(each["order"], each["number"]) for each in trading.shop.parcels] == [(1001, "P-77")]


def test_an_order_whose_answer_is_lost_exists_once(trading, installed):
    installed("trial").bad_day(trading.office)
    trading.office.faults.pop(0)  # that one is for reading
    trading.shop.place()
    trading.json("sync", "shop", "orders")

    trading.run("push", code=None)
    trading.run("push", code=None)

    assert [each["reference"] for each in trading.office.orders.values()] == ["shop-1001"]
    assert trading.json("effects", "list", "--all")[0]["state"] == "done"


def test_a_parcel_whose_answer_is_lost_exists_once(trading):
    trading.shop.place()
    trading.json("sync", "shop", "orders")
    trading.json("push")
    trading.office.ship(1001)
    trading.json("sync", "office", "shipments")
    trading.shop.fault("cut_after", method="POST", path="/parcels")

    trading.run("push", code=None)
    trading.run("push", code=None)

    assert [each["reference"] for each in trading.shop.parcels] == ["office-1"]


def test_an_unknown_article_is_a_gap_that_a_mapping_closes(trading):
    trading.shop.place(sku="PEN-9")
    trading.json("sync", "shop", "orders")

    trading.run("push", code=1)
    (gap,) = trading.json("gaps", "list", code=None)
    assert (gap["kind"], gap["value"]) == ("sku", "PEN-9")

    trading.run("map", "add", "to-office", "sku", "PEN-9", "PEN-1")
    trading.run("push")
    assert len(trading.office.orders) == 1


@pytest.mark.slow
def test_an_order_that_is_being_edited_is_brought_up_to_date_later(trading):
    trading.shop.place()
    trading.json("sync", "shop", "orders")
    trading.json("push")
    trading.office.edit(1001, state="editing")
    trading.shop.edit(1001, note="Ring twice")
    trading.json("sync", "shop", "orders")

    assert "Somebody edits this order" in trading.run("push", code=None).output + trading.run("effects", "list").output


def test_what_the_target_would_get_wrong_is_refused_before(trading):
    trading.shop.place(currency="SEK")
    trading.json("sync", "shop", "orders")

    trading.run("push", code=1)

    assert "Acme sells in EUR, not in SEK" in trading.json("effects", "list", code=None)[0]["message"]
    assert not trading.office.orders


def test_stock_is_handed_in_as_a_file_and_settled_by_its_report(project):
    project.connect("shop")
    project.connect("office")
    project.shop.stock["GONE-1", "MAIN"] = Decimal(4)
    project.shop.stock["PEN-1", "MAIN"] = Decimal(3)
    project.run("flow", "add", "stock", "balance", "shop", "office")
    project.run("flow", "live", "stock")
    project.json("sync", "shop", "balance")

    project.run("push", code=None)
    assert {each["state"] for each in project.json("effects", "list", "--all")} == {"submitted"}
    with App() as app:
        opened = app.open("office")
        still = opened.connector.check_job(opened.session, "j1")
        project.office.finish()
        outcomes = {each.key: each for each in opened.connector.check_job(opened.session, "j1")}

    assert still.wait == 5
    assert project.office.stock["PEN-1", "MAIN"] == 3
    assert outcomes["PEN-1"].state == "done"
    assert outcomes["GONE-1"].gap.value == "GONE-1"


def test_ids_of_articles_are_looked_up_once_and_forgotten_when_they_are_wrong(project):
    project.connect("shop")
    project.connect("office")
    product, other = (Product(key=sku, sku=sku, name="New") for sku in ("PEN-1", "GONE-1"))
    with App() as app:
        opened = app.open("office")

        def push(*products):
            return [each.state for each in opened.connector.push_products(opened.session, products)]

        assert push(product, other) == ["done", "rejected"]
        project.office.requests.clear()
        assert push(product) == ["done"]
        assert [each["method"] for each in project.office.requests] == ["PUT"]
        opened.session.memory.put_many("articles", {"PEN-1": "99"})
        assert push(product) == ["rejected"]
        assert push(product) == ["done"]

    assert project.office.articles["PEN-1"] == "New"


def test_prices_are_set_one_by_one_and_an_unknown_one_is_a_gap(project):
    project.connect("shop")
    project.connect("office")
    project.shop.prices.update({"MUG-1": Decimal("7.25"), "GONE-1": Decimal("1.00")})
    project.run("flow", "add", "prices", "prices", "shop", "office")
    project.run("flow", "live", "prices")
    project.json("sync", "shop", "prices")

    project.run("push", code=None)

    assert project.office.prices["MUG-1"] == Decimal("7.25")
    assert [each["value"] for each in project.json("gaps", "list", code=None)] == ["GONE-1"]


def test_orders_are_previewed_accepted_and_cancelled(project):
    project.connect("shop")
    order = project.shop.place(state="offered")
    project.json("sync", "shop", "orders")
    known = Receipt(external_id=str(order))
    with App() as app:
        opened = app.open("shop")
        stored = app.store.records.get("shop", "orders", str(order)).record
        preview = opened.connector.preview_order(opened.session, stored, "k-1")
        wrong = opened.connector.preview_order(opened.session, evolve(stored, currency="SEK"), "k-1")
        opened.connector.accept_order(opened.session, known, Decision(accept=True))
        accepted = project.shop.orders[order]["state"]
        opened.connector.cancel_order(opened.session, known, "changed my mind")

    assert stored.needs_acceptance
    assert preview.hash == hashlib.sha256(preview.body.encode()).hexdigest()
    assert wrong.problems
    assert (accepted, project.shop.orders[order]["state"]) == ("paid", "void")


# -- limits and errors ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_day_with_a_limit_that_is_reached_loses_nothing(project, installed):
    for _ in range(15):
        project.shop.place()
    project.connect("shop")
    installed("trial").bad_day(project.shop)

    assert project.json("sync", "shop", "orders")[0]["counts"]["new"] == 15


def test_a_subscription_that_ended_pauses_the_connection_with_what_to_do(project):
    project.connect("shop")
    project.shop.fault("status", path="/orders", status=402)

    assert "subscription has ended" in project.run("sync", "shop", "orders", code=1).output
    assert project.json("connection", "show", "shop")["state"] == "paused"


# -- webhooks ------------------------------------------------------------------------------------------


def test_webhooks_are_registered_checked_and_turned_into_what_to_fetch(project):
    project.connect("shop")
    project.run("webhook", "register", "shop", "--base", "https://hooks.shop.example")
    body, headers = project.shop.event("order.changed", "1001")
    lower = {name.lower(): value for name, value in headers.items()}

    with App() as app:
        opened = app.open("shop")

        def reply(method="POST", headers=lower, body=body, query=None):
            asked = WebhookRequest(method=method, headers=headers, query=query or {}, body=body)
            return opened.connector.handle_webhook(opened.session, asked)

        genuine, forged, altered = reply(), reply(headers={}), reply(body=body + b" ")
        handshake = reply(method="GET", query={"challenge": "c-1"})

    assert project.shop.hook["url"].startswith("https://hooks.shop.example/hooks/shop/")
    assert [(each.stream, each.keys) for each in genuine.signals] == [("orders", ("1001",))]
    assert (forged.status, altered.status, handshake.body) == (401, 401, "c-1")


def test_a_webhook_that_is_delivered_brings_the_order(project):
    project.connect("shop")
    project.run("stream", "on", "shop", "orders")
    with App() as app:
        door = Serving(create(app), "127.0.0.1", 0)
        door.start()
        try:
            project.run("webhook", "register", "shop", "--base", door.url)
            assert project.shop.deliver("order.changed", str(project.shop.place())) == 200
        finally:
            door.stop()

    project.run("webhook", "work")

    with App() as app:
        assert app.store.records.get("shop", "orders", "1001")


def test_an_edition_without_webhooks_says_so(project):
    project.connect("shop")
    project.shop.business = False

    shown = project.run("webhook", "register", "shop", "--base", "https://hooks.shop.example", code=None).output

    assert "cannot do that" in shown
    assert "Acme Business" in shown


# -- the contract kit ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_connector_keeps_its_contract(package, tmp_path):
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--crossdock-report",
            package / "tests",
        ],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(package)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout
    report = msgspec.json.decode((package / "crossdock_acme" / "contract.json").read_bytes())
    assert report["level"] in ("silver", "gold")
