"""Webhooks that stopped coming are noticed by what reading finds, and nothing else is taken for that."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest
from engine_kit import world as open_world
from webhook_kit import SECRET

from crossdock import Changed, webhooks
from crossdock.configure import switch_stream
from crossdock.engine import conscience
from crossdock.engine.inbound import work
from crossdock.overview import overview
from crossdock.store.database import stamp
from crossdock.store.inbox import Arrival

BASE = "https://hooks.example.com"


@pytest.fixture
def unread(request, tmp_path, hooked_site, hooked, servers):
    """A shop whose webhooks are registered; its orders are switched on and were not read yet."""
    server = request.getfixturevalue(getattr(request, "param", "sqlite_files"))
    url = server.migrated()
    with open_world(tmp_path, url, hooked_site, hooked, *servers) as made:
        made.connect("shop", webhook_secret=SECRET)
        switch_stream(made.app, "shop", "orders", on=True)
        webhooks.register(made.app, "shop", BASE)
        yield made
    server.drop(url)


on_both = pytest.mark.parametrize(
    "unread", ["sqlite_files", pytest.param("postgres_server", marks=pytest.mark.slow)], indirect=True
)


@pytest.fixture
def shop(unread):
    """A shop whose orders were read, and whose webhooks told three of them."""
    read(unread)
    for number in ("1", "2", "3"):
        unread.shop.order(number)
        comes(unread, number)
    work(unread.bench, "shop")
    read(unread)
    return unread


def comes(world, *keys, stream="orders", state="new"):
    """A webhook is kept."""
    world.store.inbox.keep([
        Arrival(
            connection="shop", received_at=stamp(world.clock.now()), method="POST", headers="{}", query="{}",
            body=b"{}", signals=(Changed(stream=stream, keys=keys),), state=state,
        )
    ])  # fmt: skip


def read(world, **how):
    """The shop's orders are read on their schedule; time passes before that and after."""
    world.later(minutes=30)
    pulled = world.pull("shop", **how)
    world.later(minutes=30)
    return pulled


def finds(world, *numbers):
    """Reading finds new orders."""
    for number in numbers:
        world.shop.order(number)
    return read(world)


def stops(world):
    """Webhooks stop coming: two runs find orders that none told, and a third one judges."""
    finds(world, "11", "12")
    finds(world, "13")
    read(world)


def dead(world):
    return [each.stream for each in world.store.announcements.dead("shop")]


def missed(world):
    return world.store.announcements.get("shop", "orders").missed


def events(world, kind):
    return [text for _, each, _, text in world.store.journal.events(limit=100) if each == kind]


def problems(world):
    return [each for each in overview(world.store, world.clock.now()).problems if "ebhook" in each]


# -- noticing ----------------------------------------------------------------------------------------


@on_both
def test_webhooks_are_dead_when_several_runs_found_what_none_told(shop):
    stops(shop)

    assert dead(shop) == ["orders"]
    assert events(shop, "webhooks stopped") == ["3 changes of orders were found by reading, and no webhook told them"]
    assert "orders are found by reading only" in problems(shop)[0]


def test_an_ambient_plugin_is_told_once(shop):
    shop.local(
        "from crossdock import hookimpl\n"
        "from pathlib import Path\n\n"
        "@hookimpl\n"
        "def webhooks_stopped(connection, stream, reason):\n"
        f"    with Path({str(shop.app.home / 'told')!r}).open('a') as told:\n"
        "        told.write(f'{connection} {stream}\\n')\n"
    )

    stops(shop)
    finds(shop, "14", "15", "16")
    read(shop)

    assert (shop.app.home / "told").read_text() == "shop orders\n"


def test_changes_count_like_new_orders(shop):
    for count in (2, 3, 4):
        shop.shop.order("1", lines=[{"sku": "A", "quantity": count}])
        read(shop)
    read(shop)

    assert dead(shop) == ["orders"]


def test_a_single_run_is_no_proof_however_much_it_found(shop):
    finds(shop, *map(str, range(20, 40)))
    read(shop)

    assert (missed(shop), dead(shop)) == (20, [])


def test_a_connector_that_says_that_webhooks_tell_everything_is_believed_before_the_first(unread, monkeypatch):
    monkeypatch.setattr(conscience, "_announced", lambda *_: True)
    read(unread)

    stops(unread)

    assert dead(unread) == ["orders"]


