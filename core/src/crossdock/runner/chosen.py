"""Which dispatcher a project has: its database says so."""

from __future__ import annotations

from crossdock.runner.embedded import Embedded
from crossdock.store.database import Database


def dispatcher(database: Database) -> type[Embedded]:
    """Threads of one process, or, on PostgreSQL, jobs that all workers there share.

    Raises `StoreError` when what the latter need is not installed.
    """
    if database.dialect != "postgresql":
        return Embedded
    from crossdock.runner.distributed import Distributed

    return Distributed
