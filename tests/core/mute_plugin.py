"""A scripted connector that takes orders and can be asked for one, but cannot list them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dock_plugin

from crossdock import Check, ConnectorInfo, Endpoint, Order, Receipt, Session, hookimpl


@hookimpl
def connector_info() -> ConnectorInfo:
    return ConnectorInfo(
        name="mute",
        title="Mute",
        settings=dock_plugin.Settings,
        endpoint=lambda settings: Endpoint(base_url="http://127.0.0.1:9"),
    )


@hookimpl
def verify(session: Session[dock_plugin.Settings]) -> Iterable[Check]:
    yield Check(name="Token", state="ok")


@hookimpl
def push_order(session: Session[dock_plugin.Settings], order: Order, key: str, known: Receipt | None) -> Receipt:
    return dock_plugin.push_order(session, order, key, known)


@hookimpl
def find_order(session: Session[dock_plugin.Settings], key: str) -> Sequence[Receipt]:
    return dock_plugin.find_order(session, key)
