"""The connector does the same in an interpreter of its own: equal records, equal effects, and each order once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from test_woo_placing import ORDER

from crossdock.app import App
from crossdock.engine.pull import pull
from crossdock.engine.push import push
from crossdock.engine.route import route_stored
from crossdock.records import Balance, Price, evolve, to_document
from crossdock.sandbox import serve
from crossdock.session import ByKeys, Since
from crossdock.store.config import FlowRow
from crossdock.vault import KEY_VARIABLE, new_key
from crossdock_woocommerce.sandbox import WooSandbox

pytestmark = pytest.mark.slow

STREAMS = ("orders", "products", "prices", "balance")


@pytest.fixture
def pair(tmp_path, monkeypatch):
    """One project with two equal shops: ``near`` runs in this process, ``far`` in one of its own."""
    monkeypatch.setenv(KEY_VARIABLE, new_key())
    monkeypatch.setenv("CROSSDOCK_FIND_AFTER", "0")
    shops = {"near": WooSandbox(), "far": WooSandbox()}
    with serve(shops["near"]) as near, serve(shops["far"]) as far, App(tmp_path) as app:
        for name, url in (("near", near.url), ("far", far.url)):
            shops[name].seed(orders=5, products=6)
            python = sys.executable if name == "far" else ""
            assert app.save(name, "woocommerce", shops[name].settings(url), python=python).green
        yield app, shops


def document(record):
    """A record for comparing; when stock was looked at is another moment each time."""
    return to_document(evolve(record, as_of=None) if isinstance(record, Balance) else record)


def told(pages):
    """All that pages say."""
    return [
        ([document(each) for each in page.records], page.cursor, page.payloads, dict(page.skipped), page.seen,
         [(each.message, each.key, each.path, each.payload) for each in page.rejects])
        for page in pages
    ]  # fmt: skip


def asked(shop):
    """What a shop was asked, without what depends on the moment: signatures, and how far back was looked."""

    def lasting(query):
        return [pair for pair in parse_qsl(query) if not pair[0].startswith("oauth_") and pair[0] != "after"]

    return [(each["method"], each["path"], lasting(each["query"]), each["status"]) for each in shop.requests]


def test_equal_records_by_equal_requests(pair):
    app, shops = pair
    # The same shop for both, so that no address and no time differs.
    values = app.reveal(app.row("near"))
    assert app.save("twin", "woocommerce", values, python=sys.executable).green
    found = {}
    for name in ("near", "twin"):
        opened, found[name] = app.open(name), []
        for stream in STREAMS:
            for query in (Since(), ByKeys(("1", "SIM-0001"))):
                shops["near"].requests.clear()
                pages = told(opened.connector.fetch(stream, opened.session, query))
                found[name].append((stream, pages, asked(shops["near"])))

    assert found["near"] == found["twin"]
    assert sum(len(page[0]) for _, pages, _ in found["near"] for page in pages) > 20


def test_equal_effects(pair):
    app, shops = pair
    for name, shop in shops.items():
        opened = app.open(name)
        shop.requests.clear()
        call, session = opened.connector, opened.session
        made = call.push_order(session, ORDER, "key-1", None)
        call.push_order(session, evolve(ORDER, note="Ring once"), "key-1", made)
        outcomes = call.push_balance(session, [Balance(sku="SIM-0001", available=Decimal(3)), Balance(sku="NONE")])
        outcomes += call.push_prices(
            session, [Price(sku="SIM-0001", amount=Decimal("7.50"), currency="EUR", includes_tax=True)]
        )
        assert [each.state for each in outcomes] == ["done", "rejected", "done"]
        assert len(call.find_order(session, "key-1")) == 1

    assert asked(shops["near"]) == asked(shops["far"])
    assert _orders(shops["near"]) == _orders(shops["far"])


def _orders(shop):
    fields = ("id", "status", "total", "line_items", "shipping_lines", "fee_lines", "billing", "customer_note")
    return [{field: row[field] for field in fields} for row in shop.state()["orders"]]


@pytest.mark.parametrize("how", ["the answer is lost", "the process is killed"])
def test_an_order_that_is_created_while(pair, how):
    app, shops = pair
    before = {row["id"] for row in shops["far"].state()["orders"]}
    flow = FlowRow(name="over", stream="orders", source="near", target="far", mode="live")
    app.store.config.save_flow(flow, app.clock.now())
    key = next(str(row["id"]) for row in shops["near"].state()["orders"] if row["status"] == "processing")
    pull(app.bench, "near", "orders", keys=[key])
    route_stored(app.bench, flow)
    helper = None
    if how == "the answer is lost":
        shops["far"].fault("cut_after", method="POST", path=r"/orders\?")
    else:
        slow = shops["far"].fault("slow", method="POST", path=r"/orders\?", seconds=0.5)
        helper = threading.Thread(target=_kill_when, args=(slow,))
        helper.start()

    first = push(app.bench, flow)
    second = push(app.bench, flow, patience=timedelta(seconds=5))
    if helper:
        helper.join()

    made = [row for row in shops["far"].state()["orders"] if row["id"] not in before]
    assert (first.counts.in_doubt, second.counts.done, len(made)) == (1, 1, 1)


def _kill_when(slow):
    """Kill the isolated connector as soon as the shop has begun to work on its order."""
    deadline = time.monotonic() + 20
    while slow.times and time.monotonic() < deadline:
        time.sleep(0.01)
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            words = (entry / "cmdline").read_text().split("\0")
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            if "crossdock.isolation.child" in words and int(parent) == os.getpid():
                os.kill(int(entry.name), signal.SIGKILL)
