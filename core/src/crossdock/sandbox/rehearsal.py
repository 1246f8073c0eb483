"""How the contract kit plays a system it does not know: people who place, edit and remove, and a clock that is wrong.

A sandbox returns a `Rehearsal` from `Sandbox.rehearsal`. Every method is optional. What is not written is reported as
not rehearsed and holds the level back; what cannot happen at this vendor raises `Impossible` with the reason, which
users can read. For a connector that reads orders this is all there is to write::

    class AcmeRehearsal(Rehearsal):
        streams = ("orders",)

        def __init__(self, sandbox):
            self.sandbox = sandbox

        def add(self, stream, moments):
            return [self.sandbox.place(changed=moment) for moment in moments]

        def edit(self, stream, key):
            self.sandbox.rows[key].update(total="99.95", changed=self.now())

        def expected(self, stream):
            return {key: {"total": Decimal(row["total"])} for key, row in self.sandbox.rows.items()}

Methods are called from the test and, between two answers, from the thread that answers: take `Sandbox.lock`.

What is written to a system is rehearsed by `make`, `created`, `written` and `refused`; the others of that part are
about what a connector may have besides: cancelling, shipments, acceptance, import jobs. A connector without the hook
needs none of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from crossdock.records import Balance, Order, Price, Product, Shipment, evolve
from crossdock.session import WebhookRequest

R = TypeVar("R")


class NotRehearsed(Exception):
    """The sandbox's rehearsal does not play this, so nothing is known of it."""


class Impossible(Exception):
    """This cannot happen at this vendor; the text says why, for users."""


