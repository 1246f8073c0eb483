"""The hooks: what a connector can do, and where ambient plugins may look, change or forbid.

Connector hooks are plain functions in a module, marked with `hookimpl`; a connector implements what its system can do.
They are synchronous, take their arguments by position or name without defaults, and never answer `None`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from crossdock.connection import ConnectorInfo
    from crossdock.errors import AccessError, RecordError
    from crossdock.records import Balance, Customer, Order, Price, Product, Record, Shipment
    from crossdock.session import (
        Check,
        Decision,
        Outcome,
        Page,
        Preview,
        Query,
        Receipt,
        Session,
        StatusUpdate,
        StillRunning,
        WebhookReply,
        WebhookRequest,
        WebhookState,
    )

PROJECT = "crossdock"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

_one = hookspec(firstresult=True)

STATUS_BATCH = 100
"""How many items one `push_statuses` takes at most."""


class HookDeprecation(DeprecationWarning):
    """A plugin uses what will go; the text says since when, until when, and what takes its place."""


def deprecated(what: str, *, since: str, until: str, instead: str) -> HookDeprecation:
    """What `hookspec` is given for a hook that will go (`warn_on_impl`) or an argument (`warn_on_impl_args`).

    `since` and `until` are versions of whoever defines the hook. Plugins that use it go on working until then; they are
    named with this text by ``crossdock connectors`` and ``crossdock doctor``.
    """
    return HookDeprecation(f"{what} is deprecated since version {since} and goes with {until}; use {instead}")


class ConnectorSpec:
    """Hooks of a connector. The engine asks exactly one connector at a time."""

    @_one
    def connector_info(self) -> ConnectorInfo:  # type: ignore[empty-body]
        """Say what the connector is; cheap, no I/O.

        Example::

            @hookimpl
            def connector_info() -> ConnectorInfo:
                return ConnectorInfo(name="acme", title="Acme", settings=Settings, endpoint=endpoint, spec=1)
        """

    @_one
    def verify(self, session: Session[Any]) -> Iterable[Check]:  # type: ignore[empty-body]
        """Prove step by step that the connection works; writes nothing. A red step says what to do.

        Errors of the HTTP layer may leave the hook: the engine turns them into a red step of their own.

        Example::

            @hookimpl
            def verify(session: Session[Settings]) -> Iterable[Check]:
                session.http.get("me")
                yield Check(name="Login", state="ok")
        """

    @_one
    def fetch_orders(self, session: Session[Any], query: Query) -> Iterator[Page[Order]]:  # type: ignore[empty-body]
        """Read orders, oldest change first, page by page; each page names the cursor to restart from.

        For `Since`, everything that changed at or after the cursor must come (twice is fine, never is not).
        For `ByKeys`, just those orders; a key that no longer exists is left out.

        Example::

            @hookimpl
            def fetch_orders(session: Session[Settings], query: Query) -> Iterator[Page[Order]]:
                for rows, cursor in pages(session, query):
                    yield session.page(rows, to_order, cursor=cursor)
        """

    @_one
    def push_order(  # type: ignore[empty-body]
        self, session: Session[Any], order: Order, key: str, known: Receipt | None
    ) -> Receipt:
        """Create the order under the idempotency `key`, or update it when it is `known`; answer its receipt.

        `key` must be stored in the external system in a place that `find_order` can search. Send a create with
        ``create=True`` so that a lost answer becomes `OutcomeUnknownError`. An unknown SKU is a `RecordError` with
        a gap.

        Example::

            @hookimpl
            def push_order(session: Session[Settings], order: Order, key: str, known: Receipt | None) -> Receipt:
                if known:
                    session.http.put(f"orders/{known.external_id}", from_order(order, key))
                    return known
                answer = session.http.post("orders", from_order(order, key), create=True).json()
                return Receipt(external_id=str(answer["id"]))
        """

    @_one
    def find_order(self, session: Session[Any], key: str) -> Sequence[Receipt]:  # type: ignore[empty-body]
        """All orders that exist under the idempotency `key`: none, one, or (a finding) several.

        Asked after a lost answer, before anything is sent again. It must look at the truth, not at a cache.

        Example::

            @hookimpl
            def find_order(session: Session[Settings], key: str) -> Sequence[Receipt]:
                rows = session.http.get("orders", {"reference": key}).json()
                return [Receipt(external_id=str(row["id"])) for row in rows if row["reference"] == key]
        """

    @_one
    def preview_order(self, session: Session[Any], order: Order, key: str) -> Preview:  # type: ignore[empty-body]
        """Check the order fully and answer exactly what would be sent; sends nothing.

        Example::

            @hookimpl
            def preview_order(session: Session[Settings], order: Order, key: str) -> Preview:
                body = encode(from_order(order, key))
                return Preview(body=body, hash=sha256(body.encode()).hexdigest())
        """

    @_one
    def accept_order(  # type: ignore[empty-body]
        self, session: Session[Any], known: Receipt, decision: Decision
    ) -> Receipt:
        """Marketplaces: accept or refuse lines of an order.

        Example::

            @hookimpl
            def accept_order(session: Session[Settings], known: Receipt, decision: Decision) -> Receipt:
                session.http.put(f"orders/{known.external_id}/accept", {"accepted": decision.accept})
                return known
        """

    @_one
    def cancel_order(self, session: Session[Any], known: Receipt, reason: str) -> Receipt:  # type: ignore[empty-body]
        """Cancel an order that exists; an order that can no longer be cancelled is a `RecordError`.

        Example::

            @hookimpl
            def cancel_order(session: Session[Settings], known: Receipt, reason: str) -> Receipt:
                session.http.delete(f"orders/{known.external_id}")
                return known
        """

    @_one
    def push_status(  # type: ignore[empty-body]
        self, session: Session[Any], update: Order, order: Order, key: str
    ) -> Receipt:
        """Show on `order` (as this system knows it) how far it is in the system that does the work (`update`).

        Called for every change of `update`'s status there: make doing it twice the same as doing it once. Parcels come
        by `push_shipment`.

        Example::

            @hookimpl
            def push_status(session: Session[Settings], update: Order, order: Order, key: str) -> Receipt:
                session.http.put(f"orders/{order.key}/notes/{key}", {"text": update.raw_status})
                return Receipt(external_id=order.key)
        """

    @_one
    def push_statuses(  # type: ignore[empty-body]
        self, session: Session[Any], updates: Sequence[StatusUpdate]
    ) -> Iterable[Outcome]:
        """Show on many orders at once how far they are; one `Outcome` for each, with its key.

        Instead of `push_status`, where the vendor takes many in one call; it is told the same and as often.

        Example::

            @hookimpl
            def push_statuses(session: Session[Settings], updates: Sequence[StatusUpdate]) -> Iterable[Outcome]:
                rows = [{"id": each.order.key, "text": each.update.raw_status} for each in updates]
                refused = session.http.put("orders/statuses", rows).json()["refused"]
                for each in updates:
                    said = refused.get(each.order.key, "")
                    yield Outcome(key=each.key, state="rejected" if said else "done", message=said)
        """

    @_one
    def fetch_shipments(self, session: Session[Any], query: Query) -> Iterator[Page[Shipment]]:  # type: ignore[empty-body]
        """Read what was shipped; `order_key` is the order's key in this system. `ByKeys` takes order keys.

        Example::

            @hookimpl
            def fetch_shipments(session: Session[Settings], query: Query) -> Iterator[Page[Shipment]]:
                for rows, cursor in pages(session, query):
                    yield session.page(rows, to_shipment, cursor=cursor)
        """

    @_one
    def push_shipment(  # type: ignore[empty-body]
        self, session: Session[Any], shipment: Shipment, order: Order, key: str
    ) -> Receipt:
        """Report a shipment on `order` (the order as this system knows it): carrier, parcel number, tracking URL.

        Example::

            @hookimpl
            def push_shipment(session: Session[Settings], shipment: Shipment, order: Order, key: str) -> Receipt:
                body = from_shipment(shipment, key)
                answer = session.http.post(f"orders/{order.key}/shipments", body, create=True).json()
                return Receipt(external_id=str(answer["id"]))
        """

    @_one
    def find_shipment(  # type: ignore[empty-body]
        self, session: Session[Any], shipment: Shipment, order: Order, key: str
    ) -> Sequence[Receipt]:
        """All reports of this shipment that exist on `order`; asked after a lost answer.

        Example::

            @hookimpl
            def find_shipment(
                session: Session[Settings], shipment: Shipment, order: Order, key: str
            ) -> Sequence[Receipt]:
                rows = session.http.get(f"orders/{order.key}/shipments").json()
                return [Receipt(external_id=str(row["id"])) for row in rows if row["reference"] == key]
        """

    @_one
    def fetch_products(self, session: Session[Any], query: Query) -> Iterator[Page[Product]]:  # type: ignore[empty-body]
        """Read product master data with its variants.

        Example::

            @hookimpl
            def fetch_products(session: Session[Settings], query: Query) -> Iterator[Page[Product]]:
                for rows, cursor in pages(session, query):
                    yield session.page(rows, to_product, cursor=cursor)
        """

    @_one
    def fetch_prices(self, session: Session[Any], query: Query) -> Iterator[Page[Price]]:  # type: ignore[empty-body]
        """Read prices, one record a SKU, tier and list. `ByKeys` takes SKUs.

        Example::

            @hookimpl
            def fetch_prices(session: Session[Settings], query: Query) -> Iterator[Page[Price]]:
                for rows, cursor in pages(session, query):
                    yield session.page(rows, to_price, cursor=cursor)
        """

    @_one
    def fetch_balance(self, session: Session[Any], query: Query) -> Iterator[Page[Balance]]:  # type: ignore[empty-body]
        """Read the stock that can be sold, per SKU and warehouse; never money. `ByKeys` takes SKUs.

        Example::

            @hookimpl
            def fetch_balance(session: Session[Settings], query: Query) -> Iterator[Page[Balance]]:
                for rows, cursor in pages(session, query):
                    yield session.page(rows, to_balance, cursor=cursor)
        """

    @_one
    def fetch_customers(self, session: Session[Any], query: Query) -> Iterator[Page[Customer]]:  # type: ignore[empty-body]
        """Read customer master data.

        Example::

            @hookimpl
            def fetch_customers(session: Session[Settings], query: Query) -> Iterator[Page[Customer]]:
                for rows, cursor in pages(session, query):
                    yield session.page(rows, to_customer, cursor=cursor)
        """

    @_one
    def push_customer(  # type: ignore[empty-body]
        self, session: Session[Any], customer: Customer, key: str, known: Receipt | None
    ) -> Receipt:
        """Create or update a customer; creating the same `key` twice must not make two.

        Example::

            @hookimpl
            def push_customer(
                session: Session[Settings], customer: Customer, key: str, known: Receipt | None
            ) -> Receipt:
                session.http.put(f"customers/{customer.number}", from_customer(customer))
                return Receipt(external_id=customer.number)
        """

    @_one
    def push_products(  # type: ignore[empty-body]
        self, session: Session[Any], products: Sequence[Product]
    ) -> Iterable[Outcome]:
        """Create or update products by SKU; one outcome for each, by the product's key.

        Example::

            @hookimpl
            def push_products(session: Session[Settings], products: Sequence[Product]) -> Iterable[Outcome]:
                for product in products:
                    session.http.put(f"products/{product.sku}", from_product(product))
                    yield Outcome(key=product.key, state="done")
        """

    @_one
    def push_prices(  # type: ignore[empty-body]
        self, session: Session[Any], prices: Sequence[Price]
    ) -> Iterable[Outcome]:
        """Set prices; one outcome for each, by the price's key. Done means that the vendor stored what was asked.

        Example::

            @hookimpl
            def push_prices(session: Session[Settings], prices: Sequence[Price]) -> Iterable[Outcome]:
                for price in prices:
                    session.http.put(f"prices/{price.sku}", {"amount": str(price.amount)})
                    yield Outcome(key=price.key, state="done")
        """

    @_one
    def push_balance(  # type: ignore[empty-body]
        self, session: Session[Any], balances: Sequence[Balance]
    ) -> Iterable[Outcome]:
        """Set the stock that can be sold, absolute values; one outcome for each, by the balance's key.

        Example::

            @hookimpl
            def push_balance(session: Session[Settings], balances: Sequence[Balance]) -> Iterable[Outcome]:
                for balance in balances:
                    session.http.put(f"stock/{balance.sku}", {"quantity": int(balance.available)})
                    yield Outcome(key=balance.key, state="done")
        """

    @_one
    def check_job(self, session: Session[Any], job: str) -> Iterable[Outcome] | StillRunning:  # type: ignore[empty-body]
        """Ask an asynchronous import: its outcomes when finished, `StillRunning` before.

        Example::

            @hookimpl
            def check_job(session: Session[Settings], job: str) -> Iterable[Outcome] | StillRunning:
                report = session.http.get(f"imports/{job}").json()
                return to_outcomes(report) if report["status"] == "COMPLETE" else StillRunning(30)
        """

    @_one
    def handle_webhook(self, session: Session[Any], request: WebhookRequest) -> WebhookReply:  # type: ignore[empty-body]
        """Check the signature and say what to fetch again; a webhook is a hint, never the truth. No I/O.

        Example::

            @hookimpl
            def handle_webhook(session: Session[Settings], request: WebhookRequest) -> WebhookReply:
                if not signed(request, session.settings.webhook_secret):
                    return WebhookReply(status=401)
                return WebhookReply(status=200, signals=(Changed(stream="orders", keys=("4711",)),))
        """

    @_one
    def register_webhook(  # type: ignore[empty-body]
        self, session: Session[Any], url: str, secret: str
    ) -> WebhookState:
        """Register `url` at the vendor, or repair a registration that exists; doing it twice makes one.

        Example::

            @hookimpl
            def register_webhook(session: Session[Settings], url: str, secret: str) -> WebhookState:
                hook = session.http.put("webhooks/crossdock", {"url": url, "secret": secret}).json()
                return WebhookState(external_id=str(hook["id"]), active=True)
        """


class AmbientSpec:
    """Hooks of ambient plugins: broadcast to all; none of them is asked to do a connector's work."""

    @hookspec(historic=True)
    def add_hookspecs(self, manager: pluggy.PluginManager) -> None:
        """Add hooks of your own, their names prefixed with your distribution's.

        Example::

            @hookimpl
            def add_hookspecs(manager: pluggy.PluginManager) -> None:
                manager.add_hookspecs(MySpecs)
        """

    @hookspec(historic=True)
    def connector_loaded(self, info: ConnectorInfo) -> None:
        """A connector was found and is usable.

        Example::

            @hookimpl
            def connector_loaded(info: ConnectorInfo) -> None:
                print(info.name)
        """

    @_one
    def transform_record(self, flow: str, record: Record) -> Record:  # type: ignore[empty-body]
        """Change a record of a flow before it is delivered: business rules without a fork.

        The first implementation that answers wins; use a wrapper to combine several. Raise `RecordError` to park it.

        Example::

            @hookimpl
            def transform_record(flow: str, record: Record) -> Record:
                return evolve(record, note="Handle with care") if flow == "orders" else record
        """

    @_one
    def route_record(self, flow: str, record: Record) -> str:  # type: ignore[empty-body]
        """Decide whether a record takes a flow: an empty text for yes, else the reason why not.

        Example::

            @hookimpl
            def route_record(flow: str, record: Record) -> str:
                return "samples are not sold" if record.ref.startswith("SAMPLE") else ""
        """

    @_one
    def needs_approval(self, flow: str, record: Record) -> str:  # type: ignore[empty-body]
        """Decide whether an order has to wait for a person: an empty text for no, else the reason.

        Asked before an order is handed on that nobody has approved yet; `record` is the order as it would be sent. The
        flow's own rules (`--approve-above`, binding orders) hold beside it.

        Example::

            @hookimpl
            def needs_approval(flow: str, record: Record) -> str:
                return "it is large" if isinstance(record, Order) and record.total > 1000 else ""
        """

    @_one
    def approve_effect(  # type: ignore[empty-body]
        self, flow: str, record: Record, by: str, earlier: tuple[str, ...]
    ) -> str:
        """Decide whether the approval that `by` just gave is enough: an empty text for yes, else what is missing.

        `earlier` are those who approved the same content before, oldest first. While something is missing the effect
        waits on, and what was approved is remembered; when its content changes, all approvals are void. Raise a
        `CrossdockError` to refuse an approval altogether: then it is not remembered.

        Example::

            @hookimpl
            def approve_effect(flow: str, record: Record, by: str, earlier: tuple[str, ...]) -> str:
                return "" if len({by, *earlier}) > 1 else "a second person has to approve it"
        """

    @hookspec
    def page_kept(self, connection: str, stream: str, counts: dict[str, int]) -> None:
        """A page was stored; `counts` are its buckets.

        Example::

            @hookimpl
            def page_kept(connection: str, stream: str, counts: dict[str, int]) -> None:
                gauge.labels(connection, stream).inc(counts["new"])
        """

    @hookspec
    def effect_settled(self, flow: str, key: str, state: str, receipt: Receipt | None) -> None:
        """An effect reached a state that lasts: done, parked or in doubt.

        Example::

            @hookimpl
            def effect_settled(flow: str, key: str, state: str, receipt: Receipt | None) -> None:
                audit.write(f"{flow} {key} {state}")
        """

    @hookspec
    def record_parked(self, connection: str, error: RecordError) -> None:
        """A record needs a person.

        Example::

            @hookimpl
            def record_parked(connection: str, error: RecordError) -> None:
                chat.say(f"{connection}: {error}")
        """

    @hookspec
    def connection_paused(self, connection: str, error: AccessError) -> None:
        """A connection was paused because its access broke; called once for each pause.

        Example::

            @hookimpl
            def connection_paused(connection: str, error: AccessError) -> None:
                pager.alert(f"{connection}: {error}")
        """

    @hookspec
    def alert_changed(self, kind: str, subject: str, text: str, state: str) -> None:
        """Something needs a person (``raised``), still does (``still``), or no longer (``resolved``).

        All records with one cause are one alert, and what may pass by itself has lasted. It is called in the process
        that looks, a service or ``crossdock alerts check``, once for each change.

        Example::

            @hookimpl
            def alert_changed(kind: str, subject: str, text: str, state: str) -> None:
                chat.say(f"{state}: {text}")
        """

    @hookspec
    def webhooks_stopped(self, connection: str, stream: str, reason: str) -> None:
        """Changes of a stream are found by reading only, though webhooks told them before; called once for each time.

        Example::

            @hookimpl
            def webhooks_stopped(connection: str, stream: str, reason: str) -> None:
                chat.say(f"{connection}: {reason}")
        """


