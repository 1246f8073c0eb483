"""The XD Connects sandbox: the data feeds as published, and an ordering API after the contract of the vendor page.

XD's ordering format is not public. This twin speaks version 0 of vendor page section 5, and where that leaves a
choice it reads it so:

* the address is ``{base_url}/orders``; the same with ``?reference=`` answers that one order, or 404;
* an order is refused inside a 200 with every reason at once; 401, 400, 409 and 415 have the same body;
* a reference that was refused may be used again, one that was taken never (409), whatever the rest of the order;
* an order takes its pieces out of the stock at once; without a date, or with one that is past, also out of arrivals;
* a price that is not the supplier's is a warning, and the supplier's own price counts;
* webhooks tell new shipments only, and of lines all that has left; a failed one is tried again after 1 and 5 minutes;
* dates without an offset are Amsterdam time everywhere;
* JSON and XML feeds end without a line break, text feeds with one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from crossdock_xdconnects.sandbox.feeds import BREAKAGES, FEEDS
from crossdock_xdconnects.sandbox.twin import XdSandbox

__all__ = ["BREAKAGES", "FEEDS", "XdSandbox", "create"]


def create(
    *,
    strict_limits: bool = False,
    status_call: bool = True,
    webhook_url: str = "",
    currency: str = "EUR",
    skus: Iterable[str] = (),
    duplicate_check: bool = True,
    scheduled_feeds: bool = False,
    feed_format: str = "txt",
    language: str = "en-gb",
    added_columns: bool = True,
    api_token: str = "sandbox-api-token",  # noqa: S107
    security_code: str = "sandbox-security-code",
    account_code: str = "DEMO",
    account_number: str = "C00000",
    feed_token: str = "sandbox-feed-token",  # noqa: S107
    signing_secret: str = "",
    clock: Callable[[], datetime] | None = None,
) -> XdSandbox:
    """A sandbox with twelve items and no orders.

    `strict_limits` gives an error document for a feed that is fetched twice within 300 seconds, the refused fetches
    counted too. Without `status_call` asking for orders is a 404, without `duplicate_check` a repeated order is made
    twice. `currency` is the account's; prices follow. With `skus` these are the item codes, and the seeded items
    repeat as needed. With `scheduled_feeds` a change shows in a feed only when the supplier renews it; otherwise each
    fetch is written anew. `feed_format` (txt, json or xml) and `language` (en-gb, nl-nl or fr-fr) are those of the
    links in the settings; all are served. `added_columns` puts a column in each feed that no page documents. With a
    `signing_secret` webhooks are signed, as can be agreed. `clock` gives aware UTC.
    """
    return XdSandbox(
        strict_limits=strict_limits,
        status_call=status_call,
        webhook_url=webhook_url,
        currency=currency,
        skus=tuple(skus),
        duplicate_check=duplicate_check,
        scheduled_feeds=scheduled_feeds,
        feed_format=feed_format,
        language=language,
        added_columns=added_columns,
        api_token=api_token,
        security_code=security_code,
        account_code=account_code,
        account_number=account_number,
        feed_token=feed_token,
        signing_secret=signing_secret,
        clock=clock,
    )