# -- what is no proof --------------------------------------------------------------------------------


def test_a_webhook_may_come_after_its_change_was_read(shop):
    for number in ("11", "12", "13", "14"):
        shop.shop.order(number)
        shop.pull("shop")  # at the second of the sale
        shop.later(minutes=5)
        comes(shop, number)
        shop.later(minutes=55)
    read(shop)

    assert missed(shop) == 0


def test_any_webhook_about_the_stream_after_the_reading_takes_the_doubt_back(shop):
    finds(shop, "11")
    comes(shop, "1")
    read(shop)

    assert missed(shop) == 0


def test_nothing_is_judged_before_its_time_of_grace_is_over(shop):
    for number in ("11", "12", "13", "14"):
        shop.shop.order(number)
        shop.pull("shop")
        shop.later(minutes=2)

    assert missed(shop) == 0


def test_a_webhook_that_waits_to_be_worked_has_told(shop):
    for number in ("11", "12", "13", "14"):
        shop.shop.order(number)
        comes(shop, number)
        read(shop)
    read(shop)

    assert missed(shop) == 0


@on_both
def test_a_webhook_that_was_worked_after_the_reading_has_told(shop):
    for number in ("11", "12", "13", "14"):
        shop.shop.order(number)
        comes(shop, number)
        shop.pull("shop")
        work(shop.bench, "shop")
        shop.later(minutes=60)
    read(shop)

    assert missed(shop) == 0


def test_a_webhook_without_keys_has_told_everything_of_its_stream(shop):
    shop.shop.order("11")
    comes(shop)
    read(shop)
    read(shop)

    assert missed(shop) == 0


def test_a_webhook_about_another_record_before_the_reading_has_not(shop):
    shop.shop.order("11")
    comes(shop, "1")
    read(shop)
    read(shop)

    assert missed(shop) == 1


def test_a_webhook_about_another_stream_has_not(shop):
    shop.shop.order("11")
    read(shop)
    comes(shop, "1", stream="customers")
    read(shop)

    assert missed(shop) == 1


def test_what_is_read_for_the_first_time_is_no_proof(unread, monkeypatch):
    monkeypatch.setattr(conscience, "_announced", lambda *_: True)
    finds(unread, "1", "2", "3")
    finds(unread)
    finds(unread)

    assert missed(unread) == 0


def test_what_changed_before_the_vendor_knew_the_address_is_no_proof(shop):
    shop.shop.order("11")
    webhooks.register(shop.app, "shop", BASE)
    read(shop)
    read(shop)

    assert missed(shop) == 0


@pytest.mark.parametrize("how", [{"full": True}, {"keys": ["11"]}, {"dry_run": True}], ids=lambda how: next(iter(how)))
def test_only_normal_reading_is_judged(shop, how):
    shop.shop.order("11")
    read(shop, **how)
    if "dry_run" not in how:
        finds(shop)
        assert missed(shop) == 0
    assert shop.store.announcements.take("shop", shop.clock.now()) == []


def test_a_connection_that_was_never_told_an_address_is_not_judged(shop):
    webhooks.tick(shop.app, "shop", confirmed=False)

    stops(shop)

    assert missed(shop) == 0


def test_a_stream_that_webhooks_seldom_tell_is_not_judged(unread):
    read(unread)
    for number in ("1", "2"):
        unread.shop.order(number)
        comes(unread, number)
        work(unread.bench, "shop")
    read(unread)

    stops(unread)

    assert missed(unread) == 0


def test_a_stream_whose_webhooks_tell_only_some_changes_is_not_judged_any_more(shop):
    for number in range(20, 40, 4):
        finds(shop, str(number))
        finds(shop, str(number + 1))
        finds(shop)
        shop.shop.order(str(number + 2))
        comes(shop, str(number + 2))
        work(shop.bench, "shop")

    known = shop.store.announcements.get("shop", "orders")
    stops(shop)

    assert known.late >= known.told
    assert missed(shop) == 0


