"""The three error types: passing, data, access; one row of the table each."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from connector_kit import opened
from extend_kit import sample

from crossdock import AccessError, Answer, ConnectorError, RecordError, Since, TransientError
from crossdock.http.verdict import judge
from crossdock_extendcommerce import plugin
from crossdock_extendcommerce.sandbox import ExtendSandbox
from crossdock_extendcommerce.settings import RULES

NOW = datetime(2026, 9, 16, tzinfo=UTC)
CLASSES = {"A": TransientError, "B": RecordError, "C": AccessError}


def verdict(status: int, body: Any, headers: dict[str, str] | None = None) -> ConnectorError | None:
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    return judge(Answer(status, headers or {}, content, "https://x/y"), RULES, creates=False, now=NOW)


@pytest.mark.parametrize("case", sample("errors.json"), ids=lambda case: f"{case['class']}-{case['status']}")
def test_every_recorded_error_has_its_class(case: dict[str, Any]) -> None:
    found = verdict(case["status"], case["body"], case.get("headers"))
    assert type(found) is CLASSES[case["class"]]
    if case["class"] == "B":
        assert found.vendor_message == case["body"]["Message"]


@pytest.mark.parametrize("text", [
    "Error getting order: Timeout expired. The timeout period elapsed prior to completion of the operation.",
    "Execution Timeout Expired.", "timeout for execution",
    "Transaction was deadlocked on lock resources. Rerun the transaction.", "DEADLOCK victim",
])  # fmt: skip
def test_passing_trouble_hidden_in_a_400_is_passing(text: str) -> None:
    assert type(verdict(400, {"Message": text})) is TransientError


@pytest.mark.parametrize(("status", "kind"), [
    (400, RecordError), (401, AccessError), (403, AccessError), (404, RecordError), (408, TransientError),
    (409, RecordError), (422, RecordError), (429, TransientError), (500, TransientError), (503, TransientError),
])  # fmt: skip
def test_each_status_has_its_class(status: int, kind: type[ConnectorError]) -> None:
    assert type(verdict(status, {"Message": "The delivery time out of range"})) is kind


def test_a_deadlock_while_reading_is_repeated(twin: ExtendSandbox) -> None:
    twin.deadlock("CustomerOrders", times=2)
    with opened(twin) as session:
        assert plugin.find_order(session, "k") == []


def test_the_limits_reset_is_waited_for() -> None:
    found = verdict(429, "", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW.timestamp()) + 30)})
    assert isinstance(found, TransientError)
    assert found.wait is not None
    assert found.wait.total_seconds() == 31


def test_a_wrong_client_is_an_access_error_also_in_lists(twin: ExtendSandbox) -> None:
    with opened(twin, client="NOBODY") as session, pytest.raises(AccessError, match="NOBODY"):
        list(plugin.fetch_balance(session, Since()))


def test_the_password_is_in_no_message(twin: ExtendSandbox) -> None:
    with opened(twin, password="wrong-password-9") as session, pytest.raises(AccessError) as caught:
        plugin.find_order(session, "wrong-password-9")
    assert "wrong-password-9" not in f"{caught.value} {caught.value.vendor_message} {caught.value.hint}"
