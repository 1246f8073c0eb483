"""What was decided for the whole project, and holds for all its processes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from crossdock.store.database import Database, stamp, unstamp


class Preferences:
    """Verbs on decisions; each is a table as a configuration file has it."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, name: str) -> dict[str, Any]:
        """A decision; empty when nothing was decided."""
        rows = self._db.query("SELECT value FROM preference WHERE name = ?", (name,))
        return msgspec.json.decode(rows[0][0], type=dict[str, Any]) if rows else {}

    def done_at(self, name: str) -> datetime | None:
        """When that was last decided or done."""
        rows = self._db.query("SELECT updated_at FROM preference WHERE name = ?", (name,))
        return unstamp(rows[0][0]) if rows else None

    def put(self, name: str, value: Mapping[str, Any], now: datetime) -> None:
        """Decide; an empty table takes the decision back."""
        if not value:
            self._db.run("DELETE FROM preference WHERE name = ?", (name,))
            return
        text = msgspec.json.encode(dict(value)).decode()
        self._db.upsert("preference", ("name", "value", "updated_at"), ("name",), [(name, text, stamp(now))])
