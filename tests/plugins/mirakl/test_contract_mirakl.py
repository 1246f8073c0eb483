"""The contract of every connector, played against the Mirakl sandbox: as most operators are, and as some are."""

from __future__ import annotations

import pytest

from crossdock.testing import HAZARDS, ConnectorContract, Subject, play

BY_NAME = {hazard.name: hazard for hazard in HAZARDS}


class TestContract(ConnectorContract):
    connector = "mirakl"


@pytest.mark.parametrize("hazard", ["shipment-arrives", "answer-to-a-shipment-lost", "asked-for-a-shipment"])
def test_an_operator_who_takes_whole_orders_only_hears_of_each_parcel_once(hazard: str) -> None:
    result = play(BY_NAME[hazard], Subject.installed("mirakl"), options={"multi_shipment": False})

    assert (result.state, result.seen) == ("passed", "")
