"""Which runner a project has: its database says so."""

from __future__ import annotations

from crossdock.runner.embedded import Embedded
from crossdock.runner.shared import Shared
from crossdock.store.database import Database


def dispatcher(database: Database) -> type[Embedded]:
    """One for workers that may be alone, or, on PostgreSQL, for those that hear each other."""
    return Shared if database.dialect == "postgresql" else Embedded