class Rehearsal:
    """What the kit can make happen in a system; see the module.

    `streams` are the streams that `add` and the others know; `whole` those of them that the vendor gives in one answer,
    a feed or an export, so that nothing can move between two. `own` are those of which there is only what the connector
    sent itself: instead of `add` the kit sends orders of `make` and asks `sent`. `rows` is more than fit two of the
    connector's pages. A key is always the key of the record that the connector makes of the row, as text.
    """

    streams: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    rows: int = 250

    # -- rows of a stream

    def add(self, stream: str, moments: Sequence[datetime]) -> Sequence[str]:
        """Add one row for each of `moments`, which is when it was last changed; answer their keys.

        Times are aware UTC, in any order, in the past or the future, and may be equal. Each row should differ from the
        others in what is read of it: another amount, for example with ten cents and with one.
        """
        self._missing("add")

    def sent(self, stream: str, external_id: str) -> str:
        """The key of the row of an `own` stream that there is because the connector sent the order `external_id`."""
        self._missing("sent")

    def edit(self, stream: str, key: str) -> None:
        """Somebody changes the row now, so that the record changes, too."""
        self._missing("edit")

    def remove(self, stream: str, key: str) -> None:
        """Somebody deletes the row, so that lists no longer show it."""
        self._missing("remove")

    def expected(self, stream: str) -> Mapping[str, Mapping[str, Any]]:
        """The truth, by key: what the connector's records must say of all rows that there are now.

        Each value names attributes of the record: ``{"total": Decimal("12.30"), "customer.email": "a@shop.example",
        "lines.0.sku": "A-1"}``. Amounts are given as the exact `Decimal`, times as aware UTC.
        """
        self._missing("expected")

    # -- rows as nobody wants them

    def spoil(self, stream: str, key: str) -> str:
        """Break a field of the row so that no record can be made of it; answer the path of the field, or ""."""
        self._missing("spoil")

    def new_word(self, stream: str, key: str) -> str:
        """Give the row a status (or another word from a list) that the vendor never documented; answer the word."""
        self._missing("new_word")

    def added_field(self) -> None:
        """From now on every row, and every object in it, has a field that the vendor never documented."""
        self._missing("added_field")

    # -- what is written here: orders, customers, products, prices, balance

    def make(self, stream: str, count: int) -> Sequence[Any]:
        """So many records of other systems that this one takes as they are, other ones with each call.

        Orders and customers are new, with keys of their own, orders of products that exist here. Prices, balances and
        products are those of so many products that exist here, with values other than they have now.
        """
        self._missing("make")

    def change(self, record: R) -> R:
        """The record as somebody changed it where it comes from, in something that `written` tells.

        Of stock, prices and products there is a change that most systems take; of orders and customers there is none.
        """
        if isinstance(record, Balance):
            return evolve(record, available=record.available + 1)
        if isinstance(record, Price):
            return evolve(record, amount=record.amount + Decimal("0.10"))
        if isinstance(record, Product):
            return evolve(record, name=f"{record.name}, improved")
        return self._missing("change")

    def strange(self, record: R) -> R:
        """The order, price or balance as it is when it names a product that does not exist here."""
        sku = "NO-SUCH-PRODUCT-7"
        if isinstance(record, Order):
            return evolve(record, lines=(evolve(record.lines[0], sku=sku, gtin=""), *record.lines[1:]))
        if isinstance(record, Price | Balance):
            return evolve(record, sku=sku)
        return self._missing("strange")

    def refused(self, stream: str) -> tuple[Any, str]:
        """A record that this system refuses for a reason of its own, and words of it that a person must read."""
        self._missing("refused")

    def created(self, stream: str, key: str) -> Sequence[str]:
        """The ids of all orders or customers that exist here under the idempotency key, cancelled ones, too."""
        self._missing("created")

    def written(self, stream: str, key: str) -> Mapping[str, Any]:
        """The truth of one thing that was written, named by attributes of the record: ``{"available": Decimal(4)}``.

        `key` is the id of an order or a customer, of a price, balance or product the key of the record. Told is what
        `change` changes, and the exact amounts.
        """
        self._missing("written")

    def double(self, key: str) -> None:
        """Somebody copies the order that exists under the idempotency key, the key included: now there are two."""
        self._missing("double")

    def cancelled(self, external_id: str) -> bool:
        """Whether the order is cancelled here."""
        self._missing("cancelled")

    def finish(self, external_id: str) -> None:
        """The order leaves the house: it can no longer be cancelled."""
        self._missing("finish")

    def waiting_order(self) -> Order:
        """An order of this system, as it is read here, that waits to be accepted or refused."""
        self._missing("waiting_order")

    def decided(self, key: str) -> bool | None:
        """Whether the order was accepted (true) or refused (false), or still waits."""
        self._missing("decided")

    def shipment(self) -> tuple[Order, Shipment]:
        """An order of this system, as it is read here, that waits for a parcel, and its shipment; others each call.

        The shipment comes from elsewhere and has a carrier that this system knows and a tracking number.
        """
        self._missing("shipment")

    def reported(self, key: str) -> Sequence[str]:
        """The tracking numbers that were reported on the order, each as often as it was."""
        self._missing("reported")

    def finish_jobs(self) -> None:
        """All import jobs that were handed in are worked off now; before, they are not."""
        self._missing("finish_jobs")

    def fail_job(self) -> str:
        """The next import job fails as a whole; answer words of the reason that a person must read."""
        self._missing("fail_job")

    # -- secrets and webhooks

    def set_secret(self, name: str, value: str) -> None:
        """From now on the account's secret of the setting `name` is `value`, which has characters that get escaped."""
        self._missing("set_secret")

    def webhook(self, stream: str, key: str) -> WebhookRequest:
        """The webhook that this system sends when the row changes, with every header and its signature."""
        self._missing("webhook")

    def sign(self, body: bytes) -> WebhookRequest:
        """A webhook with this very body, whatever it is, as only somebody who knows the secret can send it."""
        self._missing("sign")

    # -- time

    def now(self) -> datetime:
        """The system's clock, aware UTC; by default this machine's."""
        return datetime.now(UTC)

    def set_clock(self, now: datetime) -> None:
        """From now on it is `now` there, in the ``Date`` header and in what is changed; the clock goes on running."""
        self._missing("set_clock")

    def _missing(self, method: str) -> NoReturn:
        raise NotRehearsed(f"{type(self).__name__} has no method {method!r}.")
