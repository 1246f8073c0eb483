"""What the tests of this plugin share: a moment, a client, samples, what webhooks told."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sandbox_kit import TLS, Receiver

SAMPLES = Path(__file__).parent / "samples"
NOW = datetime(2026, 9, 15, 6, 14, 3, 500_000, tzinfo=UTC)  # a moment of the samples


def notifications(receiver: Receiver) -> list[tuple[str, dict[str, Any]]]:
    return [(each["Action"], each["Details"]) for got in receiver.received for each in got.json["Notifications"]]


def login(user: str = "api-user", password: str = "api-password") -> str:  # noqa: S107
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def connect(url: str, **options: Any) -> httpx.Client:
    headers = {"ExtendBasicAuthorization": login(), "Accept": "application/json"}
    return httpx.Client(base_url=f"{url}/RESTAPI/v1_0/APIDEMO/", headers=headers, verify=TLS, **options)


def sample(name: str) -> Any:
    value = json.loads((SAMPLES / name).read_bytes())
    if isinstance(value, dict):
        value.pop("_comment", None)
    return value
