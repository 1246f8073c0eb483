"""Schedules on the wall clock: time zones, nights in which the clock is moved, quiet hours, jitter."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_schedule import connector

from crossdock.errors import UsageError
from crossdock.schedule import Cron, Schedule, check_schedule, quiet_hours, zone_of

BERLIN = "Europe/Berlin"
ZONES = ["", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago", "Africa/Cairo",
         "Pacific/Chatham"]  # fmt: skip
HOURS = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(366 * 24)]
MOVES = sorted({
    later for zone in map(zone_of, ZONES) for before, later in itertools.pairwise(HOURS)
    if before.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset()
})  # fmt: skip
# Around the nights in which the clock is moved somewhere, and everywhere else.
moments = st.one_of(
    st.sampled_from(HOURS), st.builds(lambda move, minutes: move + timedelta(minutes=minutes), st.sampled_from(MOVES),
                                      st.integers(-48 * 60, 3 * 60)),
)  # fmt: skip
wheres = st.sampled_from(ZONES)
clock_times = st.tuples(st.integers(0, 23), st.integers(0, 59))


def turns(schedule: Schedule, first: str, count: int) -> list[str]:
    """The next turns after a moment in UTC, by the wall clock."""
    moment, found = datetime.fromisoformat(first).replace(tzinfo=UTC), []
    for _ in range(count):
        moment = schedule.next(moment)
        found.append(f"{moment.astimezone(zone_of(schedule.zone)):%d %H:%M %z}")
    return found


# -- the wall clock ----------------------------------------------------------------------------------


def test_a_cron_line_goes_by_the_clock_of_its_zone():
    assert turns(Schedule(cron="30 6 * * *", zone=BERLIN), "2026-07-01T12:00", 1) == ["02 06:30 +0200"]
    assert turns(Schedule(cron="30 6 * * *", zone="Asia/Kolkata"), "2026-07-01T12:00", 1) == ["02 06:30 +0530"]


def test_a_moment_that_comes_twice_is_taken_once():
    daily = Schedule(cron="30 2 * * *", zone=BERLIN)

    assert turns(daily, "2026-10-24T12:00", 3) == ["25 02:30 +0200", "26 02:30 +0100", "27 02:30 +0100"]


def test_a_moment_that_the_clock_leaves_out_is_made_up_right_after():
    daily = Schedule(cron="30 2 * * *", zone=BERLIN)

    assert turns(daily, "2026-03-28T12:00", 3) == ["29 03:30 +0200", "30 02:30 +0200", "31 02:30 +0200"]


def test_a_line_of_all_hours_goes_through_both_hours_of_the_night():
    halves = Schedule(cron="*/30 * * * *", zone=BERLIN)

    assert turns(halves, "2026-10-25T00:10", 4) == [
        "25 02:30 +0200",
        "25 02:00 +0100",
        "25 02:30 +0100",
        "25 03:00 +0100",
    ]
    assert turns(halves, "2026-03-29T00:40", 2) == ["29 03:00 +0200", "29 03:30 +0200"]


@given(wheres, clock_times, moments)
def test_a_daily_line_comes_once_a_day(zone, at, begin):
    cron = Cron.parse(f"{at[1]} {at[0]} * * *")
    moment, days = begin, []
    for _ in range(12):
        after = cron.next(moment, zone_of(zone))
        assert timedelta(0) < after - moment <= timedelta(hours=26)
        moment = after
        days.append(moment.astimezone(zone_of(zone)).date())

    # Where the day begins by leaving its first hour out, what belongs into that hour comes right after it.
    assert len(set(days)) == len(days)


@given(wheres, clock_times, moments)
def test_a_daily_line_comes_at_its_time_wherever_the_clock_has_that(zone, at, begin):
    where = zone_of(zone)
    moment = Cron.parse(f"{at[1]} {at[0]} * * *").next(begin, where)
    local = moment.astimezone(where)

    wall = datetime(local.year, local.month, local.day, *at, tzinfo=where)
    there = wall.astimezone(UTC).astimezone(where).replace(tzinfo=None) == wall.replace(tzinfo=None)
    assert not there or (local.hour, local.minute) == at


@given(wheres, st.sampled_from([5, 15, 20, 30]), moments)
def test_a_line_of_all_hours_leaves_no_hole(zone, minutes, begin):
    cron = Cron.parse(f"*/{minutes} * * * *")
    moment = begin
    for _ in range(10):
        after = cron.next(moment, zone_of(zone))
        # Clocks that move by half an hour shift the marks once.
        assert timedelta(0) < after - moment <= timedelta(minutes=2 * minutes)
        moment = after


# -- quiet hours and jitter --------------------------------------------------------------------------


def test_a_turn_in_the_quiet_hours_waits_for_their_end():
    nightly = Schedule(every=3600, quiet="22:00-06:00", zone=BERLIN)

    assert turns(nightly, "2026-07-01T19:30", 2) == ["02 06:00 +0200", "02 07:00 +0200"]


@given(wheres, clock_times, clock_times, moments)
def test_nothing_comes_in_the_quiet_hours_nor_before_its_time(zone, begin, end, moment):
    if begin == end:
        return
    schedule = Schedule(every=600, zone=zone, quiet=f"{begin[0]:02}:{begin[1]:02}-{end[0]:02}:{end[1]:02}")
    awake = schedule.awake(moment)

    assert moment <= awake < moment + timedelta(hours=26)
    assert schedule.awake(awake) == awake or _twice(awake, zone)


def _twice(moment: datetime, zone: str) -> bool:
    """Whether the wall clock is moved within the hours around a moment: quiet hours may then begin again."""
    where = zone_of(zone)
    return (moment - timedelta(hours=3)).astimezone(where).utcoffset() != (moment + timedelta(hours=3)).astimezone(
        where
    ).utcoffset()


@given(st.floats(0, 1), st.integers(0, 3600), moments)
def test_jitter_makes_a_turn_later_by_so_much_at_most(chance, jitter, last):
    moment = Schedule(every=600, jitter=jitter).next(last, chance)

    assert timedelta(seconds=600) <= moment - last <= timedelta(seconds=600 + jitter)


@pytest.mark.parametrize("text", ["22-6", "22:00", "25:00-06:00", "06:00-06:00", "22:00-06:60", "night"])
def test_what_are_no_quiet_hours_is_refused(text):
    with pytest.raises(UsageError, match="no quiet hours"):
        quiet_hours(text)


def test_a_zone_that_there_is_not_is_refused_with_the_likely_ones():
    with pytest.raises(UsageError, match="no time zone 'Europe/Berln'") as refused:
        check_schedule(connector(), "orders", Schedule(every=600, zone="Europe/Berln"))
    assert BERLIN in refused.value.hint


def test_a_schedule_is_a_sentence():
    assert Schedule(every=600, quiet="22:00-06:00", zone=BERLIN, jitter=30).text == (
        "every 10m, quiet 22:00-06:00 Europe/Berlin, up to 30s later"
    )
    assert Schedule(cron="30 6 * * 1-5").text == "cron 30 6 * * 1-5 UTC"


def test_zones_are_found_wherever_the_system_has_none():
    assert isinstance(zone_of(BERLIN), ZoneInfo)
