"""Sync, push and status: what was done in one line each, and an exit code that tells whether a person is needed."""

from __future__ import annotations

import contextlib
import signal
import subprocess

import pytest


@pytest.fixture
def shop(crossdock):
    crossdock.connect()
    crossdock.run("stream", "on", "shop", "orders")
    crossdock.run("stream", "on", "shop", "balance")
    return crossdock


# -- sync ------------------------------------------------------------------------------------------


def test_sync_reads_everything_that_is_on_orders_first(shop):
    shop.run("stream", "on", "erp", "balance")
    answer = shop.json("sync")

    lanes = [(each["connection"], each["stream"]) for each in answer]
    assert lanes == [("shop", "orders"), ("erp", "balance"), ("shop", "balance")]


def test_sync_counts_each_stream_in_one_line(shop):
    shop.shop.order("1")
    shop.shop.order("2")
    shop.run("sync")
    shop.shop.order("2", "11.00")

    line = next(line for line in shop.run("sync").stdout.splitlines() if "orders" in line)
    assert "1 seen: 1 changed" in line


def test_a_record_that_had_to_be_parked_needs_attention(shop):
    shop.shop.order("1", "broken")
    shop.shop.order("2")

    answer = shop.json("sync", "shop", "orders", code=1)
    assert (answer[0]["counts"]["new"], answer[0]["counts"]["parked"]) == (1, 1)


def test_a_refused_token_pauses_the_connection_and_needs_attention(shop):
    shop.shop.token = "acme-changed"
    result = shop.run("sync", code=1)

    assert "answered 401" in result.stdout
    assert shop.json("connection", "show", "shop")["state"] == "paused"


def test_one_failing_stream_does_not_stop_the_others(shop):
    shop.run("stream", "on", "erp", "balance")
    shop.shop.token = "acme-changed"

    assert [each["state"] for each in shop.json("sync", code=1)] == ["failed", "done", "skipped"]


def test_a_dry_run_keeps_nothing(shop):
    shop.shop.order("1")

    assert "nothing kept" in shop.run("sync", "shop", "orders", "--dry-run").stdout
    assert shop.json("sync", "shop", "orders")[0]["counts"]["new"] == 1


def test_a_key_under_which_nothing_comes_is_told(shop):
    shop.shop.order("1")

    line, told = shop.run("sync", "shop", "orders", "--key", "1", "--key", "nope").stdout.splitlines()

    assert line.startswith("! shop orders              1 seen: 1 new")
    assert told.strip() == "shop has nothing under 1 of 2 keys, or keeps it out."
    assert len(shop.run("sync", "shop", "orders", "--key", "1").stdout.splitlines()) == 1


def test_named_records_are_fetched_alone(shop):
    shop.shop.order("1")
    shop.shop.order("2")

    assert shop.json("sync", "shop", "orders", "--key", "2")[0]["counts"]["seen"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--key", "1"), "--key needs a connection and a stream"),
        (("shop", "orders", "--full", "--since", "2d"), "Only one of"),
        (("shop", "orders", "--since", "soon"), "'soon' is no date or time"),
        (("shop", "prices"), "has no stream 'prices'"),
        (("nope",), "There is no connection 'nope'"),
    ],
)
def test_what_cannot_be_fetched_is_wrong_usage(shop, words, message):
    assert message in shop.run("sync", *words, code=2).stderr


# -- push ------------------------------------------------------------------------------------------


def test_push_delivers_once(shop):
    shop.run("flow", "add", "to-erp", "orders", "shop", "erp", "--live")
    shop.shop.order("1")
    shop.run("sync")
    shop.run("push")
    shop.run("push")

    assert len(shop.erp.orders) == 1


def test_push_asks_before_it_sends_again_after_a_lost_answer(shop):
    shop.run("flow", "add", "to-erp", "orders", "shop", "erp", "--live")
    shop.shop.order("1")
    shop.run("sync")
    shop.erp.fault("cut_after", path="/orders", method="POST")
    (result,) = shop.json("push", "--wait", "5")

    assert result["counts"]["done"] == 1
    assert len(shop.erp.orders) == 1


def test_what_waits_for_a_person_needs_attention(shop):
    shop.run("flow", "add", "to-erp", "orders", "shop", "erp", "--live", "--totals", "hold")
    shop.shop.order("1", "10.00", surcharge="4.95")
    shop.run("sync")

    assert "1 parked: crossdock parked list" in shop.run("push", code=1).stdout


def test_without_a_live_flow_nothing_is_sent(shop):
    assert "No flow is live" in shop.run("push").stdout


# -- status ----------------------------------------------------------------------------------------


def test_status_is_fine_when_nothing_is_stuck(shop):
    shop.run("flow", "add", "to-erp", "orders", "shop", "erp", "--live")
    shop.shop.order("1")
    shop.run("sync")
    shop.run("push")

    assert "Nothing needs attention." in shop.run("status").stdout


def test_status_says_what_is_stuck_and_why(shop):
    shop.shop.order("1", "broken")
    shop.run("sync", code=1)
    shop.shop.token = "acme-changed"
    shop.run("sync", code=1)
    problems = shop.json("status", code=1)["problems"]

    assert any("The connection shop is paused" in problem for problem in problems)
    assert any("1 record is parked" in problem for problem in problems)


def test_status_shows_effects_by_state_and_the_oldest_unsent(shop):
    shop.run("flow", "add", "to-erp", "orders", "shop", "erp", "--live")
    shop.shop.order("1")
    shop.run("sync")
    (flow,) = shop.json("status")["flows"]

    assert flow["counts"] == {"ready": 1}
    assert flow["oldest_unsent"]


def test_status_says_why_something_is_put_off(shop):
    shop.run("stream", "on", "erp", "balance")
    shop.run("flow", "add", "stock", "balance", "erp", "shop", "--live")
    shop.erp.stock["A"] = "5"
    shop.run("sync")
    shop.shop.fault("status", method="PUT", status=503, times=9)
    shop.run("push")

    (flow,) = shop.json("status")["flows"]

    assert "503" in flow["put_off"]
    shown = shop.run("status").stdout
    assert "stock was put off" in shown
    assert max(map(len, shown.splitlines())) <= 120


def test_status_says_how_old_the_stock_is_that_a_shop_shows(shop):
    shop.run("stream", "on", "erp", "balance")
    shop.run("flow", "add", "stock", "balance", "erp", "shop", "--live")
    shop.erp.stock["A"] = "5"
    shop.run("sync")
    shop.run("push")

    assert "shows stock of" in shop.run("status").stdout


def test_status_fits_a_screen(shop):
    shop.run("flow", "add", "to-erp", "orders", "shop", "erp", "--live")
    shop.run("sync")

    assert max(map(len, shop.run("status").stdout.splitlines())) <= 120


# -- stopping --------------------------------------------------------------------------------------


def test_an_interrupt_stops_at_a_safe_point(shop):
    shop.shop.order("1")
    shop.shop.fault("slow", path="/orders", seconds=2.0)
    running = shop.start("sync", "shop", "orders")
    while running.poll() is None and not any(each["path"] == "/orders" for each in shop.shop.requests):
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(0.02)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=30)

    assert running.returncode == 130
    assert b"Traceback" not in errors
