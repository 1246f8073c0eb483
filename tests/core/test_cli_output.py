"""How commands speak: tables that fit, times for people, progress only where somebody watches."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import click
import pytest

from crossdock.cli.output import ago, check_lines, counted, mark, progress, span, table, to_json
from crossdock.session import Check

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_columns_are_aligned_and_numbers_stand_right():
    text = click.unstyle(table([("a", 5), ("long name", 1200)], ("NAME", "COUNT"), right=(1,)))

    assert text.splitlines() == ["NAME       COUNT", "a              5", "long name  1,200"]


def test_a_long_text_is_wrapped_and_nothing_is_cut_off():
    words = [f"word{number}" for number in range(60)]
    text = click.unstyle(table([("x", " ".join(words))], ("NAME", "TEXT")))

    assert max(map(len, text.splitlines())) <= 120
    assert text.split()[2:] == ["x", *words]


def test_a_coloured_cell_is_as_wide_as_it_looks():
    text = table([(click.style("ab", fg="red"), "c")], ("A", "B"))

    assert click.unstyle(text).splitlines() == ["A   B", "ab  c"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5 s"), (89, "89 s"), (600, "10 min"), (7200, "2 h"), (259200, "3 d")]
)
def test_a_duration_has_one_unit(seconds, text):
    assert span(seconds) == text


def test_times_are_told_from_now():
    assert ago(NOW - timedelta(minutes=5), NOW) == "5 min ago"
    assert ago(NOW + timedelta(hours=2), NOW) == "in 2 h"
    assert ago("2026-01-31T12:00:00.000000Z", NOW) == "now"
    assert ago(None, NOW) == "never"


def test_counts_leave_out_what_is_zero():
    assert counted({"new": 3, "changed": 0, "requests": 1, "skipped": {"too old": 2}}) == (
        "3 new, 1 request, 2 skipped (too old)"
    )


def test_json_keeps_money_exact_and_times_in_utc():
    answer = json.loads(to_json({"total": Decimal("10.10"), "at": NOW, "wait": timedelta(minutes=1)}))

    assert answer == {"total": "10.10", "at": "2026-01-31T12:00:00Z", "wait": 60.0}


def test_a_red_step_says_what_to_do():
    check = Check(name="Token", state="fail", detail="it is refused", hint="Make a new one.")

    assert [click.unstyle(line) for line in check_lines(check)] == ["✗ Token: it is refused", "    Make a new one."]


def test_marks_are_plain_letters_where_the_terminal_knows_no_more(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))

    assert [click.unstyle(mark(state)) for state in ("ok", "fail", "warn", "skip")] == ["ok", "x", "!", "-"]


def test_progress_is_silent_without_a_terminal(capsys):
    with progress("orders") as report:
        report({"seen": 5})

    assert capsys.readouterr().err == ""
