"""The Cdiscount sandbox: a twin of Octopia's seller API v2 with state, its asynchronous packages and its traps.

Where the vendor page leaves a choice, this twin reads it so:

* a seller who is missing or not linked is a 403, another language a 406, a missing language a 400;
* approval answers 204, shipments and offer requests 201, and a body that says no more than that is empty;
* the ends of a date range belong to it; times are whole seconds;
* unknown parameters are ignored, unknown values of known ones refused;
* without `fields` an offer has its id, its reference and its state;
* the SalesChannelId header is needed in every call about a package;
* a carrier is a label or free text; a bare code is refused, since codes are not unique;
* a line in CancelRequest may be shipped or left out of the parcel, and holds the order up in neither case;
* a package's offers are written at the moment it becomes Integrated, and results are asked for after that (else 409).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from crossdock_cdiscount.sandbox.api import PREFIX, TOKEN_PATH
from crossdock_cdiscount.sandbox.twin import CdiscountSandbox

__all__ = ["PREFIX", "TOKEN_PATH", "CdiscountSandbox", "create"]

SKUS = tuple(f"P-{number}" for number in range(100, 108))


def create(
    *,
    order_sort: str = "createdAt",
    acceptance: bool = False,
    auto_prepare: bool = True,
    strict_limits: bool = False,
    calls_per_minute: int = 180,
    skus: Iterable[str] = SKUS,
    channels: Iterable[str] = ("CDISFR", "EXAMPLEPL", "EXAMPLESE"),
    orders: int = 0,
    polls: int = 1,
    offers_page: int = 1000,
    order_links: bool = False,
    commission_words: str = "both",
    cancellation_key: str = "orderSellerId",
    client_id: str = "sandbox-client",
    client_secret: str = "sandbox-client-secret",  # noqa: S107
    login: str = "sandbox-seller",
    clock: Callable[[], datetime] | None = None,
) -> CdiscountSandbox:
    """A sandbox with an offer of each of `skus` on each of `channels`, and `orders` orders that end now.

    `order_sort` is how orders are listed: createdAt, updatedAt, scattered (in no order, the same on every page of a
    filter) or shuffled (in another order for each page, so that pages overlap and leave orders out). With `acceptance`
    the seller has chosen manual validation: orders start as WaitingAcceptance. With `auto_prepare` an approval ends in
    InPreparation at once, else in Accepted, until `CdiscountSandbox.prepare`. `strict_limits` enforces 500 tokens an
    hour and `calls_per_minute` (a figure of ours: the vendor's is not known). A Ready package is still
    IntegrationPending for `polls` status calls. A page of offers has `offers_page` of them at most. With `order_links`
    pages of orders carry a ``Link`` header.
    `commission_words` is how a commission is spelt: vat, tax, or both in turn. `cancellation_key` is the name of the
    order in a cancellation: orderSellerId or orderId. `clock` gives aware UTC.
    """
    return CdiscountSandbox(
        order_sort=order_sort,
        acceptance=acceptance,
        auto_prepare=auto_prepare,
        strict_limits=strict_limits,
        calls_per_minute=calls_per_minute,
        skus=skus,
        channels=channels,
        orders=orders,
        polls=polls,
        offers_page=offers_page,
        order_links=order_links,
        commission_words=commission_words,
        cancellation_key=cancellation_key,
        client_id=client_id,
        client_secret=client_secret,
        login=login,
        clock=clock,
    )
