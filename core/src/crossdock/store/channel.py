"""News between processes on PostgreSQL: the word that there is something to look at, and ears for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from crossdock.errors import StoreError
from crossdock.store.database import Database
from crossdock.store.reach import reach

_CHANNEL = "crossdock_wake"


def tell(database: Database, who: str = "") -> None:
    """Let whoever listens on this database look now; where nobody can listen it is seen at their next look.

    `who` is the process that says it. Inside a transaction it is heard after the commit.
    """
    if database.dialect == "postgresql":
        database.query("SELECT pg_notify(?, ?)", (_CHANNEL, who))


@contextlib.contextmanager
def listening(url: str) -> Iterator[Callable[[float], list[str]]]:
    """Ears on a PostgreSQL database: call them with the seconds to listen at most, and they answer who said something.

    Raises `StoreError` when the connection cannot be made or breaks.
    """
    import psycopg

    try:
        with reach(url) as connection:
            connection.execute(f"LISTEN {_CHANNEL}")
            yield lambda seconds: [each.payload for each in connection.notifies(timeout=seconds, stop_after=1)]
    except psycopg.Error as error:
        raise StoreError(f"Nothing can be heard of other workers: {str(error).strip()}") from error
