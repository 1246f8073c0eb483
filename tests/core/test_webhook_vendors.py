"""Round trips with the systems that send webhooks: registered, delivered, kept, and the record fetched again."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest

from crossdock import webhooks
from crossdock.app import App
from crossdock.configure import switch_stream
from crossdock.engine import conscience
from crossdock.engine.inbound import work
from crossdock.engine.pull import pull
from crossdock.sandbox import serve
from crossdock.vault import new_key
from crossdock.web.door import create
from crossdock.web.serving import Serving
from crossdock_extendcommerce import sandbox as extendcommerce
from crossdock_woocommerce import sandbox as woocommerce

pytestmark = pytest.mark.slow


@pytest.fixture
def app(tmp_path, monkeypatch):
    """An empty project."""
    for name in ("CROSSDOCK_HOME", "CROSSDOCK_DATABASE_URL", "CROSSDOCK_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CROSSDOCK_PLUGINS", "woocommerce,extendcommerce")
    (tmp_path / "crossdock.key").write_text(new_key())
    with App(tmp_path) as made:
        yield made


@contextlib.contextmanager
def door(app, port=0):
    """The door's public address, for as long as it is open."""
    served = Serving(create(app), "127.0.0.1", port)
    served.start()
    try:
        yield served.url
    finally:
        served.stop()


def states(app):
    return [row.state for row in app.store.inbox.rows()]


@pytest.fixture
def shop(app):
    """A WooCommerce shop, connected."""
    made = woocommerce.create(auto_deliver=False)
    made.seed(orders=2, products=2, simple=True)
    with serve(made) as served:
        assert app.save("shop", "woocommerce", made.settings(served.url)).green
        switch_stream(app, "shop", "orders", on=True)
        switch_stream(app, "shop", "balance", on=True)
        yield made


@pytest.fixture
def erp(app):
    """An Extend Commerce account, connected."""
    made = extendcommerce.create(automatic_webhooks=False, generous=True)
    made.seed(3)
    with serve(made) as served:
        assert app.save("erp", "extendcommerce", made.settings(served.url)).green
        switch_stream(app, "erp", "balance", on=True)
        yield made


def test_a_shop_is_registered_and_its_orders_come_by_themselves(app, shop):
    with door(app) as url:
        assert webhooks.register(app, "shop", url).active
        sku = shop.state()["products"][0]["sku"]
        order = shop.sell(sku)
        assert shop.deliver_webhooks() > 0

    assert {hook["status"] for hook in shop.state()["webhooks"]} == {"active"}
    assert "new" in states(app)
    assert work(app.bench, "shop").failed == 0
    assert "new" not in states(app)
    assert app.store.records.get("shop", "orders", str(order["id"])) is not None


def test_what_is_told_to_a_shop_stands_in_clear_nowhere(app, shop):
    with door(app) as url:
        webhooks.register(app, "shop", url)
    token = webhooks.path_of(app, webhooks.door(app, "shop")).rpartition("/")[2]
    secret = app.reveal(app.row("shop"))["webhook_secret"]
    app.open("shop").flush()

    files = [path.read_bytes() for path in app.home.iterdir() if path.is_file()]

    assert app.store.journal.exchanges("shop")
    assert not [each for each in files if token.encode() in each or secret.encode() in each]


def test_deliveries_of_a_shop_that_come_twice_are_worked_once(app, shop):
    with door(app) as url:
        webhooks.register(app, "shop", url)
        shop.break_webhooks("duplicate")
        shop.sell(shop.state()["products"][0]["sku"])
        shop.deliver_webhooks()

    assert states(app).count("new") == states(app).count("duplicate") > 0


def test_forged_deliveries_of_a_shop_are_refused_and_counted(app, shop):
    with door(app) as url:
        webhooks.register(app, "shop", url)
        shop.break_webhooks("forged")
        shop.sell(shop.state()["products"][0]["sku"])
        shop.deliver_webhooks()

    assert "new" not in states(app)
    assert app.store.hooks.get("shop").refused > 0


def test_an_erp_checks_the_address_and_its_stock_comes_by_itself(app, erp):
    with door(app) as url:
        erp.add_webhook(url + webhooks.path_of(app, webhooks.door(app, "erp")))
        erp.set_stock("SKU-00001", 77)
        erp.deliver_webhooks()

    assert "new" in states(app)
    assert work(app.bench, "erp").failed == 0
    stored = [each.record for page in app.store.records.pages("erp", "balance") for each in page]
    assert [(each.sku, str(each.available)) for each in stored] == [("SKU-00001", "77")]


def test_what_an_erp_sends_again_is_worked_once(app, erp):
    with door(app) as url:
        erp.add_webhook(url + webhooks.path_of(app, webhooks.door(app, "erp")))
        erp.set_stock("SKU-00001", 77)
        erp.deliver_webhooks()
        before = states(app).count("new")
        assert erp.repeat_webhooks() > 0
        erp.deliver_webhooks()

    assert states(app).count("new") == before
    assert "duplicate" in states(app)


def test_an_erp_with_a_wrong_address_is_told_so(app, erp):
    with door(app) as url, pytest.raises(ValueError, match="did not answer the echo token"):
        erp.add_webhook(f"{url}/hooks/erp/wrong")


def test_a_shop_that_switched_its_webhooks_off_gets_them_registered_again(app, shop, monkeypatch):
    monkeypatch.setattr(conscience, "GRACE", timedelta(0))
    with door(app) as url:
        webhooks.register(app, "shop", url)
        for _ in range(2):
            assert pull(app.bench, "shop", "orders").state == "done"
    for count in (5, 5, 0):  # nobody answers at the door
        for _ in range(count):
            shop.sell(shop.state()["products"][0]["sku"])
            shop.deliver_webhooks()
        pull(app.bench, "shop", "orders")
    assert "disabled" in {hook["status"] for hook in shop.state()["webhooks"]}
    assert [each.stream for each in app.store.announcements.dead()] == ["orders"]

    with door(app, port=int(url.rpartition(":")[2])):
        assert webhooks.mend(app) == {"shop": ""}
        shop.sell(shop.state()["products"][0]["sku"])
        assert shop.deliver_webhooks() > 0
        work(app.bench, "shop")

    assert {hook["status"] for hook in shop.state()["webhooks"]} == {"active"}
    assert app.store.announcements.dead() == []
