"""Streams and flows: nothing runs before it is switched on, nothing is sent before it was shown."""

from __future__ import annotations

import pytest


@pytest.fixture
def shop(crossdock):
    crossdock.connect()
    return crossdock


# -- streams ---------------------------------------------------------------------------------------


def test_nothing_is_read_before_a_stream_is_switched_on(shop):
    assert "No stream is switched on." in shop.run("sync", code=2).stderr


@pytest.mark.parametrize(("stream", "seconds"), [("orders", 3600), ("balance", 900)])
def test_a_stream_is_switched_on_with_its_default_schedule(shop, stream, seconds):
    assert shop.json("stream", "on", "shop", stream)["every"] == seconds


def test_the_vendors_minimum_is_enforced(shop):
    error = shop.run("stream", "on", "shop", "orders", "--every", "5m", code=2).stderr

    assert "Acme ERP allows to read orders every 10m at most" in error


def test_a_schedule_survives_switching_off_and_on(shop):
    shop.run("stream", "on", "shop", "orders", "--cron", "30 6 * * *")
    shop.run("stream", "off", "shop", "orders")

    assert shop.json("stream", "on", "shop", "orders")["cron"] == "30 6 * * *"


def test_a_schedule_is_changed_without_touching_the_switch(shop):
    assert not shop.json("stream", "schedule", "shop", "orders", "--every", "20m")["enabled"]


def test_a_schedule_without_anything_says_what_can_be_set(shop):
    said = shop.run("stream", "schedule", "shop", "orders", code=2).stderr

    assert "Say what to set: --every or --cron, --zone, --quiet or --jitter." in said


def test_a_stream_that_the_connector_lacks_is_refused(shop):
    assert "there are: orders, balance" in shop.run("stream", "on", "shop", "prices", code=2).stderr


def test_zone_quiet_hours_and_jitter_are_kept_until_they_are_taken_away(shop):
    shop.run("stream", "on", "shop", "orders", "--quiet", "22:00-06:00", "--zone", "Europe/Berlin", "--jitter", "30s")

    assert shop.json("stream", "schedule", "shop", "orders", "--every", "20m")["schedule"] == (
        "every 20m, quiet 22:00-06:00 Europe/Berlin, up to 30s later"
    )
    assert shop.json("stream", "schedule", "shop", "orders", "--quiet", "-", "--jitter", "-")["schedule"] == "every 20m"


def test_a_stream_shows_its_next_turns(shop):
    shop.run("stream", "on", "shop", "orders", "--cron", "30 6 * * *", "--zone", "Asia/Kolkata")

    said = shop.run("stream", "show", "shop", "orders").output
    assert said.count("06:30:00") == 3
    assert [each[11:19] for each in shop.json("stream", "show", "shop", "orders")["next_turns"]] == ["01:00:00"] * 3


def test_a_stream_that_is_off_has_no_next_turn_and_cannot_be_asked_for(shop):
    shop.run("stream", "on", "shop", "orders")
    shop.run("stream", "off", "shop", "orders")

    assert shop.json("stream", "show", "shop", "orders")["next_turns"] == []
    assert "is off" in shop.run("stream", "now", "shop", "orders", code=2).stderr
    assert "never switched on" in shop.run("stream", "show", "shop", "balance", code=2).stderr


def test_asking_for_a_stream_says_when_nobody_would_hear(shop):
    shop.run("stream", "on", "shop", "orders")

    assert "nobody runs the schedules" in shop.run("stream", "now", "shop", "orders").output
    assert shop.json("stream", "show", "shop", "orders")["wanted"]


def test_a_schedule_that_cannot_be_is_a_sentence(shop):
    refused = shop.run("stream", "on", "shop", "orders", "--every", "20m", "--zone", "Europe/Berln", code=2).stderr

    assert "There is no time zone 'Europe/Berln'." in refused
    assert "Europe/Berlin" in refused


def test_streams_are_listed_on_or_off(shop):
    shop.run("stream", "on", "shop", "orders")
    rows = {(row["connection"], row["stream"]): row["enabled"] for row in shop.json("stream", "list")}

    assert rows == {
        ("shop", "orders"): True, ("shop", "balance"): False, ("erp", "orders"): False, ("erp", "balance"): False,
    }  # fmt: skip


# -- flows -----------------------------------------------------------------------------------------