CONNECTOR_HOOKS: tuple[str, ...] = tuple(name for name in vars(ConnectorSpec) if not name.startswith("_"))
AMBIENT_HOOKS: tuple[str, ...] = tuple(name for name in vars(AmbientSpec) if not name.startswith("_"))

ARGUMENTS: dict[str, str] = {
    "session": "the opened connection: settings, HTTP, clock, log, memory",
    "query": "what is asked for: what changed since a cursor, or named records",
    "order": "the order to write, after business rules and mapping tables",
    "key": "the idempotency key, the same for every attempt",
    "known": "the receipt of an earlier write of this record",
    "decision": "accept or refuse, and which lines",
    "reason": "why, in a person's words or the code of a system",
    "update": "the order as the system that does the work has it now",
    "shipment": "what left, after business rules and mapping tables",
    "customer": "the customer to write, after business rules and mapping tables",
    "products": "the products to write, at most `write_batch` of them",
    "prices": "the prices to write, at most `write_batch` of them",
    "balances": "the stock to show, at most `write_batch` values; one for each SKU, `warehouse` is empty",
    "updates": f"how far orders are, at most {STATUS_BATCH} of them",
    "job": "the import job, as `Outcome.job` named it",
    "request": "the webhook as it came, with the exact bytes of its body",
    "url": "the public address of this connection's door; it contains a secret token",
    "secret": "what the vendor shall sign with; empty when the settings have no `webhook_secret`",
    "manager": "pluggy's manager, to add hooks to",
    "info": "what the connector says of itself",
    "flow": "the name of the flow",
    "record": "the record on its way, of any kind",
    "by": "who approves, as they were named",
    "earlier": "who approved the same content before, oldest first",
    "connection": "the name of the connection",
    "stream": "the stream that was read",
    "counts": "the buckets of the run so far: seen, new, changed, unchanged, parked, skipped",
    "state": "`done`, `parked` or `in_doubt`",
    "receipt": "the proof of the write; `None` when there is none",
    "error": "what is wrong, with its hint",
    "push_order.known": "the receipt of an earlier write of this order; `None`: it is to be created",
    "push_customer.known": "the receipt of an earlier write of this customer; `None`: it is to be created",
    "accept_order.known": "the order as this system knows it",
    "cancel_order.known": "the order as this system knows it",
    "push_status.order": "the order as this system knows it, as it was read from here",
    "push_shipment.order": "the order as this system knows it, as it was read from here",
    "find_shipment.order": "the order as this system knows it, as it was read from here",
    "fetch_shipments.query": "what changed since a cursor, or the shipments of named orders",
    "fetch_prices.query": "what changed since a cursor, or the prices of named SKUs",
    "fetch_balance.query": "what changed since a cursor, or the stock of named SKUs",
    "needs_approval.record": "the order as it would be sent",
    "approve_effect.record": "the order as it would be sent",
    "effect_settled.key": "the record's key at its source",
    "alert_changed.kind": "what sort of trouble: `paused`, `parked`, `doubt`, `approval`, `deadline`, `late`, …",
    "alert_changed.subject": "the connection, stream, flow or cause that it is about",
    "alert_changed.text": "what people are told, in a sentence or two",
    "alert_changed.state": "`raised`, `still` or `resolved`",
}
"""What a hook's arguments are; under `hook.argument` where one hook means something of its own."""
