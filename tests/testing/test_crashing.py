"""A connector's work is killed at its durable steps: the right one survives, and some faults are seen only there."""

from __future__ import annotations

import itertools
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import stall
from catalogue import Wrong
from crashing import OF_READING, OF_WRITING
from stall_connectors import RIGHT, connector

from crossdock.sandbox import Impossible, NotRehearsed, Rehearsal
from crossdock.testing import Hazard, Subject, play
from crossdock.testing.copying import copies
from crossdock.testing.hazards import CRASHING, READING, WRITING
from crossdock.testing.hazards.crashing import chosen

(STOPPED,) = CRASHING
MOMENT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.slow
def test_the_right_connector_survives_and_it_is_told_at_how_many_steps(right: Subject) -> None:
    result = play(STOPPED, right)

    assert result.state == "passed", result.text
    killed, count = map(int, re.findall(r"\d+", result.seen))
    assert 15 < killed < count


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "others"),
    [*((each, WRITING) for each in OF_WRITING), *((each, READING) for each in OF_READING)],
    ids=lambda each: getattr(each, "name", ""),
)
def test_what_only_a_dead_process_shows_is_seen_by_this_hazard_alone(
    wrong: Wrong, others: tuple[Hazard, ...], tmp_path: Path
) -> None:
    source = wrong.source(RIGHT.read_text())
    subject = connector(source, wrong.name)
    subject.plugin.__file__ = str(tmp_path / "plugin.py")  # the process that is killed loads it from there
    Path(subject.plugin.__file__).write_text(source)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda hazard: play(hazard, subject), (*others, STOPPED)))

    seen = [result for result in results if result.state == "failed"]
    assert {result.hazard.name for result in seen} == wrong.bitten, "\n".join(result.text for result in seen)
    assert re.match(r"Killed at step \d+ of \d+ \(.+\) and begun again: ", seen[-1].seen)


def test_work_that_fails_undisturbed_is_not_compared(right: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(stall.StallRehearsal):
        def make(self, stream, count):
            return [self.refused(stream)[0] for _ in range(count)]

        def shipment(self):
            raise Impossible("Nothing is shipped.")

    monkeypatch.setattr(stall.Stall, "rehearsal", lambda shop: Refusing(shop))

    result = play(STOPPED, right)

    assert result.state == "failed"
    assert result.seen.startswith("Even when nothing is killed the effect ")


def test_what_is_written_and_not_rehearsed_is_told(right: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    class Short(stall.StallRehearsal):
        make = Rehearsal.make

    monkeypatch.setattr(stall.Stall, "rehearsal", lambda shop: Short(shop))

    assert play(STOPPED, right).seen == "Short has no method 'make'."


def test_steps_at_which_most_is_at_stake_are_chosen_before_others() -> None:
    leaves, answered = "is about to leave", "was answered 200, and nothing of it is kept yet"
    names = ["a lease is taken", leaves, leaves, "the run ends", answered, answered, answered, "the run ends"]
    steps = {number: f"POST http://127.0.0.1:1/orders/{number} {name}" for number, name in enumerate(names, 11)}

    assert chosen(steps, 1) == {15}
    assert chosen(steps, 2) == {15, 17}
    assert chosen(steps, 3) == {15, 17, 12}
    assert len(chosen(steps, 5)) == 5
    assert chosen(steps, 20) == set(steps)


def test_a_copy_of_a_sandbox_is_as_it_was_and_independent() -> None:
    shop = stall.create()
    people = shop.rehearsal()
    people.add("orders", [MOMENT])
    shop.count = lambda: len(shop.orders)
    shop.numbers, shop.odd = itertools.count(), itertools.count(1, 2)
    next(shop.numbers)
    make = copies(shop, people)
    people.add("orders", [MOMENT])

    (one, others), (two, _) = make(), make()
    others.add("orders", [MOMENT, MOMENT])
    next(shop.numbers)

    assert [len(each.orders) for each in (shop, one, two)] == [2, 3, 1]
    assert [each.count() for each in (shop, one, two)] == [2, 3, 1]
    assert [(next(each.numbers), next(each.odd), next(each.odd)) for each in (one, two)] == [(1, 1, 3)] * 2
    assert one.lock is not two.lock


def test_a_sandbox_that_cannot_be_copied_is_not_rehearsed() -> None:
    shop = stall.create()
    shop.helper = threading.Thread()

    with pytest.raises(NotRehearsed, match="The sandbox stall cannot be copied"):
        copies(shop, shop.rehearsal())
