"""What a stage lends to its sessions: a clock that tests move, and things that are kept in memory only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from crossdock.clock import SystemClock
from crossdock.connection import Budget
from crossdock.http.exchange import Exchange


class StageClock(SystemClock):
    """The real time plus a difference that a test chooses; waiting takes none, and is counted in `slept`."""

    def __init__(self) -> None:
        super().__init__()
        self.difference = timedelta(0)
        self.slept = 0.0

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return datetime.now(UTC) + self.difference

    def set(self, now: datetime) -> None:
        """From now on it is `now`; the clock goes on running."""
        self.difference = now - datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Do not wait."""
        self.slept += max(seconds, 0.0)


class FreeLimiter:
    """Budgets are the engine's business; here they never hold anybody up."""

    def reserve(self, budget: Budget, now: datetime) -> timedelta:
        """No wait."""
        return timedelta(0)

    def hold(self, budget: str, until: datetime) -> None:
        """Nothing."""


class DictMemory:
    """A connection's memory that lasts as long as the stage."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, str]] = {}

    def get_many(self, table: str, keys: Iterable[str]) -> dict[str, str]:
        """What is known of `keys`."""
        known = self.tables.get(table, {})
        return {key: known[key] for key in keys if key in known}

    def put_many(self, table: str, values: Mapping[str, str]) -> None:
        """Remember."""
        self.tables.setdefault(table, {}).update(values)

    def forget(self, table: str, keys: Iterable[str]) -> None:
        """Forget."""
        for key in list(keys):
            self.tables.get(table, {}).pop(key, None)

    def items(self, table: str) -> dict[str, str]:
        """Everything in `table`."""
        return dict(sorted(self.tables.get(table, {}).items()))


class KeptExchanges:
    """Requests and answers as they are recorded for people."""

    def __init__(self) -> None:
        self.kept: list[Exchange] = []

    def keep(self, exchange: Exchange) -> None:
        """Remember."""
        self.kept.append(exchange)
