"""The door: what is answered, what is kept, and in which order."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from engine_kit import world as open_world
from webhook_kit import SECRET, Vendor, body_of, path_of, signed

from crossdock import Changed, webhooks
from crossdock.store.inbox import Arrival
from crossdock.web import door, serving
from crossdock.web.door import create
from crossdock.web.serving import Serving
from crossdock.web.writer import Writer

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(tmp_path, database_url, hooked_site, hooked, servers):
    """A project whose shop sends webhooks."""
    with open_world(tmp_path, database_url, hooked_site, hooked, *servers) as made:
        made.connect("shop", webhook_secret=SECRET)
        webhooks.door(made.app, "shop")
        yield made


@contextlib.contextmanager
def opened(world, arrived=None, path=""):
    served = Serving(create(world.app, arrived), "127.0.0.1", 0)
    served.start()
    try:
        yield Vendor(served.url, path or path_of(world.app))
    finally:
        served.stop()


@pytest.fixture
def vendor(shop):
    """Who knows the shop's address."""
    with opened(shop) as made:
        yield made


def kept(world):
    return world.store.inbox.rows(limit=10_000)[::-1]


# -- what is kept ------------------------------------------------------------------------------------


def test_a_genuine_webhook_is_kept_before_it_is_answered(shop, vendor):
    body = body_of("1", orders=["4711"])

    assert vendor.post(body).status == 200

    (row,) = kept(shop)
    assert (row.state, row.body, row.signals) == ("new", body, (Changed(stream="orders", keys=("4711",)),))


def test_a_repeat_is_answered_and_not_worked_twice(shop, vendor):
    assert [vendor.changed("1", orders=["1"]) for _ in range(3)] == [200, 200, 200]
    assert [row.state for row in kept(shop)] == ["new", "duplicate", "duplicate"]


def test_repeats_that_come_at_the_same_time_are_one(shop, vendor):
    with ThreadPoolExecutor(8) as many:
        assert set(many.map(lambda _: vendor.changed("1", orders=["1"]), range(40))) == {200}

    assert [row.state for row in kept(shop)].count("new") == 1


def test_requests_that_come_together_share_a_transaction(shop):
    commits = []
    writer = Writer(shop.store.inbox, lambda: commits.append(1))
    writer.start()

    async def come():
        first = asyncio.ensure_future(writer.keep(arrival("0")))
        await asyncio.sleep(0)
        while writer.waiting:
            await asyncio.sleep(0.001)
        rest = [asyncio.ensure_future(writer.keep(arrival(str(number)))) for number in range(1, 16)]
        await asyncio.sleep(0)
        return [first, *rest]

    async def come_and_wait():
        with shop.store.transaction():  # the database is taken: what comes in gathers behind the first one
            waiting = await come()
        await asyncio.gather(*waiting)

    asyncio.run(come_and_wait())
    writer.stop()

    assert len(commits) == 2
    assert len(kept(shop)) == 16


def arrival(number):
    return Arrival(
        connection="shop", received_at="2026", method="POST", headers="{}", query="{}", body=b"", dedupe=number
    )


def test_a_webhook_that_names_nothing_is_kept_as_ignored(shop, vendor):
    assert vendor.changed("1") == 200
    assert [(row.state, row.note) for row in kept(shop)] == [("ignored", "it names nothing to fetch")]


def test_a_paused_connection_still_takes_webhooks_in(shop, vendor):
    shop.store.config.set_state("shop", "paused", "by a person", shop.clock.now())

    assert vendor.changed("1", orders=["1"]) == 200
    assert [row.state for row in kept(shop)] == ["new"]


def test_what_cannot_be_kept_is_not_accepted(shop, vendor):
    shop.store.database.run("ALTER TABLE inbox RENAME TO elsewhere")
    refused = vendor.changed("1", orders=["1"])
    shop.store.database.run("ALTER TABLE elsewhere RENAME TO inbox")

    assert (refused, vendor.changed("1", orders=["1"])) == (503, 200)
    assert len(kept(shop)) == 1


def test_a_secret_in_a_header_is_sealed_and_known_again(shop, vendor):
    body = body_of("1", orders=["1"])
    vendor.post(body, {**signed(body), "X-Key": shop.shop.token})

    (row,) = kept(shop)
    assert row.headers.startswith("enc:")
    assert webhooks.whole(shop.app, row).headers["x-key"] == shop.shop.token


def test_who_called_is_told_by_us_and_not_by_the_client(shop, vendor):
    body = body_of("1", peer=True, orders=["1"])

    vendor.post(body, {**signed(body), "X-Crossdock-Peer": "6.6.6.6", "X-Forwarded-For": "6.6.6.6"})

    assert [row.note for row in kept(shop)] == ["127.0.0.1"]


def test_the_first_genuine_webhook_confirms_the_address(shop):
    with opened(shop) as vendor:
        vendor.changed("1", orders=["1"])

    assert shop.store.hooks.get("shop").confirmed_at


# -- who is refused ----------------------------------------------------------------------------------


def test_a_forged_webhook_is_refused_counted_and_not_kept(shop):
    with opened(shop) as vendor:
        body = body_of("1", orders=["1"])
        forged = [vendor.post(body, signed(body, "another secret")).status, vendor.post(body, {}).status]

    assert forged == [401, 401]
    assert kept(shop) == []
    assert shop.store.hooks.get("shop").refused == 2
    assert shop.store.hooks.get("shop").confirmed_at is None


