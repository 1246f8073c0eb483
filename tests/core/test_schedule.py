"""Schedules: spans, cron lines, defaults and what the vendor allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from crossdock.connection import ConnectorInfo, Endpoint, StreamInfo
from crossdock.errors import UsageError
from crossdock.schedule import Cron, Schedule, check_schedule, default_every, parse_span, span_text

NOW = datetime(2026, 1, 30, 12, 7, 30, tzinfo=UTC)  # a Friday


def connector(**streams: StreamInfo) -> ConnectorInfo:
    settings = attrs.make_class("Settings", [])
    return ConnectorInfo(
        name="acme", title="Acme", settings=settings, endpoint=lambda _: Endpoint(base_url=""), streams=streams
    )


def schedule(every: str = "", cron: str = "") -> Schedule:
    return Schedule(every=int(parse_span(every).total_seconds()) if every else None, cron=cron)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1d", 86400), ("2 h", 7200), ("15min", 900)]
)
def test_spans_are_read_as_people_write_them(text, seconds):
    assert parse_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "m", "-5m", "0m", "1x", "1h x", "9999d"])
def test_what_is_no_span_is_refused(text):
    with pytest.raises(UsageError):
        parse_span(text)


@pytest.mark.parametrize("text", ["45s", "10m", "1h30m", "1d", "2d4h"])
def test_a_span_is_written_the_way_it_is_read(text):
    assert span_text(parse_span(text)) == text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("*/15 * * * *", "2026-01-30 12:15"),
        ("7 * * * *", "2026-01-30 13:07"),
        ("30 6 * * 1-5", "2026-02-02 06:30"),
        ("0 0 1 * *", "2026-02-01 00:00"),
        ("0 12 * * sun", "2026-02-01 12:00"),
        ("0 12 * * 7", "2026-02-01 12:00"),
        ("0 0 29 feb *", "2028-02-29 00:00"),
        ("0 9 13 * 5", "2026-02-06 09:00"),
        ("5,35 8-18/5 * * *", "2026-01-30 13:05"),
        ("@daily", "2026-01-31 00:00"),
    ],
)
def test_a_cron_line_names_its_next_moment_in_utc(line, expected):
    assert f"{Cron.parse(line).next(NOW):%Y-%m-%d %H:%M}" == expected


@pytest.mark.parametrize(
    "line", ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "*/0 * * * *", "5-1 * * * *", "x * * * *",
             "0 0 30 2 *", "1--2 * * * *"],
)  # fmt: skip
def test_a_cron_line_that_cannot_be_right_is_refused(line):
    with pytest.raises(UsageError):
        Cron.parse(line)


@pytest.mark.parametrize(
    ("stream", "every"),
    [("products", "1d"), ("prices", "1d"), ("balance", "15m"), ("orders", "1h"), ("shipments", "1h")],
)
def test_a_stream_has_a_default_schedule(stream, every):
    assert default_every(connector(), stream) == parse_span(every)


def test_what_the_connector_says_wins_over_the_default():
    info = connector(orders=StreamInfo(every=timedelta(minutes=10)))

    assert default_every(info, "orders") == timedelta(minutes=10)


def test_an_hour_that_the_connector_says_wins_too():
    info = connector(balance=StreamInfo(every=timedelta(hours=1)))

    assert default_every(info, "balance") == timedelta(hours=1)


def test_a_default_is_never_shorter_than_the_vendor_allows():
    info = connector(balance=StreamInfo(minimum=timedelta(hours=2)))

    assert default_every(info, "balance") == timedelta(hours=2)


@pytest.mark.parametrize(("every", "cron"), [("10m", ""), ("", "*/10 * * * *"), ("", "0,5 3 * * *")])
def test_asking_more_often_than_the_vendor_allows_is_refused(every, cron):
    info = connector(orders=StreamInfo(minimum=timedelta(minutes=15)))

    with pytest.raises(UsageError, match="every 15m at most"):
        check_schedule(info, "orders", schedule(every, cron))


@pytest.mark.parametrize(("every", "cron"), [("15m", ""), ("", "*/15 * * * *"), ("", "0 3 * * *")])
def test_asking_as_often_as_the_vendor_allows_is_fine(every, cron):
    info = connector(orders=StreamInfo(minimum=timedelta(minutes=15)))

    check_schedule(info, "orders", schedule(every, cron))


def test_the_next_turn_counts_from_the_last_one():
    assert Schedule(every=600).next(NOW) == NOW + timedelta(minutes=10)
    assert Schedule(cron="0 * * * *").next(NOW) == datetime(2026, 1, 30, 13, tzinfo=UTC)
