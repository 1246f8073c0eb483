"""A connector whose system has nothing new, at once or after a while: what is left is the cost of a turn."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import attrs

from crossdock import Check, ConnectorInfo, Endpoint, Page, Query, Receipt, Session, StreamInfo, hookimpl, setting

_STREAMS = ("orders", "shipments", "balance", "prices")


@attrs.frozen(kw_only=True)
class Settings:
    """How long its system takes to say that there is nothing."""

    seconds: int = setting("Seconds", default=0)


@hookimpl
def connector_info() -> ConnectorInfo:
    """What it is."""
    return ConnectorInfo(
        name="idle", title="Idle", settings=Settings, endpoint=lambda settings: Endpoint(base_url="http://127.0.0.1:9"),
        streams={stream: StreamInfo(minimum=timedelta(0)) for stream in _STREAMS},
    )  # fmt: skip


@hookimpl
def verify(session: Session[Settings]) -> Iterable[Check]:
    """Always green."""
    yield Check(name="Nothing", state="ok")


def _nothing(session: Session[Settings], query: Query) -> Iterator[Page[Any]]:
    time.sleep(session.settings.seconds)
    yield Page((), "1")


@hookimpl
def fetch_orders(session: Session[Settings], query: Query) -> Iterator[Page[Any]]:
    """Nothing."""
    return _nothing(session, query)


@hookimpl
def fetch_shipments(session: Session[Settings], query: Query) -> Iterator[Page[Any]]:
    """Nothing."""
    return _nothing(session, query)


@hookimpl
def fetch_balance(session: Session[Settings], query: Query) -> Iterator[Page[Any]]:
    """Nothing."""
    return _nothing(session, query)


@hookimpl
def fetch_prices(session: Session[Settings], query: Query) -> Iterator[Page[Any]]:
    """Nothing."""
    return _nothing(session, query)


@hookimpl
def push_order(session: Session[Settings], order: Any, key: str, known: Receipt | None) -> Receipt:
    """Taken."""
    return known or Receipt(external_id=f"x{key}")