def test_a_wrong_token_and_an_unknown_connection_get_the_same_answer(vendor):
    answers = {
        (answer.status, answer.body, tuple(sorted(set(answer.headers) - {"date"})))
        for path in (
            vendor.path[:-1] + "~",
            "/hooks/nobody/" + vendor.path.rpartition("/")[2],
            "/hooks/shop/x",
            "/else",
        )
        for answer in [vendor.post(body_of("1"), path=path)]
    }

    assert len(answers) == 1
    assert next(iter(answers))[0] == 404


def test_a_draft_has_no_door(shop, vendor):
    shop.store.config.set_state("shop", "draft", "", shop.clock.now())

    with opened(shop) as later:
        assert later.changed("1", orders=["1"]) == 404


def test_a_new_address_is_good_at_once_and_the_old_one_for_a_week(shop, vendor):
    webhooks.rotate(shop.app, "shop")
    renewed = Vendor(vendor.url, path_of(shop.app))

    assert renewed.path != vendor.path
    assert (renewed.changed("1", orders=["1"]), vendor.changed("2", orders=["2"])) == (200, 200)

    shop.later(days=7, seconds=1)

    assert (renewed.changed("3", orders=["3"]), vendor.changed("4", orders=["4"])) == (200, 404)


def test_rotating_twice_keeps_the_address_that_the_vendor_uses(shop, vendor):
    webhooks.rotate(shop.app, "shop")
    webhooks.rotate(shop.app, "shop")

    assert vendor.changed("1", orders=["1"]) == 200


def test_only_the_present_address_counts_as_confirmed(shop):
    with opened(shop) as vendor:
        webhooks.rotate(shop.app, "shop")
        vendor.changed("1", orders=["1"])

    assert shop.store.hooks.get("shop").confirmed_at is None


def test_a_trial_of_our_own_is_neither_kept_nor_counted(shop):
    with opened(shop) as vendor:
        body = body_of("1", orders=["1"])
        answers = [vendor.post(body, {**head, "X-Crossdock-Test": "1"}).status for head in (signed(body), {})]

    assert answers == [200, 401]
    assert kept(shop) == []
    assert shop.store.hooks.get("shop").refused == 0


# -- methods and limits ------------------------------------------------------------------------------


def test_the_echo_of_a_handshake_is_plain_text(shop, vendor):
    answer = vendor.post(b"", {}, method="GET", query="?echo=%3Cb%3E17")

    assert (answer.status, answer.body) == (200, b"<b>17")
    assert answer.headers["content-type"].startswith("text/plain")
    assert kept(shop) == []


def test_head_is_answered_like_get_without_a_body(vendor):
    answer = vendor.post(b"", {}, method="HEAD", query="?echo=17")

    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(vendor, method):
    answer = vendor.post(b"{}", {}, method=method)

    assert (answer.status, answer.headers["allow"]) == (405, "POST, GET, HEAD")


def test_the_door_says_that_it_is_well(vendor):
    assert vendor.post(b"", {}, method="GET", path="/healthz").body == b'{"status":"ok"}'


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(shop, vendor):
    head = f"POST {vendor.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {door.LARGEST + 1}\r\n\r\n"

    assert vendor.raw(head.encode()).startswith(b"HTTP/1.1 413 ")
    assert kept(shop) == []


def test_a_body_that_turns_out_too_large_is_refused(vendor):
    head = f"POST {vendor.path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"40000\r\n" + b"x" * 0x40000 + b"\r\n"

    with contextlib.suppress(ConnectionError):  # it may be closed while we still send
        assert vendor.raw(head.encode(), *[chunk] * 4, b"1\r\nx\r\n").startswith(b"HTTP/1.1 413 ")


def test_the_largest_body_is_taken(vendor):
    body = b" " * (door.LARGEST - 50) + body_of("1", orders=["1"])

    assert vendor.post(body[-door.LARGEST :]).status == 200


def test_a_body_that_does_not_arrive_is_given_up(shop, vendor, monkeypatch):
    monkeypatch.setattr(door, "SLOWEST", 0.1)
    head = f"POST {vendor.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"

    assert vendor.raw(head.encode()).startswith(b"HTTP/1.1 408 ")
    assert kept(shop) == []


@pytest.mark.parametrize("said", [b"", b"POST /hooks/sh", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /he"],
                         ids=["nothing", "half", "half after one"])  # fmt: skip
def test_a_head_that_does_not_arrive_is_given_up(shop, monkeypatch, said):
    monkeypatch.setattr(serving, "SLOWEST_HEAD", 0.1)

    with opened(shop) as vendor:
        assert vendor.raw(said).count(b"HTTP/1.1") == said.count(b"\r\n\r\n")


def test_a_body_that_is_broken_off_is_not_kept(shop):
    with opened(shop) as vendor:
        head = f"POST {vendor.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"
        address = vendor.url.removeprefix("http://").split(":")
        line = serving.socket.create_connection((address[0], int(address[1])))
        line.sendall(head.encode())
        line.close()

    assert kept(shop) == []


# -- a connector that breaks -------------------------------------------------------------------------


def test_a_webhook_that_breaks_its_connector_is_kept_and_asked_for_again(shop):
    shop.connect("shop", webhook_secret=SECRET, broken="handle_webhook")

    with opened(shop) as vendor:
        assert [vendor.changed("1", orders=["1"]) for _ in range(2)] == [500, 500]

    (row,) = kept(shop)
    assert row.state == "failed"
    assert "broke in handle_webhook: KeyError" in row.note


def test_a_connection_that_cannot_be_opened_keeps_what_comes(shop):
    path = path_of(shop.app)
    shop.store.database.run("UPDATE connection SET connector = 'gone' WHERE name = 'shop'")

    with opened(shop, path=path) as vendor:
        assert vendor.changed("1", orders=["1"]) == 500

    assert [(each.state, "no connector 'gone'" in each.note) for each in kept(shop)] == [("failed", True)]
