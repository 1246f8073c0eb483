"""Goods of orders that were sold and that the stock of the system behind them does not show yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import attrs

from crossdock.store.database import Database, stamp

SOLD = "sold"
WAITING = "waiting"
"""The seller has not decided yet whether to accept the order: it counts against what is published, not against other
orders that wait as well."""


@attrs.frozen(slots=True)
class HeldOrder:
    """What an order of `connection` takes from the stock of a system: quantities by SKU as that system names it."""

    key: str
    state: str
    quantities: Mapping[str, Decimal]
    part: str = ""
    """Of an order that was handed on and has changed since: the hash of the changed order."""


@attrs.frozen(slots=True)
class Holder:
    """An order that holds goods; since `settled_at` the system behind has it, and its next stock shows it."""

    connection: str
    key: str
    quantity: Decimal
    state: str
    settled_at: str | None


class Holds:
    """Verbs on holds; the caller holds the transaction, and is alone with the stock of the target."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def keep(self, connection: str, target: str, orders: Sequence[HeldOrder]) -> set[str]:
        """Note what orders take now, nothing included; answers the SKUs whose held quantity may have changed.

        What was decided to be accepted stays decided, and what was handed on (`settle`) waits for the next stock.
        """
        keys = [order.key for order in orders]
        touched = self._drop(connection, target, keys, "AND settled_at IS NULL AND (state = ? OR part <> '')", WAITING)
        touched |= self._drop_gone(connection, target, orders)
        rows = [
            (connection, target, order.key, sku, order.part, format(quantity.normalize(), "f"), order.state)
            for order in orders
            for sku, quantity in sorted(order.quantities.items())
        ]
        self._db.many(
            "INSERT INTO hold (connection, target, key, sku, part, quantity, state) VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (connection, target, key, sku, part) DO UPDATE SET quantity = excluded.quantity",
            rows,
        )
        return touched | {row[3] for row in rows}

    def _drop_gone(self, connection: str, target: str, orders: Sequence[HeldOrder]) -> set[str]:
        """Rows of lines that the orders no longer have."""
        wanted = {order.key: order.quantities for order in orders if not order.part}
        condition, keys = self._db.any_of("key", list(wanted))
        rows = self._db.query(
            "SELECT key, sku FROM hold WHERE connection = ? AND target = ? AND settled_at IS NULL AND part = '' "
            f"AND {condition}",
            (connection, target, keys),
        )
        gone = [(key, sku) for key, sku in rows if sku not in wanted[key]]
        self._db.many(
            "DELETE FROM hold WHERE connection = ? AND target = ? AND key = ? AND sku = ? AND part = ''",
            [(connection, target, key, sku) for key, sku in gone],
        )
        return {sku for _, sku in gone}

    def _drop(self, connection: str, target: str, keys: Sequence[str], more: str, *params: str) -> set[str]:
        condition, values = self._db.any_of("key", keys)
        rows = self._db.query(
            f"DELETE FROM hold WHERE connection = ? AND target = ? AND {condition} {more} RETURNING sku",
            (connection, target, values, *params),
        )
        return {row[0] for row in rows}

    def keys(self, connection: str, target: str) -> list[str]:
        """The orders of `connection` that hold something and were not handed on."""
        rows = self._db.query(
            "SELECT DISTINCT key FROM hold WHERE connection = ? AND target = ? AND settled_at IS NULL ORDER BY key",
            (connection, target),
        )
        return [row[0] for row in rows]

    def settle(self, connection: str, target: str, key: str, now: datetime, part: str | None = None) -> None:
        """The order was handed on: the next stock that is read after `now` shows it.

        Of its changes only `part` was handed on, or all when it is `None`.
        """
        self._db.run(
            "UPDATE hold SET settled_at = ?, state = 'sold' WHERE connection = ? AND target = ? AND key = ? "
            "AND settled_at IS NULL AND (part = '' OR part = ? OR ? = 1)",
            (stamp(now), connection, target, key, part or "", int(part is None)),
        )

    def is_sold(self, connection: str, target: str, key: str) -> bool:
        """Whether the order holds goods and was accepted."""
        rows = self._db.query(
            "SELECT 1 FROM hold WHERE connection = ? AND target = ? AND key = ? AND state = 'sold' LIMIT 1",
            (connection, target, key),
        )
        return bool(rows)

    def sell(self, connection: str, target: str, key: str) -> None:
        """The order was accepted."""
        self._db.run(
            "UPDATE hold SET state = 'sold' WHERE connection = ? AND target = ? AND key = ?", (connection, target, key)
        )

    def release(self, connection: str, target: str, keys: Sequence[str] | None = None) -> set[str]:
        """The orders (without `keys` all of the connection) take nothing any more; answers their SKUs.

        What was handed on is taken all the same, and held until the stock shows it.
        """
        if keys is not None:
            return self._drop(connection, target, keys, "AND settled_at IS NULL")
        rows = self._db.query(
            "DELETE FROM hold WHERE connection = ? AND target = ? AND settled_at IS NULL RETURNING sku",
            (connection, target),
        )
        return {row[0] for row in rows}

    def expire(
        self, target: str, before: datetime, skus: Sequence[str] | None = None, but: Collection[str] = ()
    ) -> set[str]:
        """The stock of `target` was read from `before` on, of these SKUs or of all: it shows what was settled earlier.

        It does not say it of the SKUs in `but`. Answers the SKUs of which less is held now.
        """
        rows = self._db.query(
            "SELECT DISTINCT sku FROM hold WHERE target = ? AND settled_at < ?", (target, stamp(before))
        )
        gone = sorted(sku for (sku,) in rows if sku not in but and (skus is None or sku in skus))
        condition, values = self._db.any_of("sku", gone)
        self._db.run(
            f"DELETE FROM hold WHERE target = ? AND settled_at < ? AND {condition}", (target, stamp(before), values)
        )
        return set(gone)

    def holders(self, target: str, skus: Sequence[str]) -> dict[str, list[Holder]]:
        """Which orders hold how much of SKUs, by SKU."""
        condition, values = self._db.any_of("sku", skus)
        rows = self._db.query(
            f"SELECT sku, connection, key, quantity, state, settled_at FROM hold WHERE target = ? AND {condition} "
            "ORDER BY sku, connection, key, part",
            (target, values),
        )
        found: dict[str, list[Holder]] = {}
        for sku, connection, key, quantity, state, settled_at in rows:
            found.setdefault(sku, []).append(Holder(connection, key, Decimal(quantity), state, settled_at))
        return found

    def of(
        self, target: str, skus: Sequence[str], *, sold_only: bool = False, but: tuple[str, str] = ("", ""),
        unsettled_at: datetime | None = None,
    ) -> dict[str, Decimal]:  # fmt: skip
        """How much is held of SKUs.

        `sold_only` leaves out what waits for a decision, `but` the order (connection, key) itself; with `unsettled_at`
        only what was not handed on before then.
        """
        condition, values = self._db.any_of("sku", skus)
        rows = self._db.query(
            f"SELECT connection, key, sku, quantity, state, settled_at FROM hold WHERE target = ? AND {condition}",
            (target, values),
        )
        since = stamp(unsettled_at) if unsettled_at else ""
        found: dict[str, Decimal] = {}
        for connection, key, sku, quantity, state, settled_at in rows:
            if (
                (sold_only and state != SOLD)
                or (connection, key) == but
                or (since and settled_at and settled_at < since)
            ):
                continue
            found[sku] = found.get(sku, Decimal(0)) + Decimal(quantity)
        return found
