"""The right connector survives all hazards; each wrong one is seen by exactly those that name its fault."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import stall
from catalogue import CATALOGUE, Wrong
from stall_connectors import RIGHT, connector

from crossdock.sandbox import Impossible, Rehearsal
from crossdock.testing import HAZARDS, Hazard, Subject, play

each_hazard = pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.name)


@each_hazard
def test_the_right_connector_survives(hazard: Hazard, right: Subject) -> None:
    result = play(hazard, right)

    assert result.state == "passed", result.text


@pytest.mark.parametrize("wrong", CATALOGUE, ids=lambda wrong: wrong.name)
def test_a_wrong_connector_is_seen_by_the_hazards_that_name_its_fault(wrong: Wrong) -> None:
    subject = connector(wrong.source(RIGHT.read_text()), wrong.name)

    # Most of a play is waiting for its sandbox to start and end.
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda hazard: play(hazard, subject), HAZARDS))

    assert {result.hazard.name for result in results if result.state != "passed"} == wrong.bitten, "\n".join(
        result.text for result in results if result.state != "passed"
    )


@each_hazard
def test_a_hazard_is_named_in_words_and_tells_its_harm_in_a_sentence(hazard: Hazard) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", hazard.name)
    assert hazard.harm.endswith(".")
    assert hazard.check.__doc__


def test_no_two_hazards_have_one_name() -> None:
    assert len({hazard.name for hazard in HAZARDS}) == len(HAZARDS)


def test_every_hazard_is_needed_by_a_wrong_connector() -> None:
    seen = {name for wrong in CATALOGUE for name in wrong.bitten}

    assert {hazard.name for hazard in HAZARDS} - seen == set()


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


def test_a_connector_that_the_registry_refuses_survives_nothing() -> None:
    misspelt = connector(RIGHT.read_text().replace("def fetch_orders", "def fetch_order"), "misspelt")

    results = [play(hazard, misspelt) for hazard in HAZARDS]

    assert {result.state for result in results} == {"failed"}
    assert "it implements 'fetch_order', which is no hook of this core" in results[0].seen


def _named(name: str) -> Hazard:
    return next(hazard for hazard in HAZARDS if hazard.name == name)
