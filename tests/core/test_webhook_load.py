"""The door while much comes in: transactions are shared, an address is changed without a gap, heads stay bounded."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from engine_kit import world as open_world
from webhook_kit import SECRET, Vendor, path_of

from crossdock import webhooks
from crossdock.store.inbox import Arrival
from crossdock.web.door import create
from crossdock.web.serving import LARGEST_HEAD, Serving
from crossdock.web.writer import Writer

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(tmp_path, sqlite_files, hooked_site, hooked, servers):
    """A project whose shop sends webhooks."""
    url = sqlite_files.migrated()
    with open_world(tmp_path, url, hooked_site, hooked, *servers) as made:
        made.connect("shop", webhook_secret=SECRET)
        webhooks.door(made.app, "shop")
        yield made
    sqlite_files.drop(url)


@pytest.fixture
def vendor(shop):
    """Who knows the shop's address."""
    served = Serving(create(shop.app), "127.0.0.1", 0)
    served.start()
    yield Vendor(served.url, path_of(shop.app))
    served.stop()


def test_what_one_turn_takes_in_is_kept_in_one_transaction(shop):
    commits = []
    writer = Writer(shop.store.inbox, lambda: commits.append(1))
    writer.start()

    async def take_in(number):
        threading.Event().wait(0.005)  # other work of the same turn, while which the writer could begin
        await writer.keep(arrival(number))

    async def come():
        await asyncio.gather(*(take_in(number) for number in range(10)))

    asyncio.run(come())
    writer.stop()

    assert commits == [1]
    assert len(shop.store.inbox.rows(limit=100)) == 10


def arrival(number):
    return Arrival(
        connection="shop", received_at="2026", method="POST", headers="{}", query="{}", body=b"", dedupe=str(number)
    )


def test_an_address_is_changed_under_load_and_no_webhook_is_refused(shop, vendor):
    sent, stop = [], threading.Event()

    def keep_sending(worker):
        number = 0
        while not stop.is_set() and number < 2000:
            number += 1
            sent.append(vendor.changed(f"{worker}-{number}", orders=["1"]))

    with ThreadPoolExecutor(4) as many:
        running = [many.submit(keep_sending, worker) for worker in range(4)]
        try:
            for _ in range(3):
                after = len(sent) + 20
                webhooks.rotate(shop.app, "shop")
                # Nobody has confirmed the new address, so rotated again the one in use stays good.
                renewed = Vendor(vendor.url, path_of(shop.app))
                sent.append(renewed.changed(f"renewed-{after}", orders=["2"]))
                webhooks.tick(shop.app, "shop", confirmed=False)
                while len(sent) < after and not all(each.done() for each in running):
                    threading.Event().wait(0.005)
        finally:
            stop.set()
        for each in running:
            each.result()

    assert set(sent) == {200}
    assert len(shop.store.inbox.rows(limit=10_000)) == len(sent) > 60


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"], ids=["endless", "ended too late"])
def test_a_head_that_is_too_long_is_refused(vendor, end):
    head = f"POST {vendor.path} HTTP/1.1\r\nHost: x\r\nX-A: ".encode()

    with contextlib.suppress(ConnectionError):  # it may be closed while we still send
        assert vendor.raw(head, b"a" * LARGEST_HEAD, b"a" * 400_000 + end).startswith(b"HTTP/1.1 431 ")
    assert vendor.changed("1", orders=["1"]) == 200
