"""The control door of a sandbox: what a person asks for there, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest
from dock_sandbox import DockSandbox

from crossdock.sandbox import serve


class Busy(DockSandbox):
    """Does something."""

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        return {"ship": self.ship}

    def ship(self, number: int, carrier: str = "post") -> dict[str, Any]:
        return {"number": number, "carrier": carrier}


@pytest.fixture
def door() -> Iterator[httpx.Client]:
    with serve(Busy("hello", loud=False)) as serving, httpx.Client(base_url=f"{serving.url}/_sandbox") as client:
        yield client


def test_an_action_is_done_with_its_arguments(door):
    assert door.post("/do/ship", json={"number": 7}).json() == {"number": 7, "carrier": "post"}


def test_the_door_tells_what_each_action_takes(door):
    assert door.get("/do").json() == {"ship": "(number: int, carrier: str = 'post')"}


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", "missing a required argument: 'number'"),
        (b'{"number": 7, "by": "air"}', "unexpected keyword argument 'by'"),
        (b"[7]", "Expected `object`, got `array`"),
        (b"number=7", "JSON is malformed"),
    ],
)
def test_wrong_arguments_are_told_with_the_right_ones(door, body, cause):
    answer = door.post("/do/ship", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("ship takes (number: int, carrier: str = 'post') as a JSON object: ")
    assert cause in answer.json()["error"]
