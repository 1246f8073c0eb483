"""The right connector survives all hazards; each wrong one is seen by exactly those that name its fault."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import stall
from around import AROUND as SURROUNDING
from around import REFUSED
from catalogue import CATALOGUE, Wrong, wrong
from crashing import CRASHING
from stall_connectors import RIGHT, connector
from writing import IDEMPOTENT
from writing import WRITING as WRITTEN

from crossdock.sandbox import Impossible, Rehearsal
from crossdock.testing import HAZARDS, Hazard, Result, Subject, play
from crossdock.testing.hazards import AROUND, READING, WRITING

ABOUT_KEYS = ("same-key-twice", "answer-to-an-order-lost", "create-repeated-blindly", "known-order-is-updated")
each_hazard = pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.name)


@pytest.mark.parametrize("hazard", [*READING, *WRITING, *AROUND], ids=lambda hazard: hazard.name)
def test_the_right_connector_survives(hazard: Hazard, right: Subject) -> None:
    result = play(hazard, right)

    assert result.state == ("not applicable" if hazard.name == "same-key-twice" else "passed"), result.text


@pytest.mark.parametrize(
    "hazard", [each for each in WRITING if each.name in ABOUT_KEYS], ids=lambda hazard: hazard.name
)
def test_a_connector_whose_creates_are_idempotent_survives(hazard: Hazard) -> None:
    idempotent = wrong("idempotent", *IDEMPOTENT, bitten="")

    result = play(hazard, connector(idempotent.source(RIGHT.read_text()), "idempotent"))

    assert result.state == "passed", result.text


def _seen(wrong: Wrong, hazards: Sequence[Hazard]) -> list[Result]:
    """The hazards that did not end as with the right connector."""
    subject = connector(wrong.source(RIGHT.read_text()), wrong.name)
    # Most of a play is waiting for its sandbox to start and end.
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda hazard: play(hazard, subject), hazards))
    return [result for result in results if result.state not in ("passed", "not applicable")]


def _demand(wrong: Wrong, seen: list[Result]) -> None:
    assert {result.hazard.name for result in seen} == wrong.bitten, "\n".join(result.text for result in seen)


# What is read cannot break what is written: each fault is played against the hazards of its part.


@pytest.mark.parametrize("wrong", CATALOGUE, ids=lambda wrong: wrong.name)
def test_what_is_read_wrongly_is_seen_by_the_hazards_that_name_the_fault(wrong: Wrong) -> None:
    _demand(wrong, _seen(wrong, READING))


@pytest.mark.parametrize("wrong", WRITTEN, ids=lambda wrong: wrong.name)
def test_what_is_written_wrongly_is_seen_by_the_hazards_that_name_the_fault(wrong: Wrong) -> None:
    _demand(wrong, _seen(wrong, WRITING))


@pytest.mark.parametrize("wrong", SURROUNDING, ids=lambda wrong: wrong.name)
def test_a_fault_around_reading_and_writing_is_seen_by_the_hazards_that_name_it(wrong: Wrong) -> None:
    _demand(wrong, _seen(wrong, AROUND))


@pytest.mark.parametrize("wrong", REFUSED, ids=lambda wrong: wrong.name)
def test_what_the_registry_refuses_is_one_fault_and_leaves_the_rest_unknown(wrong: Wrong) -> None:
    seen = _seen(wrong, HAZARDS)

    assert {result.hazard.name for result in seen if result.state == "failed"} == wrong.bitten
    assert len(seen) == len(HAZARDS)


@each_hazard
def test_a_hazard_is_named_in_words_and_tells_its_harm_in_a_sentence(hazard: Hazard) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", hazard.name)
    assert hazard.harm.endswith(".")
    assert hazard.check.__doc__


def test_no_two_hazards_have_one_name() -> None:
    assert len({hazard.name for hazard in HAZARDS}) == len(HAZARDS)


def test_every_hazard_is_needed_by_a_wrong_connector() -> None:
    seen = {name for wrong in (*CATALOGUE, *WRITTEN, *SURROUNDING, *CRASHING, *REFUSED) for name in wrong.bitten}

    assert {hazard.name for hazard in HAZARDS} - seen == {"import-costs"}  # tested on its own, below


def test_what_a_rehearsal_leaves_out_is_told_and_not_taken_for_passed(right: Subject, monkeypatch) -> None:
    class Short(stall.StallRehearsal):
        remove = Rehearsal.remove

    monkeypatch.setattr(stall.Stall, "rehearsal", lambda shop: Short(shop))

    result = play(_named("rows-removed-between-pages"), right)

    assert (result.state, result.seen) == ("not rehearsed", "orders: Short has no method 'remove'.")


def test_what_cannot_happen_at_a_vendor_is_not_applicable_for_the_reason_given(right: Subject, monkeypatch) -> None:
    class Firm(stall.StallRehearsal):
        def remove(self, stream: str, key: str) -> None:
            raise Impossible("Orders are never deleted here.")

    monkeypatch.setattr(stall.Stall, "rehearsal", lambda shop: Firm(shop))

    result = play(_named("rows-removed-between-pages"), right)

    assert (result.state, result.seen) == ("not applicable", "orders: Orders are never deleted here.")


@pytest.mark.parametrize(
    ("fields", "state", "seen"),
    [
        ({"rows": 50}, "not rehearsed", "orders: All 50 rows came in one answer: Small needs more `rows`"),
        ({"rows": 50, "whole": ("orders",)}, "not applicable", "orders: The whole stream comes in one answer"),
    ],
)
def test_what_could_not_happen_between_two_pages_is_not_taken_for_passed(
    right: Subject, monkeypatch, fields: dict, state: str, seen: str
) -> None:
    small = type("Small", (stall.StallRehearsal,), fields)
    monkeypatch.setattr(stall.Stall, "rehearsal", lambda shop: small(shop))

    result = play(_named("rows-removed-between-pages"), right)

    assert result.state == state
    assert result.seen.startswith(seen)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("import socket; socket.create_connection(('127.0.0.1', 9), 0.01)", "it used the network"),
        ("from pathlib import Path; Path(__file__).with_name('x').write_text('')", "it wrote the file"),
        ("import subprocess, sys; subprocess.run([sys.executable, '-V'])", "it started a process"),
        ("import threading, time; threading.Thread(target=time.sleep, args=(1,), daemon=True).start()", "a thread"),
        ("print('hello')", "it printed 'hello"),
        ("sum(number * number for number in range(4_000_000))", "ms of the processor"),
    ],
)
@pytest.mark.slow
def test_an_import_that_costs_or_does_something_is_seen(tmp_path: Path, line: str, seen: str) -> None:
    file = tmp_path / "doing.py"
    file.write_text(
        f"import contextlib\nwith contextlib.suppress(OSError):\n    {line}\n{RIGHT.read_text()}".replace(
            "from __future__ import annotations\n", ""
        )
    )
    subject = connector(RIGHT.read_text(), "doing")
    subject.plugin.__file__ = str(file)

    result = play(_named("import-costs"), subject)

    assert result.state == "failed"
    assert seen in result.seen


def _named(name: str) -> Hazard:
    return next(hazard for hazard in HAZARDS if hazard.name == name)