def test_what_changed_while_we_wrote_may_be_our_own_doing(shop):
    orders, statuses = shop.flow(), shop.flow("statuses", "erp", "shop")
    shop.push(orders)
    number = next(key for key, row in shop.erp.orders.items() if row["reference"] == "shop-1")
    for total, status in (("11.00", "shipped"), ("12.00", "partially_shipped"), ("13.00", "shipped")):
        shop.erp.order(number, status=status)
        shop.deliver(statuses)
        shop.shop.order("1", total=total)
        assert read(shop).counts.changed == 1
    read(shop)

    assert shop.shop.orders["1"]["shown"] == "shipped"
    assert missed(shop) == 0


def test_a_new_order_is_not_while_only_statuses_were_written(shop):
    orders, statuses = shop.flow(), shop.flow("statuses", "erp", "shop")
    shop.push(orders)
    number = next(key for key, row in shop.erp.orders.items() if row["reference"] == "shop-1")
    shop.erp.order(number, status="shipped")
    shop.deliver(statuses)
    finds(shop, "11")
    read(shop)

    assert missed(shop) == 1


# -- alive again -------------------------------------------------------------------------------------


@on_both
def test_a_webhook_that_comes_is_alive(shop):
    stops(shop)

    comes(shop, "11")
    work(shop.bench, "shop")

    assert (dead(shop), missed(shop), problems(shop)) == ([], 0, [])
    assert events(shop, "webhooks come again") == ["orders"]


def test_one_that_waited_since_before_is_not(shop):
    comes(shop, "1")
    shop.later(hours=1)
    stops(shop)
    assert dead(shop) == ["orders"]

    work(shop.bench, "shop")

    assert dead(shop) == ["orders"]


# -- registering again -------------------------------------------------------------------------------


def registered(world):
    opened = world.app.open("shop")
    return opened.session.memory.items("registered")


def test_they_are_registered_again_where_the_vendor_can_be_asked(shop):
    stops(shop)
    shop.store.database.run("DELETE FROM memory WHERE name = 'registered'")

    assert webhooks.mend(shop.app) == {"shop": ""}

    assert registered(shop)["url"].startswith(BASE)
    assert dead(shop) == ["orders"]
    assert problems(shop) == []  # until the next webhook proves it, or the next changes disprove it


def test_they_are_registered_once_while_it_may_have_helped(shop):
    stops(shop)
    webhooks.mend(shop.app)
    shop.later(days=3)

    assert webhooks.mend(shop.app) == {}


@on_both
def test_silent_ones_are_registered_again_later_and_later(shop):
    stops(shop)
    assert webhooks.mend(shop.app) == {"shop": ""}
    first = shop.clock.now()
    read(shop)
    finds(shop, "21", "22", "23")
    read(shop)

    assert problems(shop)
    assert webhooks.mend(shop.app) == {"shop": ""}  # an hour is long over
    assert shop.store.hooks.get("shop").tries == 2
    assert shop.clock.now() - first > timedelta(hours=1)

    shop.store.announcements.save(attrs.evolve(shop.store.announcements.get("shop", "orders"), missed=3))
    shop.later(hours=1, minutes=59)
    assert webhooks.mend(shop.app) == {}
    shop.later(minutes=2)
    assert webhooks.mend(shop.app) == {"shop": ""}


def test_what_the_vendor_refuses_is_said_and_tried_after_an_hour(shop):
    stops(shop)
    shop.connect("shop", webhook_secret=SECRET, broken="register_webhook")

    tried = webhooks.mend(shop.app)

    assert "broke in register_webhook" in tried["shop"]
    assert "could not be registered again" in problems(shop)[0]
    assert webhooks.mend(shop.app) == {}

    shop.later(hours=1, seconds=1)

    assert list(webhooks.mend(shop.app)) == ["shop"]


def test_the_first_webhook_ends_the_waiting(shop):
    stops(shop)
    webhooks.mend(shop.app)
    comes(shop, "11")
    work(shop.bench, "shop")

    assert (dead(shop), shop.store.hooks.get("shop").tries) == ([], 0)


def test_a_person_is_told_where_only_a_person_can_enter_the_address(shop):
    shop.store.database.run("UPDATE hook SET external_id = ''")

    stops(shop)

    assert webhooks.mend(shop.app) == {}
    assert problems(shop)[0].endswith("Enter the address at the vendor again: crossdock webhook url shop")

    webhooks.tick(shop.app, "shop", sent=True)

    assert problems(shop) == []
