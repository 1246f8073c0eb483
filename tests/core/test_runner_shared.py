"""Workers that share a PostgreSQL database: any of them starts what one found, and goes on when one dies."""

from __future__ import annotations

import psycopg
import pytest
from runner_kit import process, references, until, wired

from crossdock.errors import StoreError
from crossdock.store.channel import listening, tell
from crossdock.store.database import connect

pytestmark = pytest.mark.slow


@pytest.fixture
def url(postgres_server):
    """An empty database."""
    made = postgres_server.empty()
    yield made
    postgres_server.drop(made)


@pytest.fixture
def line(crossdock, url, monkeypatch):
    """A shop whose orders go to an ERP by themselves, kept in PostgreSQL."""
    monkeypatch.setenv("CROSSDOCK_DATABASE_URL", url)
    return wired(crossdock)


def cut(url):
    """The server ends all connections, as when it is restarted."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def posts(line):
    return [each for each in list(line.erp.requests) if each["method"] == "POST"]


def test_two_workers_share_the_work_and_do_it_once(line):
    with process(line, "run", "--port", "0") as first, process(line, "worker") as second:
        for number in range(1, 4):
            line.shop.order(str(number))
            line.run("stream", "now", "shop", "orders")
            until(lambda number=number: len(references(line)) == number)
        until(lambda: len(first.turns("to-erp") + second.turns("to-erp")) >= 3)

    assert references(line) == ["shop-1", "shop-2", "shop-3"]
    assert len(posts(line)) == 3


def test_what_a_killed_worker_was_at_goes_on_at_another_one_and_is_done_once(line, monkeypatch):
    monkeypatch.setenv("CROSSDOCK_FIND_AFTER", "0.2")
    line.shop.order("1")
    line.erp.fault("slow", method="POST", path="/orders", seconds=1)
    with process(line, "worker") as doomed:
        until(lambda: posts(line))
        with process(line, "worker"):
            doomed.process.kill()
            doomed.process.wait()
            until(lambda: line.json("effects", "list", "--state", "done"), seconds=45)

    assert references(line) == ["shop-1"]


def test_a_worker_whose_connections_break_says_so_once_at_most_and_goes_on(line, url):
    with process(line, "worker") as worker:
        until(lambda: worker.turns("orders"))
        cut(url)
        line.shop.order("1")
        line.run("stream", "now", "shop", "orders")
        until(lambda: references(line) == ["shop-1"])
        assert worker.process.poll() is None
        told = [each for each in worker.lines if each.get("connection") == "the database"]

        assert worker.stop() < 10
    assert len(told) <= 1


def test_it_stops_within_ten_seconds_also_when_a_vendor_does_not_answer(line):
    line.shop.order("1")
    line.shop.fault("slow", path="/orders", seconds=25)
    with process(line, "worker") as worker:
        until(lambda: [each for each in list(line.shop.requests) if each["path"] == "/orders"])

        assert worker.stop() < 10
        assert (worker.process.returncode, worker.lines[-1]["left"]) == (0, ["shop orders"])


def test_news_are_heard_by_all_who_listen_and_when_the_connection_is_gone_that_is_said(url):
    database = connect(url)
    with pytest.raises(StoreError, match="Nothing can be heard"), listening(url) as heard:
        tell(database, "me")
        assert heard(10) == ["me"]
        assert heard(0) == []
        cut(url)
        heard(10)
    database.close()
