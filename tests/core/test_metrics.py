"""Figures for machines: right whatever process asks, and without anything that is nobody's business."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from depot import TOKEN

from crossdock import metrics
from crossdock.app import App
from crossdock.metrics import Metrics, samples
from crossdock.web.door import create
from crossdock.web.health import why_not_ready
from crossdock.web.serving import Serving


def figures(world) -> Callable[..., float]:
    """All figures, asked for by name and labels."""
    text = Metrics(world.store, world.clock).text().decode()
    found = {(each["name"], frozenset(each["labels"].items())): each["value"] for each in samples(text)}
    return lambda name, **labels: found[name, frozenset(labels.items())]


def test_effects_are_counted_by_flow_and_state(world):
    flow = world.flow("orders")
    world.shop.order("1")
    world.shop.order("2", sku="GONE")
    world.erp.unknown.add("GONE")
    world.deliver(flow)

    found = figures(world)

    assert found("crossdock_effects", flow="orders", stream="orders", state="done") == 1
    assert found("crossdock_effects", flow="orders", stream="orders", state="parked") == 1
    assert found("crossdock_gaps", flow="orders", kind="sku") == 1


def test_the_oldest_unsent_order_is_as_old_as_its_last_change(world):
    flow = world.flow("orders")
    world.shop.order("1")
    world.deliver(flow)
    world.later(days=30)
    world.shop.order("1", "11.00")
    world.pull()
    world.later(minutes=5)

    assert figures(world)("crossdock_oldest_unsent_seconds", flow="orders", stream="orders") == pytest.approx(
        300, abs=1
    )


def test_nothing_unsent_is_no_age(world):
    flow = world.flow("orders")
    world.shop.order("1")
    world.deliver(flow)

    assert figures(world)("crossdock_oldest_unsent_seconds", flow="orders", stream="orders") == 0


def test_published_stock_is_as_old_as_the_reading_or_as_what_waits(world):
    flow = world.flow("balance", "erp", "shop")
    world.erp.stock(A=5)
    world.deliver(flow)
    world.later(minutes=10)
    assert figures(world)("crossdock_published_stock_age_seconds", flow="balance") == pytest.approx(600, abs=1)

    world.erp.stock(A=3)
    world.pull("erp", "balance")
    world.later(minutes=2)
    world.pull("erp", "balance")

    assert figures(world)("crossdock_published_stock_age_seconds", flow="balance") == pytest.approx(120, abs=1)


def test_a_stream_is_late_from_its_turn_on(world):
    world.pull()
    world.store.config.save_stream("shop", "orders", enabled=True, every=600, cron="")
    world.later(minutes=15)

    found, lane = figures(world), {"connection": "shop", "stream": "orders"}

    assert found("crossdock_stream_read_age_seconds", **lane) == pytest.approx(900, abs=1)
    assert found("crossdock_stream_overdue_seconds", **lane) == pytest.approx(300, abs=1)
    assert found("crossdock_stream_interval_seconds", **lane) == 600


def test_runs_are_counted_for_ever_although_they_are_forgotten(world):
    world.pull()
    world.pull()
    world.store.forgetting.forget("runs", world.clock.now(), lambda: True)

    found, lane = figures(world), {"connection": "shop", "stream": "orders"}

    assert found("crossdock_runs_total", kind="pull", flow="", state="done", **lane) == 2
    assert found("crossdock_run_seconds_count", kind="pull") == 2
    assert found("crossdock_run_seconds_bucket", kind="pull", le="1.0") == 2


def test_another_process_sees_the_same_figures(world):
    world.pull()
    with App(world.app.home, world.app.database_url, world.clock) as other:
        again = Metrics(other.store, world.clock).text()

    assert b'crossdock_runs_total{connection="shop"' in again


def test_a_paused_connection_and_its_budgets_are_seen(world):
    world.store.config.set_state("shop", "paused", "the token was refused", world.clock.now())

    assert figures(world)("crossdock_connection_active", connection="shop", connector="depot", state="paused") == 0


def test_figures_hold_no_secret_no_address_and_no_text_of_a_vendor(world):
    world.flow("orders")
    world.shop.order("4711", "broken")
    world.pull()
    world.store.config.set_state("shop", "paused", "Ann Example said no", world.clock.now())

    text = Metrics(world.store, world.clock).text().decode()

    assert not [each for each in (TOKEN, "Ann Example", "4711", "127.0.0.1") if each in text]


def test_a_second_scrape_at_once_does_not_ask_the_database_again(world, monkeypatch):
    asked = []
    real = world.store.effects.counts
    monkeypatch.setattr(world.store.effects, "counts", lambda *given: asked.append(1) or real(*given))
    figures_of = Metrics(world.store, world.clock)

    assert (figures_of.text() == figures_of.text(), len(asked)) == (True, 1)
    monkeypatch.setattr(metrics, "_FRESH", -1.0)
    figures_of.text()
    assert len(asked) == 2


def test_the_command_prints_what_the_page_answers(crossdock):
    crossdock.connect("shop")

    assert 'crossdock_connection_active{connection="shop"' in crossdock.run("metrics").stdout
    assert "crossdock_build_info" in {each["name"] for each in crossdock.json("metrics")}


# -- pages -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def served(world):
    serving = Serving(create(world.app), "127.0.0.1", 0)
    serving.start()
    try:
        yield serving.url
    finally:
        serving.stop()


def ask(url: str, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_health_readiness_and_figures_are_asked_without_a_login(world):
    with served(world) as url:
        assert ask(url, "/healthz") == (200, '{"status":"ok"}')
        assert ask(url, "/readyz") == (200, '{"status":"ready","reasons":[]}')
        assert ask(url, "/metrics")[0] == 200


def test_figures_are_not_for_whoever_comes_through_the_proxy_for_webhooks(world):
    with served(world) as url:
        assert ask(url, "/metrics", **{"X-Forwarded-For": "203.0.113.9"})[0] == 404


def test_what_is_not_ready_says_why(world):
    world.store.database.run("UPDATE alembic_version SET version_num = '0001'")
    world.app.vault._key = None
    world.app.clock.stop()

    with served(world) as url:
        status, text = ask(url, "/readyz")

    assert status == 503
    assert all(reason in text for reason in ("stopping", "schema 0001", "key of the secrets"))


def test_a_database_that_is_gone_is_a_reason(world):
    world.store.database.close()

    assert list(why_not_ready(world.app)) == ["the database cannot be reached"]
