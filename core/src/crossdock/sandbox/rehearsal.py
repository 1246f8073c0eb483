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
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn


class NotRehearsed(Exception):
    """The sandbox's rehearsal does not play this, so nothing is known of it."""


class Impossible(Exception):
    """This cannot happen at this vendor; the text says why, for users."""


class Rehearsal:
    """What the kit can make happen in a system; see the module.

    `streams` are the streams that `add` and the others know; `whole` those of them that the vendor gives in one answer,
    a feed or an export, so that nothing can move between two. `rows` is more than fit two of the connector's pages. A
    key is always the key of the record that the connector makes of the row, as text.
    """

    streams: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    rows: int = 250

    # -- rows of a stream

    def add(self, stream: str, moments: Sequence[datetime]) -> Sequence[str]:
        """Add one row for each of `moments`, which is when it was last changed; answer their keys.

        Times are aware UTC, in any order, in the past or the future, and may be equal. Each row should differ from the
        others in what is read of it: another amount, for example with ten cents and with one.
        """
        self._missing("add")

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

    # -- time

    def now(self) -> datetime:
        """The system's clock, aware UTC; by default this machine's."""
        return datetime.now(UTC)

    def set_clock(self, now: datetime) -> None:
        """From now on it is `now` there, in the ``Date`` header and in what is changed; the clock goes on running."""
        self._missing("set_clock")

    def _missing(self, method: str) -> NoReturn:
        raise NotRehearsed(f"{type(self).__name__} has no method {method!r}.")
