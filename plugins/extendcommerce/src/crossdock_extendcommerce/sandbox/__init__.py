"""The Extend Commerce sandbox: a twin of the REST API with state, the vendor's traps, and webhooks that really arrive.

Where the vendor page leaves a choice, this twin reads it so:

* a method the user has no right to answers 403, a wrong login 401, another client 404;
* an unknown product, customer, warehouse, unit or enum value is a 400 with a ``Message``, and so is a product whose
  handlings say NonOrderable;
* without modifiedDateFrom, orderDateFrom, orderNumber or orderNumberExternal the order list "times out" (a 400);
* DELETE annuls an order, and once all rows of an order are cancelled it is annulled;
* an order is frozen from Reserved on; when everything has shipped it is Terminated;
* an open order takes from the available balance at once, and from the physical balance when it is picked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from crossdock_extendcommerce.sandbox.gate import GENEROUS, LIMITS
from crossdock_extendcommerce.sandbox.twin import SERVICE_ARTICLES, WAREHOUSES, ExtendSandbox
from crossdock_extendcommerce.sandbox.webhooks import TRIGGERS, signature

__all__ = ["GENEROUS", "LIMITS", "SERVICE_ARTICLES", "TRIGGERS", "WAREHOUSES", "ExtendSandbox", "create", "signature"]


def create(
    *,
    client: str = "APIDEMO",
    username: str = "api-user",
    password: str = "api-password",  # noqa: S107
    auth_header: str = "ExtendBasicAuthorization",
    read_only: bool = False,
    warehouses: Mapping[str, str] | Iterable[str] = WAREHOUSES,
    customers: Iterable[str] = ("K-4410",),
    rate_limits: Mapping[str, int] = LIMITS,
    enforce_limits: bool = True,
    generous: bool = False,
    retry_after: bool = False,
    prefix: str = "/RESTAPI",
    clock: Callable[[], datetime] | None = None,
    deadlock_every: int = 0,
    cookie_limit: int = 200,
    page_size: int = 100,
    past_end: str = "error",
    added_fields: bool = True,
    partial_delivery: bool = True,
    webhook_secret: str = "sandbox-webhook-secret",  # noqa: S107
    automatic_webhooks: bool = True,
) -> ExtendSandbox:
    """A sandbox, with one customer and no products.

    `auth_header` is ExtendBasicAuthorization, Authorization or both. `rate_limits` are calls per minute of the
    groups low, standard, high and none; `generous` lifts them all to a million, `enforce_limits` false only tells
    them; `retry_after` adds that header to a 429. `clock` gives aware UTC. Every `deadlock_every`-th write answers
    the deadlock (0: never). A cookie sent back more than `cookie_limit` times earns a 400. `page_size` is that of
    the paginationInfo lists; `past_end` ("error" or "empty") is what a bare-array list answers past its end.
    `added_fields` puts fields in the answers that no page documents. With `automatic_webhooks` a thread sends them
    at once, otherwise only `ExtendSandbox.deliver_webhooks` does.
    """
    return ExtendSandbox(
        client=client,
        username=username,
        password=password,
        auth_header=auth_header,
        read_only=read_only,
        warehouses=warehouses,
        customers=customers,
        rate_limits=rate_limits,
        enforce_limits=enforce_limits,
        generous=generous,
        retry_after=retry_after,
        prefix=prefix,
        clock=clock,
        deadlock_every=deadlock_every,
        cookie_limit=cookie_limit,
        page_size=page_size,
        past_end=past_end,
        added_fields=added_fields,
        partial_delivery=partial_delivery,
        webhook_secret=webhook_secret,
        automatic_webhooks=automatic_webhooks,
    )
