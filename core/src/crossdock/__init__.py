"""Crossdock: plugin-based commerce integration. This is the public face for connector authors.

    from crossdock import ConnectorInfo, Order, Page, Session, hookimpl, setting

What is not exported here or in `crossdock.mapping`, `crossdock.paging`, `crossdock.sandbox` and `crossdock.testing`
(the contract kit for tests) is private and may change in any release. Names are loaded when they are first used, so
that `crossdock --version` stays quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from crossdock.connection import (
        SPEC_VERSION as SPEC_VERSION,
    )
    from crossdock.connection import (
        Auth as Auth,
    )
    from crossdock.connection import (
        Budget as Budget,
    )
    from crossdock.connection import (
        ClientCredentials as ClientCredentials,
    )
    from crossdock.connection import (
        ConnectorInfo as ConnectorInfo,
    )
    from crossdock.connection import (
        Endpoint as Endpoint,
    )
    from crossdock.connection import (
        Outgoing as Outgoing,
    )
    from crossdock.connection import (
        Rule as Rule,
    )
    from crossdock.connection import (
        StreamInfo as StreamInfo,
    )
    from crossdock.connection import (
        Upload as Upload,
    )
    from crossdock.connection import (
        basic_auth as basic_auth,
    )
    from crossdock.connection import (
        header_auth as header_auth,
    )
    from crossdock.connection import (
        query_auth as query_auth,
    )
    from crossdock.errors import (
        AccessError as AccessError,
    )
    from crossdock.errors import (
        ConnectorError as ConnectorError,
    )
    from crossdock.errors import (
        CrossdockError as CrossdockError,
    )
    from crossdock.errors import (
        Gap as Gap,
    )
    from crossdock.errors import (
        OutcomeUnknownError as OutcomeUnknownError,
    )
    from crossdock.errors import (
        PluginError as PluginError,
    )
    from crossdock.errors import (
        RecordError as RecordError,
    )
    from crossdock.errors import (
        SettingsError as SettingsError,
    )
    from crossdock.errors import (
        TransientError as TransientError,
    )
    from crossdock.errors import (
        UnsupportedError as UnsupportedError,
    )
    from crossdock.hookspecs import (
        deprecated as deprecated,
    )
    from crossdock.hookspecs import (
        hookimpl as hookimpl,
    )
    from crossdock.hookspecs import (
        hookspec as hookspec,
    )
    from crossdock.http.answer import (
        Answer as Answer,
    )
    from crossdock.http.answer import (
        Row as Row,
    )
    from crossdock.records import (
        Address as Address,
    )
    from crossdock.records import (
        Balance as Balance,
    )
    from crossdock.records import (
        Charge as Charge,
    )
    from crossdock.records import (
        Customer as Customer,
    )
    from crossdock.records import (
        Decoration as Decoration,
    )
    from crossdock.records import (
        Discount as Discount,
    )
    from crossdock.records import (
        Incoming as Incoming,
    )
    from crossdock.records import (
        Order as Order,
    )
    from crossdock.records import (
        OrderLine as OrderLine,
    )
    from crossdock.records import (
        OrderStatus as OrderStatus,
    )
    from crossdock.records import (
        Parcel as Parcel,
    )
    from crossdock.records import (
        Party as Party,
    )
    from crossdock.records import (
        Payment as Payment,
    )
    from crossdock.records import (
        Price as Price,
    )
    from crossdock.records import (
        Product as Product,
    )
    from crossdock.records import (
        Record as Record,
    )
    from crossdock.records import (
        Refund as Refund,
    )
    from crossdock.records import (
        RefundLine as RefundLine,
    )
    from crossdock.records import (
        Shipment as Shipment,
    )
    from crossdock.records import (
        ShipmentLine as ShipmentLine,
    )
    from crossdock.records import (
        Tax as Tax,
    )
    from crossdock.records import (
        Variant as Variant,
    )
    from crossdock.records import (
        evolve as evolve,
    )
    from crossdock.session import (
        ByKeys as ByKeys,
    )
    from crossdock.session import (
        Changed as Changed,
    )
    from crossdock.session import (
        Check as Check,
    )
    from crossdock.session import (
        Decision as Decision,
    )
    from crossdock.session import (
        Files as Files,
    )
    from crossdock.session import (
        Memory as Memory,
    )
    from crossdock.session import (
        Outcome as Outcome,
    )
    from crossdock.session import (
        Page as Page,
    )
    from crossdock.session import (
        Preview as Preview,
    )
    from crossdock.session import (
        Query as Query,
    )
    from crossdock.session import (
        Receipt as Receipt,
    )
    from crossdock.session import (
        Session as Session,
    )
    from crossdock.session import (
        Since as Since,
    )
    from crossdock.session import (
        StatusUpdate as StatusUpdate,
    )
    from crossdock.session import (
        StillRunning as StillRunning,
    )
    from crossdock.session import (
        StoredFile as StoredFile,
    )
    from crossdock.session import (
        WebhookReply as WebhookReply,
    )
    from crossdock.session import (
        WebhookRequest as WebhookRequest,
    )
    from crossdock.session import (
        WebhookState as WebhookState,
    )
    from crossdock.settings import (
        Secret as Secret,
    )
    from crossdock.settings import (
        setting as setting,
    )

_FACE = {
    "crossdock.connection": (
        "SPEC_VERSION Auth Budget ClientCredentials ConnectorInfo Endpoint Outgoing Rule StreamInfo Upload basic_auth "
        "header_auth query_auth"
    ),
    "crossdock.errors": (
        "AccessError ConnectorError CrossdockError Gap OutcomeUnknownError PluginError RecordError "
        "SettingsError TransientError UnsupportedError"
    ),
    "crossdock.hookspecs": "deprecated hookimpl hookspec",
    "crossdock.http.answer": "Answer Row",
    "crossdock.records": (
        "Address Balance Charge Customer Decoration Discount Incoming Order OrderLine OrderStatus Parcel "
        "Party Payment Price Product Record Refund RefundLine Shipment ShipmentLine Tax Variant evolve"
    ),
    "crossdock.session": (
        "ByKeys Changed Check Decision Files Memory Outcome Page Preview Query Receipt Session Since StatusUpdate "
        "StillRunning StoredFile WebhookReply WebhookRequest WebhookState"
    ),
    "crossdock.settings": "Secret setting",
}
_HOME = {name: module for module, names in _FACE.items() for name in names.split()}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604  names resolved by __getattr__


def __getattr__(name: str) -> Any:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module 'crossdock' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(module), name)
    globals()[name] = value
    return value