def test_a_new_flow_plans_what_is_stored_and_sends_nothing(shop):
    shop.shop.order("1")
    shop.run("sync", "shop", "orders")
    answer = shop.json("flow", "add", "to-erp", "orders", "shop", "erp")

    assert (answer["mode"], answer["counts"]) == ("plan", {"planned": 1})
    assert "plan mode" in shop.run("push", "to-erp", code=2).stderr
    assert shop.erp.orders == {}


def test_a_flow_shows_what_it_would_create(shop):
    shop.shop.order("1", "12.50")
    shop.run("sync", "shop", "orders")
    shop.run("flow", "add", "to-erp", "orders", "shop", "erp")

    assert "+ order N1  12.50 EUR, 1 line, processing" in shop.run("flow", "show", "to-erp").stdout


def test_a_flow_shows_before_and_after_of_what_changed(shop):
    shop.shop.order("1", "12.50")
    shop.run("flow", "add", "to-erp", "orders", "shop", "erp", "--live")
    shop.run("sync", "shop", "orders")
    shop.run("push")
    shop.run("flow", "plan", "to-erp")
    shop.shop.order("1", "15.00")
    shop.run("sync", "shop", "orders")

    assert "total: 12.50 → 15.00" in shop.run("flow", "show", "to-erp").stdout
    (plan,) = shop.json("flow", "show", "to-erp")["planned"]
    assert {"path": "total", "before": "12.50", "after": "15.00"} in plan["changes"]


def test_a_flow_says_why_an_order_would_be_held(shop):
    shop.shop.order("1", "10.00", surcharge="4.95")
    shop.run("flow", "add", "to-erp", "orders", "shop", "erp", "--totals", "hold")
    shop.run("sync", "shop", "orders")

    assert "differ from its total by 4.95 EUR" in shop.run("flow", "show", "to-erp").stdout


def test_a_live_flow_delivers(shop):
    shop.shop.order("1")
    shop.run("sync", "shop", "orders")
    shop.run("flow", "add", "to-erp", "orders", "shop", "erp")
    shop.run("flow", "live", "to-erp")
    shop.run("push")

    assert [row["reference"] for row in shop.erp.orders.values()] == ["shop-1"]


def test_a_paused_flow_catches_up(shop):
    shop.run("flow", "add", "to-erp", "orders", "shop", "erp", "--live")
    shop.run("flow", "pause", "to-erp")
    shop.shop.order("1")
    shop.run("sync", "shop", "orders")
    shop.run("flow", "live", "to-erp")
    shop.run("push")

    assert len(shop.erp.orders) == 1


def test_a_buffer_is_kept_back(shop):
    shop.shop.stock["A-1"] = "5"
    shop.run("flow", "add", "stock", "balance", "shop", "erp", "--buffer", "2", "--live")
    shop.run("sync", "shop", "balance")
    shop.run("push")

    assert shop.erp.stock == {"A-1": "3"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("orders", "shop", "shop"), "from one connection to another"),
        (("orders", "shop", "nope"), "There is no connection 'nope'"),
        (("products", "shop", "erp"), "cannot be asked for products"),
        (("orders", "shop", "erp", "--buffer", "2"), "--buffer is for flows of balance"),
        (("balance", "shop", "erp", "--totals", "hold"), "--totals is for flows of orders"),
        (("orders", "shop", "erp", "--statuses", "sold"), "There is no status 'sold'"),
        (("orders", "shop", "erp", "--approve-above", "much"), "'much' is no amount"),
        (("orders", "shop", "erp", "--approve-up-to", "much"), "like --approve-up-to 500.00"),
        (("orders", "shop", "erp", "--approve-up-to", "9"), "Orders are not binding at erp"),
        (("balance", "shop", "erp", "--approve-up-to", "9"), "--approve-up-to is for flows of orders"),
    ],
)
def test_a_flow_that_cannot_work_is_refused(shop, words, message):
    assert message in shop.run("flow", "add", "x", *words, code=2).stderr
    assert shop.json("flow", "list") == []


def test_removing_a_flow_needs_a_yes(shop):
    shop.run("flow", "add", "to-erp", "orders", "shop", "erp")

    shop.run("flow", "remove", "to-erp", code=2)
    shop.run("flow", "remove", "to-erp", "--yes")
    assert shop.json("flow", "list") == []
