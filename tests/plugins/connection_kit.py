"""What a connection has besides its settings, in the tests of all connectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class DictMemory:
    """A connection's memory that lasts as long as the test."""

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
